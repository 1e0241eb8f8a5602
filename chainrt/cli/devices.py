"""`chainrt devices`: the sound cards that PortAudio finds, with their rates and latencies."""

from dataclasses import asdict

from .. import portaudio
from ..errors import DeviceError
from . import show, values


def devices(options) -> int:
    """Print a table; with --json one object with the list `devices`."""
    try:
        found = portaudio.devices()
    except DeviceError as error:
        found, missing = [], str(error)
    else:
        missing = "No sound card found."
    if options.json != "-":
        _print(show.console(to_stderr=False), found, missing)
    values.write_json(options.json, {"devices": [asdict(device) for device in found]})
    return 0


def _print(out, found: list[portaudio.Device], missing: str) -> None:
    if not found:
        out.print(f"{missing} chainrt run then plays by the clock.")
        return
    rows = show.table("#>", "host", "in>", "out>", "Hz>", "in ms>", "out ms>", "device")
    for device in found:
        marks = [word for word, is_it in (("in", device.is_default_input), ("out", device.is_default_output)) if is_it]
        rows.add_row(
            str(device.index),
            device.host,
            str(device.inputs),
            str(device.outputs),
            f"{device.rate:.0f}",
            f"{1000 * device.input_latency_s:.1f}" if device.inputs else "",
            f"{1000 * device.output_latency_s:.1f}" if device.outputs else "",
            device.name + (f" (default {' and '.join(marks)})" if marks else ""),
        )
    show.print_table(out, rows)
