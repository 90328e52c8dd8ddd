"""The registry as a person at the command line meets it: every rule of connecting by `appnet`, with
its sentence and exit status, and the way from a descriptor to a connection and back.

    shop (outbound db)      mysql (inbound sql)         no sidecar runs, except at the end
"""

import json
import re
import signal
import time
from datetime import datetime

import pytest

from support import settings
from support.command_line import Command, appnet
from support.environment import SLOW
from support.registry import descriptor
from support.servers import Echo
from support.sockets import answers, refuses
from support.sockets import ask as ask_outbound
from support.wait import eventually

ADD = ("add", "shop", "db", "mysql", "sql")
REMOVE = ("remove", "shop", "db", "mysql", "sql")


@pytest.fixture(name="fleet")
def _fleet(lab):
    return lab.fleet()


@pytest.fixture(name="registry")
def _registry(fleet):
    return fleet.registry


@pytest.fixture(name="ask")
def _ask(registry):
    def ask(*arguments, role="admin", **options):
        environment = {
            "APPNET_REGISTRY": registry.url,
            "APPNET_TOKEN_FILE": str(registry.token_file(role)) if role else "",
        }
        return appnet(*arguments, environment=environment, **options)

    return ask


def _done(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def _refused(done, *sentences, code=1):
    assert (done.returncode, done.stdout) == (code, ""), done
    for sentence in sentences:
        assert sentence in done.stderr, done.stderr


def _rows(table):
    return [line.split() for line in table.splitlines()[1:]]


# The whole way


def test_from_a_descriptor_to_a_connection_and_back(ask, folder):
    for name, interfaces in (
        ("mysql", descriptor({"sql": 3306})),
        ("shop", descriptor(outbounds={"db": True})),
    ):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(interfaces), encoding="utf-8")
        assert _done(ask("instance", "apply", file)) == f"{name}: created\n"
        assert _done(ask("instance", "apply", file)) == f"{name}: updated\n"
    assert _rows(_done(ask("inbound", "available"))) == [["mysql", "sql", "3306"]]
    assert [row[:3] for row in _rows(_done(ask("outbound", "available")))] == [
        ["shop", "db", "yes"]
    ]
    assert [row[:2] for row in _rows(_done(ask("instance", "list")))] == [
        ["mysql", "0/0"],
        ["shop", "0/0"],
    ]
    assert _done(ask(*ADD)) == "db of shop to sql of mysql: WAITING\n"
    (row,) = _rows(_done(ask("list")))
    assert row[:5] == ["shop", "db*", "mysql", "sql", "3306"]
    assert row[5] in ("WAITING", "FAILED"), "nobody runs, which is told after a while"
    # One inbound takes many, one outbound takes one.
    assert _rows(_done(ask("outbound", "available"))) == []
    assert len(_rows(_done(ask("inbound", "available")))) == 1
    shown = _done(ask("instance", "show", "mysql"))
    assert "sql   3306  1\n" in shown
    assert _done(ask(*REMOVE, "--force", "--wait")) == "db of shop to sql of mysql: gone\n"
    assert _rows(_done(ask("list"))) == []
    assert _done(ask("instance", "remove", "mysql")).startswith("mysql: ")
    eventually(lambda: ask("instance", "show", "mysql").returncode == 1, "mysql is gone")


def test_json_is_the_registrys(registry, ask):
    registry.apply_pair()
    registry.connect().good(202)
    # which is the last change that comes by itself
    eventually(lambda: registry.connections()[0]["status"] == "FAILED", "nobody runs")
    for words, path in (
        (["list"], "/v1/connections"),
        (["instance", "list"], "/v1/instances"),
        (["instance", "show", "shop"], "/v1/instances/shop"),
        (["inbound", "available"], "/v1/interfaces/inbound/available"),
        (["outbound", "available"], "/v1/interfaces/outbound/available"),
        (["token", "list"], "/v1/join-tokens"),
    ):
        assert json.loads(_done(ask(*words, "-o", "json"))) == registry.get(path).good()


