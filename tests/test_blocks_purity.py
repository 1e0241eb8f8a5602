"""What blocks add that nobody played: total harmonic distortion, and aliases of those that do not clip on purpose.

What overdrives, distortions and fuzzes alias: test_blocks_drive.py.
"""

from pathlib import Path

import numpy as np
import pytest
from blockplay import RATE_HZ, example_settings, play, play_with
from tones import aliases, one_pole_response, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings

PRESETS = Path(__file__).resolve().parents[1] / "presets"
HEARD_HZ = 20_000
UNTOUCHED = -120  # dB of the whole: the window of `aliases` sees no less than -124


def distortion_db(heard, hz):
    """Total harmonic distortion: all overtones up to 20 kHz, in dB of the tone itself; one second of whole periods."""
    spectrum = np.abs(np.fft.rfft(heard[-RATE_HZ:] * np.blackman(RATE_HZ)))
    overtones = spectrum[2 * hz : HEARD_HZ + 1 : hz]
    return 20 * np.log10(np.sqrt(np.sum(overtones**2)) / spectrum[hz])


def played_by(kind, x, level=-1, **knobs):
    """One side of what a block makes of a mono signal at one of its levels; float64."""
    p, levels = BLOCKS[kind].build(Settings(knobs, {}, RATE_HZ))
    both = np.tile(x, (BLOCKS[kind].channels, 1)) if BLOCKS[kind].channels > 1 else x
    return np.atleast_2d(play(BLOCKS[kind], p, levels[level].new_state(), both))[0].astype(np.float64)


# -- total harmonic distortion --------------------------------------------------------------------------------------

CHANGES_NOTHING_BUT_LOUDNESS = {"compressor", "limiter"}  # and that fast enough to be heard: below
MAKES_OVERTONES = {"drive", "distortion", "fuzz", "octaver", "pitch", "nam"}
STILL = {"reverb": {"swing": 0}, "chorus": {"depth": 0}, "vibrato": {"depth": 0}, "looper": {"mode": 2}}
"""What moves the pitch holds still: a tone that swings is no longer one line, but has no overtone either."""
CLEAN = sorted(set(BLOCKS) - MAKES_OVERTONES - CHANGES_NOTHING_BUT_LOUDNESS)


@pytest.mark.parametrize("hz", [110, 440, 1760])
@pytest.mark.parametrize("kind", CLEAN)
def test_a_clean_block_adds_less_than_a_thousandth_of_a_percent_of_overtones(kind, hz, tmp_path):
    settings = example_settings(kind, tmp_path, STILL.get(kind))
    p, levels = BLOCKS[kind].build(settings)
    x = np.tile(sine(hz, 3 * RATE_HZ, 0.25), (BLOCKS[kind].channels, 1))
    x = x if BLOCKS[kind].channels > 1 else x[0]
    for level in levels:
        heard = np.atleast_2d(play(BLOCKS[kind], p, level.new_state(), x))[0].astype(np.float64)
        assert distortion_db(heard, hz) < -100


SOFT, HARD = (lambda u: u / np.sqrt(1 + u * u)), (lambda u: np.clip(u, -1, 1))


@pytest.mark.parametrize("gain_db", [10, 20, 40])
@pytest.mark.parametrize(
    ("kind", "curve", "bass_hz", "knobs"),
    [
        ("drive", SOFT, 250, {"drive": None, "tone": 8000}),
        ("distortion", HARD, 40, {"drive": None, "tone": 8000, "bass": 40}),
        ("fuzz", SOFT, 40, {"fuzz": None, "tone": 8000, "bias": 0, "sag": 0}),
    ],
)
def test_a_drive_distorts_as_much_as_its_curve_says(kind, curve, bass_hz, knobs, gain_db):
    hz, peak = 220, 0.5
    heard = played_by(kind, sine(hz, 3 * RATE_HZ, peak), **{k: gain_db if v is None else v for k, v in knobs.items()})
    swing = peak * 10 ** (gain_db / 20) * abs(1 - one_pole_response(bass_hz, hz))
    series = np.abs(np.fft.rfft(curve(swing * np.sin(2 * np.pi * np.arange(65536) / 65536))))
    overtones = np.arange(hz, HEARD_HZ, hz)
    behind = np.abs(one_pole_response(8000, overtones))
    if kind == "fuzz":
        behind = behind * np.abs(1 - one_pole_response(40, overtones))
    heights = series[1 : len(overtones) + 1] * behind
    expected = 20 * np.log10(np.sqrt(np.sum(heights[1:] ** 2)) / heights[0])
    assert distortion_db(heard, hz) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(("hz", "stated_db"), [(110, -51), (440, -63), (1760, -75)])
def test_compressor_distorts_a_steady_tone_as_little_as_its_page_says_and_less_the_slower_it_is(hz, stated_db):
    tone = sine(hz, 3 * RATE_HZ, 0.25)
    usual, slow = (distortion_db(played_by("compressor", tone, **knobs), hz) for knobs in ({}, {"release": 300}))
    assert usual == pytest.approx(stated_db, abs=1)
    assert slow < usual - 3


