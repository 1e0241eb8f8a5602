"""`chainrt blocks`: the effects and their knobs."""

from rich.table import Table

from .. import blocks as _every_block  # noqa: F401 (fills BLOCKS)
from ..block import BLOCKS, Block
from ..errors import Fault, PresetError
from . import show


def blocks(options) -> int:
    out = show.console(to_stderr=False)
    if options.kind is None:
        for kind, block in sorted(BLOCKS.items()):
            out.print(f"[bold]{kind:8}[/] {block.summary}")
            out.print(f"         {', '.join(param.name for param in block.params)}", style="dim")
        return 0
    if options.kind not in BLOCKS:
        raise PresetError(Fault("KIND", f"no block {options.kind!r}; there are {', '.join(sorted(BLOCKS))}"))
    _print_in_full(out, BLOCKS[options.kind])
    return 0


def _print_in_full(out, block: Block) -> None:
    out.print(f"[bold]{block.kind}[/]  {block.summary}")
    table = Table(header_style="bold", pad_edge=False)
    for heading in ("knob", "from", "to", "default", "unit", "what it does"):
        table.add_column(heading)
    for param in block.params:
        table.add_row(param.name, *(f"{x:g}" for x in (param.low, param.high, param.default)), param.unit, param.help)
    for file in block.files:
        table.add_row(file.name, "-", "-", "-", "file", file.help)
    out.print(table)
    if block.slimmable:
        out.print("slim: auto, full, lite, a level's name or index, or {min:, max:};  priority: 0.1 to 100")
