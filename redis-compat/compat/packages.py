"""Installs the packages of scenarios, in the versions that their lock files say, where that was not done yet."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .sources import SourceError


def install_javascript(directory: Path) -> str:
    """Has npm install what the directory's lock file says. Returns the path of node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise SourceError("node and npm are needed: scripts/setup clients installs them")
    lock, installed = directory / "package-lock.json", directory / "node_modules" / ".installed-lock.json"
    if not installed.exists() or installed.read_text() != lock.read_text():
        _run([npm, "ci", "--no-audit", "--no-fund", "--silent"], directory, "the JavaScript packages could not be installed")
        installed.write_text(lock.read_text())
    return node


def install_python(requirements: Path, environment: Path) -> Path:
    """Makes a Python environment with the packages of a requirements file. Returns the path of its Python."""
    python, installed = environment / "bin" / "python", environment / requirements.name
    if not installed.exists() or installed.read_text() != requirements.read_text():
        trouble = "the Python packages could not be installed"
        _run(["python3", "-m", "venv", "--clear", str(environment)], requirements.parent, trouble)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--requirement", str(requirements)], requirements.parent, trouble)
        _run([str(python), "-m", "pip", "--disable-pip-version-check", "check"], requirements.parent, trouble)
        installed.write_text(requirements.read_text())
    return python


def build_rust(directory: Path, target: Path) -> None:
    """Has cargo build the package in a directory."""
    _run(["cargo", "build", "--quiet", "--locked", "--target-dir", str(target)], directory, f"{directory.name} could not be built")


def _run(command: list[str], directory: Path, trouble: str) -> None:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{Path.home() / '.cargo' / 'bin'}"}
    done = subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise SourceError(f"{trouble} ({command[0]} exited with {done.returncode})")