@pytest.mark.parametrize(("hz", "stated_db"), [(82, -38), (440, -102)])
def test_limiter_distorts_a_steady_tone_as_little_as_its_page_says(hz, stated_db):
    heard = played_by("limiter", sine(hz, 3 * RATE_HZ, 0.5), input=11)
    assert distortion_db(heard, hz) < stated_db + 1


# -- aliases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hz", "usual_db", "worst_db"), [(1249, -103, -57), (3121, -94, -55)])
def test_compressor_aliases_as_little_as_its_page_says(hz, usual_db, worst_db):
    x, fastest = sine(hz, 3 * RATE_HZ), {"attack": 0.5, "release": 10, "ratio": 20, "knee": 0, "threshold": -60}
    assert aliases(played_by("compressor", x), hz) < usual_db + 1
    assert aliases(played_by("compressor", x, **fastest), hz) < worst_db + 1


@pytest.mark.parametrize(("hz", "stated_db"), [(1249, -89), (3121, -84)])
def test_limiter_aliases_as_little_as_its_page_says(hz, stated_db):
    for release in (5, 80):
        assert aliases(played_by("limiter", sine(hz, 3 * RATE_HZ), input=36, release=release), hz) < stated_db + 1


@pytest.mark.parametrize("hz", [1249, 3121])
def test_an_open_gate_adds_nothing_and_one_that_may_chatter_does(hz):
    assert aliases(played_by("gate", sine(hz, 3 * RATE_HZ)), hz) < UNTOUCHED
    nervous = {"threshold": -6, "hysteresis": 0, "hold": 0, "attack": 0.1, "release": 5, "range": 100}
    at_the_threshold = sine(hz, 3 * RATE_HZ, 10 ** (-5.99 / 20))
    assert -40 < aliases(played_by("gate", at_the_threshold, **nervous), hz) < -23 + 1
    assert aliases(played_by("gate", at_the_threshold, **nervous | {"hysteresis": 1}), hz) < UNTOUCHED


@pytest.mark.parametrize(("knob", "parts", "stated_db"), [("below", 2, -65), ("deep", 4, -68), ("above", 1, -53)])
def test_octaver_aliases_as_little_as_its_page_says(knob, parts, stated_db):
    knobs = {"below": 0, "deep": 0, "above": 0, "dry": 0, knob: 100}
    heard = played_by("octaver", sine(1252, 3 * RATE_HZ, 0.5), tone=4000, **knobs)
    assert aliases(heard, 1252 // parts) < stated_db + 1
    assert aliases(heard, 1252) > -20 or parts == 1  # it does play another octave


@pytest.mark.parametrize(("model", "stated_db"), [("linen", -55), ("glass", -45), ("brick", -30)])
def test_a_neural_amp_aliases_as_its_page_says(model, stated_db):
    settings = Settings({}, {"model": PRESETS / "models" / f"{model}.nam"}, RATE_HZ)
    p, levels = BLOCKS["nam"].build(settings)
    for put_off in settings.when_compiled:
        put_off()
    heard = play(BLOCKS["nam"], p, levels[-1].new_state(), sine(1249, 2 * RATE_HZ)).astype(np.float64)
    assert aliases(heard, 1249) == pytest.approx(stated_db, abs=1)


def octaver_twin(x, knob, points=500):
    """The octave of a note whose zeros are far apart, averaged from sample to sample along `points` of the line."""
    pole = 1 - np.exp(-2 * np.pi * 500 / RATE_HZ)
    smooth, memory = np.zeros(len(x) + 1), 0.0
    for i, sample in enumerate(x):
        memory += pole * (sample - memory)
        smooth[i + 1] = smooth[i] + pole * (memory - smooth[i])
    line = smooth[:-1, None] + np.diff(smooth)[:, None] * (np.arange(points) + 0.5) / points
    if knob == "above":
        return np.abs(line).mean(axis=1)
    rises = np.cumsum((line[:, 1:] >= 0) & (line[:, :-1] < 0), axis=None).reshape(len(x), -1)
    return (line[:, 1:] * np.where(rises % 2, 1, -1)).mean(axis=1)


def test_octaver_is_its_slow_twin():
    x = sine(1252, 4000, 0.5).astype(np.float32)
    low_pass = 1 - np.exp(-2 * np.pi * 4000 / RATE_HZ)
    heard = play_with("octaver", x, settle_s=0.5, below=100, deep=0, above=0, dry=0, tone=4000)
    expected, soft = octaver_twin(x, "below"), 0.0
    expected = np.array([soft := soft + low_pass * (value - soft) for value in expected])
    assert np.abs(expected).max() > 0.03
    assert np.abs(heard - expected)[200:].max() < 2e-4
