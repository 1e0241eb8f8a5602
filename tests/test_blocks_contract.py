"""What every block must keep. A new block is tested by being in chainrt/blocks; planted bad ones test the tests."""

from itertools import product

import numpy as np
import pytest
from blockplay import AN_ADDRESS, MAY_RAISE, RATE_HZ, example_settings, planted, play, wrongs_of

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Param
from chainrt.compiled.call import call2

KINDS = sorted(BLOCKS)
PERIODS = [(1,), (7,), (64,), (512,), (1, 7, 64, 3, 512, 16, 33)]
ROUNDING = 2e-6  # of the largest sample: vector code may add in another order at the end of a period
SILENCE = 1e-5  # -100 dBFS
LOUDEST = 1e5  # two knobs of 40 dB and a generous network; what feeds itself passes this within half a second


def bursts(frames, channels=1, seed=3):
    """Noise and silence by turns at several levels, (frames,) or (channels, frames)."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.0, 0.003, 0.1, 0.5], frames // 300 + 1), 300)[:frames]
    signal = rng.uniform(-1, 1, (channels, frames)) * level
    return (signal[0] if channels == 1 else signal).astype(np.float32)


def corners(played):
    """All combinations of lowest, highest and default knobs."""
    choices = [(param.low, param.high, param.default) for param in played.params]
    for values in product(*choices):
        yield dict(zip((param.name for param in played.params), values, strict=True))


# -- the rules, as measurements that also the planted blocks get ----------------------------------------------------


def dependence_on_period(played, settings):
    """Largest difference, in parts of the loudest sample, between calls of 96 frames and calls of other sizes.

    In the middle all knobs are turned to their highest, so a knob's glide is looked at, too.
    """

    def sound(level, sizes):
        p, levels = played.build(settings)
        state = levels[level].new_state()
        heard = [play(played, p, state, bursts(5000, played.channels, seed=1), sizes)]
        for param in played.params:
            p[param.name] = param.high
        heard.append(play(played, p, state, bursts(5000, played.channels, seed=2), sizes))
        return np.concatenate(heard, axis=-1)

    worst = 0.0
    for level in range(len(played.build(settings)[1])):
        expected = sound(level, (96,))
        assert np.abs(expected).max() > 1e-4
        for sizes in PERIODS:
            worst = max(worst, np.abs(sound(level, sizes) - expected).max() / np.abs(expected).max())
    return worst


def loudest_of_corners(played, settings):
    """Largest output sample at full-scale noise over all corners of the knobs; infinite if one is not a number."""
    signal = np.random.default_rng(4).uniform(-1, 1, (played.channels, RATE_HZ // 2))
    signal = signal[0] if played.channels == 1 else signal
    worst = 0.0
    for values in corners(played):
        p, levels = played.build(type(settings)(values, settings.files, settings.rate))
        for level in levels:
            heard = np.abs(play(played, p, level.new_state(), signal, (512,))).max()
            worst = max(worst, heard if np.isfinite(heard) else np.inf)
    return worst


def left_after_silence(played, settings, seconds=12):
    """Largest sample in the last half second of a long silence after noise.

    What a neural amp makes of silence is a constant, which the sound card does not pass on; there it is how far the
    output still moves.
    """
    p, levels = played.build(settings)
    worst = 0.0
    for level in levels:
        state = level.new_state()
        play(played, p, state, bursts(RATE_HZ, played.channels), (512,))
        silence = np.zeros((played.channels, seconds * RATE_HZ))
        heard = play(played, p, state, silence[0] if played.channels == 1 else silence, (512,))[..., -RATE_HZ // 2 :]
        worst = max(worst, np.ptp(heard) if played.slimmable else np.abs(heard).max())
    return worst


def remembers_elsewhere(played, settings):
    """True if a fresh state does not sound like the first one did, or a knob was changed by the kernel."""
    p, levels = played.build(settings)
    before = p.tobytes()
    sounds = []
    for level in levels * 2:
        sounds.append(play(played, p, level.new_state(), bursts(4000, played.channels)))
    again = all(np.array_equal(a, b) for a, b in zip(sounds, sounds[len(levels) :], strict=False))
    return not again or p.tobytes() != before


def measured_latency(played, settings):
    """The lag, in frames, at which the output at the largest level is most like the input; of a level's noise."""
    p, levels = played.build(settings)
    signal = np.random.default_rng(6).uniform(-0.3, 0.3, (played.channels, 8192))
    heard = play(played, p, levels[-1].new_state(), signal.squeeze(), (512,))
    heard, signal = (np.atleast_2d(sound)[0].astype(float) for sound in (heard, signal))
    likeness = np.fft.irfft(np.fft.rfft(heard, 16384) * np.conj(np.fft.rfft(signal, 16384)))[:8192]
    return int(np.abs(likeness).argmax())


# -- the contract ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def played(request):
    return BLOCKS[request.param]


@pytest.fixture
def settings(played, tmp_path):
    return example_settings(played.kind, tmp_path)


def test_every_period_size_gives_the_same_sound(played, settings):
    assert dependence_on_period(played, settings) <= ROUNDING


def test_no_corner_of_the_knobs_blows_up(played, settings):
    assert loudest_of_corners(played, settings) <= LOUDEST


def test_silence_in_is_silence_out_in_the_end(played, settings):
    assert left_after_silence(played, settings) <= SILENCE


