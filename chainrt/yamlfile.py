"""YAML files that people write, read so that every fault can be told by file, line and path.

Why nodes and not the values they stand for: nodes know their line, and a value keeps the spelling of its author.

Rules kept here:
* A file that is not YAML at all ends the reading early; all other faults are noted, and told together at the end.
* Any bytes whatever end as nodes or as the reader's error. Aliases may repeat themselves without end, and a small file
  may describe a huge one; so all that is walked is counted and bounded.
"""

import difflib
import math
import os
import re
from collections.abc import Collection, Iterable
from typing import NoReturn

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from .errors import ChainrtError, Fault

LARGEST_FILE = 1_000_000  # bytes; a large pedalboard has 5,000
DEEPEST_YAML = 64  # lists and mappings inside one another; the YAML library recurses once for each
TOO_DEEP = f"more than {DEEPEST_YAML} lists and mappings inside one another"
MOST_ENTRIES = 5000  # list items and keys, aliases counted as often as they are used
LONGEST_VALUE = 4096  # characters; Linux opens no longer path
MOST_FAULTS = 100

NAME = re.compile(r"[\w-]{1,40}")
NAME_RULE = "letters, digits, '_' and '-' are allowed, at most 40"
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
    ("another document", "problem", "a second '---' begins here; a file holds {noun}"),
    ("", "problem", "this line does not fit the lines above it; check the indentation, brackets and quotes"),
)


