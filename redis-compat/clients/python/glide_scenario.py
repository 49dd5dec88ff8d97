"""The scenario in Valkey's GLIDE for Python: glide_scenario.py PORT PROTOCOL PART. See ../README.md."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from glide import (
    GlideClient,
    GlideClientConfiguration,
    IdBound,
    MaxId,
    MinId,
    NodeAddress,
    ProtocolVersion,
    RequestError,
    StreamAddOptions,
    StreamClaimOptions,
    StreamGroupOptions,
    StreamPendingOptions,
    StreamReadGroupOptions,
    StreamReadOptions,
    TrimByMaxLen,
    TrimByMinId,
)

PORT, PROTOCOL, PART = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
ADD_AFTER_SECONDS = 0.2


async def connect() -> GlideClient:
    """Opens a client of its own."""
    protocol = ProtocolVersion.RESP3 if PROTOCOL == 3 else ProtocolVersion.RESP2
    return await GlideClient.create(GlideClientConfiguration([NodeAddress("127.0.0.1", PORT)], protocol=protocol, request_timeout=15_000))


def plain(value: object) -> object:
    """A reply as JSON has it."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {plain(name): plain(part) for name, part in value.items()}
    return value


def step(name: str, result: object) -> None:
    """Tells what a step came to."""
    print(json.dumps([name, plain(result)]), flush=True)


def entries_of(streams) -> list:
    """The entries of the one stream that a reply of XREAD or XREADGROUP has, as pairs of ID and fields."""
    entries = next(iter((streams or {b"": {}}).values()))
    return [[entry_id, dict(fields)] for entry_id, fields in entries.items()]


def ids_of(streams) -> list:
    """The IDs of those entries."""
    return [entry_id for entry_id, _ in entries_of(streams)]


async def while_blocked(key: str, entry_id: str, reading: Awaitable):
    """What `reading` comes to, which blocks until another client adds an entry."""

    async def add() -> None:
        await asyncio.sleep(ADD_AFTER_SECONDS)
        other = await connect()
        await other.xadd(key, [("late", "1")], StreamAddOptions(id=entry_id))
        await other.close()

    result, _ = await asyncio.gather(reading, add())
    return result


async def produce(client: GlideClient) -> None:
    add = lambda key, n, entry_id, **options: client.xadd(key, [("n", n)], StreamAddOptions(id=entry_id, **options))
    step("add", await add("orders", "1", "1-1"))
    step("add, sequence number left out", await add("orders", "2", "1-*"))
    fields = lambda n: [("n", str(n + 2)), ("cents", "250")]
    step("add more", [await client.xadd("orders", fields(n), StreamAddOptions(id=f"2-{n}")) for n in range(1, 7)])
    step("add to no stream", await add("nothing", "1", "1-1", make_stream=False))
    for n in range(1, 6):
        await add("recent", str(n), f"1-{n}", trim=TrimByMaxLen(exact=True, threshold=3))
    step("length after MAXLEN", await client.xlen("recent"))
    step("add, MAXLEN ~ LIMIT", await add("recent", "6", "1-6", trim=TrimByMaxLen(exact=False, threshold=1000, limit=10)))
    step("add, MINID ACKED", await client.custom_command(["XADD", "recent", "MINID", "=", "1-5", "ACKED", "2-1", "n", "7"]))
    step("range", [[entry_id, dict(found)] for entry_id, found in (await client.xrange("recent", MinId(), MaxId())).items()])
    step("reversed range", list(await client.xrevrange("recent", MaxId(), MinId(), count=2)))
    step("read", entries_of(await client.xread({"orders": "2-4"}, StreamReadOptions(count=1))))


async def produce_once(client: GlideClient) -> None:
    for name, words in (("IDMP", ["IDMP", "producer", "1", "*", "n", "1"]), ("IDMPAUTO", ["IDMPAUTO", "other", "*", "n", "2"])):
        first = await client.custom_command(["XADD", "once", *words])
        step(f"add again, {name}", await client.custom_command(["XADD", "once", *words]) == first)
    step("length of what was added once", await client.xlen("once"))
    step("settings", await client.custom_command(["XCFGSET", "once", "IDMP-DURATION", "60", "IDMP-MAXSIZE", "50"]) == "OK")


