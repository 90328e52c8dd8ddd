"""What is not TLS, sent to the tunnel port: dropped, said in the log, and no trouble for anybody
else.

    something -> mysql (tunnel port)
    client -> shop --tunnel--> mysql -> echo, all the while
"""

import os
import socket
import time

import pytest

from support.http2 import SETTINGS, dial, frame
from support.mesh import Usage
from support.servers import Echo
from support.sockets import connect, ends_in_reset, exchange
from support.wait import eventually

HANDSHAKE = 15.0  # seconds until a silent connection is dropped (10), and some more
SILENT = 300
LINGERING = 512  # strangers that one handshake thread keeps


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="plain-http"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http2-without-tls"),
        pytest.param(os.urandom(4096), id="garbage"),
        pytest.param(b"\x16\x03\x01\xff\xff" + b"\x01" * 70000, id="record-that-is-too-long"),
        pytest.param(b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00", id="hello-that-is-too-long"),
        pytest.param(b"\x16\x03\x01\x00\x00" * 1000, id="empty-records"),
        pytest.param(b"\x15\x03\x03\x00\x02\x01\x5a" * 1000, id="warnings"),
        pytest.param(b"\x80" + bytes(2000), id="ssl2"),
    ],
)
def test_garbage_is_refused(mesh, data):
    usage = Usage(mesh.target)
    since = mesh.target.log.position()
    with connect(mesh.tunnel_port) as sock:
        try:
            sock.sendall(data)
        except OSError:
            pass
        ends_in_reset(sock)  # one way or the other, within the socket's time limit
    line = mesh.target.wait_log("tunnel refused", since, side="target", reason="tls-refused")
    assert line["detail"]
    mesh.ask()
    usage.wait_unchanged()


def test_refused_connections_hold_few_descriptors(mesh):
    # each may read for a second why it was refused, but only so many at a time
    usage = Usage(mesh.target)
    before = mesh.target.descriptors()
    most = 0
    refused = []
    for _ in range(3 * LINGERING):
        sock = connect(mesh.tunnel_port)
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        refused.append(sock)
        if len(refused) % 100 == 0:
            most = max(most, mesh.target.descriptors())
    assert most - before < 2 * LINGERING + 100  # two workers, two handshake threads
    mesh.ask()
    usage.wait_unchanged()
    for sock in refused:
        sock.close()


def test_connection_that_closes_at_once_leaves_nothing(mesh):
    usage = Usage(mesh.target)
    for _ in range(100):
        connect(mesh.tunnel_port).close()
    usage.wait_unchanged()
    mesh.ask()


def test_silent_connections_block_nobody_and_are_dropped(mesh):
    usage = Usage(mesh.target)
    silent = [connect(mesh.tunnel_port, timeout=30) for _ in range(SILENT)]
    mesh.ask()
    # Nor does a new tunnel have to wait for them.
    mesh.source.stop()
    mesh.source.start()
    mesh.source.wait_status("ESTABLISHED")
    mesh.ask()
    for sock in silent:
        ends_in_reset(sock)
        sock.close()
    eventually(lambda: len(mesh.source.status()["tunnels"]) >= 1, what="the tunnel is still there")
    usage.wait_unchanged(HANDSHAKE)


@pytest.mark.limit(120)
def test_tunnels_made_and_dropped_do_not_fill_the_log(lab, authority):
    mesh = lab.mesh(lab.serve(Echo).port, workers=1)
    identity = authority.identity("shop")
    since = mesh.target.log.position()
    begin = time.monotonic()
    for _ in range(800):
        tls = dial(mesh.tunnel_port, identity)
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        tls.recv(1)
        tls.close()
    seconds = time.monotonic() - begin
    told = len(mesh.target.log.find("tunnel up", since))
    assert told <= 220 + 20 * seconds
    if told > 790:
        pytest.skip("this machine makes no more tunnels than are logged")
    time.sleep(0.2)
    lab.add(dial(mesh.tunnel_port, identity)).sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
    )
    mesh.target.wait_log("tunnels left out", since)
    mesh.ask()


@pytest.mark.limit(90)
def test_preface_that_never_ends_is_given_up(lab, mesh, authority):
    # whoever it is: a good certificate, and then HTTP/2's first words letter by letter
    usage = Usage(mesh.target)
    tls = lab.add(dial(mesh.tunnel_port, authority.identity("shop")))
    tls.settimeout(2)
    for letter in b"PRI * HTTP/2.0\r\n\r\n" * 2:
        try:
            tls.send(bytes([letter]))
            while tls.recv(4096):
                pass
            break
        except TimeoutError:
            pass
        except OSError:
            break
    mesh.target.wait_log("tunnel refused", side="target", peer="shop")
    usage.wait_unchanged()


def test_slow_handshakes_are_dropped(mesh):
    # a byte now and then does not keep a connection alive for ever
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    with connect(mesh.tunnel_port) as sock:
        dropped = {}

        def drip(position=iter(range(len(hello)))):
            try:
                sock.send(hello[next(position) :][:1])
                sock.settimeout(0.1)
                dropped["yes"] = sock.recv(1) == b""
            except TimeoutError:
                pass
            except OSError:
                dropped["yes"] = True
            return dropped.get("yes")

        eventually(drip, timeout=HANDSHAKE + 5, pause=0.1, what="the slow client is dropped")
    mesh.ask()


def test_tls_without_h2_is_refused(mesh, authority):
    since = mesh.target.log.position()
    for protocols in ((), ("http/1.1",)):
        try:
            tls = dial(mesh.tunnel_port, authority.identity("shop"), protocols)
        except OSError:
            continue  # refused in the handshake
        with tls:
            assert ends_in_reset(tls) in (True, False)
    mesh.target.wait_log("tunnel refused", since, side="target", reason="tls-refused")
    mesh.ask()


@pytest.mark.limit(90)
def test_silence_after_the_handshake_is_dropped(mesh, authority):
    # a proven peer that never says a word of HTTP/2
    usage = Usage(mesh.target)
    tls = dial(mesh.tunnel_port, authority.identity("shop"))
    tls.settimeout(0.2)

    def ended():
        try:
            return tls.recv(65536) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    eventually(ended, timeout=45, what="the silent peer is dropped")
    tls.close()
    usage.wait_unchanged()
    mesh.ask()


def test_garbage_inside_tls_ends_that_connection_only(mesh, authority):
    usage = Usage(mesh.target)
    with mesh.connect() as client:
        exchange(client)
        for _ in range(10):
            with dial(mesh.tunnel_port, authority.identity("shop")) as tls:
                tls.sendall(os.urandom(20000))
                ends_in_reset(tls)
        exchange(client)
    usage.wait_unchanged()


def test_connection_cut_in_the_handshake_is_no_harm(mesh, authority):
    usage = Usage(mesh.target)
    for _ in range(20):
        tls = dial(mesh.tunnel_port, authority.identity("shop"))
        raw = socket.socket(fileno=tls.detach())
        raw.close()  # no close_notify
    usage.wait_unchanged()
    mesh.ask()
