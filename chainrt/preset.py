"""Presets: the pedalboard a musician writes in YAML becomes a frozen `Preset`, or a list of all its faults.

Rules kept here:
* Every fault is told at once, by file, line and path (`crunch.yaml:12: chain[1].drive.tone: 12000 Hz is above ...`).
  Only a file that is not YAML at all ends the reading early. So the YAML nodes are walked, not the values they stand
  for: nodes know their line, and a value keeps the spelling of its author (`name: 5150`, a lane called `on`).
* Knobs, files and kinds come from the blocks' own declarations; this file names no effect.
* A preset says what a musician wants. What a machine can bear (budget, period, rate, device) is said on the command
  line, so that a preset sounds the same for everybody.
* Any bytes whatever end as a Preset or a PresetError. Aliases may repeat themselves without end, and a small file may
  describe a huge board; so all that is walked is counted and bounded.
"""

import difflib
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from . import blocks as _declarations  # noqa: F401  importing them fills BLOCKS
from .block import BLOCKS, UNITS, Block, Param
from .errors import Fault, PresetError

VERSION = 1
LANES = range(2, 9)
"""How many lanes a split may have."""
LANE_LEVEL = Param("level", "dB", -60, 12, default=0, help="how loud the lane is in the mix")
LANE_PAN = Param("pan", "%", -100, 100, default=0, help="where the lane stands: -100 is left, 100 is right")
PRIORITY = Param("priority", "", 0.1, 100, default=1, help="how much this block's sound matters beside the others'")

LARGEST_FILE = 1_000_000  # bytes; a large pedalboard has 5,000
DEEPEST_YAML = 64  # lists and mappings inside one another; the YAML library recurses once for each
DEEPEST_SPLIT = 8  # splits inside one another
MOST_ENTRIES = 5000  # list items and keys, aliases counted as often as they are used
LONGEST_VALUE = 4096  # characters; Linux opens no longer path
MOST_FAULTS = 100

MACHINE_KEYS = ("budget", "period", "rate", "device")
NAME = re.compile(r"[\w-]{1,40}")
NAME_RULE = "letters, digits, '_' and '-' are allowed, at most 40"
QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(%|[^\W\d_]*)")
TAB_INDENT = re.compile(r"^ *\t[ \t]*(?=[^\s#])", re.MULTILINE)
CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1, chapter 5.1

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG = "tag:yaml.org,2002:"
SYNTAX = (
    # what PyYAML or libyaml says, the mark that is worth showing, and what a musician can do about it
    ("mapping values", "problem", "unexpected ':'; check the indentation, and put text that holds ': ' in quotes"),
    ("expected ',' or", "context", "this bracket is not closed, or a comma is missing, before line {seen}"),
    ("unexpected end of stream", "context", "this quote is not closed"),
    ("could not find expected ':'", "context", "a ':' is missing in this line"),
    ("undefined alias", "problem", "an alias (*name) needs an anchor (&name) above it"),
    ("escape", "problem", "'\\' has a meaning of its own in double quotes; use single quotes"),
    ("cannot start", "problem", "a tab or a sign such as @, % or ` stands here; use spaces, or put the text in quotes"),
    ("another document", "problem", "a second '---' begins here; a file holds one preset"),
    ("", "problem", "this line does not fit the lines above it; check the indentation, brackets and quotes"),
)


@dataclass(frozen=True)
class Slim:
    """The levels a slimmable block may run at, from `min` to `max`, each a level's name or its index (0: smallest).

    None is no bound, so `Slim()` is `auto`; one fixed level is both bounds. Whether a model has such a level is only
    known when it is loaded.
    """

    min: str | int | None = None
    max: str | int | None = None


@dataclass(frozen=True)
class BlockSpec:
    """One block of a preset.

    values: the knobs that were set, in their Params' units and within their ranges; all others have their defaults.
    files: every file the block declares, as an absolute path to an existing file.
    priority: 0.1 to 100. line, path: where the block stands in the file, for later faults.
    """

    id: str
    kind: str
    values: Mapping[str, float]
    files: Mapping[str, Path]
    slim: Slim
    priority: float
    enabled: bool
    line: int
    path: str


@dataclass(frozen=True)
class Lane:
    """One lane of a split; an empty chain leaves the sound dry. level: -60 to 12 dB; pan: -100 to 100 %."""

    name: str
    chain: tuple["BlockSpec | Split", ...]
    level_db: float
    pan_percent: float


