"""What operators do with redis-commander, through what its pages send to its own server."""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

from .scenes import Scene, SceneError, Stage

START_SECONDS_MAX = 30
ANSWER_SECONDS_MAX = 20
# What is typed at its command line.
TYPED = (
    "XLEN s", "XRANGE s - + COUNT 1", "XINFO GROUPS nothing", "XPENDING s grp", "XADD typed 1-1 f v", "XREAD COUNT 1 STREAMS s 0", "PING", "GET a", "SET typed:string v", "NOSUCH", "XADD s",
    "CLIENT GETNAME", "CONFIG GET maxmemory-policy", "DBSIZE", "MULTI", "COMMAND COUNT x", "TTL s", "OBJECT ENCODING s",
)  # fmt: skip
# Text in INFO's answer that is in each server's.
INFO_FIELDS = ("Redis mode", "Tcp port", "Connected clients", "Blocked clients", "Used memory", "Used memory human", "Total commands processed", "Role", "Maxmemory policy", "Uptime in seconds")


def scenes(node: str, directory: Path) -> list[Scene]:
    """All scenes, in their order. Each drives a redis-commander of its own; `directory` has it as a package."""

    def driven(play: Callable[["Commander"], object]) -> Callable[[Stage], object]:
        def play_on(stage: Stage) -> object:
            with _commander(node, directory, stage) as commander:
                return play(commander)

        return play_on

    return [
        Scene("the server's INFO", driven(_info)),
        Scene("keys: the tree, with a prefix, what each holds", driven(_keys)),
        Scene("a stream: shown, added to, deleted from", driven(_stream)),
        Scene("a string, a list, a set: made, changed, renamed, deleted", driven(_others)),
        Scene("its command line", driven(lambda commander: [commander.post(f"/apiv2/exec/{commander.id}", cmd=command) for command in TYPED])),
        Scene("exported and imported", driven(_exported)),
    ]


