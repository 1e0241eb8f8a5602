"""What is taken from a .nam sounds like the reference: every weight at its place, every size cut as it should be."""

from dataclasses import replace

import numpy as np
import pytest
from models import saved, tiny_container, tiny_sliced, tiny_wavenet
from naive import wavenet as twin

from chainrt.errors import ModelError
from chainrt.nam import levels, wavenet

SLIMMABLE_VALUES = (0.0, 0.34, 0.5, 0.67, 1.0)
CASES = [("A2", value) for value in SLIMMABLE_VALUES] + [("slimmable_wavenet", value) for value in SLIMMABLE_VALUES]


@pytest.fixture(scope="module")
def reference(vectors):
    """(model, input, outputs by slimmable value) of a reference model, by name."""
    signal = np.load(vectors / "input.npz")["x"]

    def find(name):
        outputs = np.load(vectors / f"{name}.npz")
        return levels.load(vectors / "models" / f"{name}.nam"), signal, outputs

    return find


@pytest.fixture
def full(tmp_path):
    """The largest level of a document."""
    return lambda document: levels.load(saved(document, tmp_path)).levels[-1].network


def level_by_the_rule_of_the_reference(model, value):
    """NAM/container.cpp and NAM/wavenet/slimmable.cpp, for A2 (border at 0.5) and for sliced models."""
    count = len(model.levels)
    return int(value >= 0.5) if model.architecture == "SlimmableContainer" else min(int(value * count), count - 1)


def error(network, signal, expected):
    """Largest difference between the twin and `expected`, relative to the peak."""
    return np.abs(twin(network, signal) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(("name", "value"), CASES)
def test_the_twin_plays_what_the_reference_plays(reference, name, value):
    model, signal, outputs = reference(name)
    level = model.levels[level_by_the_rule_of_the_reference(model, value)]
    assert error(level.network, signal, outputs[f"slim_{value}"]) < 3e-6  # the reference is float32


@pytest.mark.parametrize("name", ["A2", "slimmable_wavenet"])
def test_a_network_with_any_one_part_misread_does_not_sound_like_the_reference(reference, name):
    model, signal, outputs = reference(name)
    signal, expected = signal[:4000], outputs["slim_1.0"][:4000]
    network = model.levels[-1].network
    first, *rest = network.layers
    swapped = np.ascontiguousarray(first.kernel.transpose(0, 2, 1))
    misread = {
        "taps": replace(first, kernel=first.kernel[::-1]),
        "rows and columns": replace(first, kernel=swapped),
        "1x1": replace(first, output=first.output.T),
        "mixin for bias": replace(first, mixin=first.bias, bias=first.mixin),
        "biases": replace(first, bias=first.output_bias, output_bias=first.bias),
        "dilation": replace(first, dilation=first.dilation + 1),
    }
    assert error(network, signal, expected) < 3e-6
    for part, layer in misread.items():
        assert error(replace(network, layers=(layer, *rest)), signal, expected) > 1e-4, part
    sloped = tuple(replace(layer, activation=wavenet.Activation("LeakyReLU", 0.1)) for layer in network.layers)
    assert error(replace(network, layers=sloped), signal, expected) > 1e-4
    assert error(replace(network, head_scale=network.head_scale * 1.001), signal, expected) > 1e-4
    if len(network.head) > 1:
        assert error(replace(network, head=network.head[::-1]), signal, expected) > 1e-4


def test_cutting_the_last_channels_instead_of_the_first_does_not_sound_like_the_reference(reference):
    model, signal, outputs = reference("slimmable_wavenet")
    network, back = model.levels[-1].network, slice(None, None, -1)
    reversed_channels = replace(
        network,
        input=network.input[back],
        layers=tuple(
            replace(
                one,
                kernel=one.kernel[:, back, back],
                bias=one.bias[back],
                mixin=one.mixin[back],
                output=one.output[back, back],
                output_bias=one.output_bias[back],
            )
            for one in network.layers
        ),
        head=network.head[:, back],
    )
    assert error(reversed_channels, signal, outputs["slim_1.0"]) < 3e-6  # the order of channels means nothing
    assert error(wavenet.sliced(reversed_channels, 2), signal, outputs["slim_0.5"]) > 0.01


def test_an_a2_has_the_published_size(vectors):
    lite, full = levels.load(vectors / "models" / "A2.nam").levels
    assert (lite.name, lite.network.channels, full.name, full.network.channels) == ("lite", 3, "full", 8)
    assert lite.network.receptive_field == full.network.receptive_field == 6347
    assert (lite.network.parameters, full.network.parameters) == (1871, 12146)
    # Published are 1,731 and 11,768: the latter without the 8 of the rechannel, which the former counts.
    assert (lite.network.multiply_adds, full.network.multiply_adds) == (1731, 11768 + 8)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("lstm", "architecture"),
        ("slimmable_container", "config.submodels[0].model.architecture"),
        ("wavenet", "config.layers"),
        ("wavenet_a1_standard", "config.layers"),
        ("wavenet_a2_max", "config.condition_dsp"),
        ("wavenet_condition_dsp", "config.condition_dsp"),
    ],
)
def test_real_models_that_this_release_does_not_play_are_refused_by_one_line(vectors, name, path):
    with pytest.raises(ModelError) as caught:
        levels.load(vectors / "models" / f"{name}.nam")
    (fault,) = caught.value.faults
    assert fault.path == path
    assert "this release plays" in fault.message


def test_a_network_knows_its_size(full):
    network = full(tiny_wavenet(channels=3, taps=(3, 2, 5), dilations=(1, 3, 2), head_taps=4))
    assert network.channels == 3
    assert network.receptive_field == 1 * 2 + 3 * 1 + 2 * 4 + 3 + 1
    assert network.parameters == len(tiny_wavenet()["weights"])
    assert network.multiply_adds == 3 + (3 + 2 + 5) * 9 + 3 * (3 + 9) + 4 * 3


