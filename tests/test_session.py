"""A session: whatever its clock, every period is played, sounds as it does offline, and obeys while it plays.

How many periods were late is the machine's business; no test asks.
"""

import os
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from models import tiny_container

from chainrt import machine, preset
from chainrt import session as session_module
from chainrt.block import BLOCKS
from chainrt.board import Board
from chainrt.chain import Chain, CostTable
from chainrt.control import Control, chain_model
from chainrt.live import WallClock
from chainrt.performance import Performance
from chainrt.preset import SceneChange
from chainrt.render import render
from chainrt.scheduler import NOT_WARM, Fixed, Plan
from chainrt.session import Session
from chainrt.switchboard import Switchboard

FRAMES = 64
BOARD = "[drive: , nam: {model: amp.nam}, cab: {ir: cab.wav}]"
AMP = {"amp": tiny_container(channels=(2, 4), taps=(3, 2, 5), dilations=(1, 30, 100), seed=3)}
COSTS = CostTable(((0.0,), (0.0, 0.0), (0.0,)), ((1.0,), (1.0, 2.0), (1.0,)), 0.0)
FULL = Fixed((0, 1, 0))


@pytest.fixture
def chain_of(tmp_path):
    def make(frames=FRAMES, text=BOARD) -> Chain:
        return Chain(preset.on_standby(board(tmp_path, text, **AMP)), RATE_HZ, frames)

    return make


def board_of(chain: Chain, policy=FULL) -> Board:
    levels = [len(block.levels) for block in chain.blocks]
    ones = tuple((1.0,) * count for count in levels)
    costs = CostTable(tuple((0.0,) * count for count in levels), ones, 0.0)
    chain.set_costs(costs)
    return Board(chain, chain_model(chain, costs, ones), Control(chain, policy), Switchboard(chain))


def guitar(frames=20_000):
    return (0.3 * np.random.default_rng(1).uniform(-1, 1, frames)).astype(np.float32)


def audio_threads():
    return [thread for thread in threading.enumerate() if thread.name in ("audio", "control")]


def by_the_clock(chain: Chain, periods: int, policy=FULL, keep=True, load_board=None, samples=None) -> Session:
    performance = Performance(chain, guitar() if samples is None else samples, periods * chain.frames if keep else 0)
    door = WallClock(performance, periods)
    return Session(board_of(chain, policy), door, 0.7, load_board)


