"""The commands that ask the registry: what they ask for, and what they make of the answers, whatever
those are. The registry is scripted here.
"""

import json
import signal
import threading
import time

import pytest

from support.command_line import Command, Terminal, appnet
from support.environment import program
from support.process import run
from support.scripted_registry import ScriptedRegistry, Stream, problem
from support.wait import eventually

ADD = ("add", "shop", "db", "mysql", "sql")
REMOVE = ("remove", "shop", "db", "mysql", "sql")
ONE = "/v1/connections/c-abcdefgh1234"


def _connection(status="WAITING", **more):
    return {
        "id": "c-abcdefgh1234",
        "source_instance": "shop",
        "outbound": "db",
        "outbound_required": True,
        "target_instance": "mysql",
        "inbound": "sql",
        "port": 3306,
        "status": status,
        "reason": None,
        "detail": None,
        "created_at": "2020-01-02T03:04:05.678Z",
        **more,
    }


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.add(ScriptedRegistry(lab.port()))


@pytest.fixture(name="ask")
def _ask(registry):
    def ask(*arguments, **options):
        environment = {"APPNET_REGISTRY": registry.url, **options.pop("environment", {})}
        return appnet(*arguments, environment=environment, **options)

    return ask


def _check_refused(done, *sentences, code=1):
    assert (done.returncode, done.stdout) == (code, ""), (done.stdout, done.stderr)
    for sentence in sentences:
        assert sentence in done.stderr, done.stderr


# Whom they ask, and as who


def test_registry_is_the_one_of_this_machine_unless_said_otherwise():
    # in a network of its own, where nobody else's registry answers
    for alone in (["unshare", "--map-root-user", "--net"], ["unshare", "--net"]):
        if run([*alone, "true"], check=False).returncode == 0:
            break
    else:
        pytest.skip("no network of our own to be had here")
    done = run(
        [*alone, program("appnet"), "list"], environment={"APPNET_REGISTRY": ""}, check=False
    )
    assert "http://127.0.0.1:15080" in done.stderr
    assert "--registry URL or APPNET_REGISTRY" in done.stderr


@pytest.mark.parametrize(
    "before, after",
    [
        ([], ["--registry", "URL"]),
        ([], ["--registry=URL/"]),
        (["--registry", "URL"], []),
        (["-o", "json", "--registry=URL"], []),
    ],
)
def test_registry_may_be_named_before_or_behind_the_command(registry, before, after):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": [], "revision": 1}
    fill = lambda words: [word.replace("URL", registry.url) for word in words]  # noqa: E731
    done = appnet(*fill(before), "list", *fill(after))
    assert done.returncode == 0, done.stderr


def test_option_comes_before_environment(registry, ask):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": [], "revision": 1}
    done = ask(
        "list", "--registry", registry.url, environment={"APPNET_REGISTRY": "http://x.invalid"}
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("url", ["registry.example", "ftp://x", "127.0.0.1:15080", "http:/x"])
def test_registry_must_be_a_url(url):
    _check_refused(appnet("list", "--registry", url), f'registry "{url}": expected a URL')


def test_token_is_sent(registry, ask, folder):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": []}
    token = folder / "token"
    token.touch(0o600)
    token.write_text("\n secret-1.2_3\n", encoding="ascii")
    assert ask("list", "--token-file", token).returncode == 0
    assert ask("list", environment={"APPNET_TOKEN_FILE": str(token)}).returncode == 0
    assert ask("list").returncode == 0
    sent = [request.headers.get("Authorization") for request in registry.requests]
    assert sent == ["Bearer secret-1.2_3", "Bearer secret-1.2_3", None]


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("", "holds no token"),
        ("two words\n", "holds no token"),
        ("x\r\nX-Evil: y\n", "holds no token"),
        ("x" * 5000, "longer than"),
    ],
)
def test_token_file_must_be_good(registry, ask, folder, content, sentence):
    token = folder / "token"
    token.touch(0o600)
    token.write_text(content, encoding="ascii")
    _check_refused(ask("list", "--token-file", token), str(token), sentence)
    assert not registry.requests


