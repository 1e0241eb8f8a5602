"""What every block must keep. A new block is tested by being in chainrt/blocks; planted bad ones test the tests."""

from itertools import product

import numpy as np
import pytest
from blockplay import AN_ADDRESS, MAY_RAISE, RATE_HZ, example_settings, planted, play, wrongs_of

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Param, Reading
from chainrt.compiled.call import call2

KINDS = sorted(BLOCKS)
PERIODS = [(1,), (7,), (64,), (512,), (1, 7, 64, 3, 512, 16, 33)]
ROUNDING = 2e-6  # of the largest sample: vector code may add in another order at the end of a period
SILENCE = 1e-5  # -100 dBFS
CLICK = 50  # times the sharpest corner of the sine; a jump of 4 % at its top would be as sharp
LOUDEST = 1e5  # two knobs of 40 dB and a generous network; what feeds itself passes this within half a second


def bursts(frames, channels=1, seed=3):
    """Noise and silence by turns at several levels, (frames,) or (channels, frames)."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.0, 0.003, 0.1, 0.5], frames // 300 + 1), 300)[:frames]
    signal = rng.uniform(-1, 1, (channels, frames)) * level
    return (signal[0] if channels == 1 else signal).astype(np.float32)


def corners(played, most=700):
    """All combinations of lowest, highest and default knobs; of too many, the outermost and some drawn by lot."""
    choices = [(param.low, param.high, param.default) for param in played.params]
    if 3 ** len(choices) <= most:
        combinations = list(product(*choices))
    else:
        lots = np.random.default_rng(6).integers(0, 3, (most // 2, len(choices)))
        combinations = [*(list(ends) for ends in zip(*choices, strict=True))]
        combinations += [[choice[lot] for choice, lot in zip(choices, row, strict=True)] for row in lots]
    for values in combinations:
        yield dict(zip((param.name for param in played.params), values, strict=True))


def as_planes(signal, played):
    """The signal (frames,) on each of the block's channels."""
    return np.tile(signal, (played.channels, 1)) if played.channels > 1 else np.asarray(signal)


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


