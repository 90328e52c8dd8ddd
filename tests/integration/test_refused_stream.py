"""The target decides who may reach what; its refusal reaches the application, the status and both
logs.

    client -> shop --tunnel--> mysql -> echo
"""

import pytest

from support.mesh import Usage
from support.servers import Echo
from support.sockets import connect, exchange, is_reset_at


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port, start=False)


def _check_refused(mesh, reason, code):
    """FAILED with the reason; connections are reset; the lines are there; nothing is kept."""
    failed = mesh.source.wait_status("FAILED", reason)
    assert failed["detail"]
    mesh.source.wait_log("connection state", outbound="db", status="FAILED", reason=reason)
    usage = Usage(*mesh.sidecars)
    since = mesh.source.log.position(), mesh.target.log.position()
    for _ in range(3):
        assert is_reset_at(mesh.port, b"data before the answer")
    refused = mesh.target.wait_log(
        "stream refused",
        since[1],
        side="target",
        peer="shop",
        outbound="db",
        status=code,
        reason=reason,
    )
    assert refused["detail"]
    told = mesh.source.wait_log(
        "stream refused", since[0], side="source", outbound="db", status=code, reason=reason
    )
    assert told["detail"]
    usage.wait_unchanged()
    return failed


def test_instance_that_is_not_allowed(mesh):
    mesh.target_settings["allow"] = [{"inbound": "sql", "instance": "blog", "outbound": "db"}]
    mesh.start(established=False)
    _check_refused(mesh, "not-authorised", 403)


def test_outbound_that_is_not_allowed(mesh):
    mesh.target_settings["allow"] = [{"inbound": "sql", "instance": "shop", "outbound": "reports"}]
    mesh.start(established=False)
    _check_refused(mesh, "not-authorised", 403)


def test_nobody_is_allowed(mesh):
    mesh.target_settings["allow"] = []
    mesh.start(established=False)
    _check_refused(mesh, "not-authorised", 403)


def test_right_ca_but_another_instance_name(mesh, authority):
    # the source's certificate is good, its name is not the one that is allowed
    mesh.source_settings["instance"] = "intruder"
    mesh.source_settings["identity"] = authority.identity("intruder").settings()
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "not-authorised")
    assert is_reset_at(mesh.port)
    mesh.target.wait_log("stream refused", side="target", peer="intruder", reason="not-authorised")


def test_inbound_that_does_not_exist(mesh):
    mesh.source_settings["connections"][0]["inbound"] = "graph"
    mesh.start(established=False)
    _check_refused(mesh, "interface-withdrawn", 404)


def test_application_port_that_is_closed(lab):
    mesh = lab.mesh(lab.port(), start=False)
    mesh.start(established=False)
    _check_refused(mesh, "target-refused", 503)


def test_connection_is_established_when_the_application_comes_back(lab):
    port = lab.port()
    mesh = lab.mesh(port, start=False).start(established=False)
    mesh.source.wait_status("FAILED", "target-refused")
    lab.add(Echo(port))
    mesh.source.wait_status("ESTABLISHED", timeout=20)
    mesh.ask()


def test_refused_streams_do_not_disturb_others_of_the_tunnel(lab):
    # shop has two outbounds to the same inbound, one of them is not allowed
    mesh = lab.mesh(lab.serve(Echo).port, start=False, workers=1)
    port = lab.port()
    mesh.source_settings["outbounds"].append(
        {"name": "spy", "required": False, "listen": f"127.0.0.1:{port}"}
    )
    mesh.source_settings["connections"].append(
        {**mesh.source_settings["connections"][0], "outbound": "spy"}
    )
    mesh.start()
    mesh.source.wait_status("FAILED", "not-authorised", outbound="spy")
    with mesh.connect() as client:
        exchange(client)
        for _ in range(20):
            assert is_reset_at(port)
        exchange(client)
    assert mesh.source.outbound("db")["status"] == "ESTABLISHED"
    assert len(mesh.source.status()["tunnels"]) == 1


def test_unreachable_target(mesh):
    mesh.start_source()
    failed = mesh.source.wait_status("FAILED", "unreachable")
    assert failed["detail"]
    usage = Usage(mesh.source)
    assert is_reset_at(mesh.port)
    mesh.source.wait_log(
        "tunnel refused", side="source", reason="unreachable", address=mesh.tunnel_address
    )
    usage.wait_unchanged()


def test_outbound_without_a_connection(lab):
    # one that is not required and that nobody has connected: there is no socket, nothing fails
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    port = lab.port()
    mesh.source_settings["outbounds"].append(
        {"name": "cache", "required": False, "listen": f"127.0.0.1:{port}"}
    )
    mesh.start()
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    assert mesh.source.outbound("cache")["status"] is None
    mesh.ask()
