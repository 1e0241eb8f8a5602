"""The simulated devices against references that share nothing with them.

Differential equations solved to high accuracy, circuits solved node by node, a tube's data sheet.
"""

import circuits
import devices
import numpy as np
import playing
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import interp1d
from scipy.optimize import brentq

RATE_HZ = float(circuits.INNER_RATE_HZ)
ACCURATE = {"method": "LSODA", "rtol": 1e-9, "atol": 1e-12, "max_step": 4 / RATE_HZ}


def tone(hz, peak_v, seconds=0.006):
    """Times at the inner rate, and a sine that swells from nothing so that nothing jumps."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return t, peak_v * np.sin(2 * np.pi * hz * t) * np.minimum(1, t / 0.001)


@pytest.mark.parametrize("leakier", [1.0, 100.0])
@pytest.mark.parametrize(("hz", "peak_v", "off"), [(110, 0.3, 1e-4), (440, 4.0, 2e-3), (3000, 12.0, 0.03)])
def test_the_diode_clipper_follows_its_differential_equation(hz, peak_v, off, leakier):
    """Yeh, Abel and Smith 2007, equation 3: C dv/dt = (u - v) / R - the current of both diodes.

    The trapezoid rule is off by `off` of the peak where the edges are steepest.
    """
    ohm, farad, saturation_a, thermal_v = 2200.0, 10e-9, 2.52e-9, 0.0453
    t, signal = tone(hz, peak_v, 0.003)
    source = interp1d(t, signal, "cubic")

    def slope(now, v):
        diodes = saturation_a * (np.expm1(v / thermal_v) - leakier * np.expm1(-v / thermal_v))
        return ((source(now) - v) / ohm - diodes) / farad

    expected = solve_ivp(slope, (0, t[-1]), [0.0], t_eval=t, **ACCURATE).y[0]
    played = signal.copy()
    circuits.diode_clipper(played, resistor_ohm=ohm, capacitor_f=farad, leakier=leakier)
    assert np.abs(played - expected).max() < off * np.abs(expected).max()
    assert np.abs(expected).max() < 0.8 * peak_v or peak_v < 0.5  # it does clip


@pytest.mark.parametrize("bypassed", [True, False])
def test_the_triode_stage_lies_on_its_load_line(bypassed):
    supply_v, load_ohm, cathode_ohm = 300.0, 100e3, 1500.0
    table_v, rest_cathode_v = circuits.triode_table(supply_v, load_ohm, cathode_ohm, bypassed)
    rest_current_a = rest_cathode_v / cathode_ohm
    rest_plate_v = supply_v - rest_current_a * load_ohm
    for grid_v in (-4.0, -2.5, -1.0, 0.0, 0.5, 1.0):

        def excess(current_a, grid_v=grid_v):
            """Current of the tube beyond that of the load."""
            cathode_v = rest_cathode_v if bypassed else current_a * cathode_ohm
            plate_v = supply_v - current_a * load_ohm
            return circuits.triode_current_a(max(plate_v - cathode_v, 0.0), grid_v - cathode_v) - current_a

        expected = supply_v - load_ohm * brentq(excess, 0, supply_v / load_ohm) - rest_plate_v
        place = round((grid_v - circuits.TABLE_LOW_V) / circuits.TABLE_STEP_V)
        assert table_v[place] == pytest.approx(expected, abs=1e-3)


def test_the_triode_agrees_with_the_data_sheet_of_its_tube():
    """RCA RC-30, 12AX7-A at 250 V and -2 V: 1.2 mA, amplification 100. Koren's constants come within a fifth."""
    plate_v, grid_v = 250.0, -2.0
    assert circuits.triode_current_a(plate_v, grid_v) == pytest.approx(1.2e-3, rel=0.25)
    by_grid, by_plate = (
        circuits.triode_current_a(plate_v + p, grid_v + g) - circuits.triode_current_a(plate_v - p, grid_v - g)
        for p, g in ((0.0, 0.01), (1.0, 0.0))
    )
    assert 100 * by_grid / by_plate == pytest.approx(100, rel=0.15)


