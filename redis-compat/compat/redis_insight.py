"""The calls that RedisInsight makes, by its source: as it connects, and where it shows keys, streams, the slow log, commands as they come, and messages.

The program itself is not run. Each call has to answer as redis-server does.
"""

from .scenes import Scene, SceneError, Stage
from .wire import Reply, Wire, WireError

# What it reads of INFO, by section.
INFO_FIELDS = {
    "server": ("redis_version", "uptime_in_seconds", "redis_mode", "os", "tcp_port"),
    "clients": ("connected_clients",),
    "memory": ("used_memory", "number_of_cached_scripts", "maxmemory"),
    "stats": ("keyspace_hits", "keyspace_misses", "instantaneous_ops_per_sec", "total_commands_processed", "instantaneous_input_kbps", "instantaneous_output_kbps"),
    "cpu": ("used_cpu_sys", "used_cpu_user"),
    "replication": ("role", "connected_slaves"),
    "keyspace": ("db0",),
}
# What it reads of XINFO STREAM and XINFO GROUPS, as Redis 7.0 tells it.
STREAM_FIELDS = ("length", "radix-tree-keys", "radix-tree-nodes", "last-generated-id", "groups", "first-entry", "last-entry")
GROUP_FIELDS = ("name", "consumers", "pending", "last-delivered-id")


def scenes() -> list[Scene]:
    """All scenes, in their order."""
    return [
        Scene("it connects", _connect),
        Scene("its overview", _overview),
        Scene("it lists keys", _keys),
        Scene("it shows and changes keys", _strings),
        Scene("a stream", _stream),
        Scene("consumer groups", _groups),
        Scene("pending entries", _pending),
        Scene("the slow log", _slow_log),
        Scene("commands as they come, and messages", _profiler),
    ]


