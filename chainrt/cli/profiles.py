"""`chainrt profiles`: the devices that can be simulated."""

from .. import devices
from . import show


def profiles(options) -> int:
    out = show.console(to_stderr=False)
    width = max(map(len, devices.names()))
    for name in devices.names():
        device = devices.load(name)
        out.print(f"{name + ':':{width + 1}} {device.title} ({device.core}); {show.sureness(device)}")
    out.print(f"\n{devices.THIS_MACHINE}: measured when it is first asked for, and kept", style="dim")
    return 0