@pytest.mark.parametrize("peak_v", [0.5, 3.0, 12.0])
def test_the_tube_stage_follows_its_circuit_when_its_grid_conducts(peak_v):
    """Coupling capacitor, leak, the grid's diode and the Miller capacitance as differential equations."""
    source_ohm, farad, leak_ohm, miller_hz = 100e3, 22e-9, 1e6, 18e3
    table_v, cathode_v = circuits.triode_table(300.0, 100e3, 1500.0, True)
    grid_on_v = 0.95 * cathode_v
    grid_axis_v = circuits.TABLE_LOW_V + circuits.TABLE_STEP_V * np.arange(circuits.TABLE_SIZE)
    t, signal = tone(220, peak_v, 0.025)
    source = interp1d(t, signal)

    def grid(drive_v):
        """What Kirchhoff's law says of the node, with the diode and without."""
        free = drive_v * leak_ohm / (source_ohm + leak_ohm)
        conductances = np.array([1 / source_ohm, 1 / leak_ohm, 1 / circuits.GRID_ON_OHM])
        held = conductances @ [drive_v, 0.0, grid_on_v] / conductances.sum()
        return held if free > grid_on_v else free

    def slope(now, state):
        charge_v, smooth_v = state
        drive_v = source(now) - charge_v
        current_a = (drive_v - grid(drive_v)) / source_ohm
        return current_a / farad, 2 * np.pi * miller_hz * (grid(drive_v) - smooth_v)

    states = solve_ivp(slope, (0, t[-1]), [0.0, 0.0], t_eval=t, **{**ACCURATE, "rtol": 1e-7}).y
    expected = np.interp(states[1], grid_axis_v, table_v)
    played = circuits.tube_stage(signal.copy(), source_ohm=source_ohm, capacitor_f=farad, leak_ohm=leak_ohm)
    assert np.abs(played - expected).max() < 0.02 * np.abs(expected).max()
    shifted_v = states[0, -int(RATE_HZ / 220) :].mean()
    assert (shifted_v > 0.3) == (peak_v > 1)  # the capacitor has charged: the bias moved


def test_the_power_stage_follows_its_differential_equations():
    limit_v, asymmetry, sag, seconds = 26.0, 0.08, 0.2, 0.020
    t, signal = tone(330, 60.0, 0.06)
    source = interp1d(t, signal)

    def output(x, state):
        shift, load = state
        supply = 1 - sag * load
        x = x / (limit_v * supply) - shift
        up = np.tanh(np.maximum(x, 0) * (1 + asymmetry)) / (1 + asymmetry)
        down = np.tanh(np.minimum(x, 0) * (1 - asymmetry)) / (1 - asymmetry)
        return up, down, supply

    def slope(now, state):
        up, down, _ = output(source(now), state)
        return (0.12 * (up - down) ** 2 - state[0]) / seconds, (abs(up + down) - state[1]) / seconds

    states = solve_ivp(slope, (0, t[-1]), [0.0, 0.0], t_eval=t, **{**ACCURATE, "rtol": 1e-7}).y
    up, down, supply = output(signal, states)
    played = signal.copy()
    circuits.power_stage(played, limit_v=limit_v, asymmetry=asymmetry, sag=sag)
    assert np.abs(played - supply * (up + down)).max() < 5e-3
    assert states[1, -1] > 0.5  # the supply has sagged


def tone_stack_by_nodes(hz, treble, middle, bass, r1, r2, r3, r4, c1, c2, c3):
    """Output by input of the circuit in Yeh and Smith 2006, figure 1, by nodal analysis at one frequency."""
    s = 2j * np.pi * hz
    top, out, low, slope, ring, wiper, count = *range(6), 6  # nodes; the input is -1, the ground None
    parts = [
        (-1, top, s * c1),
        (top, out, 1 / ((1 - treble) * r1)),
        (out, low, 1 / (treble * r1)),
        (-1, slope, 1 / r4),
        (slope, low, s * c2),
        (low, ring, 1 / (bass * r2)),
        (slope, wiper, s * c3),
        (ring, wiper, 1 / ((1 - middle) * r3)),
        (wiper, None, 1 / (middle * r3)),
    ]
    admittance, current = np.zeros((count, count), complex), np.zeros(count, complex)
    for one, other, y in parts:
        for a, b in ((one, other), (other, one)):
            if a is None or a == -1:
                continue
            admittance[a, a] += y
            if b == -1:
                current[a] += y
            elif b is not None:
                admittance[a, b] -= y
    return np.linalg.solve(admittance, current)[out]


@pytest.mark.parametrize("stack", [circuits.AMERICAN_STACK, circuits.BRITISH_STACK], ids=["american", "british"])
@pytest.mark.parametrize("knobs", [(0.65, 0.5, 0.35), (0.1, 0.9, 0.8), (0.95, 0.05, 0.02)])
def test_the_tone_stack_responds_as_its_circuit(stack, knobs):
    treble, middle, bass = knobs
    impulse = np.zeros(1 << 17)
    impulse[0] = 1
    response = np.fft.rfft(circuits.tone_stack(impulse, stack, treble=treble, middle=middle, bass=bass))
    for hz in (41, 110, 330, 1000, 3000, 8000):
        place = round(hz * len(impulse) / RATE_HZ)
        expected = tone_stack_by_nodes(place * RATE_HZ / len(impulse), *knobs, **stack)
        assert 20 * np.log10(abs(response[place] / expected)) == pytest.approx(0, abs=0.1)  # dB


