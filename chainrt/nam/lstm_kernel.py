"""An LSTM as machine code: vectors run across the hidden units, a frame at a time.

A frame needs the one before, so nothing can run along time here, and what counts is the way from h to the next h:
products of all gates, two rounds of tanh and sigmoid, done.

* The four gates of as many units as the registers hold are summed up side by side, each weight read once.
* sigmoid(x) = (1 + tanh(x / 2)) / 2, so all four gates are one function; the halves are in the packed weights (exact).
* tanh(x) = x P(x²) / Q(x²). Gates are kept as fractions until the end, so a unit's five activations take two divisions.
* Layer l works on frame k - l while layer 0 works on frame k: they wait for nothing of each other, and the processor
  computes them at the same time. Within a call the last layers start late and end late, so every call leaves all
  layers at the same frame.

Rules kept here:
* Units beyond the hidden size have weights of zero; their h stays zero.
* No input, not even one that is not a number, makes h anything but finite: gates are clamped before anything else.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from llvmlite import ir

from ..compiled.arena import aligned_zeros
from ..compiled.language import INTEGER, PLANE, VOID, intrinsic, is_literal, signature
from ..compiled.memory import address
from ..compiled.native import Native, address_of
from ..compiled.simd import Emitter, machine
from .lstm import LSTM

NETWORK = np.dtype(
    [
        ("weights", "i8"),  # address: see `pack_network`
        ("memory", "i8"),  # address: per layer h, then c, as many floats as `padded` says
        ("units", "i8"),  # inputs from one h: see `inputs_of`
    ]
)

# tanh(x) = x P(x²) / Q(x²) for |x| <= TANH_END; beyond, single precision knows only 1. Fitted for this project
# (rational least squares, reweighted until the relative error was level): off by 2.1e-8, and by 4.5e-8 after rounding.
TANH_END = 9.0
TANH_P = (1.0, 0.13381026685237885, 0.0034955893643200397, 2.0609104467439465e-05, 1.335468891028313e-08)
TANH_Q = (1.0, 0.4671434164047241, 0.025876987725496292, 0.0003285637067165226, 7.77657021444611e-07)

UNROLLED_VECTORS = 6  # up to so many vectors of units are written out, more are a loop
UNROLLED_LAYERS = 3
INPUTS_A_TURN = 4  # no more than the narrowest vector


# -- shapes -----------------------------------------------------------------------------------------------------------


def lanes_of(hidden: int) -> int:
    """Floats in a vector for so many units: no wider than needed, no wider than the machine's."""
    return next(lanes for lanes in (4, 8, 16) if lanes >= hidden or lanes == machine()[0])


