"""How things look in a terminal: the only module that formats text for people."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # needs the compiler
    from ..snapshot import Change, Snapshot

FIRST_CHANGES, LAST_CHANGES = 10, 5  # of a simulation, which are printed one by one


def console(to_stderr: bool) -> Console:
    """Where people read; standard error when standard output carries JSON. Names are printed as they were written."""
    made = Console(stderr=to_stderr, highlight=False, markup=False, emoji=False)
    made.soft_wrap = not made.is_terminal  # in a file or a pipe a line stays a line
    return made


@contextmanager
def compiling():
    """Yields tell(done, total, label) for compile_all: a bar in a terminal, one line elsewhere, nothing if cached.

    All of it goes to standard error: it is no part of the answer.
    """
    out = console(to_stderr=True)
    columns = (
        TextColumn("Compiling for this machine, once"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[label]}", markup=False),
    )
    bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)

    def tell(done: int, total: int, label: str) -> None:
        if not bar.task_ids:
            bar.add_task("", total=total, label=label)
            if out.is_terminal:
                bar.start()
            else:
                out.print(f"Compiling {count(total, 'kernel')} for this machine, once ...")
        bar.update(bar.task_ids[0], completed=done, label=label)

    try:
        yield tell
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def progress(bar: Progress, label: str):
    """Runs a progress bar with one task; yields tell(done, total)."""
    with bar:
        task = bar.add_task(label)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def working(label: str):
    """Yields tell(done, total, what): a bar in a terminal, one line elsewhere, on standard error."""
    out = console(to_stderr=True)
    columns = TextColumn(label), BarColumn(bar_width=24), TextColumn("{task.fields[what]}", markup=False)
    bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    task = bar.add_task("", what="", total=None)
    told = []

    def tell(done: int, total: int, what: str = "") -> None:
        if not told:
            told.append(True)
            bar.start() if out.is_terminal else out.print(f"{label} ...")
        bar.update(task, completed=done, total=total, what=what)

    try:
        yield tell
    finally:
        bar.stop()


def table(*headings: str) -> Table:
    """An empty table, two spaces between its columns; a heading that ends in ">" stands over right-aligned cells.

    Where the terminal is narrow, the last column is the one that wraps.
    """
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in headings:
        made.add_column(
            heading.rstrip(">"),
            justify="right" if heading.endswith(">") else "left",
            no_wrap=heading != headings[-1],
        )
    return made


def print_table(out: Console, made: Table) -> None:
    """Print a table without blanks at the ends of its lines."""
    with out.capture() as drawn:
        out.print(made)
    for line in Text.from_ansi(drawn.get()).split():
        line.rstrip()
        out.print(line)


def percent(share: float) -> str:
    """0.0421 -> "4.2 %"."""
    return f"{100 * share:.1f} %"


def count(number: int, what: str) -> str:
    """(1, "block") -> "1 block"; (2250, "period") -> "2,250 periods"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def print_memory(out: Console, blocks, kept, limit: float) -> None:
    """What stays in memory (scheduler.resident.Residents of these blocks), and what is left out."""
    gone = [
        f"{block.id} {', '.join(block.levels[level].name for level in levels)}"
        for block, levels in zip(blocks, kept.left_out, strict=True)
        if levels
    ]
    told = f"; left out: {'; '.join(gone)}" if gone else ""
    enough = "" if kept.fits else "; even the smallest levels do not fit"
    out.print(f"memory {amount(kept.used)} of {amount(limit)}{told}{enough}", style=None if kept.fits else "bold red")


def amount(size: float) -> str:
    """Bytes as people say them: "2.5 MiB"."""
    for unit, unit_bytes in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= unit_bytes:
            return f"{size / unit_bytes:,.1f} {unit}"
    return f"{size:.0f} bytes"


def sureness(device) -> str:
    """How sure a profile's figures are: "5 published, 4 derived, 3 estimated"."""
    return ", ".join(f"{len(names)} {basis}" for basis, names in device.figures_by_basis().items())


def print_changes(out: Console, changes: "Iterable[Change]") -> None:
    """A line for each, as it happens: `glass.nam: full -> lite @12.4 s, load 104 % of budget`."""
    for change in changes:
        reason = f", {change.reason}" if change.reason else ""
        out.print(f"  {change.block}: {change.before} -> {change.after} @{change.time_s:.2f} s{reason}")


class ChangesInShort:
    """Prints the first changes of a simulation as they happen, and at its `end` the last ones and how many there were.

    A night has thousands of them; all of them are in the JSON.
    """

    def __init__(self, out: Console):
        self._out = out
        self._printed = 0
        self._last: deque[Change] = deque(maxlen=LAST_CHANGES)
        self._counts: Counter[tuple[str, str, str]] = Counter()
        """Of those that were not printed: block, level before, level after."""

    def add(self, changes: "Sequence[Change]") -> None:
        now = changes[: FIRST_CHANGES - self._printed]
        print_changes(self._out, now)
        self._printed += len(now)
        for change in changes[len(now) :]:
            self._last.append(change)
            self._counts[change.block, change.before, change.after] += 1

    def end(self) -> None:
        for change in self._last:
            self._counts[change.block, change.before, change.after] -= 1
        by_block: dict[str, list[str]] = {}
        for (block, before, after), number in self._counts.most_common():
            if number:
                by_block.setdefault(block, []).append(f"{before} -> {after} {number:,} times")
        if by_block:
            self._out.print(f"  ... {count(self._counts.total(), 'more change')}:")
            for block, told in by_block.items():
                self._out.print(f"      {block}: {', '.join(told)}")
            self._out.print("  ... and the last:")
        print_changes(self._out, self._last)


