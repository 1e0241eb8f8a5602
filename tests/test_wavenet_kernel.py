"""The compiled network plays what the obvious one plays, in any shape, in periods of any size, for any time.

The truth is naive.wavenet in float64. Compiled code has float32, so a difference of ROUNDING of the peak is no error.
"""

from dataclasses import replace

import numpy as np
import pytest
from blockplay import AN_ADDRESS, wrongs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from models import FILMS, random_network
from naive import wavenet as twin
from netplay import PERIODS, ROUNDING, guitar, off_by, played
from wavenets import FILM_OF, any_wavenet, layer_array, nudged, parsed, wavenet_of

from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.native import address_of
from chainrt.nam import levels
from chainrt.nam.activations import NAMES, leaky
from chainrt.nam.planar import (
    CHUNK,
    EACH,
    activate_kernel,
    borrow,
    convolve_kernel,
    each_kernel,
    guard_frames,
    play,
    split,
    stagger,
)
from chainrt.nam.wavenet_kernel import PackedWaveNet, is_plain, layer_kernel

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


def compiled(network, signal, sizes=(64,)):
    """What the compiled network makes of the signal, after silence, in calls of these sizes by turns."""
    return played(network, signal, sizes, silence=network.receptive_field)


def error(network, signal, expected, sizes=(64,)):
    """Largest difference from `expected`, relative to its peak."""
    return off_by(compiled(network, signal, sizes), expected)


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


@settings(max_examples=60)
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
    longest_ring = 34 + CHUNK + 3 * guard_frames()
    signal = guitar(200 * longest_ring)
    expected = twin(network, signal)
    assert error(network, signal, expected, sizes) < ROUNDING
    played_on = compiled(network, signal, sizes)[-4000:]
    afresh = compiled(network, signal[-4000 - network.receptive_field :], (64,))[-4000:]
    assert np.array_equal(played_on, afresh)


def test_any_part_misplaced_in_the_twin_is_noticed():
    network, signal = network_of(3), guitar(FRAMES)
    (array,) = network.arrays
    first, *rest = array.layers
    one, output = first.convolution, first.output
    swapped = one.kernel[[1, 0, *range(2, one.taps)]]
    wrong = {
        "two taps": replace(first, convolution=replace(one, kernel=swapped)),
        "rows and columns": replace(first, convolution=replace(one, kernel=one.kernel.transpose(0, 2, 1))),
        "1x1": replace(first, output=replace(output, kernel=output.kernel.transpose(0, 2, 1))),
        "mixin": replace(first, mixin=replace(first.mixin, kernel=first.mixin.kernel[:, ::-1])),
        "bias": replace(first, convolution=replace(one, bias=output.bias)),
        "dilation": replace(first, convolution=replace(one, dilation=one.dilation + 1)),
        "slope": replace(first, activation=leaky(0.02)),
    }

    def misread(**parts):
        return twin(replace(network, arrays=(replace(array, **parts),)), signal)

    for part, layer in wrong.items():
        assert error(network, signal, misread(layers=(layer, *rest))) > 1e-3, part
    assert error(network, signal, misread(head=replace(array.head, kernel=array.head.kernel[::-1]))) > 1e-3
    assert error(network, signal, misread(head=replace(array.head, bias=array.head.bias * 0))) > 1e-3
    assert error(network, signal, misread(input=replace(array.input, kernel=array.input.kernel[:, ::-1]))) > 1e-3


def test_two_states_of_one_network_know_nothing_of_each_other():
    packed, run, signal = PackedWaveNet(network_of(3)), play.from_python(), guitar(640)
    states = [packed.new_state() for _ in range(3)]
    planes = [aligned_zeros(640, np.float32) for _ in range(2)]
    planes[0][:], planes[1][:] = signal, -signal
    alone = aligned_zeros(640, np.float32)
    alone[:] = signal
    for start in range(0, 640, 64):
        for state, plane in zip(states[:2], planes, strict=True):
            run(address_of(state[0]), address_of(plane[start:]), 64)
    run(address_of(states[2][0]), address_of(alone), 640)
    assert np.array_equal(planes[0], alone)
    assert not np.array_equal(planes[1], alone)


# ---- whatever else the format allows ----


def plain_and_not(**more):
    """Twice the same network: its layers as plain ones, and as ones that go step by step."""
    plain = parsed(wavenet_of(layer_array(3, (3, 2, 5), (1, 9, 40), **more)))
    (array,) = plain.arrays
    zeros = np.zeros((1, 1, 3), np.float32)
    nothing = replace(array.layers[0].output, kernel=zeros.repeat(3, 1) + np.eye(3, dtype=np.float32), bias=zeros[0, 0])
    layers = tuple(replace(layer, head=nothing) for layer in array.layers)  # a head's 1x1 that changes nothing
    return plain, replace(plain, arrays=(replace(array, layers=layers),))


