"""Whom a run measures: no proxy, the other proxies, each in its own best set-up, and appnet."""

from .appnet import Appnet
from .chain import Chain
from .haproxy import Haproxy, PlainHaproxy, SplicingHaproxy
from .nginx import Nginx
from .peer import Peer
from .stunnel import Stunnel


class NoProxy(Peer):
    name, title = "none", "no proxy"

    def chain(self, place, servers):
        return Chain(servers, detail="the client talks to the server itself")


APPNET = Appnet()
PLAIN = (PlainHaproxy(), SplicingHaproxy())
OTHERS_WITH_TLS = (Haproxy(), Nginx(), Stunnel())
PEERS = (NoProxy(), *PLAIN, *OTHERS_WITH_TLS, APPNET)
