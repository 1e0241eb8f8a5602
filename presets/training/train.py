"""Train one of our models and write its .nam file:  python presets/training/train.py brick

What it does: plays synthetic guitar through a simulated device (playing.py, devices.py), teaches an A2
network to do the same (network.py), writes the file (namfile.py), measures it on playing it has never heard.

Rules kept here:
* Seeded: the same command gives the same model on the same kind of machine.
* Resumable: a checkpoint every CHECKPOINT_STEPS in the scratch folder (CHAINRT_TRAINING_SCRATCH, or the
  system's temporary folder); the same command goes on from it. Delete it to start afresh.
* Every reported figure is measured on the written file, on a performance used for nothing else.
* A step that goes wrong does no harm: gradients are clipped against their own running median, and a loss that
  is not finite sends training back to the last checkpoint with half the rate.

Options: --steps scales the length, --check-gradients compares the compiled gradient with finite differences,
--report measures an existing file again.
"""

import argparse
import functools
import hashlib
import math
import os
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import devices
import namfile
import numpy as np
import playing
from network import OUTPUT_FRAMES, Network, initial_weights, slice_mask

MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models"
# Data and checkpoints; outside the project unless told otherwise.
DEFAULT_SCRATCH = Path(tempfile.gettempdir()) / "chainrt-training"
SCRATCH_FOLDER = Path(os.environ.get("CHAINRT_TRAINING_SCRATCH", DEFAULT_SCRATCH))

TRAINING_SECONDS, VALIDATION_SECONDS, HELD_OUT_SECONDS = 120.0, 12.0, 45.0
TRAINING_SEED, VALIDATION_SEED, HELD_OUT_SEED = 11, 12, 13

PEAK_RATE = 8e-3
WARM_UP_STEPS = 150
FINAL_RATE_SHARE = 0.01
ADAM_MEAN, ADAM_SQUARE, ADAM_EPSILON = 0.9, 0.99, 1e-8
AVERAGE_DECAY = 0.997  # of the averaged weights, a step
CLIP_AT_MEDIANS = 2.0
CHECKPOINT_STEPS = 200
QUIET_SHARE = 0.1  # a segment's error is divided by its power plus this share of the mean power
SPECTRAL_WEIGHT = 3e-4
SPECTRAL_SIZES = (256, 1024, 4096)
SPECTRAL_EVERY = 4  # one segment in four also has the spectral term
SPECTRAL_FLOOR = 1e-4  # of the segment's mean bin power; without it quiet bins explode


@dataclass(frozen=True)
class Part:
    """One set of weights and the widths it is trained at, each with its share of every step's segments.

    All widths in every step: one width a step, drawn at random, was slower to get the narrowest going.
    """

    segments: dict[int, int]  # width: segments a step
    head_taps: int
    steps: int
    seed: int = 1

    @property
    def widths(self):
        return tuple(self.segments)

    @property
    def full_width(self):
        return max(self.widths)


@dataclass(frozen=True)
class Plan:
    device: str
    gear_make: str
    gear_model: str
    gear_type: str
    tone_type: str
    parts: tuple[Part, ...]  # two parts make a container; one part of several widths a sliced WaveNet


