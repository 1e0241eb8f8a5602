"""Cabinet: what the loudspeaker and the microphone add, as an impulse response from a WAV file.

Any length up to ten seconds, at any sample rate; the convolution (chainrt/convolution.py) has no latency. A level keeps
so many taps of the response, and fades the last twentieth of them, so that the cut is not heard. Most of a cabinet lies
in its first 10 ms, so a small level is nearly the whole sound.
What it does differs from frame to frame, so it rests (engine/rest.py) on zeros only.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (FIR filters); for the rest see chainrt/convolution.py.
"""

import numpy as np

from ..audiofile import read_response
from ..block import Block, File, Level, Param, block
from ..compiled.arena import aligned_zeros
from ..convolution import CONVOLVER, convolve, prepare, work
from ..dsp import arrived_after, gain, glide_from, make_finite, smoothing
from ..errors import ModelError

SHORTENED = (512, 1024, 2048)  # taps of the levels below the full one
FADED = 20  # of a shortened response the last 20th is faded
GLIDE_MS = 10.0  # a turned knob arrives this fast

KNOBS = (
    Param("level", "dB", -40, 24, default=0, help="output level"),
    Param("mix", "%", 0, 100, default=100, help="0: only what comes in, 100: only what the response makes of it"),
)


def levels_of(declared: Block, responses: np.ndarray, rate: float) -> tuple[Level, ...]:
    """One level for each length, smallest first; responses: (channels, taps). The state's convolvers are filled in."""
    taps = responses.shape[1]
    lengths = [(str(length), length) for length in SHORTENED if length < taps]
    return tuple(_level(declared, name, responses, length, rate) for name, length in [*lengths, ("full", taps)])


def _level(declared: Block, name: str, responses: np.ndarray, taps: int, rate: float) -> Level:
    kept = responses[:, :taps].astype(np.float64)
    if taps < responses.shape[1]:
        faded = taps // FADED
        kept[:, -faded:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, faded + 1) / faded)
    prepared = [prepare(channel) for channel in kept]

    def new_state():
        s = aligned_zeros((), declared.state)
        convolvers = np.atleast_1d(s["convolver"])
        return (s, *(array for c, one in zip(convolvers, prepared, strict=True) for array in one.settle(c)))

    return Level(
        name,
        sum(one.work for one in prepared),
        taps - 1,
        new_state,
        (work,),
        family="convolution",
        rest_after=max(one.settles_in for one in prepared) + arrived_after(GLIDE_MS, rate),
        clock=lambda state: state[0]["clock"][...],
    )


@block(
    params=KNOBS,
    files=[File("ir", "impulse response, a mono WAV file of any rate, up to 10 s long")],
    state=[
        ("convolver", CONVOLVER),  # the response, and the last frames as far as it reaches
        ("clock", "i8"),  # frames heard
        ("level", "f8"),  # linear output gain at the last frame
        ("mix", "f8"),  # 0..1 at the last frame, plus 1
    ],
    slimmable=True,
    work=1,
)
def cab(p, s, x, n):
    """Convolve x[0:n] with the impulse response, in place."""
    make_finite(x, n)
    glide, level_goal, mix_goal = smoothing(GLIDE_MS, p.rate), gain(p.level), p.mix / 100.0
    level, mix = glide_from(s.level, level_goal), glide_from(s.mix, 1.0 + mix_goal) - 1.0
    wet, done = s.convolver.sum, 0
    while done < n:
        frames = convolve(s.convolver, s.clock, x, done, n)
        for i in range(done, done + frames):
            level += glide * (level_goal - level)
            mix += glide * (mix_goal - mix)
            x[i] = level * (x[i] + mix * (wet[i - done] - x[i]))
        done += frames
        s.clock += frames
    s.level, s.mix = level, 1.0 + mix


@cab.prepare
def read(p, settings):
    """One level for each length that the response has."""
    response = read_response(settings.files["ir"], settings.rate, channels=1, error=ModelError)
    return levels_of(cab, response, settings.rate)
