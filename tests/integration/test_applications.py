"""Real applications through the tunnel.

    redis-cli, an HTTP client, pgbench -> shop --tunnel--> mysql -> redis-server, nginx, postgres
"""

import hashlib
import http.client
import os
import re
import subprocess

import pytest

from support.applications import Nginx, Postgres, Redis, find
from support.environment import SLOW
from support.figures import figure
from support.process import run
from support.sockets import PIECE

MIB = 1 << 20
GIB = 1 << 30

needs_redis = pytest.mark.skipif(not find("redis-server"), reason="redis-server is not installed")
needs_nginx = pytest.mark.skipif(not find("nginx"), reason="nginx is not installed")
needs_postgres = pytest.mark.skipif(not Postgres.installed(), reason="postgresql is not installed")


@pytest.fixture(name="redis")
def _redis(lab):
    return lab.mesh(lab.add(Redis(lab.port(), lab.folder)).port)


@pytest.fixture(name="postgres")
def _postgres(lab):
    return lab.mesh(lab.add(Postgres(lab.port())).port)


@needs_redis
def test_value_of_64_mib_is_set_and_read_back(redis):
    value = os.urandom(64 * MIB)
    client = ["redis-cli", "-h", "127.0.0.1", "-p", str(redis.port)]
    stored = subprocess.run(
        [*client, "-x", "set", "big"],
        input=value,
        capture_output=True,
        check=True,
        timeout=50 * SLOW,
    )
    assert stored.stdout == b"OK\n", stored.stderr
    read = subprocess.run(
        [*client, "--raw", "get", "big"], capture_output=True, check=True, timeout=50 * SLOW
    )
    assert len(read.stdout) == len(value) + 1  # redis-cli ends it with a newline
    assert hashlib.sha256(read.stdout[:-1]).digest() == hashlib.sha256(value).digest()
    redis.wait_idle()


@needs_redis
@pytest.mark.alone
@pytest.mark.limit(180)
@pytest.mark.parametrize(
    "keepalive, requests", [(1, 50000), (0, 10000)], ids=["keepalive", "connection-each"]
)
def test_redis_benchmark_of_50_clients_has_no_error(redis, keepalive, requests):
    done = run(
        [
            "redis-benchmark",
            "-h",
            "127.0.0.1",
            "-p",
            redis.port,
            "-c",
            50,
            "-n",
            requests,
            "-k",
            keepalive,
            "-t",
            "set,get",
            "--csv",
        ],
        timeout=150,
    )
    rates = dict(re.findall(r'^"(SET|GET)","([0-9.]+)"', done.stdout, re.MULTILINE))
    assert set(rates) == {"SET", "GET"}, done.stdout
    assert "error" not in (done.stdout + done.stderr).lower()
    for kind, rate in rates.items():
        figure(
            f"redis-benchmark {kind}, 50 clients, keepalive {keepalive}, requests a second", rate
        )
    redis.wait_idle()


@needs_nginx
@pytest.mark.alone
@pytest.mark.limit(240)
def test_download_of_1_gib_has_the_right_checksum(lab):
    nginx = lab.add(Nginx(lab.port(), lab.folder))
    expected = _write_numbered_blocks(lab.folder / "www" / "big", GIB)
    mesh = lab.mesh(nginx.port)

    client = http.client.HTTPConnection("127.0.0.1", mesh.port, timeout=60 * SLOW)
    client.request("GET", "/big")
    answer = client.getresponse()
    assert answer.status == 200
    received = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(PIECE))
    while got := answer.readinto(buffer):
        received.update(buffer[:got])
        size += got
    client.close()

    assert size == GIB
    assert received.hexdigest() == expected
    mesh.wait_idle()


def _write_numbered_blocks(path, size):
    """Blocks, no two the same, so that none can change places unseen; gives the checksum."""
    checksum = hashlib.sha256()
    block = os.urandom(MIB - 8)
    with open(path, "wb") as out:
        for number in range(size // MIB):
            for piece in (number.to_bytes(8, "big"), block):
                out.write(piece)
                checksum.update(piece)
    return checksum.hexdigest()


@needs_postgres
@pytest.mark.alone
@pytest.mark.limit(180)
@pytest.mark.parametrize("options", [[], ["-C"]], ids=["connections-kept", "connection-each"])
def test_pgbench_has_no_failed_transaction(postgres, options):
    environment = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
    }
    run(["pgbench", "-i", "-q"], environment=environment, timeout=80)
    done = run(
        ["pgbench", "-c", 10, "-j", 2, "-T", 5, *options], environment=environment, timeout=80
    )
    assert re.search(r"number of failed transactions: 0 ", done.stdout), done.stdout
    processed = int(re.search(r"number of transactions actually processed: (\d+)", done.stdout)[1])
    assert processed > 0
    figure(f"pgbench {' '.join(options)} 10 clients, transactions in 5 s", processed)
    postgres.wait_idle()
