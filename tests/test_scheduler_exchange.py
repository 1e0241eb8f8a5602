"""The step that can really be taken: that of brute force, on its way as well as where it leads."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrt.scheduler import BlockModel, ChainModel
from chainrt.scheduler.exchange import exchanged

FRAMES = 64


def block(name, costs, utility):
    count = len(costs)
    return BlockModel(
        name, (0.0,) * count, tuple(c / FRAMES for c in costs), utility, (1000,) * count, tuple(range(count))
    )


def by_brute_force(chain, levels, ready, room_ns, way_ns, price):
    """The most that one climb, or one climb and one fall, gains less the price of its changes."""
    best = 0.0
    for new in product(*(block.allowed for block in chain.blocks)):
        changed = [b for b in range(len(new)) if new[b] != levels[b]]
        ups = [b for b in changed if new[b] > levels[b]]
        downs = [b for b in changed if new[b] < levels[b]]
        if len(ups) != 1 or len(downs) > 1 or not all(ready[b][new[b]] for b in downs):
            continue
        fallen = [new[b] if b in downs else levels[b] for b in range(len(new))]
        up = chain.blocks[ups[0]]
        on_the_way = FRAMES if ready[ups[0]][new[ups[0]]] else FRAMES + FRAMES // 8
        way = chain.cost_ns(fallen) + up.cost_ns(new[ups[0]], on_the_way)
        if chain.cost_ns(new) <= room_ns and way <= way_ns:
            best = max(best, chain.utility(new) - chain.utility(levels) - price * len(changed))
    return best


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), price=st.sampled_from([0.0, 0.5, 3.0]), room=st.floats(0.3, 1.2))
def test_the_step_is_that_of_brute_force_and_fits_on_its_way(seed, price, room):
    random = np.random.default_rng(seed)
    blocks = []
    for name in "abc":
        count = random.integers(1, 4)
        costs = np.sort(random.uniform(50, 400, count))
        blocks.append(block(name, costs.tolist(), tuple(np.sort(random.uniform(0, 10, count)).tolist())))
    chain = ChainModel(tuple(blocks), FRAMES, 1000.0)
    levels = tuple(int(random.integers(0, len(b.call_ns))) for b in blocks)
    ready = tuple(
        tuple(bool(random.random() < 0.5) or level == now for level in b.allowed)
        for b, now in zip(blocks, levels, strict=True)
    )
    room_ns, way_ns = 1000 * room, 1000 * room * random.uniform(0.9, 1.5)
    new = exchanged(chain, levels, ready, room_ns, way_ns, price)
    changes = sum(a != b for a, b in zip(new, levels, strict=True))
    gained = chain.utility(new) - chain.utility(levels) - price * changes
    assert abs(gained - by_brute_force(chain, levels, ready, room_ns, way_ns, price)) < 1e-9


def test_a_block_that_matters_less_falls_so_that_another_can_warm_up():
    small = block("pedal", [45.0, 225.0], (0.0, 5.0))
    amps = [block(name, [45.0, 225.0], (0.0, 12.0)) for name in ("left", "right")]
    chain = ChainModel((small, *amps), FRAMES, 1000.0)
    ready = ((True, True), (True, True), (True, False))
    assert exchanged(chain, (1, 1, 0), ready, 700.0, 900.0, 0.5) == (1, 1, 1)  # 495 now, 748 on the way
    assert exchanged(chain, (1, 1, 0), ready, 700.0, 740.0, 0.5) == (0, 1, 1)
    assert exchanged(chain, (1, 1, 0), ready, 700.0, 740.0, 4.0) == (1, 1, 0)
    assert exchanged(chain, (1, 1, 0), ready, 700.0, 500.0, 0.5) == (1, 1, 0)


def test_where_no_block_has_another_level_all_stay_as_they_are():
    chain = ChainModel(tuple(block(name, [100.0], (0.0,)) for name in "ab"), FRAMES, 1000.0)
    assert exchanged(chain, (0, 0), ((True,), (True,)), 1e9, 1e9, 0.0) == (0, 0)
