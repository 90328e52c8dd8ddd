"""SIGTERM: live streams finish, new ones still find a way out, and it ends.

    client -> shop --tunnel--> mysql -> echo
"""

import signal
import socket
import time

import pytest

from support.environment import SLOW
from support.servers import Blaster, Echo
from support.sockets import (
    answers,
    discard,
    ends_in_reset,
    exchange,
    read_exactly,
    read_to_end,
    refuses,
)
from support.wait import eventually

MIB = 1 << 20


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port, drain_timeout=25)


def _begin_drain(sidecar):
    since = sidecar.log.position()
    sidecar.signal(signal.SIGTERM)
    sidecar.wait_log("draining", since)


def _finish(client):
    exchange(client, b"last")
    client.shutdown(socket.SHUT_WR)
    assert read_to_end(client) == b""


@pytest.mark.parametrize("side", ["source", "target"])
def test_drain_without_streams_ends_with_0(mesh, side):
    sidecar = getattr(mesh, side)
    sidecar.stop(timeout=10)
    sidecar.wait_log("stopped")


@pytest.mark.parametrize("side", ["source", "target"])
def test_live_stream_finishes(mesh, side):
    sidecar = getattr(mesh, side)
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(sidecar)
        time.sleep(1.5)  # longer than it waits for new streams when there is none
        assert sidecar.running
        assert sidecar.status()["state"] == "draining"
        _finish(client)
    sidecar.check_end(sidecar.wait())
    assert sidecar.wait_log("stream closed")["reason"] == "finished"


@pytest.mark.parametrize("side", ["source", "target"])
def test_transfer_in_progress_is_whole(lab, side):
    mesh = lab.mesh(lab.serve(Blaster, 64 * MIB).port, drain_timeout=25)
    with mesh.connect() as client:
        read_exactly(client, 1)
        _begin_drain(getattr(mesh, side))
        discard(client, 64 * MIB - 1)
        assert client.recv(1) == b""
    sidecar = getattr(mesh, side)
    sidecar.check_end(sidecar.wait(30))


def test_draining_source_still_takes_connections(mesh):
    # the application beside it is shutting down too, and may need its database for that
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(mesh.source)
        for _ in range(5):
            mesh.ask()
        _finish(client)
    mesh.source.check_end(mesh.source.wait())


def test_draining_target_takes_no_new_tunnel(mesh):
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(mesh.target)
        eventually(lambda: refuses(mesh.tunnel_port), what="the tunnel's port is closed")
        _finish(client)
    mesh.target.check_end(mesh.target.wait())


def test_source_knows_that_its_tunnel_drains(mesh):
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(mesh.target)
        eventually(
            lambda: any(
                tunnel["state"] == "draining" for tunnel in mesh.source.status()["tunnels"]
            ),
            what="the tunnel is shown as draining",
        )
        _finish(client)
    mesh.target.check_end(mesh.target.wait())


def test_replacement_serves_while_the_old_target_drains(mesh, lab):
    # a rolling restart: the old one gives up its address at once, the new one takes it
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(mesh.target)
        eventually(lambda: refuses(mesh.tunnel_port), what="the tunnel's port is closed")
        settings = {**mesh.target_settings, "admin": str(lab.folder / "replacement.sock")}
        replacement = lab.sidecar("replacement", settings)
        eventually(lambda: answers(mesh.port), what="new streams reach the replacement")
        replacement.wait_log("stream opened", side="target")
        _finish(client)
    mesh.target.check_end(mesh.target.wait())
    mesh.ask()


@pytest.mark.parametrize("side", ["source", "target"])
def test_deadline_cuts_what_is_left(lab, side):
    mesh = lab.mesh(lab.serve(Echo).port, drain_timeout=2)
    sidecar = getattr(mesh, side)
    with mesh.connect() as client:
        exchange(client)
        begin = time.monotonic()
        _begin_drain(sidecar)
        assert ends_in_reset(client)
        assert time.monotonic() - begin >= 1.9
    sidecar.check_end(sidecar.wait())
    assert sidecar.wait_log("stream closed")["reason"] == "drained"


@pytest.mark.parametrize("side", ["source", "target"])
def test_second_sigterm_ends_at_once(mesh, side):
    sidecar = getattr(mesh, side)
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(sidecar)
        begin = time.monotonic()
        sidecar.signal(signal.SIGTERM)
        sidecar.check_end(sidecar.wait())
        assert time.monotonic() - begin < 5 * SLOW  # the deadline is 25 s
        assert ends_in_reset(client)
    # and it has said good-bye: nothing was just lost
    other = mesh.source if side == "target" else mesh.target
    assert other.wait_log("stream closed")["reason"] == "peer-reset"
    assert other.wait_log("tunnel down")["reason"] in ("drained", "the peer closed the tunnel")


@pytest.mark.parametrize("side", ["source", "target"])
def test_sighup_in_a_drain_is_no_harm(mesh, side):
    sidecar = getattr(mesh, side)
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(sidecar)
        sidecar.signal(signal.SIGHUP)
        time.sleep(0.5)
        assert sidecar.running
        _finish(client)
    sidecar.check_end(sidecar.wait())


def test_sigint_drains_too(mesh):
    mesh.source.signal(signal.SIGINT)
    mesh.source.check_end(mesh.source.wait())
    mesh.source.wait_log("draining")


def test_both_drain_at_once(mesh):
    with mesh.connect() as client:
        exchange(client)
        _begin_drain(mesh.source)
        _begin_drain(mesh.target)
        _finish(client)
    for sidecar in mesh.sidecars:
        sidecar.check_end(sidecar.wait())


def test_admin_socket_is_gone_afterwards(mesh, lab):
    mesh.source.stop()
    assert not (lab.folder / "shop.sock").exists()
