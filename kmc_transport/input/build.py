"""From the text of an input file to the frozen model: parse, validate, build, check, all problems at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..model.analysis import Analysis
from ..model.classical import marked
from ..model.model import (
    Carrier,
    HopNetwork,
    InputSource,
    Model,
    Structure,
    frozen_array,
)
from ..model.network import Bond, BondFinder, components, reversed_bond, travel_axes
from .acceleration import build_acceleration
from .analysis import build_analysis
from .composition import (
    Composition,
    build_compositions,
    check_room,
    counted,
    exact_number,
    extreme,
    fixed_amounts,
    text_of,
)
from .conditions import build_conditions, build_sampling, check_absorbing, check_thermodynamics
from .document import Document, KeyPath, nearest, parse_yaml, read_text
from .expressions import Expression
from .hops import HopGroup, find_hops
from .immobile import hops_of_mobile, mobile_first, n_mobile
from .interacting import build_interacting
from .memory import available_memory, check_memory
from .placement import check_networks
from .reconcile import reconcile
from .response import Centres
from .schema.structure import CarrierInput
from .site_dipoles import site_dipoles
from .site_energies import SaddleHops, given_energies, hop_classes, site_energies
from .structure import build_structure
from .systems import with_systems
from .validation import Sections, validate

__all__ = ["load_model", "load_model_text"]

_AXES = "abc"
_SHORTEST_WAY = 0.05
_AUTO_LENGTH = 20.0
_AUTO_DEVIATION = 0.01
_AUTO_SITES = 2_000_000


def load_model(path: str | Path) -> Model:
    """Model of an input file.

    Raises
    ------
    InputError : with every problem of the file, each with its line, key and remedy.
    """
    path = Path(path)
    return load_model_text(read_text(path), str(path), path.parent)


def load_model_text(
    text: str,
    path: str = "<string>",
    base: str | Path | None = None,
    files: Mapping[str, str] | None = None,
) -> Model:
    """Model of the text of an input file.

    Parameters
    ----------
    path : name for messages.
    base : folder that structure files are relative to; the current one by default.
    files : texts of structure files by the name that the input uses (``InputSource.files``); they are taken in
        place of files.

    Raises
    ------
    InputError : with every problem found, each with its line, key and remedy.
    """
    doc = parse_yaml(text, path)
    sections = validate(doc)
    used: dict[str, str] = {}
    model = _build(sections, doc, Path(base) if base is not None else Path(), used, files or {})
    doc.raise_problems()
    assert model is not None
    return marked(model)


def _build(
    sections: Sections, doc: Document, base: Path, used: dict[str, str], embedded: Mapping[str, str]
) -> Model | None:
    """The model; None when there are problems. Goes as far as the sound sections allow."""
    structure: Structure | None = None
    if sections.structure is not None:
        structure = build_structure(sections.structure, doc, base, used, embedded)
    conditions = None
    points: list[Composition] | None = [()]
    if sections.conditions is not None:
        conditions = build_conditions(sections.conditions, structure, doc)
        points = build_compositions(sections.conditions, sections.carriers, doc)
    if sections.carriers is None:
        return None
    freeze = sections.freeze or []
    given = mobile_first(sections.carriers, freeze, doc)
    mobile = n_mobile(given, freeze)
    sites_ok = _check_carriers(given, structure, doc)
    if structure is None:
        return None
    if points is None or (conditions is None and not fixed_amounts(given)):
        return None
    supercell = _supercell(sections, structure, points, doc) if sites_ok else None
    counts = _carriers(given, mobile, structure, supercell, points, doc)
    carriers = counts[0]
    if not sites_ok:
        return None
    most = max(counts, key=lambda found: sum(c.count for c in found))
    if supercell is not None and not check_memory(
        sections, structure, supercell, most, None, doc, available_memory()
    ):
        supercell = None

    if sections.hops is None:
        return None
    before = len(doc.problems)
    finder = BondFinder(structure)
    hops = hops_of_mobile(sections.hops, given, doc)
    groups = find_hops(hops, carriers, finder, doc, base)
    whole = None not in hops and len(doc.problems) == before
    _note_classes(groups, doc)
    reconciled_badly = sections.reconcile is None and (doc.data or {}).get("reconcile") is not None
    if sections.site_energies is None or reconciled_badly or not groups:
        return None
    energies = given_energies(sections.site_energies, carriers, structure, doc)
    groups, energies, hints = reconcile(sections.reconcile, groups, energies, carriers, structure, doc)
    site_energy = site_energies(groups, carriers, structure, energies, hints, doc)
    dipoles = site_dipoles(given, carriers, groups, finder, doc)
    centres = Centres(finder, [c.charge for c in carriers], dipoles)
    if len(doc.problems) > before or not _ways_are_long(groups, centres, doc):
        return None
    classes = hop_classes(groups, site_energy, centres, hints, doc)
    simulated = [c for c in classes if c.saddle.use and c.hop_class.carrier < mobile]
    if whole:
        _check_reach(
            groups,
            carriers,
            [a for a, c in enumerate(carriers) if not given[c.name].immobile],
            structure,
            doc,
        )
        if supercell is not None:
            _check_images(groups, structure, supercell, doc)
    network = _network(simulated, centres)
    if supercell is not None and not check_memory(
        sections, structure, supercell, most, network, doc, available_memory()
    ):
        return None
    sampling = (
        None if sections.sampling is None else build_sampling(sections.sampling, carriers[:mobile], doc)
    )
    if sampling is not None and conditions is not None:
        check_thermodynamics(sampling, conditions, carriers[:mobile], doc)
    if sections.sampling is not None:
        hopping = sum(c.count for c in extreme(counts, max)[:mobile])
        check_absorbing(sections.sampling, sections.analysis is not None, hopping, doc)
    if sections.sampling is not None and sampling is not None:
        asked = build_acceleration(sections.sampling, carriers, mobile, sections.analysis is not None, doc)
        sampling = replace(sampling, acceleration=asked)
    parts = build_interacting(sections, simulated, network, counts, mobile, finder, supercell, doc)
    analysis = Analysis()
    if sections.analysis is not None and supercell is not None:
        analysis = build_analysis(sections.analysis, extreme(counts, min), mobile, structure, supercell, doc)
    if doc.problems or sections.whole is None or supercell is None or conditions is None or sampling is None:
        return None
    model = Model(
        title=sections.title,
        references=tuple(sections.references),
        structure=structure,
        supercell=supercell,
        carriers=tuple(carriers[:mobile]),
        site_energy=frozen_array(site_energy, np.float64),
        hop_classes=tuple(c.hop_class for c in simulated),
        network=network,
        conditions=conditions,
        sampling=sampling,
        source=InputSource(doc.path, doc.text, tuple(used.items())),
        candidates=tuple(c.hop_class for c in classes if not c.saddle.use and c.hop_class.carrier < mobile),
        notes=(*sections.notes, *doc.notes),
        interactions=parts.interactions,
        disorder=parts.disorder,
        initial=parts.initial,
        immobile=tuple(carriers[mobile:]),
        arrangement=parts.arrangement,
        analysis=analysis,
        site_dipole=None if dipoles is None else frozen_array(dipoles, np.float64),
    )
    return check_networks(with_systems(model, sections, points, counts, doc), doc)


# ------------------------------------------------------------------------------------------- carriers, supercell


def _check_carriers(given: Mapping[str, CarrierInput], structure: Structure | None, doc: Document) -> bool:
    """Whether the labels of all carriers exist; charges and counts are checked too."""
    labels = list(dict.fromkeys(structure.labels)) if structure is not None else None
    ok = True
    for name, carrier in given.items():
        path: KeyPath = ("carriers", name)
        if carrier.immobile and carrier.site_dipoles is not None:
            doc.add(
                (*path, "site_dipoles"), f"'{name}' is immobile: no hop moves its charge centre",
                remedy="remove 'site_dipoles'"
            )  # fmt: skip
        elif carrier.charge == 0 and carrier.site_dipoles is not None:
            doc.add(
                (*path, "site_dipoles"), "a carrier without charge has no charge centre that a dipole could move",
                remedy="remove 'site_dipoles', or give the charge that the carrier transports"
            )  # fmt: skip
        if (carrier.count is None) == (carrier.fraction is None):
            both = carrier.count is not None
            doc.add(
                (*path, "fraction") if both else path,
                "give one of 'count' and 'fraction'" + (", not both" if both else ""),
                remedy="count: 1, or fraction: 0.001",
            )
            ok = False
        for k, label in enumerate(carrier.sites):
            if labels is not None and label not in labels:
                ok = False
                doc.add(
                    (*path, "sites", k), f"there are no sites '{label}'", value=label, allowed=", ".join(labels),
                    remedy=nearest(label, labels) or "use the labels of the structure"
                )  # fmt: skip
            elif label in carrier.sites[:k]:
                doc.add((*path, "sites", k), f"the label '{label}' is listed twice", remedy="keep one")
    return ok


def _sites_per_cell(carrier: CarrierInput, structure: Structure) -> int:
    return sum(label in carrier.sites for label in structure.labels)


def _supercell(
    sections: Sections, structure: Structure, points: Sequence[Composition], doc: Document
) -> tuple[int, int, int] | None:
    given: list[int] | None = sections.supercell
    if given is None:
        if sections.whole is None and "supercell" in (doc.data or {}):
            return None  # it had problems of its own
        return _automatic_supercell(sections.carriers, structure, points, doc)
    ok = True
    for axis in range(3):
        if given[axis] != 1 and not structure.periodic[axis]:
            ok = False
            doc.add(
                ("supercell", axis), f"the structure does not repeat along {_AXES[axis]}", value=given[axis],
                allowed="1", remedy="set it to 1, or make the axis periodic"
            )  # fmt: skip
    return (given[0], given[1], given[2]) if ok else None


def _automatic_supercell(
    carriers: Mapping[str, CarrierInput],
    structure: Structure,
    points: Sequence[Composition],
    doc: Document,
) -> tuple[int, int, int] | None:
    """Smallest cell of about equal sides (at least 20 Å) that holds every fraction within 1 %."""
    fractions = [
        exact_number(c.fraction, point) * _sites_per_cell(c, structure)
        for point in points
        for c in carriers.values()
        if c.fraction is not None
    ]
    if not all(0 <= f < math.inf for f in fractions):
        return 1, 1, 1  # `counted` says why
    if len(fractions) < len(carriers) * len(points):
        doc.add(
            ("supercell",),
            "the key 'supercell' is missing: a count of carriers needs to know in how many cells",
            remedy="for example  supercell: [10, 10, 10]; it may be left out when all carriers have a 'fraction'",
        )
        return None
    lengths = np.linalg.norm(structure.lattice, axis=1)
    side = _AUTO_LENGTH
    while True:
        cells = [
            max(2, math.ceil(side / lengths[k] - 1e-9)) if structure.periodic[k] else 1 for k in range(3)
        ]
        total = math.prod(cells)
        off = [abs(max(1, round(f * total)) / (f * total) - 1) for f in fractions if f]
        if max(off, default=0.0) <= _AUTO_DEVIATION:
            doc.note(f"supercell {cells[0]} x {cells[1]} x {cells[2]} was chosen to hold the fractions")
            return cells[0], cells[1], cells[2]
        if total * structure.n_sites > _AUTO_SITES:
            doc.add(
                ("supercell",), "no cell of reasonable size holds these fractions",
                remedy="give a supercell, or larger fractions"
            )  # fmt: skip
            return None
        side += max(0.5 * float(lengths[structure.periodic].min()), 0.01 * side)


def _carriers(
    given: Mapping[str, CarrierInput],
    mobile: int,
    structure: Structure,
    supercell: tuple[int, int, int] | None,
    points: Sequence[Composition],
    doc: Document,
) -> list[list[Carrier]]:
    """Carriers with their number in the supercell (0 where that is not known yet), at each composition."""
    cells = math.prod(supercell) if supercell else 0
    if not fixed_amounts(given):
        bare = [Carrier(name, c.charge, tuple(c.sites), 0) for name, c in given.items()]
        found = counted(bare, mobile, given, structure, cells, points, doc) if supercell else []
        before = len(doc.problems)
        for point, carriers in zip(points, found, strict=False):
            if len(doc.problems) == before:
                check_room(carriers, structure, cells, doc, text_of(point))
        return found or [bare]
    result = []
    for name, carrier in given.items():
        sites = _sites_per_cell(carrier, structure) * cells
        count, fraction = carrier.count or 0, carrier.fraction
        assert not isinstance(count, Expression)
        assert not isinstance(fraction, Expression)
        if fraction is not None and sites:
            count = max(1, round(fraction * sites))
            if abs(count - fraction * sites) > 1e-9 * count:
                doc.note(
                    f"{name}: fraction {fraction:g} of {sites} sites is {fraction * sites:.6g}, "
                    f"rounded to {count} (fraction {count / sites:.6g})"
                )
        result.append(Carrier(name, carrier.charge, tuple(carrier.sites), count))
    if supercell:
        check_room(result, structure, cells, doc)
    return [result]


# ------------------------------------------------------------------------------------------- the network


def _note_classes(groups: Sequence[HopGroup], doc: Document) -> None:
    """Entries that fall into several classes are listed, so that none goes unseen."""
    by_entry: dict[KeyPath, list[HopGroup]] = {}
    for group in groups:
        by_entry.setdefault(group.path, []).append(group)
    for path, members in by_entry.items():
        if len(members) > 1:
            listing = ", ".join(f"{g.name} {g.bonds.distance:.4f} Å" for g in members[:8])
            more = f", and {len(members) - 8} more" if len(members) > 8 else ""
            doc.note(
                f"hops[{path[-1]}] finds {len(members)} classes that symmetry tells apart: {listing}{more}; "
                "they share the entry's numbers unless 'classes' gives others"
            )


def _check_reach(
    groups: Sequence[HopGroup],
    carriers: Sequence[Carrier],
    hopping: Sequence[int],
    structure: Structure,
    doc: Document,
) -> None:
    """Sites without a way out, and axes along which a carrier cannot travel."""
    for index in hopping:
        carrier = carriers[index]
        bonds = [b for g in groups if g.carrier == index for b in g.bonds.forward]
        parts = components(structure.n_sites, bonds)
        reached = set().union(*(members for members, _ in parts)) if parts else set()
        stuck = [i for i, label in enumerate(structure.labels) if label in carrier.sites and i not in reached]
        by_label: dict[str, list[int]] = {}
        for i in stuck:
            by_label.setdefault(structure.labels[i], []).append(i)
        for label, sites in by_label.items():
            total = structure.labels.count(label)
            doc.add(
                ("carriers", carrier.name, "sites", carrier.sites.index(label)),
                f"{len(sites)} of {total} sites '{label}' have no way out: no hop of '{carrier.name}' starts there",
                remedy=f"add a hop between '{label}' and another label, or remove '{label}' from the carrier's "
                "sites",
            )
        if not parts or stuck:
            continue
        axes = [any(travel_axes(returns)[k] for _, returns in parts) for k in range(3)]
        blocked = [_AXES[k] for k in range(3) if structure.periodic[k] and not axes[k]]
        if blocked:
            doc.note(
                f"{carrier.name}: its hops do not lead through the crystal along {', '.join(blocked)}: no "
                "transport there"
            )
        if len(parts) > 1:
            doc.note(f"{carrier.name}: its sites form {len(parts)} separate networks per cell, never left")


def _ways_are_long(groups: Sequence[HopGroup], centres: Centres, doc: Document) -> bool:
    """Whether the charge moves in every hop: site dipoles may put two charge centres in one place."""
    for g in groups:
        way = float(np.linalg.norm(centres.vector(g.carrier, g.bonds.forward[0])))
        if way < _SHORTEST_WAY:
            doc.add(
                (*g.path,),
                f"with the site dipoles the charge moves by {way:.3f} Å only in the hops {g.name}",
                allowed=f">= {_SHORTEST_WAY:g} Å",
                remedy="check 'site_dipoles' of the carrier: dipole over charge is how far the charge centre moves",
            )
            return False
    return True


def _check_images(
    groups: Sequence[HopGroup], structure: Structure, supercell: tuple[int, int, int], doc: Document
) -> None:
    """Hops that end where they start in this supercell, and carriers that can meet their own image."""
    own, meeting = set(), set()
    for group in groups:
        ends: dict[int, dict[tuple[int, ...], Bond]] = {}
        for forward in group.bonds.forward:
            for bond in (forward, reversed_bond(forward)):
                origin, target, cell = bond
                home = tuple(c % n for c, n in zip(cell, supercell, strict=True))
                if origin == target and not any(home):
                    own.add((group.name, tuple(k for k in range(3) if cell[k])))
                else:
                    other = ends.setdefault(origin, {}).setdefault((target, *home), bond)
                    if other != bond:
                        meeting.add(group.name)
    for name, axes in sorted(own):
        letters = " and ".join(_AXES[k] for k in axes)
        doc.add(
            ("supercell",),
            f"in this supercell the hops {name} end on the image of the site where they start",
            value=list(supercell),
            allowed=f"at least 2 cells along {letters}" if max(supercell[k] for k in axes) == 1 else "",
            remedy=f"use a larger supercell along {letters}",
        )
    if meeting:
        doc.note(
            f"the supercell is as small as the hops ({', '.join(sorted(meeting))}): different hops lead to images "
            "of one site and a carrier can meet its own image; displacements stay exact"
        )


def _network(classes: Sequence[SaddleHops], centres: Centres) -> HopNetwork:
    """All directed hops, class by class, the forward ones first."""
    carrier: list[int] = []
    bonds: list[Bond] = []
    vectors: list[np.ndarray] = []
    hop_class: list[int] = []
    orientation: list[int] = []
    reverse: list[int] = []
    operation: list[int] = []
    for index, item in enumerate(classes):
        group = item.group
        n, start = len(group.bonds.forward), len(bonds)
        bonds += group.bonds.forward
        bonds += [reversed_bond(b) for b in group.bonds.forward]
        forward = [centres.vector(group.carrier, b) for b in group.bonds.forward]
        vectors += [*forward, *(0.0 - v for v in forward)]  # exact opposites, and no -0.0
        carrier += [group.carrier] * (2 * n)
        hop_class += [index] * (2 * n)
        orientation += [1] * n + [-1] * n
        reverse += [*range(start + n, start + 2 * n), *range(start, start + n)]
        operation += [*group.bonds.operation, *group.bonds.reverse_operation]
    return HopNetwork(
        carrier=frozen_array(carrier, np.int64),
        origin=frozen_array([b[0] for b in bonds], np.int64),
        target=frozen_array([b[1] for b in bonds], np.int64),
        cell=frozen_array([b[2] for b in bonds], np.int64),
        vector=frozen_array(vectors, np.float64),
        hop_class=frozen_array(hop_class, np.int64),
        orientation=frozen_array(orientation, np.int64),
        reverse=frozen_array(reverse, np.int64),
        operation=frozen_array(operation, np.int64),
    )
