"""Audio files in and out: mono in, impulse responses in, float32 WAV out.

Rules kept here:
* Music is not converted behind the musician's back: another rate or a second channel is a fault that says what to do.
  An impulse response is no music but a description, so it is resampled, once, when it is loaded.
* The same sound is written as the same bytes.
* A file appears under its name only when it is whole; until then it lies beside it under a temporary name.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from .errors import ChainrtError, DeviceError, Fault

LONGEST_S = 3600.0  # an hour of float32 mono at 48 kHz takes 0.7 GB
LONGEST_RESPONSE_S = 10.0  # a large hall; what is longer is music by mistake


def read_mono(
    path: Path, rate: float, *, keep: int | None = None, error: type[ChainrtError] = DeviceError
) -> np.ndarray:
    """The samples of a mono audio file at `rate` Hz as float32; only the first `keep` frames if that is given.

    Raises `error` with one fault when the file cannot be used as it is.
    """

    def why_not(file: soundfile.SoundFile) -> str | None:
        if file.channels != 1:
            return f"has {file.channels} channels; one is needed: mix it down first"
        if file.samplerate != rate:
            return f"is at {file.samplerate} Hz; {rate:.0f} Hz is needed (or --rate {file.samplerate})"
        if keep is None and file.frames > LONGEST_S * rate:
            return f"is {file.frames / rate / 60:.0f} minutes long; {LONGEST_S / 60:.0f} is the most"
        return None

    return _read(path, why_not, keep, error)[0][0]


def read_response(path: Path, rate: float, *, channels: int, error: type[ChainrtError] = DeviceError) -> np.ndarray:
    """An impulse response of any rate, resampled to `rate` Hz: (channels, frames) float32, at most LONGEST_RESPONSE_S.

    A response has the same effect at any rate: so its samples are also scaled, since at twice the rate twice as many
    are summed up. Raises `error` with one fault.
    """

    def why_not(file: soundfile.SoundFile) -> str | None:
        if file.channels != channels:
            wanted, other = ("one is", "stereo_cab") if channels == 1 else ("two are", "cab")
            advice = f": use {other}" if {file.channels, channels} == {1, 2} else ": mix it down first"
            return f"has {file.channels} channel{'s' * (file.channels > 1)}; {wanted} needed{advice}"
        if file.frames > LONGEST_RESPONSE_S * file.samplerate:
            return f"is {file.frames / file.samplerate:.1f} s long; {LONGEST_RESPONSE_S:.0f} s is the most"
        return None

    samples, file_rate = _read(path, why_not, None, error)
    if file_rate != rate:
        samples = soxr.resample(samples.T, file_rate, rate, "VHQ").T * np.float32(file_rate / rate)
    return np.ascontiguousarray(samples)


def _read(
    path: Path, why_not: Callable[[soundfile.SoundFile], str | None], keep: int | None, error: type[ChainrtError]
) -> tuple[np.ndarray, float]:
    """The samples of an audio file, (channels, frames) float32, and its rate; `why_not` may refuse it beforehand."""

    def fault(message: str) -> ChainrtError:
        return error(Fault(str(path), message))

    path = Path(path)
    if not path.exists():
        raise fault("no such file")
    if not path.is_file():
        raise fault("is not a file")
    try:
        with soundfile.SoundFile(path) as file:
            if reason := why_not(file):
                raise fault(reason)
            samples, rate = file.read(-1 if keep is None else keep, dtype="float32", always_2d=True), file.samplerate
    except PermissionError:
        raise fault("may not be read") from None
    except (soundfile.LibsndfileError, OSError) as reason:
        raise fault(f"cannot be read as audio ({_words(reason)})") from None
    if not len(samples):
        raise fault("holds no samples")
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if len(bad):
        raise fault(f"holds a sample that is not a number (the first is frame {bad[0]})")
    return np.ascontiguousarray(samples.T), rate


def write(path: Path, samples: np.ndarray, rate: float) -> None:
    """Write (frames,) or (frames, 2) samples as a float32 WAV file; raises DeviceError when the place refuses."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        soundfile.write(unfinished, np.asarray(samples, np.float32), int(rate), format="WAV", subtype="FLOAT")
        _forget_when(unfinished)
        os.replace(unfinished, path)
    except (soundfile.LibsndfileError, OSError) as reason:
        raise DeviceError(Fault(str(path), f"cannot be written ({_words(reason)})")) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _forget_when(path: Path) -> None:
    """Clear the time of writing, which libsndfile puts into the PEAK chunk: the same sound is the same bytes."""
    with open(path, "r+b") as file:
        peak = file.read(100).find(b"PEAK")
        if peak >= 0:
            file.seek(peak + 12)  # behind the chunk's name, size and version
            file.write(bytes(4))


def _words(reason: Exception) -> str:
    """The reason alone, in one line, without the path that the fault names already."""
    text = getattr(reason, "error_string", None) or getattr(reason, "strerror", None) or str(reason)
    return " ".join(str(text).split()).rstrip(".")
