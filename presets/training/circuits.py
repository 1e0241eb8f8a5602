"""The parts of our simulated devices: tube stage, tone stack, output pair, diode clipper, plain filters.

Sources:
* triode plate current: N. Koren, "Improved vacuum-tube models for SPICE simulations", Glass Audio 8(5), 1996;
  constants there for the 12AX7.
* grid conduction and the bias shift it causes ("blocking"): J. Macak, "Real-time digital simulation of guitar
  amplifiers as audio effects", PhD thesis, Brno 2012, chapter 4; here with a straight-line grid diode.
* tone stack: D. T. Yeh and J. O. Smith, "Discretization of the '59 Fender Bassman tone stack", DAFx-06.
* diode clipper: D. T. Yeh, J. Abel, J. O. Smith, "Simplified, physically-informed models of distortion and
  overdrive guitar effects pedals", DAFx-07.

Rules kept here:
* Every part takes and gives volts at INNER_RATE_HZ, float64; its state starts at rest.
* tests/test_training_devices.py solves the same circuits by other means.
"""

import functools

import numpy as np
from numba import njit
from scipy.signal import lfilter

INNER_RATE_HZ = 8 * 48000  # what clips eight times as fast as it is heard folds hardly anything back
GRID_ON_OHM = 2700.0  # slope of a conducting 12AX7 grid, about
TABLE_LOW_V, TABLE_STEP_V, TABLE_SIZE = -12.0, 0.005, 2901  # grid voltages -12 to 2.5 V


def triode_current_a(plate_v, grid_v):
    """Plate current of a 12AX7 (Koren 1996, equations 4 and 5)."""
    mu, exponent, kg1, kp, kvb = 100.0, 1.4, 1060.0, 600.0, 300.0
    inner = kp * (1 / mu + grid_v / np.sqrt(kvb + plate_v**2))
    e1 = plate_v / kp * np.logaddexp(0, inner)
    return np.where(e1 > 0, 2 * np.maximum(e1, 0) ** exponent / kg1, 0.0)


@functools.cache
def triode_table(supply_v, load_ohm, cathode_ohm, cathode_bypassed):
    """Plate voltage less its value at rest, for each grid voltage of the table: bisection on the load line.

    A bypassed cathode stays at its resting voltage; one without the capacitor follows the current.
    """
    grid_v = TABLE_LOW_V + TABLE_STEP_V * np.arange(TABLE_SIZE)

    def plate(grid_v, cathode_v):
        low, high = np.zeros_like(grid_v), np.full_like(grid_v, supply_v)
        for _ in range(60):
            middle = 0.5 * (low + high)
            current = (supply_v - middle) / load_ohm
            up = cathode_ohm * current if cathode_v is None else cathode_v
            too_low = triode_current_a(np.maximum(middle - up, 0), grid_v - up) < current
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        return 0.5 * (low + high)

    rest_plate_v = float(plate(np.zeros(1), None)[0])
    rest_cathode_v = cathode_ohm * (supply_v - rest_plate_v) / load_ohm
    out_v = plate(grid_v, rest_cathode_v if cathode_bypassed else None) - rest_plate_v
    return out_v, rest_cathode_v


@njit(error_model="numpy")
def _tube_stage(signal, table_v, source_ohm, capacitor_f, leak_ohm, grid_on_v, miller_hz, rate_hz):
    """Coupling capacitor, grid leak, conducting grid, tube, in place. States start at rest."""
    charge_v = 0.0  # across the coupling capacitor
    smooth_v = 0.0  # grid after the Miller capacitance: one pole
    per_volt = 1.0 / (rate_hz * capacitor_f)
    pole = 1.0 - np.exp(-2.0 * np.pi * miller_hz / rate_hz)
    for t in range(signal.shape[0]):
        drive_v = signal[t] - charge_v
        grid_v = drive_v * leak_ohm / (source_ohm + leak_ohm)
        if grid_v > grid_on_v:  # the grid's diode now stands beside the leak
            on, leak = 1.0 / GRID_ON_OHM, 1.0 / leak_ohm
            grid_v = (drive_v / source_ohm + grid_on_v * on) / (1.0 / source_ohm + leak + on)
        charge_v += (drive_v - grid_v) / source_ohm * per_volt
        smooth_v += pole * (grid_v - smooth_v)
        place = (smooth_v - TABLE_LOW_V) / TABLE_STEP_V
        place = min(max(place, 0.0), TABLE_SIZE - 2.0)
        i = int(place)
        signal[t] = table_v[i] + (place - i) * (table_v[i + 1] - table_v[i])