def test_token_file_that_others_can_read_is_warned_of(registry, ask, folder):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": []}
    token = folder / "token"
    token.write_text("good\n", encoding="ascii")
    token.chmod(0o644)
    done = ask("list", "--token-file", token)
    assert done.returncode == 0
    warning = f"appnet: warning: others can read the token in {token}: chmod 600 it\n"
    assert done.stderr == warning
    token.chmod(0o600)
    assert ask("list", "--token-file", token).stderr == ""


def test_no_proxy_comes_in_between(registry, ask):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": []}
    assert ask("list", environment={"http_proxy": "http://127.0.0.1:1"}).returncode == 0


def test_says_how_to_say_who_one_is(registry, ask, folder):
    registry.answers["GET", "/v1/connections"] = problem(401, "unauthenticated", "who are you?")
    done = ask("list")
    _check_refused(done, "appnet: who are you?\n", "--token-file FILE or APPNET_TOKEN_FILE")
    assert "admin.token" in done.stderr
    token = folder / "token"
    token.touch(0o600)
    token.write_text("old", encoding="ascii")
    _check_refused(ask("list", "--token-file", token), "made by another registry")
    registry.answers["GET", "/v1/connections"] = problem(403, "forbidden", "not you")
    _check_refused(ask("list"), "appnet: not you\n", "operator.token")


def test_a_registry_from_afar_is_known_by_its_ca(lab, authority):
    names = f"URI:spiffe://{authority.trust_domain}/registry,DNS:localhost,IP:127.0.0.1"
    identity = authority.forge("registry", names)
    registry = lab.add(ScriptedRegistry(lab.port(), identity))
    registry.answers["GET", "/v1/connections"] = 200, {"connections": []}
    for arguments, environment in (
        (["--ca", identity.ca], {}),
        ([], {"APPNET_CA": str(identity.ca)}),
    ):
        done = appnet("list", "--registry", registry.url, *arguments, environment=environment)
        assert done.returncode == 0, done.stderr
    for ca in ([], ["--ca", lab.folder / "none"]):
        done = appnet("list", "--registry", registry.url, *ca)
        _check_refused(done, f"the registry at {registry.url} is not trusted: ", "--ca FILE")
    elsewhere = registry.url.replace("localhost", "127.0.0.2")
    _check_refused(appnet("list", "--registry", elsewhere, "--ca", identity.ca), "is not trusted: ")


def test_a_token_in_the_open_is_warned_of(lab):
    token = lab.folder / "token"
    token.touch(0o600)
    token.write_text("t", encoding="ascii")
    done = appnet("list", "--registry", f"http://127.0.0.2:{lab.port()}", "--token-file", token)
    assert "appnet: warning: the token goes to http://127.0.0.2" in done.stderr
    done = appnet("list", "--registry", f"http://localhost:{lab.port()}", "--token-file", token)
    assert "warning" not in done.stderr


# What they make of refusals


def test_refusal_is_the_registrys_sentence_and_what_to_do(registry, ask):
    registry.answers["POST", "/v1/connections"] = problem(
        409, "outbound-taken", "db of shop is connected", next="disconnect it first"
    )
    done = ask(*ADD)
    _check_refused(done)
    assert done.stderr == "appnet: db of shop is connected\n  disconnect it first\n"


def test_every_error_of_a_descriptor_is_shown(registry, ask, folder):
    registry.answers["PUT", "/v1/instances/mysql"] = problem(
        422, "descriptor-invalid", "the descriptor has 2 errors", errors=["a is b", "c is d"]
    )
    file = folder / "mysql.json"
    file.write_text("{}", encoding="ascii")
    done = ask("instance", "apply", file)
    assert done.stderr == "appnet: the descriptor has 2 errors\n  - a is b\n  - c is d\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    "answer, sentence",
    [
        ((502, b"<html>Bad Gateway"), "HTTP status 502"),
        ((404, None), "HTTP status 404"),
        ((200, b"hello"), "is not JSON"),
        ((200, b""), "is not JSON"),
        ((302, b""), "HTTP status 302"),
        ((500, {"title": "Broken"}), "appnet: Broken"),
        ((400, {"title": 3, "detail": []}), "HTTP status 400"),
    ],
)
def test_what_is_no_registry_is_said_so(registry, ask, answer, sentence):
    registry.answers["GET", "/v1/connections"] = answer
    _check_refused(ask("list"), sentence)


