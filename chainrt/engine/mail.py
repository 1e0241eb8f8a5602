"""What comes in while the engine plays, without a lock: one plan at a time, and the newest of the player's settings.

A plan waits in a mailbox until it is taken. Settings are passed by a triple buffer: the writer always has a set to
write to, the engine always has the newest complete one, so a scene changes in one period or not at all.
"""

import numpy as np

from ..compiled.language import carray, njit
from ..compiled.memory import address, exchange, load_acquire, pointer, store_release
from ..layout import ENGINE, FRESH, MAIL_COLUMNS

FLOAT64_BYTES = 8
KNOBS_OFFSET = 4  # in the record p: behind `rate`, one float32 each

TAKEN_OFFSET = ENGINE.fields["taken"][1]
POSTED_OFFSET = ENGINE.fields["posted"][1]
MIDDLE_OFFSET = ENGINE.fields["settings_middle"][1]


@njit
def take_plan(engine, blocks):
    """Take a plan out of the mailbox, if one is there."""
    posted = load_acquire(address(engine) + POSTED_OFFSET)
    if posted == engine.taken or engine.periods < engine.take_from:
        return
    mail = carray(pointer(engine.mail), engine.block_count * MAIL_COLUMNS, np.int64)
    for index in range(engine.block_count):
        at = MAIL_COLUMNS * index
        blocks[index].wanted = mail[at]
        blocks[index].warm = mail[at + 1]
        blocks[index].replay = mail[at + 2]
        blocks[index].give_up = mail[at + 3]
    store_release(address(engine) + TAKEN_OFFSET, posted)


@njit
def take_settings(engine, blocks):
    """Take the newest settings, if they are newer than those that play."""
    middle = address(engine) + MIDDLE_OFFSET
    if load_acquire(middle) & FRESH == 0:
        return
    engine.settings_front = exchange(middle, engine.settings_front) & ~FRESH
    start = engine.settings + engine.settings_front * engine.settings_size * FLOAT64_BYTES
    settings = carray(pointer(start), engine.settings_size, np.float64)
    for index in range(engine.block_count):
        block = blocks[index]
        block.enabled = 1 if settings[block.settings_at] != 0.0 else 0
        block.tail = int(settings[block.settings_at + 1])
        knobs = carray(pointer(block.knobs + KNOBS_OFFSET), block.knob_count, np.float32)
        for knob in range(block.knob_count):
            knobs[knob] = settings[block.settings_at + 2 + knob]
