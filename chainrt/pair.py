"""A chain and its understudy, on two cores: the Python side of engine/pair.py, which says what they are and why.

The understudy has the lead's blocks at their smallest levels only, each with a state and knobs of its own; weights are
shared. Whoever plays chains plays the understudy: it hands everything on.

Rules kept here:
* The worker is a thread that runs compiled code only, from `start` to `stop`, with real-time priority where that is
  permitted. It is stopped before the memory of either chain goes.
"""

import os
import threading
from dataclasses import replace

import numpy as np

from . import machine
from .chain import Chain, ChainBlock
from .compiled.arena import aligned_zeros
from .compiled.memory import publish
from .compiled.native import Native, address_of
from .engine import BEND_FRAMES, period
from .engine.pair import choose, pair_period, show, work
from .errors import DeviceError, Fault
from .layout import PAIR, SLOT

SLOTS = 64  # periods that the lead may be behind; beyond that it loses some
PRIORITY = 60  # of 99: the audio thread goes before it, JACK's clients (65) as well
MOST_LATE = 32  # periods that a sound system may ask for at once
GRACE = 0.5  # of the time in which the understudy plays the next period, for which the lead may still play this one
NATIVES: tuple[Native, ...] = (pair_period, choose, show, work)
"""What has to be compiled beside the engine."""


def check_cores() -> None:
    """DeviceError: this process may use one core only."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and cores < 2:
        raise DeviceError(Fault("--second-core", "there is only one core here that chainrt may use"))


class Pair:
    """`lead` plays on a worker thread, its understudy where `understudy` is played. All is heard `late` frames later.

    The lead must not have played yet, and has its costs and levels set. On a virtual clock no worker is needed.
    """

    def __init__(self, lead: Chain):
        self.lead = lead
        self.understudy = Chain(lead.preset, lead.rate, lead.frames, blocks=[_smallest(block) for block in lead.blocks])
        self.understudy.settle_as_long_as(lead)
        self._take_costs()
        self._slots = aligned_zeros(SLOTS, SLOT)
        self._inputs = aligned_zeros((SLOTS, lead.frames), np.float32)
        self._rings = aligned_zeros((4, MOST_LATE * 2 * lead.frames), np.float32)
        self._record = aligned_zeros((), PAIR)
        self._fill()
        self.be_late(lead.frames)
        self._thread: threading.Thread | None = None
        self._work, self._publish = work.from_python(), publish.from_python()

    def _take_costs(self) -> None:
        """What the lead's smallest levels cost; and how much later than at its deadline the lead may thus be done."""
        lead, understudy, least_ns = self.lead.engine, self.understudy.engine, float(self.lead.engine["fixed_ns"])
        understudy["fixed_ns"] = lead["fixed_ns"]
        pairs = zip(self.understudy.level_records, self.lead.level_records, self.lead.blocks, strict=True)
        for (smallest,), known, block in pairs:
            for name, times in (("call_ns", 1), ("frame_ns", self.lead.frames)):
                smallest[name] = known[name][block.allowed[0]]
                least_ns += times * float(smallest[name])
        lead["guard_ns"], lead["muted_share"] = -GRACE * least_ns, 1.0

    def _fill(self) -> None:
        record, lead, understudy = self._record, self.lead.engine, self.understudy.engine
        record["lead"], record["period"] = address_of(lead), period.address
        record["slots"], record["slot_count"] = address_of(self._slots), SLOTS
        record["ring_frames"] = self._rings.shape[1]
        record["input"] = address_of(self._inputs)
        for name, ring in zip(("lead_left", "lead_right", "own_left", "own_right"), self._rings, strict=True):
            record[name] = address_of(ring)
        record["heard"], record["bent"] = 1, BEND_FRAMES
        lead["pair"] = understudy["pair"] = address_of(record)
        lead["on_sound"], understudy["on_sound"] = show.address, choose.address
        understudy["period"] = pair_period.address
        understudy["silent"] = lead["silent"]

    @property
    def late(self) -> int:
        """Frames by which all is heard later: a period, or as much as the sound system asks for at once."""
        return int(self._record["late"])

    def be_late(self, frames: int) -> None:
        """Begin with so many frames of silence. To be called before it plays."""
        for name in ("late", "written", "shown"):
            self._record[name] = frames
        self._record["whole_from"] = -self._rings.shape[1]  # and before that, too

    # the worker

    def start(self) -> None:
        """Let the lead play. Before that, and should it never begin, the understudy is heard."""
        self._record["stop"] = 0
        self._thread = threading.Thread(target=self._run, name="lead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        machine.ask_for_priority(priority=PRIORITY)
        self._work(address_of(self._record))

    def stop(self) -> None:
        """End after the period that the lead plays. May be repeated."""
        self._publish(address_of(self._record) + PAIR.fields["stop"][1], 1)
        if self._thread:
            self._thread.join()
            self._thread = None

    # the meters

    @property
    def stood_in(self) -> int:
        """Periods in which the understudy was heard, crossfades included."""
        return int(self._record["stood_in"])

    @property
    def changes(self) -> int:
        """From the lead to the understudy, and back: all of them can be heard."""
        return int(self._record["changes"])

    @property
    def unheard(self) -> int:
        """Periods that the lead has lost, because it was more than SLOTS behind."""
        return int(self._record["unheard"])


def _smallest(block: ChainBlock) -> ChainBlock:
    """The block with its smallest allowed level only, and knobs of its own."""
    knobs = aligned_zeros((), block.knobs.dtype)
    knobs[...] = block.knobs
    return replace(block, knobs=knobs, levels=(block.levels[block.allowed[0]],), allowed=(0,))
