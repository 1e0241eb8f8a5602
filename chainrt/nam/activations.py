"""The activations of the format: what a .nam may name, and each of them as vector code.

    Tanh, Sigmoid, SiLU (x * sigmoid(x)), Softsign (x / (1 + |x|)), Hardswish (x * clamp(x + 3, 0, 6) / 6),
    ReLU, LeakyReLU and PReLU (x above zero, slope * x below), Hardtanh (clamp(x, -1, 1)),
    LeakyHardtanh (x from min to max, slopes beyond), Fasttanh (a rational function that only resembles tanh)

Rules kept here:
* Everything stays in registers: no call to a library, no table.
* There is one mode, the exact one: tanh is at most 3.8e-7 from the true value, and at most 3.8e-7 of the value itself
  (measured over every 5e-6 from -12 to 12), sigmoid 1.3e-7. What other engines call fast is 4.4e-4 off, and no faster
  here: an approximation of that kind costs 0.26 ns a sample, this tanh 0.24, one to 1.8e-7 0.31 (AVX2, 3.2 GHz).
* An activation has rows of numbers: one row that holds for all channels, or one for each channel.

Source of the list and the formulas: NeuralAmpModelerCore, NAM/activations.h and activations.cpp at daae2d0 (MIT).
"""

from dataclasses import dataclass

import numpy as np

from ..compiled.simd import Emitter
from .file import Node, shown

DEFAULT_SLOPE = 0.01
HARD_TANH_NUMBERS = {"min_val": -1.0, "max_val": 1.0, "min_slope": 0.01, "max_slope": 0.01}
LARGEST_NUMBER = 1e6  # of a slope or an edge, either sign

# tanh(x) = x * P(x^2) / Q(x^2), lowest power first: the smallest largest relative error, 1.2e-7, up to |x| = TANH_EDGE,
# by our own fit (iteratively reweighted least squares). Beyond the edge tanh is 1, but for 3.4e-7. That the last
# coefficient is 1 saves a multiplication.
TANH_EDGE = 7.8
TANH_P = (3958439.5, 512345.625, 11756.1426, 46.0594444)
TANH_Q = (3958440.0, 1831821.75, 94576.6875, 955.389771, 1.0)

# tanh(x / 2), likewise: the smallest largest error, 2.1e-8. Beyond the edge tanh(x) is 1 in single precision.
HALF_EDGE = 9.1
HALF_P = (0.499999942, 0.0157286198, 7.95096568e-05, 4.22899696e-08)
HALF_Q = (1.0, 0.114790434, 0.00139160382, 2.71001492e-06)


@dataclass(frozen=True)
class Activation:
    """`rows`: one row of numbers for all channels, or one for each; what they mean depends on the `name`.

    LeakyReLU and PReLU: the slope below zero. LeakyHardtanh: min, max, the slopes below and above. Others: none.
    """

    name: str
    rows: tuple[tuple[float, ...], ...] = ((),)

    def table(self, channels: int) -> np.ndarray:
        """(channels, numbers) float32: the row of each of the first `channels` channels."""
        rows = np.array(self.rows, np.float32).reshape(len(self.rows), -1)
        return rows[:channels] if len(rows) > 1 else np.repeat(rows, channels, axis=0)


def leaky(slope: float) -> Activation:
    """A LeakyReLU of this slope."""
    return Activation("LeakyReLU", ((float(np.float32(slope)),),))


def parse(node: Node, channels: int) -> Activation:
    """An activation of so many channels, from a name or from an object with a type and numbers."""
    named = node if isinstance(node.value, str) else node["type"]
    name = named.text(played=("LeakyHardTanh", *NAMES))
    name = "LeakyHardtanh" if name == "LeakyHardTanh" else name  # the reference reads both spellings
    options = Node({}, node.file, node.path) if node is named else node

    def number(key, default):
        return float(np.float32(options.get(key, default).number(-LARGEST_NUMBER, LARGEST_NUMBER)))

    if name == "LeakyHardtanh":
        row = tuple(number(key, default) for key, default in HARD_TANH_NUMBERS.items())
        if row[0] > row[1]:
            raise options.get("min_val").fault(f"{shown(row[0])} is above max_val, {shown(row[1])}")
        return Activation(name, (row,))
    slopes = options.get("negative_slopes")
    if name == "PReLU" and slopes.value is not None and options.get("negative_slope").value is None:
        values = [one.number(-LARGEST_NUMBER, LARGEST_NUMBER) for one in slopes.items(1, channels)]
        if len(values) not in (1, channels):
            raise slopes.fault(f"a list of {len(values)} where 1 or {channels} are allowed")
        return Activation(name, tuple((float(np.float32(value)),) for value in values))
    return Activation(name, ((number("negative_slope", DEFAULT_SLOPE),),) if name in ("LeakyReLU", "PReLU") else ((),))


# -- vector code --------------------------------------------------------------------------------------------------


def emit_tanh(emit: Emitter, value):
    """tanh of every lane."""
    over, under = emit_rational(emit, value, TANH_EDGE, TANH_P, TANH_Q)
    return emit.divided(over, under)


