"""`chainrt render`: a file through a preset into a file, the same bits every time."""

from types import SimpleNamespace

from .. import audiofile, preset
from ..chain import Chain, ChainBlock, plan_blocks
from ..errors import Fault, PresetError
from ..render import levels_named
from ..render import render as render_samples
from . import show, values


def render(options) -> int:
    read = values.Reader()
    frames, rate = read(values.period, options.period), read(values.rate, options.rate)
    board = read(preset.load, options.preset)
    samples = rate and read(audiofile.read_mono, options.input, rate)
    read(values.writable, options.output, (options.preset, options.input))
    blocks = board and rate and read(plan_blocks, board, rate)
    levels = blocks and read(_levels, blocks, options.slim)
    read.raise_faults()

    with show.compiling() as tell:
        chain = Chain(board, rate, frames, tell, blocks)
    chain.set_levels(levels)
    sound = render_samples(chain, samples)
    audiofile.write(options.output, sound, rate)
    heard = ", ".join(
        f"{block.id} {block.level_names[level]}"
        for block, level in zip(chain.blocks, levels, strict=True)
        if len(block.levels) > 1
    )
    show.print_written(show.console(to_stderr=False), options.output, sound, rate, heard)
    return 0


def _levels(blocks: list[ChainBlock], given: list[str]) -> list[int]:
    """The level index of each block by --slim LEVEL and --slim BLOCK=LEVEL; the last of a kind holds."""
    everywhere, single = None, {}
    for text in given:
        block, equals, level = text.rpartition("=")
        if equals:
            single[block] = level
        else:
            everywhere = level
    try:
        return levels_named(SimpleNamespace(blocks=blocks), everywhere, single)
    except ValueError as error:
        raise PresetError(Fault("--slim", str(error))) from None
