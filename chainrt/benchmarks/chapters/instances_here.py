"""How many amps fit on this machine: simulated with costs that are measured first, and by its own clock."""

from ..chapter import Cell, Effort, Row, Told
from ..contestants import OURS
from ..counting import cells_of, told
from ..instances import CLOCK, HERE, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "How many amps fit on this machine"
IS_TIMED = True


def cells(effort: Effort) -> list[Cell]:
    if not effort.is_full:
        return cells_of((HERE,), (64,), ("calm",), 1, (OURS, "full"))
    return cells_of((HERE,), (32, 64, 128, 256), ("calm",), 2) + cells_of((CLOCK,), (64,), ("calm",), 2)


def tell(rows: list[Row]) -> Told:
    return told(
        rows,
        "Costs are measured just before, by short calls with naps between, as when they play in turn. By the real clock"
        " real amps play, with nobody else to disturb them.",
    )
