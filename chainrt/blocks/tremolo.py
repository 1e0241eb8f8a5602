"""Tremolo: the loudness swings, from a soft pulse to a hard chop.

The wave is a sine whose flanks `shape` makes steep: (1 + k) w / (1 + k |w|), which still reaches from -1 to 1.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 3.4 (amplitude modulation, tremolo).
"""

from ..block import Param, block
from ..dsp import make_finite, next_cycle, sine, smoothing

STEEPEST = 20.0  # k at shape 100 %: the gain crosses from 10 to 90 % in a 20th of a cycle, so a chop does not click
GLIDE_MS = 20.0  # turned knobs


@block(
    params=[
        Param("speed", "Hz", 0.1, 20, default=5, help="how often it swings", follows_tempo=True),
        Param("depth", "%", 0, 100, default=60, help="how far it swings: 100 reaches silence"),
        Param("shape", "%", 0, 100, default=0, help="0: as a sine, 100: on and off"),
    ],
    state=[
        ("cycles", "f8"),  # where the wave stands, 0..1
        ("depth", "f8"),  # 0..1 at the last frame
        ("shape", "f8"),  # k at the last frame
    ],
    work=15,
)
def tremolo(p, s, x, n):
    """Swing the gain of x[0:n] between 1 and 1 - depth."""
    make_finite(x, n)
    cycles, depth, shape = s.cycles, s.depth, s.shape
    depth_goal, shape_goal, glide = p.depth / 100.0, STEEPEST * (p.shape / 100.0) ** 2, smoothing(GLIDE_MS, p.rate)
    for i in range(n):
        depth += glide * (depth_goal - depth)
        shape += glide * (shape_goal - shape)
        wave = sine(cycles)
        swing = (1.0 + shape) * wave / (1.0 + shape * abs(wave))
        x[i] = x[i] * (1.0 - depth * (0.5 - 0.5 * swing))
        cycles = next_cycle(cycles, p.speed, p.rate)
    s.cycles, s.depth, s.shape = cycles, depth, shape
