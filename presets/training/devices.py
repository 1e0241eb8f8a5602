"""Simulated devices: amplifiers and pedals of our own, made to be learned by a network.

Why simulated: the models then belong to nobody else, the data is as long as we like, and the truth is known
exactly. They are circuits in spirit (tube stages with load lines, coupling capacitors that charge when a grid
conducts, a passive tone stack) but copies of no product. No cabinet in them: that is a block of its own.

Sources:
* triode plate current: N. Koren, "Improved vacuum-tube models for SPICE simulations", Glass Audio 8(5), 1996;
  constants there for the 12AX7.
* grid conduction and the bias shift it causes ("blocking"): J. Macak, "Real-time digital simulation of guitar
  amplifiers as audio effects", PhD thesis, Brno 2012, chapter 4; here with a straight-line grid diode.
* tone stack: D. T. Yeh and J. O. Smith, "Discretization of the '59 Fender Bassman tone stack", DAFx-06.
* diode clipper: D. T. Yeh, J. Abel, J. O. Smith, "Simplified, physically-informed models of distortion and
  overdrive guitar effects pedals", DAFx-07.

Rules kept here:
* All stages run at 8 times 48 kHz. The filters up and down are recursive, so causal and of minimum phase: a
  causal network cannot learn pre-ringing. There is no latency to take out.
* Volts inside (1.0 of a file is VOLTS_AT_FULL_SCALE); -18 dBFS RMS on typical playing outside.
* Memory stays within the network's 132 ms, time constants of 25 ms or less. One exception: the first stage's
  1 uF behind 1 megohm recovers over a second once its grid conducts; in glass that takes an input above about
  0.67 of full scale, in brick more than full scale.
"""

import functools

import numpy as np
import playing
from numba import njit
from scipy.signal import cheby2, lfilter, sosfilt

SAMPLE_RATE_HZ = 48000
OVERSAMPLING = 8
INNER_RATE_HZ = SAMPLE_RATE_HZ * OVERSAMPLING
TARGET_RMS = 10 ** (-18 / 20)
GRID_ON_OHM = 2700.0  # slope of a conducting 12AX7 grid, about
TABLE_LOW_V, TABLE_STEP_V, TABLE_SIZE = -12.0, 0.005, 2901  # grid voltages -12 to 2.5 V

# Flat to about 17 kHz; nothing folds back below 22 kHz.
_HALF_BAND = cheby2(10, 85, 25500, fs=INNER_RATE_HZ, output="sos")


# ---- parts ---------------------------------------------------------------------------------------


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


# ---- devices: volts in, some volts out, at the inner rate ----------------------------------------


def glass(signal):
    """Edge of breakup: two stages round an American tone stack, then an output pair that gives first."""
    signal = tube_stage(signal * 2.2, source_ohm=68e3, capacitor_f=1e-6, miller_hz=14e3)  # a hot pickup
    signal = tone_stack(signal, AMERICAN_STACK, treble=0.65, middle=0.5, bass=0.35)
    signal = tube_stage(signal * 0.30, source_ohm=150e3, capacitor_f=22e-9, leak_ohm=1e6)
    signal = first_order(signal, low_cut_hz=30, high_cut_hz=11e3)
    _power_stage(signal, 62.0, 0.12, 0.0, float(INNER_RATE_HZ))
    signal = shelf(signal, corner_hz=2200, gain_db=4.0)
    return first_order(signal, low_cut_hz=35, high_cut_hz=12e3)


def brick(signal):
    """High gain: four stages, the third biased cold, tight low end, British tone stack, firm output pair."""
    signal = tube_stage(signal * 1.0, source_ohm=68e3, capacitor_f=1e-6, cathode_ohm=1800.0)
    signal = first_order(signal, low_cut_hz=180)
    signal = tube_stage(signal * 0.40, source_ohm=220e3, capacitor_f=4.7e-9, leak_ohm=680e3, miller_hz=12e3)
    signal = first_order(signal, low_cut_hz=90)
    signal = tube_stage(
        signal * 0.25,
        source_ohm=470e3,
        leak_ohm=470e3,
        cathode_ohm=10e3,
        cathode_bypassed=False,
        miller_hz=11e3,
    )
    signal = tube_stage(signal * 0.40, source_ohm=330e3, leak_ohm=470e3, cathode_ohm=820.0, miller_hz=11e3)
    signal = tone_stack(signal, BRITISH_STACK, treble=0.6, middle=0.55, bass=0.3)
    signal = first_order(signal, low_cut_hz=40, high_cut_hz=10e3)
    _power_stage(signal, 45.0, 0.05, 0.0, float(INNER_RATE_HZ))
    signal = shelf(signal, corner_hz=2600, gain_db=5.0)
    return first_order(signal, low_cut_hz=45, high_cut_hz=11e3)


def fern(signal):
    """Overdrive pedal: bass taken out, gain, two diodes, a gentle top, some of the clean signal beside it."""
    driven = first_order(signal, low_cut_hz=520, high_cut_hz=6500) * 45.0
    _diode_clipper(driven, 2200.0, 10e-9, 1.0, float(INNER_RATE_HZ))
    return first_order(driven + 1.0 * signal, low_cut_hz=30, high_cut_hz=3400)


