"""Requests to the registry that are not as they should be: each is answered with a problem that says
so, at both doors, and nothing is changed.
"""

import json
import random

import pytest

from support.registry import ask

LONGEST = "a" * 63
NO_NAMES = {
    "empty": "",
    "too-long": LONGEST + "a",
    "capitals": "Shop",
    "underscore": "my_shop",
    "dash-first": "-shop",
    "dash-last": "shop-",
    "dot": "shop.example",
    "dots": "..",
    "space": "shop ",
    "slash": "shop/db",
    "newline": "shop\n",
    "quote": "shop' OR 1=1 --",
    "letters-of-others": "shöp",
    "null": "shop\u0000",
    "right-to-left": "\u202eshop",
    "very-long": "a" * 100000,
}


@pytest.fixture(name="registry")
def _registry(lab):
    registry = lab.registry()
    registry.apply_pair()
    return registry


@pytest.fixture(name="door", params=["plain", "secure"])
def _door(request, registry):
    return getattr(registry, request.param)


def _percent(text):
    return "".join(f"%{byte:02x}" for byte in text.encode())


# Paths


def test_a_path_with_nothing_at_it(registry, door):
    for path in (
        "/v1",
        "/v1/",
        "/v1/instance",
        "/v1/instances/",
        "/v1/instances/shop/",
        "/v1/instances/shop/db",
        "/v1/instances//",
        "//v1/instances",
        "/v1//instances",
        "/V1/instances",
        "/v1/instances.json",
        "/v1/connections/../instances",
        "/%76%31/instances/../..",
        "/v2/instances",
        "/v1/interfaces",
        "/v1/sidecar",
    ):
        registry.get(path, door=door).refused(404, "not-found")


@pytest.mark.parametrize("name", [name for name in NO_NAMES.values() if 0 < len(name) < 1000])
def test_a_name_in_a_path_is_no_name(registry, name):
    path = f"/v1/instances/{_percent(name)}"
    for method in ("GET", "DELETE"):
        answer = registry.call(method, path)
        assert answer.json["code"] in ("instance-unknown", "not-found"), answer
    answer = registry.put(path, {})
    assert answer.json["code"] in ("name-invalid", "not-found"), answer
    assert len(registry.instances()) == 2


def test_a_name_in_a_path_may_be_percent_encoded(registry, door):
    for spelling in ("shop", "%73hop", "%73%68%6F%70", "%73%68%6f%70"):
        assert registry.get(f"/v1/instances/{spelling}", door=door).good()["name"] == "shop"


def test_percent_signs_that_encode_nothing(registry, door):
    for spelling in ("%", "%7", "%zz", "shop%", "shop%0", "shop%00", "%73%6", "%%37%33"):
        registry.get(f"/v1/instances/{spelling}", door=door).refused(404, "not-found")


def test_an_encoded_slash_does_not_divide_a_path(registry, door):
    answer = registry.get("/v1/instances%2fshop", door=door)
    answer.refused(404, "not-found")
    registry.get("/v1/instances/x%2f..%2fshop", door=door).refused(404, "instance-unknown")


def test_a_query_that_is_not_known_changes_nothing(registry, door):
    for query in ("?", "?x", "?x=1&y=2&&&=", "?=%", "?force", "?name=mysql", "?%66orce=true"):
        assert registry.get("/v1/instances/shop" + query, door=door).good()["name"] == "shop"


def test_the_longest_names_work(registry):
    registry.apply(LONGEST, {LONGEST: 1})
    registry.apply("b", outbounds={"a" * 62 + "b": True})
    connection = registry.connect("b", "a" * 62 + "b", LONGEST, LONGEST).good(202)
    assert connection["inbound"] == LONGEST
    registry.delete(f"/v1/instances/{LONGEST}").refused(409, "confirmation-required")


# Methods and hosts


def test_another_method_is_told_those_there_are(registry, door):
    expected = {
        "/v1/instances": "GET",
        "/v1/instances/shop": "GET, PUT, DELETE",
        "/v1/connections": "GET, POST",
        "/v1/connections/c-aaaaaaaaaaaa": "GET, DELETE",
        "/v1/join-tokens": "GET, POST",
        "/v1/enroll": "POST",
        "/v1/sidecar/watch": "GET",
        "/healthz": "GET",
    }
    for path, allowed in expected.items():
        for method in ("PATCH", "OPTIONS"):
            answer = registry.call(method, path, door=door)
            answer.refused(405, "method-not-allowed")
            assert answer.headers["allow"] == allowed
    registry.delete("/v1/instances", door=door).refused(405, "method-not-allowed")
    registry.post("/v1/instances/shop", {}, door=door).refused(405, "method-not-allowed")


