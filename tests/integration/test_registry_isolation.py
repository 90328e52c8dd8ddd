"""A sidecar sees and changes nothing of an instance that is not its own: each route of
doc/openapi.yaml is tried by one that knows all there is to know about the others.

    secret-shop (outbound secret-db) --> secret-mysql (inbound secret-sql)      both have a replica
    spy (outbounds one, two) --> open (inbound http)
"""

import pytest

from support.openapi import contract
from support.registry import replica_id
from support.wait import eventually

ADDRESS = "10.9.8.7:15008"
OPERATIONS = contract().operations
REFUSALS = {
    "signIn": (401, "unauthenticated"),
    "enroll": (403, "token-invalid"),
    "renew": (422, "csr-invalid"),
}


class Secrets:
    """Two instances that are connected, their replicas, and tokens to join them."""

    def __init__(self, registry):
        self.registry = registry
        registry.apply("secret-mysql", {"secret-sql": 33061})
        registry.apply("secret-shop", outbounds={"secret-db": False})
        self.token = registry.join_token("secret-mysql", uses=3)
        self.identities = {name: registry.join(name) for name in ("secret-mysql", "secret-shop")}
        self.replicas = {name: replica_id() for name in self.identities}
        self.watches = {
            name: registry.watch(self.identities[name], self.replicas[name])
            for name in self.identities
        }
        self.report("secret-mysql", advertise=ADDRESS)
        self.connection = self.connect()
        self.report(
            "secret-shop",
            connections=[{"id": self.connection, "role": "source", "status": "ESTABLISHED"}],
        )

    def report(self, name, **fields):
        """As the sidecar of that name does it."""
        offers = {
            "secret-mysql": {"inbounds": [{"name": "secret-sql", "port": 33061}]},
            "secret-shop": {"outbounds": [{"name": "secret-db"}]},
        }
        fields = {**offers[name], **fields}
        self.registry.report(self.identities[name], self.replicas[name], **fields).good()

    def connect(self):
        names = ("secret-shop", "secret-db", "secret-mysql", "secret-sql")
        return self.registry.connect(*names).good(202)["id"]

    @property
    def texts(self):
        """What nobody else may be told."""
        secret = self.token["token"].split(".")[2]
        return [
            "secret-",
            ADDRESS,
            "33061",
            self.connection,
            self.token["id"],
            secret,
            *self.replicas.values(),
        ]

    def check_hidden(self, said, where):
        found = [text for text in self.texts if text in said]
        assert not found, f"{where}: {found} in {said}"

    def state(self):
        """All that an admin sees of them, but for the time."""
        instances = [self.registry.instance(name) for name in self.identities]
        for replica in sum((one["replicas"] for one in instances), []):
            del replica["last_seen"]
        tokens = self.registry.get("/v1/join-tokens").good()["tokens"]
        return instances, self.registry.connection(self.connection), tokens


@pytest.fixture(name="registry")
def _registry(lab):
    registry = lab.registry(lease=120)  # the replicas report once, and no test outlasts it
    registry.apply("spy", outbounds={"one": False, "two": False})
    registry.apply("open", {"http": 80})
    return registry


@pytest.fixture(name="secrets")
def _secrets(registry):
    return Secrets(registry)


@pytest.fixture(name="spy")
def _spy(registry):
    return registry.join("spy")


def _path(operation, secrets):
    """With the secrets' names and ids wherever it takes one, and in the query as well."""
    names = {
        "/v1/connections/{id}": secrets.connection,
        "/v1/join-tokens/{id}": secrets.token["id"],
    }
    path = operation.path.replace("{id}", names.get(operation.path, ""))
    path = path.replace("{name}", "secret-mysql")
    assert "{" not in path, f"what is to stand in {operation.path}?"
    query = [f"replica={secrets.replicas['secret-mysql']}", "force=true", "confirm_required=true"]
    query += ["instance=secret-mysql", "name=secret-mysql"]
    return f"{path}?{'&'.join(query)}"


def _body(operation, secrets):
    """A good one, about the secrets; None where there is none."""
    if "requestBody" not in operation.content:
        return None
    registry = secrets.registry
    bodies = {
        "applyInstance": lambda: {"outbound_net_interfaces": [{"name": "mine"}]},
        "connect": lambda: {
            "source_instance": "spy",
            "outbound": "one",
            "target_instance": "secret-mysql",
            "inbound": "secret-sql",
        },
        "makeJoinToken": lambda: {"instance": "secret-mysql"},
        "signIn": lambda: {"token": secrets.token["token"]},
        "enroll": lambda: {
            "token": f"appnet1.{secrets.token['id']}.{'A' * 43}.{'0' * 64}",
            "csr": registry.request_for("secret-mysql")[0],
        },
        "renew": lambda: {"csr": registry.request_for("secret-mysql")[0]},
        "report": lambda: _report(secrets),
    }
    # A new operation with a body needs one here.
    return bodies[operation.content["operationId"]]()


