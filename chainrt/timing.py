"""Timing a kernel from compiled code, so that what is measured is the kernel and not Python's way to it."""

import numpy as np

from .compiled.call import call4, call5
from .compiled.clock import now_ns
from .compiled.denormals import flush_denormals, restore_denormals
from .compiled.language import INTEGER, carray
from .compiled.memory import pointer
from .compiled.native import Native


def _time_calls(kernel, knobs, state, stereo, source, left, right, frames, calls, times):
    """times[i] = nanoseconds of one call on fresh input; source, left, right, times are addresses."""
    floating = flush_denormals()
    fresh = carray(pointer(source), frames, np.float32)
    first, second = carray(pointer(left), frames, np.float32), carray(pointer(right), frames, np.float32)
    taken = carray(pointer(times), calls, np.float64)
    for call in range(calls):
        for i in range(frames):
            first[i] = fresh[i]
            second[i] = fresh[i]
        before = now_ns()
        if stereo == 1:
            call5(kernel, knobs, state, left, right, frames)
        else:
            call4(kernel, knobs, state, left, frames)
        taken[call] = now_ns() - before
    restore_denormals(floating)


time_calls = Native(_time_calls, (INTEGER,) * 10, "time_calls")