def test_head_is_a_get_without_its_body(registry, door):
    for path in ("/healthz", "/v1/instances", "/v1/instances/shop"):
        whole = registry.get(path, door=door)
        head = registry.call("HEAD", path, door=door)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert head.headers["content-type"] == whole.headers["content-type"]


def test_the_plain_door_serves_its_own_host_only(registry):
    own = ("localhost", "LOCALHOST", "127.0.0.1", "[::1]")
    for host in own:
        for port in ("", f":{registry.http_port}"):
            registry.get("/v1/instances", headers={"Host": host + port}).good()
    for host in (
        "evil.example",
        "localhost.evil.example",
        "localhostx",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "evil.example:127.0.0.1",
        "[::2]",
        "[::1",
        "localhost@evil.example",
    ):
        answer = registry.get("/v1/instances", headers={"Host": host})
        assert answer.status in (400, 421), answer
        assert answer.status == 400 or answer.json["code"] == "wrong-host"


def test_the_door_with_tls_is_reached_by_any_name(registry):
    headers = {"Host": "registry.example"}
    registry.get("/v1/instances", door=registry.secure, headers=headers).good()


def test_answers_are_not_kept_nor_guessed_at(registry, door):
    for path in ("/v1/instances", "/v1/instances/nobody", "/nothing", "/healthz"):
        answer = registry.get(path, door=door)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


# Bodies

NO_CONNECTIONS = {
    "empty": (b"", "the body is not JSON"),
    "cut-off": (b'{"source_instance":"shop"', "the body is not JSON"),
    "two-values": (b"{} {}", "the body is not JSON"),
    "no-utf-8": (b'{"source_instance":"\xff\xfe"}', "the body is not JSON"),
    "form": (b"source_instance=shop&outbound=db", "the body is not JSON"),
    "null-byte": (b'{"source_instance":"shop"}\x00', "the body is not JSON"),
    "escaped-null": (b'{"source_instance":"sh\\u0000op"}', "the body is not JSON"),
    "list": (b"[]", "the body: expected an object"),
    "text": (b'"shop"', "the body"),
    "null": (b"null", "the body"),
    "number": (b"1", "the body"),
    "twice": (b'{"outbound":"a","outbound":"b"}', "the body is not JSON"),
    "unknown-field": (b'{"colour":"red"}', "colour: there is no such field"),
    "prototype": (b'{"__proto__":{}}', "__proto__: there is no such field"),
    "depth": (b'{"outbound":' + b"[" * 100000 + b"]" * 100000 + b"}", "the body is not JSON"),
}


@pytest.mark.parametrize("case", NO_CONNECTIONS)
def test_a_body_that_is_no_connection(registry, door, case):
    body, expected = NO_CONNECTIONS[case]
    problem = registry.post("/v1/connections", body, door=door).refused(422, "malformed")
    assert problem["detail"].startswith(expected)
    assert not registry.connections()


@pytest.mark.parametrize("before", ["", "x"])  # it is cut at an even place, and at an odd one
def test_what_is_quoted_is_cut_between_characters(registry, before):
    body = {before + 100 * "\u00e9": 1}
    problem = registry.post("/v1/connections", body).refused(422, "malformed")
    assert "\u00e9" in problem["detail"]
    problem = registry.put("/v1/instances/shop", body).refused(422, "descriptor-invalid")
    assert any("\u00e9" in sentence for sentence in problem["errors"])


@pytest.mark.parametrize("field", ["source_instance", "outbound", "target_instance", "inbound"])
def test_a_name_that_is_none_is_told_with_its_field(registry, field):
    good = {
        "source_instance": "shop",
        "outbound": "db",
        "target_instance": "mysql",
        "inbound": "sql",
    }
    for wrong in (*NO_NAMES.values(), None, 7, True, [], {}, ["shop"]):
        if wrong == NO_NAMES["null"]:
            continue  # that is no JSON here
        body = {**good, field: wrong}
        problem = registry.post("/v1/connections", body).refused(422, "name-invalid")
        assert problem["detail"].startswith(f"{field}: expected 1 to 63 of a-z")
    del good[field]
    problem = registry.post("/v1/connections", good).refused(422, "name-invalid")
    assert problem["detail"].startswith(field)
    assert not registry.connections()


