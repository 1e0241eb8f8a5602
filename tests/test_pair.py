"""Two engines of one preset on two cores: the lead is heard while it is in time, else its understudy; never a gap."""

import ctypes
import threading
import time

import numpy as np
import pytest
from blockplay import AN_ADDRESS, RATE_HZ, board, wrongs_of
from models import tiny_container, tiny_wavenet, with_two_levels_that_play_the_same
from test_engine import treble_db

from chainrt import pair as pair_module
from chainrt import report
from chainrt.board import Board
from chainrt.chain import Chain, CostTable
from chainrt.compiled.language import INTEGER
from chainrt.compiled.native import Native, address_of
from chainrt.control import Control, chain_model
from chainrt.engine import BEND_FRAMES, FADE_FRAMES, callback
from chainrt.engine.pair import IN_TIME, NAP_NS, choose, pair_at, pair_period, play_next, show, work
from chainrt.errors import DeviceError, Fault
from chainrt.layout import LAWS, WEATHER_BLOCK, WEATHER_PERIOD, weather_columns
from chainrt.live import WallClock
from chainrt.pair import SLOTS, Pair, check_cores
from chainrt.performance import Performance
from chainrt.portaudio import Device, SoundCard
from chainrt.render import render
from chainrt.scheduler import Fixed
from chainrt.session import Session
from chainrt.simulate import simulate
from chainrt.switchboard import Switchboard
from chainrt.weather import Weather

FRAMES = 64
AMP_SHARES, DRIVE_SHARE = (0.1, 0.6), 0.05  # of the deadline
MONO = "[drive: , nam: {model: amp.nam}]"
STEREO = "[split: {lanes: {a: [nam: {model: amp.nam}], b: }, mix: {a: {pan: -100 %}}}]"


def linear(channels, seed):
    """A network without bends, so that sines stay sines and everything else is a click."""
    document = tiny_wavenet(channels, (3, 2, 5), (1, 30, 100), 4, seed)
    document["config"]["layers"][0]["activation"] = [{"type": "LeakyReLU", "negative_slope": 1.0} for _ in range(3)]
    return document


def amp():
    container = tiny_container(channels=(2, 4))
    for submodel, document in zip(container["config"]["submodels"], (linear(2, 1), linear(4, 2)), strict=True):
        submodel["model"] = document
    return {"amp": container}


def chord(periods):
    frequencies = (110, 164.8, 220, 277.2, 329.6)
    return (0.1 * sum(np.sin(2 * np.pi * hz * np.arange(periods * FRAMES) / RATE_HZ) for hz in frequencies)).astype(
        np.float32
    )


@pytest.fixture
def chain_of(tmp_path):
    def make(text=MONO, levels=None) -> Chain:
        chain = Chain(board(tmp_path, text, **amp()), RATE_HZ, FRAMES)
        if levels is not None:
            chain.set_levels(levels)
        return chain

    return make


def later(sound, frames=FRAMES):
    """The sound as the pair delivers it, if one of the two always played."""
    return np.concatenate([np.zeros((frames, *sound.shape[1:]), np.float32), sound])[: len(sound)]


class Deck:
    """A pair on the virtual clock: the amp at full costs 65 % of the deadline, its understudy 15 %."""

    def __init__(self, chain, signal, periods):
        shares = [AMP_SHARES if len(block.levels) > 1 else (DRIVE_SHARE,) for block in chain.blocks]
        costs = tuple(tuple(share * chain.deadline_ns / FRAMES for share in levels) for levels in shares)
        chain.set_costs(CostTable(tuple((0.0,) * len(levels) for levels in shares), costs, 0.0))
        self.pair, self.deadline_ns = Pair(chain), chain.deadline_ns
        self.rows = []
        for engine in (chain.engine, self.pair.understudy.engine):
            rows = np.zeros((periods, weather_columns(len(chain.blocks))))
            rows[:, WEATHER_PERIOD::WEATHER_BLOCK] = rows[:, WEATHER_PERIOD + 2 :: WEATHER_BLOCK] = 1
            engine["virtual"], engine["weather"] = LAWS, address_of(rows)
            self.rows.append(rows)
        self.performance = Performance(self.pair.understudy, signal, periods * FRAMES)

    def stall(self, period, share, who=0):
        """Let the lead (0) or the understudy (1) be woken late by a share of the deadline."""
        self.rows[who][period, 1] = share * self.deadline_ns

    def play(self):
        self.performance.play(len(self.rows[0]))
        return self.performance.output

    @property
    def ring(self):
        return self.pair.understudy.ring[: len(self.rows[0])]


