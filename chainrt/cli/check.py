"""`chainrt check`: find every fault of presets, their models and impulse responses, without playing anything."""

from .. import preset
from ..chain import plan_blocks
from ..errors import ChainrtError, PresetError
from . import show, values


def check(options) -> int:
    out = show.console(to_stderr=False)
    rate, faults = values.rate(options.rate), []
    for path in options.presets:
        try:
            board = preset.load(path)
            blocks = plan_blocks(board, rate)
            out.print(f"{path}: {board.name}, {len(blocks)} blocks, no faults")
        except ChainrtError as error:
            faults += error.faults
    if faults:
        raise PresetError(faults)
    return 0
