"""Presets: the pedalboard a musician writes in YAML becomes a frozen `Preset`, or a list of all its faults.

Rules kept here:
* Every fault is told at once, by file, line and path (`crunch.yaml:12: chain[1].drive.tone: 12000 Hz is above ...`).
  yamlfile.py walks the YAML nodes; a value keeps the spelling of its author (`name: 5150`, a lane called `on`).
* Knobs, files and kinds come from the blocks' own declarations; this file names no effect.
* A preset says what a musician wants. What a machine can bear (budget, period, rate, device) is said on the command
  line, so that a preset sounds the same for everybody.
* Any bytes whatever end as a Preset or a PresetError.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from . import blocks as _declarations  # noqa: F401  importing them fills BLOCKS
from .block import BLOCKS, MOST_FILES, OFF_ON, Block, File, Option, Param
from .errors import PresetError
from .quantity import in_units, parse_quantity
from .yamlfile import NAME, NAME_RULE, TAG, Reader, is_empty, line_of, quote, unknown, what

VERSION = 1
LANES = range(2, 9)
"""How many lanes a split may have."""
LANE_LEVEL = Param("level", "dB", -60, 12, default=0, help="how loud the lane is in the mix")
LANE_PAN = Param("pan", "%", -100, 100, default=0, help="where the lane stands: -100 is left, 100 is right")
LANE_DELAY = Param("delay", "ms", 0, 100, default=0, help="by how much the lane comes later than the others")
TEMPO = Param(
    "tempo", "BPM", 30, 300, default=120, help="quarter notes a minute, for knobs that are set in note values"
)
PRIORITY = Param("priority", "", 0.1, 100, default=1, help="how much this block's sound matters beside the others'")

DEEPEST_SPLIT = 8  # splits inside one another
TAILS = ("ring", "cut")
"""What `tails:` may say: whether a block that is switched off still says what it has to say."""
MACHINE_KEYS = ("budget", "period", "rate", "device")
NOTE = re.compile(r"([1-9][0-9]?)/(1|2|4|8|16|32|64)([.t]?)")
NOTE_RULE = "such as 1/4, 1/8. (dotted) or 1/8t (triplet)"


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
    files: the files that the block needs, as absolute paths to existing files; a tuple of them where it takes many.
    options: those that were set, in their units and within their ranges.
    notes: the knobs among `values` that were set in note values, in quarter notes; their values hold for the tempo.
    priority: 0.1 to 100. line, path: where the block stands in the file, for later faults.
    """

    id: str
    kind: str
    values: Mapping[str, float]
    files: Mapping[str, Path | tuple[Path, ...]]
    slim: Slim
    priority: float
    enabled: bool
    line: int
    path: str
    notes: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, float] = field(default_factory=dict)
    standby: bool = False
    """True: in the chain though it is not enabled, since it may be switched on while the chain plays."""
    tails: str | None = None
    """One of TAILS: whether it rings out when it is switched off or its preset goes; None: as its kind does."""

    @property
    def is_in_chain(self) -> bool:
        return self.enabled or self.standby


@dataclass(frozen=True)
class SceneChange:
    """What a scene changes about one block. values: knobs in their Params' units; enabled: None leaves it as it is."""

    values: Mapping[str, float]
    enabled: bool | None


@dataclass(frozen=True)
class Lane:
    """One lane of a split; an empty chain leaves the sound dry. level: -60 to 12 dB; pan: -100 to 100 %.

    invert: its polarity is turned round in the mix. delay: 0 to 100 ms.
    """

    name: str
    chain: tuple["BlockSpec | Split", ...]
    level_db: float
    pan_percent: float
    invert: bool = False
    delay_ms: float = 0.0


@dataclass(frozen=True)
class Split:
    """Two to eight lanes side by side, and their mix."""

    lanes: tuple[Lane, ...]
    line: int
    path: str


@dataclass(frozen=True)
class Preset:
    """A valid pedalboard. All ids in `chain`, lanes included, differ. tempo: 30 to 300 quarter notes a minute.

    scenes: name -> block id -> what is then other than in `chain`. All else is as `chain` says.
    """

    path: Path
    name: str
    author: str | None
    tags: tuple[str, ...]
    chain: tuple[BlockSpec | Split, ...]
    tempo_bpm: float = TEMPO.default
    scenes: Mapping[str, Mapping[str, SceneChange]] = field(default_factory=dict)


def load(path: str | Path, blocks: Mapping[str, Block] = BLOCKS) -> Preset:
    """The preset in this YAML file, checked against the declared `blocks`. Files are relative to its folder.

    Raises PresetError with all faults of the file.
    """
    reader = _Reader(path, blocks)
    preset = reader.preset(reader.compose())
    reader.raise_faults()
    return preset


