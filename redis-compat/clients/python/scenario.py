"""The scenario in redis-py: scenario.py PORT PROTOCOL PART. See ../README.md."""

import json
import sys
import threading
import time

import redis

PORT, PROTOCOL, PART = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
ADD_AFTER_SECONDS = 0.2


def connect() -> redis.Redis:
    """Opens a client of its own."""
    return redis.Redis(port=PORT, protocol=PROTOCOL, decode_responses=True)


def step(name: str, result: object) -> None:
    """Tells what a step came to."""
    print(json.dumps([name, result]), flush=True)


def entries_of(streams) -> list:
    """The entries of the one stream that a reply of XREAD or XREADGROUP has, as pairs of ID and fields."""
    if not streams:
        return []
    entries = next(iter(streams.values())) if isinstance(streams, dict) else streams[0][1]
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], (list, tuple)):
        entries = entries[0]
    return [[entry[0], entry[1]] for entry in entries]


def ids_of(streams) -> list:
    """The IDs of those entries."""
    return [entry[0] for entry in entries_of(streams)]


def while_blocked(key: str, entry_id: str, read):
    """What `read` returns, which blocks until another client adds an entry."""

    def add() -> None:
        time.sleep(ADD_AFTER_SECONDS)
        with connect() as other:
            other.xadd(key, {"late": "1"}, id=entry_id)

    thread = threading.Thread(target=add)
    thread.start()
    result = read()
    thread.join()
    return result


def produce(client: redis.Redis) -> None:
    step("add", client.xadd("orders", {"n": "1"}, id="1-1"))
    step("add, sequence number left out", client.xadd("orders", {"n": "2"}, id="1-*"))
    step("add more", [client.xadd("orders", {"n": str(n + 2), "cents": "250"}, id=f"2-{n}") for n in range(1, 7)])
    step("add to no stream", client.xadd("nothing", {"n": "1"}, id="1-1", nomkstream=True))
    for n in range(1, 6):
        client.xadd("recent", {"n": str(n)}, id=f"1-{n}", maxlen=3, approximate=False)
    step("length after MAXLEN", client.xlen("recent"))
    step("add, MAXLEN ~ LIMIT", client.xadd("recent", {"n": "6"}, id="1-6", maxlen=1000, approximate=True, limit=10))
    step("add, MINID ACKED", client.xadd("recent", {"n": "7"}, id="2-1", minid="1-5", approximate=False, ref_policy="ACKED"))
    step("range", [list(entry) for entry in client.xrange("recent", "-", "+")])
    step("reversed range", [entry[0] for entry in client.xrevrange("recent", "+", "-", count=2)])
    step("read", entries_of(client.xread({"orders": "2-4"}, count=1)))


def produce_once(client: redis.Redis) -> None:
    first = client.xadd("once", {"n": "1"}, idmp=("producer", b"1"))
    step("add again, IDMP", client.xadd("once", {"n": "1"}, idmp=("producer", b"1")) == first)
    second = client.xadd("once", {"n": "2"}, idmpauto="other")
    step("add again, IDMPAUTO", client.xadd("once", {"n": "2"}, idmpauto="other") == second)
    step("length of what was added once", client.xlen("once"))
    step("settings", bool(client.xcfgset("once", idmp_duration=60, idmp_maxsize=50)))


def work(client: redis.Redis) -> None:
    step("create group", bool(client.xgroup_create("orders", "billing", "0")))
    step("create group and stream", bool(client.xgroup_create("audit", "readers", "$", mkstream=True)))
    step("create group, ENTRIESREAD", bool(client.xgroup_create("orders", "late", "2-2", entries_read=4)))
    step("create consumer", client.xgroup_createconsumer("orders", "billing", "alice"))
    step("alice reads", entries_of(client.xreadgroup("billing", "alice", {"orders": ">"}, count=3)))
    step("bob reads", ids_of(client.xreadgroup("billing", "bob", {"orders": ">"}, count=2)))
    pending = client.xpending("orders", "billing")
    consumers = {consumer["name"]: int(consumer["pending"]) for consumer in pending["consumers"]}
    step("pending", [pending["pending"], pending["min"], pending["max"], consumers])
    step("alice reads again", ids_of(client.xreadgroup("billing", "alice", {"orders": "0"})))
    rows = client.xpending_range("orders", "billing", "-", "+", 10, idle=0)
    step("pending entries", [[row["message_id"], row["consumer"], row["times_delivered"]] for row in rows])
    rows = client.xpending_range("orders", "billing", "-", "+", 10, consumername="bob")
    step("bob's pending entries", [row["message_id"] for row in rows])
    step("acknowledge", client.xack("orders", "billing", "1-1", "9-9"))
    step("claim", [entry[0] for entry in client.xclaim("orders", "billing", "bob", 0, ["1-2"], idle=100000, retrycount=5)])
    step("claim, JUSTID", client.xclaim("orders", "billing", "alice", 0, ["2-2"], force=True, justid=True))


