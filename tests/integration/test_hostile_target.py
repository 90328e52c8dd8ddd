"""A target with a good certificate that does not behave: the application gets a reset, the sidecar
goes on.

    client -> shop --TLS--> a hand-made target
"""

import time

import pytest
from h2.settings import SettingCodes

from support.http2 import HEADERS, FakeTarget, accept, frame, respond
from support.mesh import WORKERS, Usage
from support.servers import Server
from support.sockets import (
    connect,
    ends_in_reset,
    is_reset_at,
    read_exactly,
    read_to_end,
    reset,
)
from support.wait import eventually

# NO_ERROR, and every stream may still be finished: RFC 9113 section 6.8
GOAWAY = bytes.fromhex("000008" "07" "00" "00000000" "7fffffff" "00000000")
NOT_FOUND = b"\x8d"  # `:status` 404, RFC 7541 appendix A


def _source(lab, answer=None, settings=None):
    """shop, connected to a hand-made target; (mesh, target)."""
    target = lab.add(FakeTarget(lab.port(), lab.authority.identity("mysql"), answer, settings))
    mesh = lab.mesh(target.port, start=False)
    mesh.source_settings["connections"][0]["address"] = target.address
    mesh.start_source()
    return mesh, target


def _on_connect(action):
    """An answer that accepts probes, and has `action(session, stream)` deal with streams."""

    def answer(session, stream, headers):
        if headers[":method"] == "CONNECT":
            action(session, stream)
        else:
            accept(session, stream, headers)

    return answer


def _only_stream(target):
    """The exchange of the one CONNECT that has come."""

    def found():
        return [
            exchange
            for session in list(target.sessions)
            for exchange in list(session.exchanges.values())
            if exchange.headers.get(":method") == "CONNECT"
        ]

    return eventually(found, what="a CONNECT comes")[0]


def _place_of(target, exchange):
    """(session, number) of a stream."""
    return next(
        (session, stream)
        for session in list(target.sessions)
        for stream, found in list(session.exchanges.items())
        if found is exchange
    )


def _reset_probe(session, stream, _headers):
    session.h2.reset_stream(stream, 8)


def test_request_says_who_and_where(lab):
    mesh, target = _source(lab)
    mesh.wait_established()
    with mesh.connect() as client:
        client.sendall(b"hello")
        stream = _only_stream(target)
        assert stream.headers[":authority"].startswith("sql.mysql.shop.example:")
        assert stream.headers["appnet-outbound"] == "db"
        assert (
            ":path" not in stream.headers and ":scheme" not in stream.headers
        )  # RFC 9113 section 8.5
        eventually(lambda: stream.data == b"hello", what="the data comes")


def test_data_is_sent_before_the_answer(lab):
    mesh, target = _source(lab, _on_connect(lambda session, stream: None))
    mesh.wait_established()
    with mesh.connect() as client:
        client.sendall(b"early")
        stream = _only_stream(target)
        eventually(
            lambda: stream.data == b"early", what="data comes though the stream is not answered"
        )


def test_answer_that_never_comes_does_not_hold_the_application_for_ever_after_it_leaves(lab):
    mesh, _ = _source(lab, _on_connect(lambda session, stream: None))
    mesh.wait_established()
    usage = Usage(mesh.source)
    for _ in range(20):
        mesh.connect().close()
    with mesh.connect() as client:
        client.sendall(b"x")
        assert ends_in_reset(client)
    usage.wait_unchanged(30)
    mesh.source.wait_log("stream closed", side="source", reason="no-answer")


@pytest.mark.parametrize("code", [1, 2, 7, 8, 11])
def test_reset_instead_of_an_answer(lab, code):
    mesh, _ = _source(
        lab, _on_connect(lambda session, stream: session.h2.reset_stream(stream, code))
    )
    mesh.wait_established()
    usage = Usage(mesh.source)
    assert is_reset_at(mesh.port, b"x")
    usage.wait_unchanged()


