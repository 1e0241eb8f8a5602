"""What a device was fed and what it gave back, made once and kept; as sound files for the field's own trainer.

    python presets/training/data.py rust trainer-data

writes input.wav and output.wav (32-bit float, 48 kHz) into that folder: the training part, then the validation part.
presets/training/trainer/data.json says where the one ends and the other begins.

Rules kept here:
* Training, validation and held-out playing differ in their seed. Held-out playing is for the cards alone.
* Everything is kept in the scratch folder, CHAINRT_TRAINING_SCRATCH or the system's temporary one.
"""

import argparse
import hashlib
import os
import tempfile
from pathlib import Path

import circuits
import devices
import numpy as np
import playing
import soundfile

DEFAULT_SCRATCH = Path(tempfile.gettempdir()) / "chainrt-training"
SCRATCH_FOLDER = Path(os.environ.get("CHAINRT_TRAINING_SCRATCH", DEFAULT_SCRATCH))

TRAINING = (11, 120.0)  # seed, seconds
VALIDATION = (12, 12.0)
HELD_OUT = (13, 45.0)
TYPICAL_SEED, TYPICAL_SECONDS = 13, 10.0


def performance_pair(device, seed, seconds):
    """(input, output) of a device, kept under a name that says all that made it."""
    source = b"".join(Path(m.__file__).read_bytes() for m in (circuits, devices, playing))
    path = SCRATCH_FOLDER / f"{device}-{seed}-{seconds:g}s-{hashlib.sha256(source).hexdigest()[:10]}.npz"
    if not path.exists():
        SCRATCH_FOLDER.mkdir(parents=True, exist_ok=True)
        x = playing.performance(seed, seconds, devices.instrument(device))
        np.savez(path, x=x, y=devices.play(device, x))
    pair = np.load(path)
    return pair["x"], pair["y"]


def typical_pair(device):
    """Plain playing at usual strength, never trained on."""
    x = playing.typical(np.random.default_rng(TYPICAL_SEED), TYPICAL_SECONDS, devices.instrument(device))
    return x, devices.play(device, x)


def write_sound_files(device, folder):
    """input.wav and output.wav of the device: the training part, then the validation part."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [performance_pair(device, *part) for part in (TRAINING, VALIDATION)]
    for name, signals in zip(("input.wav", "output.wav"), zip(*pairs, strict=True), strict=True):
        soundfile.write(folder / name, np.concatenate(signals), devices.SAMPLE_RATE_HZ, subtype="FLOAT")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("device", choices=sorted(devices.DEVICES))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    write_sound_files(options.device, options.folder)


if __name__ == "__main__":
    main()
