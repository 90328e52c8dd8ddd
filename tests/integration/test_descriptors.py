"""Descriptors run out: no spinning, no crash, and all is well when some are free again.

    many clients -> shop --tunnel--> mysql -> echo          one sidecar has few descriptors left
"""

import contextlib
import resource
import time

import pytest

from support.servers import Echo
from support.sockets import answers, connect, exchange
from support.wait import eventually

SPARE = 20
CLIENTS = 80


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port)


def _leave_few(sidecar):
    """No more than SPARE descriptors beside those that are open now."""
    limit = sidecar.descriptors() + SPARE
    resource.prlimit(sidecar.pid, resource.RLIMIT_NOFILE, (limit, limit))


def _cpu_share(sidecar, seconds=1.0):
    before = sidecar.cpu_seconds()
    time.sleep(seconds)
    return (sidecar.cpu_seconds() - before) / seconds


def _many_clients(mesh):
    """Those that were not reset before their connect returned."""
    clients = []
    for _ in range(CLIENTS):
        with contextlib.suppress(ConnectionResetError):
            clients.append(mesh.connect())
    return clients


def _check_out_of_descriptors(mesh, starved):
    with mesh.connect() as steady:
        exchange(steady)
        _leave_few(starved)
        clients = _many_clients(mesh)
        time.sleep(0.5)
        assert starved.running
        assert _cpu_share(starved) < 0.3, "it spins while it is out of descriptors"
        exchange(steady)
        for client in clients:
            client.close()
        eventually(lambda: answers(mesh.port), what="new connections work again")
        exchange(steady)
    mesh.wait_idle()


def test_source_without_descriptors(mesh):
    _check_out_of_descriptors(mesh, mesh.source)


def test_target_without_descriptors(mesh):
    _check_out_of_descriptors(mesh, mesh.target)


def test_tunnel_port_without_descriptors(lab, mesh):
    # idle connections to the tunnel port use them up; the tunnel that is up goes on
    with mesh.connect() as steady:
        exchange(steady)
        _leave_few(mesh.target)
        idle = [connect(mesh.tunnel_port) for _ in range(CLIENTS)]
        time.sleep(0.5)
        assert _cpu_share(mesh.target) < 0.3, "it spins while it is out of descriptors"
        exchange(steady)
        for sock in idle:
            sock.close()
        eventually(lambda: answers(mesh.port), what="new streams work again")
    # and a new tunnel can come
    second = lab.sidecar(
        "second-shop",
        {
            **mesh.source_settings,
            "admin": str(lab.folder / "second.sock"),
            "outbounds": [{"name": "db", "required": True, "listen": f"127.0.0.1:{lab.port()}"}],
        },
    )
    second.wait_status("ESTABLISHED")
