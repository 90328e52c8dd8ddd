"""The rules of connecting, as the registry's API holds them: each is refused with its own code and a
sentence that says what to do next.

    shop (outbound db)      mysql (inbound sql)         no sidecar runs: the rules need none
"""

import pytest

from support.wait import eventually


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.registry()


def _gone(registry, connection):
    path = f"/v1/connections/{connection}"
    eventually(lambda: registry.get(path).status == 404, what=f"{connection} is gone")


def _names(interface):
    return interface["instance"], interface["name"]


# Rule 1: only outbound -> inbound


def test_an_inbound_is_no_source(registry):
    registry.apply_pair()
    registry.apply("redis", {"store": 6379})
    problem = registry.connect("mysql", "sql", "redis", "store").refused(409, "not-outbound")
    assert problem["detail"] == (
        "sql of mysql is an inbound, and a connection goes from an outbound to an inbound; "
        "the outbounds of mysql are: none"
    )


def test_an_outbound_is_no_target(registry):
    registry.apply_pair()
    registry.apply("blog", outbounds={"store": False})
    problem = registry.connect("shop", "db", "blog", "store").refused(409, "not-inbound")
    assert problem["detail"] == (
        "store of blog is an outbound, and a connection goes from an outbound to an inbound; "
        "the inbounds of blog are: none"
    )


def test_the_wrong_way_round_is_told_the_right_one(registry):
    registry.apply_pair()
    problem = registry.connect("mysql", "sql", "shop", "db").refused(409, "not-outbound")
    assert problem["detail"].endswith("it would do: appnet add shop db mysql sql")


# Rule 2: never to itself


def test_an_instance_is_not_connected_to_itself(registry):
    registry.apply("shop", {"http": 80}, {"db": False})
    problem = registry.connect("shop", "db", "shop", "http").refused(409, "same-instance")
    assert problem["detail"].startswith("shop cannot be connected to itself")
    assert not registry.connections()


# Rule 3: one outbound, one connection


def test_an_outbound_has_one_connection(registry):
    registry.apply_pair()
    registry.apply("redis", {"store": 6379})
    first = registry.connect().good(202)
    problem = registry.connect("shop", "db", "redis", "store").refused(409, "outbound-taken")
    assert "appnet remove shop db mysql sql" in problem["detail"]
    assert [row["id"] for row in registry.connections()] == [first["id"]]


def test_the_same_connection_twice_is_told_as_that(registry):
    registry.apply_pair()
    registry.connect().good(202)
    problem = registry.connect().refused(409, "outbound-taken")
    assert problem["detail"] == "outbound db of shop is connected to sql of mysql already"


def test_an_outbound_is_free_again_after_its_connection_is_gone(registry):
    registry.apply_pair()
    first = registry.connect().good(202)["id"]
    registry.delete(f"/v1/connections/{first}").good(202)
    _gone(registry, first)
    second = registry.connect().good(202)["id"]
    assert second != first


# Rule 4: one inbound, many outbounds


def test_an_inbound_takes_many_outbounds(registry):
    registry.apply("mysql", {"sql": 3306})
    for number in range(20):
        registry.apply(f"shop-{number}", outbounds={"db": False, "log": False})
        registry.connect(f"shop-{number}", "db").good(202)
        registry.connect(f"shop-{number}", "log").good(202)
    assert len(registry.connections()) == 40
    assert registry.instance("mysql")["inbounds"] == [
        {"name": "sql", "port": 3306, "connections": 40}
    ]


# Rule 5: the target port of the inbound's rule


def test_the_port_is_that_of_the_inbounds_rule(registry):
    registry.apply_pair()
    assert registry.connect().good(202)["port"] == 3306
    assert registry.instance("shop")["outbounds"][0]["port"] == 3306


# Rule 6: a required outbound is disconnected after a confirmation


