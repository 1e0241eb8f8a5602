"""What makes space and second voices, from delay and reverb to octaver and looper, each against its definition."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from naive import reverb, springs
from tones import db, delays_ms, impulse, one_pole, one_pole_response, phasor, sine, swing_hz

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings
from chainrt.calibrate import error_to_signal_db
from chainrt.dsp import CHUNK
from chainrt.riff import riff


def heard_of(kind, signal, settle_s=1.0, level=-1, **values):
    """The signal through a block with these knobs, after a silence; a choice is set by its name."""
    declared = BLOCKS[kind]
    names = {param.name: param.choices for param in declared.params}
    values = {name: names[name].index(v) if isinstance(v, str) else v for name, v in values.items()}
    p, levels = declared.build(Settings(values, {}, RATE_HZ))
    state = levels[level].new_state()
    signal = np.asarray(signal)
    if declared.channels == 2 and signal.ndim == 1:
        signal = np.stack([signal, signal])
    play(declared, p, state, np.zeros((*signal.shape[:-1], round(settle_s * RATE_HZ))), (512,))
    return play(declared, p, state, signal, (64,)).astype(np.float64)


def strongest_hz(x):
    """The strongest frequency in x, to a fraction of a bin."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8 * len(x)))
    return np.argmax(spectrum) * RATE_HZ / (8 * len(x))


# -- delay ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time_ms", [1, 20.01, 333.33, 2500])
def test_delay_is_late_by_its_time_to_a_hundredth_of_a_frame(time_ms):
    hz = 400
    heard = heard_of("delay", sine(hz, 5 * RATE_HZ), time=time_ms, feedback=0, mix=100)[0, -RATE_HZ:]
    filters = one_pole_response(7000, hz) * (1 - one_pole_response(60, hz))
    late = phasor(sine(hz, RATE_HZ), hz) / (phasor(heard, hz) / filters)
    frames = np.angle(late) / (2 * np.pi * hz) * RATE_HZ
    assert (frames - time_ms * RATE_HZ / 1000 + 60) % 120 - 60 == pytest.approx(0, abs=0.01)


