"""Application servers as threads of the test, for what real servers cannot be made to do."""

import queue
import selectors
import socket
import threading
import time

from .environment import SLOW
from .sockets import PIECE, TIMEOUT, ends_in_reset, read_to_end, reset
from .wait import eventually

threading.stack_size(512 * 1024)


class Server:
    """Listens on 127.0.0.1 and runs `serve(sock)` in a thread for each connection."""

    backlog = 4096

    def __init__(self, port):
        self.port = port
        self.accepted = 0
        self._threads = []
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(self.backlog)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def serve(self, sock):
        raise NotImplementedError

    def serve_from(self, sock, _address):
        """For those who want to know where a connection comes from."""
        self.serve(sock)

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._acceptor.join(10)
        with self._lock:
            sockets = list(self._open)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        end = time.monotonic() + 10  # scripts that wait for something end with the tests
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self):
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError:
                return
            sock.settimeout(TIMEOUT * SLOW)
            self.accepted += 1
            with self._lock:
                self._open.add(sock)
            thread = threading.Thread(
                target=self._run, args=(sock, "%s:%d" % address), daemon=True
            )
            self._threads = [old for old in self._threads if old.is_alive()] + [thread]
            thread.start()

    def _run(self, sock, address):
        try:
            self.serve_from(sock, address)
        except OSError:
            pass  # the test looks at the other side
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()


class Scripted(Server):
    """Runs the function given with each connection; what it returns or raises can be waited for
    with `outcome`. The probes of sidecars come here too: `is_stream(address)` tells them from the
    connections of applications, by the address they come from; Lab sets it.
    """

    def __init__(self, port, script):
        self.is_stream = lambda address: True
        self._script = script
        self._arrived = queue.Queue()
        self._outcomes = []
        super().__init__(port)

    def serve_from(self, sock, address):
        try:
            self._arrived.put((address, self._script(sock)))
        except Exception as error:  # handed to the test by outcome()
            self._arrived.put((address, error))

    def outcome(self, timeout=TIMEOUT):
        result = eventually(self._next, "an outcome of the application's script", timeout)[0]
        if isinstance(result, Exception):
            raise result
        return result

    def _next(self):
        """[result] of the oldest connection of an application, or None."""
        while not self._arrived.empty():
            self._outcomes.append(self._arrived.get())
        for outcome in self._outcomes:
            if self.is_stream(outcome[0]):
                self._outcomes.remove(outcome)
                return [outcome[1]]
        return None


class Stalled(Server):
    """Accepts and never reads, until `release` lets it read to the end."""

    def __init__(self, port):
        self._released = threading.Event()
        super().__init__(port)

    def serve(self, sock):
        self._released.wait(600)
        read_to_end(sock)

    def release(self):
        self._released.set()

    def close(self):
        self.release()
        super().close()


class Blaster(Server):
    """Sends `size` bytes to everyone who connects, then a FIN; waits for the other's."""

    def __init__(self, port, size):
        self._size = size
        self._piece = bytes(range(256)) * (PIECE // 256)
        super().__init__(port)

    def serve(self, sock):
        sock.settimeout(600)
        left = self._size
        while left > 0:
            left -= sock.send(self._piece[: min(left, len(self._piece))])
        sock.shutdown(socket.SHUT_WR)
        ends_in_reset(sock)


class Ladder(Server):
    """Sends `step` bytes to the first who connects, twice as many to the second, and so on."""

    def __init__(self, port, step):
        self._step = step
        super().__init__(port)

    def serve(self, sock):
        sock.settimeout(600)
        sock.sendall(bytes(self._step * self.accepted))
        sock.shutdown(socket.SHUT_WR)
        ends_in_reset(sock)


class Resetter(Server):
    """Resets every connection once it has read something from it."""

    def serve(self, sock):
        sock.recv(1)
        reset(sock)


class Echo:
    """Sends back what it gets and keeps half-close. One thread for all connections: thousands at
    once are fine.
    """

    def __init__(self, port, host="127.0.0.1"):
        self.host = host
        self.port = port
        self.accepted = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(4096)
        self._listener.setblocking(False)
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def close(self):
        self._waker.close()
        self._thread.join(10)

    def _run(self):
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._wake:
                    self._end()
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(key, events)

    def _accept(self):
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        self.accepted += 1
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, _Pending())

    def _serve(self, key, events):
        sock, pending = key.fileobj, key.data
        try:
            if events & selectors.EVENT_READ:
                data = sock.recv(PIECE)
                pending.ended = not data
                pending.data += data
            if pending.data:
                del pending.data[: sock.send(pending.data)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(sock)
            return
        if pending.ended and not pending.data:
            self._drop(sock)
            return
        # While it waits to send, it does not read on.
        self._selector.modify(
            sock, selectors.EVENT_WRITE if pending.data else selectors.EVENT_READ, pending
        )

    def _drop(self, sock):
        self._selector.unregister(sock)
        sock.close()

    def _end(self):
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()


class _Pending:
    __slots__ = ("data", "ended")

    def __init__(self):
        self.data = bytearray()
        self.ended = False