def measured_latency(played, p, level):
    """Frames from a soft impulse to the first output that is a fifth of the loudest which the impulse caused."""
    state = level.new_state()
    play(played, p, state, as_planes(np.zeros(RATE_HZ), played), (512,))
    x = np.zeros(RATE_HZ // 4)
    idle = play(played, p, state, as_planes(x, played), (512,))
    state = level.new_state()
    play(played, p, state, as_planes(np.zeros(RATE_HZ), played), (512,))
    x[100] = 0.01
    response = np.abs(play(played, p, state, as_planes(x, played), (512,)) - idle).reshape(played.channels, -1)[0]
    return int(np.argmax(response >= 0.2 * response.max())) - 100


def left_after_tail(played, settings):
    """Largest sample in the tenth of a second after the tail that the block declares; noise before."""
    p, levels = played.build(settings)
    frames = round(played.tail_seconds(p, levels) * RATE_HZ) + 1
    worst = 0.0
    for level in levels:
        state = level.new_state()
        play(played, p, state, as_planes(bursts(RATE_HZ), played), (512,))
        play(played, p, state, as_planes(np.zeros(frames), played), (512,))
        heard = play(played, p, state, as_planes(np.zeros(RATE_HZ // 10), played), (512,))
        worst = max(worst, np.ptp(heard) if played.slimmable else np.abs(heard).max())
    return worst


def heals(played, settings):
    """True if, two seconds after input that is no sound, each level sounds as if it had heard silence instead."""
    p, levels = played.build(settings)
    quarter = RATE_HZ // 4
    poisons = [np.nan, np.inf, -np.inf, 1e30, -3e38]
    well = True
    for level in levels:
        poisoned, clean = level.new_state(), level.new_state()
        for poison in poisons:
            for state, first in ((poisoned, poison), (clean, 0.0)):
                play(played, p, state, as_planes(bursts(2000), played))
                play(played, p, state, as_planes(np.full(70, first), played))
                play(played, p, state, as_planes(np.zeros(quarter), played), (512,))
        heard, expected = (play(played, p, state, as_planes(bursts(4000), played)) for state in (poisoned, clean))
        well &= bool(np.isfinite(heard).all()) and np.abs(heard - expected).max() <= 1e-3 * np.abs(expected).max()
    return well


def loudest_click(played, settings):
    """How much sharper the sharpest corner in a sine is after a knob was turned than with the knob at rest.

    Sharpness is the second difference. Each knob is turned at once from end to end, at several places of the wave.
    """
    worst, fifth = 0.0, RATE_HZ // 5
    for param, is_up, place in product(played.params, (True, False), (0, 27, 54, 82)):
        first, then = (param.low, param.high) if is_up else (param.high, param.low)
        values = {**settings.values, param.name: first}
        p, levels = played.build(type(settings)(values, settings.files, settings.rate))
        at = RATE_HZ + place
        x = 0.25 * np.sin(2 * np.pi * 220 * np.arange(at + RATE_HZ) / RATE_HZ)
        for level in levels:
            state = level.new_state()
            p[param.name] = first
            before = play(played, p, state, as_planes(x[:at], played))
            p[param.name] = then
            after = play(played, p, state, as_planes(x[at:], played))
            heard = np.concatenate([before, after], axis=-1).astype(np.float64).reshape(played.channels, -1)[0]
            sharp = np.abs(np.diff(heard, 2))
            rest = max(sharp[at - fifth : at - 2].max(), sharp[-fifth:].max(), 1e-5)
            worst = max(worst, sharp[at - 2 : at + fifth].max() / rest)
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


def test_after_its_tail_a_block_is_silent(played, settings):
    assert left_after_tail(played, settings) <= SILENCE


def test_what_is_no_sound_does_not_stay(played, settings):
    assert heals(played, settings)


def test_a_turned_knob_does_not_click(played, settings):
    assert loudest_click(played, settings) <= CLICK


def test_a_linked_block_plays_one_channel_as_it_plays_two_alike(played, settings):
    if not played.linked:
        pytest.skip("not linked")
    p, (level,) = played.build(settings)
    alone = play(played, p, level.new_state(), bursts(5000))
    left, right = play(played, p, level.new_state(), np.tile(bursts(5000), (2, 1)))
    assert np.array_equal(left, right)
    assert np.abs(alone - left).max() <= ROUNDING


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
        assert len(levels) > 1 or len(state) > 1 or not any(state[0].tobytes())  # of several, it may name its level
    assert not remembers_elsewhere(played, settings)


def test_a_latency_that_is_declared_is_what_is_measured_and_the_same_at_all_levels(played, settings):
    p, levels = played.build(settings)
    assert len({level.latency for level in levels}) == 1
    if played.files:
        pytest.skip("its file decides when the sound comes")
    for level in levels:
        assert abs(measured_latency(played, p, level) - level.latency) <= 1


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
    assert any(paragraph.startswith(("Source: ", "Sources: ")) for paragraph in played.page)
    for told in (*played.params, *played.readings):
        assert told.help
        assert told.name.isidentifier()
    assert played.tail_seconds(*played.build(settings)) >= 0
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


@planted(params=ONE_KNOB)
def jumps(p, s, x, n):
    for i in range(n):
        x[i] *= p.amount


@planted(state=[("y", "f8")])
def rings_on(p, s, x, n):
    for i in range(n):
        s.y = x[i] + 0.9999 * s.y
        x[i] = s.y


@planted(params=ONE_KNOB, linked=True)
def forgets_that_planes_may_be_one(p, s, left, right, n):
    for i in range(n):
        left[i] *= 0.5
        right[i] *= 0.5


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
    p, (level,) = is_later_than_it_says.build(example_settings(is_later_than_it_says, tmp_path))
    assert measured_latency(is_later_than_it_says, p, level) == 64


def test_a_knob_that_jumps_is_caught(tmp_path):
    assert loudest_click(jumps, example_settings(jumps, tmp_path)) > 2 * CLICK


def test_a_tail_that_is_not_declared_is_caught(tmp_path):
    assert left_after_tail(rings_on, example_settings(rings_on, tmp_path)) > SILENCE


def test_a_memory_that_keeps_what_is_no_sound_is_caught(tmp_path):
    assert not heals(rings_on, example_settings(rings_on, tmp_path))


def test_a_linked_kernel_that_plays_one_plane_twice_is_caught(tmp_path):
    p, (level,) = forgets_that_planes_may_be_one.build(example_settings(forgets_that_planes_may_be_one, tmp_path))
    assert play(forgets_that_planes_may_be_one, p, level.new_state(), np.ones(4))[0] == 0.25


def test_a_reading_of_something_that_the_state_does_not_hold_is_refused():
    with pytest.raises(ValueError, match=r"no state field for the readings \['pitch'\]"):
        planted(readings=[Reading("pitch", "Hz", help="of the string")])(is_good.kernel)


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
    assert left_after_silence(is_good, settings) == left_after_tail(is_good, settings) == 0
    assert loudest_click(is_good, settings) == 0
    p, (level,) = is_good.build(settings)
    assert measured_latency(is_good, p, level) == 0
    assert not remembers_elsewhere(is_good, settings)
    assert wrongs_of(is_good.native) == set()