@pytest.mark.parametrize("status", [204, 301, 400, 401, 407, 500, 999])
def test_answer_of_another_status(lab, status):
    mesh, _ = _source(lab, _on_connect(lambda session, stream: respond(session, stream, status)))
    mesh.wait_established()
    assert is_reset_at(mesh.port, b"x")
    mesh.source.wait_streams(0)


def test_refusal_with_a_forged_reason_forges_no_log_line(lab):
    reason = 'x" detail="y\\" z'
    mesh, _ = _source(
        lab, _on_connect(lambda session, stream: respond(session, stream, 403, reason))
    )
    mesh.wait_established()
    assert is_reset_at(mesh.port)
    mesh.source.wait_log("stream refused", side="source")
    assert not mesh.source.log.other


def test_refusal_that_comes_after_the_connection_has_moved(lab):
    # the stream goes on as it began; the connection of now has nothing to do with its refusal
    mesh, target = _source(lab, _on_connect(lambda session, stream: None))
    mesh.wait_established()
    other = lab.add(FakeTarget(lab.port(), lab.authority.identity("mysql")))
    with mesh.connect() as client:
        session, stream = _place_of(target, _only_stream(target))
        mesh.source_settings["connections"][0]["address"] = other.address
        mesh.source.reload(mesh.source_settings)
        mesh.wait_established()
        session.post(lambda session: session.send_raw(frame(HEADERS, 5, stream, NOT_FOUND)))
        assert ends_in_reset(client)
    mesh.source.wait_log("stream refused", side="source", status=404)
    assert mesh.source.outbound()["status"] == "ESTABLISHED"


def test_target_that_hangs_up_on_every_stream(lab):
    def hang_up(session, _stream):
        session.tls.close()
        session.ended = True

    mesh, _ = _source(lab, _on_connect(hang_up))
    mesh.wait_established()
    usage = Usage(mesh.source)
    for _ in range(5):
        assert is_reset_at(mesh.port, b"x")
    usage.wait_unchanged(20)


def test_target_that_sends_garbage_is_dropped(lab):
    def garbage(session, stream):
        respond(session, stream, 200, end=False)
        session.flush()
        session.send_raw(b"\xff" * 50000)

    mesh, target = _source(lab, _on_connect(garbage))
    mesh.wait_established()
    assert is_reset_at(mesh.port)
    mesh.source.wait_log("tunnel down", side="source")
    eventually(lambda: len(target.sessions) > 1, what="shop dials again")


def test_data_of_the_target_beyond_the_window_costs_no_memory(lab):
    def blast(session, stream):
        data = (16000).to_bytes(3, "big") + b"\x00\x00" + stream.to_bytes(4, "big") + bytes(16000)
        for _ in range(4000):
            if session.ended or session.exchange(stream).reset is not None:
                break
            session.send_raw(data)

    mesh, target = _source(lab)
    mesh.wait_established()
    before = mesh.source.memory()
    with mesh.connect(receive_buffer=65536) as client:
        session, stream = _place_of(target, _only_stream(target))
        session.post(lambda session: blast(session, stream))
        read_exactly(client, 1)
        time.sleep(1)
        assert mesh.source.memory() - before < 64 << 20
    mesh.source.wait_streams(0)


def test_half_closed_answer_ends_with_a_fin(lab):
    def one_word(session, stream):
        respond(session, stream, 200, end=False)
        session.h2.send_data(stream, b"word", end_stream=True)

    mesh, _ = _source(lab, _on_connect(one_word))
    mesh.wait_established()
    with mesh.connect() as client:
        assert read_to_end(client) == b"word"


