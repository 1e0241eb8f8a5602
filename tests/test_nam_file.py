"""Any file at all either loads or ends as one line that says where it is wrong; and what loads has the right levels."""

import copy
import json
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import (
    FILMS,
    container_of,
    saved,
    tiny_container,
    tiny_convnet,
    tiny_linear,
    tiny_lstm,
    tiny_sliced,
    tiny_wavenet,
)
from wavenets import any_wavenet

from chainrt.errors import ModelError
from chainrt.nam import file, levels, wavenet

SECOND = "config.submodels[1].model"
ARRAY = "config.layers[0]"
GONE = object()


def changed(document, path, value):
    """A copy of `document` with `value` at `path` (`config.layers[0].channels`); GONE takes the key away."""
    result = copy.deepcopy(document)
    *way, last = [int(step) if step.isdigit() else step for step in path.replace("[", ".").replace("]", "").split(".")]
    place = result
    for step in way:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return result


def fault_of(path):
    """The one fault of the file at `path`, which must not load."""
    with pytest.raises(ModelError) as caught:
        levels.load(path)
    (fault,) = caught.value.faults
    assert "\n" not in str(fault)
    assert fault.file == str(path)
    assert len(str(fault)) < len(str(path)) + 260
    return fault


# ---- what loads ----


def test_a_container_of_two_has_the_levels_lite_and_full(tmp_path):
    model = levels.load(saved(tiny_container(channels=(2, 4)), tmp_path))
    assert [(one.name, one.value, one.network.channels) for one in model.levels] == [
        ("lite", 0.25, 2),
        ("full", 0.75, 4),
    ]
    assert (model.architecture, model.version, model.sample_rate) == ("SlimmableContainer", "0.7.0", 48000)
    assert model.metadata["name"] == "tiny"
    assert model.warnings == ()


def test_levels_of_a_sliced_model_are_named_by_channels(tmp_path):
    model = levels.load(saved(tiny_sliced(channels=4, allowed=(1, 2, 4)), tmp_path))
    assert [one.name for one in model.levels] == ["ch1", "ch2", "full"]
    assert [one.network.channels for one in model.levels] == [1, 2, 4]
    assert [one.value for one in model.levels] == pytest.approx([1 / 6, 3 / 6, 5 / 6])


def test_a_sliced_model_without_allowed_channels_may_have_any(tmp_path):
    document = changed(tiny_sliced(), f"{ARRAY}.slimmable.kwargs", GONE)
    assert [one.network.channels for one in levels.load(saved(document, tmp_path)).levels] == [1, 2, 3, 4]


def test_a_bare_model_has_the_level_full(tmp_path):
    (only,) = levels.load(saved(tiny_wavenet(), tmp_path)).levels
    assert (only.name, only.value) == ("full", 0.5)


def test_names_stay_unique_when_widths_repeat(tmp_path):
    model = levels.load(saved(tiny_container(channels=(2, 2, 2, 4)), tmp_path))
    assert [one.name for one in model.levels] == ["ch2", "ch2-2", "ch2-3", "full"]


def test_levels_run_from_small_to_large_and_keep_the_value_of_their_place_in_the_file(tmp_path):
    model = levels.load(saved(tiny_container(channels=(4, 2)), tmp_path))
    assert [(one.name, one.value, one.network.channels) for one in model.levels] == [
        ("lite", 0.75, 2),
        ("full", 0.25, 4),
    ]


def test_a_value_lies_in_the_middle_of_its_interval_even_if_the_last_border_is_beyond_1(tmp_path):
    document = changed(tiny_container(channels=(1, 2)), "config.submodels[1].max_value", 7)
    assert [one.value for one in levels.load(saved(document, tmp_path)).levels] == [0.25, 0.75]


def test_the_value_of_every_level_selects_it_by_the_rules_of_the_reference(tmp_path):
    sliced = levels.load(saved(tiny_sliced(channels=5, allowed=(1, 2, 3, 5)), tmp_path)).levels
    for index, level in enumerate(sliced):
        assert min(int(level.value * len(sliced)), len(sliced) - 1) == index
    contained = levels.load(saved(tiny_container(channels=(1, 2, 3)), tmp_path)).levels
    for index, level in enumerate(contained):
        assert next(i for i in range(3) if level.value < (i + 1) / 3) == index


