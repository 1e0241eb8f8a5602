"""The WaveNet architecture as data: a .nam's flat weights, cut up, named and checked against its configuration.

Mono in, mono out (a network that conditions another may have more outputs). With u the input and v the condition,
which is u itself or what the network `condition` makes of it:

    per array, with s the stream of the array before (first: u) and h its head (first: 0):
        s = input @ s
        per layer:
            z  = convolution(s) + mixin @ v          (in the past of s; a convolution's formula stands at its class)
            a  = activation(z), or with a gate: activation(upper half of z) times secondary(lower half),
                 or blended: by secondary(lower half) from the upper half of z to activation(upper half of z)
            h += head @ a, or a where the layer has no head
            s += output @ a                                   (the layer's 1x1, if it has one, and its residual)
        h = head(h), a convolution
    y = head_scale * h, then per stage of the network's own head: y = convolution(activation(y))

A film multiplies what stands at its place by one linear function of v, channel by channel, and adds another.

Rules kept here:
* Tap 0 is the oldest, the last tap is the present frame.
* Every float of the file has a place; one too many or too few is a fault.
* Groups are zeros in a full matrix, as in the reference; nothing after this module knows of them.
* What is not played is refused by name, never skipped.
* `head_scale` is the last weight. The configuration has one too, which the reference reads and then overwrites.
* Where the reference is odd, so is this: `layer1x1_post_film` acts in blended layers only, and a slice of a gated
  layer, or of a film, takes the first rows of both halves together.

Source: NeuralAmpModelerCore, NAM/wavenet/model.cpp, detail.h and slimmable.cpp, NAM/film.h at daae2d0 (MIT licence);
van den Oord et al., "WaveNet", arXiv 1609.03499; Perez et al., "FiLM", arXiv 1709.07871.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np

from . import activations
from .activations import Activation
from .file import Document, Node, shown

MAX_CHANNELS = 256
MAX_LAYERS = 1000
MAX_TAPS = 4096
MAX_DILATION = 1_000_000
MAX_RECEPTIVE_FIELD = 2**19  # frames; 11 s at 48 kHz. With MAX_CHANNELS, bounds a network's history to 512 MiB
MAX_NUMBERS = 2**24  # of all matrices, the zeros between groups included; nothing plays that in real time
MAX_SIZES = 256
MAX_NESTING = 4  # a network that conditions a network that conditions ...
SLICING = "slice_channels_uniform"

FILMS = (  # in the order of their weights
    *("conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film"),
    *("activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film"),
)
GATING_MODES = ("none", "gated", "blended")


@dataclass(frozen=True, eq=False)
class Convolution:
    """y[t] = sum over taps k of kernel[k] @ x[t - dilation * (taps - 1 - k)] + bias. Arrays float32, read-only."""

    kernel: np.ndarray  # (taps, out, in), oldest tap first
    bias: np.ndarray  # (out,), or empty where the file has none
    dilation: int = 1  # frames between two taps
    groups: int = 1  # the kernel is zero but for so many blocks on its diagonal

    @property
    def taps(self) -> int:
        return len(self.kernel)

    @property
    def outputs(self) -> int:
        return self.kernel.shape[1]

    @property
    def inputs(self) -> int:
        return self.kernel.shape[2]

    @property
    def reach(self) -> int:
        """Frames of the past that are heard, the present one not counted."""
        return self.dilation * (self.taps - 1)

    @property
    def parameters(self) -> int:
        """Learned numbers."""
        return self.kernel.size // self.groups + self.bias.size

    def cut(self, outputs: int | None = None, inputs: int | None = None) -> "Convolution":
        """Only the first outputs and inputs; views, no copies."""
        return replace(self, kernel=self.kernel[:, :outputs, :inputs], bias=self.bias[:outputs])


@dataclass(frozen=True, eq=False)
class Film:
    """x * (first half of scale_shift @ v) + (second half), channel by channel; without `shift` there is no half."""

    scale_shift: Convolution
    shift: bool

    def cut(self, channels: int) -> "Film":
        return replace(self, scale_shift=self.scale_shift.cut(channels * (2 if self.shift else 1)))


@dataclass(frozen=True, eq=False)
class Layer:
    """One dilated convolution and what belongs to it. Rows: of `convolution` and `mixin`, twice as many if gated."""

    convolution: Convolution  # (taps, rows, channels)
    mixin: Convolution  # (1, rows, condition channels), without bias
    activation: Activation
    output: Convolution | None = None  # (1, channels, bottleneck), the 1x1
    head: Convolution | None = None  # (1, head channels, bottleneck), the head's 1x1
    gating: str = "none"  # of GATING_MODES
    secondary: Activation | None = None  # of the lower half of the rows, if gated or blended
    films: Mapping[str, Film] = field(default_factory=dict)  # by their place, of FILMS

    @property
    def bottleneck(self) -> int:
        """Channels after the activation."""
        return self.convolution.outputs // (1 if self.gating == "none" else 2)

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Every matrix of the layer."""
        parts = (self.convolution, self.mixin, self.output, self.head)
        return tuple(one for one in parts if one) + tuple(film.scale_shift for film in self.films.values())


