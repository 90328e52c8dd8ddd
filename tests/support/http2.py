"""Hand-driven HTTP/2 over mutual TLS: peers that do what a sidecar never would."""

import collections
import contextlib
import json
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from .environment import SLOW
from .servers import Server
from .sockets import PIECE, connect


(
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
) = range(10)


def frame(kind, flags, stream, payload=b""):
    """Any frame, RFC 9113 section 4.1."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


class _Connection(h2.connection.H2Connection):
    """Without the library's own regard for the other side's limit of streams."""

    @property
    def open_outbound_streams(self):
        return 0


class Exchange:
    """What has come on one stream."""

    def __init__(self):
        self.headers = {}
        self.data = bytearray()
        self.ended = False
        self.reset = None  # the error code of an RST_STREAM

    @property
    def status(self):
        """The HTTP status as a number; None before the answer."""
        value = self.headers.get(":status")
        return int(value) if value else None

    @property
    def reason(self):
        return self.headers.get("appnet-reason")

    @property
    def answered(self):
        return self.headers or self.reset is not None

    @property
    def accepted(self):
        return self.status is not None and 200 <= self.status < 300

    def __repr__(self):
        return (
            f"<Exchange {self.headers} data={len(self.data)} ended={self.ended} reset={self.reset}>"
        )


class Session:
    """One HTTP/2 connection over an established TLS socket, from either side."""

    def __init__(self, tls, client, settings=None):
        self.tls = tls
        self.tls.settimeout(0.05)
        self.exchanges = {}
        self.ended = False  # the connection is gone, by a FIN, a reset or a TLS alert
        self.goaway = None  # the error code of a GOAWAY
        self.pongs = 0
        self._posted = collections.deque()
        self._out = bytearray()
        self._sending = False
        self.h2 = _Connection(
            h2.config.H2Configuration(
                client_side=client,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        if settings:
            # the first word, not a second one behind the library's own
            self.h2.local_settings = h2.settings.Settings(client=client, initial_values=settings)
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.send_raw(self.h2.data_to_send())

    def send_raw(self, data):
        """Bytes as they are, whatever HTTP/2 says about them. The other side may have hung up by
        then.
        """
        self._out += data
        if self._sending:
            return  # called from pump below
        self._sending = True
        end = time.monotonic() + 30 * SLOW
        while self._out and not self.ended:
            try:
                del self._out[: self.tls.send(bytes(self._out[:16384]))]
            except TimeoutError:
                self.pump()  # or both would wait for each other to read
                assert time.monotonic() < end, "the other side reads nothing"
            except OSError:
                self.ended = True
        self._sending = False

    def pump(self):
        """Takes in what has come, for a moment; gives the events."""
        try:
            data = self.tls.recv(PIECE)
        except TimeoutError:
            return []
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return []
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.ended = True
            raise
        for event in events:
            self._note(event)
        self.flush()
        return events

    def wait(self, check, what, timeout=10.0):
        """Takes in until `check()` is true or the connection is gone."""
        end = time.monotonic() + timeout * SLOW
        while not check() and not self.ended:
            self.pump()
            assert (
                time.monotonic() < end
            ), f"not within {timeout * SLOW:g} s: {what}; {self.exchanges}"
        return check()

    def post(self, task):
        """Has `task(self)` run by the thread that pumps, when that is not the caller's."""
        self._posted.append(task)

    def run_posted(self):
        while self._posted:
            self._posted.popleft()(self)
            self.flush()

    def exchange(self, stream):
        return self.exchanges.setdefault(stream, Exchange())

    def close(self):
        self.tls.close()

    def _note(self, event):
        if isinstance(event, (h2.events.RequestReceived, h2.events.ResponseReceived)):
            self.exchange(event.stream_id).headers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.exchange(event.stream_id).data += event.data
            if event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.exchange(event.stream_id).ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.exchange(event.stream_id).reset = int(event.error_code)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1


