"""Rest: what is not computed sounds bit for bit as if it were, and nobody takes silence for a fast machine."""

import numpy as np
import pytest
from blockplay import RATE_HZ, board, planted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import tiny_container, tiny_lstm, tiny_wavenet
from test_engine import Deck, Scripted

from chainrt.block import BLOCKS, Level
from chainrt.chain import Chain, CostTable
from chainrt.control import Control
from chainrt.layout import weather_columns
from chainrt.performance import Performance
from chainrt.scheduler import Adaptive, BlockModel, ChainModel, Fixed, Observation

FRAMES = 64
MODELS = {
    "amp": tiny_container(channels=(2, 3, 4), taps=(3, 2, 5), dilations=(1, 30, 100), seed=3),
    "lstm": tiny_lstm(),
    "standard": tiny_wavenet(),
}
AMP = "- nam: {model: amp.nam}"
AMPS = "nam: {model: amp.nam}, nam: {model: lstm.nam}, nam: {model: standard.nam}"
EVERY_KIND = f"[drive: , cab: {{ir: cab.wav}}, {AMPS}]"  # a cabinet rests on zeros only: not behind an idling amp
STEREO = """
- split:
    lanes: {dry: , driven: [drive: {drive: 30 dB}]}
    mix: {dry: {pan: -100 %}, driven: {pan: 100 %}}
- cab: {ir: cab.wav}
- nam: {model: amp.nam}
- nam: {model: lstm.nam}
"""
LONG = 30_000  # frames of silence: longer than any of these levels needs to rest


def playing(frames, seed=2):
    return (0.3 * np.random.default_rng(seed).uniform(-1, 1, frames)).astype(np.float32)


def with_silences(*lengths, seed=2):
    """Playing and silence by turns, beginning with playing."""
    parts = [playing(n, seed + i) if i % 2 == 0 else np.zeros(n, np.float32) for i, n in enumerate(lengths)]
    return np.concatenate(parts)


@pytest.fixture
def decks(tmp_path):
    """(a chain that may rest, the same chain that never does), each with its signal."""

    def make(text, signal, frames=FRAMES):
        pair = []
        for may_rest in (True, False):
            chain = Chain(board(tmp_path, text, **MODELS), RATE_HZ, frames)
            if not may_rest:
                for levels in chain.level_records:
                    levels["rest_after"] = -1
            chain.set_costs(priced(chain))
            pair.append(Deck(chain, signal))
        return pair

    return make


def priced(chain) -> CostTable:
    """Something to be expected of every level: 1000 ns a call, 100 ns a frame, a level more for each level."""
    counts = [len(block.levels) for block in chain.blocks]
    calls = tuple(tuple(1000.0 * (1 + level) for level in range(count)) for count in counts)
    return CostTable(calls, tuple(tuple(ns / 10 for ns in block) for block in calls), 500.0)


def rested(deck):
    """For each period and block: was all of it spared?"""
    rows = deck.chain.spent[: int(deck.chain.engine["periods"]), : len(deck.chain.blocks)]
    return (rows["expected_ns"] == 0) & (rows["rested_ns"] > 0)


