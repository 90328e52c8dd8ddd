"""The log lines that a sidecar writes on standard error, read as they appear."""

import re
from datetime import datetime

from .wait import eventually

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z "
    r"(?P<level>error|warn|info|debug) (?P<rest>.*)"
)
_FIELD = re.compile(r' (?P<key>[a-z_]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^ "]*))')
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class Line(dict):
    """The keys of one line as a dict; its message, level and time as attributes."""

    def __init__(self, message, level, time, fields):
        super().__init__(fields)
        self.message = message
        self.level = level
        self.time = time

    def __repr__(self):
        return f"<{self.level} {self.message} {super().__repr__()}>"


def parse(text):
    """A Line, or None for text of another form."""
    line = _LINE.fullmatch(text)
    if not line:
        return None
    rest = line["rest"]
    first = _FIELD.search(rest)
    end = first.start() if first else len(rest)
    fields = {}
    position = end
    while position < len(rest):
        field = _FIELD.match(rest, position)
        if not field:
            return None
        value = field["bare"] if field["quoted"] is None else _unescape(field["quoted"])
        fields[field["key"]] = value
        position = field.end()
    return Line(rest[:end], line["level"], datetime.fromisoformat(line["time"]), fields)


def _unescape(text):
    def one(match):
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 3 else _ESCAPED.get(code, code)

    return _ESCAPE.sub(one, text)


class Log:
    """A growing log file. `lines` holds what has been read; a position is an index into it."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.other = []  # text that is no log line: usage, reports of sanitizers
        self._offset = 0

    def read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return self.lines
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for raw in whole.decode("utf-8", "replace").split("\n")[:-1]:
            line = parse(raw)
            if line is None:
                self.other.append(raw)
            else:
                self.lines.append(line)
        return self.lines

    def position(self):
        return len(self.read())

    def find(self, message, since=0, **keys):
        """All lines with this message and these values; a value may be a compiled pattern to search
        for.
        """
        return [
            line for line in self.read()[since:] if line.message == message and _matches(line, keys)
        ]

    def wait_for(self, message, since=0, timeout=10.0, **keys):
        """The first such line, waited for."""
        return eventually(
            lambda: self.find(message, since, **keys),
            timeout=timeout,
            what=lambda: f"log line {message!r} {keys} in\n"
            + "\n".join(map(repr, self.lines[since:][-30:])),
        )[0]

    def tail(self, count=60):
        """The last lines as they are in the file."""
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-count:])
        except FileNotFoundError:
            return ""


def _matches(line, keys):
    for key, wanted in keys.items():
        value = line.get(key)
        if value is None:
            return False
        if not (wanted.search(value) if isinstance(wanted, re.Pattern) else value == str(wanted)):
            return False
    return True
