"""Hop entries of the input to classes of hops: pairs of sites, and the numbers that each class gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..model.model import Carrier, PolaronNumbers
from ..model.network import Bond, BondClass, BondFinder, reversed_bond
from ..rules import get_rule
from ..sources.vibrations import AttemptFrequency
from .document import Document, KeyPath, nearest
from .references import Found, Sources
from .response import Response, given_response
from .schema import (
    BarrierFromRule,
    BarrierPair,
    BarrierPath,
    ClassicalResponse,
    ClassNumbers,
    FieldFiles,
    FrequencyPair,
    HopInput,
    HopNumbers,
    HopVectorCartesian,
    HopVectorSites,
    Measured,
    PolaronInput,
    SaddleInput,
)
from .schema.interactions import SurroundingsInput

__all__ = ["HopGroup", "Saddle", "find_hops"]

MAX_BONDS = 20_000
_PLACE_TOLERANCE = 0.05
"""How far (Å) the end of an explicit Cartesian vector may be off its site."""


@dataclass(frozen=True, kw_only=True)
class Saddle:
    """Numbers of one saddle of a hop class, resolved: saddle before class before entry."""

    name: str
    """Empty when the class has one saddle without a name."""
    barrier: Measured | BarrierPair | None
    """None where a rule gives it."""
    attempt_frequency: AttemptFrequency | None
    """None where the rule has its own prefactor."""
    rule: BarrierFromRule | None
    polaron: PolaronNumbers | None
    response: Response
    response_path: KeyPath
    classical: ClassicalResponse | None
    classical_path: KeyPath
    use: bool
    zero_point: str
    read_from: str
    log: tuple[str, ...]
    channels: int
    fraction: float
    barrier_path: KeyPath
    frequency_path: KeyPath
    fraction_path: KeyPath
    surroundings: SurroundingsInput | None
    surroundings_path: KeyPath


@dataclass(frozen=True, kw_only=True)
class HopGroup:
    """Symmetry class of bonds of one carrier, with its saddles."""

    name: str
    carrier: int
    bonds: BondClass
    saddles: tuple[Saddle, ...]
    path: KeyPath


def find_hops(
    entries: Sequence[HopInput | None],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    doc: Document,
    base: Path,
) -> list[HopGroup]:
    """Groups of all entries; problems go to ``doc``. An entry that is None had problems before.

    base : folder that the files named by the entries are relative to.
    """
    sources = Sources(base, doc)
    groups: list[HopGroup] = []
    seen: dict[tuple[int, Bond], str] = {}
    numbers: dict[tuple[int, str], int] = {}
    names = [c.name for c in carriers]
    for index, entry in enumerate(entries):
        if entry is None:
            continue
        path: KeyPath = ("hops", index)
        carrier = _carrier(entry, names, carriers, doc, path)
        classes = None if carrier is None else _bond_classes(entry, finder, doc, path)
        if carrier is None or classes is None:
            continue
        pair = f"{entry.between[0]}-{entry.between[1]}"
        titles = []
        for _ in classes:
            numbers[carrier, pair] = numbers.get((carrier, pair), 0) + 1
            titles.append(f"{names[carrier]}:{pair}#{numbers[carrier, pair]}")
        overrides = _overrides(entry, classes, titles, doc, path)
        for title, bonds, (override, override_path) in zip(titles, classes, overrides, strict=True):
            length = f"{bonds.distance:.4f} Å, {_per_cell(bonds)}"
            if override is not None and override.omit:
                doc.note(f"{title} ({length}) is left out, as the input says")
                continue
            _check_incomplete(title, bonds, doc)
            _check_doubled(title, carrier, bonds, seen, finder, doc, path)
            saddles = _saddles(entry, override, title, bonds, sources, finder, path, override_path)
            if saddles:
                _note_direction(title, entry, bonds, saddles, finder, doc)
                _check_saddle_places(title, bonds, saddles, doc)
                groups.append(
                    HopGroup(name=title, carrier=carrier, bonds=bonds, saddles=tuple(saddles), path=path)
                )
    return groups


def _per_cell(bonds: BondClass) -> str:
    return f"{len(bonds.forward)} pair{'s' * (len(bonds.forward) != 1)} per cell"


def _carrier(
    entry: HopInput, names: list[str], carriers: Sequence[Carrier], doc: Document, path: KeyPath
) -> int | None:
    if entry.carrier not in names:
        doc.add(
            (*path, "carrier"),
            f"there is no carrier '{entry.carrier}'",
            allowed=", ".join(names),
            remedy=nearest(entry.carrier, names) or "define it under 'carriers'",
        )
        return None
    index = names.index(entry.carrier)
    allowed = carriers[index].sites
    ok = True
    for k, label in enumerate(entry.between):
        if label not in allowed:
            ok = False
            doc.add(
                (*path, "between", k),
                f"the carrier '{entry.carrier}' cannot sit on sites '{label}'",
                value=label,
                allowed=", ".join(allowed),
                remedy=nearest(label, allowed)
                or f"use one of these; sites '{label}' of the structure count once carriers.{entry.carrier}.sites "
                "lists them",
            )
    return index if ok else None


# ------------------------------------------------------------------------------------------- pairs of sites


def _bond_classes(
    entry: HopInput, finder: BondFinder, doc: Document, path: KeyPath
) -> list[BondClass] | None:
    if (entry.distance is None) == (entry.vectors is None):
        both = entry.distance is not None
        doc.add(
            (*path, "vectors") if both else path,
            "give one of 'distance' and 'vectors'" + (", not both" if both else ""),
            remedy="distance: 2.945 finds the pairs; vectors: [[1, 0, 0]] lists them",
        )
        return None
    if entry.vectors is not None:
        bonds = _explicit_bonds(entry, finder, doc, path)
        return None if bonds is None else finder.explicit_classes(bonds)

    assert entry.distance is not None
    a, b = entry.between
    if isinstance(entry.distance, list):
        low, high = entry.distance
        if "tolerance" in entry.model_fields_set:
            doc.add(
                (*path, "tolerance"), "'tolerance' belongs to a single distance", remedy="widen the window"
            )
        if not low < high:
            doc.add((*path, "distance"), "the window must be [shortest, longest]", value=entry.distance)
            return None
    else:
        low, high = entry.distance - entry.tolerance, entry.distance + entry.tolerance
    bonds = None
    with doc.at((*path, "distance")):
        bonds = finder.within(a, b, low - 1e-9, high + 1e-9)
    if bonds is None:
        return None
    if not bonds:
        lengths = finder.nearby_lengths(a, b, (low + high) / 2, 4)
        known = ", ".join(f"{x:.3f}" for x in lengths)
        doc.add(
            (*path, "distance"),
            f"no sites {a} and {b} are {low:.4g} to {high:.4g} Å apart",
            value=entry.distance,
            allowed=f"the nearest distances are {known} Å" if known else "",
            remedy=f"distance: {min(lengths, key=lambda x: abs(x - (low + high) / 2)):.3f}, or a window "
            "[shortest, longest]" if known else "list the hops under 'vectors'",
        )  # fmt: skip
        return None
    if len(bonds) > MAX_BONDS:
        doc.add(
            (*path, "distance"),
            f"{len(bonds)} hops per cell lie in this window",
            value=entry.distance,
            allowed=f"at most {MAX_BONDS}",
            remedy="narrow the window",
        )
        return None
    return finder.classes(bonds)


def _explicit_bonds(entry: HopInput, finder: BondFinder, doc: Document, path: KeyPath) -> list[Bond] | None:
    """The listed bonds, each once, in the direction that is listed first."""
    assert entry.vectors is not None
    listed: dict[Bond, int] = {}
    ok = True
    for k, vector in enumerate(entry.vectors):
        bond = _explicit_bond(vector, entry.between, finder, doc, (*path, "vectors", k))
        if bond is None:
            ok = False
        elif bond in listed:
            ok = False
            doc.add((*path, "vectors", k), f"this hop is listed twice (first as number {listed[bond] + 1})")
        else:
            listed[bond] = k
    if not ok:
        return None
    # the reverse is made in any case; a list that names reverses too must name all of them
    both = {bond for bond in listed if reversed_bond(bond) in listed}
    for bond, k in listed.items() if both else ():
        if bond not in both:
            ok = False
            origin, target, cell = reversed_bond(bond)
            sites = finder.sites(entry.between[0])
            doc.add(
                (*path, "vectors", k),
                "the reverse of this hop is missing, though other hops are listed in both directions",
                value=str(_shown(entry.vectors[k])),
                remedy=f"add {{from: {sites.index(origin)}, to: {sites.index(target)}, cell: {list(cell)}}}, or "
                "list every hop in one direction only (reverses are always made)",
            )
    kept: dict[Bond, None] = {}
    for bond in listed:
        if reversed_bond(bond) not in kept:
            kept[bond] = None
    return list(kept) if ok else None


def _shown(vector: object) -> object:
    return (
        vector.model_dump(by_alias=True)
        if isinstance(vector, HopVectorSites | HopVectorCartesian)
        else vector
    )


def _explicit_bond(
    vector: list[int] | HopVectorSites | HopVectorCartesian,
    between: list[str],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> Bond | None:
    first, second = (finder.sites(label) for label in between)
    origin = vector.from_ if isinstance(vector, HopVectorSites | HopVectorCartesian) else 0
    target = vector.to if isinstance(vector, HopVectorSites) else 0
    for key, index, sites, label in (("from", origin, first, between[0]), ("to", target, second, between[1])):
        if index >= len(sites):
            doc.add(
                (*path, key),
                f"there is no site {index} of label '{label}'",
                value=index,
                allowed=f"0 to {len(sites) - 1}",
                remedy="indices count the sites of the label in the cell from 0",
            )
            return None
    if isinstance(vector, HopVectorCartesian):
        return _bond_along(vector, first[origin], second, between[1], finder, doc, path)
    cell = vector.cell if isinstance(vector, HopVectorSites) else vector
    for axis, steps in enumerate(cell):
        if steps and not finder.structure.periodic[axis]:
            doc.add(
                path,
                f"the hop leaves the cell along {'abc'[axis]}, where the structure does not repeat",
                value=cell,
                allowed=f"0 along {'abc'[axis]}",
                remedy="set it to 0, or make the axis periodic",
            )
            return None
    bond = (first[origin], second[target], (cell[0], cell[1], cell[2]))
    if finder.length(bond) < 1e-6:
        doc.add(path, "the hop leads from a site to itself", value=str(_shown(vector)))
        return None
    return bond


def _bond_along(
    vector: HopVectorCartesian,
    origin: int,
    targets: list[int],
    label: str,
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> Bond | None:
    s = finder.structure
    end = s.frac[origin] + np.array(vector.cartesian) @ np.linalg.inv(s.lattice)
    difference = end - s.frac[targets]
    cells = np.where(s.periodic, np.round(difference), 0.0)
    off = np.linalg.norm((difference - cells) @ s.lattice, axis=1)
    best = int(np.argmin(off))
    a, b, c = (int(x) for x in cells[best])
    bond = (origin, targets[best], (a, b, c))
    if off[best] > _PLACE_TOLERANCE or finder.length(bond) < 1e-6:
        nearby = ", ".join(f"{x:.4g}" for x in finder.vector(bond))
        doc.add(
            (*path, "cartesian"),
            f"no site of label '{label}' lies at the end of this hop",
            value=vector.cartesian,
            allowed=f"the vector to a site, within {_PLACE_TOLERANCE} Å",
            remedy=f"the nearest site lies at [{nearby}]",
        )
        return None
    return bond


# ------------------------------------------------------------------------------------------- numbers


def _overrides(
    entry: HopInput, classes: list[BondClass], titles: list[str], doc: Document, path: KeyPath
) -> list[tuple[ClassNumbers | None, KeyPath]]:
    """What `classes:` says for each class, with its place in the file."""
    result: list[tuple[ClassNumbers | None, KeyPath]] = [(None, path)] * len(classes)
    for key, numbers in (entry.classes or {}).items():
        here = (*path, "classes", key)
        if key.isdigit() and 1 <= int(key) <= len(classes):
            index = int(key) - 1
        elif key in titles:
            index = titles.index(key)
        else:
            listing = "; ".join(
                f"{k} ({t}, {c.distance:.4f} Å)" for k, (t, c) in enumerate(zip(titles, classes, strict=True), 1)
            )  # fmt: skip
            doc.add(
                here, f"this entry has no hop class '{key}'", allowed=listing, remedy=nearest(key, titles)
            )
            continue
        if result[index][0] is not None:
            doc.add(here, f"the hop class {titles[index]} has numbers already", remedy="keep one of the two")
            continue
        result[index] = (numbers, here)
    return result


def _saddles(
    entry: HopInput,
    override: ClassNumbers | None,
    title: str,
    bonds: BondClass,
    sources: Sources,
    finder: BondFinder,
    path: KeyPath,
    override_path: KeyPath,
) -> list[Saddle]:
    """Saddles of one class, with every number resolved."""
    doc = sources.doc
    layers: list[tuple[HopNumbers, KeyPath]] = [(entry, path)]
    if override is not None:
        layers.insert(0, (override, override_path))
    listed: list[SaddleInput] | None = entry.saddles
    listed_path: KeyPath = (*path, "saddles")
    if override is not None and override.saddles is not None:
        listed, listed_path = override.saddles, (*override_path, "saddles")
    if listed is None:
        resolved = _resolve("", layers, title, bonds, sources, finder)
        return [resolved] if resolved else []
    result, names = [], set()
    for k, saddle in enumerate(listed):
        if saddle.name in names:
            doc.add((*listed_path, k, "name"), f"two saddles are called '{saddle.name}'", remedy="rename one")
        names.add(saddle.name)
        resolved = _resolve(
            saddle.name,
            [(saddle, (*listed_path, k)), *layers],
            f"{title}:{saddle.name}",
            bonds,
            sources,
            finder,
        )
        if resolved:
            result.append(resolved)
    if result and not any(s.use for s in result):
        doc.add(listed_path, f"no saddle of {title} is used", remedy="remove 'use: false' from one of them")
    return result


def _resolve(
    name: str,
    layers: list[tuple[HopNumbers, KeyPath]],
    title: str,
    bonds: BondClass,
    sources: Sources,
    finder: BondFinder,
) -> Saddle | None:
    doc = sources.doc

    def first(key: str) -> tuple[object, KeyPath]:
        for numbers, path in layers:
            if getattr(numbers, key) is not None:
                return getattr(numbers, key), (*path, key)
        return None, (*layers[-1][1], key)

    barrier, barrier_path = first("barrier")
    frequency, frequency_path = first("attempt_frequency")
    ruled = isinstance(barrier, BarrierFromRule)
    for value, path, example in (
        (barrier, barrier_path, "barrier: 242 meV"),
        (frequency, frequency_path, "attempt_frequency: 6.12 THz"),
    ):
        if value is None and not (
            ruled and path[-1] == "attempt_frequency"
        ):  # the rule may have its prefactor
            doc.add(path, f"the hop class {title} has no {path[-1]}", remedy=f"for example  {example}")
    if barrier is None or (frequency is None and not ruled):
        return None
    if isinstance(barrier, BarrierFromRule) and not _usable(barrier.rule, (*barrier_path, "rule"), doc):
        return None
    equal_ends = bonds.own_reverse or all(i == j for i, j, _ in bonds.forward)
    # what a code calculated for ends that symmetry makes equivalent differs by noise alone
    alike = equal_ends or finder.equivalent(*bonds.forward[0][:2])
    found = Found()
    if isinstance(barrier, BarrierPath):
        sources.barrier(barrier, alike, title, (*barrier_path, "path"), found)
    elif not ruled:
        assert isinstance(barrier, Measured | BarrierPair)
        found.barrier = barrier
    if frequency is not None:
        if isinstance(frequency, FrequencyPair) and equal_ends and not _equal(frequency):
            why = "symmetry turns it into its own reverse" if bonds.own_reverse else "it joins equal sites"
            doc.add(
                frequency_path,
                f"{title} must have equal attempt frequencies both ways ({why})",
                value=f"forward {frequency.forward:g} Hz, reverse {frequency.reverse:g} Hz",
                allowed="forward = reverse",
                remedy="give one number",
            )
            return None
        sources.attempt(frequency, alike, title, frequency_path, found)
    if (found.barrier is None and not ruled) or (found.attempt_frequency is None and frequency is not None):
        return None  # reported by the sources
    zero_point, zero_path = first("zero_point")
    if zero_point is None:
        zero_point, zero_path = "bare" if isinstance(barrier, BarrierPath) else "unknown", barrier_path
    if found.attempt_frequency is not None and not sources.tie(
        found.attempt_frequency, str(zero_point), ruled, zero_path, found
    ):
        return None
    given, response_path = first("field_response")
    classical, classical_path = first("classical_response")
    if isinstance(given, FieldFiles):
        response = sources.response(given, finder.structure.lattice, title, response_path)
        if response is None:
            return None
        found.read_from += response.read_from
    else:
        response = given_response(given)  # type: ignore[arg-type]
    if response.kind == "classical" and classical is None:
        doc.add(
            response_path,
            f"{title} has no classical response to take",
            remedy="add, for example,  classical_response: {charge: -2, d_ma: 1.4}",
        )
        return None
    channels, _ = first("channels")
    fraction, fraction_path = first("saddle")
    surroundings, surroundings_path = first("surroundings")
    return Saddle(
        name=name,
        barrier=found.barrier,
        attempt_frequency=found.attempt_frequency,
        rule=barrier if isinstance(barrier, BarrierFromRule) else None,
        polaron=_polaron(*first("polaron"), ruled, doc),
        response=response,
        response_path=response_path,
        classical=classical,  # type: ignore[arg-type]
        classical_path=classical_path,
        use=bool(getattr(layers[0][0], "use", True)),
        zero_point=str(zero_point),
        read_from="; ".join(dict.fromkeys(found.read_from)),
        log=tuple(dict.fromkeys(found.log)),
        channels=1 if channels is None else int(channels),  # type: ignore[call-overload]
        fraction=0.5 if fraction is None else float(fraction),  # type: ignore[arg-type]
        barrier_path=barrier_path,
        frequency_path=frequency_path,
        fraction_path=fraction_path,
        surroundings=surroundings,  # type: ignore[arg-type]
        surroundings_path=surroundings_path,
    )


def _usable(rule: str, path: KeyPath, doc: Document) -> bool:
    """Whether there is such a rule and it takes parameters of its own."""
    try:
        given_barriers = get_rule(rule).given_barriers
    except InputError as error:
        for p in error.problems:
            doc.add(path, p.message, value=p.value, allowed=p.allowed, remedy=p.remedy)
        return False
    if given_barriers:
        doc.add(
            path,
            f"the rule '{rule}' is that of given barriers",
            value=rule,
            remedy="give the numbers:  barrier: 0.3, or barrier: {forward: 0.3, reverse: 0.2}",
        )
    return not given_barriers


def _polaron(given: object, path: KeyPath, ruled: bool, doc: Document) -> PolaronNumbers | None:
    if not isinstance(given, PolaronInput):
        return None
    if given.V_AB is None and given.dE_12 is None and not ruled:  # a rule may hold it
        doc.add(
            path,
            "without the electronic coupling the regime of the hop is not known",
            remedy="give V_AB, or dE_12 (twice V_AB), or remove 'polaron'",
        )
    if given.V_AB is not None and given.dE_12 is not None:
        doc.add(path, "give one of 'V_AB' and 'dE_12', not both", remedy="V_AB is half of dE_12")
    coupling = given.V_AB if given.dE_12 is None else given.dE_12 / 2
    return PolaronNumbers(coupling, given.reorganisation_energy, given.phonon_frequency)


def _equal(pair: FrequencyPair) -> bool:
    return math.isclose(pair.forward, pair.reverse, rel_tol=1e-6)


# ------------------------------------------------------------------------------------------- checks


def _check_incomplete(title: str, bonds: BondClass, doc: Document) -> None:
    if len(bonds.forward) < bonds.orbit_size:
        doc.note(
            f"{title}: {len(bonds.forward)} of the {bonds.orbit_size} hops per cell that symmetry makes "
            "equivalent are listed; the others do not happen"
        )


def _note_direction(
    title: str,
    entry: HopInput,
    bonds: BondClass,
    saddles: list[Saddle],
    finder: BondFinder,
    doc: Document,
) -> None:
    """Between like labels the user must be told what forward is, where it matters."""
    matters = any(
        s.fraction != 0.5
        or isinstance(s.barrier, BarrierPair)
        or (s.attempt_frequency is not None and not s.attempt_frequency.same_both_ways)
        for s in saddles
    )
    a, b = entry.between
    if matters and a == b and not bonds.own_reverse and entry.distance is not None:
        vector = ", ".join(f"{x:.4g}" for x in finder.vector(bonds.forward[0]))
        origin = bonds.forward[0][0]
        doc.note(f"{title}: no symmetry reverses this hop; forward is [{vector}] Å from site {origin}")


def _check_doubled(
    title: str,
    carrier: int,
    bonds: BondClass,
    seen: dict[tuple[int, Bond], str],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> None:
    other = None
    for bond in bonds.forward:
        other = other or seen.get((carrier, bond))
        seen[carrier, bond] = title
        seen[carrier, reversed_bond(bond)] = title
    if other is not None:
        doc.add(
            path,
            f"the hops of {title} ({bonds.distance:.4f} Å) are given already as {other}",
            remedy="remove one entry; several saddles of one hop go under 'saddles', equal ones under 'channels', "
            "and the reverse hop is always made",
        )


def _check_saddle_places(title: str, bonds: BondClass, saddles: list[Saddle], doc: Document) -> None:
    """A hop that symmetry turns into its reverse has its saddle in the middle, or has the mirror image too."""
    if not bonds.own_reverse:
        return
    for saddle in saddles:
        off = saddle.fraction - 0.5
        twin = any(
            abs(other.fraction - 0.5 + off) < 1e-9
            and other.barrier == saddle.barrier
            and other.rule == saddle.rule
            and other.attempt_frequency == saddle.attempt_frequency
            and other.channels == saddle.channels
            for other in saddles
        )
        if off and not twin:
            doc.add(
                saddle.fraction_path,
                f"symmetry turns {title} into its own reverse, so its saddle lies in the middle",
                value=saddle.fraction,
                allowed="0.5",
                remedy="leave 'saddle' out, or list the mirror image as well under 'saddles' "
                f"(saddle: {1 - saddle.fraction:g}, all else equal)",
            )
