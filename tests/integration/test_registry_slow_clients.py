"""Clients that say little for long, or too much, at both doors of the registry: they are cut off, and
others are served meanwhile.
"""

import contextlib
import itertools
import threading

import pytest

from support.curl import CurlError
from support.environment import SANITIZED
from support.registry import descriptor, replica_id
from support.sockets import connect
from support.wait import eventually

CROWD = 1500  # more than a door has room for


class Others:
    """Everybody else: people at both doors, a sidecar that joins, and one that watches."""

    def __init__(self, registry):
        self._registry = registry
        registry.apply_pair()
        registry.connect().good(202)
        self._token = registry.join_token("blog", uses=1000)["token"]
        self._request, _ = registry.request_for("blog")
        self._watch = registry.watch(registry.join("mysql"), replica_id())
        self._watch.next()
        self._ports = itertools.count(3307)
        self.served = 0

    def serve(self, *doors):
        """Each of them once; people at these doors only."""
        registry = self._registry
        for door in doors or (registry.plain, registry.secure):
            registry.get("/v1/instances", door=door).good()
        registry.enroll(self._token, self._request).good(201)
        port = next(self._ports)
        body = descriptor({"sql": port})
        registry.put("/v1/instances/mysql", body, door=registry.secure).good(200)
        self._watch.wait_for(lambda line: [one["port"] for one in line.get("put", [])] == [port])
        self.served += 1


class Dripper:
    """A connection on which a byte comes now and then."""

    def __init__(self, port, beginning):
        self._sock = connect(port)
        self._sock.sendall(beginning)

    def drip(self):
        """False when it was cut off."""
        try:
            self._sock.setblocking(False)
            self._sock.send(b"a")
            return self._sock.recv(65536) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self):
        self._sock.close()


class StreamDripper:
    """The same on some streams of an HTTP/2 connection."""

    def __init__(self, registry, streams):
        self._session = registry.secure.session()
        self._streams = [self._session.begin("POST", "/v1/enroll") for _ in range(streams)]

    def drip(self):
        for stream in self._streams:
            if not self._is_cut(stream):
                self._session.h2.send_data(stream, b"a")
                self._session.flush()
        self._session.pump()
        return not all(map(self._is_cut, self._streams))

    def _is_cut(self, stream):
        exchange = self._session.exchange(stream)
        return self._session.ended or exchange.ended or exchange.reset is not None

    def close(self):
        self._session.close()


HEAD = b"POST /v1/connections HTTP/1.1\r\nHost: localhost\r\n"
PLAIN = {
    "silent": b"",
    "head": HEAD + b"X: ",
    "body": HEAD + b"Content-Length: 1000\r\n\r\n",
    "chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n",
}
# A record of 512 bytes, in which there is a ClientHello.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.registry()


@pytest.fixture(name="others")
def _others(registry):
    return Others(registry)


@pytest.mark.limit(120)
def test_those_who_drip_are_cut_off_and_others_are_served(registry, others):
    with contextlib.ExitStack() as stack:

        def add(kind, *arguments):
            return stack.enter_context(contextlib.closing(kind(*arguments)))

        kinds = [[add(StreamDripper, registry, 50) for _ in range(4)]]
        for text in PLAIN.values():
            kinds.append([add(Dripper, registry.http_port, text) for _ in range(60)])
        for text in (b"\x16", HELLO):
            kinds.append([add(Dripper, registry.tls_port, text) for _ in range(60)])
        rounds = 0
        while any(kinds):
            # A look takes much less time than they have, however slow the registry is.
            for door in (registry.plain, registry.secure):
                registry.get("/v1/instances", door=door).good()
            kinds = [[dripper for dripper in kind if dripper.drip()] for kind in kinds]
            rounds += all(kinds)
            others.serve()
    assert rounds > 0, "others are served while there are some of each kind"


@pytest.mark.limit(120)
@pytest.mark.parametrize("beginning", ["silent", "head"])
def test_more_come_than_there_is_room_for(registry, others, beginning):
    """The oldest handshake, and the one who has been silent for the longest, give way. Where all have
    begun a request, newcomers wait until one of those is answered or cut off.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connect(registry.tls_port))
        others.serve()
        for _ in range(CROWD):
            stack.enter_context(connect(registry.http_port)).sendall(PLAIN[beginning])
        others.serve(registry.secure)
        others.serve()


# Bodies


def _is_refused(registry, door, path, body):
    try:
        answer = registry.post(path, body, door=door)
    except (CurlError, OSError):
        return True  # the door may close while it is being sent to
    return answer.refused(413, "body-too-large")


@pytest.mark.parametrize("door", ["plain", "secure"])
@pytest.mark.parametrize("path", ["/v1/enroll", "/v1/connections", "/v1/nothing"])
def test_bodies_of_ten_megabytes_are_cut_off(registry, others, door, path):
    body = b'{"token": "x", "csr": "' + b"A" * (10 << 20) + b'"}'
    refused = []

    def send():
        for _ in range(5):
            refused.append(_is_refused(registry, getattr(registry, door), path, body))

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        others.serve()
    assert len(refused) == 20 and others.served > 0
    assert SANITIZED or registry.memory() < 100 << 20


def _is_told(sender, status):
    with contextlib.suppress(OSError):
        sender.setblocking(False)
        return sender.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())
    return False


def test_many_bodies_that_do_not_end_take_little_memory(registry, others):
    """At the plain door; those that find no room are told so."""
    almost = HEAD + b"Content-Length: 1048576\r\n\r\n" + b" " * 1048000
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(connect(registry.http_port)) for _ in range(200)]
        for sender in senders:
            with contextlib.suppress(OSError):
                sender.sendall(almost)
        others.serve()
        eventually(lambda: any(_is_told(sender, 503) for sender in senders), what="503")
        others.serve()
        assert SANITIZED or registry.memory() < 150 << 20
