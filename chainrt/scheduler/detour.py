"""A step back to get further: some blocks fall for a moment, so that there is time for others to warm up.

    way = detour(chain, levels, goals, ready, way_ns, price)

Why: beside a chain at 90 % of the deadline no amp of 20 % ever has the time to catch up, though it would fit in the
place of a smaller one. Whoever never steps back stays for ever where the last burst has left him.

Rules kept here:
* The first stop is at hand: blocks fall, at most MOST_FALLS of them, to the smallest level that may be heard at once.
* From stop to stop one block changes. What runs on the way fits `way_ns`: the levels heard, and the new one catching up
  at the least pace. The order is the one with the least peak: first who becomes cheaper, those who need little before
  the others; then who becomes dearer, the sooner the more of its need is gone when it has arrived.
* What it costs is heard: the utility that is lost at the first stop, for as long as it takes to come back. Of all ways
  to all goals the one is taken that pays for itself first, if the goal gains `price` for each block that changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from .insurance import Ready, least_replay
from .records import ChainModel, differences

MOST_FALLS = 2

Levels = tuple[int, ...]


@dataclass(frozen=True)
class Detour:
    stops: tuple[Levels, ...]
    gain: float  # utility at the last stop, beyond what is heard now
    lost: float  # utility at the first one, below it

    @property
    def pays_after(self) -> float:
        """How much longer the goal has to last than the way to it."""
        return self.lost / self.gain


def detour(
    chain: ChainModel, levels: Levels, goals: Iterable[Levels], ready: Ready, way_ns: float, price: float
) -> Detour | None:
    """The way that pays for itself first; None if there is none. Times by the table; price: utility a change."""
    now = chain.utility(levels)
    found = []
    for fallen in _falls(chain, levels, ready):
        lost = now - chain.utility(fallen)
        for goal in goals:
            climbs = _climbs(chain, fallen, goal, way_ns)
            gain, changes = chain.utility(goal) - now, len(climbs) + differences(levels, fallen)
            if climbs and gain > 0 and gain >= price * changes:
                found.append(Detour((fallen, *climbs), gain, lost))
    return min(found, key=lambda way: way.pays_after, default=None)


def _falls(chain: ChainModel, levels: Levels, ready: Ready) -> list[Levels]:
    """All ways to let one or two blocks fall to what is at hand."""
    lower = {}
    for b, (block, now) in enumerate(zip(chain.blocks, levels, strict=True)):
        at_hand = [level for level in block.allowed if level < now and ready[b][level]]
        if at_hand:
            lower[b] = at_hand[0]
    choices = (some for count in range(1, MOST_FALLS + 1) for some in combinations(lower, count))
    return [tuple(lower[b] if b in some else level for b, level in enumerate(levels)) for some in choices]


def _climbs(chain: ChainModel, levels: Levels, goal: Levels, way_ns: float) -> tuple[Levels, ...]:
    """The stops on the way to the goal, one block after the other; none if there is no time for one of them."""
    frames = chain.frames
    moves = []
    for b, block in enumerate(chain.blocks):
        if goal[b] != levels[b]:
            need_ns = block.replaying_ns(goal[b], frames, least_replay(chain))
            more_ns = block.cost_ns(goal[b], frames) - block.cost_ns(levels[b], frames)
            moves.append((more_ns >= 0, need_ns if more_ns < 0 else more_ns - need_ns, b, need_ns))
    stops = []
    for *_, b, need_ns in sorted(moves):
        if chain.cost_ns(levels) + need_ns > way_ns:
            return ()
        levels = (*levels[:b], goal[b], *levels[b + 1 :])
        stops.append(levels)
    return tuple(stops)
