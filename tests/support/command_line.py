"""`appnet`, run to its end or in the background."""

import os
import pty
import re
import select
import subprocess
import time

from .environment import SLOW, program
from .process import Process, run


def appnet(*arguments, check=False, **options):
    """A CompletedProcess with text output."""
    return run([program("appnet"), *arguments], check=check, **options)


class Command(Process):
    """`appnet ARGUMENTS` in the background; all that it writes goes to one file."""

    def __init__(self, folder, *arguments, name="appnet", wrapper=(), **options):
        super().__init__(
            [*wrapper, program("appnet"), *arguments], folder / f"{name}.out", **options
        )
        self.start()

    def close(self):
        """Nothing that it has started is left behind."""
        left = children(self.pid) if self.running else []
        super().close()
        for pid in left:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass


class Terminal:
    """`appnet ARGUMENTS` as a person runs it: what it reads and writes is a terminal, which has a
    session and a foreground process group of its own.
    """

    def __init__(self, *arguments, environment=None):
        self._master, slave = pty.openpty()
        self.seen = ""
        self.child = subprocess.Popen(
            [program("appnet"), *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.login_tty(slave) if hasattr(os, "login_tty") else _login(slave),
        )
        os.close(slave)

    def type(self, text):
        os.write(self._master, text.encode())

    def read_until(self, pattern, timeout=10.0):
        """Until the pattern is found in all that was written."""
        end = time.monotonic() + timeout * SLOW
        while not re.search(pattern, self.seen):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen!r}"
            assert self._read(left), f"no {pattern!r} in {self.seen!r}"
        return self.seen

    def wait(self, timeout=20.0):
        """The exit status; all that was written is in `seen`."""
        end = time.monotonic() + timeout * SLOW
        while self._read(max(0.0, end - time.monotonic())):
            assert time.monotonic() < end, self.seen
        return self.child.wait(max(0.1, end - time.monotonic()))

    def close(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(10 * SLOW)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        os.close(self._master)

    def _read(self, timeout):
        if not select.select([self._master], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # everybody on the other side is gone
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)


def _login(slave):
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def children(pid):
    """The processes that one has started, and has not taken the end of."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as found:
        return [int(child) for child in found.read().split()]


def program_of(pid):
    """The name of the program that a process runs; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as name:
            return name.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
