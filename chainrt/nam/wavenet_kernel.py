"""A WaveNet as machine code: planar, vectorised along time, one pass over memory per layer.

A plain layer (no gate, no film, as wide inside as outside) does everything to a tile of frames while it sits in
registers: all taps of the dilated convolution, bias, the condition mixed in, the activation, its share of the head's
sum, the 1x1, the residual; and it writes straight into the history from which the next layer reads. For each number
of channels and each activation one such kernel is emitted; the number of taps and the dilation are arguments
(measured: taps fixed at compile time gained nothing, 280 against 280 ns a sample for an A2 Full, and would double the
kernels to compile).

All else (what stands before, between and after the layers, and layers that are not plain) is a program of operations
that are compiled once for all networks: see planar.py, which also tells how a history lies in memory.

Rule kept here: weights lie in the order in which they are read.
"""

from functools import cache
from itertools import pairwise

import numpy as np

from ..compiled.language import INTEGER, VOID, intrinsic, is_literal, signature
from ..compiled.native import Native
from ..compiled.simd import Emitter, machine
from .activations import NUMBERS, emit_activation
from .planar import Planes, Program, Tile, generator, load_row, now, pack, play, row, store_rows
from .wavenet import Film, Layer, LayerArray, WaveNet

WIDEST_PLAIN = 64  # channels; the code of a plain layer grows with them
MOST_CONDITIONS = 64  # channels of the condition, likewise


def tile_vectors(channels: int) -> int:
    """Vectors of frames in a tile: few channels leave registers for more of them.

    Measured with AVX2 at 64 frames: 4 instead of 2 vectors give A2 Lite 63 instead of 69 ns a sample.
    """
    return 4 if channels <= 3 else 2


def tile_frames(channels: int) -> int:
    """Frames that the kernel of a plain layer computes at once on this machine."""
    return tile_vectors(channels) * machine()[0]