class Peer(Session):
    """A source: dials a tunnel port with any certificate, and asks for anything."""

    def __init__(self, mesh, identity, settings=None, alpn=("h2",)):
        self.authority = f"sql.mysql.shop.example:{mesh.tunnel_port}"
        super().__init__(dial(mesh.tunnel_port, identity, alpn), True, settings)

    def request(self, method="CONNECT", authority=None, outbound="db", extra=(), end=False):
        """Sends one request, without waiting for anything; gives the number of its stream."""
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", method),
            (":authority", self.authority if authority is None else authority),
        ]
        if method != "CONNECT":
            headers += [(":scheme", "https"), (":path", "*" if method == "OPTIONS" else "/")]
        if outbound is not None:
            headers.append(("appnet-outbound", outbound))
        self.h2.send_headers(stream, headers + list(extra), end_stream=end)
        self.flush()
        return stream

    def ask(self, method="CONNECT", timeout=10.0, **request):
        """One request and its answer; (stream, Exchange)."""
        stream = self.request(method, **request)
        self.wait(lambda: self.exchange(stream).answered, f"answer to {method}", timeout)
        return stream, self.exchange(stream)

    def send(self, stream, data, end=False):
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()

    def reset(self, stream):
        self.h2.reset_stream(stream)
        self.flush()

    def echo(self, stream, data=b"ping"):
        """Sends on a stream that leads to an echo server, and waits for the same."""
        before = len(self.exchange(stream).data)
        self.send(stream, data)
        self.wait(lambda: len(self.exchange(stream).data) >= before + len(data), "echo")
        assert bytes(self.exchange(stream).data[before:]) == data


class Caller(Session):
    """A client of a registry's door with TLS, with an instance's certificate or without one."""

    def __init__(self, port, identity=None, settings=None):
        self.authority = f"127.0.0.1:{port}"
        super().__init__(dial(port, identity), True, settings)

    def request(self, method, path, body=None, headers=()):
        """Sends one request, whole, without waiting for anything; gives the number of its
        stream.
        """
        stream = self.begin(method, path, headers, end=body is None)
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.h2.send_data(stream, data, end_stream=True)
            self.flush()
        return stream

    def begin(self, method, path, headers=(), end=False):
        """Sends the head of one only."""
        stream = self.h2.get_next_available_stream_id()
        head = [
            (":method", method),
            (":scheme", "https"),
            (":authority", self.authority),
            (":path", path),
        ]
        self.h2.send_headers(stream, head + list(headers), end_stream=end)
        self.flush()
        return stream

    def finish(self, streams, timeout=20.0):
        """Waits until all of these have ended."""
        self.wait(
            lambda: all(
                self.exchange(stream).ended or self.exchange(stream).reset is not None
                for stream in streams
            ),
            "all answers",
            timeout,
        )

    def ask(self, method, path, body=None, headers=(), timeout=20.0):
        """One request and the whole of its answer; an Exchange."""
        stream = self.request(method, path, body, headers)
        self.finish([stream], timeout)
        return self.exchange(stream)


def dial(port, identity, alpn=("h2",)):
    """A TLS connection to a tunnel port; with no identity, without a client certificate and
    verifying nothing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity.certificate, identity.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    sock = connect(port)
    try:
        return context.wrap_socket(sock)
    except BaseException:
        sock.close()
        raise


def is_refused_by_tls(port, identity, alpn=("h2",)):
    """Whether a tunnel port lets no HTTP/2 begin. With TLS 1.3 the refusal comes after the client's
    own part.
    """
    try:
        tls = dial(port, identity, alpn)
    except OSError:
        return True
    with tls:
        tls.settimeout(10 * SLOW)
        try:
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
            return tls.recv(1) == b""
        except OSError:
            return True


class FakeTarget(Server):
    """A tunnel port that answers as it is told to.

    `answer(session, stream, headers)` is called for each request; by default all are accepted. What
    comes on an accepted stream is kept in its Exchange; `sessions` are all that have come so far.
    `settings` are HTTP/2's.
    """

    def __init__(self, port, identity, answer=None, settings=None):
        self.sessions = []
        self.refused = 0  # handshakes that came to nothing
        self._answer = answer or accept
        self._settings = settings
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity.certificate, identity.key)
        self._context.load_verify_locations(identity.ca)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.set_alpn_protocols(["h2"])
        super().__init__(port)

    def serve(self, sock):
        try:
            tls = self._context.wrap_socket(sock, server_side=True)
            session = Session(tls, False, self._settings)
        except OSError:
            self.refused += 1
            return
        self.sessions.append(session)
        # to the library a connection is over with a GOAWAY, to those at its ends it is not
        with tls, contextlib.suppress(h2.exceptions.ProtocolError):
            while not session.ended:
                session.run_posted()
                for event in session.pump():
                    if isinstance(event, h2.events.RequestReceived):
                        self._answer(session, event.stream_id, dict(event.headers))
                        session.flush()


def accept(session, stream, headers):
    """204 to probes, 200 to streams."""
    if headers[":method"] == "OPTIONS":
        respond(session, stream, 204)
    else:
        respond(session, stream, 200, end=False)


def respond(session, stream, status, reason=None, end=True):
    headers = [(":status", str(status))] + ([("appnet-reason", reason)] if reason else [])
    session.h2.send_headers(stream, headers, end_stream=end)
