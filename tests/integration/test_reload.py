"""SIGHUP: what has changed takes effect, what has not is left alone, and a bad file changes
nothing.

    client -> shop --tunnel--> mysql -> echo
"""

import copy
import threading

import pytest

from support.authority import Authority
from support.environment import SLOW
from support.mesh import Usage
from support.servers import Echo, Scripted, Stalled
from support.sockets import (
    answers,
    ask,
    connect,
    ends_in_reset,
    exchange,
    is_reset_at,
    refuses,
)
from support.wait import eventually


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port)


def _changed(settings):
    return copy.deepcopy(settings)


def test_reload_without_a_change_touches_nothing(mesh):
    tunnels = {tunnel["id"] for tunnel in mesh.source.status()["tunnels"]}
    with mesh.connect() as client:
        exchange(client)
        for sidecar in mesh.sidecars * 3:
            sidecar.reload()
        exchange(client)
    assert {tunnel["id"] for tunnel in mesh.source.status()["tunnels"]} == tunnels


def test_new_outbound_and_connection_come_up(lab, mesh):
    port = lab.port()
    target = _changed(mesh.target_settings)
    target["allow"].append({"inbound": "sql", "instance": "shop", "outbound": "reports"})
    source = _changed(mesh.source_settings)
    source["outbounds"].append(
        {"name": "reports", "required": False, "listen": f"127.0.0.1:{port}"}
    )
    source["connections"].append({**source["connections"][0], "outbound": "reports"})
    with mesh.connect() as client:
        exchange(client)
        mesh.target.reload(target)
        mesh.source.reload(source)
        mesh.source.wait_status("ESTABLISHED", outbound="reports")
        ask(port)
        exchange(client)


def test_removed_outbound_listens_no_more(lab):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    port = lab.port()
    mesh.source_settings["outbounds"].append(
        {"name": "cache", "required": False, "listen": f"127.0.0.1:{port}"}
    )
    mesh.source_settings["connections"].append(
        {**mesh.source_settings["connections"][0], "outbound": "cache"}
    )
    mesh.target_settings["allow"].append(
        {**mesh.target_settings["allow"][0], "outbound": "cache"}
    )
    mesh.start()
    ask(port)
    source = _changed(mesh.source_settings)
    source["outbounds"].pop()
    source["connections"].pop()
    mesh.source.reload(source)
    eventually(lambda: refuses(port), what="nobody listens any more")
    mesh.ask()


def test_outbound_moves_to_another_address(lab, mesh):
    port = lab.port()
    source = _changed(mesh.source_settings)
    source["outbounds"][0]["listen"] = f"127.0.0.1:{port}"
    with mesh.connect() as client:
        exchange(client)
        mesh.source.reload(source)
        ask(port)
        mesh.source.status()  # every worker has closed its socket before it answers
        with pytest.raises(ConnectionRefusedError):
            mesh.connect()
        exchange(client)


def test_removed_connection_cuts_its_streams_on_both_ends(lab):
    server = lab.serve(Scripted, ends_in_reset)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        client.sendall(b"x")
        mesh.target.wait_streams(1)
        source = _changed(mesh.source_settings)
        source["connections"] = []
        mesh.source.reload(source)
        assert ends_in_reset(client)
        assert server.outcome() is True
    assert mesh.source.wait_log("stream closed")["reason"] == "removed"
    mesh.wait_idle()
    with pytest.raises(ConnectionRefusedError):
        mesh.connect()


def test_taken_back_permission_cuts_live_streams_on_both_ends(lab):
    server = lab.serve(Scripted, ends_in_reset)
    mesh = lab.mesh(server.port)
    with mesh.connect() as client:
        client.sendall(b"x")
        mesh.target.wait_streams(1)
        target = _changed(mesh.target_settings)
        target["allow"] = []
        mesh.target.reload(target)
        assert ends_in_reset(client)
        assert server.outcome() is True
    assert mesh.target.wait_log("stream closed")["reason"] == "not-authorised"
    mesh.wait_idle()
    assert is_reset_at(mesh.port)
    mesh.source.wait_status("FAILED", "not-authorised")


