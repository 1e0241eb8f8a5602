"""Memory as arrays: a plane is one channel's samples of a period, float32, named in records by its address."""

import numpy as np

from ..compiled.language import carray, njit
from ..compiled.memory import pointer

FLOAT_BYTES = 4


@njit
def plane(at, frames):
    return carray(pointer(at), frames, np.float32)
