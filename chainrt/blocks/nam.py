"""Neural amp: a .nam capture, at any of its sizes.

Source: Steven Atkinson, "Slimmable NAM", arXiv 2511.07470 (2025): one trained network that plays at several widths.
What a network computes stands in chainrt/nam; here it gets a gain before and after it.
"""

from ..block import File, Level, Param, Settings, block
from ..compiled.call import call3
from ..compiled.memory import address
from ..compiled.native import address_of, aligned_zeros
from ..dsp import arrived_after, gain, glide_from, make_finite, smoothing
from ..errors import Fault, ModelError
from ..nam.architectures import forgets, pack
from ..nam.levels import load
from ..nam.lstm import LSTM

GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("input", "dB", -40, 40, default=0, help="gain into the amp: how hard it is driven"),
        Param("output", "dB", -40, 40, default=0, help="gain after the amp"),
    ],
    files=[File("model", help="a .nam file")],
    state=[
        ("play", "i8"),  # address of the compiled network
        ("network", "i8"),  # address of the network's own state
        ("input", "f8"),  # linear gain before the network at the last sample
        ("output", "f8"),  # linear gain after it
    ],
    slimmable=True,
    work=0,
)
def nam(p, s, x, n):
    """Play x[0:n] through the network in place. Gains glide, so a turned knob does not click."""
    make_finite(x, n)
    glide = smoothing(GLIDE_MS, p.rate)
    goal = gain(p.input)
    before = glide_from(s.input, goal)
    for i in range(n):
        before += glide * (goal - before)
        x[i] *= before
    call3(s.play, s.network, address(x), n)
    goal = gain(p.output)
    after = glide_from(s.output, goal)
    for i in range(n):
        after += glide * (goal - after)
        x[i] *= after
    s.input, s.output = before, after


@nam.prepare
def levels_of_model(p, settings: Settings) -> tuple[Level, ...]:
    """One level for each size of the file."""
    model = load(settings.files["model"])
    if model.sample_rate not in (None, settings.rate):
        raise ModelError(
            Fault(
                str(model.path),
                f"{model.sample_rate:g} Hz; {settings.rate:g} Hz is needed (or --rate {model.sample_rate:g})",
                path="sample_rate",
            )
        )
    return tuple(_level(level.name, pack(level.network), settings.rate) for level in model.levels)


def _level(name: str, packed, rate: float) -> Level:
    def new_state():
        memory = packed.new_state()
        s = aligned_zeros((), nam.state)
        s["play"], s["network"] = packed.natives[0].address, address_of(memory[0])
        return (s, *memory)

    network = packed.network
    settled = network.receptive_field + arrived_after(GLIDE_MS, rate)
    return Level(
        name,
        network.multiply_adds,
        network.receptive_field,
        new_state,
        packed.natives,
        "network",
        rest_after=settled if forgets(network) or isinstance(network, LSTM) else None,
        fed_back=(lambda state: state[2]) if isinstance(network, LSTM) else None,
    )
