"""Vibrato: the pitch swings, as a moving tape head bends it; half mixed with the guitar it is a mono chorus.

A delay that changes by v frames a frame raises the pitch by the factor 1 - v. So a sine of f Hz and D seconds bends
by 2 pi f D at most, and D follows from the depth in cents; the delay itself swings around D and a little more.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.5 (vibrato); Dattorro, "Effect design, part 2: delay-line
modulation and chorus", Journal of the AES 45(10), 1997.
"""

import math

from ..block import Level, Param, block
from ..compiled.language import njit
from ..dsp import glide_from, make_finite, next_cycle, read_tape, sine, smoothing

TAPE_FRAMES = 8192  # a power of two above 2 * 10 ms at 192 kHz
MOST_MS = 10.0  # D is not longer, however slow the swing
NEAREST = 2.0  # frames to the recording head
GLIDE_MS = 50.0  # a turned knob bends the pitch on its way; slowly, that is not heard


@njit
def swing_frames(cents, hz, rate):
    """D in frames."""
    bend = 2.0 ** (cents / 1200.0) - 1.0
    return min(bend / (2.0 * math.pi * hz), MOST_MS / 1000.0) * rate


@block(
    params=[
        Param("speed", "Hz", 0.1, 15, default=5, help="how often the pitch swings", follows_tempo=True),
        Param("depth", "ct", 0, 200, default=20, help="how far it swings, in hundredths of a semitone"),
        Param("mix", "%", 0, 100, default=100, help="0: only the guitar, 50: a chorus, 100: a vibrato"),
    ],
    state=[
        ("tape", "f4", (TAPE_FRAMES,)),  # what was played, as a ring
        ("head", "i8"),  # where the next frame is recorded
        ("cycles", "f8"),  # where the wave stands, 0..1
        ("reach", "f8"),  # D in frames, at the last frame, plus NEAREST
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    work=30,
    tail=2 * MOST_MS / 1000 + 0.001,
)
def vibrato(p, s, x, n):
    """Replace x[0:n] by itself, read where the swinging head stands."""
    make_finite(x, n)
    tape, head, cycles = s.tape, s.head, s.cycles
    reach_goal = swing_frames(p.depth, p.speed, p.rate) + NEAREST
    reach, mix = glide_from(s.reach, reach_goal), s.mix
    mix_goal, glide = p.mix / 100.0, smoothing(GLIDE_MS, p.rate)
    for i in range(n):
        reach += glide * (reach_goal - reach)
        mix += glide * (mix_goal - mix)
        dry = x[i]
        tape[head] = dry
        bent = read_tape(tape, head, reach + (reach - NEAREST) * sine(cycles))
        x[i] = dry + mix * (bent - dry)
        head = (head + 1) & (TAPE_FRAMES - 1)
        cycles = next_cycle(cycles, p.speed, p.rate)
    s.head, s.cycles, s.reach, s.mix = head, cycles, reach, mix


@vibrato.prepare
def prepare(p, settings):
    """Without the guitar beside it, the bent sound is late by the delay around which it swings."""
    late = round(swing_frames(float(p["depth"]), float(p["speed"]), settings.rate) + NEAREST) if p["mix"] == 100 else 0
    return (Level("full", vibrato.work, 0, vibrato.new_state, latency=late),)