def wait_for(fact, seconds=30.0):
    """Until something is true, however slow the machine is today."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def test_all_periods_are_played_and_sound_as_they_do_offline(chain_of):
    periods = 225  # 0.3 s
    session = by_the_clock(chain_of(), periods)
    session.play()
    performance, chain = session.door.performance, session.board.chain
    assert performance.done == periods * FRAMES
    assert chain.engine["periods"] == periods
    assert np.array_equal(performance.output, render(chain_of(), guitar())[: periods * FRAMES])
    meters = session.board.control.meters
    assert meters.load_ns.count + meters.lost_periods == periods
    assert not audio_threads()


@pytest.mark.parametrize("frames", [1, 48, 512])
def test_as_many_periods_as_there_is_room_for_are_played_whatever_their_length(chain_of, frames):
    session = by_the_clock(chain_of(frames), 7)
    session.play()
    assert session.door.performance.done == 7 * frames
    assert np.array_equal(session.door.performance.output, render(chain_of(frames), guitar()[: 7 * frames]))


class OneChange:
    """Plays at full and asks for lite at the first tick."""

    def first_plan(self):
        return Plan((0, 1, 0), (NOT_WARM,) * 3, (0,) * 3, ("",) * 3)

    def decide(self, time_s, seen):
        return Plan((0, 0, 0), (NOT_WARM,) * 3, (0, 64, 0), ("", "because", ""))


def test_a_plan_reaches_the_engine_while_it_plays_and_the_change_is_told(chain_of):
    """Plays until the change is a tenth of a second old, however long Python needs to ask for it."""
    session, told = by_the_clock(chain_of(), 60 * RATE_HZ // FRAMES, OneChange()), []

    def tell(changes):
        told.extend(changes)
        if told and session.time_s > told[0].time_s + 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.play(tell)
    (change,) = told
    assert (change.block, change.before, change.after, change.reason) == ("nam", "full", "lite", "because")
    assert session.snapshot().changes == (change,)
    performance, lite = session.door.performance, chain_of()
    lite.set_levels([0, 0, 0])
    expected = render(lite, np.resize(guitar(), performance.done))
    settled = round(change.time_s * RATE_HZ) + 600  # the cabinet remembers 599 frames
    assert settled < performance.done
    assert np.array_equal(performance.output[settled:], expected[settled:])


def test_ctrl_c_stops_the_sound_and_its_threads_and_is_passed_on(chain_of):
    session, told = by_the_clock(chain_of(), 10 * RATE_HZ // FRAMES), []

    def tell(changes):
        told.append(changes)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.play(tell)
    assert len(told) == 3
    assert not audio_threads()
    performance, chain = session.door.performance, session.board.chain
    done = performance.done
    assert done < 10 * RATE_HZ
    assert done == chain.engine["periods"] * FRAMES
    assert np.array_equal(performance.output, render(chain_of(), np.resize(guitar(), done))[:done])
    meters = session.board.control.meters
    assert meters.load_ns.count + meters.lost_periods == chain.engine["periods"]


class Broken(Fixed):
    def decide(self, time_s, seen):
        raise ZeroDivisionError


def test_a_processor_that_is_held_back_is_told_once(chain_of, monkeypatch):
    monkeypatch.setattr(machine, "throttling", lambda: "1,500 of 2,400 MHz")
    monkeypatch.setattr(session_module, "PROCESSOR_SECONDS", 0.05)
    session = by_the_clock(chain_of(), RATE_HZ // FRAMES // 3, keep=False)
    session.play()
    told = [note for note in session.snapshot().notes if "1,500 of 2,400 MHz" in note]
    assert len(told) == 1
    assert told[0].startswith("The processor runs at")


@pytest.mark.parametrize(("now", "told"), [(2400, None), (1900, None), (1500, "1,500 of 2,400 MHz")])
def test_a_processor_is_held_back_well_below_its_highest_frequency(now, told, monkeypatch):
    monkeypatch.setattr(machine.psutil, "cpu_freq", lambda: SimpleNamespace(current=now, min=600, max=2400))
    assert machine.throttling() == told
    monkeypatch.setattr(machine.psutil, "cpu_freq", lambda: None)  # a container is not told
    assert machine.throttling() is None


def test_a_saving_governor_is_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "GOVERNOR", tmp_path / "governor")
    monkeypatch.setattr(machine, "ask_for_priority", lambda thread: True)
    monkeypatch.setattr(machine, "keep_memory", lambda: True)
    assert machine.prepare() == []
    (tmp_path / "governor").write_text("performance\n")
    assert machine.prepare() == []
    (tmp_path / "governor").write_text("powersave\n")
    (advice,) = machine.prepare()
    assert "'powersave'" in advice
    assert "cpupower frequency-set -g performance" in advice


def test_a_fault_in_the_control_thread_ends_the_session_and_is_told_where_it_can_be_heard(chain_of):
    session = by_the_clock(chain_of(), 10 * RATE_HZ // FRAMES, Broken((0, 1, 0)), keep=False)
    with pytest.raises(ZeroDivisionError):
        session.play()
    assert session.door.performance.done < 10 * RATE_HZ
    assert not audio_threads()


def test_python_starved_for_a_second_costs_nothing_but_news(chain_of):
    """The interpreter's lock is held for a second, as a careless library might; the sound does not notice."""
    import ctypes

    periods = 2 * RATE_HZ // FRAMES
    session = by_the_clock(chain_of(), periods)
    with session:
        wait_for(lambda: session.time_s > 0.1)
        before = session.board.chain.engine["periods"].item()
        ctypes.PyDLL(None).usleep(1_000_000)  # PyDLL does not let go of the lock
        assert session.board.chain.engine["periods"] - before > 0.8 * RATE_HZ / FRAMES
        wait_for(lambda: not session.is_playing)
    meters = session.board.control.meters
    assert (meters.load_ns.count, meters.lost_periods) == (periods, 0)
    assert np.array_equal(session.door.performance.output, render(chain_of(), np.resize(guitar(), periods * FRAMES)))


