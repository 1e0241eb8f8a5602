"""Tables for the scheduler: what every level costs on this machine, and how true it sounds.

Both are measured in a fraction of a second before the chain plays. Costs are refined while it plays, by the
scheduler's own estimator.

Rules kept here:
* The blocks are timed in turn, one call each, after a nap of a millisecond, as they run in the chain: not one alone
  in a warm cache (measured: 20 us for an A2 Full in a warm cache; 61 us so, and 63 us in the chain that then played).
* A cost is a median; the tail is the machine's (other programs, interrupts) and not the block's.
* Fidelity is measured on playing, not on noise, and needs no clock: the same model gives the same figures everywhere.
"""

import math
import time
from collections.abc import Sequence

import numpy as np

from .block import Level
from .chain import Chain, ChainBlock, CostTable, settled_state
from .compiled.native import address_of, aligned_zeros
from .timing import time_calls

ROUNDS = 25
NAP_SECONDS = 0.001
BEST_DB = 60.0  # what is truer than this counts as perfect


def measure_costs(chain: Chain) -> CostTable:
    """Time every level of every block at the chain's period and at a quarter of it."""
    sizes = (chain.frames, max(1, chain.frames // 4))
    medians = _medians(chain.blocks, sizes)
    call_ns, frame_ns = [], []
    for index, block in enumerate(chain.blocks):
        channels = int(chain.block_records[index]["channels"]) if block.declared.channels == 1 else 1
        pairs = [[medians[index, level, size] for size in sizes] for level in range(len(block.levels))]
        slopes = [_slope(pair, sizes) for pair in pairs]
        frame_ns.append(tuple(channels * slope for slope in slopes))
        call_ns.append(
            tuple(channels * (pair[0] - slope * sizes[0]) for pair, slope in zip(pairs, slopes, strict=True))
        )
    return CostTable(tuple(call_ns), tuple(frame_ns), _fixed_ns(chain))


def _slope(pair: Sequence[float], sizes: Sequence[int]) -> float:
    """Nanoseconds a frame; never more than the whole, never less than nothing."""
    if sizes[0] == sizes[1]:
        return pair[0] / sizes[0]
    return min(max((pair[0] - pair[1]) / (sizes[0] - sizes[1]), 0.0), pair[0] / sizes[0])


def _medians(blocks: Sequence[ChainBlock], sizes: Sequence[int]) -> dict[tuple[int, int, int], float]:
    """Median nanoseconds of a call of (block, level, frames)."""
    source = aligned_zeros(max(sizes), np.float32)
    source[:] = 0.1 * np.random.default_rng(0).standard_normal(len(source))
    planes = [aligned_zeros(max(sizes), np.float32) for _ in range(2)]
    jobs = {
        (index, number, size): settled_state(block, level)
        for index, block in enumerate(blocks)
        for number, level in enumerate(block.levels)
        for size in sizes
    }
    times = {job: np.zeros(ROUNDS) for job in jobs}
    run = time_calls.from_python()
    for round_ in range(ROUNDS):
        time.sleep(NAP_SECONDS)
        for job, state in jobs.items():
            block, size = blocks[job[0]], job[2]
            run(
                block.declared.native.address,
                address_of(block.knobs),
                address_of(state[0]),
                int(block.declared.channels == 2),
                address_of(source),
                *map(address_of, planes),
                size,
                1,
                address_of(times[job][round_:]),
            )
    return {job: float(np.median(taken)) for job, taken in times.items()}


def _fixed_ns(chain: Chain) -> float:
    """What a period costs beside its blocks, from the silence that the chain heard when it was built."""
    blocks = len(chain.blocks)
    seen = chain.settling_periods
    beside = chain.ring["spent_ns"][:seen] - chain.spent["measured_ns"][:seen, :blocks].sum(axis=1)
    return float(max(0.0, np.median(beside)))


def measure_fidelity(chain: Chain, samples: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Per block and level: decibels by which the level's error lies below the signal, 0 to BEST_DB.

    samples: float32 (frames,), what goes into each block; the largest level is the truth. The error-to-signal ratio
    is that of the field's trainer: energy of the difference over energy of the signal.
    """
    return tuple(
        tuple(_error_db(block, level, samples) for level in block.levels) if len(block.levels) > 1 else (BEST_DB,)
        for block in chain.blocks
    )


def _error_db(block: ChainBlock, level: Level, samples: np.ndarray) -> float:
    if level is block.levels[-1]:
        return BEST_DB
    return min(BEST_DB, max(0.0, -error_to_signal_db(block, level, samples)))


def error_to_signal_db(block: ChainBlock, level: Level, samples: np.ndarray) -> float:
    """The energy of a level's difference from the largest level over the energy of that one, in dB, at least -200."""
    truth = play_level(block, block.levels[-1], samples)
    difference = play_level(block, level, samples) - truth
    ratio = float(np.sum(difference**2) / max(np.sum(truth**2), 1e-20))
    return 10 * math.log10(max(ratio, 1e-20))


def measure_levels(block: ChainBlock, frames: int) -> list[float]:
    """Nanoseconds a frame of each level of one channel of a block alone, in calls of so many frames."""
    medians = _medians([block], (frames,))
    return [medians[0, level, frames] / frames for level in range(len(block.levels))]


def play_level(block: ChainBlock, level: Level, samples: np.ndarray) -> np.ndarray:
    """What one level alone makes of the samples, as float64; the left channel of a stereo block."""
    planes = [aligned_zeros(len(samples), np.float32) for _ in range(block.declared.channels)]
    for plane in planes:
        plane[:] = samples
    state = settled_state(block, level)
    play = block.declared.native.from_python()
    play(address_of(block.knobs), address_of(state[0]), *map(address_of, planes), len(samples))
    return planes[0].astype(np.float64)
