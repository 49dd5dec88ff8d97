"""What Dapr's pub/sub, lock and outbox components send, in redis-py: dapr_calls.py PORT PROTOCOL. See ../README.md.

Dapr itself is not run. The calls are those that its components for Redis make, through a client that introduces itself as go-redis does; the scripts
do what its scripts do.
"""

import json
import sys
import threading
import time

import redis

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
APP, TOPIC = "app", "orders"
QUEUE_DEPTH = 10
PROCESSING_MS_MAX = 300
PATIENCE_SECONDS = 10

# Releases a lock, and tells one that is not there, and one that is another's, from one that was released.
UNLOCK = """
local holder = redis.call('GET', KEYS[1])
if not holder then return -1 end
if holder ~= ARGV[1] then return -2 end
return redis.call('DEL', KEYS[1])
"""
# Sets a value if it still has the version that the caller knows, and counts its version on.
SET_IF_VERSION = """
local current = redis.pcall('GET', KEYS[1] .. ':version')
if type(current) == 'table' then return redis.error_reply('no version is under ' .. KEYS[1]) end
if current and current ~= ARGV[1] then return redis.error_reply('failed to set key ' .. KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2])
return redis.call('INCR', KEYS[1] .. ':version')
"""


def step(name: str, result: object) -> None:
    """Tells what a step came to."""
    print(json.dumps([name, result]), flush=True)


def error_of(call) -> str:
    """The words of the error that a call ends in."""
    try:
        return f"no error: {call()}"
    except redis.ResponseError as error:
        return str(error)


class Instance:
    """One instance of an application: it reads in a group, and gets back what was not acknowledged in time. All instances are one consumer."""

    def __init__(self, fails_on: tuple[bytes, ...] = ()) -> None:
        self._client = redis.Redis(port=PORT, protocol=PROTOCOL)
        self._fails_on = fails_on
        self.handled: list[bytes] = []

    def subscribe(self) -> str:
        """Makes the group; an instance before this one may have done so."""
        return error_of(lambda: self._client.xgroup_create(TOPIC, APP, "0", mkstream=True))

    def poll(self) -> int:
        """Reads what is new. Returns how much that was."""
        streams = self._client.xreadgroup(APP, APP, {TOPIC: ">"}, count=QUEUE_DEPTH, block=200)
        entries = [entry for _, found in pairs(streams) for entry in flat(found)]
        self._handle(entries)
        return len(entries)

    def reclaim(self) -> int:
        """Takes what was not acknowledged in time, until there is no more. Returns how much that was."""
        taken = 0
        while True:
            pending = self._client.xpending_range(TOPIC, APP, "-", "+", QUEUE_DEPTH)
            late = [row["message_id"] for row in pending if row["time_since_delivered"] >= PROCESSING_MS_MAX]
            if not late:
                return taken
            claimed = self._client.xclaim(TOPIC, APP, APP, PROCESSING_MS_MAX, late)
            self._handle(claimed)
            taken += len(claimed)

    def _handle(self, entries: list) -> None:
        for entry_id, fields in entries:
            if fields[b"data"] in self._fails_on:
                continue
            self.handled.append(fields[b"data"])
            self._client.xack(TOPIC, APP, entry_id)


def pairs(streams) -> list:
    """A reply of XREADGROUP as pairs of stream and entries: a map in RESP3, pairs in RESP2."""
    return list(streams.items()) if isinstance(streams, dict) else list(streams or [])


def flat(found: list) -> list:
    """The entries of one stream, which redis-py has in one more list in RESP3."""
    return found[0] if found and isinstance(found[0], list) else found


def introduce(client: redis.Redis) -> None:
    """How go-redis introduces itself; what is refused there must be refused in such a way that it goes on."""
    greeting = client.execute_command("HELLO", "3" if PROTOCOL == 3 else "2")
    step("HELLO", sorted(word.decode() for word in (greeting if isinstance(greeting, dict) else greeting[::2])))
    name = client.execute_command("CLIENT", "SETINFO", "LIB-NAME", "go-redis(,go1.24.1)")
    step("CLIENT SETINFO", [bool(name), bool(client.execute_command("CLIENT", "SETINFO", "LIB-VER", "9.14.0"))])
    refused = error_of(lambda: client.execute_command("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none"))
    step("CLIENT MAINT_NOTIFICATIONS is refused", not refused.startswith("no error"))
    replication = client.info("replication")
    step("INFO replication", [replication["role"], replication["connected_slaves"]])


def pubsub(client: redis.Redis) -> None:
    """Two instances; one dies with what it has read, and some of it is deleted before the other takes it."""
    first, second = Instance(fails_on=tuple(b"%d" % n for n in range(3, 8))), Instance()
    step("subscribe", [first.subscribe(), second.subscribe()])
    ids = [client.xadd(TOPIC, {"data": str(n)}, maxlen=100, approximate=True) for n in range(20)]
    step("the first reads", [first.poll(), first.poll()])
    step("the first handles", [data.decode() for data in first.handled])
    step("pending", client.xpending(TOPIC, APP)["pending"])
    step("nothing is late yet", second.reclaim())
    client.xdel(TOPIC, ids[4], ids[6])
    time.sleep(PROCESSING_MS_MAX / 1000)
    step("the second reclaims", second.reclaim())
    step("the second handles", [data.decode() for data in second.handled])
    step("pending, with what was deleted", client.xpending(TOPIC, APP)["pending"])
    polled: list[int] = []
    polling = threading.Thread(target=lambda: polled.append(second.poll()))
    polling.start()
    client.xadd(TOPIC, {"data": "at last"})
    polling.join()
    step("the second reads", [polled, second.handled[-1].decode()])


def lock(client: redis.Redis) -> None:
    """The lock: SET with NX and EX, released by a script; of ten that want it at once one gets it."""
    take = lambda owner: bool(client.set("lock||resource", owner, nx=True, ex=20))
    release = lambda owner: client.eval(UNLOCK, 1, "lock||resource", owner)
    step("take and release", [release("a"), take("a"), take("b"), release("b"), release("a"), take("b"), release("b")])
    got: list[str] = []
    wanting = [threading.Thread(target=lambda name=f"owner {n}": got.extend([name] * take(name))) for n in range(10)]
    for thread in wanting:
        thread.start()
    for thread in wanting:
        thread.join()
    step("ten want it", [len(got), [release(name) for name in got]])


def outbox(client: redis.Redis) -> None:
    """A value and a message are written in one transaction, with a script in it; a version that is out of date is refused."""
    set_if = client.register_script(SET_IF_VERSION)
    step("versions", [set_if(["state"], ["", "one"]), set_if(["state"], ["1", "two"])])
    step("a version that is out of date", error_of(lambda: set_if(["state"], ["1", "three"])))
    with client.pipeline(transaction=True) as transaction:
        transaction.eval(SET_IF_VERSION, 1, "state", "2", "three")
        transaction.xadd("outbox", {"data": "three"}, id="1-1")
        transaction.expire("state", 100)
        transaction.persist("state")
        step("value and message", [result.decode() if isinstance(result, bytes) else int(result) for result in transaction.execute()])
    client.xadd("state:list:version", {"n": "1"}, id="1-1")
    step("a version that is no string", error_of(lambda: set_if(["state:list"], ["", "x"])))


connection = redis.Redis(port=PORT, protocol=PROTOCOL, single_connection_client=True)
introduce(connection)
pubsub(redis.Redis(port=PORT, protocol=PROTOCOL))
lock(redis.Redis(port=PORT, protocol=PROTOCOL))
outbox(redis.Redis(port=PORT, protocol=PROTOCOL))
