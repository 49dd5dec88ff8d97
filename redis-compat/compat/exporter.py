"""Debian's prometheus-redis-exporter: what it exports of redis-server, it has to export of the server under test."""

import http.client
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import redis_cli
from .results import Outcome, SuiteRun, TestResult
from .scenes import SceneError
from .server import Server, ServerError
from .sources import SourceError
from .wire import Wire, WireError

SECONDS_MAX = 20
SCRAPES = 2
SAMPLE = re.compile(r"(?P<name>[a-z_0-9]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Commands that the exporter tries and that there are not: HyperLogLogs, of which it asks about each string. What it counts of them is left out.
NOT_THERE = "pfcount"
Metrics = dict[str, dict[tuple[tuple[str, str], ...], float]]

# Of the exporter itself, not of the server.
OF_THE_EXPORTER = re.compile(r"go_|process_|promhttp_|redis_exporter_")
# Labels whose value is another one for each process or each release.
OWN_LABELS = {
    "redis_instance_info": {"process_id", "run_id", "tcp_port", "redis_version", "redis_build_id"},
    "redis_connected_clients_details": {"created_at", "idle_since"},
    "redis_config_key_value": {"value"},
}
# Values that depend on time, memory, the machine, or how each server is made. All others are compared.
OWN_VALUES = re.compile(
    r"redis_(allocator|stream_group_consumer_idle|last_key_groups_scrape|mem|memory|process|cpu|total_system|uptime|start_time|latency_percentiles_usec|commands_duration|commands_latencies|net|lazyfree|slowlog_last_slow|latency_spike"
    r"|defrag|active_defrag|aof|rdb|db_avg_ttl|key_memory|key_group_memory|client_recent|last_slow|config_value|config_key_value|instance|io_threaded|total_reads|total_writes|number_of_cached)"
)  # fmt: skip


def run_exporter(package: Path, binary: Path, peer: Path, tests_run_min: int) -> SuiteRun:
    """Compares what the exporter tells of the server under test with what it tells of redis-server with the same data: a test for each metric."""
    run = SuiteRun("prometheus-redis-exporter", ("tools", "exporter"), tests_run_min)
    started = time.monotonic()
    try:
        got, wanted = (_metrics(package, server) for server in (binary, peer))
    except (ServerError, SceneError, WireError, OSError, http.client.HTTPException) as error:
        run.troubles.append(f"{type(error).__name__}: {error}")
        return run
    if (("cmd", NOT_THERE),) not in got.get("redis_commands_total", {}):
        _leave_out_what_is_not_there(wanted)
    for name, samples in sorted(wanted.items()):
        faults = _faults(name, samples, got.get(name, {}))
        run.results.append(TestResult(name, Outcome.FAILED if faults else Outcome.PASSED, "\n".join(faults)))
    run.seconds = time.monotonic() - started
    run.check_tests_run()
    return run


def program(package: Path) -> Path:
    """Where the exporter is in its package."""
    path = package / "usr" / "bin" / "prometheus-redis-exporter"
    if not path.exists():
        raise SourceError(f"there is no {path}")
    return path


def _leave_out_what_is_not_there(wanted: Metrics) -> None:
    """Takes the calls of a command that there is not out of what redis-server counted: there it is an error of the key's type, here of an unknown command."""
    calls = wanted["redis_commands_total"].get((("cmd", NOT_THERE),), 0)
    for samples in wanted.values():
        for labels in [labels for labels in samples if ("cmd", NOT_THERE) in labels]:
            del samples[labels]
    # An unknown command is neither counted as processed nor kept as slow, and looks no key up. The exporter asks for the slow log
    # behind the keys, so that both scrapes' calls are in it, and for the counters before them.
    for name, of_both in (("redis_commands_processed_total", 1), ("redis_keyspace_hits_total", 1), ("redis_slowlog_last_id", SCRAPES)):
        wanted[name][()] -= calls * of_both
    wanted["redis_errors_total"][(("err", "WRONGTYPE"),)] -= calls
    wanted["redis_errors_total"][(("err", "ERR"),)] += calls


def _faults(name: str, wanted: dict, got: dict) -> list[str]:
    faults = []
    for labels, value in wanted.items():
        if labels not in got:
            faults.append(f"there is no {name}{dict(labels)}")
        elif got[labels] != value and not OWN_VALUES.match(name):
            faults.append(f"{name}{dict(labels)} is {got[labels]}, not {value}")
    return faults


def _metrics(package: Path, binary: Path) -> Metrics:
    with Server(binary, ["--appendonly", "yes"]) as server:
        redis_cli.prepare(server.port)
        with Wire(server.port) as wire:
            _prepare(wire)
            script = package / "collect.lua"
            script.write_text("return {'entries', tostring(redis.call('XLEN', 's'))}\n")
            with _exporter(package, server.port, script) as port:
                # What the exporter asked for the first time is in the counters of the second.
                for _ in range(SCRAPES):
                    found = _parse(_scrape(port))
        server.end()
    return found


def _prepare(wire: Wire) -> None:
    """Adds what the scenes of redis-cli do not need: slow commands, a spike, errors, another database, a subscriber, more groups."""
    for command in (
        "CONFIG RESETSTAT",
        "CONFIG SET slowlog-log-slower-than 0",
        "CONFIG SET latency-monitor-threshold 5",
        "DEBUG SLEEP 0.02",
        "XGROUP CREATE s second $",
        "XGROUP CREATECONSUMER s second idle",
        "XREADGROUP GROUP grp c2 COUNT 1 STREAMS s >",
        "SELECT 2",
        "XADD in-two 3-3 f v",
        "XDEL in-two 3-3",
        "GET nothing",
        "GET nothing",
        "SELECT 0",
        "CLIENT SETNAME watcher",
        "PING",
    ):
        wire.call(*command.split())
    for refused in ("XLEN a", "NOSUCH", "XLEN"):
        try:
            wire.call(*refused.split())
        except WireError:
            continue
        raise SceneError(f"{refused} was not refused")


@contextmanager
def _exporter(package: Path, server_port: int, script: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program(package), "-redis.addr", f"redis://127.0.0.1:{server_port}", "-web.listen-address", f"127.0.0.1:{port}", "-script", script]
    command += ["-check-streams", "*", "-check-keys", "*", "-check-single-keys", "db2=in-two", "-count-keys", "db0=s*", "-check-key-groups", "^(s).*,^(.*)$"]
    command += ["-export-client-list", "-include-system-metrics", "-include-config-metrics", "-ping-on-connect"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.kill()


def _scrape(port: int) -> str:
    """Fetches the metrics; waits for the exporter to listen first."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != http.HTTPStatus.OK:
                raise SceneError(f"the exporter answered {answer.status}: {text[:1000]}")
            return text
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def _parse(text: str) -> Metrics:
    found: Metrics = {}
    for line in text.splitlines():
        match = SAMPLE.fullmatch(line)
        if match is None:
            if not line.startswith("#"):
                raise SceneError(f"this is no sample: {line}")
        elif not OF_THE_EXPORTER.match(match["name"]):
            own = OWN_LABELS.get(match["name"], set())
            labels = sorted((name, "(its own)" if name in own else value) for name, value in LABEL.findall(match["labels"] or ""))
            found.setdefault(match["name"], {})[tuple(labels)] = float(match["value"])
    if found.get("redis_up", {}).get(()) != 1:
        raise SceneError("the exporter could not ask the server")
    return found
