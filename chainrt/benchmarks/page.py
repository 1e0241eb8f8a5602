"""The page: every chapter's findings, tables and pictures in one HTML file, beside them PNG files and JSON.

Rules kept here:
* The page needs no network, no script and no other file; only sounds are files beside it. It follows the reader's
  choice of light or dark, and narrow screens scroll tables and pictures sideways instead of shrinking them.
* A table of more than LONG_TABLE lines is folded, so that what comes after it is found.
* Whatever stands on it was computed from rows; a chapter that was not measured to its end says so.
* Without matplotlib there are tables and findings only, and one line says how to get the pictures.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path

from .chapter import Picture, Row, Sound, Table, Told
from .ink import DARK, LIGHT, Ink

DOTS_PER_INCH = 120
LONG_TABLE = 150  # lines
FILES = "files"  # the folder beside the page with what chapters have written
NO_PICTURES = "No pictures: they need matplotlib (pip install 'chainrt[plots]')."


@dataclass(frozen=True)
class Entry:
    """One chapter as it goes onto the page. told: None while nothing was measured."""

    name: str
    title: str
    measured: int
    cells: int
    rows: list[Row]
    told: Told | None


def can_draw() -> bool:
    return find_spec("matplotlib") is not None


def draw(picture: Picture, ink: Ink) -> bytes:
    """The picture as PNG."""
    import matplotlib
    from matplotlib.figure import Figure  # without pyplot: no window system is asked for

    with matplotlib.rc_context(ink.style):
        figure = Figure(figsize=picture.inches, layout="constrained")
        picture.draw(figure, ink)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH)
    return file.getvalue()


def html(entries: Sequence[Entry], about: Sequence[str], pictures: dict[tuple[str, str, str], bytes]) -> str:
    """The whole page. about: paragraphs at its head; pictures: PNG by (chapter, picture, ink)."""
    contents = "".join(f'<li><a href="#{entry.name}">{escape(entry.title)}</a></li>' for entry in entries)
    chapters = "".join(_chapter(entry, pictures) for entry in entries)
    head = _paragraphs(about) + ("" if pictures or can_draw() else _paragraphs([NO_PICTURES]))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>chainrt bench</title><style>{STYLE}</style></head>\n<body>"
        f"<header><h1>chainrt bench</h1>{head}<nav><ol>{contents}</ol></nav></header>\n{chapters}</body></html>\n"
    )


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _chapter(entry: Entry, pictures: dict[tuple[str, str, str], bytes]) -> str:
    parts = ""
    if entry.measured < entry.cells:
        parts += f'<p class="part">{entry.measured:,} of {entry.cells:,} cells were measured.</p>'
    if entry.told:
        findings = "".join(f"<li>{escape(text)}</li>" for text in entry.told.findings)
        parts += f'<ul class="findings">{findings}</ul>' if findings else ""
        parts += f"<details open><summary>What was measured</summary>{_paragraphs(entry.told.about)}</details>"
        parts += "".join(_part(entry.name, part, pictures) for part in entry.told.parts)
    return f'<section id="{entry.name}"><h2>{escape(entry.title)}</h2>{parts}</section>\n'


def _part(chapter: str, part: Table | Picture | Sound, pictures: dict[tuple[str, str, str], bytes]) -> str:
    if isinstance(part, Table):
        if len(part.rows) <= LONG_TABLE:
            return f"<figure><figcaption>{escape(part.caption)}</figcaption>{_table(part)}</figure>"
        return f"<details><summary>{escape(part.caption)}: {len(part.rows):,} lines</summary>{_table(part)}</details>"
    if isinstance(part, Sound):
        href = escape(f"{FILES}/{part.file}", quote=True)
        link = f'<a href="{href}">{escape(part.caption)}</a>'
        return f'<p>{link}<br><audio controls preload="none" src="{href}"></audio></p>'
    light, dark = (pictures.get((chapter, part.name, ink.name)) for ink in (LIGHT, DARK))
    if light is None:
        return ""
    width = round(96 * part.inches[0])
    return (
        f'<figure><figcaption>{escape(part.caption)}</figcaption><div class="wide"><picture>'
        f'<source media="(prefers-color-scheme: dark)" srcset="{_data(dark)}">'
        f'<img src="{_data(light)}" width="{width}" alt="{escape(part.caption, quote=True)}"></picture></div></figure>'
    )


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _table(table: Table) -> str:
    sides = [' class="number"' if heading.endswith(">") else "" for heading in table.headings]
    pairs = zip(table.headings, sides, strict=True)
    head = "".join(f"<th{side}>{escape(heading.rstrip('>'))}</th>" for heading, side in pairs)
    rows = "".join(
        "<tr>" + "".join(f"<td{side}>{escape(cell)}</td>" for cell, side in zip(row, sides, strict=True)) + "</tr>"
        for row in table.rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def markdown(told: Told) -> str:
    """Findings and tables for bench/RESULTS.md."""
    lines = [*told.about, *(f"* {text}" for text in told.findings)]
    blocks = ["\n\n".join(told.about), "\n".join(lines[len(told.about) :])]
    for part in told.parts:
        if isinstance(part, Table):
            rule = ["---:" if heading.endswith(">") else "---" for heading in part.headings]
            rows = [[heading.rstrip(">") for heading in part.headings], rule, *part.rows]
            blocks += [part.caption, "\n".join(f"| {' | '.join(row)} |" for row in rows)]
    return "\n\n".join(block for block in blocks if block)


def answer(entries: Sequence[Entry], about: dict) -> dict:
    """Everything on the page, and all rows without their series, as one JSON object."""
    return about | {
        "chapters": {
            entry.name: {
                "title": entry.title,
                "cells": entry.cells,
                "measured": entry.measured,
                "findings": list(entry.told.findings) if entry.told else [],
                "tables": {
                    part.name: [dict(zip(_keys(part), row, strict=True)) for row in part.rows]
                    for part in (entry.told.parts if entry.told else ())
                    if isinstance(part, Table)
                },
                "rows": [
                    {key: value for key, value in row.items() if not isinstance(value, list)} for row in entry.rows
                ],
            }
            for entry in entries
        }
    }


def _keys(table: Table) -> list[str]:
    return [heading.rstrip(">") for heading in table.headings]


def write(folder: Path, entries: Sequence[Entry], about: Sequence[str]) -> Path:
    """Write the page and its pictures into a folder; the path of the page."""
    pictures: dict[tuple[str, str, str], bytes] = {}
    if can_draw():
        for entry in entries:
            for part in entry.told.parts if entry.told else ():
                if isinstance(part, Picture):
                    for ink in (LIGHT, DARK):
                        pictures[entry.name, part.name, ink.name] = draw(part, ink)
                    (folder / f"{entry.name}-{part.name}.png").write_bytes(pictures[entry.name, part.name, LIGHT.name])
    path = folder / "index.html"
    path.write_text(html(entries, about, pictures), "utf-8")
    return path


STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1d1d1f; --faint: #d6d6da; --soft: #f5f5f7; --link: #0059a8 }
@media (prefers-color-scheme: dark) {
  :root { --back: #16171a; --text: #e8e8ea; --faint: #3a3b40; --soft: #202126; --link: #7cc0ff }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1280px; padding: 1rem 1.2rem 4rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif }
a { color: var(--link) }
h1 { margin: .5rem 0 } h2 { margin: 3rem 0 .5rem; border-top: 1px solid var(--faint); padding-top: 1.5rem }
p, li { max-width: 75ch }
nav ol { padding-left: 1.4rem } .part { font-weight: bold }
.findings { background: var(--soft); border-left: 4px solid var(--link); margin: 1rem 0;
  padding: .7rem 1rem .7rem 2rem }
details { margin: 1rem 0 } summary { cursor: pointer; font-weight: 600 }
figure { margin: 1.5rem 0 } figcaption { margin-bottom: .5rem; font-weight: 600; max-width: 75ch }
.wide { overflow-x: auto } .wide img { display: block; height: auto; max-width: none }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--faint) }
th { border-bottom: 2px solid var(--faint); white-space: normal; vertical-align: bottom } .number { text-align: right }
tbody tr:nth-child(even) { background: var(--soft) }
audio { width: min(100%, 480px) }
"""
