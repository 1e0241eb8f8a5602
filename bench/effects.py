"""Microseconds a period of 64 frames for every effect, beside those of `pedalboard` (pip install pedalboard).

    python bench/effects.py [--rounds 75] [--only KIND ...] [--write bench/RESULTS.md]

Both play the same 0.2 s of guitar from memory to memory, in calls of 64 frames, in compiled code: ours by a loop around
the kernel that copies each period to where it is played, pedalboard by its own (`buffer_size=64`), which does the same.
All are timed in turn, round after round, so that a noisy neighbour hits all alike; told are the median of the rounds
and, in brackets, the fastest. The verdict compares round by round.

The row `(nothing)` is what remains when nothing is done: a kernel that does nothing against an empty `Pedalboard`. Both
call Python once for all the periods of a round; pedalboard also makes room for what it returns, which is why its share
is larger. It matters for the gain only, which beyond that row costs the same on either side.
"""

import argparse
import platform
import re
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile

from chainrt.benchmarks.results import write_section
from chainrt.block import BLOCKS, Block, Settings
from chainrt.chain import ChainBlock, compile_blocks, settled_state
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.call import call4, call5
from chainrt.compiled.denormals import flush_denormals, restore_denormals
from chainrt.compiled.language import INTEGER, PLANE, carray
from chainrt.compiled.memory import pointer
from chainrt.compiled.native import Native, address_of
from chainrt.preset import BlockSpec, Slim
from chainrt.riff import riff

RATE_HZ = 48_000
FRAMES = 64
SECONDS = 0.2  # of guitar in each timing: short enough to be seldom interrupted
ROOT = Path(__file__).resolve().parent.parent
CABINET = ROOT / "presets" / "irs" / "open_back_2x12.wav"


def rivals() -> dict:
    """Kind -> the knobs of ours, and the same in pedalboard. ImportError: it is not installed."""
    import pedalboard

    six_bands = [
        *(pedalboard.HighpassFilter(80), pedalboard.LowShelfFilter(120, 3, 0.71), pedalboard.PeakFilter(400, 3, 1)),
        *(pedalboard.PeakFilter(2500, 3, 1), pedalboard.HighShelfFilter(5000, 3, 0.71)),
        pedalboard.LowpassFilter(12000),
    ]
    ten_bands = [pedalboard.PeakFilter(31.25 * 2**band, 3, 1.0) for band in range(10)]
    distortion = pedalboard.Distortion(36)
    return {
        NOTHING[0]: ({}, pedalboard.Pedalboard([])),
        "gain": ({"level": 3}, pedalboard.Gain(3)),
        "gate": ({"threshold": -50}, pedalboard.NoiseGate(-50, 10, 1, 120)),
        "compressor": ({"threshold": -24}, pedalboard.Compressor(-24, 4, 10, 150)),
        "limiter": ({"ceiling": -6}, pedalboard.Limiter(-6, 80)),
        "drive": ({}, distortion),
        "distortion": ({}, distortion),
        "fuzz": ({}, distortion),
        "eq": ({"low_cut": 80, "low_gain": 3, "peak1_gain": 3, "peak2_gain": 3}, pedalboard.Pedalboard(six_bands)),
        "graphic": ({"k1": 3}, pedalboard.Pedalboard(ten_bands)),
        "chorus": ({}, pedalboard.Chorus()),
        "phaser": ({}, pedalboard.Phaser()),
        "echo": ({}, pedalboard.Delay(0.38, 0.35, 0.25)),
        "delay": ({}, pedalboard.Delay(0.4, 0.35, 0.3)),
        "reverb": ({}, pedalboard.Reverb()),
        "pitch": ({}, pedalboard.PitchShift(7)),
        "cab": ({}, pedalboard.Convolution(str(CABINET))),
        "stereo_cab": ({}, pedalboard.Convolution(str(CABINET))),
    }


KINDS = sorted(set(BLOCKS) - {"nam"})
UNLIKE_AT_FIRST = {"looper": {"mode": 1}}  # it records; off, it does nothing
NOTHING = ("(nothing)", 0)


def _play(kernel, knobs, state, stereo, source, target, frames, calls):
    """Play frames * calls frames from `source` to `target`, each two channels behind one another."""
    floating = flush_denormals()
    whole = frames * calls
    for call in range(calls):
        for channel in range(1 + stereo):
            at = 4 * (channel * whole + call * frames)
            fresh, plane = (
                carray(pointer(source + at), frames, np.float32),
                carray(pointer(target + at), frames, np.float32),
            )
            for i in range(frames):
                plane[i] = fresh[i]
        left = target + 4 * call * frames
        if stereo == 1:
            call5(kernel, knobs, state, left, left + 4 * whole, frames)
        else:
            call4(kernel, knobs, state, left, frames)
    restore_denormals(floating)


def _nothing(knobs, state, plane, frames):
    """A kernel that leaves all as it is."""


nothing_native = Native(_nothing, (INTEGER, INTEGER, PLANE, INTEGER), "bench_nothing")
play_native = Native(_play, (INTEGER,) * 8, "bench_play")


def two_microphones(folder: Path) -> Path:
    """The cabinet once more, as a stereo file."""
    samples, rate = soundfile.read(CABINET, dtype="float32")
    soundfile.write(folder / "stereo.wav", np.stack([samples, samples[::-1]], axis=1), rate, subtype="FLOAT")
    return folder / "stereo.wav"


def alone(kind: str, values: dict) -> ChainBlock:
    """One block outside a chain."""
    declared = BLOCKS[kind]
    with tempfile.TemporaryDirectory() as folder:
        response = two_microphones(Path(folder)) if declared.channels == 2 else CABINET
        return _built(declared, values, {file.name: response for file in declared.files if file.name == "ir"})


