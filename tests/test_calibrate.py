"""The tables that the scheduler gets: costs that make sense, fidelity by the book, and both kept for the next time.

No test depends on how fast anything was: where numbers matter, they are put in by hand.
"""

import os

import numpy as np
import pytest
from blockplay import RATE_HZ, board, planted
from models import tiny_container, tiny_sliced, with_two_levels_that_play_the_same
from naive import wavenet as twin

from chainrt import calibrate, kept, tables
from chainrt.block import BLOCKS
from chainrt.calibrate import BEST_DB, cost_table, fidelity_table, measure_fidelity, play_level
from chainrt.chain import Chain
from chainrt.nam import levels
from chainrt.preset import on_standby
from chainrt.render import render

MODELS = {"a": tiny_container(seed=1), "b": tiny_sliced(channels=4, allowed=(1, 2, 4))}
STEREO = """
    - drive:
    - split:
        lanes: {dry: , amp: [nam: {model: a.nam}]}
        mix: {dry: {pan: -50 %}, amp: {pan: 50 %}}
    - nam: {model: b.nam}
    - cab: {ir: cab.wav}
"""


def guitar(frames=4000):
    random = np.random.default_rng(4)
    return (random.uniform(-1, 1, frames) * np.repeat(random.uniform(0, 0.5, frames // 80), 80)).astype(np.float32)


@pytest.fixture(autouse=True)
def no_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "cache_root", lambda: tmp_path / "cache")


@pytest.fixture
def chain_of(tmp_path):
    def make(text=STEREO, documents=MODELS) -> Chain:
        return Chain(on_standby(board(tmp_path, text, **documents)), RATE_HZ, 64)

    return make


# -- costs ------------------------------------------------------------------------------------------------------


def test_every_level_costs_something_and_the_table_has_the_shape_of_the_chain(chain_of):
    chain = chain_of()
    table = cost_table(chain)
    for block, calls, frames in zip(chain.blocks, table.call_ns, table.frame_ns, strict=True):
        assert len(calls) == len(frames) == len(block.levels)
        for call, frame in zip(calls, frames, strict=True):
            assert call > -1e-6
            assert frame >= 0
            assert call + 64 * frame > 0
    assert table.fixed_ns >= 0


def test_a_larger_level_is_more_work(chain_of):
    for block in chain_of().blocks:
        work = [level.work for level in block.levels]
        assert work == sorted(set(work))
        assert work[0] > 0


def by_hand(blocks, picks, frames, rounds, tell=None):
    """Instead of timing: 100 ns a call and 10 ns a frame, times one more than the level's index."""
    return np.array([[(level + 1) * (100 + 10 * frames)] * rounds for _, level in picks], float)


def test_costs_add_up_to_what_was_measured_and_both_channels_count(chain_of, monkeypatch):
    monkeypatch.setattr(calibrate, "_time", by_hand)
    table = cost_table(chain_of())
    assert table.call_ns == (
        pytest.approx((100,)),
        pytest.approx((100, 200)),
        pytest.approx((200, 400, 600)),  # this one hears both channels
        pytest.approx((200,)),
    )
    assert table.frame_ns == (
        pytest.approx((10,)),
        pytest.approx((10, 20)),
        pytest.approx((20, 40, 60)),
        pytest.approx((20,)),
    )


@planted(channels=2)
def swap(p, s, left, right, n):
    for i in range(n):
        left[i], right[i] = right[i], left[i]


def test_a_stereo_block_is_counted_once(chain_of, monkeypatch):
    monkeypatch.setitem(BLOCKS, "swap", swap)
    monkeypatch.setattr(calibrate, "_time", by_hand)
    table = cost_table(chain_of("[swap: ]"))
    assert table.call_ns == (pytest.approx((100,)),)
    assert table.frame_ns == (pytest.approx((10,)),)


@pytest.mark.parametrize(
    ("pair", "sizes", "slope"),
    [
        ((740.0, 260.0), (64, 16), 10.0),
        ((200.0, 260.0), (64, 16), 0.0),  # noise: the smaller period took longer
        ((640.0, 0.0), (64, 16), 10.0),  # noise: the smaller one took nothing; a call never costs less than nothing
        ((30.0, 30.0), (1, 1), 30.0),  # a period of one frame has no quarter
    ],
)
def test_the_cost_of_a_frame_is_never_less_than_nothing_nor_more_than_the_whole(pair, sizes, slope):
    assert calibrate._slope(pair, sizes) == pytest.approx(slope)


def test_what_a_period_costs_beside_its_blocks_is_taken_from_the_silence_before_it_plays(chain_of):
    chain = chain_of()
    seen = chain.settling_periods
    chain.ring["spent_ns"][:seen] = 5000
    chain.spent["measured_ns"][:seen, : len(chain.blocks)] = 1000
    chain.ring["spent_ns"][5] = 10**9  # one that was interrupted changes nothing
    assert calibrate._fixed_ns(chain) == 5000 - 1000 * len(chain.blocks)


def test_measuring_leaves_the_chain_as_it_was(chain_of):
    chain = chain_of()
    before = [records.tobytes() for records in (chain.block_records, *chain.level_records)]
    cost_table(chain)
    calibrate.calibrate(chain, sizes=(64,), rounds=2)
    measure_fidelity(chain, guitar())
    assert [records.tobytes() for records in (chain.block_records, *chain.level_records)] == before
    assert chain.engine["periods"] == 0


def test_calibrated_costs_are_kept_and_used_instead_of_timing_again(chain_of, monkeypatch):
    told = []
    with monkeypatch.context() as patched:
        patched.setattr(calibrate, "_time", by_hand)
        found = calibrate.calibrate(chain_of(), rounds=3, tell=lambda done, total: told.append((done, total)))
    assert [len(table["p50"]["64"]) for table in found] == [1, 2, 3, 1]
    assert found[2]["p99"]["512"] == [5220.0, 10440.0, 15660.0]
    monkeypatch.setattr(calibrate, "_time", None)  # would fail
    table = cost_table(chain_of())
    assert table.call_ns[2] == pytest.approx((200, 400, 600))
    assert table.frame_ns[1] == pytest.approx((10, 20))


def test_every_round_of_calibration_is_told(chain_of):
    told = []
    calibrate.calibrate(chain_of("[drive: ]"), sizes=(8,), rounds=3, tell=lambda *progress: told.append(progress))
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]  # at 8 frames and at a quarter of it


def test_a_period_that_was_not_calibrated_is_timed(chain_of, tmp_path):
    calibrate.calibrate(chain_of("[drive: ]"), sizes=(64,), rounds=2)
    chain = Chain(board(tmp_path, "[drive: ]"), RATE_HZ, 48)
    assert cost_table(chain).frame_ns[0][0] >= 0


@pytest.mark.parametrize("change", ["model", "kernels", "machine", "channels"])
def test_calibrated_costs_are_forgotten_when_what_decides_them_changes(change, chain_of, monkeypatch, tmp_path):
    text, other = "[nam: {model: a.nam}]", {"a": tiny_container(seed=1)}
    key = calibrate._cost_keys(chain_of(text))
    if change == "model":
        other = {"a": tiny_container(seed=9)}
    elif change == "kernels":
        monkeypatch.setattr(tables, "cache_folder", lambda: tmp_path / "kernels-of-another-day")
    elif change == "machine":
        monkeypatch.setattr(tables, "machine", lambda: "another")
    else:
        text = "[split: {lanes: {a: , b: }, mix: {a: {pan: -50 %}}}, nam: {model: a.nam}]"
    assert calibrate._cost_keys(chain_of(text, other)) != key


def test_costs_do_not_depend_on_how_the_knobs_are_set(chain_of):
    assert calibrate._cost_keys(chain_of("[drive: ]")) == calibrate._cost_keys(chain_of("[drive: {drive: 40 dB}]"))


@pytest.mark.parametrize("damage", ["", "{", "[]", "\0"])
def test_a_damaged_table_is_measured_again(damage, chain_of):
    chain = chain_of("[nam: {model: a.nam}]")
    before = fidelity_table(chain, guitar())
    (file,) = kept.cache_root().glob("tables/fidelity-*.json")
    file.write_text(damage)
    assert fidelity_table(chain, guitar()) == before


def test_tables_of_last_season_go_when_a_new_one_is_kept():
    kept.keep("costs", "old", {})
    kept.keep("costs", "fresh", {})
    (old,) = kept.cache_root().glob("tables/costs-old.json")
    os.utime(old, (0, 0))
    kept.keep("costs", "new", {})
    assert kept.recall("costs", "old") is None
    assert kept.recall("costs", "fresh") == kept.recall("costs", "new") == {}


def test_a_cache_that_cannot_be_written_is_no_fault(chain_of, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(kept, "cache_root", lambda: tmp_path / "file")
    assert len(fidelity_table(chain_of("[nam: {model: a.nam}]"), guitar())[0]) == 2


# -- fidelity ---------------------------------------------------------------------------------------------------


def esr_db(sound, truth):
    """The field's error-to-signal ratio, as decibels below the signal."""
    return -10 * np.log10(np.sum((sound - truth) ** 2) / np.sum(truth**2))


@pytest.mark.parametrize("model", ["a", "b"])
def test_fidelity_is_the_error_to_signal_ratio_against_the_largest_level(chain_of, tmp_path, model):
    (fidelity,) = measure_fidelity(chain_of(f"[nam: {{model: {model}.nam}}]"), guitar())
    sounds = [twin(level.network, guitar()) for level in levels.load(tmp_path / f"{model}.nam").levels]
    expected = [min(BEST_DB, max(0.0, esr_db(sound, sounds[-1]))) for sound in sounds[:-1]]
    assert fidelity == pytest.approx((*expected, BEST_DB), abs=0.001)
    assert max(fidelity[:-1]) < BEST_DB


def test_fidelity_is_heard_at_the_end_of_the_chain_with_one_block_lowered(chain_of):
    def sound(levels):
        chain = chain_of()
        chain.set_levels(levels)
        return render(chain, guitar()).astype(float)

    truth = sound([0, 1, 2, 0])
    expected = [esr_db(sound(levels), truth) for levels in ([0, 0, 2, 0], [0, 1, 0, 0], [0, 1, 1, 0])]
    fidelity = measure_fidelity(chain_of(), guitar())
    assert (fidelity[1][0], *fidelity[2][:2]) == pytest.approx([min(BEST_DB, max(0.0, db)) for db in expected])
    assert fidelity[0] == fidelity[3] == (BEST_DB,)
    assert fidelity[1][1] == fidelity[2][2] == BEST_DB


@pytest.mark.parametrize("behind", ["chorus:", "vibrato:", "phaser:", "flanger:", "rotary:", "reverb: {mix: 100 %}"])
def test_what_swings_behind_an_amp_is_not_taken_for_an_error_of_the_amp(behind, chain_of):
    """Both sounds are heard at the same moment of every swing, so of two levels that play the same nothing differs."""
    chain = chain_of(f"\n    - nam: {{model: m.nam}}\n    - {behind}", {"m": with_two_levels_that_play_the_same()})
    assert measure_fidelity(chain, guitar(40_000))[0] == (BEST_DB, BEST_DB)


def test_an_amp_that_stands_by_is_compared_as_if_it_were_on(chain_of):
    on, off = (chain_of(f"[nam: {{model: a.nam, enabled: {enabled}}}]") for enabled in ("true", "false"))
    assert measure_fidelity(off, guitar()) == measure_fidelity(on, guitar())
    assert measure_fidelity(off, guitar())[0][0] < BEST_DB
    assert off.block_records["enabled"][0] == 0  # the chain itself is left as it is


def test_fidelity_is_the_same_every_time(chain_of):
    assert measure_fidelity(chain_of(), guitar()) == measure_fidelity(chain_of(), guitar())


def test_fidelity_is_measured_once_for_the_same_sound(chain_of, monkeypatch):
    before = fidelity_table(chain_of(), guitar())
    monkeypatch.setattr(calibrate, "measure_fidelity", None)  # would fail
    assert fidelity_table(chain_of(), guitar()) == before


def test_a_turned_knob_is_another_sound_but_a_priority_is_not(chain_of):
    def key(text):
        return tables.fidelity_key(chain_of(text), guitar())

    assert key("[nam: {model: a.nam}]") == key("[nam: {model: a.nam, priority: 3, slim: full, id: amp}]")
    assert key("[nam: {model: a.nam}]") != key("[nam: {model: a.nam, input: 6 dB}]")
    assert key("[nam: {model: a.nam}]") != key("[nam: {model: b.nam}]")


def test_a_level_that_plays_the_same_is_perfect_and_one_that_plays_the_opposite_is_worth_nothing(chain_of):
    same = with_two_levels_that_play_the_same()
    opposite = tiny_container(channels=(3, 3), seed=5)
    weights = list(same["config"]["submodels"][0]["model"]["weights"])
    weights[-1] = -weights[-1]  # the scale of the head
    opposite["config"]["submodels"][0]["model"]["weights"] = list(same["config"]["submodels"][0]["model"]["weights"])
    opposite["config"]["submodels"][1]["model"]["weights"] = weights
    for model, worth in ((same, BEST_DB), (opposite, 0.0)):
        assert measure_fidelity(chain_of("[nam: {model: m.nam}]", {"m": model}), guitar()) == ((worth, BEST_DB),)


def test_a_level_is_played_after_silence(chain_of, tmp_path):
    chain = chain_of("[nam: {model: a.nam}]")
    (block,) = chain.blocks
    for level, network in zip(block.levels, levels.load(tmp_path / "a.nam").levels, strict=True):
        heard, expected = play_level(block, level, guitar()), twin(network.network, guitar())
        assert heard.dtype == np.float64
        assert np.abs(heard - expected).max() < 2e-6 * np.abs(expected).max()
