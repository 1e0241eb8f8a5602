"""The field's WaveNets as plain descriptions: the official sizes, and the order of their weights.

Rules kept here:
* The flat weight vector is the one a .nam file holds, in its order (NeuralAmpModelerCore,
  NAM/wavenet/model.cpp, `set_weights_`): for each layer array rechannel[out][in]; for each of its layers
  conv[out][in][tap], conv bias, mix-in, 1x1[out][in], 1x1 bias; head[out][channel][tap], head bias if it has
  one; after the last array the head scale.
* Of two arrays, the second takes the first's last layer as its input and goes on with the first's head.
* A width below the full one uses the first channels of everything, in and out, with no rescaling (the same
  source, NAM/wavenet/slimmable.cpp, `extract_slimmed_weights`). Only a single array is ever played so.
"""

from dataclasses import dataclass

import numpy as np

LEAKY_SLOPE = 0.01


@dataclass(frozen=True)
class LayerArray:
    """A stack of dilated layers of one width, and the head that gathers what they say."""

    inputs: int  # planes it takes in: 1 for the signal
    channels: int
    kernel_sizes: tuple[int, ...]
    dilations: tuple[int, ...]
    activation: str  # LeakyReLU or Tanh
    head_outputs: int
    head_taps: int
    head_bias: bool

    def layer_positions(self):
        """Index, from the array's first weight, of each layer's first weight and of the head's."""
        c = self.channels
        per_layer = [c * c * k + 3 * c + c * c for k in self.kernel_sizes]
        return self.inputs * c + np.concatenate([[0], np.cumsum(per_layer)]).astype(np.int64)

    @property
    def weight_count(self):
        head = self.head_outputs * self.channels * self.head_taps
        return int(self.layer_positions()[-1] + head + self.head_outputs * self.head_bias)

    @property
    def reach(self):
        """How many samples back the layers hear, the head's taps not counted."""
        return sum(d * (k - 1) for k, d in zip(self.kernel_sizes, self.dilations, strict=True))


@dataclass(frozen=True)
class Architecture:
    arrays: tuple[LayerArray, ...]
    head_scale: float  # fixed, not trained

    @property
    def width(self):
        """Channels of the first array: what a level of this architecture is called by."""
        return self.arrays[0].channels

    @property
    def weight_count(self):
        """Length of the flat vector; 12,146 for the official 8-channel A2, 13,802 for the standard A1."""
        return sum(array.weight_count for array in self.arrays) + 1


def a2(channels, head_taps=16):
    """The official A2 (NeuralAmpModelerCore, NAM/wavenet/a2_fast.h): 8 channels in the full, 3 in the lite size."""
    kernel_sizes = (6,) * 14 + (15, 15) + (6,) * 7
    sevens = (1, 3, 7, 17, 41, 101, 239)
    dilations = sevens + sevens + (1, 13) + sevens
    array = LayerArray(1, channels, kernel_sizes, dilations, "LeakyReLU", 1, head_taps, True)
    return Architecture((array,), head_scale=0.01)


A1_CHANNELS = {"standard": (16, 8), "lite": (12, 6), "feather": (8, 4), "nano": (4, 2)}


def a1(size):
    """An A1 of the named size, as the field's trainer made them before A2 (NeuralAudio, InternalModel.h)."""
    powers = tuple(2**i for i in range(10))
    first, second = (powers, powers) if size == "standard" else (powers[:7], powers[7:] + powers)
    wide, narrow = A1_CHANNELS[size]
    arrays = (
        LayerArray(1, wide, (3,) * len(first), first, "Tanh", narrow, 1, False),
        LayerArray(wide, narrow, (3,) * len(second), second, "Tanh", 1, 1, True),
    )
    return Architecture(arrays, head_scale=0.02)


def initial_weights(architecture, rng):
    """Uniform within 1/sqrt(fan-in), torch's rule for convolutions, as the field's trainer starts."""
    parts = []

    def uniform(fan_in, count):
        bound = 1 / np.sqrt(fan_in)
        parts.append(rng.uniform(-bound, bound, count))

    for array in architecture.arrays:
        c = array.channels
        uniform(array.inputs, array.inputs * c)
        for kernel_size in array.kernel_sizes:
            uniform(c * kernel_size, c * c * kernel_size + c)
            uniform(1, c)
            uniform(c, c * c + c)
        uniform(c * array.head_taps, array.head_outputs * c * array.head_taps)
        parts.append(np.zeros(array.head_outputs * array.head_bias))
    parts.append([architecture.head_scale])
    return np.concatenate(parts).astype(np.float32)


def with_longer_head(flat, architecture, head_taps):
    """The weights of the same single array with so many head taps: those before the old ones are zero."""
    (array,) = architecture.arrays
    position, added = array.layer_positions()[-1], head_taps - array.head_taps
    taps = flat[position : position + array.channels * array.head_taps].reshape(array.channels, array.head_taps)
    longer = np.pad(taps, ((0, 0), (added, 0))).ravel()
    return np.concatenate([flat[:position], longer, flat[position + taps.size :]]).astype(np.float32)


def slice_mask(architecture, width):
    """Which weights of the full vector a slice of `width` channels uses; one array, one output."""
    (array,) = architecture.arrays
    inside = np.arange(array.channels) < width
    pair = inside[:, None] & inside[None, :]
    parts = [inside]
    for kernel_size in array.kernel_sizes:
        taps = np.repeat(pair[:, :, None], kernel_size, axis=2)
        parts += [taps.ravel(), inside, inside, pair.ravel(), inside]
    parts += [np.repeat(inside, array.head_taps), [True], [True]]
    return np.concatenate(parts)
