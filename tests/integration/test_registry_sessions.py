"""Signing in with a browser: a code or a token for a cookie, and what that cookie is good for."""

import re
import time

import pytest

from support.environment import SLOW, program
from support.events import Events
from support.process import Process
from support.wait import eventually

ROLES = ["viewer", "operator", "admin"]
LIFE = 12 * 3600


class Browser:
    """Sends what a browser would: its cookie, and where a request comes from."""

    def __init__(self, registry, door=None):
        self.registry = registry
        self.door = door or registry.plain
        self.secure = self.door.name == "secure"
        self.port = registry.tls_port if self.secure else registry.http_port
        self.origin = f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"
        self.cookie = None  # as it stands in Cookie
        self.set_cookie = None  # as it stood in the last Set-Cookie

    def call(self, method, path, body=None, **headers):
        """One request of the page's own; a header that is None is left out."""
        sent = {"Sec-Fetch-Site": "same-origin", "Host": f"127.0.0.1:{self.port}"}
        if method != "GET":
            sent["Origin"] = self.origin
        if self.cookie:
            sent["Cookie"] = self.cookie
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        sent = {name: value for name, value in sent.items() if value is not None}
        answer = self.registry.call(method, path, body, role=None, door=self.door, headers=sent)
        if "set-cookie" in answer.headers:
            self.set_cookie = answer.headers["set-cookie"]
            pair = self.set_cookie.partition(";")[0]
            self.cookie = pair if pair.partition("=")[2] else None
        return answer

    def sign_in(self, role="admin"):
        answer = self.call("POST", "/v1/session", {"token": self.registry.token(role)})
        assert answer.good() == {"role": role}
        return self

    @property
    def role(self):
        """None: nobody has signed in."""
        answer = self.call("GET", "/v1/session")
        if answer.status == 200:
            return answer.json["role"]
        answer.refused(401, "unauthenticated")
        return None


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.registry()


@pytest.fixture(name="door", params=["plain", "secure"])
def _door(request, registry):
    return getattr(registry, request.param)


def _page(registry):
    """What it printed last: address and code."""
    lines = re.findall(r'page address="(http://\S+)/#code=(\S+)"', registry.text())
    return lines[-1]


# Coming in


def test_the_code_that_is_printed_signs_in_once(registry, door):
    address, code = _page(registry)
    assert address == f"http://127.0.0.1:{registry.http_port}"
    browser = Browser(registry, door)
    assert browser.role is None
    assert browser.call("POST", "/v1/session", {"code": code}).good() == {"role": "admin"}
    assert browser.role == "admin"
    other = Browser(registry)
    problem = other.call("POST", "/v1/session", {"code": code}).refused(401, "code-invalid")
    assert "start the registry again" in problem["next"]
    assert other.cookie is None and browser.role == "admin"


def test_the_code_of_an_earlier_start_is_worth_nothing(registry):
    _, before = _page(registry)
    registry.restart()
    _, code = _page(registry)
    assert code != before
    browser = Browser(registry)
    browser.call("POST", "/v1/session", {"code": before}).refused(401, "code-invalid")
    browser.call("POST", "/v1/session", {"code": code}).good()


def test_the_first_look_prints_it_too(lab):
    """--dev prints an address on standard output; the ports are everybody's, so only its form."""
    folder = lab.folder / "dev"
    output = lab.folder / "dev.log"
    process = lab.add(Process([program("appnet-registry"), "--dev", "--data", folder], output))
    process.start()

    def text_with(*words):
        text = output.read_text(encoding="utf-8")
        return all(word in text for word in words) and text

    text = eventually(
        lambda: text_with("cannot go on") or text_with("Its page", 'page address="'),
        "the greeting, and the same in the log",
    )
    if "cannot go on" not in text:
        found = re.search(r"^Its page.*: (http://127\.0\.0\.1:15080/#code=[0-9a-f]+)$", text, re.M)
        assert found
        assert f'page address="{found[1]}"' in text


@pytest.mark.parametrize("role", ROLES)
def test_a_token_signs_in_with_its_role(registry, door, role):
    browser = Browser(registry, door).sign_in(role)
    session = browser.call("GET", "/v1/session").good()
    assert session["role"] == role
    assert session["trust_domain"] == registry.trust_domain
    assert re.fullmatch(r"\d+\.\d+\.\d+", session["version"])
    assert session["join_address"] == registry.address
    assert registry.get("/v1/session", role=role).good() == session


