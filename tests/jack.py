"""JACK's dummy driver for tests: skipped where JACK or PortAudio cannot be had."""

import os
from contextlib import ExitStack, contextmanager

import pytest

from chainrt import portaudio
from chainrt.benchmarks.jack import dummy_server, stop  # noqa: F401  (stop: for tests that end a server early)
from chainrt.errors import DeviceError


@contextmanager
def jack_server(name, frames=64, rate=48_000):
    """A server of one's own. Skips the test where there can be none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(dummy_server(name, frames, rate))
        except DeviceError as error:
            pytest.skip(str(error))
        yield server


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
