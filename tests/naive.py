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
