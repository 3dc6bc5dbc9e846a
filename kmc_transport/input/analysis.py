"""The section `analysis`, checked against the crystal and its carriers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..model.analysis import Analysis, BindingSettings, EnvironmentSettings, FlipPairSettings, ProfileSettings
from ..model.model import Carrier, Structure
from ..model.surroundings import SiteShells, surroundings
from .document import Document, KeyPath
from .places import carrier_named
from .schema.analysis import AnalysisInput, BindingInput, EnvironmentInput, FlipPairsInput

__all__ = ["build_analysis"]

MOST_AROUND = 14
"""Sites whose occupation makes an environment: a table has two to the power of so many rows."""
FARTHEST = 60.0
"""Å, of pairs that are counted."""


def build_analysis(
    given: AnalysisInput,
    carriers: Sequence[Carrier],
    mobile: int,
    structure: Structure,
    supercell: tuple[int, int, int],
    doc: Document,
) -> Analysis:
    """What the section means; problems go to ``doc``. carriers : the ``mobile`` first ones hop."""
    crystal = _Crystal(carriers, mobile, structure, supercell, doc)
    pairs = None if given.flip_pairs is None else crystal.flip_pairs(given.flip_pairs)
    binding = [crystal.binding(b, k) for k, b in enumerate(given.binding)]
    found = [crystal.environment(e, k) for k, e in enumerate(given.environments)]
    profile = None
    if given.profile is not None:
        axis = "abc".index(given.profile.axis)
        if not structure.periodic[axis] or supercell[axis] * given.profile.layers_per_cell < 4:
            doc.add(
                ("analysis", "profile", "axis"),
                "fewer than four layers lie along it",
                value=given.profile.axis,
                allowed="an axis along which the structure repeats, with four layers or more",
                remedy="set layers_per_cell, a larger supercell, or another axis",
            )
        profile = ProfileSettings(axis, given.profile.layers_per_cell)
    return Analysis(
        pairs, tuple(b for b in binding if b is not None), tuple(e for e in found if e is not None), profile
    )


class _Crystal:
    def __init__(
        self,
        carriers: Sequence[Carrier],
        mobile: int,
        structure: Structure,
        supercell: tuple[int, int, int],
        doc: Document,
    ) -> None:
        self.mobile = mobile
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
            self.doc.add(
                path,
                f"there are no carriers '{name}' in this supercell, or not at every composition",
                value=name,
                remedy="name a species that is always there, or leave that composition out",
            )
            return None
        return index

    def mover(self, name: str, path: KeyPath) -> int | None:
        """Index of a carrier that is there and hops."""
        index = self.species(name, path)
        if index is None or index < self.mobile:
            return index
        self.doc.add(
            path,
            f"'{name}' does not hop in this run, so its sites never flip",
            value=name,
            allowed=", ".join(c.name for c in self.carriers[: self.mobile]),
            remedy="name a species that hops",
        )
        return None

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
        names = given.carriers or [c.name for c in self.carriers[: self.mobile] if c.count]
        found = [self.mover(n, (*path, "carriers", k)) for k, n in enumerate(names)]
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

    def binding(self, given: BindingInput, k: int) -> BindingSettings | None:
        path: KeyPath = ("analysis", "binding", k)
        found = [self.species(n, (*path, "between", i)) for i, n in enumerate(given.between)]
        reach = 3 * given.contact if given.reach is None else given.reach
        if reach < given.contact:
            self.doc.add(
                (*path, "reach"),
                "is shorter than 'contact'",
                value=f"{reach:g} Å",
                allowed=f">= {given.contact:g} Å",
                remedy="leave it out",
            )
            return None
        if not self.near(reach, (*path, "contact" if given.reach is None else "reach")):
            return None
        a, b = found
        if a is None or b is None:
            return None
        if min(a, b) >= self.mobile:
            self.doc.add((*path, "between"), "neither of them hops in this run", value=list(given.between))
            return None
        shared = set(self.carriers[a].sites) & set(self.carriers[b].sites)
        if shared and set(self.carriers[a].sites) != set(self.carriers[b].sites):
            self.doc.add(
                (*path, "between"),
                "the two species share some of their sites, so nothing says what carriers put at random would be",
                value=list(given.between),
                allowed="species with the same sites, or with none in common",
            )
            return None
        window = (0.0, given.contact)
        if not self.sites_within(self.around(a, b, [window]), window, 0, (*path, "contact")):
            return None
        return BindingSettings((a, b), given.contact, reach)

    def environment(self, given: EnvironmentInput, k: int) -> EnvironmentSettings | None:
        path: KeyPath = ("analysis", "environments", k)
        a, b = self.mover(given.carrier, (*path, "carrier")), self.species(given.by, (*path, "by"))
        shells = [(low, high) for low, high in given.shells]
        flat = [x for shell in shells for x in shell]
        for n, shell in enumerate(shells):
            if not self.ascending(shell, (*path, "shells", n), "Å"):
                return None
        if any(later[0] < earlier[1] for earlier, later in pairwise(shells)):
            self.doc.add(
                (*path, "shells"), "shells overlap or are not in order of distance", value=given.shells
            )
            return None
        if not self.near(max(flat), (*path, "shells")) or a is None or b is None:
            return None
        around = self.around(a, b, shells)
        for n, shell in enumerate(shells):
            if not self.sites_within(around, shell, n, (*path, "shells", n)):
                return None
        most = int(np.diff(around.first).max())
        if most > MOST_AROUND:
            self.doc.add(
                (*path, "shells"),
                f"{most} sites lie around one in these shells",
                allowed=f"at most {MOST_AROUND}",
                remedy="use narrower shells",
            )
            return None
        return EnvironmentSettings(a, b, tuple(shells), given.arrangement)
