"""Fetches what others wrote: redis from Debian's source packages, redis-py from its source distribution.

Downloads stay in the cache directory; a file there is used only while its checksum is the pinned one.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
APT_SECONDS_MAX = 20
MIRROR_VARIABLE = "MILLSTREAM_DEBIAN_MIRROR"
TARBALL_NAME = re.compile(r"redis_(?P<version>\d+(?:\.\d+)+)\.orig\.tar\.[a-z0-9]+")


class SourceError(Exception):
    """A suite could not be fetched, or is not the one that is pinned."""


def fetch_redis_tests(settings: dict, cache: Path) -> Path:
    """Returns the directory of the unpacked redis source, fetching Debian's source package at need."""
    tarball = cache / settings["tarball"]
    if not _has_checksum(tarball, settings["tarball_sha256"]):
        _apt_get_source(settings, cache / "apt", cache)
    return _unpack(tarball, settings["tarball_sha256"], cache / f"redis-{settings['upstream_version']}")


def fetch_newest_redis(settings: dict, cache: Path) -> tuple[str, Path]:
    """Returns version and directory of the redis source that a Debian suite carries at present.

    A suite that moves on cannot be pinned to a checksum; what vouches for the file is apt's check against the signed index.
    """
    apt = cache / f"apt-{settings['debian_suite']}"
    downloads = apt / "downloads"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    _apt_get_source(settings, apt, downloads)
    found = [(TARBALL_NAME.fullmatch(path.name), path) for path in downloads.iterdir()]
    tarballs = [(match["version"], path) for match, path in found if match is not None]
    if len(tarballs) != 1:
        raise SourceError(f"apt-get left {len(tarballs)} upstream tarballs of redis in {downloads}, not one")
    version, tarball = tarballs[0]
    checksum = hashlib.sha256(tarball.read_bytes()).hexdigest()
    return version, _unpack(tarball, checksum, cache / f"redis-{version}")


def fetch_redis_py(version: str, settings: dict, cache: Path, python: Path) -> Path:
    """Returns the directory of redis-py's unpacked source distribution, fetching it with pip at need."""
    sdist = cache / f"redis-{version}.tar.gz"
    if not _has_checksum(sdist, settings["sdist_sha256"]):
        cache.mkdir(parents=True, exist_ok=True)
        sdist.unlink(missing_ok=True)
        command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "redis"]
        _run([*command, "--dest", cache, f"redis=={version}"], "redis-py's source distribution could not be fetched")
    return _unpack(sdist, settings["sdist_sha256"], cache / f"redis-py-{version}")


def fetch_package(settings: dict, cache: Path) -> Path:
    """Returns the directory of a Debian package's unpacked files. The package is not installed; what vouches for it is apt's check against the signed index."""
    name, version = settings["package"], settings["version"]
    target = cache / f"{name}-{version}"
    done = target / ".unpacked"
    if done.exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    downloads = target / "downloads"
    downloads.mkdir(parents=True)
    trouble = f"the package {name} could not be fetched from Debian's suite {settings['debian_suite']}"
    _apt_get("deb", settings["debian_suite"], cache / f"apt-{name}", ["download", name], downloads, trouble)
    found = list(downloads.glob(f"{name}_{version}*.deb"))
    if len(found) != 1:
        raise SourceError(f"{trouble} in version {version}: there is {[path.name for path in downloads.iterdir()]}")
    _run(["dpkg-deb", "--extract", found[0], target], trouble)
    done.touch()
    return target


def pinned_version(requirements: Path, package: str) -> str:
    """Returns the version that the requirements file pins for `package`."""
    for line in requirements.read_text().splitlines():
        name, _, version = line.partition("==")
        if name.strip() == package and version:
            return version.split()[0]
    raise SourceError(f"{requirements} pins no version of {package}")


def _apt_get_source(settings: dict, apt: Path, downloads: Path) -> None:
    """Downloads the upstream tarball of a Debian source package into `downloads`."""
    trouble = f"the source package of redis could not be fetched from Debian's suite {settings['debian_suite']}"
    _apt_get("deb-src", settings["debian_suite"], apt, ["source", "--download-only", "--tar-only", settings["source_package"]], downloads, trouble)


def _apt_get(kind: str, suite: str, apt: Path, command: list[str], downloads: Path, trouble: str) -> None:
    """Runs an apt-get that downloads something of a Debian suite into `downloads`; `kind` is of the line in apt's sources: `deb` or `deb-src`.

    apt works on lists and settings of its own in the directory `apt`, so the system's sources and lists stay as they are.
    apt checks the file against the archive's signed index before it hands it over.
    """
    if shutil.which("apt-get") is None:
        raise SourceError("apt-get is needed: what Debian has is fetched with it")
    keyring = next((path for path in KEYRINGS if path.exists()), None)
    if keyring is None:
        raise SourceError("the package debian-archive-keyring is missing")
    for directory in ("lists/partial", "archives/partial", "etc"):
        (apt / directory).mkdir(parents=True, exist_ok=True)
    sources = apt / "etc" / "sources.list"
    sources.write_text(f"{kind} [signed-by={keyring}] {_debian_mirror()} {suite} main\n")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
        "APT::Sandbox::User": "",
        # An archive that does not answer is to be known for one soon.
        "Acquire::http::Timeout": APT_SECONDS_MAX,
        "Acquire::https::Timeout": APT_SECONDS_MAX,
    }
    apt_get = ["apt-get", "--quiet=2"]
    for name, value in options.items():
        apt_get += ["-o", f"{name}={value}"]
    # Without the option, apt-get takes an archive that it cannot reach for a warning, and goes on with the lists it had.
    _run([*apt_get, "update", "--error-on=any"], trouble)
    _run([*apt_get, *command], trouble, cwd=downloads)


def _debian_mirror() -> str:
    """Returns the address of the Debian archive that the system's own apt sources name."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        return mirror
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    for line in targets.stdout.splitlines():
        address, _, component = line.partition(" ")
        if component == "main" and address.rstrip("/").endswith("/debian"):
            return address
    raise SourceError(f"apt's sources name no Debian archive; set {MIRROR_VARIABLE} to the address of one")


def _unpack(tarball: Path, checksum: str, target: Path) -> Path:
    if not _has_checksum(tarball, checksum):
        raise SourceError(f"{tarball} is not the pinned file (its SHA-256 should be {checksum})")
    done = target / ".unpacked"
    if done.exists() and done.read_text() == checksum:
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    command = ["tar", "--extract", "--no-same-owner", "--strip-components=1", "--file", tarball, "--directory", target]
    _run(command, f"{tarball} could not be unpacked")
    done.write_text(checksum)
    return target


def _has_checksum(path: Path, checksum: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == checksum


def _run(command: list, trouble: str, cwd: Path | None = None) -> None:
    done = subprocess.run([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise SourceError(f"{trouble} ({' '.join(str(word) for word in command[:2])} exited with {done.returncode})")