def on_standby(preset: Preset) -> Preset:
    """The same pedalboard with all its blocks in the chain, those that are not enabled bypassed."""

    def stand_by(item: BlockSpec | Split) -> BlockSpec | Split:
        if isinstance(item, BlockSpec):
            return replace(item, standby=True)
        lanes = (replace(lane, chain=tuple(map(stand_by, lane.chain))) for lane in item.lanes)
        return replace(item, lanes=tuple(lanes))

    return replace(preset, chain=tuple(map(stand_by, preset.chain)))


def files_of(preset: Preset) -> list[Path]:
    """All files that the blocks of a preset name, whether they are enabled or not."""

    def each(item: BlockSpec | Split) -> Iterable[Path]:
        if isinstance(item, Split):
            return [file for lane in item.lanes for inner in lane.chain for file in each(inner)]
        return [file for named in item.files.values() for file in (named if isinstance(named, tuple) else (named,))]

    return [file for item in preset.chain for file in each(item)]


def parse_note(text: str) -> float | None:
    """A note value in quarter notes: "1/4" is 1, "1/8." (dotted) 0.75, "1/8t" (triplet) a third. None: it is none."""
    found = NOTE.fullmatch(text.strip())
    if not found:
        return None
    count, part, kind = found.groups()
    return 4 * int(count) / int(part) * {"": 1, ".": 3 / 2, "t": 2 / 3}[kind]


def note_at_tempo(quarters: float, tempo_bpm: float, unit: str) -> float:
    """How long a note lasts in "ms", or how often it comes in "Hz"."""
    seconds = quarters * 60 / tempo_bpm
    return 1 / seconds if unit == "Hz" else 1000 * seconds


def values_at_tempo(spec: BlockSpec, params: Iterable[Param], tempo_bpm: float) -> dict[str, float]:
    """What the knobs that were set in note values are at another tempo, as far as their ranges reach."""
    return {
        param.name: min(max(note_at_tempo(spec.notes[param.name], tempo_bpm, param.unit), param.low), param.high)
        for param in params
        if param.name in spec.notes
    }