def _built(declared: Block, values: dict, files: dict) -> ChainBlock:
    kind = declared.kind
    settings = Settings(values, files, RATE_HZ)
    knobs, levels = declared.build(settings)
    spec = BlockSpec(kind, kind, values, files, Slim(), 1.0, True, 1, kind)
    return ChainBlock(
        spec, declared, knobs, levels, tuple(range(len(levels))), settings.remarks, settings.when_compiled
    )


def ours(block: ChainBlock, level: int, guitar: np.ndarray) -> Callable[[], float]:
    """A function that plays the guitar (2, frames) through one level and returns microseconds a period."""
    state = settled_state(block, block.levels[level])
    addresses = (block.declared.native.address, address_of(block.knobs), address_of(state[0]))
    once = timed(addresses, block.declared.channels == 2, guitar)
    once.state = state  # alive as long as the function
    return once


def timed(addresses: tuple[int, int, int], is_stereo: bool, guitar: np.ndarray) -> Callable[[], float]:
    """The same for a kernel, its knobs and its state."""
    target, run, periods = aligned_zeros(guitar.shape, np.float32), play_native.from_python(), guitar.shape[1] // FRAMES
    arguments = (*addresses, int(is_stereo), address_of(guitar), address_of(target), FRAMES, periods)

    def once() -> float:
        began = time.perf_counter()
        run(*arguments)
        return (time.perf_counter() - began) * 1e6 / periods

    once.planes = guitar, target  # alive as long as the function
    return once


def theirs(plugin, channels: int, guitar: np.ndarray) -> Callable[[], float]:
    """The same for pedalboard."""
    samples, periods = np.ascontiguousarray(guitar[:channels]), guitar.shape[1] // FRAMES

    def once() -> float:
        began = time.perf_counter()
        plugin.process(samples, RATE_HZ, buffer_size=FRAMES, reset=False)
        return (time.perf_counter() - began) * 1e6 / periods

    return once


def warm(once: Callable[[], float]) -> float:
    """The second of two timings: what was played before has thrown this one's memory out of the caches."""
    once()
    return once()


def main() -> None:
    parser = argparse.ArgumentParser(description="microseconds a period of each effect, beside pedalboard")
    parser.add_argument("--rounds", type=int, default=75)
    parser.add_argument("--only", nargs="+", metavar="KIND", choices=KINDS, default=KINDS, help="some of the effects")
    parser.add_argument("--write", type=Path, metavar="PAGE.md", help="put the table into this page")
    asked = parser.parse_args()
    rounds, others = asked.rounds, rivals()
    frames = int(SECONDS * RATE_HZ) // FRAMES * FRAMES
    guitar = aligned_zeros((2, frames), np.float32)
    guitar[:] = riff(RATE_HZ)[:frames]
    knobs = UNLIKE_AT_FIRST | {kind: values for kind, (values, _) in others.items()}
    blocks = {kind: alone(kind, knobs.get(kind, {})) for kind in asked.only}
    compile_blocks(list(blocks.values()))
    rows = [(kind, level) for kind, block in blocks.items() for level in range(len(block.levels))]
    mine = {row: ours(blocks[row[0]], row[1], guitar) for row in rows}
    others_play = {
        row: theirs(others[row[0]][1], blocks[row[0]].declared.channels, guitar) for row in rows if row[0] in others
    }
    mine[NOTHING] = timed((nothing_native.address, 0, 0), False, guitar)
    others_play[NOTHING] = theirs(others[NOTHING[0]][1], 1, guitar)
    rows.insert(0, NOTHING)
    times = {name: np.zeros((rounds, len(rows))) for name in ("ours", "theirs")}
    for round_ in range(-2, rounds):  # the first two only warm up
        for column, row in enumerate(rows):
            times["ours"][round_, column] = warm(mine[row])
            times["theirs"][round_, column] = warm(others_play[row]) if row in others_play else np.nan
    text = page(rows, blocks, times, rounds)
    if asked.write:
        write_section(asked.write, "effects", "Effects", text)
    else:
        print(text)


def machine_name() -> str:
    """The processor, as Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text("utf-8")) if info.exists() else []
    return f"{names[0]} ({len(names)} cores)" if names else platform.processor()


def page(rows, blocks, times, rounds) -> str:
    """The section as Markdown."""
    lines = [
        f"Microseconds a period of {FRAMES} frames at {RATE_HZ:,} Hz, one core of {machine_name()}, {date.today()};",
        f"pedalboard {version('pedalboard')}, {rounds} rounds. Median and, in brackets, the fastest round. The last",
        "column is their time over ours in the same round, median and middle half: above 1, ours is quicker.",
        "Like with like: pedalboard does not oversample: its Distortion does what our 1x does; 2x and 4x do twice and",
        "four times as much. Its Reverb has 8 combs and 4 all-passes a side; ours has 4, 8 or 16 lines that swing and",
        "feed each other, behind 4 all-passes a side. The looper records. Networks are a chapter of their own.",
        "",
        "| effect | channels | chainrt | pedalboard | theirs / ours |",
        "|---|---:|---:|---:|---:|",
    ]
    for column, (kind, level) in enumerate(rows):
        levels = blocks[kind].levels if kind in blocks else ()
        name = f"{kind} {levels[level].name}" if len(levels) > 1 else kind
        channels = blocks[kind].declared.channels if kind in blocks else 1
        own, other = times["ours"][:, column], times["theirs"][:, column]
        cells = [name, str(channels), f"{np.median(own):.2f} ({own.min():.2f})"]
        if np.isnan(other).any():
            cells += ["", ""]
        else:
            low, middle, high = np.percentile(other / own, (25, 50, 75))
            cells += [f"{np.median(other):.2f} ({other.min():.2f})", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
