"""A board: a preset ready to be played, with its tables, the loop around its engine and the player's settings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .calibrate import cost_table, fidelity_table
from .chain import Chain, ChainBlock, CostTable
from .control import Control, chain_model
from .preset import Preset
from .scheduler import POLICIES, ChainModel
from .switchboard import Switchboard


@dataclass(frozen=True, eq=False)
class Board:
    chain: Chain
    model: ChainModel
    control: Control
    switchboard: Switchboard


def make_board(
    preset: Preset,
    rate: float,
    frames: int,
    guitar: np.ndarray,
    *,
    policy: str = "adaptive",
    budget: float = 0.7,
    tell: Callable[[int, int, str], None] | None = None,
    blocks: list[ChainBlock] | None = None,
    costs: Callable[[Chain], CostTable] = cost_table,
) -> Board:
    """Lay out the chain, measure it, and set it to the first plan. It may take seconds.

    rate: Hz. frames: the longest period. guitar: float32, playing on which levels are compared. policy: of POLICIES.
    budget: share of the deadline. tell, blocks: see Chain. costs: where the cost table comes from. Raises PresetError.
    """
    chain = Chain(preset, rate, frames, tell, blocks)
    table = costs(chain)
    chain.set_costs(table)
    model = chain_model(chain, table, fidelity_table(chain, guitar))
    return Board(chain, model, Control(chain, POLICIES[policy](model, budget)), Switchboard(chain))
