"""Runs those of this repository's tests that compare with another server against the second oracle; `cargo test` takes the packaged redis-server."""

import os
import re
import subprocess
import time
from pathlib import Path

from .results import Outcome, SuiteRun, TestResult

TESTS = ("differential", "command_table::")
COMPARED = re.compile(r"^RESP\d.*commands compared.*$", re.MULTILINE)
TEST = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored)", re.MULTILINE)
OUTCOMES = {"ok": Outcome.PASSED, "FAILED": Outcome.FAILED, "ignored": Outcome.SKIPPED}
SECONDS_MAX = 1800
SAID_SHOWN = 4000  # characters


def run_differential(root: Path, reference: Path, version: str, settings: dict) -> SuiteRun:
    """Runs it, with the server that cargo builds."""
    run = SuiteRun(f"differential test against redis {version}", ("differential",), settings["tests_run_min"])
    commands = settings["commands"]  # for each protocol
    started = time.monotonic()
    environment = os.environ | {
        "MILLSTREAM_REFERENCE": str(reference),
        "MILLSTREAM_DIFFERENTIAL_COMMANDS": str(commands),
        "PATH": f"{os.environ.get('PATH', '')}:{Path.home() / '.cargo' / 'bin'}",
    }
    command = ["cargo", "test", "--locked", "--test", "it", "--", "--nocapture", *TESTS]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS_MAX, check=False
        )
        said = done.stdout
        for line in COMPARED.findall(said):
            print(f"{run.name}: {line}", flush=True)
        for name, outcome in TEST.findall(said):
            run.results.append(TestResult(name, OUTCOMES[outcome], said[-SAID_SHOWN:] if outcome == "FAILED" else ""))
        if done.returncode != 0 and run.count(Outcome.FAILED) == 0:
            run.troubles.append(f"cargo test exited with {done.returncode}:\n{done.stderr[-3000:]}")
    except subprocess.TimeoutExpired:
        run.troubles.append(f"the test still ran after {SECONDS_MAX} s")
    run.seconds = time.monotonic() - started
    run.check_tests_run()
    return run
