"""One of appnet's own programs that runs until it is told to end: its log, and how it ended."""

from .log import Log
from .process import Process
from .wait import eventually

_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
    "SUMMARY: ",
    "Assertion ",
)


class Daemon(Process):
    """Has a `name`, and says `started` in its log when it can be used."""

    started = None

    def __init__(self, name, arguments, output):
        self.name = name
        self.log = Log(output)
        self._must_end_well = False
        super().__init__(arguments, output)

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
            lambda: self.log.find(self.started, since) or not self.running,
            what=lambda: f"{self.name} has started:\n{self.log.tail()}",
        )
        assert self.running, f"{self.name} ended:\n{self.log.tail()}"

    def wait_log(self, message, since=0, timeout=10.0, **keys):
        return self.log.wait_for(message, since, timeout, **keys)

    def kill(self):
        self._must_end_well = False
        super().kill()

    def check_end(self, code):
        self._must_end_well = False
        assert code == 0, f"{self.name} ended with {code}:\n{self.log.tail()}"
        self.check_reports()

    def finish(self, timeout=30.0):
        """Sees that it ended well, if it is to; ends it one way or the other."""
        try:
            if self._must_end_well:
                self.check_end(self.wait(timeout))
        finally:
            super().kill()
            self.check_reports()

    def check_reports(self):
        text = self.text()
        for report in _REPORTS:
            assert report not in text, f"{self.name} reported:\n{text[text.index(report):][:6000]}"

    def ended_badly(self):
        """For one that is expected to refuse to start: its exit status, and what it said."""
        self._must_end_well = False
        return self.wait(), self.text()