def test_a_failed_connection_says_why(registry, ask):
    """Nobody runs: the target has no replica, nor has the source."""
    registry.apply_pair()
    done = ask(*ADD, "--wait=4")
    _refused(done, "appnet: db of shop to sql of mysql: FAILED, no-replica: ", "after 4 seconds")
    (row,) = _rows(_done(ask("list")))
    assert row[5:7] == ["FAILED", "no-replica"]


def test_from_afar(registry):
    registry.apply_pair()
    for arguments in (("list",), ADD, ("list",), (*REMOVE, "--wait")):
        done = appnet(
            *arguments,
            "--registry",
            f"https://localhost:{registry.tls_port}",
            "--ca",
            registry.ca,
            "--token-file",
            registry.token_file("operator"),
        )
        _done(done)
    done = appnet("list", "--registry", f"https://localhost:{registry.tls_port}")
    _refused(done, "is not trusted: ", "ca/ca.pem in its data_dir")


# The rules


def test_rule_1_only_outbound_to_inbound(registry, ask):
    registry.apply_pair()
    registry.apply("blog", {"http": 80}, {"store": False})
    _refused(
        ask("add", "blog", "http", "mysql", "sql"),
        "appnet: http of blog is an inbound, and a connection goes from an outbound to an inbound",
    )
    _refused(ask("add", "shop", "db", "blog", "store"), "appnet: store of blog is an outbound")
    _refused(ask("add", "mysql", "sql", "shop", "db"), "it would do: appnet add shop db mysql sql")


def test_rule_2_never_to_itself(registry, ask):
    registry.apply("shop", {"http": 80}, {"db": False})
    _refused(
        ask("add", "shop", "db", "shop", "http"),
        "appnet: shop cannot be connected to itself",
        "appnet inbound available",
    )


def test_rule_3_one_outbound_has_one_connection(registry, ask):
    registry.apply_pair()
    registry.apply("redis", {"store": 6379})
    _done(ask(*ADD))
    done = ask("add", "shop", "db", "redis", "store")
    _refused(done, "appnet: outbound db of shop is connected to sql of mysql already")
    # What to do next can be done as it stands there.
    command = done.stderr.split("disconnect it first: appnet ")[1].split()
    _done(ask(*command, "--wait"))
    _done(ask("add", "shop", "db", "redis", "store"))


def test_rule_4_one_inbound_takes_many(registry, ask):
    registry.apply("mysql", {"sql": 3306})
    for number in range(5):
        registry.apply(f"shop-{number}", outbounds={"db": False, "log": False})
        for outbound in ("db", "log"):
            _done(ask("add", f"shop-{number}", outbound, "mysql", "sql"))
    assert len(_rows(_done(ask("list")))) == 10
    assert "sql   3306  10\n" in _done(ask("instance", "show", "mysql"))


def test_rule_5_the_port_is_that_of_the_rule(registry, ask, folder):
    registry.apply_pair()
    _done(ask(*ADD))
    file = folder / "mysql.json"
    for port in (3306, 3307):
        file.write_text(json.dumps(descriptor({"sql": port})), encoding="utf-8")
        _done(ask("instance", "apply", file))
        (row,) = _rows(_done(ask("list")))
        assert row[:5] == ["shop", "db", "mysql", "sql", str(port)]
    content = descriptor({"sql": 3306})
    del content["rules"][0]["target_port"]
    file.write_text(json.dumps(content), encoding="utf-8")
    _refused(ask("instance", "apply", file), "rule sql has no target_port")


def test_rule_6_a_required_one_needs_force(registry, ask):
    registry.apply_pair(required=True)
    _done(ask(*ADD))
    done = ask(*REMOVE)
    _refused(done, "appnet: outbound db is required: shop does not work without it")
    assert "appnet remove shop db mysql sql --force" in done.stderr
    assert _done(ask(*REMOVE, "--force", "--wait")).endswith("gone\n")


def test_rule_7_an_instance_in_use_needs_force(registry, ask):
    registry.apply_pair()
    _done(ask(*ADD))
    _refused(ask("instance", "remove", "mysql"), "appnet instance remove mysql --force")
    said = _done(ask("instance", "remove", "mysql", "--force"))
    assert said == "mysql: is removed, after its 1 connection\n"
    eventually(lambda: ask("instance", "show", "mysql").returncode == 1, "mysql is gone")


