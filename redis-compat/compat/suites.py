"""The suites that are run, each against servers of its own: what one run of one of them is made of."""

import time
from collections.abc import Callable
from pathlib import Path

from . import redis_py, redis_rs, tcl
from .results import Outcome, SuiteRun, TestResult
from .server import Server, ServerError

HUNG_TESTS_MAX = 8


def run_on_fresh_server(run: SuiteRun, binary: Path, tests: Callable[[int], bool]) -> bool:
    """Calls `tests` with the port of a new server, and notes when that server did not start or end in order."""
    started = time.monotonic()
    again = False
    try:
        with Server(binary) as server:
            again = tests(server.port)
            server.end()
    except ServerError as error:
        run.troubles.append(str(error))
    run.seconds += time.monotonic() - started
    return again


def run_tcl_unit(source: Path, series: str, unit: str, tests_run_min: int, silence_s_max: int, binary: Path) -> SuiteRun:
    """Runs one Tcl test file of a Redis series. A test that hangs is a failure of that test, and the file is run again without it."""
    run = SuiteRun(f"tcl of {series}, {unit}", ("tcl", series), tests_run_min)
    hung: list[str] = []

    def tests(port: int) -> bool:
        outcome = tcl.run_unit(source, unit, port, silence_s_max, hung)
        left_out = {f"{unit}: {name}" for name in hung}
        run.results = [result for result in outcome.results if result.test_id not in left_out]
        run.troubles += outcome.troubles
        if outcome.hung_test is not None:
            hung.append(outcome.hung_test)
        message = f"no answer within {silence_s_max} s"
        run.results += [TestResult(f"{unit}: {name}", Outcome.FAILED, message) for name in hung]
        return outcome.hung_test is not None and len(hung) < HUNG_TESTS_MAX

    while run_on_fresh_server(run, binary, tests):
        print(f"{run.name}: {hung[-1]} hung; running again without it", flush=True)
    run.check_tests_run()
    return run


def run_tcl_unit_with_own_servers(source: Path, series: str, unit: str, settings: dict, silence_s_max: int, binary: Path) -> SuiteRun:
    """Runs one Tcl test file that starts its own servers, without the tests that the settings leave out with a reason."""
    run = SuiteRun(f"tcl of {series}, {unit}, with servers of its own", ("tcl", series), settings["tests_run_min"])
    started = time.monotonic()
    without = list(settings.get("without", {}))
    outcome = tcl.run_unit_with_own_servers(
        source,
        unit,
        binary,
        silence_s_max,
        without,
        without_tags=list(settings.get("without_tags", {})),
        without_blocks=list(settings.get("without_blocks", {})),
        defaults=settings.get("defaults"),
        tls=settings.get("tls", False),
    )
    run.results, run.troubles = outcome.results, outcome.troubles
    if outcome.hung_test is not None:
        run.results.append(TestResult(f"{unit}: {outcome.hung_test}", Outcome.FAILED, f"no answer within {silence_s_max} s"))
    run.seconds = time.monotonic() - started
    run.check_tests_run()
    return run


def run_redis_py_file(source: Path, tests: dict, file: dict, protocol: int, seconds_max: int, python: Path, binary: Path) -> SuiteRun:
    """Runs one set of redis-py's tests in one file and one protocol."""
    name = f"redis-py {tests['name']}, {file['name']}, RESP{protocol}"
    run = SuiteRun(name, ("redis-py", f"resp{protocol}"), file["tests_run_min"])

    def on_port(port: int) -> bool:
        run.results, troubles = redis_py.run_file(source, python, file["path"], tests["names"], port, protocol, seconds_max)
        run.troubles += troubles
        return False

    run_on_fresh_server(run, binary, on_port)
    run.check_tests_run()
    return run


def run_redis_rs_file(tests: redis_rs.Tests, file: dict, protocol: int, seconds_max: int, binary: Path) -> SuiteRun:
    """Runs one file of the crate redis's tests, in one protocol. Each test starts a server of its own."""
    run = SuiteRun(f"redis-rs {file['name']}, RESP{protocol}", ("redis-rs", f"resp{protocol}"), file["tests_run_min"])
    started = time.monotonic()
    run.results, run.troubles = redis_rs.run_file(tests.programs[file["name"]], file["tests"], protocol, seconds_max, binary)
    run.seconds = time.monotonic() - started
    run.check_tests_run()
    return run