def emit_sigmoid(emit: Emitter, value):
    """1 / (1 + exp(-x)) of every lane, as half of 1 + tanh(x / 2), from that of half of it.

    With tanh(x / 4) = a / b, tanh(x / 2) = 2ab / (a^2 + b^2): near 0 and 1, where roundings would pile up, doubling the
    angle makes them vanish; and it costs no second division.
    """
    half = emit.constant(0.5)
    a, b = emit_half(emit, emit.product(half, value))
    whole = emit.divided(emit.product(emit.plus(a, a), b), emit.fma(a, a, emit.product(b, b)))
    return emit.fma(half, whole, half)


def emit_half(emit: Emitter, value):
    """a and b of every lane, where tanh(value / 2) = a / b."""
    return emit_rational(emit, value, HALF_EDGE, HALF_P, HALF_Q)


def emit_rational(emit: Emitter, value, edge, p, q):
    """x * P(x^2) and Q(x^2) of every lane, where x is the value, at most `edge` from zero."""
    x = emit.larger(emit.smaller(value, emit.constant(edge)), emit.constant(-edge))
    square = emit.product(x, x)
    return emit.product(x, emit_polynomial(emit, p, square)), emit_polynomial(emit, q, square)


def emit_polynomial(emit: Emitter, coefficients, x):
    """The sum of coefficients[i] * x^i."""
    *lower, total = map(emit.constant, coefficients)
    for coefficient in reversed(lower):
        total = emit.fma(total, x, coefficient)
    return total


def _relu(emit, x):
    return emit.larger(x, emit.constant(0.0))


def _leaky(emit, x, slope):
    return emit.where_positive(x, x, emit.product(x, slope))


def _silu(emit, x):
    """x * sigmoid(x). With tanh(x / 4) = a / b the sigmoid is (a + b)^2 / (2a^2 + 2b^2): exact far below, too, where x
    is large. Beyond the edge, where that stays as it is, x stays too, or their product would grow.
    """
    a, b = emit_half(emit, emit.product(x, emit.constant(0.5)))
    both, squares = emit.plus(a, b), emit.fma(a, a, emit.product(b, b))
    weight = emit.divided(emit.product(both, both), emit.plus(squares, squares))
    return emit.product(emit.larger(x, emit.constant(-2 * HALF_EDGE)), weight)


def _softsign(emit, x):
    return emit.divided(x, emit.plus(emit.constant(1.0), emit.magnitude(x)))


def _hard_swish(emit, x):
    upper = emit.larger(emit.smaller(emit.plus(x, emit.constant(3.0)), emit.constant(6.0)), emit.constant(0.0))
    return emit.product(emit.product(x, upper), emit.constant(1 / 6))


def _hard_tanh(emit, x):
    return emit.larger(emit.smaller(x, emit.constant(1.0)), emit.constant(-1.0))


def _leaky_hard_tanh(emit, x, low, high, low_slope, high_slope):
    """The clamped value, plus what was cut off below and above, each times its slope."""
    clamped = emit.larger(emit.smaller(x, high), low)
    below = emit.smaller(emit.minus(x, low), emit.constant(0.0))
    above = emit.larger(emit.minus(x, high), emit.constant(0.0))
    return emit.fma(below, low_slope, emit.fma(above, high_slope, clamped))


def _fast_tanh(emit, x):
    """The reference's approximation of tanh, 1e-3 off, for files that ask for it by name."""
    size, square = emit.magnitude(x), emit.product(x, x)
    one, top, low = (emit.constant(value) for value in (2.45550750702956, 0.893229853513558, 2.44506634652299))
    cubic = emit.product(emit.fma(emit.constant(0.821226666969744), size, top), square)
    above = emit.product(x, emit.plus(emit.fma(one, size, one), cubic))
    bent = emit.magnitude(emit.fma(emit.product(emit.constant(0.814642734961073), x), size, x))
    return emit.divided(above, emit.fma(emit.plus(low, square), bent, low))


_EMITTERS = {
    "Tanh": emit_tanh,
    "Hardtanh": _hard_tanh,
    "Fasttanh": _fast_tanh,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "PReLU": _leaky,
    "Sigmoid": emit_sigmoid,
    "SiLU": _silu,
    "Hardswish": _hard_swish,
    "LeakyHardtanh": _leaky_hard_tanh,
    "Softsign": _softsign,
}
NAMES = tuple(_EMITTERS)
NUMBERS = {"LeakyReLU": 1, "PReLU": 1, "LeakyHardtanh": 4}
"""How many numbers a row has; none where a name is missing."""
PIECEWISE_LINEAR = ("ReLU", "LeakyReLU", "PReLU", "Hardtanh", "LeakyHardtanh")
"""Those that cost a comparison or two; the others are curves."""


def emit_activation(emit: Emitter, name: str, value, numbers=()):
    """The activation of one vector; `numbers`: those of its channel's row, each in every lane."""
    if name not in _EMITTERS:
        raise ValueError(f"no vector code for the activation {name}")
    return _EMITTERS[name](emit, value, *numbers)