@dataclass(frozen=True)
class Split:
    """Two to eight lanes side by side, and their mix."""

    lanes: tuple[Lane, ...]
    line: int
    path: str


@dataclass(frozen=True)
class Preset:
    """A valid pedalboard. All ids in `chain`, lanes included, differ."""

    path: Path
    name: str
    author: str | None
    tags: tuple[str, ...]
    chain: tuple[BlockSpec | Split, ...]


def load(path: str | Path, blocks: Mapping[str, Block] = BLOCKS) -> Preset:
    """The preset in this YAML file, checked against the declared `blocks`. Files are relative to its folder.

    Raises PresetError with all faults of the file.
    """
    reader = _Reader(Path(path), blocks)
    preset = reader.preset(_compose(_read(path), str(path)))
    reader.raise_faults()
    return preset


def parse_quantity(text: str, unit: str) -> float:
    """The number in `text` in `unit` (a key of UNITS): "0.38 s" is 380.0 in "ms", "12%" is 12.0 in "%".

    A bare number is in `unit`. Raises ValueError, whose text says what is allowed.
    """
    found = QUANTITY.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{_quote(text)} is not a number; write one {_in_units(unit)}")
    number, written = found.groups()
    if written and written not in UNITS[unit]:
        raise ValueError(f"{_quote(text)}: the unit {_quote(written)} is not allowed; write a number {_in_units(unit)}")
    # A unit is a power of ten, so 9 decimals lose nothing: 4.1 kHz is 4100 Hz and not 4099.999999999999.
    value = round(float(number) * UNITS[unit][written or unit], 9)
    if not math.isfinite(value):
        raise ValueError(f"{_quote(text)} is too large")
    return value


def _read(path: str | Path) -> str:
    """The text of the file, if it is UTF-8 of a reasonable size without characters that no text has."""

    def refuse(message: str, line: int | None = None) -> NoReturn:
        raise PresetError(Fault(str(path), message, line))

    if not os.path.exists(path):
        refuse("this file does not exist")
    if not os.path.isfile(path):
        refuse("this is not a file")
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        refuse(f"this file cannot be read: {error.strerror}")
    if len(data) > LARGEST_FILE:
        refuse(f"this file is larger than {LARGEST_FILE // 1_000_000} MB, too large for a preset")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse("this is not UTF-8 text; save the file as UTF-8", _line_at(data, error.start))
    if found := CONTROL.search(text):
        line = _line_at(text, found.start())
        refuse(f"the control character U+{ord(found[0]):04X} is not allowed; save the file as UTF-8 text", line)
    if found := TAB_INDENT.search(text):
        refuse("this line is indented with a tab; use spaces", _line_at(text, found.start()))
    return text


