"""Rest: a level that hears nothing new plays nothing new, so it need not be computed.

When the input has been the same for longer than a level remembers, say zero behind a closed gate, its output does not
change any more. From then on the level repeats its last output, at no cost, until the input or a knob moves. Its
memory is left alone, which is right: it holds that one value over and over, wherever it ends.

Rules kept here:
* The sound is bit for bit what computing it would give. So the input must be the same bit for bit, and a level must
  declare `rest_after` (block.Level): it knows best what it remembers, and how long its knobs glide.
* A level that feeds its output back to itself (an LSTM) never forgets for certain. It rests once a single frame leaves
  all that it feeds back as it was, bit for bit.
* A level with a clock does not do the same in every frame; it rests on zeros only.
* What a resting level would have cost is noted in `rested_ns`, so that nobody takes silence for a fast machine.
* A simulated device does not rest: what it decides must not depend on whether the sound is computed. Nor does a run
  that is recorded in order to be simulated.
"""

import numpy as np

from ..compiled.call import call4, call5
from ..compiled.language import carray, njit
from ..compiled.memory import pointer
from ..layout import REAL
from .planes import FLOAT_BYTES, plane


@njit
def set_clock(at, time):
    if at != 0:
        carray(pointer(at), 1, np.int64)[0] = time


@njit
def call_kernel(engine, block, level, left, right, frames, time):
    """Let one level of a block play over planes at addresses, in place, the first frame being the `time`-th ever.

    Returns the expected nanoseconds.
    """
    if engine.silent == 0:
        set_clock(level.clock_left, time)
        set_clock(level.clock_right, time)
        if block.stereo == 1:
            call5(block.kernel, block.knobs, level.left, left, right, frames)
        else:
            call4(block.kernel, block.knobs, level.left, left, frames)
            if block.channels == 2:
                call4(block.kernel, block.knobs, level.right, right, frames)
    return level.call_ns + frames * level.frame_ns


@njit
def words(at, count):
    """float32 memory as bits."""
    return carray(pointer(at), count, np.int32)


@njit
def same_at_the_end(at, frames):
    """How many frames at the end of a plane are, bit for bit, the last one."""
    bits = words(at, frames)
    count = 1
    while count < frames and bits[frames - 1 - count] == bits[frames - 1]:
        count += 1
    return count


@njit
def copy_changes(source, target, count):
    """Copy words; True if any of them was another one before."""
    old, new, changed = words(target, count), words(source, count), False
    for i in range(count):
        changed |= old[i] != new[i]
        old[i] = new[i]
    return changed


@njit
def count_still(engine, block, frames):
    """Count the frames for which the block's input has not changed, nor any of its knobs."""
    if engine.silent == 1 or engine.virtual != REAL or engine.restless == 1:
        block.still = 0
        return
    left, right = words(block.left, frames)[frames - 1], words(block.right, frames)[frames - 1]
    still = min(same_at_the_end(block.left, frames), same_at_the_end(block.right, frames))
    if still == frames:
        is_turned = copy_changes(block.knobs, block.knobs_seen, block.knob_floats)
        if left == block.held_left and right == block.held_right and not is_turned:
            still += block.still
    block.still = still
    block.held_left, block.held_right = left, right


@njit
def nothing_new(block, level, frames):
    """True if the level has heard one value for so long, and still hears it, that it plays one value, too."""
    if level.rest_after < 0 or level.calm < level.rest_after or block.still < level.calm + frames:
        return False
    return level.clock_left == 0 or (block.held_left == 0 and block.held_right == 0)


@njit
def remember(level):
    """Note what the level feeds back to itself. True if it is not what was noted before."""
    count, second = level.fed_back_floats, level.frame_ago + level.fed_back_floats * FLOAT_BYTES
    is_new = copy_changes(level.fed_back_left, level.frame_ago, count)
    if level.fed_back_right != 0:
        is_new |= copy_changes(level.fed_back_right, second, count)
    return is_new


@njit
def leaves_no_trace(engine, block, level, left, right, time):
    """Play one frame. True if all that the level feeds back to itself is as it was before."""
    remember(level)
    call_kernel(engine, block, level, left, right, 1, time)
    return not remember(level)


@njit
def repeat(at, frames, value):
    x = plane(at, frames)
    for i in range(frames):
        x[i] = value


@njit
def call_or_rest(engine, block, level, left, right, frames, time):
    """Let a level play the present period, as `call_kernel` does, or repeat itself if it hears nothing new."""
    is_calm = nothing_new(block, level, frames)
    if is_calm and level.settled == 1:
        repeat(left, frames, level.last_left)
        if block.channels == 2:
            repeat(right, frames, level.last_right)
        block.rested_ns += level.call_ns + frames * level.frame_ns
        return 0.0
    if level.fed_back_left == 0:
        call_kernel(engine, block, level, left, right, frames, time)
    elif not is_calm:
        call_kernel(engine, block, level, left, right, frames, time)
        level.settled = 0
    else:
        most = frames - 1
        if most > 0:
            call_kernel(engine, block, level, left, right, most, time)
        offset = most * FLOAT_BYTES
        level.settled = leaves_no_trace(engine, block, level, left + offset, right + offset, time + most)
    level.calm = min(level.calm + frames, block.still)
    level.last_left, level.last_right = plane(left, frames)[frames - 1], plane(right, frames)[frames - 1]
    return level.call_ns + frames * level.frame_ns
