"""The application's side of a connection: what it sends, and how its connection ends."""

import socket
import struct

from .environment import SLOW

TIMEOUT = 20.0
PIECE = 1 << 18


def connect(port, timeout=TIMEOUT, receive_buffer=None):
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout * SLOW)
    sock.connect(("127.0.0.1", port))
    return sock


def read_exactly(sock, count):
    """Fails when the connection ends before."""
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(min(PIECE, count - len(data)))
        assert piece, f"the connection ended after {len(data)} of {count} bytes"
        data += piece
    return bytes(data)


def read_to_end(sock):
    """All bytes up to the FIN; a reset is raised."""
    data = bytearray()
    while piece := sock.recv(PIECE):
        data += piece
    return bytes(data)


def discard(sock, count):
    """Reads that many bytes and forgets them."""
    buffer = bytearray(PIECE)
    while count > 0:
        got = sock.recv_into(buffer, min(PIECE, count))
        assert got, f"the connection ended with {count} bytes missing"
        count -= got


def exchange(sock, data=b"ping"):
    """Sends to an echo server and reads the same back."""
    sock.sendall(data)
    assert read_exactly(sock, len(data)) == data


def ask(port, data=b"ping", timeout=TIMEOUT):
    """A whole short connection to an echo server."""
    with connect(port, timeout) as sock:
        exchange(sock, data)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""


def answers(port, timeout=5.0):
    """Whether an echo server answers there."""
    try:
        ask(port, timeout=timeout)
    except (OSError, AssertionError):
        return False
    return True


def refuses(port):
    """Whether nobody listens there."""
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


def reset(sock):
    """Closes with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ends_in_reset(sock):
    """Whether the connection ends with an RST (True) or a FIN (False); what comes before is read
    and dropped.
    """
    try:
        while sock.recv(PIECE):
            pass
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def is_reset_at(port, send=b""):
    """Connects, and tells whether the connection is reset."""
    try:
        with connect(port) as sock:
            if send:
                sock.sendall(send)
            return ends_in_reset(sock)
    except (ConnectionResetError, BrokenPipeError):
        return True