def test_rule_8_what_was_accepted_is_seen_at_once(registry, ask):
    registry.apply_pair()
    assert _done(ask(*ADD)) == "db of shop to sql of mysql: WAITING\n"
    assert len(_rows(_done(ask("list")))) == 1
    # a replica that does not say that it let go keeps the row, until its lease is over
    registry.report(registry.join("shop"), "a" * 16).good()
    assert _done(ask(*REMOVE)) == "db of shop to sql of mysql: TERMINATED\n"
    (row,) = _rows(_done(ask("list")))
    assert row[:6] == ["shop", "db", "mysql", "sql", "3306", "TERMINATED"]
    _refused(ask(*ADD), "appnet: outbound db of shop is still being disconnected from sql of mysql")


# What else is refused


def test_what_is_not_there(registry, ask):
    registry.apply_pair()
    _refused(
        ask("add", "nobody", "db", "mysql", "sql"), "there is no instance nobody", "appnet instance"
    )
    _refused(ask("add", "shop", "none", "mysql", "sql"), "shop has no outbound none", "db")
    _refused(ask("instance", "show", "nobody"), "no instance", "appnet instance list")
    _refused(ask("instance", "remove", "nobody"), "no instance")
    _refused(ask(*REMOVE), "db of shop is not connected; appnet list shows what is")
    _refused(ask("token", "revoke", "aaaaaaaaaaaa"), "no join token")


def test_every_error_of_a_descriptor_is_told(ask, folder):
    broken = descriptor({"sql": 70000, "other": 1}, {"sql": True})
    broken["rules"].pop()
    file = folder / "mysql.json"
    file.write_text(json.dumps(broken), encoding="utf-8")
    done = ask("instance", "apply", file)
    _refused(done, "appnet: the descriptor does not fit together; nothing was changed\n")
    assert done.stderr.count("\n  - ") >= 3, done.stderr
    for name in ("sql", "other", "70000"):
        assert name in done.stderr


def test_who_one_is_decides_what_one_may(registry, ask):
    registry.apply_pair()
    _refused(ask("list", role=None), "there is no token", "data_dir: --token-file FILE")
    _done(ask("list", role="viewer"))
    _refused(ask(*ADD, role="viewer"), "operator.token")
    _done(ask(*ADD, role="operator"))
    _refused(ask("instance", "remove", "shop", role="operator"), "admin.token")
    _done(ask("instance", "remove", "shop", role="admin"))


def test_there_is_no_registry(registry, ask):
    registry.stop()
    _refused(ask("list"), f"the registry cannot be reached at {registry.url}: ")


# Tokens


def test_tokens(registry, ask):
    token = _done(
        ask("token", "create", "--instance", "shop", "--ttl", "1h", "--uses", "2")
    ).strip()
    prefix, identity, _, ca_hash = token.split(".")
    assert prefix == "appnet1" and len(ca_hash) == 64
    (row,) = _rows(_done(ask("token", "list")))
    assert row[:3] == [identity, "shop", "2"] and re.fullmatch(r"1h00m|59m\d\ds", row[4])
    request, _ = registry.request_for("shop")
    registry.enroll(token, request).good(201)
    assert _rows(_done(ask("token", "list")))[0][2] == "1"
    assert _done(ask("token", "revoke", identity)) == f"{identity}: revoked\n"
    answer = registry.enroll(token, request)
    assert answer.status == 403 and "revoked" in answer.json["detail"], answer


# Events


def test_events_are_followed(registry, ask, lab):
    registry.apply_pair()
    environment = {
        "APPNET_REGISTRY": registry.url,
        "APPNET_TOKEN_FILE": str(registry.token_file("viewer")),
    }
    following = lab.add(
        Command(lab.folder, "events", "--follow", "-o", "json", environment=environment)
    )
    eventually(lambda: '"reset"' in following.text(), following.text)
    _done(ask(*ADD))
    eventually(lambda: '"WAITING"' in following.text(), following.text)
    registry.restart()
    eventually(lambda: following.text().count('"reset"') == 2, following.text)
    _done(ask(*REMOVE, "--wait"))
    eventually(lambda: '"connection-removed"' in following.text(), following.text)
    following.signal(signal.SIGINT)
    following.wait()
    said = [json.loads(line) for line in following.text().splitlines() if line.startswith("{")]
    assert all(set(event) == {"event", "id", "at", "data"} for event in said)
    since = said[-2]["id"]
    again = [
        json.loads(line)
        for line in _done(ask("events", "--since", since, "-o", "json")).splitlines()
    ]
    assert again[0] == said[-1]


