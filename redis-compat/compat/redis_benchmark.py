"""What operators do with redis-benchmark, and what it leaves behind."""

import csv
from collections.abc import Callable

from .scenes import Scene, SceneError, Stage, tool
from .wire import Wire

BENCHMARK = "redis-benchmark"
REQUESTS = 2000
# Its own tests, of commands that there are.
TESTS = "ping,set,get,incr,lpush,rpush,lpop,sadd,mset"
XADD = ("xadd", "{}", "*", "field", "value")


def scenes() -> list[Scene]:
    """All scenes, in their order."""
    return [
        Scene(f"-t {TESTS} --csv", _tests),
        Scene("-t with -P 16 and -3", lambda stage: _tests(stage, "-P", "16", "-3")),
        Scene("an XADD of its own", _custom("bench:plain")),
        Scene("an XADD, -P 16", _custom("bench:pipelined", "-P", "16")),
        Scene("an XADD, -P 16 --threads 2", _custom("bench:threads", "-P", "16", "--threads", "2")),
        Scene("an XADD, -3", _custom("bench:resp3", "-3")),
        Scene("an XADD, -k 0", _custom("bench:reconnect", "-k", "0")),
        Scene("an XADD, --enable-tracking -3", _custom("bench:tracking", "--enable-tracking", "-3")),
        Scene("an XADD, -r: many streams", _many_streams),
        Scene("an XADD that trims", _trimmed),
        Scene("XREADGROUP", _group),
        Scene("EVAL", _script),
    ]


def _run(stage: Stage, *words: str) -> list[list[str]]:
    """Runs it with `--csv`; returns the rows' names. Every rate it tells has to be one."""
    done = tool([BENCHMARK, "-p", str(stage.port), "-n", str(REQUESTS), "-c", "10", "--csv", *words])
    # With `-k 0` a warning about the machine's settings comes, too.
    rows = list(csv.reader(line for line in done["lines"] if not line.startswith("WARNING")))
    if done["status"] != 0 or not rows or rows[0][:2] != ["test", "rps"]:
        raise SceneError(f"it did not end as it should: {done}")
    if not all(len(row) == len(rows[0]) and float(row[1]) > 0 for row in rows[1:]):
        raise SceneError(f"a rate is missing: {done}")
    return [row[0] for row in rows]


def _tests(stage: Stage, *options: str) -> object:
    names = _run(stage, "-t", TESTS, *options)
    with Wire(stage.port) as wire:
        left = [wire.call("GET", "counter:__rand_int__"), wire.call("LLEN", "mylist"), wire.call("SCARD", "myset"), wire.call("STRLEN", "key:__rand_int__")]
        wire.call("FLUSHALL")
    return {"names": names, "left": left}


def _custom(key: str, *options: str) -> Callable[[Stage], object]:
    def play(stage: Stage) -> object:
        names = _run(stage, *options, *(word.format(key) for word in XADD))
        return {"names": names, "length": _expect_length(stage, key, REQUESTS)}

    return play


def _expect_length(stage: Stage, key: str, wanted: int) -> int:
    with Wire(stage.port) as wire:
        length = wire.call("XLEN", key)
    if length != wanted:
        raise SceneError(f"{key} has {length} entries, not {wanted}")
    return length


def _many_streams(stage: Stage) -> object:
    names = _run(stage, "-r", "20", *(word.format("bench:__rand_int__") for word in XADD))
    with Wire(stage.port) as wire:
        keys = sorted(wire.call("KEYS", "bench:0*"))
        return {"names": names, "keys": keys, "entries": sum(wire.call("XLEN", key) for key in keys)}


def _trimmed(stage: Stage) -> object:
    return {"names": _run(stage, "xadd", "bench:trimmed", "MAXLEN", "=", "100", "*", "f", "v"), "length": _expect_length(stage, "bench:trimmed", 100)}


def _group(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        wire.call("XGROUP", "CREATE", "bench:plain", "group", "0")
        names = _run(stage, "-P", "4", "xreadgroup", "GROUP", "group", "consumer", "STREAMS", "bench:plain", ">")
        pending = wire.call("XPENDING", "bench:plain", "group")
    return {"names": names, "pending": [pending[0], pending[3]]}


def _script(stage: Stage) -> object:
    names = _run(stage, "eval", "return redis.call('XADD', KEYS[1], '*', 'f', ARGV[1])", "1", "bench:script", "v")
    return {"names": names, "length": _expect_length(stage, "bench:script", REQUESTS)}
