"""Sound cards, through PortAudio: which there are, and a door that plays through one.

PortAudio calls the compiled period itself (engine/card.py), with the address of a record as its user data: the
interpreter is not asked, so it may be as busy as it likes. `sounddevice` lets library authors pass a C function for
that (_StreamBase). Should a later sounddevice not, a Python callback takes its place, and says what that costs.

Rules kept here:
* Nothing else in chainrt knows sounddevice. It is imported when it is first needed: PortAudio then looks for devices.
* The stream owns the record, the planes and the chain that the callback works on: they go when it is closed.
"""

import atexit
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import cffi
import numpy as np

from . import machine
from .chain import Chain
from .compiled.arena import aligned_zeros
from .compiled.memory import publish
from .compiled.native import address_of
from .engine import callback
from .errors import DeviceError, Fault
from .layout import CARD

HOSTS = {
    "jack": "JACK",
    "alsa": "ALSA",
    "pipewire": "ALSA",
    "pulse": "PulseAudio",
    "oss": "OSS",
    "coreaudio": "Core Audio",
    "wasapi": "WASAPI",
    "asio": "ASIO",
    "directsound": "DirectSound",
    "wdmks": "WDM-KS",
}
"""What may be said for --host, and how PortAudio's name of that host contains it."""

FFI = cffi.FFI()
OWN_PERIOD = ("JACK",)  # hosts whose period cannot be chosen by a client
LOST_SECONDS = 1.0  # without a callback for so long the card is gone
FADE_OUT_SECONDS = 0.5  # in which the last callback must have come after a stop
REOPEN_SECONDS = 5.0  # for so long it is asked for again
FALLBACK = (
    "This sounddevice does not take a compiled callback: playing through Python, which misses most periods as soon as"
    " Python is busy. sounddevice 0.5 is known to work."
)


@dataclass(frozen=True)
class Device:
    """A device of one host; rate in Hz, latencies in seconds, as PortAudio tells them before anything is opened."""

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    rate: float
    input_latency_s: float
    output_latency_s: float
    is_default_input: bool
    is_default_output: bool


# -- which there are ------------------------------------------------------------------------------------------------


