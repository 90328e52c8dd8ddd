"""Two hundred requests at once, each over a connection of its own, half of them at each door; with
every store. All but the last byte of each is sent before the last byte of any.

    shop (outbound db)      mysql-0 .. mysql-3 (inbound sql)        no sidecar runs
"""

import contextlib
import http.client
import json

import pytest

from support.registry import replica_id
from support.sockets import connect
from support.wait import eventually

RACERS = 200
TARGETS = 4
ROUNDS = 3


@pytest.fixture(name="registry", params=["mem:", "sqlite:appnet.db"])
def _registry(lab, request):
    registry = lab.registry(store=request.param, lease=120)  # which no race outlasts
    registry.apply("shop", outbounds={"db": False})
    for number in range(TARGETS):
        registry.apply(f"mysql-{number}", {"sql": 3306})
    return registry


class PlainRacer:
    """HTTP/1.1: the last byte is that of the body, or of the head if there is none."""

    def __init__(self, registry, method, path, body):
        body = json.dumps(body).encode() if body else b""
        self._sock = connect(registry.http_port)
        self._data = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {registry.token()}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def begin(self):
        self._sock.sendall(self._data[:-1])

    def go(self):
        self._sock.sendall(self._data[-1:])

    def finish(self):
        with contextlib.closing(self._sock):
            answer = http.client.HTTPResponse(self._sock)
            answer.begin()
            return answer.status, json.loads(answer.read())


class SecureRacer:
    """HTTP/2: the last byte is in a frame of its own; without a body, that frame is empty."""

    def __init__(self, registry, method, path, body):
        self._session = registry.secure.session()
        self._head = (method, path, [("authorization", f"Bearer {registry.token()}")])
        self._body = json.dumps(body).encode() if body else b""
        self._stream = None

    def begin(self):
        self._stream = self._session.begin(*self._head)
        if self._body:
            self._session.h2.send_data(self._stream, self._body[:-1])
            self._session.flush()

    def go(self):
        self._session.h2.send_data(self._stream, self._body[-1:], end_stream=True)
        self._session.flush()

    def finish(self):
        with contextlib.closing(self._session):
            self._session.finish([self._stream])
            answer = self._session.exchange(self._stream)
            return answer.status, json.loads(bytes(answer.data))


def _race(registry, method, path, bodies):
    """The answers to these requests, in their order: (status, JSON)."""
    racers = [None] * len(bodies)
    # Those with TLS first: at the plain door one is cut that says nothing for ten seconds.
    for first, kind in enumerate((SecureRacer, PlainRacer)):
        for number in range(first, len(bodies), 2):
            racers[number] = kind(registry, method, path, bodies[number])
    for step in ("begin", "go"):
        for racer in racers:
            getattr(racer, step)()
    return [racer.finish() for racer in racers]


def _target(number):
    return f"mysql-{number % TARGETS}"


@pytest.mark.limit(120)
def test_one_of_two_hundred_requests_for_one_outbound_wins(registry):
    bodies = [
        {
            "source_instance": "shop",
            "outbound": "db",
            "target_instance": _target(number),
            "inbound": "sql",
        }
        for number in range(RACERS)
    ]
    for _ in range(ROUNDS):
        answers = _race(registry, "POST", "/v1/connections", bodies)
        (winner,) = [number for number, answer in enumerate(answers) if answer[0] == 202]
        won = answers[winner][1]
        assert won["target_instance"] == _target(winner)
        for number, (status, problem) in enumerate(answers):
            if number != winner:
                assert (status, problem["code"]) == (409, "outbound-taken"), problem
                assert f"db of shop is connected to sql of {_target(winner)}" in problem["detail"]
        (row,) = registry.connections()
        assert (row["id"], row["target_instance"]) == (won["id"], _target(winner))
        for number in range(TARGETS):
            (inbound,) = registry.instance(f"mysql-{number}")["inbounds"]
            assert inbound["connections"] == (_target(number) == _target(winner))
        registry.delete(f"/v1/connections/{row['id']}").good(202)
        eventually(lambda: not registry.connections(), what="the outbound is free again")


def test_one_of_two_hundred_removals_is_accepted(registry):
    # a replica that does not say that it let go keeps the row, until its lease is over
    registry.report(registry.join("shop"), replica_id()).good()
    row = registry.connect(target="mysql-0").good(202)
    answers = _race(registry, "DELETE", f"/v1/connections/{row['id']}", [None] * RACERS)
    statuses = [status for status, _ in answers]
    assert statuses.count(202) == 1
    for status, problem in answers:
        if status != 202:
            assert (status, problem["code"]) == (409, "already-removing"), problem
    assert registry.connection(row["id"])["status"] == "TERMINATED"
