"""What a benchmark found, the machine that it ran on, and the command line that runs some of them."""

import argparse
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import field, frozen


@frozen
class Result:
    """What a benchmark found: a table for people, what can be counted, and the figures that can be drawn."""

    title: str
    table: Sequence[Sequence[str]]
    counts: Mapping[str, int]
    figures: Mapping[str, float] = field(factory=dict)

    def __str__(self) -> str:
        head, *rows = ("| " + " | ".join(row) + " |" for row in self.table)
        rule = "|---" + "|---:" * (len(self.table[0]) - 1) + "|"
        return "\n".join((f"### {self.title}\n", head, rule, *rows))


@frozen
class Benchmark:
    """A function that measures something, and the sizes that it takes as keywords."""

    measure: Callable[..., Result]
    sizes: tuple[str, ...]


def machine(*libraries: str) -> str:
    """Say what all this ran on."""
    model, info = platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores; {platform.system()}; " + ", ".join(
        f"{name} {release(name)}" for name in (platform.python_implementation(), *libraries)
    )


def release(name: str) -> str:
    """Give the version of a library, or say that it is not there; of Python where that is asked for."""
    if name == platform.python_implementation():
        return platform.python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def command(
    name: str, purpose: str, benchmarks: Mapping[str, Benchmark], sizes: Mapping[str, int]
) -> argparse.ArgumentParser:
    """Make a command line that takes names of benchmarks, and sizes."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=purpose)
    parser.add_argument("which", nargs="*", metavar="WHICH", help=", ".join(benchmarks))
    for size, default in sizes.items():
        option = f"--{size.replace('_', '-')}"
        users = ", ".join(one for one, benchmark in benchmarks.items() if size in benchmark.sizes)
        parser.add_argument(option, type=_size, default=default, help=f"of {users}; default: {default:,}")
    return parser


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, and is {text}")
    return int(text)


def run(
    parser: argparse.ArgumentParser,
    chosen: argparse.Namespace,
    benchmarks: Mapping[str, Benchmark],
    ran_on: str,
) -> dict[str, Result]:
    """Run the benchmarks that were chosen, or all, and print what they found."""
    unknown = set(chosen.which) - set(benchmarks)
    if unknown:
        parser.error(f"there is no {' and no '.join(sorted(unknown))}; there are {', '.join(benchmarks)}")
    print(ran_on)
    results = {}
    for name in chosen.which or benchmarks:
        benchmark = benchmarks[name]
        results[name] = benchmark.measure(**{size: getattr(chosen, size) for size in benchmark.sizes})
        print(f"\n{results[name]}", flush=True)
    return results
