"""From a function to machine code (numba) and from machine code to an address (LLVM's own linker, in this process).

Rules kept here:
* Machine code is one object file, as a C compiler makes it. It is entered by ENTRY, which does not know Python: a
  kernel that raised would be left without a word, at the place where it raised. None does (tests/blockplay.py looks).
* Each is linked by itself, so names in one mean nothing to another; what it calls is the C library, by name.
* Linked code stays until the process ends: there are addresses of it in records everywhere.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count

import llvmlite.binding as llvm
from llvmlite import ir

from .language import OPTIONS, Kind, signature

ENTRY = "enter"
DESTRUCTOR = "NRT_MemInfo_call_dtor"  # of an array that owns its memory; numba names it, though there is none such here


def machine_code(function: Callable, arguments: Sequence, returns: Kind) -> bytes:
    """An object file of a plain function with these arguments (see `signature`) for the processor of this machine."""
    from numba.core import compiler
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target as target

    flags = compiler.Flags()
    target.options.parse_as_flags(flags, {"nopython": True, **OPTIONS})
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
    context, wanted = target.target_context, signature(returns, *arguments)
    with global_compiler_lock:
        made = compiler.compile_extra(
            target.typing_context, context, function, wanted.args, wanted.return_type, flags, locals={}
        )
        made.library.add_ir_module(_entry(context, made.fndesc))
        _name, _kind, (code, _bitcode) = made.library.serialize_using_object_code()
    return code


def _entry(context, kernel):
    """The function ENTRY that calls the kernel as C does: arguments in, result out, and no word of a status."""
    module = context.create_module(ENTRY)
    called = ir.Function(
        module, context.call_conv.get_function_type(kernel.restype, kernel.argtypes), kernel.llvm_func_name
    )
    words = [context.get_value_type(kind) for kind in kernel.argtypes]
    entry = ir.Function(module, ir.FunctionType(context.get_value_type(kernel.restype), words), ENTRY)
    builder = ir.IRBuilder(entry.append_basic_block())
    _status, result = context.call_conv.call_function(builder, called, kernel.restype, kernel.argtypes, entry.args)
    builder.ret(result)
    return module


def link(code: bytes) -> int:
    """The address of an object file's ENTRY, with all that it calls at hand."""
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(ENTRY)
    library.import_symbol(DESTRUCTOR, ctypes.cast(_no_destructor, ctypes.c_void_p).value)
    linked = library.link(_linker(), f"kernel-{next(_numbers)}")
    _linked.append(linked)
    return linked[ENTRY]


_linked: list = []
_numbers = count()  # threads may link at once
_no_destructor = ctypes.CFUNCTYPE(None)(os.abort)


@cache
def _linker():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True, codemodel="jitdefault")
    return llvm.create_lljit_compiler(machine)
