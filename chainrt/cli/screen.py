"""What the full-screen view shows: a snapshot of a session drawn as text. Drawing only; keys are in view.py.

Rule: everything is drawn from one snapshot and a width, so the same snapshot always looks the same.
"""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..snapshot import BlockView, Knob, Moment, SecondCore, Snapshot

EIGHTHS = " ▏▎▍▌▋▊▉█"
STEPS = " ▁▂▃▄▅▆▇█"
CHART_ROWS = 4
NARROW = 100  # columns; below it bars are shorter
PAUSE_SECONDS = 2.0  # a tap that comes later than this begins anew
TAPS = 5  # of which the tempo is the mean
KEYS = (
    ("↑ ↓", "choose a block", "← →", "choose a knob"),
    ("+ -", "turn it", ". ,", "turn it finely"),
    ("0", "set it back", "b", "bypass the block"),
    ("[ ]", "less or more budget", "1-9", "scene of the preset"),
    ("t", "tap the tempo", "n p", "next, previous preset of the folder"),
    ("?", "this help", "q", "quit"),
)
WELL, TIGHT, OVER = "green", "yellow", "bold red"


def colour(load: float, budget: float) -> str:
    """Green within the budget, yellow up to the deadline, red beyond it."""
    return WELL if load <= budget else TIGHT if load <= 1 else OVER


def bar_width(width: int) -> int:
    return 24 if width >= NARROW else 12


def bar(load: float, budget: float, width: int) -> Text:
    """A bar of a load (share of the deadline): its full width is the deadline, a mark in it the budget."""
    eighths = round(min(1.0, max(0.0, load)) * width * 8)
    whole, part = divmod(eighths, 8)
    cells = "█" * whole + (EIGHTHS[part] if part else "")
    drawn = Text(cells, colour(load, budget))
    rest = [" "] * (width - len(cells))
    mark = min(width - 1, int(budget * width)) - len(cells)
    if mark >= 0:
        rest[mark] = "┊"
    return drawn.append("".join(rest), "dim")


