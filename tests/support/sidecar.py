"""A sidecar process: its configuration, its log, its admin socket."""

import http.client
import json
import signal
import socket

from . import settings
from .daemon import Daemon
from .environment import program
from .process import run
from .wait import eventually


class _AdminConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Sidecar(Daemon):
    """Runs from the configuration given as a dict, until `stop` or the end of the test."""

    started = "sidecar started"

    def __init__(self, folder, name, configuration, *, form="conf", wrapper=()):
        self.configuration = configuration
        self.file = folder / f"{name}.{form}"
        configuration.setdefault("admin", str(folder / f"{name}.sock"))
        self.admin = configuration["admin"]
        command = [*wrapper, program("appnet-sidecar"), "-c", self.file]
        super().__init__(name, command, folder / f"{name}.log")
        self.write()

    def write(self, configuration=None):
        """Writes the configuration file, which a running sidecar reads at `reload`."""
        self.configuration = configuration or self.configuration
        settings.write(self.file, self.configuration)

    def wait_ready(self, since=0):
        super().wait_ready(since)
        eventually(self._answers, what=f"{self.name} answers on its admin socket")

    def _answers(self):
        try:
            return self.status()
        except OSError:
            return None

    # What it says of itself

    def admin_request(self, method, path, timeout=10.0):
        """(status, body) of one request on the admin socket."""
        connection = _AdminConnection(self.admin, timeout)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def status(self):
        code, body = self.admin_request("GET", "/status")
        assert code == 200, body
        return json.loads(body)

    def status_command(self, *arguments, check=True):
        """`appnet status` for this sidecar."""
        return run([program("appnet"), "status", "--sidecar", self.admin, *arguments], check=check)

    def outbound(self, name="db"):
        return next(outbound for outbound in self.status()["outbounds"] if outbound["name"] == name)

    def open_streams(self):
        return self.status()["streams"]["open"]

    def wait_status(self, status, reason=None, outbound="db", timeout=15.0):
        """Waits for the state of a connection; gives the outbound's entry."""
        seen = {}

        def reached():
            seen.update(self.outbound(outbound))
            return seen["status"] == status and (reason is None or seen["reason"] == reason)

        eventually(
            reached,
            timeout=timeout,
            pause=0.03,
            what=lambda: f"{outbound} of {self.name} is {status} {reason or ''}, it is {seen}\n"
            + self.log.tail(),
        )
        return seen

    def wait_streams(self, count, timeout=10.0):
        eventually(
            lambda: self.open_streams() == count,
            timeout=timeout,
            pause=0.03,
            what=lambda: f"{count} open streams in {self.name}: {self.status()}",
        )

    # What is done to it

    def reload(self, configuration=None):
        """SIGHUP with a configuration that is good; returns when it is in use."""
        since = self.log.position()
        self.write(configuration)
        self.signal(signal.SIGHUP)
        self.wait_log("configuration reloaded", since)

    def reload_refused(self):
        """SIGHUP with files that are not good; gives the line that says so."""
        since = self.log.position()
        self.signal(signal.SIGHUP)
        return self.wait_log("reload failed", since)

    def stop(self, timeout=40.0):
        """SIGTERM, the whole drain, exit 0."""
        self.signal(signal.SIGTERM)
        self.check_end(self.wait(timeout))

    def close(self):
        """The end of the test: ends it without waiting for open streams, and sees that it ended
        well.
        """
        if self.running:
            self.signal(signal.SIGCONT)
            since = self.log.position()
            self.signal(signal.SIGTERM)
            eventually(
                lambda: self.log.find("draining", since) or not self.running,
                what=lambda: f"{self.name} drains:\n{self.log.tail()}",
            )
            if self.running:
                self.signal(signal.SIGTERM)
        self.finish()


def check(file):
    """`appnet-sidecar --check` of a file."""
    return run([program("appnet-sidecar"), "--check", "-c", file], check=False)
