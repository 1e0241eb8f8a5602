"""What equalisers, tone stack, boost, acoustic and wah do to a spectrum, against analogue circuits and scipy."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from scipy import signal
from tones import db, impulse, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings
from chainrt.blocks.tonestack import CIRCUITS

HZ = np.geomspace(25, 20000, 200)


def response(kind, hz=HZ, rate=RATE_HZ, frames=RATE_HZ, **knobs):
    """Complex response of a block to a soft impulse after half a second of silence, at these frequencies."""
    heard = play_with(kind, 0.01 * impulse(frames), settle_s=0.5, rate=rate, **knobs) / 0.01
    turns = np.exp(-2j * np.pi * np.outer(hz / rate, np.arange(frames)))
    return turns @ heard


def cookbook(kind, hz, gain_db=0.0, q=0.5**0.5, rate=RATE_HZ):
    """(b, a) of a biquad: Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients."""
    a, w = 10 ** (gain_db / 40), 2 * np.pi * hz / rate
    cos, alpha, root = np.cos(w), np.sin(w) / (2 * q), 2 * np.sqrt(a) * np.sin(w) / (2 * q)
    if kind == "low_cut":
        return [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2], [1 + alpha, -2 * cos, 1 - alpha]
    if kind == "high_cut":
        return [(1 - cos) / 2, 1 - cos, (1 - cos) / 2], [1 + alpha, -2 * cos, 1 - alpha]
    if kind == "peak":
        return [1 + alpha * a, -2 * cos, 1 - alpha * a], [1 + alpha / a, -2 * cos, 1 - alpha / a]
    sign = 1 if kind == "low" else -1
    b = [a * (a + 1 - sign * (a - 1) * cos + root), sign * 2 * a * (a - 1 - sign * (a + 1) * cos)]
    b.append(a * (a + 1 - sign * (a - 1) * cos - root))
    return b, [
        a + 1 + sign * (a - 1) * cos + root,
        -sign * 2 * (a - 1 + sign * (a + 1) * cos),
        a + 1 + sign * (a - 1) * cos - root,
    ]


def in_scipy(*sections, hz=HZ, rate=RATE_HZ):
    return np.prod([signal.freqz(b, a, worN=hz, fs=rate)[1] for b, a in sections], axis=0)


# -- parametric equaliser -------------------------------------------------------------------------------------------

WIDE_OPEN = (("low_cut", 20, 0), ("high_cut", 20000, 0))


@pytest.mark.parametrize(
    ("knobs", "sections"),
    [
        ({}, ()),
        ({"low_freq": 200, "low_gain": 24}, (("low", 200, 24),)),
        ({"low_freq": 60, "low_gain": -12}, (("low", 60, -12),)),
        ({"peak1_freq": 700, "peak1_gain": 9, "peak1_q": 3}, (("peak", 700, 9, 3),)),
        ({"peak2_freq": 12000, "peak2_gain": -24, "peak2_q": 0.2}, (("peak", 12000, -24, 0.2),)),
        ({"high_freq": 3000, "high_gain": 15}, (("high", 3000, 15),)),
        (
            {"low_gain": 6, "peak1_gain": -6, "peak2_gain": 3, "high_gain": -9},
            (("low", 120, 6), ("peak", 400, -6, 1), ("peak", 2500, 3, 1), ("high", 5000, -9)),
        ),
    ],
)
def test_eq_is_the_cookbook_in_scipy(knobs, sections):
    expected = in_scipy(*(cookbook(*section) for section in (*WIDE_OPEN, *sections)))
    assert np.abs(response("eq", **knobs) - expected).max() < 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_eq_cuts_are_second_order_butterworth_at_any_rate(rate):
    heard = response("eq", rate=rate, frames=rate, low_cut=300, high_cut=4000)
    low = signal.butter(2, 300, "high", fs=rate)
    high = signal.butter(2, 4000, "low", fs=rate)
    assert np.abs(heard - in_scipy(low, high, rate=rate)).max() < 2e-4


def test_eq_with_a_band_far_above_the_spectrum_stays_stable():
    assert np.isfinite(play_with("eq", impulse(8000), rate=22_050, high_cut=20000, peak1_freq=16000)).all()


# -- graphic equaliser ----------------------------------------------------------------------------------------------

SLIDERS = [param.name for param in BLOCKS["graphic"].params]
MIDDLES_HZ = 31.25 * 2 ** np.arange(10)


@pytest.mark.parametrize(
    ("sliders_db", "within_db"),
    [
        ([6] * 10, 0.2),
        ([-12] * 10, 0.5),
        ([0, 0, 0, 0, 12, 0, 0, 0, 0, 0], 0.6),
        ([8, 6, 3, 0, -4, -6, -3, 2, 5, 7], 0.3),
        ([12, -12] * 5, 1.0),
    ],
)
def test_graphic_plays_what_its_sliders_draw(sliders_db, within_db):
    heard = db(response("graphic", MIDDLES_HZ, **dict(zip(SLIDERS, sliders_db, strict=True))))
    assert np.abs(heard - sliders_db).max() < within_db


def test_graphic_without_a_slider_moved_passes_the_guitar():
    assert np.abs(response("graphic") - 1).max() < 1e-5


# -- tone stack -----------------------------------------------------------------------------------------------------


def circuit_response(parts, bass, middle, treble, s):
    """The passive circuit by its nodes: Kirchhoff's current law at each, solved for every s; knobs 0 to 1.

    Nodes: 0 behind the treble capacitor, 1 behind the slope resistor, 2 the treble pot's lower end, 3 below the bass
    pot, 4 the middle pot's wiper, 5 the output at the treble pot's wiper. The input is a voltage source of 1.
    """
    r1, r2, r3, r4, c1, c2, c3 = parts
    least = 1e-6  # of a pot: its wiper never touches the end
    bass_ohm = max(np.exp(3.4 * (bass - 1)) * r2, least)
    wires = [
        ("in", 0, s * c1),
        ("in", 1, 1 / r4),
        (1, 2, s * c2),
        (1, 4, s * c3),
        (0, 5, 1 / max((1 - treble) * r1, least)),
        (5, 2, 1 / max(treble * r1, least)),
        (2, 3, 1 / bass_ohm),
        (3, 4, 1 / max((1 - middle) * r3, least)),
        (4, "ground", 1 / max(middle * r3, least)),
    ]
    matrix, source = np.zeros((len(s), 6, 6), complex), np.zeros((len(s), 6, 1), complex)
    for start, end, admittance in wires:
        for here, there in ((start, end), (end, start)):
            if isinstance(here, int):
                matrix[:, here, here] += admittance
                if isinstance(there, int):
                    matrix[:, here, there] -= admittance
                elif there == "in":
                    source[:, here, 0] += admittance
    return np.linalg.solve(matrix, source)[:, 5, 0]


@pytest.mark.parametrize("number", range(len(CIRCUITS)), ids=list(CIRCUITS))
@pytest.mark.parametrize("knobs", [(50, 50, 50), (100, 0, 100), (0, 100, 0), (20, 90, 70), (0, 0, 0), (100, 100, 100)])
def test_tone_stack_is_its_circuit(number, knobs):
    bass, middle, treble = knobs
    heard = response("tonestack", bass=bass, middle=middle, treble=treble, circuit=number, level=0)
    s = 2j * RATE_HZ * np.tan(np.pi * HZ / RATE_HZ)  # where the bilinear transform looks
    expected = circuit_response(list(CIRCUITS.values())[number], bass / 100, middle / 100, treble / 100, s)
    assert np.abs(heard - expected).max() < 2e-4


def test_another_circuit_comes_gliding():
    p, (level,) = BLOCKS["tonestack"].build(Settings({"circuit": 0}, {}, RATE_HZ))
    state = level.new_state()
    before = play(BLOCKS["tonestack"], p, state, np.ones(RATE_HZ // 2) * sine(500, RATE_HZ // 2))
    p["circuit"] = 3
    after = play(BLOCKS["tonestack"], p, state, sine(500, RATE_HZ))
    heard = np.concatenate([before, after]).astype(float)
    sharp = np.abs(np.diff(heard, 2))
    assert sharp[RATE_HZ // 2 - 100 : RATE_HZ // 2 + 4800].max() < 2 * sharp[-4800:].max()
    fresh = play_with("tonestack", sine(500, RATE_HZ), circuit=3)
    assert np.abs(after[-4800:] - fresh[-4800:]).max() < 1e-3


# -- boost, acoustic ------------------------------------------------------------------------------------------------


def test_boost_lifts_all_or_the_middle_or_the_treble():
    at = np.array([60.0, 800.0, 10000.0])
    full, mid, treble = (db(response("boost", at, gain=20, voice=voice)) for voice in range(3))
    assert full == pytest.approx([20, 20, 20], abs=0.01)
    assert mid[1] == pytest.approx(20, abs=0.01)
    assert max(mid[0], mid[2]) < 4
    assert treble[2] == pytest.approx(20, abs=0.5)
    assert treble[0] == pytest.approx(0, abs=0.5)
    assert (np.diff(treble) > 5).all()


def test_acoustic_resounds_at_the_modes_of_its_body_and_a_larger_body_lower():
    for size, factor in ((100, 1), (150, 1.5), (50, 0.5)):
        around = 100 / factor * np.array([0.8, 1.0, 1.25])
        low, middle, high = db(response("acoustic", around, size=size, body=100))
        assert middle > low + 2
        assert middle > high + 1


def test_acoustic_without_body_and_brightness_is_flat_above_its_low_cut():
    heard = db(response("acoustic", HZ[HZ > 300], body=0, bright=0, level=0))
    assert np.abs(heard).max() < 0.1


# -- wah ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("position", "middle_hz", "q"), [(0, 450, 8), (50, 450 * 2**1.15, 4), (100, 450 * 2**2.3, 2)])
def test_wah_has_its_resonance_where_the_pedal_stands(position, middle_hz, q):
    hz = np.geomspace(100, 8000, 2000)
    heard = np.abs(response("wah", hz, position=position))
    above = hz[heard > heard.max() / np.sqrt(2)]
    assert hz[np.argmax(heard)] == pytest.approx(middle_hz, rel=0.005)
    assert np.sqrt(above[0] * above[-1]) / (above[-1] - above[0]) == pytest.approx(q, rel=0.02)


def test_wah_opens_with_the_playing_and_falls_back():
    loud, soft = sine(100, RATE_HZ, 0.5), sine(100, RATE_HZ, 0.001)
    p, (level,) = BLOCKS["wah"].build(Settings({"mode": 1, "position": 0, "sense": 0}, {}, RATE_HZ))
    state = level.new_state()
    play(BLOCKS["wah"], p, state, loud)
    assert float(state[0]["follow"]) == pytest.approx(0.5, rel=0.08)
    play(BLOCKS["wah"], p, state, soft)
    assert float(state[0]["follow"]) < 0.01


def test_wah_without_mix_passes_the_guitar():
    x = np.random.default_rng(1).uniform(-1, 1, 4000).astype(np.float32)
    assert np.array_equal(play_with("wah", x, settle_s=0.5, mix=0), x)
