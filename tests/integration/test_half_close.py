"""A FIN is passed on as a FIN, and the other direction stays open for as long as the application
wants it.

    client -> shop --tunnel--> mysql -> server
"""

import socket
import threading

import pytest

from support.mesh import Usage
from support.servers import Scripted, Stalled
from support.sockets import read_exactly, read_to_end

QUIET = 120  # seconds of a half-closed connection on which nothing moves
ANSWER = bytes(range(256)) * 4096


def _answer_at_the_end(sock):
    """Reads the request to its end, then answers and closes."""
    request = read_to_end(sock)
    sock.sendall(ANSWER)
    sock.shutdown(socket.SHUT_WR)
    return request


def _speak_first(sock):
    """Says all it has and shuts its side, then reads to the end."""
    sock.sendall(ANSWER)
    sock.shutdown(socket.SHUT_WR)
    return read_to_end(sock)


def _answer_after(quiet):
    """Reads the request to its end, is quiet, then answers."""
    wait = threading.Event()

    def script(sock):
        request = read_to_end(sock)
        wait.wait(quiet)
        sock.sendall(ANSWER)
        sock.shutdown(socket.SHUT_WR)
        return request

    return script


def test_client_shuts_its_side_and_gets_all_of_the_answer(lab):
    server = lab.serve(Scripted, _answer_at_the_end)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        assert server.outcome() == b"request"
        assert read_to_end(client) == ANSWER
    mesh.wait_idle()
    assert mesh.source.wait_log("stream closed")["reason"] == "finished"
    assert mesh.target.wait_log("stream closed")["reason"] == "finished"


def test_server_shuts_its_side_first_and_gets_all_of_the_request(lab):
    server = lab.serve(Scripted, _speak_first)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        assert read_to_end(client) == ANSWER
        client.sendall(ANSWER)
        client.shutdown(socket.SHUT_WR)
        assert server.outcome() == ANSWER
    mesh.wait_idle()


def test_fin_right_after_the_connection_is_kept(lab):
    # the client's FIN may come before the tunnel has answered
    server = lab.serve(Scripted, _answer_at_the_end)
    mesh = lab.mesh(server.port)
    for _ in range(20):
        with mesh.connect() as client:
            client.shutdown(socket.SHUT_WR)
            assert server.outcome() == b""
            assert read_to_end(client) == ANSWER
    mesh.wait_idle()


def test_connection_that_says_nothing_ends_with_fins(lab):
    server = lab.serve(Scripted, read_to_end)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""
    assert server.outcome() == b""
    mesh.wait_idle()


@pytest.mark.limit(QUIET + 60)
def test_client_shuts_its_side_waits_120_s_and_gets_all_of_the_answer(lab):
    server = lab.serve(Scripted, _answer_after(QUIET))
    mesh = lab.mesh(server.port)
    with mesh.connect(timeout=QUIET + 30) as client:
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == ANSWER
    assert server.outcome() == b"request"
    mesh.wait_idle()


@pytest.mark.limit(QUIET + 60)
def test_server_shuts_its_side_and_gets_a_request_of_120_s_later(lab):
    server = lab.serve(Scripted, _patient_reader)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        assert read_to_end(client) == ANSWER
        threading.Event().wait(QUIET)
        client.sendall(ANSWER)
        client.shutdown(socket.SHUT_WR)
        assert server.outcome() == ANSWER
    mesh.wait_idle()


def _patient_reader(sock):
    sock.settimeout(QUIET + 30)
    return _speak_first(sock)


@pytest.mark.limit(QUIET + 90)
def test_client_that_leaves_after_its_fin_is_found_out(lab):
    # It has closed, not only shut its side, and the server never answers: the client's kernel
    # forgets the connection after a minute, and says so when it is asked, after another.
    server = lab.serve(Stalled)
    mesh = lab.mesh(server.port)
    usage = Usage(*mesh.sidecars)
    mesh.connect().close()
    mesh.target.wait_streams(1)
    usage.wait_unchanged(QUIET + 30)
    assert mesh.source.wait_log("stream closed")["reason"] == "application-reset"


def test_half_closed_streams_go_away_with_their_second_fin(lab):
    # no zombies: both sides' descriptors are free again
    server = lab.serve(Scripted, _answer_at_the_end)
    mesh = lab.mesh(server.port)
    clients = [mesh.connect() for _ in range(50)]
    for client in clients:
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        assert read_exactly(client, len(ANSWER)) == ANSWER
        client.close()
    mesh.wait_idle()
