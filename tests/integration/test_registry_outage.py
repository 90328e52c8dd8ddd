"""The registry is away for a minute, and the mesh goes on without it.

    client -> shop (outbound db)    --tunnel--> mysql (inbound sql) -> echo
              shop (outbound cache) --tunnel--> redis (inbound store) -> echo
"""

import json
import signal
import socket
import threading
import time

import pytest

from support.environment import SLOW
from support.figures import figure
from support.servers import Echo, Server
from support.sockets import answers, ask, connect, ends_in_reset, exchange
from support.wait import eventually

AWAY = 60  # seconds
RIGHT = 5.0  # seconds after its return until all states are
USES = 35  # in each part of the minute, at least


class _Away:
    """The minute, in seconds since its beginning."""

    def __init__(self):
        self._begin = time.monotonic()

    def until(self, second, each, least=1):
        """Calls `each` four times a second until then, and longer where that is too seldom."""
        count = 0
        while count < least or time.monotonic() < self._begin + second:
            each()
            count += 1
            time.sleep(0.25)


class _Gate(Server):
    """The way to a port, which can be shut."""

    def __init__(self, port, target):
        self._target = target
        self.shut = False
        super().__init__(port)

    def serve(self, sock):
        if self.shut:
            return
        with socket.create_connection(("127.0.0.1", self._target)) as other:
            back = threading.Thread(target=_pass_on, args=(other, sock), daemon=True)
            back.start()
            _pass_on(sock, other)
            back.join()


def _pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other way has ended


@pytest.fixture(name="fleet")
def _fleet(lab):
    return lab.fleet()


def _wait_disconnected(sidecar):
    eventually(
        lambda: not sidecar.status()["registry"]["connected"],
        what=lambda: f"{sidecar.name} misses the registry: {sidecar.status()['registry']}",
    )


@pytest.mark.limit(180)
def test_registry_away_for_a_minute(lab, fleet):
    ports = {name: lab.port() for name in ("db", "cache")}
    redis_server = lab.serve(Echo)
    mysql = fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    redis = fleet.replica("redis", {"store": redis_server.address})
    shop = fleet.replica("shop", outbounds=ports, required=("db",))
    database = fleet.connect("shop", "db", "mysql", "sql")
    cache = fleet.connect("shop", "cache", "redis", "store")

    live = connect(ports["db"])
    exchange(live)
    fleet.registry.kill()
    away = _Away()

    def use():
        """A stream that was there before, and new ones."""
        exchange(live)
        for port in ports.values():
            ask(port)

    away.until(10, use, USES)
    _wait_disconnected(shop)
    assert shop.outbound()["status"] == "ESTABLISHED"

    # a target that comes back without the registry lets in whom it knew
    redis.kill()
    assert not answers(ports["cache"])
    redis.start()
    eventually(lambda: answers(ports["cache"]), what="the cache is there again")
    away.until(25, use, USES)

    # a source that comes back opens what it knew
    live.close()
    shop.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(ports["db"])
    shop.start()
    shop.wait_status("ESTABLISHED", outbound="db")
    shop.wait_status("ESTABLISHED", outbound="cache")
    live = connect(ports["db"])
    away.until(45, use, USES)

    # and what happens meanwhile is told when it returns
    redis_server.close()
    eventually(lambda: not answers(ports["cache"]), what="the application of redis has ended")
    away.until(AWAY, lambda: exchange(live))
    fleet.registry.start()
    begin = time.monotonic()
    fleet.wait_state(database, "ESTABLISHED", timeout=RIGHT)
    fleet.wait_state(cache, "FAILED", "target-refused", timeout=RIGHT)
    seconds = time.monotonic() - begin
    figure("registry away for 60 s, until all states are right, seconds", f"{seconds:.2f}")
    assert seconds < RIGHT * SLOW
    exchange(live)
    for sidecar in (mysql, redis, shop):
        assert sidecar.status()["registry"]["connected"]

    # it is in command again
    fleet.remove(database)
    assert ends_in_reset(live)
    fleet.wait_gone(database)
    fleet.wait_state(cache, "FAILED")
    live.close()


