"""The second oracle: a redis-server newer than the packaged one, built from Debian's source package and kept."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compat import sources

BUILT_MARK = ".built"
SERVER_VERSION = re.compile(r"\bv=(\d+(?:\.\d+)+)")
# For its answers, not for its speed: what only makes the server faster or reachable by TLS is left out of the build.
MAKE_SETTINGS = ("BUILD_TLS=no", "USE_SYSTEMD=no", "MALLOC=libc", "OPTIMIZATION=-O1")
LOG_LINES_SHOWN = 20


class OracleError(Exception):
    """The oracle could not be had: a tool is missing, or the build failed."""


@dataclass(frozen=True)
class Oracle:
    """A built redis-server and the source tree that it was built from."""

    version: str
    source: Path

    @property
    def binary(self) -> Path:
        """Where the server is."""
        return self.source / "src" / "redis-server"

    def is_of(self, series: str) -> bool:
        """Whether the version is one of the series, as 8.6.3 is of 8.6."""
        return f"{self.version}.".startswith(f"{series}.")


def provide_oracle(settings: dict, cache: Path, newest: bool = False) -> Oracle:
    """Returns the oracle, fetching and building it when the cache has none, or, with `newest`, none of that version."""
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "oracle.lock"):
        kept = None if newest else _find_kept(settings["series"], cache)
        if kept is not None:
            return kept
        version, source = sources.fetch_newest_redis(settings, cache)
        oracle = Oracle(version, source)
        if not _is_built(oracle):
            _build(oracle)
        return oracle


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lets one process at a time fetch and build."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _find_kept(series: str, cache: Path) -> Oracle | None:
    """Finds the oracle in the cache: one of the series when there is one, and then the newest."""
    kept = [Oracle(mark.read_text().strip(), mark.parent) for mark in cache.glob(f"redis-*/{BUILT_MARK}")]
    kept = [oracle for oracle in kept if _is_built(oracle)]
    return max(kept, key=lambda oracle: (oracle.is_of(series), _version_numbers(oracle.version)), default=None)


def _is_built(oracle: Oracle) -> bool:
    """Whether the build had ended, and the server that it left still runs and is of the version it should be."""
    mark = oracle.source / BUILT_MARK
    if not mark.exists() or mark.read_text().strip() != oracle.version or not os.access(oracle.binary, os.X_OK):
        return False
    return _server_version(oracle.binary) == oracle.version


def _build(oracle: Oracle) -> None:
    for tool in ("make", "cc", "c++"):
        if shutil.which(tool) is None:
            raise OracleError(f"{tool} is needed to build redis {oracle.version}")
    print(f"building redis {oracle.version} in {oracle.source}; this takes a minute or more", file=sys.stderr, flush=True)
    log = oracle.source / "build.log"
    command = ["nice", "-n", "10", "make", "-j2", "-C", str(oracle.source / "src"), *MAKE_SETTINGS, "redis-server"]
    # A make that called this script would hand down its own flags and its job server.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with log.open("w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
        raise OracleError(f"redis {oracle.version} could not be built; {log} ends with:\n{end}")
    version = _server_version(oracle.binary)
    if version != oracle.version:
        raise OracleError(f"{oracle.binary} was built from redis {oracle.version}, but calls itself {version}")
    (oracle.source / BUILT_MARK).write_text(f"{oracle.version}\n")


def _server_version(binary: Path) -> str | None:
    """Returns the version that a server binary tells, or None when it tells none."""
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = SERVER_VERSION.search(told.stdout)
    return match[1] if match is not None else None


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
