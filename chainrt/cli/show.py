"""How things look in a terminal: the only module that formats text for people."""

from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ..chain import Chain


def console(to_stderr: bool) -> Console:
    """Where people read; standard error when standard output carries JSON."""
    return Console(stderr=to_stderr, highlight=False, soft_wrap=True)


@contextmanager
def compiling(out: Console):
    """Yields tell(done, total, label) for compile_all: a bar in a terminal, one line elsewhere, nothing if cached."""
    columns = (
        TextColumn("Compiling for this machine, once"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[label]}"),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        tasks = []

        def tell(done: int, total: int, label: str) -> None:
            if not tasks:
                tasks.append(bar.add_task("", total=total, label=label))
                if not out.is_terminal:
                    out.print(f"Compiling {total} kernels for this machine, once ...")
            bar.update(tasks[0], completed=done, label=label)

        yield tell


def percent(share: float) -> str:
    """0.0421 -> "4.2 %"."""
    return f"{100 * share:.1f} %"


def print_change(out: Console, chain: Chain, change) -> None:
    """One line as it happens: `glass.nam: full -> lite @12.4 s, load 104 % of budget`."""
    block = chain.blocks[change.block]
    names = block.level_names
    reason = f", {change.reason}" if change.reason else ""
    out.print(f"  {block.id}: {names[change.before]} -> {names[change.after]} @{change.time_s:.2f} s{reason}")


def print_report(out: Console, report: dict) -> None:
    """The table at the end of a run, and what it adds up to."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("block")
    table.add_column("level now")
    for heading in ("cost", "p99", "deadline"):
        table.add_column(heading, justify="right")
    table.add_column("heard at (changes)")
    deadline_us = report["deadline_us"]
    for block in report["blocks"]:
        has_levels = len(block["levels"]) > 1
        heard = [f"{name} {100 * share:.0f} %" for name, share in block["level_share"].items() if share > 0]
        table.add_row(
            block["id"],
            block["level"] if has_levels else "",
            f"{block['cost_us']['mean']:.1f} µs",
            f"{block['cost_us']['p99']:.1f} µs",
            percent(block["cost_us"]["mean"] / deadline_us),
            f"{', '.join(reversed(heard))} ({len(block['changes'])})" if has_levels else "",
        )
    out.print(table)
    load = report["load"]
    out.print(
        f"load    mean {percent(load['mean'])}, p99 {percent(load['p99'])}, max {percent(load['max'])} of the deadline"
        f" ({deadline_us:.0f} µs); budget {percent(report['budget'])}"
    )
    misses = f"misses  {report['misses']:,} of {report['periods']:,} periods"
    if report["misses"]:
        misses += (
            f"; {report['unavoidable_misses']:,} of them unavoidable, at most {report['longest_miss_run']:,} in a row"
        )
    out.print(misses)
    out.print(f"levels  {report['level_changes']:,} changes; {100 * report['utility']:.0f} % of the best sound")