def test_target_comes_back_to_the_registry_later_than_its_source(lab, fleet):
    port = lab.port()
    gate = lab.serve(_Gate, fleet.registry.tls_port)
    settings = fleet.settings("mysql", {"sql": lab.serve(Echo).address})
    settings["registry"]["address"] = gate.address
    mysql = lab.sidecar("mysql", settings)
    shop = fleet.replica("shop", outbounds={"db": port})
    connection = fleet.connect("shop", "db", "mysql", "sql")

    gate.shut = True
    fleet.registry.kill()
    since = shop.log.position()
    fleet.registry.start()
    shop.wait_log("registry connected", since)
    fleet.wait_state(connection, "ESTABLISHED")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        ask(port)
        assert fleet.registry.connection(connection)["status"] == "ESTABLISHED"
        time.sleep(0.05)
    assert shop.outbound()["status"] == "ESTABLISHED"
    assert not mysql.status()["registry"]["connected"]
    gate.shut = False
    eventually(lambda: mysql.status()["registry"]["connected"], what="mysql is back")
    fleet.wait_state(connection, "ESTABLISHED")
    ask(port)


def test_removed_while_a_sidecar_was_down(lab, fleet):
    port = lab.port()
    fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    shop = fleet.replica("shop", outbounds={"db": port})
    connection = fleet.connect("shop", "db", "mysql", "sql")
    shop.kill()
    fleet.remove(connection)
    shop.start()
    fleet.wait_gone(connection)
    eventually(lambda: shop.outbound()["connection"] is None, what="shop has heard of it")
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_removed_while_a_sidecar_hangs(lab):
    fleet = lab.fleet(lease=3)
    port = lab.port()
    mysql = fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    shop = fleet.replica("shop", outbounds={"db": port})
    connection = fleet.connect("shop", "db", "mysql", "sql")
    shop.signal(signal.SIGSTOP)
    fleet.wait_state(connection, "FAILED", "no-replica")
    assert [row["live"] for row in fleet.registry.instance("shop")["replicas"]] == [False]
    mysql.signal(signal.SIGSTOP)
    fleet.remove(connection)
    fleet.wait_gone(connection)
    for sidecar in (mysql, shop):
        sidecar.signal(signal.SIGCONT)
    eventually(lambda: shop.outbound()["connection"] is None, what="shop has heard of it")
    fleet.connect("shop", "db", "mysql", "sql")
    ask(port)


def test_saved_connections_that_cannot_be_read(lab, fleet):
    port = lab.port()
    fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    shop = fleet.replica("shop", outbounds={"db": port})
    fleet.connect("shop", "db", "mysql", "sql")
    saved = lab.folder / "shop-state" / "snapshot.json"
    assert json.loads(saved.read_text(encoding="utf-8"))["connections"]
    for text in ("", "{", '{"connections": 7}', "\0" * 5000):
        shop.kill()
        saved.write_text(text, encoding="utf-8")
        since = shop.log.position()
        shop.start()
        shop.wait_log("saved connections not usable", since)
        shop.wait_status("ESTABLISHED")
        ask(port)


def test_registry_that_hangs_is_left_and_found_again(lab):
    fleet = lab.fleet(lease=3)
    port = lab.port()
    fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    shop = fleet.replica("shop", outbounds={"db": port})
    connection = fleet.connect("shop", "db", "mysql", "sql")
    fleet.registry.stop_for_a_while()
    _wait_disconnected(shop)
    ask(port)
    fleet.registry.go_on()
    eventually(lambda: shop.status()["registry"]["connected"], what="connected again")
    fleet.wait_state(connection, "ESTABLISHED")
    ask(port)
