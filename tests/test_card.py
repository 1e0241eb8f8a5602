"""A sound card's callback, called as PortAudio calls it: with any number of frames, without input, with flags."""

import threading
import time

import numpy as np
import pytest
from blockplay import AN_ADDRESS, MAY_RAISE, RATE_HZ, board, fades, wrongs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrt.block import BLOCKS
from chainrt.chain import Chain
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.language import FLOAT, INTEGER
from chainrt.compiled.native import Native, address_of
from chainrt.engine import callback
from chainrt.engine.card import WATCHED, find_due
from chainrt.layout import CARD, ENGINE
from chainrt.portaudio import Device, SoundCard
from chainrt.render import render

FRAMES = 64
CONTINUE = 0
MONO, STEREO = "[drive: , cab: {ir: cab.wav}]", "[split: {lanes: {a: [drive: ], b: }, mix: {a: {pan: -100 %}}}]"


def guitar(frames=4000):
    return (0.3 * np.random.default_rng(1).uniform(-1, 1, frames)).astype(np.float32)


def device(inputs=1, outputs=2):
    return Device(0, "card", "test", inputs, outputs, RATE_HZ, 0.0, 0.0, True, True)


@pytest.fixture
def chain_of(tmp_path):
    return lambda text=MONO: Chain(board(tmp_path, text), RATE_HZ, FRAMES)


class Stream:
    """Calls a card's callback as PortAudio would, with interleaved buffers."""

    def __init__(self, chain, inputs=1, outputs=2, input_channel=0, **options):
        self.chain = chain
        self.card = SoundCard(chain, device(inputs) if inputs else None, device(0, outputs), **options)
        self.record, self.inputs = self.card.stage, inputs
        self.record["input_channels"], self.record["input_channel"] = inputs, input_channel
        self.record["output_channels"] = outputs
        self._call, self.outputs = callback.from_python(), outputs

    def __call__(self, samples, flags=0, without_input=False):
        """Samples (frames,) or (frames, inputs) in; (frames, outputs) out, laid over rubbish."""
        samples = np.ascontiguousarray(samples, np.float32)
        out = np.full((len(samples), self.outputs), np.nan, np.float32)
        source = 0 if without_input or not self.inputs else address_of(samples)
        assert self._call(source, address_of(out), len(samples), 0, flags, address_of(self.record)) == CONTINUE
        return out

    def play(self, samples, sizes):
        done, heard = 0, []
        while done < len(samples):
            for size in sizes:
                heard.append(self(samples[done : done + size]))
                done += size
        return np.concatenate(heard)


def both(sound):
    return np.stack([sound, sound], axis=1) if sound.ndim == 1 else sound


@pytest.mark.parametrize("text", [MONO, STEREO], ids=["mono", "stereo"])
@pytest.mark.parametrize("sizes", [(64,), (1,), (63, 65), (1000,), (480, 512), (7, 64, 130)])
def test_a_callback_of_any_length_plays_what_the_chain_plays_offline(chain_of, text, sizes):
    assert np.array_equal(Stream(chain_of(text)).play(guitar(), sizes), both(render(chain_of(text), guitar())))


def test_the_guitar_may_be_on_any_channel_of_the_card(chain_of):
    samples = np.stack([np.full(4000, 0.9, np.float32), guitar(), np.full(4000, -0.9, np.float32)], axis=1)
    assert np.array_equal(Stream(chain_of(), inputs=3, input_channel=1)(samples), both(render(chain_of(), guitar())))


def test_one_output_gets_the_mean_of_both_sides_and_further_ones_get_silence(chain_of):
    sides = render(chain_of(STEREO), guitar())
    assert np.array_equal(Stream(chain_of(STEREO), outputs=1)(guitar())[:, 0], 0.5 * (sides[:, 0] + sides[:, 1]))
    four = Stream(chain_of(STEREO), outputs=4)(guitar())
    assert np.array_equal(four[:, :2], sides)
    assert not four[:, 2:].any()


def test_without_input_the_chain_hears_silence_and_it_is_counted(chain_of):
    stream = Stream(chain_of())
    stream(guitar(256))
    heard = stream(np.zeros(4000), without_input=True)
    expected = render(chain_of(), np.concatenate([guitar(256), np.zeros(4000, np.float32)]))[256:]
    assert np.array_equal(heard, both(expected))
    assert stream.card.flags["without_input"] == 1


