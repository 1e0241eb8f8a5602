"""One block climbs, and if there is no room for it another one falls: the best such step that can really be taken.

    levels = exchanged(chain, levels, ready, room_ns, way_ns, price)

Why not simply go to the best plan: a level has to catch up, muted, before it can be heard, and beside a chain at 90 %
of the deadline there may be no time for that. A plan that cannot be reached is worth nothing. A smaller step may find
its way, or one for which a block that matters less falls first to a level that is at hand.

Rules kept here:
* The step fits where it leads (`room_ns`) and on its way (`way_ns`: the old levels run, and the new one catches up at
  the least pace).
* Of all such steps the one that gains the most utility is taken, `price` being charged for each block that changes.
  If none gains anything, nothing changes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .insurance import Ready, least_replay
from .records import ChainModel


class Moves(NamedTuple):
    """Some blocks at other levels, one block a move."""

    block: np.ndarray
    level: np.ndarray
    utility: np.ndarray  # that the move gains
    cost_ns: np.ndarray  # that it adds in the end
    way_ns: np.ndarray  # that it adds meanwhile


NOBODY = -1


def exchanged(
    chain: ChainModel, levels: tuple[int, ...], ready: Ready, room_ns: float, way_ns: float, price: float
) -> tuple[int, ...]:
    """The levels after the best step; `levels` if there is none. Times by the table; price: utility a change."""
    climbs, falls = _climbs(chain, levels, ready), _falls(chain, levels, ready)
    if not len(climbs.block):
        return levels
    cost_ns = chain.cost_ns(levels)
    worth = climbs.utility[:, np.newaxis] + falls.utility - price * (1 + (falls.block != NOBODY))
    fits = cost_ns + climbs.cost_ns[:, np.newaxis] + falls.cost_ns <= room_ns
    fits &= cost_ns + climbs.way_ns[:, np.newaxis] + falls.way_ns <= way_ns
    fits &= climbs.block[:, np.newaxis] != falls.block
    worth = np.where(fits, worth, 0.0)
    up, down = np.unravel_index(int(worth.argmax()), worth.shape)
    if worth[up, down] <= 0:
        return levels
    new = dict(enumerate(levels)) | {int(climbs.block[up]): int(climbs.level[up])}
    if falls.block[down] != NOBODY:
        new[int(falls.block[down])] = int(falls.level[down])
    return tuple(new.values())


def _climbs(chain: ChainModel, levels: Sequence[int], ready: Ready) -> Moves:
    moves = []
    for b, (block, now) in enumerate(zip(chain.blocks, levels, strict=True)):
        for level in block.allowed:
            if level > now:
                more_ns = block.cost_ns(level, chain.frames) - block.cost_ns(now, chain.frames)
                way_ns = block.replaying_ns(level, chain.frames, 0 if ready[b][level] else least_replay(chain))
                moves.append((b, level, block.utility[level] - block.utility[now], more_ns, way_ns))
    return _columns(moves)


def _falls(chain: ChainModel, levels: Sequence[int], ready: Ready) -> Moves:
    """To levels that may be heard at once; the first of them is that nobody falls."""
    moves = [(NOBODY, 0, 0.0, 0.0, 0.0)]
    for b, (block, now) in enumerate(zip(chain.blocks, levels, strict=True)):
        for level in block.allowed:
            if level < now and ready[b][level]:
                more_ns = block.cost_ns(level, chain.frames) - block.cost_ns(now, chain.frames)
                moves.append((b, level, block.utility[level] - block.utility[now], more_ns, more_ns))
    return _columns(moves)


def _columns(moves: list[tuple]) -> Moves:
    return Moves(*map(np.array, zip(*moves, strict=True))) if moves else Moves(*(np.empty(0) for _ in Moves._fields))
