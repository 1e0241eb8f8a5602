"""How many amps fit, simulated: devices from the box."""

from ..chapter import Cell, Effort, Row, Told
from ..counting import cells_of, told
from ..instances import measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "How many amps fit on a device"
IS_TIMED = False
DEVICES = ("pi4",)


def cells(effort: Effort) -> list[Cell]:
    scenarios, frames, seconds = (
        (("calm", "bursts"), (32, 64, 128, 256), 12) if effort.is_full else (("calm",), (64, 256), 3)
    )
    return cells_of(DEVICES, frames, scenarios, seconds)


def tell(rows: list[Row]) -> Told:
    return told(rows, "Costs are those of the device's profile.")
