"""Cost as work grows: many streams with small requests, and one bulk stream beside them."""

import json
import subprocess
import threading
import time

from support.environment import program

from .loads import CLIENTS, Load, iperf, output
from .results import Figure
from .servers import Echo, Iperf

COUNTS = (1, 10, 100, 1000, 5000)
REQUEST = 64  # bytes, and as many back


class Streams(Load):
    """So many streams at once, each with one request under way."""

    servers = (Echo,)

    def __init__(self, count):
        self.name = f"streams{count}"
        self.count = count

    def run(self, chain, seconds):
        return _ask(chain.entrances[0], self.count, seconds)


class Beside(Load):
    """50 clients with small requests: alone, then beside a bulk stream through the same proxies."""

    name = "beside"
    servers = (Echo, Iperf)
    _lead = 1  # seconds that the bulk stream runs before and after

    def run(self, chain, seconds):
        small, bulk = chain.entrances
        figures = {f"alone_{key}": value for key, value in _ask(small, CLIENTS, seconds).items()}
        received = {}
        stream = threading.Thread(target=self._bulk, args=(bulk, seconds, received))
        stream.start()
        try:
            time.sleep(self._lead)
            beside = _ask(small, CLIENTS, seconds)
        finally:
            stream.join()
        if "bits_per_second" not in received:
            raise RuntimeError(f"the bulk stream failed: {received.get('failure')}")
        figures.update({f"beside_{key}": value for key, value in beside.items()})
        figures["gbit"] = received["bits_per_second"] / 1e9
        return figures

    def _bulk(self, port, seconds, received):
        try:
            received.update(iperf(port, 1, seconds + 2 * self._lead))
        except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as failure:
            received["failure"] = failure


def all_loads(place):
    """Those that the machine has descriptors for: a proxy needs two a stream, HAProxy more."""
    most = place.descriptors * 2 // 5 - 400
    return (*(Streams(count) for count in COUNTS if count <= most), Beside())


def figures(loads):
    """The columns of the tables: for the streams, one group of three for each count; for Beside."""
    streams = [
        (load.count, [Figure(load.name, key, *how) for key, how in _COLUMNS.items()])
        for load in loads
        if isinstance(load, Streams)
    ]
    beside = [
        ("alone", [Figure("beside", f"alone_{key}", *how) for key, how in _COLUMNS.items()]),
        ("beside bulk", [Figure("beside", f"beside_{key}", *how) for key, how in _COLUMNS.items()]),
    ]
    beside[1][1].append(Figure("beside", "gbit", "bulk", "Gbit/s", ".2f"))
    return streams, beside


_COLUMNS = {
    "rate": ("requests", "a second", ",.0f"),
    "p50_ms": ("p50", "ms", ".2f", 1, False),
    "p99_ms": ("p99", "ms", ".2f", 1, False),
}


def _ask(port, streams, seconds):
    command = [program("tests/bench/load"), "ask", port, streams, seconds, REQUEST]
    answer = json.loads(output(command, seconds + 60))
    return {key: answer[key] for key in _COLUMNS}
