"""Files for blocks that need some, where no real ones are at hand: to measure with, and to answer "what if".

The amp has the layers of an official A2 and random weights, the impulse response is fading noise. What a block costs
depends on their shapes and not on what they sound like. `amp_like` has well-known shapes of every family of amps.
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
A2_CHANNELS = (2, 3, 4, 6, 8)  # official are 3 (Lite) and 8 (Full)
OCTAVES = tuple(2**power for power in range(10))
A1_SHAPES = {  # channels of the first array (the second has half as many), dilations of both
    "nano": (4, OCTAVES[:7], OCTAVES[7:] + OCTAVES),
    "feather": (8, OCTAVES[:7], OCTAVES[7:] + OCTAVES),
    "lite": (12, OCTAVES[:7], OCTAVES[7:] + OCTAVES),
    "standard": (16, OCTAVES, OCTAVES),
}
A1_TAPS = 3
LSTM_SHAPES = ((1, 8), (2, 8), (1, 16), (1, 24))  # layers, hidden size; by rising multiply-adds
CONVNET_CHANNELS = (8, 16, 32)
LINEAR_TAPS = (512, 8192)


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
    return _container([_a2_network(width) for width in widths])


def amp_like(family: str) -> dict:
    """A .nam document: a container of usual sizes of one of vocabulary.NETWORKS, smallest first, random weights."""
    if family == "a2":
        return a2_like(A2_CHANNELS)
    if family == "a1":
        return _container([a1_like(name) for name in A1_SHAPES])
    if family == "lstm":
        return _container([lstm_like(*shape) for shape in LSTM_SHAPES])
    if family == "convnet":
        return _container([_convnet(channels) for channels in CONVNET_CHANNELS])
    return _container([_linear(taps) for taps in LINEAR_TAPS])


def _container(networks: list[dict]) -> dict:
    submodels = [{"max_value": (index + 1) / len(networks), "model": one} for index, one in enumerate(networks)]
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
    config = {"layers": [array], "head": None, "head_scale": 0.02}
    return _document("WaveNet", config, [*_weights(width, 0.3 / width, count), 0.02])


def a1_like(size: str) -> dict:
    """A .nam document: a network with the layers of an A1 of this size, one of A1_SHAPES, with random weights."""
    channels, *dilations = A1_SHAPES[size]
    widths = (channels, channels // 2)
    arrays, count = [], 0
    for inputs, width, outputs, steps in zip((1, channels), widths, (widths[1], 1), dilations, strict=True):
        has_bias = outputs == 1
        array = {
            "input_size": inputs,
            "condition_size": 1,
            "channels": width,
            "head_size": outputs,
            "kernel_size": A1_TAPS,
            "dilations": list(steps),
            "activation": "Tanh",
            "gated": False,
            "head_bias": has_bias,
        }
        arrays.append(array)
        per_layer = A1_TAPS * width**2 + width + width + width**2 + width
        count += inputs * width + len(steps) * per_layer + outputs * width + has_bias
    config = {"layers": arrays, "head": None, "head_scale": 0.02}
    return _document("WaveNet", config, [*_weights(channels, 0.3, count), 0.02])


def lstm_like(layers: int, hidden: int) -> dict:
    """A .nam document: an LSTM of this shape, with random weights."""
    inputs = [1, *[hidden] * (layers - 1)]
    count = sum(4 * hidden * (below + hidden + 1) + 2 * hidden for below in inputs) + hidden + 1
    config = {"input_size": 1, "hidden_size": hidden, "num_layers": layers}
    return _document("LSTM", config, _weights(hidden, 0.3, count))


def _convnet(channels: int) -> dict:
    inputs = [1, *[channels] * (len(OCTAVES) - 1)]
    count = sum((2 * below + 1) * channels for below in inputs) + channels + 1
    config = {"channels": channels, "dilations": list(OCTAVES), "batchnorm": False, "activation": "Tanh"}
    return _document("ConvNet", config, _weights(channels, 0.3, count))


def _linear(taps: int) -> dict:
    return _document("Linear", {"receptive_field": taps, "bias": False}, _weights(taps, taps**-0.5, taps))


def _weights(seed: int, sd: float, count: int) -> list[float]:
    return [round(float(weight), 6) for weight in np.random.default_rng(seed).normal(0, sd, count)]


def _document(architecture: str, config: dict, weights: list[float]) -> dict:
    return {
        "version": "0.7.0",
        "metadata": {"name": "random weights"},
        "architecture": architecture,
        "config": config,
        "weights": weights,
        "sample_rate": 48_000,
    }
