"""The programs' own manners: `appnet ca`, usage, exit statuses."""

import os
import stat

import pytest

from support.environment import program
from support.process import run

APPNET = "appnet"
SIDECAR = "appnet-sidecar"


def _appnet(*arguments):
    return run([program(APPNET), *arguments], check=False)


def _init(folder, trust_domain="shop.example"):
    return _appnet("ca", "init", "--dir", folder, "--trust-domain", trust_domain)


def _issue(folder, instance, out, *more):
    return _appnet("ca", "issue", "--dir", folder, "--instance", instance, "--out", out, *more)


def _x509(certificate, *what):
    return run(["openssl", "x509", "-noout", "-in", certificate, *what]).stdout


@pytest.fixture(name="ca")
def _ca(folder):
    done = _init(folder / "ca")
    assert done.returncode == 0, done.stderr
    return folder / "ca"


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def _check_refused(done, code=1):
    """A refusal: the exit status, words on standard error, nothing on standard output."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stderr.strip()
    assert done.stdout == ""


# ca init


def test_ca_init_makes_a_ca(ca):
    assert set(_content(ca)) == {"ca.pem", "ca-key.pem"}
    assert _mode(ca / "ca-key.pem") == 0o600
    text = _x509(ca / "ca.pem", "-text")
    assert "CA:TRUE" in text
    assert "URI:spiffe://shop.example\n" in text
    assert "prime256v1" in text


def test_ca_init_never_overwrites(ca):
    before = _content(ca)
    done = _init(ca)
    _check_refused(done)
    assert str(ca) in done.stderr
    assert _content(ca) == before


@pytest.mark.parametrize("kept", ["ca.pem", "ca-key.pem"])
def test_ca_init_never_overwrites_half_a_ca(ca, kept):
    for path in ca.iterdir():
        if path.name != kept:
            path.unlink()
    before = _content(ca)
    _check_refused(_init(ca))
    assert _content(ca) == before


def test_ca_init_leaves_nothing_half_done(folder):
    blocked = folder / "file"
    blocked.write_text("not a folder", encoding="ascii")
    _check_refused(_init(blocked / "ca"))
    assert blocked.read_text(encoding="ascii") == "not a folder"


@pytest.mark.parametrize(
    "trust_domain",
    [
        "",
        "Shop.example",
        "shop_example",
        "shop..example",
        ".shop",
        "shop.",
        "-shop",
        "shop/example",
        "spiffe://shop.example",
        "shop.example:1",
        "s" * 256,
        "shöp.example",
        "shop example",
        "shop\nexample",
    ],
)
def test_ca_init_refuses_bad_trust_domains(folder, trust_domain):
    done = _init(folder / "ca", trust_domain)
    assert done.returncode in (1, 2)
    assert done.stderr.strip()
    assert not (folder / "ca" / "ca-key.pem").exists()


def test_private_keys_are_private_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        assert _init(folder / "ca").returncode == 0
        assert _issue(folder / "ca", "shop", folder / "out").returncode == 0
    finally:
        os.umask(before)
    assert _mode(folder / "ca" / "ca-key.pem") == 0o600
    assert _mode(folder / "out" / "key.pem") == 0o600


# ca issue


def test_ca_issue_makes_a_certificate(ca, folder):
    assert _issue(ca, "shop", folder / "out").returncode == 0
    out = folder / "out"
    assert set(_content(out)) == {"cert.pem", "key.pem", "ca.pem"}
    assert _mode(out / "key.pem") == 0o600
    assert (out / "ca.pem").read_bytes() == (ca / "ca.pem").read_bytes()
    run(["openssl", "verify", "-x509_strict", "-CAfile", ca / "ca.pem", out / "cert.pem"])
    text = _x509(out / "cert.pem", "-text")
    assert "URI:spiffe://shop.example/instance/shop\n" in text
    assert text.count("URI:") == 1
    assert "CA:FALSE" in text
    assert "prime256v1" in text
    assert "TLS Web Client Authentication" in text and "TLS Web Server Authentication" in text
    public = run(["openssl", "pkey", "-in", out / "key.pem", "-pubout"]).stdout
    assert public == _x509(out / "cert.pem", "-pubkey")


def test_ca_issue_lasts_a_day_by_default(ca, folder):
    assert _issue(ca, "shop", folder / "out").returncode == 0
    assert (
        run(
            ["openssl", "x509", "-checkend", 23 * 3600, "-in", folder / "out" / "cert.pem"]
        ).returncode
        == 0
    )
    assert (
        run(
            ["openssl", "x509", "-checkend", 25 * 3600, "-in", folder / "out" / "cert.pem"],
            check=False,
        ).returncode
        == 1
    )


@pytest.mark.parametrize("ttl, seconds", [("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 259200)])
def test_ca_issue_takes_a_ttl(ca, folder, ttl, seconds):
    assert _issue(ca, "shop", folder / "out", "--ttl", ttl).returncode == 0
    certificate = folder / "out" / "cert.pem"
    assert run(["openssl", "x509", "-checkend", seconds - 30, "-in", certificate]).returncode == 0
    assert (
        run(
            ["openssl", "x509", "-checkend", seconds + 30, "-in", certificate], check=False
        ).returncode
        == 1
    )


@pytest.mark.parametrize(
    "ttl",
    [
        "",
        "0",
        "0s",
        "-1h",
        "1",
        "h",
        "1x",
        "1h30",
        "1.5h",
        "9999999999999999999h",
        "11y",
        "4000d",
        "1h ",
        " 1h",
    ],
)
def test_ca_issue_refuses_bad_ttls(ca, folder, ttl):
    done = _issue(ca, "shop", folder / "out", f"--ttl={ttl}")
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr.strip()
    assert not (folder / "out" / "key.pem").exists()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Shop",
        "shop_1",
        "-shop",
        "shop-",
        "shop.1",
        "shop/1",
        "../shop",
        "s" * 64,
        "shöp",
        "shop 1",
        "shop\n",
        "*",
    ],
)
def test_ca_issue_refuses_bad_names(ca, folder, name):
    done = _appnet("ca", "issue", "--dir", ca, f"--instance={name}", "--out", folder / "out")
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr.strip()
    assert not (folder / "out" / "key.pem").exists()


@pytest.mark.parametrize("name", ["s", "0", "shop-1", "a" * 63, "1-2-3"])
def test_ca_issue_takes_good_names(ca, folder, name):
    assert _issue(ca, name, folder / "out").returncode == 0
    assert f"URI:spiffe://shop.example/instance/{name}\n" in _x509(
        folder / "out" / "cert.pem", "-text"
    )


def test_ca_issue_again_replaces_all_and_makes_a_new_key(ca, folder):
    assert _issue(ca, "shop", folder / "out").returncode == 0
    before = _content(folder / "out")
    assert _issue(ca, "shop", folder / "out").returncode == 0
    after = _content(folder / "out")
    assert set(after) == set(before)
    assert after["cert.pem"] != before["cert.pem"]
    assert after["key.pem"] != before["key.pem"]


def test_ca_issue_gives_every_certificate_its_own_serial(ca, folder):
    serials = set()
    for number in range(5):
        assert _issue(ca, "shop", folder / str(number)).returncode == 0
        serials.add(_x509(folder / str(number) / "cert.pem", "-serial"))
    assert len(serials) == 5


def test_ca_issue_without_a_ca_is_refused(folder):
    done = _issue(folder / "nothing", "shop", folder / "out")
    _check_refused(done)
    assert str(folder / "nothing") in done.stderr
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())


def test_ca_issue_refuses_a_key_of_another_ca(ca, folder):
    assert _init(folder / "other").returncode == 0
    (ca / "ca-key.pem").write_bytes((folder / "other" / "ca-key.pem").read_bytes())
    _check_refused(_issue(ca, "shop", folder / "out"))
    assert not (folder / "out" / "cert.pem").exists()


def test_ca_issue_refuses_a_ca_key_that_others_can_read(ca, folder):
    (ca / "ca-key.pem").chmod(0o644)
    done = _issue(ca, "shop", folder / "out")
    _check_refused(done)
    assert "ca-key.pem" in done.stderr


def test_ca_issue_refuses_a_damaged_ca(ca, folder):
    (ca / "ca.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", encoding="ascii"
    )
    _check_refused(_issue(ca, "shop", folder / "out"))


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["ca"],
        ["ca", "frobnicate"],
        ["ca", "init"],
        ["ca", "init", "--dir"],
        ["ca", "init", "--dir", "d"],
        ["ca", "issue", "--dir", "d"],
        ["ca", "init", "--no-such-option"],
        ["status", "--sidecar"],
        ["status", "-o", "xml"],
        ["status", "more", "words"],
        ["ca", "init", "--dir", "d", "--trust-domain", "t", "more"],
    ],
    ids=" ".join,
)
def test_wrong_usage_of_appnet_is_2(arguments, folder):
    done = run([program(APPNET), *arguments], check=False, cwd=folder)
    _check_refused(done, 2)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [[], ["-c"], ["--no-such-option"], ["--check"], ["-c", "a.conf", "more"]],
    ids=" ".join,
)
def test_wrong_usage_of_the_sidecar_is_2(arguments, folder):
    _check_refused(run([program(SIDECAR), *arguments], check=False, cwd=folder), 2)


@pytest.mark.parametrize("name", [APPNET, SIDECAR])
def test_help_and_version(name):
    help_ = run([program(name), "--help"])
    assert name in help_.stdout
    for option in ("--version", "-V"):
        version = run([program(name), option])
        assert name in version.stdout and any(char.isdigit() for char in version.stdout)


# A sidecar that cannot start


def _sidecar_settings(identity, port, instance="shop"):
    return {
        "instance": instance,
        "trust_domain": "shop.example",
        "identity": identity.settings(),
        "outbounds": [{"name": "db", "listen": f"127.0.0.1:{port}"}],
    }


def _check_does_not_start(lab, identity, *expected, instance="shop"):
    sidecar = lab.sidecar("shop", _sidecar_settings(identity, lab.port(), instance), ready=False)
    code, said = sidecar.ended_badly()
    assert code == 1, said
    for text in expected:
        assert text in said


def test_sidecar_refuses_an_expired_certificate(lab, authority):
    _check_does_not_start(lab, authority.expired("shop"), "expired", "cert.pem")


def test_sidecar_refuses_a_key_of_another_certificate(lab, authority):
    identity = authority.issue("shop")
    identity.key.write_bytes(authority.issue("shop").key.read_bytes())
    _check_does_not_start(lab, identity, "key.pem", "cert.pem")


def test_sidecar_refuses_a_key_that_others_can_read(lab, authority):
    identity = authority.issue("shop")
    identity.key.chmod(0o640)
    _check_does_not_start(lab, identity, "key.pem")


def test_sidecar_refuses_the_certificate_of_another_instance(lab, authority):
    _check_does_not_start(lab, authority.issue("blog"), "blog", "shop")


def test_sidecar_refuses_a_missing_certificate(lab, authority):
    identity = authority.issue("shop")
    identity.certificate.unlink()
    _check_does_not_start(lab, identity, str(identity.certificate))


def test_sidecar_refuses_a_certificate_that_its_ca_did_not_sign(lab, authority, folder):
    assert _init(folder / "other").returncode == 0
    identity = authority.issue("shop")
    identity.ca.write_bytes((folder / "other" / "ca.pem").read_bytes())
    _check_does_not_start(lab, identity, "cert.pem")
