"""What operators do with redis-cli: its ways of looking at a server, of filling one, and of printing."""

import re
import subprocess
import threading
import time
from collections.abc import Callable

from .scenes import SECONDS_MAX, Scene, SceneError, Stage, tool
from .terminal import Terminal
from .wire import Wire

CLI = "redis-cli"
MASS_INSERTED = 1000
# What the scenes begin with: each type of value that there is, text of several bytes for a character, spaces, an expiry, a group with pending entries.
COMMANDS = (
    "SET a 1",
    "SET largest xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    'SET "sp ace" "v\\"q"',
    'SET accent "h\\xc3\\xa9llo"',
    "EXPIRE a 100000",
    "XADD s 1-1 f v g w",
    "XADD s 1-2 f v2",
    'XADD s 2-0 f v3 z "x y"',
    "XGROUP CREATE s grp 0",
    "XREADGROUP GROUP grp c1 COUNT 2 STREAMS s >",
    "XACK s grp 1-1",
    "XADD shorter 5-5 k v",
    "RPUSH l 1 2 3",
    "SADD members only",
)
PRINTED = (
    "GET accent", "GET nothing", "INCR counter", "MGET a nothing accent", "TYPE s", "PTTL nothing", "XLEN s", "XRANGE s - +", "XRANGE nothing - +", "XREVRANGE s + - COUNT 1",
    "XREAD COUNT 2 STREAMS s shorter 0 0", "XREAD STREAMS s '$'", "XPENDING s grp", "XINFO CONSUMERS nothing grp", "XADD s 1-1 f v", "XADD s 9", "LRANGE l 0 -1", "NOSUCH command",
    "EVAL 'return {1, 2.5, false, {\"x\"}}' 0", "EVAL 'return redis.error_reply(\"MINE of a script\")' 0", "CONFIG GET maxmemory-policy", "OBJECT ENCODING a", "EXISTS a s",
)  # fmt: skip
# What is typed at the prompt, and the prompt behind it.
INTERACTIVE = (("multi", "(TX)>"), ("xlen s", "(TX)>"), ("exec", ">"), ("select 3", "[3]>"), ("xlen elsewhere", "[3]>"), ("help xack", "[3]>"), ("nosuch", "[3]>"))
FORMATS = ((), ("-3",), ("--no-raw",), ("-3", "--no-raw"), ("--csv",), ("-2", "--json"), ("--json",), ("--quoted-json",), ("-e", "-3"), ("-d", ";"))


def prepare(port: int) -> None:
    """Puts into a new server what the scenes begin with."""
    filled = tool([CLI, "-p", str(port)], "\n".join(COMMANDS).encode())
    if any("ERR" in line for line in filled["lines"]) or filled["status"] != 0:
        raise SceneError(f"the server could not be filled: {filled}")


def scenes() -> list[Scene]:
    """All scenes, in their order."""
    return [
        *(Scene(f"printed with {' '.join(options) or 'no option'}", _printed(options)) for options in FORMATS),
        Scene("--scan", lambda stage: sorted(_cli(stage, "--scan")["lines"])),
        Scene("--scan --pattern", lambda stage: sorted(_cli(stage, "--scan", "--pattern", "s*")["lines"])),
        Scene("--scan --quoted-pattern", lambda stage: _cli(stage, "--scan", "--quoted-pattern", '"sp\\x20*"')),
        Scene("--bigkeys", lambda stage: _summary(_cli(stage, "--bigkeys"))),
        Scene("--memkeys", lambda stage: _without_sizes(_summary(_cli(stage, "--memkeys")))),
        Scene("--memkeys-samples", lambda stage: _without_sizes(_summary(_cli(stage, "--memkeys-samples", "2")))),
        Scene("--hotkeys without LFU", lambda stage: _cli(stage, "--hotkeys")),
        Scene("--stat", _stat),
        Scene("--latency", _latency),
        Scene("--latency-history", _latency_history),
        Scene("--latency-dist", _latency_dist),
        Scene("--pipe", _pipe),
        Scene("--pipe with errors", _pipe_with_errors),
        Scene("MONITOR", _monitor),
        Scene("SUBSCRIBE and PSUBSCRIBE", _subscribe),
        Scene("--eval", _eval),
        Scene("commands from standard input", lambda stage: _cli(stage, stdin=b"xlen s\nmulti\nxlen s\nxlen a\nexec\nnosuch\n")),
        Scene("-x", lambda stage: [_cli(stage, "-x", "xadd", "of-stdin", "7-7", "f", stdin=b"from a\nfile"), _cli(stage, "--json", "xrange", "of-stdin", "-", "+")]),
        Scene("-X with what DUMP gave", _restored),
        Scene("-r and -i", lambda stage: _cli(stage, "-r", "4", "-i", "0.01", "incr", "repeated")),
        Scene("-n", lambda stage: [_cli(stage, "-n", "3", "xadd", "elsewhere", "1-1", "f", "v"), _cli(stage, "-n", "3", "dbsize"), _cli(stage, "exists", "elsewhere")]),
        Scene("-u", lambda stage: tool([CLI, "-u", f"redis://127.0.0.1:{stage.port}/3", "xlen", "elsewhere"])),
        Scene("--user and --pass", _as_user),
        Scene("XREAD BLOCK", _blocked),
        Scene("an interactive session", _interactive),
        Scene("--cluster check of a server that is no cluster", lambda stage: _without_port(tool([CLI, "--cluster", "check", f"127.0.0.1:{stage.port}"]), stage)),
    ]


