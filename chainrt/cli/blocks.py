"""`chainrt blocks`: the effects, their knobs, and what each costs on this machine."""

from contextlib import suppress

from rich.text import Text

from .. import blocks as _every_block  # noqa: F401 (fills BLOCKS)
from ..block import BLOCKS, Block, Option, Param, Settings
from ..calibrate import measure_levels
from ..chain import ChainBlock, compile_blocks
from ..errors import ChainrtError
from ..preset import TAILS, BlockSpec, Slim
from . import show, values

RATE_HZ = 48_000  # at which latency and cost are told
FRAMES = 64  # of the period for which the cost is told


def blocks(options) -> int:
    """Print the list, one block in full, or the JSON of either; exit status."""
    if options.kind is not None:
        values.choice("KIND", options.kind, sorted(BLOCKS))
    kinds = sorted(BLOCKS) if options.kind is None else [options.kind]
    ready = {kind: block for kind in kinds if (block := _alone(BLOCKS[kind]))}
    with show.compiling() as tell:
        compile_blocks(list(ready.values()), tell)
    facts = [_facts(BLOCKS[kind], ready.get(kind)) for kind in kinds]
    if options.json != "-":
        for told in facts:
            if options.kind is None:
                _print_short(told)
            else:
                _print_in_full(BLOCKS[told["kind"]], told)
    values.write_json(options.json, {"blocks": facts})
    return 0


def _alone(declared: Block) -> ChainBlock | None:
    """The block with all knobs at their defaults; None if it plays nothing without a file."""
    settings = Settings({}, {}, RATE_HZ)
    with suppress(KeyError, ChainrtError):
        knobs, levels = declared.build(settings)
        spec = BlockSpec(declared.kind, declared.kind, {}, {}, Slim(), 1.0, True, 1, declared.kind)
        every = tuple(range(len(levels)))
        return ChainBlock(spec, declared, knobs, levels, every, settings.remarks, settings.when_compiled)
    return None


def _facts(declared: Block, block: ChainBlock | None) -> dict:
    """The JSON of one block. Latency in frames and cost in microseconds of its largest level; null: its file decides.

    A block for one channel runs twice where the chain is stereo; so its cost is for one.
    """
    return {
        "kind": declared.kind,
        "summary": declared.summary,
        "page": declared.page,
        "params": [_param(param) for param in declared.params],
        "options": [_option(option) for option in declared.options],
        "files": [{"name": file.name, "help": file.help} for file in declared.files],
        "readings": [{"name": r.name, "unit": r.unit, "help": r.help} for r in declared.readings],
        "channels": declared.channels,
        "linked": declared.linked,
        "levels": [level.name for level in block.levels] if block else None,
        "latency": block.levels[-1].latency if block else None,
        "tail_s": round(declared.tail_seconds(block.knobs, block.levels), 4) if block else None,
        "rings": declared.rings(block.knobs) if block else None,
        "cost_us": round(measure_levels(block, FRAMES)[-1] * FRAMES / 1000, 3) if block else None,
    }


def _param(param: Param) -> dict:
    """A switch is told by the names of its positions."""
    told = {"name": param.name, "unit": param.unit, "min": param.low, "max": param.high, "default": param.default}
    if param.choices:
        told |= {"default": param.choices[int(param.default)], "choices": list(param.choices)}
    return {**told, "help": param.help}


def _option(option: Option) -> dict:
    told = {"name": option.name, "unit": option.unit, "min": option.low, "max": option.high, "default": option.unset}
    return {**told, "choices": list(option.choices), "help": option.help}


def _cost(told: dict) -> str:
    """How late it is and what it costs: "0.71 µs, latency 72 frames"."""
    if told["cost_us"] is None:
        return "cost and latency depend on its file"
    channels = "both channels" if told["channels"] == 2 else "a channel"
    late = f", latency {told['latency']} frames" if told["latency"] else ""
    sizes = f", levels {'/'.join(told['levels'])}" if len(told["levels"]) > 1 else ""
    return f"{told['cost_us']:.2f} µs {channels}{late}{sizes}"


def _range(param: dict) -> str:
    """ "threshold -100..0 dB (-60)", or "mode manual/envelope (manual)"."""
    if param.get("choices"):
        return f"{param['name']} {'/'.join(param['choices'])} ({param['default']})"
    unit = f" {param['unit']}" if param["unit"] else ""
    return f"{param['name']} {param['min']:g}..{param['max']:g}{unit} ({param['default']:g})"


def _print_short(told: dict) -> None:
    out = show.console(to_stderr=False)
    out.print(Text.assemble((f"{told['kind']:10} ", "bold"), told["summary"]))
    out.print(f"{'':10} {_cost(told)}", style="dim")
    named = [_range(param) for param in told["params"]]
    named += [f"{more['name']}" for more in (*told["files"], *told["options"])]
    if named:
        out.print(f"{'':10} {', '.join(named)}", style="dim")
    out.print()


def _print_in_full(block: Block, told: dict) -> None:
    out = show.console(to_stderr=False)
    out.print(Text.assemble((block.kind, "bold"), f"  {block.summary}"))
    out.print(f"{_cost(told)}\n")
    table = show.table("knob", "from>", "to>", "default>", "unit", "what it does")
    for param in told["params"]:
        if param.get("choices"):
            table.add_row(param["name"], "", "", param["default"], "/".join(param["choices"]), param["help"])
        else:
            bounds = (f"{param[key]:g}" for key in ("min", "max", "default"))
            table.add_row(param["name"], *bounds, param["unit"], param["help"])
    for file in block.files:
        table.add_row(file.name, "", "", "", "file", file.help)
    for option in block.options:
        bounds = ("", "") if option.choices else (f"{option.low:g}", f"{option.high:g}")
        table.add_row(option.name, *bounds, option.unset, "/".join(option.choices) or option.unit, option.help)
    for reading in block.readings:
        table.add_row(reading.name, "", "", "", reading.unit, f"(reading) {reading.help}")
    show.print_table(out, table)
    out.print(f"\ntails: {_tails(told)}, when it is switched off")
    if block.slimmable:
        out.print("slim: auto, full, lite, a level's name or index, or {min:, max:};  priority: 0.1 to 100")
    for paragraph in block.page:
        out.print(f"\n{paragraph}", style="dim")


def _tails(told: dict) -> str:
    """What may be said of a block's tail, and what it does where a preset says nothing."""
    ring, cut = TAILS
    if told["rings"] is None:
        return f"{ring} or {cut}"
    if told["rings"]:
        return f"{ring} (by itself for {told['tail_s']:.1f} s) or {cut}"
    return f"{ring} or {cut} (by itself)"