PLANS = {
    "glass": Plan(
        device="glass",
        gear_make="Lindqvist",
        gear_model="Glass 22",
        gear_type="amp",
        tone_type="crunch",
        parts=(Part({3: 8}, head_taps=16, steps=10000), Part({8: 8}, head_taps=16, steps=7500)),
    ),
    "brick": Plan(
        device="brick",
        gear_make="Ziegelwerk",
        gear_model="Brick 100",
        gear_type="amp",
        tone_type="hi_gain",
        # One tap: NeuralAmpModelerCore refuses to slice a model whose head has more.
        parts=(Part({2: 2, 4: 2, 6: 2, 8: 3}, head_taps=1, steps=18000),),
    ),
    "fern": Plan(
        device="fern",
        gear_make="Underwood",
        gear_model="Fern Drive",
        gear_type="pedal",
        tone_type="overdrive",
        parts=(Part({3: 8}, head_taps=16, steps=5000), Part({8: 8}, head_taps=16, steps=2500)),
    ),
    "brick-a2": Plan(
        device="brick",
        gear_make="Ziegelwerk",
        gear_model="Brick 100",
        gear_type="amp",
        tone_type="hi_gain",
        parts=(Part({3: 8}, head_taps=16, steps=8000), Part({8: 8}, head_taps=16, steps=2500)),
    ),
    "linen": Plan(
        device="linen",
        gear_make="Halvorsen",
        gear_model="Linen 40",
        gear_type="amp",
        tone_type="clean",
        parts=(Part({3: 8}, head_taps=16, steps=5000), Part({8: 8}, head_taps=16, steps=2000)),
    ),
    "rust": Plan(
        device="rust",
        gear_make="Ironfield",
        gear_model="Rust 45",
        gear_type="amp",
        tone_type="crunch",
        parts=(Part({3: 8}, head_taps=16, steps=6000), Part({8: 8}, head_taps=16, steps=2500)),
    ),
    "rust-sliced": Plan(
        device="rust",
        gear_make="Ironfield",
        gear_model="Rust 45",
        gear_type="amp",
        tone_type="crunch",
        parts=(Part({2: 2, 4: 2, 6: 2, 8: 3}, head_taps=1, steps=7000),),
    ),
    "moss": Plan(
        device="moss",
        gear_make="Underwood",
        gear_model="Moss Fuzz",
        gear_type="pedal",
        tone_type="fuzz",
        parts=(Part({3: 8}, head_taps=16, steps=8000), Part({8: 8}, head_taps=16, steps=3000)),
    ),
}


# ---- data ----------------------------------------------------------------------------------------


def performance_pair(device, seed, seconds):
    """(input, output) of a device, kept in the scratch folder under a name that says all that made it."""
    source = b"".join(Path(m.__file__).read_bytes() for m in (devices, playing))
    path = SCRATCH_FOLDER / f"{device}-{seed}-{seconds:g}s-{hashlib.sha256(source).hexdigest()[:10]}.npz"
    if not path.exists():
        x = playing.performance(seed, seconds)
        np.savez(path, x=x, y=devices.play(device, x))
    pair = np.load(path)
    return pair["x"], pair["y"]


# ---- loss ----------------------------------------------------------------------------------------


