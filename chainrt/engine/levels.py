"""One block for one period: its audible level, its muted ones, and the change from one to another.

Rules kept here:
* Sound first: the muted levels of all blocks work when the whole chain has played, while time is left.
* A muted level hears the same input as the audible one, from memory (the *kept* input). Any level can thus be made
  exact by replaying, and fail to get ready without anyone hearing it.
* A level begins its replay so far back that it arrives at the present just when it has heard all that shapes its
  output in the present period: (memory + frames) * replay / (frames + replay). That is the least work for the time
  it takes. What it then misses because there was no time is debt: it is replayed, not forgotten.
* Levels are changed by a crossfade of two exact levels: linear, since they play nearly the same signal. (Smooth shapes
  are steeper in the middle, and click 1 to 2 dB more above 8 kHz.)
* A crossfade begins when it takes no time from what the blocks behind it have planned. A block on its way to its least
  level does not wait for that: it falls.
* When the planned level does not fit into `room_ns` (the reflex), the block falls in this very period: to its least
  level if that is warm; if not, to the same level, cold; if that does not fit either, nothing runs. Each time the
  output is bent so that it goes on where it was: by the difference to what the warm level last played, else in a
  straight line. The planned level owes a period and comes back by a crossfade.
* A least level that was held for longer than there is time to make up for goes on without what it missed.
"""

import numpy as np

from ..compiled.language import carray, njit
from ..compiled.memory import pointer
from ..layout import COLD, DROPPED, HELD, LEVEL, PLAYED
from .planes import FLOAT_BYTES, plane
from .reflex import hearing_ns
from .rest import call_kernel, call_or_rest, count_still

FADE_FRAMES = 512  # length of the crossfade between two levels: 10.7 ms at 48 kHz
BEND_FRAMES = 192  # in which the bend of a sudden change is let go: 4 ms at 48 kHz
MOST_CALLS = 1 << 20  # in one period: more than anybody's memory needs
MOST_DEBT = 4  # periods that a warm level may lag and still count as warm: it is replayed before it plays


# -- the kept input ---------------------------------------------------------------------------------------------


@njit
def keep_input(engine, block, frames):
    """Put the present input behind what is kept."""
    position = block.kept_position
    end = position + frames
    block.kept_position = end if end < block.kept_size else end - block.kept_size
    if engine.silent == 1:
        return
    for channel in range(block.channels):
        source = plane(block.right if channel else block.left, frames)
        ring = plane(block.kept + channel * block.kept_size * FLOAT_BYTES, block.kept_size)
        for i in range(frames):
            at = position + i
            ring[at if at < block.kept_size else at - block.kept_size] = source[i]


@njit
def recall_input(engine, block, behind, frames):
    """Fetch `frames` frames of kept input, the first of them `behind` frames before the end, onto the scratch."""
    if engine.silent == 1:
        return
    start = (block.kept_position - behind) % block.kept_size
    for channel in range(block.channels):
        target = plane(engine.scratch_right if channel else engine.scratch_left, frames)
        ring = plane(block.kept + channel * block.kept_size * FLOAT_BYTES, block.kept_size)
        for i in range(frames):
            at = start + i
            target[i] = ring[at if at < block.kept_size else at - block.kept_size]


@njit
def hear(engine, block, level, frames):
    """Let a muted level hear the next `frames` frames it has not yet heard. Returns the expected nanoseconds."""
    expected = 0.0
    right = engine.scratch_right if block.channels == 2 else engine.scratch_left
    while frames > 0:
        now = min(frames, engine.most_frames)
        recall_input(engine, block, level.behind, now)
        time = block.arrived - level.behind
        if now == level.behind:
            expected += call_or_rest(engine, block, level, engine.scratch_left, right, now, time)
        else:
            expected += call_kernel(engine, block, level, engine.scratch_left, right, now, time)
        level.behind -= now
        level.fresh += now
        frames -= now
    return expected


@njit
def leave_a_gap(level, behind):
    """Give up what lies further back: the level goes on to hear from `behind` frames before the present."""
    level.behind = behind
    level.fresh = 0
    level.calm = 0


# -- what a level knows -----------------------------------------------------------------------------------------


@njit
def grow_older(block, levels, frames):
    """A period has come in that no level has heard yet."""
    for index in range(block.level_count):
        level = levels[index]
        level.behind += frames
        if index != block.audible and index != block.target and index != block.warm:
            level.running = 0
        if level.behind > block.kept_size - frames:  # more than is kept: what it knew is worthless
            leave_a_gap(level, block.kept_size - frames)


