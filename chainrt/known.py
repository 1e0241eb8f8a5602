"""What a fit has to know of a preset, of a file, and of all that may be added: as it was found out before (kept.py), or
came with chainrt (shipped.py).

Only what is not known yet is found out by facts.py, which imports the effects and what links their machine code. So
`chainrt fit` has answered before: the first time for what is in the box, else the second time.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from . import shipped
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
    answer = recall_answer(*question) or shipped.chain(path, rate, frames)
    if answer:
        return lambda tell: _chain(answer)
    finding = ChainToFind(path, rate, frames)

    def find(tell: Tell) -> FitChain:
        found = finding.find(tell)
        keep_answer(*question, answer=plain_chain(found), origins=(path, *finding.files))
        return found

    return find


class ChainToFind:
    """A preset that was read and checked, of which the rest is not known yet."""

    def __init__(self, path: str, rate: float, frames: int):
        from . import facts, preset

        self._board = preset.on_standby(preset.load(path))
        self._rate, self._frames = rate, frames
        self._planned = facts.plan_blocks(self._board, rate)
        self.files = preset.files_of(self._board)

    def find(self, tell: Tell | None = None) -> FitChain:
        """Find the rest out."""
        from . import facts

        blocks, shape = facts.fit_blocks(self._board, self._rate, self._frames, tell, self._planned)
        return FitChain(self._board.name, tuple(blocks), shape)


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
    answer = recall_answer(*question) or shipped.shelf(rate, frames)
    if answer:
        return {kind: _block(fields) for kind, fields in answer.items()}
    from . import facts

    found = facts.shelf(rate, frames)
    keep_answer(*question, answer=plain_shelf(found))
    return found


# -- as JSON --------------------------------------------------------------------------------------------------------


def plain_shelf(shelf: dict[str, FitBlock]) -> dict[str, Any]:
    return {kind: asdict(block) for kind, block in shelf.items()}


def plain_chain(chain: FitChain) -> dict[str, Any]:
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
