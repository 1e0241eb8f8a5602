"""Against the clock: every period is played, sounds as it does offline, and stops when it is told to.

How many periods were late is the machine's business; no test asks.
"""

import os
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from models import tiny_container

from chainrt import live
from chainrt.chain import Chain, CostTable
from chainrt.control import Control
from chainrt.live import play_by_the_clock
from chainrt.performance import Performance
from chainrt.render import render
from chainrt.scheduler import NOT_WARM, Fixed, Plan

FRAMES = 64
BOARD = "[drive: , nam: {model: amp.nam}, cab: {ir: cab.wav}]"
AMP = {"amp": tiny_container(channels=(2, 4), taps=(3, 2, 5), dilations=(1, 30, 100), seed=3)}


@pytest.fixture
def chain_of(tmp_path):
    def make(frames=FRAMES) -> Chain:
        chain = Chain(board(tmp_path, BOARD, **AMP), RATE_HZ, frames)
        chain.set_costs(CostTable(((0.0,), (0.0, 0.0), (0.0,)), ((1.0,), (1.0, 2.0), (1.0,)), 0.0))
        return chain

    return make


def guitar(frames=20_000):
    return (0.3 * np.random.default_rng(1).uniform(-1, 1, frames)).astype(np.float32)


def audio_threads():
    return [thread for thread in threading.enumerate() if thread.name == "audio"]


def test_all_periods_are_played_and_sound_as_they_do_offline(chain_of):
    periods, told = 225, []  # 0.3 s
    chain = chain_of()
    control = Control(chain, Fixed((0, 1, 0)))
    performance = Performance(chain, guitar(), periods * FRAMES)
    play_by_the_clock(chain, control, performance, periods, lambda *news: told.append(news))
    assert performance.done == periods * FRAMES
    assert chain.engine["periods"] == periods
    assert np.array_equal(performance.output, render(chain_of(), guitar())[: periods * FRAMES])
    assert control.meters.load_ns.count + control.meters.lost_periods == periods
    assert not audio_threads()
    played = [news[0] for news in told]
    assert played == sorted(played)
    assert played[-1] <= periods * FRAMES / RATE_HZ + 1e-9


@pytest.mark.parametrize("frames", [1, 48, 512])
def test_as_many_periods_as_there_is_room_for_are_played_whatever_their_length(chain_of, frames):
    chain = chain_of(frames)
    performance = Performance(chain, guitar(), 7 * frames)
    play_by_the_clock(chain, Control(chain, Fixed((0, 1, 0))), performance, 7)
    assert performance.done == 7 * frames
    assert np.array_equal(performance.output, render(chain_of(frames), guitar()[: 7 * frames]))


class OneChange:
    """Plays at full and asks for lite at the first tick."""

    def first_plan(self):
        return Plan((0, 1, 0), (NOT_WARM,) * 3, (0,) * 3, ("",) * 3)

    def decide(self, time_s, seen):
        return Plan((0, 0, 0), (NOT_WARM,) * 3, (0, 64, 0), ("", "because", ""))

    def set_budget(self, budget):
        pass


def test_a_plan_reaches_the_engine_while_it_plays_and_the_change_is_told(chain_of):
    """Plays until the change is a tenth of a second old, however long Python needs to ask for it."""
    chain, told = chain_of(), []
    control = Control(chain, OneChange())
    performance = Performance(chain, guitar(), 60 * RATE_HZ)

    def tell(played_s, changes):
        told.extend(changes)
        if told and played_s > told[0].time_s + 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_by_the_clock(chain, control, performance, 60 * RATE_HZ // FRAMES, tell)
    (change,) = told
    assert control.meters.changes == [change]
    assert (change.block, change.before, change.after, change.reason) == (1, 1, 0, "because")
    lite = chain_of()
    lite.set_levels([0, 0, 0])
    expected = render(lite, np.resize(guitar(), performance.done))
    settled = round(change.time_s * RATE_HZ) + 600  # the cabinet remembers 599 frames
    assert settled < performance.done
    assert np.array_equal(performance.output[settled:], expected[settled:])


def test_ctrl_c_stops_the_sound_and_its_thread_and_is_passed_on(chain_of):
    chain, told = chain_of(), []
    control = Control(chain, Fixed((0, 1, 0)))
    performance = Performance(chain, guitar(), 10 * RATE_HZ)

    def tell(played_s, changes):
        told.append(played_s)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_by_the_clock(chain, control, performance, 10 * RATE_HZ // FRAMES, tell)
    assert len(told) == 3
    assert not audio_threads()
    done = performance.done
    assert done < 10 * RATE_HZ
    assert done == chain.engine["periods"] * FRAMES
    assert np.array_equal(performance.output, render(chain_of(), np.resize(guitar(), done))[:done])
    assert control.meters.load_ns.count + control.meters.lost_periods == chain.engine["periods"]


def test_without_permission_for_real_time_it_plays_all_the_same(chain_of, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    assert live.ask_for_priority() is False
    chain = chain_of()
    performance = Performance(chain, guitar(), 20 * FRAMES)
    play_by_the_clock(chain, Control(chain, Fixed((0, 1, 0))), performance, 20)
    assert performance.done == 20 * FRAMES


def test_looking_for_sound_cards_never_fails(monkeypatch):
    devices = [{"name": "mouth", "max_output_channels": 2}, {"name": "ear", "max_output_channels": 0}]
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(query_devices=lambda: devices))
    assert live.sound_cards() == ["mouth"]
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # as if it could not be imported
    assert live.sound_cards() == []