def test_events_shows_what_has_happened(registry, ask):
    assert _done(ask("events")) == ""
    registry.apply_pair()
    _done(ask(*ADD))
    begun = [line.split(None, 2)[1:] for line in _done(ask("events")).splitlines()]
    assert ["instance", "shop"] in begun
    assert ["connection", "db of shop to sql of mysql: WAITING"] in begun
    _done(ask(*REMOVE, "--wait"))
    lines = _done(ask("events")).splitlines()
    assert [line.split(None, 2)[1:] for line in lines[: len(begun)]] == begun
    assert any("connection-removed" in line for line in lines)
    row = ask("events", "-o", "json").stdout.splitlines()[0]
    age = time.time() - datetime.fromisoformat(json.loads(row)["at"]).timestamp()
    assert lines[0].split()[0] == json.loads(row)["at"] and -1 < age < 60 * SLOW


def test_waiting_goes_on_over_a_restart_of_the_registry(registry, ask, lab):
    registry.apply_pair()
    environment = {
        "APPNET_REGISTRY": registry.url,
        "APPNET_TOKEN_FILE": str(registry.token_file()),
    }
    waiting = lab.add(Command(lab.folder, *ADD, "--wait=20", environment=environment))
    eventually(lambda: registry.connections(), "a connection")
    registry.restart()
    assert waiting.running, waiting.text()
    _done(ask(*REMOVE, "--wait"))
    assert waiting.wait() == 1
    assert "somebody else" in waiting.text()


# With sidecars


@pytest.fixture(name="wire")
def _wire(lab, fleet):
    return Wire(lab, fleet)


class Wire:
    """shop and mysql, joined and not connected."""

    def __init__(self, lab, fleet):
        self.fleet = fleet
        self.port = lab.port()
        self.target = self.fleet.replica("mysql", {"sql": lab.serve(Echo).address})
        self.source = self.fleet.replica("shop", outbounds={"db": self.port}, required=["db"])
        self.fleet.wait_declared("shop", "mysql")


def test_add_and_remove_wait_for_the_traffic(wire, ask):
    for _ in range(3):
        said = _done(ask(*ADD, "--wait"))
        assert said == "db of shop to sql of mysql: ESTABLISHED\n"
        ask_outbound(wire.port, b"hello")
        assert _rows(_done(ask("list")))[0][5:7] == ["ESTABLISHED", "-"]
        _done(ask(*REMOVE, "--force", "--wait"))
        assert not answers(wire.port)
        # its workers close the socket a moment later
        eventually(lambda: refuses(wire.port), "nobody listens for the outbound")


def test_wait_and_run_see_what_the_registry_connects(wire, ask, lab):
    waiting = lab.add(Command(lab.folder, "wait", "--sidecar", wire.source.admin, name="wait"))
    settings.write(
        lab.folder / "blog.conf",
        {
            **wire.fleet.settings("blog", outbounds={"db": lab.port()}, required=["db"]),
            "admin": str(lab.folder / "blog.sock"),
        },
    )
    running = lab.add(
        Command(lab.folder, "run", "-c", lab.folder / "blog.conf", "--", "env", name="run")
    )
    wire.fleet.wait_declared("blog")
    assert waiting.running and running.running, waiting.text() + running.text()
    _done(ask(*ADD))
    assert waiting.wait() == 0, waiting.text()
    _done(ask("add", "blog", "db", "mysql", "sql"))
    assert running.wait(20) == 0, running.text()
    assert "\nAPPNET_OUTBOUND_DB=127.0.0.1:" in running.text()


def test_status_shows_the_registry(wire, registry):
    shown = _done(wire.source.status_command())
    assert f"\nREGISTRY\naddress       {registry.address}\nconnected     yes\n" in shown
