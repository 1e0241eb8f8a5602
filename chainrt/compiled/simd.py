"""Vector code by hand: the few LLVM instructions from which the neural kernels are built.

Why: LLVM does not vectorise a dilated convolution over a handful of channels by itself (measured: over 2,000 ns
a sample for an A2 against about 300 so written). So a kernel is *emitted*: ordinary Python loops, run while
numba compiles, put down one vector instruction after the other.

Rules kept here:
* A vector runs along time: lane i is frame i of one channel (planar layout).
* The width follows the machine that compiles: 16 floats with AVX-512, 8 with AVX, else 4.
* Unaligned loads everywhere; on the machines of today they cost what aligned ones cost.
* Accumulators are `Variable`s (stack slots). LLVM turns them into registers, so nothing here needs phi nodes.
"""

from contextlib import contextmanager
from functools import lru_cache

from llvmlite import binding, ir

F32 = ir.FloatType()
I64 = ir.IntType(64)


@lru_cache(maxsize=1)
def machine() -> tuple[int, int]:
    """(floats in a vector, vector registers) of the machine that runs this process."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, 32
    if features.get("avx"):
        return 8, 16
    if binding.get_process_triple().startswith(("aarch64", "arm64")):
        return 4, 32
    return 4, 16


class Variable:
    """A value that changes inside emitted loops."""

    def __init__(self, emit: "Emitter", start):
        self.builder = emit.builder
        with self.builder.goto_entry_block():
            self.slot = self.builder.alloca(start.type)
        self.set(start)

    def get(self):
        return self.builder.load(self.slot)

    def set(self, value):
        self.builder.store(value, self.slot)


class Emitter:
    """Puts vector instructions into a numba intrinsic. `lanes` is the vector's width in floats."""

    def __init__(self, builder: ir.IRBuilder, lanes: int):
        self.builder = builder
        self.lanes = lanes
        self.vector = ir.VectorType(F32, lanes)

    # -- integers and control flow ------------------------------------------------------------------------------

    def integer(self, value: int):
        return ir.Constant(I64, value)

    def variable(self, start) -> Variable:
        return Variable(self, start)

    @contextmanager
    def loop(self, start, stop, step):
        """for index in range(start, stop, step): yields the index; all three are 64-bit integers."""
        b = self.builder
        index = self.variable(start)
        head, body, done = (b.append_basic_block(name) for name in ("loop.head", "loop.body", "loop.done"))
        b.branch(head)
        b.position_at_end(head)
        b.cbranch(b.icmp_signed("<", index.get(), stop), body, done)
        b.position_at_end(body)
        yield index.get()
        index.set(b.add(index.get(), step))
        b.branch(head)
        b.position_at_end(done)

    @contextmanager
    def when(self, comparison: str, a, b):
        """if a < b (or another comparison of integers): the body."""
        with self.builder.if_then(self.builder.icmp_signed(comparison, a, self._integer(b)), likely=False):
            yield

    def add(self, a, b):
        return self.builder.add(a, self._integer(b))

    def subtract(self, a, b):
        return self.builder.sub(a, self._integer(b))

    def times(self, a, b):
        return self.builder.mul(a, self._integer(b))

    def wrap(self, offset, size):
        """offset modulo size for an offset in [-size, 2 * size)."""
        b = self.builder
        offset = b.select(b.icmp_signed("<", offset, self.integer(0)), b.add(offset, size), offset)
        return b.select(b.icmp_signed(">=", offset, size), b.sub(offset, size), offset)

    def _integer(self, value):
        return self.integer(value) if isinstance(value, int) else value

    # -- memory ---------------------------------------------------------------------------------------------------

    def pointer(self, address):
        """A float pointer from a 64-bit address."""
        return self.builder.inttoptr(address, ir.PointerType(F32))

    def at(self, pointer, *offsets):
        """The pointer moved by floats; each offset an emitted integer or a Python int."""
        for offset in offsets:
            pointer = self.builder.gep(pointer, [self._integer(offset)], source_etype=F32)
        return pointer

    def scratch(self, floats: int):
        """Stack memory of the kernel, aligned for vectors."""
        with self.builder.goto_entry_block():
            slot = self.builder.alloca(F32, size=self.integer(floats))
            slot.align = 64
        return slot

    def load(self, pointer):
        as_vector = self.builder.bitcast(pointer, ir.PointerType(self.vector))
        return self.builder.load(as_vector, align=4, typ=self.vector)

    def store(self, vector, pointer):
        as_vector = self.builder.bitcast(pointer, ir.PointerType(self.vector))
        self.builder.store(vector, as_vector, align=4)

    # -- arithmetic -------------------------------------------------------------------------------------------------

    def constant(self, value: float):
        return ir.Constant(self.vector, [value] * self.lanes)

    def spread(self, pointer):
        """The one float at `pointer` in every lane."""
        scalar = self.builder.load(pointer, align=4, typ=F32)
        empty = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, empty, lanes)

    def fma(self, a, b, c):
        """a * b + c, fused where the machine can."""
        name = f"llvm.fmuladd.v{self.lanes}f32"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(self.builder.module.declare_intrinsic(name, fnty=kind), [a, b, c])

    def plus(self, a, b):
        return self.builder.fadd(a, b)

    def product(self, a, b):
        return self.builder.fmul(a, b)

    def minus(self, a, b):
        return self.builder.fsub(a, b)

    def divided(self, a, b):
        return self.builder.fdiv(a, b)

    def larger(self, a, b):
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def smaller(self, a, b):
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def magnitude(self, a):
        return self.larger(a, self.minus(self.constant(0.0), a))

    def where_positive(self, condition, a, b):
        """a in the lanes where the condition is above zero, b elsewhere."""
        positive = self.builder.fcmp_ordered(">", condition, self.constant(0.0))
        return self.builder.select(positive, a, b)
