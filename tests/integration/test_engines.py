"""The record engines as raw TLS, against OpenSSL's and GnuTLS's own tools.

    raw_tls (handshake + one engine)  <-- TLS 1.2 or 1.3 -->  openssl s_client, s_server
                                                              gnutls-cli, gnutls-serv
"""

import fcntl
import random
import re
import shutil
import subprocess
import termios
import time

import pytest

from support.environment import SLOW, program
from support.wait import eventually

ENGINES = ["ktls", "gcrypt", "mbedtls"]
CANNOT_RUN = 77


def lines(count=60, longest=8000):
    """Text that no banner of a tool looks like, in records of many sizes."""
    dice = random.Random(7)
    sizes = [1, 2, 15, 16, 17, 255, 256, 4095, 4096] + [
        dice.randrange(1, longest) for _ in range(count)
    ]
    return [("@" + "".join(dice.choices("abcdefghij", k=size))) for size in sizes]


class Tool:
    """A peer's command-line tool, or raw_tls, with pipes; ended by its id."""

    def __init__(self, arguments, complaints=subprocess.DEVNULL):
        self.child = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        for pipe in filter(None, (self.child.stdin, self.child.stdout, self.child.stderr)):
            pipe.close()
        self.child.wait()

    def say(self, text):
        self.child.stdin.write(text.encode())

    def say_alone(self, text):
        """Until it has been read: what is said next comes with another read."""
        self.say(text)
        eventually(
            lambda: fcntl.ioctl(self.child.stdin, termios.FIONREAD, bytes(4)) == bytes(4),
            what=f"{text!r} has been read",
        )

    def hear(self, count):
        """That many lines that begin with @ or, reversed, end with it."""
        heard = []
        while len(heard) < count:
            line = self.child.stdout.readline()
            assert line, f"{len(heard)} of {count} lines came; {self.complaint()}"
            text = line.decode().rstrip("\r\n")
            if text.startswith("@") or text.endswith("@"):
                heard.append(text)
        return heard

    def complaint(self):
        self.child.kill()
        return self.child.stderr.read().decode() if self.child.stderr else ""

    def finish(self):
        """Closes its input; its exit status."""
        self.child.stdin.close()
        return self.child.wait(30 * SLOW)


class Bench:
    """Two identities and a free port."""

    def __init__(self, authority, port):
        self.one = authority.identity("one")
        self.two = authority.identity("two")
        self.port = port

    def raw(self, role, engine, *limit):
        return Tool(
            [program("tests/support/raw_tls"), role, self.port, engine, self.one.folder, *limit],
            subprocess.PIPE,
        )

    def openssl(self, command, *arguments):
        two = self.two
        return Tool(
            ["openssl", command, "-alpn", "h2", "-cert", two.certificate, "-key", two.key]
            + ["-CAfile", two.ca, "-verify_return_error", *arguments]
        )

    def gnutls(self, command, *arguments):
        two = self.two
        return Tool(
            [command, "-p", self.port, "--alpn", "h2", "--x509certfile", two.certificate]
            + ["--x509keyfile", two.key, "--x509cafile", two.ca, *arguments]
        )


@pytest.fixture
def bench(authority, ports):
    return Bench(authority, ports.take())


@pytest.fixture(params=ENGINES)
def engine(request):
    raw = subprocess.run(
        [program("tests/support/raw_tls"), "client", "1", request.param, "/nonexistent"],
        capture_output=True,
        text=True,
        check=False,
    )
    if raw.returncode == CANNOT_RUN:
        pytest.skip(raw.stderr.strip())
    return request.param


def accept(tool):
    """Waits until raw_tls listens."""
    assert tool.child.stderr.readline() == b"listening\n"


def connected(start, first):
    """A raw_tls client, once the peer's tool listens: it does not say when."""
    for _ in range(100):
        tool = start()
        try:
            tool.say(first + "\n")
        except BrokenPipeError:
            pass
        line = tool.child.stderr.readline().decode()
        if line.startswith("agreed"):
            return tool, line.split()[1]
        tool.__exit__()
        assert "refused" in line, line
        time.sleep(0.05 * SLOW)
    raise AssertionError("the peer never listened")


def test_openssl_client_hears_back_what_it_sends(bench, engine):
    with bench.raw("server", engine) as server:
        accept(server)
        arguments = ["-connect", f"127.0.0.1:{bench.port}", "-quiet", "-no_ign_eof", "-nocommands"]
        with bench.openssl("s_client", *arguments) as client:
            for line in lines():
                client.say(line + "\n")
                assert client.hear(1) == [line]
            assert client.finish() == 0
        assert server.finish() == 0, "close_notify both ways"


def test_openssl_server_gets_what_is_sent(bench, engine):
    with bench.openssl("s_server", "-accept", bench.port, "-Verify", "1", "-rev", "-quiet"):
        client, _ = connected(lambda: bench.raw("client", engine), "@first")
        with client:
            assert client.hear(1) == ["tsrif@"]
            for line in lines():
                client.say(line + "\n")
                assert client.hear(1) == [line[::-1]]


@pytest.mark.skipif(not shutil.which("gnutls-cli"), reason="gnutls-bin is not installed")
def test_gnutls_client_hears_back_what_it_sends(bench, engine):
    with bench.raw("server", engine) as server:
        accept(server)
        with bench.gnutls("gnutls-cli", "--no-ca-verification", "127.0.0.1") as client:
            for line in lines(longest=3000):
                client.say(line + "\n")
                assert client.hear(1) == [line]
            assert client.finish() == 0
        assert server.finish() == 0, "close_notify both ways"


@pytest.mark.skipif(not shutil.which("gnutls-serv"), reason="gnutls-bin is not installed")
def test_gnutls_server_gets_what_is_sent(bench, engine):
    with bench.gnutls("gnutls-serv", "--echo", "--require-client-cert"):
        client, _ = connected(lambda: bench.raw("client", engine), "@first")
        with client:
            assert client.hear(1) == ["@first"]
            for line in lines(longest=3000):
                client.say(line + "\n")
                assert client.hear(1) == [line]


def needs_tls_13(version):
    if version != "TLSv1.3":
        pytest.skip(f"{version} has no KeyUpdate; mbedTLS 3.6 brings TLS 1.3")


def test_key_updates_of_openssl_in_the_middle_of_traffic(bench):
    with bench.raw("server", "gcrypt") as server:
        accept(server)
        with bench.openssl("s_client", "-connect", f"127.0.0.1:{bench.port}") as client:
            client.say("@first\n")
            assert client.hear(1) == ["@first"]
            needs_tls_13(server.child.stderr.readline().decode().split()[1])
            for i, line in enumerate(lines(20)):
                client.say_alone("K\n" if i % 2 else "k\n")
                client.say(line + "\n")
                assert client.hear(1) == [line]


def test_key_limit_brings_key_updates(bench):
    with bench.openssl("s_server", "-accept", bench.port, "-Verify", "1", "-rev", "-quiet"):
        client, version = connected(lambda: bench.raw("client", "gcrypt", "5"), "@first")
        with client:
            assert client.hear(1) == ["tsrif@"]
            needs_tls_13(version)
            for line in lines(31):
                client.say(line + "\n")
                assert client.hear(1) == [line[::-1]]
            said = client.complaint()
        # 1 + 40 lines, five to a key; longer lines take two records
        assert len(re.findall("key updated", said)) >= 8