def tube_stage(
    signal,
    *,
    source_ohm=100e3,
    capacitor_f=22e-9,
    leak_ohm=1e6,
    load_ohm=100e3,
    cathode_ohm=1500.0,
    cathode_bypassed=True,
    supply_v=300.0,
    miller_hz=18e3,
):
    """One common-cathode 12AX7 stage behind its coupling capacitor; inverts, gain about 60 bypassed."""
    table_v, cathode_v = triode_table(supply_v, load_ohm, cathode_ohm, cathode_bypassed)
    grid_on_v = 0.95 * cathode_v  # grid to ground: current starts just before the grid meets the cathode
    rate_hz = float(INNER_RATE_HZ)
    _tube_stage(signal, table_v, source_ohm, capacitor_f, leak_ohm, grid_on_v, miller_hz, rate_hz)
    return signal


def first_order(signal, *, low_cut_hz=None, high_cut_hz=None):
    """One-pole high-pass and/or low-pass at the inner rate."""
    if low_cut_hz:
        p = np.exp(-2 * np.pi * low_cut_hz / INNER_RATE_HZ)
        signal = lfilter([(1 + p) / 2, -(1 + p) / 2], [1, -p], signal)
    if high_cut_hz:
        p = np.exp(-2 * np.pi * high_cut_hz / INNER_RATE_HZ)
        signal = lfilter([1 - p], [1, -p], signal)
    return signal


def shelf(signal, *, corner_hz, gain_db):
    """First-order high shelf: unity below the corner, gain_db above."""
    g = 10 ** (gain_db / 20)
    k = np.tan(np.pi * corner_hz / INNER_RATE_HZ)
    return lfilter([g + k, k - g], [1 + k, k - 1], signal)


def tone_stack_polynomials(treble, middle, bass, r1, r2, r3, r4, c1, c2, c3):
    """Numerator and denominator in s, lowest power first (Yeh and Smith 2006, section 2)."""
    t, m, low = treble, middle, bass
    b1 = t * c1 * r1 + m * c3 * r3 + low * (c1 * r2 + c2 * r2) + c1 * r3 + c2 * r3
    b2 = (
        t * (c1 * c2 * r1 * r4 + c1 * c3 * r1 * r4)
        - m * m * (c1 * c3 * r3 * r3 + c2 * c3 * r3 * r3)
        + m * (c1 * c3 * r1 * r3 + c1 * c3 * r3 * r3 + c2 * c3 * r3 * r3)
        + low * (c1 * c2 * r1 * r2 + c1 * c2 * r2 * r4 + c1 * c3 * r2 * r4)
        + low * m * (c1 * c3 * r2 * r3 + c2 * c3 * r2 * r3)
        + c1 * c2 * r1 * r3
        + c1 * c2 * r3 * r4
        + c1 * c3 * r3 * r4
    )
    ccc = c1 * c2 * c3
    b3 = (
        low * m * ccc * (r1 * r2 * r3 + r2 * r3 * r4)
        - m * m * ccc * (r1 * r3 * r3 + r3 * r3 * r4)
        + m * ccc * (r1 * r3 * r3 + r3 * r3 * r4)
        + t * ccc * r1 * r3 * r4
        - t * m * ccc * r1 * r3 * r4
        + t * low * ccc * r1 * r2 * r4
    )
    a1 = c1 * r1 + c1 * r3 + c2 * r3 + c2 * r4 + c3 * r4 + m * c3 * r3 + low * (c1 * r2 + c2 * r2)
    a2 = (
        m * (c1 * c3 * r1 * r3 - c2 * c3 * r3 * r4 + c1 * c3 * r3 * r3 + c2 * c3 * r3 * r3)
        + low * m * (c1 * c3 * r2 * r3 + c2 * c3 * r2 * r3)
        - m * m * (c1 * c3 * r3 * r3 + c2 * c3 * r3 * r3)
        + low * (c1 * c2 * r2 * r4 + c1 * c2 * r1 * r2 + c1 * c3 * r2 * r4 + c2 * c3 * r2 * r4)
        + c1 * c2 * r1 * r4
        + c1 * c3 * r1 * r4
        + c1 * c2 * r3 * r4
        + c1 * c2 * r1 * r3
        + c1 * c3 * r3 * r4
        + c2 * c3 * r3 * r4
    )
    a3 = (
        low * m * ccc * (r1 * r2 * r3 + r2 * r3 * r4)
        - m * m * ccc * (r1 * r3 * r3 + r3 * r3 * r4)
        + m * ccc * (r3 * r3 * r4 + r1 * r3 * r3 - r1 * r3 * r4)
        + low * ccc * r1 * r2 * r4
        + ccc * r1 * r3 * r4
    )
    return (0.0, b1, b2, b3), (1.0, a1, a2, a3)


