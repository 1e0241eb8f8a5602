"""Networks as a short list of operations over planes of samples, each operation compiled once for all networks.

A network that is not a stack of plain layers (gates, films, groups, odd widths) would need code of its own for each
combination. Instead it becomes a *program*: operations (convolve, activate, multiply, add ...) that run one after the
other over a chunk of frames. What an operation works on, and how large, is data; its loops are vector code.

*Planes* hold one row of samples for each channel, `stride` floats apart. They either keep nothing but the chunk, or
are a ring that remembers `past` frames. A channel's ring:

    [guard][ring: `size` frames, the next at `position`][guard][guard]

A tile may be read or written from any place of the ring without a look at its end: what falls into a guard is
mirrored, by stores that nearly never happen. So every period costs the same. Planes that are no ring are one of
endless size, whose position stands still behind the first guard; no operation needs to know the difference.

Rules kept here:
* A tile past the last frame computes into thin air: lanes beyond n land where later frames are written anyway. So
  all planes have room for one more tile, and no operation has a scalar remainder.
* Lanes never mix, so the period size does not change a single bit.
* A convolution may write up to three rows more than its outputs, zeros: planes have room for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from ..compiled.arena import aligned_zeros
from ..compiled.call import call2, call3
from ..compiled.language import INTEGER, PLANE, VOID, carray, intrinsic, is_literal, signature
from ..compiled.memory import pointer
from ..compiled.native import Native, address_of
from ..compiled.simd import I64, Emitter, machine
from .activations import NUMBERS, Activation, emit_activation

CHUNK = 64  # frames a network takes at once: its planes stay in the first-level cache
WIDEST_TILE = 4  # vectors
MOST_ROWS = 4  # outputs that a convolution sums up side by side
MOST_WRITTEN_OUT, INPUTS_A_TURN = 8, 4  # see Tile.add_rows
ENDLESS = 2**40  # frames in planes that are no ring

PLANES = np.dtype(
    [
        ("base", "i8"),  # address of channel 0, frame 0
        ("stride", "i8"),  # floats from one channel to the next
        ("size", "i8"),  # frames in the ring
        ("position", "i8"),  # the frame of the ring where the chunk begins
    ]
)
OPERATION = np.dtype(
    [
        ("kernel", "i8"),  # address of the compiled operation
        ("source", "i8"),  # addresses of PLANES
        ("second", "i8"),
        ("third", "i8"),
        ("target", "i8"),
        ("weights", "i8"),  # address of floats
        ("inputs", "i8"),  # channels
        ("outputs", "i8"),  # channels; of a convolution: groups of rows
        ("taps", "i8"),
        ("dilation", "i8"),  # frames between two taps
    ]
)
OPERATION_BYTES = OPERATION.itemsize
PROGRAM = np.dtype(
    [
        ("operations", "i8"),  # address of the OPERATION records
        ("operation_count", "i8"),
        ("rings", "i8"),  # address of the PLANES records that are rings
        ("ring_count", "i8"),
        ("input", "i8"),  # address of the chunk's input
        ("output", "i8"),  # address of the chunk's output
    ]
)


def guard_frames() -> int:
    """Frames in a guard: the widest tile of this machine."""
    return WIDEST_TILE * machine()[0]


# -- programs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Planes:
    """So many channels; a ring if `past`, in frames, is not None. With `whole`: its channels from `first` on."""

    channels: int
    past: int | None = None
    whole: "Planes | None" = None
    first: int = 0

    def rows(self, first: int, channels: int) -> "Planes":
        """Some of the channels, in place."""
        return Planes(channels, self.past, self, first)


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of a program. `guest`: the packed network that the kernel plays, if it is `borrow`."""

    kernel: Native
    target: Planes | None
    source: Planes | None = None
    second: Planes | None = None
    third: Planes | None = None
    weights: np.ndarray | None = None
    inputs: int = 0
    outputs: int = 0
    taps: int = 1
    dilation: int = 1
    guest: Any = None


