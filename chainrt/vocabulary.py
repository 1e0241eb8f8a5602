"""Words that blocks share with those who only talk about them: units of knobs, families of arithmetic, kinds.

Why apart: to know a block itself is to import a compiler, half a second. A device profile and a number on the command
line need its words only.
"""

from pathlib import Path

UNITS = {
    "dB": {"dB": 1.0},
    "dBu": {"dBu": 1.0},
    "Hz": {"Hz": 1.0, "kHz": 1000.0},
    "ms": {"ms": 1.0, "s": 1000.0},
    "%": {"%": 1.0},
    "st": {"st": 1.0, "ct": 0.01},
    "ct": {"ct": 1.0, "st": 100.0},
    "oct": {"oct": 1.0},
    "BPM": {"BPM": 1.0},
    "": {"": 1.0},
}
"""Unit of a Param -> what may be written in a preset, and how much of the Param's unit that is."""

NETWORKS = ("a2", "a1", "lstm", "convnet", "linear")
"""Families of amps: WaveNets whose activation is a comparison or two, as in an A2; WaveNets with a curve, a gate or a
film in their layers, as in an A1; and what the other architectures of the format are called."""

FAMILIES = ("effect", "convolution", *NETWORKS)
"""Kinds of arithmetic, for simulated devices: sample by sample, long sums of products, and neural networks."""


def kinds() -> list[str]:
    """All kinds of blocks: one file, one effect, and the file has its name."""
    return sorted(path.stem for path in (Path(__file__).parent / "blocks").glob("[!_]*.py"))
