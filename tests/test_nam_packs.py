"""Several files as one slimmable block, and the gains that files ask for."""

import json
from pathlib import Path

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import tiny_container, tiny_convnet, tiny_linear, tiny_lstm, tiny_wavenet
from pedalboards import chainrt
from test_chain import faults_of

from chainrt.chain import Chain, compile_blocks, plan_blocks
from chainrt.errors import ModelError
from chainrt.nam.gains import gains
from chainrt.nam.levels import load
from chainrt.nam.matching import difference
from chainrt.nam.packs import load_pack, short_names
from chainrt.render import render
from chainrt.riff import riff

NANO, BIG = tiny_wavenet(2, seed=1), tiny_wavenet(4, seed=1)
PACK = "- nam: {levels: [nano.nam, big.nam]}"


def guitar(frames=6000):
    return riff(RATE_HZ)[:frames]


def changed(document, factor=1.0, sample_rate=None, **metadata):
    """The same capture, louder by a factor (of its head_scale), and with other words about it."""
    weights = [*document["weights"][:-1], document["weights"][-1] * factor]
    metadata = {**document["metadata"], **metadata}
    return {**document, "weights": weights, "metadata": metadata, "sample_rate": sample_rate or RATE_HZ}


def late_by(frames):
    weights = [0.0] * 64
    weights[frames] = 1.0
    return {**tiny_linear(), "config": {"receptive_field": 64, "bias": False}, "weights": weights}


def pack_of(folder, text=PACK, rate=RATE_HZ, **documents):
    """The planned, compiled block of a preset with one pack."""
    (block,) = plan_blocks(board(folder, text, **documents), rate)
    compile_blocks([block])
    return block


def heard(folder, level, text=PACK, **documents):
    chain = Chain(board(folder, text, **documents), RATE_HZ, 64)
    chain.set_levels([level])
    return render(chain, guitar())


# -- levels -----------------------------------------------------------------------------------------------------


def test_each_file_is_a_level_whatever_its_architecture(tmp_path):
    documents = {
        "amp linear": tiny_linear(),
        "amp lstm": tiny_lstm(2, 1),
        "amp convnet": tiny_convnet(8, (1, 2, 4, 8, 16, 32)),
        "amp a2": tiny_container(channels=(2, 12)),
    }
    text = f"- nam: {{levels: [{', '.join(f'{name}.nam' for name in documents)}], match: false}}"
    block = pack_of(tmp_path, text, **documents)
    assert block.level_names == ("linear", "lstm", "convnet", "a2")
    for level, (name, document) in enumerate(documents.items()):
        alone = heard(tmp_path, -1, f"- nam: {{model: {name}.nam, slim: full}}", **{name: document})
        assert np.array_equal(heard(tmp_path, level, text, **documents), alone)


def test_files_in_the_wrong_order_are_sorted_and_that_is_told(tmp_path):
    block = pack_of(tmp_path, "- nam: {levels: [big.nam, nano.nam]}", nano=NANO, big=BIG)
    assert block.level_names == ("nano", "big")
    assert block.remarks[0] == "put into the order of their size: nano.nam, big.nam"
    assert "order" not in " ".join(pack_of(tmp_path, nano=NANO, big=BIG).remarks)


def test_where_the_sizes_are_hard_to_tell_the_order_of_the_preset_stands(tmp_path):
    almost = tiny_wavenet(4, taps=(3, 2, 4), seed=2)
    for order in ("[almost.nam, big.nam]", "[big.nam, almost.nam]"):
        block = pack_of(tmp_path, f"- nam: {{levels: {order}, match: false}}", almost=almost, big=BIG)
        assert [f"{name}.nam" for name in block.level_names] == order.strip("[]").split(", ")
        assert not any("order" in remark for remark in block.remarks)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["nano", "feather", "lite", "standard"], ["nano", "feather", "lite", "standard"]),
        (["JCM 800 nano", "JCM 800 standard"], ["nano", "standard"]),
        (["Deluxe-nano-v2", "Deluxe-standard-v2"], ["nano", "standard"]),
        (["amp", "amp big"], ["amp", "amp-big"]),
        (["amp 8", "amp 16"], ["size-8", "size-16"]),
        (["a/amp", "b/amp"], ["amp", "amp-2"]),
        (["!!!", "auto"], ["model", "size-auto"]),
        (["x" * 100, "y" * 100], ["x" * 24, "y" * 24]),
    ],
)
def test_levels_are_called_what_the_names_of_the_files_do_not_share(files, names):
    assert short_names([Path(f"{file}.nam") for file in files]) == names


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=16))
def test_any_names_of_files_become_names_of_levels_that_differ(stems):
    names = short_names([Path(stem.replace("/", "").replace("\0", "") or "x") for stem in stems])
    assert len(set(names)) == len(stems)
    for name in names:
        assert name
        assert len(name) <= 40
        assert not name.isdecimal()


# -- matching ---------------------------------------------------------------------------------------------------