@pytest.mark.parametrize(
    "body, detail",
    [
        ({"instance": "shop", "ttl": 0}, "ttl: expected a number of seconds from 1 to 2592000"),
        ({"instance": "shop", "ttl": -1}, "ttl"),
        ({"instance": "shop", "ttl": 2592001}, "ttl"),
        ({"instance": "shop", "ttl": 1.5}, "ttl"),
        ({"instance": "shop", "ttl": "900"}, "ttl"),
        ({"instance": "shop", "ttl": None}, "ttl"),
        ({"instance": "shop", "ttl": 10**18}, "ttl"),
        ({"instance": "shop", "uses": 0}, "uses: expected a number from 1 to 10000"),
        ({"instance": "shop", "uses": 10001}, "uses"),
        ({"instance": "shop", "uses": True}, "uses"),
        ({"instance": "shop", "use": 1}, "use: there is no such field"),
    ],
)
def test_a_join_token_that_cannot_be(registry, body, detail):
    problem = registry.post("/v1/join-tokens", body).refused(422, "malformed")
    assert problem["detail"].startswith(detail)
    assert registry.get("/v1/join-tokens").good()["tokens"] == []


def test_a_number_that_json_has_and_c_has_not(registry):
    for number in (b"1e400", b"9" * 400):
        body = b'{"instance":"shop","ttl":' + number + b"}"
        registry.post("/v1/join-tokens", body).refused(422, "malformed")


def test_ids_that_are_none(registry, door):
    for name in ("x", "c-", "c-AAAAAAAAAAAA", "c-aaaaaaaaaaaaa", "%00", "c-aaaaaaaaaaa%0a", "%27"):
        for method in ("GET", "DELETE"):
            code = registry.call(method, f"/v1/connections/{name}", door=door).json["code"]
            assert code in ("connection-unknown", "not-found")
            code = registry.call(method, f"/v1/join-tokens/{name}", door=door).json["code"]
            assert code in ("token-unknown", "not-found")


def test_a_body_of_the_largest_size_is_read_and_a_larger_one_is_not(registry, door):
    room = (1 << 20) - len('{"outbound":""}')
    body = json.dumps({"outbound": "a" * room}, separators=(",", ":")).encode()
    assert len(body) == 1 << 20
    registry.post("/v1/connections", body, door=door).refused(422, "name-invalid")
    registry.post("/v1/connections", body + b" ", door=door).refused(413, "body-too-large")


def test_a_body_where_none_is_expected_is_passed_over(registry, door):
    registry.get("/v1/instances", door=door, headers={"Content-Length": "0"}).good()
    registry.call("GET", "/v1/instances", b"what for", door=door).good()


def test_requests_follow_each_other_on_one_connection(registry):
    connection = registry.plain.connect()
    headers = {"Authorization": f"Bearer {registry.token()}"}
    for _ in range(3):
        assert ask(connection, "GET", "/v1/instances", headers, None).status == 200
        assert ask(connection, "GET", "/nothing", headers, None).status == 404
        assert ask(connection, "POST", "/v1/connections", headers, b"{").status == 422
        assert ask(connection, "HEAD", "/healthz", headers, None).body == b""
    connection.close()


@pytest.mark.limit(120)
def test_bodies_of_anything_at_all_never_end_it(registry):
    """Good bodies with some bytes changed; whatever comes of it is an answer of the file's."""
    chance = random.Random(1)
    good = [
        ("POST", "/v1/connections", {"source_instance": "shop", "outbound": "db"}),
        ("POST", "/v1/join-tokens", {"instance": "shop", "ttl": 60, "uses": 3}),
        ("PUT", "/v1/instances/shop", {"outbound_net_interfaces": [{"name": "db"}]}),
        ("PUT", "/v1/instances/mysql", {"inbound_net_interfaces": [{"name": "sql"}], "rules": []}),
    ]
    for _ in range(600):
        method, path, body = chance.choice(good)
        data = bytearray(json.dumps(body).encode())
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        answer = registry.call(method, path, bytes(data))
        assert answer.status in (200, 201, 202, 404, 409, 422), answer
    assert registry.get("/healthz").status == 200