@pytest.mark.parametrize("activation", NAMES)
def test_a_plain_layer_and_its_steps_one_by_one_sound_the_same(activation):
    signal = guitar(700)
    plain, stepwise = plain_and_not(activation=activation)
    assert all(map(is_plain, plain.arrays[0].layers))
    assert not any(map(is_plain, stepwise.arrays[0].layers))
    expected = twin(plain, signal)
    assert error(plain, signal, expected) < ROUNDING
    assert error(stepwise, signal, expected) < ROUNDING


ONE = layer_array(head=(1, 3, True))
DEEP = wavenet_of(layer_array(2, head=(3, 1, False)), condition_dsp=wavenet_of(layer_array(1, head=(1, 1, True))))
FEATURES = {
    "several arrays": [layer_array(5, head=(3, 1, False)), layer_array(3, head=(2, 16, True)), layer_array(2)],
    "gated": [ONE | {"gating_mode": "gated"}],
    "gated, old spelling": [ONE | {"gated": True, "secondary_activation": "Hardtanh"}],
    "blended": [ONE | {"gating_mode": "blended", "secondary_activation": "Hardtanh"}],
    "a mode for each": [ONE | {"gating_mode": ["none", "blended"], "secondary_activation": [None, "SiLU"]}],
    "bottleneck": [ONE | {"bottleneck": 2}],
    "wide bottleneck": [ONE | {"bottleneck": 7}],
    "groups": [ONE | {"groups_input": 2, "layer1x1": {"active": True, "groups": 4}}],
    "depthwise": [ONE | {"groups_input": 4}],
    "no 1x1": [ONE | {"layer1x1": {"active": False, "groups": 1}}],
    "head1x1": [ONE | {"head1x1": {"active": True, "out_channels": 6, "groups": 2}}],
    "slopes for each": [ONE | {"activation": {"type": "PReLU", "negative_slopes": [0.1, -0.2, 0.3, 0.9]}}],
    "head with dilation": [ONE | {"head": {"out_channels": 1, "kernel_size": 5, "bias": True, "head_dilation": 37}}],
    "twenty channels": [layer_array(20, (2,), (3,))],
    "more channels than a plain layer may have": [layer_array(66, (2,), (3,), "ReLU")],
    "condition": [ONE | {"condition_size": 3}, {"condition_dsp": DEEP}],
    "wide condition": [ONE | {"condition_size": 9}, {"condition_dsp": wavenet_of(layer_array(2, head=(9, 1, True)))}],
    "grouped condition": [
        ONE | {"condition_size": 4, "groups_input_mixin": 2},
        {"condition_dsp": wavenet_of(layer_array(2, head=(4, 1, True)))},
    ],
    "head after the arrays": [
        layer_array(head=(3, 1, True)),
        {"head": {"channels": 5, "out_channels": 1, "kernel_sizes": [3, 1, 4], "activation": "Softsign"}},
    ],
    **{
        f"{film}, {mode}": [
            ONE
            | {"gating_mode": mode, film: FILM_OF[film], "head1x1": {"active": True, "out_channels": 4, "groups": 1}}
        ]
        for film in FILMS
        for mode in ("none", "gated", "blended")
    },
    "film with groups": [
        ONE | {"condition_size": 2, "conv_pre_film": {"active": True, "shift": True, "groups": 2}},
        {"condition_dsp": wavenet_of(layer_array(2, head=(2, 1, True)))},
    ],
}


@pytest.mark.parametrize("feature", FEATURES)
def test_whatever_the_format_allows_sounds_like_its_twin_in_periods_of_any_size(feature):
    arrays = [part for part in FEATURES[feature] if "channels" in part]
    more = next((part for part in FEATURES[feature] if "channels" not in part), {})
    network, signal = parsed(wavenet_of(*arrays, **more)), guitar(600)
    expected = twin(network, signal)
    assert np.ptp(expected) > 1e-3
    assert error(network, signal, expected) < ROUNDING
    whole = compiled(network, signal, (96,))
    for sizes in PERIODS:
        assert np.array_equal(compiled(network, signal, sizes), whole), sizes


