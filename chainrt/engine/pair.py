"""Two engines of one preset on two cores: the *lead*, with the policy, and its *understudy* on the audio thread.

The understudy is the same chain with every block at its smallest level, always warm. In each period the audio thread
hands the input to the lead, plays the understudy, and then delivers the period before: the lead's sound if it is
there, else the understudy's. So a miss is a period in which the understudy itself was late, and all that warming and
replay cost is off the audio thread.

Why one period later, and not waiting for the lead within the period: while the audio thread waits the machine may look
away from it, too. A stall that strikes late in a period is then a miss as it is on one core, however good the lead is.
One that does not wait is done after a quarter of the period, and the lead has all of a period and that quarter.

Rules kept here:
* No lock, no wait, no call to the system on the audio thread: two counters, stored with release, loaded with acquire.
* The worker naps until a period is due and then in short naps, so it may never have started: the understudy plays.
* A lead that is late goes on and catches up, period by period; its own reflex helps. It is heard again when it has been
  in time for IN_TIME periods. What does not fit into the ring any more it never hears.
* To the understudy by a bend: the difference of the last outputs goes on, and away. Back by a crossfade.
* On a virtual clock the lead plays within the understudy's period, by its own clock; what is at hand is told by time.
"""

import numpy as np

from ..compiled.call import call2
from ..compiled.clock import now_ns, sleep_ns
from ..compiled.language import INTEGER, carray, njit
from ..compiled.memory import address, load_acquire, pointer, store_release
from ..compiled.native import Native
from ..layout import ENGINE, PAIR, PERIOD, REAL, SLOT
from .count import weather_today
from .levels import BEND_FRAMES, FADE_FRAMES, let_go
from .planes import FLOAT_BYTES, plane
from .stage import engine_at

IN_TIME = 4  # periods in a row: one that catches up is often late again
NAP_NS = 20_000
LONG_NAP_NS = 1_000_000  # while nobody plays
PLAYING_PERIODS = 8  # after so many without a new one nobody plays

STOP_OFFSET = PAIR.fields["stop"][1]
POSTED_OFFSET = PAIR.fields["posted"][1]
TAKEN_OFFSET = PAIR.fields["taken"][1]
SHOWN_OFFSET = PAIR.fields["shown"][1]


@njit
def pair_at(place):
    return carray(pointer(place), 1, PAIR)[0]


@njit
def slot_of(pair, number):
    """The slot of the period of this number."""
    return carray(pointer(pair.slots), pair.slot_count, SLOT)[number % pair.slot_count]


@njit
def input_of(pair, number):
    """Where the input of the period of this number lies. (By frame it would lie where an older one still waits.)"""
    return pair.input + (number % pair.slot_count) * engine_at(pair.lead).most_frames * FLOAT_BYTES


@njit
def copy(source_at, target_at, frames):
    source, target = plane(source_at, frames), plane(target_at, frames)
    for i in range(frames):
        target[i] = source[i]


@njit
def put(ring_at, size, first, plane_at, frames):
    """A plane into a ring of samples, from frame `first` on."""
    ring, source, at = plane(ring_at, size), plane(plane_at, frames), first % size
    for i in range(frames):
        ring[at] = source[i]
        at = at + 1 if at + 1 < size else 0


@njit
def fetch(ring_at, size, first, plane_at, frames):
    """What `put` has put there, back onto a plane."""
    ring, target, at = plane(ring_at, size), plane(plane_at, frames), first % size
    for i in range(frames):
        target[i] = ring[at]
        at = at + 1 if at + 1 < size else 0


# -- the lead ---------------------------------------------------------------------------------------------------


@njit
def play_next(pair):
    """Let the lead play the oldest period that it has not played."""
    lead, slot = engine_at(pair.lead), slot_of(pair, pair.taken)
    if lead.silent == 0:
        copy(input_of(pair, pair.taken), lead.input, slot.frames)
    lead.release_ns = slot.release_ns
    if lead.virtual != REAL:
        lead.now_ns = max(lead.now_ns, slot.handed_ns)
    call2(pair.period, pair.lead, slot.frames)
    store_release(address(pair) + TAKEN_OFFSET, pair.taken + 1)


def _show(lead, frames):
    """The lead's sound is done: there it is. Its muted levels have yet to work."""
    pair = pair_at(lead.pair)
    slot = slot_of(pair, pair.taken)
    if lead.silent == 0:
        put(pair.lead_left, pair.ring_frames, slot.at, lead.output_left, frames)
        put(pair.lead_right, pair.ring_frames, slot.at, lead.output_right, frames)
    if lead.virtual != REAL:
        slot.sounded_ns = lead.now_ns
    store_release(address(pair) + SHOWN_OFFSET, slot.at + frames)


@njit
def nap(pair):
    """Sleep until the next period is due, or for a little while if it should be here by now."""
    if pair.taken == 0:
        sleep_ns(NAP_NS)
        return
    slot = slot_of(pair, pair.taken - 1)
    length = slot.frames * engine_at(pair.lead).frame_time_ns
    late = now_ns() - (slot.release_ns + length)
    if late < -NAP_NS:
        sleep_ns(int(min(-late, LONG_NAP_NS)))
    else:
        sleep_ns(NAP_NS if late < PLAYING_PERIODS * length else LONG_NAP_NS)


def _work(pair):
    while load_acquire(address(pair) + STOP_OFFSET) == 0:
        if load_acquire(address(pair) + POSTED_OFFSET) == pair.taken:
            nap(pair)
        else:
            play_next(pair)


# -- the understudy ---------------------------------------------------------------------------------------------


