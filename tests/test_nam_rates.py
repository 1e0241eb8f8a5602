"""Networks in chains of another rate: dilations stretched, or the sound resampled, and both as exact as they say."""

import json
from itertools import permutations

import naive
import numpy as np
import pytest
from blockplay import board
from models import container_of, saved, tiny_container, tiny_convnet, tiny_linear, tiny_lstm, tiny_wavenet
from netplay import PERIODS, ROUNDING, guitar, off_by
from test_engine import Deck
from test_engine_rest import priced, rested, with_silences

from chainrt.chain import Chain, plan_blocks
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.native import address_of
from chainrt.nam import levels
from chainrt.nam.rates import multiple, packed_for, stretched
from chainrt.nam.resampler import PASS_HZ, STOP_DB, design, highest_pass_hz
from chainrt.performance import Performance
from chainrt.render import render

RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
WIRE = {**tiny_linear(), "config": {"receptive_field": 1, "bias": False}, "weights": [1.0]}


def network_of(document, folder):
    return levels.load(saved(document, folder)).levels[-1].network


def twin_of(network):
    return lambda x: getattr(naive, type(network).__name__.lower())(network, x)


def adapted(network, own_hz, chain_hz):
    (packed,) = packed_for([network], own_hz, chain_hz)
    return packed


def played(packed, signal, sizes=(64,)):
    state, run = packed.new_state(), packed.natives[0].from_python()
    plane = aligned_zeros(len(signal), np.float32)
    plane[:] = signal
    done, turn = 0, 0
    while done < len(plane):
        frames = min(sizes[turn % len(sizes)], len(plane) - done)
        run(address_of(state[0]), address_of(plane[done:]), frames)
        done, turn = done + frames, turn + 1
    return plane


# -- whole multiples --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("make", [tiny_wavenet, tiny_convnet, tiny_linear])
def test_a_stretched_network_makes_of_each_kth_frame_just_what_it_made_at_its_own_rate(make, factor, tmp_path):
    network = network_of(make(), tmp_path)
    signal = guitar(4000)
    quiet = np.zeros(factor * network.receptive_field)
    heard = played(adapted(network, 48_000, factor * 48_000), np.concatenate([quiet, signal]))[len(quiet) :]
    for phase in range(factor):
        assert off_by(heard[phase::factor], twin_of(network)(signal[phase::factor])) < ROUNDING


def test_a_stretched_network_reaches_as_far_back_in_time_and_lags_by_nothing(tmp_path):
    network = network_of(tiny_wavenet(), tmp_path)
    longer = stretched(network, 4)
    assert longer.receptive_field == 4 * (network.receptive_field - 1) + 1
    assert (longer.multiply_adds, longer.sample_rate) == (network.multiply_adds, 192_000)


def test_a_network_that_would_reach_too_far_back_and_one_without_dilations_are_resampled(tmp_path):
    far = network_of(tiny_wavenet(dilations=(1, 3, 100_000)), tmp_path)
    for network in (far, network_of(tiny_lstm(), tmp_path)):
        assert stretched(network, 2) is None
        assert adapted(network, 48_000, 96_000).network.latency > 0


@pytest.mark.parametrize(("rate", "of", "factor"), [(96e3, 48e3, 2), (48e3, 48e3, 1), (48e3, 96e3, None)])
def test_only_whole_multiples_are_multiples(rate, of, factor):
    assert multiple(rate, of) == factor
    assert multiple(48_000, 44_100) is None


# -- resampling -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chain_hz", "network_hz"), list(permutations(RATES, 2)))
def test_the_filter_is_as_flat_as_deep_and_as_early_as_is_said(chain_hz, network_hz):
    made = design(chain_hz, network_hz)
    common, lower = chain_hz * made.step, min(chain_hz, network_hz)
    response = np.abs(np.fft.rfft(made.taps, 1 << 21))
    hz = np.arange(len(response)) * common / (1 << 21)
    highest = highest_pass_hz(lower)
    assert highest >= PASS_HZ or lower == 44_100
    assert np.abs(20 * np.log10(response[hz <= highest])).max() < 0.001
    assert 20 * np.log10(response[hz >= lower - highest].max()) < -STOP_DB
    assert made.latency * made.step == len(made.taps) - 1
    assert made.latency / chain_hz < (0.0017 if lower == 44_100 else 0.00085)


@pytest.mark.parametrize(("chain_hz", "network_hz"), [(44_100, 48_000), (48_000, 44_100), (192_000, 44_100)])
@pytest.mark.parametrize("make", [tiny_wavenet, tiny_lstm])
def test_a_resampled_network_equals_its_slow_twin(make, chain_hz, network_hz, tmp_path):
    network = network_of(make(), tmp_path)
    packed = adapted(network, network_hz, chain_hz)
    signal = guitar(3000)
    expected = naive.resampled(packed.design, twin_of(network), signal)
    heard = played(packed, signal)
    begun = 4 * packed.network.latency  # the kernel begins with what the network idles at, the twin with zeros
    assert off_by(heard[begun:], expected[begun:]) < 1e-5


@pytest.mark.parametrize("sizes", PERIODS)
@pytest.mark.parametrize(("chain_hz", "network_hz"), [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000)])
def test_a_resampled_network_does_not_know_how_frames_are_cut_into_periods(sizes, chain_hz, network_hz, tmp_path):
    network = network_of(tiny_lstm(), tmp_path)
    packed, signal = adapted(network, network_hz, chain_hz), guitar(2000)
    assert np.array_equal(played(packed, signal, sizes), played(packed, signal, (96,)))


