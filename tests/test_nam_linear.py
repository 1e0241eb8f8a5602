"""Impulse responses in a .nam: read as the reference reads them, played as a plain convolution."""

import numpy as np
import pytest
from blockplay import wrongs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from models import saved, tiny_linear
from naive import linear as twin
from netplay import PERIODS, ROUNDING, guitar, off_by, played

from chainrt.errors import ModelError
from chainrt.nam import file, levels, linear
from chainrt.nam.linear_kernel import play


def random_response(taps, seed=0):
    draw = np.random.default_rng(seed)
    response = draw.normal(0, 1, taps) * np.exp(-np.arange(taps) / max(1, taps / 4))
    return linear.Linear(response.astype(np.float32), 0.05, True, None)


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 31, 64, 65, 257, 3000])
def test_a_response_of_any_length_sounds_like_its_twin_in_periods_of_any_size(taps):
    network, signal = random_response(taps, taps), guitar(5000)
    heard = played(network, signal, (96,))
    assert off_by(heard, twin(network, signal)) < ROUNDING
    for sizes in PERIODS:
        assert np.array_equal(played(network, signal, sizes), heard), sizes


@settings(max_examples=40)
@given(taps=st.integers(1, 300), sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_whatever_the_length_and_periods_it_sounds_like_its_twin(taps, sizes, seed):
    network, signal = random_response(taps, seed), guitar(2000, seed)
    assert off_by(played(network, signal, sizes), twin(network, signal)) < 2 * ROUNDING


@pytest.mark.parametrize("bias", [True, False])
def test_every_weight_has_its_place_in_the_order_of_the_reference(tmp_path, bias):
    document = tiny_linear(taps=3, bias=bias)
    document["weights"] = [1.0, 2.0, 3.0] + [4.0] * bias
    network = linear.parse(file.read(saved(document, tmp_path)))
    assert (network.response.tolist(), network.bias) == ([1, 2, 3], 4 * bias)
    assert (network.receptive_field, network.parameters, network.multiply_adds) == (3, 3 + bias, 3)
    click = np.array([1.0, 0, 0, 0], np.float32)
    assert played(network, click).tolist() == [1 + 4 * bias, 2 + 4 * bias, 3 + 4 * bias, 4 * bias]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("receptive_field", 0, "not a whole number from 1 to 65536"),
        ("receptive_field", 10**9, "not a whole number from 1 to 65536"),
        ("receptive_field", 6, "6 weights, but the configuration needs 7"),
        ("bias", None, "null is neither true nor false"),
        ("bias", 0, "neither true nor false"),
        ("in_channels", 2, "from 1 to 1"),
    ],
)
def test_what_is_wrong_with_a_linear_model_is_one_line(tmp_path, key, value, message):
    document = tiny_linear(taps=5)
    document["config"][key] = value
    with pytest.raises(ModelError) as caught:
        levels.load(saved(document, tmp_path))
    (fault,) = caught.value.faults
    assert message in fault.message


def test_how_the_reference_would_compute_it_changes_nothing(tmp_path):
    document = tiny_linear()
    document["config"]["implementation"] = "fft"
    assert levels.load(saved(document, tmp_path)).levels[0].network.receptive_field == 5


def test_the_machine_code_calls_nothing_but_arithmetic():
    assert wrongs_of(play) == set()
