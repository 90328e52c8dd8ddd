"""A sidecar process: its configuration, its log, its admin socket."""

import http.client
import json
import signal
import socket

from . import settings
from .environment import program
from .log import Log
from .process import Process, run
from .wait import eventually

_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
    "SUMMARY: ",
    "Assertion ",
)


class _AdminConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Sidecar(Process):
    """Runs from the configuration given as a dict, until `stop` or the end of the test."""

    def __init__(self, folder, name, configuration, *, form="conf", wrapper=()):
        self.name = name
        self.configuration = configuration
        self.file = folder / f"{name}.{form}"
        self.log = Log(folder / f"{name}.log")
        configuration.setdefault("admin", str(folder / f"{name}.sock"))
        self.admin = configuration["admin"]
        self._must_end_well = False
        super().__init__([*wrapper, program("appnet-sidecar"), "-c", self.file], self.log.path)
        self.write()

    def write(self, configuration=None):
        """Writes the configuration file, which a running sidecar reads at `reload`."""
        self.configuration = configuration or self.configuration
        settings.write(self.file, self.configuration)

    def start(self, ready=True):
        """Starts it, for the first time or again. With ready=False nothing is waited for."""
        since = self.log.position()
        super().start()
        self._must_end_well = True
        if ready:
            self.wait_ready(since)
        return self

    def wait_ready(self, since=0):
        eventually(
            lambda: self.log.find("sidecar started", since) or not self.running,
            what=lambda: f"{self.name} has started:\n{self.log.tail()}",
        )
        assert self.running, f"{self.name} ended:\n{self.log.tail()}"
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

    def wait_log(self, message, since=0, timeout=10.0, **keys):
        return self.log.wait_for(message, since, timeout, **keys)

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

    def kill(self):
        self._must_end_well = False
        super().kill()

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
        try:
            if self._must_end_well:
                self.check_end(self.wait(30))
        finally:
            super().kill()
            self.check_reports()

    def check_end(self, code):
        self._must_end_well = False
        assert code == 0, f"{self.name} ended with {code}:\n{self.log.tail()}"
        self.check_reports()

    def check_reports(self):
        text = self.text()
        for report in _REPORTS:
            assert report not in text, f"{self.name} reported:\n{text[text.index(report):][:6000]}"

    def ended_badly(self):
        """For a sidecar that is expected to refuse to start: its exit status, and what it said."""
        self._must_end_well = False
        return self.wait(), self.text()


def check(file):
    """`appnet-sidecar --check` of a file."""
    return run([program("appnet-sidecar"), "--check", "-c", file], check=False)
