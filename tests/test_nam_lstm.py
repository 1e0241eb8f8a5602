"""LSTMs: read as the reference reads them, played as the obvious twin plays them, and what they remember."""

from dataclasses import replace

import numpy as np
import pytest
from blockplay import wrongs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from models import saved, tiny_lstm
from naive import lstm as twin
from netplay import PERIODS, ROUNDING, guitar, off_by, played

from chainrt.errors import ModelError
from chainrt.nam import file, levels, lstm
from chainrt.nam.architectures import pack
from chainrt.nam.lstm_kernel import UNROLLED_LAYERS, UNROLLED_VECTORS, lanes_of, network_kernel

REFERENCE_SILENCE = 24_000  # frames that the reference lets an LSTM at 48 kHz hear first


def random_lstm(hidden, layers=1, seed=0, sd=1.0):
    """An LSTM with seeded weights whose output moves."""
    draw = np.random.default_rng(seed)

    def normal(*shape, sd):
        return draw.normal(0, sd, shape).astype(np.float32)

    def layer(below):
        weight = normal(4 * hidden, below + hidden, sd=sd * (below + hidden) ** -0.5)
        return lstm.Layer(weight, normal(4 * hidden, sd=0.3), normal(hidden, sd=0.5), normal(hidden, sd=0.5))

    stack = tuple(layer(hidden if index else 1) for index in range(layers))
    return lstm.LSTM(stack, normal(hidden, sd=hidden**-0.5), 0.1, None)


def parsed(document, folder):
    return lstm.parse(file.read(saved(document, folder)))


# ---- against the twin ----


@pytest.mark.parametrize(
    ("hidden", "layers"),
    [
        *[(1, 1), (2, 3), (3, 1), (4, 2), (5, 1), (7, 2), (8, 1), (8, 2), (16, 1), (16, 2), (17, 1), (24, 1), (31, 2)],
        *[(40, 1), (40, 2), (33, UNROLLED_LAYERS + 1), (64, 1), (100, 2), (3, UNROLLED_LAYERS + 3)],
    ],
)
def test_an_lstm_of_any_shape_sounds_like_its_twin_in_periods_of_any_size(hidden, layers):
    network, signal = random_lstm(hidden, layers, seed=hidden), guitar(700)
    expected = twin(network, signal)
    assert np.ptp(expected) > 0.01
    heard = played(network, signal, (96,))
    assert off_by(heard, expected) < ROUNDING
    for sizes in PERIODS:
        assert np.array_equal(played(network, signal, sizes), heard), sizes


def test_the_shapes_above_take_every_way_through_the_kernel():
    assert lanes_of(100) * UNROLLED_VECTORS < 100


@settings(max_examples=40)
@given(
    shape=st.sampled_from([(3, 1), (8, 2), (16, 1)]),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4),
    seed=st.integers(0, 999),
)
def test_whatever_the_weights_and_periods_it_sounds_like_its_twin(shape, sizes, seed):
    network, signal = random_lstm(*shape, seed, sd=1.5), guitar(400, seed)
    assert off_by(played(network, signal, sizes), twin(network, signal)) < 2 * ROUNDING


def test_any_part_misplaced_in_the_twin_is_noticed():
    network, signal = random_lstm(3, 2), guitar(300)
    heard = played(network, signal)
    first, second = network.layers
    quarters = first.weight.reshape(4, 3, -1)
    wrong = {
        "gates": replace(first, weight=quarters[[1, 0, 2, 3]].reshape(12, -1)),
        "outputs": replace(first, weight=quarters[:, ::-1].reshape(12, -1)),
        "inputs": replace(first, weight=first.weight[:, ::-1]),
        "bias": replace(first, bias=first.bias[::-1]),
        "beginning of h": replace(first, hidden=first.cell),
        "beginning of c": replace(first, cell=first.hidden),
    }
    for part, layer in wrong.items():
        assert off_by(heard, twin(replace(network, layers=(layer, second)), signal)) > 1e-3, part
    mixed = replace(second, weight=second.weight[:, [3, 4, 5, 0, 1, 2]])  # what comes from below for its own h
    assert off_by(heard, twin(replace(network, layers=(first, mixed)), signal)) > 1e-3
    assert off_by(heard, twin(replace(network, head=network.head[::-1]), signal)) > 1e-3
    assert off_by(heard, twin(replace(network, head_bias=0.0), signal)) > 1e-3


# ---- against the reference ----


def test_the_reference_and_the_compiled_network_play_the_same(vectors):
    network = levels.load(vectors / "models" / "lstm.nam").levels[-1].network
    signal, expected = np.load(vectors / "input.npz")["x"], np.load(vectors / "lstm.npz")["out"]
    heard = played(network, signal, silence=REFERENCE_SILENCE)
    assert off_by(heard, expected) < 1.5e-5  # three times the error that the reference itself has
    assert off_by(played(network, signal, silence=network.receptive_field), expected) < 2.5e-5
    few = 3000
    assert off_by(twin(network, np.concatenate([np.zeros(3000), signal[:few]]))[3000:], expected[:few]) < 1.5e-5


