"""The compiled period: levels change without anyone hearing how, and everything is counted as it happened.

Plans are posted by hand. The truth for a change of level is what each level alone makes of the same input: replay
is exact, so it is compared bit for bit.
"""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from blockplay import AN_ADDRESS, MAY_RAISE, RATE_HZ, board, fades, planted, wrongs_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from models import tiny_container, tiny_wavenet

from chainrt.block import BLOCKS
from chainrt.chain import RING_PERIODS, Chain, CostTable
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.clock import now_ns
from chainrt.compiled.language import INTEGER, carray
from chainrt.compiled.memory import pointer, publish
from chainrt.compiled.native import Native, address_of
from chainrt.control import Control
from chainrt.engine import FADE_FRAMES, perform, period
from chainrt.layout import ENGINE, PERFORMANCE, WEATHER_BLOCK, WEATHER_PERIOD, weather_columns
from chainrt.performance import Performance
from chainrt.render import render
from chainrt.scheduler import NOT_WARM, Fixed, Plan

FRAMES = 64
AMP = {"amp": tiny_container(channels=(2, 4), taps=(3, 2, 5), dilations=(1, 30, 100), seed=3)}  # memory 436 frames
SIZES = {"amp": tiny_container(channels=(2, 3, 4), taps=(3, 2, 5), dilations=(1, 30, 100), seed=3)}
ONE_AMP = "- nam: {model: amp.nam}"
LITE, FULL = 0, 1