def test_sidecars_are_sent_to_where_the_caller_is(lab):
    port = lab.port()
    registry = lab.registry(tls_listen=f"0.0.0.0:{port}")
    for host in ("127.0.0.1", "localhost"):
        headers = {"Host": f"{host}:{registry.http_port}"}
        session = registry.get("/v1/session", headers=headers).good()
        assert session["join_address"] == f"{host}:{port}"


def test_what_is_neither_is_refused(registry, door):
    browser = Browser(registry, door)
    _, code = _page(registry)
    token = registry.token("admin")
    for wrong in ({"token": token[:-1]}, {"token": token + "0"}, {"token": ""}, {"token": code}):
        answer = browser.call("POST", "/v1/session", wrong)
        answer.refused(401, "unauthenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="appnet"'
    for wrong in ({"code": ""}, {"code": code[:-1]}, {"code": code.upper()}, {"code": token}):
        browser.call("POST", "/v1/session", wrong).refused(401, "code-invalid")
    for wrong in (b"", b"{", b"[]", b"{}", b'{"code":1}', b'{"token":null}', b'{"user":"me"}'):
        browser.call("POST", "/v1/session", wrong).refused(422, "malformed")
    both = {"token": token, "code": code}
    browser.call("POST", "/v1/session", both).refused(422, "malformed")
    assert browser.set_cookie is None
    browser.call("POST", "/v1/session", {"code": code}).good()


# The cookie


def test_the_cookie_is_not_for_scripts_nor_for_other_sites(registry, door):
    browser = Browser(registry, door).sign_in()
    name, *flags = browser.set_cookie.split("; ")
    assert re.fullmatch(rf"appnet_session_{browser.port}=[0-9a-f]{{64}}", name)
    wanted = {"Path=/", "HttpOnly", "SameSite=Strict", f"Max-Age={LIFE}"}
    assert set(flags) == wanted | ({"Secure"} if browser.secure else set())


def test_each_browser_has_its_own(registry):
    cookies = {Browser(registry).sign_in().cookie for _ in range(5)}
    assert len(cookies) == 5


def test_found_among_the_cookies_of_others(registry, door):
    browser = Browser(registry, door).sign_in("operator")
    own = browser.cookie
    name, _, text = own.partition("=")
    for cookies in (
        f"a=b; {own}",
        f"{own}; a=b",
        f"a=b;{own};c=d",
        f"x{own}; {own}",
        f"{name}x=1; {own}",
        f"{name}; {own}",
        f'theme="dark; {own}',
    ):
        browser.call("GET", "/v1/session", Cookie=cookies).good()
    for cookies in (
        "",
        ";",
        "=",
        name,
        f"{name}=",
        f"{name}={text[:-1]}",
        f"{name}={text}0",
        f"{name}={text.upper()}x",
        f'{name}="{text}"',
        f"x{own}",
        f"{name}0={text}",
        f"{name}={'a' * 4000}",
        f"{name}={'0' * 64}; {own}",
    ):
        browser.call("GET", "/v1/session", Cookie=cookies).refused(401, "unauthenticated")


def test_the_cookie_of_one_door_is_not_the_others(registry):
    plain = Browser(registry).sign_in()
    other = Browser(registry, registry.secure)
    other.cookie = plain.cookie
    assert other.role is None


def test_a_browser_may_send_its_cookies_apart(registry):
    """As they do with HTTP/2."""
    browser = Browser(registry, registry.secure).sign_in()
    for first, second in (("a=b", browser.cookie), (browser.cookie, "a=b")):
        headers = {"Cookie": first, "cookie": second}
        registry.get("/v1/session", role=None, door=registry.secure, headers=headers).good()


def test_authorization_goes_before_the_cookie(registry):
    browser = Browser(registry).sign_in("admin")
    viewer = f"Bearer {registry.token('viewer')}"
    assert browser.call("GET", "/v1/session", Authorization=viewer).good()["role"] == "viewer"
    browser.call("GET", "/v1/session", Authorization="Bearer wrong").refused(401, "unauthenticated")
    # who shows a token is no browser that was made to ask
    operator = f"Bearer {registry.token('operator')}"
    made = browser.call(
        "POST", "/v1/join-tokens", {"instance": "x"}, Authorization=operator, Origin=None
    )
    made.good(201)


@pytest.mark.parametrize("role", ROLES)
def test_roles_forbid_by_cookie_as_by_token(registry, door, role):
    browser = Browser(registry, door).sign_in(role)
    browser.call("GET", "/v1/connections").good()
    answers = {
        "operator": browser.call("POST", "/v1/join-tokens", {"instance": "shop"}),
        "admin": browser.call("DELETE", "/v1/instances/nobody"),
    }
    for needed, answer in answers.items():
        if ROLES.index(role) >= ROLES.index(needed):
            assert answer.status in (201, 404), answer
        else:
            detail = answer.refused(403, "forbidden")["detail"]
            assert detail == f"this takes the role {needed}, and the session has the role {role}"


def _listen(lab, browser, last_id=None):
    """The events, as EventSource asks for them."""
    headers = {"Cookie": browser.cookie, "Sec-Fetch-Site": "same-origin"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    connection = browser.door.connect()
    connection.request("GET", "/v1/events", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    return lab.add(Events(connection, answer))


def test_events_by_cookie_go_on_where_they_stopped(lab, registry):
    browser = Browser(registry).sign_in("viewer")
    first = _listen(lab, browser)
    assert first.next().name == "reset"
    registry.apply("shop", outbounds={"db": False})
    assert first.next().name == "instance"
    registry.apply("blog", outbounds={"db": False})
    assert _listen(lab, browser, first.last_id).next().data["name"] == "blog"


# Other people's pages


def test_nothing_is_changed_from_another_page(registry, door):
    browser = Browser(registry, door).sign_in("admin")
    registry.apply_pair()
    scheme, _, host = browser.origin.partition("://")
    elsewhere = [
        None,
        "null",
        "",
        "http://evil.example",
        f"{scheme}://127.0.0.1",
        f"{scheme}://127.0.0.1:{browser.port + 1}",
        f"{scheme}://localhost:{browser.port}",
        f"{'http' if scheme == 'https' else 'https'}://{host}",
        f"{browser.origin}.evil.example",
        f"{browser.origin}/",
        f"http://evil.example {browser.origin}",
        host,
    ]
    body = {
        "source_instance": "shop",
        "outbound": "db",
        "target_instance": "mysql",
        "inbound": "sql",
    }
    for origin in elsewhere:
        for method, path, sent in (
            ("POST", "/v1/connections", body),
            ("POST", "/v1/join-tokens", {"instance": "shop"}),
            ("PUT", "/v1/instances/shop", b"{}"),
            ("DELETE", "/v1/instances/mysql", None),
            ("DELETE", "/v1/session", None),
        ):
            browser.call(method, path, sent, Origin=origin).refused(403, "cross-site")
    assert browser.role == "admin"
    assert registry.connections() == [] and len(registry.instances()) == 2
    browser.call("POST", "/v1/connections", body).good(202)


def test_nothing_is_read_from_another_page(registry):
    browser = Browser(registry).sign_in("admin")
    for site in ("cross-site", "same-site", "CROSS-SITE", "anything"):
        for path in ("/v1/session", "/v1/instances", "/v1/events", "/metrics"):
            browser.call("GET", path, Sec_Fetch_Site=site).refused(401, "unauthenticated")
    for site in ("same-origin", "none", None):
        browser.call("GET", "/v1/instances", Sec_Fetch_Site=site).good()
    answer = browser.call("GET", "/v1/instances", Origin="http://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_nobody_is_signed_in_from_another_page(registry):
    browser = Browser(registry)
    token = {"token": registry.token("viewer")}
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{registry.http_port}"):
        browser.call("POST", "/v1/session", token, Origin=origin).refused(403, "cross-site")
    browser.call("POST", "/v1/session", token, Origin=None).good()  # a script, with no cookie


def test_the_name_of_another_host_leads_to_nothing(registry):
    """DNS rebinding: the page of evil.example, whose name leads here now, is same-origin to it."""
    browser = Browser(registry).sign_in("admin")
    host = f"evil.example:{registry.http_port}"
    for method, path in (
        ("GET", "/v1/session"),
        ("POST", "/v1/session"),
        ("DELETE", "/v1/session"),
    ):
        answer = browser.call(
            method, path, b"{}" if method == "POST" else None, Host=host, Origin=f"http://{host}"
        )
        answer.refused(421, "wrong-host")
    assert browser.role == "admin"


def test_localhost_and_its_number_are_each_an_origin(registry):
    browser = Browser(registry).sign_in("operator")
    host = f"localhost:{registry.http_port}"
    good = {"Host": host, "Origin": f"http://{host}"}
    browser.call("POST", "/v1/join-tokens", {"instance": "a"}, **good).good(201)
    mixed = {"Host": host, "Origin": browser.origin}
    browser.call("POST", "/v1/join-tokens", {"instance": "a"}, **mixed).refused(403, "cross-site")


# The end


def test_signing_out_ends_it(registry, door):
    browser, other = Browser(registry, door).sign_in(), Browser(registry, door).sign_in()
    cookie = browser.cookie
    assert browser.call("DELETE", "/v1/session").status == 204
    name, *flags = browser.set_cookie.split("; ")
    assert name == f"appnet_session_{browser.port}=" and "Max-Age=0" in flags
    browser.cookie = cookie
    problem = browser.call("GET", "/v1/session").refused(401, "unauthenticated")
    assert problem["detail"] == "this session has ended"
    assert other.role == "admin"
    registry.restart()
    assert browser.role is None and other.role == "admin"


def test_events_end_with_the_session(lab, registry):
    """In every tab of that browser, and nowhere else."""
    browser, other = Browser(registry).sign_in("viewer"), Browser(registry).sign_in("viewer")
    tabs = [_listen(lab, browser), _listen(lab, browser)]
    others = [_listen(lab, other), registry.events()]
    for one in (*tabs, *others):
        assert one.next().name == "reset"
    assert browser.call("DELETE", "/v1/session").status == 204
    for tab in tabs:
        assert tab.next() is None
    registry.apply("shop", outbounds={"db": False})
    for one in others:
        assert one.next().name == "instance"


def test_signing_in_again_ends_the_session_before(registry):
    browser = Browser(registry).sign_in("admin")
    before = browser.cookie
    browser.sign_in("viewer")
    assert browser.role == "viewer"
    browser.cookie = before
    assert browser.role is None


def test_a_restart_signs_nobody_out(registry, door):
    browsers = {role: Browser(registry, door).sign_in(role) for role in ROLES}
    for _ in range(2):
        registry.restart()
        for role, browser in browsers.items():
            assert browser.role == role


def test_another_token_signs_out_those_of_its_role(registry):
    browsers = {role: Browser(registry).sign_in(role) for role in ROLES}
    registry.token_file("operator").unlink()
    registry.restart()
    assert browsers["operator"].role is None
    assert browsers["viewer"].role == "viewer" and browsers["admin"].role == "admin"


def test_what_is_kept_is_of_no_use_to_a_thief(registry):
    browser = Browser(registry).sign_in()
    file = registry.data / "sessions"
    assert file.stat().st_mode & 0o7777 == 0o600
    text = file.read_text(encoding="ascii")
    seal, role, ends = text.split()
    assert role == "admin" and abs(int(ends) - time.time() - LIFE) < 120
    secret = browser.cookie.partition("=")[2]
    assert secret not in text and registry.token("admin") not in text
    browser.cookie = f"appnet_session_{browser.port}={seal}"
    assert browser.role is None
    for hidden in (secret, registry.token("admin")):
        assert hidden not in registry.text()


def test_a_session_has_its_end(registry):
    browser = Browser(registry).sign_in()
    registry.stop()
    file = registry.data / "sessions"
    seal, role, _ = file.read_text(encoding="ascii").split()
    end = int(time.time()) + 1 + int(3 * SLOW)
    file.write_text(f"{seal} {role} {end}\n", encoding="ascii")
    registry.start()
    assert browser.role == "admin"
    eventually(lambda: browser.role is None, "the end of the session", 10)


def test_a_damaged_file_signs_out_and_is_in_nobodys_way(registry):
    browser = Browser(registry).sign_in()
    for damage in (b"junk\n", b"\0" * 100, b"\xff" * 70000):
        registry.stop()
        (registry.data / "sessions").write_bytes(damage)
        registry.start()
        assert registry.wait_log("sessions lost")
        assert browser.role is None
    browser.sign_in()
    registry.restart()
    assert browser.role == "admin"


# What is bounded


def test_no_more_than_256_are_kept(registry):
    admin = Browser(registry).sign_in("admin")
    first = Browser(registry).sign_in("viewer")
    for _ in range(255):
        Browser(registry).sign_in("viewer")
    assert first.role is None and admin.role == "admin"
    assert len((registry.data / "sessions").read_text(encoding="ascii").splitlines()) == 256
    assert Browser(registry).sign_in("viewer").role == "viewer"
    registry.restart()
    assert admin.role == "admin"


def test_guessing_is_slowed_down_and_locks_nobody_out(registry):
    browser = Browser(registry)
    answers = [
        browser.call("POST", "/v1/session", {"code": "0" * 64} if i % 2 else {"token": "x" * 64})
        for i in range(60)
    ]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) > 20
    assert all(answer.status in (401, 429) for answer in answers)
    refused[0].refused(429, "rate-limited")
    assert refused[0].headers["retry-after"] == "1"
    assert registry.text().count("sign-in refused") < 40
    assert browser.sign_in("viewer").role == "viewer"
