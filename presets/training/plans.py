"""What each of our models is: the device it plays, the networks that learn it, how long, and in which files.

Three forms of file:
* container: an official A2 container, each size a network trained alone (8 and 3 channels, 16-tap head);
* sliced: one A2 whose first channels play alone, every width trained in every step. Its head has one tap, because
  NeuralAmpModelerCore and the field's trainer refuse to slice a longer one;
* pack: four A1 networks of the official sizes, each in a file of its own.
"""

from dataclasses import dataclass

from architecture import A1_CHANNELS, Architecture, a1, a2

CONTAINER, SLICED, PACK = "container", "sliced", "pack"
SIZES = tuple(reversed(A1_CHANNELS))  # smallest first


@dataclass(frozen=True)
class Part:
    """One set of weights and the widths it is trained at, each with its share of every step's segments.

    All widths in every step: one width a step, drawn at random, was slower to get the narrowest going.
    """

    architecture: Architecture
    segments: dict[int, int]  # width: segments a step
    steps: int
    seed: int = 1
    start: str = ""  # a model of ours whose full weights it starts from, their head filled up with taps of zero

    @property
    def widths(self):
        return tuple(self.segments)


@dataclass(frozen=True)
class Plan:
    device: str
    gear_make: str
    gear_model: str
    gear_type: str
    tone_type: str
    form: str
    parts: tuple[Part, ...]  # smallest first

    def files(self, name):
        """File names, one for each part of a pack, else one."""
        return [f"{self.device}-{size}.nam" for size in SIZES] if self.form == PACK else [f"{name}.nam"]


GEAR = {  # device: make, model, gear type and tone type in the field's words
    "linen": ("Halvorsen", "Linen 40", "amp", "clean"),
    "glass": ("Lindqvist", "Glass 22", "amp", "crunch"),
    "rust": ("Ironfield", "Rust 45", "amp", "crunch"),
    "brick": ("Ziegelwerk", "Brick 100", "amp", "hi_gain"),
    "cedar": ("Halvorsen", "Cedar Bass", "preamp", "overdrive"),
    "fern": ("Underwood", "Fern Drive", "pedal", "overdrive"),
    "moss": ("Underwood", "Moss Fuzz", "pedal", "fuzz"),
}


PARTS_OF = {
    "linen": "a clean amplifier. Two 12AX7 stages that stay on the straight part of their curves, an American passive "
    "tone stack between them, a push-pull output pair with room to spare and a little sag",
    "glass": "an amplifier at the edge of breakup. Two 12AX7 stages (Koren's triode on a load line; grid conduction "
    "charges the coupling capacitor and so shifts the bias), an American tone stack between them, a push-pull pair "
    "that gives first and whose bias moves under drive",
    "rust": "an amplifier in crunch. Three 12AX7 stages, bass cut after the first, the third with an unbypassed "
    "cathode, a British tone stack, a push-pull pair whose supply sags by a fifth within 20 ms",
    "brick": "a high-gain amplifier. Four 12AX7 stages with grid conduction and bias shift, bass cut before the second "
    "and third, the third biased cold with an unbypassed cathode, a British tone stack, a firm push-pull pair",
    "cedar": "a bass preamplifier. A 12AX7 stage, an American tone stack, then what lies above 180 Hz through a second "
    "stage while the deep notes pass beside it, a soft output pair. Trained on bass playing, low E at 41 Hz",
    "fern": "an overdrive pedal. Bass cut at 520 Hz, gain, two diodes against ground with a capacitor across them, a "
    "top cut at 3.4 kHz, some clean signal beside it",
    "moss": "a fuzz pedal. Two diode clippers in a row, the first with one diode a hundred times leakier than the "
    "other, then lows and highs mixed with the middle left out",
}


def _container(device, lite_steps, full_steps, full_start=""):
    parts = (Part(a2(3), {3: 8}, lite_steps), Part(a2(8), {8: 8}, full_steps, start=full_start))
    return Plan(device, *GEAR[device], CONTAINER, parts)


def _sliced(device, steps):
    return Plan(device, *GEAR[device], SLICED, (Part(a2(8, head_taps=1), {2: 2, 4: 2, 6: 2, 8: 3}, steps),))


def _pack(device, *steps):
    sized = zip(SIZES, steps, strict=True)
    parts = tuple(Part(a1(size), {A1_CHANNELS[size][0]: 8}, count) for size, count in sized)
    return Plan(device, *GEAR[device], PACK, parts)


PLANS = {
    "linen": _container("linen", 2500, 1500),
    "linen-a1": _pack("linen", 2700, 1500, 1200, 1100),
    "glass": _container("glass", 10000, 7500),
    "rust": _container("rust", 4500, 3500),
    "rust-sliced": _sliced("rust", 6000),
    "brick": _sliced("brick", 18000),
    "brick-a2": _container("brick", 4500, 0, full_start="brick"),
    "cedar": _container("cedar", 3200, 2200),
    "fern": _container("fern", 5000, 2500),
    "moss": _container("moss", 8000, 3000),
}