def test_a_tapped_tempo_turns_the_knobs_in_note_values_and_scenes_keep_it(chain_of):
    chain = chain_of(text="[echo: {time: 500 ms}, delay: {time: 300 ms}]")
    echo, delay = chain.blocks
    echo.spec.notes["time"] = 1.0  # as a preset at 120 BPM that says 1/4
    scenes = {"verse": {}, "solo": {"echo": SceneChange({"time": 70.0}, None)}}
    chain.preset = replace(chain.preset, scenes=scenes)
    session = by_the_clock(chain, 10**6, Fixed((0, 0)), keep=False)
    with session:
        assert session.set_tempo(60) == 1
        wait_for(lambda: echo.knobs["time"] == 1000)
        session.scene("verse")
        session.turn("delay", "time", 299)
        wait_for(lambda: delay.knobs["time"] == 299)
        assert echo.knobs["time"] == 1000
        session.scene("solo")
        wait_for(lambda: echo.knobs["time"] == 70)
        assert session.set_tempo(90) == 0  # the scene says it otherwise
        session.scene("verse")
        wait_for(lambda: echo.knobs["time"] == pytest.approx(2000 / 3))
        with pytest.raises(ValueError, match="301 is outside 30 to 300 BPM"):
            session.set_tempo(301)


# -- what may be done meanwhile ---------------------------------------------------------------------------------


@pytest.fixture
def playing(chain_of):
    """A session that plays until the test is over."""

    def load_board(text, budget):
        return board_of(chain_of(text=text), Fixed((0,)))

    session = by_the_clock(chain_of(), 10**6, keep=False, load_board=load_board)
    with session:
        wait_for(lambda: session.time_s > 0.02)
        yield session


def test_a_turned_knob_arrives_in_the_engine_and_in_the_view(playing):
    p = playing.board.chain.blocks[0].knobs
    playing.turn("drive", "drive", 40)
    wait_for(lambda: p["drive"] == 40)
    assert next(knob for knob in playing.snapshot().blocks[0].knobs if knob.name == "drive").value == 40


@pytest.mark.parametrize(
    ("block", "knob", "value", "told"),
    [
        ("drum", "drive", 1, "no block 'drum'; there are drive, nam, cab"),
        ("drive", "volume", 1, "drive has no knob 'volume'; it has drive"),
        ("drive", "drive", 100, "drive.drive: 100 is outside 0 to 60 dB"),
        ("drive", "drive", float("nan"), "drive.drive: nan is outside"),
    ],
)
def test_a_knob_that_cannot_be_turned_so_is_refused_with_what_is_allowed(playing, block, knob, value, told):
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        playing.turn(block, knob, value)


def test_a_bypassed_block_stops_running_and_comes_back(playing):
    playing.bypass("nam")
    wait_for(lambda: playing.snapshot().blocks[1].idle)
    assert not playing.snapshot().blocks[1].enabled
    playing.bypass("nam", on=False)
    wait_for(lambda: playing.board.chain.block_records[1]["faded_in"] > 300)
    assert playing.snapshot().blocks[1].enabled


def test_a_scene_is_the_preset_with_some_changes_and_forgets_what_was_turned(chain_of):
    text = "[drive: {drive: 6 dB}, echo: {enabled: false}]"
    chain = chain_of(text=text)
    changes = {"solo": {"drive": SceneChange({"drive": 30.0}, None), "echo": SceneChange({}, True)},
               "rhythm": {"drive": SceneChange({}, False)}}  # fmt: skip
    chain.preset = replace(chain.preset, scenes=changes)
    session = by_the_clock(chain, 10**6, Fixed((0, 0)), keep=False)
    records, drive = chain.block_records, chain.blocks[0].knobs
    with session:
        assert session.snapshot().scenes == ("solo", "rhythm")
        assert records[1]["idle"] == 1
        session.turn("drive", "tone", 1000)
        session.scene("solo")
        wait_for(lambda: drive["drive"] == 30)
        assert records["enabled"][:2].tolist() == [1, 1]  # in the same period as the knob
        assert drive["tone"] == BLOCKS["drive"].params[1].default
        session.scene("rhythm")
        wait_for(lambda: drive["drive"] == 6)
        assert records["enabled"][:2].tolist() == [0, 0]
        assert records[1]["tail"] > 0  # the echo rings out
        assert session.snapshot().scene == "rhythm"
        with pytest.raises(ValueError, match="no scene 'verse'; there are solo, rhythm"):
            session.scene("verse")