def test_a_card_without_input_has_nothing_to_miss(chain_of):
    stream = Stream(chain_of(), inputs=0, source=guitar(1000))
    heard = stream(np.zeros(2500))
    assert np.array_equal(heard, both(render(chain_of(), np.resize(guitar(1000), 2500))))
    assert stream.card.flags["without_input"] == 0


def test_samples_take_the_place_of_an_input_that_is_there_all_the_same(chain_of):
    heard = Stream(chain_of(), source=guitar(1000)).play(np.ones(2500, np.float32), (100,))
    assert np.array_equal(heard, both(render(chain_of(), np.resize(guitar(1000), 2500))))


@pytest.mark.parametrize("text", [MONO, STEREO], ids=["mono", "stereo"])
def test_the_sound_is_kept_as_far_as_there_is_room(chain_of, text):
    stream = Stream(chain_of(text), kept_frames=1000)
    stream.play(guitar(), (300,))
    assert np.array_equal(stream.card.output, render(chain_of(text), guitar())[:1000])
    assert stream.card.played_s == pytest.approx(4200 / RATE_HZ, abs=300 / RATE_HZ)


def test_each_flag_is_counted_by_its_name(chain_of):
    stream = Stream(chain_of())
    for flags in (0b0001, 0b0011, 0b0110, 0b1100, 0b0100, 0b10000):
        stream(guitar(64), flags)
    assert stream.card.flags == {
        "input_underflows": 2,
        "input_overflows": 2,
        "output_underflows": 3,
        "output_overflows": 1,
        "without_input": 0,
    }
    assert stream.card.xruns == 3


def test_a_stop_fades_one_callback_out_and_then_there_is_silence(chain_of):
    samples = guitar(640)
    expected = both(render(chain_of(), samples))
    stream = Stream(chain_of())
    assert np.array_equal(stream(samples[:320]), expected[:320])
    stream.record["stop"] = 1
    fading = stream(samples[320:])
    assert np.array_equal(fading == 0, np.tile(np.arange(320) == 319, (2, 1)).T)
    assert (np.abs(fading) <= np.abs(expected[320:])).all()
    assert np.abs(np.diff(fading[-20:, 0])).max() < np.abs(np.diff(expected[:, 0])).max() / 10
    periods = stream.chain.engine["periods"].item()
    assert not stream(samples).any()
    assert stream.chain.engine["periods"] == periods
    assert not stream.card.is_playing


def test_after_so_many_frames_it_ends_by_itself(chain_of):
    stream = Stream(chain_of(), most_frames=500)
    assert stream(guitar(480)).any()
    assert not stream.record["silent"]
    stream(guitar(480))
    assert stream.record["silent"]


def test_a_callback_of_no_frames_is_nothing(chain_of):
    stream = Stream(chain_of())
    assert stream(np.zeros((0,))).shape == (0, 2)
    assert stream.record["callbacks"] == 0


def test_denormals_are_flushed_in_whatever_thread_the_card_calls_from(chain_of, monkeypatch):
    """Only of the period itself is it asked, so it holds in PortAudio's thread as in this one."""
    monkeypatch.setitem(BLOCKS, "fades", fades)
    impulse = np.zeros(256, np.float32)
    impulse[0] = 1
    stream, heard = Stream(chain_of("[fades: ]")), []
    thread = threading.Thread(target=lambda: heard.append(stream(impulse)))
    thread.start()
    thread.join()
    assert np.array_equal(heard[0][:120, 0], 0.5 ** np.arange(120, dtype=np.float32))
    assert not heard[0][130:].any()
    assert np.float32(2.0**-126) * np.float32(0.5) > 0


# -- when callbacks are due -------------------------------------------------------------------------------------


def _due(card, engine, now, frames):
    due = find_due(card, engine, now, frames)
    card.callbacks += 1
    return due


due_of = Native(_due, (CARD, ENGINE, FLOAT, INTEGER), "due_of", returns=FLOAT)