# ---- the file ----


def test_every_weight_has_its_place_in_the_order_of_the_reference(tmp_path):
    document = tiny_lstm(hidden=2, layers=2)
    document["weights"] = [float(value) for value in range(len(document["weights"]))]
    network = parsed(document, tmp_path)
    first, second = network.layers
    assert first.weight.tolist() == np.arange(24).reshape(8, 3).tolist()
    assert first.bias.tolist() == list(range(24, 32))
    assert (first.hidden.tolist(), first.cell.tolist()) == ([32, 33], [34, 35])
    assert second.weight.tolist() == np.arange(36, 68).reshape(8, 4).tolist()
    assert (network.head.tolist(), network.head_bias) == ([80, 81], 82)


def test_an_lstm_knows_its_size(tmp_path):
    network = parsed(tiny_lstm(hidden=3, layers=2), tmp_path)
    assert network.channels == 3
    assert network.parameters == len(tiny_lstm(hidden=3, layers=2)["weights"])
    assert network.multiply_adds == 12 * 4 + 12 * 6 + 3


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden_size", 0, "not a whole number from 1 to 512"),
        ("hidden_size", 10**9, "not a whole number from 1 to 512"),
        ("hidden_size", None, "not a whole number"),
        ("num_layers", 0, "not a whole number from 1 to 32"),
        ("num_layers", 2.5, "not a whole number"),
        ("input_size", 2, "from 1 to 1"),
        ("in_channels", 2, "from 1 to 1"),
        ("out_channels", "one", "from 1 to 1"),
        ("hidden_size", 512, "the configuration needs"),
    ],
)
def test_what_is_wrong_with_an_lstm_is_one_line(tmp_path, key, value, message):
    document = tiny_lstm()
    document["config"][key] = value
    with pytest.raises(ModelError) as caught:
        levels.load(saved(document, tmp_path))
    (fault,) = caught.value.faults
    assert message in fault.message
    assert fault.path in (f"config.{key}", "weights")


# ---- memory ----


def test_two_pasts_are_forgotten_after_the_receptive_field():
    network = random_lstm(8, 1, seed=1)
    frames = network.receptive_field
    assert 64 <= frames < lstm.LONGEST_MEMORY
    now = guitar(500, seed=9)
    one = played(network, np.concatenate([np.zeros(frames), now]))[frames:]
    other = played(network, np.concatenate([guitar(2000, seed=7), np.zeros(frames), now]))[2000 + frames :]
    assert np.abs(one - other).max() < 5 * lstm.FORGOTTEN * np.abs(one).max()


def test_a_network_that_never_forgets_has_the_longest_memory_and_is_measured_in_bounded_time():
    network = random_lstm(2, 1)
    bias = np.float32([9, 9, 99, 99, 0, 0, 9, 9])  # all gates are open for ever,
    weight = np.zeros((8, 3), np.float32)
    weight[4:6, 0] = 0.01  # and the input is summed up
    network = replace(network, layers=(replace(network.layers[0], bias=bias, weight=weight),))
    assert network.receptive_field == lstm.LONGEST_MEMORY


@pytest.mark.filterwarnings("error")
def test_weights_as_large_as_they_can_be_are_measured_in_bounded_time_and_without_a_warning():
    network = random_lstm(4, 2)
    huge = [replace(layer, weight=np.sign(layer.weight) * np.float32(3e38)) for layer in network.layers]
    for head in (network.head, network.head * np.float32(1e38)):
        assert 64 <= replace(network, layers=tuple(huge), head=head).receptive_field <= lstm.LONGEST_MEMORY


def test_the_memory_of_a_network_is_the_same_every_time():
    assert random_lstm(3, 2, seed=4).receptive_field == random_lstm(3, 2, seed=4).receptive_field


# ---- safety ----


def test_nothing_that_comes_in_makes_the_state_anything_but_finite():
    network = random_lstm(8, 2)
    signal = guitar(600)
    signal[100], signal[101], signal[102], signal[103] = np.nan, np.inf, -np.inf, 1e30
    heard = played(network, signal)
    assert np.isfinite(heard).all()
    settled = played(network, np.concatenate([signal, np.zeros(network.receptive_field), guitar(200)]))[-200:]
    expected = played(network, np.concatenate([np.zeros(network.receptive_field), guitar(200)]))[-200:]
    assert off_by(settled, expected) < 1e-4


def test_two_states_of_one_network_know_nothing_of_each_other():
    network = random_lstm(5, 2)
    alone = played(network, guitar(300))
    played(network, -guitar(300))
    assert np.array_equal(played(network, guitar(300)), alone)


@pytest.mark.parametrize(("hidden", "layers"), [(3, 1), (16, 1), (8, 2), (100, 5)])
def test_the_machine_code_calls_nothing_but_arithmetic(hidden, layers):
    assert wrongs_of(network_kernel(hidden, layers)) == set()


def test_one_network_of_each_shape_is_compiled_once():
    assert pack(random_lstm(4, 1, seed=1)).natives == pack(random_lstm(4, 1, seed=2)).natives
