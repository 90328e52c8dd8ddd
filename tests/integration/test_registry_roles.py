"""Who may do what at the registry's API: nobody, viewers, operators, admins; at both doors, with every
route of doc/openapi.yaml.
"""

import pytest

from support.openapi import contract

ROLES = ["viewer", "operator", "admin"]

# By DESIGN: viewers read, operators connect, disconnect and make tokens, admins do the rest.
EXPECTED = {
    "getMetrics": "viewer",
    "listInstances": "viewer",
    "showInstance": "viewer",
    "applyInstance": "admin",
    "removeInstance": "admin",
    "listAvailableInbounds": "viewer",
    "listAvailableOutbounds": "viewer",
    "listConnections": "viewer",
    "connect": "operator",
    "showConnection": "viewer",
    "disconnect": "operator",
    "listJoinTokens": "operator",
    "makeJoinToken": "operator",
    "showJoinToken": "operator",
    "revokeJoinToken": "operator",
    "listenToEvents": "viewer",
    "showSession": "viewer",
    "signOut": "viewer",
}
WITH_ROLES = [operation for operation in contract().operations if operation.role]


def _path(operation):
    """Of something that is not there, so that nothing is changed by those who may."""
    id_of = {"/v1/connections/{id}": "c-aaaaaaaaaaaa", "/v1/join-tokens/{id}": "aaaaaaaaaaaa"}
    return operation.path.replace("{id}", id_of.get(operation.path, "")).replace("{name}", "nobody")


def _ask(registry, operation, door, **options):
    body = b"{" if operation.method in ("POST", "PUT") else None
    return registry.call(operation.method, _path(operation), body, door=door, **options)


@pytest.fixture(name="registry")
def _registry(lab):
    return lab.registry()


@pytest.fixture(name="door", params=["plain", "secure"])
def _door(request, registry):
    return getattr(registry, request.param)


def test_roles_are_as_they_were_decided():
    assert {one.content["operationId"]: one.role for one in WITH_ROLES} == EXPECTED


def test_nobody_may_do_anything_without_a_token(registry, door):
    for operation in WITH_ROLES:
        answer = _ask(registry, operation, door, role=None)
        problem = answer.refused(401, "unauthenticated")
        assert problem["detail"] == "there is no token with the request"
        assert "--token-file" in problem["next"]
        assert answer.headers["www-authenticate"] == 'Bearer realm="appnet"'


def test_a_token_that_is_not_the_registrys_is_worth_nothing(registry, door):
    token = registry.token("admin")
    wrong = [
        "Bearer",
        f"Bearer {token[:-1]}",
        f"Bearer {token}0",
        f"Bearer {token.upper()}",
        f"Bearer {token} {token}",
        f"Basic {token}",
        token,
        "Bearer " + "x" * 4000,
    ]
    for authorization in wrong:
        answer = registry.get(
            "/v1/instances", role=None, door=door, headers={"Authorization": authorization}
        )
        assert answer.refused(401, "unauthenticated")["detail"] == (
            "this token is not one of the registry's"
        )


def test_the_scheme_is_read_in_any_case(registry, door):
    headers = {"Authorization": f"bearer  {registry.token('viewer')}"}
    registry.get("/v1/instances", role=None, door=door, headers=headers).good()


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_its_part_and_no_more(registry, door, role):
    for operation in WITH_ROLES:
        if operation.path == "/v1/events":
            continue  # it does not end
        answer = _ask(registry, operation, door, role=role)
        if ROLES.index(role) >= ROLES.index(operation.role):
            assert answer.status in (200, 204, 404, 422), f"{operation}: {answer}"
        else:
            detail = answer.refused(403, "forbidden")["detail"]
            assert detail == (
                f"this takes the role {operation.role}, and the token has the role {role}"
            )


def test_roles_are_asked_before_names_and_bodies(registry):
    """A viewer learns nothing of what there is from a refusal."""
    registry.apply_pair()
    for path in ("/v1/instances/shop", "/v1/instances/nobody", "/v1/instances/%ff"):
        registry.delete(path, role="viewer").refused(403, "forbidden")
        registry.put(path, b"{", role="viewer").refused(403, "forbidden")


def test_whoever_looks_after_it_needs_no_token(registry, door):
    for path in ("/healthz", "/readyz"):
        registry.get(path, role=None, door=door).good()


def test_sidecars_routes_are_not_for_people(registry, door):
    for operation in contract().operations:
        if operation.by_sidecars:
            for role in (None, "admin"):
                _ask(registry, operation, door, role=role).refused(403, "not-a-sidecar")


def test_the_tokens_files_are_for_their_owner_only(registry):
    for role in ROLES:
        assert registry.token_file(role).stat().st_mode & 0o777 == 0o600
    assert len({registry.token(role) for role in ROLES}) == 3


def test_a_token_can_be_replaced_by_hand(registry):
    registry.token_file("viewer").write_text("a-token-of-my-own\n", encoding="ascii")
    registry.restart()
    headers = {"Authorization": "Bearer a-token-of-my-own"}
    registry.get("/v1/instances", role=None, headers=headers).good()
    registry.post("/v1/connections", {}, role=None, headers=headers).refused(403, "forbidden")


def test_a_token_that_is_too_short_is_refused_at_the_start(registry):
    registry.stop()
    registry.token_file("viewer").write_text("short\n", encoding="ascii")
    registry.start(ready=False)
    code, text = registry.ended_badly()
    assert code == 1
    assert f"{registry.token_file('viewer')}: expected a token of at least 16 characters" in text


def test_a_token_that_others_can_read_is_refused_at_the_start(registry):
    registry.stop()
    registry.token_file("admin").chmod(0o644)
    registry.start(ready=False)
    code, text = registry.ended_badly()
    assert code == 1 and str(registry.token_file("admin")) in text


def test_no_answer_and_no_line_of_the_log_shows_a_token(registry):
    for role in ROLES:
        registry.get("/v1/instances", role=role).good()
    registry.get("/v1/instances", role=None, headers={"Authorization": "Bearer secret-of-mine"})
    made = registry.join_token("shop")
    secret = made["token"].split(".")[2]
    assert secret not in registry.get("/v1/join-tokens").body.decode()
    assert secret not in registry.get(f"/v1/join-tokens/{made['id']}").body.decode()
    text = registry.text()
    for hidden in (*map(registry.token, ROLES), "secret-of-mine", secret):
        assert hidden not in text
