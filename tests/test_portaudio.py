"""Sound cards: which there are, and playing through one. Live tests use JACK's dummy driver, or skip.

What is asked of a live stream is that it plays, not that it is never late: that is the machine's business.
"""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from jack import jack_devices, jack_server, stop  # noqa: F401 (the first is the fixture `jack`)
from pedalboards import chainrt, pedalboard
from test_session import board_of, wait_for

from chainrt import portaudio
from chainrt.chain import Chain
from chainrt.errors import DeviceError
from chainrt.pair import Pair
from chainrt.portaudio import Device, SoundCard, choose
from chainrt.render import render
from chainrt.scheduler import Fixed
from chainrt.session import Session

FRAMES = 64


# -- which there are --------------------------------------------------------------------------------------------


def device(index, name, host="ALSA", inputs=2, outputs=2, default=False):
    return Device(index, name, host, inputs, outputs, RATE_HZ, 0.001, 0.002, default, default)


@pytest.fixture
def shelf(monkeypatch):
    """A machine with some devices."""
    found = [
        device(0, "HDA Intel: Analog"),
        device(1, "Scarlett Solo", default=True),
        device(2, "HDMI", inputs=0),
        device(3, "pipewire"),
        device(4, "system", "JACK Audio Connection Kit", default=True),
        device(5, "Speakers", "Windows WASAPI", inputs=0, default=True),
    ]
    monkeypatch.setattr(portaudio, "devices", lambda: found)
    return found


@pytest.mark.parametrize(
    ("host", "input_name", "output_name", "expected"),
    [
        (None, None, None, (1, 1)),
        ("alsa", None, None, (1, 1)),
        ("alsa", "HDA", "hdmi", (0, 2)),
        (None, "1", "0", (1, 0)),
        ("jack", None, None, (4, 4)),
        ("pipewire", None, None, (3, 3)),
        ("wasapi", None, None, (None, 5)),
        (None, None, "system", (4, 4)),
    ],
)
def test_devices_are_chosen_by_host_by_name_by_number_or_by_default(shelf, host, input_name, output_name, expected):
    assert tuple(each and each.index for each in choose(host, input_name, output_name)) == expected


