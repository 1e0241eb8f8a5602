"""The WaveNet architecture as data: a .nam's flat weights, cut up, named and checked against its configuration.

One layer array of the NAM WaveNet, mono in and out. With u the input, s the stream of `channels` values per frame:

    s[t]  = input * u[t]
    per layer:
        a     = activation(sum over taps k of kernel[k] @ s[t - dilation * (taps - 1 - k)] + bias + mixin * u[t])
        h[t] += a
        s[t] += output @ a + output_bias                                  (the layer's 1x1 and its residual)
    y[t]  = head_scale * (sum over taps k of head[k] @ h[t - (head taps - 1 - k)] + head_bias)

Rules kept here:
* Tap 0 is the oldest, the last tap is the present frame.
* Every float of the file has a place; one too many or too few is a fault.
* What this release does not play is refused by name, never skipped. To play more: take its line out of `_ONLY` (or
  its refusal out of `_checked_array`), add its shapes to `parse` in the order in which the reference reads them.
* `head_scale` is the last weight. The configuration has one too, which the reference reads and then overwrites.

Source: NeuralAmpModelerCore, NAM/wavenet/model.cpp and slimmable.cpp at daae2d0 (MIT licence).
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from chainrt.nam.file import Document, Node, shown

MAX_CHANNELS = 256
MAX_LAYERS = 1000
MAX_TAPS = 4096
MAX_DILATION = 1_000_000
MAX_RECEPTIVE_FIELD = 2**19  # frames; 11 s at 48 kHz. With MAX_CHANNELS, bounds a network's history to 512 MiB
DEFAULT_SLOPE = 0.01
SLICING = "slice_channels_uniform"

_ONLY = (  # path inside the layer array, the one value that is played (and meant when absent), what that is called
    ("input_size", 1, "one input channel"),
    ("condition_size", 1, "one condition channel"),
    ("groups_input", 1, "one group"),
    ("groups_input_mixin", 1, "one group"),
    ("gated", False, "layers without gating"),
    ("layer1x1.active", True, "layers with a 1x1"),
    ("layer1x1.groups", 1, "one group"),
    ("head1x1.active", False, "layers without a head1x1"),
    ("head.out_channels", 1, "one output channel"),
    ("head.head_dilation", 1, "a head without dilation"),
    ("head_size", 1, "one output channel"),
)
_FILMS = (
    *("conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film"),
    *("activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film"),
)


@dataclass(frozen=True)
class Activation:
    """x above zero, slope * x below. `name`: "LeakyReLU" or "ReLU"; `slope`: 0 to 1, 0 for a ReLU."""

    name: str
    slope: float


@dataclass(frozen=True, eq=False)
class Layer:
    """One dilated convolution with its 1x1. All arrays float32 and read-only; out = in = channels so far."""

    kernel: np.ndarray  # (taps, out, in), oldest tap first
    bias: np.ndarray  # (out,)
    mixin: np.ndarray  # (out,), what of the network's input is added
    output: np.ndarray  # (channels, out), the 1x1
    output_bias: np.ndarray  # (channels,)
    dilation: int  # frames between two taps
    activation: Activation


@dataclass(frozen=True, eq=False)
class WaveNet:
    """A mono network of one layer array; the formula stands at the top of this file. Arrays float32, read-only."""

    input: np.ndarray  # (channels,), the rechannel
    layers: tuple[Layer, ...]
    head: np.ndarray  # (taps, channels), oldest tap first
    head_bias: float  # 0 where the file has none
    head_scale: float
    sample_rate: float | None  # Hz; None where the file does not say

    @property
    def channels(self) -> int:
        """Width of the stream, 1 to 256."""
        return len(self.input)

    @property
    def receptive_field(self) -> int:
        """Frames of input, the present one included, that shape one frame of output."""
        behind = sum(layer.dilation * (len(layer.kernel) - 1) for layer in self.layers)
        return behind + len(self.head)

    @property
    def parameters(self) -> int:
        """Learned numbers: multiply_adds, and both biases of each layer, the head's bias and its scale."""
        return self.multiply_adds + sum(layer.bias.size + layer.output_bias.size for layer in self.layers) + 2

    @property
    def multiply_adds(self) -> int:
        """Per frame. Counted: input, and each layer's kernel, mixin and 1x1, and the head. Each of these weights is
        multiplied and added once a frame. Not counted: biases, activations, the residual sums and the head's scale.
        """
        per_layer = (layer.kernel.size + layer.mixin.size + layer.output.size for layer in self.layers)
        return self.input.size + sum(per_layer) + self.head.size


def parse(document: Document) -> WaveNet:
    """The network in `document`, at its full width. ModelError where it is damaged or not of the kind played."""
    array = _checked_array(document.config)
    channels = array["channels"].integer(1, MAX_CHANNELS)
    bottleneck = array.get("bottleneck", channels)
    if bottleneck.value != channels:
        called = f"a bottleneck as wide as channels, {channels}"
        raise bottleneck.fault(f"{shown(bottleneck.value)} is not played; this release plays {called}")
    dilations = [node.integer(1, MAX_DILATION) for node in array["dilations"].items(1, MAX_LAYERS)]
    taps = _taps(array, len(dilations))
    activations = [_activation(node) for node in _each(array["activation"], len(dilations))]
    for node in _each(array.get("gating_mode", "none"), len(dilations)):
        node.text(played=("none",))
    head_taps, has_head_bias = _head(array)
    reach = sum(dilation * (count - 1) for dilation, count in zip(dilations, taps, strict=True)) + head_taps
    if reach > MAX_RECEPTIVE_FIELD:
        raise array.fault(f"a receptive field of {reach} frames is above {MAX_RECEPTIVE_FIELD}")

    shapes = [(channels,)]
    for count in taps:
        shapes += [(channels, channels, count), (channels,), (channels,), (channels, channels), (channels,)]
    shapes += [(channels, head_taps), (int(has_head_bias),), (1,)]
    pieces = _pieces(document, shapes)
    return WaveNet(
        input=next(pieces),
        layers=tuple(
            Layer(
                kernel=_oldest_tap_first(next(pieces)),
                bias=next(pieces),
                mixin=next(pieces),
                output=next(pieces),
                output_bias=next(pieces),
                dilation=dilation,
                activation=activation,
            )
            for dilation, activation in zip(dilations, activations, strict=True)
        ),
        head=_oldest_tap_first(next(pieces)),
        head_bias=float(next(pieces).sum()),
        head_scale=float(next(pieces)[0]),
        sample_rate=document.sample_rate,
    )


