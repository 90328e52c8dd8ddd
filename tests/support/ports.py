"""Free ports of 127.0.0.1, each given out once, also among tests that run at the same time.

They lie below the range from which the kernel takes the ports of outgoing connections, so that none
of those
can take a port between its being given out and its being listened on. A byte of one file stands for
a port;
who holds the lock on the byte has the port. contrib/quickstart.sh and the browser tests, which know
nothing of locks, take theirs above END; --dev and the samples listen within USUAL.
"""

import fcntl
import os
import random
import socket
import tempfile

FIRST = 10000
END = 25000
USUAL = range(15000, 15100)


class Ports:
    def __init__(self):
        path = os.path.join(tempfile.gettempdir(), f"appnet-test-ports.{os.getuid()}")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._taken = set()
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as range_file:
            self._end = min(int(range_file.read().split()[0]), END)
        if self._end - FIRST < 1000:
            self._end = END

    def take(self):
        for _ in range(10000):
            port = random.randrange(FIRST, self._end)
            if port in self._taken or port in USUAL:
                continue
            if self._lock(port):
                if _is_free(port):
                    self._taken.add(port)
                    return port
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)
        raise AssertionError("no free port found")

    def give_back(self, port):
        self._taken.discard(port)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)

    def _lock(self, port):
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        return True


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
