"""Who may join, and with what: tokens and signing requests that the registry refuses, each for a
reason of its own, while it serves others.
"""

import base64
import time

import pytest

from support.curl import CurlError
from support.process import run
from support.signing import text_of
from support.wait import eventually


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.registry()


def _token(registry, instance="shop", **options):
    return registry.join_token(instance, **options)["token"]


def _uses_left(registry):
    (row,) = registry.get("/v1/join-tokens").good()["tokens"]
    return row["uses_left"]


# What is good


def test_what_is_issued_is_what_was_asked_for(registry, lab):
    request, key = registry.request_for("shop")
    answer = registry.enroll(_token(registry), request).good(201)
    assert set(answer) == {"certificate", "trust_bundle", "not_after"}
    identity = registry.keep_identity("shop", answer, key)
    text = text_of(identity.certificate)
    assert f"URI:{registry.uri('shop')}\n" in text and text.count("URI:") == 1
    assert "CA:FALSE" in text and "prime256v1" in text
    run(["openssl", "verify", "-x509_strict", "-CAfile", registry.ca, identity.certificate])
    assert answer["certificate"].count("BEGIN CERTIFICATE") == 2
    assert answer["trust_bundle"] == registry.ca.read_text(encoding="ascii")


def test_what_else_a_request_asks_for_is_not_granted(registry):
    request, key = registry.request_for(
        "shop",
        extensions=[
            "basicConstraints=CA:TRUE",
            "keyUsage=keyCertSign,cRLSign",
            "extendedKeyUsage=codeSigning",
        ],
    )
    identity = registry.keep_identity(
        "x", registry.enroll(_token(registry), request).good(201), key
    )
    text = text_of(identity.certificate)
    assert "CA:FALSE" in text and "CA:TRUE" not in text
    assert "Certificate Sign" not in text and "Code Signing" not in text


def test_several_may_join_by_one_token(registry):
    token = _token(registry, uses=2)
    serials = set()
    for _ in range(2):
        request, key = registry.request_for("shop")
        answer = registry.enroll(token, request).good(201)
        identity = registry.keep_identity("shop", answer, key)
        serials.add(
            run(["openssl", "x509", "-noout", "-serial", "-in", identity.certificate]).stdout
        )
    assert len(serials) == 2
    registry.enroll(token, registry.request_for("shop")[0]).refused(403, "token-used")


# Tokens


def test_a_token_is_refused_after_its_time(registry):
    token = _token(registry, ttl=1)
    request, _ = registry.request_for("shop")
    time.sleep(2.1)
    registry.enroll(token, request).refused(403, "token-expired")


def test_a_token_of_another_instance_is_of_no_use(registry):
    token = _token(registry, "mysql")
    request, _ = registry.request_for("shop")
    problem = registry.enroll(token, request).refused(422, "csr-invalid")
    sentence = "this join token is for instance mysql: the request's subject is not CN=mysql"
    assert problem["detail"] == sentence
    assert not registry.instances()


def _changed(text, at):
    """The same with another character at this place."""
    return text[:at] + ("b" if text[at] == "a" else "a") + text[at + 1 :]


@pytest.mark.parametrize("part", ["version", "id", "secret", "hash"])
def test_a_tampered_token(registry, part):
    token = _token(registry)
    request, _ = registry.request_for("shop")
    starts = dict(zip(("version", "id", "secret", "hash"), (0, 8, 21, 65)))
    assert token[7] == token[20] == token[64] == "."
    for offset in (0, 3, -1) if part != "version" else (0, 3):
        end = {"version": 6, "id": 19, "secret": 63, "hash": len(token) - 1}[part]
        at = end if offset == -1 else starts[part] + offset
        answer = registry.enroll(_changed(token, at), request)
        answer.refused(403, "token-invalid")
    assert _uses_left(registry) == 1
    registry.enroll(token, request).good(201)


def test_a_token_of_another_registry(lab, registry):
    other = lab.registry("other")
    token = other.join_token("shop")["token"]
    request, _ = registry.request_for("shop")
    registry.enroll(token, request).refused(403, "token-invalid")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "appnet1",
        "appnet1...",
        "x" * 10000,
        "appnet1." + "a" * 12 + "." + "A" * 43 + "." + "0" * 64,
        "appnet2." + "a" * 12 + "." + "A" * 43 + "." + "0" * 64,
    ],
)
def test_what_is_no_token_is_refused(registry, token):
    request, _ = registry.request_for("shop")
    registry.enroll(token, request).refused(403, "token-invalid")


def test_secrets_are_kept_by_nobody(registry):
    secret = _token(registry).split(".")[2]
    registry.stop()
    for path in registry.data.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert secret not in registry.text()


# Requests. Whoever has a token may ask for its instance and for nothing else, and a request that is
# refused uses the token up in no way.


def _refused_request(registry, request, sentence):
    """Neither for a token nor to renew a certificate."""
    problem = registry.enroll(_token(registry), request).refused(422, "csr-invalid")
    assert sentence in problem["detail"], problem
    assert _uses_left(registry) == 1
    problem = registry.renew(registry.join("shop"), request).refused(422, "csr-invalid")
    assert sentence in problem["detail"], problem


@pytest.mark.parametrize(
    "subject", ["mysql", "/O=x/CN=shop", "/CN=shop/CN=mysql", "/CN=SHOP", "/CN=shop."]
)
def test_a_request_of_another_subject_is_refused(registry, subject):
    request, _ = registry.request_for("shop", subject=subject)
    _refused_request(registry, request, "the request's subject is not CN=shop")


def test_a_request_for_another_instance_is_refused(registry):
    _refused_request(registry, registry.request_for("mysql")[0], "subject is not CN=shop")