def test_a_level_is_found_by_name_and_by_index(tmp_path):
    model = levels.load(saved(tiny_container(), tmp_path))
    assert model.find("lite") is model.find(0) is model.levels[0]
    assert model.find("full") is model.find(1) is model.levels[1]


@pytest.mark.parametrize("wrong", ["LITE", 2, -1, True, "0", None])
def test_a_level_that_is_not_there_is_a_key_error_that_tells_the_names(tmp_path, wrong):
    with pytest.raises(KeyError, match=r"allowed are lite \(0\), full \(1\)"):
        levels.load(saved(tiny_container(), tmp_path)).find(wrong)


@pytest.mark.parametrize("rate", [GONE, None])
def test_a_missing_sample_rate_is_unknown(tmp_path, rate):
    assert levels.load(saved(changed(tiny_wavenet(), "sample_rate", rate), tmp_path)).sample_rate is None


def test_a_sample_rate_named_by_one_submodel_holds_for_all(tmp_path):
    document = changed(changed(tiny_container(), "sample_rate", GONE), f"{SECOND}.sample_rate", GONE)
    model = levels.load(saved(document, tmp_path))
    assert model.sample_rate == 48000
    assert [one.network.sample_rate for one in model.levels] == [48000, 48000]


def test_a_newer_minor_version_is_tried_with_one_warning(tmp_path):
    path = saved(changed(tiny_container(), f"{SECOND}.version", "0.8.0"), tmp_path)
    (warning,) = levels.load(path).warnings
    assert warning == f"{path}: {SECOND}.version: 0.8.0 is newer than 0.5 to 0.7; it may not sound as it should"


@pytest.mark.parametrize("version", ["0.5.0", "0.5.4", "0.6.1", "0.7.3"])
def test_known_versions_load_without_a_warning(tmp_path, version):
    assert levels.load(saved(changed(tiny_sliced(), "version", version), tmp_path)).warnings == ()


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "model.nam"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(tiny_sliced()).encode())
    assert len(levels.load(path).levels) == 3


# ---- what is no .nam at all ----


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert fault_of(tmp_path / "none.nam").message == "there is no such file"


def test_a_directory_is_no_model(tmp_path):
    assert "directory" in fault_of(tmp_path).message


def test_a_name_that_no_file_can_have_is_a_fault():
    assert "cannot be read" in fault_of("model\0.nam").message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.nam")
    assert "regular file" in fault_of(tmp_path / "pipe.nam").message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read_is_a_fault(tmp_path):
    path = saved(tiny_sliced(), tmp_path)
    path.chmod(0)
    assert "cannot be read" in fault_of(path).message


def test_a_file_above_the_limit_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "MAX_BYTES", 2**20)
    path = saved(tiny_sliced(), tmp_path)
    assert len(levels.load(path).levels) == 3
    path.write_bytes(b" " * (2**20 + 1))
    assert "larger than 1 MiB" in fault_of(path).message


def test_bytes_that_are_no_text_are_a_fault(tmp_path):
    path = tmp_path / "model.nam"
    path.write_bytes(b'{"version": "\xff"}')
    assert "byte 13 is not UTF-8" in fault_of(path).message


def test_a_fault_in_the_json_tells_line_and_column(tmp_path):
    fault = fault_of(saved('{"version": "0.7.0",\n "architecture" "WaveNet"}', tmp_path))
    assert (fault.line, fault.message) == (2, "column 17: not JSON: Expecting ':' delimiter")


@pytest.mark.parametrize("kept", [0, 1, 30, 500, -1])
def test_a_file_that_was_cut_off_is_said_to_end_too_early(tmp_path, kept):
    assert "ends too early" in fault_of(saved(json.dumps(tiny_sliced())[:kept], tmp_path)).message


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_a_fault_and_no_crash(tmp_path, opening):
    assert "nested too deeply" in fault_of(saved(opening * 200_000, tmp_path)).message


def test_very_long_numbers_take_no_long_time(tmp_path):
    start = time.perf_counter()
    whole = json.dumps(tiny_sliced()).replace('"channels": 4', '"channels": ' + "9" * 10_000_000)
    assert fault_of(saved(whole, tmp_path)).path == f"{ARRAY}.channels"
    broken = json.dumps(tiny_sliced()).replace('"weights": [', '"weights": [0.' + "7" * 10_000_000 + ", ")
    assert fault_of(saved(broken, tmp_path)).path == "weights"
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("text", ["[]", "3", "null", '"nam"', "true", "NaN"])
def test_json_that_is_no_object_is_a_fault(tmp_path, text):
    assert "is not an object" in fault_of(saved(text, tmp_path)).message


