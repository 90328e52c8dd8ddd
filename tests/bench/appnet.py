"""appnet: two sidecars."""

from support.environment import program
from support.sidecar import Sidecar

from .chain import Chain
from .machine import version
from .peer import Peer
from .place import TRUST_DOMAIN


def settings(place, servers):
    """(ports, names, source, target): what the two sidecars before `servers` are told."""
    entrances = [place.port() for _ in servers]
    tunnel = f"127.0.0.1:{place.port()}"
    common = {"trust_domain": TRUST_DOMAIN, "drain_timeout": 1}
    names = [f"app{number}" for number in range(len(servers))]
    source = {
        "instance": "source",
        **common,
        "tunnel": {"workers": place.workers},
        "identity": place.identity("source"),
        "outbounds": [
            {"name": name, "required": True, "listen": f"127.0.0.1:{port}"}
            for name, port in zip(names, entrances)
        ],
        "connections": [
            {"outbound": name, "instance": "target", "inbound": name, "address": tunnel}
            for name in names
        ],
    }
    target = {
        "instance": "target",
        **common,
        "tunnel": {"listen": tunnel, "workers": place.workers},
        "identity": place.identity("target"),
        "inbounds": [
            {"name": name, "target": f"127.0.0.1:{port}"} for name, port in zip(names, servers)
        ],
        "allow": [{"inbound": name, "instance": "source", "outbound": name} for name in names],
    }
    return entrances, names, source, target


class Appnet(Peer):
    name = title = "appnet"

    def version(self):
        return version([program("appnet-sidecar"), "--version"])

    def chain(self, place, servers):
        room = place.room()
        entrances, names, source, target = settings(place, servers)
        starts = [
            lambda: self._start(Sidecar(room, "target", target)),
            lambda: self._start(Sidecar(room, "source", source), names),
        ]
        return Chain(entrances, starts, self._detail)

    @staticmethod
    def _start(sidecar, outbounds=()):
        try:
            sidecar.start()
            for outbound in outbounds:
                sidecar.wait_status("ESTABLISHED", outbound=outbound)
        except BaseException:
            sidecar.kill()
            raise
        return sidecar

    @staticmethod
    def _detail(_, source):
        tunnel = source.status()["tunnels"][0]
        return (
            f"{tunnel['tls']}, {tunnel['cipher']}, engine {tunnel['engine']};"
            " its log goes to a file, a line for each connection opened and closed"
        )
