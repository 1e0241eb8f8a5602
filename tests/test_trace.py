"""A run by the wall clock is kept and decided again in the same way, bit for bit."""

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from models import tiny_container
from test_card import Stream

from chainrt.chain import Chain, CostTable
from chainrt.control import Control, chain_model
from chainrt.errors import PresetError
from chainrt.performance import Performance
from chainrt.scheduler import Adaptive, Plan
from chainrt.trace import Recorder, Trace, replay

FRAMES = 64
TEXT = "[drive: , nam: {model: amp.nam}, nam: {model: amp.nam}]"
AMP = {"amp": tiny_container(taps=(3, 2, 5), dilations=(1, 500, 1400))}


class Remembering:
    """A policy that remembers what it said."""

    def __init__(self, policy):
        self.policy, self.said, self.reflex = policy, [policy.first_plan()], True

    def first_plan(self):
        return self.said[0]

    def decide(self, time_s, seen):
        self.said.append(self.policy.decide(time_s, seen))
        return self.said[-1]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return board(tmp_path_factory.mktemp("board"), TEXT, **AMP)


class Restless:
    """A policy that wants something else at each look, and during whose thinking the engine plays on."""

    reflex = False

    def __init__(self, model, think=lambda: None):
        self.model, self.think, self.looks = model, think, 0

    def first_plan(self):
        levels = (0, self.looks % 2, 1)
        return Plan(levels, (-1,) * 3, (FRAMES,) * 3, ("",) * 3)

    def decide(self, time_s, seen):
        self.looks += 1
        self.think()
        return self.first_plan()


def made(preset, share, make=lambda model: Adaptive(model, 0.7)):
    """A chain whose table says that it needs so much of the deadline; and its control."""
    chain = Chain(preset, RATE_HZ, FRAMES)
    ns = share * chain.deadline_ns / FRAMES
    costs = CostTable(((0.0,), (0.0, 0.0), (0.0, 0.0)), ((0.05 * ns,), *[(0.1 * ns, 0.45 * ns)] * 2), 0.0)
    chain.set_costs(costs)
    model = chain_model(chain, costs, [[0.0], [20.0, 60.0], [20.0, 60.0]])
    policy = Remembering(make(model))
    return chain, Control(chain, policy), policy


def assert_same_records(chain, other, periods):
    for records in ("ring", "spent"):
        first, second = (getattr(one, records)[:periods] for one in (chain, other))
        for name in first.dtype.names:
            assert np.array_equal(first[name], second[name]), name


def recorded(preset, periods=600):
    chain, control, policy = made(preset, share=0.02)
    recorder = Recorder(chain, control, {})
    performance = Performance(chain, np.zeros(1000, np.float32))
    for done in range(0, periods, 8):
        performance.play_paced(8) if done == 0 else performance._play(8, paced=1)
        control.tick()
    return recorder.trace(), policy.said, chain, periods


def test_a_recorded_run_is_decided_and_timed_again_bit_for_bit(preset, tmp_path):
    trace, said, chain, periods = recorded(preset)
    trace.save(tmp_path / "run.trace")
    again = Trace.load(tmp_path / "run.trace")
    other, control, policy = made(preset, share=0.02)
    other.engine["silent"] = 1
    replay(other, control, again, Performance(other, np.zeros(1000, np.float32)))
    assert policy.said == said
    assert_same_records(chain, other, periods)
    assert [plan.reason for plan in policy.said if plan] == [plan.reason for plan in said if plan]
    assert any(plan is not None for plan in said[1:])


def test_what_a_control_thread_that_thinks_for_long_decides_is_decided_again(preset):
    chain, control, policy = made(preset, 0.02, lambda model: Restless(model, lambda: performance._play(3, paced=1)))
    recorder = Recorder(chain, control, {})
    performance = Performance(chain, np.zeros(1000, np.float32))
    performance.play_paced(1)
    for look in range(100):
        control.tick()
        performance._play(2 * (look % 2), paced=1)
    trace = recorder.trace()
    other, again, remembered = made(preset, 0.02, Restless)
    replay(other, again, trace, Performance(other, np.zeros(1000, np.float32)))
    assert remembered.said == policy.said
    assert len(trace.taken) > 10
    assert_same_records(chain, other, len(trace.rows))


def test_what_a_card_played_is_decided_again_with_its_swallowed_periods(preset):
    chain, control, policy = made(preset, share=0.02)
    recorder = Recorder(chain, control, {})
    stream = Stream(chain)
    for call in range(300):
        if call in (40, 41, 150):
            stream.record["due_ns"] -= 3.5 * chain.deadline_ns  # as if nobody had asked for three periods
        stream(np.zeros(FRAMES))
        if call % 7 == 6:
            control.tick()
    control.tick()
    trace = recorder.trace()
    assert trace.swallowed.sum() >= 6
    other, again, remembered = made(preset, share=0.02)
    replay(other, again, trace, Performance(other, np.zeros(1000, np.float32)))
    assert remembered.said == policy.said
    assert_same_records(chain, other, len(trace.rows))
    for name in ("misses", "unavoidable", "longest_miss_run"):
        assert other.engine[name] == chain.engine[name], name


def test_what_is_no_trace_is_told_in_one_line(tmp_path):
    path = tmp_path / "no.trace"
    path.write_text("nothing")
    with pytest.raises(PresetError, match="cannot be read as a trace"):
        Trace.load(path)
    with pytest.raises(PresetError, match="cannot be read as a trace"):
        Trace.load(tmp_path / "missing")


def test_a_run_that_was_not_read_in_time_is_no_trace(preset):
    chain, control, _ = made(preset, share=0.02)
    recorder = Recorder(chain, control, {})
    with pytest.raises(ValueError, match="nothing was played"):
        recorder.trace()
    performance = Performance(chain, np.zeros(1000, np.float32))
    performance.play(5000)
    control.tick()
    with pytest.raises(ValueError, match="not read in time"):
        recorder.trace()
