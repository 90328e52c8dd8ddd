"""Sidecars that have a registry: they join, are connected and disconnected while they run, and go
on without it.

    client -> shop (outbound db) --tunnel--> mysql (inbound sql), one or more replicas -> echo
                 \\____________ registry ____________/
"""

import json
import re
import signal
import time

import pytest

from support.servers import Echo, Scripted
from support.sockets import (
    answers,
    ask,
    connect,
    ends_in_reset,
    exchange,
    is_reset_at,
    refuses,
)
from support.wait import eventually


class Members:
    """A registry, and sidecars that join it."""

    def __init__(self, lab, **options):
        self.lab = lab
        self.registry = lab.registry(lease=3, **options)
        self._count = 0

    def join(self, instance, outbounds=(), inbounds=(), *, token=True, ready=True, **more):
        """A replica: outbounds are settings, inbounds {name: port}."""
        self._count += 1
        name = f"{instance}-{self._count}"
        settings = {
            "instance": instance,
            "trust_domain": self.registry.trust_domain,
            "state_dir": str(self.lab.folder / f"{name}-state"),
            "drain_timeout": 2,
            "tunnel": {"workers": 2},
            "registry": {"address": self.registry.address},
            "outbounds": list(outbounds),
            "inbounds": [
                {"name": inbound, "target": f"127.0.0.1:{port}"}
                for inbound, port in dict(inbounds).items()
            ],
            **more,
        }
        if inbounds:
            settings["tunnel"]["listen"] = f"127.0.0.1:{self.lab.port()}"
        if token:
            settings["registry"]["join_token_file"] = str(self.token_file(name, instance))
        sidecar = self.lab.sidecar(name, settings)
        if ready and token:
            sidecar.wait_log("registry connected")
        return sidecar

    def token_file(self, name, instance, **options):
        path = self.lab.folder / f"{name}.token"
        path.touch(0o600)
        path.write_text(self.registry.join_token(instance, **options)["token"], encoding="ascii")
        return path

    def shop(self, **more):
        self.port = self.lab.port()
        plug = {"name": "db", "required": True, "listen": f"127.0.0.1:{self.port}"}
        return self.join("shop", [plug], **more)

    def connect(self):
        # the declarations come with the first reports
        eventually(self._both_are_known, what="the interfaces are declared")
        return self.registry.connect().good(202)["id"]

    def _both_are_known(self):
        known = {instance["name"]: instance for instance in self.registry.instances()}
        return (
            "shop" in known
            and known["shop"]["outbounds"]
            and "mysql" in known
            and known["mysql"]["inbounds"]
        )

    def wait_state(self, identity, status, reason=None, timeout=15.0):
        seen = {}

        def reached():
            seen.update(self.registry.connection(identity))
            return seen["status"] == status and (reason is None or seen["reason"] == reason)

        eventually(reached, timeout=timeout, what=lambda: f"it is {status} {reason}, it is {seen}")
        return seen


@pytest.fixture(name="members")
def _members(lab):
    return Members(lab)


def _established(members):
    """shop, mysql and their connection, which works."""
    mysql = members.join("mysql", inbounds={"sql": members.lab.serve(Echo).port})
    shop = members.shop()
    identity = members.connect()
    members.wait_state(identity, "ESTABLISHED")
    return shop, mysql, identity


# Ending


def test_sidecar_ends_just_when_its_target_is_lost(members):
    # what the workers see last comes when there is nobody left to report it
    shop, mysql, identity = _established(members)
    for _ in range(5):
        with connect(members.port) as client:
            exchange(client)
            since = shop.log.position()
            shop.signal(signal.SIGTERM)
            shop.wait_log("draining", since)
            shop.signal(signal.SIGSTOP)
            mysql.kill()
            shop.signal(signal.SIGTERM)
            shop.signal(signal.SIGCONT)
            shop.check_end(shop.wait())
        mysql.start()
        shop.start()
        members.wait_state(identity, "ESTABLISHED")


