"""What the registry shows of connections is what an application would find.

    shop (db)    --> mysql (sql)   -> an echo process
    blog (db)    --> mysql (sql)   -> the same
    shop (cache) --> redis (store) -> another
"""

import bisect
import random
import signal
import sys
import threading
import time

import pytest

from support.environment import SLOW, TOP
from support.figures import figure
from support.process import Process
from support.sockets import answers, ask, connect, exchange, read_to_end
from support.wait import eventually

# Seconds after the last event until what is shown must be true, the registry being there: a lost
# replica counts for 1 s, a dial or a probe is tried again after at most 1.2 s (backoff and jitter),
# an established connection is probed every 2 s, and the sidecars find a restarted registry in 1.2 s.
CONVERGED = 3.0 * SLOW
TURMOIL = 180
SEED = 20
PAUSES = (0.05, 0.5, 4.0, 6.0, 8.0)  # between events


class Application(Process):
    """An echo server that can be killed."""

    def __init__(self, lab, name):
        self.name = name
        self.port = lab.port()
        code = (
            f"import signal, sys; sys.path.insert(0, {str(TOP / 'tests')!r})\n"
            f"from support.servers import Echo; Echo({self.port}); signal.pause()"
        )
        super().__init__([sys.executable, "-c", code], lab.folder / f"{name}.log")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        super().start()
        eventually(lambda: answers(self.port), what=f"{self.name} answers")
        return self


class Stage:
    """All of it, connected."""

    def __init__(self, lab):
        self.fleet = lab.fleet()
        self.registry = self.fleet.registry
        self.database = lab.add(Application(lab, "database")).start()
        self.store = lab.add(Application(lab, "store")).start()
        ports = {place: lab.port() for place in ("shop-db", "shop-cache", "blog-db")}
        replica = self.fleet.replica
        self.sidecars = [
            replica("mysql", {"sql": self.database.address}),
            replica("redis", {"store": self.store.address}),
            replica("shop", outbounds={"db": ports["shop-db"], "cache": ports["shop-cache"]}),
            replica("blog", outbounds={"db": ports["blog-db"]}),
        ]
        connect_ = self.fleet.connect
        self.wires = {
            connect_("shop", "db", "mysql", "sql"): ports["shop-db"],
            connect_("shop", "cache", "redis", "store"): ports["shop-cache"],
            connect_("blog", "db", "mysql", "sql"): ports["blog-db"],
        }
        self.ports = ports


@pytest.fixture(name="stage")
def _stage(lab):
    return Stage(lab)


def _works(port):
    """What an application finds: nothing, a reset, or an answer."""
    try:
        with connect(port, timeout=2.0) as sock:
            exchange(sock)
            sock.shutdown(1)
            return read_to_end(sock) == b""
    except (OSError, AssertionError):
        return False


class Watcher(threading.Thread):
    """Repeats `look()` until `finish`; keeps (begun, ended, what it gave)."""

    def __init__(self, look, pause):
        super().__init__(daemon=True)
        self.seen = []
        self._look = look
        self._pause = pause
        self._over = threading.Event()
        self.start()

    def run(self):
        while not self._over.wait(self._pause):
            begin = time.monotonic()
            found = self._look()
            self.seen.append((begin, time.monotonic(), found))

    def finish(self):
        self._over.set()
        self.join(30)
        assert not self.is_alive()
        return self.seen


class Turmoil:
    """Kills and restarts what it is given, at most two at a time."""

    def __init__(self, things, chance):
        self.events = []  # (time, what)
        self._things = things
        self._chance = chance
        self._down = []

    def step(self):
        self._note("about to")
        up = [thing for thing in self._things if thing not in self._down]
        if self._down and (len(self._down) == 2 or self._chance.random() < 0.5):
            thing = self._down.pop(self._chance.randrange(len(self._down)))
            # one that comes is there for others when it is ready
            thing.start()
            self._note("started", thing)
        else:
            thing = self._chance.choice(up)
            thing.kill()
            self._down.append(thing)
            self._note("killed", thing)

    def settle(self):
        self._note("about to")
        while self._down:
            self._down.pop().start()
        self._note("started all")

    def _note(self, what, thing=None):
        """Before it happens and after, since it is seen somewhere between."""
        self.events.append((time.monotonic(), f"{what} {thing.name if thing else ''}"))