def spectral_loss(y, target):
    """Mean squared difference of log power over three resolutions, and its gradient by y."""
    loss, gradient = 0.0, np.zeros(len(y))
    for size in SPECTRAL_SIZES:
        window = np.hanning(size + 1)[:-1]
        starts = np.arange(0, len(y) - size + 1, size // 2)
        index = starts[:, None] + np.arange(size)
        mine, other = np.fft.rfft(y[index] * window), np.fft.rfft(target[index] * window)
        power, other_power = np.abs(mine) ** 2, np.abs(other) ** 2
        floor = SPECTRAL_FLOOR * other_power.mean() + 1e-7
        difference = np.log((power + floor) / (other_power + floor))
        loss += np.mean(difference**2)
        by_bin = 4 * difference / (power + floor) / difference.size * mine  # d loss / d(re, im)
        by_bin[:, 1:-1] *= 0.5  # irfft counts the inner bins twice
        frames = np.fft.irfft(by_bin, size) * size * window
        np.add.at(gradient, index, frames)
    return loss / len(SPECTRAL_SIZES), gradient / len(SPECTRAL_SIZES)


def segment_loss(y, target, mean_power, with_spectrum):
    """Loss of one segment and its gradient by the outputs."""
    error = y - target
    scale = 1 / (np.mean(np.square(target, dtype=float)) + QUIET_SHARE * mean_power)
    loss = scale * np.mean(np.square(error, dtype=float))
    gradient = (2 * scale / len(y)) * error
    if with_spectrum:
        spectral, spectral_gradient = spectral_loss(y.astype(float), target.astype(float))
        loss += SPECTRAL_WEIGHT * spectral
        gradient = gradient + SPECTRAL_WEIGHT * spectral_gradient
    return loss, gradient


def esr(y, target):
    """Error-to-signal ratio: energy of the error by energy of the target."""
    return float(np.sum(np.square(y - target, dtype=float)) / np.sum(np.square(target, dtype=float)))


# ---- training ------------------------------------------------------------------------------------


def rate_at(step, steps, factor):
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return factor * PEAK_RATE * warm * (FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * cosine)


class Training:
    """All that a checkpoint holds: weights, Adam's moments, averaged weights, step, CPU time so far."""

    def __init__(self, name, device, number, part, steps):
        self.name, self.device, self.part, self.steps = name, device, part, steps
        self.network = Network(part.full_width, part.head_taps)
        self.path = SCRATCH_FOLDER / f"{name}-{number}-{steps}.checkpoint.npz"
        rng = np.random.default_rng(part.seed)
        self.weights = initial_weights(part.full_width, part.head_taps, rng)
        self.average = self.weights.copy()
        self.mean, self.square = np.zeros(len(self.weights)), np.zeros(len(self.weights))
        self.step, self.factor, self.cpu_seconds = 0, 1.0, 0.0
        self.norms = deque(maxlen=101)  # of recent gradients
        if self.path.exists():
            self.restore()

    def save(self):
        state = {k: getattr(self, k) for k in ("weights", "average", "mean", "square")}
        state["place"] = np.array([self.step, self.factor, self.cpu_seconds])
        np.savez(temporary := self.path.with_suffix(".part.npz"), **state)
        os.replace(temporary, self.path)

    def restore(self):
        saved = np.load(self.path)
        for key in ("weights", "average", "mean", "square"):
            setattr(self, key, saved[key])
        step, self.factor, self.cpu_seconds = saved["place"]
        self.step = int(step)

    def one_step(self, x, y, mean_power):
        """One Adam step on fresh segments; returns {width: mean loss}, or None if anything was not finite."""
        rng = np.random.default_rng((self.part.seed, self.step))  # a resumed run sees the same segments
        total = self.network.geometry.total
        gradient = np.zeros(len(self.weights), np.float32)
        losses, count, number = {}, sum(self.part.segments.values()), self.step
        for width, share in self.part.segments.items():
            losses[width] = 0.0
            for start in rng.integers(0, len(y) - OUTPUT_FRAMES, share):
                played = self.network.play_segment(self.weights, width, x[start : start + total])
                target = y[start : start + OUTPUT_FRAMES]
                loss, by_output = segment_loss(played, target, mean_power, number % SPECTRAL_EVERY == 0)
                self.network.add_gradient(self.weights, width, by_output / count, gradient)
                losses[width] += loss / share
                number += 1
        gradient[-1] = 0  # the head scale stays
        norm = float(np.linalg.norm(gradient.astype(float)))
        if not math.isfinite(norm + sum(losses.values())):
            return None
        self.norms.append(norm)
        g = gradient * min(1.0, CLIP_AT_MEDIANS * float(np.median(self.norms)) / (norm + 1e-30))
        self.mean += (1 - ADAM_MEAN) * (g - self.mean)
        self.square += (1 - ADAM_SQUARE) * (g * g - self.square)
        mean = self.mean / (1 - ADAM_MEAN ** (self.step + 1))
        square = self.square / (1 - ADAM_SQUARE ** (self.step + 1))
        rate = rate_at(self.step, self.steps, self.factor)
        self.weights -= (rate * mean / (np.sqrt(square) + ADAM_EPSILON)).astype(np.float32)
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        self.average += np.float32(1 - decay) * (self.weights - self.average)
        self.step += 1
        return losses

    def run(self, report):
        """Train to the end; returns the averaged weights."""
        x, y = performance_pair(self.device, TRAINING_SEED, TRAINING_SECONDS)
        held = performance_pair(self.device, VALIDATION_SEED, VALIDATION_SECONDS)
        mean_power = float(np.mean(np.square(y, dtype=float)))
        x = np.concatenate([np.zeros(self.network.geometry.first_output, np.float32), x])
        if self.step == 0:
            self.save()
        recent = {w: deque(maxlen=50) for w in self.part.widths}
        clock = time.process_time()
        while self.step < self.steps:
            losses = self.one_step(x, y, mean_power)
            if losses is None or not np.all(np.isfinite(self.weights)):
                self.restore()
                self.factor *= 0.5
                self.save()
                report(f"{self.name}: not finite; back to step {self.step} at rate factor {self.factor}")
                continue
            for width, loss in losses.items():
                recent[width].append(loss)
            if self.step % CHECKPOINT_STEPS == 0 or self.step == self.steps:
                now = time.process_time()
                self.cpu_seconds += now - clock
                self.save()
                clock = now
                line = f"{self.name} {self.step}/{self.steps} {self.cpu_seconds:.0f} s CPU"
                for w in self.part.widths:
                    line += f" | {w} ch loss {np.mean(recent[w]):.5f}"
                    if self.step % (5 * CHECKPOINT_STEPS) == 0 or self.step == self.steps:
                        line += f" ESR {esr(self.network.play(self.average, w, held[0]), held[1]):.5f}"
                report(line)
                clock = time.process_time()
        return self.average


# ---- the file and its figures --------------------------------------------------------------------


def rms_dbfs(signal):
    return 10 * math.log10(float(np.mean(np.square(signal, dtype=float))) + 1e-30)


def loudness_and_gain(play):
    """The field's two figures (neural-amp-modeler, nam/models/exportable.py), on our own typical playing.

    Loudness is the output's RMS in dBFS; gain is how far the curve of output against input level lies between
    a straight line (0) and a step (1).
    """
    x = playing.typical(np.random.default_rng(1), 15.0)
    outputs = np.array([10 ** (rms_dbfs(play(np.float32(g) * x)) / 20) for g in np.linspace(0, 1, 11)])
    square = outputs[-1] * len(outputs)
    gain = (outputs.sum() - 0.5 * square) / (0.5 * square)
    return 20 * math.log10(outputs[-1]), float(np.clip(gain, 0, 1))


def write_model(name, plan, trained, path):
    """trained: one (part, averaged weights, CPU seconds, steps) for each part of the plan."""
    held = performance_pair(plan.device, VALIDATION_SEED, VALIDATION_SECONDS)
    models = []
    for part, weights, cpu_seconds, steps in trained:
        network = Network(part.full_width, part.head_taps)
        loudness, gain = loudness_and_gain(functools.partial(network.play, weights, part.full_width))
        errors = {str(w): round(esr(network.play(weights, w, held[0]), held[1]), 6) for w in part.widths}
        metadata = {
            "date": namfile.date_now(),
            "loudness": round(loudness, 3),
            "gain": round(gain, 4),
            "name": name,
            "modeled_by": "chainrt",
            "gear_type": plan.gear_type,
            "gear_make": plan.gear_make,
            "gear_model": plan.gear_model,
            "tone_type": plan.tone_type,
            "training": {
                "command": f"python presets/training/train.py {name}",
                "data": f"simulated device, {TRAINING_SECONDS:g} s of synthetic playing",
                "device_output_gain": round(devices.output_gain(plan.device), 6),
                "steps": steps,
                "cpu_seconds": round(cpu_seconds),
                "validation_esr": errors[str(part.full_width)],
                "validation_esr_by_channels": errors,
            },
        }
        sliced = part.widths if len(part.widths) > 1 else None
        models.append(namfile.wavenet(weights, part.full_width, part.head_taps, metadata, sliced))
    if len(models) > 1:
        values = np.arange(1, len(models) + 1) / len(models)
        sized = list(zip(values.tolist(), models, strict=True))
        model = namfile.container(sized, models[-1]["metadata"])
    else:
        model = models[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    namfile.write(path, model)


def measure(name, plan, path, report):
    """The card's table, from the written file through the slow player: nothing shared with training."""
    x, y = performance_pair(plan.device, HELD_OUT_SEED, HELD_OUT_SECONDS)
    plain = playing.typical(np.random.default_rng(HELD_OUT_SEED), 10.0)
    plain_y = devices.play(plan.device, plain)
    report(f"{name}: device on typical playing {rms_dbfs(plain_y):.2f} dBFS RMS")
    for label, array, flat, width in namfile.levels(path):
        out, plain_out = (namfile.slow_play(array, flat, width, s) for s in (x, plain))
        shifts = range(-16, 17)
        match = [np.dot(plain_out[100:-100], np.roll(plain_y, shift)[100:-100]) for shift in shifts]
        at_rest = abs(namfile.slow_play(array, flat, width, np.zeros(64))[-1])
        report(
            f"{name} {label}: ESR {esr(out, y):.5f} held out, {esr(plain_out, plain_y):.5f} typical playing; "
            f"{rms_dbfs(plain_out):.2f} dBFS RMS; delay {shifts[int(np.argmax(match))]} samples; "
            f"peak {np.max(np.abs(out)):.3f}; at rest {at_rest:.1e}"
        )


# ---- the gradient, checked -----------------------------------------------------------------------


def check_gradients(report):
    """Compiled gradient against central differences of the slow float64 player, along random directions."""
    rng = np.random.default_rng(3)
    for full, width, head_taps in ((8, 8, 16), (3, 3, 16), (8, 6, 1), (8, 4, 1), (8, 2, 1)):
        network = Network(full, head_taps, output_frames=64)
        flat = initial_weights(full, head_taps, rng)
        total, first = network.geometry.total, network.geometry.first_output
        x, direction = rng.normal(0, 0.3, total).astype(np.float32), rng.normal(size=64).astype(np.float32)
        array = namfile.layer_array(full, head_taps)
        network.play_segment(flat, width, x)
        gradient = np.zeros(len(flat), np.float32)
        network.add_gradient(flat, width, direction, gradient)
        mask = slice_mask(full, width, head_taps)
        mask[-1] = False
        assert not np.any(gradient[~mask]), "a weight outside the slice has a gradient"
        worst = 0.0
        for _ in range(6):
            move = np.where(mask & (rng.random(len(flat)) < 0.3), rng.normal(size=len(flat)), 0)
            step = 1e-7  # small: across a kink of the activation the difference is no derivative
            ends = [namfile.slow_play(array, flat + s * move, width, x)[first:] for s in (step, -step)]
            expected = np.dot(ends[0] - ends[1], direction) / (2 * step)
            size = np.linalg.norm(gradient.astype(float) * move)  # the sum itself may cancel
            worst = max(worst, abs(np.dot(gradient.astype(float), move) - expected) / size)
        report(f"{width} of {full} channels, {head_taps}-tap head: worst difference, relative, {worst:.1e}")
        assert worst < 1e-3, "the compiled gradient is wrong"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", choices=sorted(PLANS))
    parser.add_argument("--steps", type=float, default=1.0, help="share of the planned steps, say 0.1")
    parser.add_argument("--output", type=Path, help="file to write instead of presets/models/NAME.nam")
    parser.add_argument("--report", action="store_true", help="only measure the existing file")
    parser.add_argument("--check-gradients", action="store_true", help="compare with differences and stop")
    options = parser.parse_args()

    def report(line):
        print(line, flush=True)

    if options.check_gradients:
        return check_gradients(report)
    if options.model is None:
        parser.error("which model? " + ", ".join(sorted(PLANS)))
    SCRATCH_FOLDER.mkdir(parents=True, exist_ok=True)
    plan = PLANS[options.model]
    path = options.output or MODELS_FOLDER / f"{options.model}.nam"
    if not options.report:
        trained = []
        for number, part in enumerate(plan.parts):
            steps = max(1, round(part.steps * options.steps))
            training = Training(options.model, plan.device, number, part, steps)
            weights = training.run(report)
            trained.append((part, weights, training.cpu_seconds, steps))
        write_model(options.model, plan, trained, path)
    measure(options.model, plan, path, report)


if __name__ == "__main__":
    main()
