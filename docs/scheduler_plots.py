"""Draws the pictures of docs/scheduler.md: `python docs/scheduler_plots.py` writes docs/scheduler_bursts.png."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from chainrt.benchmarks import scoring
from chainrt.numeric import FRAMES, PEDALBOARD, RATE_HZ
from chainrt.scheduler import POLICIES

SECONDS, SEED = 10.0, 3


class Watching:
    """The scheduler, and what it thought at each look."""

    reflex = True

    def __init__(self, chain, budget):
        self.policy, self.seen = POLICIES["adaptive"](chain, budget), []
        self.first_plan, self.set_budget, self.change = (
            self.policy.first_plan,
            self.policy.set_budget,
            self.policy.change,
        )

    def decide(self, time_s, seen):
        plan = self.policy.decide(time_s, seen)
        self.seen.append((time_s, self.policy.estimator.fast, self.policy.estimator.slow))
        return plan


def main() -> None:
    periods = round(SECONDS * RATE_HZ / FRAMES)
    policies = []

    def make(chain, budget):
        policies.append(Watching(chain, budget))
        return policies[0]

    _, tally, _ = scoring.play(make, "bursts", periods, SEED, tally_by=scoring.Keeping)
    rows, _ = scoring.weather_rows("bursts", periods, SEED)
    time_s = np.arange(periods) * FRAMES / RATE_HZ
    sound = (tally.spent["measured_ns"] - tally.spent["muted_ns"]).sum(axis=1) / tally.model.deadline_ns
    load = tally.ring["spent_ns"] / tally.model.deadline_ns

    figure, (top, levels, quality, machine) = plt.subplots(4, 1, figsize=(9, 9), sharex=True)
    top.plot(time_s, 100 * load, color="#bbbbbb", lw=0.6, label="with muted work")
    top.plot(time_s, 100 * sound, color="#1f5f8b", lw=0.8, label="until the sound was done")
    top.axhline(100, color="#b03030", lw=0.8)
    top.set_ylabel("load, % of deadline")
    top.legend(loc="lower right", fontsize=8)
    for index, block in enumerate(PEDALBOARD):
        if len(block.shares) > 1:
            share = tally.spent["audible"][:, index] / (len(block.shares) - 1)
            levels.plot(time_s, share + 1.2 * len(levels.lines), lw=1.2, label=block.id)
    levels.set_ylabel("level, each lite to full")
    levels.set_yticks([])
    levels.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), fontsize=8, ncols=4)
    error = [
        -10 * np.log10(sum(10 ** (-PEDALBOARD[b].fidelity_db[level] / 10) for b, level in enumerate(row) if b in SLIM))
        for row in tally.spent["audible"]
    ]
    quality.plot(time_s, [-db for db in error], color="#5b3f8c", lw=1.0)
    quality.set_ylabel("error of the models, dB")
    looks = np.array(policies[0].seen)
    machine.plot(time_s, rows[:, 0], color="#bbbbbb", lw=0.8, label="the machine")
    machine.plot(looks[:, 0], looks[:, 1], lw=0.9, label="fast slowdown")
    machine.plot(looks[:, 0], looks[:, 2], lw=0.9, label="slow slowdown")
    machine.set_ylabel("slowdown")
    machine.set_xlabel("seconds")
    machine.legend(loc="upper right", fontsize=8)
    figure.align_ylabels()
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("scheduler_bursts.png"), dpi=110)


SLIM = {index for index, block in enumerate(PEDALBOARD) if len(block.shares) > 1}

if __name__ == "__main__":
    main()
