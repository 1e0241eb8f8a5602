"""One policy on a chain that plays by a real clock, beside a noisy neighbour; and the same run simulated.

Rules kept here:
* What plays is a Session, as in `chainrt run`: the same control thread, the same doors.
* Every run is recorded. What is counted begins SETTLE_SECONDS after the start: JACK itself stumbles when a client
  comes.
* Figures of real and of simulated runs are counted by one function from the same records.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from .. import trace as traces
from ..board import Board
from ..chain import Chain
from ..control import Control
from ..devices.profile import Jitter
from ..layout import HELD
from ..live import Door
from ..performance import Performance
from ..scheduler import ChainModel, Plan
from ..session import Session
from ..simulate import simulate
from ..switchboard import Switchboard
from ..trace import Recorder, Trace, replay
from ..weather import LoadStep, Weather
from . import rack
from .contestants import BUDGET, Make
from .neighbour import Burst, Neighbours
from .preventable import LATE, PREVENTABLE, STRUCK, kinds

SETTLE_SECONDS = 1.0
QUANTILES = (*(percent / 100 for percent in range(100)), 0.999, 1.0)


class Remembering:
    """A policy that remembers what it said."""

    def __init__(self, policy):
        self._policy, self.said = policy, [policy.first_plan()]
        self.reflex = bool(getattr(policy, "reflex", False))

    def first_plan(self) -> Plan:
        return self.said[0]

    def decide(self, time_s: float, seen) -> Plan | None:
        self.said.append(self._policy.decide(time_s, seen))
        return self.said[-1]


@dataclass(frozen=True, eq=False)
class Run:
    """PERIOD records (periods,), SPENT records (periods, blocks), what the policy said at each look."""

    ring: np.ndarray
    spent: np.ndarray
    said: list[Plan | None]

    def is_same_as(self, other: "Run") -> bool:
        """True if every decision, every time and every count is the same, bit for bit. Reasons are decisions, too."""

        def reasons(run: Run) -> list:
            return [plan and plan.reason for plan in run.said]

        return (
            self.said == other.said
            and reasons(self) == reasons(other)
            and np.array_equal(self.ring, other.ring)
            and np.array_equal(self.spent, other.spent)
        )


class Listener:
    """A chain and a policy that is recorded."""

    def __init__(self, chain: Chain, model: ChainModel, make: Make, about: dict):
        policy = make(model, BUDGET)
        if getattr(policy, "free", False):  # what nobody can build is granted: see rivals.py
            for levels in chain.level_records:
                levels["memory"] = 0
        self._policy = Remembering(policy)
        self.control = Control(chain, self._policy)
        self._recorder = Recorder(chain, self.control, about)

    def run(self) -> Run:
        ring, spent = self._recorder.records()
        return Run(ring, spent, self._policy.said)

    def trace(self) -> Trace:
        return self._recorder.trace()


def about(chain: Chain, model: ChainModel, policy: str, bursts: Sequence[Burst]) -> dict:
    """What a trace has to say so that rack.twin can decide again, and what its neighbours did."""
    fidelity = [block.utility for block in model.blocks]
    neighbours = [asdict(burst) for burst in bursts]
    return traces.about(chain, policy, BUDGET) | {"fidelity_db": fidelity, "neighbours": neighbours}


def play(
    chain: Chain,
    model: ChainModel,
    make: Make,
    door: Door,
    told: dict,
    neighbours: Neighbours | None = None,
    bursts: Sequence[Burst] = (),
) -> Listener:
    """Play to the door's end, beside the neighbours if there are any. told: see `about`.

    Raises DeviceError, ValueError.
    """
    listener = Listener(chain, model, make, told)
    session = Session(Board(chain, model, listener.control, Switchboard(chain)), door, BUDGET)
    if neighbours:
        neighbours.begin(bursts, SETTLE_SECONDS)
    session.play()
    return listener


# -- the same, simulated --------------------------------------------------------------------------------------------


def replayed(trace: Trace, make: Make) -> Run:
    """A recorded run, decided again by the same policy."""
    return _on_twin(trace.about, make, lambda chain, control, sound: replay(chain, control, trace, sound))


def on_the_day_of(trace: Trace, make: Make) -> Run:
    """What another policy would have met on the day that a trace has recorded."""
    anyhow = Trace(trace.rows, trace.ticks, np.zeros(len(trace.ticks), np.int64), *_grid(trace), trace.about)
    return replayed(anyhow, make)


def _grid(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """When periods are due on that day for one who is never late by himself: the grid goes on, nothing is swallowed."""
    length = 1e9 * trace.about["frames"] / trace.about["rate"]
    first = trace.release_ns[0]
    return first + length * np.arange(len(trace.rows)), np.zeros(len(trace.rows), np.int64)


def by_the_laws(told: dict, make: Make, periods: int, load: Sequence[LoadStep], jitter: Jitter, seed: int) -> Run:
    """What a simulation says that knows nothing of the run but its neighbours' schedule. told: see `about`."""

    def run(chain: Chain, control: Control, sound: Performance) -> None:
        weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, load, seed, "calm", periods, jitter)
        simulate(chain, control, weather, periods, sound)

    return _on_twin(told, make, run)


