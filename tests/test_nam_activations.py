"""Every activation is what the reference says it is, in vector code, as exactly as single precision can be."""

import numpy as np
import pytest
from naive import activated

from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.language import INTEGER, VOID, intrinsic, signature
from chainrt.compiled.native import Native, address_of
from chainrt.compiled.simd import Emitter, machine
from chainrt.nam.activations import NAMES, NUMBERS, Activation, emit_activation

ROWS = {"LeakyReLU": ((0.25,),), "PReLU": ((0.25,),), "LeakyHardtanh": ((-0.5, 0.75, 0.125, 0.0625),)}


@intrinsic(prefer_literal=True)
def _apply(typingctx, name, numbers, plane, frames):
    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        rows = [emit.spread(emit.at(emit.pointer(arguments[1]), i)) for i in range(NUMBERS.get(name.literal_value, 0))]
        with emit.loop(emit.integer(0), arguments[3], emit.integer(emit.lanes)) as frame:
            place = emit.at(emit.pointer(arguments[2]), frame)
            emit.store(emit_activation(emit, name.literal_value, emit.load(place), rows), place)
        return context.get_dummy_value()

    return signature(VOID, name, numbers, plane, frames), generate


def compiled(activation, values):
    """The vector code of an activation over many values."""
    name = activation.name

    def run(numbers, plane, frames):
        _apply(name, numbers, plane, frames)

    native = Native(run, (INTEGER, INTEGER, INTEGER), f"test-{name}")
    plane = aligned_zeros(-(-len(values) // 16) * 16, np.float32)
    plane[: len(values)] = values
    table = activation.table(1)
    native.from_python()(address_of(table), address_of(plane), len(plane))
    return plane[: len(values)]


def everywhere():
    """Values from far below to far above, dense near zero."""
    return np.concatenate([np.linspace(-12, 12, 500_001), np.geomspace(1e-9, 1, 5000), [-1e9, 1e9, 0, 50, -50]])


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_is_exact_to_single_precision(name):
    activation = Activation(name, ROWS.get(name, ((),)))
    x = everywhere().astype(np.float32)
    expected = activated(activation, x[None].astype(np.float64))[0]
    error = np.abs(compiled(activation, x) - expected)
    assert (error <= 2.3e-7 + 3.8e-7 * np.abs(expected)).all()


@pytest.mark.parametrize(("name", "most"), [("Tanh", 3.8e-7), ("Sigmoid", 1.3e-7)])
def test_tanh_and_sigmoid_err_at_most_by_what_is_stated(name, most):
    x = everywhere().astype(np.float32)
    y = compiled(Activation(name), x)
    assert np.abs(y - activated(Activation(name), x[None].astype(np.float64))[0]).max() < most
    assert np.abs(y).max() <= 1


def test_tanh_is_exact_for_the_quietest_signals_and_stays_at_one_far_out():
    x = np.geomspace(1e-30, 1e-2, 1000).astype(np.float32)
    assert np.abs(compiled(Activation("Tanh"), x) / np.tanh(x.astype(np.float64)) - 1).max() < 3.8e-7
    far = np.array([-np.inf, -1e30, -20, 20, 1e30, np.inf], np.float32)
    assert np.abs(compiled(Activation("Tanh"), far) - np.sign(far)).max() <= 3.8e-7
