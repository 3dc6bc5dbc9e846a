"""The section `analysis`, checked against the crystal and its carriers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..model.analysis import Analysis, FlipPairSettings
from ..model.model import Carrier, Structure
from ..model.surroundings import SiteShells, surroundings
from .document import Document, KeyPath
from .places import carrier_named
from .schema.analysis import AnalysisInput, FlipPairsInput

__all__ = ["build_analysis"]

FARTHEST = 60.0
"""Å, of pairs that are counted."""


def build_analysis(
    given: AnalysisInput,
    carriers: Sequence[Carrier],
    structure: Structure,
    supercell: tuple[int, int, int],
    doc: Document,
) -> Analysis:
    """What the section means; problems go to ``doc``."""
    crystal = _Crystal(carriers, structure, supercell, doc)
    pairs = None if given.flip_pairs is None else crystal.flip_pairs(given.flip_pairs)
    return Analysis(pairs)


class _Crystal:
    def __init__(
        self,
        carriers: Sequence[Carrier],
        structure: Structure,
        supercell: tuple[int, int, int],
        doc: Document,
    ) -> None:
        self.carriers, self.structure, self.supercell, self.doc = carriers, structure, supercell, doc

    def around(self, a: int, b: int, windows: Sequence[tuple[float, float]]) -> SiteShells:
        """Sites of species b round those of species a."""
        labels = np.array(self.structure.labels)
        own, other = (np.isin(labels, self.carriers[x].sites) for x in (a, b))
        return surroundings(self.structure, self.supercell, own, other, windows)

    def species(self, name: str, path: KeyPath) -> int | None:
        """Index of a carrier that is there."""
        index = carrier_named(name, self.carriers, self.doc, path)
        if index is not None and not self.carriers[index].count:
            self.doc.add(path, f"there are no carriers '{name}' in this supercell", value=name)
            return None
        return index

    def ascending(self, values: Sequence[float], path: KeyPath, unit: str) -> bool:
        if all(b > a for a, b in pairwise(values)):
            return True
        self.doc.add(path, "the values must ascend", value=list(values), remedy=f"sort them ({unit})")
        return False

    def near(self, distance: float, path: KeyPath) -> bool:
        if distance <= FARTHEST:
            return True
        self.doc.add(
            path, "pairs so far apart are not counted", value=f"{distance:g} Å", allowed=f"<= {FARTHEST:g} Å"
        )
        return False

    def sites_within(self, around: SiteShells, window: tuple[float, float], k: int, path: KeyPath) -> bool:
        if (around.window == k).any():
            return True
        self.doc.add(
            path,
            f"no pair of sites is {window[0]:g} to {window[1]:g} Å apart in this supercell",
            allowed=f"windows that hold distances of sites; the shortest: {around.shortest}",
            remedy="change the borders",
        )
        return False

    def flip_pairs(self, given: FlipPairsInput) -> FlipPairSettings | None:
        path: KeyPath = ("analysis", "flip_pairs")
        names = given.carriers or [c.name for c in self.carriers if c.count]
        found = [self.species(n, (*path, "carriers", k)) for k, n in enumerate(names)]
        good = self.ascending(given.lags, (*path, "lags"), "s")
        good &= self.ascending(given.distances, (*path, "distances"), "Å")
        good = good and self.near(given.distances[-1], (*path, "distances"))
        species = [i for i in found if i is not None]
        if not good or len(species) < len(found):
            return None
        windows = list(pairwise(given.distances))
        all_around = [self.around(a, b, windows) for a in species for b in species]
        for k, window in enumerate(windows):
            if not any((one.window == k).any() for one in all_around):
                self.sites_within(all_around[0], window, k, (*path, "distances", k))
                good = False
        return (
            FlipPairSettings(tuple(sorted(set(species))), tuple(given.lags), tuple(given.distances))
            if good
            else None
        )
