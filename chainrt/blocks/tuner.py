"""Tuner: tells the pitch of the string and leaves the sound as it is.

The sound is filtered and thinned out to about 6 kHz. Of the last 0.12 s of that a picture is taken, and its difference
from itself, moved by 1, 2, ... LAGS samples, is summed: one lag for each new sample, so every period costs the same.
The pitch is the first deep valley of that function (divided by its running mean); then its second, fourth ... period
is looked up, as long as there are lags, since the same error in samples is a smaller one of a longer time.

Within 0.5 cents up to 1 kHz, within 1 cent below 60 Hz, down to the 31 Hz of a bass with five strings; a new reading
comes every 40 ms.

Source: de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music", Journal of the
Acoustical Society of America 111(4), 2002 (steps 2 to 5: difference, normalisation, threshold, parabola).
"""

import numpy as np

from ..block import Reading, block, fading_seconds
from ..compiled.language import njit
from ..dsp import make_finite, pole

THIN_HZ = 6000.0  # sample rate at which the pitch is looked for, about
TREBLE_HZ = 900.0  # a pickup's treble only disturbs
LAGS, WINDOW = 240, 512  # thinned samples: pitches above 25 Hz; how much is compared
PAST = LAGS + WINDOW
SHORTEST = 4  # thinned samples: pitches below 1,500 Hz
CLEAR = 0.15  # below this part of the mean, a valley is a period (the paper's absolute threshold)
SOFTEST = 1e-9  # mean square of a difference below which there is only noise


@njit(forceinline=True, fastmath={"contract", "reassoc"})  # so that the sum becomes vectors
def difference(picture, lag):
    """The sum of the squares of what differs between the picture and itself, `lag` samples later."""
    total = np.float32(0.0)
    for i in range(WINDOW):
        d = picture[i] - picture[i + lag]
        total += d * d
    return total


@njit(forceinline=True)
def valley(sums, at):
    """Where the parabola through three neighbouring sums is lowest; `at` is the middle one.

    Never beyond its neighbours: three sums that lie nearly on a line would be lowest anywhere.
    """
    bend = sums[at - 1] - 2.0 * sums[at] + sums[at + 1]
    slope = 0.5 * (sums[at - 1] - sums[at + 1])
    if abs(slope) < bend:
        return at + slope / bend
    return at + (1.0 if slope > 0.0 else -1.0 if slope < 0.0 else 0.0)


@njit(forceinline=True)
def lowest_near(sums, at):
    """The lag of the smallest sum within two lags of `at`."""
    best = at
    for lag in range(at - 2, at + 3):
        if sums[lag] < sums[best]:
            best = lag
    return best


@block(
    constants=[("factor", "i8")],  # frames for each thinned sample
    state=[
        ("pitch", "f8"),  # Hz; 0: none
        ("clarity", "f8"),  # 1: the sound repeats itself exactly, 0: it does not
        ("treble", "f8", (2,)),  # memories of two low-passes
        ("gathered", "f8"),  # sum of the frames of the next thinned sample
        ("count", "i8"),  # ... and how many they are
        ("ring", "f4", (PAST,)),  # the last thinned samples
        ("at", "i8"),  # where the next one goes
        ("picture", "f4", (PAST,)),  # the thinned samples that are looked at, oldest first
        ("lag", "i8"),  # the last lag whose difference has been summed; 0: take a new picture
        ("sums", "f4", (LAGS,)),  # difference at each lag
        ("ratios", "f4", (LAGS,)),  # the same over the mean of those up to there
        ("sum", "f8"),  # of all differences so far
    ],
    work=80,
    tail=fading_seconds(TREBLE_HZ),
    readings=[
        Reading("pitch", "Hz", help="of the string; 0 if there is none"),
        Reading("clarity", "", help="1: a clear tone, 0: noise"),
    ],
)
def tuner(p, s, x, n):
    """Listen to x[0:n]."""
    make_finite(x, n)
    a, low, lower, gathered, count = pole(TREBLE_HZ, p.rate), s.treble[0], s.treble[1], s.gathered, s.count
    for i in range(n):
        low += a * (x[i] - low)
        lower += a * (low - lower)
        gathered += lower
        count += 1
        if count < p.factor:
            continue
        s.ring[s.at] = gathered / count
        s.at = s.at + 1 if s.at + 1 < PAST else 0
        gathered, count = 0.0, 0
        if s.lag == 0:
            for k in range(PAST):
                place = s.at + k
                s.picture[k] = s.ring[place if place < PAST else place - PAST]
            s.sum = 0.0
        s.lag += 1
        if s.lag < LAGS:
            total = difference(s.picture, s.lag)
            s.sum += total
            s.sums[s.lag] = total
            s.ratios[s.lag] = total * s.lag / s.sum if s.sum > 0.0 else 1.0
            continue
        s.lag = 0
        lag = SHORTEST
        while lag < LAGS - 3 and not (s.ratios[lag] < CLEAR and s.ratios[lag] <= s.ratios[lag + 1]):
            lag += 1
        if lag == LAGS - 3 or s.sum < SOFTEST * WINDOW * LAGS:
            s.pitch, s.clarity = 0.0, 0.0
            continue
        s.clarity = 1.0 - s.ratios[lag]
        periods, length = 1, valley(s.sums, lag)
        while 2.0 * periods * length < LAGS - 4:
            periods *= 2
            length = valley(s.sums, lowest_near(s.sums, int(periods * length + 0.5))) / periods
        s.pitch = p.rate / p.factor / length
    s.treble[0], s.treble[1], s.gathered, s.count = low, lower, gathered, count


@tuner.prepare
def prepare(p, settings):
    """How many frames go into a thinned sample."""
    p["factor"] = max(1, round(settings.rate / THIN_HZ))
