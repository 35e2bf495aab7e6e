"""How many instructions does the client take, and for what?

``python -m benchmarks.instructions`` runs everything and prints tables; ``--help`` lists the sizes. Valgrind
counts what a process executes outside the kernel. Each portion of work is done in two processes, in one of
them twice as often: start-up is in both counts, and not in their difference. How busy the machine is does not
matter.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from .implementations import Bare, Structs
from .pages import page_server, seen
from .portions import TABLES
from .report import Benchmark, Result, command, machine, run
from .stopwatch import side_by_side

_LIBRARIES: Final = ("aiohttp", "attrs", "cattrs", "msgspec", "orjson", "twilio")
_COLLECTED: Final = re.compile(r"Collected : (\d+)")
#: How much of what a process says is shown when it fails.
_LAST_LINES: Final = 15


def valgrind() -> str:
    """Give the path of valgrind.

    Raises:
        SystemExit: It is not there.
    """
    found = shutil.which("valgrind")
    if found is None:
        sys.exit("instructions are counted by valgrind, and there is no such program here: install valgrind")
    return found


def count(program: Sequence[str], seconds: float) -> int:
    """Run a Python program in a process of its own, and count its instructions.

    Args:
        program: What follows the interpreter on its command line.
        seconds: How long it may take.

    Raises:
        RuntimeError: It failed, or was not done in time; what it took until then is no figure.
    """
    counter = (valgrind(), "--tool=callgrind", "--callgrind-out-file=/dev/null")
    # the same order in sets, and no byte code that one process leaves for another one to find
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603  # the program is one of ours
            (*counter, sys.executable, *program),
            cwd=Path(__file__).parents[1],
            env=environment,
            timeout=seconds,
            check=False,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{' '.join(program)} was not done within {seconds:,} s") from None
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(program)} ended with status {done.returncode}:\n{_last_lines(done.stderr)}"
        )
    return collected(done.stderr)


def collected(printed: str) -> int:
    """Find the count in what callgrind prints.

    Raises:
        RuntimeError: There is none.
    """
    found = _COLLECTED.search(printed)
    if found is None:
        raise RuntimeError(f"valgrind printed no count:\n{_last_lines(printed)}")
    return int(found[1])


def _last_lines(printed: str) -> str:
    return "\n".join(printed.splitlines()[-_LAST_LINES:])


def each(once: int, twice: int, units: int) -> float:
    """Give the instructions a unit, of the counts for so many and for twice as many."""
    return (twice - once) / units


def measure(table: str, units: int, seconds: float) -> tuple[dict[str, float], dict[str, int]]:
    """Count the portions of a table, as many at once as there are cores.

    Returns:
        Instructions a unit, by name; and how much the page server was asked for.
    """
    valgrind()  # before anything is started
    jobs = [(name, size) for name in TABLES[table] for size in (units, 2 * units)]
    with page_server() as (origin, line), ThreadPoolExecutor(_cores()) as executor:

        def one(job: tuple[str, int]) -> int:
            name, size = job
            return count(("-m", "benchmarks.portions", table, name, str(size), origin), seconds)

        counts = dict(zip(jobs, executor.map(one, jobs), strict=True))
        asked = seen(line)
    return {name: each(counts[name, units], counts[name, 2 * units], units) for name in TABLES[table]}, asked


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _columns(figures: dict[str, float], what: str, base: str) -> list[list[str]]:
    rows = [[f"{figure:,.0f}", f"{figure / figures[base]:.2f}"] for figure in figures.values()]
    return [[what, f"of {base}"], *rows]


# --------------------------------------------------------------------------------------------- the benchmarks


def fetch(*, calls: int, seconds: int) -> Result:
    """Read single messages, one after the other."""
    figures, asked = measure("fetch", calls, seconds)
    table = side_by_side([[""], *([name] for name in figures)], _columns(figures, "a call", Bare.name))
    return Result("fetch: instructions a call", table, {"fetches": asked["fetches"]}, figures)


def stream(*, messages: int, seconds: int) -> Result:
    """Read a long list, by pages of two sizes."""
    table: list[list[str]] = []
    counts = {"pages": 0}
    figures: dict[str, float] = {}
    for page_size in (50, 1000):
        found, asked = measure(f"stream {page_size}", max(messages // page_size, 1), seconds)
        found = {name: figure / page_size for name, figure in found.items()}
        names = [["", "messages a page"], *([name, f"{page_size:,}"] for name in found)]
        rows = side_by_side(names, _columns(found, "a message", Structs.name))
        table += rows[1:] if table else rows
        counts["pages"] += asked["pages"]
        figures |= {f"{name} {page_size}": figure for name, figure in found.items()}
    return Result("stream: instructions a message", table, counts, figures)


def layers(*, calls: int, seconds: int) -> Result:
    """Make our own call at one layer after the other."""
    figures, asked = measure("layers", calls, seconds)
    table = [["", "a call", "more than the one before"]]
    before = 0.0
    for name, figure in figures.items():
        table.append([name, f"{figure:,.0f}", f"{figure - before:+,.0f}" if before else ""])
        before = figure
    title = "layers: instructions of a fetch of ours, from the inside out"
    return Result(title, table, {"fetches": asked["fetches"]}, figures)


def parts(*, operations: int, seconds: int) -> Result:
    """Do what needs no network."""
    figures, asked = measure("parts", operations, seconds)
    table = [["", "instructions"], *([name, f"{figure:,.0f}"] for name, figure in figures.items())]
    counts = {"parts": len(figures), "requests": sum(asked.values()) - asked["at once"]}
    return Result("parts: instructions of what needs no network", table, counts, figures)


BENCHMARKS: Final = {
    "fetch": Benchmark(fetch, ("calls", "seconds")),
    "stream": Benchmark(stream, ("messages", "seconds")),
    "layers": Benchmark(layers, ("calls", "seconds")),
    "parts": Benchmark(parts, ("operations", "seconds")),
}
SIZES: Final = {"calls": 200, "messages": 5000, "operations": 1000, "seconds": 600}


def main(arguments: Sequence[str]) -> dict[str, Result]:
    """Run the benchmarks that the arguments name, or all."""
    parser = command("instructions", str(__doc__), BENCHMARKS, SIZES)
    return run(parser, parser.parse_args(arguments), BENCHMARKS, machine(*_LIBRARIES))


if __name__ == "__main__":
    main(sys.argv[1:])
