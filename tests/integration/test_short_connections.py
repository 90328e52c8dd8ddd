"""Many short connections leave nothing behind.

    clients, one after the other and several at once -> shop --tunnel--> mysql -> echo
"""

import threading

import pytest

from support.environment import SANITIZED, SLOW
from support.figures import figure
from support.mesh import Usage
from support.servers import Echo

COUNT = 5000
MIB = 1 << 20


def _one_after_the_other(mesh, count):
    for _ in range(count):
        mesh.ask()


def _at_once(mesh, threads, count):
    failures = []

    def work():
        try:
            _one_after_the_other(mesh, count)
        except (OSError, AssertionError) as error:
            failures.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100 * SLOW)
    assert not failures


@pytest.mark.limit(300)
def test_5000_short_connections_leave_descriptors_and_memory_flat(lab):
    mesh = lab.mesh(lab.serve(Echo).port)
    _one_after_the_other(mesh, 1000)  # what is kept for the next one is there now
    mesh.wait_idle()
    usage = Usage(*mesh.sidecars)
    before = [sidecar.memory() for sidecar in mesh.sidecars]
    _one_after_the_other(mesh, COUNT)
    usage.wait_unchanged()
    grown = [sidecar.memory() - old for sidecar, old in zip(mesh.sidecars, before)]
    figure(
        f"memory grown over {COUNT} short connections, bytes, source and target",
        " ".join(map(str, grown)),
    )
    if not SANITIZED:  # there, freed memory is kept in quarantine
        assert all(bytes_ < MIB for bytes_ in grown)
    opened = mesh.source.status()["streams"]["opened"]
    assert opened == mesh.target.status()["streams"]["opened"] == COUNT + 1000


@pytest.mark.limit(150)
def test_short_connections_at_once(lab):
    mesh = lab.mesh(lab.serve(Echo).port)
    usage = Usage(*mesh.sidecars)
    _at_once(mesh, 20, 100)
    usage.wait_unchanged()
