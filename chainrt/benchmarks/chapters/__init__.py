"""The table of contents. A new chapter is one module here and its name in NAMES; see benchmarks/chapter.py."""

from importlib import import_module
from types import ModuleType

NAMES = (
    *("policies", "one_core", "patience", "long_runs", "frontier", "reaction", "timelines", "responses"),
    *("adversaries", "ablations", "clock", "sound", "instances", "instances_here", "measuring"),
)


def load(name: str) -> ModuleType:
    """The chapter of this name, of NAMES."""
    return import_module(f"{__package__}.{name}")


def name_of(chapter: ModuleType) -> str:
    return chapter.__name__.rpartition(".")[2]
