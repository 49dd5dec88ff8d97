"""What the workers of taskiq_scenario.py run: the brokers and the tasks, as an application of taskiq's has them."""

import asyncio
import os

from redis.asyncio import Redis
from taskiq import Context, TaskiqDepends
from taskiq.depends.progress_tracker import ProgressTracker, TaskState
from taskiq.serializers import JSONSerializer
from taskiq_redis import PubSubBroker, RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["SCENARIO_URL"]
# Set in the environment of the worker that is to be killed: it begins its tasks and does not end them.
NEVER_ENDS = "SCENARIO_NEVER_ENDS" in os.environ
# Where the tasks write down that they were done, if not in the server: a file.
LEDGER = os.environ.get("SCENARIO_LEDGER")
IDLE_MS_MIN = 1000


def results() -> RedisAsyncResultBackend:
    """Where results go: under result:ID."""
    return RedisAsyncResultBackend(URL, prefix_str="result", serializer=JSONSerializer())


broker = RedisStreamBroker(
    URL,
    queue_name="jobs",
    additional_streams={"urgent jobs": ">"},
    consumer_group_name="workers",
    consumer_name=os.environ.get("SCENARIO_CONSUMER", "the scenario"),
    idle_timeout=IDLE_MS_MIN,
    unacknowledged_lock_timeout=10,
    unacknowledged_batch_size=8,
    xread_count=3,
).with_result_backend(results())
everywhere = PubSubBroker(URL, queue_name="announcements").with_result_backend(results())
client = Redis.from_url(URL)


@broker.task(task_name="square")
async def square(number: int, context: Context = TaskiqDepends()) -> int:
    """Counts that it began and that it ended, each under a key of the task; or writes its ID into the ledger."""
    if LEDGER:
        with open(LEDGER, "a") as ledger:
            ledger.write(f"{context.message.task_id}\n")
        return number * number
    await client.incr(f"began:{context.message.task_id}")
    if NEVER_ENDS:
        await asyncio.Event().wait()
    await client.incr(f"ended:{context.message.task_id}")
    return number * number


@broker.task(task_name="fail")
async def fail() -> None:
    """Ends with an exception, which is the result then."""
    raise ValueError("as it should")


@broker.task(task_name="progress")
async def progress(tracker: ProgressTracker[dict] = TaskiqDepends()) -> str:
    """Tells how far it is."""
    await tracker.set_progress(TaskState.STARTED, {"done": 50})
    return "all"


@everywhere.task(task_name="announce")
async def announce(text: str) -> str:
    """Comes by publish and subscribe to every worker."""
    await client.incr(f"heard:{text}")
    return text
