"""One scenario, written anew for each client library."""

from dataclasses import dataclass
from pathlib import Path

from . import packages, scenario
from .results import SuiteRun

HERE = Path(__file__).resolve().parent.parent / "clients"
# The parts of the scenario, by the last Redis series whose commands they need.
PARTS = ("8.6", "8.10")
SECONDS_MAX = 60


@dataclass(frozen=True)
class Client:
    """A client library: its name, the command that runs its scenario, and the protocols that it speaks."""

    name: str
    command: tuple[str, ...]
    protocols: tuple[int, ...]


def python_client(python: Path) -> Client:
    """redis-py, from the Python environment of its tests."""
    return Client("redis-py", (str(python), str(HERE / "python" / "scenario.py")), (2, 3))


def glide_client(python: Path) -> Client:
    """Valkey's GLIDE, from the Python environment of the frameworks."""
    return Client("valkey-glide", (str(python), str(HERE / "python" / "glide_scenario.py")), (2, 3))


def javascript_clients() -> list[Client]:
    """node-redis and ioredis."""
    directory = HERE / "javascript"
    node = packages.install_javascript(directory)
    return [
        Client("node-redis", (node, str(directory / "node-redis.js")), (2, 3)),
        Client("ioredis", (node, str(directory / "ioredis.js")), (2,)),
    ]


def rust_clients(target: Path) -> list[Client]:
    """The crates redis and fred; cargo builds the scenarios at need."""
    for package in ("rust", "rust-fred"):
        packages.build_rust(HERE / package, target)
    return [
        Client("redis-rs", (str(target / "debug" / "stream-scenario"),), (2, 3)),
        Client("fred", (str(target / "debug" / "stream-scenario-fred"),), (2, 3)),
    ]


def run_scenario(client: Client, protocol: int, part: str, binary: Path, is_oracle: bool = False) -> SuiteRun:
    """Runs a part of the scenario and compares each step, and then the state, with what is expected."""
    title = "clients against the oracle" if is_oracle else "clients"
    run = SuiteRun(f"{title}: {client.name}, RESP{protocol}, to {part}", ("clients", client.name), 0)
    return scenario.run_scenario(run, _scenario(client, protocol, part), binary, is_oracle)


def write_expected(client: Client, binary: Path) -> None:
    """Writes down what a server does as what is expected from now on."""
    for part in PARTS:
        scenario.write_expected(_scenario(client, client.protocols[0], part), binary)


def _scenario(client: Client, protocol: int, part: str) -> scenario.Scenario:
    expected = HERE / "expected" / f"{part}.json"
    return scenario.Scenario(client.command, (str(protocol), part), expected, SECONDS_MAX, prefix=f"{part}: ")