def test_a_film_after_the_1x1_is_heard_in_blended_layers_only_as_in_the_reference():
    signal = guitar(300)
    for mode, is_heard in (("none", False), ("gated", False), ("blended", True)):
        with_film = ONE | {"gating_mode": mode, "layer1x1_post_film": FILM_OF["layer1x1_post_film"]}
        network = parsed(wavenet_of(with_film))
        bare = [replace(layer, films={}) for layer in network.arrays[0].layers]
        without = replace(network, arrays=(replace(network.arrays[0], layers=tuple(bare)),))
        assert bool(off_by(compiled(network, signal), compiled(without, signal)) > 1e-3) is is_heard


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_a_network_drawn_by_chance_sounds_like_its_twin(seed, sizes):
    network, signal = parsed(any_wavenet(seed)), guitar(400, seed)
    expected = twin(network, signal)
    heard = compiled(network, signal, sizes)
    assert np.isfinite(heard).all()
    trembling = off_by(twin(nudged(network, np.random.default_rng(seed)), signal), expected)
    assert off_by(heard, expected) < 10 * ROUNDING + 6 * trembling  # a few networks nearly cancel what they say


@pytest.mark.parametrize("architecture", ["tiny_lstm", "tiny_convnet", "tiny_linear"])
def test_a_network_of_any_architecture_may_make_the_condition(architecture):
    import models

    network = parsed(wavenet_of(ONE, condition_dsp=getattr(models, architecture)()))
    signal = guitar(500)
    expected = twin(network, signal)
    silence = max(2000, network.receptive_field)  # an LSTM only fades
    expected = twin(network, np.concatenate([np.zeros(silence), signal]))[silence:]
    heard = played(network, signal, (1, 7, 64, 130), silence)
    assert off_by(heard, expected) < 2 * ROUNDING


# ---- the reference ----

REFERENCE = {  # name -> the reference's own error, relative to the peak: see the README of the vectors
    "wavenet": 3.9e-7,
    "wavenet_a1_standard": 1.24e-5,
    "wavenet_condition_dsp": 5e-7,
    "wavenet_a2_max": 5e-7,
    "slimmable_wavenet": 5e-7,
    "A2": 1.5e-6,
}


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_and_the_compiled_network_play_the_same(vectors, name):
    model = levels.load(vectors / "models" / f"{name}.nam")
    signal, outputs = np.load(vectors / "input.npz")["x"], np.load(vectors / f"{name}.npz")
    count = len(model.levels)
    for key in outputs.files:
        value = 1.0 if key == "out" else float(key.removeprefix("slim_"))
        level = min(int(value * count), count - 1)  # the rule of NAM/container.cpp (border 0.5) and of slimmable.cpp
        assert error(model.levels[level].network, signal, outputs[key]) < 3 * REFERENCE[name], key


def test_large_biases_do_not_spoil_a_sum(vectors):
    """In plain float32, too, this network is 1e-5 from float64; with biases added first it was 2.7e-5."""
    network = levels.load(vectors / "models" / "wavenet_a1_standard.nam").levels[0].network
    signal = np.load(vectors / "input.npz")["x"][:16000]
    assert error(network, signal, twin(network, signal)) < 1.6e-5


# ---- the machine code ----


@pytest.mark.parametrize(
    ("native", "allowed"),
    [
        (layer_kernel(1, 1, "ReLU", 0), set()),
        (layer_kernel(3, 1, "LeakyReLU", 0), set()),
        (layer_kernel(8, 1, "LeakyReLU", 1), set()),
        (layer_kernel(16, 1, "Tanh", 0), set()),
        *[(convolve_kernel(rows, more), set()) for rows in (1, 2, 3, 4) for more in (0, 1)],
        *[(each_kernel(kind), set()) for kind in EACH],
        *[(activate_kernel(name), set()) for name in NAMES],
        (play, {AN_ADDRESS}),
        (borrow, {AN_ADDRESS}),
    ],
    ids=lambda value: getattr(value, "label", None),
)
def test_the_machine_code_calls_nothing_but_arithmetic_and_layers(native, allowed):
    assert wrongs_of(native) == allowed


@given(st.integers(1, 256))
def test_a_convolution_writes_at_most_three_rows_too_many(outputs):
    rows, groups = split(outputs)
    assert 1 <= rows <= 4
    assert 0 <= rows * groups - outputs <= 3


@given(st.integers(1, 100_000))
def test_no_channel_lies_a_multiple_of_4_kib_behind_another(floats):
    stride = stagger(floats)
    assert floats <= stride <= floats + 128
    assert stride % 16 == 0
    assert 16 < stride % 1024 < 1008
