"""Flips by local environment: how many carriers of another species are around, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ...model.analysis import EnvironmentSettings
from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ...records import HopChunk
from ..observables.base import Observable
from ..observables.expected import expected
from .kernels_bound import count_environments
from .kernels_pairs import walk
from .lattice import Links, links_of, occupants, over, plain, species_of_carriers, steps_of

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "Environments"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Around:
    """Of one entry of the input. kind : (n_sites, patterns) number of the environment, labels say which."""

    a: int
    b: int
    links: Links
    seen_from: Links
    bit: IntArray
    kind: IntArray
    labels: list[str]


class Environments(Observable):
    """Of entry number k: ticks_k, flips_k (E_k,) time of sites in each environment, and their flips."""

    def __init__(self, catalog: RateCatalog) -> None:
        self.steps, self.species = steps_of(catalog.model), species_of_carriers(catalog.model)
        self.entries = [_around(catalog.model, wanted) for wanted in catalog.model.analysis.environments]
        super().__init__(catalog)

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        model, sites = self.catalog.model, chunk.sites.copy()
        start = occupants(model, sites)
        ends, of_hop = walk(sites, chunk.carrier, chunk.hop, self.steps), self.species[chunk.carrier]
        found: dict[str, IntArray] = {}
        for k, e in enumerate(self.entries):
            ticks, flips = np.zeros((2, len(e.labels)), np.int64)
            hops = (start, ends, of_hop, chunk.length - chunk.tick, chunk.length)
            count_environments(*hops, e.a, e.b, self.steps, e.links, e.seen_from, e.bit, e.kind, ticks, flips)
            found |= {f"ticks_{k}": ticks, f"flips_{k}": flips}
        return found

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        share, rate = [], []
        for k in range(len(self.entries)):
            ticks, flips = sums[f"ticks_{k}"], sums[f"flips_{k}"]
            share.append(ticks / ticks.sum(axis=1, keepdims=True))
            rate.append(over(flips, ticks * self.tick_seconds))
        return {
            "environment_share": np.concatenate(share, axis=1),
            "environment_flip_rate": np.concatenate(rate, axis=1),
        }

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        labels = [label for e in model.analysis.environments for label in _around(model, e).labels]
        return {"environment": np.array(labels)}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        return expected(cls, flow)


def _around(model: Model, wanted: EnvironmentSettings) -> _Around:
    a, b = wanted.carrier, wanted.by
    shells = links_of(model, [a], [b], wanted.shells)
    links, structure = plain(shells), model.structure
    n_sites, most = structure.n_sites, int(np.diff(links.first).max())
    names: dict[tuple[tuple[int, ...], tuple[float, ...]], int] = {}
    key_of = {}
    for i in np.flatnonzero(model.allowed_sites[a]):
        mine = slice(links.first[i], links.first[i + 1])
        window = links.window[mine]
        place = (structure.frac[links.site[mine]] + links.cell[mine]) @ structure.lattice
        for pattern in range(2 ** len(window)):
            there = [n for n in range(len(window)) if pattern >> n & 1]
            numbers = tuple(int((window[there] == w).sum()) for w in range(len(wanted.shells)))
            apart: tuple[float, ...] = ()
            if wanted.arrangement:
                between = (np.linalg.norm(place[m] - place[n]) for m, n in combinations(there, 2))
                apart = tuple(sorted(round(float(d), 2) for d in between))
            key_of[i, pattern] = (numbers, apart)
    for number, key in enumerate(sorted(set(key_of.values()))):
        names[key] = number
    kind = np.full((n_sites, 2**most), -1)
    for (i, pattern), key in key_of.items():
        kind[i, pattern] = names[key]
    # the same links, from the other side
    of = np.repeat(np.arange(n_sites), np.diff(links.first))
    bit = np.arange(len(of)) - links.first[of]
    order = np.argsort(links.site, kind="stable")
    first = np.searchsorted(links.site[order], np.arange(n_sites + 1))
    seen_from = Links(first, of[order], -links.cell[order], links.window[order])
    return _Around(
        a=a,
        b=b,
        links=links,
        seen_from=seen_from,
        bit=bit[order],
        kind=kind,
        labels=_labels(model, wanted, list(names)),
    )


def _labels(
    model: Model, wanted: EnvironmentSettings, keys: list[tuple[tuple[int, ...], tuple[float, ...]]]
) -> list[str]:
    """``polaron: 2+0 Li``; where equal numbers are arranged in several ways, with the distances between them."""
    names = [model.species[x].name for x in (wanted.carrier, wanted.by)]
    several = [n for n, _ in keys]
    labels = []
    for numbers, apart in keys:
        label = f"{names[0]}: {'+'.join(map(str, numbers))} {names[1]}"
        if several.count(numbers) > 1:
            label += f" ({', '.join(f'{d:g}' for d in apart)} Å apart)"
        labels.append(label)
    return labels


OBSERVABLE = Environments
