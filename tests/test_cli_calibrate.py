"""`chainrt calibrate`: a table for people, JSON for programs, and tables that the next run finds."""

import json

import pytest
from pedalboards import chainrt, pedalboard

from chainrt import calibrate
from chainrt.cli.arguments import parser


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pedalboard(tmp_path)


def test_every_level_of_a_preset_is_measured_told_and_kept(folder, capsys, monkeypatch):
    answer = chainrt(capsys, "calibrate", "preset.yaml", "--rounds", "3")
    assert answer.status == 0
    assert answer.out.startswith("Tiny: median")
    assert "nam" in answer.out
    monkeypatch.setattr(calibrate, "_time", None)  # timing again would fail
    assert chainrt(capsys, "run", "preset.yaml", "--seconds", "0.05").status == 0


def test_the_json_holds_costs_in_microseconds_and_fidelity_in_decibels(folder, capsys):
    answer = json.loads(chainrt(capsys, "calibrate", "preset.yaml", "--rounds", "3", "--json").out)
    assert answer["rate"] == 48000
    (board,) = answer["presets"]
    assert board["preset"] == "preset.yaml"
    for block in board["blocks"]:
        assert block["levels"][-1]["fidelity_db"] == calibrate.BEST_DB
        for level in block["levels"]:
            assert list(level["cost_us"]) == ["16", "32", "64", "128", "256", "512"]
            assert all(0 < cost["p50"] <= cost["p99"] for cost in level["cost_us"].values())


def test_without_a_name_all_of_presets_is_calibrated_and_an_empty_folder_is_told(folder, capsys):
    answer = chainrt(capsys, "calibrate")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "PRESET: none was named, and there is none in presets/\n"
    (folder / "presets").mkdir()
    (folder / "presets" / "dry.yaml").write_text("version: 1\nname: Dry\nchain: [drive: ]\n")
    assert chainrt(capsys, "calibrate", "--rounds", "2").out.startswith("Dry: median")


def test_all_faults_are_told_before_anything_is_measured(folder, capsys):
    answer = chainrt(capsys, "calibrate", "none.yaml", "preset.yaml", "--rounds", "0", "--rate", "1")
    assert (answer.status, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 3


def test_the_number_of_rounds_in_the_help_is_the_one_used():
    assert int(parser().parse_args(["calibrate"]).rounds) == calibrate.ROUNDS
