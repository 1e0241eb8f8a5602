"""Scores side by side: the tables that several chapters share, and who wins what.

Rules kept here:
* Nobody is ranked by hand: fewer, more, higher and lower mean that the interval of the paired difference excludes zero;
  everything else is a tie.
* A comparison uses only seeds that both have played.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .chapter import Row, Table
from .contestants import FEW_CHANGES, OURS, is_rival
from .scenarios import PERIOD_S
from .simulated import score_of
from .statistics import Estimate, bootstrap, paired, write, write_rate

MINUTE_S = 60.0
ENOUGH_SEEDS = 10
CLAIRVOYANTS = {"each period": "clairvoyant, each period", "99 periods": "clairvoyant, 99 periods each"}


def groups(rows: Iterable[Row], *keys: str) -> dict[tuple, list[Row]]:
    """Rows with the same values, in the order in which they came."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def evidence(rows: Sequence[Row]) -> str:
    """On how much each line stands: "20 seeds of 40,000 periods (53 s) each: 800,000 periods"."""
    counts = [len(group) for group in groups(rows, "policy", "knob", "scenario").values()]
    lengths = sorted({row["periods"] for row in rows})
    low, high = min(counts), max(counts)
    seeds = f"{high}" if low == high else f"{low} to {high}"
    times = " or ".join(f"{length:,} periods ({length * PERIOD_S:.0f} s)" for length in lengths)
    total = f"{low * lengths[0]:,}" + ("" if low == high else f" or more, at most {high * lengths[-1]:,},")
    brackets = "In brackets: the interval of 95 % (bootstrap over seeds)" if high > 1 else "One seed has no interval"
    return (
        f"Each line stands on {seeds} {'seed' if high == 1 else 'seeds'} of {times}: {total} periods. {brackets}; no"
        " event in N periods proves a rate of at most 3/N."
        + (" With so few seeds the intervals are rough." if low < ENOUGH_SEEDS and high > 1 else "")
    )


def misses_per_million(rows: Sequence[Row]) -> list[float]:
    """Avoidable ones, by seed."""
    return [1e6 * score_of(row).avoidable / row["periods"] for row in rows]


def utilities(rows: Sequence[Row]) -> list[float]:
    return [score_of(row).utility / row["periods"] for row in rows]


def regrets(rows: Sequence[Row]) -> list[float]:
    return [row["possible"]["99 periods"] - value for row, value in zip(rows, utilities(rows), strict=True)]


def changes_a_minute(rows: Sequence[Row]) -> list[float]:
    return [score_of(row).changes / (row["periods"] * PERIOD_S / MINUTE_S) for row in rows]


def per_million(rows: Sequence[Row], count: str) -> float:
    """A count of scoring.Score in a million periods of all rows together."""
    return 1e6 * sum(getattr(score_of(row), count) for row in rows) / sum(row["periods"] for row in rows)


HEADINGS = (
    *("scenario", "policy", "avoidable misses a million>", "late stalls>", "unavoidable>", "held>", "cold falls>"),
    *("longest run>", "utility>", "regret>", "changes a minute>"),
)
COLUMNS = (
    "Misses, late stalls, unavoidable misses, held periods and cold falls are per million periods. Late stalls: the"
    " part of the misses that no scheduler on one core could have prevented at the load that was played, in the mean."
    " Unavoidable: all at their smallest would have missed, too. Held: a block was not computed. Cold falls: a block"
    " fell to a level that did not know its past. Utility: 1 all at full; 0 all at their smallest, a period missed or"
    " held. Regret: to a clairvoyant that keeps each plan for 99 periods. The"
    " one of few changes may change 6 levels a minute in calm and thermal, 60 elsewhere."
)


def score_table(name: str, caption: str, rows: Sequence[Row]) -> Table:
    """A line for each scenario and policy, and two for the clairvoyants."""
    lines = []
    for (scenario,), day in groups(rows, "scenario").items():
        lines += [(scenario, policy, *_cells(played)) for (policy,), played in groups(day, "policy").items()]
        one_each = [played[0] for played in groups(day, "seed").values()]
        for key, label in CLAIRVOYANTS.items():
            best = [row["possible"][key] for row in one_each]
            regret = [row["possible"]["99 periods"] - row["possible"][key] for row in one_each]
            told = _mean(best, ".3f"), _mean(regret, "+.3f")
            lines.append((scenario, label, *["0", "", "", "", "", "0"], *told, ""))
    return Table(name, caption, HEADINGS, lines)


