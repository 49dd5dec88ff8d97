"""The result of one test, in the terms that all suites share."""

from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class TestResult:
    """One test: its id (unique in its suite run), outcome, and what it said."""

    test_id: str
    outcome: Outcome
    message: str = ""


@dataclass
class SuiteRun:
    """One run of one suite against one freshly started server.

    `section` names the table of expected failures that applies; `tests_run_min` is the floor under the number
    of tests that were executed; `troubles` are faults that belong to no single test.
    """

    name: str
    section: tuple[str, ...]
    tests_run_min: int
    results: list[TestResult] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, outcome: Outcome) -> int:
        """Returns how many tests ended with `outcome`."""
        return sum(1 for result in self.results if result.outcome is outcome)

    def check_tests_run(self) -> None:
        """Adds a trouble when fewer tests were executed than the floor asks for."""
        executed = self.count(Outcome.PASSED) + self.count(Outcome.FAILED)
        if executed < self.tests_run_min:
            self.troubles.append(f"only {executed} tests were executed, at least {self.tests_run_min} are known to exist")
