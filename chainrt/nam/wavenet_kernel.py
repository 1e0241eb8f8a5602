"""A WaveNet as machine code: planar, vectorised along time, one pass over memory per layer.

A layer does everything to a tile of frames while it sits in registers: all taps of the dilated convolution, bias,
the condition mixed in, the activation, its share of the head's sum, the 1x1, the residual; and it writes straight
into the history from which the next layer reads. For each number of channels and each activation one such kernel is
emitted; the number of taps and the dilation are arguments (measured: taps fixed at compile time gained nothing,
280 against 280 ns a sample for an A2 Full, and would double the kernels to compile).

Memory of a layer, channel by channel (`stride` floats apart):

    [guard: one tile][ring: `size` frames, the newest at `position`][guard: two tiles]

A tile may be read or written from any place of the ring without a look at its end: what falls into a guard is
mirrored, by two copies that nearly never run. So every period costs the same.

Rules kept here:
* A tile past the last frame computes into thin air: lanes beyond n land where later frames are written anyway. So
  all buffers have room for one more tile, and no kernel has a scalar remainder.
* Weights lie in the order in which they are read.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from ..compiled.call import call2, call3, call4
from ..compiled.memory import pointer
from ..compiled.native import INTEGER, PLANE, Native, address_of, aligned_zeros
from ..compiled.simd import Emitter, machine
from .wavenet import Layer, WaveNet

CHUNK = 64  # frames a network takes at once: its planes stay in the first-level cache

LAYER = np.dtype(
    [
        ("kernel", "i8"),  # address of the compiled layer
        ("weights", "i8"),  # address: see `pack_layer`
        ("taps", "i8"),
        ("dilation", "i8"),  # frames between two taps
        ("history", "i8"),  # address of channel 0, frame 0 of the ring of this layer's inputs
        ("size", "i8"),  # frames in the ring
        ("stride", "i8"),  # floats from one channel's ring to the next
        ("position", "i8"),  # the frame of the ring where the next input goes
    ]
)
LAYER_BYTES = LAYER.itemsize
NETWORK = np.dtype(
    [
        ("layers", "i8"),  # address of the LAYER records
        ("layer_count", "i8"),
        ("enter", "i8"),  # address of the kernel that spreads the input over the channels
        ("input_weights", "i8"),  # address of one float a channel
        ("leave", "i8"),  # address of the kernel that sums up the head
        ("head_weights", "i8"),  # address of taps x channels floats, then the bias
        ("head_taps", "i8"),
        ("sums", "i8"),  # address of the head's sums: per channel head_taps - 1 old frames, then the chunk
        ("channels", "i8"),
        ("sums_stride", "i8"),  # floats from one channel's sums to the next
        ("condition", "i8"),  # address of the chunk's input, one tile longer than a chunk
        ("output", "i8"),  # address of the chunk's output, likewise
    ]
)


def tile_vectors(channels: int) -> int:
    """Vectors of frames in a tile: few channels leave registers for more of them.

    Measured with AVX2 at 64 frames: 4 instead of 2 vectors give A2 Lite 63 instead of 69 ns a sample.
    """
    return 4 if channels <= 3 else 2


def tile_frames(channels: int) -> int:
    """Frames that a kernel computes at once on this machine."""
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


# -- the weights in the order in which the kernels read them ----------------------------------------------------


def pack_columns(matrix: np.ndarray) -> np.ndarray:
    """(..., out, in) -> flat: group of outputs by group, then everything before, then in, then out of the group."""
    groups = output_groups(matrix.shape[-2])
    return np.concatenate([np.swapaxes(matrix[..., group, :], -1, -2).ravel() for group in groups])


def pack_layer(layer: Layer) -> np.ndarray:
    """Convolution, bias, condition mix-in, 1x1, bias of the 1x1, slope of the activation."""
    convolution, output = pack_columns(layer.kernel), pack_columns(layer.output)
    return pack(convolution, layer.bias, layer.mixin, output, layer.output_bias, layer.activation.slope)


def pack(*parts) -> np.ndarray:
    """The parts one behind the other, as float32 on a cache line."""
    flat = np.concatenate([np.ravel(part) for part in parts])
    memory = aligned_zeros(flat.size, np.float32)
    memory[:] = flat
    return memory


# -- the kernels, emitted -----------------------------------------------------------------------------------------


class Tile:
    """Sums of a group of output channels over one tile, kept in registers: `sums[channel][vector]`."""

    def __init__(self, emit: Emitter, starts):
        self.emit = emit
        self.sums = [[emit.variable(value) for value in vectors] for vectors in starts]

    def add(self, weights, sources):
        """sums[o] += weights[i, o] * source[i], weights flat in the order (i, o)."""
        emit = self.emit
        outputs, vectors = range(len(self.sums)), range(len(self.sums[0]))
        for i, source in enumerate(sources):
            factors = [emit.at(weights, i * len(outputs) + o) for o in outputs]
            inputs = [emit.at(source, v * emit.lanes) for v in vectors]
            if len(outputs) <= len(vectors):  # whichever is fewer stays in registers
                held = [emit.spread(factor) for factor in factors]
                for v in vectors:
                    value = emit.load(inputs[v])
                    for o in outputs:
                        self.sums[o][v].set(emit.fma(held[o], value, self.sums[o][v].get()))
            else:
                held = [emit.load(place) for place in inputs]
                for o in outputs:
                    factor = emit.spread(factors[o])
                    for v in vectors:
                        self.sums[o][v].set(emit.fma(factor, held[v], self.sums[o][v].get()))

    def vectors(self):
        return [[sum_.get() for sum_ in vectors] for vectors in self.sums]


def activate(emit: Emitter, name: str, slope, value):
    """The activation of one vector; `slope` is the factor below zero, in every lane."""
    if name == "ReLU":
        return emit.larger(value, emit.constant(0.0))
    if name == "LeakyReLU":
        return emit.where_positive(value, value, emit.product(value, slope))
    raise ValueError(f"no kernel for the activation {name}")


def store_rows(emit: Emitter, rows, layer, channels: range, position):
    """Write `rows[channel][vector]` into some channels of a layer's ring."""
    ring = emit.at(emit.pointer(layer["history"]), position)
    for c, vectors in zip(channels, rows, strict=True):
        for v, value in enumerate(vectors):
            emit.store(value, emit.at(ring, emit.times(layer["stride"], c), v * emit.lanes))


