"""What the registry has accepted comes about, though its database cannot for a while."""

import contextlib
import sqlite3
import time

from support.wait import eventually


def test_removal_goes_on_when_the_database_can_again(lab):
    registry = lab.registry(store="sqlite:appnet.db")
    registry.apply("mysql", {"sql": 3306})
    with contextlib.closing(sqlite3.connect(registry.data / "appnet.db")) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON instances"
            " BEGIN SELECT RAISE(ABORT, 'not now'); END"
        )
        database.commit()
        registry.delete("/v1/instances/mysql").good(202)
        time.sleep(0.5)
        assert registry.instance("mysql")["removing"]
        database.execute("DROP TRIGGER refuse")
        database.commit()
    eventually(lambda: not registry.instances(), what="mysql is gone")
