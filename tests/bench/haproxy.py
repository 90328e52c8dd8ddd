"""HAProxy: without TLS, without TLS and with splicing, with TLS."""

from .peer import SUITE, TLS, Configured


class PlainHaproxy(Configured):
    name, title = "plain", "plain HAProxy, no TLS"
    executable = "haproxy"
    command = ("{program}", "-db", "-f", "{file}")
    detail = "no TLS"
    options = ()

    def configuration(self, place, room, side, hops):
        # It counts two descriptors a connection and half of one for splicing, and refuses to start
        # if it cannot have them.
        connections = min(6000, place.descriptors * 2 // 5 - 200)
        text = f"global\n  nbthread {place.workers}\n  maxconn {connections}\n"
        text += f"defaults\n  mode tcp\n  maxconn {connections}\n  backlog 4096\n"
        text += "  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n"
        text += "".join(f"  option {option}\n" for option in self.options)
        bind, server = self.tls(place, room, side)
        for here, there in hops:
            text += f"listen hop{here}\n  bind 127.0.0.1:{here}{bind}\n"
            text += f"  server next 127.0.0.1:{there}{server}\n"
        return text

    def tls(self, place, room, side):
        """What follows `bind` and `server`."""
        return "", ""


class SplicingHaproxy(PlainHaproxy):
    """Better at bulk than the plain one, worse at small requests."""

    name, title = "splice", "plain HAProxy, splice, no TLS"
    detail = "no TLS, option splice-request and splice-response"
    options = ("splice-request", "splice-response")


class Haproxy(PlainHaproxy):
    name, title = "haproxy", "HAProxy mTLS"
    detail = f"{TLS}, sessions resumed"

    def tls(self, place, room, side):
        identity = place.identity(side)
        both = room / f"{side}.pem"
        with open(both, "w", encoding="ascii") as out:
            for part in ("certificate", "key"):
                with open(identity[part], encoding="ascii") as file:
                    out.write(file.read())
        tls = f" ssl crt {both} ca-file {identity['ca']} verify required"
        tls += f" ssl-max-ver TLSv1.2 ciphers {SUITE}"
        return ("", tls) if side == "source" else (tls, "")
