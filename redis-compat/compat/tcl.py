"""Runs test files of redis's own Tcl suite against a server that is already running, or servers that the files start.

The suite's external mode starts no server: it connects to host and port, and skips by itself what it cannot do
from outside (tests tagged `external:skip`).
"""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .results import Outcome, TestResult

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
STATUS = re.compile(r"^\[(ok|err|skip|ignore|exception|TIMEOUT)\]:? ?(.*)$")
ELAPSED = re.compile(r" \(\d+ ms\)$")
IN_PROGRESS = re.compile(r"^\S+ => \(IN PROGRESS\) (.*)$")
# A server that a file starts, with its tests: its braces stand at the beginning of a line.
BLOCK = re.compile(r"^start_server .*?^\}$", re.MULTILINE | re.DOTALL)
THE_END = "The End"
GRACE_SECONDS = 30
WHOLE_RUN_SECONDS_MAX = 900


class TclRun:
    """What one run of one test file said: results, the test that hung, and faults outside any test."""

    def __init__(self) -> None:
        self.results: list[TestResult] = []
        self.hung_test: str | None = None
        self.troubles: list[str] = []


def run_unit(source: Path, unit: str, port: int, silence_s_max: int, without: list[str]) -> TclRun:
    """Runs one test file and parses what it prints.

    `silence_s_max` ends a run in which no test ends for that long; `without` names tests to leave out.
    """
    return _run(source, unit, ["--host", "127.0.0.1", "--port", str(port)], silence_s_max, without)


def run_unit_with_own_servers(
    source: Path,
    unit: str,
    binary: Path,
    silence_s_max: int,
    without: list[str],
    *,
    without_tags: list[str] | None = None,
    without_blocks: list[str] | None = None,
    defaults: list[str] | None = None,
    tls: bool = False,
) -> TclRun:
    """Runs one test file that starts its servers itself, with settings of their own: `binary`, in the place of redis-server.

    `without` names tests to leave out; what begins with `/` is a pattern. `without_tags` leaves out what is tagged so. `without_blocks` takes out of the file the blocks
    with a server of their own that contain one of these texts, for what stands outside any test. `defaults` are lines that every configuration begins with: what
    is redis-server's default and not the binary's, where tests count on it. With `tls` everything goes over TLS.
    """
    with tempfile.TemporaryDirectory(prefix="redis-compat-tcl-") as directory:
        tree = Path(directory)
        shutil.copytree(source / "tests", tree / "tests", ignore=shutil.ignore_patterns("tmp"))
        (tree / "tests" / "tmp").mkdir()
        _cut_blocks(tree / "tests" / f"{unit}.tcl", without_blocks or [])
        (tree / "src").mkdir()
        server = tree / "src" / "redis-server"
        # The suite waits for the process's number in the server's output.
        lines = "".join(f"{line}\\n" for line in defaults or [])
        prepare = f"""if [ -f "$1" ]; then printf {shlex.quote(lines)} | cat - "$1" > "$1.new" && mv "$1.new" "$1"; fi\n""" if lines else ""
        server.write_text(f'#!/bin/sh\necho "started, PID: $$ "\n{prepare}exec {shlex.quote(str(binary.resolve()))} "$@"\n')
        server.chmod(0o755)
        for tool in ("redis-cli", "redis-benchmark"):
            path = shutil.which(tool)
            if path is not None:
                (tree / "src" / tool).symlink_to(path)
        where = ["--baseport", str(random.randrange(20000, 30000))]
        if without_tags:
            where += ["--tags", " ".join(f"-{tag}" for tag in without_tags)]
        if tls:
            _make_certificates(source, tree)
            where.append("--tls")
        return _run(tree, unit, where, silence_s_max, without)


def _cut_blocks(file: Path, texts: list[str]) -> None:
    whole = file.read_text()
    for text in texts:
        kept = BLOCK.sub(lambda block, text=text: "" if text in block[0] else block[0], whole)
        if kept == whole:
            raise ValueError(f"{file.name} has no block with {text!r}")
        whole = kept
    file.write_text(whole)


def _make_certificates(source: Path, tree: Path) -> None:
    """Makes the certificates that the suite asks for, by its own script. Parameters for Diffie-Hellman, which take long, are left out."""
    (tree / "tests" / "tls").mkdir()
    (tree / "tests" / "tls" / "redis.dh").touch()
    script = source / "utils" / "gen-test-certs.sh"
    subprocess.run(["bash", script], cwd=tree, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _run(tree: Path, unit: str, where: list[str], silence_s_max: int, without: list[str]) -> TclRun:
    command = ["tclsh", "tests/test_helper.tcl", *where]
    command += ["--single", unit, "--clients", "1", "--timeout", str(silence_s_max)]
    command += ["--durable"]  # an error in one test is that test's failure and does not end the run
    for name in without:
        command += ["--skiptest", name]
    process = subprocess.Popen(
        command,
        cwd=tree,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # its test client is a child of its own, which a kill of the parent alone would leave
    )
    late = False
    try:
        output, _ = process.communicate(timeout=WHOLE_RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=GRACE_SECONDS)
        late = True
    run = parse_output(output.decode(errors="replace"), unit)
    if late:
        run.troubles.append(f"{unit} still ran after {WHOLE_RUN_SECONDS_MAX} s")
    return run


def parse_output(output: str, unit: str) -> TclRun:
    """Turns the suite's printed lines into results; a test name that occurs again gets ` #2`, ` #3`, ..."""
    run = TclRun()
    seen: dict[str, int] = {}
    body, ended, _ = COLOUR.sub("", output).partition(THE_END)
    failure: list[str] | None = None
    outside: list[str] = []

    def add(name: str, outcome: Outcome, message: str = "") -> None:
        seen[name] = seen.get(name, 0) + 1
        suffix = f" #{seen[name]}" if seen[name] > 1 else ""
        run.results.append(TestResult(f"{unit}: {name}{suffix}", outcome, message))

    def close_failure() -> None:
        nonlocal failure
        if failure is not None:
            add(failure[0].rpartition(" in tests/")[0] or failure[0], Outcome.FAILED, "\n".join(failure[1:]).strip())
        failure = None

    for line in body.splitlines():
        status = STATUS.match(line)
        hung = IN_PROGRESS.match(line)
        if hung:
            run.hung_test = hung[1]
        elif status is None:
            if failure is not None and not re.match(r"^\[\d+/\d+ done\]", line):
                failure.append(line)
            elif outside:
                outside.append(line)
        elif status[1] == "err":
            close_failure()
            failure = [status[2]]
        elif status[1] == "ok":
            close_failure()
            add(ELAPSED.sub("", status[2]), Outcome.PASSED)
        elif status[1] == "skip":
            close_failure()
            add(status[2], Outcome.SKIPPED, "left out by the driver")
        elif status[1] == "ignore":  # with a test's name, or for a whole block with the reason alone
            close_failure()
            name, _, reason = status[2].rpartition(": ")
            add(name or "(a block of tests)", Outcome.SKIPPED, reason)
        else:
            close_failure()
            outside.append(line)
    close_failure()
    if run.hung_test is None and outside:
        run.troubles.append("\n".join(outside))
    if run.hung_test is None and not ended and not outside:
        run.troubles.append(f"{unit} did not come to its end; its last lines:\n" + "\n".join(body.splitlines()[-15:]))
    return run
