"""Policies against scenarios: misses, fidelity, changes, on the same weather for all."""

from itertools import product

from ...weather import SCENARIOS
from ..chapter import Cell, Effort, Row, Table, Told
from ..simulated import CONTESTANTS, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Policies and scenarios"
IS_TIMED = False


def cells(effort: Effort) -> list[Cell]:
    periods = 50_000 if effort.is_full else 10_000
    return [
        {"policy": policy, "scenario": scenario, "seed": seed, "periods": periods}
        for seed, scenario, policy in product(range(effort.seeds), SCENARIOS, CONTESTANTS)
    ]


def tell(rows: list[Row]) -> Told:
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["scenario"], row["policy"]), []).append(row["score"])
    lines = []
    for (scenario, policy), scores in groups.items():
        periods = sum(score["periods"] for score in scores)
        avoidable = sum(score["misses"] - score["unavoidable"] for score in scores)
        utility = sum(score["utility"] for score in scores) / periods
        lines.append((scenario, policy, f"{1e6 * avoidable / periods:,.0f}", f"{utility:.3f}"))
    table = Table("scores", "Misses and fidelity", ("scenario", "policy", "avoidable a million>", "utility>"), lines)
    return Told((f"{len(rows)} runs.",), (), (table,))