def _compose(text: str, file: str) -> Node:
    """The root of the YAML nodes in `text`."""
    try:
        depth = 0
        for event in yaml.parse(text, LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_YAML:
                line = event.start_mark.line + 1
                raise PresetError(Fault(file, f"more than {DEEPEST_YAML} lists and mappings inside one another", line))
        root = yaml.compose(text, LOADER)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: numbers of absurd size in escapes
        raise PresetError(_syntax_fault(error, file)) from None
    if root is None:
        raise PresetError(Fault(file, "this file is empty; a preset needs version, name and chain"))
    return root


def _syntax_fault(error: Exception, file: str) -> Fault:
    """What the YAML library complains about, in a musician's words."""
    seen = getattr(error, "problem_mark", None)
    if seen is None:
        return Fault(file, "this is not YAML")
    said = f"{error.context} {error.problem}"
    mark, advice = next((mark, advice) for phrase, mark, advice in SYNTAX if phrase in said)
    shown = (mark == "context" and error.context_mark) or seen
    return Fault(file, "this is not YAML: " + advice.format(seen=seen.line + 1), shown.line + 1)


class _Reader:
    """One walk over the nodes of one preset. Methods note faults and go on; what they then return is of no use."""

    def __init__(self, path: Path, blocks: Mapping[str, Block]):
        self.path = path
        self.folder = path.absolute().parent
        self.blocks = blocks
        self.faults: list[Fault] = []
        self.entries = 0
        self.ids: dict[str, str] = {}
        """Id -> path of the block that has it."""

    def fault(self, node: Node, path: str, message: str) -> None:
        self.faults.append(Fault(str(self.path), message, _line(node), path or None))
        if len(self.faults) == MOST_FAULTS:
            self.give_up(f"reading stopped after {MOST_FAULTS} faults; there may be more")

    def give_up(self, message: str) -> NoReturn:
        self.faults.append(Fault(str(self.path), message))
        self.raise_faults()

    def count(self, node: MappingNode | SequenceNode) -> None:
        self.entries += len(node.value)
        if self.entries > MOST_ENTRIES:
            self.give_up(f"more than {MOST_ENTRIES} entries, aliases included; reading stopped there")

    def raise_faults(self) -> None:
        """Raise PresetError if there are faults, in the order of their lines."""
        if self.faults:
            raise PresetError(sorted(self.faults, key=lambda fault: fault.line or math.inf))

    def preset(self, root: Node) -> Preset:
        settings = self.mapping(root, "", ("version", "name", "author", "tags", "chain"))
        for key in ("version", "name", "chain"):
            if key not in settings and isinstance(root, MappingNode):
                self.fault(root, key, "missing")
        self.version(settings.get("version"))
        tags = self.sequence(settings.get("tags"), "tags")
        return Preset(
            path=self.path,
            name=self.text(settings.get("name"), "name"),
            author=self.text(settings.get("author"), "author"),
            tags=tuple(self.text(tag, f"tags[{i}]") for i, tag in enumerate(tags)),
            chain=self.board(settings.get("chain")),
        )

    def version(self, node: Node | None) -> None:
        text = self.scalar(node, "version", str(VERSION)) if node else None
        if text is None or text == str(VERSION):
            return
        if text.isdecimal() and len(text) < 10 and int(text) > VERSION:
            self.fault(node, "version", f"{text} is newer than this chainrt, which reads version {VERSION}")
        else:
            self.fault(node, "version", f"must be {VERSION}, not {_quote(text)}")

    def board(self, node: Node | None) -> tuple[BlockSpec | Split, ...]:
        """The outermost chain, which must do something."""
        if node and (_is_empty(node) or not node.value):
            self.fault(node, "chain", "this chain is empty; it needs at least one block")
            return ()
        return self.chain(node, "chain", ())

    def chain(self, node: Node | None, path: str, lanes: tuple[str, ...]) -> tuple[BlockSpec | Split, ...]:
        """`lanes` are the names of the lanes around this chain, outermost first."""
        if len(lanes) > DEEPEST_SPLIT:
            self.fault(node, path, f"more than {DEEPEST_SPLIT} splits inside one another, or an alias inside itself")
            return ()
        return tuple(self.item(item, f"{path}[{i}]", lanes) for i, item in enumerate(self.sequence(node, path)))

    def item(self, node: Node, path: str, lanes: tuple[str, ...]) -> BlockSpec | Split | None:
        entries = node.value if isinstance(node, MappingNode) else [(node, None)]
        if len(entries) > 1:
            found = ", ".join(_what(key) for key, _ in entries[:4])
            self.fault(node, path, f"one block an item, not {found}; indent a block's settings further than its name")
            return None
        name, body = entries[0] if entries else (node, None)
        if not isinstance(name, ScalarNode) or _is_empty(name):
            self.fault(node, path, f"needs the name of a block, not {_what(name)}")
            return None
        kind = name.value
        if kind == "split":
            return self.split(node, body, f"{path}.split", lanes)
        if kind in self.blocks:
            return self.block(node, kind, body, f"{path}.{kind}", lanes)
        self.fault(node, path, _unknown("block", kind, (*self.blocks, "split")))
        return None

    def block(self, node: Node, kind: str, body: Node | None, path: str, lanes: tuple[str, ...]) -> BlockSpec:
        declared = self.blocks[kind]
        params = {param.name: param for param in declared.params}
        files = {file.name: file.help for file in declared.files}
        common = ("slim", "priority", "enabled", "id") if declared.slimmable else ("enabled", "id")
        settings = self.mapping(body, path, (*params, *files, *common))
        for name, purpose in files.items():
            if name not in settings:
                self.fault(node, f"{path}.{name}", f"missing; {kind} needs this file: {purpose}")
        knobs = [name for name in params if name in settings]
        return BlockSpec(
            id=self.id(settings.get("id"), kind, path, lanes),
            kind=kind,
            values={name: self.number(settings[name], f"{path}.{name}", params[name]) for name in knobs},
            files={name: self.file(settings[name], f"{path}.{name}") for name in files if name in settings},
            slim=self.slim(settings.get("slim"), f"{path}.slim"),
            priority=self.number(settings.get("priority"), f"{path}.priority", PRIORITY),
            enabled=self.switch(settings.get("enabled"), f"{path}.enabled"),
            line=_line(node),
            path=path,
        )

    def id(self, node: Node | None, kind: str, path: str, lanes: tuple[str, ...]) -> str | None:
        """The id that was given, or else `lane.kind`, with a number from 2 on if that is taken."""
        if node is None:
            name = plain = ".".join((*lanes, kind))
            number = 1
            while name in self.ids:
                number += 1
                name = f"{plain}{number}"
        else:
            place = f"{path}.id"
            name = self.text(node, place)
            if name is None:
                return None
            if not NAME.fullmatch(name):
                self.fault(node, place, f"{_quote(name)} cannot be an id; {NAME_RULE}")
            elif name in self.ids:
                self.fault(node, place, f"{_quote(name)} is the id of {self.ids[name]} already; ids must differ")
        self.ids.setdefault(name, path)
        return name

    def split(self, node: Node, body: Node | None, path: str, lanes: tuple[str, ...]) -> Split:
        settings = self.mapping(body, path, ("lanes", "mix"))
        written = settings.get("lanes")
        chains = self.mapping(written, f"{path}.lanes")
        if len(chains) not in LANES and (_is_empty(written) or isinstance(written, MappingNode)):
            told = f"a split has {LANES[0]} to {LANES[-1]} lanes, not {len(chains)}"
            self.fault(written or node, f"{path}.lanes", told)
        mix = self.mapping(settings.get("mix"), f"{path}.mix", chains)
        return Split(
            tuple(self.lane(name, chain, mix.get(name), path, lanes) for name, chain in chains.items()),
            _line(node),
            path,
        )

    def lane(self, name: str, chain: Node, mix: Node | None, path: str, lanes: tuple[str, ...]) -> Lane:
        name = name if NAME.fullmatch(name) else _quote(name)
        place = f"{path}.mix.{name}"
        settings = self.mapping(mix, place, (LANE_LEVEL.name, LANE_PAN.name))
        level, pan = (
            self.number(settings.get(param.name), f"{place}.{param.name}", param) for param in (LANE_LEVEL, LANE_PAN)
        )
        return Lane(name, self.chain(chain, f"{path}.lanes.{name}", (*lanes, name)), level, pan)

    def slim(self, node: Node | None, path: str) -> Slim:
        if isinstance(node, MappingNode):
            if not node.value:
                self.fault(node, path, "needs min, max or both")
            bounds = self.mapping(node, path, ("min", "max"))
            return Slim(**{name: self.level(bound, f"{path}.{name}") for name, bound in bounds.items()})
        if node is None or node.value == "auto":
            return Slim()
        level = self.level(node, path, "auto, {min: ..., max: ...} or ")
        return Slim(level, level)

    def level(self, node: Node, path: str, besides: str = "") -> str | int | None:
        wanted = f"{besides}a level: its name such as full or lite, or its index, 0 for the smallest"
        text = self.scalar(node, path, wanted)
        if text is None:
            return None
        if node.tag == TAG + "int" and text.isdecimal() and len(text) < 4:
            return int(text)
        if node.tag != TAG + "str" or not NAME.fullmatch(text) or text == "auto":
            self.fault(node, path, f"needs {wanted}, not {_quote(text)}")
        return text

    def number(self, node: Node | None, path: str, param: Param) -> float | None:
        """A number with or without a unit, in the Param's unit and range; its default if there is none."""
        if node is None:
            return param.default
        text = self.scalar(node, path, f"a number {_in_units(param.unit)}")
        if text is None:
            return None
        try:
            value = parse_quantity(text, param.unit)
        except ValueError as error:
            self.fault(node, path, str(error))
            return None
        if not param.low <= value <= param.high:
            side, bound = ("below", param.low) if value < param.low else ("above", param.high)
            wrong = f"{_amount(value, param)} is {side} {_amount(bound, param)}"
            self.fault(node, path, f"{wrong}; {param.low:g} to {_amount(param.high, param)} is allowed")
        return value

    def switch(self, node: Node | None, path: str) -> bool:
        """True or false; true if there is nothing."""
        text = self.scalar(node, path, "true or false") if node else "true"
        if node and text is not None and node.tag != TAG + "bool":
            self.fault(node, path, f"needs true or false, not {_quote(text)}")
        return text is not None and text.lower() in ("true", "yes", "on")

    def file(self, node: Node, path: str) -> Path | None:
        text = self.text(node, path)
        if text is None:
            return None
        asset = self.folder / text
        if not os.path.exists(asset):
            self.fault(node, path, f"{_quote(text)} does not exist; paths begin at the preset's folder")
        elif not os.path.isfile(asset):
            self.fault(node, path, f"{_quote(text)} is not a file")
        return asset

    def text(self, node: Node | None, path: str) -> str | None:
        """One line of text, however it is quoted; a number or a word like `on` is text, too."""
        text = self.scalar(node, path, "text") if node else None
        if text is not None and (not text.strip() or len(text.splitlines()) > 1 or CONTROL.search(text)):
            self.fault(node, path, f"needs one line of text, not {_quote(text)}")
            return None
        return text and text.strip()

    def scalar(self, node: Node, path: str, wanted: str) -> str | None:
        if not isinstance(node, ScalarNode) or _is_empty(node):
            self.fault(node, path, f"needs {wanted}, not {_what(node)}")
        elif len(node.value) > LONGEST_VALUE:
            self.fault(node, path, f"needs {wanted}, not {len(node.value)} characters")
        else:
            return node.value
        return None

    def sequence(self, node: Node | None, path: str) -> list[Node]:
        """The items of a list. An empty one may be left out."""
        if _is_empty(node):
            return []
        if not isinstance(node, SequenceNode):
            self.fault(node, path, f"needs a list, not {_what(node)}")
            return []
        self.count(node)
        return node.value

    def mapping(self, node: Node | None, path: str, allowed: Collection[str] | None = None) -> dict[str, Node]:
        """The `allowed` keys of a mapping (None: any name) and what they hold. An empty one may be left out."""
        if _is_empty(node):
            return {}
        if not isinstance(node, MappingNode):
            hint = f" such as '{next(iter(allowed))}: ...'" if allowed else ""
            self.fault(node, path, f"needs lines of 'key: value'{hint}, not {_what(node)}")
            return {}
        self.count(node)
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.fault(key, path, f"a key must be a word, not {_what(key)}")
                continue
            name = key.value
            if name in lines:
                self.fault(key, path, f"{_quote(name)} is here twice, first in line {lines[name]}")
                continue
            lines[name] = _line(key)
            if allowed is None and not NAME.fullmatch(name):
                self.fault(key, path, f"{_quote(name)} cannot be a name; {NAME_RULE}")
            if allowed is None or name in allowed:
                found[name] = value
            elif name in MACHINE_KEYS:
                told = f"this belongs to the machine, not to the preset; say --{name} on the command line"
                self.fault(key, f"{path}.{name}" if path else name, told)
            else:
                self.fault(key, path, _unknown("key", name, allowed))
        return found


def _is_empty(node: Node | None) -> bool:
    """True for what was left out and for a key or a dash with nothing behind it."""
    return node is None or (isinstance(node, ScalarNode) and node.tag == TAG + "null")


def _line(node: Node) -> int:
    return node.start_mark.line + 1


def _line_at(text: str | bytes, position: int) -> int:
    return text.count(b"\n" if isinstance(text, bytes) else "\n", 0, position) + 1


def _what(node: Node) -> str:
    """What was written instead of what is wanted: "a list"."""
    if isinstance(node, ScalarNode):
        return "nothing" if _is_empty(node) else _quote(node.value)
    return "a list" if isinstance(node, SequenceNode) else "a mapping"


def _quote(text: str) -> str:
    """A user's text on one line of reasonable length."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    closest = difflib.get_close_matches(name[:40], allowed, n=1)
    hint = f", did you mean {closest[0]}?" if closest else ";"
    return f"unknown {what} {_quote(name)}{hint} allowed: {', '.join(allowed) or 'none'}"


def _in_units(unit: str) -> str:
    """What may be written: "in Hz or kHz"."""
    return f"in {' or '.join(UNITS[unit])}" if unit else "without a unit"


def _amount(value: float, param: Param) -> str:
    """As in "12000 Hz"."""
    return f"{value:.12g} {param.unit}".strip()
