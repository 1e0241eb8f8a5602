"""A preset becomes planes, records and a program: what comes out is what the blocks alone make of it, mixed by hand."""

import gc
import json
from itertools import product

import numpy as np
import pytest
from blockplay import RATE_HZ, board, late_by, planted, play
from models import tiny_container, tiny_sliced, tiny_wavenet
from naive import board as twin

from chainrt.block import BLOCKS, Settings
from chainrt.chain import Chain, pan_gains
from chainrt.errors import PresetError
from chainrt.layout import DELAY
from chainrt.performance import Performance
from chainrt.render import render

ROUNDING = 2e-6  # of the peak: the twin mixes in float64
FRAMES = 64
AMPS = {"a": tiny_container(seed=1), "b": tiny_container(channels=(2, 3, 4), dilations=(1, 30, 200), seed=7)}


def chain_of(folder, text, documents=AMPS, frames=FRAMES) -> Chain:
    return Chain(board(folder, text, **documents), RATE_HZ, frames)


def guitar(frames=4000):
    random = np.random.default_rng(2)
    return (random.uniform(-1, 1, frames) * np.repeat(random.uniform(0, 0.5, frames // 80), 80)).astype(np.float32)


def by_hand(chain: Chain, signal):
    """Each block alone, after as much silence as the chain has heard, and mixed; (frames,) or (2, frames)."""

    def play_alone(spec, plane):
        p, levels = BLOCKS[spec.kind].build(Settings(spec.values, spec.files, RATE_HZ))
        state = levels[-1].new_state()
        play(BLOCKS[spec.kind], p, state, np.zeros(max(1, levels[-1].memory)))
        return play(BLOCKS[spec.kind], p, state, plane)

    silence = np.zeros(chain.settling_periods * chain.frames)
    planes = twin(chain.preset.chain, [np.concatenate([silence, signal])], play_alone)
    return np.array([plane[len(silence) :] for plane in planes]).squeeze()


# -- the sound --------------------------------------------------------------------------------------------------

IN_A_ROW = """
    - gate: {threshold: -40 dB}
    - drive: {drive: 20 dB}
    - nam: {model: a.nam, input: 3 dB}
    - cab: {ir: cab.wav}
"""
SIDE_BY_SIDE = """
    - drive: {drive: 6 dB}
    - split:
        lanes:
          left: [nam: {model: a.nam}]
          dry:
          right: [drive: , nam: {model: b.nam, output: -3 dB}]
        mix:
          left: {level: -2 dB}
          right: {level: -7 dB}
    - cab: {ir: cab.wav}
"""
PANNED = SIDE_BY_SIDE.replace("-2 dB}", "-2 dB, pan: -45 %}").replace("-7 dB}", "1 dB, pan: 80 %}")
NESTED = """
    - split:
        lanes:
          one:
            - drive:
            - split:
                lanes:
                  in: [nam: {model: a.nam}]
                  through: []
                mix: {in: {pan: 100 %}, through: {level: -6 dB, pan: -30 %}}
            - cab: {ir: cab.wav}
          two: [nam: {model: b.nam}]
          three: []
        mix:
          one: {pan: 25 %}
          two: {pan: -60 %, level: 3 dB}
    - drive: {drive: 10 dB}
    - split:
        lanes: {near: [cab: {ir: cab.wav}], far: [echo: {time: 20 ms, mix: 100 %}], same: }
        mix: {near: {pan: -50 %}, far: {pan: 70 %, level: -9 dB}}
"""
LATE_AND_INVERTED = NESTED.replace("pan: 25 %}", "pan: 25 %, delay: 1.3 ms}").replace(
    "level: 3 dB}", "level: 3 dB, invert: true, delay: 30 ms}"
)
BOARDS = {"row": IN_A_ROW, "split": SIDE_BY_SIDE, "panned": PANNED, "nested": NESTED, "late": LATE_AND_INVERTED}


@pytest.mark.parametrize("text", BOARDS.values(), ids=BOARDS)
def test_a_chain_sounds_like_its_blocks_alone_mixed_by_hand(tmp_path, text):
    chain, signal = chain_of(tmp_path, text), guitar()
    expected = by_hand(chain, signal)
    heard = render(chain, signal).T
    assert heard.shape == expected.shape
    assert np.ptp(expected) > 0.01
    assert np.abs(heard - expected).max() < ROUNDING * np.abs(expected).max()


@pytest.mark.parametrize(
    ("before", "after"),
    [("-2 dB", "-2.1 dB"), ("pan: -45 %", "pan: -46 %"), ("pan: 80 %", "pan: -80 %"), ("left: [", "left: [drive: , ")],
)
def test_a_mix_that_differs_a_little_from_the_one_made_by_hand_is_noticed(tmp_path, before, after):
    chain, signal = chain_of(tmp_path, PANNED), guitar()
    expected = by_hand(chain, signal)
    heard = render(chain_of(tmp_path, PANNED.replace(before, after)), signal).T
    assert np.abs(heard - expected).max() > 1e-3 * np.abs(expected).max()


def test_a_mono_chain_stays_mono_and_a_panned_lane_makes_it_stereo(tmp_path):
    mono, stereo = chain_of(tmp_path, SIDE_BY_SIDE), chain_of(tmp_path, PANNED)
    assert (mono.channels, stereo.channels) == (1, 2)
    assert render(mono, guitar(640)).shape == (640,)
    assert render(stereo, guitar(640)).shape == (640, 2)
    assert mono.block_records["channels"].tolist() == [1] * 5
    assert stereo.block_records["channels"].tolist() == [1, 1, 1, 1, 2]  # the cabinet hears both sides


def test_in_a_stereo_stretch_each_channel_has_a_state_of_its_own(tmp_path):
    text = """
    - split:
        lanes: {dry: , drive: [drive: {drive: 30 dB}]}
        mix: {dry: {pan: -100 %}, drive: {pan: 100 %}}
    - nam: {model: a.nam}
    """
    heard = render(chain_of(tmp_path, text), guitar())
    loud = np.float32(np.sqrt(2))
    amp, driven = chain_of(tmp_path, "[nam: {model: a.nam}]"), chain_of(tmp_path, "[drive: {drive: 30 dB}]")
    left = render(amp, loud * guitar())
    right = render(chain_of(tmp_path, "[nam: {model: a.nam}]"), loud * render(driven, guitar()))
    assert np.abs(heard[:, 0] - left).max() < ROUNDING * np.abs(left).max()
    assert np.abs(heard[:, 1] - right).max() < 10 * ROUNDING * np.abs(right).max()  # drive idles before it is heard


def test_two_empty_lanes_are_twice_the_dry_sound(tmp_path):
    chain = chain_of(tmp_path, "[split: {lanes: {a: , b: }}]")
    assert np.array_equal(render(chain, guitar()), 2 * guitar())


def test_a_lane_and_its_inverted_twin_are_silence_and_a_late_twin_is_an_echo(tmp_path):
    silence = render(chain_of(tmp_path, "[split: {lanes: {a: , b: }, mix: {b: {invert: true}}}]"), guitar())
    assert not silence.any()
    late = chain_of(tmp_path, "[split: {lanes: {a: , b: }, mix: {b: {delay: 10 ms}}}]")
    assert np.array_equal(render(late, guitar()), guitar() + np.pad(guitar(), (480, 0))[:-480])
    assert late.latency == 0


def test_a_tempo_that_is_tapped_turns_the_knobs_that_are_set_in_notes(tmp_path):
    chain = chain_of(tmp_path, "[echo: {time: 1/8., mix: 50 %}, tremolo: {speed: 1/4}, echo: {time: 100 ms}]")
    assert [float(chain.blocks[i].knobs[knob]) for i, knob in enumerate(("time", "speed", "time"))] == [375, 2, 100]
    chain.set_tempo(60)
    assert [float(chain.blocks[i].knobs[knob]) for i, knob in enumerate(("time", "speed", "time"))] == [750, 1, 100]
    assert float(chain.blocks[0].knobs["mix"]) == 50


@pytest.mark.parametrize(
    ("percent", "mono", "stereo"),
    [
        (-100, (1.41421356, 0), (1, 0)),
        (-50, (1.30656296, 0.54119610), (1, 0.5)),
        (0, (1, 1), (1, 1)),
        (50, (0.54119610, 1.30656296), (0.5, 1)),
        (100, (0, 1.41421356), (0, 1)),
    ],
)
def test_panning_keeps_the_power_of_a_mono_lane_and_turns_down_the_far_side_of_a_stereo_one(percent, mono, stereo):
    assert pan_gains(percent, is_stereo=False) == pytest.approx(mono, abs=1e-8)
    assert pan_gains(percent, is_stereo=True) == pytest.approx(stereo, abs=1e-8)
    assert sum(gain**2 for gain in pan_gains(percent, is_stereo=False)) == pytest.approx(2)


@planted(channels=2, state=[("last", "f4")])
def widen(p, s, left, right, n):
    for i in range(n):
        both = left[i] + right[i]
        left[i], right[i] = both + s.last, both - s.last
        s.last = both


def test_a_stereo_block_in_a_mono_chain_hears_the_same_on_both_sides_and_makes_it_stereo(tmp_path, monkeypatch):
    monkeypatch.setitem(BLOCKS, "widen", widen)
    chain = chain_of(tmp_path, "[widen: , widen: ]")
    both = 2 * guitar().astype(float)
    before = np.concatenate([[0], both[:-1]])
    again = 2 * both  # left + right of the first
    expected = again + np.concatenate([[0], again[:-1]]), again - np.concatenate([[0], again[:-1]])
    assert chain.channels == 2
    assert np.abs(render(chain, guitar()).T - expected).max() < 1e-6
    once = render(chain_of(tmp_path, "[widen: ]"), guitar()).T
    assert np.abs(once - (both + before, both - before)).max() < 1e-6


def test_what_a_block_finds_out_can_be_read_from_the_chain(tmp_path):
    chain = chain_of(tmp_path, "[tuner, gain]", documents={})
    assert chain.readings(0) == {"pitch": 0, "clarity": 0}
    render(chain, 0.5 * np.sin(2 * np.pi * 110 * np.arange(RATE_HZ) / RATE_HZ))
    assert chain.readings(0)["pitch"] == pytest.approx(110, rel=1e-3)
    assert chain.readings(1) == {}


def test_a_linked_block_leaves_a_mono_chain_mono_and_plays_both_channels_of_a_stereo_one_alike(tmp_path):
    (tmp_path / "mono").mkdir()
    mono = chain_of(tmp_path / "mono", "- limiter: {input: 20 dB}", documents={})
    heard = render(mono, guitar())
    p, (level,) = BLOCKS["limiter"].build(Settings({"input": 20}, {}, RATE_HZ))
    alone = play(BLOCKS["limiter"], p, level.new_state(), np.concatenate([guitar(), np.zeros(level.latency)]))
    assert heard == pytest.approx(alone[level.latency :], abs=ROUNDING)
    text = """
        - split:
            lanes: {l: , r: }
            mix: {l: {pan: -100}, r: {pan: 50}}
        - limiter: {input: 20 dB}
        """
    left, right = render(chain_of(tmp_path, text, documents={}), guitar()).T
    (l_left, _), (r_left, r_right) = pan_gains(-100, is_stereo=False), pan_gains(50, is_stereo=False)
    assert left * r_right == pytest.approx(right * (l_left + r_left), abs=1e-5)


def test_a_block_that_is_switched_off_costs_nothing_and_cannot_be_heard(tmp_path):
    off = PANNED.replace("right: [drive: ,", "right: [drive: {enabled: false},")
    without = PANNED.replace("right: [drive: ,", "right: [")
    one, other = chain_of(tmp_path, off), chain_of(tmp_path, without)
    assert len(one.blocks) == len(other.blocks) == 4
    assert one.engine["step_count"] == other.engine["step_count"]
    assert np.array_equal(render(one, guitar()), render(other, guitar()))


def test_with_all_blocks_switched_off_the_sound_passes_untouched(tmp_path):
    chain = chain_of(tmp_path, "- drive: {enabled: false}\n- nam: {model: a.nam, enabled: no}")
    assert chain.blocks == []
    assert chain.engine["step_count"] == 0
    assert np.array_equal(render(chain, guitar()), guitar())


def test_the_chain_owns_all_that_the_engine_points_to(tmp_path):
    expected = render(chain_of(tmp_path, NESTED), guitar())
    chain = chain_of(tmp_path, NESTED)
    gc.collect()
    rubbish = [np.full(size, 1e30, np.float32) for size in (16, 64, 100, 300, 1000, 5000) for _ in range(50)]
    assert np.array_equal(render(chain, guitar()), expected)
    assert rubbish[0][0] == np.float32(1e30)


# -- latency ----------------------------------------------------------------------------------------------------


LATE, LATER = late_by(5), late_by(200)


@pytest.fixture
def lateness(monkeypatch):
    monkeypatch.setitem(BLOCKS, "late", LATE)
    monkeypatch.setitem(BLOCKS, "later", LATER)


def response(chain: Chain, frames=600):
    """What becomes of an impulse: (frames,) or (2, frames), latency and all."""
    impulse = np.zeros(chain.frames * -(-frames // chain.frames), np.float32)
    impulse[0] = 1
    performance = Performance(chain, impulse, len(impulse))
    performance.play(len(impulse) // chain.frames)
    return performance.output.T[..., :frames]


LATE_LANES = """
    - late:
    - split:
        lanes:
          dry:
          once: [late: ]
          deep:
            - split: {lanes: {a: , b: [late: , later: ], c: [late: ]}}
            - late:
        mix: {once: {pan: -100 %}, deep: {level: -6.0206 dB, pan: 100 %}}
    - late: {enabled: false}
"""


@pytest.mark.parametrize("frames", [1, 7, 64, 512])
def test_lanes_that_lag_are_matched_by_the_others_and_the_chain_declares_what_it_lags(tmp_path, lateness, frames):
    chain = chain_of(tmp_path, LATE_LANES, frames=frames)
    assert chain.latency == 5 + 5 + 200 + 5
    heard = response(chain)
    assert [np.flatnonzero(side).tolist() for side in heard] == [[chain.latency]] * 2
    assert heard[:, chain.latency] == pytest.approx([1 + np.sqrt(2), 1 + 3 / 2 * np.sqrt(2)], rel=1e-5)


LATENT = [
    kind
    for kind, declared in sorted(BLOCKS.items())
    if not declared.files and declared.build(Settings({}, {}, RATE_HZ))[1][-1].latency > 0
]

STILL = {"vibrato": "{depth: 0}"}
"""Settings with which a block that moves stands where its latency is declared: in the middle."""


@pytest.mark.parametrize("kinds", [*((kind,) for kind in LATENT), LATENT], ids="+".join)
def test_an_impulse_through_real_blocks_is_as_late_as_the_chain_says(tmp_path, kinds):
    """One frame more or less for each: what interpolates or filters has no sharp beginning."""
    text = "\n".join(f"- {kind}: {STILL.get(kind, '')}" for kind in kinds)
    chain = chain_of(tmp_path, text)
    assert chain.latency == sum(block.latency for block in chain.blocks) > 0
    idle, impulse = np.zeros((2, 4096), np.float32)
    impulse[0] = 0.01
    sounds = []
    for signal in (idle, impulse):
        performance = Performance(chain_of(tmp_path, text), signal, len(signal))
        performance.play(len(signal) // chain.frames)
        sounds.append(performance.output.reshape(len(signal), -1)[:, 0])
    heard = np.abs(sounds[1] - sounds[0])
    assert abs(int(np.argmax(heard >= 0.2 * heard.max())) - chain.latency) <= len(kinds)


def test_a_chain_without_latency_has_no_delays(tmp_path):
    chain = chain_of(tmp_path, NESTED)
    assert chain.latency == 0
    assert DELAY not in {kind for kind, *_ in chain._steps}


@pytest.mark.parametrize("frames", [1, 64, 512])
def test_a_rendered_file_has_no_latency_and_keeps_its_length(tmp_path, lateness, frames):
    text = "[split: {lanes: {dry: , wet: [later: ]}}, drive: {drive: 20 dB}]"
    dry = "[split: {lanes: {dry: , wet: }}, drive: {drive: 20 dB}]"
    expected = render(chain_of(tmp_path, dry, frames=frames), guitar())
    heard = render(chain_of(tmp_path, text, frames=frames), guitar())
    assert heard.shape == guitar().shape
    assert np.abs(heard - expected).max() < ROUNDING * np.abs(expected).max()


# -- before it is heard -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 64, 512])
def test_a_chain_has_heard_silence_at_all_levels_before_it_is_heard(tmp_path, frames):
    """Two amps in a row: what the second one hears in silence depends on the level of the first."""
    chain = chain_of(tmp_path, "[nam: {model: a.nam}, nam: {model: b.nam}, cab: {ir: cab.wav}]", frames=frames)
    starts = set()
    for levels in product(range(2), range(3), [0]):
        chain.set_levels(levels)
        periods = -(-3000 // frames)
        performance = Performance(chain, np.zeros(frames, np.float32), periods * frames)
        performance.play(periods)
        assert np.ptp(performance.output) < 1e-7, levels
        starts.add(float(performance.output[0]))
        chain.rewind()
    assert len(starts) == 6
    assert max(map(abs, starts)) > 0.001


def test_a_chain_begins_with_all_counters_at_zero_and_its_largest_levels(tmp_path):
    chain = chain_of(tmp_path, "[nam: {model: a.nam}, nam: {model: b.nam, slim: {max: 1}}]")
    for counter in ("periods", "misses", "unavoidable", "miss_run", "longest_miss_run", "posted", "taken", "now_ns"):
        assert chain.engine[counter] == 0, counter
    for name in ("audible", "wanted", "target"):
        assert chain.block_records[name].tolist() == [1, 1]
    assert chain.block_records["warm"].tolist() == [-1, -1]
    assert chain.block_records["replay"].tolist() == [0, 0]
    chain.set_levels((0, 1))
    assert chain.block_records["audible"].tolist() == [0, 1]
    assert chain.engine["periods"] == 0
    for levels in chain.level_records:
        assert (levels["fresh"] == levels["memory"]).all()


def test_levels_can_be_set_on_a_chain_that_was_simulated(tmp_path):
    chain = chain_of(tmp_path, "[nam: {model: a.nam}]")
    chain.engine["virtual"] = chain.engine["silent"] = 1  # and no weather: an engine that believed it would crash
    chain.set_levels([0])
    assert (chain.engine["virtual"], chain.engine["silent"]) == (1, 1)
    assert chain.block_records["audible"].tolist() == [0]


# -- levels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slim", "allowed"),
    [
        ("auto", (0, 1, 2)),
        ("full", (2,)),
        ("lite", (0,)),
        ("ch2", (0,)),
        ("ch3", (1,)),
        ("1", (1,)),
        ("{min: 1}", (1, 2)),
        ("{max: ch3}", (0, 1)),
        ("{min: lite, max: full}", (0, 1, 2)),
        ("{min: ch3, max: 1}", (1,)),
    ],
)
def test_slim_permits_the_levels_it_names(tmp_path, slim, allowed):
    chain = chain_of(tmp_path, f"- nam: {{model: b.nam, slim: {slim}}}")
    assert chain.blocks[0].level_names == ("ch2", "ch3", "full")
    assert chain.blocks[0].allowed == allowed
    assert chain.block_records["audible"].tolist() == [allowed[-1]]


def test_lite_and_full_are_the_ends_of_any_model(tmp_path):
    models = {"two": tiny_container(), "slices": tiny_sliced(), "one": tiny_wavenet()}
    names = {"two": ("lite", "full"), "slices": ("ch1", "ch2", "full"), "one": ("full",)}
    for model, levels in names.items():
        (block,) = chain_of(tmp_path, f"- nam: {{model: {model}.nam}}", models).blocks
        assert block.level_names == levels
        assert block.level_index("lite") == block.level_index(0) == 0
        assert block.level_index("full") == block.level_index(str(len(levels) - 1)) == len(levels) - 1


@pytest.mark.parametrize("wanted", ["ch9", "3", 3, "-1", "²", "", "Full"])
def test_a_level_that_is_not_there_is_told_with_those_that_are(tmp_path, wanted):
    (block,) = chain_of(tmp_path, "- nam: {model: b.nam}").blocks
    with pytest.raises(ValueError, match=r"no level .*; allowed are ch2 \(0\), ch3 \(1\), full \(2\)"):
        block.level_index(wanted)


# -- faults -----------------------------------------------------------------------------------------------------


def faults_of(folder, text, documents=AMPS, rate=RATE_HZ):
    preset = board(folder, text, **documents)
    with pytest.raises(PresetError) as caught:
        Chain(preset, rate, FRAMES)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("slim", "message"),
    [
        ("ch9", "no level 'ch9'; allowed are ch2 (0), ch3 (1), full (2)"),
        ("3", "no level 3; allowed are ch2 (0), ch3 (1), full (2)"),
        ("{min: full, max: ch2}", "min 'full' is a larger level than max 'ch2'"),
        ("{min: tiny}", "no level 'tiny'; allowed are ch2 (0), ch3 (1), full (2)"),
    ],
)
def test_a_level_that_a_model_does_not_have_is_told_by_line_and_path(tmp_path, slim, message):
    text = f"- drive:\n- nam: {{model: b.nam, slim: {slim}}}"
    assert faults_of(tmp_path, text) == [f"board.yaml:5: chain[1].nam.slim: {message}"]


def test_a_damaged_model_is_told_where_the_preset_asks_for_it(tmp_path):
    damaged = tiny_wavenet()
    damaged["weights"].pop()
    (fault,) = faults_of(tmp_path, "- drive:\n\n- nam: {model: damaged.nam}", {"damaged": damaged})
    assert fault.startswith("board.yaml:6: chain[1].nam: damaged.nam: weights: ")
    assert "but the configuration needs" in fault


def test_a_model_of_an_impossible_sample_rate_is_told_with_both_rates(tmp_path):
    (fault,) = faults_of(tmp_path, "- nam: {model: a.nam}", rate=44_099)
    assert fault.startswith("board.yaml:4: chain[0].nam: a.nam: sample_rate: ")
    assert "48000 Hz" in fault
    assert "44099 Hz" in fault


def test_all_faults_of_all_blocks_are_told_at_once_in_the_order_of_the_chain(tmp_path):
    damaged = {**tiny_wavenet(), "architecture": "Valve"}
    text = """
    - nam: {model: damaged.nam}
    - split:
        lanes:
          one: [nam: {model: b.nam, slim: 5}]
          two: [drive: , nam: {model: damaged.nam}]
    - nam: {model: damaged.nam, enabled: false}
    - nam: {model: a.nam, slim: {min: 9}}
    """
    faults = faults_of(tmp_path, text, {**AMPS, "damaged": damaged})
    places = [
        "board.yaml:4: chain[0].nam: ",
        "board.yaml:7: chain[1].split.lanes.one[0].nam.slim: ",
        "board.yaml:8: chain[1].split.lanes.two[1].nam: ",
        "board.yaml:10: chain[3].nam.slim: ",
    ]
    assert len(faults) == len(places)
    for fault, place in zip(faults, places, strict=True):
        assert fault.startswith(place)
        assert "\n" not in fault


def test_a_text_that_is_no_model_at_all_is_one_line(tmp_path):
    preset = board(tmp_path, "- nam: {model: a.nam}", a={})
    (tmp_path / "a.nam").write_text("hello", "utf-8")
    with pytest.raises(PresetError) as caught:
        Chain(preset, RATE_HZ, FRAMES)
    assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "a.nam").write_text(json.dumps(AMPS["a"]), "utf-8")
    assert len(Chain(preset, RATE_HZ, FRAMES).blocks) == 1
