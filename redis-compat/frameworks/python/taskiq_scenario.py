"""taskiq-redis with workers, one of which is killed: taskiq_scenario.py PORT PROTOCOL. See ../README.md."""

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
# redis-py's default is to speak RESP3 and to give replies the form that they have in RESP2, which taskiq-redis counts on.
os.environ["SCENARIO_URL"] = f"redis://127.0.0.1:{PORT}/0" + ("?protocol=2" if PROTOCOL == 2 else "")

import taskiq_app as app  # noqa: E402  (reads the environment)
from redis.asyncio import Redis  # noqa: E402
from taskiq import ScheduledTask  # noqa: E402
from taskiq_redis import RedisAsyncResultBackend, RedisScheduleSource, RedisStreamBroker  # noqa: E402

PATIENCE_SECONDS = 20


def step(name: str, result: object) -> None:
    """Tells what a step came to."""
    print(json.dumps([name, result]), flush=True)


class Worker:
    """`taskiq worker`, with all its processes in a process group of their own."""

    def __init__(self, broker: str, consumer: str, never_ends: bool = False) -> None:
        environment = os.environ | {"SCENARIO_CONSUMER": consumer} | ({"SCENARIO_NEVER_ENDS": "1"} if never_ends else {})
        command = [sys.executable, "-m", "taskiq", "worker", f"taskiq_app:{broker}", "--workers", "1"]
        here = Path(__file__).resolve().parent
        output = {"stdin": subprocess.DEVNULL, "stdout": sys.stderr, "stderr": sys.stderr}
        self._process = subprocess.Popen(command, cwd=here, env=environment, start_new_session=True, **output)

    def kill(self) -> None:
        """Kills all of it. When told to end in order, taskiq 0.13's worker waits for one more task, whatever server it reads from."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.kill()


async def wait_for(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until a condition holds; gives up with an error."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


async def kick(batch: str, numbers: range, queue: str | None = None) -> list:
    """Kicks a batch of tasks, whose IDs are the batch's name and the number."""
    tasks = []
    for number in numbers:
        kicker = app.square.kicker().with_task_id(f"{batch}-{number}")
        tasks.append(await (kicker.with_labels(queue_name=queue) if queue else kicker).kiq(number))
    return tasks


async def results_of(tasks: list) -> list:
    """Waits for the results of tasks."""
    return [(await task.wait_result(check_interval=0.05, timeout=PATIENCE_SECONDS)).return_value for task in tasks]


async def pending(client: Redis, stream: str = "jobs") -> int:
    """How many tasks are with workers."""
    return (await client.xpending(stream, "workers"))["pending"]


async def settled(client: Redis) -> None:
    """Waits until no task is with a worker."""

    async def none_pending() -> bool:
        return await pending(client) == 0 and await pending(client, "urgent jobs") == 0

    await wait_for("every task is acknowledged", none_pending)


async def workers_read(client: Redis, count: int) -> None:
    """Waits until so many workers wait for tasks."""

    async def as_many_read() -> bool:
        reading = [other for other in await client.client_list() if other["cmd"] == "xreadgroup" and other["flags"] == "b"]
        return len(reading) == count

    await wait_for(f"{count} workers read", as_many_read)


async def one_worker(client: Redis) -> None:
    """Two batches, the first kicked before there is a worker, and tasks that fail and that tell their progress."""
    before = await kick("before", range(12))
    with Worker("broker", "first"):
        step("results of a batch from before the worker", await results_of(before))
        with_worker = [*await kick("urgent", range(3), queue="urgent jobs"), *await kick("with-worker", range(12))]
        step("results of a batch in two streams", await results_of(with_worker))
        failed = await app.fail.kicker().with_task_id("failed").kiq()
        result = await failed.wait_result(check_interval=0.05, timeout=PATIENCE_SECONDS)
        step("a task that fails", [result.is_err, repr(result.error)])
        told = await app.progress.kicker().with_task_id("told").kiq()
        await told.wait_result(check_interval=0.05, timeout=PATIENCE_SECONDS)
        step("a task's progress", (await told.get_progress()).model_dump(mode="json"))
        await settled(client)


async def worker_killed(client: Redis) -> None:
    """A worker is killed in the midst of a batch; two others take that over, and another batch."""
    # What is added before the server sees that the first worker is gone would be delivered to that.
    await workers_read(client, 0)
    with Worker("broker", "doomed", never_ends=True):
        lost = await kick("lost", range(15))

        async def all_began() -> bool:
            return all([await client.exists(f"began:{task.task_id}") for task in lost])

        await wait_for("the doomed worker begins every task", all_began)
    consumers = await client.xpending("jobs", "workers")
    step("with the killed worker", {row["name"].decode(): row["pending"] for row in consumers["consumers"]})
    await asyncio.sleep(app.IDLE_MS_MIN / 1000)
    with Worker("broker", "second"), Worker("broker", "third"):
        await workers_read(client, 2)
        # A worker looks for what others left behind after each read that brought something.
        step("results of a batch after the kill", await results_of(await kick("after", range(12))))
        step("results of the batch that was lost", await results_of(lost))
        await settled(client)
    step("locks left", [key.decode() for key in await client.keys("autoclaim:*")])
    ended = {task.task_id: int(await client.get(f"ended:{task.task_id}")) for task in lost}
    step("how often each lost task ended", ended)


async def other_parts(client: Redis) -> None:
    """A capped stream, results that expire or are taken once, publish and subscribe, schedules."""
    capped = RedisStreamBroker(os.environ["SCENARIO_URL"], queue_name="capped", maxlen=4, approximate=False)
    task = capped.register_task(app.square.original_func, task_name="square")
    await capped.startup()
    for number in range(7):
        await task.kicker().with_task_id(f"capped-{number}").kiq(number)
    await capped.shutdown()
    step("length of a capped stream", await client.xlen("capped"))

    once = RedisAsyncResultBackend(os.environ["SCENARIO_URL"], keep_results=False, result_px_time=60_000, prefix_str="once")
    square = await app.broker.result_backend.get_result("after-3")
    await once.set_result("after-3", square)
    step("a result that expires", 50_000 < await client.pttl("once:after-3") <= 60_000)
    step("a result that is taken", [(await once.get_result("after-3")).return_value, await once.is_result_ready("after-3")])
    await once.shutdown()

    async def both_listen() -> bool:
        return (await client.pubsub_numsub("announcements"))[0][1] == 2

    async def both_heard() -> bool:
        return await client.get("heard:hear") == b"2"

    await app.everywhere.startup()
    with Worker("everywhere", "fourth"), Worker("everywhere", "fifth"):
        await wait_for("both workers listen", both_listen)
        announced = await app.announce.kicker().with_task_id("announced").kiq("hear")
        step("an announcement", await results_of([announced]))
        await wait_for("both workers hear the announcement", both_heard)
    await app.everywhere.shutdown()

    source = RedisScheduleSource(os.environ["SCENARIO_URL"], prefix="schedule")
    for name in ("hourly", "daily"):
        schedule = ScheduledTask(task_name="square", labels={}, args=[2], kwargs={}, cron="0 * * * *", schedule_id=name)
        await source.add_schedule(schedule)
    await source.delete_schedule("daily")
    step("schedules", [schedule.schedule_id for schedule in await source.get_schedules()])
    await source.delete_schedule("hourly")
    await source.shutdown()


async def main() -> None:
    """Runs all parts."""
    client = Redis(port=PORT)
    await app.broker.startup()
    await one_worker(client)
    await worker_killed(client)
    await other_parts(client)
    await app.broker.shutdown()
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main())
