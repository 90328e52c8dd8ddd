"""What sidecars are told, and what becomes of what they report.

    shop (outbound db)      mysql (inbound sql)         curl stands for their sidecars
"""

import contextlib
import threading

import pytest

from support.curl import CurlError
from support.registry import descriptor, replica_id
from support.wait import eventually


class Replica:
    """As much of a sidecar as the registry sees: it reports each revision that it is told."""

    def __init__(self, registry, identity, **offers):
        self.id = replica_id()
        self.registry = registry
        self.identity = identity
        self.offers = offers
        self.watch = registry.watch(identity, self.id)

    def report(self, revision=None, **fields):
        if revision is None:
            revision = self.watch.seen[-1]["revision"] if self.watch.seen else 0
        fields = {**self.offers, "revision": revision, **fields}
        return self.registry.report(self.identity, self.id, **fields).good()

    def follow(self):
        """Reports each line as it comes, until the watch ends."""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        with contextlib.suppress(CurlError):  # the registry may end first
            while line := self.watch.next(60):
                if line["type"] != "alive":
                    self.report(line["revision"])

    def next(self):
        """The next line that says something, and is reported."""
        line = self.watch.wait_for(lambda line: line["type"] != "alive")
        self.report(line["revision"])
        return line


@pytest.fixture(name="registry")
def _registry(lab):
    registry = lab.registry(lease=120)  # some report once, and no test outlasts it
    registry.apply_pair()
    return registry


@pytest.fixture(name="shop")
def _shop(registry):
    return Replica(
        registry, registry.join("shop"), outbounds=[{"name": "db", "required": False, "port": None}]
    )


@pytest.fixture(name="mysql")
def _mysql(registry):
    return Replica(
        registry,
        registry.join("mysql"),
        inbounds=[{"name": "sql", "port": 3306}],
        advertise="10.0.0.7:15008",
    )


def _wait_status(registry, connection, status, reason=None):
    def reached():
        seen = registry.connection(connection)
        return seen["status"] == status and seen["reason"] == reason and seen

    return eventually(reached, what=lambda: f"{status}: {registry.connection(connection)}")


def _wait_outbounds(registry, instance, *names):
    eventually(
        lambda: [one["name"] for one in registry.instance(instance)["outbounds"]] == list(names),
        what=lambda: f"{names}: {registry.instance(instance)}",
    )


def test_both_ends_are_told_of_a_connection_and_of_its_end(registry, shop, mysql):
    assert shop.next()["connections"] == [] == mysql.next()["connections"]
    connection = registry.connect().good(202)["id"]
    assert shop.next()["put"] == [
        {
            "id": connection,
            "role": "source",
            "outbound": "db",
            "instance": "mysql",
            "inbound": "sql",
            "port": 3306,
            "addresses": ["10.0.0.7:15008"],
        }
    ]
    assert mysql.next()["put"] == [
        {
            "id": connection,
            "role": "target",
            "inbound": "sql",
            "instance": "shop",
            "outbound": "db",
            "port": 3306,
        }
    ]
    registry.delete(f"/v1/connections/{connection}").good(202)
    assert shop.next()["remove"] == [connection]
    assert registry.connection(connection)["status"] == "TERMINATED"
    assert mysql.next()["remove"] == [connection]
    eventually(lambda: not registry.connections(), what="it is gone: both have let go")


def test_a_source_is_told_where_its_target_is_now(registry, shop, mysql):
    registry.connect().good(202)
    mysql.next()
    shop.watch.wait_for(
        lambda line: [one["addresses"] for one in line.get("put", line.get("connections", []))]
        == [["10.0.0.7:15008"]]
    )
    mysql.report(advertise="10.0.0.8:15008")
    assert shop.next()["put"][0]["addresses"] == ["10.0.0.8:15008"]


def test_a_source_is_told_of_another_port(registry, shop, mysql):
    shop.next()
    mysql.next()
    connection = registry.connect().good(202)["id"]
    assert shop.next()["put"][0]["port"] == 3306
    registry.apply("mysql", {"sql": 3307}, status=200)
    assert shop.next()["put"][0]["port"] == 3307
    assert registry.connection(connection)["port"] == 3307