def mirror(emit: Emitter, channels: int, layer, position):
    """Repeat the tile at a position of a layer's ring where it, or its continuation, lies in a guard."""
    ring, stride, size = emit.pointer(layer["history"]), layer["stride"], layer["size"]
    tile = tile_frames(channels)

    def copy_to(place):
        for c in range(channels):
            for v in range(tile_vectors(channels)):
                offset = emit.add(emit.times(stride, c), v * emit.lanes)
                emit.store(emit.load(emit.at(ring, position, offset)), emit.at(ring, place, offset))

    with emit.when("<", position, tile):
        copy_to(emit.add(position, size))
    with emit.when(">", position, emit.subtract(size, tile)):
        copy_to(emit.subtract(position, size))


def emit_layer(emit: Emitter, channels, activation, is_last, layer, following, network, frames):
    """One layer over `frames` frames. layer, following, network: the fields of the records as emitted integers."""
    tile = tile_frames(channels)
    activated = emit.scratch(channels * tile)
    weights = emit.pointer(layer["weights"])
    biases = emit.at(weights, emit.times(layer["taps"], channels * channels))  # what `pack_layer` put behind the taps
    with emit.loop(emit.integer(0), frames, emit.integer(tile)) as frame:
        now = emit.wrap(emit.add(layer["position"], frame), layer["size"])
        convolve(emit, channels, activation, layer, network, weights, biases, frame, now, activated)
        if not is_last:
            there = emit.wrap(emit.add(following["position"], frame), following["size"])
            pass_on(emit, channels, layer, biases, now, activated, following, there)
            mirror(emit, channels, following, there)


