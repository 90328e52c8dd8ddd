"""Many streams on one tunnel.

    2,000 clients -> shop (1 worker) --one tunnel--> mysql (1 worker) -> echo
"""

import contextlib

import pytest

from support.figures import figure
from support.servers import Echo
from support.sockets import exchange
from support.wait import eventually

STREAMS = 2000
BYTES_A_STREAM = 16 * 1024


@contextlib.contextmanager
def _streams(mesh, count):
    """So many open connections, each of which has answered."""
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(count):
            client = stack.enter_context(mesh.connect())
            exchange(client, b"first %d" % number)
            clients.append(client)
        yield clients


@pytest.mark.limit(120)
def test_2000_streams_are_open_at_once_and_each_answers(lab):
    mesh = lab.mesh(lab.serve(Echo).port, workers=1)
    with _streams(mesh, STREAMS) as clients:
        for sidecar in mesh.sidecars:
            status = sidecar.status()
            assert status["streams"]["open"] == STREAMS
            assert len(status["tunnels"]) == 1
            # a probe under way is one of them
            eventually(
                lambda s=sidecar: [t["streams"] for t in s.status()["tunnels"]] == [STREAMS],
                what=lambda s=sidecar: f"one tunnel of {s.name} has all streams: {s.status()}",
            )
        for number, client in enumerate(clients):
            client.sendall(b"second %d" % number)
        for number, client in enumerate(clients):
            expected = b"second %d" % number
            assert client.recv(len(expected)) == expected
    mesh.wait_idle()


@pytest.mark.limit(120)
@pytest.mark.measures_memory
def test_a_stream_costs_at_most_16_kib_over_both_sidecars(lab):
    mesh = lab.mesh(lab.serve(Echo).port, workers=1)
    before = sum(sidecar.memory() for sidecar in mesh.sidecars)
    with _streams(mesh, STREAMS):
        grown = sum(sidecar.memory() for sidecar in mesh.sidecars) - before
    a_stream = grown / STREAMS
    figure("memory of one stream over both sidecars, bytes", round(a_stream))
    assert a_stream <= BYTES_A_STREAM
    mesh.wait_idle()