@pytest.mark.parametrize(
    "name",
    [
        "URI:spiffe://shop.example/instance/mysql",
        "URI:spiffe://other.example/instance/shop",
        "URI:spiffe://shop.example/registry",
        "URI:spiffe://shop.example",
        "URI:SPIFFE://shop.example/instance/shop",
        "URI:spiffe://shop.example/instance/shop/",
        "URI:spiffe://shop.example/instance/shop?x",
        "DNS:shop",
        "IP:127.0.0.1",
        "otherName:1.2.3.4;UTF8:shop",
    ],
)
def test_a_request_for_another_name_is_refused(registry, name):
    request, _ = registry.request_for("shop", names=name)
    _refused_request(registry, request, "asks for other names than spiffe://shop.example/instance/")


@pytest.mark.parametrize("more", ["DNS:mysql", "IP:10.0.0.1", "email:a@b", "URI:https://x", "same"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_request_for_more_names_is_refused(registry, more, place):
    names = [f"URI:{registry.uri('shop')}"]
    names.insert(place, names[0] if more == "same" else more)
    request, _ = registry.request_for("shop", names=",".join(names))
    _refused_request(registry, request, "asks for other names than spiffe://shop.example/instance/")


@pytest.mark.parametrize("kind", ["P-384", "secp256k1", "RSA-1024", "RSA-2048", "Ed25519"])
def test_a_key_of_another_kind_is_refused(registry, kind):
    # To mbedTLS a request with an Ed25519 key is none.
    what = "" if kind == "Ed25519" else "'s key is not an ECDSA key on the curve P-256"
    _refused_request(registry, registry.request_for("shop", kind)[0], f"the request{what}")


def test_a_weak_digest_is_refused(registry):
    request, _ = registry.request_for("shop", digest="sha1")
    _refused_request(registry, request, "signed in a way that is not accepted: expected ECDSA with")


def test_a_request_signed_by_another_key_is_refused(registry):
    first, second = (registry.request_for("shop")[0] for _ in range(2))
    one, other = (_der(request) for request in (first, second))
    # BIT STRING, 66 bytes, uncompressed: the public key.
    mark = bytes([0x03, 0x42, 0x00, 0x04])
    key = other[other.index(mark) : other.index(mark) + 68]
    at = one.index(mark)
    mixed = _pem(one[:at] + key + one[at + 68 :])
    _refused_request(registry, mixed, "signature is not by the key that it is for")


def _der(pem):
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def _pem(der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    "request_",
    ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----", "x" * 100_000, "\n" * 20_000],
    ids=lambda text: f"{text[:12]!r}*{len(text)}",
)
def test_what_is_no_request_is_refused(registry, request_):
    _refused_request(registry, request_, "the request ")


def test_every_cut_of_a_request_is_refused(registry):
    request, _ = registry.request_for("shop")
    token = _token(registry)
    for length in range(0, len(request) - 2, 37):
        registry.enroll(token, request[:length]).refused(422, "csr-invalid")
    registry.enroll(token, request).good(201)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"token": 1, "csr": 2}',
        b'{"token": "x"}',
        b'{"csr": "x"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_body_is_refused(registry, body):
    answer = registry.post("/v1/enroll", body, role=None, door=registry.secure)
    answer.refused(422, "malformed")


# Others are served meanwhile


def _many(session, path, body, until):
    """The answers to equal requests, fifty at a time, until one has this status."""
    streams = []
    while not any(session.exchange(stream).status == until for stream in streams):
        streams += [session.request("POST", path, body) for _ in range(50)]
        session.finish(streams)
    return [session.exchange(stream) for stream in streams]


def test_strangers_keep_nobody_from_joining(registry):
    """Nor do they fill the log."""
    request, _ = registry.request_for("shop")
    stranger = "appnet1." + "a" * 12 + "." + "A" * 43 + "." + "0" * 64
    body = {"token": stranger, "csr": request}
    session = registry.secure.session()
    began = time.monotonic()
    for _ in range(8):
        assert {one.status for one in _many(session, "/v1/enroll", body, 403)} == {403}
    registry.enroll(_token(registry), request).good(201)
    assert len(registry.log.find("enrolment refused")) <= 50 + 5 * (time.monotonic() - began) + 1


@pytest.mark.limit(120)
def test_one_that_asks_too_often_keeps_few_others_from_renewing(registry):
    greedy = registry.join("shop")
    others = [registry.join(f"other-{number}") for number in range(8)]
    requests = [registry.request_for(f"other-{number}")[0] for number in range(8)]
    request, _ = registry.request_for("shop")
    answers = _many(registry.as_sidecar(greedy).session(), "/v1/renew", {"csr": request}, 429)
    assert {one.status for one in answers} == {201, 429}
    assert sum(one.status == 201 for one in answers) >= 90
    assert all(one.headers["retry-after"] == "1" for one in answers if one.status == 429)
    # One in 64 has the same share of what may be asked for.
    renewed = [registry.renew(other, one).status for other, one in zip(others, requests)]
    assert renewed.count(201) >= 5, renewed
    eventually(lambda: registry.renew(greedy, request).status == 201, what="it goes on")


def test_joining_needs_tls(registry):
    """At the plain door a token would go in the open."""
    request, _ = registry.request_for("shop")
    registry.enroll(_token(registry), request, door=registry.plain).refused(403, "not-secure")
    assert _uses_left(registry) == 1


def test_a_client_with_a_certificate_of_another_ca_gets_nowhere(registry, authority):
    request, _ = registry.request_for("shop")
    with pytest.raises(CurlError):
        registry.enroll(
            _token(registry), request, door=registry.as_sidecar(authority.issue("shop"))
        )
    assert _uses_left(registry) == 1
