"""Limits: kernels come back soon, wall time holds in every stage, length asked is length run."""

import math

import numpy as np
import pytest

from kmc_transport.engine import Replica, pace
from kmc_transport.model.model import Model
from kmc_transport.records import ExitReason
from tests.unit import test_engine as free
from tests.unit import test_interacting_engine as bound

CASES = [
    *((free.mixture, algorithm, layout) for algorithm, layout in free.CASES),
    *((model, algorithm, "auto") for model in (bound.gas, bound.charged) for algorithm in bound.ALGORITHMS),
]


def replica_of(make: object, algorithm: str, layout: str, interval: float = 20.0) -> Replica:
    """Hundreds of attempts a sample."""
    if make is free.mixture:
        return free.replica(
            free.mixture(), algorithm, layout, field=(0.02, 0, 0.01), sample_interval=interval
        )
    if make is bound.gas:
        return bound.replica(bound.gas(), algorithm, sample_interval=interval)
    model = bound.charged(rule="metropolis" if algorithm == "null_event" else "kra")
    scale = math.exp(-1 / bound.KT0) if algorithm == "null_event" else 1.0
    return bound.replica(model, algorithm, sample_interval=interval * scale)


@pytest.mark.parametrize(("make", "algorithm", "layout"), CASES)
def test_short_calls_change_no_bit(
    make: object, algorithm: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of 64 attempts, stopped and taken up again in the middle of samples, give the run of whole ones."""
    whole = replica_of(make, algorithm, layout)
    whole.advance(6)
    monkeypatch.setattr(pace, "FEWEST", 64)
    monkeypatch.setattr(pace, "MOST", 64)
    parts = replica_of(make, algorithm, layout)
    stops, within = 0, 0
    while True:
        asked = iter(range(10**9))
        if parts.advance(6 - parts.samples, should_stop=lambda: next(asked) >= 2) is ExitReason.DONE:  # noqa: B023
            break
        stops += 1
        counted = parts.executed
        parts = Replica.restore(parts.catalog, parts.snapshot())
        assert parts.executed == counted
        within += bool(parts._backend["counts"].any())
    assert within > 3  # in the middle of a sample
    assert whole.executed > 100
    bound.assert_same(whole, parts)
    parts.advance(2)
    whole.advance(2)
    bound.assert_same(whole, parts)


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_calls_last_a_fraction_of_a_second(algorithm: str) -> None:
    """One sample of some hundred million hops can be left after moments."""
    model: Model = free.lattice_gas("square", 4, 5)
    r = free.replica(model, algorithm, sample_interval=2e7)
    r.advance(1, should_stop=Limit(0.5))  # compiles
    limit = Limit(1.0)
    assert r.advance(1, should_stop=limit) is ExitReason.INTERRUPTED
    assert r.samples == 0
    assert r.executed > 1_000_000
    assert limit.longest < 1.5  # 0.2 s are meant
    resumed = Replica.restore(r.catalog, r.snapshot())
    assert resumed.executed == r.executed
    np.testing.assert_array_equal(resumed.positions(), r.positions())


class Limit:
    """Asks for a stop after some processor seconds, and notes the longest time between two questions."""

    def __init__(self, seconds: float) -> None:
        import time

        self.clock = time.process_time
        self.end, self.last, self.longest = self.clock() + seconds, self.clock(), 0.0

    def __call__(self) -> bool:
        now = self.clock()
        self.longest, self.last = max(self.longest, now - self.last), now
        return now > self.end
