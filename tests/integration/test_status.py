"""`appnet status` and the admin socket tell the truth.

    client -> shop --tunnel--> mysql -> echo
"""

import http.client
import json
import os
import re
import socket
import stat
import time

import pytest

from support.environment import program
from support.process import run
from support.servers import Echo
from support.sockets import exchange
from support.wait import eventually

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port, workers=1)


def test_status_says_who_it_is(mesh, authority):
    status = mesh.source.status()
    assert status["instance"] == "shop"
    assert status["trust_domain"] == "shop.example"
    assert status["pid"] == mesh.source.pid
    assert status["state"] == "running"
    assert status["workers"] == 1
    assert status["version"] and status["engine"]
    assert 0 <= status["uptime_seconds"] < 3600
    assert status["certificate"]["id"] == authority.uri("shop")
    for when in ("not_before", "not_after"):
        assert RFC3339.fullmatch(status["certificate"][when])
    shown = run(
        ["openssl", "x509", "-noout", "-serial", "-in", authority.identity("shop").certificate]
    ).stdout
    assert int(status["certificate"]["serial"].replace(":", ""), 16) == int(
        shown.strip().split("=")[1], 16
    )
    assert status["certificate"]["issuer"]


def test_status_shows_the_connection(mesh):
    outbound = mesh.source.outbound()
    assert outbound["name"] == "db"
    assert outbound["required"] is True
    assert outbound["listen"] == f"127.0.0.1:{mesh.port}"
    assert outbound["instance"] == "mysql"
    assert outbound["inbound"] == "sql"
    assert outbound["address"] == mesh.tunnel_address
    assert outbound["status"] == "ESTABLISHED"
    assert outbound["reason"] is None
    assert outbound["streams"] == 0
    (inbound,) = mesh.target.status()["inbounds"]
    assert inbound["name"] == "sql"
    assert inbound["target"].startswith("127.0.0.1:")
    assert inbound["streams"] == 0


def test_status_shows_the_tunnel_on_both_sides(mesh):
    (here,) = mesh.source.status()["tunnels"]
    (there,) = mesh.target.status()["tunnels"]
    assert (here["side"], here["peer"], here["address"]) == ("source", "mysql", mesh.tunnel_address)
    assert (there["side"], there["peer"]) == ("target", "shop")
    for tunnel in (here, there):
        assert tunnel["state"] == "up"
        assert tunnel["tls"] in ("TLSv1.2", "TLSv1.3")
        assert "GCM" in tunnel["cipher"] or "CHACHA" in tunnel["cipher"]
        assert tunnel["engine"]
        assert tunnel["worker"] == 0
        assert tunnel["seconds"] >= 0
    assert here["tls"] == there["tls"]
    assert here["cipher"] == there["cipher"]


def test_open_streams_are_counted(mesh):
    clients = [mesh.connect() for _ in range(7)]
    for client in clients:
        exchange(client)
    for sidecar in mesh.sidecars:
        assert sidecar.status()["streams"]["open"] == 7
        # a probe under way is one of them
        eventually(
            lambda s=sidecar: [t["streams"] for t in s.status()["tunnels"]] == [7],
            what=lambda s=sidecar: f"7 streams in one tunnel of {s.name}: {s.status()}",
        )
    assert mesh.source.outbound()["streams"] == 7
    assert mesh.target.status()["inbounds"][0]["streams"] == 7
    for client in clients:
        client.close()
    mesh.wait_idle()
    for sidecar in mesh.sidecars:
        assert sidecar.status()["streams"]["opened"] == 7
    assert mesh.source.outbound()["streams"] == 0


def test_bytes_are_counted(mesh):
    with mesh.connect() as client:
        for _ in range(10):
            exchange(client, b"x" * 10000)

    def counted():
        return all(
            tunnel["sent"] >= 100000 and tunnel["received"] >= 100000
            for sidecar in mesh.sidecars
            for tunnel in sidecar.status()["tunnels"]
        )

    eventually(counted, what="both tunnels have carried 100,000 bytes each way")
    for sidecar in mesh.sidecars:
        (tunnel,) = sidecar.status()["tunnels"]
        assert tunnel["sent"] < 200000 and tunnel["received"] < 200000


def test_refused_streams_are_counted(lab):
    mesh = lab.mesh(lab.port(), start=False).start(established=False)
    mesh.source.wait_status("FAILED", "target-refused")
    before = mesh.target.status()["streams"]["refused"]
    for _ in range(3):
        with pytest.raises(OSError):
            mesh.ask()
    assert mesh.target.status()["streams"]["refused"] - before == 3


def test_every_stream_has_its_lines(mesh):
    with mesh.connect() as client:
        exchange(client, b"x" * 1000)
        opened = mesh.target.wait_log(
            "stream opened", side="target", peer="shop", outbound="db", inbound="sql"
        )
        assert opened
        mesh.source.wait_log(
            "stream opened",
            side="source",
            peer="mysql",
            outbound="db",
            inbound="sql",
            client=re.compile(r"^127\.0\.0\.1:\d+$"),
        )
        client.sendall(b"y" * 500)
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
    here = mesh.source.wait_log(
        "stream closed", side="source", peer="mysql", outbound="db", inbound="sql", sent=1500
    )
    there = mesh.target.wait_log(
        "stream closed", side="target", peer="shop", outbound="db", inbound="sql", received=1500
    )
    for line in (here, there):
        assert re.fullmatch(r"\d+\.\d{3}", line["seconds"])


