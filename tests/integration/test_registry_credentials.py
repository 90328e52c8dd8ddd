"""How a sidecar gets its certificate from a registry, keeps it good, and gets another when it could
not.

    client -> shop (outbound db) --tunnel--> mysql (inbound sql) -> echo
"""

import http.client
import re
import shutil
import time

import pytest

from support.authority import Authority
from support.fleet import identity_of
from support.servers import Echo
from support.sockets import ask, connect, exchange
from support.wait import eventually


def _pair(lab, fleet):
    """The two sidecars, connected, and the port of the outbound."""
    port = lab.port()
    target = fleet.replica("mysql", {"sql": lab.serve(Echo).address})
    source = fleet.replica("shop", outbounds={"db": port})
    fleet.connect("shop", "db", "mysql", "sql")
    return source, target, port


def _serial(sidecar):
    return sidecar.status()["certificate"]["serial"]


def _ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# Renewal


def test_renewed_twice_under_traffic_and_no_stream_is_cut(lab):
    fleet = lab.fleet(certificate_ttl="12s")
    source, target, port = _pair(lab, fleet)
    with connect(port) as live:
        serials = {source: [_serial(source)], target: [_serial(target)]}
        end = time.monotonic() + 40
        while min(map(len, serials.values())) < 3:
            assert time.monotonic() < end, serials
            exchange(live)
            ask(port)
            for sidecar, seen in serials.items():
                if _serial(sidecar) != seen[-1]:
                    seen.append(_serial(sidecar))
            time.sleep(0.1)
        exchange(live)
    for sidecar in (source, target):
        assert not sidecar.log.find("no new certificate")
        assert not sidecar.log.find("stream closed", reason="tunnel-lost")
    assert source.outbound()["status"] == "ESTABLISHED"


def test_failing_renewal_is_loud_and_the_old_certificate_is_kept(lab):
    fleet = lab.fleet(certificate_ttl="20s")
    source, _, port = _pair(lab, fleet)
    serial = _serial(source)
    fleet.registry.kill()
    source.wait_log("no new certificate", timeout=20)
    assert _serial(source) == serial
    ask(port)
    fleet.registry.start()
    eventually(lambda: _serial(source) != serial, what="renewed", timeout=15)
    ask(port)


# Joining


def test_expired_while_it_was_down_joins_again_with_a_new_token(lab):
    fleet = lab.fleet(certificate_ttl="10s")
    source, _, port = _pair(lab, fleet)
    source.stop()
    time.sleep(11)
    since = source.log.position()
    source.start()
    line = source.wait_log("certificate not usable", since)
    assert "expired" in line["detail"]
    line = source.wait_log("not joined", since)
    assert "used up" in line["detail"] and "appnet token create" in line["detail"]
    token = lab.folder / "shop.token"
    token.write_text(fleet.registry.join_token("shop")["token"], encoding="ascii")
    source.wait_log("registry connected", since, timeout=20)
    source.wait_status("ESTABLISHED")
    ask(port)


def _lonely(lab, fleet, token, **options):
    """A sidecar that cannot join; its log line, and what /readyz says."""
    metrics = lab.port()
    sidecar = fleet.replica(
        "shop", outbounds={"db": lab.port()}, token=token, metrics=f"127.0.0.1:{metrics}", **options
    )
    line = sidecar.wait_log("not joined")
    status, text = _ready(metrics)
    assert status == 503, text
    assert sidecar.status()["certificate"] is None
    assert sidecar.status()["registry"]["detail"]
    return line["detail"], text, sidecar


def test_token_that_was_used(lab):
    fleet = lab.fleet()
    token = fleet.registry.join_token("shop")["token"]
    fleet.replica("shop", token=token, name="first").wait_log("registry connected")
    detail, text, _ = _lonely(lab, fleet, token)
    assert "used up" in detail and "used up" in text


def test_token_that_has_expired(lab):
    fleet = lab.fleet()
    token = fleet.registry.join_token("shop", ttl=1)["token"]
    time.sleep(2.1)
    detail, text, _ = _lonely(lab, fleet, token)
    assert "expired" in detail and "expired" in text


def test_token_that_is_not_known(lab):
    fleet = lab.fleet()
    made = fleet.registry.join_token("shop")
    fleet.registry.delete(f"/v1/join-tokens/{made['id']}")
    detail, text, _ = _lonely(lab, fleet, made["token"])
    assert "not known" in detail and "not known" in text


def test_token_of_another_instance(lab):
    fleet = lab.fleet()
    detail, _, sidecar = _lonely(lab, fleet, fleet.registry.join_token("blog")["token"])
    assert "shop" in detail or "blog" in detail
    assert [row["name"] for row in fleet.registry.instances()] in ([], ["blog"])
    # and a person mends it
    token = lab.folder / "shop.token"
    token.write_text(fleet.registry.join_token("shop")["token"], encoding="ascii")
    sidecar.wait_log("registry connected", timeout=20)


def test_token_with_another_hash_of_the_ca(lab):
    fleet = lab.fleet()
    token = fleet.registry.join_token("shop")["token"]
    head, _, pin = token.rpartition(".")
    detail, _, _ = _lonely(lab, fleet, f"{head}.{pin[::-1]}")
    assert detail
    assert fleet.registry.get("/v1/join-tokens").good()["tokens"][0]["uses_left"] == 1