def test_every_weight_has_its_place_in_the_order_of_the_reference(full):
    document = tiny_wavenet(channels=2, taps=(3,), dilations=(5,), head_taps=4)
    document["weights"] = [float(index) for index in range(len(document["weights"]))]
    network = full(document)
    (layer,) = network.layers
    assert network.input.tolist() == [0, 1]
    assert layer.kernel.shape == (3, 2, 2)
    assert layer.kernel[0].tolist() == [[2, 5], [8, 11]]  # out, in; the taps of one pair stand together
    assert layer.kernel[2].tolist() == [[4, 7], [10, 13]]
    assert (layer.bias.tolist(), layer.mixin.tolist()) == ([14, 15], [16, 17])
    assert (layer.output.tolist(), layer.output_bias.tolist()) == ([[18, 19], [20, 21]], [22, 23])
    assert network.head.tolist() == [[24, 28], [25, 29], [26, 30], [27, 31]]  # tap, channel
    assert (network.head_bias, network.head_scale) == (32, 33)
    assert (layer.dilation, layer.activation.name) == (5, "LeakyReLU")


def test_tap_0_is_the_oldest(full):
    document = tiny_wavenet(channels=1, taps=(3,), dilations=(5,), head_taps=2)
    #                      input; kernel; bias, mixin, 1x1 and its bias; head; its bias; scale
    document["weights"] = [1, *(1, 0, 0), *(0, 0, 0, 0), *(1, 0), 0, 1]
    impulse = np.eye(1, 20)[0]
    assert np.flatnonzero(twin(full(document), impulse)).tolist() == [5 * 2 + 1]


def test_both_spellings_of_the_same_network_are_the_same_network(full):
    old = tiny_sliced(channels=3, allowed=(3,), taps=3, dilations=(1, 2))
    new = tiny_wavenet(channels=3, taps=(3, 3), dilations=(1, 2), head_taps=1)
    new["weights"] = old["weights"]
    array = new["config"]["layers"][0]
    array["activation"], array["head"]["bias"] = {"type": "ReLU"}, False
    signal = np.random.default_rng(3).normal(0, 0.3, 200)
    assert np.array_equal(twin(full(old), signal), twin(full(new), signal))
    assert full(old).head_bias == 0


@pytest.mark.parametrize(
    ("spelled", "slope"),
    [
        ("ReLU", 0),
        ("LeakyReLU", 0.01),
        ({"type": "LeakyReLU"}, 0.01),
        ({"type": "LeakyReLU", "negative_slope": 0.2}, 0.2),
    ],
)
def test_an_activation_is_read_from_a_name_or_an_object(full, spelled, slope):
    document = tiny_wavenet()
    document["config"]["layers"][0]["activation"] = spelled
    assert {layer.activation.slope for layer in full(document).layers} == {float(np.float32(slope))}


def test_the_last_weight_is_the_head_scale_whatever_the_configuration_says(full):
    document = tiny_wavenet()
    document["config"]["head_scale"] = 99.0
    assert full(document).head_scale == document["weights"][-1] == 0.5


def test_the_twin_starts_after_an_endless_silence(full):
    network = full(tiny_wavenet())
    resting = twin(network, np.zeros(50))
    assert np.ptp(resting) < 1e-12
    assert abs(resting[0]) > 1e-3  # the biases can be heard


def test_input_shapes_the_output_for_exactly_the_receptive_field(full):
    network = full(tiny_wavenet())
    impulse = np.zeros(100)
    impulse[10] = 0.5
    heard = np.flatnonzero(twin(network, impulse) != twin(network, np.zeros(100)))
    assert (heard[0], heard[-1]) == (10, 10 + network.receptive_field - 1)


def test_a_slice_is_the_network_whose_other_channels_are_silenced(full):
    network = full(tiny_container(channels=(4,)))
    cut = wavenet.sliced(network, 2)

    def silenced(array, axes):
        array = array.copy()
        for axis in axes:
            np.moveaxis(array, axis, 0)[2:] = 0
        return array

    layers = tuple(
        replace(
            layer,
            kernel=silenced(layer.kernel, (1, 2)),
            bias=silenced(layer.bias, (0,)),
            mixin=silenced(layer.mixin, (0,)),
            output=silenced(layer.output, (0, 1)),
            output_bias=silenced(layer.output_bias, (0,)),
        )
        for layer in network.layers
    )
    quiet = replace(network, input=silenced(network.input, (0,)), layers=layers, head=silenced(network.head, (1,)))
    signal = np.random.default_rng(4).normal(0, 0.3, 300)
    assert cut.channels == 2
    assert np.abs(twin(cut, signal) - twin(quiet, signal)).max() < 1e-12
    assert np.abs(twin(cut, signal) - twin(network, signal)).max() > 1e-3
    assert cut.receptive_field == network.receptive_field


@pytest.mark.parametrize("channels", [0, -1, 5])
def test_a_slice_wider_than_the_network_or_empty_is_refused(full, channels):
    with pytest.raises(ValueError, match="1 to 4"):
        wavenet.sliced(full(tiny_sliced(channels=4)), channels)


def test_no_array_of_a_network_can_be_written_to(full):
    for network in (full(tiny_wavenet()), wavenet.sliced(full(tiny_sliced()), 2)):
        layer = network.layers[0]
        arrays = (network.input, network.head, layer.kernel, layer.bias, layer.mixin, layer.output, layer.output_bias)
        for array in arrays:
            assert array.dtype == np.float32
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
