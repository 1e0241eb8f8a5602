"""The field's WaveNets as trainable things: their weight order, and a compiled forward and backward pass.

Why our own: the field's trainer needs about 120 s of CPU for one epoch of an A2, this about ten. All of the
work in a WaveNet has one of two forms, so there are two hand-placed pieces of vector code and plain loops
round them:

    product:      out[m, t] += sum over r of  W[r, m] * x[offset[r] + t]       convolutions, either direction
    correlation:  G[r, m]   += sum over t of  g[m, t] * x[offset[r] + t]       their weight gradients

A "row" r is one tap of one channel: its plane (channel) and its delay (tap) are folded into one offset, so a
dilated convolution, a 1x1 and the transposed convolution of the backward pass are the same call.

Rules kept here:
* Planar layout: one plane of consecutive samples per channel; vectors run over time.
* The flat weight vector is the one a .nam file holds, in its order (NeuralAmpModelerCore,
  NAM/wavenet/model.cpp, `set_weights_`): for each layer array rechannel[out][in]; for each of its layers
  conv[out][in][tap], conv bias, mix-in, 1x1[out][in], 1x1 bias; head[out][channel][tap], head bias if it has
  one; after the last array the head scale.
* Of two arrays, the second takes the first's last layer as its input and goes on with the first's head.
* A width below the full one uses the first channels of everything, in and out, with no rescaling (the same
  source, NAM/wavenet/slimmable.cpp, `extract_slimmed_weights`). Only a single array is ever played so.
* The small loops run over rows sliced beforehand, `for t in range(row.shape[0])`: with `range(begin, end)`
  numba must allow for negative indices and LLVM does not vectorise (five times slower).
* Every sample of a segment's output has its true history: each layer computes only from its own `start` on.
"""

from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from chainrt.nam.activations import TANH_EDGE, TANH_P, TANH_Q

LEAKY_SLOPE = 0.01

LANES = 8  # floats in one vector; AVX2's width, split or paired by LLVM elsewhere
FRAME_ALIGN = 32  # the widest tile is four vectors, so every range of samples is a multiple of this
BLOCK_FRAMES = 512  # samples that go through a whole layer at a time, so that they stay in the first cache
OUTPUT_FRAMES = 8192  # outputs of one training segment


@dataclass(frozen=True)
class LayerArray:
    """A stack of dilated layers of one width, and the head that gathers what they say."""

    inputs: int  # planes it takes in: 1 for the signal
    channels: int
    kernel_sizes: tuple[int, ...]
    dilations: tuple[int, ...]
    activation: str  # LeakyReLU or Tanh
    head_outputs: int
    head_taps: int
    head_bias: bool

    def layer_positions(self):
        """Index, from the array's first weight, of each layer's first weight and of the head's."""
        c = self.channels
        per_layer = [c * c * k + 3 * c + c * c for k in self.kernel_sizes]
        return self.inputs * c + np.concatenate([[0], np.cumsum(per_layer)]).astype(np.int64)

    @property
    def weight_count(self):
        head = self.head_outputs * self.channels * self.head_taps
        return int(self.layer_positions()[-1] + head + self.head_outputs * self.head_bias)

    @property
    def reach(self):
        """How many samples back the layers hear, the head's taps not counted."""
        return sum(d * (k - 1) for k, d in zip(self.kernel_sizes, self.dilations, strict=True))


@dataclass(frozen=True)
class Architecture:
    arrays: tuple[LayerArray, ...]
    head_scale: float  # fixed, not trained

    @property
    def width(self):
        """Channels of the first array: what a level of this architecture is called by."""
        return self.arrays[0].channels

    @property
    def weight_count(self):
        """Length of the flat vector; 12,146 for the official 8-channel A2, 13,802 for the standard A1."""
        return sum(array.weight_count for array in self.arrays) + 1


def a2(channels, head_taps=16):
    """The official A2 (NeuralAmpModelerCore, NAM/wavenet/a2_fast.h): 8 channels in the full, 3 in the lite size."""
    kernel_sizes = (6,) * 14 + (15, 15) + (6,) * 7
    sevens = (1, 3, 7, 17, 41, 101, 239)
    dilations = sevens + sevens + (1, 13) + sevens
    array = LayerArray(1, channels, kernel_sizes, dilations, "LeakyReLU", 1, head_taps, True)
    return Architecture((array,), head_scale=0.01)