def _shown(registry):
    """{connection: status}, or None while nobody tells."""
    try:
        return {row["id"]: row["status"] for row in registry.connections()}
    except (OSError, AssertionError):
        return None


def _lies(states, attempts, wire):
    """(when, shown, works) wherever the two do not agree. What was shown shortly before an attempt
    began and what was shown shortly after it ended are both compared.
    """
    times = [begun for begun, _, _ in states]
    for begun, ended, works in attempts:
        before = bisect.bisect_left(times, begun) - 1
        after = bisect.bisect_left(times, ended)
        for index in (before, after):
            if not 0 <= index < len(states) or states[index][2] is None:
                continue
            status = states[index][2].get(wire)
            if (status == "ESTABLISHED") != works:
                yield max(ended, states[index][1]), status, works


@pytest.mark.alone
@pytest.mark.limit(420)
def test_states_are_true_while_everything_dies_and_returns(stage):
    chance = random.Random(SEED)
    turmoil = Turmoil([*stage.sidecars, stage.database, stage.store, stage.registry], chance)
    states = Watcher(lambda: _shown(stage.registry), 0.05)
    attempts = {
        wire: Watcher(lambda port=port: _works(port), 0.05) for wire, port in stage.wires.items()
    }
    end = time.monotonic() + TURMOIL
    while time.monotonic() < end:
        turmoil.step()
        time.sleep(chance.choice(PAUSES))
    turmoil.settle()
    time.sleep(CONVERGED + 2)
    shown = states.finish()
    tried = {wire: watcher.finish() for wire, watcher in attempts.items()}

    events = [when for when, _ in turmoil.events]
    late = []
    ages = []
    for wire, results in tried.items():
        for when, status, works in _lies(shown, results, wire):
            index = bisect.bisect_right(events, when) - 1
            age = when - events[index] if index >= 0 else when
            ages.append(age)
            if age > CONVERGED:
                late.append((round(age, 2), status, works, turmoil.events[index - 2 : index + 1]))
    total = sum(len(results) for results in tried.values())
    worked = sum(works for results in tried.values() for _, _, works in results)
    figure(
        "turmoil of 180 s: events, attempts, of which worked",
        f"{len(events) // 2}, {total}, {worked}",
    )
    figure(
        "states looked at, of which the registry was away",
        f"{len(shown)}, {sum(state is None for _, _, state in shown)}",
    )
    figure(
        "longest that a state was not true after an event, seconds", f"{max(ages, default=0):.2f}"
    )
    assert total > 1000 and 0.1 * total < worked < 0.95 * total, "nothing to compare"
    assert not late, late[:20]
    for wire, port in stage.wires.items():
        assert stage.fleet.wait_state(wire, "ESTABLISHED", timeout=1)
        ask(port)


# Nobody uses the connection meanwhile


def test_idle_application_that_dies_is_noticed(stage):
    wire = next(iter(stage.wires))
    for _ in range(3):
        stage.database.kill()
        stage.fleet.wait_state(wire, "FAILED", "target-refused", timeout=CONVERGED / SLOW)
        stage.database.start()
        stage.fleet.wait_state(wire, "ESTABLISHED", timeout=CONVERGED / SLOW)


@pytest.mark.parametrize("which", range(4), ids=["mysql", "redis", "shop", "blog"])
def test_idle_sidecar_that_dies_is_noticed(stage, which):
    wires = list(stage.wires)
    mine = {0: (0, 2), 1: (1,), 2: (0, 1), 3: (2,)}[which]
    sidecar = stage.sidecars[which]
    sidecar.kill()
    for i in mine:
        stage.fleet.wait_state(wires[i], "FAILED", timeout=CONVERGED / SLOW)
    for i in set(range(3)) - set(mine):
        assert stage.registry.connection(wires[i])["status"] == "ESTABLISHED"
    sidecar.start()
    for i in mine:
        stage.fleet.wait_state(wires[i], "ESTABLISHED", timeout=CONVERGED / SLOW)


def test_application_that_hangs_is_no_lie(stage):
    # it accepts connections, by its kernel, and that is all that a connection promises
    wire = next(iter(stage.wires))
    stage.database.signal(signal.SIGSTOP)
    time.sleep(CONVERGED)
    assert stage.registry.connection(wire)["status"] == "ESTABLISHED"
    stage.database.signal(signal.SIGCONT)
    ask(stage.ports["shop-db"])
