"""A peer with a good certificate that does not behave: its own connection suffers, nothing else
does.

    hand-made HTTP/2 as shop -> mysql -> echo
    client -> shop --tunnel--> mysql -> echo, all the while
"""

import signal
import time

import pytest

from support.environment import QUARANTINE
from support.http2 import (
    CONTINUATION,
    DATA,
    HEADERS,
    PING,
    PRIORITY,
    PUSH,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    frame,
)
from support.mesh import Usage
from support.servers import Echo
from support.sockets import exchange
from support.wait import eventually

MIB = 1 << 20
MEMORY = 64 * MIB + QUARANTINE
FLOOD = 30  # seconds in which a flood is over, one way or the other


@pytest.fixture(name="echo")
def _echo(lab):
    return lab.serve(Echo)


@pytest.fixture(name="mesh")
def _mesh(lab, echo):
    return lab.mesh(echo.port)


@pytest.fixture(name="peer")
def _peer(lab, mesh, authority):
    return lab.add(Peer(mesh, authority.identity("shop")))


@pytest.fixture(name="undisturbed", autouse=True)
def _undisturbed(mesh):
    """Whatever the test does: a stream of shop goes on, a new one works, and nothing is kept of the
    other's.
    """
    with mesh.connect() as client:
        exchange(client)
        usage = Usage(mesh.target)
        yield usage
        exchange(client)
        mesh.ask()


def test_connect_reaches_the_application(peer):
    stream, answer = peer.ask()
    assert answer.status == 200
    peer.echo(stream, b"hello")


def test_connect_ends_with_a_fin_of_both(peer, undisturbed):
    stream, answer = peer.ask()
    peer.send(stream, b"all", end=True)
    peer.wait(lambda: answer.ended, "the end of the stream")
    assert answer.data == b"all"
    peer.close()
    undisturbed.wait_unchanged()


# Probes


def test_probe_says_204_and_opens_no_stream(mesh, peer):
    opened = mesh.target.status()["streams"]["opened"]
    _, answer = peer.ask("OPTIONS", end=True)
    assert answer.status == 204
    assert mesh.target.status()["streams"]["opened"] == opened


def test_probe_of_what_is_not_allowed_says_403(peer):
    _, answer = peer.ask("OPTIONS", outbound="other", end=True)
    assert (answer.status, answer.reason) == (403, "not-authorised")


def test_probe_of_an_inbound_that_does_not_exist_says_404(mesh, peer):
    _, answer = peer.ask(
        "OPTIONS", authority=f"graph.mysql.shop.example:{mesh.tunnel_port}", end=True
    )
    assert (answer.status, answer.reason) == (404, "interface-withdrawn")


# Requests that are refused


@pytest.fixture(name="undialled")
def _undialled(mesh, echo, undisturbed):  # pylint: disable=unused-argument
    """The application is not dialled for a request that has to be refused. shop, whose probes dial
    it now and then, is halted for as long.
    """
    mesh.source.signal(signal.SIGSTOP)
    try:
        before = _accepted(echo)
        yield
        assert _accepted(echo) == before, "the application was dialled"
    finally:
        mesh.source.signal(signal.SIGCONT)


def _accepted(echo):
    """How often it was dialled, when what was under way has arrived."""
    seen = {"count": -1, "since": 0.0}

    def still():
        if echo.accepted != seen["count"]:
            seen.update(count=echo.accepted, since=time.monotonic())
        return time.monotonic() - seen["since"] > 0.2

    eventually(still, pause=0.02, what="nobody dials the application any more")
    return seen["count"]


@pytest.mark.parametrize(
    "authority_text",
    [
        "graph.mysql.shop.example:{port}",
        "sql.other.shop.example:{port}",
        "sql.mysql.bakery.example:{port}",
        "sql.mysql:{port}",
        "sql:{port}",
        "mysql.shop.example:{port}",
        "x.sql.mysql.shop.example:{port}",
        "SQL.MYSQL.SHOP.EXAMPLE:{port}",
        "sql.mysql.shop.example.:{port}",
        ".sql.mysql.shop.example:{port}",
        "sql..mysql.shop.example:{port}",
        "sql.mysql.shop.example",
        "sql.mysql.shop.example:",
        "sql.mysql.shop.example:0",
        "sql.mysql.shop.example:65536",
        "sql.mysql.shop.example:-1",
        "sql.mysql.shop.example:1e3",
        "sql.mysql.shop.example: {port}",
        "shop@sql.mysql.shop.example:{port}",
        "sql.mysql.shop.example:{port}/x",
        "sql\x00.mysql.shop.example:{port}",
        "127.0.0.1:{port}",
        "[::1]:{port}",
        "*:{port}",
        ":{port}",
        "",
        "a" * 300 + ":{port}",
    ],
)
@pytest.mark.usefixtures("undialled")
def test_authority_of_nothing_here_is_refused(mesh, peer, authority_text):
    _, answer = peer.ask(authority=authority_text.format(port=mesh.tunnel_port))
    assert not answer.accepted
    assert answer.status in (400, 403, 404, None)


