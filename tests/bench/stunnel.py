"""stunnel."""

from .peer import SUITE, TLS, Configured


class Stunnel(Configured):
    name, title = "stunnel", "stunnel mTLS"
    executable = "stunnel"
    version_option = "-version"
    detail = f"{TLS}, sessions resumed, a thread a connection"

    def configuration(self, place, room, side, hops):
        identity = place.identity(side)
        text = "foreground = yes\npid =\ndebug = err\nsyslog = no\n"
        text += "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
        for here, there in hops:
            text += f"[hop{here}]\nclient = {'yes' if side == 'source' else 'no'}\n"
            text += f"accept = 127.0.0.1:{here}\nconnect = 127.0.0.1:{there}\n"
            text += f"cert = {identity['certificate']}\nkey = {identity['key']}\n"
            text += f"CAfile = {identity['ca']}\nverifyChain = yes\nrequireCert = yes\n"
            text += f"sslVersionMax = TLSv1.2\nciphers = {SUITE}\n"
            text += "sessionResume = yes\nTIMEOUTclose = 0\nlibwrap = no\n"
        return text
