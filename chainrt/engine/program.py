"""The chain as a program: its steps in order, and what each block took."""

import numpy as np
from numba import carray

from ..compiled.memory import pointer
from ..layout import ADD, BLOCK, CLEAR, COPY, DELAY, LEVEL, RUN, SPENT, STEP
from .bypass import run_switched
from .count import clock, weather_today
from .levels import ready_bits
from .planes import compiled, plane

STALL_RATIO = 2.0  # beyond this factor a period's excess counts as a stall, not as a slowdown (SCHEDULING: estimator)
SPENT_BYTES = SPENT.itemsize


@compiled
def delay(step, frames):
    """What goes into the ring comes out of it `step.frames` frames later."""
    target, ring, at = plane(step.target, frames), plane(step.source, step.frames), step.at
    for i in range(frames):
        target[i], ring[at] = ring[at], target[i]
        at = at + 1 if at + 1 < step.frames else 0
    step.at = at


@compiled
def run_plumbing(step, frames):
    """Copy, silence, delay or add planes."""
    target = plane(step.target, frames)
    source = plane(step.source, frames)
    if step.kind == COPY:
        for i in range(frames):
            target[i] = source[i]
    elif step.kind == CLEAR:
        for i in range(frames):
            target[i] = 0.0
    elif step.kind == ADD:
        gain = np.float32(step.gain)
        for i in range(frames):
            target[i] += gain * source[i]
    elif step.kind == DELAY:
        delay(step, frames)


@compiled
def smallest_ns(blocks, index, frames):
    """What a block would have taken at its smallest level; nothing if it is bypassed."""
    if blocks[index].idle == 1:
        return 0.0
    level = carray(pointer(blocks[index].levels), 1, LEVEL)[0]
    return level.call_ns + frames * level.frame_ns


@compiled
def run_program(engine, frames):
    """Run all steps and note what each block took. Returns what the floor, an all-smallest chain, would have taken."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)  # as an argument it would be counted (NRT)
    steps = carray(pointer(engine.steps), engine.step_count, STEP)
    row = engine.periods % engine.ring_size
    spent = carray(pointer(engine.spent + row * engine.block_count * SPENT_BYTES), engine.block_count, SPENT)
    weather = weather_today(engine)
    floor, measured_all, expected_all = engine.fixed_ns, 0.0, 0.0
    if engine.virtual == 1:
        floor *= weather[0]
        engine.now_ns += floor
    before = clock(engine)
    for index in range(engine.step_count):
        step = steps[index]
        if step.kind != RUN:
            if engine.silent == 0:
                run_plumbing(step, frames)
                before = clock(engine)
            continue
        block = blocks[step.block]
        block.rested_ns = 0.0
        expected = run_switched(engine, block, frames)
        if engine.virtual == 1:
            factor, stall = weather[0] * weather[2 + 2 * step.block], weather[3 + 2 * step.block]
            engine.now_ns += expected * factor + stall
            floor += smallest_ns(blocks, step.block, frames) * factor + stall
        else:
            floor += min(smallest_ns(blocks, step.block, frames), expected)
        after = clock(engine)
        note = spent[step.block]
        note.measured_ns = after - before
        note.expected_ns = expected
        note.rested_ns = block.rested_ns
        note.audible = block.audible
        note.ready = ready_bits(block)
        measured_all += after - before
        expected_all += expected
        before = after
    if engine.virtual == 0 and expected_all > 0.0:
        ratio = min(measured_all / expected_all, STALL_RATIO)
        floor = floor * ratio + max(0.0, measured_all - STALL_RATIO * expected_all)
    return floor
