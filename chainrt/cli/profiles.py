"""`chainrt profiles`: the devices that can be simulated."""

from .. import devices
from . import show


def profiles(options) -> int:
    out = show.console(to_stderr=False)
    for name in devices.names():
        device = devices.load(name)
        out.print(f"{device.name}: {device.core}; its least sure figure is {device.weakest_basis}")
    return 0
