"""A peer with a good certificate that does not behave, and applications of several kinds.

    hand-made HTTP/2 as shop -> mysql -> a server
"""

import h2.settings
import pytest

from support.environment import QUARANTINE
from support.http2 import DATA, Peer, frame
from support.mesh import Usage
from support.servers import Blaster, Echo, Stalled

MIB = 1 << 20
MEMORY = 64 * MIB + QUARANTINE


def test_probe_of_a_closed_application_says_503(lab, authority):
    echo = lab.serve(Echo)
    mesh = lab.mesh(echo.port)
    peer = lab.add(Peer(mesh, authority.identity("shop")))
    echo.close()
    _, answer = peer.ask("OPTIONS", end=True)
    assert (answer.status, answer.reason) == (503, "target-refused")


def test_data_beyond_the_window_is_refused(lab, authority):
    # into a server that reads nothing: a peer that minds no window gets an error, and the target no
    # memory
    mesh = lab.mesh(lab.serve(Stalled).port)
    peer = lab.add(Peer(mesh, authority.identity("shop")))
    before = mesh.target.memory()
    stream, answer = peer.ask()
    assert answer.status == 200
    for _ in range(2000):
        peer.send_raw(frame(DATA, 0, stream, bytes(16000)))
        if peer.ended or answer.reset is not None or peer.goaway is not None:
            break
        peer.pump()
    peer.wait(
        lambda: answer.reset is not None or peer.goaway is not None,
        "the stream or the connection is ended",
    )
    assert mesh.target.memory() - before < MEMORY


@pytest.mark.limit(120)
def test_open_streams_have_a_limit(lab, authority):
    # streams that stay open, as many as the target announces and some more
    mesh = lab.mesh(lab.serve(Echo).port)
    peer = lab.add(Peer(mesh, authority.identity("shop")))
    usage = Usage(mesh.target)
    peer.ask("OPTIONS", end=True)
    limit = peer.h2.remote_settings.max_concurrent_streams
    streams = [peer.request() for _ in range(limit + 50)]
    peer.wait(
        lambda: all(peer.exchange(stream).answered for stream in streams)
        or peer.goaway is not None,
        "all are answered",
        timeout=60,
    )
    assert sum(peer.exchange(stream).accepted for stream in streams) <= limit
    peer.close()
    usage.wait_unchanged()


@pytest.mark.limit(120)
def test_reader_with_a_window_of_nothing_costs_no_memory(lab, authority):
    # 100 streams from a server that sends for ever, to a peer that gives no window
    mesh = lab.mesh(lab.serve(Blaster, 1 << 40).port)
    usage = Usage(mesh.target)
    before = mesh.target.memory()
    peer = lab.add(
        Peer(mesh, authority.identity("shop"), {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    )
    streams = [peer.request() for _ in range(100)]
    peer.wait(
        lambda: all(peer.exchange(stream).status == 200 for stream in streams),
        "100 streams are open",
    )
    assert not any(peer.exchange(stream).data for stream in streams)
    assert mesh.target.memory() - before < MEMORY
    peer.close()
    usage.wait_unchanged()
