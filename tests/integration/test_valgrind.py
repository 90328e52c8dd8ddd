"""Start, traffic, stop under valgrind: no leak and no error.

    client -> shop --tunnel--> mysql -> echo          both sidecars under valgrind
"""

import signal

import pytest

from support.applications import find
from support.environment import SANITIZED
from support.servers import Echo
from support.sockets import ends_in_reset, exchange, is_reset_at, reset

VALGRIND = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--show-leak-kinds=definite,indirect,possible",
    "--error-exitcode=99",
]

pytestmark = [
    pytest.mark.skipif(SANITIZED, reason="valgrind cannot run programs with sanitizers"),
    pytest.mark.skipif(not find("valgrind"), reason="valgrind is not installed"),
    pytest.mark.valgrind,
    pytest.mark.alone,
    pytest.mark.limit(240),
]


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port, start=False)


def test_no_leak_and_no_error_over_start_traffic_stop(mesh, lab):
    # allowed and refused streams, finished and reset ones, a reload
    closed = lab.port()
    mesh.source_settings["outbounds"].append(
        {"name": "spy", "required": False, "listen": f"127.0.0.1:{closed}"}
    )
    mesh.source_settings["connections"].append(
        {**mesh.source_settings["connections"][0], "outbound": "spy"}
    )
    mesh.start(wrapper=VALGRIND)
    for _ in range(10):
        mesh.ask(b"x" * 100000)
        assert is_reset_at(closed)
        client = mesh.connect()
        exchange(client)
        reset(client)
    for sidecar in mesh.sidecars:
        sidecar.reload()
        sidecar.status()
    mesh.ask()
    mesh.wait_idle()
    for sidecar in mesh.sidecars:
        sidecar.stop()


def test_no_leak_and_no_error_when_it_is_cut_short(mesh):
    # streams are open and the peer is gone when it ends
    mesh.start(wrapper=VALGRIND)
    with mesh.connect() as first, mesh.connect() as second:
        exchange(first, b"x" * 100000)
        exchange(second)
        mesh.target.signal(signal.SIGTERM)
        mesh.target.wait_log("draining")
        mesh.target.signal(signal.SIGTERM)
        mesh.target.check_end(mesh.target.wait(30))
        assert ends_in_reset(first)
        assert is_reset_at(mesh.port)
    mesh.source.stop()