def convolve(emit: Emitter, channels, activation, layer, network, weights, biases, frame, now, activated):
    """All taps, bias, condition and activation of one tile, into `activated` and onto the head's sums."""
    tile, vectors = tile_frames(channels), range(tile_vectors(channels))
    history, stride = emit.pointer(layer["history"]), layer["stride"]
    condition = emit.at(emit.pointer(network["condition"]), frame)
    sums = emit.at(emit.pointer(network["sums"]), emit.subtract(network["head_taps"], 1), frame)
    mixin = emit.at(biases, channels)
    slope = emit.spread(emit.at(mixin, channels * (channels + 2)))
    reach = emit.times(layer["dilation"], emit.subtract(layer["taps"], 1))
    oldest = emit.wrap(emit.subtract(now, reach), layer["size"])
    column = emit.variable(weights)
    for group in output_groups(channels):
        heard = [emit.load(emit.at(condition, v * emit.lanes)) for v in vectors]
        starts = []
        for c in group:
            bias, mix = emit.spread(emit.at(biases, c)), emit.spread(emit.at(mixin, c))
            starts.append([emit.fma(mix, heard[v], bias) for v in vectors])
        total = Tile(emit, starts)
        place = emit.variable(oldest)
        with emit.loop(emit.integer(0), layer["taps"], emit.integer(1)):
            total.add(column.get(), [emit.at(history, place.get(), emit.times(stride, i)) for i in range(channels)])
            column.set(emit.at(column.get(), channels * len(group)))
            place.set(emit.wrap(emit.add(place.get(), layer["dilation"]), layer["size"]))
        for c, values in zip(group, total.vectors(), strict=True):
            for v in vectors:
                value = activate(emit, activation, slope, values[v])
                emit.store(value, emit.at(activated, c * tile + v * emit.lanes))
                head = emit.at(sums, emit.times(network["sums_stride"], c), v * emit.lanes)
                emit.store(emit.plus(emit.load(head), value), head)


def pass_on(emit: Emitter, channels, layer, biases, now, activated, following, there):
    """The 1x1 over one activated tile plus the residual, into the ring of the following layer."""
    tile = tile_frames(channels)
    inputs = emit.at(emit.pointer(layer["history"]), now)
    weights = emit.at(biases, 2 * channels)
    bias_weights = emit.at(weights, channels * channels)
    for group in output_groups(channels):
        starts = []
        for c in group:
            bias, residual = emit.spread(emit.at(bias_weights, c)), emit.at(inputs, emit.times(layer["stride"], c))
            starts.append(
                [emit.plus(emit.load(emit.at(residual, v * emit.lanes)), bias) for v in range(tile_vectors(channels))]
            )
        total = Tile(emit, starts)
        total.add(emit.at(weights, group[0] * channels), [emit.at(activated, i * tile) for i in range(channels)])
        store_rows(emit, total.vectors(), following, group, there)


def emit_enter(emit: Emitter, channels, layer, network, frames):
    """The input, times one weight a channel, into the history of the first layer."""
    weights, condition = emit.pointer(network["input_weights"]), emit.pointer(network["condition"])
    with emit.loop(emit.integer(0), frames, emit.integer(tile_frames(channels))) as frame:
        heard = [emit.load(emit.at(condition, frame, v * emit.lanes)) for v in range(tile_vectors(channels))]
        rows = [[emit.product(emit.spread(emit.at(weights, c)), x) for x in heard] for c in range(channels)]
        there = emit.wrap(emit.add(layer["position"], frame), layer["size"])
        store_rows(emit, rows, layer, range(channels), there)
        mirror(emit, channels, layer, there)


