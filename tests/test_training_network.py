"""The compiled forward and backward pass of training: the slow player's output, and the gradients of torch.

Two judges of the gradient: central differences of the slow float64 player, always; torch's automatic ones through the
field's own trainer where both are installed (`pip install "chainrt[training]"`).
"""

import namfile
import numpy as np
import pytest
from architecture import a1, a2, initial_weights, slice_mask, with_longer_head
from network import Network
from plans import PLANS

FRAMES = 64
CASES = {
    "A2 full": (a2(8), 8),
    "A2 lite": (a2(3), 3),
    "six of eight channels": (a2(8, head_taps=1), 6),
    "four of eight channels": (a2(8, head_taps=1), 4),
    "two of eight channels": (a2(8, head_taps=1), 2),
    "A1 standard": (a1("standard"), 16),
    "A1 lite": (a1("lite"), 12),
    "A1 feather": (a1("feather"), 8),
    "A1 nano": (a1("nano"), 4),
}


class Case:
    """A network with random weights, a segment, and the loss's derivative by each output."""

    def __init__(self, name):
        self.architecture, self.width = CASES[name]
        random = np.random.default_rng(3)
        self.network = Network(self.architecture, output_frames=FRAMES)
        self.flat = initial_weights(self.architecture, random)
        self.flat[:-1] += random.normal(0, 0.05, len(self.flat) - 1).astype(np.float32)  # no bias stays zero
        self.x = random.normal(0, 0.3, self.network.geometry.total).astype(np.float32)
        self.by_output = random.normal(size=FRAMES).astype(np.float32)
        self.config = namfile.wavenet_config(self.architecture)

    def slow(self, flat):
        return namfile.slow_play(self.config, flat, self.width, self.x)[self.network.geometry.first_output :]

    def gradient(self):
        self.network.play_segment(self.flat, self.width, self.x)
        gradient = np.zeros(len(self.flat), np.float32)
        self.network.add_gradient(self.flat, self.width, self.by_output, gradient)
        return gradient


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


def test_a_segment_sounds_as_the_slow_player_plays_it(case):
    played = case.network.play_segment(case.flat, case.width, case.x)
    expected = case.slow(case.flat)
    assert np.abs(played - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_gradient_is_that_of_small_differences(case):
    gradient = case.gradient().astype(float)
    random, step = np.random.default_rng(4), 1e-7  # small: across a kink of the activation it is no derivative
    for _ in range(3):
        move = np.where(random.random(len(case.flat)) < 0.3, random.normal(size=len(case.flat)), 0)
        move[-1] = 0  # the head scale is not trained
        ends = [case.slow(case.flat + sign * step * move) for sign in (1, -1)]
        expected = np.dot(ends[0] - ends[1], case.by_output) / (2 * step)
        assert abs(np.dot(gradient, move) - expected) < 1e-3 * np.linalg.norm(gradient * move)


def test_weights_outside_a_slice_have_no_gradient():
    for width in (2, 4, 6):
        case = Case("six of eight channels")
        case.width = width
        assert not np.any(case.gradient()[~slice_mask(case.architecture, width)])


def test_gradients_add_up():
    case = Case("A1 nano")
    once = case.gradient()
    twice = once.copy()
    case.network.play_segment(case.flat, case.width, case.x)
    case.network.add_gradient(case.flat, case.width, case.by_output, twice)
    assert np.allclose(twice, 2 * once, rtol=1e-5, atol=1e-6 * np.abs(once).max())


def test_playing_in_segments_is_playing_at_once(case):
    signal = np.random.default_rng(5).normal(0, 0.2, 3 * FRAMES + 5).astype(np.float32)
    expected = namfile.slow_play(case.config, case.flat, case.width, signal)
    played = case.network.play(case.flat, case.width, signal)
    assert np.abs(played - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_official_sizes_have_their_official_numbers_of_weights():
    assert [a2(channels).weight_count for channels in (8, 3)] == [12146, 1871]
    assert a1("standard").weight_count == 13802
    for plan in PLANS.values():
        for part in plan.parts:
            weights = initial_weights(part.architecture, np.random.default_rng(1))
            assert len(weights) == part.architecture.weight_count


def test_the_gradient_is_that_of_torch(case):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'chainrt[training]'")
    readback = pytest.importorskip("readback", reason="neural-amp-modeler is not installed")
    sliced = [2, 4, 6, 8] if case.width < case.architecture.width else None
    config = namfile.wavenet_config(case.architecture, sliced)
    model = readback.trainer_model(namfile.SavedLevel(config, case.flat, case.width, {}))
    out = model(torch.from_numpy(case.x)[None], pad_start=False)[0, -FRAMES:]
    torch.sum(out * torch.from_numpy(case.by_output)).backward()
    expected = torch_gradient(torch, model, len(case.flat))
    gradient = case.gradient()
    assert np.abs(gradient[:-1] - expected[:-1]).max() < 1e-4 * np.abs(expected[:-1]).max()


def torch_gradient(torch, model, count):
    """The gradients in a .nam's order: exported as if they were the weights."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    gradient = np.asarray(model._export_weights())
    assert len(gradient) == count
    return gradient


def test_a_longer_head_of_zeros_changes_no_sound():
    case = Case("six of eight channels")
    longer = with_longer_head(case.flat, case.architecture, 16)
    assert len(longer) == a2(8).weight_count
    slow = namfile.slow_play(namfile.wavenet_config(a2(8)), longer, case.width, case.x)
    assert np.allclose(slow, namfile.slow_play(case.config, case.flat, case.width, case.x), rtol=0, atol=1e-12)
