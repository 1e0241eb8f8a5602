"""JACK's dummy driver: a sound card's clock where there is no sound card.

Rules kept here: a server of one's own, of a name of its own, that ends with the `with`; whatever else plays on this
machine is left alone. PortAudio must not be asked for anything when its JACK has gone: whoever looked for devices
terminates it first.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import DeviceError, Fault

PATIENCE_SECONDS = 10
PRIORITY = 70


@contextmanager
def dummy_server(name: str, frames: int = 64, rate: int = 48_000) -> Iterator[subprocess.Popen]:
    """A server with this name, and the environment in which clients find it. Raises DeviceError: none can be had."""
    if not shutil.which("jackd"):
        raise DeviceError(Fault("JACK", "jackd is not installed"))
    for priority in (["-R", "-P", str(PRIORITY)], ["-r"]):  # without permission for real time it runs all the same
        arguments = [*priority, "--name", name, "-d", "dummy", "-r", str(rate), "-p", str(frames)]
        server = subprocess.Popen(["jackd", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if _answers(name, server):
            break
        stop(server)
    else:
        raise DeviceError(Fault("JACK", "jackd does not start here"))
    before = {key: os.environ.get(key) for key in _environment(name)}
    os.environ |= _environment(name)
    try:
        yield server
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
        stop(server)


def _environment(name: str) -> dict[str, str]:
    return {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}


def _answers(name: str, server: subprocess.Popen) -> bool:
    """True once a client of this server can see its devices."""
    end = time.monotonic() + PATIENCE_SECONDS
    environment = {**os.environ, **_environment(name)}
    while time.monotonic() < end and server.poll() is None:
        looked = subprocess.run(["jack_lsp"], env=environment, capture_output=True, text=True, check=False)
        if "playback_1" in looked.stdout:
            return True
        time.sleep(0.1)
    return False


def stop(server: subprocess.Popen) -> None:
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