@pytest.mark.parametrize(
    "content", [b"[]", b"3", b'{"connections":3}', b'{"connections":[1,null,{}]}', b"{}"]
)
def test_odd_json_is_survived(registry, ask, content):
    registry.answers["GET", "/v1/connections"] = 200, content
    for arguments in (["list"], ["list", "-o", "json"], REMOVE):
        assert ask(*arguments).returncode in (0, 1)


def test_nothing_that_is_said_moves_the_cursor(registry, ask):
    registry.answers["GET", "/v1/connections"] = [
        problem(409, "x", "a\x1b[2Jb\nappnet: fine"),
        (200, {"connections": [_connection(reason="x\x1b[2J\x9b1m\r")]}),
    ]
    assert ask("list").stderr == "appnet: a?[2Jb?appnet: fine\n"
    assert "x?[2J??1m?" in ask("list").stdout


# connection list


def test_list_is_a_table(registry, ask):
    registry.answers["GET", "/v1/connections"] = (
        200,
        {
            "connections": [
                _connection("ESTABLISHED"),
                _connection(
                    "FAILED", outbound="log", outbound_required=False, reason="unreachable"
                ),
            ],
            "revision": 7,
        },
    )
    for words in (["list"], ["connection", "list"]):
        titles, first, second = [line.split() for line in ask(*words).stdout.splitlines()]
        assert titles == [
            "SOURCE",
            "OUTBOUND",
            "TARGET",
            "INBOUND",
            "PORT",
            "STATUS",
            "REASON",
            "AGE",
        ]
        assert first[:7] == ["shop", "db*", "mysql", "sql", "3306", "ESTABLISHED", "-"]
        assert second[:7] == ["shop", "log", "mysql", "sql", "3306", "FAILED", "unreachable"]
        assert first[7].endswith("h") and "d" in first[7]


def test_json_is_the_answer_as_it_is(registry, ask):
    text = b'{ "connections": [],\n  "later": {"x": 1.50}, "revision": 7 }'
    registry.answers["GET", "/v1/connections"] = 200, text
    assert ask("list", "-o", "json").stdout == text.decode() + "\n"


# connection add


def test_add_is_accepted(registry, ask):
    registry.answers["POST", "/v1/connections"] = 202, _connection()
    for words in (ADD, ("connection", *ADD)):
        done = ask(*words)
        assert (done.returncode, done.stdout) == (0, "db of shop to sql of mysql: WAITING\n")
    (first, _) = registry.requests
    assert first.body == {
        "source_instance": "shop",
        "outbound": "db",
        "target_instance": "mysql",
        "inbound": "sql",
    }
    assert json.loads(ask(*ADD, "-o", "json").stdout) == _connection()


def test_add_waits_until_it_works(registry, ask):
    registry.answers["POST", "/v1/connections"] = 202, _connection()
    registry.answers["GET", ONE] = [
        (200, _connection()),
        (200, _connection("FAILED", reason="unreachable", detail="nobody there")),
        (503, b"restarting"),
        (200, _connection("ESTABLISHED")),
    ]
    done = ask(*ADD, "--wait")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "db of shop to sql of mysql: ESTABLISHED\n",
        "",
    )
    assert len(registry.asked("GET")) == 4
    registry.answers["GET", ONE] = 200, _connection("ESTABLISHED")
    assert json.loads(ask(*ADD, "--wait=5", "-o", "json").stdout) == _connection("ESTABLISHED")


def test_add_gives_up_with_the_reason(registry, ask):
    registry.answers["POST", "/v1/connections"] = 202, _connection()
    registry.answers["GET", ONE] = 200, _connection(
        "FAILED", reason="unreachable", detail="nobody there"
    )
    begun = time.monotonic()
    done = ask(*ADD, "--wait=1")
    assert 1 <= time.monotonic() - begun
    _check_refused(done)
    assert done.stderr == (
        "appnet: db of shop to sql of mysql: FAILED, unreachable: nobody there after 1 second\n"
    )


