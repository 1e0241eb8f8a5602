"""What the field calls an architecture: how its part of a .nam is read, and how it becomes machine code.

To play another one: write `parse` and a packed form for it, and give it a line in ARCHITECTURES.

A *network*, which `parse` returns, has `channels` (its width), `receptive_field` (frames of input that shape one
frame of output), `parameters`, `multiply_adds` (per frame) and `sample_rate` (Hz or None). Its *family* says what a
multiply-add of it costs on a simulated device, see vocabulary.NETWORKS.
A *packed* network has `natives`, all machine code that it needs, of which the first plays it: (address of a state,
plane, n); and `new_state()`, which makes the state: that record, then the memory to which it points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import convnet, linear, lstm, wavenet
from .convnet_kernel import PackedConvNet
from .file import Document
from .linear_kernel import PackedLinear
from .lstm_kernel import PackedLSTM
from .wavenet_kernel import PackedWaveNet


@dataclass(frozen=True)
class Architecture:
    """`parse`: a network from a document (ModelError). `pack`: its packed form. `network`: the class of the network."""

    parse: Callable[[Document], Any]
    pack: Callable[[Any], Any]
    network: type


ARCHITECTURES = {
    "WaveNet": Architecture(wavenet.parse, PackedWaveNet, wavenet.WaveNet),
    "LSTM": Architecture(lstm.parse, PackedLSTM, lstm.LSTM),
    "ConvNet": Architecture(convnet.parse, PackedConvNet, convnet.ConvNet),
    "Linear": Architecture(linear.parse, PackedLinear, linear.Linear),
}
"""By the name that stands in a .nam."""


def parse(document: Document) -> Any:
    """The network in `document`, which is no container. ModelError where it is damaged or not of a kind played."""
    return ARCHITECTURES[document.architecture].parse(document)


def forgets(network: Any) -> bool:
    """True if nothing further back than the receptive field shapes the output at all: no LSTM is in it."""
    inner = getattr(network, "condition", None) or getattr(network, "inner", None)
    return not isinstance(network, lstm.LSTM) and (inner is None or forgets(inner))


def family(network: Any) -> str:
    """Which of vocabulary.NETWORKS it is; of a resampled one, that of the network inside."""
    network = getattr(network, "inner", network)
    if isinstance(network, wavenet.WaveNet):
        return "a2" if network.is_piecewise_linear else "a1"
    return next(name for name, one in ARCHITECTURES.items() if isinstance(network, one.network)).lower()


def pack(network: Any) -> Any:
    """The packed form of any network."""
    return next(one for one in ARCHITECTURES.values() if isinstance(network, one.network)).pack(network)