@njit
def hand_over(pair, understudy, frames):
    """Put the present input where the lead finds it, if it is not too far behind."""
    first = pair.written
    pair.written += frames
    if pair.posted - load_acquire(address(pair) + TAKEN_OFFSET) >= pair.slot_count:
        pair.unheard += 1
        pair.whole_from = pair.written
        return
    slot = slot_of(pair, pair.posted)
    slot.at, slot.frames = first, frames
    slot.release_ns = understudy.release_ns
    if understudy.virtual != REAL:
        slot.handed_ns = max(understudy.now_ns, understudy.release_ns) + weather_today(understudy)[1]
    if understudy.silent == 0:
        copy(understudy.input, input_of(pair, pair.posted), frames)
    store_release(address(pair) + POSTED_OFFSET, pair.posted + 1)


@njit
def give_time(pair_address, frames):
    """The sound system asks for so many frames at once: the lead needs as long for them. More than ever: a jump."""
    pair = pair_at(pair_address)
    pair.late = max(pair.late, min(frames, pair.ring_frames // 2))


@njit
def shown_by_now(pair, understudy):
    """The frame up to which the lead's sound is at hand."""
    if understudy.virtual == REAL:
        return load_acquire(address(pair) + SHOWN_OFFSET)
    number, reach = pair.taken - 1, pair.shown
    while number >= max(0, pair.taken - pair.slot_count) and slot_of(pair, number).sounded_ns > understudy.now_ns:
        reach = slot_of(pair, number).at
        number -= 1
    return reach


@njit
def step_in(pair, understudy, first):
    """The understudy is heard from frame `first` on; what its output lies off the last one is let go."""
    pair.changes += 1
    pair.heard, pair.faded, pair.bent = 0, 0, 0
    if understudy.silent == 0:
        before = (first - 1) % pair.ring_frames
        pair.bend_left = pair.last_left - plane(pair.own_left, pair.ring_frames)[before]
        pair.bend_right = pair.last_right - plane(pair.own_right, pair.ring_frames)[before]


@njit
def blend(pair, own_at, lead_at, target_at, amount, first, frames):
    """One side: the understudy, its bend, and as much of the lead as is faded in."""
    fetch(own_at, pair.ring_frames, first, target_at, frames)
    if pair.bent < BEND_FRAMES:
        let_go(target_at, frames, pair.bent, amount)
    if pair.in_time >= IN_TIME:
        target, lead, at = plane(target_at, frames), plane(lead_at, pair.ring_frames), first % pair.ring_frames
        for i in range(frames):
            share = min(1.0, (pair.faded + i + 1) / FADE_FRAMES)
            target[i] += np.float32(share) * (lead[at] - target[i])
            at = at + 1 if at + 1 < pair.ring_frames else 0


@njit
def play_understudy(pair, understudy, first, frames):
    """The understudy's sound onto its planes, or the crossfade back to the lead."""
    is_stereo = understudy.output_left != understudy.output_right
    if understudy.silent == 0:
        blend(pair, pair.own_left, pair.lead_left, understudy.output_left, pair.bend_left, first, frames)
        if is_stereo:
            blend(pair, pair.own_right, pair.lead_right, understudy.output_right, pair.bend_right, first, frames)
    pair.bent += frames
    if pair.in_time >= IN_TIME:
        pair.changes += 1 if pair.faded == 0 else 0
        pair.faded += frames
    if pair.faded >= FADE_FRAMES:
        pair.heard, pair.faded = 1, 0


@njit
def play_lead(pair, understudy, first, frames):
    """The lead's sound onto the understudy's planes."""
    if understudy.silent == 0:
        fetch(pair.lead_left, pair.ring_frames, first, understudy.output_left, frames)
        fetch(pair.lead_right, pair.ring_frames, first, understudy.output_right, frames)


def _choose(understudy, frames):
    """The understudy's sound is done: keep it, and deliver what came in `late` frames ago."""
    pair = pair_at(understudy.pair)
    if understudy.silent == 0:
        put(pair.own_left, pair.ring_frames, pair.written - frames, understudy.output_left, frames)
        put(pair.own_right, pair.ring_frames, pair.written - frames, understudy.output_right, frames)
    if understudy.virtual != REAL:
        while pair.taken < pair.posted:
            play_next(pair)
    first = pair.written - frames - pair.late
    is_there = shown_by_now(pair, understudy) >= first + frames and first >= pair.whole_from
    pair.in_time = pair.in_time + 1 if is_there else 0
    if not is_there and (pair.heard == 1 or pair.faded > 0):
        step_in(pair, understudy, first)
    stands_in = pair.heard == 0
    if stands_in:
        play_understudy(pair, understudy, first, frames)
        pair.stood_in += 1
    else:
        play_lead(pair, understudy, first, frames)
    if understudy.silent == 0:
        pair.last_left = plane(understudy.output_left, frames)[frames - 1]
        pair.last_right = plane(understudy.output_right, frames)[frames - 1]
    row = understudy.periods % understudy.ring_size
    carray(pointer(understudy.ring), understudy.ring_size, PERIOD)[row].stands_in = 1 if stands_in else 0


def _pair_period(understudy, frames):
    """One period of both: what stands in `period` of the understudy's record."""
    pair = pair_at(understudy.pair)
    hand_over(pair, understudy, frames)
    call2(pair.period, address(understudy), frames)


show = Native(_show, (ENGINE, INTEGER), "show")
choose = Native(_choose, (ENGINE, INTEGER), "choose")
pair_period = Native(_pair_period, (ENGINE, INTEGER), "pair_period")
work = Native(_work, (PAIR,), "work")
"""work(pair record): the worker's whole life. It ends when `stop` is 1."""