# Connecting


def test_connection_is_made_and_taken_back_while_they_run(lab, members):
    server = lab.serve(Scripted, ends_in_reset)
    members.join("mysql", inbounds={"sql": server.port})
    shop = members.shop()
    assert refuses(members.port)
    identity = members.connect()
    members.wait_state(identity, "ESTABLISHED")
    entry = shop.outbound()
    assert entry["connection"] == identity
    assert len(entry["addresses"]) == 1
    with connect(members.port) as client:
        client.sendall(b"x")
        eventually(lambda: members.registry.connection(identity)["streams"] == 1, what="it counts")
        answer = members.registry.delete(f"/v1/connections/{identity}?confirm_required=true")
        assert answer.status == 202
        assert ends_in_reset(client)
        assert server.outcome() is True
    eventually(lambda: refuses(members.port), what="the outbound is closed")
    eventually(lambda: not members.registry.connections(), what="the connection is gone")


def test_outbound_listens_at_the_port_of_its_target(lab, members):
    server = lab.serve(Echo)
    members.join("mysql", inbounds={"sql": server.port})
    # another address of this machine would be wrong: rule 5 says 127.0.0.1, where the server is
    shop = members.join("shop", [{"name": "db", "required": False}])
    identity = members.connect()
    members.wait_state(identity, "FAILED", "listen-conflict")
    assert shop.outbound()["listen"] == f"127.0.0.1:{server.port}"
    server.close()
    shop.wait_log("listening", kind="outbound", name="db")


def test_connection_of_an_interface_that_is_not_configured_has_failed(lab, members):
    members.registry.apply("shop", outbounds={"db": False})
    members.join("mysql", inbounds={"sql": lab.serve(Echo).port})
    members.join("shop")
    eventually(
        lambda: [i for i in members.registry.instances() if i["name"] == "mysql" and i["inbounds"]],
        what="mysql is declared",
    )
    identity = members.registry.connect().good(202)["id"]
    state = members.wait_state(identity, "FAILED", "interface-withdrawn")
    assert "db" in state["detail"]


