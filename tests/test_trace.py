"""A run by the wall clock is kept and decided again in the same way, bit for bit."""

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from models import tiny_container

from chainrt.chain import Chain, CostTable
from chainrt.control import Control, chain_model
from chainrt.errors import PresetError
from chainrt.performance import Performance
from chainrt.scheduler import Adaptive
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


def made(preset, share):
    """A chain whose table says that it needs so much of the deadline; and its control."""
    chain = Chain(preset, RATE_HZ, FRAMES)
    ns = share * chain.deadline_ns / FRAMES
    costs = CostTable(((0.0,), (0.0, 0.0), (0.0, 0.0)), ((0.05 * ns,), *[(0.1 * ns, 0.45 * ns)] * 2), 0.0)
    chain.set_costs(costs)
    model = chain_model(chain, costs, [[0.0], [20.0, 60.0], [20.0, 60.0]])
    policy = Remembering(Adaptive(model, 0.7))
    return chain, Control(chain, policy), policy


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
    assert [plan.reason for plan in policy.said if plan] == [plan.reason for plan in said if plan]
    for name in ("release_ns", "late_ns", "spent_ns", "missed", "unavoidable", "began_ns", "plan"):
        assert np.array_equal(other.ring[name][:periods], chain.ring[name][:periods]), name
    for name in ("measured_ns", "expected_ns", "muted_ns", "audible", "ready", "reflex"):
        assert np.array_equal(other.spent[name][:periods], chain.spent[name][:periods]), name
    assert any(plan is not None for plan in said[1:])


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
