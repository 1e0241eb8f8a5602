"""The reflex: what a block may still cost in this period, and how slow the machine is just now.

    left = deadline - guard - now - SPARE x slowdown x (what all later blocks cost at least)

A block plays at its planned level if that fits into what is left, else at its least one. Why within the period: a
plan comes a hundred times a second, and in the ten milliseconds before the next one seven periods would be missed.

Rules kept here:
* Not who comes last falls, but who matters least: when the rest of the period does not fit as planned, blocks are
  given up in the plan's order until it does.
* Slowdown is the higher of what the last periods showed and of what this one shows so far, once it has shown enough.
* Holding (nothing runs) is for a stall, not for a machine on which even the least levels do not fit.
* Muted work runs after the sound, in colder caches: if it went more slowly lately, it is reckoned with that. What a
  block's sound took in this period beyond the others is a table that is wrong for this block, and not held against the
  muted work of all.
* A stall (the machine looked away) is not a slowdown: the block with the largest excess does not count, if that is
  more than STALL_SHARE of the period.
* No period raises the slowdown to more than MOST_AT_ONCE times what it was.
"""

from ..compiled.language import carray, njit
from ..compiled.memory import pointer
from ..layout import BLOCK, LEVEL

SPARE = 1.03  # how much later blocks are trusted to keep to the table
ATTACK, RELEASE = 0.5, 0.15  # share of a rise and of a fall that the slowdown follows in one period
MOST_AT_ONCE = 2.0
STALL_SHARE = 0.03  # of the period
EVIDENCE_SHARE = 0.01  # of the period: expected work by which it may be judged before it is over


@njit
def hearing_ns(level, heard, frames):
    """What it costs to hear so many frames, in calls of a period at most; one call at least. By the table."""
    calls = 1 if heard <= frames else (heard + frames - 1) // frames  # divisions are dear, and mostly there is one call
    return calls * level.call_ns + heard * level.frame_ns


@njit
def least_ns(block, frames):
    """What the block costs at its least level, by the table; nothing if it is bypassed."""
    if block.idle == 1 and block.enabled == 0:
        return 0.0
    level = carray(pointer(block.levels), block.level_count, LEVEL)[block.least]
    return hearing_ns(level, frames, frames)


@njit
def ratio(measured, expected, most_excess_measured, most_excess_expected, length):
    """Measured over expected work, without the block of the largest excess if it looks like a stall; 0: too little."""
    if most_excess_measured - most_excess_expected > STALL_SHARE * length:
        measured -= most_excess_measured
        expected -= most_excess_expected
    return measured / expected if expected > EVIDENCE_SHARE * length else 0.0


@njit
def present_slowdown(engine, shown):
    """The slowdown to reckon with, if this period has `shown` so much so far."""
    return max(engine.slowdown, min(shown, MOST_AT_ONCE * engine.slowdown))


@njit
def slowdown_of_one(common, measured, expected):
    """Of a block whose table may be wrong for it alone, by what it took just now; the common one where it took less."""
    return max(common, min(measured / expected, MOST_AT_ONCE * common)) if expected > 0.0 else common


@njit
def follow(engine, shown):
    """Learn from a whole period."""
    if shown > 0.0:
        shown = min(shown, MOST_AT_ONCE * engine.slowdown)
        engine.slowdown += (ATTACK if shown > engine.slowdown else RELEASE) * (shown - engine.slowdown)


@njit
def follow_muted(engine, measured, expected, slowdown, length):
    """Learn from the muted work of one block whose sound went `slowdown` times as slow as its table."""
    if expected > EVIDENCE_SHARE * length:
        shown = min(measured / (slowdown * expected), MOST_AT_ONCE * engine.muted_excess)
        engine.muted_excess += (ATTACK if shown > engine.muted_excess else RELEASE) * (shown - engine.muted_excess)


@njit
def least_of_all(engine, frames):
    """(what all blocks cost at least, what those cost that have no smaller level to fall to), by the table."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    every, single = 0.0, 0.0
    for index in range(engine.block_count):
        least = least_ns(blocks[index], frames)
        every += least
        if blocks[index].level_count == 1:
            single += least
    engine.least_ns = every
    return every, single


@njit
def planned_ns(block, frames):
    """What the block costs as it plays now, with what it has to hear before, by the table."""
    if block.idle == 1 and block.enabled == 0:
        return 0.0
    levels = carray(pointer(block.levels), block.level_count, LEVEL)
    level = levels[block.audible]
    both = hearing_ns(levels[block.target], frames, frames) if block.faded > 0 else 0.0
    return both + hearing_ns(level, level.behind + frames, frames)


@njit
def plan_costs(engine, frames):
    """What all blocks cost as they play now, by the table; noted in each: what its fall would save."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    every = 0.0
    for index in range(engine.block_count):
        block = blocks[index]
        planned = planned_ns(block, frames)
        block.spared = planned - least_ns(block, frames)
        every += planned
    return every


@njit
def is_given_up(engine, index, excess):
    """True if block `index` is among those that must fall to save `excess` nanoseconds by the table."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    for place in range(engine.block_count):
        candidate = blocks[place].give_up
        if excess <= 0.0:
            return False
        if blocks[candidate].spared > 0.0:  # has not played yet, and has somewhere to fall to
            if candidate == index:
                return True
            excess -= blocks[candidate].spared
    return False


@njit
def make_room(engine, index, left, planned, later, later_single, slowdown):
    """Tell block `index` what it may cost.

    left: nanoseconds until the guard. By the table: what it and all later blocks cost as they play now (planned), what
    the later ones cost at least, and what those of them cost that have but one level.
    """
    engine.room_ns = left / slowdown - SPARE * later
    engine.spare_ns = left / slowdown - planned
    is_overloaded = engine.least_ns * engine.slowdown > engine.most_frames * engine.frame_time_ns
    engine.hopeless = 1 if is_overloaded or left < slowdown * later_single else 0
    excess = planned - left / slowdown
    engine.fall = 1 if excess > 0.0 and is_given_up(engine, index, excess) else 0
