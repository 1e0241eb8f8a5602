"""`chainrt calibrate`: measure thoroughly what each level costs here and how true it sounds, and keep the tables."""

from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .. import preset, tables
from ..calibrate import BEST_DB, PERIODS_CALIBRATED, fidelity_table
from ..calibrate import calibrate as calibrate_chain
from ..chain import Chain, plan_blocks
from ..errors import Fault, PresetError
from ..riff import riff
from . import show, values

SHOWN_FRAMES = 64
FOLDER = "presets"
MOST_ROUNDS = 1_000_000


def calibrate(options) -> int:
    """Measure, keep, print; exit status."""
    read = values.Reader()
    rate = read(values.rate, options.rate)
    rounds = read(values.integer, "--rounds", options.rounds, 1, MOST_ROUNDS)
    paths = read(_presets, options.presets) or []
    boards = [read(preset.load, path) for path in paths]
    blocks = [board and rate and read(plan_blocks, board, rate) for board in boards]
    if options.json != "-":
        read(values.writable, options.json, tuple(paths), False)
    read.raise_faults()

    out = show.console(to_stderr=options.json == "-")
    samples, answers = riff(rate), []
    for path, board, planned in zip(paths, boards, blocks, strict=True):
        with show.compiling() as tell:
            chain = Chain(board, rate, SHOWN_FRAMES, tell, planned)
        with _progress(board.name) as tell:
            costs = calibrate_chain(chain, rounds=rounds, tell=tell)
        answers.append(_answer(path, chain, costs, fidelity_table(chain, samples)))
        _print(out, board.name, answers[-1])
    read(values.write_json, options.json, {"machine": tables.machine(), "rate": rate, "presets": answers})
    read.raise_faults()
    return 0


def _presets(paths: list[str]) -> list[str]:
    found = paths or sorted(map(str, Path(FOLDER).glob("*.yaml")))
    if not found:
        raise PresetError(Fault("PRESET", f"none was named, and there is none in {FOLDER}/"))
    return found


def _progress(name: str):
    """Yields tell(done, total): a bar in a terminal, on standard error, and nothing elsewhere."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), TimeRemainingColumn()
    out = show.console(to_stderr=True)
    return show.progress(Progress(*columns, console=out, transient=True, disable=not out.is_terminal), name)


def _answer(path: str, chain: Chain, costs: list[dict], fidelity_db) -> dict:
    """costs: nanoseconds of a call per size and level, as calibrate.calibrate tells."""

    def cost_us(table: dict, level: int) -> dict:
        return {
            str(size): {name: round(table[name][str(size)][level] / 1000, 3) for name in ("p50", "p99")}
            for size in PERIODS_CALIBRATED
        }

    return {
        "preset": path,
        "blocks": [
            {
                "id": block.id,
                "kind": block.spec.kind,
                "levels": [
                    {"name": name, "cost_us": cost_us(table, level), "fidelity_db": round(fidelity[level], 2)}
                    for level, name in enumerate(block.level_names)
                ],
            }
            for block, table, fidelity in zip(chain.blocks, costs, fidelity_db, strict=True)
        ],
    }


def _print(out, name: str, answer: dict) -> None:
    sizes = [str(size) for size in PERIODS_CALIBRATED]
    rows = show.table("block", "level", *[f"{size}>" for size in sizes], f"p99 of {SHOWN_FRAMES}>", "error dB>")
    for block in answer["blocks"]:
        for level in reversed(block["levels"]):
            cost_us = level["cost_us"]
            error = f"-{level['fidelity_db']:.1f}" if level["fidelity_db"] < BEST_DB else ""
            rows.add_row(
                block["id"],
                level["name"] if len(block["levels"]) > 1 else "",
                *[f"{cost_us[size]['p50']:.1f}" for size in sizes],
                f"{cost_us[str(SHOWN_FRAMES)]['p99']:.1f}",
                error,
            )
    out.print(f"{name}: median µs a call, by frames in a period; error of the chain's sound with the block lowered")
    show.print_table(out, rows)
    out.print()
