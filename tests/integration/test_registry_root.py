"""The CA is replaced as appnet-registry(8) says, while everything runs.

    client -> shop (outbound db) --tunnel--> mysql (inbound sql) -> echo
"""

import shutil

from support.environment import program
from support.fleet import identity_of
from support.process import run
from support.servers import Echo
from support.sockets import ask, connect, exchange
from support.wait import eventually

TTL = 10


def _serials(*sidecars):
    return [sidecar.status()["certificate"]["serial"] for sidecar in sidecars]


def test_ca_is_replaced_while_streams_go_on(lab):
    fleet = lab.fleet(certificate_ttl=TTL)
    registry = fleet.registry
    server = lab.serve(Echo)
    port = lab.port()
    mysql = fleet.replica("mysql", {"sql": server.address})
    shop = fleet.replica("shop", outbounds={"db": port})
    fleet.connect("shop", "db", "mysql", "sql")
    folder = registry.data / "ca"
    new = lab.folder / "new-ca"
    run([program("appnet"), "ca", "init", "--dir", new, "--trust-domain", registry.trust_domain])
    with connect(port) as client:
        exchange(client)

        shutil.copy(new / "ca.pem", folder / "bundle.pem")
        registry.hang_up()
        eventually(
            lambda: all(
                identity_of(sidecar).ca.read_text().count("BEGIN CERT") == 2
                for sidecar in (shop, mysql)
            ),
            what="both are trusted",
        )
        ask(port)

        shutil.copy(folder / "ca.pem", folder / "bundle.pem")
        for name in ("ca-key.pem", "ca.pem"):
            shutil.copy(new / name, folder / name)
        registry.hang_up()
        eventually(
            lambda: all(identity_of(sidecar).is_of(new / "ca.pem") for sidecar in (shop, mysql)),
            timeout=3 * TTL,
            what="both have certificates of the new one",
        )
        ask(port)

        (folder / "bundle.pem").unlink()
        registry.hang_up()
        eventually(
            lambda: all(
                identity_of(sidecar).ca.read_text() == (new / "ca.pem").read_text()
                for sidecar in (shop, mysql)
            ),
            what="the old one is trusted no more",
        )
        before = _serials(shop, mysql)
        eventually(
            lambda: all(a != b for a, b in zip(before, _serials(shop, mysql))),
            timeout=3 * TTL,
            what="both have been renewed since",
        )
        ask(port)
        exchange(client)
    assert not shop.log.find("tunnel down")