def test_a_watch_goes_on_where_it_was(registry, shop):
    first = shop.next()
    again = registry.watch(shop.identity, shop.id, view=first["view"])
    assert shop.watch.ends() == []
    assert again.next() == {
        "type": "resume",
        "revision": first["revision"],
        "view": first["view"],
        "lease": first["lease"],
    }
    registry.connect().good(202)
    put = again.next()
    assert put["type"] == "change" and len(put["put"]) == 1
    stale = registry.watch(shop.identity, shop.id, view=first["view"])
    snapshot = stale.next()
    assert snapshot["type"] == "snapshot" and snapshot["connections"] == put["put"]
    assert snapshot["view"] == put["view"]


def test_a_watch_is_kept_alive(lab):
    registry = lab.registry(lease=3)
    registry.apply("shop", outbounds={"db": False})
    watch = registry.watch(registry.join("shop"), replica_id())
    assert [watch.next()["type"] for _ in range(3)] == ["snapshot", "alive", "alive"]
    assert watch.seen[0]["lease"] == 3


def test_established_is_what_every_live_source_reports(registry, shop, mysql):
    connection = registry.connect().good(202)["id"]
    shop.next()
    mysql.next()
    established = {"id": connection, "role": "source", "status": "ESTABLISHED"}
    shop.report(connections=[{**established, "streams": 2, "sent": 10, "received": 20}])
    seen = _wait_status(registry, connection, "ESTABLISHED")
    assert (seen["streams"], seen["sent"], seen["received"]) == (2, 10, 20)
    second = Replica(registry, shop.identity, **shop.offers)
    second.next()
    assert registry.connection(connection)["status"] != "ESTABLISHED"
    second.report(
        connections=[
            {
                "id": connection,
                "role": "source",
                "status": "FAILED",
                "reason": "unreachable",
                "detail": "nobody answers",
            }
        ]
    )
    seen = _wait_status(registry, connection, "FAILED", "unreachable")
    assert seen["detail"] == f"replica {second.id} of shop: nobody answers"
    second.report(connections=[{**established, "streams": 1, "sent": 1, "received": 1}])
    seen = _wait_status(registry, connection, "ESTABLISHED")
    assert (seen["streams"], seen["sent"], seen["received"]) == (3, 11, 21)
    assert {one["replica"] for one in seen["replicas"]} == {shop.id, second.id}


def test_a_target_without_the_inbound_is_told_of(registry, shop, mysql):
    connection = registry.connect().good(202)["id"]
    shop.next()
    mysql.next()
    mysql.report(inbounds=[])
    shop.report(
        connections=[
            {
                "id": connection,
                "role": "source",
                "status": "FAILED",
                "reason": "target-refused",
                "detail": "no",
            }
        ]
    )
    seen = _wait_status(registry, connection, "FAILED", "interface-withdrawn")
    assert "no replica of mysql offers inbound sql" in seen["detail"]


def test_a_source_without_the_outbound_is_told_of(registry, shop, mysql):
    connection = registry.connect().good(202)["id"]
    shop.next()
    mysql.next()
    shop.report(outbounds=[])
    seen = _wait_status(registry, connection, "FAILED", "interface-withdrawn")
    assert "its sidecar has no outbound db" in seen["detail"]


def test_a_replica_declares_the_interfaces_of_an_instance_without_a_descriptor(registry):
    blog = Replica(
        registry,
        registry.join("blog"),
        inbounds=[{"name": "http", "port": 8080}],
        outbounds=[{"name": "store", "required": True, "port": 6379}],
    )
    blog.next()
    instance = eventually(
        lambda: (now := registry.instance("blog"))["inbounds"] and now, what="blog has interfaces"
    )
    assert not instance["applied"]
    assert instance["inbounds"] == [{"name": "http", "port": 8080, "connections": 0}]
    assert instance["outbounds"] == [
        {"name": "store", "required": True, "port": 6379, "connection": None}
    ]
    assert instance["replicas"][0]["id"] == blog.id and instance["replicas"][0]["live"]
    blog.report(inbounds=[{"name": "http", "port": 8081}])
    eventually(
        lambda: registry.instance("blog")["inbounds"][0]["port"] == 8081, what="it has moved"
    )


