"""The slow, obvious twins of the clever kernels: float64, whole signals, one formula after another.

They are right because they are short. Nothing here is shared with the code under test but the data it plays.
"""

import numpy as np


def wavenet(network, x):
    """What `network` (chainrt.nam.wavenet.WaveNet) makes of the mono signal `x`, after an endless silence.

    x: (frames,), any float type, full scale 1. Returns y: (frames,), float64; of several outputs the first.
    """
    silence = np.zeros(network.receptive_field)
    return _wavenet(network, np.concatenate([silence, np.asarray(x, np.float64)]))[0, len(silence) :]


def _wavenet(network, u):
    """All outputs, (outputs, frames), for the input u: (frames,)."""
    stream = condition = u[None]
    if type(network.condition).__name__ == "WaveNet":
        condition = _wavenet(network.condition, u)
    elif network.condition is not None:
        condition = globals()[type(network.condition).__name__.lower()](network.condition, u)[None]
    head = 0.0
    for array in network.arrays:
        stream = _through(array.input, stream)
        for layer in array.layers:
            stream, to_head = _layer(layer, stream, condition)
            head = head + to_head
        head = _through(array.head, head)
    head = network.head_scale * head
    for activation, stage in network.head:
        head = _through(stage, activated(activation, head))
    return head


def _layer(layer, stream, condition):
    """What one layer hands on to the next, and to the head."""

    def filmed(place, value):
        if place not in layer.films:
            return value
        film = layer.films[place]
        made = _through(film.scale_shift, condition)
        count = len(value)
        return made[:count] * value + (made[count:] if film.shift else 0)

    z = filmed("conv_post_film", _through(layer.convolution, filmed("conv_pre_film", stream)))
    z = z + filmed("input_mixin_post_film", _through(layer.mixin, filmed("input_mixin_pre_film", condition)))
    z = filmed("activation_pre_film", z)
    half = len(z) // 2
    if layer.gating == "none":
        a = activated(layer.activation, z)
    elif layer.gating == "gated":
        a = activated(layer.activation, z[:half]) * activated(layer.secondary, z[half:])
    else:
        part = activated(layer.secondary, z[half:])
        a = part * activated(layer.activation, z[:half]) + (1 - part) * z[:half]
    a = filmed("activation_post_film", a)
    to_head = filmed("head1x1_post_film", _through(layer.head, a)) if layer.head else a
    if not layer.output:
        return stream, to_head
    made = _through(layer.output, a)
    if layer.gating == "blended":  # in no other layer, as in the reference
        made = filmed("layer1x1_post_film", made)
    return stream + made, to_head


def _through(convolution, signal):
    """A chainrt.nam.wavenet.Convolution of (inputs, frames)."""
    made = _convolved(convolution.kernel, convolution.dilation, signal)
    return made + (convolution.bias.astype(np.float64)[:, None] if convolution.bias.size else 0)


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


