"""Boost: more gain into the amp, of all that is played or of a part of it.

`full` lifts everything. `treble` is the old booster in front of a dark amp: a small coupling capacitor passes the highs
only. `mid` lifts a wide bell around 800 Hz, so that a solo stands out.

Sources: Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.3 (shelving and peak filters); the filters: see chainrt/filters.py.
"""

from ..block import Param, block, choice
from ..dsp import gain, glide_from, louder, make_finite, smoothing
from ..filters import BELL, LOW_SHELF, aim, equalise, equaliser_state, ringing_seconds

KINDS = (LOW_SHELF, BELL)
BASS_HZ, BASS_Q = 1200.0, 0.5  # what the treble booster lets through less: a first-order slope, nearly
MIDDLE_HZ, MIDDLE_Q = 800.0, 0.6
GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("gain", "dB", 0, 30, default=12, help="how much louder"),
        choice("voice", "full", "mid", "treble", default="full", help="what of it is boosted"),
        Param("level", "dB", -30, 12, default=0, help="output level"),
    ],
    state=[
        ("level", "f8"),  # linear gain behind the filters at the last frame
        *equaliser_state(2),
    ],
    work=20,
    tail=ringing_seconds(MIDDLE_HZ, 2 * MIDDLE_Q),
)
def boost(p, s, x, n):
    """Boost x[0:n] in place."""
    make_finite(x, n)
    aim(s, 0, BASS_HZ, -p.gain if p.voice == 2 else 0.0, BASS_Q)
    aim(s, 1, MIDDLE_HZ, p.gain if p.voice == 1 else 0.0, MIDDLE_Q)
    equalise(KINDS, s, p.rate, x, n)
    goal, glide = gain(p.level + (0.0 if p.voice == 1 else p.gain)), smoothing(GLIDE_MS, p.rate)
    level = glide_from(s.level, goal)
    for i in range(n):
        level = louder(level, goal, glide)
        x[i] *= level
    s.level = level