def _on_twin(told: dict, make: Make, run: Callable[[Chain, Control, Performance], None]) -> Run:
    chain, model = rack.twin(told)
    listener = Listener(chain, model, make, told)
    run(chain, listener.control, Performance(chain, np.zeros(chain.frames, np.float32)))
    return listener.run()


def load_of(bursts: Sequence[Burst], slowdowns: dict[str, float]) -> tuple[LoadStep, ...]:
    """The neighbours' schedule as a simulation's load. slowdowns: of quiet and of each kind of burst."""
    steps = [LoadStep(0.0, slowdowns["quiet"])]
    for burst in bursts:
        steps.append(LoadStep(SETTLE_SECONDS + burst.begin_s, slowdowns[burst.kind]))
        steps.append(LoadStep(SETTLE_SECONDS + burst.end_s, slowdowns["quiet"]))
    return tuple(steps)


def moments_s(run: Run) -> np.ndarray:
    """Seconds from the neighbours' first moment to each period's due time."""
    return (run.ring["release_ns"] - run.ring["release_ns"][0]) / 1e9 - SETTLE_SECONDS


# -- figures --------------------------------------------------------------------------------------------------------


def response_shares(run: Run, deadline_ns: float) -> np.ndarray:
    """Per period: from when it was due to its end, as a share of the deadline."""
    return (run.ring["late_ns"] + run.ring["spent_ns"]) / deadline_ns


def utilities(run: Run, model: ChainModel) -> np.ndarray:
    """Per period: 1 all at full, 0 all at their smallest, or missed, or a block held."""
    worth = sum(np.array(block.utility)[run.spent["audible"][:, b]] for b, block in enumerate(model.blocks))
    low, high = (model.utility([getattr(b, end) for b in model.blocks]) for end in ("smallest", "largest"))
    lost = (run.ring["missed"] == 1) | (run.spent["reflex"] == HELD).any(axis=1)
    return np.where(lost, 0.0, (worth - low) / (high - low))


def figures(run: Run, model: ChainModel, first: int) -> dict:
    """What a run was like from period `first` on. Quantiles are of response times, as shares of the deadline."""
    length = model.deadline_ns
    least = np.array([block.cost_ns(block.smallest, model.frames) for block in model.blocks])
    found = kinds(run.ring, run.spent, least, length, first)
    ring = run.ring[first:]
    audible = run.spent["audible"][first:]
    return {
        "periods": len(ring) + int(ring["swallowed"].sum()),
        "misses": int(ring["missed"].sum() + ring["swallowed"].sum()),
        "avoidable": int(sum(found.values())),
        PREVENTABLE: int(found[PREVENTABLE]),
        STRUCK: int(found[STRUCK]),
        LATE: int(found[LATE]),
        "utility": float(utilities(run, model)[first:].sum()) / (len(ring) + int(ring["swallowed"].sum())),
        "changes": int(np.count_nonzero(np.diff(audible, axis=0))),
        "quantiles": np.quantile(response_shares(run, length)[first:], QUANTILES).round(5).tolist(),
    }
