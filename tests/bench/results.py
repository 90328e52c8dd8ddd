"""What was measured: every figure of every round, by peer and load."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure of a load, and how it is shown. value * factor is in `unit`."""

    load: str
    key: str
    title: str
    unit: str
    form: str
    factor: float = 1
    high_is_good: bool = True

    @property
    def full_title(self):
        """What it is called where it stands alone."""
        return f"50 clients, {self.title}" if self.load == "clients" else self.title

    def text(self, value):
        return format(value * self.factor, self.form)


TABLE = (
    Figure("bulk1", "gbit", "bulk x1", "Gbit/s", ".2f"),
    Figure("bulk8", "gbit", "bulk x8", "Gbit/s", ".2f"),
    Figure("clients", "rate", "requests", "a second", ",.0f"),
    Figure("clients", "p50_ms", "p50", "ms", ".2f", high_is_good=False),
    Figure("clients", "p99_ms", "p99", "ms", ".2f", high_is_good=False),
    Figure("pipelined", "rate", "pipelined", "a second", ",.0f"),
    Figure("connections", "rate", "new connections", "a second", ",.0f"),
    Figure("memory", "bytes", "memory", "KiB a connection", ".1f", 1 / 1024, False),
)
COSTS = (
    Figure("bulk1", "cpu_per_gib", "bulk x1", "s a GiB", ".2f", high_is_good=False),
    Figure("bulk8", "cpu_per_gib", "bulk x8", "s a GiB", ".2f", high_is_good=False),
    Figure(
        "connections", "cpu_per_1000", "new connections", "s for 1,000", ".3f", high_is_good=False
    ),
)


class Results:
    """samples[peer name][load name] is a list of dicts, one a round; details[peer name] says how
    the peer was set up; failures are sentences.
    """

    def __init__(self):
        self.samples = {}
        self.details = {}
        self.failures = []

    def add(self, peer, load, figures):
        self.samples.setdefault(peer.name, {}).setdefault(load.name, []).append(figures)

    def values(self, peer, figure):
        rounds = self.samples.get(peer.name, {}).get(figure.load, ())
        return [figures[figure.key] for figures in rounds if figure.key in figures]

    def median(self, peer, figure):
        """None if it was not measured."""
        values = self.values(peer, figure)
        return statistics.median(values) if values else None

    def spread(self, peer, figure):
        """Half of the way from the worst round to the best, as a part of the median."""
        values, median = self.values(peer, figure), self.median(peer, figure)
        return (max(values) - min(values)) / 2 / median if median else 0

    def best(self, peers, figure):
        """The peer with the best median; None if none was measured."""
        measured = [peer for peer in peers if self.median(peer, figure) is not None]
        choose = max if figure.high_is_good else min
        return choose(measured, key=lambda peer: self.median(peer, figure), default=None)

    def ratio(self, peer, other, figure):
        """The one's median as a multiple of the other's; None if either is missing."""
        if other is None or self.median(peer, figure) is None or not self.median(other, figure):
            return None
        return self.median(peer, figure) / self.median(other, figure)
