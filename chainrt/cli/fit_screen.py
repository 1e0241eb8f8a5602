"""How a fit looks: the chain as a hardware unit shows it, block by block, and what is left."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from ..fit import BEST_DB, NO, Bench, Fit
from ..scheduler.paths import Lanes, Path
from . import show

BAR = 28  # characters that stand for a whole deadline
MOST_NAMED = 6  # additions, where devices are compared
BOX = 11  # characters inside a block's frame
COLOURS = {"yes": "green", "slimmed": "yellow", "no": "red"}
VERDICTS = {"yes": "fits", "slimmed": "fits slimmed", "no": "does not fit"}


def print_fit(out: Console, name: str, bench: Bench, fit: Fit, answer: dict) -> None:
    """The screen of one device."""
    device = bench.device
    out.print(
        f"{name} on {device.name}: {device.title} ({device.core}),"
        f" {show.count(bench.frames, 'frame')} at {bench.rate:,.0f} Hz"
    )
    _print_sureness(out, bench)
    out.print()
    _print_chain(out, bench, fit)
    rows = show.table("block", "level", "load %>", "", "error dB>", "how sure")
    for block, level, load, basis in zip(bench.blocks, fit.levels, fit.loads, fit.bases, strict=True):
        at = block.levels[level]
        slim = at.name if len(block.levels) > 1 else ""
        error = f"-{at.fidelity_db:.1f}" if len(block.levels) > 1 and at.fidelity_db < BEST_DB else ""
        rows.add_row(block.id, slim if block.enabled else "off", f"{100 * load:.1f}", _bar(load), error, basis)
    show.print_table(out, rows)
    out.print()
    _print_verdict(out, bench, fit)
    if fit.fits != NO:
        _print_room(out, answer["could_add"])
    else:
        _print_advice(out, bench, fit)


def print_comparison(out: Console, name: str, benches: Sequence[Bench], fits: Sequence[Fit], answers) -> None:
    """One line a device."""
    first = benches[0]
    out.print(f"{name}: {show.count(first.frames, 'frame')} at {first.rate:,.0f} Hz\n")
    rows = show.table("device", "fits", "load %>", "of %>", "left %>", "how sure", "levels")
    for bench, fit in zip(benches, fits, strict=True):
        levels = ", ".join(
            f"{block.id} {block.levels[level].name}"
            for block, level in zip(bench.blocks, fit.levels, strict=True)
            if len(block.levels) > 1
        )
        rows.add_row(
            bench.device.name,
            Text(fit.fits if fit.memory.fits else f"{fit.fits}: memory", style=COLOURS[fit.fits]),
            f"{100 * fit.load:.1f}",
            f"{100 * bench.budget:.0f}",
            f"{100 * (bench.budget - fit.load):.1f}",
            _weakest(bench),
            levels,
        )
    show.print_table(out, rows)
    out.print()
    for bench, fit, answer in zip(benches, fits, answers, strict=True):
        if fit.fits == NO:
            _print_advice(out, bench, fit, f"{bench.device.name}: ")
        else:
            could = _priced(answer["could_add"], MOST_NAMED) or "nothing"
            out.print(f"{bench.device.name}: would still fit, % each: {could}")
        _print_sureness(out, bench)


def print_most(out: Console, kind: str, answers: Sequence[dict], is_beside: bool) -> None:
    """How many of a kind fit, at each level."""
    what = "A2 amps (nam)" if kind == "nam" else kind
    out.print(f"\nHow many {what} fit" + (": alone, and beside this chain at its smallest" if is_beside else ""))
    levels = list(answers[0]["max"]["alone"])
    rows = show.table("device", *[f"{name}>" for name in levels], *[f"beside: {name}>" for name in levels if is_beside])
    for answer in answers:
        counts = [answer["max"]["alone"], *([answer["max"]["beside"]] if is_beside else [])]
        rows.add_row(answer["device"], *(str(one[name]) for one in counts for name in levels))
    show.print_table(out, rows)


# -- parts ----------------------------------------------------------------------------------------------------------


def _weakest(bench: Bench) -> str:
    return list(bench.device.figures_by_basis())[-1]


def _print_sureness(out: Console, bench: Bench) -> None:
    """What is not known for sure; figures that are estimated are named."""
    found = bench.device.figures_by_basis()
    counts = ", ".join(f"{len(names)} {basis}" for basis, names in found.items())
    guessed = f" ({', '.join(found['estimated'])})" if "estimated" in found else ""
    out.print(f"  figures of {bench.device.name}: {counts}{guessed}", style="dim")


def _print_verdict(out: Console, bench: Bench, fit: Fit) -> None:
    left = bench.budget - fit.load
    said = f"{VERDICTS[fit.fits]}: {show.percent(fit.load)} of {show.percent(bench.budget)}"
    out.print(f"{said}; p99 {show.percent(fit.p99)}; left {show.percent(left)}", style=f"bold {COLOURS[fit.fits]}")
    out.print(f"{_bar(fit.load, bench.budget)} of the deadline, {bench.deadline_ns / 1000:,.0f} µs")
    if bench.device.cores_for_lanes > 1:
        out.print(f"lanes on {bench.device.cores_for_lanes} cores: the load is that of the busiest path")
    show.print_memory(out, bench.blocks, fit.memory, bench.memory)


def _print_room(out: Console, could_add: Sequence[dict]) -> None:
    out.print(f"would still fit, % each: {_priced(could_add) or 'nothing without a change'}")
    for one in could_add:
        if one["changes"]:
            falls = ", ".join(f"{change['id']} falls to {change['to']}" for change in one["changes"])
            out.print(f"with {_article(one['kind'])}: {falls}")


def _priced(could_add: Sequence[dict], most: int | None = None) -> str:
    """What can be added without a change, the dearest first, with its share of the deadline in percent."""
    free = sorted((one for one in could_add if not one["changes"]), key=lambda one: -one["load"])
    shown = [_what(one) + f"\N{NO-BREAK SPACE}{100 * one['load']:.1f}" for one in free[:most]]
    cheaper = [f"and {len(free) - most} cheaper ones"] if most and len(free) > most else []
    return ", ".join(shown + cheaper)


def _what(addition: dict) -> str:
    """An A2 amp is told with the size that fits."""
    return f"A2\N{NO-BREAK SPACE}{addition['level']}" if addition["kind"] == "nam" else addition["kind"]


def _print_advice(out: Console, bench: Bench, fit: Fit, before: str = "") -> None:
    """What it needs at least, and what to remove."""
    least = bench.least_load
    if not fit.memory.fits:
        needs, there = show.amount(fit.memory.used), show.amount(bench.memory)
        out.print(f"{before}even the smallest levels need {needs} of memory; there are {there}")
    else:
        out.print(f"{before}even with everything at its smallest it needs {show.percent(least)}")
    enough = [one.id for one in bench.blocks if bench.without([one.id]).fit().fits != NO]
    if enough:
        out.print(f"{before}it would fit without {' or '.join(enough)}")
    elif len(bench.blocks) > 1:
        out.print(f"{before}no single block less would make it fit")


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {'A2 amp' if kind == 'nam' else kind}".replace("a A2", "an A2")


def _bar(share: float, budget: float | None = None) -> str:
    """A bar as long as a share of the deadline; with the budget marked if it is given."""
    full = min(BAR, round(BAR * share))
    if budget is None:
        return "█" * full or "▏"
    cells = ["█"] * full + ["░"] * (BAR - full)
    mark = min(BAR - 1, round(BAR * budget))
    cells[mark] = "│" if mark >= full else "┃"
    return "".join(cells)


def _print_chain(out: Console, bench: Bench, fit: Fit) -> None:
    """The chain as boxes, lanes below each other, in as many rows as it needs; left out if a split is too wide."""
    rows = _folded(bench.path, bench, fit, max(out.width, 60))
    if any(len(row[0]) > max(out.width, 60) for row in rows):
        return
    for row in rows:
        for line in row:
            out.print(line.rstrip())
    if rows:
        out.print()


def _folded(path: Path, bench: Bench, fit: Fit, width: int) -> list[list[str]]:
    """A path as rows, each as wide as it may be."""
    rows, begin = [], 0
    for end in range(1, len(path) + 1):
        if end > begin + 1 and len(_row(path[begin:end], bench, fit)[0]) > width:
            rows.append(_row(path[begin : end - 1], bench, fit))
            begin = end - 1
    return [*rows, _row(path[begin:], bench, fit)] if path else rows


def _row(path: Path, bench: Bench, fit: Fit) -> list[str]:
    """A path as lines of equal length; the signal runs along the middle of the first row of boxes."""
    parts = [_lanes(item, bench, fit) if isinstance(item, Lanes) else _box(item, bench, fit) for item in path]
    if not parts:
        return ["    ", "────", "    ", "    "]
    height = max(map(len, parts))
    parts = [part + [" " * len(part[0])] * (height - len(part)) for part in parts]
    return ["".join(("─" if y == 1 else " ").join(cells)) for y, cells in enumerate(zip(*parts, strict=True))]


def _box(index: int, bench: Bench, fit: Fit) -> list[str]:
    block = bench.blocks[index]
    level = block.levels[fit.levels[index]].name if len(block.levels) > 1 else ""
    below = f"{level if block.enabled else 'off'} {100 * fit.loads[index]:.1f}%".strip()
    return [
        f"┌{'─' * BOX}┐",
        f"┤{block.id[:BOX]:^{BOX}}├",
        f"│{below[:BOX]:^{BOX}}│",
        f"└{'─' * BOX}┘",
    ]


def _lanes(split: Lanes, bench: Bench, fit: Fit) -> list[str]:
    rows = [_row(lane, bench, fit) for lane in split.lanes]
    width = max(len(row[0]) for row in rows)
    made = []
    for number, row in enumerate(rows):
        for y, line in enumerate(row):
            left, right = _corners(number, len(rows), y)
            filler = "─" if y == 1 else " "
            made.append(f"{left}{line}{filler * (width - len(line))}{right}")
    return made


def _corners(lane: int, lanes: int, y: int) -> tuple[str, str]:
    """The signs at both ends of a lane's line, where the signal parts and meets again."""
    if y == 1:
        return ("┬", "┬") if lane == 0 else ("└", "┘") if lane == lanes - 1 else ("├", "┤")
    is_between = (lane == 0 and y > 1) or 0 < lane < lanes - 1 or (lane == lanes - 1 and lane > 0 and y == 0)
    return ("│", "│") if is_between else (" ", " ")
