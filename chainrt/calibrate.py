"""Tables for the scheduler: what every level costs on this machine, and how true it sounds.

`cost_table` and `fidelity_table` are what a run asks for: kept tables if there are any, else a quick measurement in a
fraction of a second. `calibrate` measures costs thoroughly and keeps them. While a chain plays, the scheduler's own
estimator refines them.

Rules kept here:
* The blocks are timed in turn, one call each, after a nap of a millisecond, as they run in the chain: not one alone
  in a warm cache (measured: 20 us for an A2 Full in a warm cache; 61 us so, and 63 us in the chain that then played).
* A cost is a median; the tail is the machine's (other programs, interrupts) and not the block's. It is told as p99.
* Fidelity is the error of what the whole chain plays with one block lowered, against all blocks at their largest. It
  is measured on playing, not on noise, and needs no clock: the same preset gives the same figures every time.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from . import tables
from .block import Level
from .chain import Chain, ChainBlock, CostTable, Plan, settled_state
from .compiled.arena import aligned_zeros
from .compiled.native import address_of
from .fit import BEST_DB
from .kept import keep, recall
from .performance import Performance
from .timing import time_calls

QUICK_ROUNDS = 25
NAP_SECONDS = 0.001
PERIODS_CALIBRATED = (16, 32, 64, 128, 256, 512)
ROUNDS = 2000
FIDELITY_SECONDS = 1.0  # of playing on which levels are compared, and ...
RENDERED_SECONDS = 12.0  # ... of playing in all, where there are many levels

Pick = tuple[int, int]  # a block's place in the chain, and one of its levels
Quantiles = dict[str, list[list[float]]]  # "p50", "p99" -> per level, per period size: nanoseconds


# -- costs ----------------------------------------------------------------------------------------------------------


def cost_table(chain: Chain) -> CostTable:
    """What every level of every block costs: as calibrated, or timed now at the chain's period and at a quarter."""
    sizes = (chain.frames, max(1, chain.frames // 4))
    kept = [recall("costs", key) for key in _cost_keys(chain)]
    pairs: dict[Pick, Sequence[float]] = {}
    for index, table in enumerate(kept):
        if table and set(map(str, sizes)) <= set(table["p50"]):
            for level in range(len(chain.blocks[index].levels)):
                pairs[index, level] = [table["p50"][str(size)][level] for size in sizes]
    missing = [pick for pick in _every_level(chain.blocks) if pick not in pairs]
    if missing:
        timed = [np.median(_time(chain.blocks, missing, size, QUICK_ROUNDS), axis=1) for size in sizes]
        pairs |= dict(zip(missing, np.transpose(timed), strict=True))
    call_ns, frame_ns = [], []
    for index, block in enumerate(chain.blocks):
        channels = _calls_a_period(chain, index)
        slopes = [_slope(pairs[index, level], sizes) for level in range(len(block.levels))]
        rests = [pairs[index, level][0] - slope * sizes[0] for level, slope in enumerate(slopes)]
        frame_ns.append(tuple(float(channels * slope) for slope in slopes))
        call_ns.append(tuple(float(channels * rest) for rest in rests))
    return CostTable(tuple(call_ns), tuple(frame_ns), _fixed_ns(chain))


def calibrate(
    chain: Chain,
    sizes: Sequence[int] = PERIODS_CALIBRATED,
    rounds: int = ROUNDS,
    tell: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """Time every level of every block thoroughly, at these period sizes (frames), and keep the tables.

    The chain is timed as it plays: with all its blocks at their smallest levels, then at the next ones, and so on.
    Returns per block {"p50": {size: nanoseconds per level}, "p99": ...}, a call each. tell(done, total) hears of
    progress, in rounds.
    """
    sizes = sorted({quarter for size in sizes for quarter in (size, max(1, size // 4))})
    passes = max((len(block.levels) for block in chain.blocks), default=0)
    total, done = passes * len(sizes) * rounds, 0
    found = [{"p50": {}, "p99": {}} for _ in chain.blocks]
    for size in sizes:
        times: dict[Pick, list] = {}
        for level in range(passes):
            picks = [(index, min(level, len(block.levels) - 1)) for index, block in enumerate(chain.blocks)]
            told = (lambda n, before=done: tell(before + n, total)) if tell else None
            for pick, taken in zip(picks, _time(chain.blocks, picks, size, rounds, told), strict=True):
                times.setdefault(pick, []).append(taken)
            done += rounds
        for name, quantile in (("p50", 0.5), ("p99", 0.99)):
            for index, block in enumerate(chain.blocks):
                found[index][name][str(size)] = [
                    float(np.quantile(np.concatenate(times[index, level]), quantile))
                    for level in range(len(block.levels))
                ]
    for key, table in zip(_cost_keys(chain), found, strict=True):
        keep("costs", key, table)
    return found


def _cost_keys(chain: Chain) -> list[str]:
    return [
        tables.cost_key(block, _calls_a_period(chain, index), chain.rate) for index, block in enumerate(chain.blocks)
    ]


def _calls_a_period(chain: Chain, index: int) -> int:
    """A mono block runs once for each channel that the chain has where it stands."""
    return int(chain.block_records[index]["channels"]) if chain.blocks[index].declared.channels == 1 else 1


def _every_level(blocks: Sequence[ChainBlock]) -> list[Pick]:
    return [(index, level) for index, block in enumerate(blocks) for level in range(len(block.levels))]


def _slope(pair: Sequence[float], sizes: Sequence[int]) -> float:
    """Nanoseconds a frame; never more than the whole, never less than nothing."""
    if sizes[0] == sizes[1]:
        return pair[0] / sizes[0]
    return min(max((pair[0] - pair[1]) / (sizes[0] - sizes[1]), 0.0), pair[0] / sizes[0])


def _time(
    blocks: Sequence[ChainBlock],
    picks: Sequence[Pick],
    frames: int,
    rounds: int,
    tell: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Nanoseconds of calls of so many frames, (picks, rounds). All picks play in turn, a call each a round."""
    source = aligned_zeros(frames, np.float32)
    source[:] = 0.1 * np.random.default_rng(0).standard_normal(frames)
    planes = [aligned_zeros(frames, np.float32) for _ in range(2)]
    states = [settled_state(blocks[index], blocks[index].levels[level]) for index, level in picks]
    times, run = np.zeros((len(picks), rounds)), time_calls.from_python()
    for round_ in range(rounds):
        time.sleep(NAP_SECONDS)
        for row, ((index, _), state) in enumerate(zip(picks, states, strict=True)):
            declared = blocks[index].declared
            run(
                declared.native.address,
                address_of(blocks[index].knobs),
                address_of(state[0]),
                int(declared.channels == 2),
                address_of(source),
                *map(address_of, planes),
                frames,
                1,
                address_of(times[row][round_:]),
            )
        if tell:
            tell(round_ + 1)
    return times


def _fixed_ns(chain: Chain) -> float:
    """What a period costs beside its blocks, from the silence that the chain heard when it was built."""
    blocks = len(chain.blocks)
    seen = chain.settling_periods
    beside = chain.ring["spent_ns"][:seen] - chain.spent["measured_ns"][:seen, :blocks].sum(axis=1)
    return float(max(0.0, np.median(beside)))


def measure_levels(block: ChainBlock, frames: int) -> list[float]:
    """Nanoseconds a frame of each level of one channel of a block alone, in calls of so many frames."""
    times = _time([block], _every_level([block]), frames, QUICK_ROUNDS)
    return (np.median(times, axis=1) / frames).tolist()


# -- fidelity -------------------------------------------------------------------------------------------------------

Fidelity = tuple[tuple[float, ...], ...]
"""Per block and level: decibels by which the error of the chain's sound lies below that sound, 0 to BEST_DB."""


def fidelity_table(chain: Chain | Plan, samples: np.ndarray) -> Fidelity:
    """How true each level sounds: as kept, or measured now and kept. samples: float32 (frames,), what is played."""
    heard = samples[: round(FIDELITY_SECONDS * chain.rate)]
    key = tables.fidelity_key(chain, heard)
    kept = recall("fidelity", key)
    if kept is None:
        kept = {"db": measure_fidelity(chain, heard)}
        keep("fidelity", key, kept)
    return tuple(map(tuple, kept["db"]))


def measure_fidelity(chain: Chain | Plan, samples: np.ndarray) -> Fidelity:
    """Play the samples with every block at its largest level, then with one block lowered, for each level there is.

    The error-to-signal ratio is that of the field's trainer: energy of the difference over energy of the signal. The
    given chain does not play; twins of it do, as many at a time as there are cores. All have heard nothing for equally
    long when they begin: what swings by itself, a chorus say, is at the same moment in each (else it is taken for an
    error of the lowered block, and an amp that is 35 dB true before a rotary is told as 0). Many levels are compared on
    less than all of the samples. A block that stands by is compared switched on, since bypassed all its levels are the
    same.
    """
    blocks = chain.blocks
    table = [[BEST_DB] * len(block.levels) for block in blocks]
    largest = tuple(len(block.levels) - 1 for block in blocks)
    lowered = [(index, level) for index, level in _every_level(blocks) if level < largest[index]]
    heard_s = min(FIDELITY_SECONDS, RENDERED_SECONDS / (1 + len(lowered)))
    played = samples[: max(chain.frames, round(heard_s * chain.rate))]
    asked = {pick: (_with(largest, *pick), None if blocks[pick[0]].spec.enabled else pick[0]) for pick in lowered}
    truths = {(largest, on) for _, on in asked.values()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # what is compiled plays without the interpreter's lock
        playing = {one: pool.submit(_sound, chain, *one, played) for one in (*truths, *asked.values())}
    for (index, level), (levels, on) in asked.items():
        error_db = _ratio_db(playing[levels, on].result(), playing[largest, on].result())
        table[index][level] = min(BEST_DB, max(0.0, -error_db))
    return tuple(map(tuple, table))


def _with(levels: tuple[int, ...], index: int, level: int) -> tuple[int, ...]:
    return (*levels[:index], level, *levels[index + 1 :])


def _sound(chain: Chain | Plan, levels: Sequence[int], on: int | None, samples: np.ndarray) -> np.ndarray:
    """What a twin of the chain plays that has these levels only, with the block `on` (None: none) switched on."""
    blocks = [
        replace(block, levels=(block.levels[level],), allowed=(0,))
        for block, level in zip(chain.blocks, levels, strict=True)
    ]
    if on is not None:
        blocks[on] = replace(blocks[on], spec=replace(blocks[on].spec, enabled=True))
    twin = Chain(chain.preset, chain.rate, chain.frames, blocks=blocks)
    performance = Performance(twin, samples, len(samples))
    performance.play(math.ceil(len(samples) / chain.frames))
    return performance.output[: len(samples)].astype(np.float64)


def _ratio_db(sound: np.ndarray, truth: np.ndarray) -> float:
    """The energy of the difference over the energy of the truth, in dB, at least -200."""
    ratio = float(np.sum((sound - truth) ** 2) / max(np.sum(truth**2), 1e-20))
    return 10 * math.log10(max(ratio, 1e-20))


def error_to_signal_db(block: ChainBlock, level: Level, samples: np.ndarray) -> float:
    """The error of a level alone against the block's largest level alone, in dB, at least -200."""
    return _ratio_db(play_level(block, level, samples), play_level(block, block.levels[-1], samples))


def play_level(block: ChainBlock, level: Level, samples: np.ndarray) -> np.ndarray:
    """What one level alone makes of the samples, as float64; the left channel of a stereo block."""
    planes = [aligned_zeros(len(samples), np.float32) for _ in range(block.declared.channels)]
    for plane in planes:
        plane[:] = samples
    state = settled_state(block, level)
    play = block.declared.native.from_python()
    play(address_of(block.knobs), address_of(state[0]), *map(address_of, planes), len(samples))
    return planes[0].astype(np.float64)
