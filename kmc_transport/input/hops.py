"""Hop entries of the input to classes of hops, each with its saddles; checks of what symmetry demands of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model.model import Carrier
from ..model.network import Bond, BondClass, BondFinder, reversed_bond
from .bonds import bond_classes
from .document import Document, KeyPath, nearest
from .references import Sources
from .saddles import Saddle, saddles_of
from .schema.barriers import BarrierPair
from .schema.hops import ClassNumbers, HopInput

__all__ = ["HopGroup", "find_hops"]


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
        classes = None if carrier is None else bond_classes(entry, finder, doc, path)
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
            saddles = saddles_of(entry, override, title, bonds, sources, finder, path, override_path)
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