class _Reader(Reader):
    """One walk over the nodes of one preset."""

    noun = "a preset"
    needs = "version, name and chain"
    error = PresetError

    def __init__(self, path: str | Path, blocks: Mapping[str, Block]):
        super().__init__(str(path))
        self.path = Path(path)
        self.folder = self.path.absolute().parent
        self.blocks = blocks
        self.tempo_bpm = TEMPO.default
        self.ids: dict[str, str] = {}
        """Id -> path of the block that has it."""
        self.kinds: dict[str, str] = {}
        """Id -> kind of the block that has it."""

    def preset(self, root: Node) -> Preset:
        settings = self.mapping(root, "", ("version", "name", "author", "tags", "tempo", "chain", "scenes"))
        for key in ("version", "name", "chain"):
            if key not in settings and isinstance(root, MappingNode):
                self.fault(root, key, "missing")
        self.version(settings.get("version"))
        tags = self.sequence(settings.get("tags"), "tags")
        self.tempo_bpm = self.number(settings.get("tempo"), "tempo", TEMPO) or TEMPO.default
        return Preset(
            path=self.path,
            name=self.text(settings.get("name"), "name"),
            author=self.text(settings.get("author"), "author"),
            tags=tuple(self.text(tag, f"tags[{i}]") for i, tag in enumerate(tags)),
            chain=self.board(settings.get("chain")),
            tempo_bpm=self.tempo_bpm,
            scenes=self.scenes(settings.get("scenes")),
        )

    def unknown_key(self, node: Node, name: str, path: str, allowed: Collection[str]) -> None:
        if name in MACHINE_KEYS:
            told = f"this belongs to the machine, not to the preset; say --{name} on the command line"
            self.fault(node, f"{path}.{name}" if path else name, told)
        else:
            super().unknown_key(node, name, path, allowed)

    def version(self, node: Node | None) -> None:
        text = self.scalar(node, "version", str(VERSION)) if node else None
        if text is None or text == str(VERSION):
            return
        if text.isdecimal() and len(text) < 10 and int(text) > VERSION:
            self.fault(node, "version", f"{text} is newer than this chainrt, which reads version {VERSION}")
        else:
            self.fault(node, "version", f"must be {VERSION}, not {quote(text)}")

    def board(self, node: Node | None) -> tuple[BlockSpec | Split, ...]:
        """The outermost chain, which must do something."""
        if node and (is_empty(node) or not node.value):
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
            found = ", ".join(what(key) for key, _ in entries[:4])
            self.fault(node, path, f"one block an item, not {found}; indent a block's settings further than its name")
            return None
        name, body = entries[0] if entries else (node, None)
        if not isinstance(name, ScalarNode) or is_empty(name):
            self.fault(node, path, f"needs the name of a block, not {what(name)}")
            return None
        kind = name.value
        if kind == "split":
            return self.split(node, body, f"{path}.split", lanes)
        if kind in self.blocks:
            return self.block(node, kind, body, f"{path}.{kind}", lanes)
        self.fault(node, path, unknown("block", kind, (*self.blocks, "split")))
        return None

    def block(self, node: Node, kind: str, body: Node | None, path: str, lanes: tuple[str, ...]) -> BlockSpec:
        declared = self.blocks[kind]
        params = {param.name: param for param in declared.params}
        files = {file.name: file for file in declared.files}
        options = {option.name: option for option in declared.options}
        slimming = ("slim", "priority") if declared.slimmable else ()
        settings = self.mapping(body, path, (*params, *files, *options, *slimming, "tails", "enabled", "id"))
        self.needed_files(node, kind, path, declared.files, settings)
        knobs = [name for name in params if name in settings]
        name = self.id(settings.get("id"), kind, path, lanes)
        self.kinds.setdefault(name, kind)
        return BlockSpec(
            id=name,
            kind=kind,
            values={name: self.knob(settings[name], f"{path}.{name}", params[name]) for name in knobs},
            files={
                name: (self.files if file.many else self.file)(settings[name], f"{path}.{name}")
                for name, file in files.items()
                if name in settings
            },
            options={
                name: self.option(settings[name], f"{path}.{name}", option)
                for name, option in options.items()
                if name in settings
            },
            slim=self.slim(settings.get("slim"), f"{path}.slim"),
            priority=self.number(settings.get("priority"), f"{path}.priority", PRIORITY),
            enabled=self.switch(settings.get("enabled"), f"{path}.enabled"),
            line=line_of(node),
            path=path,
            notes={name: note for name in knobs if (note := self.note(settings[name], params[name]))},
            tails=self.one_of(settings["tails"], f"{path}.tails", TAILS) if "tails" in settings else None,
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
                self.fault(node, place, f"{quote(name)} cannot be an id; {NAME_RULE}")
            elif name in self.ids:
                self.fault(node, place, f"{quote(name)} is the id of {self.ids[name]} already; ids must differ")
        self.ids.setdefault(name, path)
        return name

    def scenes(self, node: Node | None) -> dict[str, dict[str, SceneChange]]:
        """To be read after the chain, whose blocks they change."""
        return {
            name: {
                block: self.scene_change(change, f"scenes.{name}.{block}", self.blocks[self.kinds[block]])
                for block, change in self.mapping(blocks, f"scenes.{name}", self.kinds).items()
            }
            for name, blocks in self.mapping(node, "scenes").items()
        }

    def scene_change(self, node: Node, path: str, declared: Block) -> SceneChange:
        params = {param.name: param for param in declared.params}
        settings = self.mapping(node, path, (*params, "enabled"))
        values = {
            name: self.knob(settings[name], f"{path}.{name}", params[name]) for name in params if name in settings
        }
        enabled = self.switch(settings["enabled"], f"{path}.enabled") if "enabled" in settings else None
        return SceneChange(values, enabled)

    def split(self, node: Node, body: Node | None, path: str, lanes: tuple[str, ...]) -> Split:
        settings = self.mapping(body, path, ("lanes", "mix"))
        written = settings.get("lanes")
        chains = self.mapping(written, f"{path}.lanes")
        if len(chains) not in LANES and (is_empty(written) or isinstance(written, MappingNode)):
            told = f"a split has {LANES[0]} to {LANES[-1]} lanes, not {len(chains)}"
            self.fault(written or node, f"{path}.lanes", told)
        mix = self.mapping(settings.get("mix"), f"{path}.mix", chains)
        return Split(
            tuple(self.lane(name, chain, mix.get(name), path, lanes) for name, chain in chains.items()),
            line_of(node),
            path,
        )

    def lane(self, name: str, chain: Node, mix: Node | None, path: str, lanes: tuple[str, ...]) -> Lane:
        name = name if NAME.fullmatch(name) else quote(name)
        place = f"{path}.mix.{name}"
        params = (LANE_LEVEL, LANE_PAN, LANE_DELAY)
        settings = self.mapping(mix, place, (*(param.name for param in params), "invert"))
        level, pan, delay = (self.number(settings.get(param.name), f"{place}.{param.name}", param) for param in params)
        invert = self.switch(settings.get("invert"), f"{place}.invert", default=False)
        return Lane(name, self.chain(chain, f"{path}.lanes.{name}", (*lanes, name)), level, pan, invert, delay)

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
        if node.tag == TAG + "int" and text.isdecimal() and len(text) < 6:
            return int(text)
        if node.tag != TAG + "str" or not NAME.fullmatch(text) or text == "auto":
            self.fault(node, path, f"needs {wanted}, not {quote(text)}")
        return text

    def knob(self, node: Node, path: str, param: Param | Option) -> float | None:
        """What a knob or a switch is set to, as the number that the kernel reads."""
        if not param.choices:
            return self.number(node, path, param)
        text = self.one_of(node, path, param.choices)
        return text and float(param.choices.index(text))

    def one_of(self, node: Node, path: str, choices: Collection[str]) -> str | None:
        text = self.scalar(node, path, f"one of {', '.join(choices)}")
        if text is None or text in choices:
            return text
        self.fault(node, path, unknown("choice", text, choices))
        return None

    def number(self, node: Node | None, path: str, param: Param | Option) -> float | None:
        """A number with or without a unit, or a note value, in the Param's unit and range; its default without any."""
        if node is None:
            return param.default
        text = self.scalar(node, path, f"a number {in_units(param.unit)}")
        if text is None:
            return None
        at_tempo = ""
        try:
            if note := self.note(node, param):
                value = round(note_at_tempo(note, self.tempo_bpm, param.unit), 9)
                at_tempo = f"{text} at {_amount(self.tempo_bpm, TEMPO)}: "
            else:
                value = parse_quantity(text, param.unit)
        except ValueError as error:
            self.fault(node, path, f"{error}, or a note value {NOTE_RULE}" if param.follows_tempo else str(error))
            return None
        if not param.low <= value <= param.high:
            side, bound = ("below", param.low) if value < param.low else ("above", param.high)
            wrong = f"{at_tempo}{_amount(value, param)} is {side} {_amount(bound, param)}"
            self.fault(node, path, f"{wrong}; {param.low:g} to {_amount(param.high, param)} is allowed")
        return value

    def note(self, node: Node, param: Param) -> float | None:
        """In quarter notes, what was written as a note value for a knob that may be set so."""
        return parse_note(node.value) if param.follows_tempo and isinstance(node, ScalarNode) else None

    def switch(self, node: Node | None, path: str, default: bool = True) -> bool:
        """True or false; the default if there is nothing."""
        text = self.scalar(node, path, "true or false") if node else str(default)
        if node and text is not None and node.tag != TAG + "bool":
            self.fault(node, path, f"needs true or false, not {quote(text)}")
        return text is not None and text.lower() in ("true", "yes", "on")

    def option(self, node: Node, path: str, option: Option) -> float | None:
        if option.choices == OFF_ON:
            return float(self.switch(node, path))
        return self.knob(node, path, option)

    def needed_files(self, node: Node, kind: str, path: str, files: Iterable[File], settings: Collection[str]) -> None:
        """Each file must be there, or else the one that may stand in its place; not both."""
        for file in files:
            instead = [other for other in files if other.instead_of == file.name]
            if file.instead_of:
                if {file.name, file.instead_of} <= set(settings):
                    self.fault(node, f"{path}.{file.name}", f"not together with {file.instead_of}")
            elif file.name not in settings and not any(other.name in settings for other in instead):
                others = "".join(f", or {other.name}: {other.help}" for other in instead)
                self.fault(node, f"{path}.{file.name}", f"missing; {kind} needs this file: {file.help}{others}")

    def files(self, node: Node, path: str) -> tuple[Path, ...]:
        """A list of files, at least one."""
        nodes = self.sequence(node, path)
        if not 1 <= len(nodes) <= MOST_FILES and (is_empty(node) or isinstance(node, SequenceNode)):
            self.fault(node, path, f"needs a list of 1 to {MOST_FILES} files, not {len(nodes)}")
        return tuple(self.file(one, f"{path}[{i}]") for i, one in enumerate(nodes[:MOST_FILES]))

    def file(self, node: Node, path: str) -> Path | None:
        text = self.text(node, path)
        if text is None:
            return None
        asset = self.folder / text
        if not os.path.exists(asset):
            self.fault(node, path, f"{quote(text)} does not exist; paths begin at the preset's folder")
        elif not os.path.isfile(asset):
            self.fault(node, path, f"{quote(text)} is not a file")
        return asset


def _amount(value: float, param: Param) -> str:
    """As in "12000 Hz"."""
    return f"{value:.12g} {param.unit}".strip()
