"""`chainrt device new` and `chainrt device check`: profiles of your own."""

from pathlib import Path

from .. import devices
from ..devices import measuring
from ..errors import Fault, PresetError
from . import show, values

MOST_ROUNDS = 1000


def device(options) -> int:
    return {"new": _new, "check": _check}[options.action](options)


def _new(options) -> int:
    """Measure this machine and write its profile; exit status."""
    read = values.Reader()
    rounds = read(values.integer, "--rounds", options.rounds, 1, MOST_ROUNDS)
    if not options.from_this_machine:
        read(_refuse, "say --from-this-machine: a profile is made by measuring the machine on which this runs")
    path = Path(options.file)
    read(values.writable, options.file, (), False)
    read.raise_faults()
    out = show.console(to_stderr=False)
    with show.working("Playing on this machine") as tell:
        made = measuring.measure(path.stem if path.suffix else path.name, tell, rounds, not options.without_pauses)
    path.write_text(devices.write(made), "utf-8")
    _print(out, made)
    out.print(f"\n{path}: written; edit its title and usable_share as you like")
    return 0


def _refuse(message: str) -> None:
    raise PresetError(Fault("device new", message))


def _check(options) -> int:
    """Find every fault of profiles."""
    out, read = show.console(to_stderr=False), values.Reader()
    for path in options.files:
        found = read(devices.read_file, path)
        if found:
            out.print(f"{path}: {found.name}: {found.title}, no faults")
            for basis, names in found.figures_by_basis().items():
                out.print(f"  {basis}: {', '.join(names)}")
    read.raise_faults()
    return 0


def _print(out, made: devices.Device) -> None:
    """Figures with their error bars."""
    rows = show.table("figure", "value>", "error>", "how sure")
    for name, figure in made.figures.items():
        rows.add_row(name, f"{figure.value:,.4g}", _error(figure), figure.basis)
    for name, points in made.prices.items():
        for point in points:
            work = f", {point.work:,.0f} multiply-adds" if point.work else ""
            rows.add_row(f"{name}{work}", f"{point.value:,.1f} ns a frame", _error(point), point.basis)
    show.print_table(out, rows)


def _error(figure: devices.Figure) -> str:
    return "" if figure.error is None else f"± {show.percent(figure.error)}"
