"""The scheduler without one of its parts: what is each of them good for?

Rules kept here:
* An ablation is a subclass that takes one part out and touches nothing else. The scheduler has no switch for it.
* Whoever adds a part to the scheduler (a second core, say) adds its ablation here; the chapter and its test find it.
"""

from dataclasses import replace
from math import inf

from ..scheduler import NOT_WARM, Adaptive, ChainModel, Observation, Plan


class WithoutReflex(Adaptive):
    """No block falls within a period; plans come every 10 ms."""

    reflex = False


class WithoutInsurance(Adaptive):
    """Time left over keeps no smallest level warm: whoever falls has to catch up first, or sounds wrong."""

    def _with_muted_work(self, *arguments) -> Plan:
        plan = super()._with_muted_work(*arguments)
        return replace(plan, warm=(NOT_WARM,) * len(plan.warm))


class WithoutDebt(Adaptive):
    """A block that the reflex let fall does not come back by itself: it has to climb like any other."""

    def _step_down(self, time_s: float, seen: Observation) -> tuple[tuple[int, ...], str]:
        target, reason = super()._step_down(time_s, seen)
        return (tuple(map(min, target, seen.audible)), reason or "the reflex") if seen.tripped else (target, reason)


class Restless:
    """A purse that is never empty."""

    def count(self, blocks: int) -> None:
        """However many there are."""

    def wait(self, time_s: float, changes: int) -> None:
        """Nothing is counted."""

    def forgive(self) -> None:
        """Nothing is owed."""

    def climbs(self) -> int:
        return 1_000_000


class WithoutPatience(Adaptive):
    """No wait after a change, no least gain, no limit of changes a minute."""

    _least_gain = property(lambda self: 0.0, lambda self, value: None)

    def __init__(self, chain: ChainModel, budget: float):
        super().__init__(chain, budget)
        self._patience = Restless()

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        self._quiet_until_s = -inf
        return super().decide(time_s, seen)


class NoHeadroom:
    share = 0.0

    def learn(self, time_s: float, tripped: bool, is_changing: bool) -> None:
        """Nothing is learned."""


class WithoutHeadroom(Adaptive):
    """What the reflex trips over leaves plans as tight as they were."""

    def __init__(self, chain: ChainModel, budget: float):
        super().__init__(chain, budget)
        self.headroom = NoHeadroom()


ABLATIONS = {
    "without reflex": WithoutReflex,
    "without insurance": WithoutInsurance,
    "without debt replay": WithoutDebt,
    "without patience": WithoutPatience,
    "without headroom": WithoutHeadroom,
}
