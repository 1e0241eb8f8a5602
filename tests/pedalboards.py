"""A folder with everything a short run needs: a preset, two tiny amps, a cabinet, a guitar. And `chainrt` itself."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from models import RATE_HZ, tiny_container

from chainrt.cli import main

PRESET = """\
version: 1
name: Tiny
chain:
  - drive: {drive: 6 dB}
  - nam: {model: model.nam}
  - cab: {ir: ir.wav}
"""
GUITAR_FRAMES = 5000  # no whole number of periods


class Answer(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        """What was told on standard error, line by line."""
        return self.err.splitlines()


def pedalboard(folder: Path) -> Path:
    """The folder, with preset.yaml, model.nam (levels lite and full), ir.wav and guitar.wav in it."""
    draw = np.random.default_rng(0)
    (folder / "preset.yaml").write_text(PRESET)
    (folder / "model.nam").write_text(json.dumps(tiny_container()))
    write_wav(folder / "ir.wav", draw.normal(0, 0.1, 40))
    write_wav(folder / "guitar.wav", draw.normal(0, 0.1, GUITAR_FRAMES))
    return folder


def write_wav(path: Path, samples, rate: int = RATE_HZ) -> None:
    soundfile.write(path, np.asarray(samples, np.float32), rate, subtype="FLOAT")


def chainrt(capsys, *arguments) -> Answer:
    """What a command answers. argparse leaves by SystemExit, as a program may."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        status = leaving.code
    return Answer(status, *capsys.readouterr())
