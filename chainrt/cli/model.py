"""`chainrt model`: what a .nam is, and what each of its levels costs and loses on this machine."""

import math
from collections.abc import Sequence
from pathlib import Path

from .. import blocks as _every_block  # noqa: F401 (fills BLOCKS)
from ..block import BLOCKS, Settings
from ..calibrate import error_to_signal_db, measure_levels
from ..chain import ChainBlock, compile_blocks
from ..nam import levels
from ..nam.packs import USUAL_RATE_HZ, load_pack, rate_of
from ..preset import BlockSpec, Slim
from ..riff import riff
from . import show, values

FRAMES = 64  # at which the cost is measured
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
NOT_AVAILABLE = {
    "loudness": "normalize",
    "input_level_dbu": "calibrate (of the input)",
    "output_level_dbu": "calibrate (of the output)",
}
LONGEST_TEXT = 60


def model(options) -> int:
    """Print the table or the JSON; exit status. Several files are the levels of one block, as in a preset."""
    if len(options.files) == 1:
        found = (levels.load(options.files[0]),)
    else:
        found, _ = load_pack(options.files)
    rate = rate_of(found[0]) if options.rate is None else values.rate(options.rate)
    out = show.console(to_stderr=options.json == "-")
    with show.compiling() as tell:
        block = _block(options.files, rate)
        compile_blocks([block], tell)
    answer = _answer(found, block, rate)
    if options.json != "-":
        _print(out, answer)
    values.write_json(options.json, answer)
    return 0


def _block(paths: list[str], rate: float) -> ChainBlock:
    """The model as the one block of a chain at `rate` Hz."""
    declared = BLOCKS["nam"]
    files = {"model": Path(paths[0])} if len(paths) == 1 else {"levels": tuple(map(Path, paths))}
    settings = Settings({}, files, rate)
    knobs, sizes = declared.build(settings)
    spec = BlockSpec("model", "nam", settings.values, settings.files, Slim(), 1.0, True, 1, "model")
    every = tuple(range(len(sizes)))
    return ChainBlock(spec, declared, knobs, sizes, every, settings.remarks, settings.when_compiled)


def _answer(found: Sequence[levels.Model], block: ChainBlock, rate: float) -> dict:
    """The JSON of `chainrt model`: sizes in numbers and bytes, costs in nanoseconds a sample, errors in dB.

    `rate` is the file's; everything measured, and the reach and latency in frames, is at `played_at`. Of several
    files the first keys are about the largest, and `files` is about each.
    """
    guitar = riff(rate if RIFF_RATES_HZ[0] <= rate <= RIFF_RATES_HZ[1] else USUAL_RATE_HZ)
    top = block.levels[-1]
    networks = [level.network for one in found for level in one.levels]
    rows = [
        {
            "name": level.name,
            "width": network.channels,
            "parameters": network.parameters,
            "macs_per_sample": round(level.work),
            "state_bytes": _state_bytes(level),
            "cost_ns_per_sample": round(cost, 2),
            "esr_db": None if level is top else round(error_to_signal_db(block, level, guitar), 2),
        }
        for network, level, cost in zip(networks, block.levels, measure_levels(block, FRAMES), strict=True)
    ]
    about = [
        {
            "file": str(one.path),
            "architecture": one.architecture,
            "version": one.version,
            "rate": one.sample_rate,
            "metadata": _finite(one.metadata),
            "warnings": list(one.warnings),
        }
        for one in found
    ]
    return {
        **about[-1],
        "receptive_field": max(level.memory for level in block.levels),
        "played_at": rate,
        "latency": block.latency,
        "remarks": block.remarks,
        "files": about,
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
    for one in answer["files"]:
        _print_about(out, one)
    reach, rate = answer["receptive_field"], answer["played_at"]
    out.print(f"  hears {reach:,} frames back ({1000 * reach / rate:.0f} ms)")
    if rate != (answer["rate"] or USUAL_RATE_HZ):
        late = (
            f"resampled, {1000 * answer['latency'] / rate:.1f} ms late" if answer["latency"] else "dilations stretched"
        )
        out.print(f"  played at {rate:,.0f} Hz: {late}")
    for remark in answer["remarks"]:
        out.print(f"  {_plain(remark)}")
    table = show.table("level", "width>", "weights>", "MACs>", "state>", "ns/sample>", "core>", "error>")
    for row in answer["levels"]:
        share = row["cost_ns_per_sample"] * 1e-9 * rate
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
    out.print(
        f"cost at {FRAMES} frames on this machine; error against {answer['levels'][-1]['name']} on the riff",
        style="dim",
    )


def _print_about(out, one: dict) -> None:
    """What a file says of itself."""
    rate = f"does not say its rate, taken for {USUAL_RATE_HZ:,.0f} Hz"
    if one["rate"] is not None:
        rate = f"{one['rate']:,.0f} Hz"
    out.print(_plain(f"{one['file']}: {one['architecture']}, version {one['version']}, {rate}"))
    for key, called, unit in SHOWN_METADATA:
        value = one["metadata"].get(key)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            text = value if isinstance(value, str) else f"{value:.1f}"
            out.print(f"  {called}: {_plain(text)[:LONGEST_TEXT]} {unit}".rstrip())
        elif unit:
            out.print(f"  {called}: not given, so {NOT_AVAILABLE[key]} is not available", style="dim")


def _plain(text: str) -> str:
    """A text from a stranger's file, safe to print: one line, nothing that steers a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
