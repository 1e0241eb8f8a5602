"""The compiled network plays what the obvious one plays, in any shape, in periods of any size, for any time.

The truth is naive.wavenet in float64. Compiled code has float32, so a difference of ROUNDING of the peak is no error.
"""

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from blockplay import AN_ADDRESS, wrongs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from models import random_network
from naive import wavenet as twin

from chainrt.compiled.native import address_of, aligned_zeros
from chainrt.nam import levels
from chainrt.nam.wavenet import Activation
from chainrt.nam.wavenet_kernel import (
    PackedWaveNet,
    enter_kernel,
    layer_kernel,
    leave_kernel,
    play,
    stagger,
)

ROUNDING = 2e-6  # of the peak: some ten float32 roundings on top of one another
PERIODS = [(1,), (7,), (64,), (512,), (1, 7, 64, 3, 512, 16, 33, 65)]
FRAMES = 1500

SHAPES = {  # channels -> taps, dilations, slopes (0: ReLU) and taps of the head, so that each of them takes every part
    1: ((1, 2, 15, 3), (1, 7, 3, 64), (0.01, 0, 0.5, 0), 16),
    2: ((6, 15, 1, 2), (1, 3, 9, 301), (0, 0.01, 0, 0.2), 1),
    3: ((6, 6, 15, 6), (1, 23, 2, 97), (0.01, 0.01, 0, 0.01), 16),
    4: ((3, 4, 5), (1, 2, 512), (0, 0.01, 0), 2),
    5: ((7, 8), (11, 13), (0.3, 0), 16),
    6: ((9, 10), (64, 65), (0, 0.01), 1),
    7: ((11, 12), (63, 1), (0.01, 0), 3),
    8: ((6, 15, 6), (1, 13, 101), (0.01, 0, 0.01), 16),
    9: ((13, 2), (5, 1024), (0.01, 0), 1),
    12: ((14, 3), (2, 1), (0, 0.01), 16),
    16: ((3, 15), (1, 33), (0.01, 0), 4),
}


def network_of(channels, has_bias=True):
    taps, dilations, slopes, head_taps = SHAPES[channels]
    return random_network(channels, taps, dilations, head_taps, slopes, has_bias, seed=channels)


