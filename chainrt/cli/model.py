"""`chainrt model`: what a .nam is, and what each of its levels costs and loses on this machine."""

import math

from .. import blocks as _every_block  # noqa: F401 (fills BLOCKS)
from ..block import BLOCKS, Settings
from ..calibrate import error_to_signal_db, measure_levels
from ..chain import ChainBlock
from ..compiled.native import compile_all
from ..nam import levels
from ..preset import BlockSpec, Slim
from ..riff import riff
from . import show, values

FRAMES = 64  # at which the cost is measured
USUAL_RATE_HZ = 48_000  # for a model that does not say
RIFF_RATES_HZ = (8_000, 192_000)
SHOWN_METADATA = (  # key, how it is called, unit
    ("name", "name", ""),
    ("modeled_by", "modeled by", ""),
    ("gear_type", "gear", ""),
    ("gear_make", "make", ""),
    ("gear_model", "model", ""),
    ("tone_type", "tone", ""),
    ("loudness", "loudness", "dB"),
    ("input_level_dbu", "input level", "dBu at full scale"),
    ("output_level_dbu", "output level", "dBu at full scale"),
)
LONGEST_TEXT = 60


def model(options) -> int:
    """Print the table or the JSON; exit status."""
    found = levels.load(options.file)
    out = show.console(to_stderr=options.json == "-")
    for warning in found.warnings:
        out.print(_plain(warning))
    with show.compiling() as tell:
        block = _block(options.file, found.sample_rate or USUAL_RATE_HZ)
        compile_all([block.declared.native, *(native for level in block.levels for native in level.natives)], tell)
    answer = _answer(options.file, found, block)
    if options.json != "-":
        _print(out, answer)
    values.write_json(options.json, answer)
    return 0


def _block(path: str, rate: float) -> ChainBlock:
    """The model as the one block of a chain, at its own rate."""
    declared = BLOCKS["nam"]
    settings = Settings({}, {"model": path}, rate)
    knobs, sizes = declared.build(settings)
    spec = BlockSpec("model", "nam", settings.values, settings.files, Slim(), 1.0, True, 1, "model")
    return ChainBlock(spec, declared, knobs, sizes, tuple(range(len(sizes))))


def _answer(path: str, found: levels.Model, block: ChainBlock) -> dict:
    """The JSON of `chainrt model`: sizes in numbers and bytes, costs in nanoseconds a sample, errors in dB."""
    rate = round(found.sample_rate or USUAL_RATE_HZ)
    guitar = riff(rate if RIFF_RATES_HZ[0] <= rate <= RIFF_RATES_HZ[1] else USUAL_RATE_HZ)
    top = block.levels[-1]
    rows = [
        {
            "name": level.name,
            "width": size.network.channels,
            "parameters": size.network.parameters,
            "macs_per_sample": size.network.multiply_adds,
            "state_bytes": _state_bytes(level),
            "cost_ns_per_sample": round(cost, 2),
            "esr_db": None if level is top else round(error_to_signal_db(block, level, guitar), 2),
        }
        for size, level, cost in zip(found.levels, block.levels, measure_levels(block, FRAMES), strict=True)
    ]
    return {
        "file": str(path),
        "architecture": found.architecture,
        "version": found.version,
        "rate": found.sample_rate,
        "receptive_field": max(level.memory for level in block.levels),
        "metadata": _finite(found.metadata),
        "warnings": list(found.warnings),
        "levels": rows,
    }


def _state_bytes(level) -> int:
    """Memory of one state; what two states share (the weights) does not count."""
    first, second = level.new_state(), level.new_state()
    shared = {array.ctypes.data for array in first} & {array.ctypes.data for array in second}
    return sum(array.nbytes for array in first if array.ctypes.data not in shared)


def _finite(value):
    """A JSON value with null for the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(out, answer: dict) -> None:
    rate = "does not say its rate" if answer["rate"] is None else f"{answer['rate']:,.0f} Hz"
    out.print(_plain(f"{answer['file']}: {answer['architecture']}, version {answer['version']}, {rate}"))
    reach = answer["receptive_field"]
    seconds = reach / (answer["rate"] or USUAL_RATE_HZ)
    out.print(f"  hears {reach:,} frames back ({1000 * seconds:.0f} ms)")
    for key, called, unit in SHOWN_METADATA:
        value = answer["metadata"].get(key)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            text = value if isinstance(value, str) else f"{value:.1f}"
            out.print(f"  {called}: {_plain(text)[:LONGEST_TEXT]} {unit}".rstrip())
        elif unit:
            out.print(f"  {called}: not given", style="dim")
    table = show.table("level", "width>", "weights>", "MACs>", "state>", "ns/sample>", "core>", "error>")
    for row in answer["levels"]:
        share = row["cost_ns_per_sample"] * 1e-9 * (answer["rate"] or USUAL_RATE_HZ)
        table.add_row(
            row["name"],
            f"{row['width']:,}",
            f"{row['parameters']:,}",
            f"{row['macs_per_sample']:,}",
            f"{row['state_bytes'] / 1024:,.1f} KiB",
            f"{row['cost_ns_per_sample']:,.0f}",
            show.percent(share),
            "" if row["esr_db"] is None else f"{row['esr_db']:.1f} dB",
        )
    out.print()
    show.print_table(out, table)
    out.print()
    out.print(f"cost at {FRAMES} frames on this machine; error against full on the built-in riff", style="dim")


def _plain(text: str) -> str:
    """A text from a stranger's file, safe to print: one line, nothing that steers a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
