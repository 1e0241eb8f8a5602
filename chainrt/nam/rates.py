"""A network at another sample rate than it was trained for.

* At a whole multiple of its rate (48 kHz in a chain of 96 or 192 kHz) every dilation is multiplied instead. Then each
  k-th frame of the output is exactly what the network makes, at its own rate, of each k-th frame of the input; the
  frames between them are the same for the frames between. Nothing is late. Below half the network's own rate it sounds
  as there, only with less aliasing: harmonics that used to fold back stay above. It costs k times as much a second.
* At any other rate the sound is resampled before and behind the network, see resampler.py; and so it is for an LSTM,
  which has no dilations, and for the other levels of its block, which must lag as it does.

How exact: a network bends the sound, which aliases at its own rate, so where its frames lie between those of the chain
can be heard by a meter. Measured on the riff, against the output at the network's own rate: A2 captures differ by -38
to -51 dB (error to signal) resampled and by -40 to -47 dB stretched; and they differ from themselves by -37 to -44 dB,
at their own rate, if the input comes half a frame later. An LSTM that hardly bends differs by -110 dB below 10 kHz.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from .architectures import pack
from .convnet import MAX_RECEPTIVE_FIELD as LONGEST_CONVNET
from .convnet import ConvNet
from .linear import MAX_TAPS, Linear
from .resampler import PackedResampled
from .wavenet import MAX_RECEPTIVE_FIELD as LONGEST_WAVENET
from .wavenet import WaveNet


def packed_for(networks: Sequence[Any], own_hz: float, chain_hz: float) -> list[Any]:
    """The packed forms of networks that were trained at `own_hz` for a chain at `chain_hz`; all lag alike.

    ValueError if that cannot be.
    """
    factor = multiple(chain_hz, own_hz)
    fitting = [network if factor == 1 else factor and stretched(network, factor) for network in networks]
    if all(fitting):
        return list(map(pack, fitting))
    if own_hz != int(own_hz) or chain_hz != int(chain_hz):
        raise ValueError(f"{own_hz:g} Hz cannot be resampled to {chain_hz:g} Hz")
    return [PackedResampled(pack(network), int(chain_hz), int(own_hz)) for network in networks]


def stretched(network: Any, factor: int) -> Any | None:
    """`network` for `factor` times its sample rate; None if that cannot be, or would reach too far back to be kept."""
    if isinstance(network, WaveNet):
        return _stretched_wavenet(network, factor) if factor * network.receptive_field <= LONGEST_WAVENET else None
    if isinstance(network, ConvNet) and factor * network.receptive_field <= LONGEST_CONVNET:
        layers = tuple(replace(layer, dilation=factor * layer.dilation) for layer in network.layers)
        return replace(network, layers=layers, sample_rate=_times(network.sample_rate, factor))
    if isinstance(network, Linear) and factor * len(network.response) <= MAX_TAPS:
        response = np.zeros(factor * (len(network.response) - 1) + 1, np.float32)
        response[::factor] = network.response
        return replace(network, response=response, sample_rate=_times(network.sample_rate, factor))
    return None


def _stretched_wavenet(network: WaveNet, factor: int) -> WaveNet | None:
    condition = network.condition and stretched(network.condition, factor)
    if network.condition and not condition:
        return None

    def slower(convolution):
        return convolution and replace(convolution, dilation=factor * convolution.dilation)

    arrays = tuple(
        replace(
            array,
            layers=tuple(replace(layer, convolution=slower(layer.convolution)) for layer in array.layers),
            head=slower(array.head),
        )
        for array in network.arrays
    )
    head = tuple((activation, slower(stage)) for activation, stage in network.head)
    rate = _times(network.sample_rate, factor)
    return replace(network, arrays=arrays, head=head, condition=condition, sample_rate=rate)


def _times(rate: float | None, factor: int) -> float | None:
    return rate and rate * factor


def multiple(rate: float, of: float) -> int | None:
    """How many times `of` goes into `rate`, if it does; both Hz."""
    ratio = Fraction(rate) / Fraction(of)
    return int(ratio) if ratio.denominator == 1 else None
