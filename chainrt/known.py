"""What a fit has to know of a preset, of a file, and of all that may be added: as it was found out before (kept.py).

Only what is not known yet is found out by facts.py, which imports the effects and the compiler with them. So `chainrt
fit` has answered the second time before numba would be imported.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from .fit import FitBlock, FitChain, FitLevel
from .kept import keep_answer, recall_answer
from .scheduler.paths import Lanes, Path

Tell = Callable[[int, int, str], None]


def chain(path: str, rate: float, frames: int) -> Callable[[Tell], FitChain]:
    """Read and check a preset. What is returned gives the rest, which may take seconds where it is not known yet.

    Blocks that are not enabled are in the chain, bypassed: a foot may switch them on, and off still costs on some
    devices. rate: Hz. Raises PresetError with all faults of the file. tell hears of kernels being compiled.
    """
    question = "chain", os.path.abspath(path), rate, frames
    answer = recall_answer(*question)
    if answer:
        return lambda tell: _chain(answer)
    from . import facts, preset

    board = preset.on_standby(preset.load(path))
    planned = facts.plan_blocks(board, rate)

    def find(tell: Tell) -> FitChain:
        blocks, shape = facts.fit_blocks(board, rate, frames, tell, planned)
        found = FitChain(board.name, tuple(blocks), shape)
        keep_answer(*question, answer=_plain_chain(found), origins=(path, *preset.files_of(board)))
        return found

    return find


def added(path: str, rate: float, frames: int, tell: Tell) -> FitBlock:
    """The block that plays this file: an amp (.nam) or a cabinet (.wav). Raises ModelError, PresetError."""
    question = "added", os.path.abspath(path), rate, frames
    answer = recall_answer(*question)
    if answer:
        return _block(answer)
    from . import facts

    found = facts.added(path, rate, frames, tell)
    keep_answer(*question, answer=asdict(found), origins=(path,))
    return found


def shelf(rate: float, frames: int) -> dict[str, FitBlock]:
    """One block of each kind, with its knobs as they come, by kind: an official A2 as amp, a long cabinet."""
    question = "shelf", rate, frames
    answer = recall_answer(*question)
    if answer:
        return {kind: _block(fields) for kind, fields in answer.items()}
    from . import facts

    found = facts.shelf(rate, frames)
    keep_answer(*question, answer={kind: asdict(block) for kind, block in found.items()})
    return found


# -- as JSON --------------------------------------------------------------------------------------------------------


def _plain_chain(chain: FitChain) -> dict[str, Any]:
    return {"name": chain.name, "blocks": [asdict(block) for block in chain.blocks], "path": _plain_path(chain.path)}


def _chain(fields: dict[str, Any]) -> FitChain:
    return FitChain(fields["name"], tuple(map(_block, fields["blocks"])), _path(fields["path"]))


def _block(fields: dict[str, Any]) -> FitBlock:
    levels = tuple(FitLevel(**one) for one in fields["levels"])
    return FitBlock(**fields | {"levels": levels, "allowed": tuple(fields["allowed"])})


def _plain_path(path: Path) -> list:
    """A split becomes a list of its lanes."""
    return [[_plain_path(lane) for lane in item.lanes] if isinstance(item, Lanes) else item for item in path]


def _path(items: Sequence) -> Path:
    return tuple(Lanes(tuple(map(_path, item))) if isinstance(item, list) else item for item in items)