def test_the_budget_is_changed_within_its_bounds(playing):
    playing.set_budget(0.3)
    assert playing.snapshot().budget == playing.budget == 0.3
    for wrong in (0, -1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="not above 0"):
            playing.set_budget(wrong)
    assert playing.budget == 0.3


def test_another_preset_takes_the_place_of_the_one_that_plays(playing):
    before = playing.board
    playing.load("[drive: {drive: 3 dB}]")
    wait_for(lambda: playing.board is not before)
    assert [block.id for block in playing.snapshot().blocks] == ["drive"]
    assert playing.past == [before]
    alone = before.chain.engine["periods"].item()
    wait_for(lambda: playing.board.chain.engine["periods"] > 100)
    assert before.chain.engine["periods"] == alone
    assert playing.snapshot().periods > alone + 100


def test_tails_ring_on_beside_the_next_preset_until_the_one_after_it_comes(chain_of):
    long = "[echo: {time: 2 s, feedback: 90 %}]"
    session = by_the_clock(
        chain_of(text=long), 10**6, Fixed((0,)), False, lambda text, _: board_of(chain_of(text=text), Fixed((0,)))
    )
    with session:
        wait_for(lambda: session.time_s > 0.02)
        session.load("[drive: {drive: 3 dB}]")
        assert session.front.chain.preset.chain[0].kind == "drive"
        wait_for(lambda: not session.snapshot().is_changing)
        assert session.past == []  # the echo is heard for 4 minutes
        assert [block.id for block in session.snapshot().blocks] == ["drive"]
        session.load("[gate: ]")
        assert len(session.past) == 1
        assert session.front.chain.preset.chain[0].kind == "gate"
        wait_for(lambda: len(session.past) == 2)


def test_a_snapshot_tells_all_that_a_view_shows(playing):
    wait_for(lambda: len(playing.snapshot().history) > 5)
    seen = playing.snapshot()
    assert (seen.preset, seen.device, seen.clock) == ("test", "the clock", "wall")
    assert (seen.rate, seen.frames, seen.budget) == (RATE_HZ, FRAMES, 0.7)
    assert seen.deadline_us == pytest.approx(1333.3, abs=0.1)
    assert 0 < seen.load_mean <= seen.load_max
    assert seen.periods > 0
    assert [block.id for block in seen.blocks] == ["drive", "nam", "cab"]
    amp = seen.blocks[1]
    assert (amp.levels, amp.level, amp.target, amp.enabled, amp.idle) == (("lite", "full"), 1, 1, True, False)
    assert 0 < amp.load_mean <= amp.load_p99 < 1
    assert [knob.name for knob in amp.knobs] == ["input", "output"]
    assert all(moment.mean <= moment.max for moment in seen.history)


# -- the machine ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="the advice is about Linux")
def test_what_is_not_permitted_is_told_in_one_line_with_what_to_set(monkeypatch, tmp_path):
    import resource

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(machine, "GOVERNOR", tmp_path / "none")
    monkeypatch.setattr(os, "sched_getscheduler", lambda thread: os.SCHED_OTHER)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (65536, 65536))
    (advice,) = machine.prepare()
    assert advice.startswith("Without real-time priority and locked memory: ")
    assert "rtprio 95" in advice
    assert "memlock unlimited" in advice
    monkeypatch.setattr(os, "sched_getscheduler", lambda thread: os.SCHED_FIFO)
    (advice,) = machine.prepare()
    assert advice.startswith("Without locked memory: ")


def test_without_permission_for_real_time_it_plays_all_the_same(chain_of, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    monkeypatch.setattr(os, "sched_getscheduler", lambda thread: os.SCHED_OTHER, raising=False)
    assert machine.ask_for_priority() is False
    session = by_the_clock(chain_of(), 20)
    session.play()
    assert session.door.performance.done == 20 * FRAMES
    assert any("real-time priority" in note for note in session.snapshot().notes) or sys.platform != "linux"
