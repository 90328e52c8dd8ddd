"""Instances that are connected and disconnected by the registry while they run.

    client -> shop (outbound db) --tunnel--> mysql (inbound sql) -> echo
"""

import http.client
import threading
import time

import pytest

from support.environment import SLOW
from support.figures import figure
from support.fleet import identity_of, tunnel_port
from support.http2 import Peer
from support.servers import Echo, Scripted
from support.sockets import answers, ask, connect, ends_in_reset, exchange, read_exactly, refuses
from support.wait import eventually


@pytest.fixture(name="fleet")
def _fleet(lab):
    return lab.fleet()


class Wire:
    """shop and mysql, joined and not connected."""

    def __init__(self, lab, fleet, server=None, **options):
        self.fleet = fleet
        self.server = server or lab.serve(Echo)
        self.port = lab.port()
        self.target = fleet.replica("mysql", {"sql": self.server.address})
        self.source = fleet.replica("shop", outbounds={"db": self.port}, **options)

    def connect(self):
        return self.fleet.connect("shop", "db", "mysql", "sql")


class RawSource(Peer):
    """Speaks HTTP/2 to a sidecar's tunnel port with the certificate of another."""

    def __init__(self, target, source):
        class Way:
            pass

        way = Way()
        way.tunnel_port = tunnel_port(target)
        super().__init__(way, identity_of(source))


def test_connected_used_and_disconnected(lab, fleet):
    wire = Wire(lab, fleet)
    assert not answers(wire.port), "there is a socket, and no connection"
    connection = wire.connect()
    assert wire.source.outbound()["status"] == "ESTABLISHED"
    ask(wire.port, b"x" * 300_000)
    fleet.remove(connection)
    fleet.wait_gone(connection)
    assert not answers(wire.port)
    # its workers close the socket a moment later
    eventually(lambda: refuses(wire.port), what="nobody listens for the outbound")
    assert wire.source.outbound()["instance"] is None
    assert fleet.registry.connections() == []


def test_connected_again_after_it_was_disconnected(lab, fleet):
    wire = Wire(lab, fleet)
    for _ in range(5):
        connection = wire.connect()
        ask(wire.port)
        fleet.remove(connection)
        fleet.wait_gone(connection)
    assert not answers(wire.port)


def test_removal_cuts_live_streams_on_both_ends(lab, fleet):
    wire = Wire(lab, fleet, lab.serve(Scripted, ends_in_reset))
    connection = wire.connect()
    with connect(wire.port) as client:
        client.sendall(b"one moment")
        wire.target.wait_streams(1)
        fleet.remove(connection)
        assert ends_in_reset(client), "the end of a connection looked like a whole answer"
    assert wire.server.outcome() is True
    # whichever end hears of it first
    reasons = [s.wait_log("stream closed")["reason"] for s in (wire.source, wire.target)]
    assert reasons in (
        ["removed", "not-authorised"],
        ["removed", "peer-reset"],
        ["peer-reset", "not-authorised"],
    )
    for sidecar in (wire.source, wire.target):
        sidecar.wait_streams(0)
    fleet.wait_gone(connection)


def test_removal_cuts_a_stream_that_is_busy_both_ways(lab, fleet):
    wire = Wire(lab, fleet)
    connection = wire.connect()
    with connect(wire.port) as client:

        def send():
            try:
                while True:
                    client.sendall(bytes(1 << 16))
            except (ConnectionResetError, BrokenPipeError) as error:
                cut.append(error)  # the kernel tells of a reset once: here, or to the reader

        cut = []
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        read_exactly(client, 4 << 20)
        fleet.remove(connection)
        at_the_reader = ends_in_reset(client)
        sender.join(20)
        assert not sender.is_alive()
        assert at_the_reader or isinstance(cut[0], ConnectionResetError)
    fleet.wait_gone(connection)
    wire.source.wait_streams(0)
    wire.target.wait_streams(0)


# Rule 5


