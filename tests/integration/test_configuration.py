"""Configuration files: the samples are good, mistakes are told with file, line, option and what was
expected.

    client -> shop --tunnel--> mysql -> echo          where something is run at all
"""

import pytest

from support.environment import TOP
from support.servers import Echo
from support.sidecar import check

REGISTRY_SAMPLE = TOP / "conf/registry.conf"
SAMPLES = sorted({*(TOP / "conf").glob("*.conf"), *(TOP / "conf").glob("*.ini")} - {REGISTRY_SAMPLE})

GOOD_CONF = """\
instance     = "shop";
trust_domain = "shop.example";
admin        = "shop.sock";
identity     = { certificate = "cert.pem"; key = "key.pem"; ca = "ca.pem"; };
tunnel       = { listen = "127.0.0.1:15008"; };
outbounds    = ( { name = "db"; required = true; listen = "127.0.0.1:3306"; },
                 { name = "cache"; listen = "127.0.0.1:6379"; } );
inbounds     = ( { name = "http"; target = "127.0.0.1:80"; } );
connections  = ( { outbound = "db"; instance = "mysql"; inbound = "sql"; address = "far:1"; } );
allow        = ( { inbound = "http"; instance = "blog"; outbound = "shop"; } );
"""

GOOD_INI = """\
[sidecar]
instance = shop
trust_domain = shop.example
admin = shop.sock
[identity]
certificate = cert.pem
key = key.pem
ca = ca.pem
[tunnel]
listen = 127.0.0.1:15008
[outbound db]
required = true
listen = 127.0.0.1:3306
[inbound http]
target = 127.0.0.1:80
[connection db]
instance = mysql
inbound = sql
address = 10.0.0.7:15008
[allow http]
instance = blog
outbound = shop
"""


def _check_text(folder, name, text):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file, check(file)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_sample_is_good(file):
    done = check(file)
    assert done.returncode == 0, done.stderr


def test_there_are_samples_of_both_forms():
    assert {file.suffix for file in SAMPLES} == {".conf", ".ini"}


@pytest.mark.parametrize("name, text", [("good.conf", GOOD_CONF), ("good.ini", GOOD_INI)])
def test_good_file_is_accepted(folder, name, text):
    _, done = _check_text(folder, name, text)
    assert done.returncode == 0, done.stderr