def die_and_deliver_again(client: redis.Redis) -> None:
    with connect() as carol:
        step("carol reads and dies", ids_of(carol.xreadgroup("billing", "carol", {"orders": ">"}, count=1)))
    claimed = client.xreadgroup("billing", "dave", {"orders": ">"}, count=10, claim_min_idle_time=50000)
    step("dave reads with CLAIM", ids_of(claimed))
    cursor, entries, deleted = client.xautoclaim("orders", "billing", "dave", 0, start_id="2-3", count=1)
    step("dave claims what carol left", [cursor, [entry[0] for entry in entries], deleted])
    step("claim by IDs alone", client.xautoclaim("orders", "billing", "erin", 0, start_id="2-6", justid=True))


def block(client: redis.Redis) -> None:
    read = lambda: client.xreadgroup("readers", "alice", {"audit": ">"}, block=10000)
    step("blocked reader of a group", ids_of(while_blocked("audit", "1-1", read)))
    read = lambda: client.xread({"audit": "$"}, block=10000)
    step("blocked reader", ids_of(while_blocked("audit", "1-2", read)))
    step("nothing comes", ids_of(client.xread({"audit": "$"}, block=20)))
    step("read without acknowledging", ids_of(client.xreadgroup("readers", "bob", {"audit": ">"}, noack=True)))


def remove(client: redis.Redis) -> None:
    step("acknowledge and delete", client.xackdel("orders", "billing", "2-1", "9-9", ref_policy="DELREF"))
    step("delete if acknowledged", client.xdelex("orders", "1-1", "2-2", "9-9", ref_policy="ACKED"))
    step("trim, DELREF", client.xtrim("orders", maxlen=5, approximate=False, ref_policy="DELREF"))
    step("trim, MINID ~", client.xtrim("recent", minid="1-1", approximate=True, limit=10))
    step("delete", client.xdel("orders", "2-5"))
    step("delete consumer", client.xgroup_delconsumer("orders", "billing", "erin"))
    step("set group's ID", bool(client.xgroup_setid("orders", "late", "2-3", entries_read=5)))
    client.xgroup_create("orders", "short", "0")
    step("destroy group", int(client.xgroup_destroy("orders", "short")))


def look(client: redis.Redis) -> None:
    groups = client.xinfo_groups("orders")
    step("groups", sorted([group["name"], group["consumers"], group["pending"], group["last-delivered-id"]] for group in groups))
    consumers = client.xinfo_consumers("orders", "billing")
    step("consumers", sorted([consumer["name"], consumer["pending"]] for consumer in consumers))
    info = client.xinfo_stream("orders")
    step("stream", [info["length"], info["last-generated-id"], info["groups"], info["first-entry"][0]])
    step("errors", [error_of(client, *words) for words in (("XADD", "orders", "1-1", "a", "b"), ("XREADGROUP", "GROUP", "no", "c", "STREAMS", "orders", ">"))])


def error_of(client: redis.Redis, *words: str) -> str:
    """The first word of the error that a command is answered with."""
    try:
        client.execute_command(*words)
    except redis.ResponseError as error:
        return str(error)
    return "no error"


def hand_back(client: redis.Redis) -> None:
    for n in range(1, 8):
        client.xadd("jobs", {"n": str(n)}, id=f"1-{n}")
    client.xgroup_create("jobs", "workers", "0")
    client.xreadgroup("workers", "alice", {"jobs": ">"}, count=4)
    step("hand back, FAIL", client.xnack("jobs", "workers", "FAIL", "1-1"))
    step("hand back, SILENT", client.xnack("jobs", "workers", "SILENT", "1-2", "9-9"))
    step("hand back, FATAL", client.xnack("jobs", "workers", "FATAL", "1-3"))
    step("hand back, RETRYCOUNT FORCE", client.xnack("jobs", "workers", "FAIL", "1-6", retrycount=7, force=True))
    rows = client.xpending_range("jobs", "workers", "-", "+", 10)
    step("pending for nobody", [[row["message_id"], row["consumer"]] for row in rows])
    claimed = client.xreadgroup("workers", "bob", {"jobs": ">"}, count=2, claim_min_idle_time=1000000)
    step("bob reads what was handed back", ids_of(claimed))
    step("MAXCOUNT", ids_of(client.xreadgroup("workers", "bob", {"jobs": ">"}, max_count=1)))
    step("MAXSIZE", ids_of(client.xread({"jobs": "0"}, max_size=60)))
    step("record", bool(client.execute_command("XIDMPRECORD", "jobs", "producer", "1", "1-5")))


def main() -> None:
    parts = {"8.6": (produce, produce_once, work, die_and_deliver_again, block, remove, look), "8.10": (hand_back,)}
    with connect() as client:
        for part in parts[PART]:
            part(client)


main()
