"""All that clients left in a server, in a form in which two servers can be compared: without what differs from run to run."""

import re

from .wire import Reply, Wire

# An entry's ID that the server made; those of the scenarios are small.
CLOCK_ID = re.compile(r"\b\d{13}-\d+\b")
LONG_MS = 50_000
# Fields of XINFO STREAM FULL's reply that are a point in time; -1 stands for never.
TIMES = ("seen-time", "active-time")


def describe(port: int) -> dict[str, dict[str, object]]:
    """Returns what is under each key: its time to live, of a string its value, and of a stream its entries, groups, consumers and pending entries."""
    with Wire(port) as wire:
        return {key: _describe_key(wire, key) for key in sorted(wire.call("KEYS", "*"))}


def _describe_key(wire: Wire, key: str) -> dict[str, object]:
    found: dict[str, object] = {"type": wire.call("TYPE", key), "ttl": wire.call("PTTL", key)}
    if found["type"] == "string":
        found["value"] = wire.call("GET", key)
    if found["type"] == "stream":
        info = _by_name(wire.call("XINFO", "STREAM", key, "FULL", "COUNT", "0"))
        info["groups"] = {group["name"]: group for group in map(_describe_group, info["groups"])}
        del info["entries"]  # XRANGE's reply has them all
        found["stream"] = info
        found["entries"] = wire.call("XRANGE", key, "-", "+")
        found["pending"] = {name: _pending(wire, key, name) for name in info["groups"]}
    return _without_clock(found)


def _describe_group(reply: Reply) -> dict[str, object]:
    group = _by_name(reply)
    group["pending"] = [[entry_id, consumer, count] for entry_id, consumer, _, count in group["pending"]]
    consumers = {}
    for consumer in map(_by_name, group["consumers"]):
        for name in TIMES:
            consumer[name] = "never" if consumer[name] == -1 else "once"
        consumer["pending"] = [[entry_id, count] for entry_id, _, count in consumer["pending"]]
        consumers[consumer["name"]] = consumer
    group["consumers"] = consumers
    return group


def _pending(wire: Wire, key: str, group: str) -> list[object]:
    rows = wire.call("XPENDING", key, group, "-", "+", "1000")
    long_or_short = lambda idle_ms: "long" if idle_ms >= LONG_MS else "short"
    return [[entry_id, consumer, long_or_short(idle_ms), count] for entry_id, consumer, idle_ms, count in rows]


def _by_name(reply: Reply) -> dict[str, object]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _without_clock(value: object) -> object:
    if isinstance(value, str):
        return CLOCK_ID.sub("(of the clock)", value)
    if isinstance(value, list):
        return [_without_clock(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_clock(part) for name, part in value.items()}
    return value