A1_CHANNELS = {"standard": (16, 8), "lite": (12, 6), "feather": (8, 4), "nano": (4, 2)}


def a1(size):
    """An A1 of the named size, as the field's trainer made them before A2 (NeuralAudio, InternalModel.h)."""
    powers = tuple(2**i for i in range(10))
    first, second = (powers, powers) if size == "standard" else (powers[:7], powers[7:] + powers)
    wide, narrow = A1_CHANNELS[size]
    arrays = (
        LayerArray(1, wide, (3,) * len(first), first, "Tanh", narrow, 1, False),
        LayerArray(wide, narrow, (3,) * len(second), second, "Tanh", 1, 1, True),
    )
    return Architecture(arrays, head_scale=0.02)


@dataclass(frozen=True)
class Geometry:
    """Where, in a segment of `total` samples, each layer starts to have its true history."""

    starts: tuple[np.ndarray, ...]  # for each array the first sample of each layer's input, and of its output
    head_start: int  # where the last array's output starts: no head sum is needed before
    first_output: int
    total: int
    stride: int  # samples from one plane to the next; the excess over total stays zero for the backward pass

    @staticmethod
    def of(architecture, output_frames=OUTPUT_FRAMES):
        def up(n):
            return -(-int(n) // FRAME_ALIGN) * FRAME_ALIGN

        begin, longest, all_starts = 0, 0, []
        for array in architecture.arrays:
            starts = [begin]
            for kernel_size, dilation in zip(array.kernel_sizes, array.dilations, strict=True):
                starts.append(up(starts[-1] + dilation * (kernel_size - 1)))
                longest = max(longest, dilation * (kernel_size - 1))
            all_starts.append(np.array(starts, np.int64))
            begin = starts[-1]
        first_output = up(begin + max(array.head_taps for array in architecture.arrays) - 1)
        total = first_output + output_frames
        # 16 more floats keep planes off the same cache set, which a power of two would put them on
        return Geometry(tuple(all_starts), begin, first_output, total, up(total + longest) + 16)


def initial_weights(architecture, rng):
    """Uniform within 1/sqrt(fan-in), torch's rule for convolutions, as the field's trainer starts."""
    parts = []

    def uniform(fan_in, count):
        bound = 1 / np.sqrt(fan_in)
        parts.append(rng.uniform(-bound, bound, count))

    for array in architecture.arrays:
        c = array.channels
        uniform(array.inputs, array.inputs * c)
        for kernel_size in array.kernel_sizes:
            uniform(c * kernel_size, c * c * kernel_size + c)
            uniform(1, c)
            uniform(c, c * c + c)
        uniform(c * array.head_taps, array.head_outputs * c * array.head_taps)
        parts.append(np.zeros(array.head_outputs * array.head_bias))
    parts.append([architecture.head_scale])
    return np.concatenate(parts).astype(np.float32)


def with_longer_head(flat, architecture, head_taps):
    """The weights of the same single array with so many head taps: those before the old ones are zero."""
    (array,) = architecture.arrays
    position, added = array.layer_positions()[-1], head_taps - array.head_taps
    taps = flat[position : position + array.channels * array.head_taps].reshape(array.channels, array.head_taps)
    longer = np.pad(taps, ((0, 0), (added, 0))).ravel()
    return np.concatenate([flat[:position], longer, flat[position + taps.size :]]).astype(np.float32)


def slice_mask(architecture, width):
    """Which weights of the full vector a slice of `width` channels uses; one array, one output."""
    (array,) = architecture.arrays
    inside = np.arange(array.channels) < width
    pair = inside[:, None] & inside[None, :]
    parts = [inside]
    for kernel_size in array.kernel_sizes:
        taps = np.repeat(pair[:, :, None], kernel_size, axis=2)
        parts += [taps.ravel(), inside, inside, pair.ravel(), inside]
    parts += [np.repeat(inside, array.head_taps), [True], [True]]
    return np.concatenate(parts)


# ---- the two pieces of vector code ---------------------------------------------------------------


def _pointers(context, builder, signature, arguments):
    """Data pointers of those arguments that are arrays."""
    arrays = [(t, a) for t, a in zip(signature.args, arguments, strict=True) if isinstance(t, types.Array)]
    return [context.make_array(t)(context, builder, a).data for t, a in arrays]


def _vector_at(builder, base, index, vector_type):
    return builder.bitcast(builder.gep(base, [index]), vector_type.as_pointer())


def _broadcast(builder, scalar, vector_type):
    nothing = ir.Constant(vector_type, ir.Undefined)
    lane0 = builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(lane0, nothing, zeros)


def _multiply_add(builder, accumulator, a, b):
    """accumulator += a * b, in one instruction where the machine has it (the `contract` flag allows that)."""
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(accumulator), product, flags=("contract",)), accumulator)


