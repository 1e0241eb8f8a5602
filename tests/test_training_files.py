"""The models in the box: official shapes, one sound in every player, and cards that keep what they promise."""

import functools
import itertools
import json
import re
from pathlib import Path

import card
import data
import devices
import measures
import namfile
import numpy as np
import playing
import pytest
import soundfile
from architecture import A1_CHANNELS, a1, a2, initial_weights
from plans import CONTAINER, PACK, PLANS, SLICED

from chainrt.nam import levels

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "presets" / "models"
OFFICIAL = ROOT.parent / "shared" / "vectors" / "models" / "A2.nam"
TRAINED = {name: plan for name, plan in PLANS.items() if all((MODELS / file).is_file() for file in plan.files(name))}
TRAINER = ROOT / "presets" / "training" / "trainer"
TRAINER_MODELS = {TRAINER / f"a1-{size}.json": a1(size) for size in A1_CHANNELS}
TRAINER_MODELS[TRAINER / "sliced.json"] = a2(8, head_taps=1)
FILES = sorted(MODELS.glob("*.nam"))
LARGEST_ESR = {"clean": 0.002, "crunch": 0.002, "overdrive": 0.002, "hi_gain": 0.005, "fuzz": 0.005}  # of a top level
LARGEST_OF_SMALLEST = 4.0  # times that
NEVER_HEARD = (16, 10.0)  # seed and seconds of playing that no training and no card knows


def paths(name):
    return [MODELS / file for file in PLANS[name].files(name)]


@pytest.fixture
def signal():
    """Half a second of decaying chords and noise."""
    random, t = np.random.default_rng(8), np.arange(24000) / 48000
    tones = sum(np.sin(2 * np.pi * hz * t) for hz in (82.4, 123.5, 164.8, 330.0))
    return (0.1 * tones * np.exp(-4 * t) + 0.01 * random.normal(size=len(t))).astype(np.float32)


def test_every_file_in_the_box_has_a_plan_and_they_are_small():
    assert {path for name in TRAINED for path in paths(name)} == set(FILES)
    assert sum(path.stat().st_size for path in FILES) < 6e6


def test_every_model_has_its_command_in_the_guide():
    guide = (ROOT / "presets" / "training" / "README.md").read_text("utf-8")
    assert set(re.findall(r"train\.py ([\w-]+)", guide)) == set(PLANS)
    assert set(re.findall(r"`(\w+\.py)`", guide)) == {p.name for p in TRAINER.parent.glob("*.py")}


def test_the_box_holds_every_kind_of_sound_and_of_file():
    containers = {plan.tone_type for plan in TRAINED.values() if plan.form == CONTAINER}
    assert {"clean", "crunch", "hi_gain", "overdrive", "fuzz"} <= containers
    assert len({plan.device for plan in TRAINED.values() if plan.form == CONTAINER}) >= 6
    assert any(plan.form == SLICED for plan in TRAINED.values())
    for name, plan in TRAINED.items():
        found = [len(levels.load(path).levels) for path in paths(name)]
        assert found == {CONTAINER: [2], SLICED: [4], PACK: [1, 1, 1, 1]}[plan.form]


@pytest.mark.parametrize("name", [name for name, plan in TRAINED.items() if plan.form == CONTAINER])
def test_a_container_has_the_official_architecture(name):
    if not OFFICIAL.is_file():
        pytest.skip("the official A2 file is not there")
    official, ours = (json.loads(path.read_text("utf-8"))["config"]["submodels"] for path in (OFFICIAL, *paths(name)))
    assert [entry["max_value"] for entry in ours] == [entry["max_value"] for entry in official] == [0.5, 1.0]
    for one, other in zip(ours, official, strict=True):
        assert one["model"]["config"] == other["model"]["config"]
        assert len(one["model"]["weights"]) == len(other["model"]["weights"])


def test_a_written_model_reads_back_to_the_same_weights(tmp_path):
    architecture = a2(3)
    weights = initial_weights(architecture, np.random.default_rng(9))
    metadata = {"name": "some"}
    namfile.write(tmp_path / "some.nam", namfile.wavenet(weights, architecture, metadata))
    (level,) = namfile.levels(tmp_path / "some.nam")
    assert np.array_equal(level.weights, weights)
    assert (level.width, level.metadata) == (3, metadata)
    assert [path.name for path in tmp_path.iterdir()] == ["some.nam"]


