"""Cabinet in stereo: two microphones, or a room, as an impulse response of two channels from a WAV file.

The left channel of the response is what becomes of the left side, the right one of the right side; a mono sound goes
into both. All else is as in a cab.

Source: see chainrt/convolution.py.
"""

from ..audiofile import read_response
from ..block import File, block
from ..convolution import CONVOLVER, convolve
from ..dsp import gain, glide_from, make_finite, smoothing
from ..errors import ModelError
from .cab import GLIDE_MS, KNOBS, levels_of


@block(
    params=KNOBS,
    files=[File("ir", "impulse response, a WAV file of two channels, any rate, up to 10 s long")],
    state=[
        ("convolver", CONVOLVER, (2,)),  # for each side the response, and the last frames as far as it reaches
        ("clock", "i8"),  # frames heard
        ("level", "f8"),  # linear output gain at the last frame
        ("mix", "f8"),  # 0..1 at the last frame, plus 1
    ],
    channels=2,
    slimmable=True,
    work=1,
)
def stereo_cab(p, s, left, right, n):
    """Convolve each side with its channel of the impulse response, in place."""
    make_finite(left, n)
    make_finite(right, n)
    glide, level_goal, mix_goal = smoothing(GLIDE_MS, p.rate), gain(p.level), p.mix / 100.0
    level, mix = glide_from(s.level, level_goal), glide_from(s.mix, 1.0 + mix_goal) - 1.0
    wet_left, wet_right, done = s.convolver[0].sum, s.convolver[1].sum, 0
    while done < n:
        convolve(s.convolver[0], s.clock, left, done, n)
        frames = convolve(s.convolver[1], s.clock, right, done, n)
        for i in range(done, done + frames):
            level += glide * (level_goal - level)
            mix += glide * (mix_goal - mix)
            left[i] = level * (left[i] + mix * (wet_left[i - done] - left[i]))
            right[i] = level * (right[i] + mix * (wet_right[i - done] - right[i]))
        done += frames
        s.clock += frames
    s.level, s.mix = level, 1.0 + mix


@stereo_cab.prepare
def read(p, settings):
    """One level for each length that the response has."""
    response = read_response(settings.files["ir"], settings.rate, channels=2, error=ModelError)
    return levels_of(stereo_cab, response, settings.rate)
