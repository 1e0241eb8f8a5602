"""ConvNets: read as the reference reads them, played as the obvious twin plays them."""

from dataclasses import replace

import numpy as np
import pytest
from blockplay import AN_ADDRESS, wrongs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from models import saved, tiny_convnet
from naive import convnet as twin
from netplay import PERIODS, ROUNDING, guitar, off_by, played

from chainrt.errors import ModelError
from chainrt.nam import activations, convnet, file, levels
from chainrt.nam.convnet_kernel import layer_kernel, play


def random_convnet(channels, dilations, activation="Tanh", rows=((),), seed=0):
    """A ConvNet with seeded weights whose output neither dies away nor blows up."""
    draw = np.random.default_rng(seed)

    def normal(*shape, sd):
        return draw.normal(0, sd, shape).astype(np.float32)

    def layer(inputs, dilation):
        sd = 1.5 * (2 * inputs) ** -0.5
        return convnet.Layer(
            normal(channels, inputs, sd=sd), normal(channels, inputs, sd=sd), normal(channels, sd=0.2), dilation
        )

    layers = tuple(layer(channels if index else 1, dilation) for index, dilation in enumerate(dilations))
    made = activations.Activation(activation, rows)
    return convnet.ConvNet(layers, made, normal(channels, sd=channels**-0.5), 0.1, 0, None)


def compiled(network, signal, sizes=(64,)):
    return played(network, signal, sizes, silence=network.receptive_field)


SHAPES = [
    (1, (1,), "ReLU", ((),)),
    (1, (3, 64), "Softsign", ((),)),
    (2, (1, 2, 4, 8, 16, 32, 64, 128), "Tanh", ((),)),
    (3, (65, 1, 300), "LeakyReLU", ((0.1,),)),
    (5, (1, 2), "PReLU", ((0.1,), (0.2,), (-0.3,), (0.4,), (0.0,))),
    (7, (31, 32, 33), "LeakyHardtanh", ((-0.5, 0.4, 0.1, 0.2),)),
    (8, (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), "ReLU", ((),)),
    (13, (2, 1), "Sigmoid", ((),)),
    (16, (1, 2, 4, 8), "SiLU", ((),)),
    (32, (1, 1000), "Tanh", ((),)),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}-{shape[2]}")
def test_a_convnet_of_any_shape_sounds_like_its_twin_in_periods_of_any_size(shape):
    network, signal = random_convnet(*shape, seed=shape[0]), guitar(1500)
    expected = twin(network, signal)
    assert np.ptp(expected) > 0.01
    heard = compiled(network, signal, (96,))
    assert off_by(heard, expected) < ROUNDING
    for sizes in PERIODS:
        assert np.array_equal(compiled(network, signal, sizes), heard), sizes