def print_moment(out: Console, seen: "Snapshot") -> None:
    """How it goes, on one line: `   15 s  load 10.5 %, p99 15.8 %, max 23.2 %; 2 misses; glass full, brick lite`."""
    levels = ", ".join(f"{block.id} {block.levels[block.level]}" for block in seen.blocks if len(block.levels) > 1)
    misses = f"{seen.misses:,} {'miss' if seen.misses == 1 else 'misses'}"
    out.print(
        f"  {seen.time_s:.0f} s  load {percent(seen.load)}, p99 {percent(seen.load_p99)}, max {percent(seen.load_max)};"
        f" {misses}" + (f"; {levels}" if levels else "")
    )


def print_report(out: Console, report: dict) -> None:
    """The table at the end of a run, and what it adds up to."""
    is_slimmable = any(len(block["levels"]) > 1 for block in report["blocks"])
    deadline_us, load, misses = report["deadline_us"], report["load"], report["misses"]
    rows = table(
        "block", *["level"] * is_slimmable, "cost µs>", "p99 µs>", "load %>", *["changes>", "heard at"] * is_slimmable
    )
    for block in report["blocks"]:
        cost_us, has_levels = block["cost_us"], len(block["levels"]) > 1
        cells = [f"{x:.1f}" for x in (cost_us["mean"], cost_us["p99"], 100 * cost_us["mean"] / deadline_us)]
        if has_levels:
            shares = reversed(block["level_share"].items())
            heard = ", ".join(f"{name} {100 * share:.0f}" for name, share in shares if share > 0)
            cells = [block["level"], *cells, str(len(block["changes"])), f"{heard} %" if heard else ""]
        elif is_slimmable:
            cells = ["", *cells]
        rows.add_row(block["id"], *cells)
    out.print()
    if report["blocks"]:
        print_table(out, rows)
        out.print()
    out.print(
        f"load    mean {percent(load['mean'])}, p99 {percent(load['p99'])}, max {percent(load['max'])}"
        f" of {deadline_us:,.0f} µs; budget {percent(report['budget'])}"
    )
    ending = f", at most {report['longest_miss_run']:,} in a row; {report['unavoidable_misses']:,} unavoidable"
    out.print(
        f"misses  {misses:,} of {count(report['periods'], 'period')}{ending if misses else ''}",
        style="bold red" if misses else None,
    )
    _print_latency(out, report)
    if "second_core" in report:
        _print_second_core(out, report)
    if "card" in report:
        _print_card(out, report["card"])
    if is_slimmable:
        out.print(
            f"levels  {count(report['level_changes'], 'change')}; {100 * report['utility']:.0f} % of the best sound"
        )


def _print_second_core(out: Console, report: dict) -> None:
    """How often the second core was late, and what was heard then."""
    core, late_ms = report["second_core"], 1000 * report["second_core"]["late_frames"] / report["rate"]
    out.print(
        f"2 cores smallest levels in {core['periods_of_understudy']:,} of {count(report['periods'], 'period')},"
        f" {count(core['changes'], 'change')} to them and back; all {late_ms:.1f} ms later"
    )


def milliseconds(ms: float) -> str:
    """0.0208 -> "0.02", 5.25 -> "5.2": a single frame is not nothing."""
    return f"{ms:.1f}" if ms == 0 or ms >= 1 else f"{ms:.2f}"


def _print_latency(out: Console, report: dict) -> None:
    """How late the sound is: the chain with its blocks, and the card. Lanes wait for each other, so not all add up."""
    late = [block for block in report["blocks"] if block["latency_frames"]]
    blocks = ", ".join(f"{block['id']} {milliseconds(block['latency_ms'])}" for block in late)
    chain = milliseconds(report["latency_ms"])
    if "card" in report:
        into, out_of = (report["card"][f"{side}_latency_ms"] for side in ("input", "output"))
        total_ms = into + report["latency_ms"] + out_of
        out.print(
            f"latency {total_ms:.1f} ms: input {into:.1f}, chain {chain}{f' ({blocks})' if late else ''},"
            f" output {out_of:.1f}"
        )
    elif late:
        out.print(f"latency {chain} ms: {blocks}")


def _print_card(out: Console, card: dict) -> None:
    """What the sound system said of it."""
    flags = {
        "output underflows": card["output_underflows"],
        "input overflows": card["input_overflows"],
        "without input": card["without_input"],
    }
    told = ", ".join(f"{number:,} {name}" for name, number in flags.items() if number)
    if told:
        out.print(f"card    {told}")


def print_written(out: Console, path: str, sound, rate: float, heard: str = "") -> None:
    """That a WAV file was written, and what is in it."""
    channels = "mono" if sound.ndim == 1 else "stereo"
    out.print(f"{path}: {len(sound) / rate:.2f} s, {channels}, float32" + (f" ({heard})" if heard else ""))