def test_a_level_that_is_softer_and_inverted_is_made_to_match_and_that_is_told(tmp_path):
    documents = {"nano": changed(BIG, -0.25), "big": BIG}
    block = pack_of(tmp_path, **documents)
    (remark,) = block.remarks
    assert remark == "nano is 12.0 dB softer than big and of the opposite polarity, made to match"
    soft, full = (heard(tmp_path, level, **documents) for level in (0, 1))
    assert np.abs(soft - full).max() < 1e-5 * np.abs(full).max()


def test_without_matching_the_difference_is_told_and_heard(tmp_path):
    text = "- nam: {levels: [nano.nam, big.nam], match: false}"
    documents = {"nano": changed(BIG, 2.0), "big": BIG}
    assert pack_of(tmp_path, text, **documents).remarks == ["nano is 6.0 dB louder than big, left as it is"]
    loud, full = (heard(tmp_path, level, text, **documents) for level in (0, 1))
    assert np.abs(loud - 2 * full).max() < 1e-5 * np.abs(full).max()


def test_matching_a_single_file_is_told_to_do_nothing(tmp_path):
    (remark,) = pack_of(tmp_path, "- nam: {model: big.nam, match: true}", big=BIG).remarks
    assert remark == "match does nothing for a single file; it is for levels"


def test_a_level_that_is_late_is_told(tmp_path):
    text = "- nam: {levels: [early.nam, late.nam]}"
    remarks = pack_of(tmp_path, text, early=late_by(3), late=late_by(20)).remarks
    assert remarks == ["early is 17 frames earlier than late, which is not mended"]


def test_a_capture_of_something_else_is_told_and_left_alone(tmp_path):
    noise = {**tiny_linear(256, bias=False), "weights": [float(w) for w in np.random.default_rng(1).normal(0, 1, 256)]}
    (remark,) = pack_of(tmp_path, "- nam: {levels: [noise.nam, big.nam]}", noise=noise, big=BIG).remarks
    assert remark.startswith("noise hardly sounds like big")


def test_silence_and_what_is_not_a_number_have_no_difference():
    sound = guitar(1000)
    for nothing in (np.zeros(1000), np.full(1000, np.nan), np.full(1000, 7.0)):
        assert difference(sound, nothing, RATE_HZ).likeness == 0


def test_a_known_difference_is_measured():
    sound = guitar(20_000)
    found = difference(sound, -0.5 * np.roll(sound, 7), RATE_HZ)
    assert found.gain_db == pytest.approx(6.0206, abs=1e-3)
    assert (found.is_inverted, found.late) == (True, 7)
    assert found.likeness > 0.99


# -- what the files say -----------------------------------------------------------------------------------------


def test_gains_are_those_of_the_reference_plugin():
    metadata = {"loudness": -20.5, "input_level_dbu": 18.0, "output_level_dbu": 10.0}
    assert gains(metadata, None, None) == (0, 0, ())
    assert gains(metadata, None, -18.0) == (0, 2.5, ())
    assert gains(metadata, 12.0, None) == (-6.0, -2.0, ())
    assert gains(metadata, 12.0, -18.0) == (-6.0, 2.5, ())


def test_what_a_file_does_not_say_is_not_available_and_told_in_a_line():
    assert gains({}, 12.0, -18.0) == (
        0,
        0,
        (
            "input not calibrated: the file does not say its input_level_dbu",
            "not normalised: the file does not say its loudness",
        ),
    )
    assert gains({"loudness": None}, 12.0, None).remarks[1].startswith("output not calibrated")


def test_a_gain_that_would_hurt_is_not_applied_but_told():
    found = gains({"loudness": -150.0, "input_level_dbu": -100, "output_level_dbu": 60}, 12.0, None)
    assert found[:2] == (0, 0)
    assert found.remarks[0] == "input not calibrated: with input_level_dbu -100 that would be +112 dB, which hurts"
    assert gains({"loudness": -150.0}, None, -18.0).output_db == 0


@pytest.mark.parametrize(
    ("setting", "drive_db", "makeup_db"),
    [("normalize: -18 dB", 0, 2.5), ("calibrate: 12 dBu", -6, -2), ("calibrate: 12, normalize: -10 dB", -6, 10.5)],
)
def test_a_preset_normalises_and_calibrates(tmp_path, setting, drive_db, makeup_db):
    said = changed(BIG, loudness=-20.5, input_level_dbu=18.0, output_level_dbu=10.0)
    calm = heard(tmp_path, 0, f"- nam: {{model: a.nam, {setting}}}", a=said)
    expected = heard(tmp_path, 0, f"- nam: {{model: a.nam, input: {drive_db} dB, output: {makeup_db} dB}}", a=said)
    assert np.abs(calm - expected).max() < 1e-5 * np.abs(expected).max()


def test_in_a_pack_each_file_is_calibrated_by_its_own_words_and_matched_to_the_largest(tmp_path):
    text = "- nam: {levels: [nano.nam, big.nam], calibrate: 12 dBu, normalize: -18 dB}"
    documents = {
        "nano": changed(BIG, 0.5, input_level_dbu=12.0, loudness=-30.0),
        "big": changed(BIG, input_level_dbu=12.0, loudness=-20.0),
    }
    nano, big = (heard(tmp_path, level, text, **documents) for level in (0, 1))
    assert np.abs(nano - big).max() < 1e-5 * np.abs(big).max()