def test_a_required_outbound_is_disconnected_only_when_confirmed(registry):
    registry.apply_pair(required=True)
    path = f"/v1/connections/{registry.connect().good(202)['id']}"
    for query in ("", "?confirm_required=false", "?confirm_required=", "?force=true"):
        problem = registry.delete(path + query).refused(409, "confirmation-required")
        assert problem["detail"].startswith("outbound db is required: shop does not work")
        assert "appnet remove shop db mysql sql --force" in problem["detail"]
    assert registry.get(path).good()["status"] != "TERMINATED"
    answer = registry.delete(path + "?confirm_required=true").good(202)
    assert answer["status"] == "TERMINATED"


def test_another_outbound_is_disconnected_without_a_confirmation(registry):
    registry.apply_pair()
    path = f"/v1/connections/{registry.connect().good(202)['id']}"
    assert registry.delete(path).good(202)["status"] == "TERMINATED"


# Rule 7: an instance with inbound connections is removed after a confirmation


def test_an_instance_with_inbound_connections_is_removed_only_when_confirmed(registry):
    registry.apply_pair()
    connection = registry.connect().good(202)["id"]
    for query in ("", "?force=false", "?confirm_required=true"):
        problem = registry.delete("/v1/instances/mysql" + query).refused(
            409, "confirmation-required"
        )
        assert problem["detail"].startswith("1 outbound of other instances is connected to mysql")
        assert "appnet instance remove mysql --force" in problem["detail"]
    removed = registry.delete("/v1/instances/mysql?force=true").good(202)
    assert removed == {"name": "mysql", "connections": [connection]}
    _gone(registry, connection)
    eventually(lambda: registry.get("/v1/instances/mysql").status == 404, what="mysql is gone, too")
    assert registry.instance("shop")["outbounds"][0]["connection"] is None


def test_required_outbounds_are_counted_before_their_instance_is_removed(registry):
    registry.apply_pair(required=True)
    registry.connect().good(202)
    problem = registry.delete("/v1/instances/mysql").refused(409, "confirmation-required")
    assert "1 of them required" in problem["detail"]


def test_an_instance_with_outbound_connections_is_removed_with_them(registry):
    registry.apply_pair(required=True)
    connection = registry.connect().good(202)["id"]
    assert registry.delete("/v1/instances/shop").good(202)["connections"] == [connection]
    _gone(registry, connection)
    eventually(lambda: registry.get("/v1/instances/shop").status == 404, what="shop is gone")
    assert registry.instance("mysql")["inbounds"][0]["connections"] == 0


def test_nothing_is_connected_to_an_instance_that_is_being_removed(registry):
    registry.apply_pair()
    registry.apply("blog", outbounds={"db": False})
    # a replica that lets go of nothing keeps the instance in that state, until its lease is over
    shop = registry.join("shop")
    registry.report(shop, "a" * 16).good()
    registry.connect().good(202)
    registry.delete("/v1/instances/mysql?force=true").good(202)
    assert registry.instance("mysql")["removing"]
    for source in ("blog", "shop"):
        problem = registry.connect(source).refused(409, "already-removing")
        assert problem["detail"] == "instance mysql is being removed: wait until it is gone"
    registry.delete("/v1/instances/mysql?force=true").refused(409, "already-removing")
    registry.put("/v1/instances/mysql", {}).refused(409, "already-removing")
    free = registry.get("/v1/interfaces/inbound/available").good()["inbounds"]
    assert not free


# Rule 8: accepted, visible at once, and it converges


def test_a_connection_is_visible_at_once_and_fails_with_a_reason(registry):
    registry.apply_pair()
    answer = registry.connect()
    accepted = answer.good(202)
    assert accepted["status"] == "WAITING"
    assert answer.headers["location"] == f"/v1/connections/{accepted['id']}"
    assert registry.connections()[0]["id"] == accepted["id"]
    failed = eventually(
        lambda: (now := registry.connection(accepted["id"]))["status"] == "FAILED" and now,
        what="it is FAILED",
    )
    assert failed["reason"] == "no-replica"
    assert "shop" in failed["detail"] and "mysql" in failed["detail"]