def test_a_script_is_told_why(registry, ask):
    """On standard output, as the registry says it; with the sentences for a person beside it."""
    refusal = problem(409, "outbound-taken", "db of shop is connected", next="disconnect it first")
    registry.answers["POST", "/v1/connections"] = refusal
    done = ask(*ADD, "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == "outbound-taken"
    assert done.stderr == "appnet: db of shop is connected\n  disconnect it first\n"
    registry.answers["POST", "/v1/connections"] = 202, _connection()
    failed = _connection("FAILED", reason="unreachable", detail="nobody there")
    registry.answers["GET", ONE] = 200, failed
    done = ask(*ADD, "--wait=1", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)) == (1, failed)
    assert "FAILED, unreachable: nobody there after 1 second" in done.stderr


@pytest.mark.parametrize(
    "answer, sentence",
    [
        (problem(404, "connection-unknown", "none"), "it was removed by somebody else"),
        ((200, _connection("TERMINATED")), "it is being removed by somebody else"),
        (problem(401, "unauthenticated", "no more"), "appnet: no more"),
    ],
)
def test_add_does_not_wait_for_what_will_not_come(registry, ask, answer, sentence):
    registry.answers["POST", "/v1/connections"] = 202, _connection()
    registry.answers["GET", ONE] = [(200, _connection()), answer]
    _check_refused(ask(*ADD, "--wait"), sentence)


def test_waiting_is_shown_on_a_terminal(registry, lab):
    registry.answers["POST", "/v1/connections"] = 202, _connection()
    registry.answers["GET", ONE] = 200, _connection(
        "FAILED", reason="unreachable", detail="nobody \x1b[31mthere"
    )
    terminal = lab.add(Terminal(*ADD, "--wait", environment={"APPNET_REGISTRY": registry.url}))
    terminal.read_until(
        r"\r\x1b\[K0s  db of shop to sql of mysql: FAILED, unreachable: nobody \?\[31mthere"
    )
    registry.answers["GET", ONE] = 200, _connection("ESTABLISHED")
    assert terminal.wait() == 0
    assert terminal.seen.endswith("\r\x1b[Kdb of shop to sql of mysql: ESTABLISHED\r\n")


@pytest.mark.parametrize("value", ["x", "0", "-1", "", "1e3", "99999999999999999999"])
def test_add_refuses_other_waits(registry, ask, value):
    _check_refused(ask(*ADD, f"--wait={value}"), "--wait", code=2)
    assert not registry.requests


@pytest.mark.parametrize("place", range(4))
def test_names_are_looked_at_before_the_registry_is_asked(registry, ask, place):
    words = list(ADD)
    words[1 + place] = "No/Name"
    title = ["SOURCE", "OUTBOUND", "TARGET", "INBOUND"][place]
    _check_refused(ask(*words), f'{title} "No/Name": expected 1 to 63', code=2)
    assert not registry.requests


# connection remove


def _with_connection(registry, **more):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": [_connection(**more)]}


def test_remove_finds_the_connection(registry, ask):
    _with_connection(registry)
    registry.answers["DELETE", ONE] = 202, _connection("TERMINATED")
    done = ask(*REMOVE)
    assert (done.returncode, done.stdout) == (0, "db of shop to sql of mysql: TERMINATED\n")
    assert json.loads(ask(*REMOVE, "-o", "json").stdout) == _connection("TERMINATED")
    assert set(registry.asked("DELETE")) == {("DELETE", ONE)}


def test_remove_by_force(registry, ask):
    _with_connection(registry)
    registry.answers["DELETE", ONE] = problem(
        409, "confirmation-required", "db is required: appnet remove shop db mysql sql --force"
    )
    registry.answers["DELETE", ONE + "?confirm_required=true"] = 202, _connection("TERMINATED")
    _check_refused(ask(*REMOVE), "appnet remove shop db mysql sql --force")
    assert ask(*REMOVE, "--force").returncode == 0


def test_remove_waits_until_it_is_gone(registry, ask):
    _with_connection(registry)
    registry.answers["DELETE", ONE] = 202, _connection("TERMINATED")
    registry.answers["GET", ONE] = [
        (200, _connection("TERMINATED")),
        (200, _connection("TERMINATED")),
        problem(404, "connection-unknown", "none"),
    ]
    done = ask(*REMOVE, "--wait")
    assert (done.returncode, done.stdout) == (0, "db of shop to sql of mysql: gone\n")
    assert len([path for _, path in registry.asked("GET") if path == ONE]) == 3


