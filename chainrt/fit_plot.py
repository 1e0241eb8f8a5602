"""The picture of a fit: what the chain costs on each device against its budget, and fidelity against budget.

matplotlib is an optional extra: `pip install 'chainrt[plots]'`.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from .errors import DeviceError, Fault
from .fit import Bench, Fit

INCHES = (12, 5.5)
DOTS_PER_INCH = 110
COLOURS = "tab20"


def need_matplotlib() -> None:
    """DeviceError if it is not installed."""
    if find_spec("matplotlib") is None:
        raise DeviceError(Fault("--plot", "pictures need matplotlib: pip install 'chainrt[plots]'"))


def plot(path: str, name: str, benches: Sequence[Bench], fits: Sequence[Fit]) -> None:
    """Draw the same chain on some devices into a file of any kind that matplotlib writes."""
    from matplotlib.figure import Figure  # without pyplot: no window system is asked for

    figure = Figure(figsize=INCHES, layout="constrained")
    costs, trade = figure.subplots(1, 2)
    figure.suptitle(f"{name}, {benches[0].frames} frames at {benches[0].rate:,.0f} Hz")
    _draw_costs(costs, benches, fits)
    _draw_trade(trade, benches, fits)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _draw_costs(axes, benches: Sequence[Bench], fits: Sequence[Fit]) -> None:
    """A bar for each device, a piece for each block; a dashed line across it at the budget."""
    from matplotlib import colormaps

    places = np.arange(len(benches))
    colours = colormaps[COLOURS].colors
    bottom = np.zeros(len(benches))
    for index, block in enumerate(benches[0].blocks):
        loads = 100 * np.array([fit.loads[index] for fit in fits])
        bars = axes.bar(places, loads, 0.6, bottom=bottom, label=block.id, color=colours[index % len(colours)])
        for bar, load, bench, fit in zip(bars, loads, benches, fits, strict=True):
            levels = bench.blocks[index].levels
            if len(levels) > 1 and load > 4:
                middle = bar.get_x() + bar.get_width() / 2, bar.get_y() + load / 2
                axes.text(*middle, levels[fit.levels[index]].name, ha="center", va="center", fontsize=8)
        bottom += loads
    for place, bench in zip(places, benches, strict=True):
        axes.plot([place - 0.4, place + 0.4], [100 * bench.budget] * 2, "k--", linewidth=1.2)
    axes.set_xticks(places, [_verdict(bench, fit) for bench, fit in zip(benches, fits, strict=True)])
    axes.set_xlim(-0.8, max(len(benches) - 0.2, 1.8))
    axes.axhline(100, color="0.6", linewidth=0.8)
    axes.set_ylabel("% of the deadline")
    axes.set_title("Cost of each block; dashed: the budget")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def _verdict(bench: Bench, fit: Fit) -> str:
    """Under a bar: whose it is, whether it fits, and the load, which is less than the bar where lanes share it out."""
    why = "" if fit.memory.fits else ": memory"
    cores = bench.device.cores_for_lanes
    beside = f", {cores} cores" if cores > 1 else ""
    return f"{bench.device.name}\n{fit.fits}{why}\n{100 * fit.load:.0f} %{beside}"


def _draw_trade(axes, benches: Sequence[Bench], fits: Sequence[Fit]) -> None:
    """For each device the best fidelity that each budget buys; a dot where its own budget leads."""
    from matplotlib.ticker import LogLocator

    for number, (bench, fit) in enumerate(zip(benches, fits, strict=True)):
        loads, worth = bench.frontier_by_load()
        colour = f"C{number}"
        axes.step(100 * loads, 100 * worth, where="post", color=colour, label=bench.device.name)
        axes.axvline(100 * bench.budget, color=colour, linestyle="--", linewidth=0.8)
        best = np.searchsorted(loads, fit.load * (1 + 1e-9), side="right") - 1
        if best >= 0 and fit.fits != "no":
            axes.plot(100 * fit.load, 100 * worth[best], "o", color=colour)
    axes.set_xscale("log")
    axes.set_xlabel("budget, % of the deadline; dashed: the device's own")
    axes.set_ylabel("fidelity, % of what is possible")
    axes.set_title("What a budget buys")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
