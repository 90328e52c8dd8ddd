"""Application descriptors: interfaces that are known before their application first starts, and every
inconsistency named, by the API and by `appnet instance apply`.
"""

import json

import pytest

from support.command_line import appnet
from support.registry import descriptor

ACCESS = "INBOUND_APPNET"


def _rule(name, port, inbound):
    return {
        "name": name,
        "target_port": port,
        "access": ACCESS,
        "inbound_net_interface": inbound,
    }


# What is wrong, and how it is told.
BROKEN = {
    "twice-outbound": (
        {"outbound_net_interfaces": [{"name": "db"}, {"name": "db"}]},
        ["outbound db is defined twice"],
    ),
    "twice-inbound": (
        {
            "inbound_net_interfaces": [{"name": "sql"}, {"name": "sql"}],
            "rules": [_rule("r", 1, "sql")],
        },
        ["inbound sql is defined twice"],
    ),
    "both-directions": (
        {
            "inbound_net_interfaces": [{"name": "x"}],
            "outbound_net_interfaces": [{"name": "x"}],
            "rules": [_rule("r", 1, "x")],
        },
        ["x is defined twice, as an inbound and as an outbound"],
    ),
    "twice-rule": (
        {
            "inbound_net_interfaces": [{"name": "a"}, {"name": "b"}],
            "rules": [_rule("r", 1, "a"), _rule("r", 2, "b")],
        },
        ["rule r is defined twice"],
    ),
    "no-rule": (
        {"inbound_net_interfaces": [{"name": "sql"}]},
        ["inbound sql has no rule: expected one in rules with its target_port"],
    ),
    "two-rules": (
        {
            "inbound_net_interfaces": [{"name": "sql"}],
            "rules": [_rule("r", 1, "sql"), _rule("s", 2, "sql")],
        },
        ["inbound sql has two rules, r and s"],
    ),
    "unknown-interface": (
        {"rules": [_rule("r", 1, "sql")]},
        ["rule r is for sql, which is not defined in inbound_net_interfaces"],
    ),
    "other-direction": (
        {"outbound_net_interfaces": [{"name": "db"}], "rules": [_rule("r", 1, "db")]},
        ["rule r is for db, which is an outbound: a rule is for an inbound"],
    ),
    "port-zero": (
        {"inbound_net_interfaces": [{"name": "sql"}], "rules": [_rule("r", 0, "sql")]},
        ["rule r: target_port 0 is out of range: expected an integer from 1 to 65535"],
    ),
    "port-too-high": (
        {"inbound_net_interfaces": [{"name": "sql"}], "rules": [_rule("r", 65536, "sql")]},
        ["rule r: target_port 65536 is out of range"],
    ),
    "no-port": (
        {
            "inbound_net_interfaces": [{"name": "sql"}],
            "rules": [{"name": "r", "access": ACCESS, "inbound_net_interface": "sql"}],
        },
        ["rule r has no target_port: expected an integer from 1 to 65535"],
    ),
    "several": (
        {
            "inbound_net_interfaces": [{"name": "sql"}],
            "outbound_net_interfaces": [{"name": "My DB"}],
            "colour": "red",
        },
        [
            'the descriptor has an unknown field "colour"',
            'outbound_net_interfaces[0]: name is "My DB": expected ',
            "inbound sql has no rule",
        ],
    ),
}


@pytest.fixture(name="registry")
def _registry(lab):
    registry = lab.registry()
    registry.apply_pair()
    return registry


@pytest.fixture(name="apply")
def _apply(registry, folder):
    def apply(name, content):
        """By the command line."""
        file = folder / f"{name}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        environment = {
            "APPNET_REGISTRY": registry.url,
            "APPNET_TOKEN_FILE": str(registry.token_file()),
        }
        return appnet("instance", "apply", file, environment=environment)

    return apply


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_together_is_named_and_nothing_is_changed(registry, apply, case):
    content, sentences = BROKEN[case]
    before = registry.instance("shop")
    for door in (registry.plain, registry.secure):
        answer = registry.put("/v1/instances/shop", content, door=door)
        problem = answer.refused(422, "descriptor-invalid")
        assert len(problem["errors"]) == len(sentences), problem
        for told, sentence in zip(problem["errors"], sentences):
            assert told.startswith(sentence), problem
    done = apply("shop", content)
    assert (done.returncode, done.stdout) == (1, "")
    for sentence in sentences:
        assert f"\n  - {sentence}" in done.stderr
    assert registry.instance("shop") == before


def test_a_descriptor_of_another_instance_is_not_taken(registry):
    answer = registry.put("/v1/instances/shop", {"name": "mysql"})
    problem = answer.refused(422, "descriptor-invalid")
    assert problem["errors"] == ['the descriptor\'s name is "mysql": expected "shop"']


def test_a_required_outbound_is_connected_before_its_application_first_starts(registry, apply):
    assert apply("blog", descriptor(outbounds={"db": True})).stdout == "blog: created\n"
    connection = registry.connect("blog").good(202)
    assert connection["outbound_required"] and connection["port"] == 3306
    (outbound,) = registry.instance("blog")["outbounds"]
    assert outbound == {
        "name": "db",
        "required": True,
        "port": 3306,
        "connection": connection["id"],
    }


def test_what_was_applied_is_shown_as_it_was(registry):
    content = {
        "name": "web",
        "inbound_net_interfaces": [{"name": "http"}, {"name": "admin"}],
        "outbound_net_interfaces": [
            {"name": "db", "required": True},
            {"name": "log", "required": False},
        ],
        "rules": [_rule("first", 80, "http"), _rule("second", 8080, "admin")],
    }
    made = registry.put("/v1/instances/web", content).good(201)
    assert registry.instance("web") == made
    assert {field: made[field] for field in content} == content
    assert made["applied"] and not made["removing"] and made["replicas"] == []
    again = registry.put("/v1/instances/web", content).good(200)
    assert {field: again[field] for field in content} == content


def test_what_is_connected_is_neither_dropped_nor_turned_round(registry, apply):
    registry.connect().good(202)
    for name, content, what in (
        ("mysql", {}, "drops it"),
        ("shop", {}, "drops it"),
        ("mysql", descriptor(outbounds={"sql": False}), "turns it round"),
        ("shop", descriptor({"db": 1}), "turns it round"),
    ):
        problem = registry.put(f"/v1/instances/{name}", content).refused(409, "interface-in-use")
        assert f"the new description {what}" in problem["detail"]
        assert problem["detail"].endswith("disconnect it first: appnet remove shop db mysql sql")
        done = apply(name, content)
        assert done.returncode == 1 and problem["detail"] in done.stderr
    registry.apply("mysql", {"sql": 3306, "more": 1}, status=200)
    registry.apply("shop", outbounds={"db": True, "more": False}, status=200)
