"""Acoustic: lets an electric guitar sound more like one with a hollow body.

The strings of both are alike; what differs is the body. Its lowest resonances, of the air in it and of its top, are
added as bells, a wide part of the middle where a magnetic pickup is strong is taken out, and the pickup's dull treble
is lifted. `body` and `bright` say how much.

Sources: Karjalainen, Penttinen and Välimäki, "Acoustic sound from the electric guitar using DSP techniques", ICASSP
2000 (equalising one into the other); Fletcher and Rossing, The Physics of Musical Instruments, 2nd ed. 1998, section
9.5 (air resonance near 100 Hz, top near 200 Hz and 400 Hz); the filters: see chainrt/filters.py.
"""

from ..block import Param, block
from ..dsp import gain, glide_from, louder, make_finite, smoothing
from ..filters import BELL, HIGH_SHELF, LOW_CUT, aim, equalise, equaliser_state, ringing_seconds

KINDS = (LOW_CUT, BELL, BELL, BELL, BELL, HIGH_SHELF)
BODY_DB = (9.0, 7.0, 4.0)  # how far air, first and second top resonance stand out with `body` at 100 %
MIDDLE_DB = -10.0
BRIGHT_DB = 14.0
GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("body", "%", 0, 100, default=60, help="how strongly the body resounds"),
        Param("size", "%", 50, 150, default=100, help="of the body: a larger one resounds lower"),
        Param("bright", "%", 0, 100, default=60, help="how much treble the pickup has lost"),
        Param("level", "dB", -24, 12, default=-3, help="output level"),
    ],
    state=[
        ("level", "f8"),  # linear gain behind the filters at the last frame
        *equaliser_state(len(KINDS)),
    ],
    work=56,
    tail=lambda p: ringing_seconds(10000.0 / p["size"], 12),
)
def acoustic(p, s, x, n):
    """Give x[0:n] a body, in place."""
    make_finite(x, n)
    body, bright, lower = p.body / 100.0, p.bright / 100.0, 100.0 / p.size
    aim(s, 0, 60.0 * lower, 0.0, 0.7)
    aim(s, 1, 100.0 * lower, BODY_DB[0] * body, 5.0)
    aim(s, 2, 200.0 * lower, BODY_DB[1] * body, 4.0)
    aim(s, 3, 400.0 * lower, BODY_DB[2] * body, 3.0)
    aim(s, 4, 900.0, MIDDLE_DB * max(body, bright), 0.6)
    aim(s, 5, 4500.0, BRIGHT_DB * bright, 0.6)
    equalise(KINDS, s, p.rate, x, n)
    goal, glide = gain(p.level), smoothing(GLIDE_MS, p.rate)
    level = glide_from(s.level, goal)
    for i in range(n):
        level = louder(level, goal, glide)
        x[i] *= level
    s.level = level