class Grid:
    """find_due, fed with the moments at which callbacks come (ns), each of a period of 1000 ns."""

    LENGTH = 1000.0

    def __init__(self, frames=10):
        self.card, self.engine = aligned_zeros((), CARD), aligned_zeros((), ENGINE)
        self.card["frames"], self.engine["frame_time_ns"], self.frames = frames, self.LENGTH / frames, frames
        self._call = due_of.from_python()

    def late(self, moments):
        """By how much each callback is thought to be late."""
        addresses = address_of(self.card), address_of(self.engine)
        return [moment - self._call(*addresses, float(moment), self.frames) for moment in moments]

    @property
    def swallowed(self):
        return int(self.engine["swallowed"])


def test_a_callback_is_late_by_what_it_comes_after_its_place_in_the_grid():
    grid, lateness = Grid(), [0, 100, 0, 700, 900, 300, 0]
    assert grid.late([50_000 + 1000 * k + late for k, late in enumerate(lateness)]) == lateness
    assert grid.swallowed == 0


def test_an_early_callback_shows_that_all_were_due_earlier_than_thought():
    grid = Grid()
    assert grid.late([1300, 2300, 3000, 4000, 5300]) == [0, 0, 0, 0, 300]


@given(st.floats(0.001, 0.9), st.lists(st.floats(0, 0.09), min_size=3 * WATCHED, max_size=3 * WATCHED))
@settings(max_examples=30)
def test_a_grid_that_is_wrong_by_less_than_a_period_is_right_again_after_a_while(shift, jitter):
    """A driver begins anew, later by a part of a period; nobody is late for longer than it takes to find out."""
    grid = Grid()
    grid.late(1000 * k for k in range(10))
    late = grid.late(1000 * (10 + k + shift + part) for k, part in enumerate(jitter))
    assert max(late[2 * WATCHED :]) <= 1000 * (max(jitter) + 1e-6)
    assert grid.swallowed == 0


@pytest.mark.parametrize("drift", [-3e-4, 3e-4])
def test_the_cards_clock_may_drift_against_the_machines(drift):
    grid = Grid()
    late = grid.late(1000 * k * (1 + drift) for k in range(100_000))
    assert max(late) < 2 * WATCHED * 1000 * abs(drift)
    assert grid.swallowed == 0


@given(st.integers(1, 50), st.floats(0, 0.99))
@settings(max_examples=50)
def test_periods_for_which_nobody_asked_were_swallowed_and_the_grid_begins_anew(gap, part):
    grid = Grid()
    late = grid.late([0, 1000, 2000, 2000 + 1000 * (1 + gap + part), 2000 + 1000 * (2 + gap + part)])
    assert grid.swallowed == gap
    assert late[3:] == pytest.approx([0, 0], abs=1e-6)


def test_swallowed_periods_are_misses_and_unavoidable_unless_the_engine_was_still_busy(chain_of):
    stream = Stream(chain_of())
    stream(guitar(64))
    engine, length = stream.chain.engine, 64e9 / RATE_HZ
    for periods_ago, avoidable in ((3.4, 0), (1, 3)):
        misses, unavoidable = int(engine["misses"]), int(engine["unavoidable"])
        now = time.monotonic_ns()
        stream.record["due_ns"] = now - 3.5 * length
        engine["ended_ns"], engine["floor_ended_ns"] = now - periods_ago * length, now - 4 * length
        stream(guitar(64))
        note = stream.chain.ring[int(engine["periods"]) - 1]
        assert note["swallowed"] >= 3
        assert engine["misses"] - misses == note["swallowed"] + note["missed"]
        told = int(engine["unavoidable"]) - unavoidable
        assert told == (0 if avoidable else note["swallowed"]) + note["unavoidable"]
        assert engine["longest_miss_run"] >= 3


def _allocates(source, target, frames, time, flags, card):
    card.done = np.zeros(int(frames)).size
    return 0


def _raises(source, target, frames, time, flags, card):
    if frames > card.frames:
        raise ValueError("too long a callback")
    return 0


@pytest.mark.parametrize(("offender", "seen"), [(_allocates, "NRT"), (_raises, MAY_RAISE)])
def test_a_callback_that_allocates_or_may_raise_is_caught(offender, seen):
    wrongs = wrongs_of(Native(offender, callback.arguments, returns=callback.returns))
    assert any(seen in wrong for wrong in wrongs)


def test_the_callback_calls_nothing_but_arithmetic_the_clock_its_thread_and_blocks_by_address():
    assert wrongs_of(callback, allowed={"clock_gettime", "gettid"}) == {AN_ADDRESS}
