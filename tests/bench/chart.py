"""The results as a chart: an SVG that reads well on a light and on a dark page."""

from xml.sax.saxutils import escape

from .peers import APPNET
from .results import TABLE

_COLUMNS = 2
_PANEL, _GAP = 460, 28
_LABEL, _VALUE = 176, 84  # pixels left of the bars and right of them
_BAR, _STEP = 15, 22
_HEAD, _TITLE = 66, 34

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 18px; font-weight: 600; }
.panel { font-weight: 600; }
.quiet { fill: #57606a; }
.ground { fill: #ffffff; }
.bar { fill: #afb8c1; }
.own { fill: #0969da; }
.spread { stroke: #24292f; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .ground { fill: #0d1117; }
  .bar { fill: #57606a; }
  .own { fill: #4493f8; }
  .spread { stroke: #e6edf3; }
}
"""


def draw(run):
    """The text of the SVG: a panel for each figure of the table, in it a bar for each peer."""
    figures = [f for f in TABLE if any(run.results.values(peer, f) for peer in run.peers)]
    panel_height = _TITLE + _STEP * len(run.peers) + _GAP
    rows = -(-len(figures) // _COLUMNS)
    width = _COLUMNS * _PANEL + (_COLUMNS + 1) * _GAP
    height = _HEAD + rows * panel_height + _GAP
    machine = run.machine
    below = (
        f"two hops on loopback, {machine['cores']} x {machine['cpu']}, {machine['kernel']},"
        f" {machine['date']}; medians of {run.rounds} rounds; line: worst to best round"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" role="img" aria-labelledby="title">',
        '<title id="title">appnet beside other proxies</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        _text(_GAP, 30, "appnet beside other proxies", "title"),
        _text(_GAP, 52, below, "quiet"),
    ]
    for number, figure in enumerate(figures):
        row, column = divmod(number, _COLUMNS)
        left, top = _GAP + column * (_PANEL + _GAP), _HEAD + row * panel_height
        parts.append(f'<g transform="translate({left} {top})">')
        parts += _panel(run, figure)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(run, figure):
    better = "more" if figure.high_is_good else "less"
    parts = [
        _text(0, 20, f"{figure.full_title}, {figure.unit}", "panel"),
        _text(_PANEL, 20, f"{better} is better", "quiet", "end"),
    ]
    most = max(max(run.results.values(peer, figure), default=0) for peer in run.peers) or 1
    scale = (_PANEL - _LABEL - _VALUE) / most
    for number, peer in enumerate(run.peers):
        y = _TITLE + number * _STEP
        parts.append(_text(_LABEL - 8, y + 12, peer.title.removesuffix(", no TLS"), "", "end"))
        median = run.results.median(peer, figure)
        if median is None:
            parts.append(_text(_LABEL, y + 12, "–", "quiet"))
            continue
        kind = "own" if peer is APPNET else "bar"
        parts.append(
            f'<rect class="{kind}" x="{_LABEL}" y="{y}" rx="2" width="{median * scale:.1f}"'
            f' height="{_BAR}"/>'
        )
        values = run.results.values(peer, figure)
        low, high = (_LABEL + value * scale for value in (min(values), max(values)))
        if len(values) > 1:
            middle = y + _BAR / 2
            parts.append(
                f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
            )
        parts.append(_text(high + 6, y + 12, figure.text(median), ""))
    return parts


def _text(x, y, text, kind, anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
