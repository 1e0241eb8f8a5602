"""The slow, obvious twins of the clever kernels: float64, whole signals, one formula after another.

They are right because they are short. Nothing here is shared with the code under test but the data it plays.
"""

import numpy as np


def wavenet(network, x):
    """What `network` (chainrt.nam.wavenet.WaveNet) makes of the mono signal `x`, after an endless silence.

    x: (frames,), any float type, full scale 1. Returns y: (frames,), float64.
    """
    silence = np.zeros(network.receptive_field)
    u = np.concatenate([silence, np.asarray(x, np.float64)])
    stream = np.outer(network.input.astype(np.float64), u)  # (channels, frames)
    to_head = np.zeros_like(stream)
    for layer in network.layers:
        z = _convolved(layer.kernel, layer.dilation, stream)
        z += layer.bias.astype(np.float64)[:, None] + np.outer(layer.mixin.astype(np.float64), u)
        a = np.where(z > 0, z, layer.activation.slope * z)
        to_head += a
        stream = stream + layer.output.astype(np.float64) @ a + layer.output_bias.astype(np.float64)[:, None]
    head = _convolved(network.head[:, None, :], 1, to_head)[0]
    return (network.head_scale * (head + network.head_bias))[len(silence) :]


def _convolved(kernel, dilation, signal):
    """Sum over taps of kernel[tap] @ signal, delayed; kernel (taps, out, in), oldest tap first."""
    taps, channels, _ = kernel.shape
    total = np.zeros((channels, signal.shape[1]))
    for tap in range(taps):
        frames_ago = dilation * (taps - 1 - tap)
        delayed = np.zeros_like(signal)
        delayed[:, frames_ago:] = signal[:, : signal.shape[1] - frames_ago]
        total += kernel[tap].astype(np.float64) @ delayed
    return total


def board(items, planes, play):
    """What a preset's chain makes of the planes, a list of one (mono) or two (stereo) arrays of samples.

    play(spec, plane) is one block alone, from its first silence on. Items are those of chainrt.preset.
    """
    for item in items:
        if hasattr(item, "lanes"):
            planes = _mixed(item.lanes, planes, play)
        elif item.enabled:
            planes = [play(item, plane) for plane in planes]
    return planes


def _mixed(lanes, planes, play):
    ends = [board(lane.chain, planes, play) for lane in lanes]
    is_stereo = any(len(end) == 2 for end in ends) or any(lane.pan_percent for lane in lanes)
    mix = [np.zeros(len(planes[0])) for _ in range(1 + is_stereo)]
    for lane, end in zip(lanes, ends, strict=True):
        level, pan = 10 ** (lane.level_db / 20), lane.pan_percent / 100
        if len(end) == 2:  # turn down the far side
            sides = level * min(1, 1 - pan), level * min(1, 1 + pan)
        else:  # left^2 + right^2 is the same everywhere, and both are 1 in the middle
            sides = level * np.sqrt(1 - np.sin(pan * np.pi / 2)), level * np.sqrt(1 + np.sin(pan * np.pi / 2))
        for total, side, sound in zip(mix, sides, end * 2, strict=False):
            total += side * sound
    return mix
