"""Nanoseconds a sample of an A2 network at every size, for several period lengths, interleaved in one run.

    python bench/networks.py [MODEL.nam]

Without a model it takes presets/models/glass.nam, whose two levels have exactly the official A2 shape (8 channels:
Full, 3 channels: Lite). Every cell is timed in turn, round after round, so that a noisy neighbour hits all alike; a
cell shows the median over the rounds and, behind it, the fastest round. The best possible time is measured too: how
many multiply-adds one core can do with its vectors if nothing has to be fetched.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
from numba.extending import intrinsic
from rich import box
from rich.console import Console
from rich.table import Table

from chainrt.block import Settings
from chainrt.blocks.nam import nam
from chainrt.chain import ChainBlock, settled_state
from chainrt.compiled.clock import now_ns
from chainrt.compiled.native import INTEGER, Native, address_of, aligned_zeros
from chainrt.compiled.simd import Emitter, machine
from chainrt.timing import time_calls

MODEL = Path(__file__).resolve().parent.parent / "presets" / "models" / "glass.nam"
FRAMES = (16, 32, 64, 128, 256)
ROUNDS, CALLS = 40, 25
CHAINS, TURNS = 10, 200_000  # independent sums of the peak test, and how often each is added to


@intrinsic
def _multiply_add_peak(typingctx, turns):
    """CHAINS vector sums, each multiplied and added to `turns` times, all in registers."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        sums = [emit.variable(emit.constant(0.1 * chain)) for chain in range(CHAINS)]
        with emit.loop(emit.integer(0), arguments[0], emit.integer(1)):
            for total in sums:
                total.set(emit.fma(total.get(), emit.constant(0.999), emit.constant(0.5)))
        kept = sums[0].get()
        for total in sums[1:]:
            kept = emit.plus(kept, total.get())
        lane = builder.extract_element(kept, emit.integer(0))
        return builder.fptosi(lane, context.get_value_type(INTEGER))

    return INTEGER(INTEGER), generate


def _time_peak(turns):
    before = now_ns()
    kept = _multiply_add_peak(turns)
    return now_ns() - before + (kept & 1)


def multiply_adds_per_ns() -> float:
    """What one core of this machine can do at most: the best of some tries."""
    run = Native(_time_peak, (INTEGER,), "multiply_add_peak", returns=INTEGER).from_python()
    return max(TURNS * CHAINS * machine()[0] / run(TURNS) for _ in range(30))


def main() -> None:
    parser = argparse.ArgumentParser(description="nanoseconds a sample of a network at every size")
    parser.add_argument("model", nargs="?", default=MODEL, type=Path)
    path = parser.parse_args().model
    knobs, levels = nam.build(Settings({}, {"model": path}, 48000.0))
    block = ChainBlock(None, nam, knobs, levels, tuple(range(len(levels))))
    run = time_calls.from_python()
    states = {(level.name, frames): settled_state(block, level) for level in levels for frames in FRAMES}
    times = {cell: [] for cell in states}
    source = aligned_zeros(max(FRAMES), np.float32)
    source[:] = 0.1 * np.random.default_rng(0).standard_normal(len(source))
    plane, taken = aligned_zeros(max(FRAMES), np.float32), np.zeros(CALLS)
    for _ in range(ROUNDS):
        for (name, frames), state in states.items():
            arguments = (nam.native.address, address_of(knobs), address_of(state[0]), 0, address_of(source))
            run(*arguments, address_of(plane), address_of(plane), frames, CALLS, address_of(taken))
            times[name, frames].append(statistics.median(taken) / frames)

    peak = multiply_adds_per_ns()
    table = Table(title=f"{path.name}: ns a sample, median (fastest) of {ROUNDS} rounds", box=box.SIMPLE_HEAD)
    table.add_column("level")
    table.add_column("multiply-adds", justify="right")
    for frames in FRAMES:
        table.add_column(f"{frames} frames", justify="right")
    table.add_column("of peak at 64", justify="right")
    for level in levels:
        cells = [times[level.name, frames] for frames in FRAMES]
        shown = [f"{statistics.median(cell):.0f} ({min(cell):.0f})" for cell in cells]
        share = level.work / peak / min(times[level.name, 64])
        table.add_row(level.name, f"{level.work:,.0f}", *shown, f"{100 * share:.0f} %")
    console = Console(width=110)
    console.print(table)
    console.print(f"vectors of {machine()[0]} floats; at most {peak:.1f} multiply-adds a nanosecond on one core")


if __name__ == "__main__":
    main()