@dataclass(frozen=True, eq=False)
class LayerArray:
    """Layers of one width in a row, and the head that sums them up."""

    input: Convolution  # (1, channels, inputs), the rechannel; without bias
    layers: tuple[Layer, ...]
    head: Convolution  # (taps, head outputs, head channels)

    @property
    def channels(self) -> int:
        return self.input.outputs

    @property
    def reach(self) -> int:
        """Frames of the past that the stream hears."""
        return sum(layer.convolution.reach for layer in self.layers)

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Every matrix of the array."""
        return (self.input, *chain.from_iterable(layer.convolutions for layer in self.layers), self.head)


@dataclass(frozen=True, eq=False)
class WaveNet:
    """A network with one input; the formula stands at the top of this file."""

    arrays: tuple[LayerArray, ...]
    head_scale: float
    head: tuple[tuple[Activation, Convolution], ...] = ()  # stages after the arrays
    condition: Any = None  # the network whose outputs are the condition; None: the input is
    sample_rate: float | None = None  # Hz; None where the file does not say

    @property
    def channels(self) -> int:
        """Width of the widest stream."""
        return max(array.channels for array in self.arrays)

    @property
    def outputs(self) -> int:
        """1, but for a network that conditions another."""
        return self.head[-1][1].outputs if self.head else self.arrays[-1].head.outputs

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Every matrix of the network, that of the condition not among them."""
        return (*chain.from_iterable(array.convolutions for array in self.arrays), *(stage for _, stage in self.head))

    @property
    def is_piecewise_linear(self) -> bool:
        """True if its layers have no curve, no gate and no film: sums, products and comparisons are all there is."""
        layers = [layer for array in self.arrays for layer in array.layers]
        is_plain = all(layer.gating == "none" and not layer.films for layer in layers)
        return is_plain and all(layer.activation.name in activations.PIECEWISE_LINEAR for layer in layers)

    @property
    def receptive_field(self) -> int:
        """Frames of input, the present one included, that shape one frame of output."""
        stream = head = 0
        for array in self.arrays:
            stream += array.reach
            head = max(stream, head) + array.head.reach
        head += sum(stage.reach for _, stage in self.head)
        return head + (self.condition.receptive_field if self.condition else 1)

    @property
    def parameters(self) -> int:
        """Learned numbers, the head's scale among them."""
        own = sum(one.parameters for one in self.convolutions) + 1
        return own + (self.condition.parameters if self.condition else 0)

    @property
    def multiply_adds(self) -> int:
        """Per frame: each number of each matrix, the zeros between groups included, is multiplied and added once.

        Not counted: biases, activations, films, the residual sums and the head's scale.
        """
        own = sum(one.kernel.size for one in self.convolutions)
        return own + (self.condition.multiply_adds if self.condition else 0)