def test_status_tells_of_the_registry(members):
    shop, _, _ = _established(members)
    registry = shop.status()["registry"]
    assert registry["address"] == members.registry.address
    assert registry["connected"] is True
    assert registry["revision"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", registry["last_contact"])
    assert registry["detail"] is None
    members.registry.stop()
    eventually(lambda: not shop.status()["registry"]["connected"], what="the loss is seen")
    assert shop.status()["registry"]["detail"]


# Several replicas


def _spread(port, replicas, count, least):
    """So many new connections, and the streams of each replica, which has `least` at the least. A
    worker leads streams to a replica once it has seen by itself that it works.
    """
    before = sum(replica.open_streams() for replica in replicas)
    seen = []

    def spread():
        clients = [connect(port) for _ in range(count)]
        for client in clients:
            exchange(client)
        seen[:] = [replica.open_streams() for replica in replicas]
        if min(seen) >= least:
            return clients, seen
        for client in clients:
            client.close()
        eventually(
            lambda: sum(replica.open_streams() for replica in replicas) == before,
            what="those that were not spread are gone",
        )
        return None

    return eventually(spread, what=lambda: f"each has {least} streams: {seen}", pause=0.3)


def test_replicas_are_balanced_and_failed_over(lab, members):
    servers = [lab.serve(Echo) for _ in range(3)]
    replicas = [members.join("mysql", inbounds={"sql": servers[0].port})]
    shop = members.shop()
    identity = members.connect()
    members.wait_state(identity, "ESTABLISHED")
    with connect(members.port) as first:
        exchange(first)
        # two more come while a stream lives; the target port is the instance's
        replicas += [members.join("mysql", inbounds={"sql": servers[0].port}) for _ in range(2)]
        eventually(lambda: len(shop.outbound()["addresses"]) == 3, what="all three are told of")
        eventually(
            lambda: len([t for t in shop.status()["tunnels"] if t["state"] == "up"]) >= 6,
            what="each worker has a tunnel to each",
        )
        clients, shares = _spread(members.port, replicas, 29, least=6)
        exchange(first)
        assert sum(shares) == 30, shares
        replicas[2].kill()
        lost = 0
        for client in clients:
            try:
                exchange(client)
            except (OSError, AssertionError):
                lost += 1
        assert lost <= shares[2] + 1
        for _ in range(40):
            ask(members.port)
        assert members.registry.connection(identity)["status"] == "ESTABLISHED"
        for client in clients:
            client.close()
    eventually(lambda: len(shop.outbound()["addresses"]) == 2, what="the dead one is taken out")
    assert shop.outbound()["status"] == "ESTABLISHED"


def test_replica_that_drains_is_taken_out_first(lab, members):
    server = lab.serve(Echo)
    members.join("mysql", inbounds={"sql": server.port})
    leaving = members.join("mysql", inbounds={"sql": server.port}, drain_timeout=30)
    shop = members.shop()
    members.wait_state(members.connect(), "ESTABLISHED")
    eventually(lambda: len(shop.outbound()["addresses"]) == 2, what="both are told of")
    time.sleep(0.3)
    clients = [connect(members.port) for _ in range(8)]
    for client in clients:
        exchange(client)
    leaving.signal(signal.SIGTERM)
    eventually(lambda: len(shop.outbound()["addresses"]) == 1, what="it is led to no more")
    for client in clients:
        exchange(client)
        client.close()
    for _ in range(20):
        ask(members.port)
    leaving.check_end(leaving.wait(20))


# Without the registry


def test_everything_goes_on_without_the_registry(members):
    shop, mysql, identity = _established(members)
    with connect(members.port) as client:
        exchange(client)
        members.registry.kill()
        exchange(client)
        ask(members.port)
        shop.wait_log("registry lost")
        for sidecar in (mysql, shop):  # one after the other comes back from what it was told last
            sidecar.kill()
            sidecar.start()
        shop.wait_status("ESTABLISHED", timeout=20)
        ask(members.port)
    assert shop.status()["registry"]["connected"] is False
    members.registry.start()
    members.wait_state(identity, "ESTABLISHED", timeout=20)
    ask(members.port)


def test_what_was_taken_back_meanwhile_is_gone_when_it_returns(members):
    shop, mysql, identity = _established(members)
    shop.kill()
    mysql.kill()
    members.registry.delete(f"/v1/connections/{identity}?confirm_required=true")
    shop.start()
    mysql.start()
    eventually(lambda: refuses(members.port), what="the outbound is closed")
    saved = members.lab.folder / "shop-2-state" / "snapshot.json"
    eventually(
        lambda: json.loads(saved.read_text(encoding="utf-8"))["connections"] == [],
        what="that is saved",
    )


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"view":"x","revision":1,"connections":[7]}'])
def test_damaged_saved_connections_are_no_obstacle(members, damage):
    shop, _, identity = _established(members)
    shop.kill()
    (members.lab.folder / "shop-2-state" / "snapshot.json").write_text(damage, encoding="utf-8")
    shop.start()
    shop.wait_status("ESTABLISHED")
    ask(members.port)
    members.wait_state(identity, "ESTABLISHED")


# Joining


def test_sidecar_joins_once_and_needs_the_token_never_again(members):
    shop, _, _ = _established(members)
    state = members.lab.folder / "shop-2-state"
    assert (state / "key.pem").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o077 == 0
    (members.lab.folder / "shop-2.token").unlink()
    serial = shop.status()["certificate"]["serial"]
    replica = (state / "replica").read_text(encoding="ascii")
    shop.kill()
    shop.start()
    shop.wait_status("ESTABLISHED")
    assert shop.status()["certificate"]["serial"] == serial
    assert (state / "replica").read_text(encoding="ascii") == replica


