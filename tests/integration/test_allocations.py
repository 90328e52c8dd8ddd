"""In the steady state traffic allocates no memory: counted by a library that is preloaded.

    client, one connection -> shop --tunnel--> mysql -> echo
"""

import struct

import pytest

from support.environment import BIN_DIR, SANITIZED
from support.figures import figure
from support.servers import Echo

# Of the traffic that warms up, and of a round: that must find its place between two probes, which
# do allocate.
WARM_BULK, WARM_SMALL = 32 << 20, 2000
BULK, SMALL = 4 << 20, 200
ROUNDS = 100


class Counter:
    """The allocations of one process, from outside."""

    def __init__(self, path):
        self._path = path
        library = BIN_DIR / "tests/support/count_malloc.so"
        assert library.exists(), f"{library} is missing: make check-integration builds it"
        self.wrapper = ["env", f"LD_PRELOAD={library}", f"APPNET_COUNT_MALLOC={path}"]

    def read(self):
        return struct.unpack("=Q", self._path.read_bytes())[0]


def _exchange(client, bulk, small):
    """Bulk both ways at once, then requests and answers."""
    sent = received = 0
    piece = bytes(65536)
    client.setblocking(False)
    while received < bulk:
        try:
            if sent < bulk:
                sent += client.send(piece[: bulk - sent])
        except BlockingIOError:
            pass
        try:
            received += len(client.recv(1 << 20))
        except BlockingIOError:
            pass
    client.settimeout(20)
    for _ in range(small):
        client.sendall(b"question")
        answer = b""
        while len(answer) < 8:
            answer += client.recv(8 - len(answer))


@pytest.mark.skipif(SANITIZED, reason="sanitizers bring an allocator of their own")
@pytest.mark.limit(120)
def test_traffic_in_the_steady_state_allocates_nothing(lab, tmp_path):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    target, source = Counter(tmp_path / "target"), Counter(tmp_path / "source")
    mesh.start_target(target.wrapper)
    mesh.start_source(source.wrapper)
    mesh.wait_established()
    counters = (source, target)
    with mesh.connect() as client:
        _exchange(client, WARM_BULK, WARM_SMALL)  # windows grow to their full size
        assert min(counter.read() for counter in counters) > 0, "the library was not preloaded"
        rounds = []
        # Buffers come to be there as the applications' pace makes them needed: until that has
        # settled, a round may bring some more. An allocation a frame would show in every round.
        while [0, 0] not in rounds and len(rounds) < ROUNDS:
            before = [counter.read() for counter in counters]
            _exchange(client, BULK, SMALL)
            rounds.append([counter.read() - old for counter, old in zip(counters, before)])
    figure(
        f"allocations over {BULK >> 20} MiB each way and {SMALL} requests, source and target",
        " ".join(map(str, rounds[-1])),
    )
    assert [0, 0] in rounds, rounds