def parse(document: Document, most_outputs: int = 1) -> WaveNet:
    """The network in `document`, at its full width. ModelError where it is damaged or not of the kind played."""
    config, weights = document.config, _Weights(document)
    config.get("in_channels", 1).integer(1, 1)
    condition = _condition(document)
    condition_size = getattr(condition, "outputs", 1)
    arrays = []
    nodes = config["layers"].items(1, MAX_LAYERS)
    for node in nodes:
        before = arrays[-1] if arrays else None
        arrays.append(_array(node, weights, before, condition_size))
        if sum(len(array.layers) for array in arrays) > MAX_LAYERS:
            raise config["layers"].fault(f"more than {MAX_LAYERS} layers")
    for node, array, after in zip(nodes, arrays, arrays[1:], strict=False):
        if array.head.outputs != after.channels:
            fault = f"{array.head.outputs} is not {after.channels}, the channels of the next array"
            raise _head_outputs(node).fault(fault)
    head = _post_stack_head(config.get("head"), weights, arrays[-1].head.outputs)
    scale = weights.take((1,))
    network = WaveNet(tuple(arrays), 1.0, head, condition, document.sample_rate)
    if network.receptive_field > MAX_RECEPTIVE_FIELD:
        reach = max(range(len(arrays)), key=lambda index: arrays[index].reach + arrays[index].head.reach)
        message = f"a receptive field of {network.receptive_field} frames is above {MAX_RECEPTIVE_FIELD}"
        raise nodes[reach].fault(message)
    if network.outputs > most_outputs:
        node = config["head"]["out_channels"] if head else _head_outputs(nodes[-1])
        raise node.fault(f"{network.outputs} outputs are not played; this release plays {most_outputs}")
    weights.finish()
    return replace(network, head_scale=float(scale[0]))


def widths(document: Document) -> tuple[tuple[float, tuple[int, ...]], ...]:
    """The sizes of `document`, rising: (slimmable value, channels of each array); one size if it is not slimmable.

    An array without a list of widths keeps its own. The reference plays allowed[min(floor(value * n), n - 1)] of each;
    the value is the middle of the interval in which it plays this size.
    """
    allowed = [_allowed(node) for node in document.config["layers"].items(1, MAX_LAYERS)]
    edges = sorted({index / len(counts) for counts in allowed for index in range(len(counts))} | {1.0})
    if len(edges) > MAX_SIZES + 1:
        raise document.config["layers"].fault(f"{len(edges) - 1} sizes are above {MAX_SIZES}")
    values = [(low + high) / 2 for low, high in pairwise(edges)]
    return tuple((value, tuple(counts[int(value * len(counts))] for counts in allowed)) for value in values)


def sliced(network: WaveNet, widths: tuple[int, ...]) -> WaveNet:
    """`network` with only the first channels of each array, as many as `widths` says (else ValueError); no copies.

    Nothing is rescaled: the training made the first channels work alone. The reference slices the same way but
    refuses a head of more than one tap.
    """
    full = tuple(array.channels for array in network.arrays)
    if len(widths) != len(full) or any(not 1 <= a <= b for a, b in zip(widths, full, strict=True)):
        raise ValueError(f"{widths} channels of a network that has at most {full}")
    heads = [*widths[1:], None]
    inputs = [None, *widths]
    cut = map(_sliced_array, network.arrays, inputs, widths, heads)
    return network if widths == full else replace(network, arrays=tuple(cut))


def _sliced_array(array: LayerArray, inputs: int | None, channels: int, heads: int | None) -> LayerArray:
    layers = tuple(_sliced_layer(layer, channels) for layer in array.layers)
    summed = None if layers[0].head else layers[0].bottleneck
    return LayerArray(array.input.cut(channels, inputs), layers, array.head.cut(heads, summed))


