"""What a registry answers, whichever door it was asked at."""

import json


class Answer:
    """Status, headers (by lower-case names) and body of one answer."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {}
        for name, value in headers:
            self.headers.setdefault(name.lower(), value)
        self.body = body

    @property
    def type(self):
        return self.headers.get("content-type")

    @property
    def json(self):
        return json.loads(self.body)

    def good(self, status=200):
        """Its JSON; it must have this status."""
        assert self.status == status, self
        return self.json if self.body else None

    def refused(self, status, code):
        """The problem (RFC 9457) that it must be."""
        assert self.type == "application/problem+json", self
        problem = self.json
        assert (self.status, problem["code"]) == (status, code), self
        assert problem["status"] == status, self
        assert problem["title"] and problem["detail"], self
        return problem

    def __repr__(self):
        return f"<Answer {self.status} {self.headers} {self.body[:2000]}>"