@njit
def is_exact(level, frames, most_behind):
    """True if the level, once it has heard what is kept, is exact from the first of the last `frames` frames on."""
    return level.behind <= most_behind and level.fresh + level.behind >= level.memory + frames


@njit
def skip_what_is_too_old(engine, block, level, frames):
    """A level that begins to catch up leaves a gap where hearing it all is not worth it."""
    if level.running == 0 or (block.replay == 0 and engine.reflex == 0):
        reach = (level.memory + frames) * block.replay // (frames + block.replay)
        if level.behind - frames > reach:
            leave_a_gap(level, frames + reach)


@njit
def present_ns(level, frames):
    """What it costs to play the present period, with what the level has not heard before it. By the table."""
    return hearing_ns(level, level.behind, frames)


@njit
def ready_bits(block):
    levels = carray(pointer(block.levels), block.level_count, LEVEL)
    bits = 0
    for index in range(block.level_count):
        if is_exact(levels[index], 0, 0):
            bits |= 1 << index
    return bits


# -- the audible level ------------------------------------------------------------------------------------------


@njit
def play(engine, block, level, frames):
    """Let a level play the present period on the block's planes. Returns the expected nanoseconds."""
    expected = 0.0
    if level.behind > frames:
        expected += hear(engine, block, level, level.behind - frames)
    expected += call_or_rest(engine, block, level, block.left, block.right, frames, block.arrived - frames)
    level.behind = 0
    level.fresh = min(level.fresh + frames, level.memory)
    level.running = 1
    return expected


@njit
def crossfade(engine, block, frames):
    """Blend the scratch (the target level) into the block's planes, from where the last period stopped."""
    if engine.silent == 0:
        for channel in range(block.channels):
            old = plane(block.right if channel else block.left, frames)
            new = plane(engine.scratch_right if channel else engine.scratch_left, frames)
            for i in range(frames):
                share = min(1.0, (block.faded + i + 1) / FADE_FRAMES)
                old[i] += np.float32(share) * (new[i] - old[i])
    block.faded += frames
    if block.faded >= FADE_FRAMES:
        block.audible = block.target
        block.faded = 0


@njit
def play_planned(engine, block, levels, frames):
    """The audible level, and the crossfade to the target if it can be at hand and there is time for both.

    Returns the expected nanoseconds, or -1 if there is no time for it: then nothing was done.
    """
    audible, target = levels[block.audible], levels[block.target]
    alone = present_ns(audible, frames)
    if block.target != block.audible:
        skip_what_is_too_old(engine, block, target, frames)
    fades = block.target != block.audible and is_exact(target, frames, frames + block.replay)
    if fades and engine.reflex == 1:
        beside = present_ns(target, frames)
        if block.faded > 0:
            if alone + beside > engine.room_ns:
                return -1.0
        elif beside > engine.spare_ns:
            if block.target == block.least:
                return -1.0
            fades = False
    if engine.reflex == 1 and (alone > engine.room_ns or (engine.fall == 1 and block.audible != block.least)):
        return -1.0
    if not fades:
        return play(engine, block, audible, frames)
    target.running = 1
    expected = play(engine, block, audible, frames)
    if target.behind > frames:
        expected += hear(engine, block, target, target.behind - frames)
    expected += hear(engine, block, target, frames)
    crossfade(engine, block, frames)
    return expected


@njit
def play_least(engine, block, levels, frames):
    """What is left to do when the planned level does not fit. Returns the expected nanoseconds."""
    least = levels[block.least]
    is_warm = is_exact(least, frames, MOST_DEBT * frames)
    is_heard = block.audible == block.least and block.faded == 0
    knows_its_past = is_warm or (is_heard and present_ns(least, frames) <= engine.room_ns)
    has_gap = not knows_its_past and least.behind > frames
    if has_gap:  # there is no time to hear what it missed
        leave_a_gap(least, frames)
    if present_ns(least, frames) > engine.room_ns and engine.hopeless == 0:
        block.reflex = HELD
        engine.holds += 1
        silence(engine, block, frames)
        expected = 0.0
    else:
        if not is_heard or has_gap:
            block.reflex = DROPPED if is_warm else COLD
            engine.drops += 1 if is_warm else 0
            engine.cold_drops += 0 if is_warm else 1
        block.audible = block.least
        was_left, was_right, kept_up = least.last_left, least.last_right, is_warm and least.behind <= frames
        expected = play(engine, block, least, frames)
        if block.reflex != PLAYED:
            begin_bend(engine, block, frames)
        if block.reflex == DROPPED and kept_up:  # its own last output is known: the difference goes on, and away
            block.bend_left, block.bend_right = block.last_left - was_left, block.last_right - was_right
    block.faded = 0
    return expected


