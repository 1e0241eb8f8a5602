"""Containers: submodels of any architecture, containers in containers, and what the reference makes of them."""

import json
import time

import numpy as np
import pytest
from models import container_of, saved, tiny_convnet, tiny_linear, tiny_lstm, tiny_sliced, tiny_wavenet
from netplay import guitar, off_by, played

from chainrt.errors import ModelError
from chainrt.nam import levels
from chainrt.nam.convnet import ConvNet
from chainrt.nam.linear import Linear
from chainrt.nam.lstm import LSTM
from chainrt.nam.wavenet import WaveNet


def test_a_container_may_hold_any_architecture(tmp_path):
    document = container_of(tiny_linear(), tiny_lstm(3), tiny_convnet(4), tiny_wavenet(5))
    model = levels.load(saved(document, tmp_path))
    assert [type(level.network) for level in model.levels] == [Linear, ConvNet, LSTM, WaveNet]
    assert [level.name for level in model.levels] == ["ch1", "ch4", "ch3", "full"]
    assert [level.value for level in model.levels] == [0.125, 0.625, 0.375, 0.875]


def test_names_stay_unique_when_architectures_have_the_same_width(tmp_path):
    document = container_of(tiny_lstm(3), tiny_convnet(3), tiny_lstm(3, seed=9), tiny_wavenet(8))
    names = [level.name for level in levels.load(saved(document, tmp_path)).levels]
    assert len(set(names)) == 4
    assert names[-1] == "full"


@pytest.mark.parametrize("make", [tiny_lstm, tiny_convnet, tiny_linear])
def test_a_bare_model_of_any_architecture_has_the_level_full(tmp_path, make):
    (only,) = levels.load(saved(make(), tmp_path)).levels
    assert (only.name, only.value, only.network.sample_rate) == ("full", 0.5, 48000)


def test_a_container_in_a_container_plays_its_last_submodel(tmp_path):
    inner = container_of(tiny_lstm(2), container_of(tiny_wavenet(3), tiny_convnet(4)))
    model = levels.load(saved(container_of(tiny_linear(), inner), tmp_path))
    lite, full = model.levels
    assert (type(lite.network), type(full.network)) == (Linear, ConvNet)
    alone = levels.load(saved(tiny_convnet(4), tmp_path)).levels[0].network
    assert np.array_equal(played(full.network, guitar(300)), played(alone, guitar(300)))


def test_a_sliced_submodel_plays_at_its_full_width(tmp_path):
    model = levels.load(saved(container_of(tiny_linear(), tiny_sliced(4, (1, 2, 4))), tmp_path))
    assert [level.network.channels for level in model.levels] == [1, 4]


def nested(depth):
    document = tiny_linear()
    for _ in range(depth):
        document = container_of(document)
    return document


def test_eight_containers_in_one_another_are_played_and_nine_are_not(tmp_path):
    assert levels.load(saved(nested(8), tmp_path)).levels[0].name == "full"
    with pytest.raises(ModelError, match="more than 8 containers in one another"):
        levels.load(saved(nested(9), tmp_path))


def test_hundreds_of_containers_in_one_another_are_refused_at_once(tmp_path):
    start = time.perf_counter()
    with pytest.raises(ModelError):
        levels.load(saved(nested(200), tmp_path))
    assert time.perf_counter() - start < 2


def test_rates_must_agree_at_any_depth(tmp_path):
    document = container_of(tiny_linear(), container_of(tiny_lstm()))
    document["config"]["submodels"][1]["model"]["config"]["submodels"][0]["model"]["sample_rate"] = 44100
    with pytest.raises(ModelError, match="44100 Hz differs from 48000 Hz"):
        levels.load(saved(document, tmp_path))


def test_a_container_of_an_lstm_and_wavenets_plays_what_the_reference_plays(vectors):
    model = levels.load(vectors / "models" / "slimmable_container.nam")
    signal, outputs = np.load(vectors / "input.npz")["x"], np.load(vectors / "slimmable_container.npz")
    exactness = json.loads((vectors / "index.json").read_text())["slimmable_container"]["arrays"]
    by_value = sorted(model.levels, key=lambda level: level.value)
    assert type(by_value[0].network) is LSTM
    for key in outputs.files:
        value = float(key.removeprefix("slim_"))
        level = by_value[next(i for i, border in enumerate((0.33, 0.66, 2)) if value < border)]
        silence = max(24_000 * (level is by_value[0]), level.network.receptive_field)
        heard = played(level.network, signal, silence=silence)
        own_error = exactness[key]["max_abs_err_vs_float64"] / exactness[key]["peak"]
        assert off_by(heard, outputs[key]) < 3 * own_error, key
