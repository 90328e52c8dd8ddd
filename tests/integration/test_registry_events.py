"""What happens, told as it happens: server-sent events, and going on after a break."""

import contextlib
import http.client
import json

import pytest

from support.environment import SANITIZED
from support.registry import ask, descriptor, replica_id
from support.servers import Echo
from support.sockets import connect, read_exactly
from support.wait import eventually


@pytest.fixture(name="registry")
def _registry(lab):
    registry = lab.registry()
    registry.apply_pair()
    return registry


def test_a_fresh_stream_begins_with_reset(registry):
    events = registry.events()
    assert events.type == "text/event-stream"
    first = events.next()
    assert first.name == "reset"
    assert first.data == {"revision": registry.get("/v1/instances").good()["revision"]}


def test_every_change_is_told(registry):
    events = registry.events()
    events.next()
    connection = registry.connect().good(202)["id"]
    told = events.wait_for("connection")
    assert told.data["id"] == connection and told.data["status"] == "WAITING"
    shown = events.wait_for("instance", lambda data: data["name"] == "shop")
    assert shown.data["outbounds"][0]["connection"] == connection
    shown = events.wait_for("instance", lambda data: data["name"] == "mysql")
    assert shown.data["inbounds"][0]["connections"] == 1
    assert events.wait_for("connection").data["status"] == "FAILED"
    registry.delete(f"/v1/connections/{connection}").good(202)
    assert events.wait_for("connection").data["status"] == "TERMINATED"
    assert events.wait_for("connection-removed").data == {"id": connection}
    shown = events.wait_for("instance", lambda data: data["name"] == "shop")
    assert shown.data["outbounds"][0]["connection"] is None
    registry.delete("/v1/instances/mysql").good(202)
    assert events.wait_for("instance", lambda data: data["removing"]).data["name"] == "mysql"
    assert events.wait_for("instance-removed").data == {"name": "mysql"}


def test_a_descriptor_that_changes_what_is_connected_is_told_with_the_connection(registry):
    registry.connect().good(202)
    events = registry.events()
    events.next()
    registry.apply("shop", outbounds={"db": True}, status=200)
    assert events.wait_for("connection", lambda data: data["outbound_required"])
    registry.apply("mysql", {"sql": 3307}, status=200)
    assert events.wait_for("connection", lambda data: data["port"] == 3307)


def test_what_a_replica_says_of_itself_is_told(registry):
    identity = registry.join("shop")
    replica = replica_id()
    watch = registry.watch(identity, replica)  # so that it stays live
    assert watch.next()["type"] == "snapshot"
    events = registry.events()
    said = {"advertise": "127.0.0.1:15008", "version": "7"}
    for ends in ("2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"):
        said["certificate"] = {"serial": "1", "not_after": ends}
        registry.report(identity, replica, **said).good()
        told = events.wait_for(
            "instance",
            lambda data, ends=ends: data["replicas"]
            and data["replicas"][0]["certificate_not_after"] == ends,
        )
        assert told.data["replicas"][0]["address"] == "127.0.0.1:15008"
        assert told.data["replicas"][0]["version"] == "7"


def test_traffic_is_told_to_who_asks_for_it(lab):
    fleet = lab.fleet()
    echo = lab.add(Echo(lab.port()))
    port = lab.port()
    fleet.replica("mysql", inbounds={"sql": echo.address})
    fleet.replica("shop", outbounds={"db": port})
    connection = fleet.connect("shop", "db", "mysql", "sql")
    silent = fleet.registry.events()
    events = fleet.registry.events(path="/v1/events?traffic=true")
    last_id = events.next().id
    with connect(port) as application:
        application.sendall(bytes(5000))
        read_exactly(application, 5000)
        told = events.wait_for("traffic", lambda data: data["sent"] == data["received"] == 5000)
        assert told.data == {"id": connection, "streams": 1, "sent": 5000, "received": 5000}
        assert told.id is None
        shown = fleet.registry.connection(connection)
        assert told.data.items() <= shown.items()
        application.sendall(bytes(1000))
        read_exactly(application, 1000)
        events.wait_for("traffic", lambda data: data["sent"] == 6000)
    events.wait_for("traffic", lambda data: data["streams"] == 0)

    # It is not kept, and nobody else has heard of it.
    fleet.remove(connection)
    assert fleet.registry.events(last_id).next().name == "connection"
    assert [silent.next().name, silent.next().name] == ["reset", "connection"]