def test_an_input_is_not_opened_when_it_is_not_needed(shelf):
    assert choose(None, None, None, needs_input=False) == (None, shelf[1])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((None, None, "Fender"), "--out: 'Fender' is not one of 0 'HDA Intel: Analog', 1 'Scarlett Solo'"),
        ((None, None, "HD"), "--out: 'HD' is more than one of 0 'HDA Intel: Analog', 2 'HDMI'"),
        ((None, "HDMI", None), "--in: 'HDMI' is not one of"),
        (("asio", None, None), "no device of host asio; hosts with devices: ALSA, JACK"),
        (("wasapi", "Speakers", None), "--in: there is no such device; see chainrt devices"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(shelf, names, told):
    with pytest.raises(DeviceError, match=told):
        choose(*names)


def test_without_portaudio_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # as if it could not be imported
    with pytest.raises(DeviceError, match="install libportaudio2"):
        portaudio.devices()


def test_devices_are_listed_for_people_and_for_programs(shelf, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    listed = chainrt(capsys, "devices")
    assert listed.status == 0
    assert "Scarlett Solo (default in and out)" in listed.out
    answer = json.loads(chainrt(capsys, "devices", "--json").out)
    assert [each["name"] for each in answer["devices"]] == [each.name for each in shelf]
    assert answer["devices"][2] == {
        "index": 2, "name": "HDMI", "host": "ALSA", "inputs": 0, "outputs": 2, "rate": RATE_HZ,
        "input_latency_s": 0.001, "output_latency_s": 0.002, "is_default_input": False, "is_default_output": False,
    }  # fmt: skip


def test_a_machine_without_sound_lists_nothing_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(portaudio, "devices", list)
    assert chainrt(capsys, "devices").out == "No sound card found. chainrt run then plays by the clock.\n"
    assert json.loads(chainrt(capsys, "devices", "--json").out) == {"devices": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--host", "tape"), "--host: no host 'tape'; there are jack, alsa"),
        (("--host", "clock", "--in", "Scarlett"), "--host: the clock has no devices; leave --in and --out out"),
        (("--riff", "--input", "guitar.wav"), "--riff: not together with --input"),
        (
            ("--host", "alsa", "--output", "out.wav"),
            "--output: say with --seconds how much of the guitar is to be kept",
        ),
        (("--out", "Fender", "--host", "alsa"), "--out: 'Fender' is not one of"),
    ],
)
def test_what_cannot_be_played_so_is_refused_before_anything_is_opened(shelf, capsys, tmp_path, arguments, told):
    folder = pedalboard(tmp_path)
    arguments = [str(folder / word) if word.endswith(".wav") else word for word in arguments]
    answer = chainrt(capsys, "run", folder / "preset.yaml", *arguments)
    assert answer.status == 2
    (fault,) = answer.faults
    assert fault.startswith(told)


def test_what_is_asked_of_sounddevice_is_still_there():
    """A new sounddevice that changes the door for library authors shows up here, and then in the fallback's note."""
    sounddevice = portaudio_or_skip()
    taken = inspect.signature(sounddevice._StreamBase.__init__).parameters
    assert {"kind", "samplerate", "blocksize", "device", "channels", "dtype", "latency", "callback", "userdata"} <= set(
        taken
    )
    assert issubclass(sounddevice.RawStream, sounddevice._StreamBase)


def portaudio_or_skip():
    try:
        return portaudio.library()
    except DeviceError as error:
        pytest.skip(str(error))


# -- playing through one ----------------------------------------------------------------------------------------


@pytest.fixture
def chain_of(tmp_path):
    return lambda: Chain(board(tmp_path, "[drive: , cab: {ir: cab.wav}]"), RATE_HZ, FRAMES)


def guitar(frames=20_000):
    return (0.3 * np.random.default_rng(1).uniform(-1, 1, frames)).astype(np.float32)


def session_of(chain, card):
    return Session(board_of(chain, Fixed((0, 0))), card, 0.7)


def test_a_card_plays_what_the_chain_plays_offline_from_a_thread_that_is_not_pythons(jack, chain_of):
    chain = chain_of()
    card = SoundCard(chain, None, jack[1], source=guitar(), kept_frames=RATE_HZ, most_frames=RATE_HZ)
    session = session_of(chain, card)
    session.play()
    assert card.played_s >= 1
    assert np.array_equal(card.output, render(chain_of(), np.resize(guitar(), RATE_HZ)))
    assert portaudio.FALLBACK not in card.notes
    if sys.platform == "linux":
        assert card.stage["thread"] not in (0, os.getpid())
    assert chain.engine["periods"] == int(card.stage["done"]) // FRAMES
    seen = session.snapshot()
    assert (seen.clock, seen.device, seen.xruns) == ("audio", card.text, card.flags["output_underflows"])
    assert seen.periods == session.board.control.meters.load_ns.count + seen.lost_periods


def test_the_guitar_comes_in_through_the_card(jack, chain_of):
    chain = chain_of()
    card = SoundCard(chain, *jack, kept_frames=4800)
    with session_of(chain, card):
        wait_for(lambda: card.played_s > 0.2)
        assert card.text == "JACK Audio Connection Kit: system -> system"
        assert len(card.latency_s) == 2
    assert card.flags["without_input"] == 0
    assert not card.output.any()  # nothing is plugged into the dummy
    assert not card.is_playing


def test_a_second_core_plays_beside_the_card(jack, tmp_path):
    """A gain remembers nothing, so what is heard does not depend on which of the two was in time."""
    pair = Pair(Chain(board(tmp_path, "[gain: {level: -6 dB}]"), RATE_HZ, FRAMES))
    card = SoundCard(pair.understudy, None, jack[1], source=guitar(), kept_frames=9600, most_frames=9600)
    session = Session(replace(board_of(pair.lead, Fixed((0,))), pair=pair), card, 0.7)
    session.play()
    alone = render(Chain(pair.lead.preset, RATE_HZ, FRAMES), np.resize(guitar(), 9600))
    assert np.array_equal(card.output[pair.late :], alone[: -pair.late])
    assert pair._record["taken"] > 0


def test_a_busy_python_does_not_stop_a_compiled_callback(jack, chain_of):
    """The interpreter's lock is held for a second; about 750 callbacks come meanwhile, and a Python one would not."""
    import ctypes

    chain = chain_of()
    card = SoundCard(chain, None, jack[1], source=guitar())
    with session_of(chain, card):
        wait_for(lambda: card.played_s > 0.1)
        before = int(card.stage["callbacks"])
        ctypes.PyDLL(None).usleep(1_000_000)  # PyDLL does not let go of the lock
        assert int(card.stage["callbacks"]) - before > 375


def test_a_sounddevice_that_takes_no_compiled_callback_is_played_through_python_and_says_so(
    jack,
    chain_of,
    monkeypatch,
):
    sounddevice = portaudio.library()

    opened = sounddevice._StreamBase.__init__

    def changed(self, kind, **settings):
        if "userdata" in settings:
            raise TypeError("unexpected keyword argument 'userdata'")
        opened(self, kind, **settings)

    monkeypatch.setattr(sounddevice._StreamBase, "__init__", changed)
    for devices in ((None, jack[1]), jack):
        chain = chain_of()
        card = SoundCard(chain, *devices, source=guitar(), kept_frames=4800, most_frames=4800)
        session = session_of(chain, card)
        session.play()
        assert np.array_equal(card.output, render(chain_of(), guitar(4800)))
        assert portaudio.FALLBACK in session.snapshot().notes


def test_a_rate_that_the_card_does_not_have_is_told_with_the_one_it_has(jack, tmp_path):
    chain = Chain(board(tmp_path, "[drive: ]"), 44_100, FRAMES)
    with pytest.raises(DeviceError, match="cannot play at 44,100 Hz; its own rate is --rate 48000"):
        SoundCard(chain, *jack).start()


def chainrt_run(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "CHAINRT_HOST"}
    return subprocess.Popen(
        [sys.executable, "-m", "chainrt", "run", "preset.yaml", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` may have it ignored
    )


def test_run_plays_live_where_there_is_a_card_until_control_c(jack, tmp_path):
    playing = chainrt_run(pedalboard(tmp_path), "--json", "report.json")
    try:
        first = [playing.stdout.readline() for _ in range(2)]
        time.sleep(0.5)
        playing.send_signal(signal.SIGINT)
        out, err = playing.communicate(timeout=20)
    finally:
        playing.kill()
    assert playing.returncode == 130, err
    assert first[1] == "Playing from system through system (JACK Audio Connection Kit). Ctrl-C ends it.\n"
    assert "Stopped after " in out
    answer = json.loads((tmp_path / "report.json").read_text())
    assert (answer["clock"], answer["device"]) == ("audio", "JACK Audio Connection Kit: system -> system")
    assert answer["periods"] > 0
    assert answer["card"]["without_input"] == 0
    assert 0 < answer["card"]["output_latency_ms"] < 100
    assert re.search(r"^latency [0-9.]+ ms: input [0-9.]+, chain 0.0, output [0-9.]+$", out, re.MULTILINE)


def test_a_card_that_goes_away_ends_the_program_with_the_report_and_the_reason(tmp_path):
    with jack_server(f"chainrt-lost-{os.getpid()}") as server:
        playing = chainrt_run(pedalboard(tmp_path), "--host", "jack")
        try:
            assert "Playing from system" in playing.stdout.readline() + playing.stdout.readline()
            time.sleep(0.5)
            stop(server)
            out, err = playing.communicate(timeout=30)
        finally:
            playing.kill()
    assert playing.returncode == 2, err
    assert "\nmisses " in out
    assert "system: lost after " in err
    assert "Traceback" not in err
