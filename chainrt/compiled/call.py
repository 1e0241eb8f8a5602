"""Calls by address: how the engine reaches a block, and a network its layers (14 ns, nothing to recompile).

Rule: a wrong address crashes the process, so tables of addresses are filled in one place only (chain.py for blocks,
the architecture's own file for layers).
"""

from llvmlite import ir

from .language import INTEGER, VOID, intrinsic, signature


def _call(arity: int):
    """An intrinsic that calls the function at an address with `arity` 64-bit arguments (integers or addresses)."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word] * arity)
        target = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(target, list(arguments[1:]))
        return context.get_dummy_value()

    return generate


@intrinsic
def call2(typingctx, address, a, b):
    """address(a, b)"""
    return signature(VOID, *[INTEGER] * 3), _call(2)


@intrinsic
def call3(typingctx, address, a, b, c):
    """address(a, b, c)"""
    return signature(VOID, *[INTEGER] * 4), _call(3)


@intrinsic
def call4(typingctx, address, a, b, c, d):
    """address(a, b, c, d)"""
    return signature(VOID, *[INTEGER] * 5), _call(4)


@intrinsic
def call5(typingctx, address, a, b, c, d, e):
    """address(a, b, c, d, e)"""
    return signature(VOID, *[INTEGER] * 6), _call(5)