def test_check_tells_what_is_not_available(tmp_path, capsys):
    silent = {**BIG, "metadata": {}}
    path = board(tmp_path, "- nam: {model: a.nam, normalize: -18 dB}", a=silent).path
    answer = chainrt(capsys, "check", path)
    assert answer.status == 0
    assert "  nam: a.nam: not normalised: the file does not say its loudness" in answer.out.splitlines()


# -- faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{}", "chain[0].nam.model: missing; nam needs this file: a .nam file, or levels: several .nam files"),
        ("{model: big.nam, levels: [nano.nam]}", "chain[0].nam.levels: not together with model"),
        ("{levels: []}", "chain[0].nam.levels: needs a list of 1 to 16 files, not 0"),
        ("{levels: }", "chain[0].nam.levels: needs a list of 1 to 16 files, not 0"),
        ("{levels: big.nam}", "chain[0].nam.levels: needs a list, not 'big.nam'"),
        ("{levels: [big.nam, none.nam]}", "chain[0].nam.levels[1]: 'none.nam' does not exist"),
        ("{model: big.nam, normalize: 3 dB}", "chain[0].nam.normalize: 3 dB is above 0 dB; -60 to 0 dB is allowed"),
        ("{model: big.nam, normalize: loud}", "chain[0].nam.normalize: 'loud' is not a number; write one in dB"),
        ("{model: big.nam, calibrate: 12 dB}", "chain[0].nam.calibrate: '12 dB': the unit 'dB' is not allowed"),
        ("{model: big.nam, match: maybe}", "chain[0].nam.match: needs true or false, not 'maybe'"),
        (f"{{levels: [{', '.join(['big.nam'] * 17)}]}}", "chain[0].nam.levels: needs a list of 1 to 16 files, not 17"),
    ],
)
def test_what_is_wrong_in_a_preset_is_told_by_line_and_path(tmp_path, capsys, body, told):
    path = board(tmp_path, "- nam: {model: big.nam}", big=BIG, nano=NANO).path
    path.write_text(f"version: 1\nname: x\nchain:\n - nam: {body}\n")
    answer = chainrt(capsys, "check", path)
    assert answer.status == 2
    assert len(answer.faults) == 1
    assert told in answer.faults[0]
    assert answer.faults[0].startswith(f"{path}:4: ")


def test_all_faults_of_all_files_of_a_pack_are_told_at_once(tmp_path):
    documents = {"a": {**BIG, "architecture": "Valve"}, "b": changed(BIG, sample_rate=44_100), "c": BIG}
    broken = {**BIG, "weights": BIG["weights"][1:]}
    text = "- nam: {levels: [c.nam, a.nam, b.nam, d.nam]}"
    faults = faults_of(tmp_path, text, {**documents, "d": broken})
    assert len(faults) == 3
    for fault, words in zip(faults, ("Valve", "weights, but", "44100 Hz, but c.nam has 48000 Hz"), strict=True):
        assert fault.startswith("board.yaml:4: chain[0].nam: ")
        assert words in fault


def loaded(paths):
    """The models of a pack and no faults, or no models and the faults."""
    try:
        return load_pack(paths)[0], ()
    except ModelError as error:
        return (), error.faults


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_done_to_the_files_of_a_pack_they_load_or_are_told_in_lines(tmp_path, data):
    paths = []
    for index in range(data.draw(st.integers(1, 3))):
        text = json.dumps(data.draw(st.sampled_from([NANO, tiny_lstm(), tiny_convnet(), tiny_linear()])))
        at = data.draw(st.integers(0, len(text) - 1))
        kind = data.draw(st.sampled_from(["as it is", "cut", "other", "rate", "levels"]))
        if kind == "cut":
            text = text[:at]
        elif kind == "other":
            text = text[:at] + data.draw(st.text(max_size=5)) + text[at + 1 :]
        elif kind == "rate":
            text = json.dumps({**json.loads(text), "sample_rate": data.draw(st.floats() | st.integers())})
        elif kind == "levels":
            wrong = {"loudness": data.draw(st.floats() | st.text() | st.none()), "input_level_dbu": 1e300}
            text = json.dumps({**json.loads(text), "metadata": wrong})
        path = tmp_path / f"amp {index}.nam"
        path.write_text(text, "utf-8")
        paths.append(path)
    models, faults = loaded(paths)
    assert bool(models) != bool(faults)
    assert all("\n" not in str(fault) for fault in faults)
    if faults:
        return
    assert len(models) == len(paths)
    assert len({model.levels[-1].name for model in models}) == len(paths)
    for model in models:
        found = gains(model.metadata, 12.0, -18.0)
        assert np.isfinite(found.input_db + found.output_db)


def test_a_pack_of_one_file_is_that_file_at_its_full_size(tmp_path):
    block = pack_of(tmp_path, "- nam: {levels: [a.nam]}", a=tiny_container(channels=(2, 4)))
    assert block.level_names == ("a",)
    assert block.levels[0].work == load(tmp_path / "a.nam").levels[-1].network.multiply_adds
