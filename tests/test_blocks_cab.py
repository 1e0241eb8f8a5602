"""Cabinets against the plain convolution: any length, any rate, any period, one channel or two; and their levels."""

from itertools import cycle, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from blockplay import RATE_HZ, board, play, play_with
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import convolution as twin
from scipy.signal import fftconvolve, firwin2, freqz

from chainrt import convolution
from chainrt.block import BLOCKS, Settings
from chainrt.chain import Chain
from chainrt.compiled.arena import aligned_zeros
from chainrt.errors import ModelError

EPSILON = float(np.finfo(np.float32).eps)
SIZES = [(64,), (1,), (7,), (512,), (1, 7, 64, 512, 63, 65)]


@pytest.fixture
def wav(tmp_path):
    """A function that writes samples to a file and gives its path."""

    def make(samples, rate=RATE_HZ, name="ir.wav"):
        soundfile.write(tmp_path / name, samples, rate, subtype="FLOAT")
        return tmp_path / name

    return make


def decaying(taps, seed=0, channels=1):
    """A response, (taps,) or (taps, 2), whose magnitudes sum up to 1: nothing gets louder than the input."""
    ir = np.random.default_rng(seed).uniform(-1, 1, (taps, channels)) * np.exp(-3 * np.arange(taps) / taps)[:, None]
    return (ir / np.abs(ir).sum(axis=0)).astype(np.float32).squeeze(axis=1 if channels == 1 else ())


def noise(frames, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, frames).astype(np.float32)


# -- the convolution ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taps", [1, 2, 9, 127, 128, 129, 192, 193, 1000, 2047, 2048, 2049, 3073, 5000])
def test_cab_is_the_convolution_with_its_file_at_any_period(wav, taps):
    ir, x = decaying(taps), noise(7000)
    exact = twin(x, ir)
    assert np.abs(fftconvolve(x.astype(float), ir.astype(float))[: len(x)] - exact).max() < 1e-12
    heard = [play_with("cab", x, sizes, files={"ir": wav(ir)}) for sizes in SIZES]
    assert np.abs(heard[0] - exact).max() < 4 * EPSILON
    for other in heard[1:]:
        assert np.array_equal(other, heard[0])


def test_three_seconds_of_response_are_as_exact(wav):
    ir, x = decaying(3 * RATE_HZ), noise(4 * RATE_HZ)
    exact = fftconvolve(x.astype(float), ir.astype(float))[: len(x)]
    heard = play_with("cab", x, (64, 100), files={"ir": wav(ir)})
    assert np.abs(heard - exact).max() < 4 * EPSILON


@settings(max_examples=25)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=12), st.integers(1, 4000))
def test_the_sound_does_not_depend_on_the_periods_whatever_they_are(sizes, taps):
    prepared = convolution.prepare(decaying(taps))
    exact = twin(noise(5000), decaying(taps))
    assert np.abs(heard_of(prepared, noise(5000), sizes) - exact).max() < 4 * EPSILON


def heard_of(prepared, x, sizes):
    """What a convolver makes of x in periods of these sizes, in turn."""
    convolver = aligned_zeros((), convolution.CONVOLVER)
    owned = prepared.settle(convolver)
    record = np.rec.array(convolver.reshape(1), dtype=np.dtype((np.record, convolution.CONVOLVER)))[0]
    heard, done, size = np.zeros(len(x), np.float32), 0, cycle(sizes)
    while done < len(x):
        stop = min(done + next(size), len(x))
        while done < stop:
            frames = convolution.convolve.compiled(record, done, x, done, stop)
            heard[done : done + frames] = record["sum"][:frames]
            done += frames
    del owned  # the memory to which the record points
    return heard


@pytest.mark.parametrize(("parts", "stages"), [(30, 6), (141, 10), (1, 6), (470, 10)])
@pytest.mark.parametrize("frames", [1, 16, 32, 64])
def test_every_period_does_the_same_work_give_or_take_one_unit(monkeypatch, parts, stages, frames):
    done = []
    monkeypatch.setattr(convolution, "call3", lambda work, tier, first, stop: done.extend(range(first, stop)))
    monkeypatch.setattr(convolution, "address", id)
    monkeypatch.setattr(convolution, "plane", lambda address, count: np.zeros(count))
    tier = SimpleNamespace(size=2**stages, stages=stages, parts=parts, newest=0, work=0)
    tier.gathered = tier.ready = tier.played = tier.made = 0
    counts = []
    for clock in range(0, 2 * tier.size, frames):
        before = len(done)
        convolution.run_tier.__wrapped__(tier, clock, np.zeros(frames), np.zeros(frames), frames)
        counts.append(len(done) - before)
    assert max(counts) - min(counts) <= 1
    assert done == 2 * list(range(2 * stages + parts))


# -- its levels -----------------------------------------------------------------------------------------------------


def levels_of(path, kind="cab"):
    return BLOCKS[kind].build(Settings({}, {"ir": path}, RATE_HZ))


def test_a_level_is_the_response_cut_and_faded_and_the_largest_is_all_of_it(wav):
    ir = decaying(5000)
    impulse = np.zeros(6000)
    impulse[0] = 1
    p, levels = levels_of(wav(ir))
    assert [level.name for level in levels] == ["512", "1024", "2048", "full"]
    for level, taps in zip(levels, (512, 1024, 2048, 5000), strict=True):
        heard = play(BLOCKS["cab"], p, level.new_state(), impulse)
        whole = taps - taps // 20 if taps < 5000 else taps
        assert np.abs(heard[:whole] - ir[:whole]).max() < 1e-7
        assert np.abs(heard[taps:]).max() < 1e-7
        fade = heard[whole:taps] / ir[whole:taps]
        assert (np.diff(fade) < 0.01).all()
        assert level.memory == taps - 1
    assert all(small.work < large.work for small, large in pairwise(levels))


