"""`chainrt check`: find every fault of presets, their models and impulse responses, without playing anything."""

from .. import preset
from ..chain import plan_blocks
from . import show, values


def check(options) -> int:
    out, read, rate = show.console(to_stderr=False), values.Reader(), values.rate(options.rate)
    for path in options.presets:
        board = read(preset.load, path)
        blocks = board and read(plan_blocks, board, rate)
        if blocks is not None:
            out.print(f"{path}: {board.name}, {show.count(len(blocks), 'block')}, no faults")
            for block in blocks:
                for remark in block.remarks:
                    out.print(f"  {block.id}: {remark}")
    read.raise_faults()
    return 0