# -- who is heard -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [MONO, STEREO], ids=["mono", "stereo"])
def test_while_the_lead_is_in_time_its_sound_is_heard_bit_for_bit_a_period_later(chain_of, text):
    signal = chord(60)
    deck = Deck(chain_of(text), signal, 60)
    assert np.array_equal(deck.play(), later(render(chain_of(text), signal)))
    assert (deck.pair.stood_in, deck.pair.changes, deck.pair.unheard) == (0, 0, 0)
    assert not deck.ring["missed"].any()


def test_a_lead_that_is_late_is_replaced_in_that_very_period_without_a_gap_or_a_click_and_comes_back(chain_of):
    """The stall lasts for two periods; the lead needs a few more until it has caught up, and IN_TIME of good ones."""
    signal = chord(200)
    deck = Deck(chain_of(), signal, 200)
    deck.stall(100, 2.0)
    heard = deck.play()
    full, lite = (later(render(chain_of(levels=[0, level]), signal)) for level in (1, 0))
    stands_in = np.flatnonzero(deck.ring["stands_in"])
    assert stands_in[0] == 101  # the period that was late is delivered in the next one
    assert np.array_equal(stands_in, np.arange(101, 101 + len(stands_in)))
    assert IN_TIME + FADE_FRAMES // FRAMES < len(stands_in) < 20
    assert (deck.pair.stood_in, deck.pair.changes) == (len(stands_in), 2)
    assert not deck.ring["missed"].any()

    begin, end = 101 * FRAMES, (stands_in[-1] + 1) * FRAMES
    assert np.array_equal(heard[:begin], full[:begin])
    assert np.array_equal(heard[end:], full[end:])
    done = np.minimum(1, np.arange(end - FADE_FRAMES - begin) / BEND_FRAMES)
    difference = full[begin - 1] - lite[begin - 1]
    bent = lite[begin : end - FADE_FRAMES] + difference * (1 - done) ** 2 * (1 + 2 * done)
    assert abs(difference) > 1e-4
    assert np.abs(heard[begin : end - FADE_FRAMES] - bent).max() < 1e-6
    hard = np.concatenate([full[:begin], lite[begin:]])
    assert treble_db(heard, begin) < min(-50, treble_db(hard, begin) - 6)
    assert treble_db(heard, end - FADE_FRAMES // 2) < -60


@pytest.mark.parametrize("swinging", ["chorus:", "vibrato:", "phaser:", "flanger:", "rotary:", "tremolo:"])
def test_what_swings_by_itself_is_at_the_same_moment_in_both(swinging, tmp_path):
    """So nobody hears who plays, if both levels of the amp play the same."""

    def chain():
        model = with_two_levels_that_play_the_same()
        return Chain(board(tmp_path, f"\n    - nam: {{model: m.nam}}\n    - {swinging}", m=model), RATE_HZ, FRAMES)

    signal, lead = chord(200), chain()
    lead.set_levels([0, 0])
    lead.set_levels([1, 0])
    deck = Deck(lead, signal, 200)
    deck.stall(100, 2.0)
    whole = chain()
    whole.settle_as_long_as(lead)
    alone = Performance(whole, signal, len(signal))
    alone.play(200)
    heard, expected = deck.play(), later(alone.output)
    assert deck.pair.stood_in
    assert np.abs(heard - expected).max() < 1e-6 < np.abs(expected).max()


def test_a_lead_that_is_late_again_during_its_return_gives_way_again(chain_of):
    signal = chord(200)
    once = Deck(chain_of(), signal, 200)
    once.stall(100, 2.0)
    once.play()
    back = int(np.flatnonzero(once.ring["stands_in"])[-1])
    deck = Deck(chain_of(), signal, 200)
    deck.stall(100, 2.0)
    deck.stall(back - 1, 2.0)
    heard = deck.play()
    assert deck.pair.changes == 4
    assert deck.ring["stands_in"][101 : back + 5].all()
    full = later(render(chain_of(), signal))
    assert np.array_equal(heard[-40 * FRAMES :], full[-40 * FRAMES :])
    assert treble_db(heard, back * FRAMES) < -50


def test_only_the_understudys_own_lateness_is_a_miss(chain_of):
    deck = Deck(chain_of(), chord(60), 60)
    deck.stall(20, 3.0)
    deck.stall(40, 0.95, who=1)
    deck.play()
    assert np.flatnonzero(deck.ring["missed"]).tolist() == [40]
    assert deck.pair.understudy.engine["misses"] == deck.pair.understudy.engine["unavoidable"] == 1


def test_a_lead_that_is_never_in_time_leaves_the_stage_to_its_understudy(chain_of):
    signal = chord(80)
    deck = Deck(chain_of(), signal, 80)
    for period in range(80):
        deck.stall(period, 1.2)
    heard, lite = deck.play(), later(render(chain_of(levels=[0, 0]), signal))
    settled = 2 * FRAMES + BEND_FRAMES
    assert np.array_equal(heard[settled:], lite[settled:])
    assert not deck.ring["missed"].any()


# -- on the machine's clock -------------------------------------------------------------------------------------


def _catch_up(place):
    """Let the lead play all that was handed over: what the worker does, without its naps."""
    pair = pair_at(place)
    while pair.taken < pair.posted:
        play_next(pair)


def _play_one(place):
    play_next(pair_at(place))


catch_up = Native(_catch_up, (INTEGER,), "catch_up")
play_one = Native(_play_one, (INTEGER,), "play_one")


def wait_for(fact, seconds=30.0):
    """Until something is true, however slow the machine is today."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0)


def test_a_worker_that_never_starts_leaves_the_stage_to_the_understudy(chain_of):
    signal = chord(SLOTS + 40)
    pair = Pair(chain_of())
    performance = Performance(pair.understudy, signal, len(signal))
    performance.play(SLOTS + 40)
    lite = later(render(chain_of(levels=[0, 0]), signal))
    settled = FRAMES + BEND_FRAMES
    assert np.array_equal(performance.output[settled:], lite[settled:])
    assert pair.stood_in == SLOTS + 39
    assert pair.unheard == 40
    assert pair.understudy.engine["periods"] == SLOTS + 40


def test_a_lead_that_was_too_far_behind_goes_on_without_what_it_lost(chain_of):
    """It stays behind for as long as its ring is, then it catches up."""
    signal, lost = chord(SLOTS + 200), 30
    pair = Pair(chain_of())
    performance = Performance(pair.understudy, signal, len(signal))
    performance.play(SLOTS + lost)
    one, rest, made = play_one.from_python(), catch_up.from_python(), []
    for _ in range(100):
        one(address_of(pair._record))
        output = (ctypes.c_float * FRAMES).from_address(int(pair.lead.engine["output_left"]))
        made.append(np.array(output, np.float32))
        performance.play(1)
    for _ in range(100 - lost):
        rest(address_of(pair._record))
        performance.play(1)
    gap = slice(SLOTS * FRAMES, (SLOTS + lost) * FRAMES)
    full = later(render(chain_of(), np.delete(signal, np.r_[gap])))
    assert np.array_equal(np.concatenate(made), full[FRAMES : 101 * FRAMES])
    assert pair.unheard == lost
    assert pair.changes == 2
    assert np.array_equal(performance.output[-50 * FRAMES :], full[-50 * FRAMES :])


@pytest.mark.parametrize("size", [1, 48, 64, 150, 512])
def test_a_sound_card_that_asks_for_more_at_once_gives_the_lead_as_long(chain_of, size):
    signal = chord(100)[: 6000 // size * size]
    pair = Pair(chain_of())
    device = Device(0, "card", "test", 1, 2, RATE_HZ, 0.0, 0.0, True, True)
    card = SoundCard(pair.understudy, device, device)
    call, turn, heard = callback.from_python(), catch_up.from_python(), []
    for start in range(0, len(signal), size):
        samples, out = signal[start : start + size].copy(), np.full((size, 2), np.nan, np.float32)
        call(address_of(samples), address_of(out), size, 0, 0, address_of(card.stage))
        turn(address_of(pair._record))
        heard.append(out[:, 0])
    assert pair.late == max(FRAMES, size)
    assert np.array_equal(np.concatenate(heard), later(render(chain_of(), signal), pair.late))
    assert pair.stood_in == 0


def test_whatever_the_two_threads_do_every_frame_is_heard_once_and_in_its_place(tmp_path):
    """A gain has one level and no memory, so lead and understudy sound the same: all that can differ is the order.

    Bursts that outrun the worker by more than it can be behind, and in between periods for which it is waited.
    """
    rounds, burst, waited = 300, 2 * SLOTS, 2 * IN_TIME
    periods = rounds * (burst + waited)
    signal = np.random.default_rng(3).uniform(-1, 1, 997 * FRAMES).astype(np.float32)
    pair = Pair(Chain(board(tmp_path, "[gain: {level: -6 dB}]"), RATE_HZ, FRAMES))
    performance = Performance(pair.understudy, signal, periods * FRAMES)
    expected = later(np.resize(render(Chain(pair.lead.preset, RATE_HZ, FRAMES), signal), periods * FRAMES))
    performance.play(burst)
    pair.start()
    try:
        for _ in range(rounds - 1):
            for _ in range(waited):
                wait_for(lambda: pair._record["taken"] == pair._record["posted"])
                performance.play(1)
            performance.play(burst)
    finally:
        pair.stop()
    assert np.array_equal(performance.output, expected[: performance.done])
    assert burst <= pair.stood_in < performance.done // FRAMES
    assert pair.unheard >= SLOTS
    assert not lead_threads()


def test_a_scene_reaches_both(chain_of):
    signal = chord(120)
    sounds = []
    for second_core in (False, True):
        chain = chain_of()
        switchboard, played, late = Switchboard(chain), chain, 0
        if second_core:
            pair = Pair(chain)
            switchboard.reach(pair.understudy)
            played, late = pair.understudy, FRAMES
        performance, turn = Performance(played, signal, len(signal)), catch_up.from_python()
        for period in range(120):
            if period == 60:
                switchboard.turn("drive", "drive", 40)
                switchboard.post()
            performance.play(1)
            if second_core:
                turn(address_of(pair._record))
        sounds.append(performance.output[late:])
    assert np.array_equal(sounds[1], sounds[0][:-FRAMES])
    assert pair.understudy.blocks[0].knobs["drive"] == 40


# -- in a session -----------------------------------------------------------------------------------------------


def board_of(chain):
    """A board with a second core, every block at full."""
    full = [len(block.levels) - 1 for block in chain.blocks]
    ones = tuple((1.0,) * (level + 1) for level in full)
    costs = CostTable(tuple((0.0,) * (level + 1) for level in full), ones, 0.0)
    chain.set_costs(costs)
    switchboard, control = Switchboard(chain), Control(chain, Fixed(full))
    made = Board(chain, chain_model(chain, costs, ones), control, switchboard, Pair(chain))
    switchboard.reach(made.played)
    return made


def lead_threads():
    return [thread for thread in threading.enumerate() if thread.name == "lead"]


def test_by_the_clock_every_period_is_played_by_the_lead_or_the_understudy(chain_of):
    """Which of them is heard is the machine's business. A crossfade or a bend lies between the two, and near them."""
    signal, periods = chord(150), 150
    made = board_of(chain_of())
    door = WallClock(Performance(made.played, signal, len(signal)), periods)
    session = Session(made, door, 0.7)
    session.play()
    core = session.snapshot().second_core
    assert (core.stood_in, core.changes) == (made.pair.stood_in, made.pair.changes)
    assert core.stands_in == (made.pair._record["heard"] == 0)
    assert core.late_ms == pytest.approx(1000 * FRAMES / RATE_HZ)
    assert made.played.engine["periods"] == periods
    assert made.pair._record["written"] == (periods + 1) * FRAMES
    full, lite = (later(render(chain_of(levels=[0, level]), signal)) for level in (1, 0))
    off = np.minimum(np.abs(door.output - full), np.abs(door.output - lite))
    assert (off <= np.abs(full - lite).max()).all()
    assert made.pair.stood_in or np.array_equal(door.output, full)
    assert not lead_threads()


def test_another_preset_fades_in_with_a_worker_of_its_own(chain_of):
    made, other = board_of(chain_of()), board_of(chain_of(STEREO.replace("-100", "-50")))
    door = WallClock(Performance(made.played, chord(150)), 10**6)
    session = Session(made, door, 0.7, lambda path, budget: other)
    made.pair.be_late(3 * FRAMES)
    with session:
        session.load("other")
        assert other.pair.late == 3 * FRAMES
        wait_for(lambda: session.board is other)
        assert len(lead_threads()) == 1
        session.turn("a.nam", "input", 3)
        wait_for(lambda: other.played.blocks[0].knobs["input"] == 3)
    assert not lead_threads()
    assert session.snapshot().periods == made.played.engine["periods"] + other.played.engine["periods"]


def test_a_door_that_does_not_open_leaves_no_worker_behind(chain_of):
    class Closed(WallClock):
        def start(self):
            raise DeviceError(Fault("card", "gone"))

    made = board_of(chain_of())
    with pytest.raises(DeviceError):
        Session(made, Closed(Performance(made.played, chord(2)), 2), 0.7).start()
    assert not lead_threads()


# -- simulated --------------------------------------------------------------------------------------------------


def simulated(chain, seed, periods=600, is_silent=True):
    """What a pair did in a hostile day."""
    made = board_of(chain)
    for engine in (chain.engine, made.played.engine):
        engine["silent"] = int(is_silent)
    weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, (), seed, "hostile", periods)
    performance = Performance(made.played, chord(60), 0 if is_silent else periods * FRAMES)
    simulate(chain, made.control, weather, periods, performance, pair=made.pair)
    answer = report.summary(
        chain, made.control, made.model, clock="virtual", device="test", budget=0.7, seed=seed, pair=made.pair
    )
    records = [array[:periods].tobytes() for array in (chain.ring, chain.spent, made.played.ring, made.played.spent)]
    return answer, records


