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

Options: --steps scales the length; --part trains one size again and leaves the others as they are; --report only
measures existing files again and writes their card.
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
from loss import segment_loss
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
VALIDATION_CHECKPOINTS = 5  # every so many, progress tells the error on the validation part
SPECTRAL_EVERY = 4  # one segment in four also has the spectral term


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
        losses, gradient = self._losses_and_gradient(x, y, mean_power)
        norm = float(np.linalg.norm(gradient.astype(float)))
        if not math.isfinite(norm + sum(losses.values())):
            return None
        self.norms.append(norm)
        self._adam(gradient * min(1.0, CLIP_AT_MEDIANS * float(np.median(self.norms)) / (norm + 1e-30)))
        return losses

    def _losses_and_gradient(self, x, y, mean_power):
        """{width: mean loss} over random segments, and the gradient of all by the weights."""
        rng = np.random.default_rng((self.part.seed, self.step))  # a resumed run sees the same segments
        gradient = np.zeros(len(self.weights), np.float32)
        widths = [width for width, share in self.part.segments.items() for _ in range(share)]
        losses = dict.fromkeys(self.part.widths, 0.0)
        for number, width in enumerate(widths, self.step):
            start = rng.integers(0, len(y) - OUTPUT_FRAMES)
            played = self.network.play_segment(self.weights, width, x[start : start + self.network.geometry.total])
            target = y[start : start + OUTPUT_FRAMES]
            loss, by_output = segment_loss(played, target, mean_power, number % SPECTRAL_EVERY == 0)
            self.network.add_gradient(self.weights, width, by_output / len(widths), gradient)
            losses[width] += loss / self.part.segments[width]
        return losses, gradient

    def _adam(self, gradient):
        """Move the weights against the gradient and their average after them."""
        self.mean += (1 - ADAM_MEAN) * (gradient - self.mean)
        self.square += (1 - ADAM_SQUARE) * (gradient * gradient - self.square)
        mean = self.mean / (1 - ADAM_MEAN ** (self.step + 1))
        square = self.square / (1 - ADAM_SQUARE ** (self.step + 1))
        rate = rate_at(self.step, self.steps, self.factor)
        self.weights -= (rate * mean / (np.sqrt(square) + ADAM_EPSILON)).astype(np.float32)
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        self.average += np.float32(1 - decay) * (self.weights - self.average)
        self.step += 1

    def run(self, report):
        """Train to the end; returns the averaged weights."""
        x, y = performance_pair(self.device, *data.TRAINING)
        mean_power = float(np.mean(np.square(y, dtype=float)))
        x = np.concatenate([np.zeros(self.network.geometry.first_output, np.float32), x])
        if self.step == 0:
            self.save()
        recent = {width: deque(maxlen=50) for width in self.part.widths}
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
                self.cpu_seconds += time.process_time() - clock
                self.save()
                report(self._progress({width: np.mean(some) for width, some in recent.items()}))
                clock = time.process_time()
        return self.average

    def _progress(self, losses):
        """One line; every few checkpoints with the errors on the validation part."""
        parts = [f"{width} ch loss {loss:.5f}" for width, loss in losses.items()]
        if self.step % (VALIDATION_CHECKPOINTS * CHECKPOINT_STEPS) == 0 or self.step == self.steps:
            parts += [f"{w} ch ESR {error:.5f}" for w, error in self.validation_errors(self.average).items()]
        return " | ".join([f"{self.name} {self.step}/{self.steps} {self.cpu_seconds:.0f} s CPU", *parts])

    def validation_errors(self, weights):
        """{width: ESR} on the validation part."""
        x, y = performance_pair(self.device, *data.VALIDATION)
        return {width: esr(self.network.play(weights, width, x), y) for width in self.part.widths}


# ---- the file and its figures --------------------------------------------------------------------


def part_model(plan, training):
    """The .nam of one trained part, as a dictionary."""
    part, weights = training.part, training.average
    player = functools.partial(training.network.play, weights, part.widths[-1])
    loudness, gain = loudness_and_gain(player, devices.instrument(plan.device))
    errors = {str(w): round(error, 6) for w, error in training.validation_errors(weights).items()}
    metadata = {
        "date": namfile.date_now(),
        "loudness": round(loudness, 3),
        "gain": round(gain, 4),
        "name": training.name,
        "modeled_by": "chainrt",
        "gear_type": plan.gear_type,
        "gear_make": plan.gear_make,
        "gear_model": plan.gear_model,
        "tone_type": plan.tone_type,
        "training": {
            "command": f"python presets/training/train.py {training.name}",
            "data": f"simulated device, {data.TRAINING[1]:g} s of synthetic playing",
            **({"start": f"the weights of {part.start}.nam"} if part.start else {}),
            "device_output_gain": round(devices.output_gain(plan.device), 6),
            "steps": training.steps,
            "cpu_seconds": round(training.cpu_seconds),
            "validation_esr": errors[str(part.widths[-1])],
            "validation_esr_by_channels": errors,
        },
    }
    return namfile.wavenet(weights, part.architecture, metadata, part.widths if plan.form == SLICED else None)


def existing_models(paths):
    """The models in the files of a plan, as they stand there, smallest first."""
    return [model for path in paths for model in namfile.models(path)]


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
    parser.add_argument("--part", type=int, help="train only this part, 0 the smallest; the others stay as they are")
    parser.add_argument("--report", action="store_true", help="only measure the existing files")
    options = parser.parse_args()

    def report(line):
        print(line, flush=True)

    SCRATCH_FOLDER.mkdir(parents=True, exist_ok=True)
    plan = PLANS[options.model]
    if options.part is not None and not 0 <= options.part < len(plan.parts):
        parser.error(f"{options.model} has the parts 0 to {len(plan.parts) - 1}")
    paths = [options.folder / file for file in plan.files(options.model)]
    if not options.report:
        models = existing_models(paths) if options.part is not None else [None] * len(plan.parts)
        for number, part in enumerate(plan.parts):
            if options.part in (None, number):
                training = Training(options.model, plan.device, number, part, math.ceil(part.steps * options.steps))
                training.run(report)
                models[number] = part_model(plan, training)
        write_models(plan, models, paths)
    report(card.write(options.model, plan, paths, options.folder / "CARDS.md"))


if __name__ == "__main__":
    main()