def chart(history: Sequence[Moment], budget: float, width: int, rows: int = CHART_ROWS) -> Text:
    """The worst load of each stretch of time, newest at the right; the top is the deadline."""
    step = max(1, -(-len(history) // width))
    newest_first = [
        max(moment.max for moment in history[max(0, end - step) : end]) for end in range(len(history), 0, -step)
    ]
    columns = [None] * (width - len(newest_first)) + newest_first[::-1]
    lines = []
    for row in reversed(range(rows)):
        line = Text()
        for load in columns:
            if load is None:
                line.append(" ")
                continue
            eighths = max(1, round(min(load, 1.0) * rows * 8)) - row * 8
            line.append(STEPS[min(8, max(0, eighths))], colour(load, budget))
        lines.append(line)
    return Text("\n").join(lines)


def amount(value: float, unit: str) -> str:
    """As in "4.00 kHz", "380 ms", "-62 dB"; three figures are enough for the eye."""
    if unit == "Hz" and abs(value) >= 1000:
        value, unit = value / 1000, "kHz"
    elif unit == "ms" and abs(value) >= 1000:
        value, unit = value / 1000, "s"
    return f"{value:.3g} {unit}".rstrip()


def setting(knob: Knob, value: float) -> str:
    """A value of a knob, or the name of a switch's position."""
    return knob.choices[round(value)] if knob.choices else amount(value, knob.unit)


def percent(load: float) -> str:
    return f"{100 * load:.1f} %"


def heading(snapshot: Snapshot, width: int) -> Group:
    """What plays and for how long, with its scenes; through what."""
    line = Table.grid(expand=True)
    line.width = width
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    name = Text(snapshot.preset, "bold")
    for number, scene in enumerate(snapshot.scenes, start=1):
        name.append(f"  {number} {scene}", "cyan" if scene == snapshot.scene else "dim")
    if snapshot.is_changing:
        name.append("  changing", "yellow")
    line.add_row(name, Text(f"{snapshot.time_s:.1f} s", "dim"))
    period = f"{snapshot.frames} frames at {snapshot.rate:,.0f} Hz, {snapshot.deadline_us / 1000:.2f} ms"
    return Group(line, Text(f"{period} · {snapshot.device}", "dim", no_wrap=True, overflow="ellipsis"))


def loads(snapshot: Snapshot, width: int, chart_rows: int = CHART_ROWS) -> Group:
    """The load of the chain now and since the beginning, and what was missed."""
    budget = snapshot.budget
    line = Text("load ").append_text(bar(snapshot.load, budget, bar_width(width)))
    line.append(f" {percent(snapshot.load):>7}", colour(snapshot.load, budget))
    line.append(f"  mean {percent(snapshot.load_mean)}  p99 {percent(snapshot.load_p99)}  max ")
    line.append(percent(snapshot.load_max), colour(snapshot.load_max, budget)).append(f"  budget {100 * budget:.0f} %")
    missed = Text(f"misses {snapshot.misses:,} of {snapshot.periods:,} periods", OVER if snapshot.misses else "")
    if snapshot.misses:
        missed.append(f", {snapshot.unavoidable:,} unavoidable, at most {snapshot.longest_miss_run:,} in a row", "")
    if snapshot.xruns is not None:
        missed.append(f"  xruns {snapshot.xruns:,}", OVER if snapshot.xruns else "dim")
    if snapshot.lost_periods:
        missed.append(f"  not metered {snapshot.lost_periods:,}", "dim")
    lines = [line, chart(snapshot.history, budget, width, chart_rows), missed]
    if snapshot.second_core:
        lines.append(understudy(snapshot.second_core))
    return Group(*lines)


def understudy(core: SecondCore) -> Text:
    """How often the smallest levels stood in, and whether they do now."""
    line = Text(f"2 cores, {core.late_ms:.1f} ms later  smallest levels in {core.stood_in:,} periods", "dim")
    if core.stands_in:
        line.append("  now", TIGHT)
    return line


def level(block: BlockView) -> Text:
    """One lamp for each level, as many lit as the level heard is high, and its name."""
    if len(block.levels) == 1:
        return Text("")
    lamps = Text("▮" * (block.level + 1), "green" if block.level == len(block.levels) - 1 else "yellow")
    lamps.append("▯" * (len(block.levels) - block.level - 1), "dim").append(f" {block.levels[block.level]}")
    if block.target != block.level:
        lamps.append(f" → {block.levels[block.target]}", "cyan")
    return lamps


def knobs(block: BlockView, chosen: int | None) -> Text:
    """Every knob from the chosen one on with its value; the chosen one stands out."""
    drawn = Text(overflow="ellipsis", no_wrap=True)
    first = chosen or 0
    if first:
        drawn.append("… ")
    for index, knob in enumerate(block.knobs[first:], start=first):
        drawn.append(f"{knob.name} {setting(knob, knob.value)}", "reverse" if index == chosen else "")
        drawn.append("  ")
    for name, (value, unit) in block.readings.items():
        drawn.append(f"{name} {value:.4g} {unit}".rstrip() + "  ", "cyan")
    return drawn


def explained(knob: Knob) -> str:
    """What a knob does, and how far it goes."""
    reach = ", ".join(knob.choices) or f"{amount(knob.low, knob.unit)} to {amount(knob.high, knob.unit)}"
    return f"{knob.name}: {reach}; {knob.help}"


def blocks(snapshot: Snapshot, chosen: tuple[int, int], width: int, first: int, rows: int) -> Table:
    """`rows` blocks from the one of index `first` on, a row each. chosen: index of the block and of its knob."""
    table = Table.grid(padding=(0, 1))
    table.width = width
    table.add_column(width=1)
    table.add_column(min_width=8, max_width=20, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True)
    table.add_column(width=bar_width(width), no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    last, count = min(first + rows, len(snapshot.blocks)), len(snapshot.blocks)
    shown = "block" if last - first == count else f"block {first + 1}-{last} of {count}"
    table.add_row("", shown, "level", "of deadline", "cost", "p99", "knobs", style="bold")
    for index, block in enumerate(snapshot.blocks[first : first + rows], start=first):
        is_chosen = index == chosen[0]
        table.add_row(
            "▸" if is_chosen else "",
            Text(block.id, "" if block.enabled else "dim strike"),
            level(block),
            bar(block.load, snapshot.budget, bar_width(width)) if block.enabled else _off(block),
            percent(block.load),
            Text(percent(block.load_p99), "dim"),
            knobs(block, chosen[1] if is_chosen else None),
        )
    return table


def _off(block: BlockView) -> Text:
    return Text("bypassed" if block.idle else "ringing out", "dim")


def changes(snapshot: Snapshot, rows: int) -> Text:
    """The last changes of level with their reasons, newest at the bottom."""
    lines = [
        Text(f"{change.time_s:8.2f} s  ", "dim")
        .append(f"{change.block}: {change.before} -> {change.after}")
        .append(f", {change.reason}" if change.reason else "", "dim")
        for change in snapshot.changes[-rows:]
    ]
    return Text("\n").join(lines) if lines else Text("no change of level so far", "dim")


def keys() -> Table:
    """All keys."""
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(style="bold")
        table.add_column()
    for row in KEYS:
        table.add_row(*row)
    return table


def tempo(taps: Sequence[float]) -> float | None:
    """Quarter notes a minute of taps at these moments, in seconds, oldest first; None: one tap says nothing yet."""
    newest = [taps[-1]]
    for earlier, later in zip(taps[-2::-1], taps[::-1], strict=False):
        if later - earlier > PAUSE_SECONDS or len(newest) == TAPS:
            break
        newest.append(earlier)
    beats = len(newest) - 1
    return 60 * beats / (newest[0] - newest[-1]) if beats and newest[0] > newest[-1] else None


def turned(knob: Knob, steps: float) -> float:
    """The knob's value so many steps on: forty for its whole way, in equal ratios where its scale is one of ratios.

    A switch goes one position on or back, round and round.
    """
    if knob.choices:
        return float((round(knob.value) + (1 if steps > 0 else -1)) % len(knob.choices))
    if knob.unit in ("Hz", "ms") and knob.low > 0:
        value = knob.value * (knob.high / knob.low) ** (steps / 40)
    else:
        value = knob.value + (knob.high - knob.low) * steps / 40
    return min(knob.high, max(knob.low, value))
