"""What the worker processes of faststream_scenario.py run: an application of FastStream's."""

import asyncio
import os

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from pydantic import BaseModel
from redis.asyncio import Redis

URL = os.environ["SCENARIO_URL"]
CONSUMER = os.environ.get("SCENARIO_CONSUMER", "the scenario")
# Set in the environment of the worker that is to be killed: it begins its first order and does not end it.
NEVER_ENDS = "SCENARIO_NEVER_ENDS" in os.environ
IDLE_MS_MIN = 1000

broker = RedisBroker(URL)
app = FastStream(broker)
client = Redis.from_url(URL)


class Order(BaseModel):
    """One order."""

    number: int
    cents: int


def orders(**options: object) -> StreamSub:
    """The stream of orders, read in the group billing."""
    return StreamSub("orders", group="billing", consumer=CONSUMER, **options)


@broker.subscriber(stream=orders(max_records=5))
@broker.subscriber(stream=orders(min_idle_time=IDLE_MS_MIN, polling_interval=50))
@broker.publisher(stream=StreamSub("bills", maxlen=1000))
async def bill(order: Order) -> dict[str, int]:
    """Bills what is new, and what another worker left behind."""
    await client.incr(f"began:{order.number}")
    if NEVER_ENDS:
        await asyncio.Event().wait()
    await client.incr(f"ended:{order.number}")
    return {"number": order.number, "total": order.cents * 2}


@broker.subscriber(stream=StreamSub("questions", group="answers", consumer=CONSUMER, polling_interval=1000))
async def answer(question: str) -> str:
    """Answers to where the question says."""
    return question.upper()


if __name__ == "__main__":
    asyncio.run(app.run())
