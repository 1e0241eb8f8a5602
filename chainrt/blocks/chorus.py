"""Chorus: beside the guitar plays a second one, a little late and never quite in tune; another one for each ear.

Each side hears a delay that a slow sine moves. `width` sets the right side's wave apart from the left one's, up to
half a cycle: then one ear hears the pitch rise while the other hears it fall, and both together stay in tune.

Source: Dattorro, "Effect design, part 2: delay-line modulation and chorus", Journal of the AES 45(10), 1997.
"""

import numpy as np

from ..block import Param, block
from ..dsp import (
    CHUNK,
    GLIDE,
    GUARD,
    glide_from,
    gliding,
    guard,
    make_finite,
    moved_on,
    on_its_way,
    read_swinging,
    sine,
)

TAPE_FRAMES = 16384  # a power of two above 50 ms at 192 kHz
NEAREST_MS = 0.1  # of the delay to the present, where it swings deeper than it is long
SLIDE = ("slide", "f8", (CHUNK,))  # as GLIDE, in double precision: of a long delay, float32 knows no 1e-5 frames
GLIDE_MS = 50.0  # a turned knob bends the pitch on its way; slowly, that is not heard


@block(
    params=[
        Param("speed", "Hz", 0.05, 10, default=0.8, help="how often the delay swings", follows_tempo=True),
        Param("depth", "ms", 0, 10, default=2, help="how far it swings"),
        Param("delay", "ms", 1, 40, default=8, help="around which delay"),
        Param("width", "%", 0, 100, default=100, help="0: both sides swing together, 100: against each other"),
        Param("mix", "%", 0, 100, default=50, help="0: only the guitar, 100: only the chorus"),
    ],
    constants=[GLIDE, SLIDE],
    state=[
        ("tape", "f4", (2, TAPE_FRAMES + GUARD)),  # what was played left and right, as rings
        ("head", "i8"),  # where the next frame is recorded
        ("cycles", "f8"),  # where the left wave stands, 0..1
        ("apart", "f8"),  # cycles by which the right wave is ahead, at the last frame
        ("depth", "f8"),  # frames, at the last frame
        ("delay", "f8"),  # frames, at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
        ("swing", "f8", (2, CHUNK)),  # frames by which each side's delay differs from that at the last frame
        ("wet", "f4", (2, CHUNK)),  # what the two heads read
    ],
    channels=2,
    work=55,
    tail=lambda p: 0.001 * (max(p["delay"], p["depth"] + NEAREST_MS) + p["depth"]) + 0.001,
)
def chorus(p, s, left, right, n):
    """Mix both sides with themselves, read where the swinging heads stand."""
    make_finite(left, n)
    make_finite(right, n)
    frames_a_ms = p.rate / 1000.0
    depth_goal, delay_goal = p.depth * frames_a_ms, max(p.delay, p.depth + NEAREST_MS) * frames_a_ms
    mix_goal, apart_goal, step = p.mix / 100.0, p.width / 200.0, p.speed / p.rate
    apart, depth, delay, mix, cycles = s.apart, s.depth, glide_from(s.delay, delay_goal), s.mix, s.cycles
    swing_left, swing_right, wet_left, wet_right = s.swing[0], s.swing[1], s.wet[0], s.wet[1]
    glide, slide = p.glide, p.slide
    nearest, done = max(NEAREST_MS * frames_a_ms, 1.0), 0
    while done < n:
        head = s.head
        frames = min(min(n - done, CHUNK), TAPE_FRAMES - head)
        record_left, record_right = s.tape[0, head:], s.tape[1, head:]
        longer, deeper, further = delay_goal - delay, depth_goal - depth, apart_goal - apart
        for i in range(frames):
            record_left[i], record_right[i] = left[done + i], right[done + i]
        for i in range(frames):
            angle, reach = cycles + np.int32(i) * step, depth + deeper * slide[i]
            swing_left[i] = longer * slide[i] + reach * sine(angle)
            swing_right[i] = longer * slide[i] + reach * sine(angle + apart + further * slide[i])
        guard(s.tape[0], head, frames)
        guard(s.tape[1], head, frames)
        read_swinging(s.tape[0], head, delay, swing_left, 1.0, nearest, wet_left, frames)
        read_swinging(s.tape[1], head, delay, swing_right, 1.0, nearest, wet_right, frames)
        for i in range(frames):
            share = on_its_way(mix, mix_goal, glide[i])
            left[done + i] += share * (wet_left[i] - left[done + i])
            right[done + i] += share * (wet_right[i] - right[done + i])
        part = slide[frames - 1]
        apart, depth = moved_on(apart, apart_goal, part), moved_on(depth, depth_goal, part)
        delay, mix = moved_on(delay, delay_goal, part), moved_on(mix, mix_goal, part)
        cycles += frames * step
        cycles -= np.floor(cycles)
        s.head = (head + frames) & (TAPE_FRAMES - 1)
        done += frames
    s.cycles, s.apart, s.depth, s.delay, s.mix = cycles, apart, depth, delay, mix


@chorus.prepare
def prepare(p, settings):
    """How knobs glide at this rate."""
    p["glide"] = p["slide"] = gliding(GLIDE_MS, settings.rate)