def _cli(stage: Stage, *words: str, stdin: bytes = b"") -> dict[str, object]:
    return tool([CLI, "-p", str(stage.port), *words], stdin)


def _terminal(stage: Stage, *words: str) -> Terminal:
    return Terminal([CLI, "-p", str(stage.port), *words])


def _printed(options: tuple[str, ...]) -> Callable[[Stage], object]:
    # The options decide what is printed, so each command is run alone; a shell splits the words.
    def play(stage: Stage) -> object:
        script = "\n".join(f"{CLI} -p {stage.port} {' '.join(repr(option) for option in options)} {command}; echo status $?" for command in PRINTED)
        return tool(["sh", "-c", script])

    return play


def _summary(done: dict[str, object]) -> dict[str, object]:
    """What --bigkeys and --memkeys say at their end; before that they tell in the order of SCAN, which is each server's own."""
    lines = list(done["lines"])
    if "-------- summary -------" not in lines:
        raise SceneError(f"no summary: {done}")
    return {"lines": lines[lines.index("-------- summary -------") :], "status": done["status"]}


def _without_sizes(done: dict[str, object]) -> dict[str, object]:
    sizes = [re.search(r"(\d+) bytes", line) for line in done["lines"] if line.startswith("Biggest")]
    if not sizes or any(size is None or int(size[1]) == 0 for size in sizes):
        raise SceneError(f"a size is not told: {done}")
    return {"lines": [re.sub(r"\d+ bytes|avg size [\d.]+", "N", line) for line in done["lines"]], "status": done["status"]}


def _without_port(done: dict[str, object], stage: Stage) -> dict[str, object]:
    return {"lines": [line.replace(str(stage.port), "PORT") for line in done["lines"]], "status": done["status"]}


def _stat(stage: Stage) -> object:
    with _terminal(stage, "--stat", "-i", "0.1") as terminal:
        heads = terminal.expect(r"-+ data -+.*\n(keys .*?) *\n")[1]
        rows = [terminal.expect(r"(\d+) +([\d.]+[BKMG]) +(\d+) +(\d+) +(\d+) \(\+(\d+)\) +(\d+) *\n").groups() for _ in range(4)]
    # Each row is one more request, of the tool itself.
    more = [int(row[4]) - int(rows[0][4]) for row in rows]
    return {"heads": heads, "keys": [row[0] for row in rows], "clients": [row[2] for row in rows], "blocked": [row[3] for row in rows], "more requests": more}


def _latency(stage: Stage) -> object:
    found = []
    for options in ((), ("--raw",), ("--csv",)):
        done = _cli(stage, "--latency", *options, "-i", "0.2")
        found.append({"lines": [re.sub(r"[\d.]+", "N", line) for line in done["lines"]], "status": done["status"]})
    with _terminal(stage, "--latency") as terminal:
        found.append(terminal.expect(r"min: \d+, max: \d+, avg: [\d.]+ \((\d+) samples\)").re.groups)
    return found


def _latency_history(stage: Stage) -> object:
    with _terminal(stage, "--latency-history", "-i", "0.3") as terminal:
        samples = [int(terminal.expect(r"\((\d+) samples\) -- [\d.]+ seconds range")[1]) for _ in range(2)]
    return [count > 0 for count in samples]


def _latency_dist(stage: Stage) -> object:
    with _terminal(stage, "--latency-dist", "-i", "0.2") as terminal:
        terminal.expect("From 0 to 100%:")
        return terminal.expect(r"\.-\*#123456789ABCDEFGHIJKLMNOPQ\?")[0]


def _pipe(stage: Stage) -> object:
    commands = "".join(f"XADD mass {n}-1 number {n} text some\r\n" for n in range(1, MASS_INSERTED + 1))
    done = _cli(stage, "--pipe", stdin=commands.encode())
    return [done, _cli(stage, "xlen", "mass"), _cli(stage, "--json", "xrevrange", "mass", "+", "-", "COUNT", "2")]


