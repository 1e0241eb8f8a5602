"""Small .nam documents with seeded random weights, so that tests run without any trained model.

`tiny_container` is spelled as the trainer writes A2 today, `tiny_sliced` as the older format. Both return plain
dictionaries to be changed at will; `saved` writes one to a file.
"""

import json
from pathlib import Path

import numpy as np

from chainrt.nam.activations import Activation, leaky
from chainrt.nam.wavenet import Convolution, Layer, LayerArray, WaveNet

RATE_HZ = 48_000
FILMS = (
    *("conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film"),
    *("activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film"),
)


def tiny_container(channels=(2, 4), taps=(3, 2, 5), dilations=(1, 3, 2), head_taps=4, seed=1):
    """A SlimmableContainer of WaveNets of so many `channels`; max_value in equal steps up to 1."""
    submodels = [
        {
            "max_value": (index + 1) / len(channels),
            "model": tiny_wavenet(width, taps, dilations, head_taps, seed + index),
        }
        for index, width in enumerate(channels)
    ]
    return _document("SlimmableContainer", {"submodels": submodels}, [])


def tiny_wavenet(channels=3, taps=(3, 2, 5), dilations=(1, 3, 2), head_taps=4, seed=1):
    """A bare WaveNet with LeakyReLU, spelled with every key that the format has."""
    layers = len(dilations)
    array = {
        "input_size": 1,
        "condition_size": 1,
        "head": {"out_channels": 1, "kernel_size": head_taps, "bias": True},
        "channels": channels,
        "kernel_sizes": list(taps),
        "dilations": list(dilations),
        "activation": [{"type": "LeakyReLU", "negative_slope": 0.01} for _ in range(layers)],
        "bottleneck": channels,
        "head1x1": {"active": False, "out_channels": 1, "groups": 1},
        "layer1x1": {"active": True, "groups": 1},
        "groups_input": 1,
        "groups_input_mixin": 1,
        **{film: {"active": False, "shift": True, "groups": 1} for film in FILMS},
        "gating_mode": ["none"] * layers,
        "secondary_activation": [None] * layers,
        "slimmable": None,
    }
    weights = _weights(channels, taps, head_taps * channels + 1, seed)
    return _document("WaveNet", {"layers": [array], "head": None, "head_scale": 0.02}, weights)


def with_two_levels_that_play_the_same():
    model = tiny_container(channels=(3, 3), seed=5)
    model["config"]["submodels"][1]["model"]["weights"] = list(model["config"]["submodels"][0]["model"]["weights"])
    return model


def tiny_sliced(channels=4, allowed=(1, 2, 4), taps=3, dilations=(1, 2, 4), seed=2):
    """A WaveNet with ReLU that may be cut to any of the `allowed` channels; without a head bias."""
    array = {
        "input_size": 1,
        "condition_size": 1,
        "head_size": 1,
        "channels": channels,
        "kernel_size": taps,
        "dilations": list(dilations),
        "activation": "ReLU",
        "gated": False,
        "head_bias": False,
        "slimmable": {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": list(allowed)}},
    }
    weights = _weights(channels, [taps] * len(dilations), channels, seed)
    return _document("WaveNet", {"layers": [array], "head": None, "head_scale": 0.02}, weights)


def saved(document, folder) -> Path:
    """The path of a file in `folder` that holds `document` (a text is written as it is)."""
    path = Path(folder) / "model.nam"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def _document(architecture, config, weights):
    return {
        "version": "0.7.0",
        "metadata": {"name": "tiny", "loudness": -20.5},
        "architecture": architecture,
        "config": config,
        "weights": weights,
        "sample_rate": RATE_HZ,
    }


def _weights(channels, taps, head, seed):
    """Random weights, small enough that no layer blows up, as many as such a network needs; head_scale last."""
    per_layer = sum(count * channels**2 + channels + channels + channels**2 + channels for count in taps)
    values = np.random.default_rng(seed).normal(0, 0.3, channels + per_layer + head)
    return [float(np.float32(value)) for value in values] + [0.5]


def random_network(channels, taps, dilations, head_taps, slopes, has_bias=True, seed=0) -> WaveNet:
    """A WaveNet with seeded weights that neither die away nor blow up; a layer with slope 0 has a ReLU."""
    draw = np.random.default_rng(seed)

    def normal(*shape, sd=1.0):
        return draw.normal(0, sd, shape).astype(np.float32)

    def bias(count):
        return normal(count, sd=0.2 * has_bias)

    def layer(count, dilation, slope):
        kernel = normal(count, channels, channels, sd=(count * channels) ** -0.5)
        output = normal(1, channels, channels, sd=0.5 * channels**-0.5)
        return Layer(
            Convolution(kernel, bias(channels), dilation),
            Convolution(normal(1, channels, 1), bias(0)),
            leaky(slope) if slope else Activation("ReLU"),
            Convolution(output, bias(channels)),
        )

    array = LayerArray(
        Convolution(normal(1, channels, 1), bias(0)),
        tuple(map(layer, taps, dilations, slopes)),
        Convolution(
            normal(head_taps, 1, channels, sd=(head_taps * channels) ** -0.5),
            np.full(1, 0.3 * has_bias, np.float32),
        ),
    )
    return WaveNet((array,), head_scale=0.25)


def tiny_lstm(hidden=3, layers=2, seed=3):
    """An LSTM as the trainer writes it; remembers for a few hundred frames."""
    draw = np.random.default_rng(seed)
    weights = []
    for below in [1, *[hidden] * (layers - 1)]:
        weights += list(draw.normal(0, 0.5, 4 * hidden * (below + hidden + 1) + 2 * hidden))
    weights += list(draw.normal(0, 0.5, hidden + 1))
    config = {"input_size": 1, "hidden_size": hidden, "num_layers": layers}
    return _document("LSTM", config, [float(np.float32(value)) for value in weights])


def tiny_convnet(channels=3, dilations=(1, 2, 4), batchnorm=True, activation="Tanh", seed=4):
    """A ConvNet as the trainer writes it."""
    draw = np.random.default_rng(seed)
    weights = []
    for inputs in [1, *[channels] * (len(dilations) - 1)]:
        weights += list(draw.normal(0, (2 * inputs) ** -0.5, channels * inputs * 2))
        if batchnorm:
            weights += [*draw.normal(0, 0.3, channels), *draw.uniform(0.2, 2, channels)]  # mean, variance
            weights += [*draw.normal(1, 0.3, channels), *draw.normal(0, 0.3, channels), 1e-5]
        else:
            weights += list(draw.normal(0, 0.3, channels))
    weights += list(draw.normal(0, channels**-0.5, channels + 1))
    config = {"channels": channels, "dilations": list(dilations), "batchnorm": batchnorm, "activation": activation}
    return _document("ConvNet", config, [float(np.float32(value)) for value in weights])


def tiny_linear(taps=5, bias=True, seed=5):
    """An impulse response as the trainer writes it."""
    weights = np.random.default_rng(seed).normal(0, taps**-0.5, taps + bias)
    return _document("Linear", {"receptive_field": taps, "bias": bias}, [float(np.float32(v)) for v in weights])


def container_of(*models):
    """A SlimmableContainer of whole documents; max_value in equal steps up to 1."""
    entries = [{"max_value": (index + 1) / len(models), "model": model} for index, model in enumerate(models)]
    return _document("SlimmableContainer", {"submodels": entries}, [])