def test_only_the_permission_taken_back_is_cut(lab):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    port = lab.port()
    mesh.source_settings["outbounds"].append(
        {"name": "reports", "required": False, "listen": f"127.0.0.1:{port}"}
    )
    mesh.source_settings["connections"].append(
        {**mesh.source_settings["connections"][0], "outbound": "reports"}
    )
    mesh.target_settings["allow"].append(
        {"inbound": "sql", "instance": "shop", "outbound": "reports"}
    )
    mesh.start()
    with mesh.connect() as kept, connect(port) as cut:
        exchange(kept)
        exchange(cut)
        target = _changed(mesh.target_settings)
        target["allow"].pop()
        mesh.target.reload(target)
        assert ends_in_reset(cut)
        exchange(kept)


def test_removed_inbound_cuts_its_streams(lab, mesh):
    with mesh.connect() as client:
        exchange(client)
        target = _changed(mesh.target_settings)
        target["inbounds"] = [{"name": "other", "target": f"127.0.0.1:{lab.port()}"}]
        target["allow"] = []
        mesh.target.reload(target)
        assert ends_in_reset(client)
    mesh.source.wait_status("FAILED", "interface-withdrawn")
    mesh.wait_idle()


def test_permission_given_later_establishes_the_connection(lab):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    allow = mesh.target_settings["allow"]
    mesh.target_settings["allow"] = []
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "not-authorised")
    mesh.target.reload({**mesh.target_settings, "allow": allow})
    mesh.source.wait_status("ESTABLISHED", timeout=20)
    mesh.ask()


def test_inbound_leads_to_another_port(lab, mesh):
    other = lab.serve(Echo)
    target = _changed(mesh.target_settings)
    target["inbounds"][0]["target"] = other.address
    mesh.target.reload(target)
    mesh.ask()
    assert other.accepted


def test_connection_moves_to_another_address(lab, mesh):
    settings = {**_changed(mesh.target_settings), "admin": str(lab.folder / "second.sock")}
    port = lab.port()
    settings["tunnel"]["listen"] = f"127.0.0.1:{port}"
    second = lab.sidecar("second", settings)
    source = _changed(mesh.source_settings)
    source["connections"][0]["address"] = f"127.0.0.1:{port}"
    mesh.source.reload(source)
    eventually(
        lambda: answers(mesh.port) and second.log.find("stream opened", side="target"),
        what="streams go to the new address",
    )
    mesh.wait_established()


def test_connection_that_moves_turns_nobody_away(lab, mesh):
    # to and fro between two sidecars of mysql, while applications connect all the time
    settings = {**_changed(mesh.target_settings), "admin": str(lab.folder / "second.sock")}
    settings["tunnel"]["listen"] = f"127.0.0.1:{lab.port()}"
    second = lab.sidecar("second", settings)
    here = _changed(mesh.source_settings)
    there = _changed(here)
    there["connections"][0]["address"] = settings["tunnel"]["listen"]
    failures = []
    over = threading.Event()

    def use():
        while not over.is_set():
            try:
                mesh.ask()
            except (OSError, AssertionError) as error:
                failures.append(error)

    users = [threading.Thread(target=use, daemon=True) for _ in range(4)]
    for user in users:
        user.start()
    for _ in range(5):
        mesh.source.reload(there)
        mesh.wait_established()
        mesh.source.reload(here)
        mesh.wait_established()
    over.set()
    for user in users:
        user.join(20 * SLOW)
    assert not failures, failures[:3]
    assert second.log.find("stream opened")


def test_connection_that_is_removed_while_it_is_dialled(lab, mesh):
    # its target accepts and never speaks; applications wait for it meanwhile
    silent = lab.serve(Stalled)
    moved = _changed(mesh.source_settings)
    moved["connections"][0]["address"] = silent.address
    removed = {**moved, "connections": []}
    working = _changed(mesh.source_settings)
    usage = Usage(mesh.source)
    for _ in range(5):
        mesh.source.reload(moved)
        eventually(lambda: not refuses(mesh.port), what="the outbound listens")
        waiting = [mesh.connect() for _ in range(3)]
        mesh.source.reload(removed)
        for client in waiting:
            assert ends_in_reset(client)
            client.close()
        mesh.source.status()  # every worker has closed its socket before it answers
    mesh.source.reload(working)
    mesh.wait_established()
    mesh.ask()
    usage.wait_unchanged()