@njit
def silence(engine, block, frames):
    if engine.silent == 1:
        return
    for channel in range(block.channels):
        sound = plane(block.right if channel else block.left, frames)
        for i in range(frames):
            sound[i] = 0.0


# -- the bend ---------------------------------------------------------------------------------------------------


@njit
def begin_bend(engine, block, frames):
    """From here on the output goes on where it was, in a straight line, and turns into what really plays."""
    block.bent = 0
    if engine.silent == 0:
        block.bend_left = 2 * block.last_left - block.before_left - plane(block.left, frames)[0]
        block.bend_right = 2 * block.last_right - block.before_right - plane(block.right, frames)[0]


@njit
def let_go(sound_at, frames, bent, amount):
    """Add a difference that has been fading for `bent` frames to a plane."""
    sound = plane(sound_at, frames)
    for i in range(frames):
        done = min(1.0, (bent + i) / BEND_FRAMES)
        sound[i] += np.float32(amount * (1.0 - done) * (1.0 - done) * (1.0 + 2.0 * done))


@njit
def bend(engine, block, frames):
    """Add what is left of the bend."""
    if engine.silent == 0:
        for channel in range(block.channels):
            amount = block.bend_right if channel else block.bend_left
            let_go(block.right if channel else block.left, frames, block.bent, amount)
    block.bent += frames


@njit
def remember_end(engine, block, frames):
    if engine.silent == 0:
        left, right = plane(block.left, frames), plane(block.right, frames)
        block.before_left = left[frames - 2] if frames > 1 else block.last_left
        block.before_right = right[frames - 2] if frames > 1 else block.last_right
        block.last_left, block.last_right = left[frames - 1], right[frames - 1]


@njit
def run_block(engine, block, frames):
    """One block for one period, within engine.room_ns; its muted levels wait. Returns the expected nanoseconds."""
    levels = carray(pointer(block.levels), block.level_count, LEVEL)
    block.arrived += frames
    count_still(engine, block, frames)
    if block.level_count == 1:
        return call_or_rest(engine, block, levels[0], block.left, block.right, frames, block.arrived - frames)
    keep_input(engine, block, frames)
    if block.faded == 0:
        block.target = block.wanted
    grow_older(block, levels, frames)
    block.due, block.reflex = 1, PLAYED
    was_held = block.bent < 0
    expected = play_planned(engine, block, levels, frames)
    if expected < 0.0:
        expected = play_least(engine, block, levels, frames)
    if block.reflex == HELD or (was_held and block.reflex == PLAYED):
        begin_bend(engine, block, frames)
    if block.bent < BEND_FRAMES:
        bend(engine, block, frames)
    remember_end(engine, block, frames)
    if block.reflex == HELD:
        block.bent = -1
    return expected


# -- the muted ones ---------------------------------------------------------------------------------------------


@njit
def affordable(level, room, most_frames):
    """How many frames it may hear for `room` nanoseconds by the table, in calls of `most_frames` at most."""
    whole = level.call_ns + most_frames * level.frame_ns
    if room >= MOST_CALLS * whole:  # also where nothing costs anything
        return MOST_CALLS * most_frames
    calls = int(room / whole)
    room -= calls * whole
    part = 0
    if level.frame_ns > 0.0 and room > level.call_ns:
        part = int((room - level.call_ns) / level.frame_ns)
    return calls * most_frames + min(part, most_frames - 1)


@njit
def run_muted(engine, block, level, frames):
    """Bring a muted level nearer to the present. Returns the expected nanoseconds."""
    allowed = frames + block.replay
    if engine.reflex == 1 and level.running == 1:
        allowed = max(allowed, min(level.behind, MOST_DEBT * frames))
    skip_what_is_too_old(engine, block, level, frames)
    level.running = 1
    if engine.reflex == 1:
        allowed = min(allowed, affordable(level, max(0.0, engine.room_ns), engine.most_frames))
    if level.behind > allowed:
        return hear(engine, block, level, allowed)
    past = max(0, level.behind - frames)
    return hear(engine, block, level, past) + hear(engine, block, level, level.behind)


@njit
def run_muted_levels(engine, block, frames):
    """What a block's muted levels have to do in this period, within engine.room_ns. Returns expected nanoseconds."""
    levels = carray(pointer(block.levels), block.level_count, LEVEL)
    expected = 0.0
    if block.target != block.audible and levels[block.target].behind > 0:
        expected += run_muted(engine, block, levels[block.target], frames)
        engine.room_ns -= expected
    if block.warm >= 0 and block.warm != block.audible and block.warm != block.target:
        expected += run_muted(engine, block, levels[block.warm], frames)
    return expected
