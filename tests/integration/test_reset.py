"""An RST is passed on as an RST, never as the FIN of a finished connection.

    client -> shop --tunnel--> mysql -> server
"""

import socket
import time

import pytest

from support.mesh import Usage
from support.servers import Blaster, Echo, Ladder, Resetter, Scripted, Stalled
from support.sockets import ends_in_reset, exchange, read_exactly, read_to_end, reset
from support.wait import eventually


def test_reset_of_the_client_reaches_the_server(lab):
    server = lab.serve(Scripted, ends_in_reset)
    mesh = lab.mesh(server.port)
    client = mesh.connect()
    client.sendall(b"x")
    mesh.target.wait_streams(1)
    reset(client)
    assert server.outcome() is True
    assert mesh.source.wait_log("stream closed")["reason"] == "application-reset"
    assert mesh.target.wait_log("stream closed")["reason"] == "peer-reset"
    mesh.wait_idle()


def test_reset_of_the_server_reaches_the_client(lab):
    mesh = lab.mesh(lab.serve(Resetter).port)
    with mesh.connect() as client:
        client.sendall(b"x")
        assert ends_in_reset(client)
    assert mesh.target.wait_log("stream closed")["reason"] == "application-reset"
    assert mesh.source.wait_log("stream closed")["reason"] == "peer-reset"
    mesh.wait_idle()


def test_fin_of_the_client_is_no_reset(lab):
    server = lab.serve(Scripted, ends_in_reset)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        assert server.outcome() is False
    mesh.wait_idle()


def test_reset_after_half_close_reaches_the_other_side(lab):
    # the client has shut its side; the server resets instead of answering
    def script(sock):
        read_to_end(sock)
        reset(sock)

    mesh = lab.mesh(lab.serve(Scripted, script).port)
    with mesh.connect() as client:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        assert ends_in_reset(client)
    mesh.wait_idle()


def test_data_before_a_reset_still_arrives(lab):
    def script(sock):
        sock.recv(1)
        sock.sendall(b"last words")
        sock.recv(1)
        reset(sock)

    mesh = lab.mesh(lab.serve(Scripted, script).port)
    with mesh.connect() as client:
        client.sendall(b"x")
        assert read_exactly(client, 10) == b"last words"
        client.sendall(b"x")
        assert ends_in_reset(client)
    mesh.wait_idle()


def test_client_that_closes_with_unread_data_ends_the_stream(lab):
    # the kernel makes an RST of such a close
    server = lab.serve(Blaster, 1 << 30)
    mesh = lab.mesh(server.port)
    usage = Usage(*mesh.sidecars)
    client = mesh.connect()
    read_exactly(client, 100)
    client.close()
    usage.wait_unchanged()


def test_server_that_closes_with_unread_data_ends_the_stream(lab):
    def script(sock):
        sock.recv(1)

    mesh = lab.mesh(lab.serve(Scripted, script).port)
    usage = Usage(*mesh.sidecars)
    with mesh.connect() as client:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                client.sendall(bytes(65536))
    usage.wait_unchanged()


def test_client_that_resets_while_nothing_moves_ends_the_stream(lab):
    # the server reads nothing, all windows are used up, and nobody waits for input of the client
    server = lab.serve(Stalled)
    mesh = lab.mesh(server.port)
    usage = Usage(*mesh.sidecars)
    client = mesh.connect(timeout=1)
    with pytest.raises(TimeoutError):
        while True:
            client.send(bytes(65536))
    time.sleep(1)
    reset(client)
    usage.wait_unchanged()
    assert mesh.source.wait_log("stream closed")["reason"] == "application-reset"
    assert mesh.target.wait_log("stream closed")["reason"] == "peer-reset"


def test_client_that_resets_while_its_last_bytes_are_held(lab):
    # Both sides have ended and the tunnel is done with the stream, but the client has not read what
    # came: what its socket does not take is held for it. Which size makes that happen depends on
    # the kernel's buffers, so there are many.
    mesh = lab.mesh(lab.serve(Ladder, 1 << 16).port)
    usage = Usage(*mesh.sidecars)
    clients = []
    for _ in range(64):
        client = mesh.connect(receive_buffer=4096)
        client.shutdown(socket.SHUT_WR)
        clients.append(client)

    def held():
        before = [sidecar.open_streams() for sidecar in mesh.sidecars]
        time.sleep(0.5)
        after = [sidecar.open_streams() for sidecar in mesh.sidecars]
        return before == after and after[0] > after[1]

    eventually(held, what="all stands still, and the source holds what the target is done with")
    for client in clients:
        reset(client)
    usage.wait_unchanged()
    mesh.source.wait_log("stream closed", reason="application-reset")


def test_clients_that_abort_at_once_leave_nothing(lab):
    mesh = lab.mesh(lab.serve(Echo).port)
    mesh.ask()
    usage = Usage(*mesh.sidecars)
    for _ in range(500):
        reset(mesh.connect())
    usage.wait_unchanged()
    mesh.ask()


def test_tunnel_outlives_thousands_of_aborting_clients(lab):
    mesh = lab.mesh(lab.serve(Echo).port, workers=1)
    tunnels = [tunnel["id"] for tunnel in mesh.source.status()["tunnels"]]
    with mesh.connect() as steady:
        for _ in range(2500):
            client = mesh.connect()
            client.sendall(b"x")
            reset(client)
        exchange(steady)
    assert [tunnel["id"] for tunnel in mesh.source.status()["tunnels"]] == tunnels
    mesh.wait_idle()


def test_data_sent_before_the_answer_arrives(lab):
    # the client does not wait: data, FIN, all before the server has accepted
    server = lab.serve(Scripted, read_to_end)
    mesh = lab.mesh(server.port)
    data = bytes(range(256)) * 100
    for _ in range(20):
        with mesh.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert server.outcome() == data
    mesh.wait_idle()


def test_others_are_undisturbed_by_resets(lab):
    mesh = lab.mesh(lab.serve(Echo).port, workers=1)
    with mesh.connect() as steady:
        exchange(steady)
        for _ in range(100):
            client = mesh.connect()
            client.sendall(b"x" * 10000)
            reset(client)
        exchange(steady, b"y" * 100000)
        eventually(lambda: mesh.source.open_streams() == 1, what="the reset streams are gone")
        exchange(steady)
