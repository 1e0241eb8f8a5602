"""A block's switch: off without a click, off for nothing, and on again in step.

Rules kept here:
* On and off are crossfades of BYPASS_FRAMES between the block and what goes around it. What goes around lags as much
  as the block does, so the chain's latency never changes.
* A block with a tail (an echo, a reverb) is switched at its input: it hears no more, and what it still has to say is
  heard for `tail` frames more. Any other block is switched at its output.
* A block that is off and has rung out does not run: time stands still for it and its levels, and it costs a copy at
  most.
"""

import numpy as np

from ..compiled.language import njit
from .levels import run_block
from .planes import FLOAT_BYTES, plane

BYPASS_FRAMES = 384  # length of the crossfade: 8 ms at 48 kHz


@njit
def lay_aside(engine, block, frames):
    """Copy what comes in onto the dry planes, as late as the block's own output will be."""
    for channel in range(block.channels):
        source = plane(block.right if channel else block.left, frames)
        dry = plane(engine.dry_right if channel else engine.dry_left, frames)
        if block.latency == 0:
            for i in range(frames):
                dry[i] = source[i]
            continue
        ring = plane(block.dry + channel * block.latency * FLOAT_BYTES, block.latency)
        at = block.dry_position
        for i in range(frames):
            dry[i], ring[at] = ring[at], source[i]
            at = at + 1 if at + 1 < block.latency else 0
    if block.latency > 0:
        block.dry_position = (block.dry_position + frames) % block.latency


@njit
def share_at(block, frame):
    """How much of the block is heard at a frame of this period, 0 to 1."""
    done = block.faded_in + frame + 1 if block.enabled == 1 else block.faded_in - frame - 1
    return min(1.0, max(0.0, done / BYPASS_FRAMES))


@njit
def fade_input(block, frames):
    """Let the block hear as much as shall be heard of it."""
    for channel in range(block.channels):
        sound = plane(block.right if channel else block.left, frames)
        for i in range(frames):
            sound[i] *= np.float32(share_at(block, i))


@njit
def mix(engine, block, frames):
    """The block and what goes around it, each with its share."""
    for channel in range(block.channels):
        sound = plane(block.right if channel else block.left, frames)
        dry = plane(engine.dry_right if channel else engine.dry_left, frames)
        for i in range(frames):
            share = np.float32(share_at(block, i))
            wet = sound[i] if block.tail > 0 else share * sound[i]
            sound[i] = wet + (np.float32(1.0) - share) * dry[i]


@njit
def pass_by(engine, block, frames):
    """The block is not there, only its latency."""
    for channel in range(block.channels):
        sound = plane(block.right if channel else block.left, frames)
        dry = plane(engine.dry_right if channel else engine.dry_left, frames)
        for i in range(frames):
            sound[i] = dry[i]


@njit
def run_switched(engine, block, frames):
    """One block for one period, on, off or in between. Returns the expected nanoseconds."""
    is_on = block.enabled == 1 and block.faded_in == BYPASS_FRAMES
    if is_on and block.latency == 0:
        return run_block(engine, block, frames)
    if engine.silent == 0 and (block.latency > 0 or block.idle == 0 or block.enabled == 1):
        lay_aside(engine, block, frames)
    if is_on:
        return run_block(engine, block, frames)
    if block.enabled == 0 and block.idle == 1:
        if engine.silent == 0 and block.latency > 0:
            pass_by(engine, block, frames)
        return 0.0
    block.idle = 0
    if engine.silent == 0 and block.tail > 0:
        fade_input(block, frames)
    expected = run_block(engine, block, frames)
    if engine.silent == 0:
        mix(engine, block, frames)
    if block.enabled == 1:
        block.faded_in = min(BYPASS_FRAMES, block.faded_in + frames)
        block.ringing = 0
    else:
        block.ringing = block.ringing + frames if block.faded_in == 0 else 0
        block.faded_in = max(0, block.faded_in - frames)
        block.idle = 1 if block.faded_in == 0 and block.ringing >= block.tail else 0
    return expected
