"""The LSTM architecture as data: a .nam's flat weights, cut up, named and checked against its configuration.

Per frame, with u the input and, in each layer, h and c the `hidden` values it remembers:

    below = u in the first layer, the new h of the layer before in the others
    i, f, g, o = the four quarters of weight @ [below, h] + bias
    c  = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h  = sigmoid(o) * tanh(c)
    y  = head @ (h of the last layer) + head_bias

Rules kept here:
* A state begins with the `hidden` and `cell` that the training learned and the file tells, not with zeros.
* Such a network never forgets for certain, it only fades; how many frames of input still shape its output is
  measured once per network (`receptive_field`), without a clock, so it is the same figure everywhere.

Source: NeuralAmpModelerCore, NAM/lstm.cpp at daae2d0 (MIT licence); Hochreiter and Schmidhuber, "Long short-term
memory", Neural Computation 9(8), 1997, with the forget gate of Gers et al., 2000.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .file import Document
from .weights import cut

MAX_HIDDEN = 512
MAX_LAYERS = 32

FORGOTTEN = 1e-5  # two histories agree: so much of the peak is left between their outputs
SETTLED = 1e-7  # and so much between their states, so that nothing comes back
STRETCH = 512  # frames between two looks at that
LONGEST_MEMORY = 2**15  # frames; 0.7 s at 48 kHz. The reference lets every LSTM hear 0.5 s of silence
MEASURED_MULTIPLY_ADDS = 2**31  # a measurement ends after so many, a second or two,
MEASURED_STEPS = 2**16  # or after so many frames of so many layers,
MEASURED_FRAMES = 4096  # but not before so many frames
LOUD_FRAMES = 1024  # of noise, the different past


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer. All arrays float32 and read-only; rows in the order input, forget, cell and output gate."""

    weight: np.ndarray  # (4 * hidden, below + hidden), below: 1 in the first layer, hidden in the others
    bias: np.ndarray  # (4 * hidden,)
    hidden: np.ndarray  # (hidden,), what h is at the very beginning
    cell: np.ndarray  # (hidden,), what c is at the very beginning


@dataclass(frozen=True, eq=False)
class LSTM:
    """A mono recurrent network; the formula stands at the top of this file. Arrays float32, read-only."""

    layers: tuple[Layer, ...]
    head: np.ndarray  # (hidden,)
    head_bias: float
    sample_rate: float | None  # Hz; None where the file does not say

    @property
    def channels(self) -> int:
        """Width: the hidden size, 1 to 512."""
        return len(self.head)

    @cached_property
    def receptive_field(self) -> int:
        """Frames of input, the present one included, that shape one frame of output: measured, see `memory`."""
        return memory(self)

    @property
    def parameters(self) -> int:
        """Learned numbers: multiply_adds, the biases and where each layer's memory begins."""
        per_layer = (layer.bias.size + layer.hidden.size + layer.cell.size for layer in self.layers)
        return self.multiply_adds + sum(per_layer) + 1

    @property
    def multiply_adds(self) -> int:
        """Per frame. Counted: each layer's weight and the head. Not counted: biases, gates and their activations."""
        return sum(layer.weight.size for layer in self.layers) + self.head.size


def parse(document: Document) -> LSTM:
    """The network in `document`. ModelError where it is damaged or not of the kind played."""
    config = document.config
    for key in ("input_size", "in_channels", "out_channels"):
        config.get(key, 1).integer(1, 1)
    hidden = config["hidden_size"].integer(1, MAX_HIDDEN)
    count = config["num_layers"].integer(1, MAX_LAYERS)
    shapes = []
    for index in range(count):
        below = hidden if index else 1
        shapes += [(4 * hidden, below + hidden), (4 * hidden,), (hidden,), (hidden,)]
    pieces = cut(document, [*shapes, (hidden,), (1,)])
    return LSTM(
        layers=tuple(Layer(next(pieces), next(pieces), next(pieces), next(pieces)) for _ in range(count)),
        head=next(pieces),
        head_bias=float(next(pieces)[0]),
        sample_rate=document.sample_rate,
    )


@np.errstate(all="ignore")  # weights of strangers may be huge; what is not a number counts as not forgotten
def memory(network: LSTM) -> int:
    """Frames after which two states with different pasts sound alike, to FORGOTTEN of the peak; at most LONGEST_MEMORY.

    One of them heard nothing yet, the other noise at full scale; then both hear the same silence, soft noise, loud
    noise or slow swell. float64, rounded up to whole stretches of 64 frames so that the last bit does not count.
    """
    random = np.random.default_rng(0)
    kinds = 4
    state = _State(network, 2 * kinds)
    for sample in random.uniform(-1, 1, LOUD_FRAMES):
        state.step(np.repeat([0.0, sample], kinds))
    steps, products = MEASURED_STEPS // len(network.layers), 2 * kinds * network.multiply_adds
    bound = min(LONGEST_MEMORY, max(MEASURED_FRAMES, min(steps, MEASURED_MULTIPLY_ADDS // products)))
    last, peak, frame = 0, 0.0, 0
    outputs = np.empty((STRETCH, 2 * kinds))
    while frame < bound:
        noise = random.uniform(-1, 1, (STRETCH, 2))
        swell = 0.5 * np.sin(2 * np.pi * np.arange(frame, frame + STRETCH) / 4096)
        heard = np.stack([np.zeros(STRETCH), 0.01 * noise[:, 0], 0.5 * noise[:, 1], swell], axis=1)
        for row in range(STRETCH):
            outputs[row] = state.step(np.tile(heard[row], 2))
        peak = max(peak, np.abs(outputs).max())
        apart = np.abs(outputs[:, :kinds] - outputs[:, kinds:]).max(axis=1)
        over = np.flatnonzero(~(apart <= FORGOTTEN * peak))
        last = frame + int(over[-1]) + 1 if len(over) else last
        frame += STRETCH
        if not len(over) and state.distance() < SETTLED:
            break
    return max(64, -(-last // 64) * 64)


class _State:
    """Several copies of a network's memory that hear different things: h and c are (hidden, copies)."""

    def __init__(self, network: LSTM, copies: int):
        self.weights = [layer.weight.astype(np.float64) for layer in network.layers]
        self.biases = [layer.bias.astype(np.float64)[:, None] for layer in network.layers]
        self.h = [np.tile(layer.hidden.astype(np.float64)[:, None], copies) for layer in network.layers]
        self.c = [np.tile(layer.cell.astype(np.float64)[:, None], copies) for layer in network.layers]
        self.head, self.head_bias = network.head.astype(np.float64), network.head_bias

    def step(self, heard: np.ndarray) -> np.ndarray:
        """One frame: (copies,) in, (copies,) out."""
        below, size = heard[None, :], len(self.head)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            gates = weight @ np.concatenate([below, self.h[index]]) + bias
            gates[: 2 * size] *= 0.5  # sigmoid(x) = (1 + tanh(x / 2)) / 2
            gates[3 * size :] *= 0.5
            gates = np.tanh(gates)
            i, f, g, o = (gates[part * size : (part + 1) * size] for part in range(4))
            self.c[index] = 0.5 * ((1 + f) * self.c[index] + (1 + i) * g)
            below = self.h[index] = 0.5 * (1 + o) * np.tanh(self.c[index])
        return self.head @ below + self.head_bias

    def distance(self) -> float:
        """The largest difference between the h of the first half of the copies and those of the second."""
        half = self.h[0].shape[1] // 2
        return max(float(np.abs(h[:, :half] - h[:, half:]).max()) for h in self.h)
