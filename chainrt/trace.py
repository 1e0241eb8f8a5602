"""What a real run met, kept so that it can be simulated again: late wake-ups, stalls, what every block took.

A trace holds, for each period, when it was due, how late it began, what passed before its first and after its last
block, and for each block how much longer than its table it took (its sound and its muted levels apart); further, how
many periods the control loop had seen at each of its looks, and in which period each plan was taken. So the same policy
decides the same again, bit for bit, and another policy is tried on the very same day.

Rules kept here:
* Times are whole nanoseconds, as the clock gave them; ratios are rounded back to these when they are played.
* What took more than STALL_RATIO times as long as its table says was stalled: the rest passes however little the block
  has to do on that day.
* A run that is recorded computes all that silence would spare (engine/rest.py): a simulation does not rest.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .chain import Chain, CostTable
from .compiled.native import address_of
from .control import Control
from .engine.program import STALL_RATIO
from .errors import Fault, PresetError
from .layout import TRACE, WEATHER_BLOCK, WEATHER_PERIOD, weather_columns
from .performance import Performance

VERSION = 2
NEVER = 2**62


@dataclass(frozen=True, eq=False)
class Trace:
    """One recorded run."""

    rows: np.ndarray
    """float64, (periods, weather_columns(blocks)); see layout.weather_columns."""
    ticks: np.ndarray
    """int64: periods played at each look of the control loop."""
    taken: np.ndarray
    """int64: the period in which the n-th plan was taken."""
    release_ns: np.ndarray
    """float64: when each period was due. By the clock at equal distances; a sound card's callbacks move that grid."""
    swallowed: np.ndarray
    """int64: periods just before each one that the sound system did not ask for."""
    about: dict
    """JSON; see `about`."""

    def save(self, path: str | Path) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                rows=self.rows,
                ticks=self.ticks,
                taken=self.taken,
                release_ns=self.release_ns,
                swallowed=self.swallowed,
                about=json.dumps({**self.about, "version": VERSION}),
            )

    @staticmethod
    def load(path: str | Path) -> "Trace":
        """PresetError: it is not there, or no trace."""
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                if about.get("version") == VERSION:
                    parts = [file[name] for name in ("rows", "ticks", "taken", "release_ns", "swallowed")]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise PresetError(Fault(str(path), f"cannot be read as a trace: {error}")) from None
        if about.get("version") != VERSION:
            raise PresetError(Fault(str(path), f"is a trace of version {about.get('version')}; {VERSION} is known"))
        return Trace(*parts, about)

    def costs_of(self, chain: Chain) -> CostTable:
        """The cost table that was decided with. PresetError: the trace is of another chain, period or rate."""
        now = {"blocks": [block.id for block in chain.blocks], "frames": chain.frames, "rate": chain.rate}
        for name, value in now.items():
            if self.about.get(name) != value:
                raise PresetError(Fault("--trace", f"was recorded with {name} {self.about.get(name)}, not {value}"))
        costs = self.about["costs"]
        return CostTable(tuple(map(tuple, costs["call_ns"])), tuple(map(tuple, costs["frame_ns"])), costs["fixed_ns"])


def about(chain: Chain, policy: str, budget: float) -> dict:
    """What has to be known beside a trace to decide again: written before the chain plays."""
    return {
        "blocks": [block.id for block in chain.blocks],
        "frames": chain.frames,
        "rate": chain.rate,
        "policy": policy,
        "budget": budget,
        "costs": {
            "call_ns": [records["call_ns"].tolist() for records in chain.level_records],
            "frame_ns": [records["frame_ns"].tolist() for records in chain.level_records],
            "fixed_ns": float(chain.engine["fixed_ns"]),
        },
    }


