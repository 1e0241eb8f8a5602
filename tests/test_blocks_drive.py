"""What overdrives, distortions and fuzzes do to a signal, each against its definition; how little they alias."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from naive import oversampled
from tones import aliases, db, one_pole, one_pole_response, phasor, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings
from chainrt.oversampling import FAR, LATENCY, NEAR, WAITS, half_band, hard_mean

EPSILON = float(np.finfo(np.float32).eps)


# -- drive ----------------------------------------------------------------------------------------------------------


def drive_twin(x, drive_db, tone_hz, antialiased=True, points=400):
    """The clipper's mean along each straight line between two frames, summed up numerically; or its plain value."""
    u = 10 ** (drive_db / 20) * (x - one_pole(250.0, x))
    before = np.concatenate([[0], u[:-1]])
    along = (np.arange(points) + 0.5) / points if antialiased else np.ones(1)
    line = before[:, None] + (u - before)[:, None] * along
    return one_pole(tone_hz, np.mean(line / np.sqrt(1 + line**2), axis=1))


@pytest.mark.parametrize("drive_db", [0, 24, 60])
def test_drive_is_its_slow_twin(drive_db):
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 3000).astype(np.float32)
    x[1000:1100] = 0.25  # no change from frame to frame: where antiderivatives are divided by nothing
    heard = play_with("drive", x, drive=drive_db, tone=3000, level=0)
    assert np.abs(heard - drive_twin(x.astype(np.float64), drive_db, 3000, points=4000)).max() < 2e-4


