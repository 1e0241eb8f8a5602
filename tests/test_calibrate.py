"""The tables that the scheduler gets: costs that make sense, and fidelity by the book.

No test depends on how fast anything was: where numbers matter, they are put in by hand.
"""

import numpy as np
import pytest
from blockplay import RATE_HZ, board, planted
from models import tiny_container, tiny_sliced
from naive import wavenet as twin

from chainrt import calibrate
from chainrt.block import BLOCKS
from chainrt.calibrate import BEST_DB, measure_costs, measure_fidelity, play_level
from chainrt.chain import Chain
from chainrt.nam import levels

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


@pytest.fixture
def chain_of(tmp_path):
    return lambda text=STEREO, documents=MODELS: Chain(board(tmp_path, text, **documents), RATE_HZ, 64)


# -- costs ------------------------------------------------------------------------------------------------------


def test_every_level_costs_something_and_the_table_has_the_shape_of_the_chain(chain_of):
    chain = chain_of()
    table = measure_costs(chain)
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


def test_costs_add_up_to_what_was_measured_and_both_channels_count(chain_of, monkeypatch):
    """Medians put in by hand: 100 ns a call and 10 ns a frame, times one more than the level's index."""

    def medians(blocks, sizes):
        counts = [len(block.levels) for block in blocks]
        return {
            (b, n, s): (n + 1) * (100 + 10 * s) for b, count in enumerate(counts) for n in range(count) for s in sizes
        }

    monkeypatch.setattr(calibrate, "_medians", medians)
    table = measure_costs(chain_of())
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
    monkeypatch.setattr(calibrate, "_medians", lambda blocks, sizes: {(0, 0, size): 100 + 10 * size for size in sizes})
    table = measure_costs(chain_of("[swap: ]"))
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
    measure_costs(chain)
    measure_fidelity(chain, guitar())
    assert [records.tobytes() for records in (chain.block_records, *chain.level_records)] == before
    assert chain.engine["periods"] == 0


# -- fidelity ---------------------------------------------------------------------------------------------------


def esr_db(sound, truth):
    """The field's error-to-signal ratio, as decibels below the signal."""
    return -10 * np.log10(np.sum((sound - truth) ** 2) / np.sum(truth**2))


@pytest.mark.parametrize("model", ["a", "b"])
def test_fidelity_is_the_error_to_signal_ratio_against_the_largest_level(chain_of, tmp_path, model):
    chain = chain_of(f"[drive: , nam: {{model: {model}.nam}}]")
    single, fidelity = measure_fidelity(chain, guitar())
    sounds = [twin(level.network, guitar()) for level in levels.load(tmp_path / f"{model}.nam").levels]
    expected = [min(BEST_DB, max(0.0, esr_db(sound, sounds[-1]))) for sound in sounds[:-1]]
    assert single == (BEST_DB,)
    assert fidelity == pytest.approx((*expected, BEST_DB), abs=0.001)
    assert max(fidelity[:-1]) < BEST_DB


def test_fidelity_is_the_same_every_time(chain_of):
    assert measure_fidelity(chain_of(), guitar()) == measure_fidelity(chain_of(), guitar())


def test_a_level_that_plays_the_same_is_perfect_and_one_that_plays_the_opposite_is_worth_nothing(chain_of):
    same = tiny_container(channels=(3, 3), seed=5)
    same["config"]["submodels"][1]["model"]["weights"] = list(same["config"]["submodels"][0]["model"]["weights"])
    opposite = tiny_container(channels=(3, 3), seed=5)
    weights = list(same["config"]["submodels"][0]["model"]["weights"])
    weights[-1] = -weights[-1]  # the scale of the head
    opposite["config"]["submodels"][0]["model"]["weights"] = list(same["config"]["submodels"][0]["model"]["weights"])
    opposite["config"]["submodels"][1]["model"]["weights"] = weights
    chain = chain_of("[nam: {model: same.nam}, nam: {model: opposite.nam}]", {"same": same, "opposite": opposite})
    assert measure_fidelity(chain, guitar()) == ((BEST_DB, BEST_DB), (0.0, BEST_DB))


def test_a_level_is_played_after_silence(chain_of, tmp_path):
    chain = chain_of("[nam: {model: a.nam}]")
    (block,) = chain.blocks
    for level, network in zip(block.levels, levels.load(tmp_path / "a.nam").levels, strict=True):
        heard, expected = play_level(block, level, guitar()), twin(network.network, guitar())
        assert heard.dtype == np.float64
        assert np.abs(heard - expected).max() < 2e-6 * np.abs(expected).max()
