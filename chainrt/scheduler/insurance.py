"""Where the time goes that the heard levels leave over: catching up, insurance, replay.

Why: a level that does not run forgets. Before it may be heard it has to work through its `memory` of kept input,
muted. A block whose smallest level runs muted all the time (is *insured*) can step down within one period; one that
is not must first catch up, just when there is no time for it.

Rules kept here, in the order in which time is spent:
1. A level on its way to be heard always runs, and always replays at least a little (`least_replay`): with none it
   would cost its time and never arrive.
2. Falling blocks come first, the one that relieves most before the others: what is left of the period up to
   `rescue_ns` goes into their replay. If not even the least replay fits, the period is lost anyway, and dragging it
   out only loses more of them: then the first one is brought down within RESCUE_PERIODS periods.
3. What is left up to `ceiling_ns` buys insurance for those blocks that would be given up first: where a fall loses the
   least utility for each nanosecond that it saves. A smallest level that runs anyhow costs nothing. One that has to
   catch up is charged its least replay too, else it would never arrive.
4. The rest is replay for what still has to catch up: levels on their way to be heard before insurance.

All times are nanoseconds by the table: who knows the slowdown divides the room by it.
"""

from collections.abc import Sequence
from math import ceil

from .records import NOT_WARM, BlockModel, ChainModel, Plan

LEAST_REPLAY = 1 / 8  # of a period: an A2 arrives within 1.1 s at the latest, for 12 % more than merely running
REPLAY_STEP = 1 / 16  # of a period: a flicker of the slowdown is no new plan
RESCUE_PERIODS = 8  # 11 ms at 64 frames: one short gap, where replaying at double speed would crackle for 130 ms

Ready = Sequence[Sequence[bool]]


def arrives_at(target: Sequence[int], audible: Sequence[int], ready: Ready) -> tuple[int, ...]:
    """Per block the level heard from the next period on: the target if it is ready, else what is heard now."""
    triples = zip(target, audible, ready, strict=True)
    return tuple(wanted if levels[wanted] else heard for wanted, heard, levels in triples)


def least_replay(chain: ChainModel) -> int:
    return max(1, round(LEAST_REPLAY * chain.frames))


def running_ns(chain: ChainModel, target: Sequence[int], audible: Sequence[int], ready: Ready) -> float:
    """What a period costs on the way to `target`, before insurance: levels heard, catching up and fading out."""
    heard = arrives_at(target, audible, ready)
    total = chain.cost_ns(heard)
    for block, wanted, now, before in zip(chain.blocks, target, heard, audible, strict=True):
        if wanted != now:
            total += block.replaying_ns(wanted, chain.frames, least_replay(chain))
        elif now != before:  # both run until the crossfade is done
            total += block.cost_ns(before, chain.frames)
    return total


def spend_spare_time(
    chain: ChainModel,
    target: tuple[int, ...],
    audible: Sequence[int],
    ready: Ready,
    ceiling_ns: float,
    rescue_ns: float,
    reason: tuple[str, ...],
) -> Plan:
    """The plan that leads to `target`, with insurance and replay out of the time that is left."""
    blocks, heard = chain.blocks, arrives_at(target, audible, ready)
    spent_ns = running_ns(chain, target, audible, ready)
    replay = [0] * len(blocks)

    def saved_ns(b: int, low: int, high: int) -> float:
        return blocks[b].cost_ns(high, chain.frames) - blocks[b].cost_ns(low, chain.frames)

    def top_up(b: int, level: int, limit_ns: float) -> None:
        nonlocal spent_ns
        more, price_ns = _affordable_replay(chain, blocks[b], level, limit_ns - spent_ns, replay[b])
        replay[b] += more
        spent_ns += price_ns

    coming = [b for b in range(len(blocks)) if target[b] != heard[b]]
    falling = sorted((b for b in coming if target[b] < heard[b]), key=lambda b: -saved_ns(b, target[b], heard[b]))
    for b in coming:
        replay[b] = least_replay(chain)
    if falling and spent_ns > rescue_ns:
        first = falling[0]
        replay[first] = max(replay[first], ceil(blocks[first].memory[target[first]] / RESCUE_PERIODS))
    for b in falling:
        top_up(b, target[b], rescue_ns)

    insured = _insured(chain, target, heard, ready, ceiling_ns - spent_ns)
    warm = [NOT_WARM] * len(blocks)
    for b, price_ns in insured:
        warm[b] = blocks[b].smallest
        spent_ns += price_ns
    unready = [b for b, _ in insured if heard[b] != warm[b] and not ready[b][warm[b]]]
    for b in unready:
        replay[b] = least_replay(chain)

    for b in coming:
        top_up(b, target[b], ceiling_ns)
    for b in unready:
        top_up(b, warm[b], ceiling_ns)
    return Plan(target, tuple(warm), tuple(replay), reason)


def _insured(
    chain: ChainModel, target: Sequence[int], heard: Sequence[int], ready: Ready, spare_ns: float
) -> list[tuple[int, float]]:
    """(block, what keeping its smallest level warm costs), whoever is given up first before the others."""
    offers = []
    for b, block in enumerate(chain.blocks):
        low, coming = block.smallest, target[b] != heard[b]
        if target[b] == low or (coming and heard[b] != low and not ready[b][low]):
            continue  # nothing to insure; or one level of this block is catching up already
        extra = 0 if ready[b][low] else least_replay(chain)
        price_ns = 0.0 if heard[b] == low else block.replaying_ns(low, chain.frames, extra)
        saved_ns = block.cost_ns(target[b], chain.frames) - block.cost_ns(low, chain.frames)
        if saved_ns > 0:
            lost = block.utility[target[b]] - block.utility[low]
            offers.append((price_ns > 0, lost / saved_ns, b, price_ns))
    bought = []
    for *_, b, price_ns in sorted(offers):
        if price_ns == 0.0 or price_ns <= spare_ns:
            spare_ns -= price_ns
            bought.append((b, price_ns))
    return bought


def _affordable_replay(
    chain: ChainModel, block: BlockModel, level: int, spare_ns: float, given: int
) -> tuple[int, float]:
    """(frames a period, in whole steps, that the spare time pays for beyond those given already; what they cost)."""

    def price_ns(more: int) -> float:
        return block.replaying_ns(level, chain.frames, given + more) - block.replaying_ns(level, chain.frames, given)

    wanted = max(0, block.memory[level] - given)
    if spare_ns <= 0 or price_ns(wanted) <= spare_ns:
        more = 0 if spare_ns <= 0 else wanted
        return more, price_ns(more)
    step = max(1, round(REPLAY_STEP * chain.frames))
    more = int(spare_ns / price_ns(chain.frames) * chain.frames / step) * step
    while more > 0 and price_ns(more) > spare_ns:  # where one more call begins
        more -= step
    return more, price_ns(more)
