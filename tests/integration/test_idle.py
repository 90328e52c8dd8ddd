"""Streams that stand still cost no processor time, however they stand still.

    clients -> shop --tunnel--> mysql -> a server that does to each what its first byte asks for
"""

import socket
import threading
import time

import pytest

from support.environment import SANITIZED
from support.servers import Server
from support.sockets import read_to_end

EACH = 10
SHARE = 0.2 if SANITIZED else 0.05  # of one core


class Moody(Server):
    def __init__(self, port):
        self._released = threading.Event()
        super().__init__(port)

    def serve(self, sock):
        sock.settimeout(600)
        mood = sock.recv(1)
        if mood == b"d":  # sends without an end
            while True:
                sock.send(bytes(65536))
        elif mood == b"f":  # shuts its side
            sock.shutdown(socket.SHUT_WR)
        self._released.wait(600)  # and reads nothing

    def close(self):
        self._released.set()
        super().close()


def _fill(client):
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while True:
            client.send(bytes(65536))


def _share(sidecar, seconds=3.0):
    before = sidecar.cpu_seconds()
    time.sleep(seconds)
    return (sidecar.cpu_seconds() - before) / seconds


@pytest.mark.alone
@pytest.mark.limit(120)
def test_streams_that_stand_still_cost_no_processor_time(lab):
    mesh = lab.mesh(lab.serve(Moody).port)
    clients = []

    def connect(mood):
        client = mesh.connect(timeout=60)
        client.sendall(mood)
        clients.append(client)
        return client

    for _ in range(EACH):
        connect(b"d")  # nobody reads
        _fill(connect(b"s"))  # the server does not read
        connect(b"s").shutdown(socket.SHUT_WR)  # half-closed by the client
        assert read_to_end(connect(b"f")) == b""  # half-closed by the server
        connect(b"s")  # open, and quiet
    for sidecar in mesh.sidecars:
        sidecar.wait_streams(len(clients))
    time.sleep(1)
    for sidecar in mesh.sidecars:
        assert _share(sidecar) < SHARE, f"{sidecar.name} is busy with nothing"
    for client in clients:
        client.close()


@pytest.mark.alone
def test_source_without_its_target_is_idle(lab):
    # it dials about once a second
    mesh = lab.mesh(lab.port(), start=False)
    mesh.start_source()
    mesh.source.wait_status("FAILED", "unreachable")
    assert _share(mesh.source) < SHARE
