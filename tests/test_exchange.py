"""What passes between the player and the engine while it plays: settings, bypass, and one engine for another."""

import math
import threading
import time

import numpy as np
import pytest
from blockplay import RATE_HZ, board, planted
from models import tiny_container

from chainrt.block import BLOCKS
from chainrt.chain import Chain
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.clock import now_ns, sleep_ns
from chainrt.compiled.language import INTEGER, carray
from chainrt.compiled.memory import address, exchange, load_acquire, pointer, store_release
from chainrt.compiled.native import Native, address_of
from chainrt.engine import BYPASS_FRAMES
from chainrt.engine.mail import take_plan, take_settings
from chainrt.layout import BLOCK, ENGINE, FRESH, MAIL_COLUMNS, STAGE
from chainrt.performance import Performance
from chainrt.render import render
from chainrt.switchboard import Switchboard

FRAMES = 64
FADE_PERIODS = BYPASS_FRAMES // FRAMES


def guitar(frames=20_000):
    return (0.3 * np.random.default_rng(1).uniform(-1, 1, frames)).astype(np.float32)


@pytest.fixture
def chain_of(tmp_path):
    def make(text, **documents) -> Chain:
        return Chain(board(tmp_path, text, **documents), RATE_HZ, FRAMES)

    return make


class Deck:
    """Plays a chain in periods, with a switchboard in the player's hand."""

    def __init__(self, chain, signal=None, frames=20_000):
        self.chain, self.switchboard = chain, Switchboard(chain)
        self.performance = Performance(chain, guitar() if signal is None else signal, frames // FRAMES * FRAMES)

    def play(self, periods):
        """What is heard in so many periods more: (frames,) or (frames, 2)."""
        before = self.performance.done
        self.performance.play(periods)
        return self.performance.output[before:].copy()

    def switch(self, block, enabled):
        self.switchboard.switch(block, enabled)
        self.switchboard.post()


# -- the triple buffer ------------------------------------------------------------------------------------------

MOST = 2**24  # messages: so far float32, as knobs are, counts exactly
STRESS_NS = 3_000_000_000  # for so long, on a machine that is busy with something else, too
SIZE = 8


def _write_sets(engine, until):
    """Pass sets that hold one number each, SIZE times, as Switchboard.post does. Returns the last number."""
    back, number = 2, 0
    while number < MOST and now_ns() < until:
        number += 1
        numbers = carray(pointer(engine.settings + back * SIZE * 8), SIZE, np.float64)
        for i in range(SIZE):
            numbers[i] = number
        back = exchange(address(engine) + MIDDLE, back | FRESH) & ~FRESH
    store_release(address(engine) + POSTED, number)
    return number


def _read_sets(engine, bad):
    """Take sets until the last one has come; bad: how many were torn, how many older than one before, how many came."""
    faults = carray(pointer(bad), 3, np.int64)
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    knobs = carray(pointer(blocks[0].knobs), SIZE, np.float32)
    seen, last = 0.0, 0
    while last == 0 or seen < last:
        last = load_acquire(address(engine) + POSTED)
        if load_acquire(address(engine) + MIDDLE) & FRESH == 0:
            continue
        take_settings(engine, blocks)
        faults[2] += 1
        first = knobs[1]
        for i in range(1, SIZE - 1):
            if knobs[i] != first:
                faults[0] += 1
        if first < seen:
            faults[1] += 1
        seen = first


MIDDLE = ENGINE.fields["settings_middle"][1]
TAKEN, POSTED = ENGINE.fields["taken"][1], ENGINE.fields["posted"][1]
write_sets = Native(_write_sets, (ENGINE, INTEGER), "write_sets", returns=INTEGER)
read_sets = Native(_read_sets, (ENGINE, INTEGER), "read_sets")


def in_two_threads(write, read):
    """What both return. The reader is started first."""
    answers = {}
    threads = [threading.Thread(target=lambda: answers.update(read=read()))]
    threads.append(threading.Thread(target=lambda: answers.update(write=write())))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers["write"], answers["read"]


def test_millions_of_sets_of_settings_are_never_torn_and_the_newest_one_arrives():
    engine, blocks, bad = aligned_zeros((), ENGINE), aligned_zeros(1, BLOCK), aligned_zeros(3, np.int64)
    sets, knobs = aligned_zeros((3, SIZE), np.float64), aligned_zeros(SIZE, np.float32)
    engine["settings"], engine["settings_size"], engine["settings_middle"] = address_of(sets), SIZE, 1
    engine["blocks"], engine["block_count"] = address_of(blocks), 1
    blocks["knobs"], blocks["knob_count"] = address_of(knobs), SIZE - 2
    write, read = write_sets.from_python(), read_sets.from_python()
    end = time.monotonic_ns() + STRESS_NS
    written, _ = in_two_threads(
        lambda: write(address_of(engine), end), lambda: read(address_of(engine), address_of(bad))
    )
    torn, old, came = bad.tolist()
    assert (torn, old) == (0, 0)
    assert 1 <= came <= written
    assert written > 10_000
    assert knobs[1] == written


PLANNED, LAST = 4, -1


def _write_plans(engine, until):
    """Post one plan after the other, each when the one before was taken, as Control does. Returns how many."""
    mail = carray(pointer(engine.mail), MAIL_COLUMNS * PLANNED, np.int64)
    number = posted = 0
    while number != LAST:
        spins = 0
        while load_acquire(address(engine) + TAKEN) != posted:
            spins += 1
            if spins > 200:
                sleep_ns(1000)
        number = posted + 1 if posted < MOST and now_ns() < until else LAST
        for i in range(MAIL_COLUMNS * PLANNED):
            mail[i] = number
        posted += 1
        store_release(address(engine) + POSTED, posted)
    return posted


def _read_plans(engine):
    """Take plans until the last one has come; returns how many were torn or did not follow the one before."""
    blocks = carray(pointer(engine.blocks), engine.block_count, BLOCK)
    bad = seen = spins = 0
    while seen != LAST:
        take_plan(engine, blocks)
        spins = spins + 1 if blocks[0].wanted == seen else 0
        if spins > 200:
            sleep_ns(1000)
        number = blocks[0].wanted
        for index in range(PLANNED):
            block = blocks[index]
            bad += block.wanted != number or block.warm != number or block.replay != number
        bad += number != seen and number != seen + 1 and number != LAST
        seen = number
    return bad


write_plans = Native(_write_plans, (ENGINE, INTEGER), "write_plans", returns=INTEGER)
read_plans = Native(_read_plans, (ENGINE,), "read_plans", returns=INTEGER)


def test_millions_of_plans_arrive_whole_each_and_in_order():
    engine, blocks, mail = aligned_zeros((), ENGINE), aligned_zeros(PLANNED, BLOCK), aligned_zeros(99, np.int64)
    engine["mail"], engine["blocks"], engine["block_count"] = address_of(mail), address_of(blocks), PLANNED
    write, read = write_plans.from_python(), read_plans.from_python()
    end = time.monotonic_ns() + STRESS_NS
    posted, bad = in_two_threads(lambda: write(address_of(engine), end), lambda: read(address_of(engine)))
    assert bad == 0
    assert posted > 10_000
    assert engine["taken"] == posted


def test_the_newest_settings_win_and_those_in_between_are_never_heard(chain_of):
    deck = Deck(chain_of("[drive: ]"))
    p = deck.chain.blocks[0].knobs
    for value in (1, 2, 3, 4, 5, 40):
        deck.switchboard.turn("drive", "drive", value)
        deck.switchboard.post()
    deck.play(1)
    assert p["drive"] == 40
    deck.play(1)
    deck.switchboard.turn("drive", "drive", 10)
    deck.play(1)
    assert p["drive"] == 40  # not posted yet
    deck.switchboard.post()
    deck.play(1)
    assert (p["drive"], p["tone"]) == (10, deck.switchboard.value("drive", "tone"))


def test_a_turned_knob_sounds_in_the_end_as_if_it_had_always_stood_there(chain_of):
    deck = Deck(chain_of("[drive: {drive: 6 dB}]"))
    deck.play(10)
    deck.switchboard.turn("drive", "drive", 20)
    deck.switchboard.post()
    heard = deck.play(200)
    expected = render(chain_of("[drive: {drive: 20 dB}]"), guitar()[: 210 * FRAMES])[10 * FRAMES :]
    assert np.abs(heard[6400:] - expected[6400:]).max() < 1e-4
    assert np.abs(heard[:64] - expected[:64]).max() > 1e-2


# -- bypass -----------------------------------------------------------------------------------------------------


def shares(periods, rising):
    """How much of the block is heard in each frame of so many periods, from the switch on."""
    done = np.arange(1, periods * FRAMES + 1) / BYPASS_FRAMES
    return np.clip(done if rising else 1 - done, 0, 1)


@pytest.mark.parametrize("text", ["[drive: ]", "[split: {lanes: {a: , b: }, mix: {a: {pan: 50 %}}}, drive: ]"])
def test_a_block_goes_and_comes_by_a_crossfade_with_what_goes_around_it(chain_of, text):
    on, off = (render(chain_of(each), guitar()) for each in (text, text.replace("drive: ", "drive: {enabled: false}")))
    deck = Deck(chain_of(text))
    assert np.array_equal(deck.play(10), on[:640])
    deck.switch("drive", False)
    fade, after = deck.play(FADE_PERIODS + 1), slice(640, 640 + (FADE_PERIODS + 1) * FRAMES)
    wet = shares(FADE_PERIODS + 1, rising=False).reshape((-1,) + (1,) * (on.ndim - 1))
    assert np.abs(fade - (wet * on[after] + (1 - wet) * off[after])).max() < 1e-6
    quiet = deck.play(20)
    assert np.array_equal(quiet, off[after.stop : after.stop + 20 * FRAMES])
    deck.switch("drive", True)
    back = deck.play(20)
    start = after.stop + 20 * FRAMES
    wet = shares(20, rising=True).reshape(wet.shape[:0] + (-1,) + (1,) * (on.ndim - 1))
    assert np.abs(back - (wet * on[start:][: len(back)] + (1 - wet) * off[start:][: len(back)]))[64:].max() < 0.05
    assert np.abs(back[800:] - on[start:][800 : len(back)]).max() < 0.02


def test_a_bypassed_block_costs_nothing_and_does_not_run(chain_of, monkeypatch):
    @planted(state=[("calls", "i8")])
    def counter(p, s, x, n):
        s.calls += 1

    monkeypatch.setitem(BLOCKS, "counter", counter)
    deck = Deck(chain_of("[counter: ]"))
    state = deck.chain._states[0][0]
    deck.play(5)
    deck.switch("counter", False)
    deck.play(FADE_PERIODS)
    calls = int(state["calls"])
    deck.play(50)
    assert state["calls"] == calls
    rows = np.arange(deck.chain.engine["periods"] - 50, deck.chain.engine["periods"])
    assert not deck.chain.spent["expected_ns"][rows].any()
    deck.switch("counter", True)
    deck.play(3)
    assert state["calls"] == calls + 3


def test_a_step_in_a_bypass_does_not_click_and_a_hard_switch_would(chain_of):
    """A low tone through a block that inverts it: the largest step between two frames stays the tone's own."""
    tone = (0.5 * np.sin(2 * math.pi * 100 / RATE_HZ * np.arange(20_000) + 1)).astype(np.float32)
    deck = Deck(chain_of("[split: {lanes: {a: [drive: {drive: 0 dB}], b: [drive: {drive: 0 dB}]}}]"), tone)
    deck.play(10)
    deck.switch("a.drive", False)
    deck.switch("b.drive", False)
    heard = deck.play(30)
    own = np.abs(np.diff(2 * tone)).max()
    assert np.abs(np.diff(heard)).max() < 1.5 * own


def test_an_echo_rings_out_after_a_bypass_and_then_costs_nothing(chain_of):
    text = "[echo: {time: 50 ms, feedback: 50 %, mix: 50 %}]"
    burst = guitar()
    burst[3200:] = 0
    deck = Deck(chain_of(text), burst, frames=80_000)
    deck.performance._input[3200:] = 0
    deck.play(50)
    deck.switch("echo", False)
    expected = render(chain_of(text), np.concatenate([burst[:3200], np.zeros(76_800, np.float32)]))
    heard = deck.play(200)
    assert np.abs(heard).max() > 0.01
    settled = slice(3200 + BYPASS_FRAMES, 3200 + 200 * FRAMES)
    assert np.abs(heard[BYPASS_FRAMES:] - expected[settled]).max() < 1e-4
    record = deck.chain.block_records[0]
    assert record["idle"] == 0
    deck.play(int(record["tail"]) // FRAMES - 180)
    assert record["idle"] == 1


def test_an_echo_whose_tail_shall_be_cut_goes_as_a_pedal_goes(chain_of):
    text = "[echo: {time: 50 ms, feedback: 50 %, mix: 50 %, tails: cut}]"
    deck = Deck(chain_of(text))
    deck.play(50)
    deck.switch("echo", False)
    fade, after = deck.play(FADE_PERIODS), deck.play(20)
    on = render(chain_of(text), guitar())[3200 : 3200 + BYPASS_FRAMES]
    wet = shares(FADE_PERIODS, rising=False)
    assert np.abs(fade - (wet * on + (1 - wet) * guitar()[3200 : 3200 + BYPASS_FRAMES])).max() < 1e-6
    assert np.array_equal(after, guitar()[3200 + BYPASS_FRAMES :][: len(after)])
    assert deck.chain.block_records[0]["idle"] == 1


def test_a_pedal_that_shall_ring_is_switched_at_its_input(chain_of):
    """Its filters fall silent by themselves; the dry sound comes in beside them."""
    text = "[drive: {tails: ring}]"
    deck = Deck(chain_of(text))
    deck.play(50)
    deck.switch("drive", False)
    heard = deck.play(FADE_PERIODS + 4)
    wet = shares(FADE_PERIODS + 4, rising=False)
    dry = guitar()[3200 : 3200 + len(wet)]
    ringing = render(chain_of(text), np.concatenate([guitar()[:3200], wet.astype(np.float32) * dry]))[3200:]
    assert np.abs(heard - (ringing + (1 - wet) * dry)).max() < 1e-5
    assert deck.chain.block_records[0]["tail"] > 0


@pytest.mark.parametrize("frames", [5, 200])
def test_a_bypassed_block_lags_as_much_as_it_did(chain_of, monkeypatch, frames):
    @planted(state=[("past", "f4", (frames,)), ("at", "i8")], latency=frames)
    def late(p, s, x, n):
        for i in range(n):
            x[i], s.past[s.at] = s.past[s.at], x[i]
            s.at = (s.at + 1) % frames

    monkeypatch.setitem(BLOCKS, "late", late)
    deck = Deck(chain_of("[late: ]"))
    heard = [deck.play(20)]
    for enabled in (False, True):
        deck.switch("late", enabled)
        heard.append(deck.play(20))
    heard, expected = np.concatenate(heard), np.concatenate([np.zeros(frames, np.float32), guitar()])
    assert np.abs(heard - expected[: len(heard)])[: 40 * FRAMES].max() < 1e-6
    resumed = 40 * FRAMES + BYPASS_FRAMES + frames
    assert np.abs(heard - expected[: len(heard)])[resumed:].max() < 1e-6


def test_a_neural_amp_comes_back_at_the_level_that_was_planned_meanwhile(chain_of):
    """Exact again: what it hears is what it would have heard, had the time of its absence not been."""
    amp = tiny_container(channels=(2, 4), taps=(3, 2, 5), dilations=(1, 30, 100), seed=3)
    deck = Deck(chain_of("[nam: {model: amp.nam}]", amp=amp))
    heard = [deck.play(20)]
    deck.switch("nam", False)
    heard.append(deck.play(FADE_PERIODS))
    deck.play(30)
    deck.switch("nam", True)
    deck.play(FADE_PERIODS)
    again = deck.play(20)
    absent = slice((20 + FADE_PERIODS) * FRAMES, (50 + FADE_PERIODS) * FRAMES)
    present = np.concatenate([guitar()[: absent.start], guitar()[absent.stop :]])
    expected = render(chain_of("[nam: {model: amp.nam}]", amp=amp), present)
    start = (20 + 2 * FADE_PERIODS) * FRAMES
    assert np.abs(again - expected[start : start + len(again)]).max() < 1e-6


# -- the stage --------------------------------------------------------------------------------------------------


def announce(stage, chain, fade_frames, apart=0, ring_frames=0):
    """As Session.load does."""
    stage["ring_frames"] = ring_frames
    stage["next"], stage["fade_frames"], stage["faded"] = address_of(chain.engine), fade_frames, 0
    stage["apart"], stage["posted"] = apart, stage["posted"] + 1


@pytest.mark.parametrize("apart", [0, 1], ids=["together", "apart"])
def test_one_chain_takes_the_place_of_another_by_a_crossfade(chain_of, apart):
    gains = {name: f"[drive: {{drive: {db} dB}}]" for name, db in (("old", 3), ("new", 20))}
    old, new = chain_of(gains["old"]), chain_of(gains["new"])
    deck = Deck(old)
    stage, before, length = deck.performance.stage, 10, 20 * FRAMES
    heard = deck.play(before)
    announce(stage, new, length, apart)
    fade = deck.play(20)
    assert stage["taken"] == stage["posted"] == 1
    assert stage["engine"] == address_of(new.engine)
    rest = deck.play(30)
    first = before * FRAMES
    was = render(chain_of(gains["old"]), guitar())
    joined = first + (length // 2 if apart else 0)
    becomes = np.concatenate([np.zeros(joined, np.float32), render(chain_of(gains["new"]), guitar()[joined:])])
    done = np.arange(1, length + 1) / length
    out, come = (np.clip(1 - 2 * done, 0, 1), np.clip(2 * done - 1, 0, 1)) if apart else (1 - done, done)
    expected = np.sqrt(out) * was[first : first + length] + np.sqrt(come) * becomes[first : first + length]
    assert np.array_equal(heard, was[:first])
    assert np.abs(fade - expected).max() < 1e-6
    assert np.array_equal(rest, becomes[first + length : first + length + len(rest)])
    played = [int(chain.engine["periods"]) for chain in (old, new)]
    assert played == ([20, 40] if apart else [30, 50])


def ringing_change(chain_of, ring_frames):
    """An echo, a change to a pedal after 10 periods, and what each of both then contributes, all frames from there."""
    old = chain_of("[echo: {time: 50 ms, feedback: 50 %, mix: 50 %}]")
    new = chain_of("[drive: {drive: 3 dB}]")
    deck, length = Deck(old), 20 * FRAMES
    deck.play(10)
    announce(deck.performance.stage, new, length, ring_frames=ring_frames)
    after = guitar()[640:]
    done = np.clip(np.arange(1, len(after) + 1) / length, 0, 1)
    fading = np.concatenate([guitar()[:640], (np.sqrt(1 - done) * after).astype(np.float32)])
    rings = render(chain_of("[echo: {time: 50 ms, feedback: 50 %, mix: 50 %}]"), fading)[640:]
    comes = np.sqrt(done) * render(chain_of("[drive: {drive: 3 dB}]"), after)
    return deck, new, rings, comes


def test_tails_ring_out_beside_the_chain_that_took_their_place_and_are_then_let_go(chain_of):
    deck, new, rings, comes = ringing_change(chain_of, ring_frames=100 * FRAMES)
    heard = deck.play(100)
    assert np.abs(heard - (rings + comes)[: len(heard)]).max() < 1e-6
    assert np.abs(rings[50 * FRAMES :]).max() > 0.01
    assert deck.performance.stage["taken"] == 0
    deck.play(20)
    assert deck.performance.stage["taken"] == 1
    before, alone = deck.performance.done - 640, deck.play(20)
    assert np.abs(alone - comes[before : before + len(alone)]).max() < 1e-6
    assert deck.performance.stage["engine"] == address_of(new.engine)


def test_ringing_that_is_enough_is_faded_out(chain_of):
    deck, _, rings, comes = ringing_change(chain_of, ring_frames=10_000 * FRAMES)
    deck.play(40)
    deck.performance.stage["cut"] = 1
    heard = deck.play(20)
    assert deck.performance.stage["taken"] == 1
    out = np.sqrt(1 - np.arange(1, 20 * FRAMES + 1) / (20 * FRAMES))
    place = slice(40 * FRAMES, 60 * FRAMES)
    assert np.abs(heard - (out * rings[place] + comes[place])).max() < 1e-6


def test_a_chain_rings_for_as_long_as_its_blocks_do_and_cuts_what_shall_be_cut(chain_of):
    echo = "echo: {time: 50 ms, feedback: 50 %"
    for text, rings, on in (
        ("[drive: ]", False, (True,)),
        (f"[drive: , {echo}}}]", True, (True, True)),
        (f"[drive: , {echo}, tails: cut}}]", False, (True, True)),
        (f"[drive: {{tails: ring}}, {echo}, tails: cut}}]", True, (True, False)),
    ):
        switchboard = Switchboard(chain_of(text))
        assert (switchboard.ring_out() > 0) == rings
        assert switchboard.enabled == on
    alone, twice = (Switchboard(chain_of(f"[{echo}}}{more}]")).ring_out() for more in ("", f", {echo}}}"))
    assert twice == 2 * alone


def test_mono_and_stereo_chains_may_take_each_others_place(chain_of):
    mono, stereo = "[drive: ]", "[split: {lanes: {a: [drive: ], b: }, mix: {a: {pan: -100 %}, b: {pan: 100 %}}}]"
    deck, successor = Deck(chain_of(stereo)), chain_of(mono)  # whoever announces a chain keeps it alive
    deck.play(5)
    announce(deck.performance.stage, successor, 10 * FRAMES)
    deck.play(10)
    heard = deck.play(20)
    expected = render(chain_of(mono), guitar()[5 * FRAMES :])[10 * FRAMES : 30 * FRAMES]
    assert np.array_equal(heard, np.stack([expected, expected], axis=1))


def test_a_stage_begins_whatever_drives_engines():
    from chainrt.layout import CARD, PERFORMANCE

    for record in (CARD, PERFORMANCE):
        for name, (kind, offset) in STAGE.fields.items():
            assert record.fields[name] == (kind, offset)