def test_a_removal_is_visible_at_once_and_cannot_be_asked_for_twice(registry):
    registry.apply_pair()
    # a replica that does not say that it let go keeps the row, until its lease is over
    shop = registry.join("shop")
    registry.report(shop, "a" * 16).good()
    path = f"/v1/connections/{registry.connect().good(202)['id']}"
    registry.delete(path).good(202)
    assert registry.get(path).good()["status"] == "TERMINATED"
    problem = registry.delete(path).refused(409, "already-removing")
    assert "wait until it is gone" in problem["detail"]
    problem = registry.connect().refused(409, "outbound-taken")
    assert "still being disconnected" in problem["detail"]


def test_a_replica_that_never_lets_go_holds_a_removal_up_for_its_lease_only(lab):
    registry = lab.registry(lease=3)
    registry.apply_pair()
    registry.report(registry.join("shop"), "a" * 16).good()
    connection = registry.connect().good(202)["id"]
    registry.delete(f"/v1/connections/{connection}").good(202)
    _gone(registry, connection)


# What is not there


@pytest.mark.parametrize(
    "names, code",
    [
        (("nobody", "db", "mysql", "sql"), "instance-unknown"),
        (("shop", "db", "nobody", "sql"), "instance-unknown"),
        (("shop", "nothing", "mysql", "sql"), "interface-unknown"),
        (("shop", "db", "mysql", "nothing"), "interface-unknown"),
    ],
)
def test_what_is_unknown_is_named(registry, names, code):
    registry.apply_pair()
    problem = registry.connect(*names).refused(404, code)
    assert next(name for name in names if name.startswith("no")) in problem["detail"]
    if code == "interface-unknown":
        assert "are: db" in problem["detail"] or "are: sql" in problem["detail"]


def test_available_interfaces(registry):
    registry.apply("mysql", {"sql": 3306, "admin": 33060})
    registry.apply("shop", {"http": 80}, {"db": True, "log": False})
    inbounds = registry.get("/v1/interfaces/inbound/available").good()["inbounds"]
    outbounds = registry.get("/v1/interfaces/outbound/available").good()["outbounds"]
    assert sorted(inbounds, key=_names) == [
        {"instance": "mysql", "name": "admin", "port": 33060},
        {"instance": "mysql", "name": "sql", "port": 3306},
        {"instance": "shop", "name": "http", "port": 80},
    ]
    assert sorted(outbounds, key=_names) == [
        {"instance": "shop", "name": "db", "required": True, "port": None},
        {"instance": "shop", "name": "log", "required": False, "port": None},
    ]


def test_a_connected_outbound_is_not_available_but_its_inbound_still_is(registry):
    registry.apply_pair()
    connection = registry.connect().good(202)["id"]
    assert registry.get("/v1/interfaces/outbound/available").good()["outbounds"] == []
    assert len(registry.get("/v1/interfaces/inbound/available").good()["inbounds"]) == 1
    registry.delete(f"/v1/connections/{connection}").good(202)
    _gone(registry, connection)
    assert len(registry.get("/v1/interfaces/outbound/available").good()["outbounds"]) == 1


def test_a_connection_has_all_its_fields(registry):
    registry.apply_pair(required=True)
    accepted = registry.connect().good(202)
    assert accepted.pop("id").startswith("c-")
    assert accepted.pop("created_at").endswith("Z")
    assert accepted == {
        "source_instance": "shop",
        "outbound": "db",
        "outbound_required": True,
        "target_instance": "mysql",
        "inbound": "sql",
        "port": 3306,
        "status": "WAITING",
        "reason": None,
        "detail": None,
        "streams": 0,
        "sent": 0,
        "received": 0,
        "replicas": [],
    }


def test_the_revision_grows_with_each_change(registry):
    before = registry.get("/v1/connections").good()["revision"]
    registry.apply_pair()
    between = registry.get("/v1/instances").good()["revision"]
    registry.connect().good(202)
    after = registry.get("/v1/connections").good()["revision"]
    assert before < between < after
