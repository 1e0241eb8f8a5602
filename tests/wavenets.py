"""WaveNets of any shape that the format allows, as .nam documents with seeded random weights."""

import copy
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise

import numpy as np
from models import FILMS

from chainrt.errors import ModelError
from chainrt.nam import file, wavenet
from chainrt.nam.activations import NAMES, Activation

RATE_HZ = 48_000
NUMBERS = {
    "LeakyReLU": {"negative_slope": 0.2},
    "LeakyHardtanh": {"min_val": -0.4, "max_val": 0.6, "min_slope": 0.1, "max_slope": 0.2},
}
FILM_OF = {film: {"active": True, "shift": index % 2 == 0, "groups": 1} for index, film in enumerate(FILMS)}


def layer_array(channels=4, taps=(3, 2), dilations=(1, 5), activation="Tanh", head=(1, 1, True), **more):
    """The configuration of a layer array; head: (outputs, taps, bias). `more` replaces or adds keys."""
    outputs, head_taps, bias = head
    return {
        "input_size": 1,
        "condition_size": 1,
        "head": {"out_channels": outputs, "kernel_size": head_taps, "bias": bias},
        "channels": channels,
        "kernel_sizes": list(taps),
        "dilations": list(dilations),
        "activation": activation,
        **more,
    }


def wavenet_of(*arrays, seed=1, sd=0.4, **more):
    """A document of these layer arrays, its input sizes set right, its weights random; `more`: keys of the config."""
    arrays = copy.deepcopy(arrays)
    for before, after in pairwise(arrays):
        after["input_size"] = before["channels"]
    document = {
        "version": "0.7.0",
        "architecture": "WaveNet",
        "config": {"layers": list(arrays), "head_scale": 1.0, **more},
        "weights": [],
        "sample_rate": RATE_HZ,
    }
    document["weights"] = random_weights(document, seed, sd)
    return document


def random_weights(document, seed=1, sd=0.4):
    """As many weights as the reader asks for; the last one, the head's scale, is 0.5."""
    values = np.random.default_rng(seed).normal(0, sd, weights_needed(document))
    return [*(float(np.float32(value)) for value in values[:-1]), 0.5]


def weights_needed(document) -> int:
    """How many weights the reader asks for."""
    try:
        wavenet.parse(file.document(file.Node(document | {"weights": []}, "test.nam")), wavenet.MAX_CHANNELS)
    except ModelError as error:
        return int(error.faults[0].message.split()[-1])
    raise AssertionError("a network without weights was accepted")


def parsed(document):
    """The network in a document."""
    return wavenet.parse(file.document(file.Node(document, "test.nam")))


def any_wavenet(seed):
    """A document with a bit of everything, drawn by chance."""
    draw = np.random.default_rng(seed)

    def chance(odds=0.5):
        return bool(draw.random() < odds)

    def activation(channels):
        name = str(draw.choice(NAMES))
        if name == "PReLU" and chance():
            return {"type": name, "negative_slopes": [float(v) for v in draw.uniform(-0.2, 0.9, channels)]}
        return {"type": name, **NUMBERS.get(name, {})}

    more = {}
    condition_size = 1
    if chance(0.4):
        condition_size = int(draw.integers(1, 5))
        inner = layer_array(2, (2,), (3,), "Tanh", (condition_size, 1, True))
        more["condition_dsp"] = wavenet_of(inner, seed=seed + 1000)
    arrays, widths = [], [int(draw.choice([1, 2, 3, 4, 6, 8])) for _ in range(draw.integers(1, 4))]
    for index, channels in enumerate(widths):
        layers = int(draw.integers(1, 4))
        is_last = index == len(widths) - 1
        outputs = 1 if is_last else widths[index + 1]
        has_output, has_head1x1 = chance(0.8), chance(0.4)
        free = has_output and (has_head1x1 or index == 0)
        bottleneck = int(draw.choice([2, 4, 5])) if free and chance() else channels
        modes = [str(mode) for mode in draw.choice(["none", "gated", "blended"], layers, p=[0.5, 0.25, 0.25])]
        exotic = chance(0.6)
        arrays.append(
            layer_array(
                channels,
                [int(count) for count in draw.integers(1, 5, layers)],
                [int(count) for count in draw.choice([1, 2, 7, 31, 32, 64, 90], layers)],
                [activation(bottleneck) for _ in range(layers)],
                (outputs, int(draw.choice([1, 1, 3, 16])), chance()),
                bottleneck=bottleneck,
                condition_size=condition_size,
                layer1x1={"active": has_output, "groups": 2 if channels % 2 == bottleneck % 2 == 0 and chance() else 1},
                head1x1={"active": has_head1x1 and exotic, "out_channels": channels, "groups": 1},
                gating_mode=modes if exotic else "none",
                secondary_activation=[activation(bottleneck) for _ in range(layers)],
                groups_input=2 if channels % 2 == bottleneck % 2 == 0 and chance() else 1,
            )
        )
        if bottleneck != channels and index and not arrays[-1]["head1x1"]["active"]:
            arrays[-1]["bottleneck"] = channels
            arrays[-1]["activation"], arrays[-1]["secondary_activation"] = "SiLU", "Sigmoid"
            arrays[-1]["groups_input"] = arrays[-1]["layer1x1"]["groups"] = 1
        arrays[-1]["head"]["head_dilation"] = int(draw.choice([1, 1, 5]))
        if exotic:
            for film in FILMS:
                possible = {"layer1x1_post_film": has_output, "head1x1_post_film": arrays[-1]["head1x1"]["active"]}
                if chance(0.3) and possible.get(film, True):
                    arrays[-1][film] = {"active": True, "shift": chance(), "groups": 1}
    if chance(0.3):
        arrays[-1]["head"]["out_channels"] = 3
        sizes = [int(count) for count in draw.integers(1, 6, draw.integers(1, 4))]
        more["head"] = {"channels": 5, "out_channels": 1, "kernel_sizes": sizes, "activation": activation(1)}
        if "negative_slopes" in more["head"]["activation"]:
            more["head"]["activation"] = "Softsign"
    return wavenet_of(*arrays, seed=seed, **more)


def nudged(part, draw):
    """The network (or a part of it) with every weight changed by some 1e-7 of itself: for the twin only.

    What this does to the sound tells how exactly single precision can play a network at all.
    """
    if isinstance(part, np.ndarray):
        return part * (1 + 1e-7 * draw.standard_normal(part.shape))
    if isinstance(part, tuple):
        return tuple(nudged(one, draw) for one in part)
    if isinstance(part, dict):
        return {key: nudged(one, draw) for key, one in part.items()}
    if is_dataclass(part) and not isinstance(part, Activation):
        return replace(part, **{one.name: nudged(getattr(part, one.name), draw) for one in fields(part)})
    return part
