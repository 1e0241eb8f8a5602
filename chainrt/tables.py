"""The names under which measured tables are kept (kept.py): one small JSON file for each.

Rules kept here:
* A table is found by what decided its figures and by nothing else. Costs: this machine, the sources of all compiled
  code, the block's kind, its files' contents and its channels. Fidelity: those sources, everything in the preset
  that is heard, and what was played. Change any of it, and the table is measured anew.
"""

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

from .chain import Chain, ChainBlock, Plan
from .compiled.native import cache_folder
from .preset import Preset

UNHEARD = ("id", "line", "path", "slim", "priority", "author", "tags", "name")
"""Fields of a preset that change no sound."""


def machine() -> str:
    """What this machine's costs depend on, beside the code: its name and its processor."""
    return f"{platform.node()} {llvm.get_host_cpu_name()} {os.cpu_count()}"


def cost_key(block: ChainBlock, channels: int, rate: float) -> str:
    """The name of a block's cost table on this machine; channels: 1 or 2, rate: Hz."""
    levels = [(level.name, level.work) for level in block.levels]
    return _digest(machine(), cache_folder().name, block.spec.kind, block.spec.files, levels, channels, rate)


def fidelity_key(chain: Chain | Plan, samples: np.ndarray) -> str:
    """The name of a chain's fidelity table, played with these samples, on any machine."""
    levels = [[level.name for level in block.levels] for block in chain.blocks]
    return _digest(cache_folder().name, chain.preset, levels, chain.rate, samples)


def preset_key(preset: Preset, blocks: Sequence[ChainBlock], rate: float) -> str:
    """The name of what is known of a preset's blocks on any machine: see facts.py."""
    levels = [[level.name for level in block.levels] for block in blocks]
    return _digest(cache_folder().name, preset, levels, rate)


def _digest(*parts) -> str:
    digest = hashlib.sha256()
    for part in parts:
        _stir(digest, part)
    return digest.hexdigest()[:24]


def _stir(digest, part) -> None:
    """Feed what is heard of `part` to the digest: files by their contents, records by their fields."""
    if isinstance(part, Path):
        digest.update(b"file" + hashlib.sha256(part.read_bytes()).digest())
    elif isinstance(part, np.ndarray):
        digest.update(part.tobytes())
    elif is_dataclass(part):
        _stir(digest, {field.name: getattr(part, field.name) for field in fields(part) if field.name not in UNHEARD})
    elif isinstance(part, Mapping):
        for name in sorted(part):
            digest.update(f"{name}=".encode())
            _stir(digest, part[name])
    elif isinstance(part, list | tuple):
        digest.update(f"[{len(part)}".encode())
        for item in part:
            _stir(digest, item)
    else:
        digest.update(f"{part!r};".encode())
