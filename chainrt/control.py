"""The loop around the engine: records out, plans in, and what a listener would want to know about it.

Whoever runs an engine (live, simulation, render) calls `tick` about a hundred times a second. It reads what the
engine wrote since the last time, asks the policy, and puts its plan into the mailbox.

Rules kept here:
* No clock: time is the number of periods played.
* One plan at a time: while the engine has not taken the last one, the next is not posted but asked for again. Whether
  it has is read in the records, too: what a tick does is decided by what it has read, and can be decided again.
* A period in which more than half of the work was spared by rest says little about the machine's speed: the policy
  does not see it.
* The engine may be far ahead when Python was starved. It goes on with its last plan; records that were overwritten
  meanwhile are counted as lost.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .chain import Chain, CostTable
from .compiled.memory import peek, publish
from .compiled.native import address_of
from .layout import ENGINE
from .meters import LevelChange, Meters
from .scheduler import BlockModel, ChainModel, Observation, Plan, Policy

TICK_SECONDS = 0.010


def chain_model(chain: Chain, costs: CostTable, fidelity_db: Sequence[Sequence[float]]) -> ChainModel:
    """The chain as the scheduler sees it. fidelity_db: per block and level, see calibrate.fidelity_table."""
    blocks = tuple(
        BlockModel(
            id=block.id,
            call_ns=calls,
            frame_ns=frames,
            utility=tuple(block.spec.priority * value for value in fidelity),
            memory=tuple(level.memory for level in block.levels),
            allowed=block.allowed,
        )
        for block, calls, frames, fidelity in zip(chain.blocks, costs.call_ns, costs.frame_ns, fidelity_db, strict=True)
    )
    return ChainModel(blocks, chain.frames, chain.deadline_ns, costs.fixed_ns)


class Control:
    """Reads one engine's records and posts one policy's plans."""

    def __init__(self, chain: Chain, policy: Policy):
        self.meters = Meters([len(block.levels) for block in chain.blocks])
        self._chain, self._policy = chain, policy
        self.started_s = 0.0
        """When the chain began to play, in seconds from the start of it all; set before it does."""
        self.recorder: Callable[[np.ndarray, np.ndarray, int], None] | None = None
        """Is shown the PERIOD and SPENT records of every tick, and how many periods were played by then."""
        self._read = self._taken = 0
        self._unposted: Plan | None = None
        self._ready_bits: tuple[int, ...] | None = None
        self._ready_levels: tuple[tuple[bool, ...], ...] = ()
        self._reasons = [""] * len(chain.blocks)
        self._at = {name: address_of(chain.engine) + ENGINE.fields[name][1] for name in ("periods", "posted")}
        self._peek, self._publish = peek.from_python(), publish.from_python()
        plan = policy.first_plan()
        chain.engine["reflex"] = int(getattr(policy, "reflex", False))
        chain.set_levels(plan.target)
        self._audible = np.array(plan.target, np.int64)
        self._post(plan)

    def tick(self) -> list[LevelChange]:
        """Read, count, decide, post. Returns the changes of level that were heard since the last tick."""
        periods = self._peek(self._at["periods"])
        if periods == self._read:
            return []
        rows = self._rows(periods)
        ring, spent = self._chain.ring[rows], self._chain.spent[rows, : len(self._chain.blocks)]
        first = periods - len(rows)
        self.meters.lost_periods += first - self._read
        self._read, self._taken = periods, int(ring["plan"][-1])
        self.meters.add(ring, spent, self.started_s + periods * self._period_s)
        if self.recorder:
            self.recorder(ring, spent, periods)
        changes = self._changes(first, spent)
        if len(self._chain.blocks):
            plan = self._policy.decide(periods * self._period_s, self._observation(spent)) or self._unposted
            if plan:
                self._post(plan)
        return changes

    def change(self, model: ChainModel, budget: float) -> None:
        """The chain costs something else from now on, or the budget is another: a share of the deadline, 0 to 1."""
        self._policy.change(model, budget)

    @property
    def _period_s(self) -> float:
        return self._chain.deadline_ns / 1e9

    def _rows(self, periods: int) -> np.ndarray:
        """Where in the ring the unread periods lie; half a ring at most, since the engine goes on writing."""
        size = len(self._chain.ring)
        first = max(self._read, periods - size // 2)
        return np.arange(first, periods) % size

    def _observation(self, spent: np.ndarray) -> Observation:
        last, measured_ns, expected_ns = spent[-1], spent["measured_ns"], spent["expected_ns"]
        rested_ns = spent["rested_ns"]
        if rested_ns.any():
            worked = expected_ns.sum(axis=1) >= rested_ns.sum(axis=1)
            measured_ns, expected_ns = measured_ns[worked], expected_ns[worked]
        return Observation(
            measured_ns=measured_ns,
            expected_ns=expected_ns,
            audible=tuple(last["audible"].tolist()),
            ready=self._ready(tuple(last["ready"].tolist())),
            tripped=int(np.count_nonzero(spent["reflex"])),
        )

    def _ready(self, bits: tuple[int, ...]) -> tuple[tuple[bool, ...], ...]:
        if bits != self._ready_bits:
            self._ready_bits = bits
            self._ready_levels = tuple(
                tuple(bool(bit >> level & 1) for level in range(len(block.levels)))
                for bit, block in zip(bits, self._chain.blocks, strict=True)
            )
        return self._ready_levels

    def _changes(self, first: int, spent: np.ndarray) -> list[LevelChange]:
        audible, tripped = spent["audible"], spent["reflex"]
        if (audible == self._audible).all():
            return []
        before = np.vstack([self._audible, audible[:-1]])
        self._audible = audible[-1].copy()
        changes = [
            LevelChange(
                self.started_s + (first + int(row) + 1) * self._period_s,
                int(block),
                int(before[row, block]),
                int(audible[row, block]),
                self._reason(int(block), bool(tripped[row, block])),
            )
            for row, block in zip(*np.nonzero(audible != before), strict=True)
        ]
        self.meters.changes += changes
        return changes

    def _reason(self, block: int, tripped: bool) -> str:
        """Why a block has changed. One that fell without being asked comes back without being asked."""
        if tripped:
            self._reasons[block] = "back as planned"
            return "no time left in this period"
        return self._reasons[block]

    def _post(self, plan: Plan) -> None:
        for index, reason in enumerate(plan.reason):
            self._reasons[index] = reason or self._reasons[index]
        posted = int(self._chain.engine["posted"])
        if self._taken != posted:
            self._unposted = plan
            return
        self._unposted = None
        order = [*plan.give_up, *(b for b in range(len(plan.target)) if b not in plan.give_up)]
        self._chain.mail[: len(plan.target)] = np.transpose([plan.target, plan.warm, plan.replay, order])
        self._publish(self._at["posted"], posted + 1)
