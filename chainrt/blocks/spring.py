"""Spring: the reverb of old guitar amps, two springs in a tank, on which treble travels slower than bass.

What goes into a spring comes out as a chirp: the bass at once, the rest the later the higher, up to a transition above
which hardly anything is heard. A chain of all-passes does that: at the transition each is late by (1 + a) / (1 - a) of
its samples, in the bass by the inverse. What came out goes round again through the same chain, so each echo is more of
a chirp than the one before: the drip. All is lossless but one factor, so the spring falls by 60 dB in its decay time.

The all-passes run at twice the transition frequency, to which the guitar is thinned out: there they are of first order,
and only every fifth frame, at 48 kHz, makes a sample. All of them move on at once: each takes what the one before it
made a sample ago. That adds a delay of one sample each, by which the spring's own delay is shorter.

It departs from the model in the first source: the small echo before each chirp comes from one more all-pass, so that
the decay stays what the knob says; a slow swing of the springs' lengths stands for the noise that moves them; and the
second family of chirps, above the transition, which no guitar speaker plays, is left out. What a spring holds is read
between two samples, which costs treble: in long decays it fades sooner.

Sources: Välimäki, Parker and Abel, "Parametric spring reverberation effect", Journal of the AES 58(7/8), 2010; Parker,
"Efficient dispersion generation structures for spring reverb emulation", EURASIP Journal on Advances in Signal
Processing, 2011 (thinning out).
"""

import math

import numpy as np

from ..block import Param, block
from ..compiled.language import njit
from ..dsp import (
    CHUNK,
    GLIDE,
    called,
    glide_from,
    gliding,
    inline,
    low_pass,
    make_finite,
    moved_on,
    on_its_way,
    pole,
    read_tape,
    sine,
    smoothing,
)

SPRINGS = 2
TRAVEL_MS = (33.0, 41.0)  # of the bass, from end to end of each spring
SIGNS = (1.0, -1.0)  # with which they are heard
TRANSITION_HZ = 4800.0  # or the nearest to which a whole number of frames make one sample
STAGES = 100  # all-passes of a spring
WIDTH = 104  # places of a spring among all; a whole number of vectors
STEPS = 256  # samples for which the all-passes move along their memory, before they are put back to its end
DRIP = 0.5  # coefficient of the all-passes at 100 %: the treble lags most; a larger one spares what lies lower
EARLY, EARLY_PART = 0.2, 0.2  # coefficient of the all-pass that echoes, and its length in parts of the spring's
EARLY_RING = 256  # a power of two above EARLY_PART of the longest spring
TAPE = 1024  # a power of two above the longest spring
SWING_MS, SWING_HZ = 0.1, (0.37, 0.53)  # how far and how often the springs' lengths swing
TAPS = 24  # samples over which the low-pass between frames and samples reaches, and by which both ways together lag
MOST_THINNED = 20  # frames that make a sample, at 192 kHz
PAST = TAPS * MOST_THINNED
RUN = 1024  # frames for which the present moves along its memory, before it is put back to its beginning
LEAST_HZ = 8000.0  # sample rate of the springs, for they are no shorter than their all-passes and echoes
STEEPNESS = 6.0  # of the Kaiser window: 60 dB
CORNER = 0.86  # of the low-pass, in parts of the transition
GLIDE_MS = 20.0  # turned knobs
BEND_MS = 60.0  # turned drip: it bends the pitch on its way


@njit(fastmath={"contract", "reassoc"})  # so that the sum becomes vectors
def weighed(taps, sound, count):
    """The sum of products of so many taps and samples."""
    total = np.float32(0.0)
    for i in range(count):
        total += taps[i] * sound[i]
    return total


@inline
def echo_early(s, spring, late, x):
    """One sample through the all-pass that echoes."""
    ring, here = s.early[spring], s.head & (EARLY_RING - 1)
    past = ring[(s.head - late) & (EARLY_RING - 1)]
    ring[here] = x - EARLY * past
    return EARLY * ring[here] + past