async def work(client: GlideClient) -> None:
    read = lambda name, from_id, **options: client.xreadgroup({"orders": from_id}, "billing", name, StreamReadGroupOptions(**options))
    step("create group", await client.xgroup_create("orders", "billing", "0") == "OK")
    step("create group and stream", await client.xgroup_create("audit", "readers", "$", StreamGroupOptions(make_stream=True)) == "OK")
    step("create group, ENTRIESREAD", await client.xgroup_create("orders", "late", "2-2", StreamGroupOptions(entries_read=4)) == "OK")
    step("create consumer", int(await client.xgroup_create_consumer("orders", "billing", "alice")))
    step("alice reads", entries_of(await read("alice", ">", count=3)))
    step("bob reads", ids_of(await read("bob", ">", count=2)))
    count, first, last, consumers = await client.xpending("orders", "billing")
    step("pending", [count, first, last, {name: int(pending) for name, pending in consumers}])
    step("alice reads again", ids_of(await read("alice", "0")))
    pending = lambda options: client.xpending_range("orders", "billing", MinId(), MaxId(), 10, options)
    rows = await pending(StreamPendingOptions(min_idle_time_ms=0))
    step("pending entries", [[entry_id, consumer, times] for entry_id, consumer, _, times in rows])
    step("bob's pending entries", [row[0] for row in await pending(StreamPendingOptions(consumer_name="bob"))])
    step("acknowledge", await client.xack("orders", "billing", ["1-1", "9-9"]))
    options = StreamClaimOptions(idle=100_000, retry_count=5)
    step("claim", list(await client.xclaim("orders", "billing", "bob", 0, ["1-2"], options)))
    options = StreamClaimOptions(is_force=True)
    step("claim, JUSTID", await client.xclaim_just_id("orders", "billing", "alice", 0, ["2-2"], options))


async def die_and_deliver_again(client: GlideClient) -> None:
    carol = await connect()
    read = await carol.xreadgroup({"orders": ">"}, "billing", "carol", StreamReadGroupOptions(count=1))
    step("carol reads and dies", ids_of(read))
    await carol.close()
    words = ["GROUP", "billing", "dave", "COUNT", "10", "CLAIM", "50000", "STREAMS", "orders", ">"]
    step("dave reads with CLAIM", await ids_by_words(client, "XREADGROUP", words))
    cursor, entries, deleted = await client.xautoclaim("orders", "billing", "dave", 0, "2-3", count=1)
    step("dave claims what carol left", [cursor, list(entries), deleted])
    step("claim by IDs alone", (await client.xautoclaim_just_id("orders", "billing", "erin", 0, "2-6"))[1])


async def ids_by_words(client: GlideClient, command: str, words: list[str]) -> list:
    """The IDs of the entries of one stream, by options that GLIDE does not know. It goes by a script: GLIDE cannot read the entries that CLAIM gives."""
    key = words[words.index("STREAMS") + 1]
    streams = await client.custom_command(["EVAL", f"return redis.call('{command}', unpack(ARGV))", "1", key, *words])
    return [entry[0] for _, entries in streams for entry in entries]


async def block(client: GlideClient) -> None:
    reading = client.xreadgroup({"audit": ">"}, "readers", "alice", StreamReadGroupOptions(block_ms=10_000))
    step("blocked reader of a group", ids_of(await while_blocked("audit", "1-1", reading)))
    reading = client.xread({"audit": "$"}, StreamReadOptions(block_ms=10_000))
    step("blocked reader", ids_of(await while_blocked("audit", "1-2", reading)))
    step("nothing comes", ids_of(await client.xread({"audit": "$"}, StreamReadOptions(block_ms=20))))
    read = await client.xreadgroup({"audit": ">"}, "readers", "bob", StreamReadGroupOptions(no_ack=True))
    step("read without acknowledging", ids_of(read))