@pytest.mark.parametrize(
    "outbound", ["other", "DB", "db ", "db,other", "", "db\x00", "x" * 5000], ids=repr
)
@pytest.mark.usefixtures("undialled")
def test_outbound_that_is_not_allowed_is_refused(peer, outbound):
    _, answer = peer.ask(outbound=outbound)
    assert not answer.accepted


@pytest.mark.usefixtures("undialled")
def test_missing_outbound_is_refused(peer):
    _, answer = peer.ask(outbound=None)
    assert not answer.accepted


@pytest.mark.usefixtures("undialled")
def test_two_outbounds_are_refused(peer):
    _, answer = peer.ask(outbound="other", extra=[("appnet-outbound", "db")])
    assert not answer.accepted


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "TRACE", "connect", "FROB"])
@pytest.mark.usefixtures("undialled")
def test_other_methods_are_refused(peer, method):
    _, answer = peer.ask(method, end=True)
    assert not answer.accepted


def test_identity_in_a_header_counts_for_nothing(mesh, lab, authority):
    peer = lab.add(Peer(mesh, authority.identity("intruder")))
    _, answer = peer.ask(
        extra=[
            ("appnet-instance", "shop"),
            ("x-forwarded-client-cert", "URI=spiffe://shop.example/instance/shop"),
            ("forwarded", "for=shop"),
        ]
    )
    assert (answer.status, answer.reason) == (403, "not-authorised")
    mesh.target.wait_log("stream refused", peer="intruder", reason="not-authorised")


def test_refused_stream_leaves_the_connection_usable(peer):
    for _ in range(50):
        _, answer = peer.ask(outbound="other")
        assert answer.status == 403
    stream, answer = peer.ask()
    assert answer.status == 200
    peer.echo(stream)