def test_a_short_file_has_no_more_levels_than_it_needs(wav):
    assert [level.name for level in levels_of(wav(decaying(512)))[1]] == ["full"]
    assert [level.name for level in levels_of(wav(decaying(1500)))[1]] == ["512", "1024", "full"]


def test_a_preset_names_a_level_by_its_taps(tmp_path, wav):
    wav(decaying(3000), name="long.wav")
    preset = board(tmp_path, "[cab: {ir: long.wav, slim: {min: 512, max: 1024}}, cab: {ir: long.wav, slim: 2048}]")
    first, second = Chain(preset, RATE_HZ, 64).blocks
    assert (first.allowed, second.allowed) == ((0, 1), (2,))


@pytest.mark.parametrize("level", range(4))
def test_a_level_that_has_replayed_its_memory_is_exact_wherever_its_blocks_begin(wav, level):
    p, levels = levels_of(wav(decaying(5000)))
    x, memory = noise(20_000), levels[level].memory
    for late in (0, 1, 37, 700):
        long, short = levels[level].new_state(), levels[level].new_state()
        play(BLOCKS["cab"], p, long, x[: 9000 + late])
        play(BLOCKS["cab"], p, short, x[9000 + late - memory : 9000 + late])
        heard, replayed = (play(BLOCKS["cab"], p, state, x[9000 + late :]) for state in (long, short))
        assert np.abs(heard - replayed).max() < 4 * EPSILON


# -- knobs, channels, files -----------------------------------------------------------------------------------------


def test_cab_level_is_in_decibels_and_glides_when_turned(wav):
    p, levels = BLOCKS["cab"].build(Settings({"level": -6}, {"ir": wav(np.ones(1))}, RATE_HZ))
    state = levels[0].new_state()
    before = play(BLOCKS["cab"], p, state, np.ones(100))
    p["level"] = 6
    after = play(BLOCKS["cab"], p, state, np.ones(RATE_HZ))
    assert before == pytest.approx(10 ** (-6 / 20), rel=1e-6)
    assert after[-1] == pytest.approx(10 ** (6 / 20), rel=1e-6)
    assert np.abs(np.diff(np.concatenate([before, after]))).max() < 0.005


def test_cab_mixes_what_comes_in_with_what_the_response_makes_of_it(wav):
    ir, x = decaying(300), noise(3000)
    heard = play_with("cab", x, files={"ir": wav(ir)}, mix=30)
    assert np.abs(heard - (0.7 * x + 0.3 * twin(x, ir))).max() < 4 * EPSILON
    assert np.array_equal(play_with("cab", x, files={"ir": wav(ir)}, mix=0), x)


def test_stereo_cab_convolves_each_side_with_its_channel(wav):
    ir, x = decaying(3000, channels=2), np.stack([noise(5000, 1), noise(5000, 2)])
    heard = play_with("stereo_cab", x, (64, 33), files={"ir": wav(ir)})
    for side in range(2):
        assert np.abs(heard[side] - twin(x[side], ir[:, side])).max() < 4 * EPSILON


@pytest.mark.parametrize("file_rate", [44_100, 48_000, 96_000, 22_050])
def test_a_response_of_another_rate_sounds_the_same(wav, file_rate):
    """Its response over frequency, against the design at its own rate, as far up as both go."""
    hz = [0, 100, 1000, 3000, 5000, 7000]
    design = firwin2(801, [f / (file_rate / 2) for f in hz] + [1.0], [0.3, 1.0, 0.5, 1.0, 0.2, 0, 0])
    impulse = np.zeros(8000)
    impulse[0] = 1
    heard = play_with("cab", impulse, files={"ir": wav(design.astype(np.float32), file_rate)}).astype(float)
    at = np.linspace(100, 6500, 200)
    own = np.abs(freqz(design, worN=at, fs=file_rate)[1])
    assert np.abs(np.abs(freqz(heard, worN=at, fs=RATE_HZ)[1]) - own).max() < 2e-3


NOT_A_NUMBER = np.array([0.5, np.nan, 0.25])


@pytest.mark.parametrize(
    ("kind", "samples", "message"),
    [
        ("cab", np.ones((10, 2)), "has 2 channels; one is needed: use stereo_cab"),
        ("cab", np.ones((10, 3)), "has 3 channels; one is needed: mix it down first"),
        ("stereo_cab", np.ones(10), "has 1 channel; two are needed: use cab"),
        ("cab", np.ones(11 * RATE_HZ), "is 11.0 s long; 10 s is the most"),
        ("cab", NOT_A_NUMBER, "holds a sample that is not a number (the first is frame 1)"),
        ("cab", np.zeros(0), "holds no samples"),
    ],
)
def test_a_cabinet_says_why_it_cannot_use_a_file(wav, kind, samples, message):
    path = wav(samples)
    with pytest.raises(ModelError) as fault:
        BLOCKS[kind].build(Settings({}, {"ir": path}, RATE_HZ))
    assert str(fault.value) == f"{path}: {message}"


def test_cab_says_that_a_file_is_missing_or_is_no_audio(tmp_path):
    text = tmp_path / "notes.wav"
    text.write_text("this is no audio")
    for path, message in [(tmp_path / "none.wav", "no such file"), (text, "cannot be read as audio")]:
        with pytest.raises(ModelError, match=message):
            BLOCKS["cab"].build(Settings({}, {"ir": path}, RATE_HZ))