async def remove(client: GlideClient) -> None:
    words = ["XACKDEL", "orders", "billing", "DELREF", "IDS", "2", "2-1", "9-9"]
    step("acknowledge and delete", await client.custom_command(words))
    words = ["XDELEX", "orders", "ACKED", "IDS", "3", "1-1", "2-2", "9-9"]
    step("delete if acknowledged", await client.custom_command(words))
    step("trim, DELREF", await client.custom_command(["XTRIM", "orders", "MAXLEN", "=", "5", "DELREF"]))
    step("trim, MINID ~", await client.xtrim("recent", TrimByMinId(exact=False, threshold="1-1", limit=10)))
    step("delete", await client.xdel("orders", ["2-5"]))
    step("delete consumer", await client.xgroup_del_consumer("orders", "billing", "erin"))
    step("set group's ID", await client.xgroup_set_id("orders", "late", "2-3", entries_read=5) == "OK")
    await client.xgroup_create("orders", "short", "0")
    step("destroy group", int(await client.xgroup_destroy("orders", "short")))


async def look(client: GlideClient) -> None:
    named = lambda rows, *fields: sorted(plain([[row[field.encode()] for field in fields] for row in rows]))
    groups = await client.xinfo_groups("orders")
    step("groups", named(groups, "name", "consumers", "pending", "last-delivered-id"))
    step("consumers", named(await client.xinfo_consumers("orders", "billing"), "name", "pending"))
    info = await client.xinfo_stream("orders")
    step("stream", [info[b"length"], info[b"last-generated-id"], info[b"groups"], info[b"first-entry"][0]])
    add = lambda: client.xadd("orders", [("a", "b")], StreamAddOptions(id="1-1"))
    step("errors", [await error_of(add), await error_of(lambda: client.xreadgroup({"orders": ">"}, "no", "c"))])


async def error_of(call: Callable[[], Awaitable]) -> str:
    """The words of the error that a call ends in; GLIDE tells the first of them apart, and says who signalled it."""
    try:
        await call()
    except RequestError as error:
        code, _, words = str(error).removeprefix("An error was signalled by the server: - ").partition(": ")
        return words if code == "ResponseError" else f"{code} {words}"
    return "no error"


async def hand_back(client: GlideClient) -> None:
    for n in range(1, 8):
        await client.xadd("jobs", [("n", str(n))], StreamAddOptions(id=f"1-{n}"))
    await client.xgroup_create("jobs", "workers", "0")
    await client.xreadgroup({"jobs": ">"}, "workers", "alice", StreamReadGroupOptions(count=4))
    nack = lambda *words: client.custom_command(["XNACK", "jobs", "workers", *words])
    step("hand back, FAIL", await nack("FAIL", "IDS", "1", "1-1"))
    step("hand back, SILENT", await nack("SILENT", "IDS", "2", "1-2", "9-9"))
    step("hand back, FATAL", await nack("FATAL", "IDS", "1", "1-3"))
    step("hand back, RETRYCOUNT FORCE", await nack("FAIL", "IDS", "1", "1-6", "RETRYCOUNT", "7", "FORCE"))
    rows = await client.xpending_range("jobs", "workers", IdBound("1-0"), MaxId(), 10)
    step("pending for nobody", [row[:2] for row in rows])
    words = ["GROUP", "workers", "bob", "COUNT", "2", "CLAIM", "1000000", "STREAMS", "jobs", ">"]
    step("bob reads what was handed back", await ids_by_words(client, "XREADGROUP", words))
    step("MAXCOUNT", await ids_by_words(client, "XREADGROUP", ["GROUP", "workers", "bob", "MAXCOUNT", "1", "STREAMS", "jobs", ">"]))
    step("MAXSIZE", await ids_by_words(client, "XREAD", ["MAXSIZE", "60", "STREAMS", "jobs", "0"]))
    step("record", await client.custom_command(["XIDMPRECORD", "jobs", "producer", "1", "1-5"]) == "OK")


async def main() -> None:
    parts = {"8.6": (produce, produce_once, work, die_and_deliver_again, block, remove, look), "8.10": (hand_back,)}
    client = await connect()
    for part in parts[PART]:
        await part(client)
    await client.close()


asyncio.run(main())