def _product_tile(channels, vectors):
    """product() for `channels` planes and `vectors` vectors of samples, all sums held in registers."""

    @intrinsic
    def tile(typingctx, out, out_index, out_stride, weights, weight_index, x, x_index, offsets, row_count):
        intp = types.intp
        signature = types.void(out, intp, intp, weights, intp, x, intp, offsets, intp)

        def codegen(context, builder, sig, args):
            _, out_index, out_stride, _, weight_index, _, x_index, _, row_count = args
            vector = ir.VectorType(ir.FloatType(), LANES)
            word = row_count.type
            out_p, weights_p, x_p, offsets_p = _pointers(context, builder, sig, args)
            sums, places = [], []
            for m in range(channels):
                plane = builder.add(out_index, builder.mul(out_stride, ir.Constant(word, m)))
                for v in range(vectors):
                    index = builder.add(plane, ir.Constant(word, v * LANES))
                    places.append(_vector_at(builder, out_p, index, vector))
                    sums.append(cgutils.alloca_once(builder, vector))
                    builder.store(builder.load(places[-1], align=4), sums[-1])
            with cgutils.for_range(builder, row_count) as loop:
                row = builder.add(x_index, builder.load(builder.gep(offsets_p, [loop.index])))
                samples = []
                for v in range(vectors):
                    index = builder.add(row, ir.Constant(word, v * LANES))
                    samples.append(builder.load(_vector_at(builder, x_p, index, vector), align=4))
                first = builder.add(weight_index, builder.mul(loop.index, ir.Constant(word, channels)))
                for m in range(channels):
                    weight = builder.load(builder.gep(weights_p, [builder.add(first, ir.Constant(word, m))]))
                    weight = _broadcast(builder, weight, vector)
                    for v in range(vectors):
                        _multiply_add(builder, sums[m * vectors + v], weight, samples[v])
            for place, total in zip(places, sums, strict=True):
                builder.store(builder.load(total), place, align=4)
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _correlation_tile(channels, rows):
    """correlation() for `channels` planes and `rows` rows over `frames` samples, sums held in registers."""

    @intrinsic
    def tile(typingctx, grad, grad_index, g, g_index, g_stride, x, x_index, offsets, first_row, frames):
        intp = types.intp
        signature = types.void(grad, intp, g, intp, intp, x, intp, offsets, intp, intp)

        def codegen(context, builder, sig, args):
            _, grad_index, _, g_index, g_stride, _, x_index, _, first_row, frames = args
            vector = ir.VectorType(ir.FloatType(), LANES)
            word = frames.type
            grad_p, g_p, x_p, offsets_p = _pointers(context, builder, sig, args)
            zero = ir.Constant(vector, [0.0] * LANES)
            sums = [cgutils.alloca_once_value(builder, zero) for _ in range(channels * rows)]
            planes, taps = [], []
            for m in range(channels):
                planes.append(builder.add(g_index, builder.mul(g_stride, ir.Constant(word, m))))
            for r in range(rows):
                offset = builder.load(builder.gep(offsets_p, [builder.add(first_row, ir.Constant(word, r))]))
                taps.append(builder.add(x_index, offset))

            def vector_load(base, index):
                return builder.load(_vector_at(builder, base, index, vector), align=4)

            step = ir.Constant(word, LANES)
            with cgutils.for_range_slice(builder, ir.Constant(word, 0), frames, step, word) as (t, _):
                gs = [vector_load(g_p, builder.add(plane, t)) for plane in planes]
                for r in range(rows):
                    sample = vector_load(x_p, builder.add(taps[r], t))
                    for m in range(channels):
                        _multiply_add(builder, sums[r * channels + m], gs[m], sample)
            kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), vector])
            name = f"llvm.vector.reduce.fadd.v{LANES}f32"
            add_lanes = cgutils.get_or_insert_function(builder.module, kind, name)
            for i, total in enumerate(sums):
                place = builder.gep(grad_p, [builder.add(grad_index, ir.Constant(word, i))])
                lanes = [builder.load(place), builder.load(total)]
                builder.store(builder.call(add_lanes, lanes, fastmath=("reassoc",)), place)
            return context.get_dummy_value()

        return signature, codegen

    return tile