def library() -> ModuleType:
    """The sounddevice module. Raises DeviceError where it or PortAudio is missing."""
    try:
        with _quiet():
            import sounddevice
    except (ImportError, OSError) as error:
        raise DeviceError(Fault("sound card", f"PortAudio is missing ({error}); install libportaudio2")) from None
    return sounddevice


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ALSA and JACK talk to standard error while PortAudio looks for devices; nobody wants to read it."""
    sys.stderr.flush()
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no standard error at all
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def devices() -> list[Device]:
    """Every device of every host. Raises DeviceError."""
    sounddevice = library()
    try:
        hosts = sounddevice.query_hostapis()
        found = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise DeviceError(Fault("sound card", f"PortAudio: {error}")) from None
    return [
        Device(
            index,
            each["name"],
            hosts[each["hostapi"]]["name"],
            each["max_input_channels"],
            each["max_output_channels"],
            each["default_samplerate"],
            each["default_low_input_latency"],
            each["default_low_output_latency"],
            hosts[each["hostapi"]]["default_input_device"] == index,
            hosts[each["hostapi"]]["default_output_device"] == index,
        )
        for index, each in enumerate(found)
    ]


def look_again() -> None:
    """Let PortAudio look for devices anew: it never notices by itself that one came or went. No stream may be open."""
    sounddevice = library()
    for step in ("_terminate", "_initialize"):  # the first fails where there is nothing to end
        with _quiet(), contextlib.suppress(sounddevice.PortAudioError, AttributeError):
            getattr(sounddevice, step)()


def choose(
    host: str | None, input_name: str | None, output_name: str | None, needs_input: bool = True
) -> tuple[Device | None, Device]:
    """The devices to play through: (input or None, output). Names may be parts of names, or numbers of the list.

    Without names the host's defaults. Raises DeviceError, which tells what there is.
    """
    everything = devices()
    usable = [device for device in everything if host is None or HOSTS[host] in device.host]
    if host == "pipewire":
        usable = [device for device in usable if "pipewire" in device.name.lower()]
    if not usable:
        where = f"of host {host}" if host else "at all"
        known = ", ".join(sorted({device.host for device in everything})) or "none"
        raise DeviceError(Fault("sound card", f"no device {where}; hosts with devices: {known}"))
    output = _pick("--out", output_name, [d for d in usable if d.outputs], lambda d: d.is_default_output)
    if not needs_input:
        return None, output
    same_host = [d for d in usable if d.inputs and d.host == output.host]
    if input_name is None and not same_host:
        return None, output
    return _pick("--in", input_name, same_host, lambda d: d.is_default_input), output


def _pick(option: str, name: str | None, among: list[Device], is_default) -> Device:
    if not among:
        raise DeviceError(Fault(option, "there is no such device; see chainrt devices"))
    if name is None:
        return next(filter(is_default, among), among[0])
    for device in among:
        if name in (str(device.index), device.name):
            return device
    found = [device for device in among if name.lower() in device.name.lower()]
    if len(found) == 1:
        return found[0]
    what = "is not one of" if not found else "is more than one of"
    names = ", ".join(f"{device.index} {device.name!r}" for device in found or among)
    raise DeviceError(Fault(option, f"{name!r} {what} {names}"))


# -- a door ---------------------------------------------------------------------------------------------------------


class SoundCard:
    """Plays a chain through a sound card: `live.Door` says what its parts mean.

    source: float32 samples that are played round and round instead of the input. kept_frames: how much of the sound
    is kept for `output`. most_frames: after so many it ends by itself; 0: it does not.
    """

    clock = "audio"

    def __init__(
        self,
        chain: Chain,
        input_device: Device | None,
        output_device: Device,
        *,
        source: np.ndarray | None = None,
        kept_frames: int = 0,
        most_frames: int = 0,
    ):
        self._input, self._output, self._rate, self._frames = input_device, output_device, chain.rate, chain.frames
        self.notes: list[str] = []
        """What people should be told: advice, and what happened to the card."""
        self.stage = self._record = aligned_zeros((), CARD)
        self._chain, self._mix = chain, aligned_zeros((2, chain.frames), np.float32)
        self._source = None if source is None else np.ascontiguousarray(source, np.float32)
        self._kept = aligned_zeros((2 if chain.channels == 2 else 1, max(1, kept_frames)), np.float32)
        self._fill(chain, kept_frames, most_frames)
        self._stream = None
        self._publish = publish.from_python()
        self._is_on = self._is_looked_after = False
        self._told_frames = chain.frames
        self._latency_s = 0.0, 0.0
        self._seen = (-1, 0.0)

    def _fill(self, chain: Chain, kept_frames: int, most_frames: int) -> None:
        record = self._record
        record["engine"], record["frames"], record["most"] = address_of(chain.engine), chain.frames, most_frames
        record["mix_left"], record["mix_right"] = map(address_of, self._mix)
        record["input_channels"] = 1 if self._input else 0
        record["output_channels"] = min(2, self._output.outputs)
        if self._source is not None:
            record["source"], record["source_frames"] = address_of(self._source), len(self._source)
        if kept_frames:
            record["kept_frames"] = kept_frames
            record["kept_left"] = address_of(self._kept[0])
            record["kept_right"] = address_of(self._kept[1]) if chain.channels == 2 else 0

    # playing

    def start(self) -> None:
        self._open()
        self._is_on = True

    def _open(self) -> None:
        sounddevice = library()
        self._record["callbacks"] = 0
        kind, device, channels = "output", self._output.index, int(self._record["output_channels"])
        if self._input:
            kind, device, channels = "duplex", (self._input.index, device), (1, channels)
        settings = {
            "samplerate": self._rate,
            "blocksize": 0 if any(name in self._output.host for name in OWN_PERIOD) else self._frames,
            "device": device,
            "channels": channels,
            "dtype": "float32",
            "latency": "low",
        }
        try:
            with _quiet():
                self._stream = self._compiled_stream(sounddevice, kind, settings)
                self._stream.start()
        except sounddevice.PortAudioError as error:
            self._close()
            raise DeviceError(Fault(self._output.name, self._complaint(error))) from None
        latency = self._stream.latency
        self._latency_s = latency if isinstance(latency, tuple) else (0.0, latency)
        self._seen = (-1, time.monotonic())

    def _compiled_stream(self, sounddevice: ModuleType, kind: str, settings: dict):
        """A stream whose callback is machine code; in Python if this sounddevice cannot do that."""
        try:
            return sounddevice._StreamBase(
                kind,
                **settings,
                callback=FFI.cast("void *", callback.address),
                userdata=FFI.cast("void *", address_of(self._record)),
            )
        except (AttributeError, TypeError):
            self.notes.append(FALLBACK)
            return self._python_stream(sounddevice, kind, settings)

    def _python_stream(self, sounddevice: ModuleType, kind: str, settings: dict):
        call, record = callback.from_python(), address_of(self._record)

        def flags(status) -> int:
            named = (status.input_underflow, status.input_overflow, status.output_underflow, status.output_overflow)
            return sum(bool(flag) << bit for bit, flag in enumerate(named))

        def duplex(source, target, frames, _, status):
            call(_address(source), _address(target), frames, 0, flags(status), record)

        def output(target, frames, _, status):
            call(0, _address(target), frames, 0, flags(status), record)

        if kind == "duplex":
            return sounddevice.RawStream(**settings, callback=duplex)
        return sounddevice.RawOutputStream(**settings, callback=output)

    def _complaint(self, error: Exception) -> str:
        text = str(error)
        if "sample rate" in text.lower():
            return f"it cannot play at {self._rate:,.0f} Hz; its own rate is --rate {self._output.rate:.0f}"
        return text

    def stop(self) -> None:
        if self._stream is None:
            return
        self._is_on = False
        self._publish(address_of(self._record) + CARD.fields["stop"][1], 1)
        end = time.monotonic() + FADE_OUT_SECONDS
        while not self._record["silent"] and not self._is_lost and time.monotonic() < end:
            time.sleep(0.001)
        self._close()

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(library().PortAudioError), _quiet():
                stream.close(ignore_errors=True)

    # how it goes

    def look_after(self) -> None:
        """Give the callback's thread its priority, and ask for a lost card again. To be called now and then.

        Raises DeviceError if the card is gone for good.
        """
        if not self._is_looked_after and self._record["callbacks"]:
            self._is_looked_after = True
            self.notes += machine.prepare(int(self._record["thread"]))
        if any(name in self._output.host for name in OWN_PERIOD):
            self._tell_its_period()
        if self.is_playing and self._is_lost:
            self._reopen()

    def _tell_its_period(self) -> None:
        """A host with a period of its own may have another than ours from the start, or change it under way."""
        asked = int(self._record["asked_frames"])
        if asked in (0, self._told_frames):
            return
        self._told_frames = asked
        if asked == self._frames:
            self.notes.append(f"{self._output.name} asks for {asked} frames at a time, as it should.")
        else:
            self.notes.append(
                f"{self._output.name} asks for {asked} frames at a time; loads are told, and levels chosen, for"
                f" {self._frames}. --period {asked} makes one period of them."
            )

    @property
    def _is_lost(self) -> bool:
        """True if no callback has come for LOST_SECONDS, or the stream says that it has ended. Closed is not lost."""
        stream = self._stream  # another thread may be closing it
        if stream is None:
            return False
        callbacks, now = int(self._record["callbacks"]), time.monotonic()
        if callbacks != self._seen[0]:
            self._seen = (callbacks, now)
        return not stream.active or now - self._seen[1] > LOST_SECONDS

    def _reopen(self) -> None:
        if any(name in self._output.host for name in OWN_PERIOD):
            self._let_go()
            raise DeviceError(Fault(self._output.name, f"lost after {self.played_s:.1f} s: {self._output.host} ended"))
        self.notes.append(f"{self._output.name} was lost at {self.played_s:.1f} s; asking for it again.")
        self._close()
        end = time.monotonic() + REOPEN_SECONDS
        while time.monotonic() < end:
            look_again()
            with contextlib.suppress(DeviceError):
                self._find_again()
                self._open()
                self._is_looked_after = False
                self.notes.append(f"{self._output.name} is back.")
                return
            time.sleep(0.25)
        raise DeviceError(Fault(self._output.name, f"lost after {self.played_s:.1f} s, and did not come back"))

    def _let_go(self) -> None:
        """Leave PortAudio as it is: it cannot close a client of a JACK that is gone, and aborts where it tries."""
        sounddevice = library()
        self._lost, self._stream = self._stream, None
        atexit.unregister(sounddevice._exit_handler)

    def _find_again(self) -> None:
        """The same devices may have other numbers now."""
        now = devices()

        def same(device: Device | None) -> Device | None:
            if device is None:
                return None
            for each in now:
                if (each.name, each.host) == (device.name, device.host):
                    return each
            raise DeviceError(Fault(device.name, "gone"))

        self._input, self._output = same(self._input), same(self._output)

    @property
    def is_playing(self) -> bool:
        return self._is_on and not self._record["silent"]

    @property
    def played_s(self) -> float:
        return float(self._record["done"]) / self._rate

    @property
    def output(self) -> np.ndarray:
        """What was kept of the sound: float32, (frames,) or (frames, 2)."""
        kept = self._kept[:, : int(self._record["done"])]
        return kept[0] if len(kept) == 1 else kept.T

    @property
    def xruns(self) -> int:
        """Callbacks before which the sound system lost output, by its own flags (for JACK: its xruns)."""
        return int(self._record["output_underflows"])

    @property
    def flags(self) -> dict[str, int]:
        """Callbacks with each of PortAudio's flags, and those that brought no input."""
        names = ("input_underflows", "input_overflows", "output_underflows", "output_overflows", "without_input")
        return {name: int(self._record[name]) for name in names}

    @property
    def latency_s(self) -> tuple[float, float]:
        """Seconds of input and of output latency, as the stream told when it was opened."""
        return self._latency_s

    @property
    def text(self) -> str:
        source = f"{self._input.name} -> " if self._input and self._source is None else ""
        return f"{self._output.host}: {source}{self._output.name}"


def _address(buffer) -> int:
    return int(FFI.cast("intptr_t", FFI.from_buffer(buffer)))
