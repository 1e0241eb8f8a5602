"""Audio files in and out: mono in, float32 WAV out.

Rules kept here:
* Nothing is converted behind the musician's back: another rate or a second channel is a fault that says what to do.
* A file appears under its name only when it is whole; until then it lies beside it under a temporary name.
"""

import os
from pathlib import Path

import numpy as np
import soundfile

from .errors import ChainrtError, DeviceError, Fault

LONGEST_S = 3600.0  # an hour of float32 mono at 48 kHz takes 0.7 GB


def read_mono(
    path: Path, rate: float, *, keep: int | None = None, error: type[ChainrtError] = DeviceError
) -> np.ndarray:
    """The samples of a mono audio file at `rate` Hz as float32; only the first `keep` frames if that is given.

    Raises `error` with one fault when the file cannot be used as it is.
    """

    def fault(message: str) -> ChainrtError:
        return error(Fault(str(path), message))

    path = Path(path)
    if not path.exists():
        raise fault("no such file")
    if not path.is_file():
        raise fault("is not a file")
    try:
        with soundfile.SoundFile(path) as file:
            if file.channels != 1:
                raise fault(f"has {file.channels} channels; one is needed: mix it down first")
            if file.samplerate != rate:
                raise fault(f"is at {file.samplerate} Hz; {rate:.0f} Hz is needed (or --rate {file.samplerate})")
            if keep is None and file.frames > LONGEST_S * rate:
                raise fault(f"is {file.frames / rate / 60:.0f} minutes long; {LONGEST_S / 60:.0f} is the most")
            samples = file.read(-1 if keep is None else keep, dtype="float32")
    except PermissionError:
        raise fault("may not be read") from None
    except (soundfile.LibsndfileError, OSError) as reason:
        raise fault(f"cannot be read as audio ({_words(reason)})") from None
    if not len(samples):
        raise fault("holds no samples")
    bad = np.flatnonzero(~np.isfinite(samples))
    if len(bad):
        raise fault(f"holds a sample that is not a number (the first is frame {bad[0]})")
    return samples


def write(path: Path, samples: np.ndarray, rate: float) -> None:
    """Write (frames,) or (frames, 2) samples as a float32 WAV file; raises DeviceError when the place refuses."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        soundfile.write(unfinished, np.asarray(samples, np.float32), int(rate), format="WAV", subtype="FLOAT")
        os.replace(unfinished, path)
    except (soundfile.LibsndfileError, OSError) as reason:
        raise DeviceError(Fault(str(path), f"cannot be written ({_words(reason)})")) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _words(reason: Exception) -> str:
    """The reason alone, in one line, without the path that the fault names already."""
    text = getattr(reason, "error_string", None) or getattr(reason, "strerror", None) or str(reason)
    return " ".join(str(text).split()).rstrip(".")
