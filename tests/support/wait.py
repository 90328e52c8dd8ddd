"""Waiting for things that happen in other processes, never without an end."""

import time

from .environment import SLOW


def eventually(check, what, timeout=10.0, pause=0.01):
    """Calls `check` until it returns something true, and returns that."""
    end = time.monotonic() + timeout * SLOW
    while True:
        result = check()
        if result:
            return result
        assert time.monotonic() < end, f"not within {timeout * SLOW:g} s: {_text(what)}"
        time.sleep(pause)


def _text(what):
    return what() if callable(what) else what