def test_start_and_state_have_their_lines(mesh):
    started = mesh.source.wait_log("sidecar started", instance="shop", workers=1)
    assert started["version"] and started["engine"]
    mesh.source.wait_log("listening", kind="outbound", name="db", address=f"127.0.0.1:{mesh.port}")
    mesh.target.wait_log("listening", kind="tunnel", address=mesh.tunnel_address)
    mesh.source.wait_log("listening", kind="admin", address=mesh.source.admin)
    for sidecar, side, peer in ((mesh.source, "source", "mysql"), (mesh.target, "target", "shop")):
        tunnel = sidecar.wait_log("tunnel up", side=side, peer=peer)
        assert tunnel["tls"] and tunnel["cipher"] and tunnel["engine"] and tunnel["id"]
    mesh.source.wait_log(
        "connection state", outbound="db", instance="mysql", inbound="sql", status="ESTABLISHED"
    )


def test_no_line_is_malformed(mesh):
    mesh.ask()
    for sidecar in mesh.sidecars:
        sidecar.log.read()
        assert sidecar.log.other == []


# The command


def test_status_command_prints_a_table(mesh):
    text = mesh.source.status_command().stdout
    for expected in (
        "shop",
        "db",
        "mysql",
        "sql",
        "ESTABLISHED",
        mesh.tunnel_address,
        f"127.0.0.1:{mesh.port}",
    ):
        assert expected in text
    text = mesh.target.status_command().stdout
    for expected in ("mysql", "sql", "shop"):
        assert expected in text


def test_status_command_prints_json(mesh):
    printed = json.loads(mesh.source.status_command("-o", "json").stdout)
    status = mesh.source.status()
    for volatile in ("uptime_seconds", "tunnels"):
        assert volatile in printed
        del printed[volatile], status[volatile]
    assert printed == status


def test_status_command_shows_why_it_failed(lab):
    mesh = lab.mesh(lab.port(), start=False).start(established=False)
    mesh.source.wait_status("FAILED", "target-refused")
    text = mesh.source.status_command().stdout
    assert "FAILED" in text and "target-refused" in text


def test_status_command_without_a_sidecar_says_so(folder):
    done = run([program("appnet"), "status", "--sidecar", folder / "nobody.sock"], check=False)
    assert done.returncode == 1
    assert str(folder / "nobody.sock") in done.stderr
    assert done.stdout == ""


def test_status_command_of_a_dead_sidecar_says_so(mesh):
    # its socket is still in the file system
    mesh.source.kill()
    done = mesh.source.status_command(check=False)
    assert done.returncode == 1
    assert mesh.source.admin in done.stderr


# The pages at `metrics`


def _page(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(name="metrics")
def _metrics(lab):
    """The port of a sidecar's metrics; one connection was made through it, and another is open."""
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    port = lab.port()
    mesh.source_settings["metrics"] = f"127.0.0.1:{port}"
    mesh.start()
    mesh.ask()
    mesh.source.wait_streams(0)
    with mesh.connect() as client:
        exchange(client)
        yield port


def test_metrics_are_prometheus(metrics):
    answer, text = _page(metrics, "GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4")
    assert re.search(r'^appnet_info\{instance="shop",version="[^"]+",engine="\w+"\} 1$', text, re.M)
    for line in (
        "appnet_streams_open 1",
        "appnet_streams_opened_total 2",
        'appnet_tunnels{side="target"} 0',
        'appnet_connection_established{outbound="db",instance="mysql",inbound="sql"} 1',
    ):
        assert f"\n{line}\n" in text, text


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_pages_may_be_looked_at_without_their_bodies(metrics, path):
    assert _page(metrics, "GET", path)[0].status == 200
    answer, text = _page(metrics, "HEAD", path)
    assert (answer.status, text) == (200, "")
    answer, _ = _page(metrics, "POST", path)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert _page(metrics, "GET", path + "/x")[0].status == 404


# The admin socket


def test_admin_socket_is_its_owners_alone(mesh):
    mode = os.stat(mesh.source.admin).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) & 0o007 == 0


def test_socket_left_by_a_dead_sidecar_is_taken_over(mesh):
    mesh.source.kill()
    mesh.source.start()
    assert mesh.source.status()["instance"] == "shop"


def test_admin_socket_of_a_live_sidecar_is_not_taken(mesh, lab):
    settings = {
        **mesh.source_settings,
        "admin": mesh.source.admin,
        "outbounds": [{"name": "db", "required": True, "listen": f"127.0.0.1:{lab.port()}"}],
    }
    second = lab.sidecar("second", settings, ready=False)
    code, said = second.ended_badly()
    assert code == 1
    assert mesh.source.admin in said
    assert mesh.source.status()["pid"] == mesh.source.pid


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/nothing"),
        ("POST", "/status"),
        ("DELETE", "/status"),
        ("GET", "/status/../status"),
        ("GET", "/" + "x" * 100000),
    ],
)
def test_other_requests_on_the_admin_socket_are_refused(mesh, method, path):
    try:
        code, _ = mesh.source.admin_request(method, path)
    except OSError:
        code = 400  # hung up
    assert 400 <= code < 500
    assert mesh.source.status()["instance"] == "shop"


def test_garbage_on_the_admin_socket_is_no_harm(mesh):
    for data in (
        os.urandom(100000),
        b"\r\n" * 10000,
        b"GET /status HTTP/1.1\r\n" + b"X: y\r\n" * 100000,
        b"",
    ):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(mesh.source.admin)
            try:
                sock.sendall(data)
            except OSError:
                pass
    assert mesh.source.status()["instance"] == "shop"
    mesh.ask()


def test_silent_clients_of_the_admin_socket_block_nobody(mesh):
    silent = []
    for _ in range(50):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(mesh.source.admin)
        silent.append(sock)
    assert mesh.source.status()["instance"] == "shop"
    for sock in silent:
        sock.close()
