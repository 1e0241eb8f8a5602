"""Simulated devices: amplifiers and pedals of our own, made to be learned by a network.

Why simulated: the models then belong to nobody else, the data is as long as we like, and the truth is known
exactly. They are circuits in spirit (tube stages with load lines, coupling capacitors that charge when a grid
conducts, a passive tone stack) but copies of no product. No cabinet in them: that is a block of its own.

The parts and their sources are in circuits.py.

Rules kept here:
* All parts run at 8 times 48 kHz. The filters up and down are recursive, so causal and of minimum phase: a
  causal network cannot learn pre-ringing. There is no latency to take out.
* Volts inside (1.0 of a file is VOLTS_AT_FULL_SCALE); -18 dBFS RMS on typical playing outside.
* Memory stays within the network's 132 ms, time constants of 25 ms or less. One exception: the first stage's
  1 uF behind 1 megohm recovers over a second once its grid conducts; in glass that takes an input above about
  0.67 of full scale, in brick more than full scale.
"""

import functools

import numpy as np
import playing
from circuits import (
    AMERICAN_STACK,
    BRITISH_STACK,
    INNER_RATE_HZ,
    diode_clipper,
    first_order,
    power_stage,
    shelf,
    tone_stack,
    tube_stage,
)
from scipy.signal import cheby2, sosfilt

SAMPLE_RATE_HZ = 48000
OVERSAMPLING = INNER_RATE_HZ // SAMPLE_RATE_HZ
TARGET_RMS = 10 ** (-18 / 20)

# Flat to about 17 kHz; nothing folds back below 22 kHz.
_HALF_BAND = cheby2(10, 85, 25500, fs=INNER_RATE_HZ, output="sos")


# ---- volts in, some volts out, at the inner rate -------------------------------------------------


def glass(signal):
    """Edge of breakup: two stages round an American tone stack, then an output pair that gives first."""
    signal = tube_stage(signal * 2.2, source_ohm=68e3, capacitor_f=1e-6, miller_hz=14e3)  # a hot pickup
    signal = tone_stack(signal, AMERICAN_STACK, treble=0.65, middle=0.5, bass=0.35)
    signal = tube_stage(signal * 0.30, source_ohm=150e3, capacitor_f=22e-9, leak_ohm=1e6)
    signal = first_order(signal, low_cut_hz=30, high_cut_hz=11e3)
    signal = power_stage(signal, limit_v=62.0, asymmetry=0.12)
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
    signal = power_stage(signal, limit_v=45.0, asymmetry=0.05)
    signal = shelf(signal, corner_hz=2600, gain_db=5.0)
    return first_order(signal, low_cut_hz=45, high_cut_hz=11e3)


def fern(signal):
    """Overdrive pedal: bass taken out, gain, two diodes, a gentle top, some of the clean signal beside it."""
    driven = first_order(signal, low_cut_hz=520, high_cut_hz=6500) * 45.0
    driven = diode_clipper(driven, resistor_ohm=2200.0, capacitor_f=10e-9)
    return first_order(driven + 1.0 * signal, low_cut_hz=30, high_cut_hz=3400)


def linen(signal):
    """Clean: two stages that stay on the straight part of their curves, an output pair with room to spare."""
    signal = tube_stage(signal * 0.7, source_ohm=68e3, miller_hz=14e3)
    signal = tone_stack(signal, AMERICAN_STACK, treble=0.7, middle=0.4, bass=0.3)
    signal = tube_stage(signal * 0.25, source_ohm=150e3, cathode_ohm=1800.0, miller_hz=13e3)
    signal = first_order(signal, low_cut_hz=30, high_cut_hz=12e3)
    signal = power_stage(signal, limit_v=90.0, asymmetry=0.08, sag=0.05)
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
    signal = power_stage(signal, limit_v=26.0, asymmetry=0.08, sag=0.2)
    signal = shelf(signal, corner_hz=2400, gain_db=4.0)
    return first_order(signal, low_cut_hz=40, high_cut_hz=11e3)


def moss(signal):
    """Fuzz pedal: two diode clippers in a row, the first lopsided, then lows and highs without the middle."""
    driven = first_order(signal, low_cut_hz=70, high_cut_hz=4500) * 12.0
    driven = diode_clipper(driven, resistor_ohm=10e3, capacitor_f=4.7e-9, leakier=100.0)
    driven = first_order(driven, low_cut_hz=60, high_cut_hz=5000) * 8.0
    driven = diode_clipper(driven, resistor_ohm=10e3, capacitor_f=2.2e-9)
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
    signal = power_stage(signal, limit_v=7.0, asymmetry=0.12, sag=0.1)
    return first_order(signal, low_cut_hz=22, high_cut_hz=6000)


# ---- samples in, samples out ---------------------------------------------------------------------


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
