"""Files for blocks that need some, where no real ones are at hand: to measure with, and to answer "what if".

The amp has the layers of an official A2 and random weights, the impulse response is fading noise. What a block costs
depends on their shapes and not on what they sound like.
"""

import json
from pathlib import Path

import numpy as np
import soundfile

from .block import Block, Settings
from .errors import ChainrtError

A2_TAPS = (*[6] * 14, 15, 15, *[6] * 7)
A2_DILATIONS = (*[1, 3, 7, 17, 41, 101, 239] * 2, 1, 13, 1, 3, 7, 17, 41, 101, 239)
A2_HEAD_TAPS = 16


def files(
    folder: Path, declared: Block, rate: float, taps: int = 2048, widths: tuple[int, ...] = (3, 8)
) -> dict[str, Path] | None:
    """Files in `folder` with which this block can be built, by their names in a preset; None if ours do not do."""
    for channels in (1, 2):
        made = {}
        for name in (file.name for file in declared.files):
            if name == "model":
                made[name] = folder / "a2.nam"
                made[name].write_text(json.dumps(a2_like(widths) | {"sample_rate": rate}), "utf-8")
            elif name == "ir":
                made[name] = folder / f"noise{taps}-{channels}.wav"
                soundfile.write(made[name], _fading_noise(taps, channels), int(rate), subtype="FLOAT")
        try:
            declared.build(Settings({}, made, rate))
        except ChainrtError:
            continue
        return made
    return None


def _fading_noise(taps: int, channels: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((taps, channels)) / 30
    return (noise * 0.999 ** np.arange(taps)[:, np.newaxis]).astype(np.float32)


def a2_like(widths=(3, 8)) -> dict:
    """A .nam document: a container of networks with the layers of the official A2, with random weights."""
    submodels = [
        {"max_value": (index + 1) / len(widths), "model": _a2_network(width)} for index, width in enumerate(widths)
    ]
    return _document("SlimmableContainer", {"submodels": submodels}, [])


def _a2_network(width: int) -> dict:
    layers = len(A2_TAPS)
    array = {
        "input_size": 1,
        "condition_size": 1,
        "channels": width,
        "bottleneck": width,
        "kernel_sizes": list(A2_TAPS),
        "dilations": list(A2_DILATIONS),
        "activation": [{"type": "LeakyReLU", "negative_slope": 0.01}] * layers,
        "gating_mode": ["none"] * layers,
        "layer1x1": {"active": True, "groups": 1},
        "head": {"out_channels": 1, "kernel_size": A2_HEAD_TAPS, "bias": True},
    }
    per_layer = sum(taps * width**2 + width + width + width**2 + width for taps in A2_TAPS)
    count = width + per_layer + A2_HEAD_TAPS * width + 1
    weights = np.random.default_rng(width).normal(0, 0.3 / width, count)
    config = {"layers": [array], "head": None, "head_scale": 0.02}
    return _document("WaveNet", config, [round(float(weight), 6) for weight in weights] + [0.02])


def _document(architecture: str, config: dict, weights: list[float]) -> dict:
    return {
        "version": "0.7.0",
        "metadata": {"name": "like an A2"},
        "architecture": architecture,
        "config": config,
        "weights": weights,
        "sample_rate": 48_000,
    }
