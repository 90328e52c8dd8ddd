"""The results as text."""

from . import scale
from .goals import verdicts
from .loads import CLIENTS, PIPELINE
from .peers import APPNET, OTHERS_WITH_TLS, PLAIN
from .results import COSTS, TABLE

_VERDICTS = {True: "met", False: "NOT met", None: "unknown"}


def comparison(run):
    """The whole text of a run of all loads."""
    results = run.results
    parts = [
        _head(run, "appnet beside other proxies"),
        _grid(_titles("", TABLE) + _rows(run, TABLE) + _ratios(results)),
        "CPU seconds of both proxies together:",
        _grid(_titles("", COSTS) + _rows(run, COSTS)),
        "Goals, as ratios of the medians:",
        _grid(
            [
                [
                    _VERDICTS[verdict.met],
                    verdict.figure.full_title,
                    verdict.text,
                ]
                for verdict in verdicts(results)
            ],
            left=3,
        ),
        f"requests, p50, p99: {CLIENTS} clients with redis-benchmark GET. pipelined: the same,"
        f"\n{PIPELINE} requests at a time on each of 50 connections. memory: growth of the"
        "\nresident memory of both proxies a connection, each used once and then left open; without"
        "\nwhat the kernel holds.",
    ]
    return "\n\n".join(parts + _tail(run))


def growth(run):
    """The whole text of a run of `--scale`."""
    streams, beside = scale.figures(run.loads)
    parts = [_head(run, "Cost as work grows")]
    for peer in run.peers:
        parts.append(_levels(run, peer, "streams", streams))
    parts.append("50 clients with small requests, alone and beside one bulk stream:")
    for peer in run.peers:
        parts.append(_levels(run, peer, "", beside))
    parts.append(
        f"Each stream has one request of {scale.REQUEST} bytes under way, and gets as many back:"
        "\nwhen the machine is busy, the time of an answer grows with the streams; the rate stays."
    )
    return "\n\n".join(parts + _tail(run))


def _head(run, title):
    machine = run.machine
    text = (
        f"{title}\n\nclient -> proxy -> TLS, both sides with certificates (ECDSA P-256) -> proxy ->"
        f" server, on loopback\n{machine['cores']} x {machine['cpu']}, {machine['memory_mib']} MiB,"
        f" {machine['kernel']}, {machine['system']}\n{machine['date']}, {run.rounds} rounds of"
        f" {run.seconds} s, peers taking turns in each; {run.workers} threads a proxy"
        "\nmedians; ±: half of the way from the worst round to the best"
    )
    if machine["load_average"] > 0.5:
        text += (
            f"\nThe machine was NOT idle at the start: load average {machine['load_average']:.1f}."
            " The figures are noisy."
        )
    return text


def _titles(first, figures):
    return [
        [first] + [figure.title for figure in figures],
        [""] + [figure.unit for figure in figures],
    ]


def _rows(run, figures):
    return [[peer.title] + [_cell(run.results, peer, f) for f in figures] for peer in run.peers]


def _cell(results, peer, figure):
    median = results.median(peer, figure)
    if median is None:
        return ""
    if len(results.values(peer, figure)) == 1:
        return figure.text(median)
    return f"{figure.text(median)} ±{round(100 * results.spread(peer, figure)):2}%"


def _ratios(results):
    rows = []
    for title, others in (
        ("appnet / best other mTLS", OTHERS_WITH_TLS),
        ("appnet / best plain", PLAIN),
    ):
        ratios = [results.ratio(APPNET, results.best(others, f), f) for f in TABLE]
        if any(ratios):
            rows.append([title] + ["" if r is None else f"{r:.2f}x" for r in ratios])
    return rows


def _levels(run, peer, name, levels):
    titles = _titles(name, max((figures for _, figures in levels), key=len, default=[]))
    titles[1][0] = peer.title
    rows = [
        [str(level)] + [_cell(run.results, peer, figure) for figure in figures]
        for level, figures in levels
    ]
    return _grid(titles + rows)


def _grid(rows, left=1):
    """Columns as wide as they must be; the first `left` ones start at the left."""
    count = max(map(len, rows))
    rows = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(count)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _tail(run):
    rows = [
        [peer.title, run.versions.get(peer.name) or "", run.results.details.get(peer.name, "")]
        for peer in run.peers
    ]
    rows += [[name, version, ""] for name, version in run.versions["clients"].items()]
    parts = ["Set up:\n" + _grid(rows, left=3)]
    if run.skipped:
        parts.append(
            "\n".join(f"{title}: {what} not installed: skipped" for title, what in run.skipped)
        )
    if run.results.failures:
        parts.append("FAILED:\n" + "\n".join(run.results.failures))
    return parts