def guitar(frames, seed=5):
    """Noise that swells and dies, with some silence in it."""
    random = np.random.default_rng(seed)
    loudness = np.repeat(random.choice([0.0, 0.01, 0.2, 0.5], frames // 200 + 1), 200)[:frames]
    return (random.uniform(-1, 1, frames) * loudness).astype(np.float32)


def compiled(network, signal, sizes=(64,)):
    """What the compiled network makes of the signal, after silence, in calls of these sizes by turns."""
    state, run = PackedWaveNet(network).new_state(), play.from_python()
    silent = network.receptive_field
    plane = aligned_zeros(silent + len(signal), np.float32)
    plane[silent:] = signal
    run(address_of(state[0]), address_of(plane), silent)
    done, size = silent, cycle(sizes)
    while done < len(plane):
        frames = min(next(size), len(plane) - done)
        run(address_of(state[0]), address_of(plane[done:]), frames)
        done += frames
    return plane[silent:]


def error(network, signal, expected, sizes=(64,)):
    """Largest difference from `expected`, relative to its peak."""
    return np.abs(compiled(network, signal, sizes) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("channels", SHAPES)
def test_a_network_of_any_shape_sounds_like_its_twin(channels, has_bias):
    network, signal = network_of(channels, has_bias), guitar(FRAMES)
    expected = twin(network, signal)
    assert np.ptp(expected) > 0.1
    assert error(network, signal, expected) < ROUNDING


@pytest.mark.parametrize("channels", SHAPES)
def test_the_period_size_does_not_change_a_single_bit(channels):
    network, signal = network_of(channels), guitar(FRAMES)
    expected = compiled(network, signal, (96,))
    for sizes in PERIODS:
        assert np.array_equal(compiled(network, signal, sizes), expected), sizes


@settings(max_examples=60, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    layers=st.lists(
        st.tuples(st.integers(1, 15), st.sampled_from([1, 2, 31, 32, 33, 64, 96, 97, 700]), st.sampled_from([0, 0.1])),
        min_size=1,
        max_size=4,
    ),
    head_taps=st.integers(1, 16),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_whatever_the_taps_dilations_and_periods_it_sounds_like_its_twin(channels, layers, head_taps, sizes, seed):
    taps, dilations, slopes = zip(*layers, strict=True)
    network = random_network(channels, taps, dilations, head_taps, slopes, seed=seed)
    signal = guitar(700, seed)
    expected = twin(network, signal)
    assert error(network, signal, expected, sizes) < 2 * ROUNDING


@pytest.mark.parametrize("sizes", [(64,), (1, 7, 64, 33)])
def test_after_hundreds_of_rounds_of_every_ring_nothing_has_drifted(sizes):
    network = random_network(3, (1, 2, 5, 3), (1, 1, 3, 17), 16, (0.01, 0, 0.01, 0), seed=8)
    _, layers, *_ = PackedWaveNet(network).new_state()
    signal = guitar(200 * layers["size"].max())
    expected = twin(network, signal)
    assert error(network, signal, expected, sizes) < ROUNDING
    played_on = compiled(network, signal, sizes)[-4000:]
    afresh = compiled(network, signal[-4000 - network.receptive_field :], (64,))[-4000:]
    assert np.array_equal(played_on, afresh)


def test_any_part_misplaced_in_the_twin_is_noticed():
    network, signal = network_of(3), guitar(FRAMES)
    first, *rest = network.layers
    swapped = first.kernel[[1, 0, *range(2, len(first.kernel))]]
    wrong = {
        "two taps": replace(first, kernel=swapped),
        "rows and columns": replace(first, kernel=first.kernel.transpose(0, 2, 1)),
        "1x1": replace(first, output=first.output.T),
        "mixin for bias": replace(first, mixin=first.bias, bias=first.mixin),
        "biases": replace(first, bias=first.output_bias, output_bias=first.bias),
        "dilation": replace(first, dilation=first.dilation + 1),
        "slope": replace(first, activation=Activation("LeakyReLU", 0.02)),
    }
    for part, layer in wrong.items():
        assert error(network, signal, twin(replace(network, layers=(layer, *rest)), signal)) > 1e-3, part
    assert error(network, signal, twin(replace(network, head=network.head[::-1]), signal)) > 1e-3
    assert error(network, signal, twin(replace(network, head_bias=0.0), signal)) > 1e-3
    assert error(network, signal, twin(replace(network, input=network.input[::-1]), signal)) > 1e-3


@pytest.mark.parametrize("name", ["A2", "slimmable_wavenet"])
def test_the_reference_and_the_compiled_network_play_the_same(vectors, name):
    model = levels.load(vectors / "models" / f"{name}.nam")
    signal, outputs = np.load(vectors / "input.npz")["x"], np.load(vectors / f"{name}.npz")
    count = len(model.levels)
    checked = 0
    for key in outputs.files:
        value = float(key.removeprefix("slim_"))
        level = min(int(value * count), count - 1)  # the rule of NAM/container.cpp (border 0.5) and of slimmable.cpp
        assert error(model.levels[level].network, signal, outputs[key]) < 1e-5, key
        checked += 1
    assert checked >= 5


def test_two_states_of_one_network_know_nothing_of_each_other():
    packed, run, signal = PackedWaveNet(network_of(3)), play.from_python(), guitar(640)
    states = [packed.new_state() for _ in range(3)]
    planes = [aligned_zeros(640, np.float32) for _ in range(2)]
    planes[0][:], planes[1][:] = signal, -signal
    alone = aligned_zeros(640, np.float32)
    alone[:] = signal
    for start in range(0, 640, 64):
        for state, plane in zip(states, planes, strict=False):
            run(address_of(state[0]), address_of(plane[start:]), 64)
    run(address_of(states[2][0]), address_of(alone), 640)
    assert np.array_equal(planes[0], alone)
    assert not np.array_equal(planes[1], alone)


@pytest.mark.parametrize(
    ("native", "allowed"),
    [
        (layer_kernel(1, "ReLU", 0), set()),
        (layer_kernel(3, "LeakyReLU", 0), set()),
        (layer_kernel(8, "LeakyReLU", 1), set()),
        (layer_kernel(16, "ReLU", 0), set()),
        (enter_kernel(8), set()),
        (leave_kernel(3), set()),
        (play, {AN_ADDRESS}),
    ],
    ids=lambda value: getattr(value, "label", None),
)
def test_the_machine_code_calls_nothing_but_arithmetic_and_layers(native, allowed):
    assert wrongs_of(native) == allowed


def test_an_activation_without_a_kernel_is_refused_when_the_network_is_packed():
    network = network_of(3)
    strange = replace(network.layers[0], activation=Activation("Tanh", 0.0))
    with pytest.raises(Exception, match="no kernel for the activation Tanh"):
        PackedWaveNet(replace(network, layers=(strange,))).new_state()


@given(st.integers(1, 100_000))
def test_no_channel_lies_a_multiple_of_4_kib_behind_another(floats):
    stride = stagger(floats)
    assert floats <= stride <= floats + 128
    assert stride % 16 == 0
    assert 16 < stride % 1024 < 1008
