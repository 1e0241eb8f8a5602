"""The field's WaveNets as trainable things: a compiled forward and backward pass over segments of a signal.

Why our own: the field's trainer needs about 120 s of CPU for one epoch of an A2, this about ten.

Rules kept here:
* All multiplying of planes is done by products.py; plain loops stand round it.
* The small loops run over rows sliced beforehand, `for t in range(row.shape[0])`: with `range(begin, end)`
  numba must allow for negative indices and LLVM does not vectorise (five times slower).
* Every sample of a segment's output has its true history: each layer computes only from its own `start` on.
* Samples go through a whole layer some hundred at a time, so that they stay in the first cache.
"""

from dataclasses import dataclass

import numpy as np
from architecture import LEAKY_SLOPE
from numba import njit
from products import FRAME_ALIGN, add_correlation, add_product, pack, row_offsets, unpack_gradient

from chainrt.nam.activations import TANH_EDGE, TANH_P, TANH_Q

BLOCK_FRAMES = 512  # samples that go through a whole layer at a time
OUTPUT_FRAMES = 8192  # outputs of one training segment


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


# ---- one layer -----------------------------------------------------------------------------------
#
# Packed weights of one layer at `width` w with K taps, one after the other:
#   conv (w*K rows, row = channel * K + tap) | conv transposed (likewise) | 1x1 (w rows) | 1x1 transposed
#   | conv bias | mix-in | 1x1 bias
# Gradients use the same places, the transposed ones staying unused. Rechannel and head: rows, then likewise.


@njit(error_model="numpy")
def pack_layer(flat, position, full, width, kernel_size, packed):
    size, square = width * width * kernel_size, width * width
    one = position + full * full * kernel_size + 2 * full
    for transposed in range(2):
        pack(flat, position, width, full, width, kernel_size, transposed, packed[transposed * size :])
        pack(flat, one, width, full, width, 1, transposed, packed[2 * size + transposed * square :])
    small = packed[2 * size + 2 * square :]
    for m in range(width):
        small[m] = flat[one - 2 * full + m]
        small[width + m] = flat[one - full + m]
        small[2 * width + m] = flat[one + full * full + m]


@njit(error_model="numpy")
def unpack_layer_gradient(packed, position, full, width, kernel_size, flat_gradient):
    size, square = width * width * kernel_size, width * width
    one = position + full * full * kernel_size + 2 * full
    unpack_gradient(packed, position, width, full, width, kernel_size, flat_gradient)
    unpack_gradient(packed[2 * size :], one, width, full, width, 1, flat_gradient)
    small = packed[2 * size + 2 * square :]
    for m in range(width):
        flat_gradient[one - 2 * full + m] += small[m]
        flat_gradient[one - full + m] += small[width + m]
        flat_gradient[one + full * full + m] += small[2 * width + m]


@njit(error_model="numpy")
def _blocks(first, last):
    """(begin, end) of every BLOCK_FRAMES samples from first up to last."""
    for begin in range(first, last, BLOCK_FRAMES):
        yield begin, min(begin + BLOCK_FRAMES, last)


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


@njit(fastmath=True, error_model="numpy")
def forward(flat, width, shape, source, entry, memory):
    """Play one array on the planes of `entry`, its head sum starting as it stands in memory.

    Leaves every layer's input and activation in memory for `backward`.
    """
    full, leaky, feeds_on, head_taps, head_bias, positions, kernel_sizes, dilations, starts, head_start, total = shape
    inputs, activations, head, output, _, _, _, packed = memory
    stride = source.shape[1]
    layer_count, entries, outs = kernel_sizes.shape[0], entry.shape[0], output.shape[0]
    pack(flat, positions[0] - full * entries, width, entries, entries, 1, False, packed)
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
        for begin, end in _blocks(starts[layer + 1], total):
            _start_layer(z, source[0], bias, mix, begin, end)
            add_product(z, packed, 0, x, offsets, width * kernel_size, begin, end)
            _activate(z, leaky, head, x, x_next, one_bias, begin, end, head_start)
            if feeds_on or layer + 1 < layer_count:  # else the last layer's 1x1 feeds nothing
                add_product(x_next, packed, 2 * size, z, planes, width, begin, end)
    at = positions[layer_count]
    pack(flat, at, outs, full, width, head_taps, False, packed)
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
    for begin, end in _blocks(head_start, total):
        add_correlation(grad, 0, output, head, offsets, rows, begin, end)
    unpack_gradient(grad, at, outs, full, width, head_taps, gradient)
    pack(flat, at, outs, full, width, head_taps, True, packed)
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
        for begin, end in _blocks(first, total):
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
        for begin, end in _blocks(starts[layer], total):
            add_product(gx, packed, size, gz, ahead, width * kernel_size, begin, end)
        unpack_layer_gradient(grad, positions[layer], full, width, kernel_size, gradient)
    at = positions[0] - full * entries
    grad[:] = 0
    offsets = row_offsets(entries, 1, 1, stride, -1)
    for begin, end in _blocks(starts[0], total):
        add_correlation(grad, 0, gx, entry, offsets, entries, begin, end)
    unpack_gradient(grad, at, width, entries, entries, 1, gradient)
    pack(flat, at, width, entries, entries, 1, True, packed)
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
