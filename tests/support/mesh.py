"""Two sidecars and the wire between them."""

import os

from . import sockets
from .wait import eventually


# Event loops of each sidecar, where a test does not say.
WORKERS = int(os.environ.get("APPNET_TEST_WORKERS", "2"))


class Mesh:
    """shop (outbound db) --tunnel--> mysql (inbound sql) -> the application's port.

    With start=False the two configurations can be changed before `start`.
    """

    def __init__(
        self, lab, application_port, *, form="conf", workers=WORKERS, drain_timeout=5, start=True
    ):
        self._lab = lab
        self._form = form
        self.port = lab.port()
        self.tunnel_port = lab.port()
        self.source_settings = {
            "instance": "shop",
            "trust_domain": lab.authority.trust_domain,
            "drain_timeout": drain_timeout,
            "tunnel": {"workers": workers},
            "identity": lab.authority.identity("shop").settings(),
            "outbounds": [{"name": "db", "required": True, "listen": f"127.0.0.1:{self.port}"}],
            "connections": [
                {
                    "outbound": "db",
                    "instance": "mysql",
                    "inbound": "sql",
                    "address": self.tunnel_address,
                }
            ],
        }
        self.target_settings = {
            "instance": "mysql",
            "trust_domain": lab.authority.trust_domain,
            "drain_timeout": drain_timeout,
            "tunnel": {"listen": self.tunnel_address, "workers": workers},
            "identity": lab.authority.identity("mysql").settings(),
            "inbounds": [{"name": "sql", "target": f"127.0.0.1:{application_port}"}],
            "allow": [{"inbound": "sql", "instance": "shop", "outbound": "db"}],
        }
        self.source = self.target = None
        if start:
            self.start()

    @property
    def tunnel_address(self):
        return f"127.0.0.1:{self.tunnel_port}"

    @property
    def sidecars(self):
        return (self.source, self.target)

    def start(self, established=True, wrapper=()):
        self.start_target(wrapper)
        self.start_source(wrapper)
        if established:
            self.wait_established()
        return self

    def start_target(self, wrapper=()):
        self.target = self._lab.sidecar(
            "mysql", self.target_settings, form=self._form, wrapper=wrapper
        )

    def start_source(self, wrapper=()):
        self.source = self._lab.sidecar(
            "shop", self.source_settings, form=self._form, wrapper=wrapper
        )

    def wait_established(self):
        return self.source.wait_status("ESTABLISHED")

    def connect(self, **options):
        """As the application of shop does: to the outbound."""
        return sockets.connect(self.port, **options)

    def ask(self, data=b"ping"):
        sockets.ask(self.port, data)

    def wait_idle(self):
        """Until no stream is open on either side."""
        for sidecar in self.sidecars:
            sidecar.wait_streams(0)


class Usage:
    """What sidecars hold now: to see later that it is no more than that again."""

    def __init__(self, *sidecars):
        self._before = {sidecar: self._of(sidecar) for sidecar in sidecars}

    def wait_unchanged(self, timeout=15.0):
        for sidecar, (descriptors, streams) in self._before.items():

            def unchanged(sidecar=sidecar, descriptors=descriptors, streams=streams):
                now = self._of(sidecar)
                return now[0] <= descriptors and now[1] == streams

            eventually(unchanged, lambda s=sidecar: self._difference(s), timeout, pause=0.05)

    def _difference(self, sidecar):
        return (
            f"descriptors and streams of {sidecar.name} are {self._before[sidecar]} again, "
            f"they are {self._of(sidecar)}"
        )

    @staticmethod
    def _of(sidecar):
        return sidecar.descriptors(), sidecar.open_streams()
