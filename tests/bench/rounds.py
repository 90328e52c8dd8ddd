"""Runs every load against every peer, round by round: what disturbs the machine for a while
disturbs all of them alike.
"""

import contextlib
import subprocess
import sys


def run(place, peers, loads, rounds, seconds, results):
    """Fills the results. What fails is noted there, and the rest goes on."""
    for number in range(1, rounds + 1):
        for load in loads:
            for peer in peers:
                title = f"round {number}/{rounds}  {load.name:12} {peer.title}"
                try:
                    figures = _measure(place, peer, load, seconds, results)
                except (RuntimeError, AssertionError, OSError, ValueError) as failure:
                    results.failures.append(f"{title}: {failure}")
                    _progress(f"{title}: FAILED: {failure}")
                except subprocess.TimeoutExpired as late:
                    results.failures.append(f"{title}: no end after {late.timeout} s")
                    _progress(f"{title}: FAILED: no end after {late.timeout} s")
                else:
                    results.add(peer, load, figures)
                    _progress(f"{title}: " + "  ".join(f"{k} {v:.4g}" for k, v in figures.items()))


def _measure(place, peer, load, seconds, results):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(server(place)) for server in load.servers]
        chain = stack.enter_context(peer.chain(place, [server.port for server in servers]))
        figures = load.run(chain, seconds)
        results.details[peer.name] = chain.detail
        return figures


def _progress(line):
    print(line, file=sys.stderr, flush=True)