@pytest.mark.parametrize("hz", [120, 750, 3000])
def test_drive_amplifies_a_soft_tone_by_its_drive_and_its_filters(hz):
    heard = play_with("drive", sine(hz, RATE_HZ, 1e-5), drive=24, tone=3500, level=-6)[RATE_HZ // 2 :]
    average = np.cos(np.pi * hz / RATE_HZ)
    filters = (1 - one_pole_response(250, hz)) * one_pole_response(3500, hz) * average
    assert db(phasor(heard, hz) / 1e-5) == pytest.approx(18 + db(filters), abs=0.02)


def test_drive_is_odd_so_it_makes_no_offset():
    x = np.random.default_rng(2).uniform(-1, 1, 4000)
    assert np.array_equal(play_with("drive", -x, drive=40), -play_with("drive", x, drive=40))


def test_drive_never_exceeds_its_level():
    heard = play_with("drive", np.sign(sine(110, RATE_HZ)), drive=60, tone=8000, level=-6)
    assert 0.49 < np.abs(heard).max() <= 10 ** (-6 / 20) + EPSILON


@pytest.mark.parametrize(("hz", "better_db"), [(1249, 9), (3121, 10)])
def test_drive_aliases_less_than_the_naive_clipper(hz, better_db):
    x = sine(hz, RATE_HZ + 4000, 0.5)
    heard = aliases(play_with("drive", x, drive=40, tone=8000, level=0), hz)
    naive = aliases(drive_twin(x, 40, 8000, antialiased=False), hz)
    assert heard < naive - better_db


@pytest.mark.parametrize(("hz", "stated_db"), [(1249, -33), (3121, -28)])
def test_drive_aliases_as_little_as_its_page_says(hz, stated_db):
    heard = aliases(play_with("drive", sine(hz, RATE_HZ + 4000), drive=40, tone=8000, level=0), hz)
    assert heard < stated_db + 1


# -- distortion and fuzz --------------------------------------------------------------------------------------------


def at_level(kind, number, x, **knobs):
    """The signal through one level of a block, its latency taken out; float64."""
    p, levels = BLOCKS[kind].build(Settings(knobs, {}, RATE_HZ))
    padded = np.concatenate([x, np.zeros(LATENCY)])
    return play(BLOCKS[kind], p, levels[number].new_state(), padded)[LATENCY:].astype(float)


def test_the_mean_of_the_hard_clipper_is_what_many_points_along_the_line_give():
    rng = np.random.default_rng(11)
    ends = rng.uniform(-3, 3, (500, 2)).astype(np.float32)
    ends[:50, 1] = ends[:50, 0] + rng.uniform(-1e-6, 1e-6, 50).astype(np.float32)
    ends[50:100] *= 1e4
    for a, b in ends:
        line = np.clip(a + (float(b) - float(a)) * (np.arange(20000) + 0.5) / 20000, -1, 1)
        assert hard_mean.compiled(a, b) == pytest.approx(line.mean(), abs=2e-4)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("sizes", [(64,), (1, 7, 100)])
def test_distortion_and_fuzz_are_their_slow_twins_at_every_factor(number, sizes):
    x = (np.random.default_rng(5).uniform(-1, 1, 600) * np.repeat([0.01, 0.3, 0.02], 200)).astype(np.float32)
    taps, late = (half_band(NEAR), half_band(FAR)), WAITS[number]

    def heard(kind, **knobs):
        p, levels = BLOCKS[kind].build(Settings(knobs, {}, RATE_HZ))
        return play(BLOCKS[kind], p, levels[number].new_state(), x, sizes)

    u = 10 ** (30 / 20) * (x - one_pole(100, x))
    clipped = oversampled(u, number, taps, lambda v: np.clip(v, -1, 1))
    exact = one_pole(4000, np.concatenate([np.zeros(late), clipped])[: len(x)])
    assert np.abs(heard("distortion", drive=30, bass=100, tone=4000, level=0) - exact).max() < 5e-4
    u = 10 ** (30 / 20) * (x - one_pole(40, x))
    clipped = oversampled(u, number, taps, lambda v: v / np.sqrt(1 + v * v))
    clipped = np.concatenate([np.zeros(late), clipped])[: len(x)]
    exact = one_pole(4000, clipped - one_pole(40, clipped))
    assert np.abs(heard("fuzz", fuzz=30, bias=0, sag=0, tone=4000, level=0) - exact).max() < 5e-4


@pytest.mark.parametrize("kind", ["distortion", "fuzz"])
@pytest.mark.parametrize("hz", [200, 2000, 5000])
def test_at_every_oversampling_factor_a_soft_tone_is_only_amplified_and_filtered(kind, hz):
    gain_db = {"distortion": 24, "fuzz": 24}[kind]
    knobs = {"distortion": {"drive": 24, "bass": 40}, "fuzz": {"fuzz": 24, "bias": 0, "sag": 0}}[kind]
    filters = (1 - one_pole_response(40, hz)) * one_pole_response(12000, hz)
    if kind == "fuzz":
        filters *= 1 - one_pole_response(40, hz)
    for number in range(3):
        heard = at_level(kind, number, sine(hz, RATE_HZ, 1e-5), tone=12000, level=0, **knobs)[RATE_HZ // 2 :]
        averaged = np.cos(np.pi * hz / (RATE_HZ * 2**number)) ** 2
        expected = 1e-5 * 10 ** (gain_db / 20) * filters * averaged
        assert phasor(heard, hz) * 1j == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("kind", ["distortion", "fuzz"])
@pytest.mark.parametrize(("hz", "most_db"), [(1249, (-37, -45, -46)), (3121, (-32, -41, -49)), (6007, (-28, -37, -48))])
def test_the_more_oversampling_the_less_aliases(kind, hz, most_db):
    knobs = {"distortion": {"drive": 40, "bass": 40}, "fuzz": {"fuzz": 40, "bias": 20, "sag": 0}}[kind]
    for number in range(3):
        heard = at_level(kind, number, sine(hz, 2 * RATE_HZ), tone=12000, level=0, **knobs)
        assert aliases(heard, hz) < most_db[number]


@pytest.mark.parametrize("kind", ["distortion", "fuzz"])
def test_the_levels_play_the_same_and_more_so_the_larger_they_are(kind):
    x = sine(220, RATE_HZ, 0.1) + sine(330, RATE_HZ, 0.1)
    small, middle, full = (at_level(kind, number, x)[4800:] for number in range(3))
    errors = [10 * np.log10(np.sum((level - full) ** 2) / np.sum(full**2)) for level in (small, middle)]
    assert errors[0] < -25
    assert errors[1] < -35


def harmonics(heard, hz, count=5):
    return np.array([abs(phasor(heard[-RATE_HZ:], k * hz)) for k in range(1, count + 1)])


def test_distortion_makes_the_odd_harmonics_of_a_square_wave():
    heard = at_level("distortion", 2, sine(110, 2 * RATE_HZ), drive=60, bass=40, tone=12000, level=0)
    parts = harmonics(heard, 110)
    assert parts[[0, 2, 4]] == pytest.approx(4 / np.pi / np.array([1, 3, 5]), rel=0.02)
    assert parts[[1, 3]].max() < 1e-3


def test_fuzz_makes_even_harmonics_as_its_bias_goes_up_and_gates_what_is_soft():
    knobs = {"fuzz": 30, "sag": 0, "level": 0}
    even = [harmonics(at_level("fuzz", 2, sine(110, 2 * RATE_HZ, 0.1), bias=b, **knobs), 110)[1] for b in (0, 20, 40)]
    assert even[0] < 1e-4
    assert even[0] < even[1] < even[2]
    soft = sine(110, 2 * RATE_HZ, 0.003)
    wide, gated = (np.abs(at_level("fuzz", 2, soft, bias=b, **knobs)[RATE_HZ:]).max() for b in (0, 60))
    assert gated < 0.1 * wide


def test_sag_shifts_the_bias_of_a_loud_note_and_leaves_a_soft_one():
    def second_share(peak, sag):
        parts = harmonics(at_level("fuzz", 2, sine(110, 2 * RATE_HZ, peak), fuzz=30, bias=0, sag=sag, level=0), 110)
        return parts[1] / parts[0]

    assert second_share(0.3, 0) < 1e-3
    assert second_share(0.3, 60) > 0.05
    assert second_share(0.0005, 60) < 0.04
