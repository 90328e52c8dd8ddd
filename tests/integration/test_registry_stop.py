"""Programs that are told to end do so in order, whoever listens to them or asks just then.

    three replicas of shop watch; people listen to events
"""

import contextlib
import signal
import socket

from support.registry import replica_id

REQUEST = b"GET /status HTTP/1.1\r\nHost: sidecar\r\n\r\n"


def test_registry_ends_while_sidecars_watch(lab):
    registry = lab.registry()
    identity = registry.join("shop")
    watches = [registry.watch(identity, replica_id()) for _ in range(3)]
    for watch in watches:
        assert watch.next()["type"] == "snapshot"
    registry.events()
    registry.stop()


def test_sidecar_ends_while_its_status_is_asked(lab):
    fleet = lab.fleet()
    shop = fleet.replica("shop", tunnel={"listen": f"127.0.0.1:{lab.port()}", "workers": 8})
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            asking = []
            for _ in range(100):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.connect(shop.configuration["admin"])
                asking.append(sock)
            shop.signal(signal.SIGTERM)
            for sock in asking[:50]:
                sock.sendall(REQUEST)
            shop.signal(signal.SIGTERM)  # at once
            for sock in asking[50:]:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may be gone
                    sock.sendall(REQUEST)
            shop.check_end(shop.wait())
        shop.start()
