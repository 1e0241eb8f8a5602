"""One period: the plan and the settings that came in, the chain, the meters."""

from ..compiled.denormals import flush_denormals, restore_denormals
from ..compiled.language import INTEGER, carray
from ..compiled.memory import address, pointer, store_release
from ..compiled.native import Native
from ..dsp import make_finite
from ..layout import BLOCK, ENGINE, REAL
from .count import clock, count_period, weather_today
from .mail import take_plan, take_settings
from .planes import plane
from .program import run_program

PERIODS_OFFSET = ENGINE.fields["periods"][1]


def _period(engine, frames):
    """One period of `frames` frames: from the plane `engine.input` to `engine.output_left` and `_right`."""
    floating = flush_denormals()
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    take_plan(engine, blocks)
    take_settings(engine, blocks)
    if engine.virtual != REAL:
        engine.now_ns = max(engine.now_ns, engine.release_ns) + weather_today(engine)[1]
    began = clock(engine)
    if engine.silent == 0:
        make_finite(plane(engine.input, frames), frames)
    floor = run_program(engine, frames, began)
    count_period(engine, began, frames, floor)
    store_release(address(engine) + PERIODS_OFFSET, engine.periods + 1)
    restore_denormals(floating)


period = Native(_period, (ENGINE, INTEGER), "period")
"""period(engine record, frames). Who drives engines calls it by the address that each engine holds."""
