"""Which thread this is, by the system's own number: what a scheduler's system calls want to be told.

Linux only; elsewhere the number is 0, for "not known".
"""

import sys

from llvmlite import ir

from .language import INTEGER, intrinsic, signature

_INT = ir.IntType(32)
_WORD = ir.IntType(64)


@intrinsic
def thread_number(typingctx):
    """The number of the calling thread, as int64."""

    def generate(context, builder, signature, arguments):
        if sys.platform != "linux":
            return ir.Constant(_WORD, 0)
        kind = ir.FunctionType(_INT, [])
        get = builder.module.globals.get("gettid") or ir.Function(builder.module, kind, "gettid")
        return builder.zext(builder.call(get, []), _WORD)

    return signature(INTEGER), generate
