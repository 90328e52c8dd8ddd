"""The loads: each sends something through a chain and gives figures, by name."""

import json
import subprocess
import time
from contextlib import ExitStack

from support.sockets import connect, read_exactly

from .servers import Iperf, Redis

CLIENTS = 50
PIPELINE = 64
GIB = 1 << 30


class Load:
    """name: for --loads and in the JSON. servers: the classes of those that the chain leads to.
    `run` lasts about `seconds`, and gives figures by their keys.
    """

    name = ""
    servers = (Redis,)

    def missing(self):
        """The program that this machine lacks for it; None if nothing."""
        lacking = (server.missing() for server in self.servers)
        return next((name for name in lacking if name), None)

    def run(self, chain, seconds):
        raise NotImplementedError


class Bulk(Load):
    servers = (Iperf,)

    def __init__(self, streams):
        self.name = f"bulk{streams}"
        self._streams = streams

    def run(self, chain, seconds):
        before = chain.cpu_seconds()
        received = iperf(chain.entrances[0], self._streams, seconds)
        figures = {"gbit": received["bits_per_second"] / 1e9}
        if chain.proxied:
            used = chain.cpu_seconds() - before
            figures["cpu_per_gib"] = used * GIB / received["bytes"]
        return figures


class Requests(Load):
    """Connections that stay open, each with `pipeline` requests under way."""

    def __init__(self, name, pipeline):
        self.name = name
        self._options = ["-P", str(pipeline)]
        self._pilot = 4000 * pipeline

    def run(self, chain, seconds):
        port = chain.entrances[0]
        # The first run warms everything up and says how many requests fill the time.
        rate = float(redis(port, self._pilot, self._options)["rps"])
        said = redis(port, max(self._pilot, int(rate * seconds)), self._options)
        return {
            "rate": float(said["rps"]),
            "p50_ms": float(said["p50_latency_ms"]),
            "p99_ms": float(said["p99_latency_ms"]),
        }


class NewConnections(Load):
    """A connection for each request."""

    name = "connections"
    _options = ["-k", "0"]

    def run(self, chain, seconds):
        port = chain.entrances[0]
        rate = float(redis(port, 400, self._options)["rps"])
        count = min(max(400, int(rate * seconds)), _connections_at_most())
        before = chain.cpu_seconds()
        figures = {"rate": float(redis(port, count, self._options)["rps"])}
        if chain.proxied:
            figures["cpu_per_1000"] = (chain.cpu_seconds() - before) / count * 1000
        return figures


class Memory(Load):
    """What one more connection costs that has been used and is open."""

    name = "memory"
    _first = 10

    def __init__(self, connections):
        self._connections = connections

    def run(self, chain, seconds):
        if not chain.proxied:
            return {}
        port = chain.entrances[0]
        with ExitStack() as stack:
            self._use(stack, port, self._first)
            before = chain.memory()
            self._use(stack, port, self._connections)
            return {"bytes": (chain.memory() - before) / self._connections}

    @staticmethod
    def _use(stack, port, count):
        for _ in range(count):
            client = stack.enter_context(connect(port))
            client.sendall(b"PING\r\n")
            read_exactly(client, len("+PONG\r\n"))
        time.sleep(1.5)


def all_loads(memory_connections):
    return (
        Bulk(1),
        Bulk(8),
        Requests("clients", 1),
        Requests("pipelined", PIPELINE),
        NewConnections(),
        Memory(memory_connections),
    )


def iperf(port, streams, seconds):
    """One run of iperf3; what its server received."""
    command = ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", seconds, "-P", streams, "-J"]
    said = json.loads(output(command, seconds + 30))
    if "error" in said:
        raise RuntimeError(f"iperf3: {said['error']}")
    return said["end"]["sum_received"]


def redis(port, requests, options):
    """One run of redis-benchmark with GET; the columns of its line."""
    command = ["redis-benchmark", "-p", port, "-c", CLIENTS, "-n", requests, "-t", "get", "--csv"]
    names, values = output([*command, *options], 120).strip().splitlines()[-2:]
    return dict(zip(*([field.strip('"') for field in line.split(",")] for line in (names, values))))


def output(command, limit):
    """What a client program says on standard output; it has so many seconds."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode != 0 and not done.stdout.startswith("{"):
        raise RuntimeError(f"{command[0]} failed: {(done.stderr + done.stdout).strip()[-300:]}")
    return done.stdout


def _connections_at_most():
    """Each leaves a port in TIME_WAIT for a minute. Where the kernel does not take such ports again
    for loopback, a run must do with the ports there are."""
    with open("/proc/sys/net/ipv4/tcp_tw_reuse", encoding="ascii") as file:
        if file.read().strip() != "0":
            return 200_000
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first, last = map(int, file.read().split())
    return (last - first) * 2 // 3
