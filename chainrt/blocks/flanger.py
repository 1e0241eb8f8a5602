"""Flanger: two tape machines almost in step; their difference combs the sound, and the comb moves.

The wave sweeps the delay from `delay` down to a fraction of it. Notches lie at odd multiples of 1 / (2 delay); they are
deepest at a mix of 50 %. `feedback` sharpens the teeth between them; below 0 it moves them to where the notches were.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.5 (flanger); Dattorro, "Effect design, part 2: delay-line
modulation and chorus", Journal of the AES 45(10), 1997.
"""

from ..block import Param, block, loop_turns
from ..dsp import glide_from, make_finite, next_cycle, read_tape, sine, smoothing

TAPE_FRAMES = 4096  # a power of two above 15 ms at 192 kHz
NEAREST = 2.0  # frames: what is read must have been recorded
GLIDE_MS = 50.0  # a turned knob bends the pitch on its way; slowly, that is not heard


@block(
    params=[
        Param("speed", "Hz", 0.02, 10, default=0.2, help="how often it sweeps", follows_tempo=True),
        Param("depth", "%", 0, 100, default=80, help="how far the delay shrinks as it sweeps"),
        Param("delay", "ms", 0.2, 15, default=4, help="the longest delay"),
        Param("feedback", "%", -95, 95, default=40, help="how much of the sweep is swept again"),
        Param("mix", "%", 0, 100, default=50, help="0: only the guitar, 50: the deepest notches"),
    ],
    state=[
        ("tape", "f4", (TAPE_FRAMES,)),  # what was played and fed back, as a ring
        ("head", "i8"),  # where the next frame is recorded
        ("cycles", "f8"),  # where the wave stands, 0..1
        ("depth", "f8"),  # 0..1 at the last frame
        ("delay", "f8"),  # frames, at the last frame
        ("feedback", "f8"),  # -1..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    work=35,
    tail=lambda p: 0.001 * p["delay"] * (2 + loop_turns(p["feedback"])),
)
def flanger(p, s, x, n):
    """Mix x[0:n] with what is read from the swept tape."""
    make_finite(x, n)
    tape, head, cycles = s.tape, s.head, s.cycles
    depth_goal, delay_goal = p.depth / 100.0, p.delay * p.rate / 1000.0
    feedback_goal, mix_goal, glide = p.feedback / 100.0, p.mix / 100.0, smoothing(GLIDE_MS, p.rate)
    depth, delay, feedback, mix = s.depth, glide_from(s.delay, delay_goal), s.feedback, s.mix
    for i in range(n):
        depth += glide * (depth_goal - depth)
        delay += glide * (delay_goal - delay)
        feedback += glide * (feedback_goal - feedback)
        mix += glide * (mix_goal - mix)
        swept = read_tape(tape, head, max(delay * (1.0 - depth * (0.5 - 0.5 * sine(cycles))), NEAREST))
        dry = x[i]
        tape[head] = dry + feedback * swept
        x[i] = dry + mix * (swept - dry)
        head = (head + 1) & (TAPE_FRAMES - 1)
        cycles = next_cycle(cycles, p.speed, p.rate)
    s.head, s.cycles, s.depth, s.delay, s.feedback, s.mix = head, cycles, depth, delay, feedback, mix
