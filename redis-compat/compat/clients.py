"""Runs one scenario, written anew for each client library, and compares what the clients saw and what they left in the server."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import state
from .results import Outcome, SuiteRun, TestResult
from .server import Server, ServerError
from .sources import SourceError

HERE = Path(__file__).resolve().parent.parent / "clients"
# The parts of the scenario, by the last Redis series whose commands they need.
PARTS = ("8.6", "8.10")
SECONDS_MAX = 60
# What XINFO tells since Redis 8.8; the second oracle does not.
FIELDS_OF_8_8 = ("nacked-count",)


@dataclass(frozen=True)
class Client:
    """A client library: its name, the command that runs its scenario, and the protocols that it speaks."""

    name: str
    command: tuple[str, ...]
    protocols: tuple[int, ...]


def python_client(python: Path) -> Client:
    """redis-py, from the Python environment of its tests."""
    return Client("redis-py", (str(python), str(HERE / "python" / "scenario.py")), (2, 3))


def javascript_clients() -> list[Client]:
    """node-redis and ioredis; npm installs them at need, as the lock file says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise SourceError("node and npm are needed: scripts/setup clients installs them")
    directory = HERE / "javascript"
    lock, installed = directory / "package-lock.json", directory / "node_modules" / ".installed-lock.json"
    if not installed.exists() or installed.read_text() != lock.read_text():
        _run([npm, "ci", "--no-audit", "--no-fund", "--silent"], directory, "the JavaScript packages could not be installed")
        installed.write_text(lock.read_text())
    return [
        Client("node-redis", (node, str(directory / "node-redis.js")), (2, 3)),
        Client("ioredis", (node, str(directory / "ioredis.js")), (2,)),
    ]


def rust_client(target: Path) -> Client:
    """The crate redis; cargo builds the scenario at need."""
    command = ["cargo", "build", "--quiet", "--locked", "--target-dir", str(target)]
    _run(command, HERE / "rust", "the scenario for the crate redis could not be built")
    return Client("redis-rs", (str(target / "debug" / "stream-scenario"),), (2, 3))


def run_scenario(client: Client, protocol: int, part: str, binary: Path, is_oracle: bool = False) -> SuiteRun:
    """Runs a part of the scenario and compares each step, and then the state, with what is expected.

    For the oracle, what Redis has since 8.8 is left out of what is expected, and a lag where it tells none.
    """
    expected = json.loads(_expected_path(part).read_text())
    title = "clients against the oracle" if is_oracle else "clients"
    run = SuiteRun(f"{title}: {client.name}, RESP{protocol}, to {part}", ("clients", client.name), len(expected["steps"]) + 1)
    started = time.monotonic()
    seen, left = _observe(run, client, protocol, part, binary)
    run.seconds = time.monotonic() - started
    wanted_state = _as_redis_8_6_tells(expected["state"], left) if is_oracle else expected["state"]
    wanted = [*expected["steps"], ["the state at the end", wanted_state]]
    got = dict(seen) | ({"the state at the end": left} if left is not None else {})
    for name, value in wanted:
        test_id = f"{part}: {name}"
        if name not in got:
            run.results.append(TestResult(test_id, Outcome.FAILED, "the scenario did not come to this step"))
        elif got[name] != value:
            run.results.append(TestResult(test_id, Outcome.FAILED, "\n".join(_differences(name, value, got[name]))))
        else:
            run.results.append(TestResult(test_id, Outcome.PASSED))
    names = [name for name, _ in expected["steps"]]
    if [name for name, _ in seen] != names[: len(seen)]:
        run.troubles.append(f"the steps are not those of {_expected_path(part).name}: {[name for name, _ in seen]}")
    run.check_tests_run()
    return run


def write_expected(client: Client, binary: Path) -> None:
    """Writes down what a server does as what is expected from now on."""
    for part in PARTS:
        run = SuiteRun("expected", (), 0)
        seen, left = _observe(run, client, client.protocols[0], part, binary)
        if run.troubles or left is None:
            raise SourceError("\n".join(run.troubles))
        steps = ",\n".join(f"    {json.dumps(step)}" for step in seen)
        _expected_path(part).write_text(f'{{\n  "steps": [\n{steps}\n  ],\n  "state": {json.dumps(left, indent=1)}\n}}\n')


def _observe(run: SuiteRun, client: Client, protocol: int, part: str, binary: Path) -> tuple[list, dict | None]:
    """Runs a part of the scenario on a new server. Returns its steps, and the state that it left, if it came so far."""
    try:
        with Server(binary) as server:
            command = [*client.command, str(server.port), str(protocol), part]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS_MAX, check=False)
            if done.returncode != 0:
                run.troubles.append(f"the scenario exited with {done.returncode}:\n{done.stderr[-3000:]}")
            left = state.describe(server.port)
            server.end()
        return [json.loads(line) for line in done.stdout.splitlines()], left
    except subprocess.TimeoutExpired:
        run.troubles.append(f"the scenario still ran after {SECONDS_MAX} s")
    except (ServerError, OSError, ValueError) as error:
        run.troubles.append(f"{type(error).__name__}: {error}")
    return [], None


def _expected_path(part: str) -> Path:
    return HERE / "expected" / f"{part}.json"


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


def _differences(path: str, wanted: object, got: object) -> list[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = sorted(wanted.keys() | got.keys())
        absent = "(none)"
        return [line for name in names for line in _differences(f"{path} > {name}", wanted.get(name, absent), got.get(name, absent))]
    return [] if wanted == got else [f"{path}: expected {json.dumps(wanted)}, but it is {json.dumps(got)}"]


def _run(command: list[str], directory: Path, trouble: str) -> None:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{Path.home() / '.cargo' / 'bin'}"}
    done = subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise SourceError(f"{trouble} ({command[0]} exited with {done.returncode})")
