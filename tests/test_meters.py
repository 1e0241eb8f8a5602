"""What was counted is what happened: means and maxima exactly, quantiles to one percent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrt.layout import PERIOD, SPENT
from chainrt.meters import Distribution, LevelChange, Meters

nanoseconds = st.lists(st.floats(1, 1e10), min_size=1, max_size=300)
PERCENT = 1.01 * (1 + 1e-9)


@given(values=nanoseconds, share=st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_those_of_the_values_to_one_percent_and_never_too_small(values, share):
    distribution = Distribution()
    distribution.add(np.array(values))
    exact = np.quantile(values, share, method="inverted_cdf")
    assert exact * (1 - 1e-9) <= distribution.quantile(share) <= exact * PERCENT
    assert distribution.quantile(share) <= distribution.max


@given(values=nanoseconds, pieces=st.lists(st.integers(0, 50), max_size=8))
def test_it_does_not_matter_in_how_many_pieces_values_arrive(values, pieces):
    whole, piecewise = Distribution(), Distribution()
    whole.add(np.array(values))
    for piece in np.split(np.array(values), np.minimum(np.cumsum(pieces, dtype=int), len(values))):
        piecewise.add(piece)
    assert (piecewise.count, piecewise.max) == (whole.count, whole.max) == (len(values), max(values))
    assert piecewise.mean == pytest.approx(np.mean(values), rel=1e-12)
    for share in (0.1, 0.5, 0.99):
        assert piecewise.quantile(share) == whole.quantile(share)


def test_quantiles_hold_for_a_long_tail():
    values = np.random.default_rng(1).lognormal(12, 1, 200_000)
    distribution = Distribution()
    distribution.add(values)
    for share in (0.5, 0.9, 0.99, 0.999, 0.9999):
        assert distribution.quantile(share) == pytest.approx(np.quantile(values, share), rel=0.011)


def test_what_is_next_to_nothing_or_beyond_all_bounds_is_counted_too():
    distribution = Distribution()
    distribution.add(np.array([0.0, 0.0, 0.3, 1e15]))
    assert (distribution.count, distribution.max) == (4, 1e15)
    assert distribution.quantile(0.5) <= 1.01
    assert distribution.quantile(1.0) > 1e10


def test_nothing_counted_is_zero_everywhere():
    distribution = Distribution()
    distribution.add(np.array([]))
    assert (distribution.count, distribution.mean, distribution.max, distribution.quantile(0.99)) == (0, 0, 0, 0)


def test_a_night_takes_no_more_memory_than_a_minute():
    distribution = Distribution()
    distribution.add(np.full(1000, 5e5))
    before = distribution._counts.nbytes
    for _ in range(100):
        distribution.add(np.random.default_rng(2).uniform(1e3, 1e9, 10_000))
    assert distribution._counts.nbytes == before
    assert distribution.count == 1_001_000


def test_meters_count_loads_costs_and_the_periods_at_each_level():
    meters = Meters([1, 3])
    periods, spent = np.zeros(5, PERIOD), np.zeros((5, 2), SPENT)
    periods["spent_ns"] = [100, 200, 300, 400, 1000]
    spent["measured_ns"][:, 0] = 10
    spent["measured_ns"][:, 1] = [50, 60, 70, 80, 90]
    spent["audible"][:, 1] = [2, 2, 0, 0, 2]
    meters.add(periods[:2], spent[:2], 0.1)
    meters.add(periods[2:], spent[2:], 0.2)
    assert (meters.load_ns.mean, meters.load_ns.max, meters.load_ns.count) == (400, 1000, 5)
    assert [block.cost_ns.mean for block in meters.blocks] == [10, 70]
    assert [block.cost_ns.max for block in meters.blocks] == [10, 90]
    assert [block.periods_at.tolist() for block in meters.blocks] == [[5], [2, 0, 3]]
    assert (meters.changes, meters.lost_periods) == ([], 0)
    assert [(tick.time_s, tick.load_ns, tick.most_ns) for tick in meters.recent] == [
        (0.1, 150, 200),
        (0.2, 1700 / 3, 1000),
    ]
    last, both = meters.recent_mean(1), meters.recent_mean(100)
    assert (last.load_ns, last.cost_ns.tolist()) == (1700 / 3, [10, 80])
    assert (both.time_s, both.most_ns, both.cost_ns.tolist()) == (0.2, 1000, [10, (55 + 80) / 2])


def test_two_meters_share_nothing():
    one, other = Meters([2]), Meters([2])
    one.changes.append(LevelChange(1.0, 0, 1, 0, ""))
    one.add(np.ones(1, PERIOD), np.ones((1, 1), SPENT), 0.1)
    assert other.changes == []
    assert other.blocks[0].periods_at.tolist() == [0, 0]
    assert other.load_ns.count == 0
