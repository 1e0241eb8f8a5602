"""The engine's clock: monotonic nanoseconds (18 ns a reading), and a sleep, both without the interpreter.

POSIX only for now: `clock_gettime` and `nanosleep`, found by name in the C library that Python itself has loaded.
"""

import sys

from llvmlite import ir

from .language import INTEGER, VOID, intrinsic, signature

MONOTONIC = 6 if sys.platform == "darwin" else 1  # the number of CLOCK_MONOTONIC in <time.h>
NS_PER_SECOND = 1_000_000_000

_WORD = ir.IntType(64)
_INT = ir.IntType(32)


def _library_function(builder, name, arguments):
    kind = ir.FunctionType(_INT, arguments)
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


def _timespec(builder):
    """(seconds, nanoseconds): two pointers to 64-bit words that lie side by side on the stack."""
    with builder.goto_entry_block():
        seconds = builder.alloca(_WORD, size=ir.Constant(_INT, 2))
    return seconds, builder.gep(seconds, [ir.Constant(_INT, 1)])


@intrinsic
def now_ns(typingctx):
    """Nanoseconds since some fixed moment, as int64. Never goes back."""

    def generate(context, builder, signature, arguments):
        seconds, nanoseconds = _timespec(builder)
        get = _library_function(builder, "clock_gettime", [_INT, _WORD.as_pointer()])
        builder.call(get, [ir.Constant(_INT, MONOTONIC), seconds])
        whole = builder.mul(builder.load(seconds), ir.Constant(_WORD, NS_PER_SECOND))
        return builder.add(whole, builder.load(nanoseconds))

    return signature(INTEGER), generate


@intrinsic
def sleep_ns(typingctx, duration):
    """Give the core away for so many nanoseconds (int64, > 0); may return early on a signal."""

    def generate(context, builder, signature, arguments):
        seconds, nanoseconds = _timespec(builder)
        second = ir.Constant(_WORD, NS_PER_SECOND)
        builder.store(builder.sdiv(arguments[0], second), seconds)
        builder.store(builder.srem(arguments[0], second), nanoseconds)
        pointer = _WORD.as_pointer()
        sleep = _library_function(builder, "nanosleep", [pointer, pointer])
        builder.call(sleep, [seconds, ir.Constant(pointer, None)])
        return context.get_dummy_value()

    return signature(VOID, INTEGER), generate
