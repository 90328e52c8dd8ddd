"""doc/openapi.yaml, and whether what a registry answers is as it says.

Every answer that a test gets from support.registry goes through `check_answer`; what the file does
not know is a mistake, be it a status, a field or a problem's code.
"""

import copy
import functools
import json
import re

import jsonschema
import yaml

from .environment import TOP

FILE = TOP / "doc" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete")
PROBLEM = "application/problem+json"

# What can stand for a name in a path, at most 255 bytes of it when it is decoded.
_SEGMENT = r"(?:[^/%]|%(?!00)[0-9A-Fa-f]{2}){1,255}"

# Beside those of each operation.
_EVERYWHERE = {
    "400": "BadRequest",
    "408": "TimedOut",
    "413": "BodyTooLarge",
    "421": "WrongHost",
    "431": "HeadersTooLarge",
    "503": "Busy",
}


class Operation:
    def __init__(self, method, path, shared, content):
        self.method = method.upper()
        self.path = path
        self.content = content
        self.parameters = [*shared, *content.get("parameters", [])]
        self.responses = content["responses"]
        self.role = content.get("x-role")
        self._pattern = re.compile(re.sub(r"\\{\w+\\}", _SEGMENT, re.escape(path)))

    @property
    def name(self):
        return f"{self.method} {self.path}"

    @property
    def by_sidecars(self):
        return self.content.get("security") == [{"certificate": []}]

    @property
    def by_anybody(self):
        return self.content.get("security") == []

    def matches(self, path):
        return self._pattern.fullmatch(path)

    def __repr__(self):
        return self.name


class Contract:
    def __init__(self, document):
        self.document = document
        self.operations = [
            Operation(method, path, item.get("parameters", []), item[method])
            for path, item in document["paths"].items()
            for method in METHODS
            if method in item
        ]
        self._open = document["components"]
        self._closed = _close(document["components"])
        self.seen = set()  # (operation's name, status)

    def resolve(self, thing):
        """What a reference stands for."""
        while "$ref" in thing:
            place = self.document
            for step in thing["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            thing = place
        return thing

    def at(self, path):
        """The operations of a path, as it stands in a request."""
        path = path.partition("?")[0]
        return [operation for operation in self.operations if operation.matches(path)]

    def operation(self, method, path):
        method = "GET" if method == "HEAD" else method
        return next((one for one in self.at(path) if one.method == method), None)

    def response(self, method, path, status):
        """What the file says of such an answer; None: nothing."""
        operation = self.operation(method, path)
        if operation and str(status) in operation.responses:
            return self.resolve(operation.responses[str(status)])
        name = _EVERYWHERE.get(str(status))
        if not operation:
            name = {"404": "NotFound", "405": "MethodNotAllowed"}.get(str(status), name)
            if self.at(path) and name == "NotFound":
                return None
        return self._open["responses"][name] if name else None

    def check_answer(self, method, path, request, answer):
        """Fails unless the file allows this answer; and this request, if that was accepted."""
        response = self.response(method, path, answer.status)
        where = f"{method} {path}: {answer}"
        assert response, f"not in the file: {where}"
        for name in response.get("headers", {}):
            assert name.lower() in answer.headers, f"no {name}: {where}"
        content = response.get("content")
        if not content:
            assert not answer.body, f"has a body: {where}"
        elif method != "HEAD":
            kind = answer.type.partition(";")[0]
            assert kind in content, f"type {answer.type}: {where}"
            self._check_body(content[kind]["schema"], kind, answer.body, where)
        operation = self.operation(method, path)
        if operation:
            self.seen.add((operation.name, answer.status))
            if answer.status < 300:
                self._check_request(operation, request, where)

    def check_item(self, path, name, item):
        """The same for what comes in an answer that goes on."""
        content = self.resolve(self.operation("GET", path).responses["200"])["content"]
        (kind,) = content.values()
        assert name in kind["x-items"], f"{path}: not in the file: {name} {item}"
        self._validate(_close(kind["x-items"][name]), item, self._closed, f"{path}: {name} {item}")

    def _check_body(self, schema, kind, body, where):
        if kind.endswith("json"):
            self._validate(_close(schema), json.loads(body), self._closed, where)

    def _check_request(self, operation, request, where):
        body = operation.content.get("requestBody")
        if body:
            (kind,) = body["content"].values()
            self._validate(kind["schema"], json.loads(request), self._open, where)

    @staticmethod
    def _validate(schema, value, components, where):
        whole = {"allOf": [schema], "components": components}
        errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        assert not errors, "\n".join(
            [where, *(f"{error.json_path}: {error.message}" for error in errors)]
        )


def _close(schema):
    """The same with no other fields than those that are named."""
    if isinstance(schema, list):
        return [_close(part) for part in schema]
    if not isinstance(schema, dict):
        return copy.copy(schema)
    closed = {name: _close(part) for name, part in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


@functools.cache
def contract():
    with open(FILE, encoding="utf-8") as file:
        return Contract(yaml.safe_load(file))
