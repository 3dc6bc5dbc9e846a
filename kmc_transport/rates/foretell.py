"""What a run will not be able to say, or only with larger errors, told before it begins."""

from __future__ import annotations

import numpy as np

from ..model.islands import bonds_of, islands
from ..model.model import Carrier
from ..model.network import components
from .catalog import RateCatalog

__all__ = ["foretell"]

SLOW = 1e-7
"""Largest rate of a species over that of the quickest below which it will hardly be seen to move beside it."""


def foretell(catalog: RateCatalog) -> list[str]:
    """Notes on the network and the rates, one each."""
    model, notes = catalog.model, []
    fastest = [
        float(catalog.rate[model.network.carrier == a].max(initial=0.0)) for a in range(len(model.carriers))
    ]
    for a, (carrier, part) in enumerate(zip(model.carriers, islands(model), strict=True)):
        returns = [r for _, r in components(model.structure.n_sites, bonds_of(model, a))]
        if not any(np.any(r) for r in returns):
            notes.append(
                f"the hops of {carrier.name} lead nowhere through the crystal: its mobility is exactly zero"
            )
            continue
        if (
            part is not None
            and model.initial.of(a).kind != "given"
            and (carrier.count > 1 or len(set(part.kind)) > 1)
        ):
            notes.append(_of_networks(carrier, len(part.kind), model.initial.of(a).equal_networks))
        if fastest[a] < SLOW * max(fastest):
            notes.append(
                f"at {catalog.temperature:g} K the quickest hop of {carrier.name} is {max(fastest) / fastest[a]:.1g} "
                "times rarer than that of another carrier (surroundings apart): there may be nothing but an upper "
                "limit of its rate"
            )
    return notes


def _of_networks(carrier: Carrier, networks: int, equally: bool) -> str:
    """What follows where the hops of a carrier do not join all its sites."""
    apart = f"no hop joins the {networks} parts of the supercell in which {carrier.name} moves"
    share, left = divmod(carrier.count, networks)
    if equally:
        return f"{apart}: each holds {share} in every replica (initial.networks)"
    equal = f"initial: {{networks: equal}} gives {share} to each"
    if left:
        equal = f"with a multiple of {networks}, not {carrier.count}, initial: {{networks: equal}} gives each as many"
    return (
        f"{apart}: each replica keeps the numbers in them that it starts with, {carrier.count / networks:.3g} on "
        "average, and errors will contain the scatter between replicas (sampling.replicas makes it smaller; "
        f"{equal} and avoids it, as an ordered or given start does)"
    )