def linen(signal):
    """Clean: two stages that stay on the straight part of their curves, an output pair with room to spare."""
    signal = tube_stage(signal * 0.7, source_ohm=68e3, miller_hz=14e3)
    signal = tone_stack(signal, AMERICAN_STACK, treble=0.7, middle=0.4, bass=0.3)
    signal = tube_stage(signal * 0.25, source_ohm=150e3, cathode_ohm=1800.0, miller_hz=13e3)
    signal = first_order(signal, low_cut_hz=30, high_cut_hz=12e3)
    _power_stage(signal, 90.0, 0.08, 0.05, float(INNER_RATE_HZ))
    signal = shelf(signal, corner_hz=2800, gain_db=5.0)
    return first_order(signal, low_cut_hz=35, high_cut_hz=13e3)


def rust(signal):
    """Crunch: three stages, a British tone stack, an output pair whose supply sags by a fifth."""
    signal = tube_stage(signal * 1.3, source_ohm=68e3, cathode_ohm=1800.0, miller_hz=14e3)
    signal = first_order(signal, low_cut_hz=110)
    signal = tube_stage(signal * 0.08, source_ohm=220e3, capacitor_f=10e-9, miller_hz=12e3)
    signal = tube_stage(
        signal * 0.12,
        source_ohm=330e3,
        leak_ohm=680e3,
        cathode_ohm=2200.0,
        cathode_bypassed=False,
        miller_hz=12e3,
    )
    signal = tone_stack(signal, BRITISH_STACK, treble=0.6, middle=0.65, bass=0.3)
    signal = first_order(signal, low_cut_hz=35, high_cut_hz=11e3)
    _power_stage(signal, 26.0, 0.08, 0.2, float(INNER_RATE_HZ))
    signal = shelf(signal, corner_hz=2400, gain_db=4.0)
    return first_order(signal, low_cut_hz=40, high_cut_hz=11e3)


def moss(signal):
    """Fuzz pedal: two diode clippers in a row, the first lopsided, then lows and highs without the middle."""
    driven = first_order(signal, low_cut_hz=70, high_cut_hz=4500) * 12.0
    _diode_clipper(driven, 10e3, 4.7e-9, 100.0, float(INNER_RATE_HZ))
    driven = first_order(driven, low_cut_hz=60, high_cut_hz=5000) * 8.0
    _diode_clipper(driven, 10e3, 2.2e-9, 1.0, float(INNER_RATE_HZ))
    low = first_order(driven, high_cut_hz=420)
    high = first_order(driven, low_cut_hz=1100)
    return first_order(1.0 * low + 0.8 * high, low_cut_hz=35, high_cut_hz=7000)


def cedar(signal):
    """Bass preamplifier: a warm stage, tone stack, a second stage only for what lies above the deep notes."""
    signal = tube_stage(signal * 1.5, source_ohm=68e3, capacitor_f=100e-9, leak_ohm=220e3, miller_hz=12e3)
    signal = tone_stack(signal, AMERICAN_STACK, treble=0.7, middle=0.8, bass=0.2)
    deep = first_order(signal, high_cut_hz=180)
    bright = tube_stage(
        first_order(signal, low_cut_hz=180) * 0.9,
        source_ohm=220e3,
        capacitor_f=22e-9,
        cathode_ohm=2700.0,
        cathode_bypassed=False,
        miller_hz=10e3,
    )
    signal = first_order(deep - 0.09 * bright, low_cut_hz=20, high_cut_hz=8000)
    _power_stage(signal, 7.0, 0.12, 0.1, float(INNER_RATE_HZ))
    return first_order(signal, low_cut_hz=22, high_cut_hz=6000)


DEVICES = {one.__name__: one for one in (linen, glass, rust, brick, cedar, fern, moss)}
BASS_DEVICES = {"cedar"}
VOLTS_AT_FULL_SCALE = 1.0  # a strong stroke, 0.35 of full scale, is then a pickup's 350 mV


def _raw(device, x):
    """Samples in, samples out, through the oversampled device; every state starts at rest."""
    silence = np.zeros(SAMPLE_RATE_HZ // 5, np.float32)  # the operating point settles before the first sample
    x = np.concatenate([silence, x])
    up = np.zeros(len(x) * OVERSAMPLING)
    up[::OVERSAMPLING] = x * (OVERSAMPLING * VOLTS_AT_FULL_SCALE)
    out = device(sosfilt(_HALF_BAND, up))
    return sosfilt(_HALF_BAND, out)[::OVERSAMPLING][len(silence) :]


def instrument(name):
    """What is played through the named device."""
    return "bass" if name in BASS_DEVICES else "guitar"


@functools.cache
def output_gain(name):
    """What brings typical playing to the target level."""
    y = _raw(DEVICES[name], playing.typical(np.random.default_rng(1), 15.0, instrument(name)))
    return TARGET_RMS / np.sqrt(np.mean(y**2))


def play(name, x):
    """The named device, normalised; float32 in and out, as long as the input."""
    return (output_gain(name) * _raw(DEVICES[name], x)).astype(np.float32)
