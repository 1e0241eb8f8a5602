"""`chainrt blocks`: the effects and their knobs."""

from rich.text import Text

from .. import blocks as _every_block  # noqa: F401 (fills BLOCKS)
from ..block import BLOCKS, Block
from . import show, values


def blocks(options) -> int:
    if options.kind is not None:
        _print_in_full(BLOCKS[values.choice("KIND", options.kind, sorted(BLOCKS))])
        return 0
    out = show.console(to_stderr=False)
    for kind, block in sorted(BLOCKS.items()):
        out.print(Text.assemble((f"{kind:8} ", "bold"), block.summary))
        out.print(
            f"{'':8} {', '.join(knob.name for knob in (*block.params, *block.files, *block.options))}", style="dim"
        )
    return 0


def _print_in_full(block: Block) -> None:
    out = show.console(to_stderr=False)
    out.print(Text.assemble((block.kind, "bold"), f"  {block.summary}\n"))
    table = show.table("knob", "from>", "to>", "default>", "unit", "what it does")
    for param in block.params:
        table.add_row(param.name, *(f"{x:g}" for x in (param.low, param.high, param.default)), param.unit, param.help)
    for file in block.files:
        table.add_row(file.name, "", "", "", "file", file.help)
    for option in block.options:
        bounds = ("", "") if option.choices else (f"{option.low:g}", f"{option.high:g}")
        table.add_row(option.name, *bounds, option.unset, "/".join(option.choices) or option.unit, option.help)
    show.print_table(out, table)
    if block.slimmable:
        out.print("\nslim: auto, full, lite, a level's name or index, or {min:, max:};  priority: 0.1 to 100")
