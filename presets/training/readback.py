"""Play our files in the field's own tools and say how far they are from chainrt:

    python presets/training/readback.py [--core PROGRAM]

Needs the optional extra (`pip install "chainrt[training]"`: the field's trainer, whose loader reads the files).
PROGRAM, if given, plays a model by NeuralAmpModelerCore: `PROGRAM model.nam VALUE in.f32 out.f32`, raw 32-bit floats,
VALUE the slimmable value; it is built outside this project. Writes the table in CARDS.md between its two comments.

Rules kept here:
* Differences are the largest of a few seconds of playing, relative to the peak.
* The trainer loads no container as a whole, only the models in it; so each of them is loaded alone.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import card
import namfile
import numpy as np
import playing
import torch
from nam.models import init_from_nam
from train import MODELS_FOLDER

from chainrt.nam import levels

PLAYED_SECONDS, SEED = 3.0, 14


def trainer_model(saved):
    """One level as the field's trainer loads it, at its width."""
    config = {"config": saved.config, "weights": saved.weights, "sample_rate": namfile.SAMPLE_RATE_HZ}
    model = init_from_nam({"architecture": "WaveNet", **config})
    model.eval()  # training draws a width at random
    slimmable = saved.config["layers"][0]["slimmable"]
    if slimmable:
        allowed = slimmable["kwargs"]["allowed_channels"]
        model._net.set_slimming((allowed.index(saved.width) + 0.5) / len(allowed))
    return model


def by_trainer(saved, signal):
    """One level by the field's trainer, after silence."""
    before = np.zeros(card.SETTLING_FRAMES, np.float32)
    with torch.no_grad():
        out = trainer_model(saved)(torch.from_numpy(np.concatenate([before, signal]))[None], pad_start=False)[0]
    return out[-len(signal) :].numpy()


def by_core(program, path, value, signal):
    """One level by NeuralAmpModelerCore, after its own warming up on silence."""
    with tempfile.TemporaryDirectory() as folder:
        ends = [Path(folder) / name for name in ("in.f32", "out.f32")]
        signal.tofile(ends[0])
        subprocess.run([program, path, str(value), *ends], check=True)
        return np.fromfile(ends[1], np.float32)


def difference(heard, expected):
    """Largest, relative to the peak; over as many samples as both have."""
    count = min(len(heard), len(expected))
    return np.abs(heard[:count] - expected[:count]).max() / np.abs(expected).max()


def table(paths, program):
    """The table, in Markdown."""
    signal = playing.typical(np.random.default_rng(SEED), PLAYED_SECONDS)
    lines = ["| file | level | trainer | Core |", "|---|---|---|---|"]
    for path in paths:
        for level, saved in zip(levels.load(path).levels, namfile.levels(path), strict=True):
            ours = card.played(level.network, signal)
            trainer = f"{difference(by_trainer(saved, signal), ours):.1e}"
            core = f"{difference(by_core(program, path, level.value, signal), ours):.1e}" if program else "not measured"
            lines.append(f"| {path.name} | {saved.width} channels | {trainer} | {core} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--core", help="program that plays a model by NeuralAmpModelerCore")
    options = parser.parse_args()
    made = table(sorted(MODELS_FOLDER.glob("*.nam")), options.core)
    print(made)
    cards_path = MODELS_FOLDER / "CARDS.md"
    cards_path.write_text(card.place(cards_path.read_text("utf-8"), "read back", made), "utf-8")


if __name__ == "__main__":
    main()
