"""Writing our networks as .nam files, and reading them back with a slow, obvious player that checks them.

The layout is that of the official A2 files (format version 0.7.0): every key is written, also those that are
off, because readers differ in what they take for granted. An A1 is written in the same words: the field's trainer
no longer reads the older ones. Rules kept here:

* A weight is written with the fewest digits that give the same float32 again (at most nine).
* A file appears whole or not at all: it is written beside its place and renamed.
* `slow_play` shares no code with the training kernel: plain numpy in float64, one convolution after another.
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
from architecture import LEAKY_SLOPE

FORMAT_VERSION = "0.7.0"
SAMPLE_RATE_HZ = 48000


def _numbers(weights):
    """Shortest decimals that read back as the same float32."""
    return "[" + ",".join(str(np.float32(w)) for w in weights) + "]"


def layer_array(array, allowed_channels=None):
    """One of a model's layer arrays. With allowed_channels it can be sliced to so many channels."""
    off = {"active": False, "shift": True, "groups": 1}
    count = len(array.kernel_sizes)
    activation = {"type": array.activation}
    if array.activation == "LeakyReLU":
        activation["negative_slope"] = LEAKY_SLOPE
    slimmable = None
    if allowed_channels:
        allowed = {"allowed_channels": list(allowed_channels)}
        slimmable = {"method": "slice_channels_uniform", "kwargs": allowed}
    places = ("conv", "input_mixin", "activation")
    films = [f"{place}_{side}_film" for place in places for side in ("pre", "post")]
    return {
        "input_size": array.inputs,
        "condition_size": 1,
        "head": {"out_channels": array.head_outputs, "kernel_size": array.head_taps, "bias": array.head_bias},
        "channels": array.channels,
        "kernel_sizes": array.kernel_sizes,
        "dilations": array.dilations,
        "activation": [activation] * count,
        "bottleneck": array.channels,
        "head1x1": {"active": False, "out_channels": 1, "groups": 1},
        "layer1x1": {"active": True, "groups": 1},
        "groups_input": 1,
        "groups_input_mixin": 1,
        **dict.fromkeys(films, off),
        "layer1x1_post_film": off,
        "head1x1_post_film": off,
        "gating_mode": ["none"] * count,
        "secondary_activation": [None] * count,
        "slimmable": slimmable,
    }


def date_now():
    now = datetime.now(timezone.utc)
    return {key: getattr(now, key) for key in ("year", "month", "day", "hour", "minute", "second")}


def wavenet_config(architecture, allowed_channels=None):
    """What stands under `config`."""
    layers = [layer_array(array, allowed_channels) for array in architecture.arrays]
    return {"layers": layers, "head": None, "head_scale": architecture.head_scale}


def wavenet(weights, architecture, metadata, allowed_channels=None):
    """A whole model. With allowed_channels it is one that can be sliced to so many channels."""
    return {
        "version": FORMAT_VERSION,
        "metadata": metadata,
        "architecture": "WaveNet",
        "config": wavenet_config(architecture, allowed_channels),
        "weights": np.asarray(weights, np.float32),
        "sample_rate": SAMPLE_RATE_HZ,
    }


def container(submodels, metadata):
    """submodels: (max_value, wavenet) from the smallest up."""
    return {
        "version": FORMAT_VERSION,
        "architecture": "SlimmableContainer",
        "config": {"submodels": [{"max_value": value, "model": model} for value, model in submodels]},
        "weights": np.zeros(0, np.float32),
        "sample_rate": float(SAMPLE_RATE_HZ),
        "metadata": metadata,
    }


def write(path, model):
    arrays = []

    def hold_place(value):
        arrays.append(_numbers(value))
        return f"@{len(arrays) - 1}@"

    text = json.dumps(model, separators=(",", ":"), default=hold_place)
    for i, numbers in enumerate(arrays):
        text = text.replace(f'"@{i}@"', numbers)
    temporary = f"{path}.part"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.replace(temporary, path)


@dataclass(frozen=True)
class SavedLevel:
    """One size in a file: what stands under `config`, the flat weights, the channels that play, the metadata."""

    config: dict
    weights: np.ndarray
    width: int
    metadata: dict


def models(path):
    """Every WaveNet in a file of ours, as `wavenet` made it, smallest first."""
    with open(path, encoding="utf-8") as file:
        model = json.load(file)
    if model["architecture"] == "SlimmableContainer":
        found = [entry["model"] for entry in model["config"]["submodels"]]
    else:
        found = [model]
    return [{**one, "weights": np.array(one["weights"], np.float32)} for one in found]


def levels(path):
    """Every size in a file of ours, smallest first."""
    found = []
    for model in models(path):
        array = model["config"]["layers"][0]
        slimmable = array["slimmable"]
        widths = slimmable["kwargs"]["allowed_channels"] if slimmable else [array["channels"]]
        found += [SavedLevel(model["config"], model["weights"], width, model["metadata"]) for width in widths]
    return found


def slow_play(config, flat, width, signal):
    """Play a WaveNet of ours, or the first `width` channels of one, from silence, in float64. Slow and obvious."""
    weights = iter(np.split(np.asarray(flat, float), len(flat)))

    def take(*shape):
        return np.array([next(weights)[0] for _ in range(int(np.prod(shape)))]).reshape(shape)

    def convolve(planes, w, dilation):
        out = np.zeros((w.shape[0], planes.shape[1]))
        for k in range(w.shape[2]):
            back = dilation * (w.shape[2] - 1 - k)
            out[:, back:] += w[:, :, k] @ planes[:, : planes.shape[1] - back]
        return out

    history = 6400  # longer than the receptive field, so that biases have settled before the first sample
    signal = np.concatenate([np.zeros(history), signal])[None, :]
    x, head = signal, 0.0
    for array in config["layers"]:
        full, outputs = array["channels"], array["head"]["out_channels"]
        w = width if len(config["layers"]) == 1 else full
        is_tanh = array["activation"][0]["type"] == "Tanh"
        x = take(full, array["input_size"])[:w] @ x
        for kernel_size, dilation in zip(array["kernel_sizes"], array["dilations"], strict=True):
            z = convolve(x, take(full, full, kernel_size)[:w, :w], dilation) + take(full)[:w, None]
            z += take(full, 1)[:w] @ signal
            z = np.tanh(z) if is_tanh else np.where(z > 0, z, LEAKY_SLOPE * z)
            head = head + z
            x = x + take(full, full)[:w, :w] @ z + take(full)[:w, None]
        head = convolve(head, take(outputs, full, array["head"]["kernel_size"])[:, :w], 1)
        if array["head"]["bias"]:
            head += take(outputs)[:, None]
    return (head * take(1))[0, history:]
