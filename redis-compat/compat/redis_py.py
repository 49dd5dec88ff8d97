"""Runs test files of redis-py's own suite against a server that is already running."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from .results import Outcome, TestResult

DATABASE = 9
PYTEST_CODES_WITH_RESULTS = (0, 1)


def run_file(source: Path, python: Path, file: str, names: list[str], port: int, protocol: int, seconds_max: int) -> tuple[list[TestResult], list[str]]:
    """Runs the tests of one file whose names match `names`, in one protocol. Returns the results and the faults that belong to no single test."""
    url = f"redis://127.0.0.1:{port}/{DATABASE}"
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory(prefix="redis-py-") as scratch:
        record = Path(scratch) / "results.jsonl"
        record.touch()
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-p", "compat.pytest_recorder"]
        command += ["--quiet", "--tb=short"]
        command += ["--redis-url", url, "--redis-mod-url", url, "--protocol", str(protocol), file]
        environment = os.environ | {"PYTHONPATH": str(here.parent), "COMPAT_RECORD": str(record), "COMPAT_NAMES": json.dumps(names)}
        try:
            done = subprocess.run(
                command,
                cwd=source,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds_max,
                check=False,
            )
            output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            output, code = late.stdout or b"", None
        results = [
            TestResult(entry["id"], Outcome(entry["outcome"]), entry["message"])
            for entry in map(json.loads, record.read_text().splitlines())
        ]
    if code in PYTEST_CODES_WITH_RESULTS:
        return results, []
    said = "\n".join(output.decode(errors="replace").splitlines()[-25:])
    how = f"exited with {code}" if code is not None else f"still ran after {seconds_max} s"
    return results, [f"pytest {how}:\n{said}"]