def _report(secrets):
    failed = {"status": "FAILED", "reason": "unreachable", "detail": "says the spy"}
    return {
        "replica": secrets.replicas["secret-mysql"],
        "instance": "secret-mysql",
        "version": "0",
        "revision": 10**9,
        "advertise": "10.6.6.6:15008",
        "inbounds": [{"name": "secret-sql", "port": 1}],
        "outbounds": [{"name": "secret-db"}],
        "connections": [
            {"id": secrets.connection, "role": "source", **failed},
            {"id": secrets.connection, "role": "target"},
        ],
    }


def _claims(registry, secrets):
    """Header fields in which others say who they are."""
    uri = registry.uri("secret-mysql")
    return {
        "Authorization": f"Bearer {secrets.token['token']}",
        "X-Forwarded-Client-Cert": f"URI={uri}",
        "X-Forwarded-For": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
        "Appnet-Instance": "secret-mysql",
        "Spiffe-Id": uri,
        "Cookie": f"appnet_session_{registry.tls_port}={secrets.token['token']}",
    }


def _problem(answer):
    return answer.status, answer.json["code"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_on_no_route(lab, registry, secrets, spy, operation):
    assert bool(operation.role) + operation.by_sidecars + operation.by_anybody == 1
    before = secrets.state()
    path, body = _path(operation, secrets), _body(operation, secrets)
    door = registry.as_sidecar(spy)
    if operation.content["operationId"] == "watch":
        watch = lab.add(door.lines(path))
        assert watch.next()["connections"] == []
        said = str(watch.seen)
    else:
        headers = _claims(registry, secrets)
        answer = registry.call(operation.method, path, body, role=None, door=door, headers=headers)
        said = f"{answer.headers} {answer.body.decode()}"
        if operation.role:
            assert _problem(answer) == (401, "unauthenticated")
        elif operation.content["operationId"] in REFUSALS:
            assert _problem(answer) == REFUSALS[operation.content["operationId"]]
        else:
            assert answer.status == 200
    secrets.check_hidden(said, operation)
    assert secrets.state() == before
    assert all(watch.running for watch in secrets.watches.values())


def test_a_watch_tells_nothing_of_what_happens_to_others(registry, secrets, spy):
    watch = registry.watch(spy, secrets.replicas["secret-mysql"])
    watch.next()
    registry.delete(f"/v1/connections/{secrets.connection}").good(202)
    registry.apply("secret-mysql", {"secret-sql": 33061, "secret-more": 1}, status=200)
    secrets.report("secret-mysql", advertise="10.9.8.8:15008", revision=10**9)
    secrets.report("secret-shop", revision=10**9)
    registry.put("/v1/instances/secret-more", {}).good(201)
    registry.delete("/v1/instances/secret-more").good(202)
    registry.connect("spy", "two", "open", "http").good(202)
    watch.wait_for(lambda line: line.get("put"))
    secrets.check_hidden(str(watch.seen), "watch")
    assert "10.9.8.8" not in str(watch.seen)


def test_a_target_is_not_told_of_its_sources_other_connections(registry, secrets):
    """Nor a source of its target's other sources."""
    registry.connect("spy", "one", "open", "http").good(202)
    registry.apply("secret-blog", outbounds={"secret-web": False})
    registry.connect("secret-blog", "secret-web", "open", "http").good(202)
    spy = registry.watch(registry.join("spy"), replica_id())
    assert [one["instance"] for one in spy.next()["connections"]] == ["open"]
    secrets.check_hidden(str(spy.seen), "the spy's view")
    target = registry.watch(registry.join("open"), replica_id())
    (line,) = [one for one in target.next()["connections"] if one["instance"] != "spy"]
    assert (line["instance"], line["outbound"]) == ("secret-blog", "secret-web")
    assert secrets.connection not in str(target.seen) and ADDRESS not in str(target.seen)


def test_a_removal_of_others_is_finished_by_nobody_else(registry, secrets, spy):
    """Their sidecars have to let go, whatever another reports in their name."""
    registry.delete(f"/v1/connections/{secrets.connection}").good(202)
    for name, replica in secrets.replicas.items():
        body = {**_report(secrets), "replica": replica, "instance": name, "connections": []}
        door = registry.as_sidecar(spy)
        registry.post("/v1/sidecar/report", body, role=None, door=door).good()
    registry.connect("spy", "one", "open", "http").good(202)  # behind all that came of it
    assert registry.connection(secrets.connection)["status"] == "TERMINATED"
    for name in secrets.replicas:
        secrets.report(name, revision=10**9)
    path = f"/v1/connections/{secrets.connection}"
    eventually(lambda: registry.get(path).status == 404, what="it is gone")


def test_what_a_sidecar_declares_changes_its_own_instance_only(registry, secrets):
    identity = registry.join("newcomer")
    before = secrets.state()
    body = _report(secrets)
    door = registry.as_sidecar(identity)
    registry.post("/v1/sidecar/report", body, role=None, door=door).good()
    eventually(
        lambda: [one["name"] for one in registry.instance("newcomer")["inbounds"]]
        == ["secret-sql"],
        what="the newcomer has what it declared",
    )
    assert secrets.state() == before
