"""Audio files: what is read is what was written, and every fault says in one line what to do."""

import os
import time

import numpy as np
import pytest
import soundfile

from chainrt import audiofile
from chainrt.audiofile import read_mono, write
from chainrt.errors import DeviceError, ModelError

RATE_HZ = 48_000


@pytest.fixture
def noise():
    return np.random.default_rng(1).uniform(-2, 2, 1000).astype(np.float32)


def fault_of(action, *arguments, **options):
    with pytest.raises(DeviceError) as raised:
        action(*arguments, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_written_is_read_back_bit_for_bit(tmp_path, noise):
    write(tmp_path / "a.wav", noise, RATE_HZ)
    assert np.array_equal(read_mono(tmp_path / "a.wav", RATE_HZ), noise)
    assert soundfile.info(tmp_path / "a.wav").subtype == "FLOAT"
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_stereo_is_written_as_two_channels(tmp_path, noise):
    write(tmp_path / "a.wav", noise.reshape(-1, 2), RATE_HZ)
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE_HZ
    assert np.array_equal(samples, noise.reshape(-1, 2))


def test_integer_formats_are_read_as_full_scale_1(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.array([0.5, -0.25]), RATE_HZ)
    assert read_mono(tmp_path / "a.flac", RATE_HZ) == pytest.approx([0.5, -0.25])


def test_only_the_first_frames_are_read_if_so_asked(tmp_path, noise):
    write(tmp_path / "a.wav", noise, RATE_HZ)
    assert np.array_equal(read_mono(tmp_path / "a.wav", RATE_HZ, keep=10), noise[:10])


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.ones((5, 2)), RATE_HZ, "has 2 channels; one is needed: mix it down first"),
        (np.ones(5), 44_100, "is at 44100 Hz; 48000 Hz is needed (or --rate 44100)"),
        (np.zeros(0), RATE_HZ, "holds no samples"),
        (np.array([0, 0, np.inf]), RATE_HZ, "holds a sample that is not a number (the first is frame 2)"),
        (np.array([np.nan, 0]), RATE_HZ, "holds a sample that is not a number (the first is frame 0)"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_needed(tmp_path, samples, rate, message):
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    assert fault_of(read_mono, path, RATE_HZ) == f"{path}: {message}"


def test_a_missing_file_a_folder_and_a_text_are_refused(tmp_path):
    text = tmp_path / "a.wav"
    text.write_text("no audio at all")
    assert fault_of(read_mono, tmp_path / "none.wav", RATE_HZ) == f"{tmp_path / 'none.wav'}: no such file"
    assert fault_of(read_mono, tmp_path, RATE_HZ) == f"{tmp_path}: is not a file"
    assert fault_of(read_mono, text, RATE_HZ).startswith(f"{text}: cannot be read as audio (")
    assert fault_of(read_mono, text, RATE_HZ).count(str(text)) == 1


def test_a_file_cut_off_in_its_header_is_refused(tmp_path, noise):
    write(tmp_path / "a.wav", noise, RATE_HZ)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:20])
    assert "cannot be read as audio" in fault_of(read_mono, tmp_path / "cut.wav", RATE_HZ)


def test_a_file_longer_than_the_limit_is_refused(tmp_path, noise, monkeypatch):
    monkeypatch.setattr(audiofile, "LONGEST_S", 0.01)
    write(tmp_path / "a.wav", noise, RATE_HZ)
    assert "minutes long" in fault_of(read_mono, tmp_path / "a.wav", RATE_HZ)
    assert len(read_mono(tmp_path / "a.wav", RATE_HZ, keep=400)) == 400


def test_the_reader_says_whose_mistake_it_was(tmp_path):
    with pytest.raises(ModelError):
        read_mono(tmp_path / "none.wav", RATE_HZ, error=ModelError)


def test_a_place_that_cannot_be_written_is_refused(tmp_path, noise):
    assert "cannot be written" in fault_of(write, tmp_path / "none" / "a.wav", noise, RATE_HZ)
    assert fault_of(write, tmp_path, noise, RATE_HZ) == f"{tmp_path}: cannot be written (it is a folder)"
    assert list(tmp_path.iterdir()) == []


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, noise, monkeypatch):
    write(tmp_path / "a.wav", noise, RATE_HZ)

    def full(*_, **__):
        (tmp_path / f".a.wav.{os.getpid()}.part").write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", full)
    assert "(No space left on device)" in fault_of(write, tmp_path / "a.wav", noise * 0, RATE_HZ)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert np.array_equal(read_mono(tmp_path / "a.wav", RATE_HZ), noise)


def test_the_same_sound_is_the_same_bytes_whenever_it_is_written(tmp_path):
    sound = np.linspace(-1, 1, 100)
    write(tmp_path / "now.wav", sound, 48_000)
    time.sleep(1.1)  # the header knows seconds
    write(tmp_path / "later.wav", sound, 48_000)
    assert (tmp_path / "now.wav").read_bytes() == (tmp_path / "later.wav").read_bytes()


def test_a_response_is_scaled_when_it_is_resampled_so_that_it_sounds_the_same(tmp_path):
    bell = np.hanning(101).astype(np.float32)
    soundfile.write(tmp_path / "ir.wav", np.stack([bell, -bell], axis=1), 24_000, subtype="FLOAT")
    response = audiofile.read_response(tmp_path / "ir.wav", 48_000, channels=2)
    assert response.shape == (2, 202)
    assert response.sum(axis=1) == pytest.approx([bell.sum(), -bell.sum()], rel=1e-3)  # its gain at 0 Hz
