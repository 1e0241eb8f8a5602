"""The presets in the box: each is valid, plays at once, is heard, and is about as loud as the others."""

from pathlib import Path

import numpy as np
import pytest

from chainrt.chain import Chain
from chainrt.preset import load
from chainrt.render import render
from chainrt.riff import riff

FOLDER = Path(__file__).resolve().parents[1] / "presets"
PRESETS = sorted(FOLDER.glob("*.yaml"))
RATE_HZ = 48_000
SECONDS = 3
FRAMES = 64


def db(level):
    return 20 * np.log10(level)


def test_there_is_something_for_everyone():
    tags = {tag for path in PRESETS for tag in load(path).tags}
    assert len(PRESETS) >= 12
    wanted = {"clean", "edge", "crunch", "high gain", "ambient", "bass", "acoustic", "fuzz", "lead", "wet dry wet"}
    assert wanted <= tags
    assert len({load(path).name for path in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_plays_the_riff_at_a_level_that_can_be_used(path):
    chain = Chain(load(path), RATE_HZ, FRAMES)
    heard = render(chain, riff(RATE_HZ)[: SECONDS * RATE_HZ])
    assert np.isfinite(heard).all()
    assert -32 < db(np.sqrt(np.mean(heard.astype(float) ** 2))) < -8
    assert np.abs(heard).max() <= 1.0
    assert ("stereo" in load(path).tags) <= (heard.ndim == 2)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_opens_with_what_it_is(path):
    first = path.read_text("utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert 20 < len(first) <= 120