# ---- what is a .nam, but damaged or not of the kind that is played: (value, path, part of the message) ----

OUTSIDE = [
    *[(GONE, key, "is missing") for key in ("version", "architecture", "config", "weights")],
    (0.7, "version", "0.7 is not a text"),
    ("0.4.9", "version", "older than what this release plays, 0.5 to 0.7"),
    ("1.0.0", "version", "newer than what this release plays, 0.5 to 0.7"),
    ("seven", "version", "not a version such as 0.7.0"),
    ("0." + "9" * 5000 + ".0", "version", "not a version"),
    ("0.7.\ud800", "version", "not a version"),
    ("GRU", "architecture", "plays SlimmableContainer, WaveNet, LSTM, ConvNet and Linear"),
    (None, "architecture", "null is not a text"),
    ([1], "config", "a list is not an object"),
    (-1, "sample_rate", "not a number from 8000 to 768000"),
    (1e12, "sample_rate", "not a number"),
    (float("nan"), "sample_rate", "NaN is not a number"),
    ("48000", "sample_rate", "not a number"),
    ("loud", "metadata", "not an object"),
    (float("inf"), "metadata.loudness", "not a number"),
    (True, "metadata.input_level_dbu", "not a number"),
    (3.5, "weights", "not a list of numbers"),
    (float("nan"), "weights[7]", "NaN is not a finite number"),
    (float("-inf"), "weights[7]", "-Infinity is not a finite number"),
    (1e39, "weights[7]", "single precision"),
    (10**400, "weights[7]", "Infinity is not a finite number"),
    ("0.5", "weights[7]", "not a finite number"),
    (True, "weights[7]", "not a finite number"),
    (None, "weights[7]", "not a finite number"),
    ([0.5], "weights[7]", "a list is not a finite number"),
]

INSIDE = [
    *[(GONE, f"{ARRAY}.{key}", "is missing") for key in ("channels", "dilations", "activation", "head")],
    (GONE, "config.layers", "is missing"),
    ([], "config.layers", "a list of 0"),
    ({}, "config.layers", "an object is not a list"),
    (2, "config.in_channels", "from 1 to 1"),
    (0, f"{ARRAY}.channels", "not a whole number from 1 to 256"),
    (257, f"{ARRAY}.channels", "not a whole number from 1 to 256"),
    (2.5, f"{ARRAY}.channels", "not a whole number"),
    (True, f"{ARRAY}.channels", "not a whole number"),
    (10**400, f"{ARRAY}.channels", "not a whole number"),
    (0, f"{ARRAY}.bottleneck", "not a whole number from 1 to 256"),
    (2, f"{ARRAY}.input_size", "2 is not 1, the width of what comes in"),
    (2, f"{ARRAY}.condition_size", "2 is not 1, the channels of the condition"),
    (2, f"{ARRAY}.groups_input", "2 groups do not divide 3 channels"),
    (3, f"{ARRAY}.groups_input_mixin", "3 groups do not divide 1 channels"),
    ("no", f"{ARRAY}.layer1x1.active", "neither true nor false"),
    (2, f"{ARRAY}.layer1x1.groups", "2 groups do not divide 3 channels"),
    (1, f"{ARRAY}.head1x1.active", "neither true nor false"),
    (True, f"{ARRAY}.layer1x1_post_film", "not an object"),
    ("bent", f"{ARRAY}.gating_mode[1]", "this release plays none, gated and blended"),
    (True, f"{ARRAY}.gating_mode", "not a text"),
    (["none"], f"{ARRAY}.gating_mode", "a list of 1 where 3"),
    ("Tan", f"{ARRAY}.activation", "not played; this release plays"),
    ("Tan", f"{ARRAY}.activation[2].type", "not played; this release plays"),
    (3, f"{ARRAY}.activation", "not an object"),
    (-1e7, f"{ARRAY}.activation[2].negative_slope", "from -1e+06 to 1e+06"),
    (GONE, f"{ARRAY}.activation[2].type", "is missing"),
    (0, f"{ARRAY}.kernel_sizes[1]", "from 1 to 4096"),
    ([3, 3], f"{ARRAY}.kernel_sizes", "a list of 2 where 3"),
    (10**7, f"{ARRAY}.dilations[1]", "from 1 to 1000000"),
    ([1] * 1001, f"{ARRAY}.dilations", "a list of 1001 where 1 to 1000"),
    (2, f"{ARRAY}.head.out_channels", "2 outputs are not played; this release plays 1"),
    (0, f"{ARRAY}.head.head_dilation", "from 1 to 1000000"),
    (0, f"{ARRAY}.head.kernel_size", "from 1 to 4096"),
    (1, f"{ARRAY}.head.bias", "neither true nor false"),
]
FILM_CASES = [
    *[(1, f"{ARRAY}.{film}.active", "neither true nor false") for film in FILMS],
    *[({"active": True}, f"{ARRAY}.head1x1_post_film", "switched on, but the layers have no head1x1")],
]


