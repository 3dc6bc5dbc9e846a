"""How two species stay together: pair correlation, bound fraction, binding free energy, lifetimes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...model.analysis import BindingSettings
from ...model.model import Model
from ...ndarrays import BoolArray, FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ...records import HopChunk
from ...units import ANGSTROM, K_B
from ..observables.base import Observable
from ..observables.expected import expected
from .kernels_bound import count_binding
from .kernels_pairs import walk
from .lattice import Links, links_of, occupants, over, plain, sites_of_species, species_of_carriers, steps_of

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "Binding"]

DIGITS = 4
"""Decimals, in Å, to which distances of sites are told apart."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Pair:
    """One pair of species. distance : (D,) Å, ascending. at_random : (D,) mean pairs of carriers put at random.
    free : (2,) chance that a carrier put at random has no partner in contact."""

    a: int
    b: int
    of_a: Links
    of_b: Links
    distance: FloatArray
    contact: BoolArray
    at_random: FloatArray
    free: FloatArray


class Binding(Observable):
    """Of pair number k: pairs_k (D,) ticks times pairs; bound_k, freed_k (2,); broken_k (1,); ticks ()."""

    def __init__(self, catalog: RateCatalog) -> None:
        self.steps, self.species = steps_of(catalog.model), species_of_carriers(catalog.model)
        self.pairs = [_pair(catalog.model, wanted) for wanted in catalog.model.analysis.binding]
        super().__init__(catalog)

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        model, sites = self.catalog.model, chunk.sites.copy()
        start = occupants(model, sites)
        ends, of_hop = walk(sites, chunk.carrier, chunk.hop, self.steps), self.species[chunk.carrier]
        found = {"ticks": np.array(chunk.length)}
        for k, p in enumerate(self.pairs):
            pairs = np.zeros(len(p.distance), np.int64)
            bound, freed, broken = np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(1, np.int64)
            hops = (start.copy(), ends, of_hop, chunk.length - chunk.tick, chunk.length)
            count_binding(*hops, p.a, p.b, self.steps, p.of_a, p.of_b, p.contact, pairs, bound, freed, broken)
            found |= {f"pairs_{k}": pairs, f"bound_{k}": bound, f"freed_{k}": freed, f"broken_{k}": broken}
        return found

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        model, ticks = self.catalog.model, sums["ticks"][:, None]
        kt = K_B * self.catalog.temperature
        number, mobile = np.array([c.count for c in model.species]), len(model.carriers)
        distances, n = _distances(self.pairs), len(ticks)
        g = np.full((n, len(self.pairs), len(distances)), np.nan)
        fraction = np.full((n, len(self.pairs), mobile), np.nan)
        energy, stay = fraction.copy(), fraction.copy()
        lifetime = np.full((n, len(self.pairs)), np.nan)
        for k, p in enumerate(self.pairs):
            pairs, bound, freed = (sums[f"{name}_{k}"] for name in ("pairs", "bound", "freed"))
            g[:, k, np.searchsorted(distances, p.distance)] = over(pairs / ticks, p.at_random)
            lifetime[:, k] = (
                over(pairs[:, p.contact].sum(axis=1), sums[f"broken_{k}"][:, 0]) * self.tick_seconds
            )
            for role, s in enumerate((p.a, p.b) if p.a != p.b else (p.a,)):
                if s >= mobile:
                    continue
                fraction[:, k, s] = share = bound[:, role] / ticks[:, 0] / number[s]
                odds = over(share * p.free[role], (1 - share) * (1 - p.free[role]))
                energy[:, k, s] = -kt * np.log(np.where(odds > 0, odds, np.nan))
                stay[:, k, s] = over(bound[:, role], freed[:, role]) * self.tick_seconds
        return {
            "pair_correlation": g,
            "bound_fraction": fraction,
            "binding_free_energy": energy,
            "pair_lifetime": lifetime,
            "bound_time": stay,
        }

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        pairs = [_pair(model, wanted) for wanted in model.analysis.binding]
        names = [c.name for c in model.species]
        return {
            "bound_pair": np.array([f"{names[p.a]}-{names[p.b]}" for p in pairs]),
            "pair_distance": _distances(pairs) * ANGSTROM,
        }

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        return expected(cls, flow)


def _distances(pairs: list[_Pair]) -> FloatArray:
    """Those of all pairs, Å."""
    return np.unique(np.concatenate([p.distance for p in pairs]))


def _pair(model: Model, wanted: BindingSettings) -> _Pair:
    a, b = wanted.between
    shells = [links_of(model, [x], [y], [(0.0, wanted.reach)]) for x, y in ((a, b), (b, a))]
    distance = np.unique(np.round(shells[0].distance, DIGITS))
    links = [
        plain(s)._replace(window=np.searchsorted(distance, np.round(s.distance, DIGITS))) for s in shells
    ]
    contact = distance < wanted.contact
    sites, number = sites_of_species(model), [c.count for c in model.species]
    together = bool(np.any(model.species_sites[a] & model.species_sites[b]))
    site_pairs = np.bincount(links[0].window, minlength=len(distance)) * model.n_cells / (2 if a == b else 1)
    chance = number[a] * (number[b] - (a == b)) / (sites[a] * (sites[b] - together))
    free = []
    for x, y, around in ((a, b, links[0]), (b, a, links[1])):
        others, room = number[y] - (a == b), int(sites[y]) - together
        touching = [
            int(contact[around.window[begin:end]].sum())
            for begin, end, own in zip(
                around.first[:-1], around.first[1:], model.species_sites[x], strict=True
            )
            if own
        ]
        free.append(np.mean([_none_of(z, others, room) for z in touching]))
    return _Pair(
        a=a,
        b=b,
        of_a=links[0],
        of_b=links[1],
        distance=distance,
        contact=contact,
        at_random=site_pairs * chance,
        free=np.array(free),
    )


def _none_of(z: int, others: int, room: int) -> float:
    """Chance that none of ``others`` carriers, put at random on ``room`` sites, is on one of ``z`` of these."""
    if others > room - z:
        return 0.0
    return math.prod((room - z - k) / (room - k) for k in range(others))


OBSERVABLE = Binding
