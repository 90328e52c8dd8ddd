"""What appnet is meant to reach, as ratios within one run."""

from dataclasses import dataclass

from .peers import APPNET, OTHERS_WITH_TLS, PLAIN
from .results import TABLE, Figure

_FIGURES = {(figure.load, figure.key): figure for figure in TABLE}
_TLS = (OTHERS_WITH_TLS, "the best other mTLS proxy")
_PLAIN = (PLAIN, "plain HAProxy at its best")
_ALL = ((*PLAIN, *OTHERS_WITH_TLS), "the best of all others")
MEMORY = 4096


@dataclass(frozen=True)
class Verdict:
    """met is None when something was not measured."""

    met: bool | None
    figure: Figure
    text: str


@dataclass(frozen=True)
class _Goal:
    figure: Figure
    limit: float
    against: tuple

    def verdict(self, results):
        peers, whom = self.against
        best = results.best(peers, self.figure)
        ratio = results.ratio(APPNET, best, self.figure)
        bound = "at least" if self.figure.high_is_good else "below"
        text = f"{bound} {self.limit:.1f}x {whom}: "
        if ratio is None:
            return Verdict(None, self.figure, text + "not measured")
        met = ratio >= self.limit if self.figure.high_is_good else ratio < self.limit
        return Verdict(met, self.figure, text + f"{ratio:.2f}x ({best.title})")


@dataclass(frozen=True)
class _Limit:
    figure: Figure
    limit: float

    def verdict(self, results):
        value = results.median(APPNET, self.figure)
        text = f"at most {self.figure.text(self.limit)} {self.figure.unit}, both sidecars: "
        if value is None:
            return Verdict(None, self.figure, text + "not measured")
        return Verdict(value <= self.limit, self.figure, text + self.figure.text(value))


GOALS = (
    _Goal(_FIGURES["bulk1", "gbit"], 1.5, _TLS),
    _Goal(_FIGURES["bulk1", "gbit"], 1.0, _PLAIN),
    _Goal(_FIGURES["bulk8", "gbit"], 1.3, _TLS),
    _Goal(_FIGURES["bulk8", "gbit"], 1.0, _PLAIN),
    _Goal(_FIGURES["clients", "rate"], 1.2, _TLS),
    _Goal(_FIGURES["clients", "p99_ms"], 1.0, _ALL),
    _Goal(_FIGURES["pipelined", "rate"], 1.3, _TLS),
    _Goal(_FIGURES["connections", "rate"], 1.3, _PLAIN),
    _Limit(_FIGURES["memory", "bytes"], MEMORY),
)


def verdicts(results):
    return [goal.verdict(results) for goal in GOALS]
