"""The benchmarks run, and what they time is what they say."""

from __future__ import annotations

import pytest

from benchmarks import emulator
from benchmarks.loopback import connected, saturate
from conversations_async.emulator import Emulator

TINY = (
    *("--messages=23", "--page-size=5"),
    *("--clients=4", "--conversations=3", "--writes=5"),
    *("--requests=10", "--connections=2", "--rounds=2"),
    "--times=1",
)

#: What each benchmark must have counted at these sizes.
COUNTS = {
    "paging": {
        f"{order} {what}": count
        for order in ("asc", "desc")
        for what, count in {"messages": 23, "in their places": 23, "pages": 5}.items()
    },
    "crowd": {"sent": 20, "kept": 20, "different": 20, "conversations without gaps": 3},
    # the round that warms up, and two more
    "rate": {"messages": 30, "rounds": 2},
    "start": {"times": 1},
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_benchmark_counts_what_it_did(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark of the emulator runs at any size, counts what came out, and prints a table."""
    (result,) = emulator.run((name, *TINY))
    assert result.counts == COUNTS[name]
    printed = capsys.readouterr().out
    assert emulator.machine() in printed
    assert str(result) in printed
    assert len({len(row) for row in result.table}) == 1


def test_a_benchmark_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark that there is not is refused with the names of those that there are."""
    with pytest.raises(SystemExit):
        emulator.run(("speed",))
    assert "there is no speed; there are paging, crowd, rate, start" in capsys.readouterr().err


def test_a_request_that_fails_is_not_counted() -> None:
    """An answer other than the hoped-for one ends a measurement."""
    with Emulator() as server, connected(server.url) as lines:
        request = lines[0].request("GET", "/v1/Nowhere")
        with pytest.raises(RuntimeError, match="unexpected answer"):
            saturate(lines, request, 2)