def vectors_of(hidden: int) -> int:
    """Vectors that hold all units; for large sizes an even number, so that a loop may take two at a time."""
    count = -(-hidden // lanes_of(hidden))
    return count if count <= UNROLLED_VECTORS else count + count % 2


def groups_of(hidden: int) -> list[int]:
    """How many vectors of units are summed up side by side, four sums each; 3 (of 16 registers) or 7 (of 32)."""
    most, count = (7 if machine()[1] >= 32 else 3), vectors_of(hidden)
    if count > UNROLLED_VECTORS:
        return [2] * (count // 2)
    parts = -(-count // most)
    edges = [round(part * count / parts) for part in range(parts + 1)]
    return [last - first for first, last in pairwise(edges)]


def padded(hidden: int) -> int:
    """Floats in one h or c."""
    return vectors_of(hidden) * lanes_of(hidden)


def inputs_of(hidden: int) -> int:
    """Inputs that are read from one h, a whole number of turns; those beyond the hidden size have weights of zero."""
    return -(-hidden // INPUTS_A_TURN) * INPUTS_A_TURN


def layer_floats(hidden: int, is_first: bool) -> int:
    """Floats of one layer's packed weights."""
    return 4 * padded(hidden) * (1 + (1 if is_first else inputs_of(hidden)) + inputs_of(hidden))


# -- the weights in the order in which the kernel reads them ----------------------------------------------------------


def pack_network(network: LSTM) -> np.ndarray:
    """Layer by layer, then the head, then its bias.

    A layer: group by group; in a group the biases, then input by input (what comes from below, then h) the weights:
    vector by vector, and of each the gates input, forget, cell, output.
    """
    hidden, lanes = network.channels, lanes_of(network.channels)
    halves = np.repeat(np.float32([0.5, 0.5, 1, 0.5]), hidden)[:, None]
    parts = []
    for layer in network.layers:
        below = layer.weight.shape[1] - hidden
        unused = np.zeros((4 * hidden, inputs_of(hidden) - hidden), np.float32)
        from_below = [layer.weight[:, :below]] + [unused] * (layer is not network.layers[0])
        columns = np.concatenate([layer.bias[:, None], *from_below, layer.weight[:, below:], unused], axis=1) * halves
        spread = np.zeros((4, padded(hidden), columns.shape[1]), np.float32)
        spread[:, :hidden] = columns.reshape(4, hidden, -1)
        vectors = spread.reshape(4, -1, lanes, columns.shape[1]).transpose(3, 1, 0, 2)  # input, vector, gate, lane
        first = 0
        for count in groups_of(hidden):
            parts.append(vectors[:, first : first + count].ravel())
            first += count
    head = np.zeros(padded(hidden), np.float32)
    head[:hidden] = network.head
    flat = np.concatenate([*parts, head, [network.head_bias]])
    memory = aligned_zeros(flat.size, np.float32)
    memory[:] = flat
    return memory


# -- the kernel, emitted ----------------------------------------------------------------------------------------------


def emit_sums(emit: Emitter, weights, vectors: int, x, hs, units):
    """One group's gates before activation, `sums[4 * vector + gate]`.

    x: pointer to the one input from outside, or None; hs: pointers to `units` inputs each, an emitted integer for a
    loop or a Python one to have it written out. A loop must not have a constant length: LLVM would write it out and
    then put each sum's additions one behind the other, where each waits for the one before (measured: 131 instead of
    63 ns a sample for 1x16).
    """
    width = 4 * vectors
    step = width * emit.lanes

    def column(index):
        return [emit.load(emit.at(weights, index * step, i * emit.lanes)) for i in range(width)]

    starts = column(0)
    if x is not None:
        factor = emit.spread(x)
        starts = [emit.fma(weight, factor, start) for weight, start in zip(column(1), starts, strict=True)]
    chains = 2 if width <= 4 else 1  # with few sums, even and odd inputs are added up apart, for the same reason
    sums = [[emit.variable(start) for start in starts]]
    sums += [[emit.variable(emit.constant(0.0)) for _ in starts] for _ in range(chains - 1)]

    def add(column, h, first):
        for turn in range(INPUTS_A_TURN):
            factor = emit.spread(emit.at(h, first, turn))
            for i, total in enumerate(sums[turn % chains]):
                weight = emit.load(emit.at(column, turn * step + i * emit.lanes))
                total.set(emit.fma(weight, factor, total.get()))

    place = emit.variable(emit.at(weights, step if x is None else 2 * step))
    for h in hs:
        if isinstance(units, int):
            for first in range(0, units, INPUTS_A_TURN):
                add(place.get(), h, first)
                place.set(emit.at(place.get(), INPUTS_A_TURN * step))
            continue
        with emit.loop(emit.integer(0), units, emit.integer(INPUTS_A_TURN)) as first:
            add(place.get(), h, first)
            place.set(emit.at(place.get(), INPUTS_A_TURN * step))
    totals = [total.get() for total in sums[0]]
    for others in sums[1:]:
        totals = [emit.plus(a, b.get()) for a, b in zip(totals, others, strict=True)]
    return totals


def emit_tanhs(emit: Emitter, xs):
    """tanh of every lane of every x, as numerators and denominators; these are above zero.

    Here and below, one step is put down for all before the next: none waits for what was begun just now.
    """
    end, start = emit.constant(TANH_END), emit.constant(-TANH_END)
    xs = [emit.smaller(emit.larger(x, start), end) for x in xs]  # what is not a number becomes -TANH_END
    zs = [emit.product(x, x) for x in xs]
    squares = [emit.product(z, z) for z in zs]

    def polynomials(a):
        lows = [emit.fma(z, emit.constant(a[1]), emit.constant(a[0])) for z in zs]
        highs = [emit.fma(z, emit.constant(a[3]), emit.constant(a[2])) for z in zs]
        highs = [emit.fma(square, emit.constant(a[4]), high) for square, high in zip(squares, highs, strict=True)]
        return [emit.fma(square, high, low) for square, high, low in zip(squares, highs, lows, strict=True)]

    return [emit.product(x, p) for x, p in zip(xs, polynomials(TANH_P), strict=True)], polynomials(TANH_Q)


def emit_units(emit: Emitter, gates, cs):
    """Vectors of units: gates[4 * vector + gate] before activation and the c of each. Returns the new cs and hs.

    c = (1 + i) / 2 * g + (1 + f) / 2 * c and h = (1 + o) / 2 * tanh(c), where i, f, g, o are tanh: fractions.
    """
    half = emit.constant(0.5)
    count = range(len(cs))
    tops, bottoms = emit_tanhs(emit, gates)
    i, f, g, o = ([tops[4 * v + gate] for v in count] for gate in range(4))
    i_q, f_q, g_q, o_q = ([bottoms[4 * v + gate] for v in count] for gate in range(4))
    ig_q = [emit.product(i_q[v], g_q[v]) for v in count]
    under = [emit.product(ig_q[v], f_q[v]) for v in count]
    added = [emit.product(emit.plus(i[v], i_q[v]), g[v]) for v in count]
    kept = [emit.product(emit.plus(f[v], f_q[v]), emit.product(half, cs[v])) for v in count]
    kept = [emit.product(kept[v], ig_q[v]) for v in count]
    over = [emit.fma(added[v], emit.product(half, f_q[v]), kept[v]) for v in count]
    cs = [emit.divided(over[v], under[v]) for v in count]
    outs = [emit.product(half, emit.plus(o[v], o_q[v])) for v in count]
    t, t_q = emit_tanhs(emit, cs)
    return cs, [emit.divided(emit.product(outs[v], t[v]), emit.product(o_q[v], t_q[v])) for v in count]


def emit_small_layers(emit: Emitter, hidden, units, layers):
    """Some layers of up to UNROLLED_VECTORS over one frame each, side by side.

    layers: (weights, x, hs, h, c) each: the input is the float at x or, if that is None, the first of hs, the h below;
    the other of hs is the layer's own. All are read before h and c are changed.
    """
    count = vectors_of(hidden)
    sums = []
    for weights, x, hs, _, _ in layers:
        columns = 1 + int(x is not None) + len(hs) * inputs_of(hidden)
        first = 0
        for vectors in groups_of(hidden):
            here = emit.at(weights, first * 4 * emit.lanes * columns)
            sums += emit_sums(emit, here, vectors, x, hs, units)
            first += vectors
    places = [(emit.at(h, v * emit.lanes), emit.at(c, v * emit.lanes)) for *_, h, c in layers for v in range(count)]
    new_cs, new_hs = emit_units(emit, sums, [emit.load(c) for _, c in places])
    for new_c, new_h, (h, c) in zip(new_cs, new_hs, places, strict=True):
        emit.store(new_c, c)
        emit.store(new_h, h)


def emit_large_layer(emit: Emitter, hidden, units, layer, gates):
    """One layer of more than UNROLLED_VECTORS over one frame, in loops; gates: room for all of them."""
    weights, x, hs, h, c = layer
    columns = 1 + int(x is not None) + len(hs) * inputs_of(hidden)
    floats = 4 * emit.lanes
    with emit.loop(emit.integer(0), emit.integer(vectors_of(hidden)), emit.integer(2)) as v:
        here = emit.at(weights, emit.times(v, floats * columns))
        for i, value in enumerate(emit_sums(emit, here, 2, x, hs, units)):
            emit.store(value, emit.at(gates, emit.times(v, floats), i * emit.lanes))
    with emit.loop(emit.integer(0), emit.integer(vectors_of(hidden)), emit.integer(1)) as v:
        offset = emit.times(v, emit.lanes)
        values = [emit.load(emit.at(gates, emit.times(v, floats), i * emit.lanes)) for i in range(4)]
        (new_c,), (new_h,) = emit_units(emit, values, [emit.load(emit.at(c, offset))])
        emit.store(new_c, emit.at(c, offset))
        emit.store(new_h, emit.at(h, offset))


def emit_head(emit: Emitter, hidden, weights, h, place):
    """The sum of all h times the head's weights, plus its bias, as one float to `place`."""
    total = emit.variable(emit.constant(0.0))

    def add(offset):
        total.set(emit.fma(emit.load(emit.at(weights, offset)), emit.load(emit.at(h, offset)), total.get()))

    if vectors_of(hidden) <= UNROLLED_VECTORS:
        for v in range(vectors_of(hidden)):
            add(v * emit.lanes)
    else:
        with emit.loop(emit.integer(0), emit.integer(padded(hidden)), emit.integer(emit.lanes)) as offset:
            add(offset)
    b, value, lanes = emit.builder, total.get(), emit.lanes
    while lanes > 1:  # fold the upper half onto the lower one
        lanes //= 2
        upper = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(lanes, 2 * lanes)))
        lower = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(lanes)))
        value = b.fadd(b.shuffle_vector(value, value, lower), b.shuffle_vector(value, value, upper))
    single = b.extract_element(value, ir.Constant(ir.IntType(32), 0))
    bias = b.load(emit.at(weights, padded(hidden)), align=4, typ=single.type)
    b.store(b.fadd(single, bias), place, align=4)


