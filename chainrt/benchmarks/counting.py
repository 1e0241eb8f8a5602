"""What the chapters of `instances` have in common: their cells, and what they tell."""

from collections.abc import Sequence
from itertools import product

from .chapter import Cell, Picture, Row, Table, Told
from .contestants import OURS
from .instances import LUCK_SHARE, MOST_AMPS

POLICIES = OURS, "full", "lite"


def cells_of(
    devices: Sequence[str],
    frames: Sequence[int],
    scenarios: Sequence[str],
    seconds: int,
    policies: Sequence[str] = POLICIES,
) -> list[Cell]:
    return [
        {"device": device, "frames": size, "policy": policy, "scenario": scenario, "seconds": seconds, "seed": 0}
        for device, scenario, size, policy in product(devices, scenarios, frames, policies)
    ]


def told(rows: list[Row], where: str) -> Told:
    periods = sum(one["periods"] for row in rows for one in row["tried"])
    about = [
        "A2 amps are added until a miss occurs that could have been avoided (the last number without one is told), with"
        " everything at full, at Lite, and as the scheduler decides. Utility: 1 all at full, 0 all at Lite. Simulated"
        f" weather has no stalls here: how many strike is luck. In bursts, and where the clock is real,"
        f" {100 * LUCK_SHARE:g} % of the periods may miss; how many did stands beside it."
        f" {rows[0]['seconds']} s and one seed for each number of amps, {periods:,} periods in all; no more than"
        f" {MOST_AMPS} amps are tried.",
        where,
    ]
    return Told(about, _findings(rows), [_table(rows), _picture(rows)])


def _key(row: Row) -> tuple[str, str, int]:
    return row["device"], row["scenario"], row["frames"]


def _at_most(row: Row) -> dict | None:
    """What was found for the most amps without a miss."""
    return next((one for one in row["tried"] if one["amps"] == row["most"]), None)


def _most(row: Row) -> str:
    found_an_end = any(one["amps"] > row["most"] for one in row["tried"])
    return str(row["most"]) if found_an_end else f"{row['most']} or more"


def _findings(rows: list[Row]) -> list[str]:
    by_key: dict[tuple, dict[str, Row]] = {}
    for row in rows:
        by_key.setdefault(_key(row), {})[row["policy"]] = row
    lines = []
    for (device, scenario, frames), found in by_key.items():
        if {OURS, "full"} <= set(found):
            best = _at_most(found[OURS])
            truth = f" at utility {best['utility']:.2f}" if best else ""
            lines.append(
                f"{device}, {scenario}, {frames} frames: {_most(found['full'])} amps at full;"
                f" {_most(found[OURS])} with {OURS}{truth}."
            )
    return lines


def _table(rows: list[Row]) -> Table:
    lines = []
    for row in rows:
        best = _at_most(row)
        cells = ("-",) * 3
        if best:
            cells = (
                f"{best['utility']:.3f}",
                f"{100 * best['p99']:.0f} %",
                f"{best['avoidable']} of {best['periods']:,}",
            )
        lines.append((row["device"], row["scenario"], str(row["frames"]), row["policy"], _most(row), *cells))
    headings = ("device", "scenario", "frames>", "policy", "most amps>", "utility>", "response p99>", "avoidable>")
    return Table("most", "The most A2 amps without a miss that could have been avoided", headings, lines)


def _picture(rows: list[Row]) -> Picture:
    keys = list(dict.fromkeys((row["device"], row["scenario"]) for row in rows))

    def draw(figure, ink) -> None:
        for axes, key in zip(figure.subplots(1, len(keys), squeeze=False, sharey=True)[0], keys, strict=True):
            sizes = list(dict.fromkeys(row["frames"] for row in rows))
            for row in rows:
                if (row["device"], row["scenario"]) != key or row["policy"] == "lite":
                    continue
                kept = [one for one in row["tried"] if one["amps"] <= row["most"]]
                style = ink.line(sizes.index(row["frames"])) | {"linestyle": "-" if row["policy"] == OURS else ":"}
                label = f"{row['frames']} frames" if row["policy"] == OURS else None
                axes.plot([one["amps"] for one in kept], [one["utility"] for one in kept], label=label, **style)
            axes.set(title=", ".join(key), xlabel="A2 amps", ylim=(-0.03, 1.03))
        figure.axes[0].set_ylabel("utility")
        figure.axes[0].legend()

    caption = f"How true so many amps are, up to the last number without a miss: {OURS} solid, all at full dotted"
    return Picture("utility", caption, draw, (min(10.0, 3.0 + 3.5 * len(keys)), 4.0))