class Program:
    """Operations in the order in which they run, from `input` to the first channel of `output`."""

    def __init__(self):
        self.operations: list[Operation] = []
        self.input = Planes(1)
        self.output = self.input
        self.kept: dict[tuple[str, int], Planes] = {}

    def planes(self, use: str, channels: int) -> Planes:
        """Planes for what nobody needs any more when the same use comes again."""
        return self.kept.setdefault((use, channels), Planes(channels))

    def add(self, kernel: Native, target: Planes | None, *planes: Planes | None, **more) -> Planes:
        """One more operation; tells its target."""
        named = dict(zip(("source", "second", "third"), planes, strict=False))
        more.setdefault("outputs", target.channels if target else 0)
        self.operations.append(Operation(kernel, target, **named, **more))
        return target

    def each(self, kind: str, target: Planes, *planes: Planes) -> Planes:
        """An operation on each sample alone: see EACH."""
        return self.add(each_kernel(kind), target, *planes)

    def activate(self, activation: Activation, source: Planes, target: Planes) -> Planes:
        """An activation of each sample."""
        table = activation.table(source.channels)
        return self.add(activate_kernel(activation.name), target, source, weights=pack(table, 0.0))

    def convolve(self, convolution, source: Planes, target: Planes, plus: Planes | None = None, scale=1.0) -> Planes:
        """A convolution (chainrt.nam.wavenet.Convolution), times `scale`, plus other planes (may be the target)."""
        kernel = convolution.kernel if scale == 1.0 else convolution.kernel * np.float32(scale)
        bias = convolution.bias if convolution.bias.size else np.zeros(convolution.outputs, np.float32)
        rows, groups = split(convolution.outputs)
        return self.add(
            convolve_kernel(rows, int(plus is not None)),
            target,
            source,
            plus,
            weights=pack_rows(kernel, bias * np.float32(scale), rows),
            inputs=convolution.inputs,
            outputs=groups,
            taps=convolution.taps,
            dilation=convolution.dilation,
        )

    def remembering(self, source: Planes, past: int) -> Planes:
        """`source` with so many frames of its past."""
        return self.each("copy", Planes(source.channels, past), source) if past else source

    def play_guest(self, guest, source: Planes, target: Planes) -> Planes:
        """The first channel of `source` through a packed network of any architecture."""
        return self.add(borrow, target, source, guest=guest)

    @property
    def natives(self) -> tuple[Native, ...]:
        """All machine code that this program needs; the first plays it."""
        guests = [native for one in self.operations if one.guest for native in one.guest.natives]
        return tuple(dict.fromkeys([play, *(one.kernel for one in self.operations), *guests]))

    def new_state(self) -> tuple[np.ndarray, ...]:
        """A silent state: the PROGRAM record, then all memory that it points to."""
        memory = []
        uses = (one for step in self.operations for one in (step.source, step.second, step.third, step.target) if one)
        used = list(dict.fromkeys([*uses, self.input, self.output]))
        used.sort(key=lambda planes: planes.past is None or planes.whole is not None)  # rings come first
        records = aligned_zeros(len(used), PLANES)
        wholes = {}
        for planes, record in zip(used, records, strict=True):
            whole = planes.whole or planes
            if whole not in wholes:
                wholes[whole] = _place(whole, memory)
            base, stride, size, position = wholes[whole]
            record["base"], record["stride"] = base + 4 * stride * planes.first, stride
            record["size"], record["position"] = size, position
        places = {planes: address_of(records[index:]) for index, planes in enumerate(used)}
        steps = aligned_zeros(len(self.operations), OPERATION)
        for step, record in zip(self.operations, steps, strict=True):
            record["kernel"] = step.kernel.address
            for name in ("source", "second", "third", "target"):
                record[name] = places[getattr(step, name)] if getattr(step, name) else 0
            for name in ("inputs", "outputs", "taps", "dilation"):
                record[name] = getattr(step, name)
            if step.weights is not None:
                record["weights"] = address_of(step.weights)
                memory.append(step.weights)
            if step.guest:
                inside = step.guest.new_state()
                record["weights"], record["inputs"] = step.guest.natives[0].address, address_of(inside[0])
                memory.extend(inside)
        state = aligned_zeros((), PROGRAM)
        state["operations"], state["operation_count"] = address_of(steps), len(steps)
        state["rings"], state["ring_count"] = address_of(records), sum(1 for one in used if one.past is not None)
        for name, planes in (("input", self.input), ("output", self.output)):
            base, _, _, position = wholes[planes.whole or planes]
            state[name] = base + 4 * position
        return (state, steps, records, *memory)


