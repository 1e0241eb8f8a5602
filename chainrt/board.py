"""A board: a preset ready to be played, with its tables, the loop around its engine and the player's settings.

With a second core it is a pair (pair.py): `chain` is the lead, whom the policy and the meters mean; `played` is the
understudy, whom doors play and deadlines mean.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .calibrate import cost_table, fidelity_table
from .chain import Chain, ChainBlock, CostTable
from .control import Control, chain_model
from .pair import Pair
from .preset import Preset
from .scheduler import BlockModel, ChainModel, policy_named
from .switchboard import Switchboard


@dataclass(frozen=True, eq=False)
class Board:
    chain: Chain
    model: ChainModel
    control: Control
    switchboard: Switchboard
    pair: Pair | None = None

    @property
    def played(self) -> Chain:
        """What is played on the audio thread."""
        return self.pair.understudy if self.pair else self.chain

    @property
    def latency(self) -> int:
        """Frames by which all is heard later."""
        return self.chain.latency + (self.pair.late if self.pair else 0)

    def start(self) -> None:
        """Begin what plays beside the audio thread."""
        if self.pair:
            self.pair.start()

    def stop(self) -> None:
        """End it. May be repeated."""
        if self.pair:
            self.pair.stop()

    def change(self, budget: float) -> None:
        """Tell the policy the budget (share of the deadline), and which blocks are bypassed and thus cost nothing."""
        self.control.change(_without_bypassed(self.model, self.switchboard), budget)


def _without_bypassed(model: ChainModel, switchboard: Switchboard) -> ChainModel:
    """The same chain with the bypassed blocks costing and gaining nothing, at any level."""

    def free(block: BlockModel) -> BlockModel:
        nothing = (0.0,) * len(block.call_ns)
        return replace(block, call_ns=nothing, frame_ns=nothing, utility=nothing)

    pairs = zip(model.blocks, switchboard.enabled, strict=True)
    return replace(model, blocks=tuple(block if enabled else free(block) for block, enabled in pairs))


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
    second_core: bool = False,
) -> Board:
    """Lay out the chain, measure it, and set it to the first plan. It may take seconds.

    rate: Hz. frames: the longest period. guitar: float32, playing on which levels are compared. policy: a name, see
    scheduler/policies.py. budget: share of the deadline. tell, blocks: see Chain. costs: where the cost table comes
    from. second_core: with an understudy. Raises PresetError.
    """
    chain = Chain(preset, rate, frames, tell, blocks)
    table = costs(chain)
    chain.set_costs(table)
    model = chain_model(chain, table, fidelity_table(chain, guitar))
    switchboard = Switchboard(chain)
    control = Control(chain, policy_named(policy)(_without_bypassed(model, switchboard), budget))
    pair = None
    if second_core:
        pair = Pair(chain)
        switchboard.reach(pair.understudy)
    return Board(chain, model, control, switchboard, pair)
