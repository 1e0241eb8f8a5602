"""The bench of meters and reflex: what it times is an ordinary period, with all meters at work."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import overhead

from chainrt.layout import PLAYED


@pytest.mark.parametrize("kind", overhead.KINDS)
def test_the_periods_that_are_timed_are_counted_and_nothing_falls(kind):
    chain, performance = overhead.chain_of(4, kind)
    assert overhead.period_ns(chain, performance, 500) > 0
    spent = chain.spent[:500, :4]
    assert chain.engine["periods"] == 500
    assert (spent["audible"] == 1).all()
    assert (spent["reflex"] == PLAYED).all()
    assert (spent["muted_expected_ns"].sum(axis=1)[20:] > 0).all() == (kind == "warm")
    assert chain.engine["misses"] == 0


def test_the_price_is_the_straight_line_through_the_medians():
    ns = np.array([[200 + 100 * n for n in overhead.BLOCKS]] * 3, float)
    ns[0] *= 3
    assert overhead.lines({"on": ns})[-1].endswith("| 200 | 100 |")
