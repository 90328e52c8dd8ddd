"""`appnet run`: sidecar and application as one.

    appnet run ( shop: application -> outbound db ) --tunnel--> mysql -> echo
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from support import settings
from support.command_line import Command, Terminal, appnet, children, program_of
from support.environment import SLOW
from support.servers import Echo
from support.wait import eventually

SIDECAR = "appnet-sidecar"


class Bench:
    """The target is a sidecar as ever; shop's has its file, and `appnet run` starts it."""

    def __init__(self, lab):
        self.lab = lab
        self.mesh = lab.mesh(lab.serve(Echo).port, workers=1, start=False, drain_timeout=3)
        self.file = lab.folder / "shop.conf"
        self.admin = str(lab.folder / "shop.sock")
        self.mesh.source_settings["admin"] = self.admin
        self.write()
        self._count = 0

    def write(self):
        settings.write(self.file, self.mesh.source_settings)

    def run(self, *command, options=(), **more):
        """To the end."""
        return appnet("run", "-c", self.file, *options, "--", *command, **more)

    def start(self, *command, options=(), **more):
        self._count += 1
        return self.lab.add(
            Command(
                self.lab.folder,
                "run",
                "-c",
                self.file,
                *options,
                "--",
                *command,
                name=f"run{self._count}",
                **more,
            )
        )

    def script(self, text, name="application"):
        """A program in Python; it can `say` and `ask` the outbound."""
        path = self.lab.folder / f"{name}.py"
        path.write_text(_PREAMBLE + textwrap.dedent(text), encoding="utf-8")
        return sys.executable, path


_PREAMBLE = """
import os, signal, socket, sys, time

def say(*words):  # in one piece, since the sidecar writes to the same place
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def ask():
    with socket.create_connection(
        (os.environ["APPNET_OUTBOUND_DB_HOST"], int(os.environ["APPNET_OUTBOUND_DB_PORT"])), 10
    ) as sock:
        sock.sendall(b"ping")
        return sock.recv(4) == b"ping"

"""


@pytest.fixture(name="bench")
def _bench(lab):
    bench = Bench(lab)
    bench.mesh.start_target()
    return bench


def _sidecar_of(process):
    """The sidecar's process."""
    found = [pid for pid in children(process.pid) if program_of(pid) == SIDECAR]
    return found[0] if found else None


def _said(process, text):
    eventually(
        lambda: text in process.text() or not process.running,
        what=lambda: f"{text!r} in:\n{process.text()}",
        timeout=20,
    )
    assert text in process.text(), process.text()


# The application gets what it needs


def test_application_finds_its_outbounds(bench, lab):
    port = lab.port()
    bench.mesh.source_settings["outbounds"].append({"name": "log-2", "listen": f"127.0.0.1:{port}"})
    bench.write()
    done = bench.run("env")
    assert done.returncode == 0, done.stderr
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "APPNET" in line)
    assert found["APPNET_OUTBOUND_DB"] == f"127.0.0.1:{bench.mesh.port}"
    assert found["APPNET_OUTBOUND_DB_HOST"] == "127.0.0.1"
    assert found["APPNET_OUTBOUND_DB_PORT"] == str(bench.mesh.port)
    assert found["APPNET_SIDECAR"] == bench.admin
    # It is not connected, so nothing listens there.
    status_of_log = found.get("APPNET_OUTBOUND_LOG_2")
    assert status_of_log in (None, f"127.0.0.1:{port}")


def test_outbounds_work_from_the_first_line(bench):
    for _ in range(3):
        done = bench.run(*bench.script("sys.exit(0 if ask() else 9)"))
        assert done.returncode == 0, done.stderr


def test_arguments_and_input_are_the_applications(bench):
    done = bench.run(
        "sh", "-c", 'cat; printf "[%s]" "$@"', "x", "-c", "a b", "--", "", input="in\n"
    )
    assert done.stdout == "in\n[-c][a b][--][]"
    # The sidecar's log goes elsewhere.
    assert "sidecar started" in done.stderr


def test_two_dashes_are_not_needed(bench):
    done = appnet("run", "-c", bench.file, "echo", "-c", "hello")
    assert (done.returncode, done.stdout) == (0, "-c hello\n"), done.stderr


