"""Server-sent events (HTML Living Standard, section 9.2), read as a browser does."""

import json

from .environment import SLOW
from .openapi import contract


class Event:
    def __init__(self, fields):
        self.id = fields.get("id")
        self.name = fields.get("event", "message")
        self.data = json.loads(fields["data"])

    def __repr__(self):
        return f"<Event {self.id} {self.name} {self.data}>"


class Events:
    """A stream of them from an http.client connection that has been answered."""

    def __init__(self, connection, answer):
        self._connection = connection
        self._answer = answer
        self.status = answer.status
        self.type = answer.headers["content-type"]
        self.seen = []

    @property
    def last_id(self):
        return self.seen[-1].id if self.seen else None

    def next(self, timeout=10.0, check=True):
        """The next event; None when the stream has ended. Without `check` it is only taken in."""
        self._connection.sock.settimeout(timeout * SLOW)
        fields = {}
        while line := self._answer.readline():
            line = line.decode().rstrip("\n")
            if not line and fields:
                event = Event(fields)
                if check:
                    contract().check_item("/v1/events", event.name, event.data)
                self.seen.append(event)
                return event
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
        return None

    def wait_for(self, name, check=lambda data: True, timeout=10.0):
        """The next event of that name for which `check(data)` holds; those before it are
        skipped.
        """
        while True:
            event = self.next(timeout)
            assert event, f"the stream ended, after {self.seen}"
            if event.name == name and check(event.data):
                return event

    def close(self):
        self._connection.close()
