"""Echo: a tape loop that repeats what was played, each time a little darker.

When its knob is turned, the delay time glides as if a motor with some inertia moved the head, at most half as fast as
the tape runs: the pitch bends (down to a half, up to one and a half) and nothing clicks. Reading between two
frames amplifies nothing, so with a feedback below 100 % the loop dies away.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (delay lines).
"""

import math

from ..block import Param, block
from ..dsp import glide_from, make_finite, pole, read_tape, smoothing

TAPE_FRAMES = 262144  # a power of two above 2 s at 96 kHz
BEND = 0.5  # the most frames the delay may change in one frame
MOTOR_MS = 150.0  # the delay arrives this fast ...
INERTIA_MS = 20.0  # ... and its speed changes this fast; below a quarter of MOTOR_MS it does not swing
GLIDE_MS = 10.0  # the other knobs


@block(
    params=[
        Param("time", "ms", 1, 2000, default=380, help="from one repeat to the next", follows_tempo=True),
        Param("feedback", "%", 0, 95, default=35, help="how much of a repeat is repeated again"),
        Param("mix", "%", 0, 100, default=25, help="0: only the guitar, 100: only the echo"),
        Param("tone", "Hz", 500, 12000, default=4000, help="treble above this fades from repeat to repeat"),
        Param("lowcut", "Hz", 20, 1000, default=80, help="bass below this fades from repeat to repeat"),
    ],
    state=[
        ("tape", "f4", (TAPE_FRAMES,)),  # what was recorded, as a ring
        ("head", "i8"),  # where the next frame is recorded
        ("delay", "f8"),  # frames between the two heads at the last frame
        ("speed", "f8"),  # by how many frames the delay changed in the last frame
        ("feedback", "f8"),  # 0..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
        ("treble", "f8"),  # memory of the low-pass in the loop
        ("bass", "f8"),  # memory of the high-pass in the loop
        ("tone_pole", "f8"),  # coefficients of the two at the last frame
        ("bass_pole", "f8"),
    ],
    work=30,
    tail=lambda p: 0.001 * p["time"] * (1 + math.log(1e-5) / math.log(max(p["feedback"], 1) / 100)),
)
def echo(p, s, x, n):
    """Mix x[0:n] with its repeats, in place."""
    make_finite(x, n)
    delay_goal = min(p.time * p.rate / 1000.0, TAPE_FRAMES - 4.0)
    feedback_goal, mix_goal = p.feedback / 100.0, p.mix / 100.0
    delay, speed, feedback, mix = glide_from(s.delay, delay_goal), s.speed, s.feedback, s.mix
    tape, head, treble, bass = s.tape, s.head, s.treble, s.bass
    motor, inertia, glide = smoothing(MOTOR_MS, p.rate), smoothing(INERTIA_MS, p.rate), smoothing(GLIDE_MS, p.rate)
    tone_goal, bass_goal = pole(p.tone, p.rate), pole(p.lowcut, p.rate)
    tone_pole, bass_pole = glide_from(s.tone_pole, tone_goal), glide_from(s.bass_pole, bass_goal)
    for i in range(n):
        speed += inertia * (min(max(motor * (delay_goal - delay), -BEND), BEND) - speed)
        delay += speed
        feedback += glide * (feedback_goal - feedback)
        mix += glide * (mix_goal - mix)

        tone_pole += glide * (tone_goal - tone_pole)
        bass_pole += glide * (bass_goal - bass_pole)
        read = read_tape(tape, head, delay)
        treble += tone_pole * (read - treble)
        bass += bass_pole * (treble - bass)
        repeat = treble - bass
        tape[head] = x[i] + feedback * repeat
        head = (head + 1) & (TAPE_FRAMES - 1)
        x[i] += mix * (repeat - x[i])
    s.head, s.delay, s.speed, s.feedback, s.mix = head, delay, speed, feedback, mix
    s.treble, s.bass, s.tone_pole, s.bass_pole = treble, bass, tone_pole, bass_pole
