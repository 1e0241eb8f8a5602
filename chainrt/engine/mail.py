"""What comes in while the engine plays: one plan at a time, without a lock."""

import numpy as np
from numba import carray

from ..compiled.memory import address, load_acquire, pointer, store_release
from ..layout import ENGINE
from .planes import compiled

TAKEN_OFFSET = ENGINE.fields["taken"][1]
POSTED_OFFSET = ENGINE.fields["posted"][1]


@compiled
def take_plan(engine, blocks):
    """Take a plan out of the mailbox, if one is there."""
    posted = load_acquire(address(engine) + POSTED_OFFSET)
    if posted == engine.taken:
        return
    mail = carray(pointer(engine.mail), engine.block_count * 3, np.int64)
    for index in range(engine.block_count):
        blocks[index].wanted = mail[3 * index]
        blocks[index].warm = mail[3 * index + 1]
        blocks[index].replay = mail[3 * index + 2]
    store_release(address(engine) + TAKEN_OFFSET, posted)