def test_the_same_arguments_give_the_same_answer_bit_for_bit_with_and_without_sound(chain_of):
    first, second = simulated(chain_of(), 4), simulated(chain_of(), 4, is_silent=False)
    assert first == second
    assert first[0]["second_core"]["late_frames"] == first[0]["latency_frames"] == FRAMES
    assert simulated(chain_of(), 5)[1] != first[1]


def test_a_second_core_leaves_the_first_ones_weather_as_it_was_but_for_the_hand_over():
    alone, together = (Weather(3, 1e-3, (), 7, "hostile", 5000) for _ in range(2))
    rows, (lead, understudy) = alone.rows(5000), together.on_two_cores(5000)
    nap = lead[:, 1] - rows[:, 1]
    assert nap.min() >= 0
    assert 0.4 * NAP_NS < nap.mean() < 0.6 * NAP_NS
    assert nap.max() <= NAP_NS
    lead[:, 1] = rows[:, 1]
    assert np.array_equal(lead, rows)
    assert np.array_equal(understudy[:, 0], rows[:, 0])
    assert abs(np.corrcoef(understudy[:, 3] / rows[:, 0], rows[:, 3] / rows[:, 0])[0, 1]) < 0.1


# -- what it is made of -----------------------------------------------------------------------------------------


def test_the_understudy_has_the_smallest_allowed_levels_only_and_shares_their_weights(chain_of):
    chain = chain_of()
    pair = Pair(chain)
    assert [len(block.levels) for block in pair.understudy.blocks] == [1, 1]
    assert pair.understudy.blocks[1].levels[0] is chain.blocks[1].levels[0]
    assert pair.understudy.blocks[0].knobs is not chain.blocks[0].knobs
    assert pair.understudy.block_records["kept_size"].tolist() == [0, 0]


@pytest.mark.parametrize("native", [pair_period, choose, show], ids=lambda native: native.label)
def test_what_plays_calls_nothing_but_arithmetic_the_clock_and_engines_by_address(native):
    assert wrongs_of(native, allowed={"clock_gettime"}) <= {AN_ADDRESS}


def test_the_worker_naps_beside_that():
    assert wrongs_of(work, allowed={"clock_gettime", "nanosleep"}) == {AN_ADDRESS}


def test_one_core_is_too_few(monkeypatch):
    monkeypatch.setattr(pair_module.os, "sched_getaffinity", lambda _: {3}, raising=False)
    with pytest.raises(DeviceError, match="--second-core: there is only one core"):
        check_cores()
    monkeypatch.setattr(pair_module.os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    check_cores()
