"""The registry's configuration: the sample is good, mistakes are told with file, line, option and what
was expected.
"""

import pytest

from support.environment import TOP, program
from support.process import run
from support.registry import check

SAMPLE = TOP / "conf/registry.conf"

# The line that is put in stands third.
TEXT = 'trust_domain = "shop.example";\ndata_dir = "data";\n'


def _check_text(folder, text):
    file = folder / "registry.conf"
    file.write_text(text, encoding="utf-8")
    return file, check(file)


def test_sample_is_good():
    done = check(SAMPLE)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SAMPLE}: ok\n", "")


def test_first_look_needs_no_file(folder):
    command = [program("appnet-registry"), "--dev", "--data", folder / "data", "--check"]
    done = run(command, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / 'data'}: ok\n", "")
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    "line",
    [
        "",
        'tls_listen = "[::1]:15010";',
        'http_listen = "0.0.0.0:80";',
        'store = "sqlite:other.db";',
        'store = "mem:";',
        "certificate_ttl = 3600;",
        'certificate_ttl = "3s";',
        "lease = 1;",
        'tls_names = ( "registry.example", "10.0.0.1" );',
    ],
)
def test_good_file(folder, line):
    file, done = _check_text(folder, TEXT + line)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: ok\n", "")
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    "line, problem",
    [
        ("lease = 0;", "lease: expected a number of seconds from 1 to 3600"),
        ('lease = "soon";', "lease: expected a number of seconds from 1 to 3600"),
        ('certificate_ttl = "2s";', "certificate_ttl: expected a time from 3 seconds to 10 years"),
        ("certificate_ttl = 1.5;", "certificate_ttl: expected a time from 3 seconds to 10 years"),
        ('tls_listen = "nowhere";', "tls_listen: expected HOST:PORT, for example 0.0.0.0:15010"),
        ("http_listen = 15080;", "http_listen: expected HOST:PORT"),
        ('store = "appnet.db";', 'store: expected "sqlite:FILE", for example "sqlite:appnet.db"'),
        ('store = "sqlite:";', 'store: expected "sqlite:FILE"'),
        ('tls_names = "registry.example";', "tls_names: expected a list of at most 14"),
        ("tls_names = ( 3 );", "tls_names: expected a list of at most 14"),
        ("leases = 5;", "leases: unknown option; there are trust_domain, data_dir, "),
        ("lease = ", "syntax error"),
    ],
)
def test_mistake_is_told(folder, line, problem):
    file, done = _check_text(folder, TEXT + line)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"appnet-registry: {file}:3: {problem}"), done.stderr
    started = run([program("appnet-registry"), "-c", file], check=False)
    assert (started.returncode, started.stderr) == (1, done.stderr)
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    "text, problem",
    [
        ('data_dir = "data";', "trust_domain"),
        ('trust_domain = "shop.example";', "data_dir"),
        ('trust_domain = "Shop!";', "1: trust_domain: expected "),
        ('trust_domain = "shop.example";\ndata_dir = "";', "2: data_dir: expected the path"),
    ],
)
def test_what_is_needed_must_be_there(folder, text, problem):
    file, done = _check_text(folder, text)
    assert done.returncode == 1
    assert done.stderr.startswith(f"appnet-registry: {file}:") and problem in done.stderr


def test_file_must_be_there(folder):
    done = check(folder / "nothing.conf")
    assert done.returncode == 1 and str(folder / "nothing.conf") in done.stderr
