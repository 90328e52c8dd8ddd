"""One child process, ended by its id, and what /proc says about it."""

import os
import signal
import subprocess

from .environment import SLOW

_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A running program; its output goes to a file that can be read at any time."""

    def __init__(self, arguments, output, *, environment=None, cwd=None):
        self.arguments = [str(argument) for argument in arguments]
        self.output = output
        self.child = None
        self._environment = {**os.environ, **(environment or {})}
        self._cwd = cwd

    def start(self):
        with open(self.output, "ab") as out:
            self.child = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._cwd,
                env=self._environment,
            )
        return self

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=10.0):
        """The exit status, negative for a signal; fails if the process does not end."""
        try:
            return self.child.wait(timeout * SLOW)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(
                f"{self.arguments[0]} did not end in {timeout * SLOW:g} s"
            ) from late

    def kill(self):
        """SIGKILL; fine when it has ended already."""
        if self.running:
            self.child.kill()
            self.child.wait()

    def close(self):
        """Ends it one way or the other."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.child.wait(10 * SLOW)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as out:
            return out.read()

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Rss:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no Rss in smaps_rollup")

    def descriptors(self):
        """How many file descriptors are open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        """Processor time used until now, user and system, of all threads."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def run(arguments, *, timeout=30.0, check=True, environment=None, **options):
    """Runs a program to its end; a CompletedProcess with text output. With check, it must have
    succeeded.
    """
    arguments = [str(argument) for argument in arguments]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=timeout * SLOW,
        check=False,
        env={**os.environ, **(environment or {})},
        **options,
    )
    if check:
        assert (
            done.returncode == 0
        ), f"{' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done
