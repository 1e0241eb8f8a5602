"""The ConvNet architecture as data: a .nam's flat weights, cut up, named and checked against its configuration.

A chain of dilated convolutions of two taps, mono in and out. With s the stream, one value a frame before the first
layer and `channels` values behind it:

    per layer: s[t] = activation(before @ s[t - dilation] + now @ s[t] + bias)
    y[t] = head @ s[t] + head_bias

Rules kept here:
* Where the file has a batch normalisation in place of the bias, it is folded into the convolution at once (in double
  precision): scale * (W s) + loc is one convolution with a bias.
* Groups would have to divide the one input channel, so there is never more than one.

Source: NeuralAmpModelerCore, NAM/convnet.cpp and conv1d.cpp at daae2d0 (MIT licence).
"""

from dataclasses import dataclass

import numpy as np

from . import activations
from .activations import Activation
from .file import Document
from .weights import cut

TAPS = 2
MAX_CHANNELS = 128
MAX_LAYERS = 200
MAX_DILATION = 100_000
MAX_RECEPTIVE_FIELD = 2**18  # frames; 5 s at 48 kHz. With MAX_CHANNELS, bounds the memory of a state to 300 MiB


@dataclass(frozen=True, eq=False)
class Layer:
    """One dilated convolution. All arrays float32 and read-only; in: 1 for the first layer, else `channels`."""

    before: np.ndarray  # (channels, in), for the frame `dilation` ago
    now: np.ndarray  # (channels, in), for the present frame
    bias: np.ndarray  # (channels,)
    dilation: int  # frames between the two taps


@dataclass(frozen=True, eq=False)
class ConvNet:
    """A mono network; the formula stands at the top of this file. Arrays float32, read-only."""

    layers: tuple[Layer, ...]
    activation: Activation
    head: np.ndarray  # (channels,)
    head_bias: float
    parameters: int  # learned numbers; a batch normalisation counts with its four a channel
    sample_rate: float | None  # Hz; None where the file does not say

    @property
    def channels(self) -> int:
        """Width of the stream, 1 to 128."""
        return len(self.head)

    @property
    def receptive_field(self) -> int:
        """Frames of input, the present one included, that shape one frame of output."""
        return 1 + sum(layer.dilation for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Per frame. Counted: both taps of each layer and the head. Not counted: biases and activations."""
        return sum(layer.before.size + layer.now.size for layer in self.layers) + self.head.size


def parse(document: Document) -> ConvNet:
    """The network in `document`. ModelError where it is damaged or not of the kind played."""
    config = document.config
    for key in ("in_channels", "out_channels", "groups"):
        config.get(key, 1).integer(1, 1)
    channels = config["channels"].integer(1, MAX_CHANNELS)
    dilations = [node.integer(1, MAX_DILATION) for node in config["dilations"].items(1, MAX_LAYERS)]
    if 1 + sum(dilations) > MAX_RECEPTIVE_FIELD:
        reach = f"a receptive field of {1 + sum(dilations)} frames is above {MAX_RECEPTIVE_FIELD}"
        raise config["dilations"].fault(reach)
    is_normalised = config["batchnorm"].flag()
    activation = activations.parse(config["activation"], channels)
    shapes = []
    for inputs in [1, *[channels] * (len(dilations) - 1)]:
        shapes.append((channels, inputs, TAPS))
        shapes += [(channels,)] * 4 + [(1,)] if is_normalised else [(channels,)]
    pieces = cut(document, [*shapes, (channels,), (1,)])
    layers = []
    for index, dilation in enumerate(dilations):
        kernel, bias = next(pieces).astype(np.float64), None
        if is_normalised:
            mean, variance, factor, shift, epsilon = (next(pieces).astype(np.float64) for _ in range(5))
            if not (variance + epsilon > 0).all():
                place = f"layer {index + 1}: a batch normalisation by a variance that is not above 0"
                raise document.node["weights"].fault(place)
            scale = factor / np.sqrt(variance + epsilon)
            kernel, bias = kernel * scale[:, None, None], shift - scale * mean
        else:
            bias = next(pieces)
        layers.append(Layer(_frozen(kernel[..., 0]), _frozen(kernel[..., 1]), _frozen(bias), dilation))
    head, head_bias = next(pieces), float(next(pieces)[0])
    learned = len(document.weights) - is_normalised * len(layers)  # epsilon is not learned
    return ConvNet(tuple(layers), activation, head, head_bias, learned, document.sample_rate)


def _frozen(values: np.ndarray) -> np.ndarray:
    largest = np.finfo(np.float32).max
    array = np.clip(values, -largest, largest).astype(np.float32)
    array.setflags(write=False)
    return array