@settings(max_examples=40)
@given(
    dilations=st.lists(st.sampled_from([1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 400]), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_whatever_the_dilations_and_periods_it_sounds_like_its_twin(dilations, sizes, seed):
    network, signal = random_convnet(3, tuple(dilations), "LeakyReLU", ((0.1,),), seed), guitar(1200, seed)
    assert off_by(compiled(network, signal, sizes), twin(network, signal)) < 2 * ROUNDING


def test_after_hundreds_of_rounds_of_every_ring_nothing_has_drifted():
    network, signal = random_convnet(2, (1, 3)), guitar(60_000)
    expected = twin(network, signal)
    for sizes in ((64,), (1, 7, 64, 33)):
        assert off_by(compiled(network, signal, sizes), expected) < ROUNDING


def test_any_part_misplaced_in_the_twin_is_noticed():
    network, signal = random_convnet(3, (1, 5, 2)), guitar(600)
    heard = compiled(network, signal)
    first, second, third = network.layers
    wrong = {
        "taps": replace(second, before=second.now, now=second.before),
        "rows and columns": replace(second, now=second.now.T),
        "bias": replace(second, bias=second.bias[::-1]),
        "dilation": replace(second, dilation=6),
    }
    for part, layer in wrong.items():
        assert off_by(heard, twin(replace(network, layers=(first, layer, third)), signal)) > 1e-3, part
    assert off_by(heard, twin(replace(network, head=network.head[::-1]), signal)) > 1e-3
    assert off_by(heard, twin(replace(network, head_bias=0.0), signal)) > 1e-3


# ---- the file ----


def parsed(document, folder):
    return convnet.parse(file.read(saved(document, folder)))


def test_every_weight_has_its_place_in_the_order_of_the_reference(tmp_path):
    document = tiny_convnet(channels=2, dilations=(1, 4), batchnorm=False)
    document["weights"] = [float(value) for value in range(len(document["weights"]))]
    network = parsed(document, tmp_path)
    first, second = network.layers
    assert (first.before.tolist(), first.now.tolist(), first.bias.tolist()) == ([[0], [2]], [[1], [3]], [4, 5])
    assert second.before.tolist() == [[6, 8], [10, 12]]
    assert second.now.tolist() == [[7, 9], [11, 13]]
    assert second.bias.tolist() == [14, 15]
    assert (network.head.tolist(), network.head_bias) == ([16, 17], 18)
    assert (first.dilation, second.dilation) == (1, 4)
    assert (network.channels, network.receptive_field, network.parameters) == (2, 6, 19)
    assert network.multiply_adds == 4 + 8 + 2


def test_a_batch_normalisation_is_folded_into_the_convolution(tmp_path):
    document = tiny_convnet(channels=2, dilations=(3,), batchnorm=True)
    kernel, mean, variance = [0.5, -1.0, 2.0, 0.25], [0.1, -0.2], [4.0, 0.25]
    document["weights"] = [*kernel, *mean, *variance, 2.0, 3.0, 0.5, 0.7, 0.0, 1.0, 1.0, 0.0]
    (layer,) = parsed(document, tmp_path).layers
    assert layer.before[:, 0] == pytest.approx([0.5 * 2 / 2, 2.0 * 3 / 0.5])
    assert layer.now[:, 0] == pytest.approx([-1.0 * 2 / 2, 0.25 * 3 / 0.5])
    assert layer.bias == pytest.approx([0.5 - 1 * 0.1, 0.7 + 6 * 0.2])


def test_a_convnet_from_a_file_plays_with_its_activation_and_normalisation(tmp_path):
    document = tiny_convnet(activation={"type": "PReLU", "negative_slopes": [0.1, 0.2, 0.3]})
    network = parsed(document, tmp_path)
    assert network.parameters == len(document["weights"]) - 3
    assert off_by(compiled(network, guitar(500)), twin(network, guitar(500))) < ROUNDING


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("channels", 129, "not a whole number from 1 to 128"),
        ("channels", 10**9, "not a whole number from 1 to 128"),
        ("dilations", [], "a list of 0"),
        ("dilations", [1] * 201, "a list of 201"),
        ("dilations", [100_000] * 3, "a receptive field of 300001 frames is above"),
        ("batchnorm", 1, "neither true nor false"),
        ("activation", "Cosine", "is not played"),
        ("activation", None, "null is not an object"),
        ("groups", 3, "from 1 to 1"),
        ("in_channels", 2, "from 1 to 1"),
        ("channels", 4, "the configuration needs"),
    ],
)
def test_what_is_wrong_with_a_convnet_is_one_line(tmp_path, key, value, message):
    document = tiny_convnet()
    document["config"][key] = value
    with pytest.raises(ModelError) as caught:
        levels.load(saved(document, tmp_path))
    (fault,) = caught.value.faults
    assert message in fault.message


def test_a_variance_below_zero_is_one_line(tmp_path):
    document = tiny_convnet(channels=1, dilations=(1,))
    document["weights"][3] = -2.0
    with pytest.raises(ModelError, match="layer 1: a batch normalisation by a variance that is not above 0"):
        levels.load(saved(document, tmp_path))


@pytest.mark.parametrize(
    ("native", "allowed"),
    [(layer_kernel(3, "Tanh", 0), set()), (layer_kernel(3, "PReLU", 1), set()), (play, {AN_ADDRESS})],
    ids=lambda value: getattr(value, "label", None),
)
def test_the_machine_code_calls_nothing_but_arithmetic_and_layers(native, allowed):
    assert wrongs_of(native) == allowed
