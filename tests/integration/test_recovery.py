"""Either sidecar dies or hangs, and what comes after finds a way again.

    client -> shop --tunnel--> mysql -> echo
"""

import signal
import time

import pytest

from support.environment import SLOW
from support.figures import figure
from support.http2 import FakeTarget
from support.mesh import WORKERS
from support.servers import Echo, Scripted
from support.sockets import answers, ends_in_reset, exchange, is_reset_at
from support.wait import eventually

BOUND = 2.0  # seconds from the moment the other is back until streams get through


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port)


def _seconds_until_it_answers(mesh):
    begin = time.monotonic()
    eventually(
        lambda: answers(mesh.port),
        what=lambda: f"streams get through again:\n{mesh.source.log.tail()}",
    )
    return time.monotonic() - begin


@pytest.mark.alone
@pytest.mark.parametrize("pause", [0, 4], ids=["at-once", "after-4-s"])
def test_target_killed_and_restarted(mesh, pause):
    with mesh.connect() as live:
        exchange(live)
        mesh.target.kill()
        assert ends_in_reset(live)
    mesh.source.wait_log("tunnel down", side="source")
    closed = mesh.source.wait_log("stream closed", side="source")
    assert closed["reason"] == "tunnel-lost"
    if pause:
        mesh.source.wait_status("FAILED", "unreachable")
        assert is_reset_at(mesh.port)
        time.sleep(pause)
    mesh.target.start()
    seconds = _seconds_until_it_answers(mesh)
    figure(f"recovery after kill -9 of the target and {pause} s, seconds", f"{seconds:.3f}")
    assert seconds < BOUND * SLOW
    mesh.wait_established()


@pytest.mark.alone
def test_source_killed_and_restarted(mesh):
    with mesh.connect() as live:
        exchange(live)
        mesh.source.kill()
        assert ends_in_reset(live) in (True, False)
    mesh.target.wait_streams(0)
    mesh.target.wait_log("tunnel down", side="target")
    mesh.source.start()
    seconds = _seconds_until_it_answers(mesh)
    figure("recovery after kill -9 of the source, seconds", f"{seconds:.3f}")
    assert seconds < BOUND * SLOW
    mesh.wait_established()


def test_server_sees_the_end_when_the_source_is_killed(lab):
    server = lab.serve(Scripted, ends_in_reset)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        client.sendall(b"x")
        mesh.target.wait_streams(1)
        mesh.source.kill()
        assert server.outcome() is True, "a lost tunnel looked like a finished connection"


def test_killed_again_and_again(mesh):
    for _ in range(5):
        mesh.target.kill()
        mesh.target.start()
        _seconds_until_it_answers(mesh)
        mesh.source.kill()
        mesh.source.start()
        _seconds_until_it_answers(mesh)
    mesh.wait_established()
    assert len(mesh.source.status()["tunnels"]) <= WORKERS  # one each


@pytest.mark.limit(120)
def test_target_that_hangs_is_found_out_and_its_replacement_used(mesh):
    with mesh.connect(timeout=60) as live:
        exchange(live)
        mesh.target.signal(signal.SIGSTOP)
        # PING after 10 s of silence, dead after 20 s
        mesh.source.wait_log("tunnel down", side="source", timeout=45)
        assert ends_in_reset(live)
    mesh.source.wait_status("FAILED")
    mesh.target.kill()
    mesh.target.start()
    _seconds_until_it_answers(mesh)


@pytest.mark.limit(120)
def test_source_that_hangs_is_found_out(mesh):
    with mesh.connect() as live:
        exchange(live)
        mesh.source.signal(signal.SIGSTOP)
        mesh.target.wait_log("tunnel down", side="target", timeout=45)
        mesh.target.wait_streams(0)
        mesh.source.signal(signal.SIGCONT)
        assert ends_in_reset(live)
    _seconds_until_it_answers(mesh)


@pytest.mark.limit(120)
def test_idle_tunnel_stays_up(mesh):
    # longer than both limits of silence
    first = {tunnel["id"] for tunnel in mesh.source.status()["tunnels"]}
    assert first
    time.sleep(32)
    assert {tunnel["id"] for tunnel in mesh.source.status()["tunnels"]} == first
    assert not mesh.source.log.find("tunnel down")
    mesh.ask()


def test_another_instance_at_the_same_address_is_refused(lab, mesh, authority):
    # the machine is given to somebody else: its certificate tells
    mesh.target.kill()
    lab.add(FakeTarget(mesh.tunnel_port, authority.identity("postgres")))
    mesh.source.wait_status("FAILED", "tls-refused")
    assert is_reset_at(mesh.port)


def test_renewed_target_at_the_same_address_is_taken(mesh, authority):
    mesh.target.kill()
    mesh.target_settings["identity"] = authority.issue("mysql").settings()
    mesh.target.write()
    mesh.target.start()
    _seconds_until_it_answers(mesh)


@pytest.mark.limit(120)
def test_connections_that_come_while_the_target_is_gone_are_each_reset(mesh):
    mesh.target.kill()
    mesh.source.wait_status("FAILED", "unreachable")
    begin = time.monotonic()
    for _ in range(10):
        assert is_reset_at(mesh.port, b"x")
    # about a second at the most for each
    assert time.monotonic() - begin < 30 * SLOW
    mesh.source.wait_streams(0)