def test_refusals_do_not_fill_the_log(mesh, peer):
    asked = 1000
    for _ in range(asked // 100):
        streams = [peer.request(outbound="other") for _ in range(100)]
        peer.wait(lambda all=streams: peer.exchange(all[-1]).answered, "403 a hundred times")
    assert mesh.target.status()["streams"]["refused"] == asked
    assert len(mesh.target.log.find("stream refused")) < asked / 2
    time.sleep(0.2)
    since = mesh.target.log.position()
    peer.ask(outbound="other")
    mesh.target.wait_log("stream refused", since)
    lines = mesh.target.log.find("stream refused")
    assert len(lines) + sum(int(line.get("left_out", 0)) for line in lines) == asked + 1


@pytest.mark.parametrize(
    "size, count",
    [(10000, 1), (100, 200), (60000, 1)],
    ids=["one-of-10000-bytes", "200-of-100-bytes", "one-of-60000-bytes"],
)
@pytest.mark.usefixtures("undialled")
def test_too_many_header_bytes_are_refused(peer, undisturbed, size, count):
    stream = peer.request(extra=[(f"x-{number}", "v" * size) for number in range(count)])
    peer.wait(lambda: peer.exchange(stream).answered, "an answer, or the end of the connection")
    assert not peer.exchange(stream).accepted
    peer.close()
    undisturbed.wait_unchanged()


def test_what_a_peer_sends_cannot_forge_a_log_line(mesh, peer):
    since = mesh.target.log.position()
    peer.ask(outbound='x" level=forged\\ y="z')
    peer.ask(outbound="db tunnel down id=1")
    mesh.ask()
    mesh.target.wait_log("stream opened", since)
    assert not mesh.target.log.other
    assert not any(
        "forged" in key or key == "level" for line in mesh.target.log.lines for key in line
    )


# Frames that are wrong


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(DATA, 0, 0, b"x"), id="data-on-stream-0"),
        pytest.param(frame(DATA, 0, 99, b"x"), id="data-on-an-idle-stream"),
        pytest.param(frame(HEADERS, 4, 2, b"\x82"), id="headers-on-an-even-stream"),
        pytest.param(frame(HEADERS, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff"), id="hpack-garbage"),
        pytest.param(
            frame(HEADERS, 0, 1, b"\x82") + frame(PING, 0, 0, bytes(8)),
            id="headers-without-continuation",
        ),
        pytest.param(frame(CONTINUATION, 4, 1, b"\x82"), id="continuation-of-nothing"),
        pytest.param(frame(SETTINGS, 0, 0, b"\x00\x04\xff\xff\xff\xff"), id="window-too-large"),
        pytest.param(frame(SETTINGS, 0, 0, b"\x00\x05\x00\x00\x00\x01"), id="frame-size-too-small"),
        pytest.param(frame(SETTINGS, 0, 0, b"\x00"), id="settings-cut-short"),
        pytest.param(frame(SETTINGS, 1, 0, bytes(6)), id="settings-ack-with-content"),
        pytest.param(frame(PING, 0, 0, b"x"), id="ping-cut-short"),
        pytest.param(frame(PING, 0, 1, bytes(8)), id="ping-on-a-stream"),
        pytest.param(frame(RST_STREAM, 0, 99, bytes(4)), id="reset-of-an-idle-stream"),
        pytest.param(frame(WINDOW_UPDATE, 0, 0, bytes(4)), id="window-update-of-0"),
        pytest.param(
            frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2, id="window-over-its-limit"
        ),
        pytest.param(frame(PUSH, 4, 1, bytes(5)), id="push-from-a-client"),
        pytest.param(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", id="frame-that-is-too-long"),
        pytest.param(frame(DATA, 0, 1, bytes(65524)), id="data-over-the-frame-size"),
    ],
)
def test_wrong_frame_ends_the_connection(mesh, peer, undisturbed, data):
    peer.ask("OPTIONS", end=True)
    peer.send_raw(data)
    peer.wait(lambda: peer.goaway is not None, "the connection is ended")
    assert peer.ended or peer.goaway is not None
    peer.close()
    undisturbed.wait_unchanged()
    mesh.ask()


def test_unknown_frames_are_ignored(peer):
    peer.send_raw(frame(0xBE, 0xFF, 0, b"who knows") * 10)
    stream, answer = peer.ask()
    assert answer.status == 200
    peer.echo(stream)


def test_data_for_a_refused_stream_does_not_use_up_the_connection(peer):
    # what a refused stream sent before it knew counts for the window of the connection, and is
    # given back
    for _ in range(40):
        stream = peer.request(outbound="other")
        peer.h2.send_data(stream, bytes(16000))
        peer.h2.send_data(stream, bytes(16000))
        peer.flush()
        peer.wait(lambda s=stream: peer.exchange(s).answered, "403")
    stream, answer = peer.ask()
    assert answer.status == 200
    peer.echo(stream)


# Floods


def _wait_flood_over(peer, timeout=FLOOD):
    """Until the other side has answered everything, or ended the connection."""
    peer.pump()
    if peer.goaway is not None or peer.ended:
        return
    pongs = peer.pongs
    peer.h2.ping(b"are you?")
    peer.flush()
    peer.wait(lambda: peer.pongs > pongs or peer.goaway is not None, "the flood is over", timeout)


def _flood(peer, data, times):
    for _ in range(times):
        if peer.ended:
            return
        peer.send_raw(data)


@pytest.mark.limit(120)
def test_streams_beyond_the_limit_are_refused(mesh, peer, undisturbed):
    peer.ask("OPTIONS", end=True)
    limit = peer.h2.remote_settings.max_concurrent_streams
    assert limit < 1 << 20, "no limit of streams is announced"
    peer.h2.clear_outbound_data_buffer()
    count = min(limit, 20000) + 200
    streams = []
    for _ in range(count):
        if peer.ended or peer.goaway is not None:
            break
        streams.append(peer.request(outbound="other"))
    _wait_flood_over(peer)
    assert peer.goaway is not None or len(streams) == count
    assert not any(peer.exchange(stream).accepted for stream in streams)
    peer.close()
    undisturbed.wait_unchanged()


@pytest.mark.limit(120)
def test_rapid_reset_is_no_harm(mesh, peer, undisturbed):
    # HEADERS and RST_STREAM, thousands of times (CVE-2023-44487)
    before = mesh.target.memory()
    for _ in range(10000):
        if peer.ended or peer.goaway is not None:
            break
        stream = peer.h2.get_next_available_stream_id()
        peer.h2.send_headers(
            stream,
            [(":method", "CONNECT"), (":authority", peer.authority), ("appnet-outbound", "db")],
        )
        peer.h2.reset_stream(stream, 8)
        if stream % 100 == 1:
            peer.flush()
    peer.flush()
    _wait_flood_over(peer)
    assert mesh.target.memory() - before < MEMORY
    peer.close()
    undisturbed.wait_unchanged()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(PING, 0, 0, bytes(8)), id="ping"),
        pytest.param(frame(SETTINGS, 0, 0), id="settings"),
        pytest.param(frame(PRIORITY, 0, 1, b"\x00\x00\x00\x03\x00"), id="priority"),
        pytest.param(frame(WINDOW_UPDATE, 0, 1, b"\x00\x00\x00\x01"), id="window-update"),
        pytest.param(frame(0xBE, 0, 0, bytes(100)), id="unknown"),
    ],
)
@pytest.mark.limit(120)
def test_flood_of_frames_is_no_harm(mesh, peer, undisturbed, data):
    peer.ask()
    before = mesh.target.memory()
    _flood(peer, data * 1000, 200)
    _wait_flood_over(peer)
    assert mesh.target.memory() - before < MEMORY
    peer.close()
    undisturbed.wait_unchanged()


