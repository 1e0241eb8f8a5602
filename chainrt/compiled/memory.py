"""Raw memory from compiled code: a view of records or samples at an address, and atomics on 64-bit integers.

Rules kept here:
* A view allocates nothing: numba's `carray` over a pointer is a handful of registers.
* One writer, one reader: the writer stores with *release* after its data, the reader loads with *acquire* before
  it. A plain load in a wait loop would be hoisted out of it by LLVM.
"""

from llvmlite import ir

from .language import INTEGER, POINTER, VOID, intrinsic, signature
from .native import Native


@intrinsic
def pointer(typingctx, address):
    """An untyped pointer from a 64-bit address: `carray(pointer(a), count, dtype)` is a view of what lies there."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return signature(POINTER, address), generate


@intrinsic
def address(typingctx, reference):
    """The 64-bit address of a plane or a record."""

    def generate(context, builder, signature, arguments):
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return signature(INTEGER, reference), generate


@intrinsic
def load_acquire(typingctx, address):
    """The 64-bit integer at an address; what its writer stored before it is visible afterwards."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        place = builder.inttoptr(arguments[0], word.as_pointer())
        return builder.load_atomic(place, ordering="acquire", align=8, typ=word)

    return signature(INTEGER, INTEGER), generate


@intrinsic
def store_release(typingctx, address, value):
    """Store a 64-bit integer at an address; everything stored before is visible to who reads it with acquire."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        place = builder.inttoptr(arguments[0], word.as_pointer())
        builder.store_atomic(arguments[1], place, ordering="release", align=8)
        return context.get_dummy_value()

    return signature(VOID, INTEGER, INTEGER), generate


@intrinsic
def exchange(typingctx, address, value):
    """Store a 64-bit integer at an address and return what was there, as one step: acquire and release at once."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("xchg", place, arguments[1], "acq_rel")

    return signature(INTEGER, INTEGER, INTEGER), generate


def _peek(address):
    return load_acquire(address)


def _publish(address, value):
    store_release(address, value)


def _swap(address, value):
    return exchange(address, value)


peek = Native(_peek, (INTEGER,), "peek", returns=INTEGER)
publish = Native(_publish, (INTEGER, INTEGER), "publish")
swap = Native(_swap, (INTEGER, INTEGER), "swap", returns=INTEGER)
