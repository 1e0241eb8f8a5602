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
from types import SimpleNamespace

import numpy as np
import pytest
from blockplay import RATE_HZ, board, late_by, planted
from jack import jack_devices, jack_server  # noqa: F401 (the first is the fixture `jack`)
from pedalboards import chainrt, pedalboard
from test_session import board_of, wait_for

from chainrt import portaudio
from chainrt.block import BLOCKS, Param
from chainrt.chain import Chain
from chainrt.compiled.native import address_of
from chainrt.engine import callback
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


@planted(params=[Param("hit", "", 0, 1, default=0, help="1: one impulse")], state=[("done", "i8")])
def kick(p, s, x, n):
    if p.hit > 0.5 and s.done == 0:
        s.done = 1
        x[0] += 1.0


LATE_CHAINS = {
    "none": ("[kick: , gain: {level: -1 dB}]", 0),
    "a block": ("[kick: , late: , gain: {level: -1 dB}]", 37),
    "two, and a look ahead": ("[kick: , late: , later: , limiter: , gain: {level: -1 dB}]", 37 + 150 + 72),
    "lanes": ("[kick: , split: {lanes: {a: [late: ], b: [later: ], c: }}, gain: {level: -11 dB}, late: ]", 150 + 37),
}


@pytest.mark.parametrize("name", LATE_CHAINS)
def test_an_impulse_that_goes_round_through_the_card_takes_the_latency_that_is_declared(
    jack, tmp_path, monkeypatch, name
):
    """The card's output is plugged into its input, which JACK delays by one period. So each time round takes a period
    and the chain's latency; lanes that were not matched would make three impulses of one. Most rounds count, since a
    machine that is late makes single ones longer.
    """
    for kind, declared in (("kick", kick), ("late", late_by(37)), ("later", late_by(150))):
        monkeypatch.setitem(BLOCKS, kind, declared)
    text, latency = LATE_CHAINS[name]
    chain = Chain(board(tmp_path, text), RATE_HZ, FRAMES)
    assert chain.latency == latency
    card = SoundCard(chain, *jack, kept_frames=60 * RATE_HZ)
    with Session(board_of(chain, Fixed((0,) * len(chain.blocks))), card, 0.7) as session:
        wait_for(lambda: card.played_s > 0.05)
        ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
        ends = [next(port for port in ports if port.startswith(f"PortAudio:{side}_")) for side in ("out", "in")]
        subprocess.run(["jack_connect", *ends], check=True)
        session.turn("kick", "hit", 1)
        hit = card.played_s
        wait_for(lambda: card.played_s > hit + 0.2)
        heard = card.output.copy()
    at = np.flatnonzero(heard > 0.02)
    assert len(at) > 5
    rounds, often = np.unique(np.diff(at), return_counts=True)
    assert rounds[often.argmax()] == latency + FRAMES


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


class Shelf:
    """As much of sounddevice as a card needs, with one card that can be pulled out and put back elsewhere."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self):
        self.places, self.opened, self.looks = ["other", "box"], [], 0

    def query_hostapis(self):
        return [{"name": "ALSA", "default_input_device": -1, "default_output_device": 0}]

    def query_devices(self):
        latencies = {"default_low_input_latency": 0.001, "default_low_output_latency": 0.002}
        sizes = {"max_input_channels": 0, "max_output_channels": 2, "default_samplerate": RATE_HZ, "hostapi": 0}
        return [{"name": name, **sizes, **latencies} for name in self.places]

    def _terminate(self):
        self.looks += 1

    def _initialize(self):
        if self.looks == 2:
            self.places = ["box"]

    def _StreamBase(self, kind, *, device, **settings):
        stream = SimpleNamespace(active=True, latency=0.002, device=device, start=lambda: None)
        stream.close = lambda ignore_errors: setattr(stream, "active", False)
        self.opened.append(stream)
        return stream


@pytest.fixture
def pulled_out(monkeypatch, chain_of):
    """A shelf, and a card of it that plays and is then pulled out."""
    shelf = Shelf()
    monkeypatch.setattr(portaudio, "library", lambda: shelf)
    monkeypatch.setattr(portaudio.machine, "prepare", lambda thread: [])
    card = SoundCard(chain_of(), None, choose(None, None, "box")[1], source=guitar())
    card.start()
    out = np.zeros((FRAMES, 2), np.float32)
    callback.from_python()(0, address_of(out), FRAMES, 0, 0, address_of(card.stage))
    card.look_after()
    assert (len(shelf.opened), shelf.opened[0].device, card.notes) == (1, 1, [])
    shelf.places, shelf.opened[0].active = ["other"], False
    return shelf, card


def test_a_card_that_was_pulled_out_is_opened_again_wherever_it_comes_back(pulled_out):
    shelf, card = pulled_out
    card.look_after()
    assert [stream.device for stream in shelf.opened] == [1, 0]
    assert card.notes == ["box was lost at 0.0 s; asking for it again.", "box is back."]
    assert card.is_playing
    assert card.played_s == FRAMES / RATE_HZ  # it goes on where it was


def test_a_card_that_does_not_come_back_ends_with_the_reason(pulled_out, monkeypatch):
    shelf, card = pulled_out
    monkeypatch.setattr(shelf, "_initialize", lambda: None)
    monkeypatch.setattr(portaudio, "REOPEN_SECONDS", 0.1)
    with pytest.raises(DeviceError, match=r"box: lost after 0\.0 s, and did not come back"):
        card.look_after()
    assert len(shelf.opened) == 1


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


def test_another_period_of_jacks_own_is_told_when_it_comes_and_the_sound_goes_on(tmp_path):
    with jack_server(f"chainrt-period-{os.getpid()}"):
        playing = chainrt_run(pedalboard(tmp_path), "--host", "jack", "--seconds", "120", "--json", "report.json")
        try:
            assert "Playing from system" in playing.stdout.readline() + playing.stdout.readline()
            for frames, told in (
                (256, "loads are told, and levels chosen, for 64. --period 256"),
                (64, "as it should"),
            ):
                subprocess.run(["jack_bufsize", str(frames)], check=True, capture_output=True)
                assert any(
                    f"system asks for {frames} frames at a time" in line and told in line for line in playing.stdout
                )
            playing.send_signal(signal.SIGINT)
            out, err = playing.communicate(timeout=60)
        finally:
            playing.kill()
    assert playing.returncode == 130, err
    assert "Stopped after " in out
    assert json.loads((tmp_path / "report.json").read_text())["periods"] > 0


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_a_card_that_goes_away_ends_the_program_with_the_report_and_the_reason(tmp_path, how):
    with jack_server(f"chainrt-lost-{os.getpid()}") as server:
        playing = chainrt_run(pedalboard(tmp_path), "--host", "jack")
        try:
            assert "Playing from system" in playing.stdout.readline() + playing.stdout.readline()
            time.sleep(0.5)
            getattr(server, how)()
            out, err = playing.communicate(timeout=60)
        finally:
            playing.kill()
    assert playing.returncode == 2, err
    assert "\nmisses " in out
    assert "system: lost after " in err
    assert "Traceback" not in err
