"""`appnet wait` returns when every required outbound works, and not before.

    shop (outbound db, required) --tunnel--> mysql -> echo
"""

import json
import re
import time

import pytest

from support.command_line import Command, Terminal, appnet
from support.servers import Echo
from support.wait import eventually


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port, workers=1, start=False)


def _wait(sidecar, *arguments, **options):
    return appnet("wait", "--sidecar", sidecar.admin, *arguments, **options)


def test_ready_at_once(mesh):
    mesh.start()
    done = _wait(mesh.source)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready: db\n", "")


def test_json_is_the_sidecars_status(mesh):
    mesh.start()
    status = json.loads(_wait(mesh.source, "-o", "json").stdout)
    assert status["instance"] == "shop"
    assert status["outbounds"][0]["status"] == "ESTABLISHED"


def test_the_socket_may_be_in_the_environment(mesh):
    mesh.start()
    done = appnet("wait", environment={"APPNET_SIDECAR": mesh.source.admin})
    assert done.returncode == 0, done.stderr


def test_nothing_is_required_of_a_target(mesh):
    mesh.start_target()
    assert _wait(mesh.target).stdout == "ready: no outbound is required\n"


def test_waits_for_the_target(lab, mesh):
    mesh.start_source()
    waiting = lab.add(Command(lab.folder, "wait", "--sidecar", mesh.source.admin))
    time.sleep(0.5)
    assert waiting.running, waiting.text()
    mesh.start_target()
    assert waiting.wait() == 0, waiting.text()
    mesh.ask()


def test_waits_for_the_sidecar_itself(lab, mesh):
    mesh.start_target()
    admin = lab.folder / "shop.sock"
    waiting = lab.add(Command(lab.folder, "wait", "--sidecar", admin))
    time.sleep(0.3)
    assert waiting.running, waiting.text()
    mesh.start_source()
    assert waiting.wait() == 0, waiting.text()


def test_an_outbound_that_is_not_required_is_not_waited_for(lab, mesh):
    mesh.source_settings["outbounds"].append({"name": "log", "listen": f"127.0.0.1:{lab.port()}"})
    mesh.start()
    assert _wait(mesh.source).stdout == "ready: db\n"


def test_says_what_does_not_work_when_time_is_up(mesh):
    mesh.start_source()
    begun = time.monotonic()
    done = _wait(mesh.source, "--timeout", "1s")
    assert time.monotonic() - begun >= 1
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(
        r"appnet: not ready after 1s: db is (FAILED, unreachable: |WAITING)", done.stderr
    )


def test_says_that_there_is_no_sidecar_when_time_is_up(folder):
    done = appnet("wait", "--sidecar", folder / "none.sock", "--timeout", "1s")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("appnet: not ready after 1s: the sidecar at ")


def test_does_not_wait_for_one_that_is_ending(mesh):
    mesh.start()
    with mesh.connect() as held:
        held.sendall(b"x")
        mesh.source.wait_streams(1)
        mesh.source.signal(15)
        mesh.source.wait_log("draining")
        done = _wait(mesh.source)
        assert (done.returncode, done.stderr) == (1, "appnet: the sidecar is ending\n")


@pytest.mark.parametrize("timeout", ["", "0s", "1", "x", "-1s"])
def test_refuses_other_timeouts(folder, timeout):
    done = appnet("wait", "--sidecar", folder / "x", f"--timeout={timeout}")
    assert done.returncode == 2 and "--timeout" in done.stderr


def test_shows_its_progress_on_a_terminal(lab, mesh):
    mesh.start_source()
    terminal = lab.add(Terminal("wait", "--sidecar", mesh.source.admin))
    shown = r"\r\x1b\[K(\d+)s  db is (?:FAILED|WAITING)"
    first = int(re.search(shown, terminal.read_until(shown))[1])
    terminal.read_until(rf"\r\x1b\[K{first + 1}s  db is ")
    mesh.start_target()
    assert terminal.wait() == 0
    # The line is cleared, and what is left is the answer.
    assert terminal.seen.endswith("\r\x1b[Kready: db\r\n")


def test_a_sidecar_that_hangs_is_not_waited_for_longer(mesh):
    mesh.start()
    mesh.source.signal(19)
    eventually(lambda: _stopped(mesh.source.pid), "the sidecar has stopped")
    done = _wait(mesh.source, "--timeout", "1s")
    mesh.source.signal(18)
    assert done.returncode == 1, done.stdout
    assert "does not answer" in done.stderr


def _stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"
