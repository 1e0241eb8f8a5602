"""A session: a chain that plays, whatever its clock is, and everything that may be done to it meanwhile.

    with Session(board, door, load_board) as session:
        session.turn("drive", "tone", 3000)
        session.scene("solo")
        print(session.snapshot().load)

One control thread looks at the engine's records a hundred times a second, asks the policy and posts the plan. All
methods may be called from any one other thread; they take a lock that the audio thread never sees.

Rules kept here:
* Should Python be starved, for a second or for ten, the engine goes on with its last plan and nothing is lost but the
  records that were overwritten, and those are counted.
* What the audio thread may still look at is kept: a chain is let go when its successor plays alone.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from . import machine
from .board import Board
from .compiled.memory import peek, publish
from .compiled.native import address_of
from .control import TICK_SECONDS
from .layout import STAGE
from .live import Door
from .preset import TEMPO, SceneChange, values_at_tempo
from .report import second_core
from .snapshot import BlockView, Change, Knob, Moment, SecondCore, Snapshot, named

CROSSFADE_SECONDS = 0.05  # from one preset to another
FITS = 0.9  # share of the deadline up to which two chains may play at once
SHOWN_CHANGES = 100
RECENT_SECONDS = 1.0
PROCESSOR_SECONDS = 5.0  # between two looks at its frequency


class Session:
    """Plays `board` through `door`. load_board(path, budget) makes the board of another preset.

    budget: the share of the deadline that the board was made for.
    """

    def __init__(
        self, board: Board, door: Door, budget: float, load_board: Callable[[str, float], Board] | None = None
    ):
        self.board, self.door = board, door
        self.past: list[Board] = []
        """Boards that played before, for the report."""
        self._budget, self._load_board = budget, load_board
        self._coming: Board | None = None
        self._scene: str | None = None
        self._tempo_bpm: float | None = None
        self._changes: deque[Change] = deque(maxlen=SHOWN_CHANGES)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._next_look, self._was_throttled = time.monotonic() + PROCESSOR_SECONDS, False
        self._thread = threading.Thread(target=self._control, name="control", daemon=True)
        self._peek, self._publish = peek.from_python(), publish.from_python()

    # playing

    def start(self) -> None:
        """Begin to play. Raises DeviceError."""
        self.board.start()
        try:
            self.door.start()
        except BaseException:
            self.board.stop()
            raise
        self._thread.start()

    def stop(self) -> None:
        """End after the period that plays. May be repeated, and from any thread."""
        self.door.stop()
        self._ended.set()
        if self._thread.ident and self._thread is not threading.current_thread():
            self._thread.join()
        for board in self.boards:
            board.stop()
        if self._failure:
            failure, self._failure = self._failure, None
            raise failure

    def __enter__(self) -> "Session":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def is_playing(self) -> bool:
        return self.door.is_playing and self._failure is None

    def play(self, tell: Callable[[list[Change]], None] | None = None) -> None:
        """Play to the end. tell(changes of level since the last time) is called about a hundred times a second.

        Ctrl-C, or whatever `tell` raises, ends the sound and is passed on.
        """
        told = 0.0
        with self:
            while self.is_playing:
                time.sleep(TICK_SECONDS)
                told = self._tell(tell, told)
        self._tell(tell, told)

    def _tell(self, tell, told: float) -> float:
        if tell is None:
            return told
        with self._lock:
            news = [change for change in self._changes if change.time_s > told]
        tell(news)
        return max([told, *(change.time_s for change in news)])

    # what may be done meanwhile

    def turn(self, block_id: str, param: str, value: float) -> None:
        """Turn a knob, in its Param's unit; it glides there. ValueError says what is allowed."""
        with self._lock:
            self.front.switchboard.turn(block_id, param, value)
            self.front.switchboard.post()

    def bypass(self, block_id: str, on: bool = True) -> None:
        """Bypass a block (on=False: let it play again). ValueError: no such block."""
        with self._lock:
            self.front.switchboard.switch(block_id, not on)
            self.front.switchboard.post()
            self.front.change(self._budget)

    def scene(self, name: str) -> None:
        """Set all knobs and switches of a scene of the preset, in one period. ValueError: no such scene."""
        with self._lock:
            scenes = self.front.chain.preset.scenes
            if name not in scenes:
                raise ValueError(f"no scene {name!r}; there are {', '.join(scenes) or 'none'}")
            self.front.switchboard.recall(scenes[name])
            if self._tempo_bpm:
                self._keep_time(self._tempo_bpm, scenes[name])
            self.front.switchboard.post()
            self.front.change(self._budget)
            self._scene = name

    def set_tempo(self, bpm: float) -> int:
        """Turn every knob that the preset sets in note values to this tempo, which scenes then keep, too.

        Returns how many there are. ValueError: out of range.
        """
        if not TEMPO.low <= bpm <= TEMPO.high:
            raise ValueError(f"{bpm:.0f} is outside {TEMPO.low} to {TEMPO.high} {TEMPO.unit}")
        with self._lock:
            scene = self.front.chain.preset.scenes.get(self._scene, {})
            turned = self._keep_time(bpm, scene)
            self.front.switchboard.post()
            self._tempo_bpm = bpm
        return turned

    def _keep_time(self, bpm: float, scene: Mapping[str, SceneChange]) -> int:
        """Turn the knobs in note values, but for those that the scene sets itself; how many."""
        turned = 0
        for block in self.front.chain.blocks:
            own = scene[block.id].values if block.id in scene else {}
            for name, value in values_at_tempo(block.spec, block.declared.params, bpm).items():
                if name not in own:
                    self.front.switchboard.turn(block.id, name, value)
                    turned += 1
        return turned

    def set_budget(self, share: float) -> None:
        """Change the share of the deadline that may be used, above 0 and at most 1. ValueError."""
        with self._lock:
            if not 0 < share <= 1:
                raise ValueError(f"budget {share:g} is not above 0 and at most 1")
            self.front.change(share)
            self._budget = share

    def load(self, preset_path: str) -> None:
        """Make another preset ready, which may take seconds, and crossfade to it; the sound goes on meanwhile.

        The echoes and reverbs of the one before ring out beside it, where the processor can bear both. Raises
        PresetError, and then all stays as it is; ValueError while another preset is fading in.
        """
        with self._lock:
            budget = self._budget
        board = self._load_board(preset_path, budget)
        self._end_ringing()
        with self._lock:
            if self._coming:
                raise ValueError("another preset is still fading in")
            board.control.started_s = self.time_s
            self._coming, self._scene, self._tempo_bpm = board, None, None
            if board.pair:
                board.pair.be_late(self.board.pair.late)
            board.start()
            stage, chain = self.door.stage, board.played
            apart = _cost_ns(self.board) + _cost_ns(board) > FITS * chain.deadline_ns
            stage["next"], stage["apart"] = address_of(chain.engine), int(apart)
            stage["fade_frames"], stage["faded"] = round(CROSSFADE_SECONDS * chain.rate), 0
            cannot_ring = apart or self.board.pair or board.pair  # what an understudy rings is not what was heard
            stage["ring_frames"] = 0 if cannot_ring else self.board.switchboard.ring_out()
            self._publish(self._field("posted"), int(stage["posted"]) + 1)

    def _end_ringing(self) -> None:
        """Fade out what still rings of the preset before this one, so that there is room for another."""
        if self._coming and not self._is_fading:
            self._publish(self._field("cut"), int(self.door.stage["posted"]))
            while self._coming and self.is_playing:
                time.sleep(TICK_SECONDS)

    @property
    def _is_fading(self) -> bool:
        """True while another preset comes; not any more when only tails of the one before are heard beside it."""
        stage = self.door.stage
        return bool(self._coming and not self._is_taken and stage["faded"] < stage["fade_frames"])

    @property
    def _is_taken(self) -> bool:
        """True once the preset that was coming plays alone."""
        return self._peek(self._field("taken")) == self.door.stage["posted"]

    # what can be seen

    @property
    def time_s(self) -> float:
        """Seconds of sound so far."""
        return self.door.played_s

    @property
    def budget(self) -> float:
        return self._budget

    def snapshot(self) -> Snapshot:
        """All that a view shows, as of now."""
        with self._lock:
            board = self.front
            chain, meters = board.chain, board.control.meters
            deadline_ns = chain.deadline_ns
            ticks = meters.recent
            recent = meters.recent_mean(RECENT_SECONDS / TICK_SECONDS)
            return Snapshot(
                preset=chain.preset.name,
                path=str(chain.preset.path),
                device=self.door.text,
                notes=tuple(self.door.notes),
                clock=self.door.clock,
                rate=chain.rate,
                frames=chain.frames,
                deadline_us=deadline_ns / 1000,
                time_s=self.time_s,
                is_playing=self.is_playing,
                budget=self._budget,
                load=recent.load_ns / deadline_ns,
                load_mean=meters.load_ns.mean / deadline_ns,
                load_p99=meters.load_ns.quantile(0.99) / deadline_ns,
                load_max=meters.load_ns.max / deadline_ns,
                history=tuple(
                    Moment(tick.time_s, tick.load_ns / deadline_ns, tick.most_ns / deadline_ns) for tick in ticks
                ),
                periods=self._sum("periods"),
                misses=self._sum("misses"),
                unavoidable=self._sum("unavoidable"),
                longest_miss_run=max(int(each.played.engine["longest_miss_run"]) for each in self.boards),
                lost_periods=sum(each.control.meters.lost_periods for each in self.boards),
                xruns=self.door.xruns,
                blocks=tuple(self._block(board, index, recent.cost_ns) for index in range(len(chain.blocks))),
                changes=tuple(self._changes),
                scenes=tuple(chain.preset.scenes),
                scene=self._scene,
                is_changing=self._is_fading,
                second_core=self._second_core(),
            )

    def _second_core(self) -> SecondCore | None:
        pair = self.front.pair
        if not pair:
            return None
        told, played = second_core([board.pair for board in self.boards]), pair.understudy
        last = (int(played.engine["periods"]) - 1) % len(played.ring)
        return SecondCore(
            late_ms=1000 * pair.late / played.rate,
            stands_in=bool(played.ring["stands_in"][last]),
            stood_in=told["periods_of_understudy"],
            changes=told["changes"],
        )

    def _block(self, board: Board, index: int, recent_ns) -> BlockView:
        chain, switchboard = board.chain, board.switchboard
        block, record, meter = chain.blocks[index], chain.block_records[index], board.control.meters.blocks[index]
        return BlockView(
            id=block.id,
            kind=block.spec.kind,
            enabled=switchboard.is_enabled(block.id),
            idle=bool(record["idle"]),
            levels=block.level_names,
            level=int(record["audible"]),
            target=int(record["wanted"]),
            load=float(recent_ns[index]) / chain.deadline_ns,
            load_mean=meter.cost_ns.mean / chain.deadline_ns,
            load_p99=meter.cost_ns.quantile(0.99) / chain.deadline_ns,
            knobs=tuple(
                Knob(p.name, p.unit, p.low, p.high, p.default, switchboard.value(block.id, p.name), p.choices, p.help)
                for p in block.declared.params
            ),
            readings={
                reading.name: (value, reading.unit)
                for reading, value in zip(block.declared.readings, chain.readings(index).values(), strict=True)
            },
        )

    # the control thread

    def _control(self) -> None:
        try:
            while not self._ended.wait(TICK_SECONDS) and self.door.is_playing:
                self._tick()
                self.door.look_after()
                self._watch_the_processor()
            self.door.stop()
            self._tick()
        except BaseException as failure:  # told by stop(), in the thread that can do something about it
            self._failure = failure

    def _tick(self) -> None:
        with self._lock:
            for board in filter(None, (self.board, self._coming)):
                self._changes += [named(change, board.chain) for change in board.control.tick()]
            if self._coming and self._is_taken:
                self.board.stop()
                self.past.append(self.board)
                self.board, self._coming = self._coming, None

    def _watch_the_processor(self) -> None:
        """Note it once when the processor is held back while the chain plays."""
        if time.monotonic() < self._next_look or self._was_throttled:
            return
        self._next_look = time.monotonic() + PROCESSOR_SECONDS
        if slow := machine.throttling():
            self._was_throttled = True
            self.door.notes.append(f"The processor runs at {slow} (@{self.time_s:.0f} s): heat, or saving power.")

    @property
    def front(self) -> Board:
        """The board that the player means: the one that is coming, if there is one."""
        return self._coming or self.board

    @property
    def boards(self) -> list[Board]:
        """All that have played or are about to."""
        return [*self.past, self.board, *filter(None, [self._coming])]

    def _sum(self, counter: str) -> int:
        return sum(int(board.played.engine[counter]) for board in self.boards)

    def _field(self, name: str) -> int:
        return address_of(self.door.stage) + STAGE.fields[name][1]


def _cost_ns(board: Board) -> float:
    """What a period of the board takes at the levels that are heard."""
    count = len(board.chain.blocks)
    return board.model.cost_ns(board.chain.block_records["audible"][:count].tolist())
