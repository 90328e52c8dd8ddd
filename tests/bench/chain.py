"""Two proxies in a row, running.

    client -> entrance, source proxy -> TLS -> target proxy -> server
"""

import contextlib

from . import tree


class Chain:
    """A context: its processes run while it lasts. entrances[i] leads to the i-th server. `start`
    are functions that start a process each, in that order; `detail` says how it is set up, or is
    asked for it.
    """

    def __init__(self, entrances, starts=(), detail=""):
        self.entrances = entrances
        self._starts = starts
        self._detail = detail
        self._processes = []
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for start in self._starts:
                process = start()
                stack.callback(process.close)
                self._processes.append(process)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def proxied(self):
        return bool(self._processes)

    @property
    def detail(self):
        return self._detail(*self._processes) if callable(self._detail) else self._detail

    def cpu_seconds(self):
        """Processor time of both proxies until now."""
        return sum(tree.cpu_seconds(process) for process in self._processes)

    def memory(self):
        """Resident bytes of both proxies."""
        return sum(tree.memory(process) for process in self._processes)
