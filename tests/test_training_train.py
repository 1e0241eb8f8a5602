"""Training itself: it learns, goes on where it was stopped, takes back a bad step; and its loss has its gradient."""

import data
import numpy as np
import pytest
import train
from architecture import Architecture, LayerArray
from plans import Part, Plan

TINY = Architecture((LayerArray(1, 2, (3, 3), (1, 2), "Tanh", 1, 1, True),), head_scale=1.0)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder of its own for checkpoints, and two seconds of a device that only halves and rounds off."""

    def pair(device, seed, seconds):
        x = np.random.default_rng(seed).normal(0, 0.3, 96000).astype(np.float32)
        return x, np.tanh(0.5 * x)

    monkeypatch.setattr(train, "SCRATCH_FOLDER", tmp_path)
    monkeypatch.setattr(train, "performance_pair", pair)
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 10)
    return tmp_path


def training(steps=40, **changed):
    return train.Training("tiny", "tiny", 0, Part(TINY, {2: 2}, steps, **changed), steps)


def silently(line):
    pass


def test_training_learns(scratch):
    lines = []
    one = training(300)
    one.run(lines.append)
    x, y = train.performance_pair("tiny", *data.VALIDATION)
    assert train.esr(one.network.play(one.average, 2, x), y) < 0.05
    assert "300/300" in lines[-1]


def test_a_stopped_training_goes_on_as_if_it_had_not_been(scratch):
    whole = training().run(silently)
    (scratch / "tiny-0-40.checkpoint.npz").unlink()

    class Stopped(Exception):
        pass

    def stop_at_twenty(line):
        if " 20/40 " in line:
            raise Stopped

    with pytest.raises(Stopped):
        training().run(stop_at_twenty)
    resumed = training()
    assert resumed.step == 20
    # Only the median of recent gradients starts afresh; it matters where a gradient is clipped.
    assert np.allclose(resumed.run(silently), whole, rtol=0, atol=0.05 * np.abs(whole).max())


def test_the_seed_decides_all(scratch):
    first = training().run(silently)
    (scratch / "tiny-0-40.checkpoint.npz").unlink()
    assert np.array_equal(training().run(silently), first)
    (scratch / "tiny-0-40.checkpoint.npz").unlink()
    assert not np.array_equal(training(seed=2).run(silently), first)


def test_a_step_that_is_not_finite_is_taken_back_at_half_the_rate(scratch, monkeypatch):
    one = training()
    spoilt = iter([False] * 15 + [True] + [False] * 100)
    step = one.one_step

    def sometimes_wrong(x, y, mean_power):
        return None if next(spoilt) else step(x, y, mean_power)

    monkeypatch.setattr(one, "one_step", sometimes_wrong)
    lines = []
    weights = one.run(lines.append)
    assert [line for line in lines if "not finite" in line] == ["tiny: not finite; back to step 10 at rate factor 0.5"]
    assert np.all(np.isfinite(weights))


def test_a_loss_that_is_not_finite_is_noticed(scratch):
    one = training()
    x, y = train.performance_pair("tiny", 1, 1)
    x = np.concatenate([np.zeros(one.network.geometry.first_output, np.float32), x])
    before = one.weights.copy()
    assert one.one_step(x, np.full_like(y, np.nan), 0.1) is None
    assert np.array_equal(one.weights, before)


def test_the_rate_rises_falls_and_is_scaled():
    rates = [train.rate_at(step, 1000, 1.0) for step in (0, 75, 150, 575, 1000)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4] > 0
    assert rates[2] == pytest.approx(train.PEAK_RATE, rel=0.06)
    assert train.rate_at(400, 1000, 0.5) == pytest.approx(0.5 * train.rate_at(400, 1000, 1.0))


@pytest.mark.parametrize("with_spectrum", [False, True])
def test_the_gradient_of_the_loss_is_that_of_small_differences(with_spectrum):
    random = np.random.default_rng(6)
    target, move = random.normal(0, 0.1, (2, 8192))
    y = target + random.normal(0, 0.02, 8192)
    _, gradient = train.segment_loss(y, target, 0.01, with_spectrum)
    ends = [train.segment_loss(y + sign * 1e-6 * move, target, 0.01, with_spectrum)[0] for sign in (1, -1)]
    assert np.dot(gradient, move) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3)


def test_containers_slices_and_packs_go_into_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SCRATCH_FOLDER", tmp_path)
    for name, count in (("linen", 1), ("rust-sliced", 1), ("linen-a1", 4)):
        plan = train.PLANS[name]
        models = [
            train.namfile.wavenet(np.zeros(part.architecture.weight_count), part.architecture, {"part": i})
            for i, part in enumerate(plan.parts)
        ]
        paths = [tmp_path / file for file in plan.files(name)]
        train.write_models(plan, models, paths)
        assert len(paths) == count
        assert [len(train.namfile.levels(path)) for path in paths] == ([2] if name == "linen" else [1] * count)


def test_one_part_trained_again_leaves_the_others_as_they_are(scratch, tmp_path, monkeypatch):
    two = Part(Architecture((LayerArray(1, 3, (3,), (1,), "Tanh", 1, 1, True),), head_scale=1.0), {3: 1}, 5)
    plan = Plan("linen", *["made up"] * 4, train.CONTAINER, (Part(TINY, {2: 1}, 5), two))
    monkeypatch.setitem(train.PLANS, "linen", plan)
    monkeypatch.setattr(train.card, "write", lambda *of_what: "")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["train.py", "linen", "--folder", str(tmp_path), *arguments])
        train.main()
        return train.namfile.models(tmp_path / "linen.nam")

    before, after = run(), run("--part", "0", "--steps", "2")
    assert before[1]["metadata"] == after[1]["metadata"]
    assert np.array_equal(before[1]["weights"], after[1]["weights"])
    assert not np.array_equal(before[0]["weights"], after[0]["weights"])
    with pytest.raises(SystemExit):
        run("--part", "2")
