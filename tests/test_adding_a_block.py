"""docs/adding-a-block.md, followed to the letter: its file is written, played, shown and put to the contract's test."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import test_blocks_contract as contract
from blockplay import RATE_HZ, example_settings, wrongs_of
from pedalboards import chainrt as command

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS
from chainrt.chain import Chain
from chainrt.preset import load
from chainrt.render import render

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/adding-a-block.md").read_text("utf-8")
EFFECT, TEST = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(BOARD,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def ring(tmp_path):
    """The page's effect, as if it stood in chainrt/blocks."""
    path = tmp_path / "ring.py"
    path.write_text(EFFECT, "utf-8")
    spec = importlib.util.spec_from_file_location("chainrt.blocks.ring", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        yield BLOCKS["ring"]
    finally:
        del BLOCKS["ring"], sys.modules[spec.name]


def test_the_effect_of_the_page_plays(ring, tmp_path):
    path = tmp_path / "ring.yaml"
    path.write_text(BOARD, "utf-8")
    signal = np.random.default_rng(1).uniform(-0.5, 0.5, 6400).astype(np.float32)
    heard = render(Chain(load(path), RATE_HZ, 64), signal)
    assert np.isfinite(heard).all()
    assert 0.1 < np.std(heard) / np.std(signal) < 1
    assert np.abs(heard - signal).max() > 0.1


def test_the_command_line_shows_it(ring, capsys):
    answer = command(capsys, "blocks", "ring")
    assert answer.status == 0
    assert "Ring modulator: the guitar times a sine" in answer.out
    assert "pitch" in answer.out


def test_it_keeps_the_contract(ring, tmp_path):
    settings = example_settings(ring, tmp_path)
    assert contract.dependence_on_period(ring, settings) <= contract.ROUNDING
    assert contract.loudest_of_corners(ring, settings) <= contract.LOUDEST
    assert contract.left_after_tail(ring, settings) <= contract.SILENCE
    assert contract.heals(ring, settings)
    assert contract.loudest_click(ring, settings) <= contract.CLICK
    assert not contract.remembers_elsewhere(ring, settings)
    assert wrongs_of(ring.native) == set()


def test_the_test_of_the_page_passes_and_can_fail(ring):
    names = {}
    exec(TEST, names)
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test()
    spoilt = {}
    exec(TEST.replace("mix=100", "mix=90"), spoilt)
    with pytest.raises(AssertionError):
        spoilt[test.__name__]()


def test_every_file_that_the_page_names_is_there():
    named = set(re.findall(r"\b(?:chainrt|tests|docs)/[\w/-]+\.py\b", PAGE)) - {"chainrt/blocks/ring.py"}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_page_uses_the_names_that_there_are():
    from chainrt import block, dsp

    for name in ("choice", "File", "Level", "Param"):
        assert hasattr(block, name)
    assert hasattr(dsp, "read_tape")