# Files that are not good


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text + "\nno_such_option = 1;\n", id="unknown-option"),
        pytest.param(lambda text: text[: len(text) // 2], id="cut-short"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: text.replace("127.0.0.1", "127.0.0.1:x"), id="bad-address"),
    ],
)
def test_bad_file_keeps_what_runs(mesh, damage):
    with mesh.connect() as client:
        exchange(client)
        mesh.source.file.write_text(
            damage(mesh.source.file.read_text(encoding="utf-8")), encoding="utf-8"
        )
        line = mesh.source.reload_refused()
        assert line.level == "error"
        assert mesh.source.file.name in line["detail"]
        exchange(client)
    mesh.ask()
    mesh.source.reload()  # writes the good one again
    mesh.ask()


def test_missing_file_keeps_what_runs(mesh):
    mesh.source.file.unlink()
    mesh.source.reload_refused()
    mesh.ask()


def test_change_of_the_instance_needs_a_restart(mesh, authority):
    source = _changed(mesh.source_settings)
    source["instance"] = "blog"
    source["identity"] = authority.identity("blog").settings()
    mesh.source.write(source)
    mesh.source.reload_refused()
    mesh.ask()
    assert mesh.source.status()["instance"] == "shop"


def test_reload_with_a_taken_port_keeps_the_rest(lab, mesh):
    taken = lab.serve(Echo)
    source = _changed(mesh.source_settings)
    source["outbounds"].append({"name": "cache", "required": False, "listen": taken.address})
    source["connections"].append({**source["connections"][0], "outbound": "cache"})
    mesh.source.reload(source)
    mesh.source.wait_status("FAILED", "listen-conflict", outbound="cache")
    mesh.ask()
    # it comes up by itself once the port is free
    taken.close()
    mesh.source.wait_log("listening", kind="outbound", name="cache")
    mesh.source.wait_status("FAILED", "not-authorised", outbound="cache")


# Certificates


@pytest.mark.parametrize("side, instance", [("source", "shop"), ("target", "mysql")])
def test_renewed_certificate_is_used_and_live_streams_go_on(mesh, authority, side, instance):
    sidecar = getattr(mesh, side)
    before = sidecar.status()["certificate"]["serial"]
    settings = _changed(getattr(mesh, f"{side}_settings"))
    settings["identity"] = authority.issue(instance).settings()
    with mesh.connect() as client:
        exchange(client)
        sidecar.reload(settings)
        after = sidecar.status()["certificate"]["serial"]
        assert after != before
        exchange(client)
        mesh.ask()
        exchange(client)


def test_certificate_renewed_in_place_is_used(mesh, authority):
    # the same paths, new files
    identity = authority.issue("shop")
    settings = _changed(mesh.source_settings)
    settings["identity"] = identity.settings()
    mesh.source.reload(settings)
    before = mesh.source.status()["certificate"]["serial"]
    newer = authority.issue("shop")
    identity.key.write_bytes(newer.key.read_bytes())
    identity.certificate.write_bytes(newer.certificate.read_bytes())
    mesh.source.reload()
    assert mesh.source.status()["certificate"]["serial"] != before
    mesh.ask()


def test_key_that_does_not_match_is_refused(mesh, authority):
    before = mesh.source.status()["certificate"]["serial"]
    identity = authority.issue("shop")
    identity.key.write_bytes(authority.issue("shop").key.read_bytes())
    settings = _changed(mesh.source_settings)
    settings["identity"] = identity.settings()
    mesh.source.write(settings)
    assert mesh.source.reload_refused()["detail"]
    assert mesh.source.status()["certificate"]["serial"] == before
    mesh.ask()


def test_expired_certificate_is_refused_at_reload(mesh, authority):
    settings = _changed(mesh.source_settings)
    settings["identity"] = authority.expired("shop").settings()
    mesh.source.write(settings)
    assert "expired" in mesh.source.reload_refused()["detail"]
    mesh.ask()


def test_certificate_of_another_instance_is_refused_at_reload(mesh, authority):
    settings = _changed(mesh.source_settings)
    settings["identity"] = authority.identity("blog").settings()
    mesh.source.write(settings)
    mesh.source.reload_refused()
    mesh.ask()


def test_new_ca_in_the_bundle_is_trusted_after_reload(lab, authority):
    other = Authority(lab.folder / "new-ca")
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.source_settings["identity"] = (
        other.identity("shop").trusting(lab.folder / "s", authority, other).settings()
    )
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "tls-refused")
    settings = _changed(mesh.target_settings)
    settings["identity"] = (
        authority.identity("mysql").trusting(lab.folder / "m", authority, other).settings()
    )
    mesh.target.reload(settings)
    mesh.source.wait_status("ESTABLISHED", timeout=20)
    mesh.ask()
