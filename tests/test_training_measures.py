"""The figures of the cards, on signals whose figures are known, and against the field's trainer where there is one."""

import math

import measures
import numpy as np
import pytest


@pytest.fixture
def noise():
    return np.random.default_rng(6).normal(0, 0.1, 20000).astype(np.float32)


def test_a_perfect_model_has_no_error(noise):
    assert measures.esr(noise, noise) == 0
    assert measures.pre_emphasised_esr(noise, noise) == 0
    assert measures.spectral_error(noise, noise) == (0, 0)


def test_one_percent_too_loud_is_an_error_of_a_ten_thousandth(noise):
    louder = np.float32(1.01) * noise
    assert measures.esr(louder, noise) == pytest.approx(1e-4, rel=1e-3)
    assert measures.pre_emphasised_esr(louder, noise) == pytest.approx(1e-4, rel=1e-3)
    assert measures.spectral_error(louder, noise) == pytest.approx((0.01, math.log(1.01)), rel=1e-3)


def test_pre_emphasis_weighs_the_highs_more(noise):
    t = np.arange(len(noise))
    low, high = (noise + 0.01 * np.sin(2 * np.pi * hz / 48000 * t) for hz in (100, 10000))
    assert measures.pre_emphasised_esr(high, noise) > 10 * measures.pre_emphasised_esr(low, noise)


@pytest.mark.parametrize("shift", [-5, 0, 3])
def test_a_delay_is_found(noise, shift):
    assert measures.delay(np.roll(noise, shift), noise) == pytest.approx(shift, abs=0.05)


def test_half_a_sample_of_delay_is_found(noise):
    smooth = np.convolve(noise, np.hanning(9), "same")
    late = np.convolve(smooth, [0.5, 0.5])[: len(smooth)]
    assert measures.delay(late, smooth) == pytest.approx(0.5, abs=0.05)


def test_a_wire_has_no_gain_and_a_limiter_has_much():
    loudness, gain = measures.loudness_and_gain(lambda x: x, "guitar")
    assert gain == pytest.approx(0, abs=1e-3)
    assert -40 < loudness < -10
    assert measures.loudness_and_gain(lambda x: np.sign(x) * 0.1, "guitar")[1] > 0.7


def test_spectral_error_is_that_of_the_fields_trainer(noise):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'chainrt[training]'")
    losses = pytest.importorskip("nam.models.losses", reason="neural-amp-modeler is not installed")
    other = noise * np.linspace(0.2, 1.5, len(noise), dtype=np.float32) + np.float32(0.01)
    expected = losses.multi_resolution_stft_loss(torch.from_numpy(other)[None], torch.from_numpy(noise)[None])
    assert sum(measures.spectral_error(other, noise)) == pytest.approx(float(expected), rel=1e-3)