@pytest.mark.parametrize(("chain_hz", "network_hz"), [(44_100, 48_000), (48_000, 44_100), (88_200, 48_000)])
def test_a_sine_that_is_resampled_twice_is_that_sine_a_little_later(chain_hz, network_hz, tmp_path):
    packed = adapted(network_of(WIRE, tmp_path), network_hz, chain_hz)
    late = packed.network.latency
    for hz in (100, 1000, 10_000, 19_900):
        sine = 0.5 * np.sin(2 * np.pi * hz / chain_hz * np.arange(8000))
        heard = played(packed, sine)
        assert np.abs(heard[2000:] - sine[2000 - late : 8000 - late]).max() < 0.5 * 10 ** (-90 / 20)


def test_rates_with_too_little_in_common_are_refused(tmp_path):
    network = network_of(tiny_wavenet(), tmp_path)
    with pytest.raises(ValueError, match="48001 Hz and 48000 Hz have too little in common"):
        adapted(network, 48_001, 48_000)
    with pytest.raises(ValueError, match=r"44100\.5 Hz cannot be resampled to 48000 Hz"):
        adapted(network, 44_100.5, 48_000)


# -- in a chain -------------------------------------------------------------------------------------------------


def chain_at(folder, rate, text, frames=64, **documents):
    return Chain(board(folder, text, **documents), rate, frames)


def test_a_model_without_a_rate_is_taken_for_one_of_48_kHz(tmp_path):
    document = tiny_wavenet()
    del document["sample_rate"]
    chain = chain_at(tmp_path, 44_100, "- nam: {model: a.nam}", a=document)
    assert chain.latency == design(44_100, 48_000).latency


@pytest.mark.parametrize("frames", [1, 64, 100])
def test_a_resampled_lane_is_in_step_with_a_dry_one(frames, tmp_path):
    chain = chain_at(tmp_path, 44_100, "[split: {lanes: {dry: , wet: [nam: {model: a.nam}]}}]", frames, a=WIRE)
    assert chain.latency == design(44_100, 48_000).latency
    hum = 0.3 * np.sin(2 * np.pi * 1000 / 44_100 * np.arange(6000)).astype(np.float32)
    assert np.abs(render(chain, hum)[500:5800] - 2 * hum[500:5800]).max() < 1e-4


def test_a_damaged_rate_is_told_by_file(tmp_path):
    document = {**tiny_wavenet(), "sample_rate": 48_001}
    with pytest.raises(Exception, match=r"a\.nam: sample_rate: 48001 Hz and 48000 Hz have too little in common"):
        plan_blocks(board(tmp_path, "- nam: {model: a.nam}", a=document), 48_000)


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_levels_of_a_model_at_another_rate_change_exactly(rate, tmp_path):
    """LSTM and WaveNet in one container: at 96 kHz one is resampled and the other would be stretched."""
    amp = {"a": tiny_container(channels=(2, 3, 4))}
    signal = np.concatenate([guitar(9600), guitar(9600, seed=8)])

    def deck(level):
        chain = chain_at(tmp_path, rate, "- nam: {model: a.nam}", **amp)
        chain.set_levels([level])
        return Deck(chain, signal)

    alone = []
    for level in (0, 2):
        one = deck(level)
        one.play(len(signal) // 64)
        alone.append(one.output)
    changing = deck(2)
    changing.play(83)  # not a whole number of turns of the phases
    changing.post([0], replay=[100])
    changing.play(60)
    settled = changing.done
    changing.play(51)
    changing.post([2], replay=[30])
    changing.play(300 - 60 - 51 - 83)
    assert np.array_equal(changing.output[: 83 * 64], alone[1][: 83 * 64])
    assert np.array_equal(changing.output[settled : settled + 51 * 64], alone[0][settled : settled + 51 * 64])
    assert np.array_equal(changing.output[-64 * 64 :], alone[1][changing.done - 64 * 64 : changing.done])


def test_levels_that_lag_differently_are_made_to_lag_alike(tmp_path):
    mixed = container_of(tiny_lstm(), tiny_wavenet())
    (block,) = chain_at(tmp_path, 96_000, "- nam: {model: a.nam}", a=mixed).blocks
    assert len({level.latency for level in block.levels}) == 1
    assert block.latency == design(96_000, 48_000).latency


def test_a_resampled_level_rests_in_silence_and_goes_on_in_step(tmp_path):
    decks = []
    signal = with_silences(3000, 40_000, 5000)
    for may_rest in (True, False):
        chain = chain_at(tmp_path, 44_100, "- nam: {model: a.nam}", a=tiny_container(channels=(2, 4)))
        if not may_rest:
            chain.level_records[0]["rest_after"] = -1
        chain.set_costs(priced(chain))
        deck = Deck(chain, signal)
        deck.play(len(signal) // 64)
        decks.append(deck)
    assert rested(decks[0]).mean() > 0.3
    assert not rested(decks[1]).any()
    assert np.array_equal(decks[0].output, decks[1].output)


def test_check_and_run_take_a_model_at_any_rate(tmp_path):
    (tmp_path / "a.nam").write_text(json.dumps(tiny_lstm()))
    for rate in RATES:
        chain = chain_at(tmp_path, rate, "- nam: {model: a.nam}", a=tiny_lstm())
        performance = Performance(chain, guitar(640), 640)
        performance.play(10)
        assert np.isfinite(performance.output).all()
