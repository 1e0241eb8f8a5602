"""Which misses could the reflex have prevented? Told from the engine's own records of a run.

A *commitment* is a block that played above its smallest level, or muted work. An avoidable miss is

* preventable, if at the beginning of some commitment the smallest levels of this and all later blocks would still have
  fitted into what was left, at the slowdown that was known by then, and the miss was not struck;
* struck, if the period would have been in time but for stalls that came in or after the last such commitment: behind it
  nothing could have been made smaller, or there was no room even for that;
* late, if at no commitment there was room even for the smallest levels: it was too late before the first one.

Rules kept here:
* The slowdown that was known is the reflex's own: reconstructed from the records by its law (engine/reflex.py).
* Nothing is taken off what was left: no guard, no spare. What the reflex holds back, to be safe, excuses no miss.
* A stall is what the reflex calls so: a block that takes more than STALL_SHARE of a period longer than expected. Small
  delays that add up to more are none.
* A miss that begins late because of a preventable one is preventable. Periods that a sound system swallowed, because
  the one before took too long, are of that one's kind.
* Blocks that were bypassed are taken to have played at their smallest level.
"""

from collections import Counter

import numpy as np

from ..engine.reflex import ATTACK, EVIDENCE_SHARE, MOST_AT_ONCE, RELEASE, STALL_SHARE

PREVENTABLE, STRUCK, LATE = "preventable", "struck", "late"


def known_slowdowns(spent: np.ndarray, length_ns: float, first: float = 1.0) -> np.ndarray:
    """What the engine took the slowdown for at the beginning of each period.

    spent: SPENT records (periods, blocks), in the order in which the blocks play; first: at the beginning of all.
    """
    sound, expected = sound_ns(spent)
    shown = _shown(sound, expected, length_ns)
    known = np.empty(len(spent))
    slowdown = first
    for period, ratio in enumerate(shown.tolist()):
        known[period] = slowdown
        if ratio > 0.0:
            ratio = min(ratio, MOST_AT_ONCE * slowdown)
            slowdown += (ATTACK if ratio > slowdown else RELEASE) * (ratio - slowdown)
    return known


def kinds(ring: np.ndarray, spent: np.ndarray, least_ns: np.ndarray, length_ns: float, first: int = 0) -> Counter:
    """How many avoidable misses there were of each kind, from period `first` on.

    ring: PERIOD records (periods,); spent: SPENT records (periods, blocks), both of the whole run; least_ns: per block,
    what its smallest level costs by the table; length_ns: of a period.
    """
    known = known_slowdowns(spent, length_ns)
    counts = Counter()
    before = None  # of what kind the period before was
    for period in np.flatnonzero((ring["missed"] == 1) | (ring["swallowed"] > 0)).tolist():
        note = ring[period]
        follows = before is not None and before[0] == period - 1
        if note["swallowed"] and follows and period >= first:
            counts[before[1]] += int(note["swallowed"])
        if not note["missed"] or note["unavoidable"]:
            continue
        kind = _kind(note, spent[period], least_ns, length_ns, float(known[period]))
        if kind == LATE and follows:
            kind = before[1]
        counts[kind] += period >= first
        before = (period, kind)
    return counts


def _kind(note, spent, least_ns, length_ns: float, slowdown: float) -> str:
    """Of one avoidable miss. slowdown: known at its beginning."""
    sound, expected = sound_ns(spent)
    before = np.tri(len(spent) + 1, len(spent), -1)  # row b: the blocks before block b
    shown = _shown(before * sound, before * expected, length_ns)
    known = np.maximum(slowdown, np.minimum(shown, MOST_AT_ONCE * slowdown))
    left = length_ns - note["late_ns"] - note["start_ns"] - np.concatenate([[0.0], np.cumsum(sound)])
    smallest = np.concatenate([np.cumsum(least_ns[::-1])[::-1], [0.0]])  # of this and all later blocks; at last: none
    has_muted = bool((spent["muted_expected_ns"] > 0).any())
    commits = np.append(expected > least_ns + 0.5, has_muted)
    with_room = np.flatnonzero(commits & (known * smallest <= left))
    if not len(with_room):
        return LATE
    last = int(with_room[-1])
    after = note["spent_ns"] - note["start_ns"] - spent["measured_ns"].sum()  # behind the last block
    excess = np.concatenate(
        [
            (sound - known[last] * expected)[last:],
            spent["muted_ns"] - known[last] * spent["muted_expected_ns"],
            [after],
        ]
    )
    overrun = note["late_ns"] + note["spent_ns"] - length_ns
    stalls = float(excess[excess > STALL_SHARE * length_ns].sum())
    return STRUCK if stalls > 0 and stalls >= overrun else PREVENTABLE


def sound_ns(spent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(measured, expected) nanoseconds of what was heard."""
    return spent["measured_ns"] - spent["muted_ns"], spent["expected_ns"] - spent["muted_expected_ns"]


def _shown(sound: np.ndarray, expected: np.ndarray, length_ns: float) -> np.ndarray:
    """reflex.ratio for many periods at once: measured over expected, the last axis being blocks; 0: too little."""
    if not sound.shape[-1]:
        return np.zeros(sound.shape[:-1])
    excess = sound - expected
    worst = excess.argmax(axis=-1, keepdims=True)
    stalls = np.take_along_axis(excess, worst, -1)[..., 0] > STALL_SHARE * length_ns
    measured = sound.sum(axis=-1) - np.where(stalls, np.take_along_axis(sound, worst, -1)[..., 0], 0.0)
    wanted = expected.sum(axis=-1) - np.where(stalls, np.take_along_axis(expected, worst, -1)[..., 0], 0.0)
    enough = wanted > EVIDENCE_SHARE * length_ns
    return np.divide(measured, wanted, out=np.zeros_like(measured), where=enough)