@pytest.mark.parametrize("text", ["", "nonsense", "appnet1.a.b.c"], ids=["empty", "word", "short"])
def test_token_that_is_none(lab, text):
    fleet = lab.fleet()
    settings = fleet.settings("shop", outbounds={"db": lab.port()})
    file = lab.folder / "shop.token"
    file.write_text(text, encoding="ascii")
    sidecar = lab.sidecar("shop", settings)
    assert str(file) in sidecar.wait_log("not joined")["detail"]


def test_token_file_that_is_not_there(lab):
    fleet = lab.fleet()
    settings = fleet.settings("shop", outbounds={"db": lab.port()})
    file = lab.folder / "shop.token"
    text = file.read_text(encoding="ascii")
    file.unlink()
    sidecar = lab.sidecar("shop", settings)
    assert str(file) in sidecar.wait_log("not joined")["detail"]
    file.touch(0o600)
    file.write_text(text, encoding="ascii")
    sidecar.wait_log("registry connected", timeout=20)


def test_token_file_that_others_can_read_is_warned_of(lab):
    fleet = lab.fleet()
    settings = fleet.settings("shop", outbounds={"db": lab.port()})
    file = lab.folder / "shop.token"
    file.chmod(0o644)
    sidecar = lab.sidecar("shop", settings)
    assert sidecar.wait_log("join token readable by others")["file"] == str(file)
    sidecar.wait_log("registry connected", timeout=20)


def test_certificate_that_is_good_needs_no_token(lab):
    fleet = lab.fleet()
    source, _, port = _pair(lab, fleet)
    (lab.folder / "shop.token").unlink()
    serial = _serial(source)
    source.kill()
    source.start()
    source.wait_status("ESTABLISHED")
    assert _serial(source) == serial
    ask(port)


def test_a_state_folder_is_one_sidecars(lab):
    fleet = lab.fleet()
    source, _, port = _pair(lab, fleet)
    serial = _serial(source)
    settings = fleet.settings("web", outbounds={"db": lab.port()})
    settings["state_dir"] = str(lab.folder / "shop-state")
    code, text = lab.sidecar("web", settings, ready=False).ended_badly()
    assert code == 1
    assert f"state_dir: another appnet-sidecar uses {settings['state_dir']}: end that one" in text
    ask(port)
    source.stop()
    source.start()
    assert _serial(source) == serial


# An instance that is removed


def test_sidecar_of_a_removed_instance(lab):
    fleet = lab.fleet()
    source, target, port = _pair(lab, fleet)
    since = source.log.position()
    with connect(port) as live:
        exchange(live)
        fleet.registry.delete("/v1/instances/shop?force=true")
        assert _is_cut(live)
    source.wait_log("registry lost", since, detail=re.compile("it was removed"))
    line = source.wait_log("no new certificate", since, timeout=20)
    assert "it was revoked" in line["detail"], "it asks to join again, with the token that it has"
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    assert target.open_streams() == 0
    assert [row["name"] for row in fleet.registry.instances()] == ["mysql"]
    assert fleet.registry.connections() == []
    token = lab.folder / "shop.token"
    token.write_text(fleet.registry.join_token("shop")["token"], encoding="ascii")
    source.wait_log("registry connected", since, timeout=20)
    fleet.connect("shop", "db", "mysql", "sql")
    ask(port)


def _is_cut(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


# The registry's CA is changed for another


def test_root_is_rotated_under_traffic(lab):
    fleet = lab.fleet(certificate_ttl="12s")
    registry = fleet.registry
    source, target, port = _pair(lab, fleet)
    new = Authority(lab.folder / "new-ca")
    folder = registry.data / "ca"
    issuer = source.status()["certificate"]["issuer"]
    with connect(port) as live:

        def use(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                exchange(live)
                ask(port)
                time.sleep(0.1)

        use(0.5)
        # add: the new one is trusted everywhere before anybody has a certificate of it
        (folder / "bundle.pem").write_bytes(new.certificate.read_bytes())
        registry.hang_up()
        for sidecar in (source, target):
            eventually(
                lambda s=sidecar: _roots(s) == 2,
                what=lambda s=sidecar: f"{s.name} trusts two roots:\n{s.log.tail(20)}",
            )
        use(0.5)
        # reissue: the new one signs, the old one is trusted
        (folder / "bundle.pem").write_bytes((folder / "ca.pem").read_bytes())
        shutil.copy(new.key, folder / "ca-key.pem")
        shutil.copy(new.certificate, folder / "ca.pem")
        registry.hang_up()
        end = time.monotonic() + 30
        while not all(identity_of(s).is_of(new.certificate) for s in (source, target)):
            assert time.monotonic() < end, "not reissued"
            use(0.5)
        use(1)
        # retire
        (folder / "bundle.pem").unlink()
        registry.hang_up()
        for sidecar in (source, target):
            eventually(lambda s=sidecar: _roots(s) == 1, what="one root", timeout=20)
            assert identity_of(sidecar).ca.read_bytes() == new.certificate.read_bytes()
        use(2)
    assert source.status()["certificate"]["issuer"] == issuer, "by name they are alike"
    source.kill()
    source.start()
    source.wait_status("ESTABLISHED")
    ask(port)


def _roots(sidecar):
    return len(re.findall("BEGIN CERTIFICATE", identity_of(sidecar).ca.read_text("ascii")))