class Commander:
    """A running redis-commander."""

    def __init__(self, port: int, server_port: int) -> None:
        self._port = port
        self._server_port = server_port
        self.connection = f"R:127.0.0.1:{server_port}:0"
        self.id = quote(self.connection, safe="")

    def get(self, path: str) -> object:
        """What it answers to GET: status and text, or what the text is in JSON. The server's port is 0 in it."""
        return self.ask("GET", path)

    def post(self, path: str, method: str = "POST", **form: object) -> object:
        """What it answers to a form that is sent."""
        return self.ask(method, path, urlencode(form))

    def ask(self, method: str, path: str, body: str | None = None) -> object:
        """Sends a request and reads the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS_MAX)
        try:
            connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {})
            answer = connection.getresponse()
            text = answer.read().decode().replace(str(self._server_port), "0")
        finally:
            connection.close()
        with contextlib.suppress(ValueError):
            return [answer.status, json.loads(text)]
        return [answer.status, text]


@contextlib.contextmanager
def _commander(node: str, directory: Path, stage: Stage) -> Iterator[Commander]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = directory / "node_modules" / "redis-commander" / "bin" / "redis-commander.js"
    command = [node, program, "--redis-host", "127.0.0.1", "--redis-port", stage.port, "--address", "127.0.0.1", "--port", port, "--noload", "--nosave"]
    commander = Commander(port, stage.port)
    # It keeps settings in the home directory.
    environment = os.environ | {"HOME": str(stage.directory)}
    with subprocess.Popen([str(word) for word in command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_connected(commander)
            yield commander
        finally:
            process.kill()


def _wait_until_connected(commander: Commander) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if commander.post(f"/apiv2/exec/{commander.id}", cmd="PING") == [200, {"data": "PONG"}]:
                return
        time.sleep(0.1)
    raise SceneError(f"redis-commander did not answer within {START_SECONDS_MAX} s")


def _info(commander: Commander) -> object:
    status, answer = commander.get("/apiv2/server/info")
    if status != http.HTTPStatus.OK or not isinstance(answer["data"], list):
        raise SceneError(f"it told no INFO: {answer}")
    told = {pair["key"]: pair["value"] for pair in answer["data"][0]["info"]}
    return [status, commander.get("/connections"), [field for field in INFO_FIELDS if not told.get(field)]]


def _keys(commander: Commander) -> object:
    tree = [commander.get(f"/apiv2/keystree/{commander.id}{prefix}") for prefix in ("", "/s", "/nothing")]
    for _, branches in tree:
        branches["data"].sort(key=json.dumps)
    listed = commander.get(f"/apiv2/keys/{commander.id}/s*")
    listed[1]["data"].sort()
    shown = [_without_ttl(commander.get(f"/apiv2/key/{commander.id}/{quote(key)}")) for key in ("a", "accent", "sp ace", "l", "members", "shorter", "nothing")]
    return [tree, listed, shown]


def _without_ttl(answer: list) -> list:
    if answer[1]["type"] == "string" and answer[1].get("ttl", -1) > 0:
        answer[1]["ttl"] = "(some)"
    return answer


def _stream(commander: Commander) -> object:
    entry = {"connectionId": commander.connection, "key": "by-hand", "field": "f"}
    return [
        commander.get(f"/apiv2/key/{commander.id}/s"),
        commander.post("/apiv2/xset/member", timestamp="1-1", value="first", **entry),
        commander.post("/apiv2/xset/member/add", timestamp="2-1", value="second & <last>", **entry),
        commander.post("/apiv2/xset/member", timestamp="1-1", value="too late", **entry),
        commander.get(f"/apiv2/key/{commander.id}/by-hand"),
        commander.post("/apiv2/xset/member", "DELETE", timestamp="1-1", **entry),
        commander.post("/apiv2/xset/member/delete", timestamp="9-9", **entry),
        commander.get(f"/apiv2/key/{commander.id}/by-hand"),
        re.sub(r"\d{13}-\d+", "ID", json.dumps(commander.post("/apiv2/xset/member", timestamp="*", value="of the clock", **entry))),
        commander.post(f"/apiv2/exec/{commander.id}", cmd="XLEN by-hand"),
    ]


def _others(commander: Commander) -> object:
    to = {"connectionId": commander.connection}
    return [
        commander.post(f"/apiv2/key/{commander.id}/made", keyType="string", stringValue="a value"),
        commander.get(f"/apiv2/key/{commander.id}/made"),
        commander.post(f"/apiv2/key/{commander.id}/made", "PATCH", key="renamed", force="false"),
        commander.post(f"/apiv2/key/{commander.id}/renamed", "PATCH", key="a", force="false"),
        commander.get(f"/apiv2/key/{commander.id}/renamed"),
        commander.post("/apiv2/list/value", key="made-list", value="one", type="lpush", **to),
        commander.get(f"/apiv2/key/{commander.id}/made-list"),
        commander.post("/apiv2/set/member", key="made-set", member="one", value="one", **to),
        commander.get(f"/apiv2/key/{commander.id}/made-set"),
        *(commander.post(f"/apiv2/key/{commander.id}/{key}?action=delete") for key in ("renamed", "made-list", "made-set")),
        commander.post(f"/apiv2/exec/{commander.id}", cmd="EXISTS renamed made-list made-set"),
    ]


def _exported(commander: Commander) -> object:
    """Strings, lists and sets go out as commands, are deleted, and come back. It has no commands for streams."""
    where = f"connection={commander.id}"
    exported = [commander.get(f"/tools/export?{where}&type=redis&keyPrefix={prefix}") for prefix in ("largest", "l", "members")]
    if any(status != http.HTTPStatus.OK or not text for status, text in exported):
        raise SceneError(f"it exported nothing: {exported}")
    deleted = commander.post(f"/apiv2/exec/{commander.id}", cmd="DEL largest members")
    imported = [commander.post(f"/tools/import?{where}", data=text) for _, text in (exported[0], exported[2])]
    return [exported[0], exported[2], deleted, imported, [commander.get(f"/apiv2/key/{commander.id}/{key}") for key in ("largest", "members")]]
