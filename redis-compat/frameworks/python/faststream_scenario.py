"""FastStream with stream subscribers in and outside of groups: faststream_scenario.py PORT PROTOCOL. See ../README.md."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
# redis-py's default is to speak RESP3 and to give replies the form that they have in RESP2, which FastStream counts on.
os.environ["SCENARIO_URL"] = f"redis://127.0.0.1:{PORT}/0" + ("?protocol=2" if PROTOCOL == 2 else "")

import faststream_app as app  # noqa: E402  (reads the environment)
from faststream import AckPolicy, Path as PathPart  # noqa: E402
from faststream.redis import PubSub, RedisBroker, StreamSub  # noqa: E402
from faststream.redis.annotations import RedisStreamMessage  # noqa: E402
from redis.asyncio import Redis  # noqa: E402

PATIENCE_SECONDS = 20


def step(name: str, result: object) -> None:
    """Tells what a step came to."""
    print(json.dumps([name, result]), flush=True)


class Worker:
    """A process that runs the application."""

    def __init__(self, consumer: str, never_ends: bool = False) -> None:
        environment = os.environ | {"SCENARIO_CONSUMER": consumer} | ({"SCENARIO_NEVER_ENDS": "1"} if never_ends else {})
        command = [sys.executable, str(Path(__file__).resolve().parent / "faststream_app.py")]
        output = {"stdin": subprocess.DEVNULL, "stdout": sys.stderr, "stderr": sys.stderr}
        self._process = subprocess.Popen(command, env=environment, **output)

    def end(self) -> int:
        """Ends it in order. Returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._process.kill()
        self._process.wait()