@called
def disperse(wave, memory, bend):
    """Every all-pass of every spring takes one step: (a + z^-1) / (1 + a z^-1), in place."""
    for i in range(SPRINGS * WIDTH):
        old = wave[i]
        new = bend * old + memory[i]
        memory[i] = old - bend * new
        wave[i] = new


@inline
def put_back(s):
    """The all-passes have reached the beginning of their memory: move them to its end."""
    for i in range(SPRINGS * WIDTH):
        s.wave[STEPS + i] = s.wave[i]
    s.at = STEPS


@called
def shake(p, s, entry):
    """One sample into both springs. Returns what comes out of them, together: about as loud, whatever the decay."""
    if s.at == 0:
        put_back(s)
    s.at -= 1
    s.bend += p.soon * (DRIP * p.drip / 100.0 - s.bend)
    wave, heard = s.wave[s.at :], 0.0
    chain = STAGES - 1 + STAGES * (1.0 - s.bend) / (1.0 + s.bend)  # samples by which the bass is late in it
    for spring in range(SPRINGS):
        tape, early, cycles = s.tape[spring], p.early[spring], s.cycles[spring] + p.step[spring]
        s.cycles[spring] = cycles - math.floor(cycles)
        s.kept[spring] += p.soon * (s.kept_goal[spring] - s.kept[spring])
        kept, late = s.kept[spring], p.travel[spring] - chain + p.swing * (1.0 + sine(cycles))
        back = echo_early(s, spring, early, read_tape(tape, s.head, late - early))
        wave[spring * WIDTH] = entry - kept * back
        heard += p.sign[spring] * math.sqrt(1.0 - kept * kept) * read_tape(tape, s.head, late - TAPS)
    disperse(wave, s.memory, np.float32(s.bend))
    for spring in range(SPRINGS):
        s.tape[spring, s.head] = wave[spring * WIDTH + STAGES - 1]
    s.head = (s.head + 1) & (TAPE - 1)
    return heard


@called
def move_back(p, s):
    """The frames have reached the end of their memory: the last ones, and what is to come, go to its beginning."""
    reach, at = TAPS * p.thinned, s.place
    for i in range(PAST - reach, PAST):
        s.frames[i] = s.frames[at + i]
    for i in range(PAST):
        s.heard[i] = s.heard[at + i]
    for i in range(PAST, len(s.heard)):
        s.heard[i] = 0.0
    s.place = 0


@called
def through_springs(p, s, frames):
    """From the present frames to those that are heard."""
    reach, rise = TAPS * p.thinned, np.float32(p.thinned)
    while s.until < frames:
        now = s.place + s.until
        sample = shake(p, s, weighed(p.taps, s.frames[PAST + 1 + now - reach :], reach))
        taps, heard, louder = p.taps, s.heard[now:], rise * np.float32(sample)
        for i in range(reach):
            heard[i] += louder * taps[i]
        s.until += p.thinned
    s.until -= frames