def _connect(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        return [
            wire.call("CLIENT", "SETNAME", "redisinsight-browser-1234"),
            wire.call("CLIENT", "GETNAME"),
            wire.call("SELECT", "0"),
            wire.call("MODULE", "LIST"),
            wire.call("CONFIG", "GET", "databases"),
            wire.call("DBSIZE"),
            _refusal(wire, "CLUSTER", "NODES"),
            wire.call("COMMAND", "INFO", "ft.info", "json.get", "ts.mrange"),
            wire.call("ACL", "WHOAMI"),
        ]


def _refusal(wire: Wire, *words: str) -> str:
    try:
        wire.call(*words)
    except WireError as error:
        return str(error)
    return "no refusal"


def _overview(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        missing = []
        for section, fields in INFO_FIELDS.items():
            told = {line.partition(":")[0] for line in wire.call("INFO", section).splitlines()}
            missing += [field for field in fields if field not in told]
        return [missing, sorted(field.partition("=")[0] for field in wire.call("CLIENT", "LIST").splitlines()[0].split())[:10]]


def _keys(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        found = []
        for options in ((), ("TYPE", "stream"), ("TYPE", "string")):
            cursor, keys = wire.call("SCAN", "0", "MATCH", "*", "COUNT", "10000", *options)
            found.append([cursor, sorted(keys)])
        details = []
        for key in found[0][1]:
            size = wire.call("MEMORY", "USAGE", key, "SAMPLES", "0")
            details.append([key, wire.call("TYPE", key), wire.call("TTL", key) > 0, size > 0, wire.call("EXISTS", key)])
        return [found, details]


def _strings(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        return [
            wire.call("SET", "insight", "value", "NX"),
            wire.call("SET", "insight", "value", "NX"),
            wire.call("SET", "insight", "longer value", "XX"),
            wire.call("GET", "insight"),
            wire.call("STRLEN", "insight"),
            wire.call("GETRANGE", "insight", "0", "3"),
            wire.call("EXPIRE", "insight", "1000"),
            wire.call("PERSIST", "insight"),
            wire.call("RENAMENX", "insight", "a"),
            wire.call("RENAME", "insight", "insight2"),
            wire.call("LLEN", "l"),
            wire.call("LRANGE", "l", "0", "10"),
            wire.call("SCARD", "members"),
            wire.call("DEL", "insight2"),
        ]


def _stream(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        added = [wire.call("XADD", "insight:s", entry_id, "f", "v", "g", "w") for entry_id in ("1-1", "2-1", "3-1")]
        return [
            added,
            _some(wire.call("XINFO", "STREAM", "insight:s"), STREAM_FIELDS),
            wire.call("XREVRANGE", "insight:s", "+", "-", "COUNT", "500"),
            wire.call("XREVRANGE", "insight:s", "2-1", "1-1", "COUNT", "500"),
            wire.call("XRANGE", "insight:s", "-", "+", "COUNT", "500"),
            wire.call("XDEL", "insight:s", "2-1", "9-9"),
            wire.call("XLEN", "insight:s"),
            _some(wire.call("XINFO", "STREAM", "insight:s"), STREAM_FIELDS),
        ]


def _groups(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        return [
            wire.call("XGROUP", "CREATE", "insight:s", "first", "0"),
            wire.call("XGROUP", "CREATE", "insight:s", "second", "$"),
            _refusal(wire, "XGROUP", "CREATE", "insight:s", "second", "$"),
            [_some(group, GROUP_FIELDS) for group in wire.call("XINFO", "GROUPS", "insight:s")],
            wire.call("XGROUP", "SETID", "insight:s", "second", "1-1"),
            wire.call("XREADGROUP", "GROUP", "first", "reader", "COUNT", "5", "STREAMS", "insight:s", ">"),
            [[group[1], wire.call("XPENDING", "insight:s", group[1])] for group in wire.call("XINFO", "GROUPS", "insight:s")],
            wire.call("XGROUP", "DESTROY", "insight:s", "second"),
        ]


def _pending(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        consumers = [_some(consumer, ("name", "pending")) for consumer in wire.call("XINFO", "CONSUMERS", "insight:s", "first")]
        rows = wire.call("XPENDING", "insight:s", "first", "-", "+", "20", "reader")
        return [
            consumers,
            [[row[0], row[1], row[3]] for row in rows],
            wire.call("XCLAIM", "insight:s", "first", "other", "0", "1-1", "IDLE", "100", "RETRYCOUNT", "7", "FORCE", "JUSTID"),
            wire.call("XACK", "insight:s", "first", "3-1", "8-8"),
            wire.call("XGROUP", "DELCONSUMER", "insight:s", "first", "reader"),
            wire.call("XPENDING", "insight:s", "first"),
        ]


def _slow_log(stage: Stage) -> object:
    with Wire(stage.port) as wire:
        settings = wire.call("CONFIG", "GET", "slowlog*")
        found = [sorted(zip(settings[::2], settings[1::2], strict=True)), wire.call("CONFIG", "SET", "slowlog-log-slower-than", "0")]
        wire.call("SLOWLOG", "RESET")
        wire.call("XLEN", "s")
        entry = wire.call("SLOWLOG", "GET", "50")[0]
        found += [len(entry), entry[3], wire.call("CONFIG", "SET", "slowlog-log-slower-than", "10000"), wire.call("SLOWLOG", "RESET"), wire.call("SLOWLOG", "LEN")]
        return found


def _profiler(stage: Stage) -> object:
    with Wire(stage.port) as monitor, Wire(stage.port) as subscriber, Wire(stage.port) as wire:
        found: list[Reply] = [monitor.call("MONITOR"), subscriber.call("PSUBSCRIBE", "*"), wire.call("PUBLISH", "news", "text"), subscriber.receive()]
        line = monitor.receive()
        if not isinstance(line, str):
            raise SceneError(f"MONITOR told {line}")
        # The one who subscribed comes first.
        return [*found, line.partition("] ")[2], str(monitor.receive()).partition("] ")[2]]


def _some(reply: Reply, fields: tuple[str, ...]) -> dict[str, object]:
    told = dict(zip(reply[::2], reply[1::2], strict=True))
    return {field: told[field] for field in fields}
