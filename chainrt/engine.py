"""The compiled period: take a plan, run the chain, switch levels without a click, count.

`period` is a C function, period(engine, frames): a sound card's driver may call it as it stands. `perform` plays many
periods from memory to memory, paced by the clock or as fast as it can.

Rules kept here:
* Nothing waits, allocates, raises or touches the interpreter. Faults are counted.
* A muted level hears the same input as the audible one, from memory (the *kept* input). Any level can thus be made
  exact by replaying, and fail to get ready without anyone hearing it.
* A level begins its replay so far back that it arrives at the present just when it has heard all that shapes its
  output in the present period: (memory + frames) * replay / (frames + replay). That is the least work for the time
  it takes.
* Levels are changed by a crossfade of two exact levels: linear, since they play nearly the same signal.
* Live, rendered and simulated: the same code. Only the clock differs, and whether sound is computed at all.
"""

import numpy as np
from numba import carray, njit

from .compiled.call import call4, call5
from .compiled.clock import now_ns, sleep_ns
from .compiled.denormals import flush_denormals, restore_denormals
from .compiled.memory import address, load_acquire, pointer, store_release
from .compiled.native import INTEGER, Native
from .layout import ADD, BLOCK, CLEAR, COPY, ENGINE, LEVEL, PERFORMANCE, PERIOD, RUN, SPENT, STEP

FADE_FRAMES = 128  # length of the crossfade between two levels: 2.7 ms at 48 kHz
STALL_RATIO = 2.0  # beyond this factor a period's excess counts as a stall, not as a slowdown (SCHEDULING: estimator)

TAKEN_OFFSET = ENGINE.fields["taken"][1]
POSTED_OFFSET = ENGINE.fields["posted"][1]
PERIODS_OFFSET = ENGINE.fields["periods"][1]
STOP_OFFSET = PERFORMANCE.fields["stop"][1]
FLOAT_BYTES = 4
SPENT_BYTES = SPENT.itemsize

compiled = njit(error_model="numpy")


@compiled
def plane(at, frames):
    return carray(pointer(at), frames, np.float32)


# -- the plan -------------------------------------------------------------------------------------------------------


@compiled
def take_plan(engine, blocks):
    """Take a plan out of the mailbox, if one is there."""
    posted = load_acquire(address(engine) + POSTED_OFFSET)
    if posted == engine.taken:
        return
    mail = carray(pointer(engine.mail), engine.block_count * 3, np.int64)
    for index in range(engine.block_count):
        blocks[index].wanted = mail[3 * index]
        blocks[index].warm = mail[3 * index + 1]
        blocks[index].replay = mail[3 * index + 2]
    store_release(address(engine) + TAKEN_OFFSET, posted)


# -- one block ------------------------------------------------------------------------------------------------------


@compiled
def call_kernel(engine, block, level, left, right, frames):
    """Let one level of a block play over planes at addresses, in place. Returns the expected nanoseconds."""
    if engine.silent == 0:
        if block.stereo == 1:
            call5(block.kernel, block.knobs, level.left, left, right, frames)
        else:
            call4(block.kernel, block.knobs, level.left, left, frames)
            if block.channels == 2:
                call4(block.kernel, block.knobs, level.right, right, frames)
    return level.call_ns + frames * level.frame_ns


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
    while frames > 0:
        now = min(frames, engine.most_frames)
        recall_input(engine, block, level.behind, now)
        expected += call_kernel(engine, block, level, engine.scratch_left, engine.scratch_right, now)
        level.behind -= now
        level.fresh += now
        frames -= now
    return expected


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
            level.behind = frames + reach
            level.fresh = 0
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
    if block.level_count == 1:
        return call_kernel(engine, block, levels[0], block.left, block.right, frames)
    keep_input(engine, block, frames)
    if block.faded == 0:
        block.target = block.wanted
    for index in range(block.level_count):
        level = levels[index]
        level.behind += frames
        if index != block.target and index != block.warm:
            level.running = 0
        if level.behind > block.kept_size - frames:  # more than is kept: what it knew is worthless
            level.behind = block.kept_size - frames
            level.fresh = 0
    expected = 0.0
    if block.warm >= 0 and block.warm != block.audible and block.warm != block.target:
        expected += run_muted(engine, block, levels[block.warm], frames)
    if block.target != block.audible:
        expected += run_muted(engine, block, levels[block.target], frames)
    audible = levels[block.audible]
    expected += call_kernel(engine, block, audible, block.left, block.right, frames)
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


# -- the program ----------------------------------------------------------------------------------------------------


@compiled
def run_plumbing(step, frames):
    """Copy, silence or add planes."""
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


@compiled
def clock(engine):
    return engine.now_ns if engine.virtual == 1 else float(now_ns())


@compiled
def weather_today(engine):
    """The row of a simulated period: see layout.weather_columns. Not to be read when the clock is real."""
    columns = 2 + 2 * engine.block_count
    row = (engine.periods - engine.weather_first) * engine.virtual
    return carray(pointer(engine.weather + row * columns * 8), columns, np.float64)