def test_what_is_told_is_what_is_shown(registry):
    events = registry.events()
    events.next()
    connection = registry.connect().good(202)["id"]
    told = events.wait_for("connection", lambda data: data["status"] == "FAILED")
    assert told.data == registry.connection(connection)


def test_a_listener_that_was_away_misses_nothing(registry):
    events = registry.events()
    events.next()
    registry.apply("blog", outbounds={"db": False})
    last = events.wait_for("instance", lambda data: data["name"] == "blog").id
    events.close()
    for number in range(10):
        registry.apply(f"more-{number}")
    again = registry.events(last_id=last)
    assert [again.next().data["name"] for _ in range(10)] == [f"more-{n}" for n in range(10)]
    assert again.seen[0].name == "instance"
    registry.apply("afterwards")
    assert again.next().data["name"] == "afterwards"


def test_a_listener_that_has_seen_everything_hears_nothing_twice(registry):
    events = registry.events()
    last = events.next().id
    again = registry.events(last_id=last)
    registry.apply("blog")
    assert again.next().data["name"] == "blog"


def test_ids_grow_by_one(registry):
    events = registry.events()
    events.next()
    for number in range(5):
        registry.apply(f"more-{number}")
    ids = [events.next().id for _ in range(5)]
    boots, numbers = zip(*(one.split("-") for one in ids))
    assert len(set(boots)) == 1
    numbers = list(map(int, numbers))
    assert numbers == list(range(numbers[0], numbers[0] + 5))


@pytest.mark.parametrize(
    "last_id",
    [
        "",
        "x",
        "-",
        "00000000-1",
        "zzzzzzzz-1",
        "1",
        "{boot}-99999",
        "{boot}-",
        "{boot}-1x",
        "{boot}--1",
        "{boot}-99999999999999999999",
        "{boot}-18446744073709551615",
    ],
)
def test_an_id_that_cannot_be_gone_on_from_begins_anew(registry, last_id):
    events = registry.events()
    boot = events.next().id.split("-")[0]
    again = registry.events(last_id=last_id.format(boot=boot))
    assert again.next().name == "reset"


def test_an_id_that_is_too_old_begins_anew(registry):
    events = registry.events()
    first = events.next().id
    events.close()
    connection = registry.plain.connect()
    headers = {"Authorization": f"Bearer {registry.token()}"}
    for number in range(4200):
        connection.request("PUT", f"/v1/instances/more-{number % 7}", b"{}", headers)
        connection.getresponse().read()
    assert registry.events(last_id=first).next().name == "reset"


def test_after_a_restart_a_listener_begins_anew(registry):
    events = registry.events()
    last = events.next().id
    registry.restart()
    assert events.next() is None
    assert registry.events(last_id=last).next().name == "reset"


def test_a_stream_ends_when_the_registry_stops(registry):
    events = registry.events()
    events.next()
    registry.stop()
    assert events.next() is None


def test_listeners_are_limited_and_one_that_goes_makes_room(registry):
    listeners = [registry.events() for _ in range(256)]
    problem = registry.get("/v1/events").refused(503, "too-many-listeners")
    assert problem["next"] == "try again later"
    listeners.pop().close()
    eventually(lambda: _is_heard(registry), what="there is room again")
    registry.apply("blog")
    for listener in listeners[::50]:
        listener.wait_for("instance", lambda data: data["name"] == "blog")


def _is_heard(registry):
    connection = registry.plain.connect()
    try:
        connection.request(
            "GET", "/v1/events", headers={"Authorization": f"Bearer {registry.token()}"}
        )
        return connection.getresponse().status == 200
    finally:
        connection.close()


@pytest.mark.limit(120)
def test_a_listener_that_does_not_read_is_cut_and_nobody_waits_for_it(registry):
    deaf = registry.events()
    deaf.next()
    heard = registry.events()
    heard.next()
    interfaces = {f"inbound-{number}": number + 1 for number in range(900)}
    body = json.dumps(descriptor(interfaces)).encode()
    writer = registry.plain.connect()
    headers = {"Authorization": f"Bearer {registry.token()}"}
    for _ in range(150):
        assert ask(writer, "PUT", "/v1/instances/large", headers, body).status in (200, 201)
        assert heard.next(check=False)
    assert _count_to_the_end(deaf) < 150
    assert SANITIZED or registry.memory() < 100 << 20


def _count_to_the_end(events):
    """How many more come before the stream ends, in order or not."""
    count = 0
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while events.next(check=False):
            count += 1
    return count
