"""One run: what is to be measured, on which machine, and what came out."""

import json
import statistics

from . import machine, rounds
from .results import Results

_CLIENTS = {
    "iperf3": ["iperf3", "--version"],
    "redis-server": ["redis-server", "--version"],
    "redis-benchmark": ["redis-benchmark", "--version"],
}


class Run:
    """peers and loads that miss a program are left out, and named in `skipped` as pairs of who and
    what it misses.
    """

    def __init__(self, peers, loads, *, rounds_count, seconds, workers):
        self.rounds, self.seconds, self.workers = rounds_count, seconds, workers
        self.machine = machine.describe()
        self.results = Results()
        self.skipped = []
        self.peers = self._present([(peer, peer.title, peer.missing()) for peer in peers])
        self.loads = self._present([(load, load.name, load.missing()) for load in loads])
        needed = {name for load in self.loads for server in load.servers for name in server.needs}
        self.versions = {peer.name: peer.version() for peer in self.peers}
        self.versions["clients"] = {
            name: machine.version(command) for name, command in _CLIENTS.items() if name in needed
        }

    def _present(self, candidates):
        self.skipped += [(title, missing) for _, title, missing in candidates if missing]
        return [candidate for candidate, _, missing in candidates if not missing]

    def measure(self, place):
        rounds.run(place, self.peers, self.loads, self.rounds, self.seconds, self.results)

    def json(self, verdicts):
        """Everything, with every round's figures as they were measured."""
        medians = {
            peer: {
                load: {
                    key: _median(samples, key) for key in sorted({k for s in samples for k in s})
                }
                for load, samples in loads.items()
            }
            for peer, loads in self.results.samples.items()
        }
        return json.dumps(
            {
                "machine": self.machine,
                "versions": self.versions,
                "rounds": self.rounds,
                "seconds": self.seconds,
                "workers": self.workers,
                "details": self.results.details,
                "skipped": self.skipped,
                "failures": self.results.failures,
                "samples": self.results.samples,
                "medians": medians,
                "goals": [
                    {"load": v.figure.load, "figure": v.figure.key, "met": v.met, "text": v.text}
                    for v in verdicts
                ],
            },
            indent=2,
        )


def _median(samples, key):
    return statistics.median(sample[key] for sample in samples if key in sample)
