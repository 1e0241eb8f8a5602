"""Graphic equaliser: ten sliders, an octave apart; what the sliders draw is what is heard.

Ten bells in a row would add up to more than the sliders show, since each reaches into its neighbours. So the bells are
not set to the sliders' gains but to those whose sum is nearest to the curve through the sliders (least squares, at the
ten middles and, with less weight, half-way between them): at the sliders within 0.5 dB, 0.8 dB for the worst zigzag.
As a bell's width hardly depends on its gain, that is one constant matrix.

Source: Välimäki and Liski, "Accurate cascade graphic equalizer", IEEE Signal Processing Letters 24(2), 2017; the
filters: see chainrt/filters.py.
"""

import numpy as np

from ..block import Param, block
from ..dsp import make_finite
from ..filters import BELL, aim, equalise, equaliser_state, ringing_seconds

MIDDLES_HZ = (31.25, 62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
NAMES = ("hz31", "hz62", "hz125", "hz250", "hz500", "k1", "k2", "k4", "k8", "k16")
BANDS = len(MIDDLES_HZ)
KINDS = (BELL,) * BANDS
Q = 0.92  # 1.5 octaves wide
TYPICAL_DB = 8.0  # gain at which the bells' reach into each other is computed
BETWEEN = 0.5  # how much the points between the sliders matter, beside those at the sliders


@block(
    params=[
        Param(name, "dB", -12, 12, default=0, help=f"how much louder around {hz:g} Hz")
        for name, hz in zip(NAMES, MIDDLES_HZ, strict=True)
    ],
    constants=[("mix", "f8", (BANDS, BANDS))],  # sliders' dB -> bells' dB
    state=[
        ("sliders", "f8", (BANDS,)),  # dB, as they stood when the bells were last aimed
        *equaliser_state(BANDS),
    ],
    work=90,
    tail=ringing_seconds(MIDDLES_HZ[0], Q * 2),
)
def graphic(p, s, x, n):
    """Equalise x[0:n] in place."""
    make_finite(x, n)
    sliders = (p.hz31, p.hz62, p.hz125, p.hz250, p.hz500, p.k1, p.k2, p.k4, p.k8, p.k16)
    for band in range(BANDS):
        if s.sliders[band] != sliders[band] or s.goals[band, 0] == 0.0:
            for i in range(BANDS):  # all bells follow each slider
                s.sliders[i] = sliders[i]
            for i in range(BANDS):
                bell = 0.0
                for k in range(BANDS):
                    bell += p.mix[i, k] * s.sliders[k]
                aim(s, i, MIDDLES_HZ[i], bell, Q)
            break
    equalise(KINDS, s, p.rate, x, n)


def bell_db(hz, middle_hz, db, rate):
    """Gain in dB, at `hz`, of the bell at `middle_hz`: the analogue bell, bent as the trapezoidal rule bends it."""
    root = 10 ** (db / 40)
    w = np.tan(np.pi * np.minimum(hz / rate, 0.49)) / np.tan(np.pi * np.minimum(middle_hz / rate, 0.49))
    return 20 * np.log10(np.abs((1 - w**2 + 1j * w * root / Q) / (1 - w**2 + 1j * w / root / Q)))


@graphic.prepare
def prepare(p, settings):
    """Find the gains of the bells for one slider at a time."""
    middles = np.array(MIDDLES_HZ)
    points = np.arange(2 * BANDS - 1) / 2
    heard_at = np.interp(points, np.arange(BANDS), np.log2(middles))
    reach = bell_db(2 ** heard_at[:, None], middles[None, :], TYPICAL_DB, settings.rate) / TYPICAL_DB
    drawn = np.array([np.interp(points, np.arange(BANDS), slider) for slider in np.eye(BANDS)]).T
    weight = np.where(np.arange(len(points)) % 2, BETWEEN, 1.0)[:, None]
    p["mix"] = np.linalg.lstsq(weight * reach, weight * drawn, rcond=None)[0]
