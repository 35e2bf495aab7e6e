"""Times of things that are done in turn, so that what else the machine does slows all of them."""

import gc
import random
import statistics
import time
from collections.abc import Iterator, Sequence

from attrs import field, frozen

#: Seconds in each round, by what was done.
Times = dict[str, list[float]]


@frozen
class Stopwatch:
    """Seconds of CPU, of this process with all its threads, and of wall-clock time, round after round."""

    cpu: Times = field(factory=dict)
    wall: Times = field(factory=dict)

    def turns(self, names: Sequence[str], rounds: int) -> Iterator[str]:
        """Yield each name once in a round, and time what is done until the next one is asked for.

        Each round has an order of its own, so that what one leaves behind in caches and allocators is not
        always at the cost of the same other. The first round warms up: it is one more, and does not count.
        """
        for times in self.cpu, self.wall:
            times.update({name: [] for name in names})
        # what one leaves behind is not collected in the time of the next, and what is older not looked at
        orders = random.Random(0)  # noqa: S311  # nothing is secret
        gc.collect()
        gc.freeze()
        try:
            for number in range(rounds + 1):
                for name in orders.sample(names, len(names)):
                    cpu, wall = time.process_time(), time.perf_counter()
                    yield name
                    spent = time.process_time() - cpu, time.perf_counter() - wall
                    if number:
                        self.cpu[name].append(spent[0])
                        self.wall[name].append(spent[1])
                    gc.collect()
        finally:
            gc.unfreeze()


@frozen
class Unit:
    """What a time is shown in: so many of it are a second."""

    scale: float
    name: str
    digits: int = 1

    def median(self, times: Times, name: str) -> str:
        """Show the median of one."""
        return f"{statistics.median(times[name]) * self.scale:,.{self.digits}f} {self.name}"

    def spread(self, times: Times, name: str) -> str:
        """Show the fastest and the slowest round of one."""
        lowest, highest = (each(times[name]) * self.scale for each in (min, max))
        return f"{lowest:,.{self.digits}f} to {highest:,.{self.digits}f}"

    def columns(self, times: Times, what: str, *bases: str) -> list[list[str]]:
        """Make columns of medians, spread, and ratios; the first row is their head."""
        head = [what, "fastest and slowest", *(f"of {base}" for base in bases)]
        return [head] + [
            [
                self.median(times, name),
                self.spread(times, name),
                *(ratio(times, name, base) for base in bases),
            ]
            for name in times
        ]


def ratio(times: Times, name: str, base: str) -> str:
    """Say how many times a base's time one took: the median of the ratios of each round.

    Neighbours in time are compared, because the machine may be half as fast in the next minute.
    """
    pairs = zip(times[name], times[base], strict=True)
    found = statistics.median(one / other for one, other in pairs)
    return f"{found:.2f}" if found >= 0.5 else f"{found:.3f}"


def side_by_side(*columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """Make one table of several that have the same rows."""
    return [[cell for part in row for cell in part] for row in zip(*columns, strict=True)]
