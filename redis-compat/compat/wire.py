"""A plain connection to a server in RESP2, for looking at what clients left there."""

import socket
from typing import TypeAlias

Reply: TypeAlias = str | int | None | list["Reply"]

PATIENCE_SECONDS = 10


class WireError(Exception):
    """The server answered with an error, or closed the connection."""


class Wire:
    """One connection; a context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._file.close()
        self._socket.close()

    def call(self, *words: str) -> Reply:
        """Sends a command and returns its reply."""
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            text = word.encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(text), text))
        self._socket.sendall(b"".join(parts))
        return self._read()

    def receive(self) -> Reply:
        """Reads what comes unasked."""
        return self._read()

    def _read(self) -> Reply:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise WireError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise WireError(rest)
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"$":
            return self._file.read(length + 2)[:-2].decode(errors="backslashreplace")
        if kind == b"*":
            return [self._read() for _ in range(length)]
        raise WireError(f"no reply begins with {kind!r}")