def test_a_connected_outbound_that_is_renamed_stays_until_it_is_disconnected(registry, mysql):
    mysql.next()
    blog = Replica(registry, registry.join("blog"), outbounds=[{"name": "old"}])
    blog.next()
    _wait_outbounds(registry, "blog", "old")
    connection = registry.connect("blog", "old").good(202)["id"]
    blog.next()
    blog.report(outbounds=[{"name": "new"}])
    _wait_outbounds(registry, "blog", "new", "old")
    _wait_status(registry, connection, "FAILED", "interface-withdrawn")
    registry.delete(f"/v1/connections/{connection}").good(202)
    mysql.follow()
    blog.offers = {"outbounds": [{"name": "new"}]}
    blog.follow()
    eventually(lambda: not registry.connections(), what="the connection is gone")
    blog.report()
    _wait_outbounds(registry, "blog", "new")


def test_while_two_versions_run_the_newer_ones_interfaces_are_shown(registry):
    identity = registry.join("blog")
    old = Replica(registry, identity, inbounds=[{"name": "http", "port": 80}])
    old.next()
    new = Replica(registry, identity, inbounds=[{"name": "http", "port": 8080}])
    new.next()

    def port():
        return registry.instance("blog")["inbounds"][0]["port"]

    eventually(lambda: port() == 8080, what="the new one's port")
    revision = registry.instance("blog")["revision"]
    for _ in range(3):
        old.report()
        new.report()
    assert (port(), registry.instance("blog")["revision"]) == (8080, revision)
    new.watch.kill()
    eventually(
        lambda: [one["live"] for one in registry.instance("blog")["replicas"]] == [True, False],
        what="the new one is away",
    )
    old.report()
    eventually(lambda: port() == 80, what="the old one's port again")


def test_a_descriptor_is_not_changed_by_what_a_replica_declares(registry, mysql):
    mysql.next()
    mysql.report(inbounds=[{"name": "other", "port": 1}])
    assert [one["name"] for one in registry.instance("mysql")["inbounds"]] == ["sql"]


def test_a_replica_that_is_silent_for_its_lease_is_gone(lab):
    registry = lab.registry(lease=3)
    registry.apply("shop", outbounds={"db": False})
    shop = Replica(registry, registry.join("shop"))
    shop.next()
    assert registry.instance("shop")["replicas"][0]["live"]
    shop.watch.kill()
    eventually(
        lambda: not any(one["live"] for one in registry.instance("shop")["replicas"]),
        what="it is away",
    )
    eventually(lambda: not registry.instance("shop")["replicas"], what="it is gone")


@pytest.mark.parametrize("store", ["mem:", "sqlite:appnet.db"])
@pytest.mark.limit(120)
def test_a_connection_that_comes_and_goes_in_one_moment_does_not_stay(lab, store):
    """Its removal waits for replicas that were never told of it."""
    registry = lab.registry(store=store)
    registry.apply("shop", outbounds={"db": False})
    shop = Replica(
        registry, registry.join("shop"), outbounds=[{"name": "db", "required": False, "port": None}]
    )
    shop.follow()
    add, remove = registry.plain.connect(), registry.plain.connect()
    headers = {"Authorization": f"Bearer {registry.token()}"}
    body = b'{"source_instance":"shop","outbound":"db","target_instance":"mysql","inbound":"sql"}'
    for _ in range(20):
        registry.put("/v1/instances/mysql", descriptor({"sql": 3306})).good(201)
        add.request("POST", "/v1/connections", body, headers)
        remove.request("DELETE", "/v1/instances/mysql?force=true", headers=headers)
        for connection in (add, remove):
            connection.getresponse().read()
        eventually(
            lambda: registry.get("/v1/instances/mysql").status == 404
            and not registry.connections(),
            what="the instance and its connection are gone",
        )