def test_overload_leaves_finite_samples_and_a_block_that_still_plays(played, settings):
    square = np.where(np.arange(9600) // 200 % 2, 1.0, -1.0)
    for overload in (square, 1e3 * square, bursts(9600) * 1e3):
        signal = np.tile(overload, (played.channels, 1)) if played.channels > 1 else overload
        p, levels = played.build(settings)
        for level in levels:
            state = level.new_state()
            assert np.isfinite(play(played, p, state, signal)).all()
            after = play(played, p, state, bursts(4000, played.channels))
            assert np.isfinite(after).all()
            assert np.abs(after).max() > 0


def test_a_state_of_zeros_is_the_initial_state_and_the_only_memory(played, settings):
    levels = played.build(settings)[1]
    for level in levels:
        state = level.new_state()
        assert len(state) > 1 or not any(state[0].tobytes())
    assert not remembers_elsewhere(played, settings)


def test_a_latency_that_is_declared_is_what_is_measured_and_the_same_at_all_levels(played, settings):
    levels = played.build(settings)[1]
    assert len({level.latency for level in levels}) == 1
    if levels[0].latency:
        assert abs(measured_latency(played, settings) - levels[0].latency) <= 1


def test_the_machine_code_calls_nothing_but_arithmetic(played, settings):
    levels = played.build(settings)[1]
    natives = {native for level in levels for native in level.natives}
    allowed = {AN_ADDRESS} if natives else set()
    assert wrongs_of(played.native) <= allowed
    for native in natives:
        assert wrongs_of(native) <= allowed


def test_the_declaration_tells_a_musician_what_the_block_does(played, settings):
    assert played.summary.endswith(".")
    assert len(played.summary) < 120
    for param in played.params:
        assert param.help
        assert param.name.isidentifier()
    for level in played.build(settings)[1]:
        assert level.work > 0


# -- planted bad blocks: each rule can fail -------------------------------------------------------------------------

ONE_KNOB = [Param("amount", "", 0, 1, default=0.5, help="how much")]


@planted(params=ONE_KNOB, state=[("gain", "f8")])
def ramps_over_the_period(p, s, x, n):
    step = (p.amount - s.gain) / n
    for i in range(n):
        s.gain += step
        x[i] *= s.gain


@planted(params=ONE_KNOB, state=[("y", "f8")])
def feeds_back_too_much(p, s, x, n):
    for i in range(n):
        s.y = x[i] + (0.5 + 0.6 * p.amount) * s.y
        x[i] = s.y


@planted()
def hums(p, s, x, n):
    for i in range(n):
        x[i] += 0.001


@planted(params=ONE_KNOB)
def remembers_in_its_knobs(p, s, x, n):
    for i in range(n):
        p.amount = 0.5 * p.amount + x[i]
        x[i] = p.amount


@planted()
def allocates(p, s, x, n):
    copy = np.zeros(n)
    for i in range(n):
        copy[i] = x[i]
    for i in range(n):
        x[i] = copy[n - 1 - i]


@planted()
def raises(p, s, x, n):
    if x[0] > 2.0:
        raise ValueError("too loud")


@planted()
def prints(p, s, x, n):
    print(n)


@planted(state=[("past", "f4", (64,)), ("at", "i8")], latency=32)
def is_later_than_it_says(p, s, x, n):
    for i in range(n):
        x[i], s.past[s.at] = s.past[s.at], x[i]
        s.at = (s.at + 1) % 64


@planted(state=[("target", "i8")])
def calls_whatever_stands_in_its_state(p, s, x, n):
    call2(s.target, s.target, n)


@planted()
def is_good(p, s, x, n):
    for i in range(n):
        x[i] = np.tanh(x[i])


def test_a_sound_that_depends_on_the_period_is_caught(tmp_path):
    assert dependence_on_period(ramps_over_the_period, example_settings(ramps_over_the_period, tmp_path)) > ROUNDING


def test_a_feedback_that_blows_up_is_caught(tmp_path):
    assert loudest_of_corners(feeds_back_too_much, example_settings(feeds_back_too_much, tmp_path)) > LOUDEST


def test_a_hum_in_silence_is_caught(tmp_path):
    assert left_after_silence(hums, example_settings(hums, tmp_path)) > SILENCE


def test_a_memory_outside_the_state_is_caught(tmp_path):
    assert remembers_elsewhere(remembers_in_its_knobs, example_settings(remembers_in_its_knobs, tmp_path))


def test_a_latency_that_is_not_the_declared_one_is_caught(tmp_path):
    assert measured_latency(is_later_than_it_says, example_settings(is_later_than_it_says, tmp_path)) == 64


def test_a_kernel_that_allocates_is_caught():
    assert any("NRT" in wrong for wrong in wrongs_of(allocates.native))


def test_a_kernel_that_can_raise_is_caught():
    assert MAY_RAISE in wrongs_of(raises.native)


def test_a_kernel_that_calls_the_interpreter_is_caught():
    assert any("Py" in wrong or "gil" in wrong for wrong in wrongs_of(prints.native))


def test_a_kernel_that_calls_an_address_is_caught():
    assert wrongs_of(calls_whatever_stands_in_its_state.native) == {AN_ADDRESS}


def test_a_good_kernel_passes_all_of_it(tmp_path):
    settings = example_settings(is_good, tmp_path)
    assert dependence_on_period(is_good, settings) <= ROUNDING
    assert loudest_of_corners(is_good, settings) <= 1
    assert left_after_silence(is_good, settings) == 0
    assert not remembers_elsewhere(is_good, settings)
    assert wrongs_of(is_good.native) == set()
