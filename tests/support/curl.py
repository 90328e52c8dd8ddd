"""Requests over HTTP/2 and TLS by curl: whole answers, and answers that go on line by line."""

import json
import queue
import subprocess
import threading
import time

from .answers import Answer
from .environment import SLOW
from .process import Process

_PATIENCE = 30


class CurlError(Exception):
    """There was no answer; `code` is curl's exit status."""

    def __init__(self, code, text):
        super().__init__(f"curl ended with {code}: {text}")
        self.code = code


def _command(url, ca, identity, method, headers):
    command = ["curl", "--http2", "-sS", "--path-as-is", "--globoff", "--noproxy", "*"]
    command += ["--cacert", ca, "-X", method, "-H", "Expect:"]
    if identity:
        command += ["--cert", identity.certificate, "--key", identity.key]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    return [str(part) for part in command] + [url]


def request(url, ca, *, method="GET", identity=None, headers=None, body=None, patience=_PATIENCE):
    """One request; an Answer, or CurlError."""
    command = _command(url, ca, identity, method, headers or {})
    command[1:1] = ["-i", "--max-time", str(patience * SLOW)]
    if method == "HEAD":
        command[1:1] = ["--head"]
    if body is not None:
        command[1:1] = ["--data-binary", "@-"]
    done = subprocess.run(
        command,
        input=body,
        stdin=None if body is not None else subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CurlError(done.returncode, done.stderr.decode(errors="replace"))
    return _parse(done.stdout)


def _parse(data):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split()[:2]
    assert version == "HTTP/2", first
    return Answer(int(status), [_field(line) for line in lines], body)


def _field(line):
    name, _, value = line.partition(":")
    return name, value.strip()


class Lines(Process):
    """An answer that goes on: each line of it as JSON, as it comes; `check` sees each one."""

    def __init__(self, url, ca, output, *, identity=None, headers=None, check=lambda line: None):
        command = _command(url, ca, identity, "GET", headers or {})
        command[1:1] = ["--no-buffer", "--fail-with-body"]
        super().__init__(command, output)
        self.seen = []
        self._check = check
        self._lines = queue.Queue()
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def next(self, timeout=10.0):
        """The next line; None when there are no more."""
        try:
            line = self._lines.get(timeout=timeout * SLOW)
        except queue.Empty:
            raise AssertionError(f"no line in {timeout * SLOW:g} s, after {self.seen}") from None
        if line is None:
            self._lines.put(None)
        else:
            self._check(line)
            self.seen.append(line)
        return line

    def wait_for(self, check, timeout=10.0):
        """The next line for which `check` holds; those before it are skipped."""
        end = time.monotonic() + timeout * SLOW
        while True:
            line = self.next(max(end - time.monotonic(), 0) / SLOW)
            assert line is not None, f"it ended, after {self.seen}"
            if check(line):
                return line

    def ends(self, timeout=10.0):
        """Waits for the end; gives the lines that came before."""
        before = []
        while (line := self.next(timeout)) is not None:
            before.append(line)
        return before