def test_outbound_without_listen_opens_the_port_of_the_rule(lab, fleet):
    # on one machine, so the application has another address
    server = lab.serve(Echo, "127.0.0.2")
    fleet.replica("mysql", {"sql": server.address})
    source = fleet.replica("shop", outbounds={"db": None})
    fleet.wait_declared("shop", "mysql")
    assert source.outbound()["listen"] is None
    fleet.connect("shop", "db", "mysql", "sql")
    assert source.outbound()["listen"] == f"127.0.0.1:{server.port}"
    ask(server.port)


def test_application_at_another_port_than_the_rule_is_not_dialled(lab, fleet):
    server = lab.serve(Echo)
    fleet.registry.apply("mysql", {"sql": lab.port()})
    port = lab.port()
    fleet.replica("mysql", {"sql": server.address})
    fleet.replica("shop", outbounds={"db": port})
    fleet.wait_declared("shop", "mysql")
    row = fleet.registry.connect().good(202)
    state = fleet.wait_state(row["id"], "FAILED", "interface-withdrawn")
    assert "port" in state["detail"]
    assert not answers(port), "bytes went to a port that the rule does not name"


def test_port_of_a_rule_that_changes_is_gone_by_at_both_ends(lab, fleet):
    old, new = (lab.serve(Echo, "127.0.0.2") for _ in range(2))
    fleet.registry.apply("mysql", {"sql": old.port})
    settings = fleet.settings("mysql", {"sql": old.address})
    target = lab.sidecar("mysql", settings)
    fleet.replica("shop", outbounds={"db": None})
    connection = fleet.connect("shop", "db", "mysql", "sql")
    ask(old.port)
    fleet.registry.apply("mysql", {"sql": new.port}, status=200)
    fleet.wait_state(connection, "FAILED", "interface-withdrawn")
    assert not answers(old.port), "the socket is still at the port of the old rule"
    assert not answers(new.port), "the old port was dialled for the new rule"
    settings["inbounds"] = [{"name": "sql", "target": new.address}]
    target.reload(settings)
    fleet.wait_state(connection, "ESTABLISHED")
    ask(new.port)


# The target's own list


def test_target_refuses_a_source_that_goes_on_after_the_removal(lab, fleet):
    wire = Wire(lab, fleet)
    connection = wire.connect()
    raw = lab.add(RawSource(wire.target, wire.source))
    stream, answer = raw.ask()
    assert answer.status == 200
    raw.echo(stream)
    fleet.remove(connection)
    raw.wait(lambda: answer.reset is not None or answer.ended, "the stream is cut by the target")
    assert answer.reset is not None, "cut, and not finished"
    for method in ("CONNECT", "OPTIONS"):
        _, refused = raw.ask(method, end=method == "OPTIONS")
        assert (refused.status, refused.reason) == (403, "not-authorised")
    again = lab.add(RawSource(wire.target, wire.source))
    _, refused = again.ask()
    assert refused.status == 403
    fleet.wait_gone(connection)


def test_target_refuses_a_sidecar_that_writes_its_connections_itself(lab, fleet):
    wire = Wire(lab, fleet)
    connection = wire.connect()
    fleet.remove(connection)
    fleet.wait_gone(connection)
    reached = _reached(wire)  # by those who were let in, and by their probes
    port = lab.port()
    identity = identity_of(wire.source)
    pirate = lab.sidecar(
        "pirate",
        {
            "instance": "shop",
            "trust_domain": fleet.registry.trust_domain,
            "identity": identity.settings(),
            "outbounds": [{"name": "db", "listen": f"127.0.0.1:{port}"}],
            "connections": [
                {
                    "outbound": "db",
                    "instance": "mysql",
                    "inbound": "sql",
                    "address": f"127.0.0.1:{tunnel_port(wire.target)}",
                }
            ],
        },
    )
    pirate.wait_status("FAILED", "not-authorised")
    assert not answers(port)
    assert _reached(wire) == reached, "the application was reached"


def _reached(wire):
    """How often the application was connected to; what is on its way may arrive before."""
    time.sleep(0.5 * SLOW)
    return wire.server.accepted


# Readiness