class Reader:
    """One walk over the nodes of one file. Methods note faults and go on; what they then return is of no use."""

    noun = "one document"
    """What the file holds, as in "too large for a preset"."""
    needs = "some keys"
    """What it must hold, as in "version, name and chain"."""
    error = ChainrtError

    def __init__(self, source: str):
        self.source = source
        self.faults: list[Fault] = []
        self.entries = 0

    def read(self) -> str:
        """The text of the file, if it is UTF-8 of a reasonable size without characters that no text has."""

        def refuse(message: str, line: int | None = None) -> NoReturn:
            raise self.error(Fault(self.source, message, line))

        if not os.path.exists(self.source):
            refuse("this file does not exist")
        if not os.path.isfile(self.source):
            refuse("this is not a file")
        try:
            with open(self.source, "rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as error:
            refuse(f"this file cannot be read: {error.strerror}")
        if len(data) > LARGEST_FILE:
            refuse(f"this file is larger than {LARGEST_FILE // 1_000_000} MB, too large for {self.noun}")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            refuse("this is not UTF-8 text; save the file as UTF-8", line_at(data, error.start))
        if found := CONTROL.search(text):
            line = line_at(text, found.start())
            refuse(f"the control character U+{ord(found[0]):04X} is not allowed; save the file as UTF-8 text", line)
        if found := TAB_INDENT.search(text):
            refuse("this line is indented with a tab; use spaces", line_at(text, found.start()))
        return text

    def compose(self) -> Node:
        """The root of the YAML nodes in the file."""
        text, file = self.read(), self.source
        try:
            depth = 0
            for event in yaml.parse(text, LOADER):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > DEEPEST_YAML:
                    raise self.error(Fault(file, TOO_DEEP, event.start_mark.line + 1))
            root = yaml.compose(text, LOADER)
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: numbers of absurd size in escapes
            raise self.error(_syntax_fault(error, file, self.noun)) from None
        if root is None:
            raise self.error(Fault(file, f"this file is empty; {self.noun} needs {self.needs}"))
        return root

    def fault(self, node: Node, path: str, message: str) -> None:
        self.faults.append(Fault(self.source, message, line_of(node), path or None))
        if len(self.faults) == MOST_FAULTS:
            self.give_up(f"reading stopped after {MOST_FAULTS} faults; there may be more")

    def give_up(self, message: str) -> NoReturn:
        self.faults.append(Fault(self.source, message))
        self.raise_faults()

    def count(self, node: MappingNode | SequenceNode) -> None:
        self.entries += len(node.value)
        if self.entries > MOST_ENTRIES:
            self.give_up(f"more than {MOST_ENTRIES} entries, aliases included; reading stopped there")

    def raise_faults(self) -> None:
        """Raise `error` if there are faults, in the order of their lines."""
        if self.faults:
            raise self.error(sorted(self.faults, key=lambda fault: fault.line or math.inf))

    def text(self, node: Node | None, path: str) -> str | None:
        """One line of text, however it is quoted; a number or a word like `on` is text, too."""
        text = self.scalar(node, path, "text") if node else None
        if text is not None and (not text.strip() or len(text.splitlines()) > 1 or CONTROL.search(text)):
            self.fault(node, path, f"needs one line of text, not {quote(text)}")
            return None
        return text and text.strip()

    def scalar(self, node: Node, path: str, wanted: str) -> str | None:
        if not isinstance(node, ScalarNode) or is_empty(node):
            self.fault(node, path, f"needs {wanted}, not {what(node)}")
        elif len(node.value) > LONGEST_VALUE:
            self.fault(node, path, f"needs {wanted}, not {len(node.value)} characters")
        else:
            return node.value
        return None

    def sequence(self, node: Node | None, path: str) -> list[Node]:
        """The items of a list. An empty one may be left out."""
        if is_empty(node):
            return []
        if not isinstance(node, SequenceNode):
            self.fault(node, path, f"needs a list, not {what(node)}")
            return []
        self.count(node)
        return node.value

    def mapping(self, node: Node | None, path: str, allowed: Collection[str] | None = None) -> dict[str, Node]:
        """The `allowed` keys of a mapping (None: any name) and what they hold. An empty one may be left out."""
        if is_empty(node):
            return {}
        if not isinstance(node, MappingNode):
            hint = f" such as '{next(iter(allowed))}: ...'" if allowed else ""
            self.fault(node, path, f"needs lines of 'key: value'{hint}, not {what(node)}")
            return {}
        self.count(node)
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.fault(key, path, f"a key must be a word, not {what(key)}")
                continue
            name = key.value
            if name in lines:
                self.fault(key, path, f"{quote(name)} is here twice, first in line {lines[name]}")
                continue
            lines[name] = line_of(key)
            if allowed is None and not NAME.fullmatch(name):
                self.fault(key, path, f"{quote(name)} cannot be a name; {NAME_RULE}")
            if allowed is None or name in allowed:
                found[name] = value
            else:
                self.unknown_key(key, name, path, allowed)
        return found

    def unknown_key(self, node: Node, name: str, path: str, allowed: Collection[str]) -> None:
        """Note that a mapping has a key that is none of the `allowed` ones."""
        self.fault(node, path, unknown("key", name, allowed))


def _syntax_fault(error: Exception, file: str, noun: str) -> Fault:
    """What the YAML library complains about, in words that say what can be done."""
    seen = getattr(error, "problem_mark", None)
    if seen is None:
        return Fault(file, "this is not YAML")
    said = f"{error.context} {error.problem}"
    if "nesting depth" in said:  # libyaml 0.2.6 stops at a thousand before it tells of the first
        return Fault(file, TOO_DEEP, seen.line + 1)
    mark, advice = next((mark, advice) for phrase, mark, advice in SYNTAX if phrase in said)
    shown = (mark == "context" and error.context_mark) or seen
    return Fault(file, "this is not YAML: " + advice.format(seen=seen.line + 1, noun=noun), shown.line + 1)


def is_empty(node: Node | None) -> bool:
    """True for what was left out and for a key or a dash with nothing behind it."""
    return node is None or (isinstance(node, ScalarNode) and node.tag == TAG + "null")


def line_of(node: Node) -> int:
    return node.start_mark.line + 1


def line_at(text: str | bytes, position: int) -> int:
    return text.count(b"\n" if isinstance(text, bytes) else "\n", 0, position) + 1


def what(node: Node) -> str:
    """What was written instead of what is wanted: "a list"."""
    if isinstance(node, ScalarNode):
        return "nothing" if is_empty(node) else quote(node.value)
    return "a list" if isinstance(node, SequenceNode) else "a mapping"


def quote(text: str) -> str:
    """A user's text on one line of reasonable length."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    closest = difflib.get_close_matches(name[:40], allowed, n=1)
    hint = f", did you mean {closest[0]}?" if closest else ";"
    return f"unknown {what} {quote(name)}{hint} allowed: {', '.join(allowed) or 'none'}"