@pytest.mark.parametrize("text, code", [("exit 0", 0), ("exit 2", 2), ("exit 77", 77)])
def test_exit_status_is_the_applications(bench, text, code):
    done = bench.run("sh", "-c", text)
    assert done.returncode == code, done.stderr
    assert "usage" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_death_by_signal_is_128_and_its_number(bench, number):
    done = bench.run("sh", "-c", f"kill -{int(number)} $$")
    assert done.returncode == 128 + number


# It is started when everything that it requires works


def test_starts_when_the_required_outbound_works(lab):
    bench = Bench(lab)
    running = bench.start("echo", "started")
    time.sleep(1)
    assert running.running and "\nstarted\n" not in running.text(), running.text()
    bench.mesh.start_target()
    assert running.wait() == 0, running.text()
    assert "\nstarted\n" in running.text()


def test_gives_up_with_the_reason(lab):
    bench = Bench(lab)
    patience = f"{int(2 * SLOW)}s"
    done = bench.run("echo", "started", options=["--timeout", patience])
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        f"appnet: echo was not started, since what it requires does not work after {patience}: "
        "db is FAILED, unreachable: "
    ), last
    assert " stopped " in done.stderr  # the sidecar's last word


def test_what_is_not_required_is_not_waited_for(lab):
    bench = Bench(lab)
    bench.mesh.source_settings["outbounds"][0]["required"] = False
    bench.write()
    assert bench.run("true").returncode == 0


def test_a_bad_configuration_is_said_at_once(bench):
    bench.file.write_text("instance = 3;\n", encoding="ascii")
    done = bench.run("echo", "started")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"appnet: {bench.file}:1: instance")


def test_a_sidecar_that_cannot_start_is_said_at_once(bench):
    bench.mesh.source_settings["identity"]["key"] = "/nonexistent/key.pem"
    bench.write()
    done = bench.run("echo", "started")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/nonexistent/key.pem" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "appnet: the sidecar ended with exit status 1 before echo was started; "
        "what it wrote above says why"
    )


def test_another_sidecar_at_the_socket_is_not_taken_for_ours(bench, lab):
    other = lab.sidecar("shop", bench.mesh.source_settings)
    other.wait_status("ESTABLISHED")
    done = bench.run("echo", "started")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert other.running
    assert other.status()["pid"] == other.pid


def test_a_command_that_is_not_there_is_127(bench):
    done = bench.run("no-such-command-anywhere")
    assert done.returncode == 127
    assert done.stderr == "appnet: cannot run no-such-command-anywhere: No such file or directory\n"


def test_a_command_that_is_no_program_is_126(bench):
    done = bench.run(bench.file)
    assert done.returncode == 126
    assert done.stderr == f"appnet: cannot run {bench.file}: Permission denied\n"
    done = bench.run("/tmp")
    assert done.returncode == 126


def test_a_script_without_a_first_line_is_run_by_the_shell(bench, lab):
    script = lab.folder / "script"
    script.write_text("echo from the shell $1\n", encoding="ascii")
    script.chmod(0o755)
    assert bench.run(script, "x").stdout == "from the shell x\n"


def test_names_that_would_mean_the_same_are_refused(bench, lab):
    bench.mesh.source_settings["outbounds"].append(
        {"name": "db-port", "listen": f"127.0.0.1:{lab.port()}"}
    )
    bench.write()
    done = bench.run("echo", "started")
    assert (done.returncode, done.stdout) == (1, "")
    assert "both set APPNET_OUTBOUND_DB_PORT" in done.stderr


# Signals

_LISTENS = """
NAMES = {signal.SIGRTMIN + 3: "SIGRTMIN+3", **{s: s.name for s in signal.Signals}}

def heard(number, frame):
    say("heard", NAMES[number])
    if number == signal.SIGTERM:
        sys.exit(5)

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
               signal.SIGQUIT, signal.SIGWINCH, signal.SIGALRM, signal.SIGRTMIN + 3):
    signal.signal(number, heard)
say("listening")
while True:
    time.sleep(0.05)
"""


def test_signals_are_passed_on(bench):
    running = bench.start(*bench.script(_LISTENS))
    _said(running, "listening\n")
    sidecar = _sidecar_of(running)
    for name in ("HUP", "USR1", "USR2", "INT", "QUIT", "WINCH", "ALRM", "RTMIN+3"):
        number = signal.SIGRTMIN + 3 if name == "RTMIN+3" else getattr(signal.Signals, "SIG" + name)
        running.signal(number)
        _said(running, f"heard SIG{name}\n")
    assert program_of(sidecar) == SIDECAR
    assert "reloaded" not in running.text()
    running.signal(signal.SIGTERM)
    assert running.wait() == 5, running.text()
    assert running.text().count("heard SIGTERM") == 1


