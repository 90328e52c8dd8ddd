"""What every test has: a limit on its time, a bench to build on, and the programs' logs when it
fails.
"""

import fcntl
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
pytest.register_assert_rewrite("support")

# pylint: disable=wrong-import-position
from support.authority import Authority  # noqa: E402
from support.environment import SANITIZED, SLOW  # noqa: E402
from support.lab import Lab  # noqa: E402
from support.ports import Ports  # noqa: E402

LIMIT = 60  # seconds a test may take, where it does not say otherwise


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "limit(seconds): how long the test may take, instead of 60 s"
    )
    config.addinivalue_line(
        "markers", "alone: loads or measures the machine; no two such tests run at once"
    )
    config.addinivalue_line(
        "markers", "measures_memory: says nothing about programs with sanitizers"
    )
    config.addinivalue_line("markers", "valgrind: runs the sidecars under valgrind")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Those that may take long begin first; those that would wait for each other go to one worker of
    # xdist.
    items.sort(key=_limit_of, reverse=True)
    for item in items:
        if item.get_closest_marker("alone"):
            item.add_marker(pytest.mark.xdist_group("alone"))
        if SANITIZED and item.get_closest_marker("measures_memory"):
            item.add_marker(
                pytest.mark.skip(
                    reason="memory of a build with sanitizers is not that of the real one"
                )
            )


def _limit_of(item):
    marker = item.get_closest_marker("limit")
    return marker.args[0] if marker else LIMIT


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab:
        for daemon in lab.daemons:
            report.sections.append((f"log of {daemon.name}", daemon.log.tail()))


@pytest.fixture(autouse=True)
def _alone(request):
    if not request.node.get_closest_marker("alone"):
        yield
        return
    path = os.path.join(tempfile.gettempdir(), f"appnet-test-alone.{os.getuid()}")
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _limit(request, _alone):
    seconds = _limit_of(request.node) * SLOW

    def over(_number, _frame):
        pytest.fail(f"over the limit of {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session", name="ports")
def _ports():
    return Ports()


@pytest.fixture(scope="session")
def workspace():
    """A folder for what all tests of this process share."""
    yield from _new_folder()


@pytest.fixture(scope="session", name="authority")
def _authority(workspace):
    return Authority(workspace / "ca")


@pytest.fixture(name="folder")
def _folder():
    yield from _new_folder()


def _new_folder():
    # Not below pytest's own: the path of a socket has 107 bytes at the most.
    folder = Path(tempfile.mkdtemp(prefix="appnet-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(name="lab")
def _lab(folder, authority, ports):
    lab = Lab(folder, authority, ports)
    yield lab
    lab.close()
