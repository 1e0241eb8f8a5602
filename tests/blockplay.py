"""How tests play a block: an example of its files, its compiled kernel in calls of any size, what its code calls."""

import json
import re
import textwrap
from itertools import cycle

import numba
import numpy as np
import pytest
from llvmlite import binding
from models import saved, tiny_container

from chainrt import audiofile
from chainrt.block import BLOCKS, Block, Settings, block
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.language import signature
from chainrt.compiled.native import Native, address_of
from chainrt.preset import Preset, load

RATE_HZ = 48_000


def example_settings(kind, folder, values=None, rate=RATE_HZ) -> Settings:
    """Settings with which the block `kind` (or a Block itself) can be built; its files are made in `folder`."""
    declared = kind if isinstance(kind, Block) else BLOCKS[kind]
    files = {}
    for file in declared.files:
        if file.name not in EXAMPLES:
            pytest.skip(f"{declared.kind}: no example of its file {file.name!r}")
        files[file.name] = EXAMPLES[file.name](folder, declared)
    return Settings(values or {}, files, rate)


def example_impulse_response(folder, frames=2600, channels=1):
    """A decaying noise that amplifies nothing: the sum of each channel's magnitudes is 1."""
    rng, decay = np.random.default_rng(5), np.exp(-5 * np.arange(frames) / frames)
    ir = rng.standard_normal((frames, channels)) * decay[:, None]
    path = folder / "example.wav"
    audiofile.write(path, ir / np.abs(ir).sum(axis=0), RATE_HZ)
    return path


EXAMPLES = {
    "ir": lambda folder, declared: example_impulse_response(folder, channels=declared.channels),
    "model": lambda folder, declared: saved(tiny_container(), folder),
}
"""Name of a File -> what makes one in a folder, for a block."""


def board(folder, chain, **documents) -> Preset:
    """The preset with this `chain:` part, which begins in line 4; `documents` become NAME.nam; cab.wav is there."""
    for name, document in documents.items():
        (folder / f"{name}.nam").write_text(json.dumps(document), encoding="utf-8")
    example_impulse_response(folder, frames=500).rename(folder / "cab.wav")
    path = folder / "board.yaml"
    path.write_text(
        "version: 1\nname: test\nchain:\n" + textwrap.indent(textwrap.dedent(chain).strip("\n"), " ") + "\n",
        encoding="utf-8",
    )
    return load(path)


def planted(**declared):
    """Declare a block for one test only: as `@block`, but it does not stay in BLOCKS."""

    def declare(kernel) -> Block:
        made = block(work=1, **declared)(kernel)
        del BLOCKS[made.kind]
        return made

    return declare


def play(played: Block, p, state, signal, sizes=(64,)):
    """The signal, (frames,) or (channels, frames), after the kernel; `sizes` are the frames of its calls, in turn.

    A linked block may be given one channel.
    """
    kernel = played.native.from_python()
    signal = np.asarray(signal, np.float32)
    out = aligned_zeros(signal.shape, np.float32)
    out[...] = signal
    planes = [out, out] if played.linked and out.ndim == 1 else np.atleast_2d(out)
    done, size = 0, cycle(sizes)
    while done < signal.shape[-1]:
        frames = min(next(size), signal.shape[-1] - done)
        kernel(address_of(p), address_of(state[0]), *(address_of(plane[done:]) for plane in planes), frames)
        done += frames
    return out


def play_with(kind, signal, sizes=(64,), settle_s=0.0, files=None, rate=RATE_HZ, **values):
    """The signal through a fresh block with these knobs, after `settle_s` of silence."""
    p, levels = BLOCKS[kind].build(Settings(values, files or {}, rate))
    state = levels[-1].new_state()
    play(BLOCKS[kind], p, state, np.zeros(round(settle_s * rate)), (512,))
    return play(BLOCKS[kind], p, state, signal, sizes)


# -- what machine code calls ----------------------------------------------------------------------------------------

_ARITHMETIC = re.compile(
    r"llvm\..*|(sqrt|cbrt|hypot|exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh"
    r"|fabs|floor|ceil|round|trunc|rint|nearbyint|fmod|fmin|fmax|copysign|ldexp|fma)f?|mem(set|cpy|move)"
)
AN_ADDRESS = "calls an address"
MAY_RAISE = "may raise"


def wrongs_of(native: Native, allowed=()) -> set[str]:
    """What the machine code of `native` does beyond arithmetic and calling the functions of the `allowed` names.

    Seen in what LLVM is left with after optimising.

    numba wraps each C function: the wrapper calls the kernel proper and, only if that returns a status other than 0,
    takes the interpreter's lock and reports. So the kernel proper is searched, with all that it reaches: each call
    must be arithmetic, and each status that is returned must be the constant 0 or that of a function searched, too.
    """
    wanted = signature(native.returns, *native.arguments)
    compiled = numba.cfunc(wanted, cache=False, error_model="numpy")(native.function)
    module = binding.parse_assembly(compiled.inspect_llvm())
    (wrapper,) = (f for f in module.functions if f.name.startswith("cfunc.") and not f.is_declaration)
    defined = {f.name: f for f in module.functions if not f.is_declaration}
    named = {f.name for f in module.functions}
    kernel = next(name for name in _calls(wrapper) if name in defined)

    wrongs, seen, waiting = set(), set(), [kernel]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for called in _calls(defined[name]):
            if called in defined:
                waiting.append(called)
            elif called not in named:
                wrongs.add(AN_ADDRESS)
            elif called not in allowed and not _ARITHMETIC.fullmatch(called):
                wrongs.add(f"calls {called}")
        for instruction in _instructions(defined[name], "ret"):
            _, kind, *status = str(instruction).split()
            if kind == "i32" and not _is_calm(status[0], defined[name], defined):
                wrongs.add(MAY_RAISE)
    return wrongs


def _is_calm(status, function, defined, seen=()):
    """True if a status ("0" or "%name") is 0, or comes, by whatever branch, from a function that is `defined`."""
    if status == "0" or status in seen:
        return True
    for made in _instructions(function, "phi", "call"):
        if f"%{made.name}" == status and made.opcode == "phi":
            branches = re.findall(r"\[ ([^,]+), ", str(made))
            return all(_is_calm(branch, function, defined, (*seen, status)) for branch in branches)
        if f"%{made.name}" == status:
            return list(made.operands)[-1].name in defined
    return False


def _instructions(function, *opcodes):
    return [i for blk in function.blocks for i in blk.instructions if i.opcode in opcodes]


def _calls(function):
    """What is called, in order: the name of a function, of a register, or nothing for inline assembly."""
    return [list(call.operands)[-1].name for call in _instructions(function, "call", "invoke")]


def late_by(frames):
    """A block that declares to be late by so many frames, and is."""

    @planted(state=[("past", "f4", (frames,)), ("at", "i8")], latency=frames)
    def late(p, s, x, n):
        for i in range(n):
            x[i], s.past[s.at] = s.past[s.at], x[i]
            s.at = (s.at + 1) % frames

    return late


@planted(state=[("y", "f4")])
def fades(p, s, x, n):
    """A tail that halves with each frame."""
    for i in range(n):
        s.y = np.float32(0.5) * s.y + x[i]
        x[i] = s.y
