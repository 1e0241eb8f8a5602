"""The chain as a program: its steps in order, then the muted work of all blocks; and what each block took."""

import numpy as np

from ..compiled.call import call2
from ..compiled.language import carray, njit
from ..compiled.memory import address, pointer
from ..layout import (
    ADD,
    BLOCK,
    CLEAR,
    COPY,
    DELAY,
    LAWS,
    PERIOD,
    PLAYED,
    REAL,
    RUN,
    SPENT,
    STEP,
    TRACE,
    WEATHER_BLOCK,
    WEATHER_PERIOD,
)
from .bypass import run_switched
from .count import clock, weather_today
from .guard import calm_down, follow_end, muted_until, sound_until
from .levels import ready_bits, run_muted_levels
from .planes import plane
from .reflex import (
    follow,
    follow_muted,
    least_ns,
    least_of_all,
    make_room,
    plan_costs,
    present_slowdown,
    ratio,
    slowdown_of_one,
)

STALL_RATIO = 2.0  # beyond this factor a period's excess counts as a stall, not as a slowdown (SCHEDULING: estimator)
SPENT_BYTES = SPENT.itemsize


@njit
def delay(step, frames):
    """What goes into the ring comes out of it `step.frames` frames later."""
    target, ring, at = plane(step.target, frames), plane(step.source, step.frames), step.at
    for i in range(frames):
        target[i], ring[at] = ring[at], target[i]
        at = at + 1 if at + 1 < step.frames else 0
    step.at = at


@njit
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


@njit
def pass_time(engine, expected, factor, stall):
    """On a virtual clock: let the time pass that some work takes."""
    if engine.virtual == LAWS:
        engine.now_ns += expected * factor + stall
    elif engine.virtual == TRACE:  # was measured in whole nanoseconds
        engine.now_ns += float(int(expected * factor + stall + 0.5)) if factor >= 0.0 else -factor


@njit
def begin_program(engine, began, weather, note):
    """What comes before the first block. Returns the nanoseconds it took."""
    if engine.virtual == LAWS:
        engine.now_ns += engine.fixed_ns * weather[0]
    elif engine.virtual == TRACE:
        engine.now_ns += weather[0]
    note.start_ns = clock(engine) - began
    return note.start_ns


@njit
def run_program(engine, frames, began):
    """Run all steps and note what each block took. Returns what the floor, an all-smallest chain, would have taken."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)  # as an argument it would be counted (NRT)
    steps = carray(pointer(engine.steps), engine.step_count, STEP)
    row = engine.periods % engine.ring_size
    spent = carray(pointer(engine.spent + row * engine.block_count * SPENT_BYTES), engine.block_count, SPENT)
    note = carray(pointer(engine.ring), engine.ring_size, PERIOD)[row]
    weather = weather_today(engine)
    length = frames * engine.frame_time_ns
    deadline = engine.release_ns + length
    floor = begin_program(engine, began, weather, note)
    if engine.virtual != LAWS:
        floor = engine.fixed_ns
    later, later_single = least_of_all(engine, frames)
    planned = plan_costs(engine, frames)
    measured_all, expected_all, worst_measured, worst_expected = 0.0, 0.0, 0.0, 0.0
    until = sound_until(engine, deadline)
    reckoned, delay = 1.0, np.inf  # since the last block that played above its smallest level: slowdown, longest delay
    before = began + note.start_ns
    for index in range(engine.step_count):
        step = steps[index]
        if step.kind != RUN:
            if engine.silent == 0:
                run_plumbing(step, frames)
            continue
        block = blocks[step.block]
        block.rested_ns = 0.0
        least = least_ns(block, frames)
        later -= least
        later_single -= least if block.level_count == 1 else 0.0
        shown = ratio(measured_all, expected_all, worst_measured, worst_expected, length)
        slowdown = present_slowdown(engine, shown)
        make_room(engine, step.block, until - before, planned, later, later_single, slowdown)
        planned -= block.spared + least
        block.spared = 0.0
        expected = run_switched(engine, block, frames)
        at = WEATHER_PERIOD + WEATHER_BLOCK * step.block
        if engine.virtual != REAL:
            pass_time(engine, expected, weather[at], weather[at + 1])
        if engine.virtual == LAWS:
            floor += least * weather[at] + weather[at + 1]
        else:
            floor += min(least, expected)
        after = clock(engine)
        put_down(spent[step.block], block, after - before, expected)
        measured_all += after - before
        expected_all += expected
        if expected > 1.001 * least:
            reckoned, delay = slowdown, 0.0
        delay = max(delay, after - before - reckoned * expected)
        if after - before - expected > worst_measured - worst_expected:
            worst_measured, worst_expected = after - before, expected
        before = after
    shown = ratio(measured_all, expected_all, worst_measured, worst_expected, length)
    follow(engine, shown)
    follow_end(engine, before, until, deadline, delay, length)
    if engine.virtual != LAWS and expected_all > 0.0:
        slow = min(measured_all / expected_all, STALL_RATIO)
        floor = floor * slow + max(0.0, measured_all - STALL_RATIO * expected_all)
    if engine.on_sound != 0:
        call2(engine.on_sound, address(engine), frames)
        before = clock(engine)
    run_muted_work(engine, frames, before, deadline, shown)
    calm_down(engine, length)
    if engine.virtual != REAL:
        engine.now_ns += weather[2]
    return floor


@njit
def put_down(note, block, measured, expected):
    """Note what a block took until its sound was done."""
    note.measured_ns, note.expected_ns = measured, expected
    note.muted_ns = note.muted_expected_ns = 0.0
    note.rested_ns = block.rested_ns
    note.audible = block.audible
    note.reflex = block.reflex if block.due == 1 else PLAYED


@njit
def run_muted_work(engine, frames, before, deadline, shown):
    """Let the muted levels work in the time that is left."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    row = engine.periods % engine.ring_size
    spent = carray(pointer(engine.spent + row * engine.block_count * SPENT_BYTES), engine.block_count, SPENT)
    weather = weather_today(engine)
    common, length = present_slowdown(engine, shown), engine.most_frames * engine.frame_time_ns
    until, delay = muted_until(engine, deadline, length), np.inf  # of the last that worked
    for index in range(engine.block_count):
        block, note = blocks[index], spent[index]
        if block.due == 1:
            block.due = 0
            slowdown = slowdown_of_one(common, note.measured_ns, note.expected_ns)
            slower = slowdown * max(1.0, engine.muted_excess)
            engine.room_ns = (until - before) / slower
            expected = run_muted_levels(engine, block, frames)
            if expected > 0.0:
                if engine.virtual != REAL:
                    pass_time(engine, expected, weather[WEATHER_PERIOD + WEATHER_BLOCK * index + 2], 0.0)
                after = clock(engine)
                note.muted_ns, note.muted_expected_ns = after - before, expected
                delay = after - before - slower * expected
                follow_muted(engine, after - before, expected, slowdown, length)
                note.measured_ns += after - before
                note.expected_ns += expected
                before = after
            note.rested_ns = block.rested_ns
        note.ready = ready_bits(block)
    follow_end(engine, before, until, deadline, delay, length)
