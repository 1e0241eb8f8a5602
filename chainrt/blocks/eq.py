"""Parametric equaliser: low cut, low shelf, two bells, high shelf, high cut.

Sources: see chainrt/filters.py; Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.3 (shelving and peak filters).
"""

from ..block import Param, block
from ..dsp import make_finite
from ..filters import BELL, HIGH_CUT, HIGH_SHELF, LOW_CUT, LOW_SHELF, aim, equalise, equaliser_state, ringing_seconds

KINDS = (LOW_CUT, LOW_SHELF, BELL, BELL, HIGH_SHELF, HIGH_CUT)
FLAT_Q = 0.7071067811865476  # Butterworth: as steep as can be without a bump


def tail_seconds(p):
    """The low cut and the two bells ring longest."""
    bells = max(ringing_seconds(p[f"{name}_freq"], p[f"{name}_q"] * 4) for name in ("peak1", "peak2"))
    return max(bells, ringing_seconds(p["low_cut"]), ringing_seconds(p["low_freq"], 2))


@block(
    params=[
        Param("low_cut", "Hz", 20, 1000, default=20, help="bass below this is taken out"),
        Param("low_freq", "Hz", 30, 1000, default=120, help="corner of the bass"),
        Param("low_gain", "dB", -24, 24, default=0, help="how much louder the bass"),
        Param("peak1_freq", "Hz", 40, 16000, default=400, help="middle of the first bell"),
        Param("peak1_gain", "dB", -24, 24, default=0, help="how much louder there"),
        Param("peak1_q", "", 0.2, 12, default=1, help="how narrow: frequency over width"),
        Param("peak2_freq", "Hz", 40, 16000, default=2500, help="middle of the second bell"),
        Param("peak2_gain", "dB", -24, 24, default=0, help="how much louder there"),
        Param("peak2_q", "", 0.2, 12, default=1, help="how narrow: frequency over width"),
        Param("high_freq", "Hz", 1000, 16000, default=5000, help="corner of the treble"),
        Param("high_gain", "dB", -24, 24, default=0, help="how much louder the treble"),
        Param("high_cut", "Hz", 1000, 20000, default=20000, help="treble above this is taken out"),
    ],
    state=equaliser_state(len(KINDS)),
    work=54,
    tail=tail_seconds,
)
def eq(p, s, x, n):
    """Equalise x[0:n] in place."""
    make_finite(x, n)
    aim(s, 0, p.low_cut, 0.0, FLAT_Q)
    aim(s, 1, p.low_freq, p.low_gain, FLAT_Q)
    aim(s, 2, p.peak1_freq, p.peak1_gain, p.peak1_q)
    aim(s, 3, p.peak2_freq, p.peak2_gain, p.peak2_q)
    aim(s, 4, p.high_freq, p.high_gain, FLAT_Q)
    aim(s, 5, p.high_cut, 0.0, FLAT_Q)
    equalise(KINDS, s, p.rate, x, n)
