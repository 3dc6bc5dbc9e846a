"""Initial configuration: random, annealed, sites that the input gives, one by one, as a pattern or as two phases;
of all carriers or of each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..model.interactions import Coulomb, Disorder, Initial
from ..model.islands import equal_shares
from ..model.model import Carrier, Model, Structure
from ..ndarrays import BoolArray
from .boundary import two_phase_sites
from .composition import text_of
from .document import Document, KeyPath
from .places import carrier_named, repeated_sites, whole_block
from .schema.disorder import GivenSitesInput, SitePatternInput
from .schema.initial import (
    AnnealedInput,
    EachInput,
    GivenInput,
    NetworksInput,
    OrderedInput,
    TwoPhaseInput,
)

__all__ = ["Room", "build_initial", "check_networks"]


@dataclass(frozen=True, kw_only=True)
class Room:
    """Who starts where: all species, those that hop first. The others stay where they sit; ``freeze`` names those
    of them that would hop.

    coulomb : between two cuts of the same dipole the energy decides.
    """

    carriers: Sequence[Carrier]
    mobile: int
    freeze: Sequence[str]
    structure: Structure
    supercell: tuple[int, int, int]
    disorder: Disorder | None
    coulomb: Coulomb | None

    @property
    def closed(self) -> BoolArray | None:
        return None if self.disorder is None else self.disorder.blocked


def build_initial(given: Any, room: Room, doc: Document) -> Initial:
    """What the section `initial` means, ``sites`` of all species; problems go to ``doc``.

    Species that stay where they sit need no places here.
    """
    if isinstance(given, TwoPhaseInput | EachInput):
        return _each(given, room, doc)
    if not isinstance(given, GivenInput | OrderedInput):
        return _undecided(given)
    path: KeyPath = ("initial", "given" if isinstance(given, GivenInput) else "ordered")
    pattern = _pattern(given, room, doc, path)
    if pattern is None:
        return Initial()
    sites = _sites(*pattern, room, doc)
    if sites is None or not _check(sites, room.carriers, room, doc):
        return Initial()
    return Initial("given", sites)


def _pattern(
    given: GivenInput | OrderedInput | GivenSitesInput | SitePatternInput,
    room: Room,
    doc: Document,
    path: KeyPath,
) -> _Pattern | None:
    if isinstance(given, GivenInput | GivenSitesInput):
        return _Pattern(given.given, path, room.supercell)
    block = whole_block(given.ordered.block, room.supercell, doc, (*path, "block"))
    if block is None:
        return None
    return _Pattern(given.ordered.places, (*path, "places"), block)


def _undecided(given: AnnealedInput | NetworksInput | str) -> Initial:
    """A start that is drawn or annealed."""
    if isinstance(given, AnnealedInput):
        return Initial(
            "annealed",
            start_temperature=given.annealed.start_temperature,
            sweeps=given.annealed.sweeps,
            equal_networks=given.networks is not None,
            moves=given.annealed.moves,
        )
    return Initial(equal_networks=True) if isinstance(given, NetworksInput) else Initial(given)


def _each(given: TwoPhaseInput | EachInput, room: Room, doc: Document) -> Initial:
    """Carriers that start in different ways."""
    before, names, mobile = len(doc.problems), [c.name for c in room.carriers], room.mobile
    starts: dict[int, Initial] = {}
    sites: list[tuple[int, ...]] = [()] * len(names)
    for name, wish in (given.carriers or {}).items():
        path: KeyPath = ("initial", "carriers", name)
        a = carrier_named(name, room.carriers, doc, path)
        if a is None:
            continue
        starts[a] = Initial("given")
        if isinstance(wish, GivenSitesInput | SitePatternInput):
            key = "given" if isinstance(wish, GivenSitesInput) else "ordered"
            pattern = _pattern(wish, room, doc, (*path, key))
            sites[a] = (pattern and _flat(a, *pattern, room, doc)) or ()
        elif a < mobile:
            starts[a] = _undecided(wish)
        else:
            doc.add(path, f"'{name}' sits still in this run, on the same sites at all points",
                    allowed="{given: [...]}, {ordered: ...}",
                    remedy=f"give its sites, or say where under carriers.{name}.arrangement")  # fmt: skip
    annealed = [a for a, one in starts.items() if one.kind == "annealed"]
    for a in annealed[1:]:
        first = starts[annealed[0]]
        if replace(starts[a], equal_networks=first.equal_networks) != first:
            doc.add(("initial", "carriers", names[a]), f"'{names[annealed[0]]}' and '{names[a]}' are annealed together",
                    allowed="the same start_temperature, sweeps and moves for both")  # fmt: skip
    if isinstance(given, TwoPhaseInput):
        for a, own in _of_two_phases(given, set(starts), room, doc).items():
            starts[a], sites[a] = Initial("given"), own
    else:
        for a in set(range(mobile)) - set(starts):
            doc.add(("initial", "carriers"), f"nothing says where '{names[a]}' starts",
                    allowed="every carrier that hops", remedy=f"for example  {names[a]}: annealed")  # fmt: skip
    if len(doc.problems) > before:
        return Initial()
    counted = [
        c if a not in starts or starts[a].kind == "given" else replace(c, count=0)
        for a, c in enumerate(room.carriers)
    ]
    if not _check(sites, counted, room, doc):
        return Initial()
    if all(starts[a].kind == "given" for a in range(mobile)):
        return Initial("given", tuple(sites))
    how = starts[annealed[0]] if annealed else Initial()
    own_starts = tuple(starts[a] for a in range(mobile))
    return Initial("each", tuple(sites), how.start_temperature, how.sweeps, moves=how.moves, each=own_starts)


def _of_two_phases(
    given: TwoPhaseInput, others: set[int], room: Room, doc: Document
) -> dict[int, tuple[int, ...]]:
    """Flat sites of the carriers that are not in ``others``, which have a start of their own.

    Those that would hop and could fill the same phase take part in the search for the cut: they will.
    """
    carriers, labels = room.carriers, room.structure.labels
    free = [a for a, c in enumerate(carriers) if a < room.mobile or c.name in room.freeze]
    placed = [a for a in free if a not in others]
    if not placed:
        doc.add(("initial", "two_phase"), "every carrier has a start of its own under 'carriers'",
                remedy="leave 'two_phase' out, or one of the carriers")  # fmt: skip
        return {}
    share = {a: carriers[a].count / sum(label in carriers[a].sites for label in labels) for a in free}
    taken = {label for a in placed for label in carriers[a].sites}
    joining = [
        a
        for a in free
        if a in others and share[a] == share[placed[0]] and taken.isdisjoint(carriers[a].sites)
    ]
    part = sorted([*placed, *joining])
    found = two_phase_sites(
        given.two_phase,
        [carriers[a] for a in part],
        room.structure,
        room.supercell,
        room.closed,
        room.coulomb,
        doc,
    )
    return {a: tuple(own.tolist()) for a, own in zip(part, found or (), strict=False) if a in placed}


def check_networks(model: Model | None, doc: Document) -> Model | None:
    """The model, where `initial.networks` can be had at each of its compositions; problems go to ``doc``."""
    equal = (
        [] if model is None else [a for a in range(len(model.carriers)) if model.initial.of(a).equal_networks]
    )
    if model is None or not equal:
        return model
    joined = True
    for system in model.systems:
        where = text_of(system.coordinates)
        try:
            shares = equal_shares(system, equal)
        except InputError as error:
            for p in error.problems:
                message = f"at {where}: {p.message}" if where else p.message
                path: KeyPath = ("initial",) if model.initial.each else ("initial", "networks")
                doc.add(path, message, value=p.value, allowed=p.allowed, remedy=p.remedy)
            return None
        joined = joined and all(share is None for share in shares)
    if not joined:
        return model
    return replace(
        model,
        notes=(*model.notes, "initial.networks changes nothing: hops join all sites of each carrier"),
    )


class _Pattern(NamedTuple):
    """Places within a block of cells, and where the file lists them."""

    places: Any
    path: KeyPath
    block: tuple[int, int, int]


def _sites(
    given: Mapping[str, Sequence[Any]], path: KeyPath, block: tuple[int, int, int], room: Room, doc: Document
) -> tuple[tuple[int, ...], ...] | None:
    """Flat sites of each species."""
    before = len(doc.problems)
    found: list[tuple[int, ...]] = [()] * len(room.carriers)
    for name, places in given.items():
        species = carrier_named(name, room.carriers, doc, (*path, name))
        if species is not None:
            found[species] = _flat(species, places, (*path, name), block, room, doc)
    return tuple(found) if len(doc.problems) == before else None


def _flat(
    species: int, places: Sequence[Any], path: KeyPath, block: tuple[int, int, int], room: Room, doc: Document
) -> tuple[int, ...]:
    """Flat sites of a species: places within the block, repeated along the axes."""
    carrier = room.carriers[species]
    each = repeated_sites(places, carrier, room.structure, room.supercell, block, doc, path)
    return tuple(site for _, sites in each for site in sites.tolist())


def _check(sites: Sequence[tuple[int, ...]], carriers: Sequence[Carrier], room: Room, doc: Document) -> bool:
    """Each carrier has one free, open site of its own."""
    ok, path, structure, closed = True, ("initial",), room.structure, room.closed
    for a, (carrier, mine) in enumerate(zip(carriers, sites, strict=True)):
        elsewhere = a >= room.mobile and not mine
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