def test_remove_waits_for_what_somebody_else_removes(registry, ask):
    _with_connection(registry, status="TERMINATED")
    assert ask(*REMOVE, "--wait").returncode == 0
    assert not registry.asked("DELETE")


def test_remove_says_when_it_does_not_go(registry, ask):
    _with_connection(registry)
    registry.answers["DELETE", ONE] = registry.answers["GET", ONE] = 202, _connection("TERMINATED")
    registry.answers["GET", ONE] = 200, _connection("TERMINATED")
    _check_refused(
        ask(*REMOVE, "--wait=1"), "db of shop to sql of mysql: is not gone after 1 second\n"
    )


def test_remove_of_what_is_not_there(registry, ask):
    registry.answers["GET", "/v1/connections"] = 200, {"connections": []}
    _check_refused(ask(*REMOVE), "appnet: db of shop is not connected; appnet list shows what is\n")
    _with_connection(registry, target_instance="other", inbound="hub")
    _check_refused(ask(*REMOVE), "db of shop is connected to hub of other, not to sql of mysql")
    assert not registry.asked("DELETE")


def test_remove_trusts_no_odd_id(registry, ask):
    for odd in ("../instances/mysql", "", "a?b", None, 7):
        _with_connection(registry, id=odd)
        _check_refused(ask(*REMOVE), "the registry's answer is not a connection")
    assert not registry.asked("DELETE")


# What is available


def test_inbounds_available(registry, ask):
    answer = {"inbounds": [{"instance": "mysql", "name": "sql", "port": 3306}], "revision": 3}
    registry.answers["GET", "/v1/interfaces/inbound/available"] = 200, answer
    lines = ask("inbound", "available").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["INSTANCE", "INBOUND", "PORT"],
        ["mysql", "sql", "3306"],
    ]
    assert json.loads(ask("inbound", "available", "-o", "json").stdout) == answer


def test_outbounds_available(registry, ask):
    answer = {
        "outbounds": [
            {"instance": "shop", "name": "db", "required": True, "port": None},
            {"instance": "shop", "name": "log", "required": False, "port": 514},
        ],
        "revision": 3,
    }
    registry.answers["GET", "/v1/interfaces/outbound/available"] = 200, answer
    lines = ask("outbound", "available").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["INSTANCE", "OUTBOUND", "REQUIRED", "PORT"],
        ["shop", "db", "yes", "-"],
        ["shop", "log", "no", "514"],
    ]
    assert json.loads(ask("outbound", "available", "-o", "json").stdout) == answer


# Instances

_SHOP = {
    "name": "shop",
    "applied": True,
    "created_at": "2020-01-02T03:04:05.678Z",
    "revision": 3,
    "replicas": [
        {
            "id": "a" * 16,
            "live": True,
            "address": "10.0.0.5:15008",
            "version": "0.1.0",
            "last_seen": "2020-01-02T03:04:05.678Z",
            "certificate_not_after": "2020-01-02T03:04:05.678Z",
        },
        {"id": "b" * 16, "live": False},
    ],
    "inbound_net_interfaces": [{"name": "http"}],
    "outbound_net_interfaces": [
        {"name": "db", "required": True},
        {"name": "log", "required": False},
    ],
    "rules": [],
    "inbounds": [{"name": "http", "port": 80, "connections": 2}],
    "outbounds": [{"name": "db", "required": True, "port": 3306, "connection": "c-abcdefgh1234"}],
}


def test_instance_list(registry, ask):
    registry.answers["GET", "/v1/instances"] = 200, {"instances": [_SHOP, {"name": "new"}]}
    titles, first, second = ask("instance", "list").stdout.splitlines()
    assert titles.split() == ["NAME", "REPLICAS", "INBOUNDS", "OUTBOUNDS", "AGE"]
    assert first.split()[:5] == ["shop", "1/2", "http", "db*,", "log"]
    assert second.split() == ["new", "0/0", "-", "-", "-"]
    assert json.loads(ask("instance", "list", "-o", "json").stdout)["instances"][0] == _SHOP


