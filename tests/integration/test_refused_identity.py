"""Who cannot prove to be the right instance gets no tunnel, whichever side it is.

    client -> shop --TLS--> mysql -> echo           one of the two has an odd certificate
"""

import pytest

from support.authority import Authority, OpenAuthority
from support.http2 import FakeTarget, Peer, is_refused_by_tls
from support.mesh import Usage
from support.servers import Echo
from support.sockets import is_reset_at

DOMAIN = "spiffe://shop.example/instance/"


@pytest.fixture(name="other", scope="module")
def _other(workspace):
    """Another CA of the same trust domain."""
    return Authority(workspace / "other-ca")


@pytest.fixture(name="open_ca", scope="module")
def _open_ca(workspace):
    """A CA that allows intermediates."""
    return OpenAuthority(workspace / "open-ca")


@pytest.fixture(name="mesh")
def _mesh(lab):
    return lab.mesh(lab.serve(Echo).port)


# Certificates that are wrong for the instance they are made for, by name. A sidecar would not start
# with most of
# them, so that their bearers are made by hand here.


def _of_another_trust_domain(authority, instance):
    return authority.forge("domain", f"URI:spiffe://bakery.example/instance/{instance}")


def _with_two_uris(authority, instance):
    return authority.forge("two", f"URI:{DOMAIN}{instance},URI:{DOMAIN}other")


def _with_its_uri_twice(authority, instance):
    return authority.forge("twice", f"URI:{DOMAIN}{instance},URI:{DOMAIN}{instance}")


def _with_a_web_address_beside(authority, instance):
    return authority.forge("web", f"URI:{DOMAIN}{instance},URI:https://shop.example/")


def _without_a_name(authority, _instance):
    return authority.forge("nameless", "")


def _with_a_dns_name_only(authority, instance):
    return authority.forge("dns", f"DNS:{instance}")


def _with_upper_case(authority, instance):
    return authority.forge("upper", f"URI:SPIFFE://shop.example/instance/{instance}")


def _with_more_path(authority, instance):
    return authority.forge("path", f"URI:{DOMAIN}{instance}/more")


def _with_a_port(authority, instance):
    return authority.forge("port", f"URI:spiffe://shop.example:1/instance/{instance}")


def _of_no_instance(authority, instance):
    return authority.forge("kindless", f"URI:spiffe://shop.example/{instance}")


def _of_the_ca_itself(authority, _instance):
    return authority.own_certificate_as_leaf()


def _that_may_sign(authority, instance):
    return authority.forge("signer", f"URI:{DOMAIN}{instance}", ca=True)


def _expired(authority, instance):
    return authority.expired(instance)


ODD = [
    _of_another_trust_domain,
    _with_two_uris,
    _with_its_uri_twice,
    _with_a_web_address_beside,
    _without_a_name,
    _with_a_dns_name_only,
    _with_upper_case,
    _with_more_path,
    _with_a_port,
    _of_no_instance,
    _of_the_ca_itself,
    _that_may_sign,
    _expired,
]
each_odd_one = pytest.mark.parametrize(
    "make", ODD, ids=lambda make: make.__name__.strip("_").replace("_", "-")
)


def _check_target_refuses(mesh, identity):
    """A bearer of `identity` gets no HTTP/2, the target says so and keeps nothing, and shop is
    undisturbed.
    """
    usage = Usage(mesh.target)
    since = mesh.target.log.position()
    assert is_refused_by_tls(mesh.tunnel_port, identity)
    line = mesh.target.wait_log("tunnel refused", since, side="target", reason="tls-refused")
    assert line["detail"]
    assert line["address"].startswith("127.0.0.1:")
    mesh.ask()
    usage.wait_unchanged()
    return line


@each_odd_one
def test_target_refuses_a_source_with_a_certificate(mesh, authority, make):
    _check_target_refuses(mesh, make(authority, "shop"))


def test_target_refuses_a_source_of_another_ca(mesh, other):
    _check_target_refuses(mesh, other.identity("shop"))


def test_target_refuses_a_source_without_a_certificate(mesh):
    _check_target_refuses(mesh, None)


def test_target_refuses_a_certificate_that_is_not_for_clients(mesh, authority):
    _check_target_refuses(
        mesh, authority.forge("server-only", f"URI:{DOMAIN}shop", usage="serverAuth")
    )


def test_target_says_why_it_refused(mesh, authority):
    assert "expired" in _check_target_refuses(mesh, authority.expired("shop"))["detail"]


# The source refuses a target


