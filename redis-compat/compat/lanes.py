"""Lanes: suite runs that follow one another, beside those of other lanes.

Most of a suite's time is waiting, so lanes cost little more than the longest of them.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from .results import SuiteRun


class Lane:
    """Suite runs in their order. `sections` are those of the expected failures that the lane runs wholly."""

    def __init__(self, sections: set[tuple[str, ...]] | None = None) -> None:
        self.sections = sections or set()
        self._runs: list[Callable[[], SuiteRun]] = []

    def add(self, run: Callable[..., SuiteRun], *arguments: object) -> None:
        """Puts a run at the lane's end."""
        self._runs.append(lambda: run(*arguments))

    def run(self) -> list[SuiteRun]:
        """Does all runs, one after the other."""
        return [run() for run in self._runs]


def run_lanes(lanes: list[Lane]) -> Iterator[SuiteRun]:
    """Does the runs of all lanes; returns them lane by lane."""
    with ThreadPoolExecutor(max_workers=max(len(lanes), 1)) as pool:
        for runs in [pool.submit(lane.run) for lane in lanes]:
            yield from runs.result()
