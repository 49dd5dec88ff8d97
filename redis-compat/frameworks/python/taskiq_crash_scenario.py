"""taskiq-redis while the server is killed again and again: taskiq_crash_scenario.py PORT PROTOCOL. See ../README.md.

Who runs this starts the server anew. What was kicked without an error must be done in the end, at least once; a file tells that, and not the server.
A result may be missing: taskiq acknowledges a task when saving its result failed.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
os.environ["SCENARIO_URL"] = f"redis://127.0.0.1:{PORT}/0" + ("?protocol=2" if PROTOCOL == 2 else "")
LEDGER = Path(tempfile.mkdtemp()) / "done"
os.environ["SCENARIO_LEDGER"] = str(LEDGER)

import taskiq_app as app  # noqa: E402  (reads the environment)
from redis.asyncio import Redis  # noqa: E402
from redis.exceptions import RedisError  # noqa: E402
from taskiq_scenario import Worker, pending, step, wait_for  # noqa: E402

TASKS = 400
KILLED_AT = (60, 150, 300)
PAUSE_SECONDS = 0.005


def done() -> set[str]:
    """The IDs of the tasks that are written down as done."""
    return set(LEDGER.read_text().split()) if LEDGER.exists() else set()


async def process_id(client: Redis) -> int:
    """The server's process ID; waits for the server."""
    while True:
        try:
            return (await client.info("server"))["process_id"]
        except (RedisError, OSError):
            await asyncio.sleep(0.02)


async def kick_all(client: Redis) -> list[str]:
    """Kicks tasks, and kills the server in the midst of that. Returns the IDs of the tasks that were kicked without an error."""
    kicked = []
    for number in range(TASKS):
        if number in KILLED_AT:
            os.kill(await process_id(client), signal.SIGKILL)
        try:
            await app.square.kicker().with_task_id(f"task-{number}").kiq(number)
            kicked.append(f"task-{number}")
        except Exception as error:  # taskiq wraps what its broker raises
            if not isinstance(error, (RedisError, OSError)) and not isinstance(error.__cause__, (RedisError, OSError)):
                raise
            await process_id(client)
        await asyncio.sleep(PAUSE_SECONDS)
    return kicked


async def main() -> None:
    """Runs it."""
    client = Redis(port=PORT)
    first = await process_id(client)
    await app.broker.startup()
    with Worker("broker", "first"), Worker("broker", "second"):
        kicked = await kick_all(client)
        step("the server was another one at the end", await process_id(client) != first)
        step("most tasks were kicked", len(kicked) >= TASKS - 10 * len(KILLED_AT))

        async def all_done() -> bool:
            missing = set(kicked) - done()
            if missing:
                # A worker looks for what others left behind after a read that brought something.
                await app.square.kicker().with_task_id("knock").kiq(0)
                await asyncio.sleep(0.1)
            return not missing and await pending(client) == 0

        await wait_for("every task is done", all_done)
    step("kicked, but not done", sorted(set(kicked) - done()))
    results = {task_id: await client.exists(f"result:{task_id}") for task_id in kicked}
    step("most results are there", sum(results.values()) >= TASKS - 10 * len(KILLED_AT))
    backend = app.broker.result_backend
    wrong = [task for task, is_there in results.items() if is_there and (await backend.get_result(task)).return_value != int(task[5:]) ** 2]
    step("with a wrong result", wrong)
    info = await client.xinfo_stream("jobs")
    step("no entry was lost", info["length"] == info["entries-added"] >= len(kicked))
    await app.broker.shutdown()
    shutil.rmtree(LEDGER.parent)
    await client.flushall()
    await client.aclose()


asyncio.run(main())
