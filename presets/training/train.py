"""Train one of our models, write its .nam file and its card:  python presets/training/train.py brick

What it does: plays synthetic guitar through a simulated device (playing.py, devices.py, data.py), teaches networks
to do the same (plans.py, network.py), writes the file (namfile.py), measures it on playing it has never heard
and writes its card (measures.py, card.py).

Rules kept here:
* Seeded: the same command gives the same model on the same kind of machine.
* Resumable: a checkpoint every CHECKPOINT_STEPS in the scratch folder (data.py); the same command goes on from it.
  Delete it to start afresh.
* A step that goes wrong does no harm: gradients are clipped against their own running median, and a loss that
  is not finite sends training back to the last checkpoint with half the rate.

Options: --steps scales the length, --report measures existing files again and writes their card.
"""

import argparse
import functools
import math
import os
import time
from collections import deque
from pathlib import Path

import card
import data
import devices
import namfile
import numpy as np
from architecture import initial_weights, with_longer_head
from data import SCRATCH_FOLDER, performance_pair
from measures import esr, loudness_and_gain
from network import OUTPUT_FRAMES, Network
from plans import CONTAINER, PLANS, SLICED

MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models"

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


# ---- training ------------------------------------------------------------------------------------


def rate_at(step, steps, factor):
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return factor * PEAK_RATE * warm * (FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * cosine)


def starting_weights(part):
    """Random by the part's seed, or those of the model that it starts from."""
    if not part.start:
        return initial_weights(part.architecture, np.random.default_rng(part.seed))
    weights = namfile.levels(MODELS_FOLDER / f"{part.start}.nam")[-1].weights
    (older,) = PLANS[part.start].parts
    return with_longer_head(weights, older.architecture, part.architecture.arrays[0].head_taps)


class Training:
    """All that a checkpoint holds: weights, Adam's moments, averaged weights, step, CPU time so far."""

    def __init__(self, name, device, number, part, steps):
        self.name, self.device, self.part, self.steps = name, device, part, steps
        self.network = Network(part.architecture)
        self.path = SCRATCH_FOLDER / f"{name}-{number}-{steps}.checkpoint.npz"
        self.weights = starting_weights(part)
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
        x, y = performance_pair(self.device, *data.TRAINING)
        held = performance_pair(self.device, *data.VALIDATION)
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


def part_model(name, plan, part, weights, cpu_seconds, steps):
    """The .nam of one part, as a dictionary."""
    held = performance_pair(plan.device, *data.VALIDATION)
    network = Network(part.architecture)
    instrument = devices.instrument(plan.device)
    loudness, gain = loudness_and_gain(functools.partial(network.play, weights, part.widths[-1]), instrument)
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
            "data": f"simulated device, {data.TRAINING[1]:g} s of synthetic playing",
            **({"start": f"the weights of {part.start}.nam"} if part.start else {}),
            "device_output_gain": round(devices.output_gain(plan.device), 6),
            "steps": steps,
            "cpu_seconds": round(cpu_seconds),
            "validation_esr": errors[str(part.widths[-1])],
            "validation_esr_by_channels": errors,
        },
    }
    return namfile.wavenet(weights, part.architecture, metadata, part.widths if plan.form == SLICED else None)


def write_models(plan, models, paths):
    """One file for each model of a pack, else one for all."""
    if plan.form == CONTAINER:
        values = np.arange(1, len(models) + 1) / len(models)
        sized = list(zip(values.tolist(), models, strict=True))
        models = [namfile.container(sized, models[-1]["metadata"])]
    for path, model in zip(paths, models, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        namfile.write(path, model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=sorted(PLANS))
    parser.add_argument("--steps", type=float, default=1.0, help="share of the planned steps, say 0.1")
    parser.add_argument("--folder", type=Path, default=MODELS_FOLDER, help="of the files to write and of CARDS.md")
    parser.add_argument("--report", action="store_true", help="only measure the existing files")
    options = parser.parse_args()

    def report(line):
        print(line, flush=True)

    SCRATCH_FOLDER.mkdir(parents=True, exist_ok=True)
    plan = PLANS[options.model]
    paths = [options.folder / file for file in plan.files(options.model)]
    if not options.report:
        models = []
        for number, part in enumerate(plan.parts):
            steps = math.ceil(part.steps * options.steps)
            training = Training(options.model, plan.device, number, part, steps)
            weights = training.run(report)
            models.append(part_model(options.model, plan, part, weights, training.cpu_seconds, steps))
        write_models(plan, models, paths)
    report(card.write(options.model, plan, paths, options.folder / "CARDS.md"))


if __name__ == "__main__":
    main()
