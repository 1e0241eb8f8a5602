"""The scheduler: numbers in, plan out.

    policy = POLICIES["adaptive"](chain, budget=0.7)
    plan = policy.first_plan()
    ... some periods later, again and again:
    plan = policy.decide(time_s, observation) or plan

`records` says what goes in and out, `estimator` how slow the machine is, `frontier` and `planner` which levels are
best, `headroom` how much room to leave, `insurance` what the time left over is spent on, `exchange` which step can
be taken when the best cannot, `patience` how often a listener may be bothered, `policy` when to move, and
`policies` which policies there are.

Rules kept in this room: standard library and numpy only; no clock, no audio, no threads, no files. Time is an
argument. The same inputs give the same plans, so a recorded session can be decided again.
"""

from .frontier import Frontier
from .planner import Choice, choose, fits_without, least_share
from .policies import POLICIES, Fixed, policy_named
from .policy import Adaptive, Policy
from .records import NOT_WARM, BlockModel, ChainModel, Observation, Plan

__all__ = [
    "NOT_WARM",
    "POLICIES",
    "Adaptive",
    "BlockModel",
    "ChainModel",
    "Choice",
    "Fixed",
    "Frontier",
    "Observation",
    "Plan",
    "Policy",
    "choose",
    "fits_without",
    "least_share",
    "policy_named",
]
