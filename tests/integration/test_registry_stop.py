"""A registry that is told to end does so in order, whoever listens to it just then.

    three replicas of shop watch; people listen to events
"""

from support.registry import replica_id


def test_registry_ends_while_sidecars_watch(lab):
    registry = lab.registry()
    identity = registry.join("shop")
    watches = [registry.watch(identity, replica_id()) for _ in range(3)]
    for watch in watches:
        assert watch.next()["type"] == "snapshot"
    registry.events()
    registry.stop()