# (what is replaced, by what, line of the mistake, texts of the message)
MISTAKES_CONF = {
    "unknown-option": ('"shop.sock";', '"shop.sock";\ncolour = "red";', 4, ["colour"]),
    "unknown-option-in-a-group": (
        'listen = "127.0.0.1:15008";',
        'listen = "127.0.0.1:15008"; speed = 1;',
        5,
        ["speed"],
    ),
    "unknown-option-in-a-list": (
        'target = "127.0.0.1:80";',
        'target = "127.0.0.1:80"; udp = true;',
        8,
        ["udp"],
    ),
    "syntax": ('instance     = "shop";', 'instance = = "shop";', 1, []),
    "unclosed-string": ('"cache"', '"cache', None, []),
    "number-for-a-name": ('instance     = "shop"', "instance = 5", 1, ["instance"]),
    "text-for-a-bool": ("required = true", 'required = "maybe"', 6, ["required"]),
    "text-for-a-number": (
        'listen = "127.0.0.1:15008";',
        'listen = "127.0.0.1:15008"; workers = "many";',
        5,
        ["workers"],
    ),
    "negative-workers": (
        'listen = "127.0.0.1:15008";',
        'listen = "127.0.0.1:15008"; workers = -1;',
        5,
        ["workers"],
    ),
    "too-many-workers": (
        'listen = "127.0.0.1:15008";',
        'listen = "127.0.0.1:15008"; workers = 100000;',
        5,
        ["workers"],
    ),
    "bad-instance": ('instance     = "shop"', 'instance = "Shop"', 1, ["instance", "a-z"]),
    "bad-trust-domain": ('"shop.example"', '"shop/example"', 2, ["trust_domain"]),
    "bad-outbound-name": ('name = "db"', 'name = "d b"', 6, ["name", "a-z"]),
    "address-without-a-port": ('"127.0.0.1:3306"', '"127.0.0.1"', 6, ["listen", "HOST:PORT"]),
    "port-0": ('"127.0.0.1:3306"', '"127.0.0.1:0"', 6, ["listen"]),
    "port-too-large": ('"127.0.0.1:3306"', '"127.0.0.1:65536"', 6, ["listen"]),
    "port-with-letters": ('"127.0.0.1:80"', '"127.0.0.1:80x"', 8, ["target"]),
    "missing-instance": ('instance     = "shop";', "", None, ["instance"]),
    "missing-trust-domain": ('trust_domain = "shop.example";', "", None, ["trust_domain"]),
    "missing-target": ('target = "127.0.0.1:80";', "", 8, ["target"]),
    "missing-connection-address": ('address = "far:1";', "", 9, ["address"]),
    "missing-key": ('key = "key.pem";', "", 4, ["key"]),
    "missing-identity": (
        'identity     = { certificate = "cert.pem"; key = "key.pem"; ca = "ca.pem"; };',
        "",
        None,
        ["identity"],
    ),
    "outbound-twice": ('name = "cache"', 'name = "db"', 7, ["db"]),
    "outbound-named-as-an-inbound": ('name = "cache"', 'name = "http"', 8, ["http"]),
    "connection-of-no-outbound": (
        'outbound = "db"; instance',
        'outbound = "dbx"; instance',
        9,
        ["dbx"],
    ),
    "second-connection-of-an-outbound": (
        'address = "far:1"; } )',
        'address = "far:1"; },\n'
        '{ outbound = "db"; instance = "x"; inbound = "y"; address = "h:1"; } )',
        10,
        ["db"],
    ),
    "connection-to-itself": ('instance = "mysql"', 'instance = "shop"', 9, ["shop"]),
    "allow-of-no-inbound": (
        'inbound = "http"; instance',
        'inbound = "https"; instance',
        10,
        ["https"],
    ),
    "allow-of-itself": ('instance = "blog"', 'instance = "shop"', 10, ["shop"]),
    "two-outbounds-at-one-address": ('"127.0.0.1:6379"', '"127.0.0.1:3306"', 7, ["127.0.0.1:3306"]),
    "outbound-at-the-tunnel-address": (
        '"127.0.0.1:6379"',
        '"127.0.0.1:15008"',
        None,
        ["127.0.0.1:15008"],
    ),
    "identity-beside-a-registry": (
        'admin        = "shop.sock";',
        'registry = { address = "registry.example:15010"; };',
        3,
        ["identity", "registry"],
    ),
    "option-twice": ('"shop.sock";', '"shop.sock";\nadmin = "other.sock";', 4, ["duplicate"]),
}

MISTAKES_INI = {
    "unknown-option": ("ca = ca.pem", "ca = ca.pem\ncolour = red", 9, ["colour"]),
    "unknown-section": ("[tunnel]", "[funnel]", None, ["funnel"]),
    "section-without-a-name": ("[outbound db]", "[outbound]", None, ["outbound"]),
    "option-before-any-section": ("[sidecar]", "x = 1\n[sidecar]", 1, ["x"]),
    "line-that-is-nothing": ("listen = 127.0.0.1:15008", "listen", 10, []),
    "bad-instance": ("instance = shop\n", "instance = sh_op\n", 2, ["instance", "a-z"]),
    "text-for-a-bool": ("required = true", "required = maybe", 12, ["required"]),
    "text-for-a-number": (
        "listen = 127.0.0.1:15008",
        "listen = 127.0.0.1:15008\nworkers = two",
        11,
        ["workers"],
    ),
    "address-without-a-port": ("127.0.0.1:80", "127.0.0.1", 15, ["target", "HOST:PORT"]),
    "missing-trust-domain": ("trust_domain = shop.example\n", "", None, ["trust_domain"]),
    "missing-instance-of-a-connection": ("instance = mysql\n", "", 16, ["instance"]),
    "connection-of-no-outbound": ("[connection db]", "[connection dbx]", 16, ["dbx"]),
    "allow-of-no-inbound": ("[allow http]", "[allow https]", 20, ["https"]),
    "identity-beside-a-registry": (
        "[tunnel]",
        "[registry]\naddress = registry.example:15010\n[tunnel]",
        9,
        ["identity", "registry"],
    ),
    "option-twice": ("admin = shop.sock", "admin = shop.sock\nadmin = other.sock", 5, ["admin"]),
    "line-that-is-too-long": ("admin = shop.sock", f"admin = {'x' * 100000}", 4, []),
}