def widths(document: Document) -> tuple[int, ...]:
    """The channel counts at which `document` may be played, rising; only the full one if it is not slimmable."""
    array = document.config["layers"].items(1, 1)[0]
    channels = array["channels"].integer(1, MAX_CHANNELS)
    slimmable = array.get("slimmable")
    if slimmable.value is None:
        return (channels,)
    slimmable["method"].text(played=(SLICING,))
    allowed = slimmable.get("kwargs", {}).get("allowed_channels")
    if allowed.value is None:
        return tuple(range(1, channels + 1))  # as in the reference
    counts = tuple(node.integer(1, channels) for node in allowed.items(1, channels))
    if any(a >= b for a, b in pairwise(counts)) or counts[-1] != channels:
        raise allowed.fault(f"must rise and end with the full {channels} channels")
    return counts


def sliced(network: WaveNet, channels: int) -> WaveNet:
    """`network` with only its first `channels` channels, 1 to network.channels (else ValueError); views, no copies.

    Nothing is rescaled: the training made the first channels work alone. The reference slices the same way but
    refuses a head of more than one tap.
    """
    if not 1 <= channels <= network.channels:
        raise ValueError(f"{channels} channels of a network that has 1 to {network.channels}")
    c = slice(channels)
    return replace(
        network,
        input=network.input[c],
        layers=tuple(
            replace(
                layer,
                kernel=layer.kernel[:, c, c],
                bias=layer.bias[c],
                mixin=layer.mixin[c],
                output=layer.output[c, c],
                output_bias=layer.output_bias[c],
            )
            for layer in network.layers
        ),
        head=network.head[:, c],
    )


def _checked_array(config: Node) -> Node:
    """The only layer array of `config`, after everything that this release does not play was refused."""
    config.get("in_channels", 1).integer(1, 1)
    for key, called in (("head", "a head after the layers"), ("condition_dsp", "a network for the condition")):
        if config.get(key).value is not None:
            raise config[key].fault(f"{called} is not played; this release plays null")
    arrays = config["layers"].items(1, MAX_LAYERS)
    if len(arrays) > 1:
        raise config["layers"].fault(f"{len(arrays)} layer arrays are not played; this release plays one")
    array = arrays[0]
    for path, played, called in _ONLY:
        *parents, key = path.split(".")
        node = array
        for parent in parents:
            node = node.get(parent, {})
        node = node.get(key, played)
        if (type(node.value), node.value) != (type(played), played):
            raise node.fault(f"{shown(node.value)} is not played; this release plays {called}")
    for key in _FILMS:
        film = array.get(key, False)
        if film.value is not False and film.get("active", True).flag():
            raise film.fault("is not played; this release plays layers without FiLM")
    return array


def _each(node: Node, layers: int) -> list[Node]:
    """The value of `node` for each layer: a list has one for each, anything else holds for all."""
    return node.items(layers, layers) if isinstance(node.value, list) else [node] * layers


def _taps(array: Node, layers: int) -> list[int]:
    """Taps of each layer's kernel, from either spelling."""
    if array.get("kernel_sizes").value is None:
        return [array["kernel_size"].integer(1, MAX_TAPS)] * layers
    if array.get("kernel_size").value is not None:
        raise array["kernel_size"].fault("stands beside kernel_sizes; only one of them is allowed")
    return [node.integer(1, MAX_TAPS) for node in array["kernel_sizes"].items(layers, layers)]


def _activation(node: Node) -> Activation:
    """An activation, from a name or from an object with a type."""
    if isinstance(node.value, str):
        name, slope = node, DEFAULT_SLOPE
    else:
        name, slope = node["type"], node.get("negative_slope", DEFAULT_SLOPE).number(0, 1)
    name.text(played=("ReLU", "LeakyReLU"))
    return Activation(name.value, float(np.float32(slope)) if name.value == "LeakyReLU" else 0.0)


def _head(array: Node) -> tuple[int, bool]:
    """Taps of the head and whether it has a bias, from either spelling."""
    if array.get("head").value is None and array.get("head_size").value is not None:
        return 1, array["head_bias"].flag()
    head = array["head"]
    return head["kernel_size"].integer(1, MAX_TAPS), head["bias"].flag()


def _pieces(document: Document, shapes: list[tuple[int, ...]]):
    """Cut the weights, in the order in which they stand in the file, into arrays of `shapes`."""
    needed = sum(map(math.prod, shapes))
    if len(document.weights) != needed:
        there = f"{len(document.weights)} weights, but the configuration needs {needed}"
        raise document.node["weights"].fault(there)
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return (piece.reshape(shape) for piece, shape in zip(np.split(document.weights, ends), shapes, strict=False))


def _oldest_tap_first(piece: np.ndarray) -> np.ndarray:
    """(..., taps), as the file has it, to (taps, ...)."""
    array = np.ascontiguousarray(np.moveaxis(piece, -1, 0))
    array.setflags(write=False)
    return array