def test_goaway_moves_new_streams_to_a_new_tunnel(lab):
    # reuse never picks a dying tunnel
    mesh, target = _source(lab)
    mesh.wait_established()
    with mesh.connect() as first:
        first.sendall(b"x")
        stream = _only_stream(target)
        session = next(s for s in target.sessions if stream in s.exchanges.values())
        before = len(target.sessions)
        session.post(lambda s: s.send_raw(GOAWAY))
        eventually(lambda: len(target.sessions) > before, what="another tunnel is dialled")
        with mesh.connect() as second:
            second.sendall(b"y")
            eventually(
                lambda: any(
                    e.data == b"y"
                    for s in target.sessions
                    if s is not session
                    for e in list(s.exchanges.values())
                ),
                what="the second stream is on another tunnel",
            )


@pytest.mark.parametrize(
    "probed", [pytest.param(lambda *_: None, id="silence"), pytest.param(_reset_probe, id="reset")]
)
def test_probe_without_an_answer_is_a_failure(lab, probed):
    # no state sticks: it is neither ESTABLISHED nor WAITING for ever
    mesh, _ = _source(lab, probed)
    failed = mesh.source.wait_status("FAILED", "unreachable", timeout=20)
    assert failed["detail"]


def test_target_that_drops_every_tunnel_is_not_dialled_in_a_circle(lab):
    def drop(session, _stream, _headers):
        session.ended = True

    mesh, target = _source(lab, drop)
    eventually(lambda: target.sessions, what="the first tunnel")
    time.sleep(3)
    # each worker dials at first after 0.1 s, then twice as long each time, up to 1 s
    assert len(target.sessions) <= WORKERS * 12
    assert mesh.source.outbound()["status"] != "ESTABLISHED"


def test_target_without_room_for_a_stream_gets_no_tunnels_without_end(lab):
    mesh, target = _source(lab, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 0})
    mesh.source.wait_status("FAILED", "unreachable")
    for _ in range(30):
        assert is_reset_at(mesh.port)
    assert 16 <= len(target.sessions) <= WORKERS * 16
    assert mesh.source.outbound()["reason"] == "unreachable"


def test_target_with_room_for_one_stream_gets_more_tunnels(lab):
    mesh, target = _source(lab, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    mesh.wait_established()
    clients = [mesh.connect() for _ in range(10)]
    for client in clients:
        client.sendall(b"x")
    eventually(
        lambda: sum(
            exchange.data == b"x"
            for session in list(target.sessions)
            for exchange in list(session.exchanges.values())
        )
        == len(clients),
        what="each stream has a tunnel of its own",
    )
    for client in clients:
        reset(client)
    mesh.wait_established()


def test_handshake_that_never_ends_is_given_up(lab):
    # a target that accepts and says nothing
    silent = lab.serve(_Silent)
    mesh = lab.mesh(silent.port, start=False)
    mesh.source_settings["connections"][0]["address"] = silent.address
    mesh.start_source()
    mesh.source.wait_status("FAILED", timeout=30)
    # who comes during an attempt waits for the end of the next one, 10 s each
    with mesh.connect(timeout=40) as client:
        assert ends_in_reset(client)
    assert mesh.source.outbound()["status"] == "FAILED"


class _Silent(Server):
    def serve(self, sock):
        sock.settimeout(60)
        while sock.recv(4096):
            pass


def test_dead_target_does_not_delay_the_other_connections(lab):
    # two connections: one to a target that never speaks, one that works
    silent = lab.serve(_Silent)
    fake = lab.add(FakeTarget(lab.port(), lab.authority.identity("mysql")))
    mesh = lab.mesh(fake.port, start=False)
    port = lab.port()
    connection = mesh.source_settings["connections"][0]
    mesh.source_settings["outbounds"].append(
        {"name": "dead", "required": False, "listen": f"127.0.0.1:{port}"}
    )
    mesh.source_settings["connections"] = [
        {**connection, "address": fake.address},
        {**connection, "outbound": "dead", "instance": "gone", "address": silent.address},
    ]
    mesh.start_source()
    mesh.wait_established()
    waiting = [connect(port) for _ in range(20)]
    with mesh.connect() as client:
        client.sendall(b"x")
        eventually(
            lambda: _only_stream(fake).data == b"x", what="the other connection carries data"
        )
    for client in waiting:
        client.close()