def _place(planes: Planes, memory: list) -> tuple[int, int, int, int]:
    """Memory for planes: address of channel 0, frame 0, floats between channels, frames in the ring, position."""
    guard = guard_frames()
    frames = CHUNK - guard if planes.past is None else guard * (2 - (-(planes.past + CHUNK) // guard))
    stride = stagger(frames + 3 * guard)
    block = aligned_zeros((planes.channels + MOST_ROWS - 1) * stride, np.float32)
    memory.append(block)
    if planes.past is None:
        return address_of(block), stride, ENDLESS, guard
    return address_of(block[guard:]), stride, frames, 0


def stagger(floats: int) -> int:
    """At least so many floats, a whole number of cache lines, and never near a multiple of 4 KiB.

    Channels that lie a multiple of 4 KiB apart would evict each other from the first-level cache.
    """
    lines = -(-floats // 16)
    return 16 * (lines + 5 if lines % 64 in (0, 1, 63) else lines)


# -- the weights in the order in which the kernels read them --------------------------------------------------------


def pack(*parts) -> np.ndarray:
    """The parts one behind the other, as float32 on a cache line."""
    flat = np.concatenate([np.ravel(part) for part in parts])
    memory = aligned_zeros(flat.size, np.float32)
    memory[:] = flat
    return memory


def split(outputs: int) -> tuple[int, int]:
    """Rows that a convolution sums up side by side, and how many such groups it has; few rows are left over."""
    groups = -(-outputs // MOST_ROWS)
    return -(-outputs // groups), groups


def pack_rows(kernel: np.ndarray, bias: np.ndarray, rows: int) -> np.ndarray:
    """kernel (taps, out, in), bias (out,) -> flat: group of rows by group, its biases, then (tap, in, row)."""
    groups = -(-kernel.shape[1] // rows)
    more = groups * rows - kernel.shape[1]
    kernel, bias = np.pad(kernel, ((0, 0), (0, more), (0, 0))), np.pad(bias, (0, more))
    parts = []
    for first in range(0, groups * rows, rows):
        parts += [bias[first : first + rows], np.swapaxes(kernel[:, first : first + rows], 1, 2)]
    return pack(*parts)


# -- the operations, emitted ----------------------------------------------------------------------------------------


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

    def add_rows(self, weights, start, stride, inputs: int):
        """As `add`, for so many sources that lie `stride` floats apart.

        Many are a loop: code that does not fit into the processor's cache of decoded instructions runs slower
        (measured with AVX2 at 64 frames: A1 standard 485 ns a sample written out, 415 as a loop).
        """
        emit = self.emit
        turns = inputs // INPUTS_A_TURN if inputs > MOST_WRITTEN_OUT else 0
        if turns:
            column, heard = emit.variable(weights), emit.variable(start)
            with emit.loop(emit.integer(0), emit.integer(turns), emit.integer(1)):
                sources = [emit.at(heard.get(), emit.times(stride, i)) for i in range(INPUTS_A_TURN)]
                self.add(column.get(), sources)
                column.set(emit.at(column.get(), INPUTS_A_TURN * len(self.sums)))
                heard.set(emit.at(heard.get(), emit.times(stride, INPUTS_A_TURN)))
            weights, start = column.get(), heard.get()
        self.add(weights, [emit.at(start, emit.times(stride, i)) for i in range(inputs - turns * INPUTS_A_TURN)])

    def vectors(self):
        return [[sum_.get() for sum_ in vectors] for vectors in self.sums]


def now(emit: Emitter, planes, frame):
    """The frame of a ring at which a frame of the chunk lies."""
    return emit.wrap(emit.add(planes["position"], frame), planes["size"])


def row(emit: Emitter, planes, channel, place):
    """Where a channel's samples lie, from a frame of the ring on."""
    return emit.at(emit.pointer(planes["base"]), emit.times(planes["stride"], channel), place)


def load_row(emit: Emitter, planes, channel, place, vectors: int):
    """So many vectors of a channel."""
    start = row(emit, planes, channel, place)
    return [emit.load(emit.at(start, v * emit.lanes)) for v in range(vectors)]


def store_rows(emit: Emitter, rows, planes, first, place):
    """Write `rows[channel][vector]` from channel `first` on, and again where the tile lies in a guard, too."""
    tile = len(rows[0]) * emit.lanes
    starts = [row(emit, planes, emit.add(first, c), place) for c in range(len(rows))]

    def store(shift):
        for start, vectors in zip(starts, rows, strict=True):
            for v, value in enumerate(vectors):
                emit.store(value, emit.at(start, shift, v * emit.lanes))

    store(0)
    with emit.when("<", place, guard_frames()):
        store(planes["size"])
    with emit.when(">", place, emit.subtract(planes["size"], tile)):
        store(emit.subtract(emit.integer(0), planes["size"]))


def emit_convolve(emit: Emitter, rows, has_more, operation, source, second, third, target, frames):
    """All taps of a convolution, group of rows by group; `has_more`: plus the second planes."""
    vectors = 4 if rows <= 2 else 2
    reach = emit.times(operation["dilation"], emit.subtract(operation["taps"], 1))
    with emit.loop(emit.integer(0), frames, emit.integer(vectors * emit.lanes)) as frame:
        there = now(emit, target, frame)
        oldest = emit.wrap(emit.subtract(now(emit, source, frame), reach), source["size"])
        column = emit.variable(emit.pointer(operation["weights"]))
        with emit.loop(emit.integer(0), operation["outputs"], emit.integer(1)) as group:
            first = emit.times(group, rows)
            starts = [[emit.spread(emit.at(column.get(), c))] * vectors for c in range(rows)]
            if has_more:
                place = now(emit, second, frame)
                more = [load_row(emit, second, emit.add(first, c), place, vectors) for c in range(rows)]
                starts = [list(map(emit.plus, a, b)) for a, b in zip(starts, more, strict=True)]
            total = Tile(emit, starts)
            column.set(emit.at(column.get(), rows))
            place = emit.variable(oldest)
            with emit.loop(emit.integer(0), operation["taps"], emit.integer(1)):
                heard = emit.variable(row(emit, source, 0, place.get()))
                with emit.loop(emit.integer(0), operation["inputs"], emit.integer(1)):
                    total.add(column.get(), [heard.get()])
                    column.set(emit.at(column.get(), rows))
                    heard.set(emit.at(heard.get(), source["stride"]))
                place.set(emit.wrap(emit.add(place.get(), operation["dilation"]), source["size"]))
            store_rows(emit, total.vectors(), target, first, there)


EACH = {  # name -> planes it reads, and what it makes of a vector of each
    "clear": (0, lambda emit: emit.constant(0.0)),
    "copy": (1, lambda emit, x: x),
    "add": (2, lambda emit, x, y: emit.plus(x, y)),
    "multiply": (2, lambda emit, x, y: emit.product(x, y)),
    "multiply-add": (3, lambda emit, x, scale, shift: emit.fma(x, scale, shift)),
    "blend": (3, lambda emit, x, y, part: emit.fma(part, emit.minus(y, x), x)),
}


def emit_each(emit: Emitter, kind, operation, source, second, third, target, frames):
    """One of EACH over all channels."""
    count, compute = EACH[kind]
    read = (source, second, third)[:count]

    def work(frame, channel):
        loaded = [load_row(emit, planes, channel, now(emit, planes, frame), 2) for planes in read]
        return [compute(emit, *(vectors[v] for vectors in loaded)) for v in range(2)]

    _over_channels(emit, operation, target, frames, work)


def emit_activate(emit: Emitter, name, operation, source, second, third, target, frames):
    """An activation over all channels; each has its row of numbers."""
    numbers = NUMBERS.get(name, 0)

    def work(frame, channel):
        table = emit.at(emit.pointer(operation["weights"]), emit.times(channel, numbers))
        row_ = [emit.spread(emit.at(table, i)) for i in range(numbers)]
        loaded = load_row(emit, source, channel, now(emit, source, frame), 2)
        return [emit_activation(emit, name, value, row_) for value in loaded]

    _over_channels(emit, operation, target, frames, work)


def _over_channels(emit: Emitter, operation, target, frames, work):
    """target[channel] = work(frame, channel), tile by tile of two vectors."""
    with emit.loop(emit.integer(0), frames, emit.integer(2 * emit.lanes)) as frame:
        there = now(emit, target, frame)
        with emit.loop(emit.integer(0), operation["outputs"], emit.integer(1)) as channel:
            store_rows(emit, [work(frame, channel)], target, channel, there)


# -- the operations, compiled ---------------------------------------------------------------------------------------


def _fields(context, builder, kind, address):
    """Every field of a record of 64-bit integers, loaded."""
    word = I64.as_pointer()
    offsets = {name: ir.Constant(I64, kind.fields[name][1]) for name in kind.names}
    return {name: builder.load(builder.inttoptr(builder.add(address, at), word)) for name, at in offsets.items()}


def generator(emit_kernel, constants, used: Sequence[str] = ("source", "second", "third", "target")):
    """Code for emit_kernel(emit, *constants, fields of the operation and of its planes, frames).

    `used`: the planes that the operation has; None is passed for the others.
    """

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        address, frames = arguments[-2:]
        operation = _fields(context, builder, OPERATION, address)
        planes = [
            _fields(context, builder, PLANES, operation[name]) if name in used else None
            for name in ("source", "second", "third", "target")
        ]
        emit_kernel(emit, *(one.literal_value for one in constants), operation, *planes, frames)
        return context.get_dummy_value()

    return generate


@intrinsic(prefer_literal=True)
def run_convolve(typingctx, rows, has_more, operation, frames):
    if not is_literal(rows):
        return None
    used = ("source", "second", "target") if has_more.literal_value else ("source", "target")
    return signature(VOID, rows, has_more, INTEGER, INTEGER), generator(emit_convolve, (rows, has_more), used)


@intrinsic(prefer_literal=True)
def run_each(typingctx, kind, operation, frames):
    if not is_literal(kind):
        return None
    used = (*("source", "second", "third")[: EACH[kind.literal_value][0]], "target")
    return signature(VOID, kind, INTEGER, INTEGER), generator(emit_each, (kind,), used)


@intrinsic(prefer_literal=True)
def run_activate(typingctx, name, operation, frames):
    if not is_literal(name):
        return None
    return signature(VOID, name, INTEGER, INTEGER), generator(emit_activate, (name,), ("source", "target"))


@cache
def convolve_kernel(rows: int, has_more: int) -> Native:
    """The compiled convolution that sums up so many rows side by side."""

    def convolve(operation, frames):
        run_convolve(rows, has_more, operation, frames)

    return Native(convolve, (INTEGER, INTEGER), f"convolve-{rows}" + ("-more" if has_more else ""))


@cache
def each_kernel(kind: str) -> Native:
    """One of EACH, compiled."""

    def each(operation, frames):
        run_each(kind, operation, frames)

    return Native(each, (INTEGER, INTEGER), f"each-{kind}")


@cache
def activate_kernel(name: str) -> Native:
    """An activation, compiled."""

    def activate(operation, frames):
        run_activate(name, operation, frames)

    return Native(activate, (INTEGER, INTEGER), f"activate-{name}")


def _borrow(operation_address, frames):
    """The first channel of the source through another network, into the first of the target; both are no rings."""
    operation = carray(pointer(operation_address), 1, OPERATION)[0]
    source = carray(pointer(operation.source), 1, PLANES)[0]
    target = carray(pointer(operation.target), 1, PLANES)[0]
    start = target.base + 4 * target.position
    heard, made = carray(pointer(source.base), CHUNK * 8, np.float32), carray(pointer(start), CHUNK, np.float32)
    for i in range(frames):
        made[i] = heard[source.position + i]
    call3(operation.weights, operation.inputs, start, frames)


borrow = Native(_borrow, (INTEGER, INTEGER), "borrow")


def _play(program_address, x, n):
    """The whole program over x[0:n], in place, a chunk at a time."""
    program = carray(pointer(program_address), 1, PROGRAM)[0]
    operations = carray(pointer(program.operations), program.operation_count, OPERATION)
    rings = carray(pointer(program.rings), program.ring_count, PLANES)
    heard = carray(pointer(program.input), CHUNK, np.float32)
    made = carray(pointer(program.output), CHUNK, np.float32)
    start = 0
    while start < n:
        frames = min(CHUNK, n - start)
        for i in range(frames):
            heard[i] = x[start + i]
        for index in range(program.operation_count):
            call2(operations[index].kernel, program.operations + index * OPERATION_BYTES, frames)
        for i in range(frames):
            x[start + i] = made[i]
        for index in range(program.ring_count):
            position = rings[index].position + frames
            rings[index].position = position if position < rings[index].size else position - rings[index].size
        start += frames


play = Native(_play, (INTEGER, PLANE, INTEGER), "program")
"""play(address of a PROGRAM, plane, n): runs the program over the plane, in place."""
