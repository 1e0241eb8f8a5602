"""`chainrt render`: a file through a preset into a file, the same bits every time."""

from .. import audiofile, preset
from ..chain import Chain
from ..errors import Fault, PresetError
from ..render import levels_named
from ..render import render as render_samples
from . import show, values


def render(options) -> int:
    frames, rate = values.period(options.period), values.rate(options.rate)
    board = preset.load(options.preset)
    samples = audiofile.read_mono(options.input, rate)
    out = show.console(to_stderr=False)
    with show.compiling(out) as tell:
        chain = Chain(board, rate, frames, tell)
    everywhere, single = _slim(options.slim)
    try:
        levels = levels_named(chain, everywhere, single)
    except ValueError as error:
        raise PresetError(Fault("--slim", str(error))) from None
    chain.set_levels(levels)
    sound = render_samples(chain, samples)
    audiofile.write(options.output, sound, rate)
    heard = ", ".join(
        f"{block.id} {block.level_names[level]}"
        for block, level in zip(chain.blocks, levels, strict=True)
        if len(block.levels) > 1
    )
    channels = "mono" if sound.ndim == 1 else "stereo"
    out.print(f"{options.output}: {len(sound) / rate:.2f} s, {channels}, float32" + (f" ({heard})" if heard else ""))
    return 0


def _slim(given: list[str]) -> tuple[str | None, dict[str, str]]:
    """--slim LEVEL and --slim BLOCK=LEVEL, taken apart; the last of a kind holds."""
    everywhere, single = None, {}
    for text in given:
        block, equals, level = text.rpartition("=")
        if equals:
            single[block] = level
        else:
            everywhere = level
    return everywhere, single