def emit_leave(emit: Emitter, channels, network, frames):
    """The head: a convolution of `taps` frames over the sums of all channels, into one plane."""
    weights, sums = emit.pointer(network["head_weights"]), emit.pointer(network["sums"])
    output, taps, stride = emit.pointer(network["output"]), network["head_taps"], network["sums_stride"]
    bias = emit.at(weights, emit.times(taps, channels))
    with emit.loop(emit.integer(0), frames, emit.integer(tile_frames(channels))) as frame:
        total = Tile(emit, [[emit.spread(bias)] * tile_vectors(channels)])
        with emit.loop(emit.integer(0), taps, emit.integer(1)) as tap:
            sources = [emit.at(sums, frame, tap, emit.times(stride, c)) for c in range(channels)]
            total.add(emit.at(weights, emit.times(tap, channels)), sources)
        for v, value in enumerate(total.vectors()[0]):
            emit.store(value, emit.at(output, frame, v * emit.lanes))


# -- the kernels, compiled ------------------------------------------------------------------------------------------


def _fields(context, builder, kind, record):
    """Every field of a record of 64-bit integers, loaded."""
    base = builder.ptrtoint(record, context.get_value_type(INTEGER))
    word = context.get_value_type(INTEGER).as_pointer()
    offsets = {name: context.get_constant(INTEGER, kind.offset(name)) for name in kind.fields}
    return {name: builder.load(builder.inttoptr(builder.add(base, at), word)) for name, at in offsets.items()}