def _sliced_layer(layer: Layer, channels: int) -> Layer:
    rows = bottleneck = channels
    if layer.output:
        bottleneck = max(1, layer.bottleneck * channels // layer.convolution.inputs)
    rows = bottleneck * (1 if layer.gating == "none" else 2)
    sizes = dict.fromkeys(FILMS, rows) | {"conv_pre_film": channels, "layer1x1_post_film": channels}
    sizes |= {"activation_post_film": bottleneck, "input_mixin_pre_film": None, "head1x1_post_film": None}
    return replace(
        layer,
        convolution=layer.convolution.cut(rows, channels),
        mixin=layer.mixin.cut(rows),
        output=layer.output and layer.output.cut(channels, bottleneck),
        head=layer.head and layer.head.cut(None, bottleneck),
        films={key: film.cut(sizes[key]) if sizes[key] else film for key, film in layer.films.items()},
    )


# -- from the configuration ---------------------------------------------------------------------------------------


class _Weights:
    """Takes the weights of a file from the front. Once they run out it only counts, and `finish` tells."""

    def __init__(self, document: Document):
        self.document = document
        self.taken = 0
        self.numbers = 0

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """The next weights; zeros that cost no memory where there are none left."""
        start, size = self.taken, int(np.prod(shape, dtype=object))
        self.taken += size
        if self.taken > len(self.document.weights):
            return np.broadcast_to(np.float32(0), shape)
        return self.document.weights[start : self.taken].reshape(shape)

    def convolution(self, node, outputs, inputs, taps=1, bias=True, dilation=1, groups=1) -> Convolution:
        """The next matrix. `node`: what is at fault if so many groups do not fit, or if it is far too large."""
        for count in (outputs, inputs):
            if count % groups:
                raise node.fault(f"{groups} groups do not divide {count} channels")
        self.numbers += outputs * inputs * taps
        if self.numbers > MAX_NUMBERS:
            raise node.fault(f"more than {MAX_NUMBERS} numbers in all matrices")
        blocks = np.moveaxis(self.take((groups, outputs // groups, inputs // groups, taps)), -1, 0)
        if groups == 1:
            kernel = blocks[:, 0]
            kernel = np.ascontiguousarray(kernel) if self.taken <= len(self.document.weights) else kernel
        elif self.taken > len(self.document.weights):
            kernel = np.broadcast_to(np.float32(0), (taps, outputs, inputs))
        else:
            kernel = np.zeros((taps, groups, outputs // groups, groups, inputs // groups), np.float32)
            for group in range(groups):
                kernel[:, group, :, group, :] = blocks[:, group]
            kernel = kernel.reshape(taps, outputs, inputs)
        kernel.setflags(write=False)
        return Convolution(kernel, self.take((outputs,)) if bias else self.take((0,)), dilation, groups)

    def finish(self) -> None:
        """ModelError unless every weight was taken."""
        there, needed = len(self.document.weights), self.taken
        if there != needed:
            message = f"{there} weights, but the configuration needs {needed}"
            raise self.document.node["weights"].fault(message)


def _condition(outer: Document) -> Any:
    """The network that makes the condition, or None. Of a container it is its full size, as in the reference."""
    from . import architectures as every  # which has this module in it, as the next one has
    from .levels import played

    node = outer.config.get("condition_dsp")
    if node.value is None:
        return None
    if node.path.count("condition_dsp") > MAX_NESTING:
        raise node.fault(f"is the condition of a condition and so on, more than {MAX_NESTING} deep")
    first, *others = played(node)
    for inner in (first, *(one for one in others if one.sample_rate)):
        if inner.sample_rate != outer.sample_rate:
            rates = (inner.sample_rate, outer.sample_rate)
            told = " and ".join("none" if one is None else f"{one:g} Hz" for one in rates)
            raise inner.node.get("sample_rate").fault(f"differs from that of the network around it: {told}")
    if first.architecture == "WaveNet":
        return parse(first, MAX_CHANNELS)
    return every.parse([first, *others][-1])  # a container has one output


def _array(node: Node, weights: _Weights, before: LayerArray | None, condition_size: int) -> LayerArray:
    """The next layer array; its weights stand in this order."""
    channels = node["channels"].integer(1, MAX_CHANNELS)
    _must_be(node["input_size"], before.channels if before else 1, "the width of what comes in")
    _must_be(node["condition_size"], condition_size, "the channels of the condition")
    rechannel = weights.convolution(node["input_size"], channels, before.channels if before else 1, bias=False)
    layers = _layers(node, weights, channels, condition_size)
    summed = layers[0].head.outputs if layers[0].head else layers[0].bottleneck
    if before and before.head.outputs != summed:
        message = f"its head sums up {summed} channels, but the head before it has {before.head.outputs} outputs"
        raise node.fault(message)
    outputs, taps, dilation, bias = _head(node)
    return LayerArray(rechannel, layers, weights.convolution(node, outputs, summed, taps, bias, dilation))


def _layers(node: Node, weights: _Weights, channels: int, condition_size: int) -> tuple[Layer, ...]:
    """All layers of an array."""
    dilations = [one.integer(1, MAX_DILATION) for one in node["dilations"].items(1, MAX_LAYERS)]
    count = len(dilations)
    bottleneck = node.get("bottleneck", channels).integer(1, MAX_CHANNELS)
    groups = _groups(node.get("groups_input", 1)), _groups(node.get("groups_input_mixin", 1))
    one_by_one, head = node.get("layer1x1", {}), node.get("head1x1", {})
    has_output, has_head = one_by_one.get("active", True).flag(), head.get("active", False).flag()
    head_outputs = head["out_channels"].integer(1, MAX_CHANNELS) if has_head else 0
    output_groups, head_groups = _groups(one_by_one.get("groups", 1)), _groups(head.get("groups", 1))
    if not has_output:
        _must_be(node.get("bottleneck", channels), channels, "the channels, as the layers have no 1x1")
    films = _films(node, has_output, has_head)
    slimmable = node.get("slimmable").value is not None
    layers = []
    for dilation, taps, (mode, first, second) in zip(
        dilations, _taps(node, count), _activations(node, count, bottleneck), strict=True
    ):
        rows = bottleneck * (1 if mode == "none" else 2)
        sizes = dict.fromkeys(FILMS, rows) | {"conv_pre_film": channels, "layer1x1_post_film": channels}
        sizes |= {"activation_post_film": bottleneck, "input_mixin_pre_film": condition_size}
        sizes |= {"head1x1_post_film": head_outputs}
        layers.append(
            Layer(
                convolution=weights.convolution(
                    node.get("groups_input"), rows, channels, taps, dilation=dilation, groups=groups[0]
                ),
                mixin=weights.convolution(
                    node.get("groups_input_mixin"), rows, condition_size, bias=False, groups=groups[1]
                ),
                output=weights.convolution(one_by_one.get("groups"), channels, bottleneck, groups=output_groups)
                if has_output
                else None,
                head=weights.convolution(head.get("groups"), head_outputs, bottleneck, groups=head_groups)
                if has_head
                else None,
                activation=first,
                gating=mode,
                secondary=second,
                films={key: _film(node.get(key), weights, sizes[key], condition_size, *films[key]) for key in films},
            )
        )
        if slimmable and any(one.groups > 1 for one in layers[-1].convolutions):
            raise node["slimmable"].fault("groups cannot be sliced")
    return tuple(layers)


def _film(node: Node, weights: _Weights, channels: int, condition_size: int, shift: bool, groups: int) -> Film:
    outputs = channels * (2 if shift else 1)
    return Film(weights.convolution(node.get("groups", 1), outputs, condition_size, groups=groups), shift)


def _films(node: Node, has_output: bool, has_head: bool) -> dict[str, tuple[bool, int]]:
    """Whether it shifts, and its groups, of each film that is switched on, in the order of their weights."""
    active = {}
    for key in FILMS:
        film = node.get(key, False)
        if film.value is not False and film.get("active", True).flag():
            active[key] = film.get("shift", True).flag(), _groups(film.get("groups", 1))
    for key, has_it, called in (("layer1x1_post_film", has_output, "1x1"), ("head1x1_post_film", has_head, "head1x1")):
        if key in active and not has_it:
            raise node[key].fault(f"is switched on, but the layers have no {called}")
    return active


def _activations(node: Node, layers: int, bottleneck: int) -> list[tuple[str, Activation, Activation | None]]:
    """Gating mode, activation and secondary activation of each layer."""
    primary = [activations.parse(one, bottleneck) for one in _each(node["activation"], layers)]
    if node.get("gating_mode").value is None:
        modes = ["gated" if node.get("gated", False).flag() else "none"] * layers
    else:
        modes = [one.text(played=GATING_MODES) for one in _each(node["gating_mode"], layers)]
    if set(modes) == {"none"}:
        return [("none", activation, None) for activation in primary]  # whatever else the file says is not looked at
    if node.get("gating_mode").value is None:  # the reference reads no secondary activation beside `gated`
        seconds = [Activation("Sigmoid")] * layers
    else:
        nodes = _each(node.get("secondary_activation", "Sigmoid"), layers)
        used = zip(modes, nodes, strict=True)
        seconds = [activations.parse(one, bottleneck) if mode != "none" else None for mode, one in used]
    return list(zip(modes, primary, seconds, strict=True))


def _post_stack_head(node: Node, weights: _Weights, inputs: int) -> tuple[tuple[Activation, Convolution], ...]:
    """The stages of the head after the arrays; none if there is no such head."""
    if node.value is None:
        return ()
    _must_be(node.get("in_channels", inputs), inputs, "the outputs of the last array")
    taps = [one.integer(1, MAX_TAPS) for one in node["kernel_sizes"].items(1, MAX_LAYERS)]
    between, outputs = (node[key].integer(1, MAX_CHANNELS) for key in ("channels", "out_channels"))
    stages = []
    for index, count in enumerate(taps):
        after = outputs if index == len(taps) - 1 else between
        activation = activations.parse(node["activation"], inputs)
        stages.append((activation, weights.convolution(node["kernel_sizes"], after, inputs, count)))
        inputs = after
    return tuple(stages)


def _allowed(node: Node) -> tuple[int, ...]:
    """The widths at which an array may be played, rising."""
    channels = node["channels"].integer(1, MAX_CHANNELS)
    slimmable = node.get("slimmable")
    if slimmable.value is None:
        return (channels,)
    slimmable["method"].text(played=(SLICING,))
    allowed = slimmable.get("kwargs", {}).get("allowed_channels")
    if allowed.value is None:
        return tuple(range(1, channels + 1))  # as in the reference
    counts = tuple(one.integer(1, channels) for one in allowed.items(1, channels))
    if any(a >= b for a, b in pairwise(counts)) or counts[-1] != channels:
        raise allowed.fault(f"must rise and end with the full {channels} channels")
    return counts


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


def _head(array: Node) -> tuple[int, int, int, bool]:
    """Outputs, taps and dilation of an array's head and whether it has a bias, from either spelling."""
    outputs = _head_outputs(array).integer(1, MAX_CHANNELS)
    if array.get("head").value is None and array.get("head_size").value is not None:
        return outputs, 1, 1, array["head_bias"].flag()
    head = array["head"]
    dilation = head.get("head_dilation", 1).integer(1, MAX_DILATION)
    return outputs, head["kernel_size"].integer(1, MAX_TAPS), dilation, head["bias"].flag()


def _head_outputs(array: Node) -> Node:
    """Where the outputs of an array's head stand."""
    old = array.get("head").value is None and array.get("head_size").value is not None
    return array["head_size"] if old else array["head"]["out_channels"]


def _groups(node: Node) -> int:
    return node.integer(1, MAX_CHANNELS)


def _must_be(node: Node, expected: int, called: str) -> None:
    """ModelError unless a whole number is what the rest of the file makes it."""
    if node.integer(1, 2**31) != expected:
        raise node.fault(f"{shown(node.value)} is not {expected}, {called}")
