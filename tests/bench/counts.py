"""Work that does not depend on how busy the machine is: instructions of user space and system calls of
each sidecar for a MiB of bulk and for a new connection.

    make counts COUNTS_ARGS="--mib 256"

valgrind's callgrind counts the instructions (it sees neither the kernel nor AVX-512), strace the
system calls. Each amount is the difference of two runs, one with little to do and one with more, so
start, handshake and end are not in it. APPNET_BIN_DIR says whose: the build of another commit.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import threading

from support.environment import program
from support.sidecar import Sidecar
from support.sockets import connect
from support.wait import eventually

from .appnet import settings
from .machine import version
from .place import Place
from .servers import Redis

MIB = 1 << 20
CLIENTS = 50
CALLGRIND = ["valgrind", "-q", "--tool=callgrind"]
ARGUMENTS = {
    "instructions": lambda out: [*CALLGRIND, f"--callgrind-out-file={out}"],
    "system calls": lambda out: ["strace", "-D", "-f", "-c", "-o", out],
}
TOTAL = {
    "instructions": re.compile(r"^totals: (\d+)", re.M),
    "system calls": re.compile(r"^100\.00 +\S+ +(?:\d+ +)?(\d+) +(?:\d+ +)?total", re.M),
}


class Sink:
    """Reads what comes and answers a byte at its end."""

    def __init__(self, place):
        self.port = place.port()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                while sock.recv(MIB):
                    pass
                sock.sendall(b".")


def send(port, mib):
    with connect(port, timeout=600) as client:
        piece = bytes(MIB)
        for _ in range(mib):
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        if client.recv(1) != b".":
            raise RuntimeError("not everything arrived")


def open_connections(port, count):
    command = ["redis-benchmark", "-p", port, "-c", CLIENTS, "-n", count, "-t", "get", "-k", "0"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([str(word) for word in command], check=True, **quiet)


def count(place, what, server, load, amount):
    """{name of the sidecar: count} of two sidecars from start to end, with `load(port, amount)`."""
    room = place.room()
    ports, names, source, target = settings(place, [server.port])
    started = {}
    files = {name: room / f"{name}.count" for name in ("target", "source")}
    try:
        for name, file in files.items():
            told = source if name == "source" else target
            started[name] = Sidecar(room, name, told, wrapper=ARGUMENTS[what](file))
            started[name].start()
        started["source"].wait_status("ESTABLISHED", outbound=names[0], timeout=60)
        load(ports[0], amount)
    finally:
        for sidecar in started.values():
            sidecar.close()
    return {name: read_total(file, TOTAL[what]) for name, file in files.items()}


def read_total(file, pattern):
    """What the counting program wrote, which may outlive the sidecar for a moment."""

    def total():
        return pattern.search(file.read_text()) if file.exists() else None

    return int(eventually(total, what=f"{file} has a total").group(1))


def measure(place, what, server, load, amounts):
    """{name of the sidecar: count for one more} by the difference of the two amounts."""
    little, more = (count(place, what, server, load, amount) for amount in amounts)
    return {name: (more[name] - little[name]) / (amounts[1] - amounts[0]) for name in more}


def main():
    parser = argparse.ArgumentParser(prog="make counts COUNTS_ARGS=...")
    parser.add_argument("--mib", type=int, default=64, help="bulk of one stream (64)")
    parser.add_argument("--connections", type=int, default=1000, help="new connections (1000)")
    given = parser.parse_args()
    missing = [
        name
        for name in ("valgrind", "strace", "redis-server", "redis-benchmark")
        if not shutil.which(name)
    ]
    if missing:
        parser.error(f"this machine has no {', '.join(missing)}")
    print(version([program("appnet-sidecar"), "--version"]))
    print(f"{'':32}{'source':>12}{'target':>12}")
    with Place(1) as place, Sink(place) as sink, Redis(place) as redis:
        for unit, server, load, amounts in (
            ("MiB", sink, send, (16, 16 + given.mib)),
            ("connection", redis, open_connections, (200, 200 + given.connections)),
        ):
            for what in ARGUMENTS:
                found = measure(place, what, server, load, amounts)
                print(f"{what + ' a ' + unit:32}", end="")
                print(f"{found['source']:12,.1f}{found['target']:12,.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
