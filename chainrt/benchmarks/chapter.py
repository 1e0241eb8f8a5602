"""What a chapter of the benchmarks is: a module with these names, listed in `chapters.NAMES`.

    TITLE: str          its heading on the page
    IS_TIMED: bool      True: its cells read a real clock
    cells(effort)       its independent measurements as a list of dictionaries of strings, numbers and booleans
    measure(cell, folder)   one of them: a dictionary that JSON can hold
    tell(rows)          what they say: `Told`

Rules kept here:
* A row is a cell and what was measured, in one dictionary; `measure` returns none of the cell's own keys.
* The same cell gives the same figures in any process and order (IS_TIMED apart). So cells that are not timed are
  measured on all cores at once; timed ones alone, one after the other, in the process of the command, at the end.
* `measure` may be that of another module; two chapters with the same `measure` share the rows of equal cells. What
  was measured is forgotten when a source changes that the module of `measure` imports, near or far, and only then: a
  `measure` that takes long stands in a module of its own, apart from texts and pictures.
* `measure` may write files (WAV) into `folder`, and names them in its result under "files"; a row whose files are gone
  is measured again. It prints nothing.
* `tell` is given at least one row, in the order of the cells, but maybe not all: a page is made of whatever is there.
  It says on how much evidence its figures stand, counted from the rows, and ranks nothing by hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Cell = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much to measure. name: "quick" or "full"; quick is done in two minutes on two cores, all chapters together.

    seeds: runs of the same with other weather.
    """

    name: str
    seeds: int

    @property
    def is_full(self) -> bool:
        return self.name == "full"


QUICK, FULL = Effort("quick", 3), Effort("full", 20)


@dataclass(frozen=True)
class Table:
    """Cells are written as they shall be read. A heading that ends in ">" stands over right-aligned cells.

    name: letters and dashes, one of its kind in the chapter: part of the JSON.
    """

    name: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """draw(figure, ink): draws on an empty matplotlib Figure of `inches` (wide, high), in the colours of `ink`.

    It is drawn twice, for light and for dark pages: see ink.Ink. Constrained layout; no pyplot. name: as in Table.
    """

    name: str
    caption: str
    draw: Callable
    inches: tuple[float, float] = (9.0, 5.0)


@dataclass(frozen=True)
class Sound:
    """A WAV file that `measure` has written, to be listened to; file: as named under "files"."""

    caption: str
    file: str


@dataclass(frozen=True)
class Told:
    """A chapter on the page. about: what was measured, how, on how much evidence, how it could fail: paragraphs.

    findings: sentences made from the rows, ties and losses included. parts: in the order in which they are read.
    """

    about: Sequence[str]
    findings: Sequence[str]
    parts: Sequence[Table | Picture | Sound]
