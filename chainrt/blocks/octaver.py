"""Octaver: one and two octaves below, and one above, for single notes, as an analogue pedal makes them.

The note without its overtones swings once a period. Each time it rises through zero a switch changes sides, and the
next switch follows every second change of the first: multiplied by them the note repeats every second and every fourth
period. Both change at a zero of the sound they turn round, so there is no jump. The octave above is the note's
magnitude, which swings twice a period.

Where the sound turns round between two frames, the mean along the straight line from one to the other is played
(first-order antiderivative antialiasing). Of a sine of 1,252 Hz, near the highest note of a guitar, with `tone` at
4 kHz, all energy beside the harmonics of the octave is -65 dB of the whole for `below`, -68 dB for `deep` and -53 dB
for `above`, at 48 kHz; of a note two octaves lower it is 17 dB less and more.

Sources: Zölzer (ed.), DAFX, 2nd ed. 2011, section 4.3.3 (octave effects by rectifying and dividing); Parker, Zavalishin
and Le Bivic, "Reducing the aliasing of nonlinear waveshaping using continuous-time convolution", DAFx-16.
"""

from ..block import Param, block, fading_seconds
from ..dsp import glide_from, inline, make_finite, pole, smoothing

NOTE_HZ = 500.0  # overtones above this are taken out before the zeros are sought: twice
ARM = 0.2  # of its peak the note must have fallen below zero before a rise through zero counts
FALL_MS = 60.0  # the peak follower
OFFSET_HZ = 20.0  # what a magnitude has below this is taken out
GLIDE_MS = 10.0  # turned knobs


@inline
def folded(a, b):
    """The mean magnitude along the straight line from a to b, of which one is below zero and one above."""
    return (a * a + b * b) / max(2.0 * (abs(a) + abs(b)), 1e-30)


@block(
    params=[
        Param("below", "%", 0, 100, default=70, help="how loud the octave below is"),
        Param("deep", "%", 0, 100, default=0, help="how loud the second octave below is"),
        Param("above", "%", 0, 100, default=0, help="how loud the octave above is"),
        Param("dry", "%", 0, 100, default=70, help="how loud the guitar is"),
        Param("tone", "Hz", 100, 4000, default=800, help="treble of the octaves above this is turned down"),
    ],
    state=[
        ("note", "f8", (2,)),  # memories of the filters that leave the note
        ("peak", "f8"),  # of the note
        ("is_armed", "i8"),  # 1: it was well below zero since its last rise
        ("half", "i8"),  # the first switch, 0 or 1
        ("quarter", "i8"),  # the second one
        ("offset", "f8"),  # mean of the magnitude
        ("soft", "f8"),  # memory of the low-pass after the octaves
        ("pole", "f8"),  # its coefficient at the last frame
        ("gain", "f8", (4,)),  # 0..1 at the last frame: below, deep, above, dry
    ],
    work=40,
    tail=fading_seconds(OFFSET_HZ, 140),
)
def octaver(p, s, x, n):
    """Add the octaves to x[0:n]."""
    make_finite(x, n)
    note, smooth, peak, is_armed, half, quarter = s.note[0], s.note[1], s.peak, s.is_armed, s.half, s.quarter
    offset, soft, glide, fall = s.offset, s.soft, smoothing(GLIDE_MS, p.rate), 1.0 - smoothing(FALL_MS, p.rate)
    note_pole, offset_pole, soft_goal = pole(NOTE_HZ, p.rate), pole(OFFSET_HZ, p.rate), pole(p.tone, p.rate)
    soft_pole = glide_from(s.pole, soft_goal)
    below, deep, above, dry = s.gain[0], s.gain[1], s.gain[2], s.gain[3]
    for i in range(n):
        below += glide * (p.below / 100.0 - below)
        deep += glide * (p.deep / 100.0 - deep)
        above += glide * (p.above / 100.0 - above)
        dry += glide * (p.dry / 100.0 - dry)
        soft_pole += glide * (soft_goal - soft_pole)

        note += note_pole * (x[i] - note)
        before = smooth
        smooth += note_pole * (note - smooth)
        peak = max(abs(smooth), peak * fall)
        if smooth < -ARM * peak:
            is_armed = 1
        straight, turned = 0.5 * (before + smooth), folded(before, smooth)
        first, second = straight, straight
        if is_armed == 1 and before < 0.0 <= smooth:
            is_armed = 0
            half = 1 - half
            first = turned
            if half == 1:
                second = turned
            else:
                quarter = 1 - quarter
        magnitude = turned if before * smooth < 0.0 else abs(straight)
        offset += offset_pole * (magnitude - offset)
        halved = first * below + second * deep * (2 * quarter - 1)
        octaves = (2 * half - 1) * halved + 2.0 * above * (magnitude - offset)
        soft += soft_pole * (octaves - soft)
        x[i] = dry * x[i] + soft
    s.note[0], s.note[1], s.peak, s.is_armed, s.half, s.quarter = note, smooth, peak, is_armed, half, quarter
    s.offset, s.soft, s.pole = offset, soft, soft_pole
    s.gain[0], s.gain[1], s.gain[2], s.gain[3] = below, deep, above, dry
