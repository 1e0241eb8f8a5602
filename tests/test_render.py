"""File in, file out: the same bits every time, the input's length, the levels that were asked for."""

import numpy as np
import pytest
import soundfile
from blockplay import RATE_HZ, board
from models import tiny_container, with_two_levels_that_play_the_same
from naive import wavenet as twin

from chainrt.chain import Chain
from chainrt.cli import main
from chainrt.nam import levels
from chainrt.render import levels_named, render

ROUNDING = 2e-6  # of the peak: the cabinet adds in another order at the end of a period
MODELS = {"a": tiny_container(seed=1), "b": tiny_container(channels=(2, 3, 4), dilations=(1, 30, 200), seed=7)}
PANNED = """
    - gate:
    - split:
        lanes:
          left: [nam: {model: a.nam}]
          right: [nam: {model: b.nam}]
        mix: {left: {pan: -40 %}, right: {pan: 40 %}}
    - cab: {ir: cab.wav}
    - echo: {time: 30 ms}
"""


def guitar(frames=5000):
    return (0.4 * np.random.default_rng(6).uniform(-1, 1, frames)).astype(np.float32)


@pytest.fixture
def chain_of(tmp_path):
    return lambda text=PANNED, frames=64: Chain(board(tmp_path, text, **MODELS), RATE_HZ, frames)


@pytest.mark.parametrize("swinging", ["chorus:", "vibrato:", "phaser:", "rotary:", "tremolo:", "reverb:"])
def test_what_swings_by_itself_is_at_the_same_moment_at_all_levels_of_an_amp(swinging, tmp_path):
    """So that two files tell what the level does, and nothing else."""
    text, model = f"\n    - nam: {{model: m.nam}}\n    - {swinging}", with_two_levels_that_play_the_same()
    sounds = []
    for level in (0, 1):
        chain = Chain(board(tmp_path, text, m=model), RATE_HZ, 64)
        chain.set_levels([level, len(chain.blocks[1].levels) - 1])
        sounds.append(render(chain, guitar()))
    assert np.array_equal(*sounds)


def test_the_same_chain_and_input_give_the_same_bits(chain_of):
    first, second = (render(chain_of(), guitar()) for _ in range(2))
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert np.ptp(first) > 0.01


@pytest.mark.parametrize("frames", [1, 7, 48, 64, 512, 5000, 8192])
def test_the_period_does_not_change_the_sound(chain_of, frames):
    expected = render(chain_of(), guitar())
    heard = render(chain_of(frames=frames), guitar())
    # one frame a period: the gate has heard silence for a little less long before it is heard
    assert np.abs(heard - expected).max() < (1e-4 if frames in (1, 5000, 8192) else 10 * ROUNDING)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 1000])
def test_the_output_is_as_long_as_the_input(chain_of, length):
    assert render(chain_of(), guitar(length)).shape == (length, 2)
    assert render(chain_of("[drive: ]"), guitar(length)).shape == (length,)


def test_a_longer_input_begins_with_the_same_sound(chain_of):
    assert np.array_equal(render(chain_of(), guitar()[:1000]), render(chain_of(), guitar())[:1000])


def test_it_tells_how_far_it_is(chain_of):
    told = []
    render(chain_of("[drive: ]", frames=1), guitar(2000), lambda *news: told.append(news))
    done, totals = zip(*told, strict=True)
    assert done[-1] == 2000
    assert list(done) == sorted(set(done))
    assert len(done) > 1
    assert set(totals) == {2000}


# -- levels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("everywhere", "single", "expected"),
    [
        (None, {}, [0, 1, 2, 0, 0]),
        ("lite", {}, [0, 0, 0, 0, 0]),
        ("full", {}, [0, 1, 2, 0, 0]),
        ("1", {}, [0, 1, 1, 0, 0]),
        ("0", {"right.nam": "ch3"}, [0, 0, 1, 0, 0]),
        (None, {"left.nam": "lite"}, [0, 0, 2, 0, 0]),
        (None, {"right.nam": "0", "gate": "full"}, [0, 1, 0, 0, 0]),
    ],
)
def test_levels_are_named_by_name_by_index_and_by_block(chain_of, everywhere, single, expected):
    assert levels_named(chain_of(), everywhere, single) == expected


@pytest.mark.parametrize(
    ("everywhere", "single", "message"),
    [
        ("ch9", {}, r"no level 'ch9'; allowed are lite \(0\), full \(1\)"),
        (None, {"right.nam": "3"}, r"no level '3'; allowed are ch2 \(0\), ch3 \(1\), full \(2\)"),
        (None, {"middle.nam": "lite"}, "no block 'middle.nam'; there are gate, left.nam, right.nam, cab, echo"),
        (None, {"gate": "1"}, r"no level '1'; allowed are full \(0\)"),
    ],
)
def test_a_level_or_block_that_is_not_there_is_told_with_those_that_are(chain_of, everywhere, single, message):
    with pytest.raises(ValueError, match=message):
        levels_named(chain_of(), everywhere, single)


def test_without_a_word_the_largest_level_that_the_preset_allows_is_played(chain_of):
    chain = chain_of("[nam: {model: b.nam, slim: {max: ch3}}]")
    assert levels_named(chain, None, {}) == [1]
    assert levels_named(chain, "full", {}) == [2]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_level_sounds_like_its_own_network(chain_of, tmp_path, level):
    chain = chain_of("[nam: {model: b.nam}]")
    chain.set_levels([level])
    expected = twin(levels.load(tmp_path / "b.nam").levels[level].network, guitar())
    assert np.abs(render(chain, guitar()) - expected).max() < ROUNDING * np.abs(expected).max()


# -- the command ------------------------------------------------------------------------------------------------


def test_the_command_writes_what_render_makes_bit_for_bit(chain_of, tmp_path):
    chain = chain_of()
    chain.set_levels([0, 0, 1, 0, 0])
    expected = render(chain, guitar(1234))
    soundfile.write(tmp_path / "in.wav", guitar(1234), RATE_HZ, subtype="FLOAT")
    files = [str(tmp_path / name) for name in ("board.yaml", "in.wav", "out.wav")]
    assert main(["render", *files, "--slim", "0", "--slim", "right.nam=ch3"]) == 0
    heard, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE_HZ
    assert np.array_equal(heard, expected)
    first = (tmp_path / "out.wav").read_bytes()
    assert main(["render", *files, "--slim", "lite", "--slim", "right.nam=1"]) == 0
    assert (tmp_path / "out.wav").read_bytes() == first