class Recorder:
    """Listens to a control loop and keeps what it reads. `trace()` is what it has heard."""

    def __init__(self, chain: Chain, control: Control, about: dict):
        self._chain, self._about = chain, about
        self._ring, self._spent, self._ticks = [], [], []
        chain.engine["restless"] = 1
        control.recorder = self._listen

    def _listen(self, ring: np.ndarray, spent: np.ndarray, periods: int) -> None:
        self._ring.append(ring.copy())
        self._spent.append(spent.copy())
        self._ticks.append(periods)

    def records(self) -> tuple[np.ndarray, np.ndarray]:
        """All PERIOD records (periods,) and SPENT records (periods, blocks).

        ValueError: nothing was played, or the control loop was too late to read it all.
        """
        if not self._ticks:
            raise ValueError("nothing was played")
        ring, spent = np.concatenate(self._ring), np.concatenate(self._spent)
        if len(ring) != self._ticks[-1]:
            raise ValueError(f"{self._ticks[-1] - len(ring)} periods were not read in time")
        return ring, spent

    def trace(self) -> Trace:
        """What was heard so far. ValueError: see `records`."""
        ring, spent = self.records()
        plans = np.arange(1, int(ring["plan"][-1]) + 1)
        taken = np.searchsorted(ring["plan"], plans)
        rows = _rows(ring, spent, self._chain)
        return Trace(rows, np.array(self._ticks), taken, ring["release_ns"], ring["swallowed"], self._about)


def _rows(ring: np.ndarray, spent: np.ndarray, chain: Chain) -> np.ndarray:
    rows = np.zeros((len(ring), weather_columns(spent.shape[1])))
    began = ring["began_ns"]
    ended = began + ring["spent_ns"]
    rows[:, 0] = ring["start_ns"]
    rows[:, 1] = began - np.maximum(ring["release_ns"], np.concatenate([[0.0], ended[:-1]]))
    rows[:, 2] = ended - began - ring["start_ns"] - spent["measured_ns"].sum(axis=1)
    muted_ns, muted_expected = spent["muted_ns"], spent["muted_expected_ns"]
    sound_ns, sound_expected = spent["measured_ns"] - muted_ns, spent["expected_ns"] - muted_expected
    ratio = np.minimum(_ratio(sound_ns, sound_expected, 0.0), STALL_RATIO)
    muted = _ratio(muted_ns, muted_expected, np.where(sound_expected > 0, ratio, 1.0))
    rows[:, WEATHER_PERIOD::WEATHER_BLOCK] = ratio
    rows[:, WEATHER_PERIOD + 1 :: WEATHER_BLOCK] = sound_ns - ratio * sound_expected
    rows[:, WEATHER_PERIOD + 2 :: WEATHER_BLOCK] = np.where(muted > STALL_RATIO, -muted_ns, muted)
    return rows


def _ratio(measured: np.ndarray, expected: np.ndarray, otherwise) -> np.ndarray:
    """Measured over expected; `otherwise` where nothing was expected."""
    return np.divide(measured, expected, out=np.broadcast_to(otherwise, measured.shape).copy(), where=expected > 0)


def replay(chain: Chain, control: Control, trace: Trace, performance: Performance, tell=None) -> None:
    """Play a trace through the engine and the control loop of a chain like the recorded one. tell: see simulate."""
    engine, rows = chain.engine, np.ascontiguousarray(trace.rows)
    engine["virtual"], engine["weather"], engine["weather_first"] = TRACE, address_of(rows), 0
    _let_take(engine, trace)
    moves = iter([*_moves(trace, chain.frames * float(engine["frame_time_ns"])), len(rows)])
    done, move = 0, next(moves)
    for tick in trace.ticks.tolist():
        while done < tick:
            if done == move:
                engine["release_ns"], engine["swallowed"] = trace.release_ns[done], trace.swallowed[done]
                move = next(moves)
            performance.play(min(tick, move) - done)
            done = min(tick, move)
        if engine["posted"] == engine["taken"]:
            _let_take(engine, trace)
        changes = control.tick()
        if tell:
            tell(done, len(rows), changes)


def _moves(trace: Trace, length_ns: float) -> list[int]:
    """The periods that were not due just one length after the one before; the first of all is one of them."""
    is_regular = trace.release_ns[1:] == trace.release_ns[:-1] + length_ns
    return np.flatnonzero(np.concatenate([[True], ~is_regular | (trace.swallowed[1:] > 0)])).tolist()


def _let_take(engine, trace: Trace) -> None:
    """The plan that is posted next, or lies there now, is taken in the period in which it was taken then."""
    number = int(engine["taken"])
    engine["take_from"] = trace.taken[number] if number < len(trace.taken) else NEVER
