"""doc/openapi.yaml is the API: each route of the program is in it and no other, with its role and its
problems' codes; and each operation, when it is asked for, answers as the file says.
"""

import re

import pytest

from support.environment import TOP
from support.openapi import contract
from support.registry import replica_id

SOURCES = TOP / "src" / "registry"
ROUTE = re.compile(r'^    \{"([A-Z]+)", "(/[^"]*)", CALLER_(\w+), (\w+), api_\w+\},$', re.MULTILINE)


def _source(*names):
    files = [SOURCES / name for name in names] or sorted(SOURCES.glob("*.c"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def _routes():
    """{(method, path with {} for a name): (caller, role)} of the program's own table."""
    text = _source("api.c")
    rows = ROUTE.findall(text)
    assert len(rows) == text.count("CALLER_TOKEN, ") + text.count("CALLER_SIDECAR, ") - 1 > 15
    return {
        (method, path.replace("*", "{}")): (caller, role) for method, path, caller, role in rows
    }


def test_every_route_of_the_program_is_in_the_file_and_no_other():
    described = {
        (operation.method, re.sub(r"\{\w+\}", "{}", operation.path))
        for operation in contract().operations
    }
    assert described == set(_routes())


def test_roles_are_those_of_the_program():
    for operation in contract().operations:
        caller, role = _routes()[operation.method, re.sub(r"\{\w+\}", "{}", operation.path)]
        if operation.by_sidecars:
            assert caller == "SIDECAR", operation
        elif operation.by_anybody:
            assert (caller, role) == ("TOKEN", "ANYBODY"), operation
        else:
            assert (caller, role) == ("TOKEN", f"ROLE_{operation.role.upper()}"), operation


def _codes_of_program():
    """All `code`s that the registry's sources give to problems."""
    rules = (TOP / "include/appnet/registry/rules.h").read_text(encoding="utf-8")
    named = dict(re.findall(r'#define (RULE_\w+) "([a-z-]+)"', rules))
    text = _source()
    used = re.findall(r"(?:reply_problems?|refuse)\(\s*[^;]*?,\s*\d{3},\s*([^,]+),", text)
    used += re.findall(r'return ("token-[a-z]+");', text)
    assert len(used) > 40
    codes = {named.get(code) or code.strip('"') for code in used if code != "code"}
    return codes | set(named.values())


def _codes_of_file(thing):
    if isinstance(thing, list):
        return set().union(*map(_codes_of_file, thing))
    if not isinstance(thing, dict):
        return set()
    own = thing.get("code", {})
    found = set(own.get("enum", [])) | ({own["const"]} if "const" in own else set())
    return found.union(*map(_codes_of_file, thing.values()))


def test_codes_of_problems_are_those_of_the_program():
    doors = (TOP / "src/http/problem.c").read_text(encoding="utf-8")
    doors = set(re.findall(r'\bproblem_\w+ = \{\s*\d{3}, *"([a-z-]+)"', doors)) | {"malformed"}
    assert len(doors) == 5
    assert _codes_of_file(contract().document) == _codes_of_program() | doors


def test_limits_are_those_of_the_program():
    headers = "".join(
        header.read_text(encoding="utf-8")
        for folder in ("registry", "identity", "http")
        for header in (TOP / "include" / "appnet" / folder).glob("*.h")
    )
    limits = dict(re.findall(r"#define (\w+) (?:\(\(size_t\))?(\(?[\d *<()]+)", headers))
    token = contract().operation("POST", "/v1/join-tokens").content["requestBody"]
    fields = token["content"]["application/json"]["schema"]["properties"]
    schemas = contract().document["components"]["schemas"]

    def value(name):
        return eval(limits[name].rstrip(), {})  # pylint: disable=eval-used

    assert fields["ttl"]["default"] == value("ENROLMENT_TTL_SECONDS")
    assert fields["ttl"]["maximum"] == 30 * 86400
    assert "#define ENROLMENT_TTL_MAX (30 * 86400)" in headers
    assert fields["uses"]["maximum"] == value("ENROLMENT_USES_MAX")
    assert schemas["Descriptor"]["properties"]["rules"]["maxItems"] == value("MODEL_INTERFACES_MAX")
    assert schemas["SigningRequest"]["maxLength"] == 16 << 10
    assert "#define SIGNING_REQUEST_MAX ((size_t)16 << 10)" in headers


# The file itself


def _references(thing):
    if isinstance(thing, list):
        return [reference for part in thing for reference in _references(part)]
    if not isinstance(thing, dict):
        return []
    own = [thing["$ref"]] if isinstance(thing.get("$ref"), str) else []
    return own + [reference for part in thing.values() for reference in _references(part)]


def test_every_reference_leads_somewhere_and_everything_is_referred_to():
    document = contract().document
    used = set(_references(document))
    known = {
        f"#/components/{kind}/{name}"
        for kind, things in document["components"].items()
        for name in things
    }
    assert used <= known
    everywhere = {"NotFound", "MethodNotAllowed", "BodyTooLarge", "WrongHost"}
    everywhere |= {"BadRequest", "TimedOut", "HeadersTooLarge", "Busy"}
    unused = {reference.rpartition("/")[2] for reference in known - used}
    assert unused == everywhere | {"token", "session", "certificate"}


@pytest.mark.parametrize("operation", contract().operations, ids=lambda one: one.name)
def test_operation_is_described(operation):
    content = operation.content
    assert content["summary"].endswith(".") and content["operationId"]
    assert operation.role in (None, "viewer", "operator", "admin")
    assert bool(operation.role) == ("security" not in content)
    resolve = contract().resolve
    parameters = [resolve(parameter) for parameter in operation.parameters]
    in_path = {one["name"] for one in parameters if one["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.path))
    for status, response in operation.responses.items():
        assert re.fullmatch(r"[2-5]\d\d", status)
        assert resolve(response)["description"]
    signs_in = operation.name == "POST /v1/session"
    assert ("401" in operation.responses) == (bool(operation.role) or signs_in)
    assert ("403" in operation.responses) == (
        operation.role in ("operator", "admin")
        or operation.by_sidecars
        or operation.path == "/v1/enroll"
        or (operation.path == "/v1/session" and operation.method != "GET")
    )


def test_operations_have_different_names():
    names = [operation.content["operationId"] for operation in contract().operations]
    assert len(set(names)) == len(names)


# What is answered


def test_every_operation_answers_as_the_file_says(lab):
    """Each of them once with success; refusals are in the other tests, which all check the same."""
    registry = lab.registry()
    for path in ("/healthz", "/readyz"):
        assert registry.get(path, role=None).good() == {"status": "ok"}
    assert b"appnet_instances 0\n" in registry.get("/metrics", role="viewer").body
    registry.apply_pair()
    registry.apply("mysql", {"sql": 3306}, status=200)
    connection = registry.connect().good(202)["id"]
    for path in (
        "/v1/instances",
        "/v1/instances/shop",
        "/v1/interfaces/inbound/available",
        "/v1/interfaces/outbound/available",
        "/v1/connections",
        f"/v1/connections/{connection}",
    ):
        registry.get(path, role="viewer").good()
    token = registry.join_token("shop")
    registry.get("/v1/join-tokens").good()
    registry.get(f"/v1/join-tokens/{token['id']}").good()
    assert registry.delete(f"/v1/join-tokens/{token['id']}").status == 204

    shop = registry.join("shop")
    registry.renew(shop, registry.request_for("shop")[0]).good(201)
    replica = replica_id()
    watch = registry.watch(shop, replica)
    snapshot = watch.next()
    assert snapshot["type"] == "snapshot" and len(snapshot["connections"]) == 1
    registry.report(shop, replica, outbounds=[{"name": "db", "required": False}]).good()

    registry.get("/v1/session", role="viewer").good()
    signed_in = registry.post("/v1/session", {"token": registry.token("viewer")}, role=None)
    assert signed_in.good() == {"role": "viewer"}
    assert registry.delete("/v1/session").status == 204

    events = registry.events()
    assert events.next().name == "reset"
    registry.delete(f"/v1/connections/{connection}").good(202)
    told = watch.wait_for(lambda line: line["type"] != "alive")
    assert told["remove"] == [connection]
    again = registry.watch(shop, replica, view=watch.seen[-1]["view"])
    assert again.next()["type"] == "resume"
    registry.delete("/v1/instances/mysql").good(202)
    registry.report(shop, replica, revision=again.seen[-1]["revision"]).good()
    events.wait_for("connection-removed", lambda data: data["id"] == connection)
    events.wait_for("instance-removed", lambda data: data["name"] == "mysql")

    succeeded = {name for name, status in contract().seen if status < 300}
    going_on = {"GET /v1/events", "GET /v1/sidecar/watch"}
    assert succeeded | going_on == {operation.name for operation in contract().operations}
