"""The registry is killed at random moments, again and again, while connections come and go: what was
answered is there afterwards, and what was not is there whole or not at all.

    shop-0 .. shop-3 (outbounds db-0 .. db-4)     mysql (inbound sql)
    brief-N (outbounds a, b), removed with both connections in one go       no sidecar runs
"""

import contextlib
import http.client
import random
import shutil
import sqlite3
import threading
import time

import pytest

from support.registry import descriptor
from support.wait import eventually

CHANGES = 500  # connections made and connections removed, as they were answered
MOST_BETWEEN = 40  # of them between two kills
SHOPS = 4
OUTBOUNDS = [f"db-{number}" for number in range(5)]
KILLED = (OSError, http.client.HTTPException)

FREE, MAKING, MADE, REMOVING, REMOVED = "free", "making", "made", "removing", "removed"


class Changes:
    """How many have been answered."""

    def __init__(self):
        self.answered = 0
        self._changed = threading.Condition()

    def add(self, count):
        with self._changed:
            self.answered += count
            self._changed.notify_all()

    def wait(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self.answered >= count, 60), self.answered


class Slot:
    """An outbound, and what its connection was when its last request was answered or cut off."""

    def __init__(self, registry, source, outbound):
        self.registry = registry
        self.names = (source, outbound)
        self.state = FREE
        self.id = None  # of the connection; while MAKING of the one before, which was REMOVED

    def change(self):
        """One request."""
        if self.state == MADE:
            self.state = REMOVING
            self.registry.delete(f"/v1/connections/{self.id}").good(202)
            self.state = REMOVED
            return 1
        before, self.state = self.state, MAKING
        answer = self.registry.connect(*self.names)
        if answer.status == 202:
            self.state, self.id = MADE, answer.json["id"]
            return 1
        # It takes a moment until it is gone, and the answer says so.
        assert before == REMOVED and "still being disconnected" in answer.json["detail"], answer
        self.state = before
        return 0

    def check(self, row):
        """That the row, None if there is none, is what it can be."""
        marked = row and row["status"] == "TERMINATED"
        same = row and row["id"] == self.id
        fits = {
            FREE: not row,
            MAKING: not row or same == marked,
            MADE: row and same and not marked,
            REMOVING: not row or same,
            REMOVED: not row or (same and marked),
        }
        assert fits[self.state], f"{self.state} {self.id}: {row}"
        self.state = FREE if not row else REMOVED if marked else MADE
        self.id = row["id"] if row else None


class Brief:
    """An instance that is made, connected and removed; each with one request."""

    def __init__(self, registry, name):
        self.registry = registry
        self.slots = [Slot(registry, name, outbound) for outbound in "ab"]
        self.name = name
        self.state = FREE

    def live(self, changes):
        path = f"/v1/instances/{self.name}"
        self.state = MAKING
        self.registry.put(path, descriptor(outbounds={"a": False, "b": True})).good(201)
        self.state = MADE
        for slot in self.slots:
            changes.add(slot.change())
        self.state = REMOVING
        gone = self.registry.delete(path).good(202)["connections"]
        self.state = REMOVED
        assert set(gone) == {slot.id for slot in self.slots}
        changes.add(len(gone))

    def check(self, instance, rows):
        """It and its connections are marked together, or not at all."""
        marked = instance and instance["removing"]
        assert {row["status"] == "TERMINATED" for row in rows} <= {bool(marked)}, (instance, rows)
        fits = {
            MAKING: not marked,
            MADE: instance and not marked,
            REMOVING: True,
            REMOVED: not instance or marked,
        }
        assert fits[self.state], f"{self.state}: {instance}"
        if instance and not marked:
            for slot in self.slots:
                found = [row for row in rows if row["outbound"] == slot.names[1]]
                slot.check(found[0] if found else None)
        elif not instance:
            assert not rows


class Shopper(threading.Thread):
    """Makes and removes connections of one shop until the registry is gone."""

    def __init__(self, slots, changes):
        super().__init__(daemon=True)
        self.slots = slots
        self.wrong = None
        self._changes = changes

    def run(self):
        try:
            while True:
                self.step()
        except KILLED:
            pass
        except AssertionError as wrong:
            self.wrong = wrong

    def step(self):
        self._changes.add(random.choice(self.slots).change())


class Passer(Shopper):
    """Makes and removes instances; `briefs` are all of them."""

    def __init__(self, registry, briefs, changes):
        super().__init__([], changes)
        self._registry = registry
        self._briefs = briefs

    def step(self):
        self._briefs.append(Brief(self._registry, f"brief-{len(self._briefs)}"))
        self._briefs[-1].live(self._changes)


def _check_file(registry, folder):
    """The database as the dead process left it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in registry.data.glob("appnet.db*"):
        shutil.copy(file, folder)
    with contextlib.closing(sqlite3.connect(folder / "appnet.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def _check_lists(registry):
    """Both ends of each connection show it, and nothing else. Gives the connections and the
    instances.
    """

    def both():
        """Of the same moment: what was being removed may go in between."""
        lists = {what: registry.get(f"/v1/{what}").good() for what in ("connections", "instances")}
        if len({each["revision"] for each in lists.values()}) == 1:
            return [each[what] for what, each in lists.items()]
        return None

    rows, instances = eventually(both, what="connections and instances of one revision")
    instances = {one["name"]: one for one in instances}
    shown = {
        (one["name"], outbound["name"]): outbound["connection"]
        for one in instances.values()
        for outbound in one["outbounds"]
    }
    by_ends = {(row["source_instance"], row["outbound"]): row["id"] for row in rows}
    assert len(by_ends) == len(rows)
    for ends, connection in shown.items():
        assert connection == by_ends.get(ends), ends
    assert set(by_ends) <= set(shown)
    (inbound,) = instances["mysql"]["inbounds"]
    assert inbound["connections"] == len(rows)
    return rows, instances


@pytest.mark.limit(240)
def test_killed_at_random_while_connections_come_and_go(lab):
    registry = lab.registry()
    changes = Changes()
    slots = [
        [Slot(registry, f"shop-{number}", outbound) for outbound in OUTBOUNDS]
        for number in range(SHOPS)
    ]
    briefs = []
    registry.apply("mysql", {"sql": 3306})
    for number in range(SHOPS):
        registry.apply(f"shop-{number}", outbounds={name: False for name in OUTBOUNDS})
    kills = 0
    while changes.answered < CHANGES:
        workers = [Shopper(some, changes) for some in slots] + [Passer(registry, briefs, changes)]
        for worker in workers:
            worker.start()
        changes.wait(changes.answered + random.randint(1, MOST_BETWEEN))
        time.sleep(random.uniform(0, 0.01))
        registry.kill()
        kills += 1
        for worker in workers:
            worker.join()
            assert not worker.wrong, worker.wrong
        _check_file(registry, lab.folder / "copy")
        registry.start()
        rows, instances = _check_lists(registry)
        for slot in sum(slots, []):
            found = [row for row in rows if (row["source_instance"], row["outbound"]) == slot.names]
            slot.check(found[0] if found else None)
        for brief in briefs:
            found = [row for row in rows if row["source_instance"] == brief.name]
            brief.check(instances.get(brief.name), found)
    assert kills >= CHANGES / (MOST_BETWEEN + 100)
    eventually(
        lambda: all(row["status"] != "TERMINATED" for row in registry.connections())
        and not any(one["removing"] for one in registry.instances()),
        what="what was being removed is gone",
    )
