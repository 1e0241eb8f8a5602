"""File in, file out, through the same engine: no deadline, no scheduler, the same bits every time."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from .chain import Chain
from .performance import Performance

PERIODS_AT_ONCE = 750  # between two looks at the keyboard: a second of sound


def render(chain: Chain, samples: np.ndarray, tell: Callable[[int, int], None] | None = None) -> np.ndarray:
    """What the chain makes of `samples` (float32, (frames,)) at the levels it is set to.

    Returns float32, (frames,) or (frames, 2), of the input's length: the chain's latency is taken out, and what comes
    after it is what the chain makes of silence. tell(done, total) hears of frames played.
    """
    heard = slice(chain.latency, chain.latency + len(samples))
    periods = math.ceil(heard.stop / chain.frames) if len(samples) else 0
    padded = np.zeros(periods * chain.frames, np.float32)
    padded[: len(samples)] = samples
    performance = Performance(chain, padded, len(padded))
    while performance.done < len(padded):
        performance.play(min(PERIODS_AT_ONCE, periods - performance.done // chain.frames))
        if tell:
            tell(performance.done, len(padded))
    return performance.output[heard]


def levels_named(chain: Chain, everywhere: str | None, single: Mapping[str, str]) -> list[int]:
    """The level index of each block: `single` (block id -> level) before `everywhere` before the largest allowed.

    `everywhere` is used where a block has a choice. ValueError names what is allowed.
    """
    unknown = set(single) - {block.id for block in chain.blocks}
    if unknown:
        ids = ", ".join(block.id for block in chain.blocks)
        raise ValueError(f"no block {sorted(unknown)[0]!r}; there are {ids}")
    levels = []
    for block in chain.blocks:
        wanted = single.get(block.id, everywhere if len(block.levels) > 1 else None)
        levels.append(block.allowed[-1] if wanted is None else block.level_index(wanted))
    return levels
