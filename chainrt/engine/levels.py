"""One block for one period: its audible level, its muted ones, and the change from one to another.

Rules kept here:
* A muted level hears the same input as the audible one, from memory (the *kept* input). Any level can thus be made
  exact by replaying, and fail to get ready without anyone hearing it.
* A level begins its replay so far back that it arrives at the present just when it has heard all that shapes its
  output in the present period: (memory + frames) * replay / (frames + replay). That is the least work for the time
  it takes.
* Levels are changed by a crossfade of two exact levels: linear, since they play nearly the same signal.
"""

import numpy as np
from numba import carray

from ..compiled.memory import pointer
from ..layout import LEVEL
from .planes import FLOAT_BYTES, compiled, plane
from .rest import call_kernel, call_or_rest, count_still

FADE_FRAMES = 128  # length of the crossfade between two levels: 2.7 ms at 48 kHz


@compiled
def keep_input(engine, block, frames):
    """Put the present input behind what is kept."""
    position = block.kept_position
    block.kept_position = (position + frames) % block.kept_size
    if engine.silent == 1:
        return
    for channel in range(block.channels):
        source = plane(block.right if channel else block.left, frames)
        ring = plane(block.kept + channel * block.kept_size * FLOAT_BYTES, block.kept_size)
        for i in range(frames):
            at = position + i
            ring[at if at < block.kept_size else at - block.kept_size] = source[i]


@compiled
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


@compiled
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


@compiled
def leave_a_gap(level, behind):
    """Give up what lies further back: the level goes on to hear from `behind` frames before the present."""
    level.behind = behind
    level.fresh = 0
    level.calm = 0


@compiled
def is_ready(level, frames):
    """True if the level has arrived at the present, and was exact before the last `frames` frames already."""
    return level.behind == 0 and level.fresh >= level.memory + frames


@compiled
def run_muted(engine, block, level, frames):
    """Bring a muted level nearer to the present. Once it is there, the scratch holds its present output.

    Returns the expected nanoseconds.
    """
    if level.running == 0 or block.replay == 0:
        reach = (level.memory + frames) * block.replay // (frames + block.replay)
        if level.behind - frames > reach:  # too far back to be worth hearing it all: leave a gap
            leave_a_gap(level, frames + reach)
    level.running = 1
    allowed = frames + block.replay
    if level.behind > allowed:
        return hear(engine, block, level, allowed)
    return hear(engine, block, level, level.behind - frames) + hear(engine, block, level, frames)


@compiled
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


@compiled
def run_block(engine, block, frames):
    """One block for one period, with all it does on the side. Returns the expected nanoseconds."""
    levels = carray(pointer(block.levels), block.level_count, LEVEL)
    now = block.arrived
    block.arrived += frames
    count_still(engine, block, frames)
    if block.level_count == 1:
        return call_or_rest(engine, block, levels[0], block.left, block.right, frames, now)
    keep_input(engine, block, frames)
    if block.faded == 0:
        block.target = block.wanted
    for index in range(block.level_count):
        level = levels[index]
        level.behind += frames
        if index != block.target and index != block.warm:
            level.running = 0
        if level.behind > block.kept_size - frames:  # more than is kept: what it knew is worthless
            leave_a_gap(level, block.kept_size - frames)
    expected = 0.0
    if block.warm >= 0 and block.warm != block.audible and block.warm != block.target:
        expected += run_muted(engine, block, levels[block.warm], frames)
    if block.target != block.audible:
        expected += run_muted(engine, block, levels[block.target], frames)
    audible = levels[block.audible]
    expected += call_or_rest(engine, block, audible, block.left, block.right, frames, now)
    audible.behind = 0
    audible.fresh = min(audible.fresh + frames, audible.memory)
    audible.running = 1
    if block.target != block.audible and is_ready(levels[block.target], frames):
        crossfade(engine, block, frames)
    return expected


@compiled
def ready_bits(block):
    levels = carray(pointer(block.levels), block.level_count, LEVEL)
    bits = 0
    for index in range(block.level_count):
        if is_ready(levels[index], 0):
            bits |= 1 << index
    return bits