def named(cases):
    """Test cases with names that are unique and short."""
    return [pytest.param(*case, id=f"{index}-{case[1]}") for index, case in enumerate(cases)]


@pytest.mark.parametrize(("value", "path", "message"), named(OUTSIDE))
def test_a_fault_outside_the_configuration_is_told_with_its_path(tmp_path, value, path, message):
    fault = fault_of(saved(changed(tiny_wavenet(), path, value), tmp_path))
    assert fault.path == path
    assert message in fault.message


@pytest.mark.parametrize(("value", "path", "message"), named(INSIDE + FILM_CASES))
@pytest.mark.parametrize("inside", ["", SECOND])
def test_a_fault_in_the_configuration_is_told_with_its_path(tmp_path, inside, value, path, message):
    document = changed(tiny_wavenet(), path, value)
    if inside:
        document = changed(tiny_container(), inside, document)
    fault = fault_of(saved(document, tmp_path))
    assert fault.path == f"{inside}.{path}".lstrip(".")
    assert message in fault.message


OLD_SPELLING = [
    (GONE, f"{ARRAY}.kernel_size", "is missing"),
    (GONE, f"{ARRAY}.head_bias", "is missing"),
    (2, f"{ARRAY}.head_size", "2 outputs are not played; this release plays 1"),
    (1, f"{ARRAY}.gated", "neither true nor false"),
    ("Softplus", f"{ARRAY}.activation", "not played; this release plays"),
    ("odd", f"{ARRAY}.slimmable.method", "this release plays slice_channels_uniform"),
    ([], f"{ARRAY}.slimmable.kwargs.allowed_channels", "a list of 0 where 1 to 4"),
    ([1, 1, 4], f"{ARRAY}.slimmable.kwargs.allowed_channels", "must rise and end with the full 4 channels"),
    ([1, 2], f"{ARRAY}.slimmable.kwargs.allowed_channels", "must rise and end with the full 4 channels"),
    ([0, 4], f"{ARRAY}.slimmable.kwargs.allowed_channels[0]", "not a whole number from 1 to 4"),
]


@pytest.mark.parametrize(("value", "path", "message"), named(OLD_SPELLING))
def test_a_fault_in_the_old_spelling_is_told_with_its_path(tmp_path, value, path, message):
    fault = fault_of(saved(changed(tiny_sliced(), path, value), tmp_path))
    assert fault.path == path
    assert message in fault.message


CONTAINER = [
    (GONE, "config.submodels", "is missing"),
    ([], "config.submodels", "a list of 0"),
    ([1.0], "weights", "a container has none of its own"),
    (GONE, "config.submodels[0].max_value", "is missing"),
    (GONE, SECOND, "is missing"),
    (0.5, "config.submodels[1].max_value", "0.5 must be above 0.5"),
    (0.9, "config.submodels[1].max_value", "the last max_value, and only that, must reach 1"),
    (1, "config.submodels[0].max_value", "the last max_value, and only that, must reach 1"),
    (0, "config.submodels[0].max_value", "0 must be above 0"),
    ("Container", f"{SECOND}.architecture", "this release plays SlimmableContainer, WaveNet, "),
    (44100, f"{SECOND}.sample_rate", "44100 Hz differs from 48000 Hz"),
    ("0.1.0", f"{SECOND}.version", "older than"),
]