def test_instance_show(registry, ask):
    registry.answers["GET", "/v1/instances/shop"] = 200, _SHOP
    said = ask("instance", "show", "shop").stdout
    for piece in (
        "name          shop\n",
        "db    yes       3306  c-abcdefgh1234\n",
        "http  80    2\n",
    ):
        assert piece in said, said
    assert "a" * 16 + "  yes   10.0.0.5:15008  0.1.0" in said
    assert said.splitlines()[-2].endswith("over")
    assert json.loads(ask("instance", "show", "shop", "-o", "json").stdout) == _SHOP


def test_instance_show_of_none(registry, ask):
    _check_refused(ask("instance", "show", "shop"), "there is nothing at /v1/instances/shop")
    _check_refused(ask("instance", "show", "../x"), 'NAME "../x": expected', code=2)
    assert len(registry.requests) == 1


def test_instance_apply(registry, ask, folder):
    descriptor = {"inbound_net_interfaces": [{"name": "sql"}], "rules": []}
    registry.answers["PUT", "/v1/instances/mysql-1"] = [(201, _SHOP), (200, _SHOP)]
    registry.answers["PUT", "/v1/instances/other"] = 200, _SHOP
    file = folder / "mysql-1.json"
    file.write_text(json.dumps(descriptor), encoding="utf-8")
    assert ask("instance", "apply", file).stdout == "mysql-1: created\n"
    assert ask("instance", "apply", file).stdout == "mysql-1: updated\n"
    assert json.loads(ask("instance", "apply", "-o", "json", file).stdout) == _SHOP
    assert ask("instance", "apply", file, "--instance", "other").stdout == "other: updated\n"
    named = {"name": "other", **descriptor}
    file.write_text(json.dumps(named), encoding="utf-8")
    assert ask("instance", "apply", file).stdout == "other: updated\n"
    assert ask("instance", "apply", "-", input=json.dumps(named)).stdout == "other: updated\n"
    assert [request.body for request in registry.requests] == [descriptor] * 4 + [named] * 2


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("{", "mysql.json:1:"),
        ('{"a": 1,\n "b": }', "mysql.json:2:"),
        ('{"a": 1, "a": 2}', "duplicate"),
        ("[]", "expected an object"),
        ('{"name": "No Name"}', '"No Name": expected 1 to 63'),
    ],
)
def test_instance_apply_refuses_broken_files(registry, ask, folder, content, sentence):
    file = folder / "mysql.json"
    file.write_text(content, encoding="utf-8")
    _check_refused(ask("instance", "apply", file), str(file), sentence)
    assert not registry.requests


def test_instance_apply_needs_a_name(registry, ask, folder):
    file = folder / "My File.json"
    file.write_text("{}", encoding="utf-8")
    _check_refused(ask("instance", "apply", file), 'name "My File": expected')
    _check_refused(ask("instance", "apply", "-", input="{}"), 'name "-": expected')
    _check_refused(ask("instance", "apply", folder / "none"), "cannot open")


def test_instance_remove(registry, ask):
    path = "/v1/instances/mysql"
    registry.answers["DELETE", path] = [
        (200, {"name": "mysql", "connections": []}),
        (202, {"name": "mysql", "connections": ["c-a"]}),
        problem(409, "confirmation-required", "appnet instance remove mysql --force"),
    ]
    registry.answers["DELETE", path + "?force=true"] = (
        202,
        {"name": "mysql", "connections": ["c-a", "c-b"]},
    )
    assert ask("instance", "remove", "mysql").stdout == "mysql: removed\n"
    assert ask("instance", "remove", "mysql").stdout == (
        "mysql: is removed, after its 1 connection\n"
    )
    _check_refused(ask("instance", "remove", "mysql"), "--force")
    assert ask("instance", "remove", "--force", "mysql").stdout == (
        "mysql: is removed, after its 2 connections\n"
    )


# Tokens

_TOKEN = {
    "id": "abcdefgh1234",
    "token": "appnet1.abcdefgh1234." + "A" * 43 + "." + "0" * 64,
    "instance": "shop",
    "uses": 1,
    "uses_left": 1,
    "created_at": "2020-01-02T03:04:05.678Z",
    "expires_at": "2020-01-02T03:04:05.678Z",
}


