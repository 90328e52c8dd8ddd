"""The bench of one test: a folder, a CA, and everything that is started on it. All is ended with
the test.
"""

import contextlib

from .fleet import Fleet
from .mesh import Mesh
from .registry import Registry
from .sidecar import Sidecar


class Lab:
    def __init__(self, folder, authority, ports):
        self.folder = folder
        self.authority = authority
        self._ports = ports
        self._taken = []
        self._stack = contextlib.ExitStack()
        self.sidecars = []
        self.registries = []

    @property
    def daemons(self):
        return [*self.registries, *self.sidecars]

    def port(self):
        port = self._ports.take()
        self._taken.append(port)
        return port

    def add(self, thing):
        """Has `thing.close()` called at the end, last added first."""
        self._stack.callback(thing.close)
        return thing

    def serve(self, kind, *arguments):
        """An application server (a class of support.servers) on a free port."""
        server = self.add(kind(self.port(), *arguments))
        server.is_stream = self.is_stream
        return server

    def is_stream(self, address):
        """Whether a sidecar has connected from there for an application, and not for a probe."""
        return any(
            sidecar.log.find("stream opened", side="target", **{"from": address})
            for sidecar in self.sidecars
        )

    def sidecar(self, name, settings, *, ready=True, **options):
        """A running sidecar. With ready=False it is one that is expected to refuse to start."""
        sidecar = self.add(Sidecar(self.folder, name, settings, **options))
        self.sidecars.append(sidecar)
        return sidecar.start(ready)

    def registry(self, name="registry", *, ready=True, **options):
        """A running registry, with these options besides its addresses and its folder. With
        ready=False it is one that is expected to refuse to start.
        """
        registry = self.add(Registry(self, name, **options))
        self.registries.append(registry)
        return registry.start(ready)

    def mesh(self, application_port, **options):
        return Mesh(self, application_port, **options)

    def fleet(self, **options):
        return Fleet(self, **options)

    def close(self):
        try:
            self._stack.close()
        finally:
            for port in self._taken:
                self._ports.give_back(port)