# Sixteen vector registers: the sums, the samples, one weight. (A 4 x 3 correlation needs seventeen and runs
# at half the speed of 4 x 2.)
_product_4x2, _product_3x2, _product_2x4, _product_1x4 = (
    _product_tile(4, 2),
    _product_tile(3, 2),
    _product_tile(2, 4),
    _product_tile(1, 4),
)
_correlation_4x2, _correlation_4x1 = (_correlation_tile(4, r) for r in (2, 1))
_correlation_3x3, _correlation_3x2, _correlation_3x1 = (_correlation_tile(3, r) for r in (3, 2, 1))
_correlation_2x3, _correlation_2x2, _correlation_2x1 = (_correlation_tile(2, r) for r in (3, 2, 1))
_correlation_1x3, _correlation_1x2, _correlation_1x1 = (_correlation_tile(1, r) for r in (3, 2, 1))


@njit(fastmath={"contract"}, error_model="numpy")
def add_product(out, weights, weight_index, x, offsets, row_count, begin, end):
    """out[m, begin:end] += sum over r of W[r, m] * x[offsets[r] + t]; W packed by `packed_index`."""
    channels, stride = out.shape
    m = 0
    while m < channels:
        w = weight_index + m * row_count
        left = channels - m
        at = m * stride
        if left >= 4:
            for t in range(begin, end, 2 * LANES):
                _product_4x2(out, at + t, stride, weights, w, x, t, offsets, row_count)
            m += 4
        elif left == 3:
            for t in range(begin, end, 2 * LANES):
                _product_3x2(out, at + t, stride, weights, w, x, t, offsets, row_count)
            m += 3
        elif left == 2:
            for t in range(begin, end, 4 * LANES):
                _product_2x4(out, at + t, stride, weights, w, x, t, offsets, row_count)
            m += 2
        else:
            for t in range(begin, end, 4 * LANES):
                _product_1x4(out, at + t, stride, weights, w, x, t, offsets, row_count)
            m += 1


@njit(fastmath={"contract"}, error_model="numpy")
def add_correlation(grad, grad_index, g, x, offsets, row_count, begin, end):
    """G[r, m] += sum over t in begin:end of g[m, t] * x[offsets[r] + t]; G packed by `packed_index`."""
    channels, stride = g.shape
    n = end - begin
    m = 0
    while m < channels:
        base = grad_index + m * row_count
        tall = min(4, channels - m)
        at = m * stride + begin
        r = 0
        while r < row_count:
            w = base + r * tall
            wide = min(2 if tall == 4 else 3, row_count - r)
            if wide == 3:
                if tall == 3:
                    _correlation_3x3(grad, w, g, at, stride, x, begin, offsets, r, n)
                elif tall == 2:
                    _correlation_2x3(grad, w, g, at, stride, x, begin, offsets, r, n)
                else:
                    _correlation_1x3(grad, w, g, at, stride, x, begin, offsets, r, n)
            elif wide == 2:
                if tall == 4:
                    _correlation_4x2(grad, w, g, at, stride, x, begin, offsets, r, n)
                elif tall == 3:
                    _correlation_3x2(grad, w, g, at, stride, x, begin, offsets, r, n)
                elif tall == 2:
                    _correlation_2x2(grad, w, g, at, stride, x, begin, offsets, r, n)
                else:
                    _correlation_1x2(grad, w, g, at, stride, x, begin, offsets, r, n)
            else:
                if tall == 4:
                    _correlation_4x1(grad, w, g, at, stride, x, begin, offsets, r, n)
                elif tall == 3:
                    _correlation_3x1(grad, w, g, at, stride, x, begin, offsets, r, n)
                elif tall == 2:
                    _correlation_2x1(grad, w, g, at, stride, x, begin, offsets, r, n)
                else:
                    _correlation_1x1(grad, w, g, at, stride, x, begin, offsets, r, n)
            r += wide
        m += tall