def test_token_create_prints_the_token_and_nothing_else(registry, ask):
    registry.answers["POST", "/v1/join-tokens"] = 201, _TOKEN
    done = ask("token", "create", "--instance", "shop")
    assert (done.returncode, done.stdout, done.stderr) == (0, _TOKEN["token"] + "\n", "")
    done = ask("token", "create", "--instance", "shop", "--ttl", "2h", "--uses", "3", "-o", "json")
    assert json.loads(done.stdout) == _TOKEN
    assert [request.body for request in registry.requests] == [
        {"instance": "shop", "ttl": 900, "uses": 1},
        {"instance": "shop", "ttl": 7200, "uses": 3},
    ]


def test_token_create_tells_a_person_what_it_is(registry, lab):
    registry.answers["POST", "/v1/join-tokens"] = 201, _TOKEN
    terminal = lab.add(
        Terminal(
            "token", "create", "--instance", "shop", environment={"APPNET_REGISTRY": registry.url}
        )
    )
    assert terminal.wait() == 0
    assert _TOKEN["token"] + "\r\n" in terminal.seen
    assert "It lets shop join, for 15m and 1 time." in terminal.seen


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--instance", "Shop"],
        ["--instance", "shop", "--ttl", "x"],
        ["--instance", "shop", "--uses", "0"],
        ["--instance", "shop", "--uses", "-1"],
        ["--instance", "shop", "--uses", "1x"],
        ["--instance", "shop", "--uses", " 1"],
        ["--instance", "shop", "--uses", "99999999999999999999"],
    ],
)
def test_token_create_refuses(registry, ask, arguments):
    _check_refused(ask("token", "create", *arguments), "--", code=2)
    assert not registry.requests


def test_token_list(registry, ask):
    entry = {key: value for key, value in _TOKEN.items() if key != "token"}
    registry.answers["GET", "/v1/join-tokens"] = 200, {"tokens": [entry], "revision": 9}
    titles, first = ask("token", "list").stdout.splitlines()
    assert titles.split() == ["ID", "INSTANCE", "USES", "LEFT", "AGE", "GOOD", "FOR"]
    assert first.split()[:3] == ["abcdefgh1234", "shop", "1"] and first.endswith("over")


def test_token_revoke(registry, ask):
    registry.answers["DELETE", "/v1/join-tokens/abcdefgh1234"] = 204, None
    assert ask("token", "revoke", "abcdefgh1234").stdout == "abcdefgh1234: revoked\n"
    assert ask("token", "revoke", "abcdefgh1234", "-o", "json").stdout == ""
    _check_refused(ask("token", "revoke", "aaaaaaaaaaaa"), "there is nothing at")
    for odd in ("short", "../../instances", _TOKEN["token"]):
        _check_refused(ask("token", "revoke", odd), "expected 12 of a-z and 0-9", code=2)


# Events

_RESET = 'event: reset\nid: 9-1\ndata: {"revision":3}\n\n'


def _event(kind, identity, data):
    at = "2026-01-02T03:04:05Z"
    return f"event: {kind}\nid: {identity}\nat: {at}\ndata: {json.dumps(data)}\n\n"


def test_events_shows_what_there_is_and_ends(registry, ask):
    registry.answers["GET", "/v1/events"] = lambda _: Stream(
        _RESET,
        ": still here\n\n",
        _event("connection", "9-2", _connection("FAILED", detail="nobody\x1b there")),
        _event("connection-removed", "9-3", {"id": "c-a"}),
        _event("instance", "9-4", {"name": "shop"}),
        hold=threading.Event(),
    )
    done = ask("events")
    assert done.returncode == 0, done.stderr
    lines = [line.split(None, 2)[1:] for line in done.stdout.splitlines()]
    assert registry.requests[0].headers["Last-Event-ID"] == "0"
    assert "2026-01-02T03:04:05Z  instance            shop\n" in done.stdout
    assert lines == [
        ["reset"],
        ["connection", "db of shop to sql of mysql: FAILED, nobody? there"],
        ["connection-removed", "c-a"],
        ["instance", "shop"],
    ]


def test_events_waits_for_a_registry_that_is_slow(registry, ask):
    answer = Stream('id: 9-4\nevent: reset\ndata: {"revision":12}\n\n')

    def slowly(_request):
        time.sleep(1.5)
        return answer

    registry.answers["GET", "/v1/events"] = slowly
    done = ask("events")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "reset"
    answer = problem(401, "unauthenticated", "who are you?")
    _check_refused(ask("events"), "who are you?")


