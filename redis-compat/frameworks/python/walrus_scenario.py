"""walrus's streams, consumer groups and time series, and its scripts: walrus_scenario.py PORT PROTOCOL. See ../README.md."""

import datetime
import json
import sys
import threading
import time

from walrus import Database

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
ADD_AFTER_SECONDS = 0.2


def connect() -> Database:
    """Opens a database, which loads walrus's scripts. redis-py's default is RESP3, with replies in the form of RESP2, which walrus counts on."""
    return Database(port=PORT, **({"protocol": 2} if PROTOCOL == 2 else {}))


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


def later(work) -> threading.Thread:
    """Does something in a moment, over a connection of its own."""

    def run() -> None:
        time.sleep(ADD_AFTER_SECONDS)
        work(connect())

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def one_stream(db: Database) -> None:
    """walrus's Stream, with Python's slices, deletion by `del`, trimming and XSETID."""
    stream = db.Stream("log")
    step("IDs", [stream.add({"n": n}, id=f"{n}-1") for n in range(1, 9)])
    step("an entry", stream["3-1"])
    step("a slice", stream["2-1":"4-1"])
    step("the newest two", stream["7-1"::])
    step("its end", stream[:"2-1":2])
    step("backwards", stream.revrange(count=2))
    step("length", len(stream))
    del stream["5-1", "6-1"]
    stream.trim(5, approximate=False)
    step("after deleting and trimming", [entry_id for entry_id, _ in stream])
    stream.trim(minid="3-1", approximate=False)
    step("after trimming by ID", [entry_id for entry_id, _ in stream])
    step("set the last ID", stream.set_id("20-0"))
    step("read", stream.read(count=1, last_id="7-1"))
    adding = later(lambda other: other.Stream("log").add({"late": "1"}, id="21-1"))
    step("read what comes", stream.read(block=5000, last_id="$"))
    adding.join()
    info = stream.info()
    step("info", [info["length"], info["last-generated-id"], info["first-entry"], info["last-entry"]])


def groups(db: Database) -> None:
    """walrus's ConsumerGroup over two streams, with a consumer that leaves entries behind."""
    group = db.consumer_group("workers", ["jobs", "urgent"], consumer="one")
    step("create", group.create())
    step("create again", group.create())
    step("keys hold nothing yet", [db.xlen(key) for key in ("jobs", "urgent")])
    group.set_id("0-0")
    for n in range(1, 5):
        group.jobs.add({"n": n}, id=f"{n}-1")
    group.urgent.add({"n": "soon"}, id="1-1")
    step("read two of each", group.read(count=2))
    other = group.consumer("two")
    step("read the rest", other.jobs.read())
    adding = later(lambda third: third.Stream("urgent").add({"n": "now"}, id="2-1"))
    step("read what comes to the group", other.read(block=5000))
    adding.join()
    step("acknowledge", group.jobs.ack("1-1"))
    held = [[told["message_id"], told["consumer"], told["times_delivered"]] for told in group.jobs.pending()]
    step("pending", held)
    step("pending with one", [told["message_id"] for told in group.jobs.pending(consumer="two")])
    step("claim", other.jobs.claim("2-1"))
    step("claim what another has", other.jobs.claim("2-1", min_idle_time=60_000))
    step("claim by age", group.jobs.autoclaim("one", 0, count=2))
    step("read again what one has", group.jobs.read(last_id="0"))
    step("consumers", sorted([told["name"], told["pending"]] for told in group.jobs.consumers_info()))
    step("delete a consumer", other.jobs.delete_consumer("two"))
    step("stream info", {key: told["length"] for key, told in group.stream_info().items()})
    db.consumer_group("others", ["jobs"]).create()
    step("destroy", db.consumer_group("others", ["jobs"]).destroy())


def time_series(db: Database) -> None:
    """walrus's TimeSeries, whose IDs are points in time."""
    series = db.time_series("readers", ["heat", "cold"], consumer="one")
    series.create()
    series.set_id("0-0")
    at = [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=hour) for hour in range(5)]
    for moment in at:
        series.heat.add({"degrees": moment.hour}, id=moment)
    series.cold.add({"degrees": -1}, id=(at[1], 5))
    tell = lambda messages: [[message.stream, message.timestamp.isoformat(), message.sequence, message.data] for message in messages]
    step("range", tell(series.heat.range(at[1], at[3], count=2)))
    step("a point in time", tell([series.heat.get(at[2])]))
    step("read both", sorted(tell(series.read())))
    pending = series.heat.pending()
    step("pending by time", [[moment.isoformat(), sequence] for (moment, sequence), *_ in pending])
    step("acknowledge by time", series.heat.ack(at[0], at[1]))
    step("claim by time", tell(series.heat.claim(at[2])))
    step("delete by time", series.heat.delete(at[4]))
    series.heat.set_id(at[2])
    step("read from a time on", tell(series.heat.read()))


def beside_streams(db: Database) -> None:
    """The parts that need strings alone: a counter, a cache, comparing and setting by script, waiting for a lock."""
    counter = db.counter("calls")
    counter.incr(3)
    counter -= 1
    step("counter", counter.value())
    cache = db.cache("answers", default_timeout=100)
    cache.set("deep", 42)
    step("cache", [cache.get("deep"), cache.get("shallow", "none"), 0 < db.ttl(cache.make_key("deep")) <= 100])
    cache.delete("deep")
    db["state"] = "v1:old"
    step("compare and set", [db.cas("state", "v1:", "v2:new"), db.cas("state", "v1:", "v3:late"), db["state"]])
    mine, other = db.lock("door", ttl=60_000, lock_id="mine"), connect().lock("door", ttl=60_000, lock_id="other")
    step("acquire", [mine.acquire(), other.acquire(block=False), 0 < db.pttl(mine.key) <= 60_000])
    mine.clear()
    step("acquire after it was cleared", other.acquire(block=False))
    other.clear()


database = connect()
one_stream(database)
groups(database)
time_series(database)
beside_streams(database)
