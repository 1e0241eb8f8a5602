"""The guards: time that stays free at the end of a period, for what reckoning is out by.

A small one is kept free of sound, a larger one of muted work. Both grow and shrink together:

    growth <- min(MOST, GROWS x growth)      when more than half of one of them was used
    growth <- growth - (growth - 1) x length / SHRINKS_NS      after each period

Why not simply large ones: what a guard keeps free nobody plays, and where the pace leaps blocks fall the sooner for it.
Why not simply small ones: beside a busy neighbour the pace may double within a period, from block to block, though none
of them stalls (27 misses in 105,000 periods by the clock; none with 3 % kept free of sound and 4.5 % of muted work).

Rules kept here:
* What counts is what was reckoned with at the last commitment, a block that played above its smallest level: nothing
  behind it could have been made smaller.
* A stall says nothing: no guard that leaves room for a sound is as long as a stall.
* Half a guard is warning enough: both grow before there is a miss. Muted work warns of what may happen to sound: it
  comes to its guard in nearly every period, sound but once in a hundred.
* The guard of an engine that is allowed to be late (below 0) does not grow.
"""

from ..compiled.language import njit
from .reflex import STALL_SHARE

GROWS = 1.5
MOST, MOST_OF_MUTED = 4.0, 2.5  # times: 4 % and 7.5 % of the deadline
SHRINKS_NS = 1e10  # time constant


@njit
def sound_until(engine, deadline):
    """When the sound of a period should be done."""
    return deadline - engine.guard_ns * (engine.guard_growth if engine.guard_ns > 0.0 else 1.0)


@njit
def muted_until(engine, deadline, length):
    """When its muted work should be done."""
    return deadline - (1.0 - engine.muted_share) * length * min(MOST_OF_MUTED, engine.guard_growth)


@njit
def follow_end(engine, ended, until, deadline, delay, length):
    """The sound of a period was done, or its muted work.

    delay: the longest, since the last commitment, beyond what was reckoned with; infinite: there was no commitment.
    """
    if 0.0 < deadline - until < 2.0 * (ended - until) and delay <= STALL_SHARE * length:
        engine.guard_growth = min(MOST, GROWS * engine.guard_growth)


@njit
def calm_down(engine, length):
    """A period is over."""
    engine.guard_growth -= (engine.guard_growth - 1.0) * (length / SHRINKS_NS)
