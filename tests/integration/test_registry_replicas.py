"""Several replicas of a target: streams are spread, and one that dies takes only its own along.

    clients -> shop (outbound db) --tunnels--> three sidecars of mysql (inbound sql) -> an echo each
"""

import contextlib
import threading
import time

import pytest

from support.figures import figure
from support.mesh import WORKERS
from support.servers import Echo
from support.sockets import answers, ask, connect, exchange
from support.wait import eventually

REPLICAS = 3
CLIENTS = 12


class Replicas:
    """mysql's, and shop connected to all of them."""

    def __init__(self, lab):
        self.fleet = lab.fleet()
        self.servers = [lab.serve(Echo, f"127.0.0.{i + 2}") for i in range(REPLICAS)]
        port = self.servers[0].port
        for i in range(1, REPLICAS):  # the rule names one port, which all of them serve
            self.servers[i].close()
            self.servers[i] = lab.add(Echo(port, f"127.0.0.{i + 2}"))
        self.targets = [
            self.fleet.replica("mysql", {"sql": server.address}, name=f"mysql-{i}")
            for i, server in enumerate(self.servers)
        ]
        self.port = lab.port()
        self.source = self.fleet.replica("shop", outbounds={"db": self.port})
        self.connection = self.fleet.connect("shop", "db", "mysql", "sql")
        self.wait_tunnels(REPLICAS)

    def wait_tunnels(self, count):
        """Of each worker to each of that many replicas."""
        eventually(
            lambda: len(self._tunnels()) == WORKERS * count,
            what=lambda: f"tunnels to {count} replicas: {self.source.status()}",
        )

    def _tunnels(self):
        return {(tunnel["worker"], tunnel["address"]) for tunnel in self.source.status()["tunnels"]}

    def streams(self):
        """How many each replica carries."""
        return [target.open_streams() for target in self.targets]


@pytest.fixture(name="replicas")
def _replicas(lab):
    return Replicas(lab)


def _spread(replicas):
    """What each replica carries of 60 streams; the streams are over when it returns."""
    with contextlib.ExitStack() as held:
        for _ in range(60):
            exchange(held.enter_context(connect(replicas.port)))
        balance = replicas.streams()
    eventually(lambda: sum(replicas.streams()) == 0, what="the streams have ended")
    assert sum(balance) == 60
    return balance


def test_streams_go_where_there_are_fewest(replicas):
    balance = _spread(replicas)
    for _ in range(4):  # a worker that has not yet seen all of them work spreads over fewer
        if max(balance) - min(balance) > WORKERS:
            balance = _spread(replicas)
    figure("60 streams to 3 replicas, each carries", balance)
    assert max(balance) - min(balance) <= WORKERS, "each worker spreads its own evenly"


def _all_go_to(target, port):
    since = target.log.position()
    for _ in range(8):
        assert answers(port)
    return sum(line.message == "stream opened" for line in target.log.read()[since:]) == 8


def test_replica_that_comes_takes_its_share(replicas, lab):
    gone = replicas.targets[2]
    gone.stop()
    replicas.wait_tunnels(REPLICAS - 1)
    held = [lab.add(connect(replicas.port)) for _ in range(20)]
    for sock in held:
        exchange(sock)
    gone.start()
    replicas.wait_tunnels(REPLICAS)
    # it has no streams yet, so each new one is its: once every worker has seen that it works
    eventually(lambda: _all_go_to(gone, replicas.port), what="new streams go to the new replica")
    for _ in range(20):
        held.append(lab.add(connect(replicas.port)))
        exchange(held[-1])
    balance = replicas.streams()
    figure("20 streams to 2 replicas, 20 more with a third, each carries", balance)
    assert balance[2] >= 8, balance


def test_application_that_ends_is_passed_over(replicas):
    replicas.servers[1].close()
    failed = 0
    for _ in range(60):
        failed += not answers(replicas.port)
    figure("60 requests after one of 3 applications has ended, failed", failed)
    assert failed == 0, "a refusal before the first byte goes to another replica"
    assert replicas.fleet.registry.connection(replicas.connection)["status"] == "ESTABLISHED"


class Load(threading.Thread):
    """One request after another; each is a connection of its own that lasts a moment."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.done = []  # (begun, ended) of those that worked
        self.failed = []  # of those that did not
        self._port = port
        self._over = threading.Event()
        self.start()

    def run(self):
        while not self._over.is_set():
            begin = time.monotonic()
            try:
                with connect(self._port) as sock:
                    exchange(sock)
                    time.sleep(0.02)
                    exchange(sock)
                self.done.append((begin, time.monotonic()))
            except (OSError, AssertionError):
                self.failed.append((begin, time.monotonic()))

    def finish(self):
        self._over.set()
        self.join(30)
        assert not self.is_alive()


@pytest.mark.limit(120)
def test_replica_killed_under_load(replicas):
    load = [Load(replicas.port) for _ in range(CLIENTS)]
    time.sleep(2)
    killed = time.monotonic()
    replicas.targets[0].kill()
    replicas.wait_tunnels(REPLICAS - 1)
    noticed = time.monotonic()
    time.sleep(4)
    for client in load:
        client.finish()
    failed = sorted(times for client in load for times in client.failed)
    done = sum(len(client.done) for client in load)
    flying = [times for times in failed if times[0] <= killed]
    late = [times for times in failed if times[0] > killed]
    figure(
        f"one of 3 replicas killed under {CLIENTS} clients: requests that worked, failed in "
        "flight, failed that began later",
        f"{done}, {len(flying)}, {len(late)}",
    )
    assert all(times[1] >= killed for times in failed), "something failed before"
    # each client is in one request at a time, and a third of those were on the dead one
    assert len(flying) <= CLIENTS
    # until its sockets are closed, and that has been seen, some may still be given to it
    assert all(times[0] <= noticed for times in late), [t[0] - noticed for t in late]
    assert len(failed) <= CLIENTS
    replicas.wait_tunnels(REPLICAS - 1)
    assert replicas.fleet.registry.connection(replicas.connection)["status"] == "ESTABLISHED"
    ask(replicas.port)
    replicas.targets[0].start()
    replicas.wait_tunnels(REPLICAS)


def test_connection_that_is_made_anew_counts_from_nothing(lab):
    fleet = lab.fleet()
    port = lab.port()
    fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    fleet.replica("shop", outbounds={"db": port})
    first = fleet.connect("shop", "db", "mysql", "sql")
    ask(port, b"x" * 1000)

    def counted(connection, count):
        row = fleet.registry.connection(connection)
        return (row["sent"], row["received"]) == (count, count)

    eventually(
        lambda: counted(first, 1000),
        what=lambda: f"1000 bytes are counted: {fleet.registry.connection(first)}",
    )
    fleet.remove(first)
    fleet.wait_gone(first)
    second = fleet.connect("shop", "db", "mysql", "sql")
    time.sleep(5)  # it is reported every two seconds
    assert counted(second, 0), fleet.registry.connection(second)
    ask(port, b"x" * 10)
    ask(port, b"x" * 20)
    eventually(
        lambda: counted(second, 30),
        what=lambda: f"30 bytes are counted: {fleet.registry.connection(second)}",
    )
