"""Scenes: what an operator does with a tool, once against the server under test and once against redis-server, and compared."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .results import Outcome, SuiteRun, TestResult
from .scenario import differences
from .server import Server, ServerError
from .terminal import TerminalError
from .wire import WireError

SECONDS_MAX = 60


class SceneError(Exception):
    """A tool did not do what the scene is about."""


@dataclass(frozen=True)
class Stage:
    """Where a scene plays: a server, and a directory that is empty before the first one."""

    port: int
    directory: Path


@dataclass(frozen=True)
class Scene:
    """What is done, and what comes of it: without what differs from run to run, and in JSON's types."""

    name: str
    play: Callable[[Stage], object]


def play_all(title: str, section: tuple[str, ...], scenes: list[Scene], binary: Path, peer: Path, prepare: Callable[[int], None] | None = None) -> SuiteRun:
    """Plays all scenes, in their order, on one new server of each binary, after `prepare`. What comes of each has to be the same."""
    run = SuiteRun(title, section, len(scenes))
    started = time.monotonic()
    ours, theirs = _outcomes(run, scenes, binary, prepare), _outcomes(run, scenes, peer, prepare)
    for scene in scenes:
        if scene.name not in ours or scene.name not in theirs:
            continue  # the server did not start or end, which is said
        got, wanted = ours[scene.name], theirs[scene.name]
        if isinstance(wanted, Exception):
            run.troubles.append(f"{scene.name}: against {peer}: {wanted}")
        elif isinstance(got, Exception):
            run.results.append(TestResult(scene.name, Outcome.FAILED, str(got)))
        elif json.dumps(got) != json.dumps(wanted):
            run.results.append(TestResult(scene.name, Outcome.FAILED, "\n".join(differences(scene.name, wanted, got))))
        else:
            run.results.append(TestResult(scene.name, Outcome.PASSED))
    run.seconds = time.monotonic() - started
    run.check_tests_run()
    return run


def _outcomes(run: SuiteRun, scenes: list[Scene], binary: Path, prepare: Callable[[int], None] | None) -> dict[str, object]:
    found: dict[str, object] = {}
    try:
        with Server(binary) as server, tempfile.TemporaryDirectory(prefix="redis-compat-scenes-") as directory:
            if prepare is not None:
                prepare(server.port)
            for scene in scenes:
                try:
                    found[scene.name] = scene.play(Stage(server.port, Path(directory)))
                except (SceneError, TerminalError, WireError, OSError, LookupError, TypeError, ValueError, subprocess.SubprocessError) as error:
                    found[scene.name] = error
            server.end()
    except (ServerError, SceneError) as error:
        run.troubles.append(str(error))
    return found


def tool(command: list[str], stdin: bytes = b"") -> dict[str, object]:
    """Runs a tool to its end; returns its lines and its exit status."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=SECONDS_MAX, check=False)
    text = (done.stdout + done.stderr).decode(errors="backslashreplace")
    return {"lines": text.splitlines(), "status": done.returncode}
