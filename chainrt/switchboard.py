"""What the player has set: every knob and every switch of a chain, passed to the engine all at once.

Rules kept here:
* Each `post` passes a complete set, so knobs and switches that change together are heard from the same period on.
* One thread posts at a time. The engine takes the newest set; sets in between may never be heard.
* Values are checked here, in the Param's unit and range; a fault is a ValueError that says what is allowed.
"""

from collections.abc import Mapping

import numpy as np

from .block import Param
from .chain import Chain, ChainBlock
from .compiled.memory import swap
from .compiled.native import address_of
from .layout import ENGINE, FRESH
from .preset import SceneChange

BACK = 2  # the set that is written to first: the engine begins with 0, and 1 lies between
ENABLED, TAIL, KNOBS = 0, 1, 2  # where they stand in a block's part of a set
HEARD_SECONDS = 0.1  # tails longer than this ring out after a bypass


class _Buffer:
    """The writer's side of a chain's triple buffer."""

    def __init__(self, chain: Chain):
        self.chain, self.back = chain, BACK
        self.middle = address_of(chain.engine) + ENGINE.fields["settings_middle"][1]


class Switchboard:
    """The knobs and switches of one chain, by the blocks' ids."""

    def __init__(self, chain: Chain):
        self._chain = chain
        self._index = {block.id: index for index, block in enumerate(chain.blocks)}
        self._set = chain.settings[BACK].copy()
        self._written = self._set.copy()
        self._swap = swap.from_python()
        self._buffers = [_Buffer(chain)]

    def value(self, block_id: str, param: str) -> float:
        """What a knob was last turned to, in its Param's unit."""
        return float(self._set[self._place(block_id, param)[0]])

    def is_enabled(self, block_id: str) -> bool:
        return bool(self._set[self._start(block_id) + ENABLED])

    @property
    def enabled(self) -> tuple[bool, ...]:
        """Of each block of the chain, in its order."""
        return tuple(bool(self._set[start + ENABLED]) for start in self._starts)

    def turn(self, block_id: str, param: str, value: float) -> None:
        """Turn a knob; it is heard after the next `post`. ValueError: no such knob, or outside its range."""
        place, knob = self._place(block_id, param)
        if not knob.low <= value <= knob.high:
            unit = f" {knob.unit}" if knob.unit else ""
            raise ValueError(f"{block_id}.{param}: {value:g} is outside {knob.low:g} to {knob.high:g}{unit}")
        self._set[place] = value

    def switch(self, block_id: str, enabled: bool) -> None:
        """Switch a block on or off; it is heard after the next `post`."""
        start, block = self._start(block_id), self._chain.blocks[self._block_index(block_id)]
        self._set[start + ENABLED] = enabled
        self._set[start + TAIL] = 0 if enabled else self._tail_frames(block, start)

    def recall(self, scene: Mapping[str, SceneChange]) -> None:
        """Set everything as the preset has it, but for what a scene changes; it is heard after the next `post`."""
        for block, start in zip(self._chain.blocks, self._starts, strict=True):
            change = scene.get(block.id, SceneChange({}, None))
            knobs = slice(start + KNOBS, start + KNOBS + len(block.declared.params))
            self._set[knobs] = self._written[knobs]
            for param, value in change.values.items():
                self.turn(block.id, param, value)
            self.switch(block.id, block.spec.enabled if change.enabled is None else change.enabled)

    def _tail_frames(self, block: ChainBlock, start: int) -> int:
        """How long a block rings on as its knobs are set now; 0 if that is too short to be heard."""
        p = block.knobs.copy()
        for offset, param in enumerate(block.declared.params):
            p[param.name] = self._set[start + KNOBS + offset]
        if block.declared.tail(p) <= HEARD_SECONDS:
            return 0
        return round(block.declared.tail_seconds(p, block.levels) * self._chain.rate)

    def post(self) -> None:
        """Pass everything to the engines."""
        for buffer in self._buffers:
            buffer.chain.settings[buffer.back] = self._set
            buffer.back = self._swap(buffer.middle, buffer.back | FRESH) & ~FRESH

    def reach(self, chain: Chain) -> None:
        """Pass everything to another chain of the same preset, too, which has not played yet."""
        self._buffers.append(_Buffer(chain))

    @property
    def _starts(self) -> np.ndarray:
        return self._chain.block_records["settings_at"][: len(self._chain.blocks)]

    def _block_index(self, block_id: str) -> int:
        if block_id not in self._index:
            raise ValueError(f"no block {block_id!r}; there are {', '.join(self._index)}")
        return self._index[block_id]

    def _start(self, block_id: str) -> int:
        return int(self._starts[self._block_index(block_id)])

    def _place(self, block_id: str, name: str) -> tuple[int, Param]:
        params = self._chain.blocks[self._block_index(block_id)].declared.params
        for offset, param in enumerate(params):
            if param.name == name:
                return self._start(block_id) + KNOBS + offset, param
        names = ", ".join(param.name for param in params)
        raise ValueError(f"{block_id} has no knob {name!r}; it has {names or 'none'}")