def test_ignored_signals_stay_ignored(bench):
    """As under nohup."""
    show = ("sh", "-c", "grep -i sigign /proc/self/status; grep -i sigblk /proc/self/status")
    plain = bench.run(*show)
    done = bench.run(*show, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    ignored = int(re.search(r"SigIgn:\s*([0-9a-f]+)", done.stdout)[1], 16)
    assert ignored & (1 << (signal.SIGHUP - 1))
    assert int(re.search(r"SigBlk:\s*([0-9a-f]+)", plain.stdout)[1], 16) == 0


def test_an_ending_application_still_reaches_its_outbounds(bench):
    running = bench.start(
        *bench.script(
            """
            def ending(number, frame):
                for _ in range(5):
                    time.sleep(0.3)
                    say("asked", ask())
                sys.exit(0)

            signal.signal(signal.SIGTERM, ending)
            say("ready")
            while True:
                time.sleep(0.05)
            """
        )
    )
    _said(running, "ready\n")
    running.signal(signal.SIGTERM)
    assert running.wait() == 0, running.text()
    assert running.text().count("asked True") == 5
    lines = running.text().splitlines()
    asked = max(i for i, line in enumerate(lines) if line == "asked True")
    assert any(" draining" in line for line in lines[asked:])
    assert " stopped " in lines[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_it_waits(lab, number):
    bench = Bench(lab)
    running = bench.start("echo", "never")
    eventually(lambda: _sidecar_of(running), "a sidecar")
    _said(running, "sidecar started")
    running.signal(number)
    assert running.wait() == 128 + number
    assert "\nnever" not in running.text()
    assert " stopped " in running.text().splitlines()[-1]


def test_a_group_that_is_told_to_end_ends_well(bench):
    """A service manager tells every process of a service: sidecar, application, and us."""
    running = bench.start(
        *bench.script(
            """
            def ending(number, frame):
                time.sleep(2.5)
                say("done")
                os._exit(0)

            signal.signal(signal.SIGTERM, ending)
            say("ready")
            while True:
                time.sleep(0.05)
            """
        )
    )
    _said(running, "ready\n")
    for pid in [*children(running.pid), running.pid]:
        os.kill(pid, signal.SIGTERM)
    assert running.wait() == 0, running.text()
    assert "\ndone\n" in running.text()


def test_keys_at_a_terminal_reach_the_application_once(bench, lab):
    terminal = lab.add(
        Terminal(
            "run",
            "-c",
            bench.file,
            *bench.script(
                """
                count = 0
                def heard(number, frame):
                    global count
                    count += 1
                    say("interrupt", count)

                signal.signal(signal.SIGINT, heard)
                say("ready")
                end = time.monotonic() + 20
                while count < 2 and time.monotonic() < end:
                    time.sleep(0.05)
                    if count == 1:
                        time.sleep(0.5)  # a second one would have come by now
                        say("still", count, ask())
                        while count < 2 and time.monotonic() < end:
                            time.sleep(0.05)
                sys.exit(3)
                """
            ),
        )
    )
    terminal.read_until("ready")
    terminal.type("\x03")
    terminal.read_until("still 1 True")
    terminal.type("\x03")
    assert terminal.wait() == 3, terminal.seen


def test_keys_reach_an_application_in_a_session_of_its_own(bench, lab):
    terminal = lab.add(
        Terminal(
            "run",
            "-c",
            bench.file,
            *bench.script(
                """
                def heard(number, frame):
                    say("interrupted")
                    sys.exit(6)

                signal.signal(signal.SIGINT, heard)
                os.setsid()
                say("ready")
                time.sleep(20)
                """
            ),
        )
    )
    terminal.read_until("ready")
    terminal.type("\x03")
    assert terminal.wait() == 6, terminal.seen
    assert terminal.seen.count("interrupted") == 1


def test_a_stopped_job_goes_on(bench, lab):
    """As by Ctrl-Z and fg: application and `appnet run` stop together, and the sidecar serves on."""
    own_group = "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])"
    running = bench.start(
        "sh",
        "-c",
        "echo begun; sleep 1; echo ended",
        wrapper=[sys.executable, "-c", own_group],
    )
    _said(running, "begun\n")
    sidecar = _sidecar_of(running)
    os.killpg(running.pid, signal.SIGTSTP)
    time.sleep(1.5)
    assert "\nended" not in running.text()
    assert _state(running.pid) == "T" and _state(sidecar) != "T"
    os.killpg(running.pid, signal.SIGCONT)
    assert running.wait() == 0, running.text()
    assert "\nended" in running.text()


def _state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_progress_is_shown_on_a_terminal(lab):
    bench = Bench(lab)
    terminal = lab.add(Terminal("run", "-c", bench.file, "--", "echo", "started"))
    terminal.read_until(r"\r\x1b\[K\ds  db is ")
    bench.mesh.start_target()
    terminal.read_until(r"\r\x1b\[Kstarted|\nstarted")
    assert terminal.wait() == 0, terminal.seen


# The end of one and of the other


def test_an_application_without_its_sidecar_is_ended(bench):
    running = bench.start(*bench.script(_LISTENS))
    _said(running, "listening\n")
    os.kill(_sidecar_of(running), signal.SIGKILL)
    assert running.wait() == 1, running.text()
    assert "heard SIGTERM\n" in running.text()
    assert (
        f"appnet: the sidecar was ended by signal 9 (Killed): {sys.executable} is ended, too\n"
        in running.text()
    )


def test_an_application_that_does_not_end_is_killed(bench):
    running = bench.start("sh", "-c", "trap '' TERM; echo ready; sleep 600")
    _said(running, "ready\n")
    begun = time.monotonic()
    os.kill(_sidecar_of(running), signal.SIGKILL)
    assert running.wait(20) == 1
    assert 9 < time.monotonic() - begun
    assert "appnet: sh does not end: killed\n" in running.text()


def test_the_sidecar_drains_after_the_application(bench):
    done = bench.run("true")
    said = done.stderr
    assert " draining" in said and " stopped " in said.splitlines()[-1]


def test_told_again_the_sidecar_ends_at_once(bench, lab):
    """A stream that some left-over process holds would take the whole drain_timeout."""
    bench.mesh.source_settings["drain_timeout"] = 30
    bench.write()
    running = bench.start(
        *bench.script(
            """
            if os.fork() == 0:
                sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                sock.sendall(b"x")
                sock.recv(1)
                say("held")
                time.sleep(60)
            time.sleep(1)
            """
        ),
        bench.mesh.port,
    )
    _said(running, "held\n")
    _said(running, " draining")
    running.signal(signal.SIGTERM)
    assert running.wait(5) == 0, running.text()


def test_nothing_outlives_a_run_that_is_killed(bench):
    running = bench.start(*bench.script(_LISTENS))
    _said(running, "listening\n")
    left = children(running.pid)
    assert len(left) == 2
    running.kill()
    eventually(
        lambda: not any(program_of(pid) for pid in left),
        timeout=20,
        what=lambda: f"{[program_of(pid) for pid in left]} have ended",
    )
    assert "heard SIGTERM\n" in running.text()


def test_as_the_first_process_it_reaps_orphans(bench, lab):
    own_world = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if not shutil.which("unshare") or subprocess.run([*own_world, "true"], check=False).returncode:
        pytest.skip("no process namespaces here")
    script = bench.script(
        """
        for _ in range(20):
            if os.fork() == 0:
                if os.fork() == 0:
                    time.sleep(0.2)
                    os._exit(0)
                os._exit(0)
            os.wait()
        time.sleep(1)
        states = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = open(f"/proc/{pid}/stat").read()
            except OSError:
                continue
            states.append((stat.split("(")[1].split(")")[0], stat.rpartition(")")[2].split()[0]))
        say("parent", os.getppid(), "zombies", sum(state == "Z" for _, state in states))
        say("first", open("/proc/1/comm").read().strip(), "all", len(states))
        sys.exit(4)
        """
    )
    running = bench.start(*script, wrapper=own_world)
    code = running.wait(20 * SLOW)
    assert code == 4, running.text()
    assert "parent 1 zombies 0\n" in running.text()
    assert "first appnet all 3\n" in running.text()
