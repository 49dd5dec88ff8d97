"""The server under test: one process on a free port of the loopback interface, in a directory of its own."""

import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS_MAX = 20
END_SECONDS_MAX = 20
LOG_LINES_SHOWN = 30


class ServerError(Exception):
    """The server did not start, died, or did not end in order; carries the end of its log."""


class Server:
    """A freshly started server; a context manager that ends it with SIGTERM.

    The options are redis-server's, so that any server that takes them can be put under test.
    """

    def __init__(self, binary: Path, options: list[str] | None = None) -> None:
        self._binary = binary
        self._options = options or []
        self._directory = tempfile.TemporaryDirectory(prefix="redis-compat-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> "Server":
        try:
            self._start()
        except BaseException:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._directory.cleanup()
            raise
        return self

    def start_again_if_killed(self) -> None:
        """Starts it anew, on its port and with its data, if a signal ended it: what a service manager does."""
        assert self._process is not None
        if (self._process.poll() or 0) < 0:
            self._run()

    def __exit__(self, *_exc_info: object) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._directory.cleanup()

    def _start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run()

    def _run(self) -> None:
        command = [str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._directory.name]
        command += ["--save", "", "--enable-debug-command", "yes", *self._options]
        with self._log_path().open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers_ping():
            if self._process.poll() is not None:
                raise ServerError(f"{self._binary} ended with {self._process.returncode} at its start\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self._binary} did not answer PING within {START_SECONDS_MAX} s\n{self.log_tail()}")
            time.sleep(0.05)

    def _answers_ping(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def _log_path(self) -> Path:
        return Path(self._directory.name) / "server.log"

    def log_tail(self) -> str:
        """Returns the last lines of what the server printed."""
        lines = self._log_path().read_text(errors="replace").splitlines()
        return "\n".join(f"    | {line}" for line in lines[-LOG_LINES_SHOWN:])

    def end(self) -> None:
        """Sends SIGTERM and waits. Raises `ServerError` when the server was dead or does not exit with 0."""
        assert self._process is not None
        died_with = self._process.poll()
        if died_with is not None:
            raise ServerError(f"the server had ended by itself with {died_with}\n{self.log_tail()}")
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise ServerError(f"the server still ran {END_SECONDS_MAX} s after SIGTERM\n{self.log_tail()}") from None
        if code != 0:
            raise ServerError(f"the server exited with {code} after SIGTERM\n{self.log_tail()}")
