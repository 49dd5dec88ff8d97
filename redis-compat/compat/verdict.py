"""Holds the results of suite runs against the list of expected failures, and prints the outcome."""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .results import Outcome, SuiteRun

MESSAGE_LINES_SHOWN = 25


@dataclass(frozen=True)
class Expectation:
    """Why a test fails; `by_chance` when it passes at other times."""

    reason: str
    by_chance: bool = False


class Expectations:
    """The expected failures: for each section, those of its tests. An empty list when there is no file."""

    def __init__(self, path: Path | None) -> None:
        self._tables = tomllib.loads(path.read_text()) if path else {}

    def of(self, section: tuple[str, ...]) -> dict[str, Expectation]:
        """Returns the expected failures of one section, by test id: its own, and those of the sections above it."""
        table, found = self._tables, {}
        for name in section:
            table = table.get(name, {})
            entries = {test_id: {"reason": entry} if isinstance(entry, str) else entry for test_id, entry in table.items()}
            found |= {test_id: Expectation(**entry) for test_id, entry in entries.items() if "reason" in entry}
        return found

    def unexplained(self) -> list[str]:
        """Returns the listed tests that carry no reason."""
        found: list[str] = []
        tables = [self._tables]
        while tables:
            for key, value in tables.pop().items():
                if isinstance(value, dict) and "reason" not in value:
                    tables.append(value)
                    continue
                value = value["reason"] if isinstance(value, dict) else value
                if not isinstance(value, str) or not value.strip():
                    found.append(key)
        return found


class Verdict:
    """Counts over all suite runs; `faults` are the reasons for which the whole run fails."""

    def __init__(self, expectations: Expectations) -> None:
        self._expectations = expectations
        self._rows: list[tuple[str, ...]] = []
        self._seen: dict[tuple[str, ...], set[str]] = {}
        self._faults: list[str] = []
        self._skip_reasons: Counter[str] = Counter()
        self._left_out: list[str] = []
        self._passed = 0
        self._failed = 0
        for test_id in expectations.unexplained():
            self._fault(f"expected failure without a reason: {test_id}")

    def add(self, run: SuiteRun) -> None:
        """Judges one suite run."""
        expected = self._expectations.of(run.section)
        as_expected = 0
        for result in run.results:
            self._seen.setdefault(run.section, set()).add(result.test_id)
            if result.outcome is Outcome.FAILED and result.test_id in expected:
                as_expected += 1
            elif result.outcome is Outcome.FAILED:
                said = "\n".join(f"      {line}" for line in result.message.splitlines()[-MESSAGE_LINES_SHOWN:])
                self._fault(f"{run.name}: failed: {result.test_id}\n{said}")
            elif result.outcome is Outcome.PASSED and result.test_id in expected and not expected[result.test_id].by_chance:
                self._fault(f"{run.name}: passes, so take it off the list of expected failures: {result.test_id}")
            elif result.outcome is Outcome.PASSED:
                self._passed += 1
            else:
                self._skip_reasons[result.message] += 1
        for trouble in run.troubles:
            self._fault(f"{run.name}: {trouble}")
        counts = [run.count(Outcome.PASSED), run.count(Outcome.FAILED), as_expected, run.count(Outcome.SKIPPED)]
        self._rows.append((run.name, *(str(count) for count in counts), f"{run.seconds:.1f} s"))

    def leave_out(self, name: str, reason: str) -> None:
        """Notes what is not run, so that the outcome says it."""
        self._left_out.append(f"not run: {name}: {reason}")

    def finish(self, sections_run_wholly: set[tuple[str, ...]]) -> int:
        """Looks for listed tests that no longer exist, prints everything, returns the exit code."""
        for section in sorted(sections_run_wholly):
            for test_id in sorted(self._expectations.of(section).keys() - self._seen.get(section, set())):
                self._fault(f"listed as an expected failure, but there is no such test: {test_id}")
        for fault in self._faults:
            print(f"  - {fault}")
        print()
        heads = ("suite", "passed", "failed", "of them expected", "skipped", "time")
        widths = [max(len(row[column]) for row in [heads, *self._rows]) for column in range(len(heads))]
        for row in [heads, *self._rows]:
            print("  ".join(cell.ljust(widths[0]) if column == 0 else cell.rjust(widths[column]) for column, cell in enumerate(row)))
        print()
        for reason, count in sorted(self._skip_reasons.items()):
            print(f"skipped by the suites themselves: {count} x {reason}")
        for left_out in self._left_out:
            print(left_out)
        print(f"{self._passed} passed, {self._failed} failed")
        return 1 if self._faults else 0

    def _fault(self, text: str) -> None:
        self._faults.append(text)
        self._failed += 1