@block(
    params=[
        Param("decay", "ms", 300, 8000, default=2200, help="time in which the springs fall by 60 dB"),
        Param("drip", "%", 0, 100, default=80, help="how far the treble lags behind: 0 is an echo, 100 drips"),
        Param("lowcut", "Hz", 20, 1000, default=160, help="bass below this does not reach the springs"),
        Param("tone", "Hz", 500, 8000, default=4000, help="treble of the springs above this is turned down"),
        Param("mix", "%", 0, 100, default=30, help="0: only the guitar, 100: only the springs"),
    ],
    constants=[
        GLIDE,
        ("thinned", "i8"),  # frames that make a sample
        ("taps", "f4", (PAST,)),  # of the low-pass from frames to samples and back
        ("travel", "f8", (SPRINGS,)),  # samples from end to end
        ("early", "i8", (SPRINGS,)),  # samples by which the all-pass echoes
        ("sign", "f8", (SPRINGS,)),
        ("swing", "f8"),  # samples
        ("step", "f8", (SPRINGS,)),  # cycles of the swing in a sample
        ("soon", "f8"),  # the part of its way that a knob of the springs covers in a sample
    ],
    state=[
        ("frames", "f4", (PAST + RUN,)),  # what goes in, the present chunk behind its past, PAST behind `place`
        ("heard", "f4", (PAST + RUN,)),  # what comes out, and what is known of it before, from `place` on
        ("place", "i8"),
        ("until", "i8"),  # frames until the next sample
        ("wave", "f4", (STEPS + SPRINGS * WIDTH,)),  # what lies between the all-passes, from the place `at` on
        ("at", "i8"),
        ("memory", "f4", (SPRINGS * WIDTH,)),  # of each all-pass
        ("tape", "f4", (SPRINGS, TAPE)),  # what left the all-passes, as a ring
        ("early", "f4", (SPRINGS, EARLY_RING)),  # memory of the one that echoes
        ("head", "i8"),  # where the next sample is recorded
        ("cycles", "f8", (SPRINGS,)),  # where each swing stands, 0..1
        ("bend", "f8"),  # coefficient of the all-passes at the last sample
        ("kept", "f8", (SPRINGS,)),  # linear gain each time round at the last sample,
        ("kept_goal", "f8", (SPRINGS,)),  # and where it glides to
        ("bass", "f8"),  # memories of the two filters
        ("treble", "f8"),
        ("bass_pole", "f8"),  # their coefficients at the last frame
        ("tone_pole", "f8"),
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    work=75,
    tail=lambda p: 0.001 * (4 * TRAVEL_MS[-1] + 2.2 * p["decay"]) + 0.3,
)
def spring(p, s, x, n):
    """Mix x[0:n] with what the springs make of it, in place."""
    make_finite(x, n)
    for number in range(SPRINGS):
        s.kept_goal[number] = 10.0 ** (-3000.0 * p.travel[number] * p.thinned / (p.rate * p.decay))
    bass_goal, tone_goal, mix_goal = pole(p.lowcut, p.rate), pole(p.tone, p.rate), p.mix / 100.0
    bass_pole, tone_pole = glide_from(s.bass_pole, bass_goal), glide_from(s.tone_pole, tone_goal)
    bass, treble, mix, glide, done = s.bass, s.treble, s.mix, p.glide, 0
    while done < n:
        frames = min(n - done, CHUNK)
        if s.place + frames > RUN:
            move_back(p, s)
        fresh, heard = s.frames[PAST + s.place :], s.heard[s.place :]
        bass_way, tone_way = bass_goal - bass_pole, tone_goal - tone_pole
        for i in range(frames):
            bass = low_pass(bass, bass_pole + bass_way * glide[i], x[done + i])
            fresh[i] = x[done + i] - bass
        through_springs(p, s, frames)
        for i in range(frames):
            treble = low_pass(treble, tone_pole + tone_way * glide[i], heard[i])
            x[done + i] += on_its_way(mix, mix_goal, glide[i]) * (np.float32(treble) - x[done + i])
        part = glide[frames - 1]
        bass_pole, tone_pole = moved_on(bass_pole, bass_goal, part), moved_on(tone_pole, tone_goal, part)
        mix = moved_on(mix, mix_goal, part)
        s.place += frames
        done += frames
    s.bass, s.treble, s.bass_pole, s.tone_pole, s.mix = bass, treble, bass_pole, tone_pole, mix


@spring.prepare
def prepare(p, settings):
    """The low-pass, and all that is counted in samples, at this rate."""
    thinned = max(1, min(round(settings.rate / 2 / TRANSITION_HZ), int(settings.rate / LEAST_HZ)))
    rate, places = settings.rate / thinned, np.arange(TAPS * thinned) - (TAPS * thinned - 1) / 2
    taps = np.sinc(CORNER * places / thinned) * np.kaiser(len(places), STEEPNESS)
    taps /= taps.sum()
    p["thinned"], p["taps"][: len(taps)] = thinned, taps
    p["travel"] = np.array(TRAVEL_MS) * rate / 1000
    p["early"], p["sign"] = np.round(EARLY_PART * p["travel"]), SIGNS
    p["swing"], p["step"] = SWING_MS * rate / 1000, np.array(SWING_HZ) / rate
    p["soon"], p["glide"] = smoothing(BEND_MS, rate), gliding(GLIDE_MS, settings.rate)
