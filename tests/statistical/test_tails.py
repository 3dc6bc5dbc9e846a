"""Where D(t) falls for long, runs that end when they are accurate enough are right on average: |mean z| < 0.3."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from benchmarks.tails import Study, study
from kmc_transport.analysis.diffusion import Blocks, plateau_level
from tests.reference.tails import QUICK, Case

pytestmark = pytest.mark.statistical

SEEDS = 30


def check(found: Study) -> None:
    assert found.converged == 1
    assert abs(found.z.mean()) < 0.3, found
    assert np.sqrt((found.z**2).mean()) < 1.4, found
    assert np.abs(found.z).max() < 4, found


@pytest.mark.parametrize("case", QUICK, ids=[c.name for c in QUICK])
def test_runs_are_right_on_average(case: Case) -> None:
    check(study(case, SEEDS))


def test_the_first_plateau_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the rule that stops at the first level that no longer one contradicts."""

    def plateau(diagonal: np.ndarray, short: np.ndarray, tail: np.ndarray) -> Blocks:
        level = plateau_level(diagonal)
        last = diagonal.shape[1] - 1
        return Blocks(last if level is None else level, np.ones(1), level is not None)

    monkeypatch.setattr(importlib.import_module("kmc_transport.analysis.evaluate"), "choose_blocks", plateau)
    found = study(QUICK[0], 12)
    assert found.z.mean() > 1
    with pytest.raises(AssertionError):
        check(found)
