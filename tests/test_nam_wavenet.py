"""What is taken from a .nam sounds like the reference: every weight at its place, every size cut as it should be."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from models import container_of, saved, tiny_lstm, tiny_sliced, tiny_wavenet
from naive import wavenet as twin
from netplay import guitar, played
from wavenets import FILM_OF, any_wavenet, layer_array, parsed, wavenet_of

from chainrt.errors import ModelError
from chainrt.nam import levels, wavenet
from chainrt.nam.activations import leaky
from chainrt.nam.wavenet import LayerArray

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


def only(network):
    """The only array of a network."""
    (array,) = network.arrays
    return array


def with_layer(network, layer):
    """The network with another first layer."""
    array = only(network)
    return replace(network, arrays=(replace(array, layers=(layer, *array.layers[1:])),))


def turned(convolution, axis):
    """A convolution whose taps (axis 0) or outputs (1) or inputs (2) stand the other way round."""
    bias = convolution.bias[::-1] if axis == 1 else convolution.bias
    return replace(convolution, kernel=np.flip(convolution.kernel, axis), bias=bias)


def error(network, signal, expected):
    """Largest difference between the twin and `expected`, relative to the peak."""
    return np.abs(twin(network, signal) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(("name", "value"), CASES)
def test_the_twin_plays_what_the_reference_plays(reference, name, value):
    model, signal, outputs = reference(name)
    level = model.levels[level_by_the_rule_of_the_reference(model, value)]
    assert error(level.network, signal, outputs[f"slim_{value}"]) < 3e-6  # the reference is float32


@pytest.mark.parametrize(
    ("name", "tolerance"),  # three times the reference's own error, see the README of the vectors
    [("wavenet", 1.2e-6), ("wavenet_a1_standard", 3.8e-5), ("wavenet_condition_dsp", 1e-6), ("wavenet_a2_max", 1.5e-6)],
)
def test_the_twin_plays_what_the_reference_plays_whatever_a_network_has(reference, name, tolerance):
    model, signal, outputs = reference(name)
    assert error(model.levels[-1].network, signal, outputs["out"]) < tolerance


@pytest.mark.parametrize("name", ["A2", "slimmable_wavenet"])
def test_a_network_with_any_one_part_misread_does_not_sound_like_the_reference(reference, name):
    model, signal, outputs = reference(name)
    signal, expected = signal[:4000], outputs["slim_1.0"][:4000]
    network = model.levels[-1].network
    array = only(network)
    first = array.layers[0]
    one, output = first.convolution, first.output
    misread = {
        "taps": replace(first, convolution=turned(one, 0)),
        "rows and columns": replace(first, convolution=replace(one, kernel=one.kernel.transpose(0, 2, 1))),
        "1x1": replace(first, output=replace(output, kernel=output.kernel.transpose(0, 2, 1))),
        "mixin": replace(first, mixin=turned(first.mixin, 1)),
        "biases": replace(first, convolution=replace(one, bias=output.bias), output=replace(output, bias=one.bias)),
        "dilation": replace(first, convolution=replace(one, dilation=one.dilation + 1)),
    }
    assert error(network, signal, expected) < 3e-6
    for part, layer in misread.items():
        assert error(with_layer(network, layer), signal, expected) > 1e-4, part
    sloped = tuple(replace(layer, activation=leaky(0.1)) for layer in array.layers)
    assert error(replace(network, arrays=(replace(array, layers=sloped),)), signal, expected) > 1e-4
    assert error(replace(network, head_scale=network.head_scale * 1.001), signal, expected) > 1e-4
    if array.head.taps > 1:
        turned_head = replace(array, head=turned(array.head, 0))
        assert error(replace(network, arrays=(turned_head,)), signal, expected) > 1e-4


def test_cutting_the_last_channels_instead_of_the_first_does_not_sound_like_the_reference(reference):
    model, signal, outputs = reference("slimmable_wavenet")
    network = model.levels[-1].network
    array = only(network)
    layers = tuple(
        replace(
            one,
            convolution=turned(turned(one.convolution, 1), 2),
            mixin=turned(one.mixin, 1),
            output=turned(turned(one.output, 1), 2),
        )
        for one in array.layers
    )
    turned_array = LayerArray(turned(array.input, 1), layers, turned(array.head, 2))
    reversed_channels = replace(network, arrays=(turned_array,))
    assert error(reversed_channels, signal, outputs["slim_1.0"]) < 3e-6  # the order of channels means nothing
    assert error(wavenet.sliced(reversed_channels, (2,)), signal, outputs["slim_0.5"]) > 0.01


def test_an_a2_has_the_published_size(vectors):
    lite, full = levels.load(vectors / "models" / "A2.nam").levels
    assert (lite.name, lite.network.channels, full.name, full.network.channels) == ("lite", 3, "full", 8)
    assert lite.network.receptive_field == full.network.receptive_field == 6347
    assert (lite.network.parameters, full.network.parameters) == (1871, 12146)
    # Published are 1,731 and 11,768: the latter without the 8 of the rechannel, which the former counts.
    assert (lite.network.multiply_adds, full.network.multiply_adds) == (1731, 11768 + 8)


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
    array = only(network)
    (layer,) = array.layers
    assert array.input.kernel.tolist() == [[[0], [1]]]
    kernel = layer.convolution.kernel
    assert kernel.shape == (3, 2, 2)
    assert kernel[0].tolist() == [[2, 5], [8, 11]]  # out, in; the taps of one pair stand together
    assert kernel[2].tolist() == [[4, 7], [10, 13]]
    assert (layer.convolution.bias.tolist(), layer.mixin.kernel.tolist()) == ([14, 15], [[[16], [17]]])
    assert (layer.output.kernel.tolist(), layer.output.bias.tolist()) == ([[[18, 19], [20, 21]]], [22, 23])
    assert array.head.kernel[:, 0].tolist() == [[24, 28], [25, 29], [26, 30], [27, 31]]  # tap, channel
    assert (array.head.bias.tolist(), network.head_scale) == ([32], 33)
    assert (layer.convolution.dilation, layer.activation.name) == (5, "LeakyReLU")


def test_the_weights_of_films_stand_behind_all_matrices_of_their_layer(full):
    films = {"head1x1_post_film": FILM_OF["conv_pre_film"], "conv_pre_film": FILM_OF["conv_pre_film"]}
    head1x1 = {"active": True, "out_channels": 2, "groups": 2}
    document = wavenet_of(layer_array(2, (1,), (1,), "ReLU", (1, 1, False), head1x1=head1x1, **films))
    document["weights"] = [float(index) for index in range(len(document["weights"]))]
    (layer,) = only(full(document)).layers
    assert layer.head.kernel.tolist() == [[[16, 0], [0, 17]]]  # after rechannel 2, 4 + 2, mixin 2, 1x1 4 + 2
    assert layer.head.bias.tolist() == [18, 19]
    assert layer.films["conv_pre_film"].scale_shift.kernel.ravel().tolist() == [20, 21, 22, 23]
    assert layer.films["conv_pre_film"].scale_shift.bias.tolist() == [24, 25, 26, 27]
    assert layer.films["head1x1_post_film"].scale_shift.kernel.ravel().tolist() == [28, 29, 30, 31]


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
    assert not full(old).arrays[0].head.bias.size


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
    assert {layer.activation.table(1).sum() for layer in only(full(document)).layers} == {np.float32(slope)}


def test_slopes_are_read_one_for_each_channel_or_one_for_all(full):
    for slopes, expected in (([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), ([0.4], [0.4, 0.4, 0.4])):
        document = tiny_wavenet()
        document["config"]["layers"][0]["activation"] = {"type": "PReLU", "negative_slopes": slopes}
        for layer in only(full(document)).layers:
            assert layer.activation.table(3).ravel().tolist() == [float(np.float32(value)) for value in expected]
            assert layer.activation.table(1).ravel().tolist() == [float(np.float32(expected[0]))]


def test_both_spellings_of_the_leaky_hard_tanh_are_known(full):
    for name in ("LeakyHardtanh", "LeakyHardTanh"):
        document = wavenet_of(layer_array(activation={"type": name, "max_val": 0.5}))
        (activation,) = {layer.activation for layer in only(full(document)).layers}
        assert activation.name == "LeakyHardtanh"
        assert activation.rows == ((-1.0, 0.5, float(np.float32(0.01)), float(np.float32(0.01))),)


INNER = wavenet_of(layer_array(2, head=(2, 1, True)))
EVERYTHING = wavenet_of(
    layer_array(
        4,
        head=(6, 3, True),
        bottleneck=2,
        head1x1={"active": True, "out_channels": 4, "groups": 2},
        condition_size=2,
        gating_mode=["gated", "blended"],
        secondary_activation=["Sigmoid", {"type": "LeakyHardtanh"}],
        activation={"type": "PReLU", "negative_slopes": [0.1, 0.2]},
        conv_pre_film={"active": True, "shift": True, "groups": 2},
    ),
    layer_array(6, head=(3, 1, False), condition_size=2, layer1x1={"active": False, "groups": 1}),
    condition_dsp=INNER,
    head={"channels": 5, "out_channels": 1, "kernel_sizes": [3, 2], "activation": "Softsign", "in_channels": 3},
)
FIRST, SECOND = "config.layers[0]", "config.layers[1]"
FAULTS = [
    (5, f"{FIRST}.head.out_channels", FIRST.replace("[0]", "[1]"), "head sums up 6 channels"),
    (3, f"{SECOND}.input_size", None, "3 is not 4, the width of what comes in"),
    (1, f"{SECOND}.condition_size", None, "1 is not 2, the channels of the condition"),
    (5, f"{SECOND}.bottleneck", None, "5 is not 6, the channels, as the layers have no 1x1"),
    (3, f"{FIRST}.head1x1.groups", None, "3 groups do not divide 4 channels"),
    (0, f"{FIRST}.head1x1.groups", None, "from 1 to 256"),
    (0, f"{FIRST}.head1x1.out_channels", None, "from 1 to 256"),
    (-1, f"{FIRST}.bottleneck", None, "from 1 to 256"),
    (3, f"{FIRST}.conv_pre_film.groups", None, "3 groups do not divide 8 channels"),
    ("yes", f"{FIRST}.conv_pre_film.shift", None, "neither true nor false"),
    ("on", f"{FIRST}.conv_pre_film", None, "not an object"),
    ("Siren", f"{FIRST}.secondary_activation[0]", None, "not played; this release plays"),
    (["Sigmoid"], f"{FIRST}.secondary_activation", None, "a list of 1 where 2"),
    (2, f"{FIRST}.secondary_activation[1].min_val", None, "2.0 is above max_val, 1.0"),
    ([0.1, 0.2, 0.3], f"{FIRST}.activation.negative_slopes", None, "a list of 3 where 1 to 2"),
    (["steep"], f"{FIRST}.activation.negative_slopes", f"{FIRST}.activation.negative_slopes[0]", "not a number"),
    ({"active": True}, f"{SECOND}.layer1x1_post_film", None, "switched on, but the layers have no 1x1"),
    (2, "config.head.out_channels", None, "2 outputs are not played; this release plays 1"),
    (0, "config.head.channels", None, "from 1 to 256"),
    (2, "config.head.in_channels", None, "2 is not 3, the outputs of the last array"),
    ([], "config.head.kernel_sizes", None, "a list of 0"),
    ([0], "config.head.kernel_sizes", "config.head.kernel_sizes[0]", "from 1 to 4096"),
    ("Odd", "config.head.activation", None, "not played; this release plays"),
    ("0.4.0", "config.condition_dsp.version", None, "older than"),
    (44100, "config.condition_dsp.sample_rate", None, "44100 Hz and 48000 Hz"),
    ("Odd", "config.condition_dsp.architecture", None, "not played; this release plays"),
    (INNER["weights"][1:], "config.condition_dsp.weights", None, "but the configuration needs"),
    (3, "config.condition_dsp", None, "not an object"),
    ({"method": "slice_channels_uniform"}, f"{FIRST}.slimmable", None, "groups cannot be sliced"),
]


def set_at(document, path, value):
    """Puts a value at a path of a document."""
    *way, last = [int(step) if step.isdigit() else step for step in path.replace("[", ".").replace("]", "").split(".")]
    for step in way:
        document = document[step]
    document[last] = value


@pytest.mark.parametrize(
    ("value", "path", "told", "message"), FAULTS, ids=[f"{i}-{f[1]}" for i, f in enumerate(FAULTS)]
)
def test_a_fault_in_what_only_some_networks_have_is_told_with_its_path(tmp_path, value, path, told, message):
    document = copy.deepcopy(EVERYTHING)
    levels.load(saved(document, tmp_path))
    set_at(document, path, value)
    with pytest.raises(ModelError) as caught:
        levels.load(saved(document, tmp_path))
    (fault,) = caught.value.faults
    assert fault.path == (told or path)
    assert message in fault.message


def test_a_container_conditions_at_its_full_size(tmp_path):
    small, full = tiny_lstm(), wavenet_of(layer_array(2, head=(1, 1, True)), seed=8)
    inner = container_of(small, container_of(small, full))
    heard = guitar(300)
    outer, expected = (
        levels.load(saved(wavenet_of(layer_array(2), condition_dsp=one), tmp_path)).levels[-1].network
        for one in (inner, full)
    )
    assert np.array_equal(played(outer, heard, (64, 7), 100), played(expected, heard, (64, 7), 100))
    document = wavenet_of(layer_array(2), condition_dsp=inner)
    path = "config.condition_dsp.config.submodels[1].model.config.submodels[1].model.sample_rate"
    set_at(document, path, 44100)
    with pytest.raises(ModelError) as caught:
        levels.load(saved(document, tmp_path))
    assert (caught.value.faults[0].path, "44100 Hz and 48000 Hz" in caught.value.faults[0].message) == (path, True)


def test_conditions_of_conditions_of_conditions_end_somewhere(tmp_path):
    document = wavenet_of(layer_array(1))
    for _ in range(wavenet.MAX_NESTING):
        document = wavenet_of(layer_array(1), condition_dsp=document)
    assert levels.load(saved(document, tmp_path))
    document = document | {"config": document["config"] | {"condition_dsp": copy.deepcopy(document)}}
    with pytest.raises(ModelError, match="more than 4 deep"):
        levels.load(saved(document, tmp_path))


def test_groups_that_claim_a_gigabyte_are_a_fault_before_it_is_allocated(tmp_path):
    document = wavenet_of(layer_array(256, (1,), (1,), groups_input=256))
    document["config"]["layers"][0]["kernel_sizes"] = [4096]
    with pytest.raises(ModelError, match="more than 16777216 numbers"):
        levels.load(saved(document, tmp_path))


def test_a_million_layers_are_a_fault_in_bounded_time(tmp_path):
    document = wavenet_of(layer_array(1, (1,), (1,)))
    document["config"]["layers"] = [layer_array(1, (1,) * 1000, (1,) * 1000)] * 20
    with pytest.raises(ModelError, match="more than 1000 layers"):
        levels.load(saved(document, tmp_path))


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


SLICED = {
    "one array": [layer_array(4)],
    "two arrays": [layer_array(4, head=(4, 1, True)), layer_array(4)],
    "bottleneck": [layer_array(4, bottleneck=2)],
    "head1x1": [layer_array(4, head1x1={"active": True, "out_channels": 3, "groups": 1})],
    "no 1x1": [layer_array(4, layer1x1={"active": False, "groups": 1})],
    "films without shift": [layer_array(4, **{film: {"shift": False} for film in ("conv_pre_film", "conv_post_film")})],
}


@pytest.mark.parametrize("case", SLICED)
def test_a_slice_is_the_network_whose_other_channels_are_silenced(full, case):
    network = full(wavenet_of(*SLICED[case]))
    cut = wavenet.sliced(network, (2,) * len(network.arrays))
    half = network.arrays[0].layers[0].bottleneck // 2

    def silenced(convolution, outputs=None, inputs=None):
        kernel, bias = convolution.kernel.copy(), convolution.bias.copy()
        if outputs:
            kernel[:, outputs:], bias[outputs:] = 0, 0
        if inputs:
            kernel[:, :, inputs:] = 0
        return replace(convolution, kernel=kernel, bias=bias)

    def quiet(index, array):
        layers = tuple(
            replace(
                layer,
                convolution=silenced(layer.convolution, half, 2),
                mixin=silenced(layer.mixin, half),
                output=layer.output and silenced(layer.output, 2, half),
                head=layer.head and silenced(layer.head, None, half),
            )
            for layer in array.layers
        )
        is_last = index == len(network.arrays) - 1
        head = silenced(array.head, None if is_last else 2, None if layers[0].head else half)
        return LayerArray(silenced(array.input, 2, 2 if index else None), layers, head)

    silent = replace(network, arrays=tuple(quiet(*one) for one in enumerate(network.arrays)))
    signal = np.random.default_rng(4).normal(0, 0.3, 300)
    assert cut.channels == 2
    assert np.abs(twin(cut, signal) - twin(silent, signal)).max() < 1e-12
    assert np.abs(twin(cut, signal) - twin(network, signal)).max() > 1e-3
    assert cut.receptive_field == network.receptive_field


def test_a_gated_slice_takes_the_first_rows_of_both_halves_together_as_the_reference_does(full):
    document = wavenet_of(layer_array(4, (1,), (1,), gating_mode="gated"))
    (whole,) = only(full(document)).layers
    (layer,) = only(wavenet.sliced(full(document), (2,))).layers
    assert layer.convolution.kernel.shape == (1, 4, 2)
    assert np.array_equal(layer.convolution.kernel, whole.convolution.kernel[:, :4, :2])
    assert (layer.gating, layer.bottleneck) == ("gated", 2)


def test_arrays_with_lists_of_their_own_change_size_each_at_its_own_border(full, tmp_path):
    def slimmable(*counts):
        return {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": list(counts)} if counts else {}}

    document = wavenet_of(
        layer_array(3, head=(2, 1, False), slimmable=slimmable()), layer_array(2, slimmable=slimmable(1, 2))
    )
    model = levels.load(saved(document, tmp_path))
    widths = [tuple(array.channels for array in level.network.arrays) for level in model.levels]
    assert widths == [(1, 1), (2, 1), (2, 2), (3, 2)]
    assert [level.value for level in model.levels] == pytest.approx([1 / 6, 5 / 12, 7 / 12, 5 / 6])
    for level in model.levels:
        assert [array.head.outputs for array in level.network.arrays] == [level.network.arrays[1].channels, 1]
        assert level.network.arrays[1].input.inputs == level.network.arrays[0].channels
        assert np.isfinite(twin(level.network, np.ones(50))).all()


@pytest.mark.parametrize("channels", [0, -1, 5])
def test_a_slice_wider_than_the_network_or_empty_is_refused(full, channels):
    with pytest.raises(ValueError, match=r"at most \(4,\)"):
        wavenet.sliced(full(tiny_sliced(channels=4)), (channels,))


@pytest.mark.parametrize("seed", range(40))
def test_a_network_of_any_kind_is_heard_for_no_longer_than_its_receptive_field(seed):
    network = parsed(any_wavenet(seed))
    impulse = np.zeros(network.receptive_field + 20)
    impulse[10] = 0.5
    heard = np.flatnonzero(np.abs(twin(network, impulse) - twin(network, 0 * impulse)) > 0)
    assert len(heard) == 0 or heard[-1] < 10 + network.receptive_field


def test_no_array_of_a_network_can_be_written_to(full):
    grouped = wavenet_of(layer_array(4, groups_input=2, conv_pre_film={"active": True}))
    for network in (full(tiny_wavenet()), wavenet.sliced(full(tiny_sliced()), (2,)), full(grouped)):
        for one in network.convolutions:
            for array in (one.kernel, one.bias):
                assert array.dtype == np.float32
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