def _pipe_with_errors(stage: Stage) -> object:
    request = b"*5\r\n$4\r\nXADD\r\n$5\r\nmass2\r\n$3\r\n1-1\r\n$1\r\nf\r\n$3\r\n\x00\r\n\r\n"
    # The second one is the same entry again.
    done = _cli(stage, "--pipe", stdin=request * 2 + b"XLEN a\r\nPING\r\n")
    return [done, _cli(stage, "--no-raw", "xrange", "mass2", "-", "+")]


def _monitor(stage: Stage) -> object:
    with _terminal(stage, "monitor") as terminal, Wire(stage.port) as wire:
        terminal.expect("OK\n")
        wire.call("XADD", "s", "100-1", "f", 'quoted " and \n')
        wire.call("EVAL", "return redis.call('XLEN', KEYS[1])", "1", "s")
        wire.call("SELECT", "3")
        wire.call("XREAD", "COUNT", "1", "STREAMS", "elsewhere", "0")
        shown = terminal.expect(r"(?s).*elsewhere.*\n")[0]
    return [re.sub(r"^\d+\.\d+", "TIME", re.sub(r"127\.0\.0\.1:\d+", "CLIENT", line)) for line in shown.splitlines()]


def _subscribe(stage: Stage) -> object:
    shown = []
    for command, target in (("subscribe", "news"), ("psubscribe", "n*")):
        with subprocess.Popen([CLI, "-p", str(stage.port), "--csv", command, target], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                shown.append(process.stdout.readline())
                with Wire(stage.port) as wire:
                    shown.append(wire.call("PUBLISH", "news", "read all about it"))
                shown.append(process.stdout.readline())
            finally:
                process.kill()
    return shown


def _eval(stage: Stage) -> object:
    script = stage.directory / "script.lua"
    script.write_text("local id = redis.call('XADD', KEYS[1], ARGV[1], 'f', ARGV[2])\nreturn {id, redis.call('XLEN', KEYS[1]), KEYS[2]}\n")
    faulty = stage.directory / "faulty.lua"
    faulty.write_text("return redis.call('XLEN', 'a')\n")
    return [
        _cli(stage, "--eval", str(script), "scripted", "other", ",", "3-3", "value"),
        _cli(stage, "--eval", str(faulty)),
        _cli(stage, "--json", "xrange", "scripted", "-", "+"),
    ]


def _restored(stage: Stage) -> object:
    dumped = subprocess.run([CLI, "-p", str(stage.port), "-D", "", "--raw", "dump", "shorter"], capture_output=True, timeout=SECONDS_MAX, check=True).stdout
    done = _cli(stage, "-X", "tag", "restore", "copied", "0", "tag", "replace", stdin=dumped)
    return [done, _cli(stage, "--json", "xrange", "copied", "-", "+")]


def _as_user(stage: Stage) -> object:
    _cli(stage, "acl", "setuser", "reader", "on", ">secret", "~s*", "+@read", "+acl|whoami")
    found = [_cli(stage, "--user", "reader", "--pass", password, *options, "acl", "whoami") for password, options in (("secret", ()), ("secret", ("--no-auth-warning",)), ("wrong", ()))]
    found += [_cli(stage, "-u", f"redis://reader:secret@127.0.0.1:{stage.port}", *command) for command in (("xlen", "s"), ("xlen", "a"), ("xadd", "s", "*", "f", "v"))]
    return [*found, _cli(stage, "acl", "deluser", "reader")]


def _blocked(stage: Stage) -> object:
    def add_when_waited_for() -> None:
        with Wire(stage.port) as wire:
            deadline = time.monotonic() + SECONDS_MAX
            while "cmd=xread" not in str(wire.call("CLIENT", "LIST")) and time.monotonic() < deadline:
                time.sleep(0.01)
            wire.call("XADD", "awaited", "1-1", "f", "v")

    adder = threading.Thread(target=add_when_waited_for)
    adder.start()
    done = _cli(stage, "--json", "xread", "block", "10000", "streams", "awaited", "$")
    adder.join()
    return done


def _interactive(stage: Stage) -> object:
    shown = []
    with _terminal(stage) as terminal:
        terminal.expect(r"127\.0\.0\.1:\d+> ")
        # What is typed shows the arguments to come.
        terminal.type("xack ")
        shown.append(terminal.expect(r"xack (key .*?)\s*127")[1])
        terminal.type("s grp 1-2\r")
        shown.append(terminal.expect(r"1-2\n(.*)\n127\.0\.0\.1:\d+> ")[1])
        for command, prompt in INTERACTIVE:
            terminal.type(f"{command}\r")
            told = terminal.expect(rf"(?s){command}\n(.*?)127\.0\.0\.1:\d+{re.escape(prompt)} ")[1]
            # What a command does is said in each server's own words.
            shown.append(re.sub(r"summary: \S.*", "summary", told))
    return shown
