"""The registry serves its page, at both doors, and nothing beside it."""

import gzip
import re
import socket

import pytest

from support.environment import SLOW

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "vary": "Accept-Encoding",
}
BUDGET = 250 << 10


@pytest.fixture(name="door", params=["plain", "secure"])
def _door(request, lab):
    return getattr(lab.registry(), request.param)


def _get(door, path, method="GET", **headers):
    return door.send(method, path, {k.replace("_", "-"): v for k, v in headers.items()}, None)


def _files(door):
    """The page's files as the page names them; the page itself first."""
    text = _get(door, "/").body.decode()
    paths = re.findall(r'(?:src|href)="\.?(/[^"]*)"', text)
    if not paths:
        pytest.skip("built without its page")
    return ["/", *paths]


def test_page_and_its_files_are_served_without_a_token(door):
    types = {"": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for path in _files(door):
        answer = _get(door, path)
        assert answer.status == 200, path
        kind = path.rpartition(".")[2] if "." in path else ""
        assert answer.type.partition(";")[0] == types[kind]
        assert int(answer.headers["content-length"]) == len(answer.body) > 0
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert "set-cookie" not in answer.headers
        is_asset = path.startswith("/assets/")
        wanted = "public, max-age=31536000, immutable" if is_asset else "no-cache"
        assert answer.headers["cache-control"] == wanted


def test_page_has_no_code_of_its_own_and_asks_nobody_else(door):
    text = _get(door, "/").body.decode()
    assert text.lower().startswith("<!doctype html>")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r'(?:src|href)="(?!\.?/[^/])', text)


def test_compressed_for_those_who_take_it(door):
    total = 0
    for path in _files(door):
        plain = _get(door, path)
        assert "content-encoding" not in plain.headers
        packed = _get(door, path, Accept_Encoding="br, gzip;q=0.8")
        total += len(packed.body)
        if "content-encoding" not in packed.headers:
            assert packed.body == plain.body
            continue
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)
        assert packed.headers["etag"] != plain.headers["etag"]
        assert "content-encoding" not in _get(door, path, Accept_Encoding="gzip;q=0").headers
    assert total <= BUDGET


def test_not_sent_again_to_those_who_have_it(door):
    for path in _files(door):
        for encoding in ("identity", "gzip"):
            first = _get(door, path, Accept_Encoding=encoding)
            tag = first.headers["etag"]
            assert re.fullmatch(r'"[0-9a-f]{32}(-gzip)?"', tag)
            for tags in (tag, f'"other", W/{tag}', "*"):
                again = _get(door, path, Accept_Encoding=encoding, If_None_Match=tags)
                assert (again.status, again.body) == (304, b"")
                assert again.headers["etag"] == tag
                assert again.headers["cache-control"] == first.headers["cache-control"]
                assert again.headers["content-security-policy"] == POLICY
                assert "content-length" not in again.headers
            other = _get(door, path, Accept_Encoding=encoding, If_None_Match='"other"')
            assert (other.status, other.body) == (200, first.body)


def test_head_is_get_without_the_body(door):
    for path in _files(door):
        whole, head = _get(door, path), _get(door, path, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        for name in ("content-length", "content-type", "etag", "content-security-policy"):
            assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_page_is_only_read(door, method):
    answer = _get(door, "/", method=method)
    answer.refused(405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


HOSTILE = [
    "//",
    "/.",
    "/..",
    "/index.html",
    "/assets",
    "/assets/",
    "/assets/..",
    "/assets/../index.html",
    "/../../../../etc/passwd",
    "/assets/../../../../../etc/passwd",
    "/assets/..%2f..%2f..%2fetc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/assets/%2e%2e/%2e%2e/admin.token",
    "/%2e",
    "/%00",
    "/%2500",
    "/%",
    "/%zz",
    "/admin.token",
    "/sessions",
    "//etc/passwd",
    "/favicon.svg/",
    "/favicon.svg%00.html",
    "/favicon.ico",
    "/\\..\\..\\etc\\passwd",
    "/assets//",
    "/" + "a/" * 2000,
    "/" + "%2e%2e/" * 800,
]


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path[:40])
def test_nothing_else_is_there(lab, path):
    registry = lab.registry()
    for door in (registry.plain, registry.secure):
        _get(door, path).refused(404, "not-found")
        assert _get(door, "/").status == 200


def _raw(port, data):
    """What a plain connection answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10 * SLOW) as sock:
        sock.sendall(data)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize("target", [b"/\0", b"/assets/\0x.js", b"*", b"index.html", b"/a b", b""])
def test_a_target_that_is_no_path_is_refused(lab, target):
    port = lab.registry().http_port
    answer = _raw(port, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_query_changes_nothing(door):
    assert _get(door, "/?x=1").body == _get(door, "/").body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:1", "127.0.0.1.evil.example", "[::2]"]
)
def test_page_of_somebody_elses_name_is_not_served(lab, host):
    """DNS rebinding: the browser believes that it talks to evil.example."""
    registry = lab.registry()
    for path in ("/", "/favicon.svg", "/assets/x.js", "/v1/session"):
        _get(registry.plain, path, Host=host).refused(421, "wrong-host")
    for good in ("localhost", "LOCALHOST:1", f"127.0.0.1:{registry.http_port}", "[::1]:15080"):
        assert _get(registry.plain, "/", Host=good).status == 200