def _generator(emit_kernel, constants, records):
    """Code for emit_kernel(emit, *constants, *fields of the records, frames)."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        loaded = arguments[len(constants) : -1]
        fields = [_fields(context, builder, kind, record) for kind, record in zip(records, loaded, strict=True)]
        emit_kernel(emit, *(constant.literal_value for constant in constants), *fields, arguments[-1])
        return context.get_dummy_value()

    return generate


@intrinsic(prefer_literal=True)
def run_layer(typingctx, channels, activation, is_last, layer, following, network, frames):
    constants, records = (channels, activation, is_last), (layer, following, network)
    if not isinstance(channels, types.Literal):
        return None
    return types.void(*constants, *records, INTEGER), _generator(emit_layer, constants, records)


@intrinsic(prefer_literal=True)
def run_enter(typingctx, channels, layer, network, frames):
    if not isinstance(channels, types.Literal):
        return None
    return types.void(channels, layer, network, INTEGER), _generator(emit_enter, (channels,), (layer, network))


@intrinsic(prefer_literal=True)
def run_leave(typingctx, channels, network, frames):
    if not isinstance(channels, types.Literal):
        return None
    return types.void(channels, network, INTEGER), _generator(emit_leave, (channels,), (network,))


@cache
def layer_kernel(channels: int, activation: str, is_last: int) -> Native:
    """The compiled layer of so many channels; `is_last` leaves out the 1x1, whose result nobody hears."""

    def layer(this, following, network, frames):
        run_layer(channels, activation, is_last, this, following, network, frames)

    return Native(
        layer, (LAYER, LAYER, NETWORK, INTEGER), f"layer-{channels}-{activation}" + ("-last" if is_last else "")
    )


@cache
def enter_kernel(channels: int) -> Native:
    """The compiled spread of the input over so many channels."""

    def enter(first_layer, network, frames):
        run_enter(channels, first_layer, network, frames)

    return Native(enter, (LAYER, NETWORK, INTEGER), f"enter-{channels}")


@cache
def leave_kernel(channels: int) -> Native:
    """The compiled head over so many channels."""

    def leave(network, frames):
        run_leave(channels, network, frames)

    return Native(leave, (NETWORK, INTEGER), f"leave-{channels}")


def _play(network_address, x, n):
    """The whole network over x[0:n], in place, a chunk at a time."""
    network = carray(pointer(network_address), 1, NETWORK)[0]
    layers = carray(pointer(network.layers), network.layer_count, LAYER)
    old = network.head_taps - 1
    sums = carray(pointer(network.sums), network.channels * network.sums_stride, np.float32)
    condition = carray(pointer(network.condition), CHUNK, np.float32)
    output = carray(pointer(network.output), CHUNK, np.float32)
    start = 0
    while start < n:
        frames = min(CHUNK, n - start)
        for i in range(frames):
            condition[i] = x[start + i]
        for c in range(network.channels):
            for i in range(frames):
                sums[c * network.sums_stride + old + i] = 0.0
        call3(network.enter, network.layers, network_address, frames)
        for index in range(network.layer_count):
            this = network.layers + index * LAYER_BYTES
            following = network.layers + min(index + 1, network.layer_count - 1) * LAYER_BYTES
            call4(layers[index].kernel, this, following, network_address, frames)
        call2(network.leave, network_address, frames)
        for i in range(frames):
            x[start + i] = output[i]
        for c in range(network.channels):
            for i in range(old):
                sums[c * network.sums_stride + i] = sums[c * network.sums_stride + frames + i]
        for index in range(network.layer_count):
            position = layers[index].position + frames
            layers[index].position = position if position < layers[index].size else position - layers[index].size
        start += frames


play = Native(_play, (INTEGER, PLANE, INTEGER), "wavenet")
"""play(address of a NETWORK, plane, n): runs the network over the plane, in place."""


# -- putting a network into memory ----------------------------------------------------------------------------------


class PackedWaveNet:
    """A WaveNet's weights in the kernels' order, from which any number of silent states can be made."""

    def __init__(self, network: WaveNet):
        self.network = network
        self.layers = [pack_layer(layer) for layer in network.layers]
        self.input = pack(network.input)
        self.head = pack(network.head * network.head_scale, network.head_bias * network.head_scale)
        last = len(network.layers) - 1
        self.kernels = [
            layer_kernel(network.channels, layer.activation.name, int(index == last))
            for index, layer in enumerate(network.layers)
        ]
        self.enter, self.leave = enter_kernel(network.channels), leave_kernel(network.channels)

    @property
    def natives(self) -> tuple[Native, ...]:
        """All machine code that this network needs."""
        return tuple(dict.fromkeys([play, self.enter, *self.kernels, self.leave]))

    def new_state(self) -> tuple[np.ndarray, ...]:
        """A silent state: the NETWORK record, then all memory that it points to."""
        network, tile = self.network, tile_frames(self.network.channels)
        layers = aligned_zeros(len(network.layers), LAYER)
        histories = []
        for record, layer, weights, kernel in zip(layers, network.layers, self.layers, self.kernels, strict=True):
            taps = len(layer.kernel)
            size = tile * (2 - (-((taps - 1) * layer.dilation + CHUNK) // tile))
            stride = stagger(size + 3 * tile)
            histories.append(aligned_zeros(network.channels * stride, np.float32))
            record["kernel"], record["weights"] = kernel.address, address_of(weights)
            record["taps"], record["dilation"] = taps, layer.dilation
            record["history"], record["size"], record["stride"] = address_of(histories[-1][tile:]), size, stride

        head_taps = len(network.head)
        sums_stride = stagger(head_taps - 1 + CHUNK + tile)
        sums = aligned_zeros(network.channels * sums_stride, np.float32)
        condition, output = aligned_zeros(CHUNK + tile, np.float32), aligned_zeros(CHUNK + tile, np.float32)
        state = aligned_zeros((), NETWORK)
        state["layers"], state["layer_count"] = address_of(layers), len(layers)
        state["enter"], state["input_weights"] = self.enter.address, address_of(self.input)
        state["leave"], state["head_weights"], state["head_taps"] = self.leave.address, address_of(self.head), head_taps
        state["sums"], state["channels"], state["sums_stride"] = address_of(sums), network.channels, sums_stride
        state["condition"], state["output"] = address_of(condition), address_of(output)
        return (state, layers, sums, condition, output, self.input, self.head, *histories, *self.layers)


def stagger(floats: int) -> int:
    """At least so many floats, a whole number of cache lines, and never near a multiple of 4 KiB.

    Channels that lie a multiple of 4 KiB apart would evict each other from the first-level cache.
    """
    lines = -(-floats // 16)
    return 16 * (lines + 5 if lines % 64 in (0, 1, 63) else lines)