@njit(inline="always")
def packed_index(m, r, channels, row_count):
    """Place of W[r, m]: tiles of four channels one after the other; in a tile rows, in a row channels."""
    tile = m // 4 * 4
    return tile * row_count + r * min(4, channels - tile) + m - tile


# ---- one segment ---------------------------------------------------------------------------------
#
# Packed weights of one layer at `width` w with K taps, one after the other:
#   conv (w*K rows, row = channel * K + tap) | conv transposed (likewise) | 1x1 (w rows) | 1x1 transposed
#   | conv bias | mix-in | 1x1 bias
# Gradients use the same places, the transposed ones staying unused. Rechannel and head: rows, then likewise.


@njit
def pack_layer(flat, position, full, width, kernel_size, packed):
    size = width * width * kernel_size
    small = 2 * size + 2 * width * width
    rows = width * kernel_size
    one = position + full * full * kernel_size + 2 * full
    for o in range(width):
        for i in range(width):
            for k in range(kernel_size):
                value = flat[position + (o * full + i) * kernel_size + k]
                packed[packed_index(o, i * kernel_size + k, width, rows)] = value
                packed[size + packed_index(i, o * kernel_size + k, width, rows)] = value
            value = flat[one + o * full + i]
            packed[2 * size + packed_index(o, i, width, width)] = value
            packed[2 * size + width * width + packed_index(i, o, width, width)] = value
        packed[small + o] = flat[position + full * full * kernel_size + o]
        packed[small + width + o] = flat[position + full * full * kernel_size + full + o]
        packed[small + 2 * width + o] = flat[one + full * full + o]


@njit
def unpack_layer_gradient(packed, position, full, width, kernel_size, flat_gradient):
    size = width * width * kernel_size
    small = 2 * size + 2 * width * width
    rows = width * kernel_size
    one = position + full * full * kernel_size + 2 * full
    for o in range(width):
        for i in range(width):
            for k in range(kernel_size):
                flat_gradient[position + (o * full + i) * kernel_size + k] += packed[
                    packed_index(o, i * kernel_size + k, width, rows)
                ]
            flat_gradient[one + o * full + i] += packed[2 * size + packed_index(o, i, width, width)]
        flat_gradient[position + full * full * kernel_size + o] += packed[small + o]
        flat_gradient[position + full * full * kernel_size + full + o] += packed[small + width + o]
        flat_gradient[one + full * full + o] += packed[small + 2 * width + o]


@njit
def row_offsets(width, kernel_size, dilation, stride, direction):
    """Offsets of a convolution's rows; direction -1 looks back (forward pass), +1 ahead (backward)."""
    offsets = np.empty(width * kernel_size, np.int64)
    for i in range(width):
        for k in range(kernel_size):
            offsets[i * kernel_size + k] = i * stride + direction * dilation * (kernel_size - 1 - k)
    return offsets


@njit(fastmath=True, error_model="numpy")
def _start_layer(z, source, bias, mix, begin, end):
    source = source[begin:end]
    for m in range(z.shape[0]):
        row, b, w = z[m, begin:end], bias[m], mix[m]
        for t in range(row.shape[0]):
            row[t] = b + w * source[t]


_P0, _P1, _P2, _P3 = map(np.float32, TANH_P)
_Q0, _Q1, _Q2, _Q3, _Q4 = map(np.float32, TANH_Q)


@njit(fastmath=True, error_model="numpy")
def _tanh(row):
    """In place, by the engine's rational function: x P(x^2) / Q(x^2)."""
    edge = np.float32(TANH_EDGE)
    for t in range(row.shape[0]):
        x = min(max(row[t], -edge), edge)
        square = x * x
        over = x * (((_P3 * square + _P2) * square + _P1) * square + _P0)
        row[t] = over / ((((_Q4 * square + _Q3) * square + _Q2) * square + _Q1) * square + _Q0)


@njit(fastmath=True, error_model="numpy")
def _activate(z, leaky, head, x, x_next, bias, begin, end, head_begin):
    """z becomes its activation, the head sum grows by it from head_begin on, x_next starts as x + bias."""
    slope, one = np.float32(LEAKY_SLOPE), np.float32(1)
    head_begin = max(begin, head_begin)
    for m in range(z.shape[0]):
        b = bias[m]
        row, before, after = z[m, begin:end], x[m, begin:end], x_next[m, begin:end]
        if leaky:
            for t in range(row.shape[0]):
                row[t] *= one if row[t] > 0 else slope
        else:
            _tanh(row)
        for t in range(row.shape[0]):
            after[t] = before[t] + b
        if head_begin < end:
            tail, total = z[m, head_begin:end], head[m, head_begin:end]
            for t in range(tail.shape[0]):
                total[t] += tail[t]


