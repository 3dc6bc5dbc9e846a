"""Species that stay where they are: which ones, and on which sites."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.interactions import Arrangement, Coulomb, Disorder, Initial
from ..model.model import Carrier, Structure, frozen_array
from ..ndarrays import BoolArray, IntArray
from .disorder import unit_numbers
from .document import Document, KeyPath, nearest
from .placement import Room, build_initial
from .places import repeated_sites, whole_block
from .schema.disorder import FrozenInput, GivenSitesInput, RandomSitesInput, SitePatternInput
from .schema.hops import HopInput
from .schema.structure import CarrierInput

if TYPE_CHECKING:
    from .validation import Sections

__all__ = ["hops_of_mobile", "mobile_first", "n_mobile", "places"]

SWEEPS, TRIALS = 10_000, 10_000_000
"""At most so many sweeps anneal a start that nobody asked for, and up to ten times as many of few carriers."""


_SPECIES = 4
"""Purpose of the random numbers, beside those of `disorder`."""


def mobile_first(
    given: Mapping[str, CarrierInput], freeze: Sequence[str], doc: Document
) -> dict[str, CarrierInput]:
    """The carriers in the order of the model: those that hop, then the immobile ones, each in the order of the file."""
    for k, name in enumerate(freeze):
        path: KeyPath = ("freeze", k)
        if name not in given:
            doc.add(
                path,
                f"there is no carrier '{name}'",
                value=name,
                allowed=", ".join(given),
                remedy=nearest(name, list(given)) or "define it under 'carriers'",
            )
        elif given[name].immobile:
            doc.add(path, f"'{name}' is immobile anyway", value=name, remedy="leave it out here")
        elif name in freeze[:k]:
            doc.add(path, f"'{name}' is listed twice", value=name, remedy="keep one")
    moving = [name for name, c in given.items() if not _stays(name, c, freeze)]
    if not moving:
        frozen = bool(set(freeze) & set(given))
        doc.add(
            ("freeze",) if frozen else ("carriers",),
            "no carrier is left that could move",
            value=", ".join(given),
            remedy="leave one of them out of 'freeze'" if frozen else "remove 'immobile' from one that hops",
        )
    staying = [name for name in given if name not in moving]
    return {name: given[name] for name in [*moving, *staying]}


def hops_of_mobile(
    hops: Sequence[HopInput | None], given: Mapping[str, CarrierInput], doc: Document
) -> list[HopInput | None]:
    """The hops, None in place of those of immobile species, which are refused."""
    found = list(hops)
    for k, hop in enumerate(hops):
        if hop is not None and hop.carrier in given and given[hop.carrier].immobile:
            found[k] = None
            doc.add(
                ("hops", k, "carrier"),
                f"'{hop.carrier}' is immobile and has no hops",
                value=hop.carrier,
                remedy=f"remove this hop, or remove 'immobile' from carriers.{hop.carrier}; to hold a mobile one still "
                f"for a run write  freeze: [{hop.carrier}]",
            )
    return found


def n_mobile(given: Mapping[str, CarrierInput], freeze: Sequence[str]) -> int:
    """How many carriers hop."""
    return sum(not _stays(name, c, freeze) for name, c in given.items())


def _stays(name: str, carrier: CarrierInput, freeze: Sequence[str]) -> bool:
    return carrier.immobile or name in freeze


def places(
    sections: Sections,
    carriers: Sequence[Carrier],
    mobile: int,
    structure: Structure,
    supercell: tuple[int, int, int],
    disorder: Disorder | None,
    coulomb: Coulomb | None,
    doc: Document,
    sample: int = 0,
    *,
    felt: bool,
) -> tuple[Initial, tuple[Arrangement, ...]]:
    """Where the carriers start and where the immobile species behind the first ``mobile`` ones sit.

    sample : each gives other random arrangements. felt : whether carriers have energies with each other; they then
    start annealed where the input does not say how.
    """
    initial = Initial()
    if felt and sections.initial is None:
        n = max(1, sum(c.count for c in carriers[:mobile]))
        initial = Initial("annealed", sweeps=max(SWEEPS, min(10 * SWEEPS, TRIALS // n)), moves="pairs")
    if sections.initial is not None:
        room = Room(
            carriers=carriers,
            mobile=mobile,
            freeze=sections.freeze or (),
            structure=structure,
            supercell=supercell,
            disorder=disorder,
            coulomb=coulomb,
        )
        initial = build_initial(sections.initial, room, doc)
    if mobile == len(carriers):
        return initial, ()
    arrangement = _arrangements(
        sections.carriers,
        carriers,
        mobile,
        initial.sites,
        sections.freeze or (),
        sections.initial is not None and initial.anneals,
        structure,
        supercell,
        disorder,
        doc,
        sample,
    )
    return replace(initial, sites=initial.sites and initial.sites[:mobile]), arrangement


def _arrangements(
    given: Mapping[str, CarrierInput],
    carriers: Sequence[Carrier],
    first: int,
    listed: tuple[tuple[int, ...], ...] | None,
    freeze: Sequence[str],
    annealed: bool,
    structure: Structure,
    supercell: tuple[int, int, int],
    disorder: Disorder | None,
    doc: Document,
    sample: int,
) -> tuple[Arrangement, ...]:
    """Where each of the immobile species, ``carriers[first:]``, sits; problems go to ``doc``.

    listed : flat sites of all species under `initial`, if there. annealed : whether carriers start annealed. Sites are
    given first, then drawn, so that no random species takes what another one was given.
    """
    taken = np.zeros(math.prod(supercell) * structure.n_sites, np.bool_)
    if disorder is not None and disorder.blocked is not None:
        taken |= disorder.blocked
    for sites in listed or ():
        taken[list(sites)] = True
    found: dict[int, Arrangement] = {}
    for a, carrier in enumerate(carriers[first:], first):
        path: KeyPath = ("carriers", carrier.name, "arrangement")
        wish = given[carrier.name].arrangement
        mine = listed[a] if listed is not None else ()
        if mine and wish is not None:
            doc.add(
                path,
                f"'initial' says where '{carrier.name}' sits too",
                remedy="leave it out in one of the two places",
            )
        elif mine:
            found[a] = Arrangement(kind="given", sites=frozen_array(sorted(mine), np.int64))
        elif isinstance(wish, GivenSitesInput | SitePatternInput):
            own = _given_sites(wish, carrier, structure, supercell, taken, doc, path)
            if own is not None:
                taken[own] = True
                found[a] = Arrangement(kind="given", sites=frozen_array(own, np.int64))
        elif isinstance(wish, FrozenInput):
            w = wish.annealed
            found[a] = Arrangement(
                kind="annealed",
                salt=w.salt,
                sample=sample,
                temperature=w.temperature,
                start_temperature=w.start_temperature,
                sweeps=w.sweeps,
            )
        elif wish is None and annealed and carrier.name in freeze:
            doc.add(
                ("freeze", list(freeze).index(carrier.name)),
                f"carriers start annealed to the temperature of each point, but '{carrier.name}' has to sit still on "
                "the same sites in all of them",
                remedy=f"say where under carriers.{carrier.name}, for example  arrangement: {{annealed: {{temperature: "
                "300 K}}  or  arrangement: random",
            )
    if doc.problems:  # numbers may be wrong too
        return ()
    for a, carrier in enumerate(carriers[first:], first):
        if a in found:
            continue
        wish = given[carrier.name].arrangement
        salt = wish.random.salt if isinstance(wish, RandomSitesInput) else 0
        own = _random_sites(carrier, (a - first, salt, sample), structure, supercell, taken)
        if own is None:
            doc.add(
                ("carriers", carrier.name),
                f"too few sites are free for {carrier.count} '{carrier.name}'",
                value=carrier.count,
                remedy="use fewer, block fewer sites, or use a larger supercell",
            )
            return ()
        taken[own] = True
        found[a] = Arrangement(kind="random", salt=salt, sample=sample, sites=frozen_array(own, np.int64))
    return tuple(found[a] for a in sorted(found))


def _random_sites(
    carrier: Carrier,
    names: tuple[int, ...],
    structure: Structure,
    supercell: tuple[int, int, int],
    taken: BoolArray,
) -> IntArray | None:
    """The free sites of the smallest random numbers, functions of site, cell and ``names``: more carriers take the same
    sites and some others."""
    own = np.flatnonzero(np.isin(structure.labels, carrier.sites))
    cells = np.indices(supercell).reshape(3, -1).T
    number = unit_numbers(_SPECIES, *names, own, *(cells[:, a, None] for a in range(3)))
    flat = np.arange(len(cells))[:, None] * structure.n_sites + own
    number = np.where(taken[flat], np.inf, number).reshape(-1)
    if int(np.isfinite(number).sum()) < carrier.count:
        return None
    chosen = np.argsort(number, kind="stable")[: carrier.count]
    return np.sort(flat.reshape(-1)[chosen])


def _given_sites(
    wish: Any,
    carrier: Carrier,
    structure: Structure,
    supercell: tuple[int, int, int],
    taken: BoolArray,
    doc: Document,
    path: KeyPath,
) -> IntArray | None:
    """Flat sites that the input lists, ascending; None after a problem."""
    block: tuple[int, int, int] | None = supercell
    listed, path = (wish.given, (*path, "given")) if isinstance(wish, GivenSitesInput) else (
        wish.ordered.places, (*path, "ordered", "places"),
    )  # fmt: skip
    if isinstance(wish, SitePatternInput):
        block = whole_block(wish.ordered.block, supercell, doc, (*path[:-1], "block"))
    if block is None:
        return None
    before, found = len(doc.problems), list[int]()
    for k, mine in repeated_sites(listed, carrier, structure, supercell, block, doc, path):
        if np.any(taken[mine]) or set(mine.tolist()) & set(found):
            doc.add(
                (*path, k),
                "the site is blocked or taken already",
                remedy="give each carrier a free site of its own",
            )
            continue
        found += mine.tolist()
    if len(doc.problems) > before:
        return None
    if len(found) != carrier.count:
        doc.add(
            path,
            f"{len(found)} places are given for {carrier.count} '{carrier.name}'",
            value=len(found),
            allowed=str(carrier.count),
            remedy="list as many places as there are carriers, or change their number",
        )
        return None
    return np.array(sorted(found), np.int64)
