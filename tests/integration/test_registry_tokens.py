"""The life of join tokens: made, shown once, used, revoked, gone with their instance; and what a
certificate that came of one is good for. What they buy is in test_registry_enrolment.py.
"""

import re
import threading
import time

import pytest

from support import signing
from support.curl import CurlError
from support.registry import replica_id


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.registry()


# Tokens


def test_a_token_is_shown_once(registry):
    made = registry.join_token("shop", ttl=60, uses=3)
    version, name, secret, ca_hash = made["token"].split(".")
    assert (version, name) == ("appnet1", made["id"])
    assert ca_hash == signing.ca_hash(registry.ca)
    listed = registry.get("/v1/join-tokens").good()["tokens"]
    del made["token"]
    assert listed == [made] and (made["uses"], made["uses_left"]) == (3, 3)
    assert registry.get(f"/v1/join-tokens/{made['id']}").good() == made
    everything = b"".join(file.read_bytes() for file in registry.data.glob("appnet.db*"))
    assert name.encode() in everything and secret.encode() not in everything


def test_a_token_is_for_one_replica_and_a_quarter_of_an_hour_when_nothing_is_said(registry):
    made = registry.join_token("shop")
    assert made["uses"] == 1
    assert _seconds(made["expires_at"]) - _seconds(made["created_at"]) == 900


def _seconds(moment):
    return time.mktime(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))


def test_a_request_without_alternative_names_is_given_the_right_one(registry):
    request, key = registry.request_for("shop", names="")
    answer = registry.enroll(registry.join_token("shop")["token"], request).good(201)
    shop = registry.keep_identity("shop", answer, key)
    assert "URI:spiffe://shop.example/instance/shop\n" in signing.text_of(shop.certificate)


def test_a_token_is_revoked(registry):
    made = registry.join_token("shop", uses=5)
    registry.enroll(made["token"], registry.request_for("shop")[0]).good(201)
    path = f"/v1/join-tokens/{made['id']}"
    assert registry.delete(path).status == 204
    answer = registry.enroll(made["token"], registry.request_for("shop")[0])
    answer.refused(403, "token-invalid")
    registry.get(path).refused(404, "token-unknown")
    registry.delete(path).refused(404, "token-unknown")
    assert registry.get("/v1/join-tokens").good()["tokens"] == []


@pytest.mark.parametrize("uses", [1, 5])
def test_a_token_is_used_no_more_often_than_it_may_be(registry, uses):
    """Twenty replicas at once: each is told yes, or that it is used up."""
    token = registry.join_token("shop", uses=uses)["token"]
    request, _ = registry.request_for("shop")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(registry.enroll(token, request)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer.status == 201 for answer in answers) == uses
    for answer in answers:
        if answer.status != 201:
            answer.refused(403, "token-used")
    assert [one["name"] for one in registry.instances()] == ["shop"]


def test_tokens_go_with_their_instance(registry):
    """Or whoever has one could bring back what was removed."""
    kept = registry.join_token("mysql", uses=5)
    gone = registry.join_token("shop", uses=5)
    registry.enroll(gone["token"], registry.request_for("shop")[0]).good(201)
    registry.delete("/v1/instances/shop").good(202)
    tokens = [one["id"] for one in registry.get("/v1/join-tokens").good()["tokens"]]
    assert tokens == [kept["id"]]
    answer = registry.enroll(gone["token"], registry.request_for("shop")[0])
    answer.refused(403, "token-invalid")
    registry.join("shop")


def test_nobody_joins_an_instance_that_is_being_removed(registry):
    registry.apply_pair()
    registry.connect().good(202)
    # a replica that lets go of nothing keeps the instance in that state, until its lease is over
    registry.report(registry.join("shop"), replica_id()).good()
    registry.delete("/v1/instances/shop").good(202)
    token = registry.join_token("shop")["token"]
    answer = registry.enroll(token, registry.request_for("shop")[0])
    problem = answer.refused(409, "already-removing")
    assert problem["detail"] == "instance shop is being removed: wait until it is gone"


# Renewal


def test_a_certificate_is_renewed(registry):
    shop = registry.join("shop")
    request, key = registry.request_for("shop")
    again = registry.keep_identity("again", registry.renew(shop, request).good(201), key)
    assert registry.watch(again, replica_id()).next()["type"] == "snapshot"
    serials = {
        re.search(r"Serial Number:\s*(\S+)", signing.text_of(one.certificate))[1]
        for one in (shop, again)
    }
    assert len(serials) == 2


def test_renewal_needs_no_token_and_no_restart_of_the_registry_stands_against_it(registry):
    shop = registry.join("shop")
    registry.restart()
    registry.renew(shop, registry.request_for("shop")[0]).good(201)


def test_a_certificate_is_renewed_for_the_same_instance_only(registry):
    registry.join("mysql")
    shop = registry.join("shop")
    problem = registry.renew(shop, registry.request_for("mysql")[0]).refused(422, "csr-invalid")
    assert "CN=shop" in problem["detail"]


def test_a_certificate_that_has_ended_is_not_renewed(lab):
    registry = lab.registry(certificate_ttl="10s")
    request, _ = registry.request_for("shop")
    shop = registry.join("shop")
    registry.renew(shop, request).good(201)
    time.sleep(11)
    with pytest.raises(CurlError):
        registry.renew(shop, request)
    registry.join("shop")


# Certificates of others


def test_the_registrys_ca_is_no_instance(registry, lab):
    """Whoever steals its key can make whatever he likes; but its own certificate names nobody."""
    identity = registry.join("shop")
    identity.certificate.write_bytes(registry.ca.read_bytes())
    identity.key.write_bytes((registry.ca.parent / "ca-key.pem").read_bytes())
    try:
        answer = registry.get(
            "/v1/sidecar/watch?replica=" + "a" * 16, role=None, door=registry.as_sidecar(identity)
        )
    except CurlError:
        return
    answer.refused(403, "not-a-sidecar")