def guitar(frames, seed=2):
    random = np.random.default_rng(seed)
    return (random.uniform(-1, 1, frames) * np.repeat(random.uniform(0, 0.5, frames // 64 + 1), 64)[:frames]).astype(
        "f4"
    )


class Deck:
    """A chain that plays a signal in periods of any size; plans go in by hand, as control.Control posts them."""

    def __init__(self, chain: Chain, signal):
        self.chain, self.signal = chain, np.ascontiguousarray(signal, np.float32)
        self._output = aligned_zeros((2, len(signal)), np.float32)
        self.record = aligned_zeros((), PERFORMANCE)
        self.record["engine"] = address_of(chain.engine)
        self.record["input"], self.record["input_frames"] = address_of(self.signal), len(signal)
        self.record["output_left"], self.record["output_right"] = map(address_of, self._output)
        self._run, self._publish = perform.from_python(), publish.from_python()

    def post(self, target, warm=None, replay=None):
        count = len(self.chain.blocks)
        self.chain.mail[:count, 0] = target
        self.chain.mail[:count, 1] = NOT_WARM if warm is None else warm
        self.chain.mail[:count, 2] = 0 if replay is None else replay
        posted = address_of(self.chain.engine) + ENGINE.fields["posted"][1]
        self._publish(posted, int(self.chain.engine["posted"]) + 1)

    def play(self, periods=1, frames=None):
        frames = frames or self.chain.frames
        assert self.done + periods * frames <= len(self.signal)
        self._run(address_of(self.record), frames, periods, 0)

    @property
    def done(self) -> int:
        return int(self.record["done"])

    @property
    def output(self):
        return self._output[0, : self.done]

    @property
    def both(self):
        return self._output[:, : self.done]

    @property
    def block(self):
        return self.chain.block_records[0]

    def ready(self, level, block=0) -> bool:
        row = (int(self.chain.engine["periods"]) - 1) % RING_PERIODS
        return bool(self.chain.spent[row, block]["ready"] >> level & 1)


@pytest.fixture
def chain_of(tmp_path):
    def make(text=ONE_AMP, documents=AMP, levels=None, frames=FRAMES) -> Chain:
        chain = Chain(board(tmp_path, text, **documents), RATE_HZ, frames)
        if levels is not None:
            chain.set_levels(levels)
        return chain

    return make


@pytest.fixture(scope="module")
def amp_chain(tmp_path_factory):
    """A fresh chain of one amp with three levels, for tests that make many."""
    preset = board(tmp_path_factory.mktemp("board"), ONE_AMP, **SIZES)
    return lambda: Chain(preset, RATE_HZ, FRAMES)


# -- changes of level -------------------------------------------------------------------------------------------


def periods_until_ready(memory, frames, replay):
    """The obvious twin of the engine's catching up: a level that was cold is ready in this period after the plan."""
    behind, heard, periods = frames + (memory + frames) * replay // (frames + replay), 0, 0
    while True:
        periods += 1
        now = min(behind, frames + replay)
        behind, heard = behind - now, heard + now
        if behind == 0 and heard - frames >= memory:  # the first frame of this period already is exact
            return periods
        behind += frames


@pytest.mark.parametrize("frames", [7, 64, 512])
@pytest.mark.parametrize("replay", [0, 8, 64, 448])
@pytest.mark.parametrize(("before", "after"), [(LITE, FULL), (FULL, LITE)])
def test_a_change_is_the_old_level_then_a_crossfade_then_the_new_level_bit_for_bit(
    chain_of, before, after, replay, frames
):
    signal = guitar(40 * 512)
    alone = {level: render(chain_of(levels=[level]), signal) for level in (before, after)}
    deck = Deck(chain_of(levels=[before], frames=frames), signal)
    deck.play(-(-1500 // frames))  # far more than is kept: the new level is cold
    posted = deck.done
    deck.post([after], replay=[replay])
    deck.play(3000 // frames + 3)

    memory = deck.chain.blocks[0].levels[after].memory
    waited = periods_until_ready(memory, frames, replay)
    start = posted + (waited - 1) * frames
    end = start + FADE_FRAMES
    least = math.ceil((memory + frames) / (frames + replay))
    assert waited in (least, least + 1)
    assert end <= posted + memory + frames + FADE_FRAMES
    assert np.array_equal(deck.output[:start], alone[before][:start])
    settled = start + math.ceil(FADE_FRAMES / frames) * frames
    assert np.array_equal(deck.output[settled:], alone[after][settled : deck.done])
    share = np.minimum(1, np.arange(1, settled - start + 1) / FADE_FRAMES)
    old, new = alone[before][start:settled], alone[after][start:settled]
    assert np.abs(deck.output[start:settled] - (old + share * (new - old))).max() < 1e-6 * np.abs(old).max()
    assert deck.output[start] != old[0]
    assert deck.block["audible"] == after


def test_the_two_levels_of_these_tests_do_not_sound_alike(chain_of):
    signal = guitar(2000)
    lite, full = (render(chain_of(levels=[level]), signal) for level in (LITE, FULL))
    assert np.abs(lite - full).min() >= 0
    assert np.mean(np.abs(lite - full) > 0.01 * np.abs(full).max()) > 0.9


def test_a_change_in_the_first_moments_is_exact_too(chain_of):
    """Two amps in a row: in silence the second one hears what the first one idles at."""
    text = "[nam: {model: amp.nam}, nam: {model: amp.nam}]"
    signal = guitar(40 * FRAMES)
    deck = Deck(chain_of(text), signal)
    deck.post([FULL, LITE], replay=[0, 64])
    deck.play(40)
    expected = render(chain_of(text, levels=[FULL, LITE]), signal)
    assert np.array_equal(deck.output[FRAMES + FADE_FRAMES :], expected[FRAMES + FADE_FRAMES :])


def test_a_warm_level_is_switched_to_in_the_very_next_period(chain_of):
    signal = guitar(100 * FRAMES)
    lite, full = (render(chain_of(levels=[level]), signal) for level in (LITE, FULL))
    deck = Deck(chain_of(levels=[FULL]), signal)
    deck.play(30)
    deck.post([FULL], warm=[LITE], replay=[8])
    deck.play(5)
    assert not deck.ready(LITE)
    deck.play(10)
    assert deck.ready(LITE)
    deck.post([FULL], warm=[LITE], replay=[0])  # kept warm without replay
    deck.play(10)
    assert deck.ready(LITE)
    start = deck.done
    assert np.array_equal(deck.output, full[:start])
    deck.post([LITE], replay=[0])
    deck.play(10)
    assert deck.output[start] != full[start]
    assert np.array_equal(deck.output[start + FADE_FRAMES :], lite[start + FADE_FRAMES : deck.done])


def test_a_level_that_is_never_given_time_is_never_heard_and_one_that_runs_at_real_time_is_in_the_end(chain_of):
    """Replay 0 runs the level beside the other one; it is exact when it has heard all it remembers."""
    signal = guitar(60 * FRAMES)
    deck = Deck(chain_of(levels=[FULL]), signal)
    deck.play(30)
    deck.post([LITE], replay=[0])
    memory = deck.chain.blocks[0].levels[LITE].memory
    for _ in range(math.ceil(memory / FRAMES) - 1):
        deck.play()
        assert not deck.ready(LITE)
    deck.play()
    assert deck.ready(LITE)


def test_a_plan_posted_in_mid_fade_waits_until_the_fade_is_done(chain_of):
    signal = guitar(4000)
    lite, full = (render(chain_of(levels=[level]), signal) for level in (LITE, FULL))
    deck = Deck(chain_of(levels=[FULL], frames=16), signal)
    deck.post([FULL], warm=[LITE], replay=[64])
    deck.play(60)
    start = deck.done
    deck.post([LITE])
    deck.play(2)
    deck.post([FULL])
    deck.play(70)
    share = np.concatenate([np.arange(1, FADE_FRAMES + 1), np.arange(FADE_FRAMES - 1, -1, -1)]) / FADE_FRAMES
    end = start + 2 * FADE_FRAMES
    expected = full[start:end] + share * (lite[start:end] - full[start:end])
    assert np.abs(deck.output[start:end] - expected).max() < 1e-6 * np.abs(full).max()
    assert np.array_equal(deck.output[end:], full[end : deck.done])


@pytest.mark.parametrize(("frames", "replay"), [(64, 100), (64, 5000), (512, 100), (512, 5000)])
def test_a_level_that_stopped_is_exact_again_whenever_it_returns(chain_of, frames, replay):
    signal = guitar(250 * frames)
    alone = [render(chain_of(levels=[level]), signal) for level in (LITE, FULL)]
    deck = Deck(chain_of(levels=[FULL], frames=frames), signal)
    level = FULL
    for pause in (1, 2, 3, 5, 8, 13, 40, 1, 30):  # periods: less and more than what is kept
        level = 1 - level
        posted = deck.done
        deck.post([level], replay=[replay])
        deck.play(12)
        assert deck.block["audible"] == level
        settled = deck.done - frames
        deck.play(pause)
        assert np.array_equal(deck.output[settled:], alone[level][settled : deck.done])
        start = posted + int(np.argmax(deck.output[posted:] != alone[1 - level][posted : deck.done]))
        end = start + FADE_FRAMES
        assert np.abs(deck.output[end:] - alone[level][end : deck.done]).max() < 1e-6  # exact from the first frame on


posts = st.tuples(st.integers(0, 2), st.integers(-1, 2), st.sampled_from([0, 1, 8, 64, 100, 448, 5000]))
moves = st.lists(st.tuples(st.sampled_from([1, 7, 33, 64]), st.integers(1, 12), posts), min_size=1, max_size=25)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_whatever_is_planned_only_exact_levels_and_their_blends_are_heard(amp_chain, amp_alone, moves):
    """Plans and period sizes at random; in every period the output is that of the engine's own word for it."""
    deck = Deck(amp_chain(), AMP_SIGNAL)
    for frames, periods, (target, warm, replay) in moves:
        deck.post([target], [warm], [replay])
        for _ in range(periods):
            start, audible, faded = deck.done, int(deck.block["audible"]), int(deck.block["faded"])
            deck.play(frames=frames)
            old, heard = amp_alone[audible][start : deck.done], deck.output[start:]
            if faded == 0 and deck.block["faded"] == 0 and deck.block["audible"] == audible:
                assert np.array_equal(heard, old)
                continue
            new = amp_alone[int(deck.block["target"])][start : deck.done]
            share = np.minimum(1, (faded + 1 + np.arange(frames)) / FADE_FRAMES)
            assert np.abs(heard - (old + share * (new - old))).max() < 2e-6


AMP_SIGNAL = guitar(25 * 12 * 64)


@pytest.fixture(scope="module")
def amp_alone(amp_chain):
    alone = []
    for level in range(3):
        chain = amp_chain()
        chain.set_levels([level])
        alone.append(render(chain, AMP_SIGNAL))
    return alone


def test_in_a_stereo_stretch_both_channels_change_and_are_exact(chain_of):
    text = """
    - split:
        lanes: {dry: , driven: [drive: {drive: 30 dB}]}
        mix: {dry: {pan: -100 %}, driven: {pan: 100 %}}
    - nam: {model: amp.nam}
    """
    signal = guitar(60 * FRAMES)
    lite, full = (render(chain_of(text, levels=[0, level]), signal).T for level in (LITE, FULL))
    deck = Deck(chain_of(text, levels=[0, FULL]), signal)
    deck.play(20)
    deck.post([0, LITE], replay=[0, 64])
    deck.play(40)
    start = 20 * FRAMES + (periods_until_ready(436, FRAMES, 64) - 1) * FRAMES
    end = start + FADE_FRAMES
    share = np.arange(1, FADE_FRAMES + 1) / FADE_FRAMES
    for side in range(2):
        assert np.array_equal(deck.both[side, :start], full[side, :start])
        assert np.array_equal(deck.both[side, end:], lite[side, end:])
        blend = full[side, start:end] + share * (lite[side, start:end] - full[side, start:end])
        assert np.abs(deck.both[side, start:end] - blend).max() < 1e-6
    assert np.abs(full[0] - full[1]).max() > 0.01


@planted(channels=2)
def cross(p, s, left, right, n):
    for i in range(n):
        left[i], right[i] = 0.5 * right[i], left[i]


def test_blocks_before_and_behind_a_change_do_not_notice_it(chain_of, monkeypatch):
    """The stereo block and the cabinet behind the amp hear just what the amp puts out, once."""
    monkeypatch.setitem(BLOCKS, "cross", cross)
    text = "[drive: , nam: {model: amp.nam}, cross: ]"
    signal = guitar(60 * FRAMES)
    plain = Deck(chain_of("[drive: , nam: {model: amp.nam}]", levels=[0, FULL]), signal)
    deck = Deck(chain_of(text, levels=[0, FULL, 0]), signal)
    for one in (plain, deck):
        one.play(20)
        one.post([0, LITE, 0][: len(one.chain.blocks)], replay=64)
        one.play(40)
    assert np.array_equal(deck.both[0], np.float32(0.5) * plain.output)
    assert np.array_equal(deck.both[1], plain.output)


# -- no click ---------------------------------------------------------------------------------------------------


def linear(channels, seed):
    """A network without bends, so that sines stay sines and everything else is a click."""
    document = tiny_wavenet(channels, (3, 2, 5), (1, 30, 100), 4, seed)
    array = document["config"]["layers"][0]
    array["activation"] = [{"type": "LeakyReLU", "negative_slope": 1.0} for _ in range(3)]
    return document


def treble_db(sound, at, window=2048):
    """Energy above 8 kHz around a place, in dB against all energy there."""
    piece = sound[at - window // 2 : at + window // 2].astype(float)
    power = np.abs(np.fft.rfft((piece - piece.mean()) * np.blackman(window))) ** 2
    border = round(8000 / RATE_HZ * window)
    return 10 * np.log10(power[border:].sum() / power.sum())


def test_a_change_does_not_click_and_a_hard_switch_would(chain_of):
    chord = sum(np.sin(2 * np.pi * hz * np.arange(200 * FRAMES) / RATE_HZ) for hz in (110, 164.8, 220, 277.2, 329.6))
    signal = (0.1 * chord).astype(np.float32)
    container = tiny_container(channels=(2, 4))
    for submodel, document in zip(container["config"]["submodels"], (linear(2, 1), linear(4, 2)), strict=True):
        submodel["model"] = document
    amp = {"amp": container}
    lite, full = (render(chain_of(documents=amp, levels=[level]), signal) for level in (LITE, FULL))
    for before, after, (old, new) in ((FULL, LITE, (full, lite)), (LITE, FULL, (lite, full))):
        deck = Deck(chain_of(documents=amp, levels=[before]), signal)
        deck.play(60)
        deck.post([after], replay=[64])
        deck.play(140)
        start = int(np.flatnonzero(deck.output != old)[0])
        middle = start + FADE_FRAMES // 2
        hard = np.concatenate([old[:middle], new[middle:]])
        assert treble_db(deck.output, middle) < -60
        assert treble_db(hard, middle) > treble_db(deck.output, middle) + 15
        around = slice(start - 2 * FADE_FRAMES, start + 3 * FADE_FRAMES)
        own = max(np.abs(np.diff(old[around])).max(), np.abs(np.diff(new[around])).max())
        assert np.abs(np.diff(deck.output[around])).max() <= own + np.abs(new - old)[around].max() / FADE_FRAMES


# -- the mailbox ------------------------------------------------------------------------------------------------


class Scripted:
    """A policy that says what it is told to."""

    reflex = False

    def __init__(self, first, *plans):
        self._first, self._plans, self.seen = first, list(plans), []

    def first_plan(self):
        return self._first

    def decide(self, time_s, seen):
        self.seen.append((time_s, seen))
        return self._plans.pop(0) if self._plans else None

    def set_budget(self, budget):
        pass


def plan(target, warm=NOT_WARM, replay=0, reason=""):
    return Plan((target,), (warm,), (replay,), (reason,))


def test_one_plan_at_a_time_lies_in_the_mailbox_and_a_later_one_waits(chain_of):
    chain = chain_of()
    control = Control(chain, Scripted(plan(FULL, LITE, 8), None, plan(LITE, replay=64), plan(LITE, replay=32)))
    assert chain.mail[:, :3].tolist() == [[FULL, LITE, 8]]
    control._post(plan(LITE, replay=1))
    assert chain.mail[:, :3].tolist() == [[FULL, LITE, 8]]
    assert (chain.engine["posted"], chain.engine["taken"]) == (1, 0)
    performance = Performance(chain, guitar(FRAMES))
    performance.play(1)
    assert chain.engine["taken"] == 1
    control.tick()  # the policy has nothing new, so the one that waited is posted
    assert chain.mail[:, :3].tolist() == [[LITE, NOT_WARM, 1]]
    assert (chain.engine["posted"], chain.engine["taken"]) == (2, 1)
    performance.play(1)
    control.tick()
    assert chain.mail[:, :3].tolist() == [[LITE, NOT_WARM, 64]]
    performance.play(1)
    control.tick()
    assert chain.mail[:, :3].tolist() == [[LITE, NOT_WARM, 32]]
    performance.play(1)
    control.tick()
    assert (chain.engine["posted"], chain.engine["taken"]) == (4, 4)


def test_a_newer_plan_takes_the_place_of_the_one_that_waited(chain_of):
    chain = chain_of()
    control = Control(chain, Scripted(plan(FULL), plan(LITE, replay=2)))
    control._post(plan(LITE, replay=1))
    performance = Performance(chain, guitar(FRAMES))
    performance.play(1)
    control.tick()
    assert chain.mail[:, :3].tolist() == [[LITE, NOT_WARM, 2]]
    performance.play(1)
    control.tick()
    assert (chain.engine["posted"], chain.engine["taken"]) == (2, 2)


def test_control_tells_what_was_heard_when_and_why(chain_of):
    chain = chain_of()
    policy = Scripted(plan(FULL, LITE, 64), plan(LITE, replay=64, reason="load 104 % of budget"))
    control = Control(chain, policy)
    performance = Performance(chain, guitar(FRAMES))
    performance.play(20)
    assert control.tick() == []
    fade = FADE_FRAMES // FRAMES
    performance.play(2 * fade)
    (change,) = control.tick()
    assert (change.block, change.before, change.after, change.reason) == (0, FULL, LITE, "load 104 % of budget")
    assert change.time_s == pytest.approx((20 + fade) * FRAMES / RATE_HZ)  # it takes from the 21st period on
    assert control.tick() == []
    (first_time, first), (second_time, second) = policy.seen
    assert (first_time, second_time) == pytest.approx((20 * FRAMES / RATE_HZ, (20 + 2 * fade) * FRAMES / RATE_HZ))
    assert (first.measured_ns.shape, second.measured_ns.shape) == ((20, 1), (2 * fade, 1))
    assert (first.audible, first.ready) == ((FULL,), ((True, True),))
    assert (second.audible, second.ready) == ((LITE,), ((True, False),))
    assert control.meters.blocks[0].periods_at.tolist() == [fade + 1, 19 + fade]


def test_records_that_were_overwritten_before_they_were_read_count_as_lost(chain_of):
    chain = chain_of("[drive: ]")
    chain.engine["silent"] = 1
    control = Control(chain, Fixed((0,)))
    performance = Performance(chain, guitar(FRAMES))
    performance.play(100)
    control.tick()
    assert (control.meters.lost_periods, control.meters.load_ns.count) == (0, 100)
    performance.play(RING_PERIODS + 1000)
    control.tick()
    assert control.meters.load_ns.count == 100 + RING_PERIODS // 2
    assert control.meters.lost_periods == RING_PERIODS // 2 + 1000
    performance.play(10)
    control.tick()
    assert control.meters.lost_periods == RING_PERIODS // 2 + 1000
    assert control.meters.load_ns.count + control.meters.lost_periods == chain.engine["periods"]


# -- what comes from outside ------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e30, -3e6])
def test_what_is_not_a_sound_is_taken_for_silence_and_poisons_nothing(chain_of, poison):
    text = "[gate: {threshold: -90 dB}, nam: {model: amp.nam}, cab: {ir: cab.wav}, echo: {time: 10 ms}]"
    signal = guitar(60 * FRAMES)
    mended = signal.copy()
    signal[1000:1003] = signal[1500] = poison
    mended[1000:1003] = mended[1500] = 0
    heard = render(chain_of(text), signal)
    assert np.isfinite(heard).all()
    assert np.array_equal(heard, render(chain_of(text), mended))


def test_a_tail_never_reaches_denormals_and_python_keeps_its_own_rounding(chain_of, monkeypatch):
    monkeypatch.setitem(BLOCKS, "fades", fades)
    impulse = np.zeros(256, np.float32)
    impulse[0] = 1
    heard = render(chain_of("[fades: ]"), impulse)
    assert np.array_equal(heard[:120], 0.5 ** np.arange(120, dtype=np.float32))
    assert (heard[130:] == 0).all()
    assert np.float32(2.0**-126) * np.float32(0.5) > 0


def test_the_input_goes_round_and_the_output_keeps_what_was_played(chain_of):
    signal = guitar(100)  # not a whole number of periods
    chain = chain_of("- drive: {enabled: false}")
    performance = Performance(chain, signal, 20 * FRAMES)
    performance.play(7)
    assert performance.done == 7 * FRAMES
    performance.play(13)
    assert np.array_equal(performance.output, np.resize(signal, 20 * FRAMES))


def test_more_output_than_there_is_room_for_is_refused_before_it_is_played(chain_of):
    performance = Performance(chain_of("[drive: ]"), guitar(FRAMES), 10 * FRAMES)
    performance.play(7)
    with pytest.raises(ValueError, match="do not fit into the output"):
        performance.play(4)
    with pytest.raises(ValueError, match="do not fit into the output"):
        performance.play_paced(4)
    performance.play(3)
    assert performance.done == 10 * FRAMES
    Performance(chain_of("[drive: ]"), guitar(FRAMES)).play(1000)  # without an output there is no end


# -- counting ---------------------------------------------------------------------------------------------------

MIXED = "[drive: , nam: {model: amp.nam}, cab: {ir: cab.wav}]"
COSTS = CostTable(((1e4,), (3e4, 9e4), (5e3,)), ((100.0,), (2000.0, 9000.0), (50.0,)), 2e4)
DEADLINE_NS = FRAMES * 1e9 / RATE_HZ


def counted(chain, weather, levels=(0, FULL, 0), is_silent=True):
    """The engine after so many rows of hand-made weather."""
    chain.set_costs(COSTS)
    chain.set_levels(levels)
    rows = np.ascontiguousarray(weather, np.float64)
    assert rows.shape[1] == weather_columns(3)
    engine = chain.engine
    engine["virtual"], engine["silent"] = 1, int(is_silent)
    engine["weather"], engine["weather_first"] = address_of(rows), 0
    Performance(chain, guitar(FRAMES)).play(len(rows))
    return engine


def calm(periods):
    """Weather that changes nothing."""
    return slower(np.ones(periods))


def slower(factors):
    """Weather in which all work of a period takes so many times as long."""
    rows = np.zeros((len(factors), weather_columns(3)))
    rows[:, 0] = factors
    for block in range(3):
        rows[:, FACTOR[block]] = rows[:, FACTOR[block] + 2] = factors
    return rows


FACTOR = [WEATHER_PERIOD + WEATHER_BLOCK * block for block in range(3)]
STALL = [column + 1 for column in FACTOR]
AMP_STALL = STALL[1]


def accounts(weather, levels):
    """The slow, obvious twin of the engine's accounting, for blocks that stay at their levels.

    Two machines live through the same weather: the real one, and one with every block at its smallest level.
    """
    costs = [call[level] + FRAMES * frame[level] for call, frame, level in zip(*COSTS_BY_BLOCK, levels, strict=True)]
    least = [call[0] + FRAMES * frame[0] for call, frame in zip(*COSTS_BY_BLOCK, strict=True)]
    free = least_free = 0.0  # when each machine is done with the period before
    rows = []
    for number, row in enumerate(weather):
        slow, wake = row[:2]
        factors, stalls = row[FACTOR], row[STALL]
        release = number * DEADLINE_NS
        began = max(free, release) + wake
        took, least_took = (np.array(table) * factors + stalls for table in (costs, least))
        free = began + COSTS.fixed_ns * slow + sum(took)
        least_free = max(least_free, release) + wake + COSTS.fixed_ns * slow + sum(least_took)
        rows.append(
            SimpleNamespace(
                late=began - release,
                spent=free - began,
                took=took,
                margin=release + DEADLINE_NS - free,
                least_margin=release + DEADLINE_NS - least_free,
            )
        )
    return rows


COSTS_BY_BLOCK = (COSTS.call_ns, COSTS.frame_ns)


def longest_run(flags):
    edges = [-1, *(i for i, flag in enumerate(flags) if not flag), len(flags)]
    return max(b - a - 1 for a, b in pairwise(edges))


def test_a_calm_machine_takes_what_the_table_says(chain_of):
    chain = chain_of(MIXED)
    engine = counted(chain, calm(10))
    took = [1e4 + 64 * 100, 9e4 + 64 * 9000, 5e3 + 64 * 50]
    assert chain.spent["measured_ns"][:10, :3] == pytest.approx(np.tile(took, (10, 1)))
    assert chain.spent["expected_ns"][:10, :3] == pytest.approx(np.tile(took, (10, 1)))
    assert chain.ring["spent_ns"][:10] == pytest.approx(2e4 + sum(took), abs=1)
    assert chain.ring["release_ns"][:10] == pytest.approx(np.arange(10) * DEADLINE_NS, abs=1)
    assert chain.ring["late_ns"][:10].tolist() == [0] * 10
    assert (engine["periods"], engine["misses"], engine["unavoidable"]) == (10, 0, 0)


def test_an_overrun_carries_over_until_it_is_worked_off(chain_of):
    """A period takes 711 us of 1,333 us; one stall of 3 ms makes it and the four behind it late, by hand:

    ends at 3711, 4422, 5133, 5844, 6556, 7378 us against deadlines 1333, 2667, 4000, 5333, 6667, 8000: four misses.
    """
    weather = calm(10)
    weather[0, AMP_STALL] = 3e6  # the amp
    chain = chain_of(MIXED)
    engine = counted(chain, weather)
    assert chain.ring["missed"][:10].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    took = 2e4 + 16.4e3 + 666e3 + 8.2e3
    late = [max(0, 3e6 + took * n - n * DEADLINE_NS) for n in range(1, 10)]
    assert chain.ring["late_ns"][1:10] == pytest.approx(late, abs=1)
    assert (engine["misses"], engine["longest_miss_run"], engine["miss_run"]) == (4, 4, 0)
    assert engine["unavoidable"] == 2  # at its smallest level the amp would have caught up two periods earlier


def test_a_stall_that_no_level_survives_is_unavoidable_and_one_that_lite_survives_is_not(chain_of):
    weather = calm(30)
    weather[5, AMP_STALL] = 0.9e6  # full: 711 + 900 us; lite: 900 + 203 us
    weather[15, AMP_STALL] = 1.2e6
    weather[25] = slower([1.95])
    chain = chain_of(MIXED)
    engine = counted(chain, weather)
    assert np.flatnonzero(chain.ring["missed"][:30]).tolist() == [5, 15, 25]
    assert np.flatnonzero(chain.ring["unavoidable"][:30]).tolist() == [15]
    assert (engine["misses"], engine["unavoidable"], engine["longest_miss_run"]) == (3, 1, 1)


def test_with_all_blocks_at_their_smallest_every_miss_is_unavoidable(chain_of):
    """A period and its wake-up leave 1 us to spare, so a stall of 50 us is worked off in 50 periods."""
    took = 2e4 + 16.4e3 + 158e3 + 8.2e3
    weather = slower(np.full(80, (DEADLINE_NS - 31e3) / took))
    weather[:, 1] = 30e3
    weather[10, AMP_STALL] = 50.5e3
    chain = chain_of(MIXED)
    engine = counted(chain, weather, levels=(0, LITE, 0))
    missed = np.flatnonzero(chain.ring["missed"][:80])
    assert missed.tolist() == list(range(10, 60))
    assert np.flatnonzero(chain.ring["unavoidable"][:80]).tolist() == missed.tolist()
    assert engine["longest_miss_run"] == engine["unavoidable"] == 50


weathers = st.lists(
    st.tuples(
        st.floats(0.2, 4.0),
        st.floats(0, 64e3),
        *(st.floats(0.9, 1.1), st.sampled_from([0.0, 0.0, 0.0, 0.0, 40e3, 1.1e6, 3e6])) * 3,
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("levels", [(0, FULL, 0), (0, LITE, 0)])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weather=weathers)
def test_the_engine_counts_as_the_obvious_accounts_do(mixed_chain, levels, weather):
    drawn = np.array(weather)
    weather = slower(drawn[:, 0])
    weather[:, 1], weather[:, STALL] = drawn[:, 1], drawn[:, 3::2]
    weather[:, FACTOR] *= drawn[:, 2::2]
    rows = accounts(weather, levels)
    assume(all(abs(row.margin) > 1e-3 and abs(row.least_margin) > 1e-3 for row in rows))  # ns: not on the very edge
    mixed_chain.rewind()
    engine = counted(mixed_chain, weather, levels)
    seen = mixed_chain.ring[: len(rows)]
    missed = [row.margin < 0 for row in rows]
    unavoidable = [row.margin < 0 and row.least_margin < 0 for row in rows]
    assert seen["missed"].tolist() == missed
    assert seen["unavoidable"].tolist() == unavoidable
    assert seen["late_ns"] == pytest.approx([row.late for row in rows], abs=1)
    assert seen["spent_ns"] == pytest.approx([row.spent for row in rows], abs=1)
    spent = mixed_chain.spent["measured_ns"][: len(rows), :3]
    assert spent == pytest.approx(np.array([row.took for row in rows]), abs=1e-3)
    assert engine["misses"] == sum(missed)
    assert engine["unavoidable"] == sum(unavoidable)
    assert engine["longest_miss_run"] == longest_run(missed)
    if levels[1] == LITE:
        assert engine["unavoidable"] == engine["misses"]


@pytest.fixture(scope="module")
def mixed_chain(tmp_path_factory):
    return Chain(board(tmp_path_factory.mktemp("board"), MIXED, **AMP), RATE_HZ, FRAMES)


def test_muted_work_is_paid_for_and_reported_as_expected(chain_of):
    """Warming a level up costs a call and its frames, replay included, until it is ready; then the frames alone."""
    chain = chain_of(MIXED)
    chain.set_costs(COSTS)
    rows = calm(40)
    chain.engine["virtual"], chain.engine["silent"] = 1, 1
    chain.engine["weather"] = address_of(rows)
    deck = Deck(chain, guitar(40 * FRAMES))
    deck.play(20)
    deck.post([0, FULL, 0], warm=[NOT_WARM, LITE, NOT_WARM], replay=[0, 64, 0])
    deck.play(20)
    heard = 9e4 + 64 * 9000
    waited = periods_until_ready(436, 64, 64)
    catching_up = 2 * 3e4 + 128 * 2000  # the past and the present are two calls
    expected = chain.spent["expected_ns"][:40, 1]
    assert expected[:20] == pytest.approx(heard)
    muted = expected[20:] - heard
    assert (muted[: waited - 1] <= catching_up).all()
    assert muted[: waited - 1] == pytest.approx([3e4 + 128 * 2000] * (waited - 1), abs=3e4)
    assert muted[waited:] == pytest.approx(3e4 + 64 * 2000)
    assert chain.spent["measured_ns"][:40, 1] == pytest.approx(expected)
    assert [bool(bits & 1) for bits in chain.spent["ready"][20:40, 1]] == [False] * (waited - 1) + [True] * (
        21 - waited
    )


def test_silent_or_not_the_engine_decides_and_counts_the_same(chain_of):
    rows = slower(np.random.default_rng(1).uniform(0.5, 3, 60))
    ledgers = []
    for is_silent in (0, 1):
        chain = chain_of(MIXED)
        chain.set_costs(COSTS)
        chain.engine["virtual"], chain.engine["silent"] = 1, is_silent
        chain.engine["weather"] = address_of(rows)
        deck = Deck(chain, guitar(60 * FRAMES))
        for target, warm, replay in ((FULL, LITE, 8), (LITE, NOT_WARM, 0), (FULL, NOT_WARM, 100), (LITE, FULL, 3)):
            deck.post([0, target, 0], warm=[NOT_WARM, warm, NOT_WARM], replay=[0, replay, 0])
            deck.play(15)
        ledgers.append((chain.ring[:60].tobytes(), chain.spent[:60].tobytes()))
        assert (np.abs(deck.output).max() == 0) == bool(is_silent)
    assert ledgers[0] == ledgers[1]


def test_by_the_real_clock_a_period_takes_what_its_blocks_take_and_no_less(chain_of):
    chain = chain_of(MIXED)
    before = now_from_python()
    performance = Performance(chain, guitar(FRAMES))
    performance.play_paced(20)
    after = now_from_python()
    ring, spent = chain.ring[:20], chain.spent[:20, :3]
    assert (spent["measured_ns"] > 0).all()
    assert (ring["spent_ns"] + 1 >= spent["measured_ns"].sum(axis=1)).all()
    assert (ring["late_ns"] >= 0).all()
    assert np.diff(ring["release_ns"]) == pytest.approx([DEADLINE_NS] * 19, abs=2000)  # float64 near the epoch
    assert before <= ring["release_ns"][0]
    assert after >= ring["release_ns"][19] + ring["late_ns"][19] + ring["spent_ns"][19] - 2000
    ended = ring["late_ns"] + ring["spent_ns"]
    sure = np.abs(ended - DEADLINE_NS) > 2000
    assert (ring["missed"][sure] == (ended > DEADLINE_NS)[sure]).all()
    assert chain.engine["misses"] == ring["missed"].sum()


def _now():
    return now_ns()


now_from_python = Native(_now, (), returns=INTEGER).from_python()


# -- machine code -----------------------------------------------------------------------------------------------

CLOCK = {"clock_gettime", "nanosleep"}


def test_a_period_calls_nothing_but_arithmetic_the_clock_and_blocks_by_address():
    """Nothing is allowed here beforehand, so this also shows that the search does find what is called."""
    assert wrongs_of(period) == {AN_ADDRESS, "calls clock_gettime"}


def test_many_periods_call_nothing_but_arithmetic_the_clock_and_blocks_by_address():
    assert wrongs_of(perform, allowed=CLOCK) == {AN_ADDRESS}


def _raises_in_between(engine_address, frames):
    engine = carray(pointer(engine_address), 1, ENGINE)[0]
    if frames > engine.most_frames:
        raise ValueError("too long a period")
    engine.now_ns = now_ns()


def test_an_engine_that_could_raise_is_caught():
    assert wrongs_of(Native(_raises_in_between, (INTEGER, INTEGER)), allowed=CLOCK) == {MAY_RAISE}


def _allocates(engine_address, frames):
    engine = carray(pointer(engine_address), 1, ENGINE)[0]
    copy = np.zeros(frames)
    for i in range(frames):
        copy[i] = now_ns()
    engine.now_ns = copy[frames - 1]


def test_an_engine_that_allocates_is_caught():
    wrongs = wrongs_of(Native(_allocates, (INTEGER, INTEGER)), allowed=CLOCK)
    assert any("NRT" in wrong for wrong in wrongs)
