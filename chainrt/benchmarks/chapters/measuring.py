"""The measuring itself: the clock, the price of the meters, and the smallest slowdown that is noticed."""

from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..yardstick import BOARDS, CALLS, MUST_NOTICE, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "The measuring itself"
IS_TIMED = True
LIMIT_NS = 1000.0, 100.0  # of meters and reflex together: a period, and a block


def cells(effort: Effort) -> list[Cell]:
    rounds, most = (300, 1500) if effort.is_full else (100, 200)
    return [
        {"what": "clock", "rounds": 1, "most_rounds": 1},
        {"what": "meters", "rounds": 100 if effort.is_full else 20, "most_rounds": 0},
        {"what": "planted", "rounds": rounds, "most_rounds": most},
    ]


def tell(rows: list[Row]) -> Told:
    found = {row["what"]: row for row in rows}
    about = [
        f"A slowdown is planted by calling the same kernel a few times more: {CALLS} calls of an A2 at full against"
        f" {CALLS} and some, in pairs of drawn order. It is noticed if the interval of the median ratio (95 %, order"
        " statistics) lies above 1. What was never planted must not be noticed. If 1 % is not noticed, more pairs are"
        " measured up to a limit, and then it is said that it was not.",
        "Meters: blocks whose kernels do nothing, called one after the other by a bare loop, and by the engine with all"
        " its clocks, counters and records, without and with the reflex. The difference is the price.",
    ]
    findings, parts = [], []
    for what, one in (("planted", _planted), ("meters", _meters), ("clock", _clock)):
        if what in found:
            said, shown = one(found[what])
            findings += said
            parts += shown
    return Told(about, findings, parts)


def _planted(row: Row) -> tuple[list[str], list[Table]]:
    verdicts = row["verdicts"]
    noticed = [one for one in verdicts if one["is_noticed"] and one["planted"] > 0]
    must = next(one for one in verdicts if abs(one["planted"] - MUST_NOTICE) < 1e-9)
    alarms = [one for one in verdicts if one["planted"] == 0 and one["is_noticed"]]
    said = []
    if noticed:
        least = min(noticed, key=lambda one: one["planted"])
        said.append(
            f"The smallest planted slowdown that is noticed is {_share(least['planted'])}: measured"
            f" {_interval(least)}, {least['pairs']:,} pairs."
        )
    if not must["is_noticed"]:
        said.append(
            f"A PLANTED {_share(MUST_NOTICE)} WAS NOT NOTICED: {_interval(must)} in {must['pairs']:,} pairs. Timings"
            " that were taken on this machine just now cannot tell so little apart."
        )
    if alarms:
        said.append(f"FALSE ALARM: a slowdown that was never planted was noticed, {_interval(alarms[0])}.")
    lines = [
        (_share(one["planted"]), _interval(one), f"{one['pairs']:,}", "yes" if one["is_noticed"] else "no")
        for one in verdicts
    ]
    headings = ("planted>", "median and interval>", "pairs>", "noticed")
    return said, [Table("planted", "Planted slowdowns", headings, lines)]


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(one: dict) -> str:
    return f"{100 * one['median']:+.2f} % ({100 * one['low']:+.2f} to {100 * one['high']:+.2f})"


def _meters(row: Row) -> tuple[list[str], list[Table]]:
    ns = row["ns"]
    price = {name: ns[f"{name}, engine with reflex"] - ns[f"{name}, kernels alone"] for name in BOARDS}
    few, many, amps = BOARDS
    a_block = (price[many] - price[few]) / (BOARDS[many][1] - BOARDS[few][1])
    a_period = price[few] - BOARDS[few][1] * a_block
    a_level = (price[amps] - price[many]) / BOARDS[amps][1]
    most = {name: LIMIT_NS[0] + LIMIT_NS[1] * BOARDS[name][1] for name in (few, many)}
    kept = "within" if all(price[name] <= most[name] for name in most) else "NOT within"
    said = [
        f"Meters, reflex and dispatch cost {price[few]:,.0f} ns ({few}) and {price[many]:,.0f} ns ({many}), which is"
        f" {a_period:,.0f} ns a period and {a_block:,.0f} ns a block; {kept} the {most[few]:,.0f} and {most[many]:,.0f}"
        f" ns aimed at ({LIMIT_NS[0]:,.0f} a period and {LIMIT_NS[1]:,.0f} a block, together). A block that has levels"
        f" costs {a_level:,.0f} ns more: its input is kept, its muted levels are looked after."
    ]
    lines = [
        (name, *(f"{ns[f'{name}, {way}']:,.0f}" for way in ("kernels alone", "engine", "engine with reflex")))
        for name in BOARDS
    ]
    headings = ("pedalboard", "kernels alone>", "engine>", "engine with reflex>")
    return said, [Table("meters", "Nanoseconds a period of kernels that do nothing", headings, lines)]


def _clock(row: Row) -> tuple[list[str], list[Table | Picture]]:
    said = [f"A reading of the clock costs {row['cost_ns']:.0f} ns; its smallest step is {row['resolution_ns']} ns."]
    quantiles = row["quantiles_ns"]
    cells = (*(f"{quantiles[share]:,.0f}" for share in ("0.5", "0.99", "0.999", "1.0")), f"{row['still_share']:.1%}")
    headings = ("median>", "p99>", "p99.9>", "longest>", "no step>")
    table = Table("clock", "Nanoseconds from one reading of the clock to the next", headings, [cells])

    def draw(figure, ink) -> None:
        axes = figure.subplots()
        axes.vlines(row["steps_ns"], 0.5, row["counts"], color=ink.line(0)["color"])
        axes.set(yscale="log", xlabel="ns from one reading to the next", ylabel="readings")

    return said, [table, Picture("clock", "Steps of the clock, up to the 99.9 % quantile", draw, (8.0, 3.5))]