@pytest.mark.limit(120)
def test_flood_that_reads_no_answers_costs_no_memory(mesh, peer, undisturbed):
    # each PING wants an answer that the peer does not take
    before = mesh.target.memory()
    pings = frame(PING, 0, 0, bytes(8)) * 1000
    peer.tls.settimeout(0.5)
    end = time.monotonic() + 10
    try:
        while time.monotonic() < end:
            peer.tls.sendall(pings)
    except OSError:
        pass  # the other side has stopped reading, or hung up
    assert mesh.target.memory() - before < MEMORY
    peer.close()
    undisturbed.wait_unchanged()


@pytest.mark.limit(120)
def test_flood_of_requests_that_reads_no_answers_costs_no_memory(mesh, peer, undisturbed):
    # Each request beyond the limit of streams is owed a refusal that the peer does not take. The
    # limit itself is not acknowledged, so that it binds nobody.
    before = mesh.target.memory()
    block = b"\x02\x07CONNECT\x01\x01x"  # RFC 7541: literals without indexing
    peer.tls.settimeout(0.5)
    end = time.monotonic() + 30
    stream = 1
    try:
        while time.monotonic() < end and stream < 1 << 20:
            numbers = range(stream, stream + 2000, 2)
            peer.tls.sendall(b"".join(frame(HEADERS, 4, number, block) for number in numbers))
            stream = numbers[-1] + 2
    except OSError:
        pass  # the other side has stopped reading, or hung up
    assert mesh.target.memory() - before < MEMORY
    peer.close()
    undisturbed.wait_unchanged()


@pytest.mark.limit(120)
def test_empty_data_frames_are_no_harm(mesh, peer, undisturbed):
    stream, answer = peer.ask()
    assert answer.status == 200
    _flood(peer, frame(DATA, 0, stream) * 1000, 200)
    _wait_flood_over(peer)
    peer.close()
    undisturbed.wait_unchanged()
    mesh.ask()


@pytest.mark.limit(120)
def test_continuation_flood_is_no_harm(mesh, peer, undisturbed):
    # headers that never end (CVE-2024-27316)
    before = mesh.target.memory()
    peer.send_raw(frame(HEADERS, 0, 1, b"\x00\x01x\x01y"))
    _flood(peer, frame(CONTINUATION, 0, 1, b"\x00\x01x\x7f\x81\x78" + b"v" * 15000), 2000)
    peer.wait(lambda: peer.ended or peer.goaway is not None, "the connection is ended", 30)
    assert mesh.target.memory() - before < MEMORY
    peer.close()
    undisturbed.wait_unchanged()


def test_peer_that_goes_without_a_word_leaves_nothing(mesh, peer, undisturbed):
    streams = [peer.ask()[0] for _ in range(20)]
    mesh.target.wait_streams(len(streams) + 1)
    peer.close()
    undisturbed.wait_unchanged()
    eventually(
        lambda: mesh.target.log.find("stream closed", reason="tunnel-lost"), what="they are lost"
    )
