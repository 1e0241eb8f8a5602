"""What a run was like, as one plain dictionary: the keys of `chainrt run --json`, from which the table is made, too.

Loads are shares of the deadline (0.42, not 42); times of changes are seconds from the start.
"""

from .chain import Chain
from .control import Control
from .meters import BlockMeter, LevelChange
from .pair import Pair
from .scheduler import ChainModel


def summary(
    chain: Chain,
    control: Control,
    model: ChainModel,
    *,
    clock: str,
    device: str,
    budget: float,
    seed,
    pair: Pair | None = None,
) -> dict:
    """The report of a run. clock: "wall", "virtual" or "audio"; budget: share of the deadline; seed: int or None.

    pair: of which the chain is the lead. Then misses are the understudy's, and while it is heard nothing is gained.
    """
    engine, meters = (pair.understudy if pair else chain).engine, control.meters
    deadline_ns = chain.deadline_ns

    def load(nanoseconds: float) -> float:
        return round(nanoseconds / deadline_ns, 6)

    answer = {
        "preset": str(chain.preset.path),
        "clock": clock,
        "device": device,
        "rate": int(chain.rate),
        "period": chain.frames,
        "deadline_us": round(deadline_ns / 1000, 3),
        "budget": round(budget, 6),
        "periods": int(engine["periods"]),
        "misses": int(engine["misses"]),
        "unavoidable_misses": int(engine["unavoidable"]),
        "longest_miss_run": int(engine["longest_miss_run"]),
        "lost_periods": meters.lost_periods,
        "latency_frames": chain.latency + (pair.late if pair else 0),
        "load": {
            "mean": load(meters.load_ns.mean),
            "p50": load(meters.load_ns.quantile(0.50)),
            "p99": load(meters.load_ns.quantile(0.99)),
            "max": load(meters.load_ns.max),
        },
        "utility": round(_utility(model, control), 6),
        "level_changes": len(meters.changes),
        "seed": seed,
        "blocks": [
            _block(block, meter, [change for change in meters.changes if change.block == index], level)
            for index, (block, meter, level) in enumerate(
                zip(chain.blocks, meters.blocks, chain.block_records["audible"].tolist(), strict=False)
            )
        ],
    }
    if pair:
        answer["second_core"] = second_core([pair])
        answer["utility"] = round(answer["utility"] * (1 - pair.stood_in / max(1, answer["periods"])), 6)
    return answer


def second_core(pairs: list[Pair]) -> dict:
    """How often the understudies stood in for their leads, all in all."""
    return {
        "late_frames": pairs[0].late,
        "periods_of_understudy": sum(pair.stood_in for pair in pairs),
        "changes": sum(pair.changes for pair in pairs),
        "unheard_periods": sum(pair.unheard for pair in pairs),
    }


def _block(block, meter: BlockMeter, changes: list[LevelChange], level: int) -> dict:
    names = block.level_names
    heard = max(1, int(meter.periods_at.sum()))
    return {
        "id": block.id,
        "kind": block.spec.kind,
        "latency_frames": block.latency,
        "levels": list(names),
        "level": names[level],
        "level_share": {
            name: round(int(count) / heard, 6) for name, count in zip(names, meter.periods_at, strict=True)
        },
        "cost_us": {
            "mean": round(meter.cost_ns.mean / 1000, 3),
            "p99": round(meter.cost_ns.quantile(0.99) / 1000, 3),
        },
        "changes": [
            {"t": round(c.time_s, 6), "from": names[c.before], "to": names[c.after], "reason": c.reason}
            for c in changes
        ],
    }


def _utility(model: ChainModel, control: Control) -> float:
    """Time-weighted: 1 is every block at its largest level all the time, 0 at its smallest."""
    gained = possible = 0.0
    for block, meter in zip(model.blocks, control.meters.blocks, strict=True):
        low, high = block.utility[block.smallest], block.utility[block.largest]
        shares = meter.periods_at / max(1, meter.periods_at.sum())
        gained += sum(share * value for share, value in zip(shares, block.utility, strict=True)) - low
        possible += high - low
    return gained / possible if possible > 0 else 1.0