def _cells(rows: Sequence[Row]) -> list[str]:
    scores, periods = [score_of(row) for row in rows], [row["periods"] for row in rows]
    counts = [score.avoidable for score in scores]
    return [
        write_rate(counts, periods) if len(rows) > 1 or not sum(counts) else f"{per_million(rows, 'avoidable'):,.0f}",
        f"{per_million(rows, 'late_stalls'):,.1f}",
        *(f"{per_million(rows, count):,.0f}" for count in ("unavoidable", "held", "cold")),
        f"{max(score.longest for score in scores):,}",
        _mean(utilities(rows), ".3f"),
        _mean(regrets(rows), "+.3f"),
        _mean(changes_a_minute(rows), ",.1f"),
    ]


def _mean(values: Sequence[float], form: str) -> str:
    """With its interval; one value has none."""
    return write(bootstrap(values), form) if len(values) > 1 else f"{values[0]:{form}}"


@dataclass(frozen=True)
class Verdict:
    """Ours against another on the same days. misses, utility: of ours minus theirs."""

    scenario: str
    other: str
    seeds: int
    misses: Estimate
    utility: Estimate

    @property
    def misses_word(self) -> str:
        return "tie" if not self.misses.differs else "more" if self.misses.mean > 0 else "fewer"

    @property
    def utility_word(self) -> str:
        return "tie" if not self.utility.differs else "higher" if self.utility.mean > 0 else "lower"

    @property
    def word(self) -> str:
        """win: better in misses or utility and worse in neither. loss: the other way round. trade: both. tie: none."""
        better = self.misses_word == "fewer" or self.utility_word == "higher"
        worse = self.misses_word == "more" or self.utility_word == "lower"
        if self.seeds < 2:
            return "one seed proves nothing"
        if better and worse:
            return "trade"
        return "win" if better else "loss" if worse else "tie"


def compare(scenario: str, ours: Sequence[Row], other: str, theirs: Sequence[Row]) -> Verdict | None:
    """None if there is no seed that both have played."""
    mine, their = ({row["seed"]: row for row in rows} for rows in (ours, theirs))
    both = [seed for seed in mine if seed in their]
    if not both:
        return None
    pairs = [mine[seed] for seed in both], [their[seed] for seed in both]
    misses, utility = (paired(*map(figure, pairs)) for figure in (misses_per_million, utilities))
    return Verdict(scenario, other, len(both), misses, utility)


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Ours against everybody, day by day."""
    found = []
    for (scenario,), day in groups(rows, "scenario").items():
        players = groups((row for row in day if row["policy"] != FEW_CHANGES), "policy")
        ours = players.pop((OURS,), [])
        found += [compare(scenario, ours, other, theirs) for (other,), theirs in players.items()]
    return [verdict for verdict in found if verdict]


def verdict_table(name: str, caption: str, found: Sequence[Verdict]) -> Table:
    headings = (
        *("scenario", "against", "misses a million, ours - theirs>", "we miss"),
        *("utility, ours - theirs>", "ours is", "so"),
    )
    lines = [
        (
            *(one.scenario, one.other, write(one.misses, "+,.0f"), one.misses_word),
            *(write(one.utility, "+.3f"), one.utility_word, one.word),
        )
        for one in found
    ]
    return Table(name, caption, headings, lines)


def summary(found: Sequence[Verdict]) -> list[str]:
    """How often ours wins, trades, ties and loses against rivals; every loss and every tie by name."""
    found = [one for one in found if is_rival(one.other)]
    words = [one.word for one in found]
    lines = [
        f"Of {len(found)} comparisons with a rival on the same days, ours wins {words.count('win')} (better in misses"
        f" or utility, worse in neither), trades one for the other in {words.count('trade')}, ties"
        f" {words.count('tie')} and loses {words.count('loss')}."
    ]
    for word, verb in (("loss", "Loses to"), ("tie", "Ties with")):
        named = [f"{one.other} ({one.scenario})" for one in found if one.word == word]
        lines += [f"{verb} {', '.join(named)}."] if named else []
    return lines