def resampled(design, network, x):
    """What `network`, a function of a signal, makes of x between the two filters of chainrt.nam.resampler.Design.

    All at the common rate, as in the first pages of any book: zeros between the frames, filter, take every so many-th.
    x: (frames,), any float type. Returns (frames,), float64; late by design.latency.
    """

    def converted(sound, before, after, count):
        spread = np.zeros(len(sound) * before)
        spread[::before] = sound
        filtered = np.fft.irfft(np.fft.rfft(spread, size) * spectrum, size)
        return before * filtered[: count * after : after]

    ticks = len(x) * design.step
    size = 1 << int(ticks + len(design.taps)).bit_length()
    spectrum = np.fft.rfft(design.taps, size)
    frames = -(-ticks // design.network_step)
    made = network(converted(np.asarray(x, np.float64), design.step, design.network_step, frames))
    return converted(made, design.network_step, design.step, len(x))


def board(items, planes, play, rate=48_000):
    """What a preset's chain makes of the planes, a list of one (mono) or two (stereo) arrays of samples.

    play(spec, plane) is one block alone, from its first silence on. Items are those of chainrt.preset.
    """
    for item in items:
        if hasattr(item, "lanes"):
            planes = _mixed(item.lanes, planes, play, rate)
        elif item.enabled:
            planes = [play(item, plane) for plane in planes]
    return planes


def _mixed(lanes, planes, play, rate):
    ends = [board(lane.chain, planes, play, rate) for lane in lanes]
    is_stereo = any(len(end) == 2 for end in ends) or any(lane.pan_percent for lane in lanes)
    mix = [np.zeros(len(planes[0])) for _ in range(1 + is_stereo)]
    for lane, end in zip(lanes, ends, strict=True):
        level, pan = 10 ** (lane.level_db / 20) * (1 - 2 * lane.invert), lane.pan_percent / 100
        if len(end) == 2:  # turn down the far side
            sides = level * min(1, 1 - pan), level * min(1, 1 + pan)
        else:  # left^2 + right^2 is the same everywhere, and both are 1 in the middle
            sides = level * np.sqrt(1 - np.sin(pan * np.pi / 2)), level * np.sqrt(1 + np.sin(pan * np.pi / 2))
        late = round(lane.delay_ms * rate / 1000)
        for total, side, sound in zip(mix, sides, end * 2, strict=False):
            total[late:] += side * sound[: len(sound) - late]
    return mix


def activated(activation, z):
    """What an activation (chainrt.nam.activations.Activation) makes of z: (channels, frames) float64."""
    rows = activation.table(len(z)).astype(np.float64)
    numbers = [column[:, None] for column in rows.T]
    with np.errstate(over="ignore", invalid="ignore"):
        sigmoid = 1 / (1 + np.exp(-z))
        match activation.name:
            case "Tanh":
                return np.tanh(z)
            case "Sigmoid":
                return sigmoid
            case "SiLU":
                return z * sigmoid
            case "Hardtanh":
                return np.clip(z, -1, 1)
            case "Hardswish":
                return z * np.clip(z + 3, 0, 6) / 6
            case "Softsign":
                return z / (1 + np.abs(z))
            case "ReLU":
                return np.maximum(z, 0)
            case "LeakyReLU" | "PReLU":
                return np.where(z > 0, z, numbers[0] * z)
            case "LeakyHardtanh":
                low, high, low_slope, high_slope = numbers
                inside = np.where(z < low, low + (z - low) * low_slope, z)
                return np.where(z > high, high + (z - high) * high_slope, inside)
            case "Fasttanh":
                size = np.abs(z)
                above = z * (2.45550750702956 + 2.45550750702956 * size)
                above += z * (0.893229853513558 + 0.821226666969744 * size) * z**2
                return above / (2.44506634652299 + (2.44506634652299 + z**2) * np.abs(z + 0.814642734961073 * z * size))
    raise ValueError(activation.name)


def lstm(network, x):
    """What `network` (chainrt.nam.lstm.LSTM) makes of the mono signal `x`, from the state that its file begins with.

    x: (frames,), any float type, full scale 1. Returns y: (frames,), float64.
    """
    h = [layer.hidden.astype(np.float64) for layer in network.layers]
    c = [layer.cell.astype(np.float64) for layer in network.layers]
    y = np.empty(len(x))
    for frame, sample in enumerate(np.asarray(x, np.float64)):
        below = np.array([sample])
        for index, layer in enumerate(network.layers):
            gates = layer.weight.astype(np.float64) @ np.concatenate([below, h[index]]) + layer.bias.astype(np.float64)
            i, f, g, o = np.split(gates, 4)
            c[index] = c[index] / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            below = h[index] = np.tanh(c[index]) / (1 + np.exp(-o))
        y[frame] = network.head.astype(np.float64) @ below + network.head_bias
    return y


def convnet(network, x):
    """What `network` (chainrt.nam.convnet.ConvNet) makes of the mono signal `x`, after an endless silence.

    x: (frames,), any float type, full scale 1. Returns y: (frames,), float64.
    """
    silence = np.zeros(network.receptive_field)
    stream = np.concatenate([silence, np.asarray(x, np.float64)])[None, :]  # (channels, frames)
    for layer in network.layers:
        z = _convolved(np.stack([layer.before, layer.now]), layer.dilation, stream)
        stream = activated(network.activation, z + layer.bias.astype(np.float64)[:, None])
    return (network.head.astype(np.float64) @ stream + network.head_bias)[len(silence) :]


def convolution(x, response):
    """The sum of x, each time one frame later and times one tap of the response: as long as x, in float64."""
    total = np.zeros(len(x))
    for late, tap in enumerate(np.asarray(response, np.float64)[: len(x)]):
        total[late:] += tap * np.asarray(x, np.float64)[: len(x) - late]
    return total


def oversampled(x, doublings, taps, curve, points=2000):
    """A clipper at 2^doublings times the sample rate: zeros between the samples, filter, bend, filter, take every 2nd.

    taps: those beside the middle one of the half-band filter of each doubling. The curve is averaged along the line
    from sample to sample, `points` of which are looked at, and each two means are averaged, late by two samples.
    """
    filters = []
    for beside in taps[:doublings]:
        whole = np.zeros(2 * len(beside) - 1)
        whole[::2], whole[len(beside) - 1] = beside, 0.5
        filters.append(whole)
    for whole in filters:
        spread = np.zeros(2 * len(x))
        spread[::2] = x
        x = 2 * np.convolve(spread, whole)[: len(spread)]
    before, along = np.concatenate([[0], x[:-1]]), (np.arange(points) + 0.5) / points
    means = np.mean(curve(before[:, None] + (x - before)[:, None] * along), axis=1)
    rest = curve(np.zeros(1))
    bent = 0.5 * (np.concatenate([rest, rest, means[:-2]]) + np.concatenate([rest, means[:-1]]))
    for whole in reversed(filters):
        bent = np.convolve(bent, whole)[: len(bent)][::2]
    return bent


def reverb(x, waited, lengths, blurs, gains, swing, rate, chunk):
    """A network of delay lines, frame by frame: what is heard of x, (2, frames), left and right, when only it is heard.

    waited: frames of silence before. lengths: (lines,) and blurs: (2, all-passes), in frames. gains: (lines, 2), of a
    line in the bass and at a quarter of the rate, each time round. swing: frames by which a line's length swings to
    either side; at the borders of chunks it is known, and between them it is on its straight way.
    """
    lines, number = len(lengths), np.arange(len(lengths))
    entry = np.stack([_blurred(side, lates) for side, lates in zip(x, blurs, strict=True)])
    mixed = np.array([[(-1.0) ** (a & b).bit_count() for a in range(lines)] for b in range(lines)]) / np.sqrt(lines)
    low, high = gains.T
    feed = 3.0 * np.sqrt(1 - np.mean(low**2)) * np.sqrt(2 / lines)
    ways = np.where(number // 2 % 2, -1.0, 1.0) * (number % 2 == np.arange(2)[:, None]) * np.sqrt(2 / lines)
    swung, glide = np.zeros(((waited + x.shape[1]) // chunk + 2, lines)), 1 - np.exp(-1000 * chunk / (25 * rate))
    for k in range(len(swung) - 1):
        wave = 1 + np.sin(2 * np.pi * (k + 1) * chunk / rate * (0.31 + 0.82 * number / 16))
        swung[k + 1] = swung[k] + glide * (swing * wave - swung[k])
    silence = max(lengths) + round(2 * swing) + 4
    line, heard = np.zeros((lines, silence + x.shape[1])), np.zeros(x.shape)
    for t in range(x.shape[1]):
        k, part = divmod(waited + t, chunk)
        places = silence + t - lengths - (swung[k] + (swung[k + 1] - swung[k]) * part / chunk)
        past = 0.5 * (low + high) * _between(line, places) + 0.5 * (low - high) * _between(line, places - 2)
        line[:, silence + t] = mixed @ past + feed * entry[number % 2, t]
        heard[:, t] = ways @ line[:, silence + t]
    return heard


def _between(rows, places):
    """What stands in each row at its place, on the straight line between two frames."""
    first, row = np.floor(places).astype(int), np.arange(len(rows))
    return rows[row, first] + (places - first) * (rows[row, first + 1] - rows[row, first])


def _blurred(x, lates):
    """x through all-passes y[t] = g u[t] + u[t - late], u[t] = x[t] - g u[t - late], one after another."""
    for number, late in enumerate(lates):
        g, u = 0.75 if number < 2 else 0.625, np.zeros(late + len(x))
        for t, sample in enumerate(x):
            u[late + t] = sample - g * u[t]
        x = g * u[late:] + u[: len(x)]
    return x


def springs(x, waited, taps, thinned, travels, early, kept, bend, swing, steps):
    """What two springs make of the frames x, after so many frames of silence, sample by sample and stage by stage.

    A sample is made of `thinned` frames. travels: samples by which the bass is late in each spring. early: length of
    the all-pass that echoes, kept: gain each time round, steps: cycles of the swing in a sample, for each spring.
    """
    samples, first = np.convolve(x, taps)[: len(x) : thinned], waited // thinned
    heard, stages = np.zeros(len(samples)), 100
    for number in range(2):
        chain, echo, gain = np.zeros(stages), np.zeros(early[number] + len(samples)), kept[number]
        silence = int(travels[number]) + 10
        made = np.zeros(silence + len(samples))
        for t, sample in enumerate(samples):
            late = travels[number] - stages * (1 - bend) / (1 + bend)
            late += swing * (1 + np.sin(2 * np.pi * steps[number] * (first + t + 1)))
            echo[early[number] + t] = _cubic(made, silence + t - late + early[number]) - 0.2 * echo[t]
            passing = sample - gain * (0.2 * echo[early[number] + t] + echo[t])
            for stage in range(stages):
                coming, passing = passing, bend * passing + chain[stage]
                chain[stage] = coming - bend * passing
            made[silence + t] = passing
            heard[t] += (1, -1)[number] * np.sqrt(1 - gain**2) * _cubic(made, silence + t - late + 24)
    spread = np.zeros(len(x))
    spread[::thinned] = thinned * heard
    return np.convolve(spread, taps)[: len(x)]


def _cubic(row, place):
    """What stands at a place between four frames: Lagrange's polynomial."""
    first = int(np.floor(place)) - 1
    d = place - first
    parts = [np.prod([(d - j) / (i - j) for j in range(4) if j != i]) for i in range(4)]
    return np.dot(parts, row[first : first + 4])


def linear(network, x):
    """What `network` (chainrt.nam.linear.Linear) makes of the mono signal `x`, after an endless silence."""
    return np.convolve(np.asarray(x, np.float64), network.response.astype(np.float64))[: len(x)] + network.bias


def best_plan_by_trying_all(counts, worth, is_allowed):
    """Of all plans of blocks with so many levels, the one worth most among those allowed; None if none is."""
    plans = [()]
    for count in counts:
        plans = [(*plan, level) for plan in plans for level in range(count)]
    return max(filter(is_allowed, plans), key=worth, default=None)