AMERICAN_STACK = {"r1": 250e3, "r2": 1e6, "r3": 25e3, "r4": 56e3, "c1": 250e-12, "c2": 20e-9, "c3": 20e-9}
BRITISH_STACK = {"r1": 220e3, "r2": 1e6, "r3": 22e3, "r4": 33e3, "c1": 470e-12, "c2": 22e-9, "c3": 22e-9}


def tone_stack(signal, parts, *, treble, middle, bass):
    """Passive treble, middle, bass; knobs 0 to 1, bass already on its taper. Bilinear transform."""
    b, a = tone_stack_polynomials(treble, middle, bass, **parts)
    c = 2.0 * INNER_RATE_HZ
    plus, minus = np.poly1d([1, 1]), np.poly1d([-1, 1])  # in powers of 1/z: s becomes c (1 - 1/z) / (1 + 1/z)

    def discrete(polynomial):
        return sum((p * c**k) * minus**k * plus ** (3 - k) for k, p in enumerate(polynomial)).coeffs[::-1]

    b, a = discrete(b), discrete(a)
    return lfilter(b / a[0], a / a[0], signal)


@njit(error_model="numpy")
def _power_stage(signal, limit_v, asymmetry, sag, rate_hz):
    """Push-pull output pair: two tanh halves of unlike size; drive moves its bias, rest brings it back.

    sag: the share of the supply that a steadily full output takes away; it goes and comes back in 20 ms.
    """
    shift, load = 0.0, 0.0
    follow = 1.0 - np.exp(-1.0 / (0.020 * rate_hz))  # 20 ms
    for t in range(signal.shape[0]):
        supply = 1.0 - sag * load
        x = signal[t] / (limit_v * supply)
        up = np.tanh(max(x - shift, 0.0) * (1.0 + asymmetry)) / (1.0 + asymmetry)
        down = np.tanh(min(x - shift, 0.0) * (1.0 - asymmetry)) / (1.0 - asymmetry)
        shift += follow * (0.12 * (up - down) * (up - down) - shift)
        load += follow * (abs(up + down) - load)
        signal[t] = supply * (up + down)


def power_stage(signal, *, limit_v, asymmetry, sag=0.0):
    """A push-pull output pair, in place; returns the signal. Arguments as in `_power_stage`."""
    _power_stage(signal, limit_v, asymmetry, sag, float(INNER_RATE_HZ))
    return signal


@njit(error_model="numpy")
def _diode_clipper(signal, resistor_ohm, capacitor_f, leakier, rate_hz):
    """Two diodes against ground behind a resistor, a capacitor across them (Yeh et al. 2007, equation 3).

    leakier: saturation current of the diode that conducts on negative voltage, by that of the other one.
    Trapezoid rule; Newton's steps are limited so that no drive can throw them off.
    """
    saturation_a, thermal_v = 2.52e-9, 0.0453
    half = 0.5 / (rate_hz * capacitor_f)
    v, slope = 0.0, 0.0
    for t in range(signal.shape[0]):
        base = v + half * slope
        for _ in range(12):
            e = np.exp(v / thermal_v)
            current = (signal[t] - v) / resistor_ohm - saturation_a * (e - leakier / e + (leakier - 1.0))
            change = (v - base - half * current) / (
                1.0 + half * (1.0 / resistor_ohm + saturation_a / thermal_v * (e + leakier / e))
            )
            change = min(max(change, -0.1), 0.1)
            v -= change
            if abs(change) < 1e-7:
                break
        e = np.exp(v / thermal_v)
        slope = (signal[t] - v) / resistor_ohm - saturation_a * (e - leakier / e + (leakier - 1.0))
        signal[t] = v


def diode_clipper(signal, *, resistor_ohm, capacitor_f, leakier=1.0):
    """Two diodes against ground, in place; returns the signal. Arguments as in `_diode_clipper`."""
    _diode_clipper(signal, resistor_ohm, capacitor_f, leakier, float(INNER_RATE_HZ))
    return signal
