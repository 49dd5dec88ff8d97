"""A program on a terminal of its own: what redis-cli shows while it runs on and on, and what it answers as it is typed at."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

SECONDS_MAX = 15
# 50 lines of 500 columns, so that no line is broken; two numbers for its size in pixels follow.
SIZE = struct.pack("HHHH", 50, 500, 0, 0)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class TerminalError(Exception):
    """The program did not show what was waited for; carries what it did show."""


class Terminal:
    """A running program and its terminal; a context manager that ends it."""

    def __init__(self, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, SIZE)
        environment = os.environ | {"TERM": "xterm", "REDISCLI_HISTFILE": "/dev/null", "REDISCLI_RCFILE": "/dev/null"}
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
        os.close(theirs)
        self._shown = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits until the pattern was shown behind what was waited for last; returns its match. Colours and movements are left out."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            match = re.search(pattern, self._shown)
            if match is not None:
                self._shown = self._shown[match.end() :]
                return match
            if not select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TerminalError(f"{pattern!r} was not shown within {SECONDS_MAX} s, but: {self._shown!r}")
            try:
                self._shown = CONTROL.sub("", self._shown + os.read(self._ours, 65536).decode(errors="replace"))
            except OSError:  # the program has ended
                raise TerminalError(f"{pattern!r} was not shown to the end, but: {self._shown!r}") from None

    def type(self, text: str) -> None:
        """Types a text, and nothing behind it."""
        os.write(self._ours, text.encode())