@njit(error_model="numpy")
def _pack(flat, position, outs, full, ins, taps, transposed, packed):
    """Pack flat[out][in of full][tap] as rows (in, tap), or transposed as rows (out, tap)."""
    for o in range(outs):
        for i in range(ins):
            for k in range(taps):
                value = flat[position + (o * full + i) * taps + k]
                if transposed:
                    packed[packed_index(i, o * taps + k, ins, outs * taps)] = value
                else:
                    packed[packed_index(o, i * taps + k, outs, ins * taps)] = value


@njit(error_model="numpy")
def _unpack_gradient(packed, position, outs, full, ins, taps, flat_gradient):
    for o in range(outs):
        for i in range(ins):
            for k in range(taps):
                at = position + (o * full + i) * taps + k
                flat_gradient[at] += packed[packed_index(o, i * taps + k, outs, ins * taps)]


@njit(fastmath=True, error_model="numpy")
def forward(flat, width, shape, source, entry, memory):
    """Play one array on the planes of `entry`, its head sum starting as it stands in memory.

    Leaves every layer's input and activation in memory for `backward`.
    """
    full, leaky, feeds_on, head_taps, head_bias, positions, kernel_sizes, dilations, starts, head_start, total = shape
    inputs, activations, head, output, _, _, _, packed = memory
    stride = source.shape[1]
    layer_count, entries, outs = kernel_sizes.shape[0], entry.shape[0], output.shape[0]
    _pack(flat, positions[0] - full * entries, width, entries, entries, 1, False, packed)
    inputs[0, :, starts[0] : total] = 0
    add_product(inputs[0], packed, 0, entry, row_offsets(entries, 1, 1, stride, -1), entries, starts[0], total)
    for layer in range(layer_count):
        kernel_size = kernel_sizes[layer]
        pack_layer(flat, positions[layer], full, width, kernel_size, packed)
        offsets = row_offsets(width, kernel_size, dilations[layer], stride, -1)
        planes = row_offsets(width, 1, 1, stride, -1)
        size = width * width * kernel_size
        small = 2 * size + 2 * width * width
        bias = packed[small : small + width]
        mix = packed[small + width : small + 2 * width]
        one_bias = packed[small + 2 * width : small + 3 * width]
        x, z, x_next = inputs[layer], activations[layer], inputs[layer + 1]
        for begin in range(starts[layer + 1], total, BLOCK_FRAMES):
            end = min(begin + BLOCK_FRAMES, total)
            _start_layer(z, source[0], bias, mix, begin, end)
            add_product(z, packed, 0, x, offsets, width * kernel_size, begin, end)
            _activate(z, leaky, head, x, x_next, one_bias, begin, end, head_start)
            if feeds_on or layer + 1 < layer_count:  # else the last layer's 1x1 feeds nothing
                add_product(x_next, packed, 2 * size, z, planes, width, begin, end)
    at = positions[layer_count]
    _pack(flat, at, outs, full, width, head_taps, False, packed)
    for o in range(outs):
        output[o, head_start:total] = flat[at + outs * full * head_taps + o] if head_bias else 0
    offsets = row_offsets(width, head_taps, 1, stride, -1)
    add_product(output, packed, 0, head, offsets, width * head_taps, head_start, total)


@njit(fastmath=True, error_model="numpy")
def _through_activation(g, a, leaky, begin, end):
    slope, one = np.float32(LEAKY_SLOPE), np.float32(1)
    for m in range(g.shape[0]):
        row, activation = g[m, begin:end], a[m, begin:end]
        if leaky:
            for t in range(row.shape[0]):
                row[t] *= one if activation[t] > 0 else slope
        else:
            for t in range(row.shape[0]):
                row[t] *= one - activation[t] * activation[t]


@njit(fastmath=True, error_model="numpy")
def _copy(source, out, begin, end):
    for m in range(out.shape[0]):
        a, b = source[m, begin:end], out[m, begin:end]
        for t in range(b.shape[0]):
            b[t] = a[t]


