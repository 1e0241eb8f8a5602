"""The two products that a WaveNet's training is made of, as hand-placed vector code.

    product:      out[m, t] += sum over r of  W[r, m] * x[offset[r] + t]       convolutions, either direction
    correlation:  G[r, m]   += sum over t of  g[m, t] * x[offset[r] + t]       their weight gradients

A "row" r is one tap of one channel: its plane (channel) and its delay (tap) are folded into one offset, so a
dilated convolution, a 1x1 and the transposed convolution of the backward pass are the same call.

Rules kept here:
* Planar layout: one plane of consecutive samples per channel; vectors run over time.
* Weights are packed in the order in which a tile reads them (`packed_index`), gradients likewise.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8  # floats in one vector; AVX2's width, split or paired by LLVM elsewhere
FRAME_ALIGN = 32  # the widest tile is four vectors, so every range of samples is a multiple of this


# ---- vector code ---------------------------------------------------------------------------------


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


# ---- packing -------------------------------------------------------------------------------------


@njit(inline="always")
def packed_index(m, r, channels, row_count):
    """Place of W[r, m]: tiles of four channels one after the other; in a tile rows, in a row channels."""
    tile = m // 4 * 4
    return tile * row_count + r * min(4, channels - tile) + m - tile


@njit(error_model="numpy")
def pack(flat, position, outs, full, ins, taps, transposed, packed):
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
def unpack_gradient(packed, position, outs, full, ins, taps, flat_gradient):
    """Add what stands in `packed`, as `pack` places it, to the flat gradient."""
    for o in range(outs):
        for i in range(ins):
            for k in range(taps):
                at = position + (o * full + i) * taps + k
                flat_gradient[at] += packed[packed_index(o, i * taps + k, outs, ins * taps)]


@njit
def row_offsets(width, kernel_size, dilation, stride, direction):
    """Offsets of a convolution's rows; direction -1 looks back (forward pass), +1 ahead (backward)."""
    offsets = np.empty(width * kernel_size, np.int64)
    for i in range(width):
        for k in range(kernel_size):
            offsets[i * kernel_size + k] = i * stride + direction * dilation * (kernel_size - 1 - k)
    return offsets
