"""What overdrives, distortions and fuzzes do to a signal, each against its definition; how little they alias."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play_with
from tones import aliases, db, one_pole, one_pole_response, phasor, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS

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