def _cases():
    for name, text, mistakes in (
        ("bad.conf", GOOD_CONF, MISTAKES_CONF),
        ("bad.ini", GOOD_INI, MISTAKES_INI),
    ):
        for label, (old, new, line, expected) in mistakes.items():
            assert (
                text.count(old) == 1
            ), f"{label}: {old!r} stands {text.count(old)} times in {name}"
            yield pytest.param(
                name, text.replace(old, new), line, expected, id=f"{name.split('.')[1]}-{label}"
            )


@pytest.mark.parametrize("name, text, line, expected", _cases())
def test_mistake_is_told_with_its_place(folder, name, text, line, expected):
    file, done = _check_text(folder, name, text)
    assert done.returncode == 1, (done.stdout, done.stderr)
    said = done.stderr
    assert str(file) in said
    if line:
        assert f"{file}:{line}:" in said, said
    for word in expected:
        assert word in said, said


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 1000, bytes(range(256)) * 100, b"(" * 100000, b"[" * 100000, b"x" * 5_000_000],
    ids=["empty", "zeros", "all-bytes", "parentheses", "brackets", "large"],
)
@pytest.mark.parametrize("form", ["conf", "ini"])
def test_nonsense_is_refused(folder, form, content):
    file = folder / f"x.{form}"
    file.write_bytes(content)
    done = check(file)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert str(file) in done.stderr


def test_missing_file_is_told(folder):
    done = check(folder / "nothing.conf")
    assert done.returncode == 1
    assert "nothing.conf" in done.stderr


def test_folder_is_no_file(folder):
    (folder / "folder.conf").mkdir()
    done = check(folder / "folder.conf")
    assert done.returncode == 1
    assert "folder.conf" in done.stderr


def test_other_ending_is_told(folder):
    file, done = _check_text(folder, "shop.yaml", GOOD_CONF)
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert ".conf" in done.stderr and ".ini" in done.stderr


def test_includes_are_no_way_to_read_other_files(folder):
    # libconfig's @include, if it is taken at all, does not make a good file of half a one
    (folder / "other.conf").write_text(GOOD_CONF, encoding="utf-8")
    _, done = _check_text(folder, "main.conf", '@include "/nonexistent/other.conf"\n')
    assert done.returncode == 1


@pytest.mark.parametrize("form", ["conf", "ini"])
def test_both_forms_run_the_same_mesh(lab, form):
    mesh = lab.mesh(lab.serve(Echo).port, form=form)
    mesh.ask()
    for sidecar in mesh.sidecars:
        assert check(sidecar.file).returncode == 0


def test_relative_paths_are_taken_from_the_folder_of_the_file(lab, folder, authority):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (folder / name).touch(0o600)
        (folder / name).write_bytes((authority.identity("shop").folder / name).read_bytes())
    mesh.source_settings["identity"] = {"certificate": "cert.pem", "key": "key.pem", "ca": "ca.pem"}
    mesh.start()
    mesh.ask()


def test_comments_and_quotes_of_ini(folder):
    _, done = _check_text(
        folder,
        "x.ini",
        "; a comment\n# another\n" + GOOD_INI.replace("[tunnel]", "\n[tunnel]\n; c"),
    )
    assert done.returncode == 0, done.stderr


# Ports that are taken


def test_taken_outbound_port_is_told(lab):
    echo = lab.serve(Echo)
    mesh = lab.mesh(echo.port, start=False)
    taken = lab.serve(Echo)
    mesh.source_settings["outbounds"][0]["listen"] = taken.address
    mesh.start_target()
    source = lab.sidecar("shop", mesh.source_settings, ready=False)
    line = source.wait_log("connection state", status="FAILED", reason="listen-conflict")
    assert taken.address in line["detail"]
    source.wait_ready()
    source.wait_status("FAILED", "listen-conflict")


def test_outbound_listens_when_the_port_is_free_again(lab):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    taken = lab.add(Echo(mesh.port))
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "listen-conflict")
    taken.close()
    mesh.source.wait_status("ESTABLISHED", timeout=20)
    mesh.ask()


def test_taken_tunnel_port_is_told(lab):
    taken = lab.serve(Echo)
    mesh = lab.mesh(lab.port(), start=False)
    mesh.target_settings["tunnel"]["listen"] = taken.address
    code, said = lab.sidecar("mysql", mesh.target_settings, ready=False).ended_badly()
    assert code == 1
    assert taken.address in said
