"""Gain: louder or softer, and the other way round if two lanes cancel each other.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 1 (decibels).
"""

import numpy as np

from ..block import Param, block, choice
from ..dsp import gain as linear
from ..dsp import glide_from, make_finite, smoothing

GLIDE_MS = 10.0  # a turned knob arrives this fast
ARRIVED = 1e-7  # so near to its goal, in parts of it, a gain is as good as there, and the loop without glide can run


@block(
    params=[
        Param("level", "dB", -80, 40, default=0, help="how much louder"),
        choice("polarity", "normal", "inverted", default="normal", help="inverted: what went up goes down"),
    ],
    state=[
        ("knob", "f4"),  # dB of the last period, and ...
        ("goal", "f8"),  # ... the linear gain that this is; 0: not computed yet
        ("level", "f8"),  # linear gain at the last frame
        ("turned", "f8"),  # 0: normal polarity, 2: inverted, at the last frame
    ],
    work=1,
)
def gain(p, s, x, n):
    """Multiply x[0:n] by the gain in place."""
    if p.level != s.knob or s.goal == 0.0:
        s.knob, s.goal = p.level, linear(p.level)
    level_goal, turned_goal = s.goal, 2.0 * p.polarity
    level, turned = glide_from(s.level, level_goal), s.turned
    if abs(level - level_goal) <= ARRIVED * level_goal and abs(turned - turned_goal) <= ARRIVED:
        level, turned = level_goal, turned_goal
        factor, most, nothing = np.float32(level * (1.0 - turned)), np.float32(1e6), np.float32(0.0)
        for i in range(n):  # with make_finite in the same loop: it would cost as much as the gain
            x[i] = factor * x[i] if -most < x[i] < most else nothing
    else:
        make_finite(x, n)
        glide = smoothing(GLIDE_MS, p.rate)
        for i in range(n):
            level += glide * (level_goal - level)
            turned += glide * (turned_goal - turned)
            x[i] *= level * (1.0 - turned)
    s.level, s.turned = level, turned