def test_events_of_a_registry_that_does_not_answer(registry, ask):
    end = threading.Event()
    registry.answers["GET", "/v1/events"] = lambda _: end.wait(60)
    begin = time.monotonic()
    done = ask("events", timeout=50)
    assert time.monotonic() - begin > 20
    end.set()
    _check_refused(done, f"the registry at {registry.url} does not answer: ")


def test_events_in_json_go_on_from_an_id(registry, ask):
    registry.answers["GET", "/v1/events"] = lambda _: Stream(
        _event("instance-removed", "9-5", {"name": "shop"})
    )
    done = ask("events", "--since", "9-4", "-o", "json")
    assert json.loads(done.stdout) == {
        "event": "instance-removed",
        "id": "9-5",
        "at": "2026-01-02T03:04:05Z",
        "data": {"name": "shop"},
    }
    assert registry.requests[0].headers["Last-Event-ID"] == "9-4"


def test_events_are_followed_over_restarts(registry, lab):
    end = threading.Event()
    answers = [
        lambda _: Stream(_RESET, _event("instance", "9-2", {"name": "a"}), "event: inst"),
        (503, b"starting"),
        lambda _: Stream(_event("instance", "9-3", {"name": "b"}), hold=end),
    ]
    registry.answers["GET", "/v1/events"] = answers
    following = lab.add(
        Command(lab.folder, "events", "--follow", environment={"APPNET_REGISTRY": registry.url})
    )
    eventually(lambda: "  b\n" in following.text(), following.text)
    assert following.text().count("  a\n") == 1
    assert [request.headers.get("Last-Event-ID") for request in registry.requests] == [
        None,
        "9-2",
        "9-2",
    ]
    assert following.running
    following.signal(signal.SIGINT)
    assert following.wait() == -signal.SIGINT
    end.set()


@pytest.mark.limit(180)
def test_events_that_fall_silent_are_asked_for_anew(registry, lab):
    """A registry says something every 15 seconds; one that does not is not there any more."""
    end = threading.Event()
    registry.answers["GET", "/v1/events"] = [
        lambda _: Stream(_RESET, hold=end),
        lambda _: Stream(_event("instance", "9-2", {"name": "b"}), hold=end),
    ]
    following = lab.add(
        Command(lab.folder, "events", "--follow", environment={"APPNET_REGISTRY": registry.url})
    )
    begin = time.monotonic()
    eventually(lambda: "  b\n" in following.text(), following.text, timeout=55)
    assert time.monotonic() - begin > 30
    assert "does not answer: nothing came within 45 seconds; trying again\n" in following.text()
    end.set()


def test_events_ends_when_it_is_refused(registry, ask):
    registry.answers["GET", "/v1/events"] = problem(401, "unauthenticated", "who are you?")
    for arguments in (["events"], ["events", "--follow"]):
        _check_refused(ask(*arguments), "appnet: who are you?\n")


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["add"],
        ["add", "a", "b", "c"],
        ["add", "a", "b", "c", "d", "e"],
        ["connection"],
        ["connection", "ad"],
        ["connection", "list", "more"],
        ["list", "-o", "yaml"],
        ["list", "--sidecar", "x"],
        ["list", "--registry"],
        ["remove", "a", "b", "c", "d", "--wait", "5"],
        ["remove", "a", "b", "c", "d", "--force=yes"],
        ["instance", "show"],
        ["instance", "apply"],
        ["token", "revoke"],
        ["--registry", "x"],
        ["--wait", "list"],
        ["run"],
        ["run", "--", "true"],
        ["run", "-c", "x"],
        ["run", "-c", "x", "--"],
        ["wait", "more"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments):
    _check_refused(appnet(*arguments), "appnet", code=2)


@pytest.mark.parametrize("group", ["connection", "instance", "token", "inbound", "outbound", "ca"])
def test_a_group_of_commands_has_help(group):
    done = appnet(group, "--help")
    assert done.returncode == 0
    commands = [line for line in done.stdout.splitlines() if line.startswith("  appnet ")]
    assert commands and all(line.startswith(f"  appnet {group} ") for line in commands)
    assert all(line in appnet("--help").stdout for line in commands)
