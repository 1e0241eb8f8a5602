"""The Linear architecture as data: an impulse response of `receptive_field` samples, and perhaps a bias.

    y[t] = bias + sum over k of response[k] * u[t - k]

Source: NeuralAmpModelerCore, NAM/linear.cpp at daae2d0 (MIT licence). Its `implementation` (direct or by FFT) is a
matter of speed there and is ignored here.
"""

from dataclasses import dataclass

import numpy as np

from .file import Document
from .weights import cut

MAX_TAPS = 2**16  # 1.4 s at 48 kHz


@dataclass(frozen=True, eq=False)
class Linear:
    """A mono filter; the formula stands at the top of this file."""

    response: np.ndarray  # (taps,), float32, read-only; the present frame's factor first
    bias: float  # 0 where the file has none
    has_bias: bool
    sample_rate: float | None  # Hz; None where the file does not say

    channels = 1

    @property
    def receptive_field(self) -> int:
        """Frames of input, the present one included, that shape one frame of output: the taps."""
        return len(self.response)

    @property
    def parameters(self) -> int:
        """Learned numbers: the taps, and the bias if there is one."""
        return len(self.response) + int(self.has_bias)

    @property
    def multiply_adds(self) -> int:
        """Per frame: one a tap."""
        return len(self.response)


def parse(document: Document) -> Linear:
    """The filter in `document`. ModelError where it is damaged or not of the kind played."""
    config = document.config
    for key in ("in_channels", "out_channels"):
        config.get(key, 1).integer(1, 1)
    taps, has_bias = config["receptive_field"].integer(1, MAX_TAPS), config["bias"].flag()
    response, bias, *_ = cut(document, [(taps,), (int(has_bias),)])
    return Linear(response, float(bias.sum()), has_bias, document.sample_rate)
