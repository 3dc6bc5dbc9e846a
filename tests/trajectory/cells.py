"""A cell that trajectories are made of; processes that tests start import it without the readers of files."""

from __future__ import annotations

from kmc_transport.model.model import Model
from tests.reference.networks import LATTICES, make_model

__all__ = ["two_species"]


def two_species(supercell: tuple[int, int, int] = (5, 4, 1), **kw: object) -> Model:
    vectors, frac, bonds = LATTICES["honeycomb"]
    return make_model(
        vectors,
        frac,
        [[(i, j, c, rate) for i, j, c in bonds] for rate in (1.0, 8.0)],
        counts=(4, 3),
        charges=(1, -1),
        supercell=supercell,
        periodic=(True, True, False),
        site_energy=[[0.0, 0.03], [0.02, 0.0]],
        **kw,  # type: ignore[arg-type]
    )