def _ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_required_outbound_holds_readiness(lab, fleet):
    metrics = lab.port()
    wire = Wire(lab, fleet, required=("db",), metrics=f"127.0.0.1:{metrics}")
    fleet.wait_declared("shop", "mysql")
    status, text = _ready(metrics)
    assert status == 503 and "db" in text
    connection = wire.connect()
    assert _ready(metrics)[0] == 200
    wire.target.kill()
    eventually(lambda: _ready(metrics)[0] == 503, what="not ready without the target")
    wire.target.start()
    eventually(lambda: _ready(metrics)[0] == 200, what="ready again")
    fleet.remove(connection)
    eventually(lambda: _ready(metrics)[0] == 503, what="not ready without the connection")


# Figures

SOURCES = 4
OUTBOUNDS = 50


def _percentiles(name, seconds):
    ordered = sorted(seconds)
    for percent in (50, 99):
        value = ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        figure(f"{name}, p{percent}, ms", f"{value * 1000:.1f}")


def _until_established(fleet, port, source, outbound):
    begin = time.monotonic()
    row = fleet.registry.connect(source, outbound, "mysql", "sql").good(202)
    begin = (begin + time.monotonic()) / 2
    fleet.wait_state(row["id"], "ESTABLISHED")
    seconds = time.monotonic() - begin
    ask(port)
    return row["id"], seconds


def _until_refused(fleet, port, connection):
    with connect(port) as client:
        exchange(client)
        fleet.remove(connection)
        begin = time.monotonic()
        assert ends_in_reset(client)
        eventually(lambda: not answers(port), pause=0, what="nothing is let through")
        return time.monotonic() - begin


@pytest.mark.alone
@pytest.mark.limit(180)
def test_how_long_connecting_and_disconnecting_take(lab, fleet):
    server = lab.serve(Echo)
    fleet.replica("mysql", {"sql": server.address})
    ports = {f"shop-{i}": {f"db-{k}": lab.port() for k in range(OUTBOUNDS)} for i in range(SOURCES)}
    for source, outbounds in ports.items():
        fleet.replica(source, outbounds=outbounds)
    fleet.wait_declared("mysql", *ports)
    places = [(s, o, port) for s, outbounds in ports.items() for o, port in outbounds.items()]
    made = [_until_established(fleet, port, source, name) for source, name, port in places]
    cut = [
        _until_refused(fleet, port, connection)
        for (_, _, port), (connection, _) in zip(places, made)
    ]
    for connection, _ in made:
        fleet.wait_gone(connection)
    _percentiles("from accepted to ESTABLISHED, 200 one after the other", [s for _, s in made])
    _percentiles("from removal to the last byte refused, 200 one after the other", cut)


class _Established(threading.Thread):
    """Notes when each of `count` connections is first told to be ESTABLISHED."""

    def __init__(self, events, count):
        super().__init__(daemon=True)
        self._events = events
        self._count = count
        self._seen = {}
        self.start()

    def run(self):
        while len(self._seen) < self._count and (event := self._events.next(check=False)):
            if event.name == "connection" and event.data["status"] == "ESTABLISHED":
                self._seen.setdefault(event.data["id"], time.monotonic())

    def wait(self):
        self.join(60 * SLOW)
        assert len(self._seen) == self._count
        return self._seen


@pytest.mark.alone
@pytest.mark.limit(180)
def test_how_long_connecting_all_at_once_takes(lab, fleet):
    server = lab.serve(Echo)
    fleet.replica("mysql", {"sql": server.address})
    outbounds = {f"db-{k}": lab.port() for k in range(SOURCES * OUTBOUNDS)}
    fleet.replica("shop", outbounds=outbounds)
    fleet.wait_declared("mysql", "shop")
    listener = _Established(fleet.registry.events(), len(outbounds))
    accepted = {}
    for name in outbounds:
        row = fleet.registry.connect("shop", name, "mysql", "sql").good(202)
        accepted[row["id"]] = time.monotonic()
    established = listener.wait()
    for port in outbounds.values():
        ask(port)
    _percentiles(
        "from accepted to ESTABLISHED, 200 at once",
        [established[row] - accepted[row] for row in accepted],
    )