def test_sidecar_without_a_token_says_so_and_joins_when_there_is_one(members):
    path = members.lab.folder / "late.token"
    registry = {"address": members.registry.address, "join_token_file": str(path)}
    shop = members.join("shop", token=False, registry=registry)
    line = shop.wait_log("not joined")
    assert "late.token" in line["detail"]
    status = shop.status()
    assert status["certificate"] is None
    assert "late.token" in status["registry"]["detail"]
    path.touch(0o600)
    path.write_text(members.registry.join_token("shop")["token"], encoding="ascii")
    shop.wait_log("registry connected", timeout=20)
    assert shop.status()["certificate"]["id"] == members.registry.uri("shop")


@pytest.mark.parametrize(
    "spoil, word",
    [
        pytest.param(lambda token: token[:-4] + "0000", "certificate", id="another-CA"),
        pytest.param(lambda token: "nonsense", "token", id="nonsense"),
        pytest.param(
            lambda token: ".".join([*token.split(".")[:2], "A" * 43, token.split(".")[3]]),
            "token",
            id="another-secret",
        ),
    ],
)
def test_bad_token_is_refused(members, spoil, word):
    path = members.lab.folder / "bad.token"
    path.touch(0o600)
    path.write_text(spoil(members.registry.join_token("shop")["token"]), encoding="ascii")
    registry = {"address": members.registry.address, "join_token_file": str(path)}
    shop = members.join("shop", token=False, registry=registry)
    detail = shop.wait_log("not joined")["detail"]
    assert word in detail
    assert path.read_text(encoding="ascii") not in shop.text()
    assert shop.status()["certificate"] is None


def test_token_of_another_instance_is_refused(members):
    path = members.token_file("wrong", "mysql")
    registry = {"address": members.registry.address, "join_token_file": str(path)}
    shop = members.join("shop", token=False, registry=registry)
    shop.wait_log("not joined")
    assert shop.status()["certificate"] is None


def test_certificate_is_renewed_and_live_streams_go_on(lab):
    members = Members(lab, certificate_ttl=20)
    shop, mysql, _ = _established(members)
    before = {sidecar: sidecar.status()["certificate"]["serial"] for sidecar in (shop, mysql)}
    with connect(members.port) as client:
        for sidecar in (shop, mysql):
            eventually(
                lambda s=sidecar: s.status()["certificate"]["serial"] != before[s],
                timeout=30,
                what="the certificate is another one",
                pause=0.2,
            )
        exchange(client)
        ask(members.port)
    assert not shop.log.find("tunnel down")


# Reloading


def test_reload_declares_other_interfaces(lab, members):
    shop, _, identity = _established(members)
    settings = dict(shop.configuration)
    port = lab.port()
    settings["outbounds"] = [
        *settings["outbounds"],
        {"name": "cache", "required": False, "listen": f"127.0.0.1:{port}"},
    ]
    with connect(members.port) as client:
        exchange(client)
        shop.reload(settings)
        eventually(
            lambda: {o["name"] for o in members.registry.instance("shop")["outbounds"]}
            == {"db", "cache"},
            what="the new plug is declared",
        )
        second = members.registry.connect(outbound="cache").good(202)["id"]
        members.wait_state(second, "ESTABLISHED")
        ask(port)
        exchange(client)
    assert members.registry.connection(identity)["status"] == "ESTABLISHED"


def test_target_refuses_what_it_was_not_told_of(members):
    shop, mysql, identity = _established(members)
    mysql.kill()
    state = members.lab.folder / "mysql-1-state" / "snapshot.json"
    saved = json.loads(state.read_text(encoding="utf-8"))
    members.registry.kill()
    saved.update(connections=[], view="old")
    state.write_text(json.dumps(saved), encoding="utf-8")
    mysql.start()
    shop.wait_status("FAILED", "not-authorised", timeout=20)
    assert is_reset_at(members.port)
    members.registry.start()
    eventually(lambda: answers(members.port), timeout=20, what="the registry tells it again")
    members.wait_state(identity, "ESTABLISHED", timeout=20)