@pytest.mark.parametrize(("value", "path", "message"), named(CONTAINER))
def test_a_fault_of_a_container_is_told_with_its_path(tmp_path, value, path, message):
    fault = fault_of(saved(changed(tiny_container(), path, value), tmp_path))
    assert fault.path == path
    assert message in fault.message


@pytest.mark.parametrize("there", [0, 70, 72])
def test_a_wrong_number_of_weights_tells_how_many_there_are_and_how_many_are_needed(tmp_path, there):
    document = tiny_sliced(channels=2, allowed=(1, 2), taps=3, dilations=(1, 2, 4))
    assert len(document["weights"]) == 2 + 3 * (12 + 2 + 2 + 4 + 2) + 2 + 1 == 71
    document["weights"] = [*document["weights"], 0.5][:there]
    fault = fault_of(saved(document, tmp_path))
    assert (fault.path, fault.message) == ("weights", f"{there} weights, but the configuration needs 71")


def test_two_spellings_of_the_kernel_size_at_once_are_a_fault(tmp_path):
    fault = fault_of(saved(changed(tiny_wavenet(), f"{ARRAY}.kernel_size", 3), tmp_path))
    assert (fault.path, fault.message[:25]) == (f"{ARRAY}.kernel_size", "stands beside kernel_size")


def test_a_receptive_field_beyond_the_limit_is_a_fault_before_anything_is_allocated(tmp_path):
    document = changed(tiny_wavenet(), f"{ARRAY}.kernel_sizes", [4096] * 3)
    fault = fault_of(saved(changed(document, f"{ARRAY}.dilations", [10**6] * 3), tmp_path))
    assert fault.path == ARRAY
    assert f"is above {wavenet.MAX_RECEPTIVE_FIELD}" in fault.message


@pytest.mark.parametrize("inactive", [False, None, GONE, {"active": False}])
def test_films_that_are_switched_off_do_no_harm(tmp_path, inactive):
    assert levels.load(saved(changed(tiny_wavenet(), f"{ARRAY}.conv_pre_film", inactive), tmp_path))


def test_a_large_number_of_weights_is_read_in_bounded_time(tmp_path):
    document = tiny_wavenet()
    document["weights"] = [0.0] * 3_000_000
    path = saved(document, tmp_path)
    start = time.perf_counter()
    assert "3000000 weights" in fault_of(path).message
    assert time.perf_counter() - start < 10


# ---- anything at all ----

VALID = [
    *map(any_wavenet, range(10)),
    *(tiny_container(), tiny_sliced(), tiny_wavenet()),
    *(tiny_lstm(), tiny_convnet(), tiny_convnet(batchnorm=False, activation="PReLU"), tiny_linear()),
    container_of(tiny_linear(), tiny_lstm(), container_of(tiny_sliced(), tiny_convnet())),
]
NUMBERS = st.integers(-3, 300) | st.integers() | st.floats() | st.just(10**30) | st.just(-1e308)
SCALARS = NUMBERS | st.none() | st.booleans() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6) | st.just({}) | st.just(GONE)


def places(value, path=()):
    """The path of every value inside `value`, of weights only the first two."""
    if isinstance(value, (dict, list)):
        steps = list(value) if isinstance(value, dict) else range(len(value))
        for step in list(steps)[:2] if path[-1:] == ("weights",) else steps:
            yield (*path, step)
            yield from places(value[step], (*path, step))


@st.composite
def damaged(draw):
    """The text of a valid file of which one to three values were replaced, and perhaps the end cut off."""
    document = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(list(places(document))))
        place = document
        for step in way:
            place = place[step]
        value = draw(VALUES)
        if value is GONE:
            del place[last]
        else:
            place[last] = value
        if not document:
            break
    text = json.dumps(document)
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


@settings(max_examples=400, deadline=5000)
@given(text=damaged())
def test_any_damage_either_loads_or_is_one_fault_in_bounded_time(tmp_path_factory, text):
    path = saved(text, tmp_path_factory.getbasetemp())
    try:
        model = levels.load(path)
    except ModelError:
        fault_of(path)
    else:
        assert model.levels[-1].name == "full"
        assert all(level.network.multiply_adds > 0 for level in model.levels)


@settings(max_examples=100, deadline=5000)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_one_fault(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "bytes.nam"
    path.write_bytes(raw)
    fault_of(path)