def peaks_of(side, spacing):
    """The strongest sample in each stretch of `spacing` frames around a multiple of it, from the first repeat on."""
    return [np.abs(side[k * spacing - spacing // 2 : k * spacing + spacing // 2]).max() for k in (1, 2, 3, 4)]


def test_delay_repeats_at_multiples_of_its_time_softer_by_its_feedback():
    heard = heard_of("delay", impulse(60_000), time=250, feedback=50, mix=100, tone=16000, lowcut=20)[0]
    loud = [np.abs(np.fft.rfft(heard[k * 12000 - 200 : k * 12000 + 400]))[6] for k in (1, 2, 3, 4)]
    once = abs(one_pole_response(16000, 480) * (1 - one_pole_response(20, 480)))
    assert np.array(loud[1:]) / loud[:-1] == pytest.approx(0.5 * once, rel=0.02)
    assert np.argmax(np.abs(heard[:18000])) == 12000


def test_delay_that_crosses_bounces_from_left_to_right():
    heard = heard_of("delay", impulse(60_000, 2), time=250, feedback=80, mix=100, cross=100)
    left, right = peaks_of(heard[0], 12000), peaks_of(heard[1], 12000)
    assert min(left[0], left[2]) > 100 * max(right[0], right[2])
    assert min(right[1], right[3]) > 100 * max(left[1], left[3])


def test_delay_without_cross_keeps_the_sides_apart():
    x = np.stack([sine(300, RATE_HZ), np.zeros(RATE_HZ)])
    assert not heard_of("delay", x, time=50, feedback=80, mix=100)[1].any()


def test_delay_that_is_turned_fades_over_without_bending_the_pitch():
    p, levels = BLOCKS["delay"].build(Settings({"time": 300, "feedback": 0, "mix": 100}, {}, RATE_HZ))
    state, x = levels[0].new_state(), np.tile(sine(1000, 3 * RATE_HZ), (2, 1))
    play(BLOCKS["delay"], p, state, x)
    p["time"] = 400
    heard = play(BLOCKS["delay"], p, state, x)[0].astype(np.float64)
    assert abs(phasor(heard, 1000)) > 0.97  # 0.1 s is whole periods, so both heads play the same and nothing is lost
    assert abs(np.abs(heard[500:1500]).max() - np.abs(heard[-1000:]).max()) < 0.02


def test_delay_swings_its_repeats_as_far_and_as_often_as_it_is_set():
    heard = heard_of("delay", sine(1000, 3 * RATE_HZ), time=20, feedback=0, mix=100, speed=2, depth=1)
    left, right = (delays_ms(side[RATE_HZ:], 1000) for side in heard)
    assert np.ptp(left) / 2 == pytest.approx(1, rel=0.01)
    assert swing_hz(left, len(left) / RATE_HZ) == pytest.approx(2, abs=0.1)
    assert np.ptp(left + right) < 0.02


# -- reverb ---------------------------------------------------------------------------------------------------------


def fall_s(x, hz):
    """Seconds in which a band around hz falls by 60 dB: a line through the level from -5 to -35 dB (Schroeder 1965)."""
    spectrum, bins = np.fft.rfft(x), np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    band = np.fft.irfft(spectrum * np.exp(-0.5 * (np.log2(np.maximum(bins, 1) / hz) / 0.3) ** 2), len(x))
    left = np.cumsum(band[::-1] ** 2)[::-1]
    level = 10 * np.log10(left / left[0])
    start, stop = np.argmax(level < -5), np.argmax(level < -35)
    return 60 * (stop - start) / RATE_HZ / (level[start] - level[stop])


@pytest.mark.parametrize(("level", "sizes"), [(0, (64,)), (1, (100, 7)), (2, (64,))])
def test_reverb_is_its_slow_twin(level, sizes):
    knobs = {"decay": 1500, "predelay": 0, "damping": 40, "lowcut": 200, "swing": 100, "mix": 100}
    p, levels = BLOCKS["reverb"].build(Settings(knobs, {}, RATE_HZ))
    x, waited, lines = np.zeros((2, 9000)), RATE_HZ, (4, 8, 16)[level]
    x[:, :2000] = np.random.default_rng(12).uniform(-0.5, 0.5, (2, 2000)).astype(np.float32)
    heard = play(BLOCKS["reverb"], p, levels[level].new_state(), np.pad(x, ((0, 0), (waited, 0))), sizes)[:, waited:]
    lengths = p["length"][1][:: 16 // lines]
    gains = 10 ** (-3 * lengths[:, None] / RATE_HZ / (1.5 * np.array([1, 1 - 0.95 * 0.4])))
    thinner = np.stack([side - one_pole(200, side) for side in x])
    expected = reverb(thinner, waited, lengths, p["blur"], gains, 0.2e-3 * RATE_HZ, RATE_HZ, CHUNK)
    assert np.abs(expected).max() > 0.1
    assert np.abs(heard - expected).max() < 2e-5


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize(("space", "decay_s"), [("room", 0.5), ("room", 1.2), ("hall", 2), ("hall", 5), ("plate", 1.5)])
def test_reverb_falls_by_60_db_within_its_decay_time(level, space, decay_s):
    x = impulse(round((decay_s + 0.5) * RATE_HZ))
    knobs = {"decay": 1000 * decay_s, "damping": 0, "mix": 100, "predelay": 0}
    heard = heard_of("reverb", x, level=level, space=space, swing=0, **knobs)
    assert fall_s(heard[0], 1000) == pytest.approx(decay_s, rel=0.05)
    assert fall_s(heard[1], 400) == pytest.approx(decay_s, rel=0.1)  # few modes are left here


def test_reverb_that_swings_keeps_its_decay_time_in_the_middle():
    heard = heard_of("reverb", impulse(3 * RATE_HZ), decay=2000, damping=0, mix=100, swing=100)
    assert fall_s(heard[0], 500) == pytest.approx(2, rel=0.1)


def test_a_damped_reverb_loses_its_treble_first():
    heard = heard_of("reverb", impulse(3 * RATE_HZ), decay=2000, damping=80, mix=100, swing=0)
    times = [fall_s(heard[0], hz) for hz in (300, 3000, 8000)]
    assert times[0] == pytest.approx(2, rel=0.07)
    assert times[0] > 1.2 * times[1] > 1.5 * times[2]


def test_reverb_begins_after_its_predelay():
    early, late = (heard_of("reverb", impulse(20_000), predelay=ms, mix=100, swing=0)[0] for ms in (0, 100))
    assert np.abs(late[4800:] - early[:-4800]).max() < 1e-6
    assert np.abs(late[:4800]).max() < 1e-6


def test_reverb_is_wide_or_mono_as_it_is_set_and_about_as_loud_as_the_guitar():
    x = np.random.default_rng(1).uniform(-1, 1, 4 * RATE_HZ)
    wide = heard_of("reverb", x, width=100, mix=100, decay=1500)[:, RATE_HZ:]
    assert abs(np.corrcoef(wide)[0, 1]) < 0.3
    assert -9 < db(np.std(wide) / np.std(x)) < 3
    left, right = heard_of("reverb", x[:RATE_HZ], width=0, mix=100)
    assert np.array_equal(left, right)


def test_reverb_without_mix_passes_the_guitar_bit_for_bit():
    x = np.random.default_rng(3).uniform(-1, 1, (2, RATE_HZ)).astype(np.float32)
    assert np.array_equal(heard_of("reverb", x, mix=0), x)


def test_fewer_lines_are_cheaper_and_further_from_the_sound_of_all():
    p, levels = BLOCKS["reverb"].build(Settings({}, {}, RATE_HZ))
    assert [level.name for level in levels] == ["4", "8", "full"]
    assert levels[0].work < levels[1].work < levels[2].work
    block = type("Alone", (), {"declared": BLOCKS["reverb"], "knobs": p, "levels": levels})
    errors = [error_to_signal_db(block, level, riff(RATE_HZ)[: 4 * RATE_HZ]) for level in levels]
    assert errors[2] == -200
    assert -25 < errors[0] < -5  # mostly the guitar itself
    assert -25 < errors[1] < -5


# -- spring ---------------------------------------------------------------------------------------------------------


def test_spring_is_its_slow_twin():
    p, levels = BLOCKS["spring"].build(Settings({"decay": 1500, "drip": 60, "lowcut": 100, "mix": 100}, {}, RATE_HZ))
    x, waited = np.zeros(10_000), 2 * RATE_HZ
    x[:2000] = np.random.default_rng(13).uniform(-0.5, 0.5, 2000).astype(np.float32)
    heard = play(BLOCKS["spring"], p, levels[0].new_state(), np.pad(x, (waited, 0)), (100, 7, 64))[waited:]
    thinned, kept = int(p["thinned"]), 10 ** (-3 * p["travel"] * p["thinned"] / RATE_HZ / 1.5)
    data = p["taps"][: 24 * thinned], thinned, p["travel"], p["early"], kept, 0.5 * 0.6, p["swing"], p["step"]
    expected = one_pole(4000, springs(x - one_pole(100, x), waited, *data))
    assert np.abs(expected).max() > 0.1
    assert np.abs(heard - expected).max() < 2e-5


def first_arrival_s(heard, hz):
    """When a band around hz is loudest for the first time."""
    spectrum, bins = np.fft.fft(heard), np.fft.fftfreq(len(heard), 1 / RATE_HZ)
    loud = np.abs(np.fft.ifft(spectrum * np.exp(-0.5 * ((bins - hz) / 150) ** 2)))
    peaks = (loud[1:-1] >= loud[:-2]) & (loud[1:-1] > loud[2:]) & (loud[1:-1] > 0.4 * loud.max())
    return (np.argmax(peaks) + 1) / RATE_HZ


@pytest.mark.parametrize("drip", [50, 100])
@pytest.mark.parametrize("hz", [1000, 2000, 3000, 3600])  # at 100 %: 0.4, 1.7, 5.5 and 10.9 ms behind the bass
def test_what_goes_into_a_spring_comes_out_as_the_chirp_of_the_paper(hz, drip):
    a, turn = 0.5 * drip / 100, np.pi * hz / 4800  # at the transition, 4800 Hz, a sample is half a turn
    late_s = 100 / 9600 * ((1 - a * a) / (1 + 2 * a * np.cos(turn) + a * a) - (1 - a) / (1 + a))
    heard = heard_of("spring", impulse(9600), drip=drip, mix=100, tone=8000, lowcut=20)
    assert first_arrival_s(heard, hz) == pytest.approx(0.0331 + late_s, abs=0.0007)


@pytest.mark.parametrize("rate", [8000, 14_400, 22_050, 44_100, 96_000, 192_000])
def test_springs_are_as_long_at_every_rate(rate):
    heard = play_with("spring", impulse(rate // 20), rate=rate, settle_s=1, drip=0, mix=100, tone=8000)
    late_s = [
        np.argmax(np.abs(heard[: rate * 37 // 1000])) / rate,
        np.argmax(np.abs(heard)[rate * 37 // 1000 :]) / rate,
    ]
    assert late_s == pytest.approx([0.0331, 0.0041], abs=0.0003)


@pytest.mark.parametrize(("decay_s", "drip"), [(0.5, 80), (2, 0), (2, 100), (6, 80)])
def test_springs_fall_by_60_db_within_their_decay_time_and_the_treble_sooner(decay_s, drip):
    x = impulse(round((decay_s + 0.5) * RATE_HZ))
    heard = heard_of("spring", x, decay=1000 * decay_s, drip=drip, mix=100, lowcut=20)
    assert fall_s(heard, 500) == pytest.approx(decay_s, rel=0.06)
    assert decay_s < 1 or fall_s(heard, 3000) < 0.8 * fall_s(heard, 500)


def test_springs_are_about_as_loud_as_the_guitar_and_pass_nothing_above_their_transition():
    guitar = riff(RATE_HZ)[: 4 * RATE_HZ]
    for decay in (500, 4000):
        assert -5 < db(np.std(heard_of("spring", guitar, decay=decay, mix=100)) / np.std(guitar)) < 3
    spectrum = np.abs(np.fft.rfft(heard_of("spring", impulse(RATE_HZ), mix=100, tone=8000)))
    assert db(spectrum[5600:].max() / spectrum[:4000].max()) < -55


def test_spring_without_mix_passes_the_guitar_bit_for_bit():
    x = np.random.default_rng(3).uniform(-1, 1, RATE_HZ).astype(np.float32)
    assert np.array_equal(heard_of("spring", x, mix=0), x)


# -- rotary ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "hz"), [("slow", 0.8), ("fast", 6.7)])
def test_rotary_turns_its_horn_at_its_speed_with_the_sides_against_each_other(speed, hz):
    left, right = heard_of("rotary", sine(4000, 5 * RATE_HZ), speed=speed, width=100)[:, RATE_HZ:]
    loud = [np.abs(np.convolve(np.abs(side), np.ones(240) / 240, "valid")) for side in (left, right)]
    assert swing_hz(loud[0], len(loud[0]) / RATE_HZ) == pytest.approx(hz, abs=0.15)
    assert np.corrcoef(loud)[0, 1] < -0.8


def test_rotary_bends_the_pitch_by_the_speed_of_its_horn():
    heard = heard_of("rotary", sine(4000, 3 * RATE_HZ), speed="fast", width=100, depth=0)[0, RATE_HZ:]
    late = delays_ms(heard, 4000)
    assert np.ptp(late) / 2 == pytest.approx(0.55, rel=0.05)


def test_rotary_speeds_up_slowly_and_its_drum_more_slowly_than_its_horn():
    p, levels = BLOCKS["rotary"].build(Settings({"speed": 1}, {}, RATE_HZ))
    state = levels[0].new_state()
    play(BLOCKS["rotary"], p, state, np.zeros((2, RATE_HZ)))
    p["speed"] = 2
    play(BLOCKS["rotary"], p, state, np.zeros((2, round(0.4 * RATE_HZ))))
    assert float(state[0]["horn_hz"]) == pytest.approx(6.7 - 5.9 / np.e, rel=0.01)
    assert float(state[0]["drum_hz"]) < 2.1


# -- stereo ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [0, 50, 100, 200])
def test_stereo_scales_what_the_sides_do_not_share(width):
    x = np.random.default_rng(1).uniform(-1, 1, (2, 5000))
    heard = heard_of("stereo", x, width=width)[:, 1:]  # a frame late, as declared
    assert heard[0] + heard[1] == pytest.approx((x[0] + x[1])[:-1], abs=1e-5)
    assert heard[0] - heard[1] == pytest.approx(width / 100 * (x[0] - x[1])[:-1], abs=1e-5)


def test_stereo_delays_the_side_it_is_told():
    right_late = heard_of("stereo", impulse(3000, 2), offset=10)
    left_late = heard_of("stereo", impulse(3000, 2), offset=-10)
    assert [np.argmax(side) for side in right_late] == [1, 481]
    assert [np.argmax(side) for side in left_late] == [481, 1]


def test_stereo_pans_by_turning_the_far_side_down():
    heard = heard_of("stereo", np.ones((2, 1000)), pan=60)[:, -1]
    assert heard == pytest.approx([0.4, 1], abs=1e-4)


# -- octaver and pitch ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [82.4, 110, 196, 329.6])
@pytest.mark.parametrize(("knob", "factor"), [("below", 0.5), ("deep", 0.25), ("above", 2)])
def test_octaver_plays_the_octave_of_a_note(hz, knob, factor):
    note = 0.4 * sine(hz, 2 * RATE_HZ) + 0.2 * sine(2 * hz, 2 * RATE_HZ) + 0.1 * sine(3 * hz, 2 * RATE_HZ)
    knobs = {"below": 0, "deep": 0, "above": 0, "dry": 0, knob: 100}
    heard = heard_of("octaver", note, **knobs)[RATE_HZ:]
    at = factor * hz
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    loudest = np.abs(spectrum[round(at) - 2 : round(at) + 3]).max()
    assert loudest > 0.3 * spectrum.max()
    if factor < 1:  # and the note's own pitch is gone
        assert np.abs(spectrum[round(hz) - 2 : round(hz) + 3]).max() < 0.1 * loudest


@pytest.mark.parametrize("shift", [-12, -5, 3, 7, 12])
@pytest.mark.parametrize("hz", [110, 220, 440, 880])
def test_pitch_shifts_a_note_by_its_semitones(shift, hz):
    note = 0.4 * sine(hz, 3 * RATE_HZ) + 0.2 * sine(2 * hz, 3 * RATE_HZ)
    heard = heard_of("pitch", note, shift=shift, mix=100)[RATE_HZ:]
    target = hz * 2 ** (shift / 12)
    assert 1200 * np.log2(strongest_hz(heard) / target) == pytest.approx(0, abs=5)
    spectrum = np.abs(np.fft.rfft(heard * np.blackman(len(heard)))) ** 2
    bins = np.fft.rfftfreq(len(heard), 1 / RATE_HZ)
    near = np.zeros(len(bins), bool)
    for harmonic in (1, 2):
        near |= np.abs(bins - harmonic * target) < 0.03 * target + 3
    assert 10 * np.log10(spectrum[~near].sum() / spectrum.sum()) < -15


def test_pitch_of_a_scale_is_late_by_less_than_30_ms():
    x = np.concatenate([np.zeros(4800), sine(440, 9600)])
    heard = heard_of("pitch", x, shift=12, mix=100)
    assert np.argmax(np.abs(heard) > 0.3) - 4800 < 0.030 * RATE_HZ


# -- looper ---------------------------------------------------------------------------------------------------------


def test_looper_repeats_what_it_recorded_and_adds_what_is_played_over_it():
    looper = BLOCKS["looper"]
    p, levels = looper.build(Settings({}, {}, RATE_HZ))
    state, silence = levels[0].new_state(), np.zeros(RATE_HZ)
    first, second = sine(220, RATE_HZ, 0.3), sine(330, RATE_HZ, 0.2)
    modes = looper.params[0].choices

    def heard(mode, x):
        p["mode"] = modes.index(mode)
        return play(looper, p, state, x)

    assert not heard("off", silence).any()
    assert np.array_equal(heard("record", first), first.astype(np.float32))
    settled = slice(3000, -1)
    for _ in range(3):
        assert heard("play", silence)[settled] == pytest.approx(first[settled], abs=1e-3)
    assert heard("overdub", second)[settled] == pytest.approx((first + second)[settled], abs=1e-3)
    assert heard("play", silence)[settled] == pytest.approx((first + second)[settled], abs=1e-3)
    assert not heard("off", silence)[settled].any()
    heard("record", second[: RATE_HZ // 2])
    assert heard("play", silence)[3000:24000] == pytest.approx(second[3000:24000], abs=1e-3)


def test_the_seam_of_a_loop_does_not_click():
    looper = BLOCKS["looper"]
    p, levels = looper.build(Settings({"mode": 1}, {}, RATE_HZ))
    state, x = levels[0].new_state(), sine(220, 2 * RATE_HZ, 0.3)
    play(looper, p, state, x[: RATE_HZ + 55])  # not a whole number of periods
    p["mode"] = 2
    heard = play(looper, p, state, np.concatenate([x[RATE_HZ + 55 : RATE_HZ + 3000], np.zeros(3 * RATE_HZ)]))
    sharp = np.abs(np.diff(heard[4000:].astype(np.float64), 2))
    assert sharp.max() < 10 * np.abs(np.diff(x, 2)).max()