@pytest.mark.parametrize("name", devices.DEVICES)
def test_a_device_is_causal_quiet_at_rest_and_as_loud_as_declared(name):
    x = playing.typical(np.random.default_rng(7), 2.0, devices.instrument(name))
    y = devices.play(name, x)
    assert (y.dtype, y.shape) == (np.float32, x.shape)
    later = x.copy()
    later[48000:] = 0
    assert np.array_equal(devices.play(name, later)[:48000], y[:48000])
    assert np.abs(devices.play(name, np.zeros(4800, np.float32))).max() < 1e-6
    assert 10 * np.log10(np.mean(y**2.0)) == pytest.approx(-18, abs=3)


def test_a_fuzz_folds_hardly_anything_back():
    """Eight times oversampling is enough: what folds back lies 40 dB below the note."""
    t = np.arange(4800) / devices.SAMPLE_RATE_HZ
    y = devices.play("moss", (0.2 * np.sin(2 * np.pi * 1240 * t)).astype(np.float32))[2400:]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    harmonics = np.round(np.arange(1240, 20000, 1240) * len(y) / devices.SAMPLE_RATE_HZ).astype(int)
    rest = np.ones(len(spectrum), bool)
    for harmonic in (0, *harmonics):
        rest[max(0, harmonic - 3) : harmonic + 4] = False
    assert spectrum[rest].max() < 0.01 * spectrum.max()


def triode_gain(cathode_ohm, bypassed, supply_v=300.0, load_ohm=100e3):
    """Of a common-cathode stage at rest, by its amplification and its plate resistance."""

    def current_a(plate_v, grid_v):
        return float(circuits.triode_current_a(plate_v, grid_v))

    def excess(rest_a):
        cathode_v = cathode_ohm * rest_a
        return current_a(supply_v - load_ohm * rest_a - cathode_v, -cathode_v) - rest_a

    rest_a = brentq(excess, 0, supply_v / (load_ohm + cathode_ohm))
    grid_v = -cathode_ohm * rest_a
    plate_v = supply_v - load_ohm * rest_a + grid_v
    by_grid = (current_a(plate_v, grid_v + 1e-3) - current_a(plate_v, grid_v - 1e-3)) / 2e-3
    by_plate = (current_a(plate_v + 1e-1, grid_v) - current_a(plate_v - 1e-1, grid_v)) / 2e-1
    amplification, plate_ohm = by_grid / by_plate, 1 / by_plate
    feedback_ohm = 0 if bypassed else (amplification + 1) * cathode_ohm
    return -amplification * load_ohm / (plate_ohm + load_ohm + feedback_ohm)


def test_the_bass_preamplifier_responds_to_small_signals_as_its_components_say():
    """All of `cedar` in continuous time: couplings, stages at rest, tone stack by nodes, blend, output pair."""

    def low_pass(hz, corner_hz):
        return 1 / (1 + 1j * hz / corner_hz)

    def high_pass(hz, corner_hz):
        return 1 - low_pass(hz, corner_hz)

    def coupled(hz, source_ohm, farad, leak_ohm):
        return leak_ohm / (source_ohm + leak_ohm + 1 / (2j * np.pi * hz * farad))

    first, second = triode_gain(1500.0, True), triode_gain(2700.0, False)
    impulse = np.zeros(96000, np.float32)
    impulse[0] = 0.01
    response = np.fft.rfft(devices.play("cedar", impulse).astype(float)) / 0.01
    for hz in (30, 41, 82, 165, 330, 660, 1320, 2640, 5280):
        warm = 1.5 * coupled(hz, 68e3, 100e-9, 220e3) * low_pass(hz, 12e3) * first
        warm *= tone_stack_by_nodes(hz, 0.7, 0.8, 0.2, **circuits.AMERICAN_STACK)
        bright = 0.9 * high_pass(hz, 180) * coupled(hz, 220e3, 22e-9, 1e6) * low_pass(hz, 10e3) * second
        blend = warm * (low_pass(hz, 180) - 0.09 * bright)
        ends = high_pass(hz, 20) * low_pass(hz, 8000) * high_pass(hz, 22) * low_pass(hz, 6000) / 7.0
        expected = devices.output_gain("cedar") * blend * ends
        assert 20 * np.log10(abs(response[2 * hz] / expected)) == pytest.approx(0, abs=0.2)  # dB
