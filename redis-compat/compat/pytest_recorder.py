"""A pytest plugin: runs the tests whose function names match a pattern of COMPAT_NAMES (a JSON list), and writes one
JSON line per test to the file named by COMPAT_RECORD.

A test that fails in its set-up or its tear-down counts as failed.
"""

import json
import os
from fnmatch import fnmatchcase

RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Recorder:
    """Collects the worst outcome of a test's three phases and writes it when the test has ended."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8", buffering=1)
        self._worst: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report) -> None:
        outcome, message = self._worst.get(report.nodeid, ("passed", ""))
        if RANK[report.outcome] > RANK[outcome]:
            outcome, message = report.outcome, _said(report)
        self._worst[report.nodeid] = (outcome, message)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcome, message = self._worst.pop(nodeid, ("failed", "the test left no report"))
        self._file.write(json.dumps({"id": nodeid, "outcome": outcome, "message": message}) + "\n")


def pytest_collection_modifyitems(config, items) -> None:
    """Leaves out the tests whose names match no pattern."""
    patterns = json.loads(os.environ["COMPAT_NAMES"])
    chosen = [item for item in items if any(fnmatchcase(item.originalname, pattern) for pattern in patterns)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _said(report) -> str:
    """Returns the reason of a skip without its file and line, or the whole text of a failure."""
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext


def pytest_configure(config) -> None:
    config.pluginmanager.register(Recorder(os.environ["COMPAT_RECORD"]))
