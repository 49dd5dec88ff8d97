"""Runs test files of the crate redis's own suite, which starts a server for each test by itself: a program named in its environment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .results import Outcome, TestResult
from .sources import SourceError

HERE = Path(__file__).resolve().parent.parent / "redis-rs"
BUILD_SECONDS_MAX = 900
VERSION = re.compile(r"(?:v=|Redis )(\d+\.\d+\.\d+)")
LISTED = re.compile(r"^(\S+): test$", re.MULTILINE)
RESULT = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.MULTILINE)
SAID = re.compile(r"^---- (\S+) stdout ----\n(.*?)(?=^---- |^successes:$|^failures:$|\Z)", re.MULTILINE | re.DOTALL)
SKIPPED = re.compile(r"Skipping the test because .*")
OUTCOMES = {"ok": Outcome.PASSED, "FAILED": Outcome.FAILED, "ignored": Outcome.SKIPPED}


@dataclass(frozen=True)
class Tests:
    """The built test programs, by the names of their files without the ending."""

    programs: dict[str, Path]


def build(cache: Path, target: Path) -> Tests:
    """Builds the tests: those of the package that cargo fetches, whose checksum stands in Cargo.lock."""
    metadata = json.loads(_cargo(["metadata", "--locked", "--format-version", "1"], HERE))
    package = next(package for package in metadata["packages"] if package["name"] == "redis")
    directory = cache / f"redis-rs-{package['version']}"
    shutil.rmtree(directory, ignore_errors=True)
    # The files' times are kept, so that cargo builds anew only what is another.
    shutil.copytree(Path(package["manifest_path"]).parent / "tests", directory / "tests")
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy2(HERE / name, directory / name)
    said = _cargo(["test", "--no-run", "--locked", "--target-dir", str(target), "--message-format", "json"], directory)
    built = [message for message in map(json.loads, said.splitlines()) if message.get("executable")]
    return Tests({message["target"]["name"]: Path(message["executable"]) for message in built})


def run_file(program: Path, names: list[str], protocol: int, seconds_max: int, binary: Path) -> tuple[list[TestResult], list[str]]:
    """Runs the tests of one file whose names match `names`, in one protocol. Returns the results and the faults that belong to no single test."""
    listed = LISTED.findall(subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout)
    wanted = [test for test in listed if any(fnmatchcase(test.rpartition("::")[2], name) or fnmatchcase(test, name) for name in names)]
    with tempfile.TemporaryDirectory(prefix="redis-rs-") as scratch:
        environment = os.environ | {"REDISRS_SERVER_BIN": str(_write_wrapper(Path(scratch), binary)), "PROTOCOL": f"RESP{protocol}"}
        command = [str(program), "--exact", "--show-output", *wanted]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds_max, check=False
            )
        except subprocess.TimeoutExpired as late:
            return [], [f"{program.name} still ran after {seconds_max} s:\n{(late.stdout or b'').decode(errors='replace')[-2000:]}"]
    said = dict(SAID.findall(done.stdout))
    results = [_judge(program.name.rpartition("-")[0], name, OUTCOMES[outcome], said.get(name, "")) for name, outcome in RESULT.findall(done.stdout)]
    # A test process that dies has no result for what it was at.
    if done.returncode not in (0, 101) or len(results) != len(wanted):
        return results, [f"{program.name} exited with {done.returncode} after {len(results)} of {len(wanted)} tests:\n{done.stderr[-2000:]}"]
    return results, []


def _judge(file: str, name: str, outcome: Outcome, said: str) -> TestResult:
    skipped = SKIPPED.search(said)
    if outcome is Outcome.PASSED and skipped is not None:
        return TestResult(f"{file}: {name}", Outcome.SKIPPED, skipped[0])
    return TestResult(f"{file}: {name}", outcome, said.partition("stack backtrace:")[0] if outcome is Outcome.FAILED else "")


def _write_wrapper(scratch: Path, binary: Path) -> Path:
    """Writes the program that the tests start for redis-server: the one under test, in a directory of its own.

    The suite's harness asks for the version in the words of redis-server.
    """
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True).stdout
    version = VERSION.search(told)
    if version is None:
        raise SourceError(f"{binary} --version tells no version of Redis: {told}")
    wrapper = scratch / "redis-server"
    start = f'exec {shlex.quote(str(binary))} "$@" --dir "$(mktemp -d {shlex.quote(str(scratch))}/XXXXXXXX)"'
    wrapper.write_text(f'#!/bin/sh\nif [ "$1" = -v ]; then echo "redis-server v={version[1]}"; exit; fi\n{start}\n')
    wrapper.chmod(0o755)
    return wrapper


def _cargo(arguments: list[str], directory: Path) -> str:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{Path.home() / '.cargo' / 'bin'}"}
    done = subprocess.run(
        ["cargo", *arguments, "--quiet"],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise SourceError(f"the crate redis's tests could not be built (cargo {arguments[0]} exited with {done.returncode})")
    return done.stdout