def output_groups(channels: int) -> list[range]:
    """Which output channels are summed up side by side: as many as the machine's registers hold.

    With 16 registers 6 x 2 sums, 2 inputs and a weight just fit (measured with AVX2: 4 x 2 gives 280 ns a
    sample for A2 Full, 8 x 1 gives 490).
    """
    most = 12 if machine()[1] >= 32 else 6
    count = -(-channels // most)
    edges = [round(index * channels / count) for index in range(count + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def is_plain(layer: Layer) -> bool:
    """Whether the layer is one that the fused kernel plays."""
    channels, rows = layer.convolution.inputs, layer.convolution.outputs
    is_dense = layer.gating == "none" and not layer.films and not layer.head and layer.output is not None
    return is_dense and channels == rows <= WIDEST_PLAIN and layer.mixin.inputs <= MOST_CONDITIONS


def pack_columns(matrix: np.ndarray) -> np.ndarray:
    """(..., out, in) -> flat: group of outputs by group, then everything before, then in, then out of the group."""
    groups = output_groups(matrix.shape[-2])
    return np.concatenate([np.swapaxes(matrix[..., group, :], -1, -2).ravel() for group in groups])


def pack_layer(layer: Layer) -> np.ndarray:
    """Convolution, bias, condition mix-in, 1x1, bias of the 1x1, the activation's numbers."""
    columns = [pack_columns(one.kernel) for one in (layer.convolution, layer.mixin, layer.output)]
    numbers = layer.activation.table(layer.bottleneck)
    return pack(columns[0], layer.convolution.bias, *columns[1:], layer.output.bias, numbers)


# -- a plain layer, emitted -----------------------------------------------------------------------------------------


def emit_layer(
    emit: Emitter, channels, conditions, activation, is_last, layer, source, condition, sums, target, frames
):
    """One plain layer over `frames` frames. layer, source ...: the fields of the records as emitted integers."""
    tile = tile_frames(channels)
    activated = emit.scratch(channels * tile)
    weights = emit.pointer(layer["weights"])
    biases = emit.at(weights, emit.times(layer["taps"], channels * channels))  # what `pack_layer` put behind the taps
    parts = {"taps": weights, "bias": biases, "mixin": emit.at(biases, channels)}
    parts["output"] = emit.at(parts["mixin"], channels * conditions)
    parts["output_bias"] = emit.at(parts["output"], channels * channels)
    parts["numbers"] = emit.at(parts["output_bias"], channels)
    with emit.loop(emit.integer(0), frames, emit.integer(tile)) as frame:
        here = now(emit, source, frame)
        convolve(emit, channels, conditions, activation, layer, parts, source, here, condition, sums, frame, activated)
        if not is_last:
            pass_on(emit, channels, parts, source, here, activated, target, now(emit, target, frame))


def convolve(emit: Emitter, channels, conditions, activation, layer, parts, source, here, condition, sums, frame, out):
    """All taps, bias, condition and activation of one tile, into `out` and onto the head's sums.

    The bias comes last: it often is the largest number, and first it would have every later step rounded to its size.
    """
    tile, vectors, numbers = tile_frames(channels), tile_vectors(channels), NUMBERS.get(activation, 0)
    reach = emit.times(layer["dilation"], emit.subtract(layer["taps"], 1))
    oldest = emit.wrap(emit.subtract(here, reach), source["size"])
    heard, summed = now(emit, condition, frame), now(emit, sums, frame)
    column = emit.variable(parts["taps"])
    for group in output_groups(channels):
        total = Tile(emit, [[emit.constant(-0.0)] * vectors for c in group])  # x - 0.0 is x: costs nothing
        mixin = emit.at(parts["mixin"], group[0] * conditions)
        total.add_rows(mixin, row(emit, condition, 0, heard), condition["stride"], conditions)
        place = emit.variable(oldest)
        with emit.loop(emit.integer(0), layer["taps"], emit.integer(1)):
            total.add_rows(column.get(), row(emit, source, 0, place.get()), source["stride"], channels)
            column.set(emit.at(column.get(), channels * len(group)))
            place.set(emit.wrap(emit.add(place.get(), layer["dilation"]), source["size"]))
        for c, values in zip(group, total.vectors(), strict=True):
            bias = emit.spread(emit.at(parts["bias"], c))
            values = [emit.plus(value, bias) for value in values]
            row_ = [emit.spread(emit.at(parts["numbers"], c * numbers + i)) for i in range(numbers)]
            head = row(emit, sums, c, summed)
            for v in range(vectors):
                value = emit_activation(emit, activation, values[v], row_)
                emit.store(value, emit.at(out, c * tile + v * emit.lanes))
                place_ = emit.at(head, v * emit.lanes)
                emit.store(emit.plus(emit.load(place_), value), place_)


def pass_on(emit: Emitter, channels, parts, source, here, activated, target, there):
    """The 1x1 over one activated tile plus the residual, into the history of the following layer."""
    tile, vectors = tile_frames(channels), tile_vectors(channels)
    for group in output_groups(channels):
        starts = []
        for c in group:
            bias = emit.spread(emit.at(parts["output_bias"], c))
            starts.append([emit.plus(value, bias) for value in load_row(emit, source, c, here, vectors)])
        total = Tile(emit, starts)
        weights = emit.at(parts["output"], group[0] * channels)
        total.add_rows(weights, activated, emit.integer(tile), channels)
        store_rows(emit, total.vectors(), target, emit.integer(group[0]), there)


@intrinsic(prefer_literal=True)
def run_layer(typingctx, channels, conditions, activation, is_last, operation, frames):
    if not is_literal(channels):
        return None
    constants = (channels, conditions, activation, is_last)
    used = ("source", "second", "third", "target")[: 3 if is_last.literal_value else 4]
    return signature(VOID, *constants, INTEGER, INTEGER), generator(emit_layer, constants, used)


@cache
def layer_kernel(channels: int, conditions: int, activation: str, is_last: int) -> Native:
    """The compiled plain layer of so many channels; `is_last` leaves out the 1x1, whose result nobody hears."""

    def layer(operation, frames):
        run_layer(channels, conditions, activation, is_last, operation, frames)

    label = f"layer-{channels}-{conditions}-{activation}" + ("-last" if is_last else "")
    return Native(layer, (INTEGER, INTEGER), label)


# -- a network as a program -----------------------------------------------------------------------------------------


class PackedWaveNet:
    """A WaveNet as a program, from which any number of silent states can be made."""

    def __init__(self, network: WaveNet):
        self.network = network
        self.program = Program()
        self.program.output = _network(self.program, network, self.program.input)

    play = play

    @property
    def natives(self) -> tuple[Native, ...]:
        """All machine code that this network needs; the first plays it."""
        return self.program.natives

    def new_state(self) -> tuple[np.ndarray, ...]:
        """A silent state: the PROGRAM record, then all memory that it points to."""
        return self.program.new_state()


def _network(program: Program, network: WaveNet, heard: Planes) -> Planes:
    """A whole network; tells where its output is."""
    condition = heard
    if isinstance(network.condition, WaveNet):
        condition = _network(program, network.condition, heard)
    elif network.condition:
        from .architectures import pack as pack_any  # which has this module in it

        condition = program.play_guest(pack_any(network.condition), heard, Planes(1))
    stream, head = heard, None
    for index, array in enumerate(network.arrays):
        is_last = index == len(network.arrays) - 1
        scale = network.head_scale if is_last else 1.0
        stream, head = _array(program, array, stream, condition, head, is_last, scale)
    for activation, stage in network.head:
        head = program.activate(activation, head, Planes(head.channels))
        head = program.convolve(stage, program.remembering(head, stage.reach), Planes(stage.outputs))
    return head


def _array(program: Program, array: LayerArray, stream, condition, sums, is_last: bool, scale: float):
    """One layer array; tells where its stream (None if nobody hears it) and its head's output are."""
    if sums is None:
        sums = program.each("clear", Planes(array.head.inputs))
    pasts = [layer.convolution.reach for layer in array.layers]
    stream = program.convolve(array.input, stream, Planes(array.channels, pasts[0]))
    for index, layer in enumerate(array.layers):
        if index + 1 < len(pasts):
            target = Planes(array.channels, pasts[index + 1])
        else:
            target = None if is_last else Planes(array.channels)
        if is_plain(layer):
            _plain_layer(program, layer, stream, condition, sums, target)
        else:
            _any_layer(program, layer, stream, condition, sums, target)
        stream = target
    head = program.convolve(
        array.head, program.remembering(sums, array.head.reach), Planes(array.head.outputs), scale=scale
    )
    return stream, head


def _plain_layer(program: Program, layer: Layer, stream, condition, sums, target) -> None:
    channels, conditions = layer.convolution.inputs, layer.mixin.inputs
    program.add(
        layer_kernel(channels, conditions, layer.activation.name, int(target is None)),
        target,
        stream,
        condition,
        sums,
        weights=pack_layer(layer),
        outputs=channels,
        taps=layer.convolution.taps,
        dilation=layer.convolution.dilation,
    )


def _any_layer(program: Program, layer: Layer, stream, condition, sums, target) -> None:
    """A layer with whatever the format allows, step by step."""
    films, rows, width = layer.films, layer.convolution.outputs, layer.bottleneck

    def planes(use, channels=rows):
        return program.planes(use, channels)

    def filmed(place, source, changed=None):
        """`source` after the film of this place, in the planes `changed` (or in its own); untouched without one."""
        if place not in films:
            return source
        return _film(program, films[place], source, condition, changed or source)

    past = layer.convolution.reach
    heard = filmed("conv_pre_film", stream, Planes(stream.channels, past))
    z = program.convolve(layer.convolution, heard, planes("z"))
    z = filmed("conv_post_film", z)
    mixed = filmed("input_mixin_pre_film", condition, planes("condition", condition.channels))
    if "input_mixin_post_film" in films:
        mixed = filmed("input_mixin_post_film", program.convolve(layer.mixin, mixed, planes("mixed")))
        z = program.each("add", z, z, mixed)
    else:
        z = program.convolve(layer.mixin, mixed, z, plus=z)
    z = filmed("activation_pre_film", z)

    upper = z.rows(0, width)
    a = program.activate(layer.activation, upper, planes("a", width))
    if layer.gating != "none":
        gate = program.activate(layer.secondary, z.rows(width, width), planes("gate", width))
        a = (
            program.each("multiply", a, a, gate)
            if layer.gating == "gated"
            else program.each("blend", a, upper, a, gate)
        )
    a = filmed("activation_post_film", a)

    if layer.head:
        to_head = filmed("head1x1_post_film", program.convolve(layer.head, a, planes("head", layer.head.outputs)))
        program.each("add", sums, sums, to_head)
    else:
        program.each("add", sums, sums, a)
    if target is None:
        return
    if not layer.output:
        program.each("copy", target, stream)
    elif "layer1x1_post_film" in films and layer.gating == "blended":  # in no other layer, as in the reference
        made = program.convolve(layer.output, a, planes("output", target.channels))
        program.each("add", target, stream, filmed("layer1x1_post_film", made))
    else:
        program.convolve(layer.output, a, target, plus=stream)


def _film(program: Program, film: Film, source, condition, target) -> Planes:
    """source * scale + shift, both made of the condition."""
    channels = source.channels
    made = program.convolve(film.scale_shift, condition, program.planes("film", film.scale_shift.outputs))
    scale = made.rows(0, channels)
    if film.shift:
        return program.each("multiply-add", target, source, scale, made.rows(channels, channels))
    return program.each("multiply", target, source, scale)