@njit(fastmath=True, error_model="numpy")
def _sum_planes(g, out, out_index, begin, end):
    for m in range(g.shape[0]):
        row = g[m, begin:end]
        total = np.float32(0)
        for t in range(row.shape[0]):
            total += row[t]
        out[out_index + m] += total


@njit(fastmath=True, error_model="numpy")
def _sum_against(g, source, out, out_index, begin, end):
    source = source[begin:end]
    for m in range(g.shape[0]):
        row = g[m, begin:end]
        total = np.float32(0)
        for t in range(row.shape[0]):
            total += row[t] * source[t]
        out[out_index + m] += total


@njit(fastmath=True, error_model="numpy")
def backward(flat, width, shape, source, entry, memory, entry_g, gradient):
    """Add to `gradient`, in flat order, that of one array's weights.

    Memory's output holds the loss's derivative by the array's head output, gx that by its last layer's output;
    left there: head_g, the derivative by the head sum it started from. entry_g receives that by the entry.
    """
    full, leaky, feeds_on, head_taps, head_bias, positions, kernel_sizes, dilations, starts, head_start, total = shape
    inputs, activations, head, output, gz, head_g, gx, packed = memory
    stride = source.shape[1]
    layer_count, entries, outs = kernel_sizes.shape[0], entry.shape[0], output.shape[0]
    grad = np.empty_like(packed)
    at = positions[layer_count]

    grad[:] = 0
    rows = width * head_taps
    if head_bias:
        _sum_planes(output, gradient, at + outs * full * head_taps, head_start, total)
    offsets = row_offsets(width, head_taps, 1, stride, -1)
    for begin in range(head_start, total, BLOCK_FRAMES):
        add_correlation(grad, 0, output, head, offsets, rows, begin, min(begin + BLOCK_FRAMES, total))
    _unpack_gradient(grad, at, outs, full, width, head_taps, gradient)
    _pack(flat, at, outs, full, width, head_taps, True, packed)
    head_g[:, :] = 0
    offsets = row_offsets(outs, head_taps, 1, stride, 1)
    add_product(head_g, packed, 0, output, offsets, outs * head_taps, head_start, total)

    for back in range(layer_count):
        layer = layer_count - 1 - back
        kernel_size = kernel_sizes[layer]
        pack_layer(flat, positions[layer], full, width, kernel_size, packed)
        grad[:] = 0
        behind = row_offsets(width, kernel_size, dilations[layer], stride, -1)
        ahead = row_offsets(width, kernel_size, dilations[layer], stride, 1)
        planes = row_offsets(width, 1, 1, stride, -1)
        size = width * width * kernel_size
        small = 2 * size + 2 * width * width
        x, a = inputs[layer], activations[layer]
        first = starts[layer + 1]
        gz[:, starts[layer] : first] = 0
        for begin in range(first, total, BLOCK_FRAMES):
            end = min(begin + BLOCK_FRAMES, total)
            _copy(head_g, gz, begin, end)
            if feeds_on or layer + 1 < layer_count:
                add_product(gz, packed, 2 * size + width * width, gx, planes, width, begin, end)
                add_correlation(grad, 2 * size, gx, a, planes, width, begin, end)
                _sum_planes(gx, grad, small + 2 * width, begin, end)
            _through_activation(gz, a, leaky, begin, end)
            add_correlation(grad, 0, gz, x, behind, width * kernel_size, begin, end)
            _sum_planes(gz, grad, small, begin, end)
            _sum_against(gz, source[0], grad, small + width, begin, end)
        gx[:, starts[layer] : first] = 0
        for begin in range(starts[layer], total, BLOCK_FRAMES):
            end = min(begin + BLOCK_FRAMES, total)
            add_product(gx, packed, size, gz, ahead, width * kernel_size, begin, end)
        unpack_layer_gradient(grad, positions[layer], full, width, kernel_size, gradient)
    at = positions[0] - full * entries
    grad[:] = 0
    offsets = row_offsets(entries, 1, 1, stride, -1)
    for begin in range(starts[0], total, BLOCK_FRAMES):
        add_correlation(grad, 0, gx, entry, offsets, entries, begin, min(begin + BLOCK_FRAMES, total))
    _unpack_gradient(grad, at, width, entries, entries, 1, gradient)
    _pack(flat, at, width, entries, entries, 1, True, packed)
    entry_g[:, :] = 0
    add_product(entry_g, packed, 0, gx, row_offsets(width, 1, 1, stride, -1), width, starts[0], total)


