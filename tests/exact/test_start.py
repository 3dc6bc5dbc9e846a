"""Exact answers where parts of the lattice never meet: those of the part that the input starts in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.errors import KmcTransportError
from kmc_transport.exact import solve_exact
from kmc_transport.model.interactions import Initial
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from tests.reference.networks import make_model


def two_rows(first: float, second: float, counts: tuple[int, ...] = (1,)) -> Model:
    """Two rows of sites along x that nothing joins, with hops of two rates."""
    along = (1, 0, 0)
    return make_model(
        [[2.0, 0, 0], [0, 8.0, 0], [0, 0, 8.0]],
        [[0, 0, 0], [0, 0.5, 0]],
        [[(0, 0, along, first), (1, 1, along, second)]],
        counts=counts,
        supercell=(4, 1, 1),
        periodic=(True, False, False),
    )


def test_networks_with_equal_numbers() -> None:
    """One carrier in each row, whatever the classes of other numbers would say."""
    for counts, alone in (((2,), 1.0), ((4,), 2 / 3)):
        model = replace(two_rows(1.0, 5.0, counts), initial=Initial(equal_networks=True))
        found = solve_exact(build_catalog(model, temperature=300.0)).collective_diffusivity[0, 0, 0, 0]
        assert found == pytest.approx(4.0 * 3.0 * alone, rel=1e-9)


def test_the_start_decides() -> None:
    model = two_rows(1.0, 5.0, (2,))
    with pytest.raises(KmcTransportError, match=r"initial: given or ordered"):
        solve_exact(build_catalog(model, temperature=300.0))
    for sites, rates in (((0, 2), (1.0, 1.0)), ((1, 5), (5.0, 5.0)), ((0, 3), (1.0, 5.0))):
        started = replace(model, initial=Initial("given", (sites,)))
        found = solve_exact(build_catalog(started, temperature=300.0)).collective_diffusivity[0, 0, 0, 0]
        # two carriers in a row of four: D = w a² (N - n)/(N - 1); one in each row: the mean of both
        alone = 4.0 * np.array(rates) * (2 / 3 if sites[0] % 2 == sites[1] % 2 else 1.0)
        assert found == pytest.approx(alone.mean(), rel=1e-9)
