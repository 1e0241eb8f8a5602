"""JACK's dummy driver: a sound card's clock where there is no sound card."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

from chainrt import portaudio
from chainrt.errors import DeviceError

PATIENCE_SECONDS = 10


@contextmanager
def jack_server(name, frames=64, rate=48_000):
    """A server of one's own; its name. Skips the test where JACK or PortAudio cannot be had."""
    if not shutil.which("jackd"):
        pytest.skip("jackd is not installed")
    server = None
    for priority in (["-R", "-P", "70"], ["-r"]):  # without permission for real time it runs all the same
        arguments = [*priority, "--name", name, "-d", "dummy", "-r", str(rate), "-p", str(frames)]
        server = subprocess.Popen(["jackd", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if answers(name, server):
            break
        stop(server)
    else:
        pytest.skip("jackd does not start here")
    before = {key: os.environ.get(key) for key in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER")}
    os.environ |= {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    try:
        yield server
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
        stop(server)


def answers(name, server) -> bool:
    """True once a client of this server can see its devices."""
    end = time.monotonic() + PATIENCE_SECONDS
    environment = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    while time.monotonic() < end and server.poll() is None:
        looked = subprocess.run(["jack_lsp"], env=environment, capture_output=True, text=True, check=False)
        if "playback_1" in looked.stdout:
            return True
        time.sleep(0.1)
    return False


def stop(server) -> None:
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@pytest.fixture(scope="module", name="jack")
def jack_devices():
    """The devices (input, output) of a JACK server of this module's own, 64 frames at 48 kHz."""
    with jack_server(f"chainrt-{os.getpid()}"):
        try:
            portaudio.look_again()
            devices = portaudio.choose("jack", None, None)
        except DeviceError as error:
            pytest.skip(f"PortAudio does not see JACK: {error}")
        yield devices
        portaudio.library()._terminate()  # PortAudio aborts if its JACK has gone before it does
    portaudio.library()._initialize()
