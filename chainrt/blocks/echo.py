"""Echo: a tape loop that repeats what was played, each time a little darker.

When its knob is turned, the delay time glides as if a motor with some inertia moved the head, at most half as fast as
the tape runs: the pitch bends (down to a half, up to one and a half) and nothing clicks. Reading between two
frames amplifies nothing, so with a feedback below 100 % the loop dies away.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (delay lines).
"""

import math

from ..block import Param, block
from ..dsp import (
    CHUNK,
    GLIDE,
    GUARD,
    fused,
    glide_from,
    gliding,
    guard,
    low_pass,
    make_finite,
    moved_on,
    on_its_way,
    pole,
    read_chunk,
    read_tape,
    smoothing,
)

TAPE_FRAMES = 262144  # a power of two above 2 s at 96 kHz
BEND = 0.5  # the most frames the delay may change in one frame
MOTOR_MS = 150.0  # the delay arrives this fast ...
INERTIA_MS = 20.0  # ... and its speed changes this fast; below a quarter of MOTOR_MS it does not swing
GLIDE_MS = 10.0  # the other knobs
ARRIVED = 1e-6  # frames from its goal, and a frame, at which the head stands still


@fused
def read_heads(p, s, frames, goal):
    """What the tape's head reads in the next frames, to s.repeat, and how the motor moves it on."""
    delay, speed = s.delay, s.speed
    if abs(delay - goal) < ARRIVED and abs(speed) < ARRIVED:
        s.delay, s.speed = goal, 0.0
        read_chunk(s.tape, s.head, goal, s.repeat, frames)
        return
    motor, inertia = smoothing(MOTOR_MS, p.rate), smoothing(INERTIA_MS, p.rate)
    for i in range(frames):
        speed += inertia * (min(max(motor * (goal - delay), -BEND), BEND) - speed)
        delay += speed
        s.repeat[i] = read_tape(s.tape[:TAPE_FRAMES], s.head + i, delay)
    s.delay, s.speed = delay, speed


@block(
    params=[
        Param("time", "ms", 1, 2000, default=380, help="from one repeat to the next", follows_tempo=True),
        Param("feedback", "%", 0, 95, default=35, help="how much of a repeat is repeated again"),
        Param("mix", "%", 0, 100, default=25, help="0: only the guitar, 100: only the echo"),
        Param("tone", "Hz", 500, 12000, default=4000, help="treble above this fades from repeat to repeat"),
        Param("lowcut", "Hz", 20, 1000, default=80, help="bass below this fades from repeat to repeat"),
    ],
    constants=[GLIDE],
    state=[
        ("tape", "f4", (TAPE_FRAMES + GUARD,)),  # what was recorded, as a ring
        ("head", "i8"),  # where the next frame is recorded
        ("delay", "f8"),  # frames between the two heads at the last frame
        ("speed", "f8"),  # by how many frames the delay changed in the last frame
        ("feedback", "f8"),  # 0..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
        ("treble", "f8"),  # memory of the low-pass in the loop
        ("bass", "f8"),  # memory of the high-pass in the loop
        ("tone_pole", "f8"),  # coefficients of the two at the last frame
        ("bass_pole", "f8"),
        ("repeat", "f4", (CHUNK,)),  # what comes off the tape, and through the filters
    ],
    work=30,
    tail=lambda p: 0.001 * p["time"] * (1 + math.log(1e-5) / math.log(max(p["feedback"], 1) / 100)),
)
def echo(p, s, x, n):
    """Mix x[0:n] with its repeats, in place."""
    make_finite(x, n)
    delay_goal = min(p.time * p.rate / 1000.0, TAPE_FRAMES - 4.0)
    feedback_goal, mix_goal = p.feedback / 100.0, p.mix / 100.0
    tone_goal, bass_goal = pole(p.tone, p.rate), pole(p.lowcut, p.rate)
    s.delay = glide_from(s.delay, delay_goal)
    tone_pole, bass_pole = glide_from(s.tone_pole, tone_goal), glide_from(s.bass_pole, bass_goal)
    glide, repeat, treble, bass = p.glide, s.repeat, s.treble, s.bass
    feedback, mix, done = s.feedback, s.mix, 0
    while done < n:
        recorded = max(int((s.delay - 2.0) / (1.0 + BEND)), 1)  # frames that the head reads before it meets what is new
        frames = min(min(n - done, CHUNK), min(recorded, TAPE_FRAMES - s.head))
        read_heads(p, s, frames, delay_goal)
        tone_way, bass_way = tone_goal - tone_pole, bass_goal - bass_pole
        for i in range(frames):
            treble = low_pass(treble, tone_pole + tone_way * glide[i], repeat[i])
            bass = low_pass(bass, bass_pole + bass_way * glide[i], treble)
            repeat[i] = treble - bass
        recording = s.tape[s.head :]
        for i in range(frames):
            dry = x[done + i]
            recording[i] = dry + on_its_way(feedback, feedback_goal, glide[i]) * repeat[i]
            x[done + i] = dry + on_its_way(mix, mix_goal, glide[i]) * (repeat[i] - dry)
        guard(s.tape, s.head, frames)
        part = glide[frames - 1]
        feedback, mix = moved_on(feedback, feedback_goal, part), moved_on(mix, mix_goal, part)
        tone_pole, bass_pole = tone_pole + tone_way * part, bass_pole + bass_way * part
        s.head = (s.head + frames) & (TAPE_FRAMES - 1)
        done += frames
    s.treble, s.bass, s.tone_pole, s.bass_pole = treble, bass, tone_pole, bass_pole
    s.feedback, s.mix = feedback, mix


@echo.prepare
def prepare(p, settings):
    """How knobs glide at this rate."""
    p["glide"] = gliding(GLIDE_MS, settings.rate)