class Network:
    """An architecture, playable at any width if it has one array, and the memory to train it."""

    def __init__(self, architecture, output_frames=OUTPUT_FRAMES):
        self.architecture = architecture
        self.geometry = g = Geometry.of(architecture, output_frames)
        self._shapes, position = [], 0
        for array, starts in zip(architecture.arrays, g.starts, strict=True):
            leaky, feeds_on = array.activation == "LeakyReLU", array is not architecture.arrays[-1]
            head = (array.head_taps, array.head_bias)
            sizes = (np.array(array.kernel_sizes, np.int64), np.array(array.dilations, np.int64))
            places = (position + array.layer_positions(), *sizes, starts, g.head_start, g.total)
            self._shapes.append((array.channels, leaky, feeds_on, *head, *places))
            position += array.weight_count
        self._memories = {}

    def _memory(self, width):
        """The signal's plane, and each array's (width, planes) for one segment; zero where nothing is written."""
        if width not in self._memories:
            stride = self.geometry.stride

            def planes(*counts):
                return np.zeros((*counts, stride), np.float32)

            memories = []
            for array in self.architecture.arrays:
                w = width if len(self.architecture.arrays) == 1 else array.channels
                layer_count, k = len(array.kernel_sizes), max(array.kernel_sizes)
                around = w * max(array.inputs, array.head_outputs * array.head_taps)
                memory = (
                    planes(layer_count + 1, w),  # each layer's input
                    planes(layer_count, w),  # each layer's activation
                    planes(w),  # head sum
                    planes(array.head_outputs),  # head output, then the loss's derivative by it
                    planes(w),  # derivative by a layer's pre-activation
                    planes(w),  # derivative by the head sum
                    planes(w),  # derivative by a layer's input
                    np.zeros(max(around, 2 * w * w * (k + 1) + 3 * w), np.float32),  # packed weights of a layer
                )
                memories.append((w, memory))
            self._memories[width] = planes(1), memories
        return self._memories[width]

    def _stages(self, width):
        """For each array: width, shape, entry planes, memory, and the memory of the array before."""
        source, memories = self._memory(width)
        entry, before = source, None
        for shape, (w, memory) in zip(self._shapes, memories, strict=True):
            yield w, shape, entry, memory, before
            entry, before = memory[0][-1], memory

    def play_segment(self, flat, width, segment):
        """Outputs (a view, valid until the next call) for `segment`, geometry.total input samples."""
        g = self.geometry
        source, _ = self._memory(width)
        source[0, : g.total] = segment
        for w, shape, entry, memory, before in self._stages(width):
            memory[2][:, g.head_start : g.total] = 0 if before is None else before[3][:, g.head_start : g.total]
            forward(flat, w, shape, source, entry, memory)
        out = memory[3][0, g.first_output : g.total]
        out *= flat[-1]
        return out

    def add_gradient(self, flat, width, output_gradient, gradient):
        """After play_segment: add the gradient of a loss whose derivative by each output is given.

        That by the head scale is left out: it stays as it is.
        """
        g = self.geometry
        source, memories = self._memory(width)
        last = memories[-1][1]
        last[3][0, g.head_start : g.first_output] = 0
        last[3][0, g.first_output : g.total] = output_gradient * flat[-1]
        last[6][:] = 0
        nothing = np.zeros((0, g.stride), np.float32)
        for w, shape, entry, memory, before in reversed(list(self._stages(width))):
            entry_g = nothing if before is None else before[6]
            backward(flat, w, shape, source, entry, memory, entry_g, gradient)
            if before is not None:
                before[3][:, g.head_start : g.total] = memory[5][:, g.head_start : g.total]

    def play(self, flat, width, signal):
        """The whole signal from silence, float32."""
        g = self.geometry
        frames = g.total - g.first_output
        blocks = -(-len(signal) // frames)
        padded = np.zeros(g.first_output + blocks * frames, np.float32)
        padded[g.first_output : g.first_output + len(signal)] = signal
        out = np.empty(blocks * frames, np.float32)
        for b in range(blocks):
            at = b * frames
            out[at : at + frames] = self.play_segment(flat, width, padded[at : at + g.total])
        return out[: len(signal)]