@compiled
def smallest_ns(blocks, index, frames):
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
        expected = run_block(engine, block, frames)
        if engine.virtual == 1:
            factor, stall = weather[0] * weather[2 + 2 * step.block], weather[3 + 2 * step.block]
            engine.now_ns += expected * factor + stall
            floor += smallest_ns(blocks, step.block, frames) * factor + stall
        else:
            floor += smallest_ns(blocks, step.block, frames)
        after = clock(engine)
        note = spent[step.block]
        note.measured_ns = after - before
        note.expected_ns = expected
        note.audible = block.audible
        note.ready = ready_bits(block)
        measured_all += after - before
        expected_all += expected
        before = after
    if engine.virtual == 0 and expected_all > 0.0:
        ratio = min(measured_all / expected_all, STALL_RATIO)
        floor = floor * ratio + max(0.0, measured_all - STALL_RATIO * expected_all)
    return floor


@compiled
def count_period(engine, began, frames, floor):
    """Was the deadline met, and could it have been? One PERIOD record, and the counters."""
    length = frames * engine.frame_time_ns
    release, ended = engine.release_ns, clock(engine)
    deadline = release + length
    woken_late = began - max(release, engine.ended_ns)
    engine.floor_ended_ns = max(release, engine.floor_ended_ns) + max(0.0, woken_late) + floor
    row = engine.periods % engine.ring_size
    note = carray(pointer(engine.ring), engine.ring_size, PERIOD)[row]
    note.release_ns = int(release)
    note.late_ns = int(began - release)
    note.spent_ns = int(ended - began)
    note.missed = 1 if ended > deadline else 0
    note.unavoidable = 1 if engine.floor_ended_ns > deadline and ended > deadline else 0
    engine.misses += note.missed
    engine.unavoidable += note.unavoidable
    engine.miss_run = engine.miss_run + 1 if note.missed == 1 else 0
    engine.longest_miss_run = max(engine.longest_miss_run, engine.miss_run)
    engine.ended_ns = ended
    engine.release_ns = deadline


@compiled
def make_finite(x, frames):
    """A NaN or an infinity from outside would stay in every filter of the chain for ever."""
    for i in range(frames):
        if not -1e6 < x[i] < 1e6:
            x[i] = 0.0


def _period(engine, frames):
    """One period of `frames` frames: from the plane `engine.input` to `engine.output_left` and `_right`."""
    floating = flush_denormals()
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    take_plan(engine, blocks)
    if engine.virtual == 1:
        engine.now_ns = max(engine.now_ns, engine.release_ns) + weather_today(engine)[1]
    began = clock(engine)
    if engine.silent == 0:
        make_finite(plane(engine.input, frames), frames)
    floor = run_program(engine, frames)
    count_period(engine, began, frames, floor)
    store_release(address(engine) + PERIODS_OFFSET, engine.periods + 1)
    restore_denormals(floating)


period = Native(_period, (ENGINE, INTEGER), "period")
"""period(engine record, frames)."""


# -- many periods ---------------------------------------------------------------------------------------------------


@compiled
def wait_until(release):
    """Sleep until a moment of the machine's clock."""
    left = release - now_ns()
    while left > 0:
        sleep_ns(int(left))
        left = release - now_ns()


@compiled
def fetch(performance, engine, frames):
    """The next input onto the chain's first plane; the input goes round and round."""
    source = plane(performance.input, performance.input_frames)
    target = plane(engine.input, frames)
    at = performance.done % performance.input_frames
    for i in range(frames):
        target[i] = source[at]
        at = at + 1 if at + 1 < performance.input_frames else 0


@compiled
def deliver(performance, engine, frames):
    """The chain's last planes to the output, if it is wanted."""
    for channel in range(2):
        target = performance.output_right if channel else performance.output_left
        if target != 0:
            sound = plane(engine.output_right if channel else engine.output_left, frames)
            kept = plane(target + performance.done * FLOAT_BYTES, frames)
            for i in range(frames):
                kept[i] = sound[i]


def _perform(performance, frames, periods, paced):
    """Play `periods` periods of `frames` frames; with `paced` each waits for its release time."""
    engine = carray(pointer(performance.engine), 1, ENGINE)[0]
    for _ in range(periods):
        if load_acquire(address(performance) + STOP_OFFSET) != 0:
            break
        if paced == 1:
            wait_until(engine.release_ns)
        if engine.silent == 0:
            fetch(performance, engine, frames)
        call_period(engine, frames)
        if engine.silent == 0:
            deliver(performance, engine, frames)
        performance.done += frames


call_period = compiled(_period)
perform = Native(_perform, (PERFORMANCE, INTEGER, INTEGER, INTEGER), "perform")
"""perform(performance record, frames, periods, paced)."""