def align_stack(emit: Emitter):
    """Have the stack begin on a cache line, so that no vector kept there lies across two of them.

    LLVM does so only for a function with a variable that asks for it, and that must not be optimised away.
    """
    bits, byte = ir.IntType(64), ir.IntType(8)
    place = emit.builder.bitcast(emit.scratch(16), byte.as_pointer())
    memset = emit.builder.module.declare_intrinsic("llvm.memset", [byte.as_pointer(), bits])
    emit.builder.call(memset, [place, byte(0), bits(4), ir.IntType(1)(1)])


def emit_network(emit: Emitter, hidden, layers, units, weights, memory, x, frames):
    """`frames` frames of x, in place. weights, memory, x: float pointers."""
    floats, first, following = padded(hidden), layer_floats(hidden, True), layer_floats(hidden, False)
    head = emit.at(weights, first + (layers - 1) * following)
    gates = emit.scratch(4 * floats)
    align_stack(emit)
    is_small = vectors_of(hidden) <= UNROLLED_VECTORS
    units = inputs_of(hidden) if vectors_of(hidden) == 1 else units
    b = emit.builder

    def layer_at(layer, frame):
        """What a layer needs; layer: a Python integer, or an emitted one that is above 0."""
        is_first = isinstance(layer, int) and layer == 0
        layer = emit.integer(layer) if isinstance(layer, int) else layer
        h = emit.at(memory, emit.times(layer, 2 * floats))
        c = emit.at(h, floats)
        if is_first:
            return weights, emit.at(x, frame), [h], h, c
        own = emit.at(weights, first, emit.times(emit.subtract(layer, 1), following))
        return own, None, [emit.at(h, -2 * floats), h], h, c

    def run(turn, layers):
        ready = [layer_at(layer, emit.subtract(turn, layer)) for layer in layers]
        if is_small:
            emit_small_layers(emit, hidden, units, ready)
        else:
            for one in ready:
                emit_large_layer(emit, hidden, units, one, gates)

    def sound(turn):
        last = emit.subtract(turn, layers - 1)
        emit_head(emit, hidden, head, emit.at(memory, (layers - 1) * 2 * floats), emit.at(x, last))

    def run_if_in_time(turn, layer):
        frame = emit.subtract(turn, layer)
        with b.if_then(b.icmp_unsigned("<", frame, frames), likely=True):  # a negative one is very large
            run(turn, [layer])

    def run_some(turn):
        """Those layers that have a frame in this turn, the last one first: it reads what the one below made before."""
        if layers <= UNROLLED_LAYERS:
            for layer in range(layers - 1, 0, -1):
                run_if_in_time(turn, layer)
        else:
            with emit.loop(emit.integer(1 - layers), emit.integer(0), emit.integer(1)) as negative:
                run_if_in_time(turn, b.sub(emit.integer(0), negative))
        with b.if_then(b.icmp_signed(">=", turn, emit.integer(layers - 1))):
            sound(turn)
        run_if_in_time(turn, 0)

    with emit.loop(emit.integer(0), emit.add(frames, layers - 1), emit.integer(1)) as turn:
        if layers == 1:
            run(turn, [0])
            sound(turn)
        elif layers <= UNROLLED_LAYERS and is_small:
            early = b.icmp_signed("<", turn, emit.integer(layers - 1))
            late = b.icmp_signed(">=", turn, frames)
            with b.if_else(b.or_(early, late), likely=False) as (at_an_end, between):
                with at_an_end:
                    run_some(turn)
                with between:
                    run(turn, range(layers))
                    sound(turn)
        else:
            run_some(turn)


