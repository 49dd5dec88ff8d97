"""Scenarios in frameworks and client libraries that have ways of their own with streams: see ../frameworks/README.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import packages
from .results import SuiteRun
from .scenario import Scenario, run_scenario, write_expected

HERE = Path(__file__).resolve().parent.parent / "frameworks"


@dataclass(frozen=True)
class Framework:
    """A framework: its name, and what suites.toml says of it."""

    name: str
    scenarios: tuple[tuple[str, Scenario], ...]

    def run(self, label: str, scenario: Scenario, binary: Path, is_oracle: bool = False) -> SuiteRun:
        """Runs one of its scenarios and compares each step, and then the state, with what is expected."""
        title = "frameworks against the oracle" if is_oracle else "frameworks"
        return run_scenario(SuiteRun(f"{title}: {self.name}, {label}", ("frameworks", self.name), 0), scenario, binary, is_oracle)

    def write_expected(self, binary: Path) -> None:
        """Writes down what a server does as what is expected from now on."""
        write_expected(self.scenarios[0][1], binary)


def install_python(cache: Path) -> Path:
    """Returns the Python that has the frameworks for it, and one client library; installs them at need."""
    return packages.install_python(HERE / "python" / "requirements.txt", cache / "frameworks-python")


def find_frameworks(settings: dict, cache: Path) -> Iterator[Framework]:
    """Returns the frameworks that suites.toml names, and installs them at need."""
    programs = {".py": str(install_python(cache)), ".js": packages.install_javascript(HERE / "javascript")}
    for name, told in settings["of"].items():
        program = HERE / told["program"]
        command = (programs[program.suffix], str(program))
        chance = tuple((*settings["chance"].items(), *told.get("chance", {}).items()))
        expected, options = HERE / "expected" / f"{name}.json", tuple(told.get("server_options", ()))
        scenarios = [
            (label, Scenario(command, tuple(words), expected, settings["seconds_max"], chance, options))
            for label, words in told["runs"].items()
        ]
        yield Framework(name, tuple(scenarios))