async def wait_for(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until a condition holds; gives up with an error."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.02)


async def settled(client: Redis, stream: str, group: str) -> None:
    """Waits until all of a stream was delivered and acknowledged."""

    async def is_settled() -> bool:
        groups = [told for told in await client.xinfo_groups(stream) if told["name"] == group.encode()]
        info = await client.xinfo_stream(stream)
        return groups[0]["pending"] == 0 and groups[0]["last-delivered-id"] == info["last-generated-id"]

    await wait_for(f"all of {stream} is acknowledged", is_settled)


async def worker_killed(client: Redis) -> None:
    """A worker is killed with five orders; another claims them, and takes those that are new."""
    await client.xgroup_create("orders", "billing", "0", mkstream=True)
    publisher = RedisBroker(app.URL, logger=None)
    async with publisher:
        for number in range(12):
            order = app.Order(number=number, cents=number * 250)
            await publisher.publish(order, stream="orders", correlation_id=f"order {number}")
        with Worker("doomed", never_ends=True):
            await wait_for("the doomed worker begins an order", lambda: client.exists("began:0"))
        held = await client.xpending("orders", "billing")
        step("with the killed worker", {row["name"].decode(): row["pending"] for row in held["consumers"]})
        await asyncio.sleep(app.IDLE_MS_MIN / 1000)
        with Worker("second") as second:
            await settled(client, "orders", "billing")
            step("how often each order was billed", [int(await client.get(f"ended:{number}")) for number in range(12)])

            async def all_billed() -> bool:
                return await client.xlen("bills") == 12

            await wait_for("all bills are out", all_billed)
            replies = [await publisher.request(text, stream="questions", correlation_id=text, timeout=5) for text in ("a", "b", "c")]
            step("replies to requests", [await reply.decode() for reply in replies])
            step("replies' correlation IDs", [reply.correlation_id for reply in replies])
            await settled(client, "questions", "answers")
            step("the worker ends with", second.end())
    # In which order the bills went out, and their IDs, is chance: what is in them is not.
    bills = sorted(b"".join(fields.values()).rpartition(b"{")[2].decode() for _, fields in await client.xrange("bills"))
    step("bills", bills)
    await client.delete("bills")


async def batches(client: Redis) -> None:
    """A subscriber that takes batches, one that takes a stream without a group, and one that does not acknowledge."""
    broker = RedisBroker(app.URL, logger=None)
    sizes, plain, unacknowledged = [], [], []

    @broker.subscriber(stream=StreamSub("readings", group="sums", consumer="one", batch=True, max_records=4))
    async def add(numbers: list[int]) -> None:
        sizes.append(len(numbers))
        await client.incrby("sum", sum(numbers))

    @broker.subscriber(stream=StreamSub("readings", last_id="0"))
    async def read(number: int) -> None:
        plain.append(number)

    @broker.subscriber(stream=StreamSub("readings", group="lossy", consumer="one", no_ack=True))
    async def lossy(number: int) -> None:
        unacknowledged.append(number)

    for group in ("sums", "lossy"):
        await client.xgroup_create("readings", group, "0", mkstream=True)
    async with broker:
        for number in range(10):
            await broker.publish(number, stream="readings", maxlen=100, correlation_id=f"reading {number}")
        await broker.start()
        await settled(client, "readings", "sums")

        async def all_read() -> bool:
            return len(plain) == len(unacknowledged) == 10

        await wait_for("all is read without a group", all_read)
    step("sizes of batches", sizes)
    step("sum of the batches", int(await client.get("sum")))
    step("read without a group", plain)
    step("read without acknowledging", unacknowledged)


async def failures(client: Redis) -> None:
    """Messages that fail at first, are left pending, and come again by XREADGROUP's CLAIM; and what a handler may do with a message."""
    broker = RedisBroker(app.URL, logger=None)
    deliveries: list[list] = []

    @broker.subscriber(
        stream=StreamSub("tries", group="triers", consumer="one", claim_min_idle_time=100, polling_interval=50),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def attempt(number: int, message: RedisStreamMessage) -> None:
        deliveries.append([number, message.raw_message["delivery_counts"][0]])
        if message.raw_message["delivery_counts"][0] < number:
            raise ValueError("not yet")

    @broker.subscriber(stream=StreamSub("by hand", group="hands", consumer="one"), ack_policy=AckPolicy.MANUAL)
    async def handle(what: str, message: RedisStreamMessage) -> None:
        deliveries.append([what, await message.get_delivery_count()])
        match what:
            case "ack":
                await message.ack()
            case "nack":
                await message.nack()
            case "reject":
                await message.reject()
            case "delete":
                await message.delete()

    async with broker:
        await broker.start()
        for number in range(3):
            await broker.publish(number, stream="tries", correlation_id=f"try {number}")
        await settled(client, "tries", "triers")
        step("deliveries, and how often each was delivered before", sorted(deliveries))
        deliveries.clear()
        for what in ("ack", "nack", "reject", "delete"):
            await broker.publish(what, stream="by hand", correlation_id=what)

        async def all_handled() -> bool:
            return len(deliveries) == 4 and await client.xlen("by hand") == 3

        await wait_for("all is handled", all_handled)
    step("handled, and how often each was delivered", deliveries)


async def group_lost(client: Redis) -> None:
    """A stream is deleted under its subscriber, which tells that by the error's word, and stops."""
    broker = RedisBroker(app.URL, logger=None)
    subscriber = broker.subscriber(stream=StreamSub("doomed", group="readers", consumer="one", polling_interval=5000))

    @subscriber
    async def read(_text: str) -> None:
        pass

    async with broker:
        await broker.start()

        async def stopped() -> bool:
            return not subscriber.running

        await asyncio.sleep(0.2)
        step("the subscriber runs", subscriber.running)
        await client.delete("doomed")
        await wait_for("the subscriber stops", stopped)
        step("the subscriber runs after its group was lost", subscriber.running)


async def channels() -> None:
    """Publish and subscribe, with a pattern, and a list, beside streams."""
    broker = RedisBroker(app.URL, logger=None)
    heard: list[list] = []

    @broker.subscriber(channel=PubSub("logs.{level}"))
    async def hear(text: str, level: str = PathPart()) -> None:
        heard.append([level, text])

    @broker.subscriber("echo")
    async def echo(text: str) -> str:
        return text

    @broker.subscriber(list="tasks")
    async def take(text: str) -> None:
        heard.append(["tasks", text])

    async with broker:
        await broker.start()
        step("receivers", await broker.publish("disk full", channel="logs.error"))
        await broker.publish("all well", channel="logs.info")
        reply = await broker.request("again", channel="echo", timeout=5)
        step("reply on a channel", await reply.decode())
        await broker.publish("sweep", list="tasks")

        async def all_heard() -> bool:
            return len(heard) == 3

        await wait_for("all is heard", all_heard)
    step("heard", sorted(heard))


async def main() -> None:
    """Runs all parts."""
    client = Redis(port=PORT)
    await worker_killed(client)
    await batches(client)
    await failures(client)
    await group_lost(client)
    await channels()
    await app.client.aclose()
    await client.aclose()


asyncio.run(main())