@intrinsic(prefer_literal=True)
def run_network(typingctx, hidden, layers, units, weights, memory, x, frames):
    if not is_literal(hidden):
        return None

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, lanes_of(hidden.literal_value))
        units, *addresses, count = arguments[2:]
        pointers = map(emit.pointer, addresses)
        emit_network(emit, hidden.literal_value, layers.literal_value, units, *pointers, count)
        return context.get_dummy_value()

    return signature(VOID, hidden, layers, *[INTEGER] * 5), generate


@cache
def network_kernel(hidden: int, layers: int) -> Native:
    """play(NETWORK, plane, n) for LSTMs of so many units and layers: runs the network over the plane, in place."""

    def lstm(network, x, n):
        run_network(hidden, layers, network.units, network.weights, network.memory, address(x), n)

    return Native(lstm, (NETWORK, PLANE, INTEGER), f"lstm-{layers}x{hidden}")


# -- putting a network into memory ------------------------------------------------------------------------------------


class PackedLSTM:
    """An LSTM's weights in the kernel's order, from which any number of states can be made."""

    def __init__(self, network: LSTM):
        self.network = network
        self.weights = pack_network(network)
        self.play = network_kernel(network.channels, len(network.layers))

    @property
    def natives(self) -> tuple[Native, ...]:
        """All machine code that this network needs."""
        return (self.play,)

    def new_state(self) -> tuple[np.ndarray, ...]:
        """The state with which the file says that the network begins: the NETWORK record, then its memory."""
        hidden = self.network.channels
        memory = aligned_zeros((len(self.network.layers), 2, padded(hidden)), np.float32)
        for place, layer in zip(memory, self.network.layers, strict=True):
            place[0, :hidden], place[1, :hidden] = layer.hidden, layer.cell
        state = aligned_zeros((), NETWORK)
        state["weights"], state["memory"] = address_of(self.weights), address_of(memory)
        state["units"] = inputs_of(hidden)
        return (state, memory, self.weights)