def _check_source_refuses(lab, identity):
    """shop, connected to a target that bears `identity`: no request reaches it, the application is
    reset.
    """
    fake = lab.add(FakeTarget(lab.port(), identity))
    mesh = lab.mesh(fake.port, start=False)
    mesh.source_settings["connections"][0]["address"] = fake.address
    mesh.start_source()
    failed = mesh.source.wait_status("FAILED", "tls-refused")
    assert failed["detail"]
    line = mesh.source.wait_log(
        "tunnel refused", side="source", reason="tls-refused", expected="mysql"
    )
    assert line["address"] == fake.address
    assert line["detail"]
    mesh.source.wait_log("connection state", outbound="db", status="FAILED", reason="tls-refused")
    usage = Usage(mesh.source)
    assert is_reset_at(mesh.port, b"secret")
    assert all(
        not session.exchanges for session in fake.sessions
    ), "the target got to see a request"
    usage.wait_unchanged()
    return failed


@each_odd_one
def test_source_refuses_a_target_with_a_certificate(lab, authority, make):
    _check_source_refuses(lab, make(authority, "mysql"))


def test_source_refuses_a_target_of_another_ca(lab, authority, other):
    # it would take shop's certificate
    identity = other.identity("mysql").trusting(lab.folder / "both", authority, other)
    _check_source_refuses(lab, identity)


def test_source_refuses_a_target_with_the_name_of_another_instance(lab, authority):
    failed = _check_source_refuses(lab, authority.identity("postgres"))
    assert "postgres" in failed["detail"] and "mysql" in failed["detail"]


def test_source_refuses_a_certificate_that_is_not_for_servers(lab, authority):
    _check_source_refuses(
        lab, authority.forge("client-only", f"URI:{DOMAIN}mysql", usage="clientAuth")
    )


def test_source_refuses_a_real_target_of_another_ca(lab, other):
    # two whole sidecars: each of another CA; both say so
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.target_settings["identity"] = other.identity("mysql").settings()
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "tls-refused")
    assert is_reset_at(mesh.port)
    mesh.source.wait_log("tunnel refused", side="source", reason="tls-refused")
    mesh.target.wait_log("tunnel refused", side="target", reason="tls-refused")


def test_source_whose_certificate_the_target_refuses_says_so(lab, authority, other):
    # only the target refuses: the source trusts both CAs
    identity = other.identity("shop").trusting(lab.folder / "both", authority, other)
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.source_settings["identity"] = identity.settings()
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "tls-refused")
    assert is_reset_at(mesh.port)
    mesh.source.wait_log("tunnel refused", side="source", reason="tls-refused")
    mesh.target.wait_log("tunnel refused", side="target", reason="tls-refused")


def test_target_of_another_real_instance_is_refused(lab, authority):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.target_settings["instance"] = "postgres"
    mesh.target_settings["identity"] = authority.identity("postgres").settings()
    mesh.start(established=False)
    mesh.source.wait_status("FAILED", "tls-refused")
    assert is_reset_at(mesh.port)
    mesh.source.wait_log("tunnel refused", side="source", reason="tls-refused", expected="mysql")


# Identity comes from the leaf alone


def test_name_of_an_intermediate_is_nobodys(lab, open_ca):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.target_settings["identity"] = open_ca.identity("mysql").settings()
    mesh.source_settings["identity"] = open_ca.identity("shop").settings()
    mesh.start()
    _check_target_refuses(mesh, open_ca.below_intermediate("middle", f"URI:{DOMAIN}shop", ""))


def test_leaf_counts_whatever_its_intermediate_is_called(lab, open_ca):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.target_settings["identity"] = open_ca.identity("mysql").settings()
    mesh.source_settings["identity"] = open_ca.identity("shop").settings()
    mesh.start()
    intruder = open_ca.below_intermediate("intruder", f"URI:{DOMAIN}shop", f"URI:{DOMAIN}intruder")
    peer = Peer(mesh, intruder)
    stream, exchange = peer.ask()
    assert (exchange.status, exchange.reason) == (403, "not-authorised")
    assert stream
    mesh.target.wait_log("stream refused", peer="intruder", reason="not-authorised")
    peer.close()


def test_own_certificate_from_below_an_intermediate_works(lab, open_ca):
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.target_settings["identity"] = open_ca.below_intermediate(
        "m", "", f"URI:{DOMAIN}mysql"
    ).settings()
    mesh.source_settings["identity"] = open_ca.below_intermediate(
        "s", "", f"URI:{DOMAIN}shop"
    ).settings()
    mesh.start()
    mesh.ask()


def test_two_cas_in_the_bundle_are_both_trusted(lab, authority, other):
    # as in the middle of a rotation: shop still has the old CA's certificate, mysql the new one's
    mesh = lab.mesh(lab.serve(Echo).port, start=False)
    mesh.source_settings["identity"] = (
        authority.identity("shop").trusting(lab.folder / "s", authority, other).settings()
    )
    mesh.target_settings["identity"] = (
        other.identity("mysql").trusting(lab.folder / "m", other, authority).settings()
    )
    mesh.start()
    mesh.ask()