def test_an_a1_is_written_as_chainrt_reads_it(tmp_path, signal):
    for size in ("nano", "feather"):
        weights = initial_weights(a1(size), np.random.default_rng(9))
        namfile.write(tmp_path / "a1.nam", namfile.wavenet(weights, a1(size), {}))
        (level,) = levels.load(tmp_path / "a1.nam").levels
        slow = namfile.slow_play(namfile.wavenet_config(a1(size)), weights, a1(size).width, signal)
        assert np.abs(card.played(level.network, signal) - slow).max() < 1e-5 * np.abs(slow).max()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_chainrt_plays_a_file_as_the_slow_player_does(path, signal):
    for level, saved in zip(levels.load(path).levels, namfile.levels(path), strict=True):
        slow = namfile.slow_play(saved.config, saved.weights, saved.width, signal)
        assert np.abs(card.played(level.network, signal) - slow).max() < 1e-5 * np.abs(slow).max()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_fields_trainer_plays_a_file_as_the_slow_player_does(path, signal):
    pytest.importorskip("torch", reason="torch is not installed: pip install 'chainrt[training]'")
    readback = pytest.importorskip("readback", reason="neural-amp-modeler is not installed")
    for saved in namfile.levels(path):
        slow = namfile.slow_play(saved.config, saved.weights, saved.width, signal)
        assert np.abs(readback.by_trainer(saved, signal) - slow).max() < 1e-5 * np.abs(slow).max()


def figures(name):
    """(ESR, the rest of the row) of every level in a model's card, smallest first."""
    cards = (MODELS / "CARDS.md").read_text("utf-8")
    text = re.search(f"<!-- card: {name} -->\n(.*?)<!-- end of {name} -->", cards, re.DOTALL)[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert tuple(rows[0]) == card.COLUMNS
    return [dict(zip(card.COLUMNS, row, strict=True)) for row in rows[2:]]


@pytest.mark.parametrize("name", TRAINED)
def test_a_card_tells_every_level_and_errors_fall_upward(name):
    rows = figures(name)
    assert len(rows) == sum(len(namfile.levels(path)) for path in paths(name))
    errors = [float(row["ESR"]) for row in rows]
    assert all(a > b for a, b in itertools.pairwise(errors))
    assert errors[-1] < LARGEST_ESR[PLANS[name].tone_type]
    assert errors[0] < LARGEST_OF_SMALLEST * LARGEST_ESR[PLANS[name].tone_type]


@functools.cache
def never_heard(device):
    """Input and output of a device."""
    x = playing.performance(*NEVER_HEARD, devices.instrument(device))
    return x, devices.play(device, x)


@pytest.mark.parametrize("name", TRAINED)
def test_the_files_themselves_err_less_with_every_level(name):
    x, y = never_heard(PLANS[name].device)
    errors = [measures.esr(card.played(network, x), y) for _, network, _ in card.sizes(paths(name))]
    assert all(a > b for a, b in itertools.pairwise(errors))
    assert errors[0] < LARGEST_OF_SMALLEST * LARGEST_ESR[PLANS[name].tone_type]


@pytest.mark.parametrize("name", TRAINED)
def test_the_levels_of_a_model_are_equally_loud_and_late(name):
    for column, most in (("to device", 0.1), ("delay", 0.1)):
        values = [float(row[column].split()[0]) for row in figures(name)]
        assert max(values) - min(values) < most


def test_a_card_is_put_in_its_place_and_nothing_else_changes():
    cards = "before\n<!-- card: a -->\nold\n<!-- end of a -->\nbetween\n<!-- card: b -->\n<!-- end of b -->\nafter\n"
    placed = card.place(card.place(cards, "b", "second"), "a", "first \\1")
    assert placed == cards.replace("old", "first \\1").replace("b -->\n<!--", "b -->\nsecond\n<!--")
    with pytest.raises(SystemExit, match="no place for c"):
        card.place(cards, "c", "third")


def test_the_trainers_configurations_describe_the_same_networks():
    pytest.importorskip("torch", reason="torch is not installed: pip install 'chainrt[training]'")
    lightning = pytest.importorskip("nam.train.lightning_module", reason="neural-amp-modeler is not installed")
    for path, architecture in TRAINER_MODELS.items():
        model = lightning.LightningModule.init_from_config(json.loads(path.read_text("utf-8")))
        assert len(model.net._export_weights()) == architecture.weight_count
    container = lightning.PackedLightningModule.init_from_config(json.loads((TRAINER / "container.json").read_text()))
    assert container.net.receptive_field == 1 + a2(8).arrays[0].reach + 15


def test_the_trainers_data_are_the_training_and_the_validation_part(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SCRATCH_FOLDER", tmp_path)
    monkeypatch.setattr(data, "TRAINING", (11, 1.0))
    monkeypatch.setattr(data, "VALIDATION", (12, 0.5))
    data.write_sound_files("fern", tmp_path / "sounds")
    for name, part in zip(("input.wav", "output.wav"), range(2), strict=True):
        signal, rate = soundfile.read(tmp_path / "sounds" / name, dtype="float32")
        expected = [data.performance_pair("fern", *pair)[part] for pair in (data.TRAINING, data.VALIDATION)]
        assert rate == 48000
        assert np.array_equal(signal, np.concatenate(expected))
    split = json.loads((TRAINER / "data.json").read_text("utf-8"))
    monkeypatch.undo()
    assert split["train"]["stop_seconds"] == split["validation"]["start_seconds"] == data.TRAINING[1]