@pytest.mark.parametrize("frames", [1, 7, 64, 512])
@pytest.mark.parametrize("text", [EVERY_KIND, STEREO], ids=["mono", "stereo"])
def test_playing_silence_and_playing_again_sound_bit_for_bit_as_if_all_were_computed(decks, text, frames):
    signal = with_silences(3000, LONG, 2000, 500, 2000, LONG, 4096)
    one, other = decks(text, signal, frames)
    for deck in (one, other):
        deck.play(len(signal) // frames)
    assert np.array_equal(one.both.view(np.int32), other.both.view(np.int32))
    if frames > 7:  # else the ring of records is too short for all periods
        assert not rested(other).any()
        slim = [index for index, block in enumerate(one.chain.blocks) if block.spec.kind in ("nam", "cab")]
        assert (rested(one)[:, slim].mean(axis=0) > 0.1).all()
        sounding = rested(one)[: 3000 // frames]
        assert not sounding.any()


def test_an_lstm_rests_only_when_a_frame_leaves_it_as_it_was(decks):
    signal = with_silences(3000, 60_000)
    one, _ = decks("- nam: {model: lstm.nam}", signal)
    deck = one
    deck.play(len(signal) // FRAMES)
    level = deck.chain.level_records[0][0]
    assert level["settled"] == 1
    assert rested(deck)[-1, 0]
    start = int(np.argmax(rested(deck)[:, 0]))
    assert start * FRAMES >= 3000 + level["rest_after"]
    assert np.ptp(deck.output[start * FRAMES :]) == 0


def test_a_constant_that_is_not_zero_is_silence_too(decks):
    signal = np.concatenate([playing(2000), np.full(LONG, 0.25, np.float32), playing(2000)])
    one, other = decks(f"[drive: , {AMPS}]", signal)
    for deck in (one, other):
        deck.play(len(signal) // FRAMES)
    assert rested(one)[:, 1].mean() > 0.2
    assert np.array_equal(one.output, other.output)


def test_plus_and_minus_zero_are_not_the_same_silence(decks):
    signal = np.zeros(LONG, np.float32)
    signal[::2] = -0.0
    one, _ = decks(AMP, signal)
    one.play(len(signal) // FRAMES)
    assert not rested(one).any()


moves = st.lists(
    st.tuples(
        st.sampled_from([1, 7, 33, 64]),
        st.integers(1, 300),
        st.tuples(st.integers(0, 2), st.integers(-1, 2), st.sampled_from([0, 8, 64, 448])),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves, knob=st.sampled_from([0.0, 3.0]))
def test_whatever_is_planned_and_turned_during_rest_the_sound_is_that_without_rest(decks, moves, knob):
    signal = with_silences(1500, 40_000, 1000, 20_000, 700, 15_000)
    one, other = decks(AMP, signal)
    turned = False
    for frames, periods, (target, warm, replay) in moves:
        periods = min(periods, (len(signal) - one.done) // frames)
        for deck in (one, other):
            deck.post([target], [warm], [replay])
            if turned:
                deck.chain.blocks[0].knobs["output"] = knob
            deck.play(periods, frames)
        turned = not turned
    assert np.array_equal(one.output, other.output)


def test_a_level_that_takes_over_during_rest_rests_in_its_turn(decks):
    signal = with_silences(1500, 90_000, 3000)
    one, other = decks(AMP, signal)
    for deck in (one, other):
        deck.play(400)
        deck.post([0], replay=[64])
        deck.play(400)
        deck.post([0], warm=[1], replay=[64])
        deck.play(670)
    assert np.array_equal(one.output, other.output)
    seen = rested(one)[:, 0]
    assert seen[399]
    assert not seen[400:405].any()  # the new level hears the past
    assert seen[799]
    assert not seen[801]  # the warm one does
    assert seen[1400]  # both rest
    assert not seen[-5:].any()


@pytest.mark.parametrize("knob", ["input", "output"])
def test_a_knob_that_is_turned_in_silence_ends_the_rest_and_glides_as_ever(decks, knob):
    signal = with_silences(1500, 60_000, 3000)
    one, other = decks(AMP, signal)
    for deck in (one, other):
        deck.play(600)
        deck.chain.blocks[0].knobs[knob] = 6.0
        deck.play(1)
        deck.play((len(signal) - deck.done) // FRAMES)
    assert rested(one)[599, 0]
    assert not rested(one)[600:700].any()
    assert rested(one)[900, 0]
    assert np.array_equal(one.output, other.output)


@planted(state=[("count", "i8")])
def ticks(p, s, x, n):
    for i in range(n):
        x[i] += s.count % 50
        s.count += 1


@ticks.prepare
def _(p, s):
    return (Level("full", 1, 1, ticks.new_state, rest_after=100, clock=lambda state: state[0]["count"][...]),)


def test_the_engine_sets_a_level_s_clock_where_it_left_frames_out(decks, monkeypatch):
    """The planted block breaks its word (it does not idle in silence), so that one hears where it rested."""
    monkeypatch.setitem(BLOCKS, "ticks", ticks)
    signal = with_silences(640, 6400, 640)
    one, other = decks("[ticks: ]", signal)
    for deck in (one, other):
        deck.play(len(signal) // FRAMES)
    seen = np.repeat(rested(one)[:, 0], FRAMES)
    assert seen.sum() > 5000
    assert np.array_equal(one.output[~seen], other.output[~seen])
    assert np.abs(other.output - signal - np.arange(len(signal)) % 50).max() < 1e-4


def test_a_level_with_a_clock_does_not_rest_on_anything_but_zeros(decks, monkeypatch):
    monkeypatch.setitem(BLOCKS, "ticks", ticks)
    one, _ = decks("[ticks: ]", np.full(6400, 0.5, np.float32))
    one.play(100)
    assert not rested(one).any()


# -- what is told of it -----------------------------------------------------------------------------------------


def test_a_simulation_never_rests_whether_it_computes_sound_or_not(decks):
    signal = with_silences(640, LONG)
    one, other = decks(AMP, signal)
    rows = np.ones((500, weather_columns(1)))
    rows[:, [1, 3]] = 0
    for deck, silent in ((one, 0), (other, 1)):
        engine = deck.chain.engine
        engine["virtual"], engine["silent"], engine["weather"] = 1, silent, rows.ctypes.data
        deck.play(450)
        assert not rested(deck).any()
    assert one.chain.spent[:450].tobytes() == other.chain.spent[:450].tobytes()


def test_resting_costs_what_it_costs_and_tells_what_it_spared(decks):
    signal = with_silences(640, LONG)
    one, _ = decks(AMP, signal)
    one.play(450)
    row = one.chain.spent[449, 0]
    assert (row["expected_ns"], row["rested_ns"]) == (0, 3000 + 64 * 300)
    assert one.chain.spent[5, 0]["expected_ns"] == 3000 + 64 * 300


def test_the_policy_does_not_see_periods_in_which_most_of_the_work_rested(decks):
    signal = with_silences(640, LONG)
    one, _ = decks("[drive: , nam: {model: amp.nam}]", signal)
    policy = Scripted(Fixed((0, 2)).first_plan())
    control = Control(one.chain, policy)
    performance = Performance(one.chain, signal)
    performance.play(400)
    control.tick()
    performance.play(50)
    control.tick()
    first, last = (seen for _, seen in policy.seen)
    assert 250 < len(first.expected_ns) < 390
    assert last.expected_ns.shape == last.measured_ns.shape == (0, 2)
    assert control.meters.load_ns.count == 450  # the meters do


def test_a_policy_does_not_step_up_on_silence():
    """The lite level fits and the full one does not; silence, in which nothing costs anything, changes nothing."""
    block = BlockModel("amp", (1e5, 1e6), (0.0, 0.0), (10.0, 60.0), (100, 100), (0, 1))
    policy = Adaptive(ChainModel((block,), FRAMES, 1.333e6), 0.5)
    assert policy.first_plan().target == (0,)
    ready = ((True, True),)
    nothing = np.zeros((0, 1))
    for tick in range(1000):
        made = policy.decide(0.01 * tick, Observation(nothing, nothing, (0,), ready))
        assert made is None or made.target == (0,)
    assert policy.estimator.cautious == 1.0
