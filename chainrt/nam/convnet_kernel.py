"""A ConvNet as machine code: planar, vectorised along time, one pass over memory per layer.

A layer sums up a tile of frames for a group of output channels in registers: both taps of all inputs, bias,
activation; and writes it straight into the memory from which the next layer reads, the last one into the output.

Memory of a layer, channel by channel (`stride` floats apart), its past twice, one copy behind the other:

    [guard: one tile][ring: `size` frames][ring again][guard: one tile]

Frame f lies at f modulo size in both copies. All reads go backwards from the second copy, so they find the past in
one piece wherever the ring wraps.

Rules kept here:
* A tile past the last frame computes into thin air, so there is no scalar remainder and every period size gives the
  same bits. What it spoils are places where later frames are written anyway.
* Weights lie in the order in which they are read.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from llvmlite import ir

from ..compiled.arena import aligned_zeros
from ..compiled.call import call4
from ..compiled.language import INTEGER, PLANE, VOID, carray, intrinsic, is_literal, signature
from ..compiled.memory import address, pointer
from ..compiled.native import Native, address_of
from ..compiled.simd import I64, Emitter, machine
from .activations import NUMBERS, emit_activation
from .convnet import ConvNet, Layer
from .planar import stagger

CHUNK = 64  # frames taken at once
TILE_VECTORS = 2

LAYER = np.dtype(
    [
        ("kernel", "i8"),  # address of the compiled layer
        ("weights", "i8"),  # address: see `pack_layer`
        ("inputs", "i8"),  # channels that come in
        ("dilation", "i8"),  # frames between the two taps
        ("ring", "i8"),  # address of the first channel's first ring
        ("size", "i8"),  # frames until the ring repeats
        ("stride", "i8"),  # floats from one channel's memory to the next
        ("position", "i8"),  # the frame of the ring where the next input goes
        ("guard", "i8"),  # frames behind the second ring
    ]
)
LAYER_BYTES = LAYER.itemsize
NETWORK = np.dtype(
    [
        ("layers", "i8"),  # address of the LAYER records
        ("layer_count", "i8"),
        ("head", "i8"),  # address of one float a channel, then the bias
        ("output", "i8"),  # address of a chunk's output and a tile more
    ]
)


def tile_frames() -> int:
    """Frames that a kernel computes at once on this machine."""
    return TILE_VECTORS * machine()[0]


def output_groups(channels: int) -> list[range]:
    """Which output channels are summed up side by side: as many as the machine's registers hold."""
    most = 12 if machine()[1] >= 32 else 6
    count = -(-channels // most)
    edges = [round(index * channels / count) for index in range(count + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def pack_layer(layer: Layer, table: np.ndarray) -> list[np.ndarray]:
    """Group of outputs by group: their biases, the numbers of their activations (`table`: (channels, numbers)), and
    input by input the weights of the earlier tap, then of the present one.
    """
    parts = []
    for group in output_groups(len(layer.bias)):
        both = np.stack([layer.before[group], layer.now[group]])  # (tap, out, in)
        parts += [layer.bias[group], table[group].ravel(), both.transpose(2, 0, 1).ravel()]
    return parts


def pack(parts) -> np.ndarray:
    """The parts one behind the other, as float32 on a cache line."""
    flat = np.concatenate([np.ravel(part) for part in parts])
    memory = aligned_zeros(flat.size, np.float32)
    memory[:] = flat
    return memory


# -- the kernel, emitted ----------------------------------------------------------------------------------------------


def emit_layer(emit: Emitter, channels, activation, is_last, layer, following, network, frames):
    """One layer over `frames` frames. layer, following, network: the fields of the records as emitted integers."""
    tile, vectors, numbers = tile_frames(), range(TILE_VECTORS), NUMBERS.get(activation, 0)
    head = emit.pointer(network["head"])
    with emit.loop(emit.integer(0), frames, emit.integer(tile)) as frame:
        now = emit.at(emit.pointer(layer["ring"]), position(emit, layer, frame), layer["size"])
        before = emit.at(now, emit.subtract(emit.integer(0), layer["dilation"]))
        there = position(emit, following, frame)
        weights = emit.pointer(layer["weights"])
        if is_last:
            sounds = [emit.variable(emit.spread(emit.at(head, channels))) for _ in vectors]
        for group in output_groups(channels):
            width = len(group)
            sums = [[emit.variable(emit.spread(emit.at(weights, o))) for _ in vectors] for o in range(width)]
            rows = [
                [emit.spread(emit.at(weights, width + o * numbers + j)) for j in range(numbers)] for o in range(width)
            ]
            weights = emit.at(weights, width * (1 + numbers))
            with emit.loop(emit.integer(0), layer["inputs"], emit.integer(1)) as i:
                factors = emit.at(weights, emit.times(i, 2 * width))
                for tap, source in enumerate((before, now)):
                    heard = [
                        emit.load(emit.at(source, emit.times(layer["stride"], i), v * emit.lanes)) for v in vectors
                    ]
                    for o, totals in enumerate(sums):
                        factor = emit.spread(emit.at(factors, tap * width + o))
                        for v in vectors:
                            totals[v].set(emit.fma(factor, heard[v], totals[v].get()))
            weights = emit.at(weights, emit.times(layer["inputs"], 2 * width))
            for o, channel in enumerate(group):
                values = [emit_activation(emit, activation, total.get(), rows[o]) for total in sums[o]]
                if is_last:
                    factor = emit.spread(emit.at(head, channel))
                    for v in vectors:
                        sounds[v].set(emit.fma(factor, values[v], sounds[v].get()))
                else:
                    write(emit, following, channel, there, values)
        if is_last:
            for v in vectors:
                emit.store(sounds[v].get(), emit.at(emit.pointer(network["output"]), frame, v * emit.lanes))


def position(emit: Emitter, layer, frame):
    """Where in a layer's ring the frame `frame` of this chunk lies."""
    return emit.wrap(emit.add(layer["position"], frame), layer["size"])


def write(emit: Emitter, layer, channel, place, values):
    """One tile of one channel into both copies of the ring; what crosses the first one's end also to its start."""
    ring = emit.at(emit.pointer(layer["ring"]), emit.times(layer["stride"], channel), place)

    def put(start):
        for v, value in enumerate(values):
            emit.store(value, emit.at(start, v * emit.lanes))

    put(ring)
    put(emit.at(ring, layer["size"]))
    with emit.when(">", place, emit.subtract(layer["size"], tile_frames())):
        put(emit.at(ring, emit.subtract(emit.integer(0), layer["size"])))


def _fields(context, builder, kind, record):
    """Every field of a record of 64-bit integers, loaded."""
    base = builder.ptrtoint(record, I64)
    word = I64.as_pointer()
    offsets = {name: ir.Constant(I64, kind.offset(name)) for name in kind.fields}
    return {name: builder.load(builder.inttoptr(builder.add(base, at), word)) for name, at in offsets.items()}


@intrinsic(prefer_literal=True)
def run_layer(typingctx, channels, activation, is_last, layer, following, network, frames):
    if not is_literal(channels):
        return None
    records = (layer, following, network)

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        shape = (channels.literal_value, activation.literal_value, is_last.literal_value)
        fields = [_fields(context, builder, kind, one) for kind, one in zip(records, arguments[3:6], strict=True)]
        emit_layer(emit, *shape, *fields, arguments[6])
        return context.get_dummy_value()

    return signature(VOID, channels, activation, is_last, *records, INTEGER), generate


@cache
def layer_kernel(channels: int, activation: str, is_last: int) -> Native:
    """The compiled layer with so many outputs; `is_last` sums them up with the head's weights."""

    def layer(this, following, network, frames):
        run_layer(channels, activation, is_last, this, following, network, frames)

    label = f"convnet-{channels}-{activation}" + ("-last" if is_last else "")
    return Native(layer, (LAYER, LAYER, NETWORK, INTEGER), label)


def _play(network, x, n):
    """The whole network over x[0:n], in place, a chunk at a time."""
    layers = carray(pointer(network.layers), network.layer_count, LAYER)
    output = carray(pointer(network.output), CHUNK, np.float32)
    first, size = layers[0], layers[0].size
    ring = carray(pointer(first.ring), 2 * size + first.guard, np.float32)
    start = 0
    while start < n:
        frames = min(CHUNK, n - start)
        for i in range(frames):
            at = first.position + i
            at = at if at < size else at - size
            ring[at] = ring[at + size] = x[start + i]
            if at < first.guard:
                ring[at + 2 * size] = x[start + i]
        for index in range(network.layer_count):
            this = network.layers + index * LAYER_BYTES
            following = network.layers + min(index + 1, network.layer_count - 1) * LAYER_BYTES
            call4(layers[index].kernel, this, following, address(network), frames)
        for i in range(frames):
            x[start + i] = output[i]
        for index in range(network.layer_count):
            position = layers[index].position + frames
            layers[index].position = position if position < layers[index].size else position - layers[index].size
        start += frames


play = Native(_play, (NETWORK, PLANE, INTEGER), "convnet")
"""play(NETWORK, plane, n): runs the network over the plane, in place."""


# -- putting a network into memory ------------------------------------------------------------------------------------


class PackedConvNet:
    """A ConvNet's weights in the kernels' order, from which any number of silent states can be made."""

    def __init__(self, network: ConvNet):
        self.network = network
        table = network.activation.table(network.channels)
        self.weights = [pack(pack_layer(layer, table)) for layer in network.layers]
        self.head = pack([network.head, [network.head_bias]])
        last = len(network.layers) - 1
        self.kernels = [
            layer_kernel(network.channels, network.activation.name, int(index == last))
            for index in range(len(network.layers))
        ]

    @property
    def natives(self) -> tuple[Native, ...]:
        """All machine code that this network needs; the first plays it."""
        return tuple(dict.fromkeys([play, *self.kernels]))

    def new_state(self) -> tuple[np.ndarray, ...]:
        """A silent state: the NETWORK record, then all memory to which it points."""
        tile = tile_frames()
        layers = aligned_zeros(len(self.weights), LAYER)
        rings = []
        for record, layer, weights, kernel in zip(layers, self.network.layers, self.weights, self.kernels, strict=True):
            size, inputs = layer.dilation + CHUNK + 2 * tile, layer.now.shape[1]
            stride = stagger(2 * size + 2 * tile)
            rings.append(aligned_zeros(inputs * stride, np.float32))
            record["kernel"], record["weights"] = kernel.address, address_of(weights)
            record["inputs"], record["dilation"] = inputs, layer.dilation
            record["ring"], record["size"], record["stride"] = address_of(rings[-1][tile:]), size, stride
            record["guard"] = tile
        output = aligned_zeros(CHUNK + tile, np.float32)
        state = aligned_zeros((), NETWORK)
        state["layers"], state["layer_count"] = address_of(layers), len(layers)
        state["head"], state["output"] = address_of(self.head), address_of(output)
        return (state, layers, output, self.head, *rings, *self.weights)
