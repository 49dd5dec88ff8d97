"""Runs a scenario, a program that works with a server, and compares what it saw and what it left in the server with what is expected.

A scenario is called with the server's port, and prints a line of JSON for each step: its name and what it came to.
"""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from . import state
from .results import Outcome, SuiteRun, TestResult
from .server import Server, ServerError
from .sources import SourceError

POLL_SECONDS = 0.02
# What XINFO tells since Redis 8.8; the second oracle does not.
FIELDS_OF_8_8 = ("nacked-count",)


@dataclass(frozen=True)
class Scenario:
    """A program, the words before and after the port in its call, and what it should come to.

    `chance` has patterns for what differs from run to run, and what stands in its place before anything is compared.
    `server_options` are the server's; one that the scenario kills is started again.
    """

    command: tuple[str, ...]
    arguments: tuple[str, ...]
    expected: Path
    seconds_max: int
    chance: tuple[tuple[str, str], ...] = ()
    server_options: tuple[str, ...] = ()
    prefix: str = ""


def run_scenario(run: SuiteRun, scenario: Scenario, binary: Path, is_oracle: bool = False) -> SuiteRun:
    """Runs a scenario and compares each step, and then the state, with what is expected.

    For the oracle, what Redis has since 8.8 is left out of what is expected, and a lag where it tells none.
    """
    expected = json.loads(scenario.expected.read_text())
    run.tests_run_min = len(expected["steps"]) + 1
    started = time.monotonic()
    seen, left = _observe(run, scenario, binary)
    run.seconds = time.monotonic() - started
    wanted_state = _as_redis_8_6_tells(expected["state"], left) if is_oracle else expected["state"]
    wanted = [*expected["steps"], ["the state at the end", wanted_state]]
    got = dict(seen) | ({"the state at the end": left} if left is not None else {})
    for name, value in wanted:
        test_id = scenario.prefix + name
        if name not in got:
            run.results.append(TestResult(test_id, Outcome.FAILED, "the scenario did not come to this step"))
        elif got[name] != value:
            run.results.append(TestResult(test_id, Outcome.FAILED, "\n".join(differences(name, value, got[name]))))
        else:
            run.results.append(TestResult(test_id, Outcome.PASSED))
    names = [name for name, _ in expected["steps"]]
    if [name for name, _ in seen] != names[: len(seen)]:
        run.troubles.append(f"the steps are not those of {scenario.expected.name}: {[name for name, _ in seen]}")
    run.check_tests_run()
    return run


def write_expected(scenario: Scenario, binary: Path) -> None:
    """Writes down what a server does as what is expected from now on."""
    run = SuiteRun("expected", (), 0)
    seen, left = _observe(run, scenario, binary)
    if run.troubles or left is None:
        raise SourceError("\n".join(run.troubles))
    steps = ",\n".join(f"    {json.dumps(step)}" for step in seen)
    scenario.expected.write_text(f'{{\n  "steps": [\n{steps}\n  ],\n  "state": {json.dumps(left, indent=1)}\n}}\n')


def _observe(run: SuiteRun, scenario: Scenario, binary: Path) -> tuple[list, dict | None]:
    """Runs a scenario on a new server. Returns its steps, and the state that it left, if it came so far."""
    try:
        with Server(binary, scenario.server_options) as server:
            code, printed, complaints = _run(scenario, server)
            if code != 0:
                run.troubles.append(f"the scenario exited with {code}:\n{complaints[-3000:]}")
            left = state.describe(server.port)
            server.end()
        return _without_chance([json.loads(line) for line in printed.splitlines()], scenario), _without_chance(left, scenario)
    except subprocess.TimeoutExpired:
        run.troubles.append(f"the scenario still ran after {scenario.seconds_max} s")
    except (ServerError, OSError, ValueError) as error:
        run.troubles.append(f"{type(error).__name__}: {error}")
    return [], None


def _run(scenario: Scenario, server: Server) -> tuple[int, str, str]:
    """Runs a scenario's program, and looks after its server meanwhile. Returns its exit code and what it printed."""
    command = [*scenario.command, str(server.port), *scenario.arguments]
    deadline = time.monotonic() + scenario.seconds_max
    with TemporaryFile("w+") as printed, TemporaryFile("w+") as complaints:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=complaints)
        try:
            while process.poll() is None:
                server.start_again_if_killed()
                if time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired(command, scenario.seconds_max)
                time.sleep(POLL_SECONDS)
        finally:
            process.kill()
        texts = [file.seek(0) or file.read() for file in (printed, complaints)]
    return process.wait(), *texts


def _without_chance(value: object, scenario: Scenario) -> object:
    """Puts what the scenario names in the place of what differs from run to run, in names and in values."""
    if isinstance(value, str):
        for pattern, replacement in scenario.chance:
            value = re.sub(pattern, replacement, value)
        return value
    if isinstance(value, list):
        return [_without_chance(part, scenario) for part in value]
    if isinstance(value, dict):
        return {_without_chance(name, scenario): _without_chance(part, scenario) for name, part in value.items()}
    return value


def _as_redis_8_6_tells(value: object, told: object) -> object:
    """Takes out of what is expected the fields that are newer, and a lag where Redis tells none: here it is always known."""
    if isinstance(value, dict):
        told = told if isinstance(told, dict) else {}
        kept = {name: _as_redis_8_6_tells(part, told.get(name)) for name, part in value.items() if name not in FIELDS_OF_8_8}
        return kept | ({"lag": None} if "lag" in kept and "lag" in told and told["lag"] is None else {})
    if isinstance(value, list):
        told = told if isinstance(told, list) else []
        return [_as_redis_8_6_tells(part, told[at] if at < len(told) else None) for at, part in enumerate(value)]
    return value


def differences(path: str, wanted: object, got: object) -> list[str]:
    """Tells where two values differ, a line for each place."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = sorted(wanted.keys() | got.keys())
        absent = "(none)"
        return [line for name in names for line in differences(f"{path} > {name}", wanted.get(name, absent), got.get(name, absent))]
    return [] if wanted == got else [f"{path}: expected {json.dumps(wanted)}, but it is {json.dumps(got)}"]
