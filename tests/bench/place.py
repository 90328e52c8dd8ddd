"""Where a run takes place: its folder, ports and certificates, and how many threads a proxy has."""

import contextlib
import itertools
import resource
import shutil
import tempfile
from pathlib import Path

from support.environment import program
from support.ports import Ports
from support.process import run

TRUST_DOMAIN = "bench.example"


class Place:
    """A context: when it ends, the folder is gone."""

    def __init__(self, workers):
        self.workers = workers
        self._ports = Ports()
        self._numbers = itertools.count()
        self._stack = contextlib.ExitStack()
        self.folder = None
        soft, self.descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < self.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="appnet-bench."))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._stack.close)
            self._make_certificates()
            on_error.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def port(self):
        """A free port that nothing in this run has used: connections of an earlier measurement that
        still linger in TIME_WAIT are to other ports, and take none away."""
        return self._ports.take()

    def room(self):
        """A new folder."""
        room = self.folder / f"{next(self._numbers):04}"
        room.mkdir()
        return room

    def identity(self, side):
        """Certificate, key and CA of the "source" or the "target", as a sidecar is given them."""
        return {
            "certificate": str(self.folder / side / "cert.pem"),
            "key": str(self.folder / side / "key.pem"),
            "ca": str(self.folder / side / "ca.pem"),
        }

    def _make_certificates(self):
        authority = self.folder / "ca"
        command = [program("appnet"), "ca"]
        run([*command, "init", "--dir", authority, "--trust-domain", TRUST_DOMAIN])
        for side in ("source", "target"):
            issue = [*command, "issue", "--dir", authority, "--instance", side]
            run([*issue, "--out", self.folder / side])
