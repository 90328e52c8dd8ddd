"""The command: `make bench BENCH_ARGS="--help"`."""

import argparse
import os
import signal
import sys

from . import chart, loads, scale, table
from .goals import verdicts
from .peers import APPNET, PEERS, PLAIN
from .place import Place
from .run import Run


def arguments():
    parser = argparse.ArgumentParser(
        prog="make bench BENCH_ARGS=...",
        description="Measures appnet beside other proxies that this machine has, in one run.",
    )
    peers = [peer.name for peer in PEERS]
    parser.add_argument("--quick", action="store_true", help="one short round: does it all work?")
    parser.add_argument("--rounds", type=_positive, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=_positive, help="how long each time (5)")
    parser.add_argument("--only", nargs="+", choices=peers, metavar="NAME", help=", ".join(peers))
    parser.add_argument("--loads", nargs="+", metavar="NAME", help="only these loads")
    parser.add_argument("--engine", help="appnet's record engine, instead of the best one")
    parser.add_argument("--workers", type=_positive, help="threads a proxy (one a core)")
    parser.add_argument(
        "--scale", action="store_true", help="cost as work grows, instead of the comparison"
    )
    parser.add_argument("--json", metavar="FILE", help="every figure of every round")
    parser.add_argument("--out", metavar="FILE", help="the text that is printed")
    parser.add_argument("--svg", metavar="FILE", help="the comparison as a chart")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.seconds = given.seconds or (1 if given.quick else 5)
    given.workers = given.workers or len(os.sched_getaffinity(0))
    if given.scale and given.svg:
        parser.error("--svg goes without --scale")
    return parser, given


def main():
    parser, given = arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if given.engine:
        os.environ["APPNET_ENGINE"] = given.engine
    with Place(given.workers) as place:
        run = Run(
            _peers(given),
            _loads(parser, given, place),
            rounds_count=given.rounds,
            seconds=given.seconds,
            workers=given.workers,
        )
        minutes = run.rounds * len(run.loads) * len(run.peers) * (run.seconds + 2.5) / 60
        print(f"This takes about {minutes:.0f} minutes.", file=sys.stderr)
        run.measure(place)
    text = table.growth(run) if given.scale else table.comparison(run)
    print(f"\n{text}")
    _write(given.out, text + "\n")
    _write(given.json, run.json([] if given.scale else verdicts(run.results)) + "\n")
    _write(given.svg, given.svg and chart.draw(run))
    return 1 if run.results.failures else 0


def _peers(given):
    """All, or those that were asked for; for --scale, which has no goals, three."""
    names = given.only
    if not names and given.scale:
        names = ["none", PLAIN[0].name, APPNET.name]
    return [peer for peer in PEERS if not names or peer.name in names]


def _loads(parser, given, place):
    found = scale.all_loads(place) if given.scale else loads.all_loads(200 if given.quick else 1000)
    names = [load.name for load in found]
    for name in given.loads or ():
        if name not in names:
            parser.error(f"no load {name}; there are {', '.join(names)}")
    return [load for load in found if not given.loads or load.name in given.loads]


def _positive(text):
    if int(text) < 1:
        raise ValueError
    return int(text)


def _write(path, text):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
