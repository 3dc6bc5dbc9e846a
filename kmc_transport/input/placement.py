"""Initial configuration: random, annealed, or the sites that the input gives, one by one or as a pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..model.interactions import Disorder, Initial
from ..model.islands import equal_shares
from ..model.model import Carrier, Model, Structure
from .composition import text_of
from .document import Document, KeyPath
from .places import carrier_named, find_place
from .schema.disorder import AnnealedInput, GivenInput, NetworksInput, OrderedInput

__all__ = ["build_initial", "check_networks"]

MAX_LISTED = 5_000_000


def build_initial(
    given: Any,
    carriers: Sequence[Carrier],
    structure: Structure,
    supercell: tuple[int, int, int],
    disorder: Disorder | None,
    doc: Document,
    mobile: int | None = None,
) -> Initial:
    """What the section `initial` means, ``sites`` of all species; problems go to ``doc``.

    mobile : how many of the carriers hop (all by default). Those behind them need no places here.
    """
    path: KeyPath = ("initial",)
    if isinstance(given, AnnealedInput):
        return Initial(
            "annealed",
            start_temperature=given.annealed.start_temperature,
            sweeps=given.annealed.sweeps,
            equal_networks=given.networks is not None,
        )
    if isinstance(given, NetworksInput):
        return Initial(equal_networks=True)
    if isinstance(given, GivenInput):
        whole = (1, 1, 1)
        sites = _sites(given.given, supercell, whole, carriers, structure, supercell, doc, (*path, "given"))
    elif isinstance(given, OrderedInput):
        block = (given.ordered.block[0], given.ordered.block[1], given.ordered.block[2])
        if any(n % b for n, b in zip(supercell, block, strict=True)):
            doc.add(
                (*path, "ordered", "block"),
                "the supercell does not hold a whole number of blocks",
                value=list(block),
                allowed=f"divisors of {list(supercell)}",
                remedy="change the block or the supercell",
            )
            return Initial()
        repeats = (supercell[0] // block[0], supercell[1] // block[1], supercell[2] // block[2])
        here = (*path, "ordered", "places")
        sites = _sites(given.ordered.places, block, repeats, carriers, structure, supercell, doc, here)
    else:
        return Initial(str(given))
    if sites is None or not _check(sites, carriers, structure, disorder, doc, path, mobile):
        return Initial()
    return Initial("given", sites)


def check_networks(model: Model | None, doc: Document) -> Model | None:
    """The model, where `initial.networks` can be had at each of its compositions; problems go to ``doc``."""
    if model is None or not model.initial.equal_networks:
        return model
    joined = True
    for system in model.systems:
        where = text_of(system.coordinates)
        try:
            shares = equal_shares(system)
        except InputError as error:
            for p in error.problems:
                message = f"at {where}: {p.message}" if where else p.message
                doc.add(("initial", "networks"), message, value=p.value, allowed=p.allowed, remedy=p.remedy)
            return None
        joined = joined and all(share is None for share in shares)
    if not joined:
        return model
    return replace(
        model,
        notes=(*model.notes, "initial.networks changes nothing: hops join all sites of each carrier"),
    )


def _sites(
    given: Mapping[str, Sequence[Any]],
    block: tuple[int, int, int],
    repeats: tuple[int, int, int],
    carriers: Sequence[Carrier],
    structure: Structure,
    supercell: tuple[int, int, int],
    doc: Document,
    path: KeyPath,
) -> tuple[tuple[int, ...], ...] | None:
    """Flat sites of each species: places within the block, repeated along the axes."""
    before = len(doc.problems)
    found: list[list[int]] = [[] for _ in carriers]
    corners = np.indices(repeats).reshape(3, -1).T * np.array(block)
    for name, places in given.items():
        species = carrier_named(name, carriers, doc, (*path, name))
        if species is None:
            continue
        if len(places) * len(corners) > MAX_LISTED:
            doc.add((*path, name), "too many places", allowed=f"at most {MAX_LISTED}")
            continue
        for k, place in enumerate(places):
            at = find_place(place, structure, doc, (*path, name, k))
            if at is None:
                continue
            label = structure.labels[at[0]]
            if label not in carriers[species].sites:
                doc.add(
                    (*path, name, k),
                    f"the carrier '{name}' cannot sit on sites '{label}'",
                    allowed=", ".join(carriers[species].sites),
                )
                continue
            cells = corners + np.array(at[1]) % np.array(block)
            flat = np.ravel_multi_index(tuple(cells.T), supercell) * structure.n_sites + at[0]
            found[species] += flat.tolist()
    return tuple(map(tuple, found)) if len(doc.problems) == before else None


def _check(
    sites: tuple[tuple[int, ...], ...],
    carriers: Sequence[Carrier],
    structure: Structure,
    disorder: Disorder | None,
    doc: Document,
    path: KeyPath,
    mobile: int | None,
) -> bool:
    """Each carrier has one free, open site of its own."""
    ok = True
    for a, (carrier, mine) in enumerate(zip(carriers, sites, strict=True)):
        elsewhere = mobile is not None and a >= mobile and not mine
        if len(mine) != carrier.count and not elsewhere:
            ok = False
            doc.add(
                path,
                f"{len(mine)} places are given for {carrier.count} carriers '{carrier.name}'",
                value=len(mine),
                allowed=str(carrier.count),
                remedy="list as many places as there are carriers, or change their number",
            )
    every = [s for mine in sites for s in mine]
    twice = (
        next((s for s, n in zip(*np.unique(every, return_counts=True), strict=True) if n > 1), None)
        if every
        else None
    )
    closed = None if disorder is None or disorder.blocked is None else disorder.blocked
    shut = None if closed is None else next((s for s in every if closed[s]), None)
    for flat, what in ((twice, "two carriers start on"), (shut, "a carrier starts on the blocked")):
        if flat is not None:
            ok = False
            site = int(flat) % structure.n_sites
            doc.add(
                path,
                f"{what} site {structure.labels[site]}[{site}] of cell number {int(flat) // structure.n_sites}",
                remedy="give each carrier a free site of its own",
            )
    return ok
