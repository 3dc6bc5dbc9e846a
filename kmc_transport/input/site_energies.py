"""Site energies, reverse barriers and attempt frequencies of the hop classes, consistent round every loop.

Local detailed balance: barrier_forward - barrier_reverse = E(target) - E(origin), and kT ln(nu_f/nu_r) is a
difference of site free energies, so both close round every loop of the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.model import Carrier, HopClass, Structure
from ..model.potentials import Difference, solve_potential
from ..ndarrays import FloatArray
from ..rules import get_rule
from .document import Document, KeyPath, nearest
from .hops import HopGroup
from .response import Centres, classical_dipole, saddle_dipole
from .saddles import Saddle
from .schema.barriers import BarrierPair

__all__ = ["SaddleHops", "given_energies", "hop_classes", "site_energies"]

ENERGY_TOLERANCE = 1e-6  # eV
_LOG_TOLERANCE = 1e-6


@dataclass(frozen=True)
class SaddleHops:
    """A hop class with the group of bonds that it lives on."""

    group: HopGroup
    saddle: Saddle
    hop_class: HopClass


def _saddles(groups: Sequence[HopGroup]) -> list[tuple[HopGroup, Saddle, str]]:
    """Every saddle of every group with the class name it gets."""
    return [(g, s, f"{g.name}:{s.name}" if s.name else g.name) for g in groups for s in g.saddles]


def given_energies(
    given: dict[str, Any], carriers: Sequence[Carrier], structure: Structure, doc: Document
) -> list[dict[str, float]]:
    """What `site_energies` says, label -> eV, for each carrier."""
    result: list[dict[str, float]] = [{} for _ in carriers]
    names = [c.name for c in carriers]
    for label, value in given.items():
        path: KeyPath = ("site_energies", label)
        if label not in structure.labels:
            labels = list(dict.fromkeys(structure.labels))
            doc.add(
                path,
                f"there are no sites '{label}'",
                allowed=", ".join(labels),
                remedy=nearest(label, labels),
            )
            continue
        by_carrier = (
            value if isinstance(value, dict) else {c.name: value for c in carriers if label in c.sites}
        )
        if not by_carrier:
            doc.add(
                path,
                f"no carrier may sit on sites '{label}'",
                remedy="remove it, or add the label to a carrier",
            )
        for name, energy in by_carrier.items():
            if name not in names:
                doc.add(
                    (*path, name), f"there is no carrier '{name}'", allowed=", ".join(names),
                    remedy=nearest(name, names)
                )  # fmt: skip
            elif label not in carriers[names.index(name)].sites:
                doc.add(
                    (*path, name), f"the carrier '{name}' cannot sit on sites '{label}'",
                    allowed=", ".join(carriers[names.index(name)].sites), remedy="remove it"
                )  # fmt: skip
            else:
                result[names.index(name)][label] = energy
    return result


def site_energies(
    groups: Sequence[HopGroup],
    carriers: Sequence[Carrier],
    structure: Structure,
    given: Sequence[dict[str, float]],
    hints: Sequence[str],
    doc: Document,
) -> FloatArray:
    """(n_carriers, n_sites) energies: given, or from forward and reverse barriers, or 0; NaN where not allowed.

    hints : for each carrier, added to the remedy of loops that do not close.
    """
    result = np.full((len(carriers), structure.n_sites), np.nan)
    labels = np.array(structure.labels)
    entries = _saddles(groups)
    for index, carrier in enumerate(carriers):
        allowed = np.isin(labels, carrier.sites)
        result[index, allowed] = 0.0
        known = {
            int(i): energy for label, energy in given[index].items() for i in np.flatnonzero(labels == label)
        }
        differences = [
            Difference(i, j, 0.0 if group.bonds.own_reverse else _step(saddle.barrier), tag)
            for tag, (group, saddle, _) in enumerate(entries)
            if group.carrier == index and isinstance(saddle.barrier, BarrierPair)
            for i, j, _ in group.bonds.forward
        ]
        values, free, mismatches = solve_potential(differences, known, ENERGY_TOLERANCE)
        for i, energy in values.items():
            result[index, i] = energy
        told: set[tuple[Any, ...]] = set()
        for tag, asked, found in mismatches:
            group, saddle, name = entries[tag]
            i, j, _ = group.bonds.forward[0]
            if i == j:
                continue  # reported with both barriers by `hop_classes`
            place = tuple(saddle.barrier_path)
            if place in told:
                continue  # classes of one entry share its number: one line of the input, one problem
            if labels[i] in given[index] and labels[j] in given[index]:
                text = f"site_energies give {given[index][labels[j]] - given[index][labels[i]]:.6g} eV"
            else:
                text = f"the other hops (and site energies) of '{carrier.name}' give {found:.6g} eV"
            doc.add(
                saddle.barrier_path,
                f"{name}: forward - reverse barrier is {asked:.6g} eV for E({labels[j]}) - E({labels[i]}), but {text}",
                allowed=f"the same to {ENERGY_TOLERANCE:g} eV",
                remedy="energy must not be gained round a closed loop of hops: correct one of the barriers"
                + (hints[index] if not told else ""),
            )
            told.add(place)
        _note_derived(carrier, differences, free, result[index], labels, doc)
    return result


def _step(pair: BarrierPair) -> float:
    """Energy of the target minus that of the origin, eV."""
    return pair.forward.value - pair.reverse


def _note_derived(
    carrier: Carrier,
    differences: list[Difference],
    free: list[set[int]],
    energies: FloatArray,
    labels: npt.NDArray[np.str_],
    doc: Document,
) -> None:
    if not any(abs(d.difference) > ENERGY_TOLERANCE for d in differences):
        return
    told = sorted({(str(labels[d.target]), round(float(energies[d.target]), 6)) for d in differences}
                  | {(str(labels[d.origin]), round(float(energies[d.origin]), 6)) for d in differences})  # fmt: skip
    listing = ", ".join(f"{label} {energy:g} eV" for label, energy in told[:12])
    doc.note(
        f"{carrier.name}: site energies follow from forward and reverse barriers: {listing}"
        + (", ..." if len(told) > 12 else "")
    )
    if len(free) > 1:
        doc.note(
            f"{carrier.name}: forward and reverse barriers link the sites in {len(free)} separate parts; the "
            "lowest sites of all parts are taken to have the same energy (site_energies would say otherwise)"
        )


def hop_classes(
    groups: Sequence[HopGroup],
    energies: FloatArray,
    centres: Centres,
    hints: Sequence[str],
    doc: Document,
) -> list[SaddleHops]:
    """Hop classes with both barriers and frequencies; contradictions go to ``doc``.

    hints : as in `site_energies`.
    """
    result = []
    for group, saddle, name in _saddles(groups):
        barriers = _barriers(group, saddle, name, energies[group.carrier], hints[group.carrier], doc)
        if barriers is None:
            continue
        bonds, index = group.bonds, group.carrier
        alike = [
            s.response for s in group.saddles if s is not saddle and s.use == saddle.use and _alike(s, saddle)
        ]
        dipole, told = saddle_dipole(
            bonds, index, saddle.response, saddle.fraction, centres, name, saddle.response_path, doc, alike
        )
        classical = classical_dipole(
            bonds, index, saddle.classical, centres, name, saddle.classical_path, doc
        )
        hop_class = HopClass(
            name=name,
            carrier=group.carrier,
            distance=float(centres.finder.length(group.bonds.forward[0])),
            barrier_forward=barriers[0],
            barrier_reverse=barriers[1],
            barrier_stderr=barriers[2],
            given=saddle.given,
            attempt_frequency=saddle.attempt_frequency,
            channels=saddle.channels,
            saddle_fraction=saddle.fraction,
            source=doc.source(saddle.barrier_path),
            read_from=saddle.read_from,
            zero_point=saddle.zero_point,
            rule="fixed" if saddle.rule is None else saddle.rule.rule,
            rule_parameters=_rule_parameters(saddle, float(centres.finder.length(group.bonds.forward[0]))),
            saddle_dipole=dipole,
            response=saddle.response.kind,
            classical_dipole=classical,
            polaron=saddle.polaron,
            log=(*saddle.log, *told),
        )
        result.append(SaddleHops(group, saddle, hop_class))
    _check_frequency_loops([item for item in result if item.saddle.use], doc)
    return result


def _rule_parameters(saddle: Saddle, length: float) -> tuple[tuple[str, object], ...]:
    """As the user wrote them, and the length of the hop where the rule asks for it."""
    if saddle.rule is None:
        return ()
    given = dict(saddle.rule.model_extra or {})
    name = get_rule(saddle.rule.rule).hop_length
    return tuple({**({} if name is None else {name: length}), **given}.items())


def _alike(a: Saddle, b: Saddle) -> bool:
    """Whether two saddles of one hop have the same rate without field."""
    return (a.barrier, a.rule, a.attempt_frequency, a.channels) == (
        b.barrier,
        b.rule,
        b.attempt_frequency,
        b.channels,
    )


def _barriers(
    group: HopGroup, saddle: Saddle, name: str, energies: FloatArray, hint: str, doc: Document
) -> tuple[float, float, float | None] | None:
    """Forward, reverse, uncertainty."""
    if isinstance(saddle.barrier, BarrierPair):
        (forward, stderr), reverse = saddle.barrier.forward, saddle.barrier.reverse
        i, j, _ = group.bonds.forward[0]
        if (group.bonds.own_reverse or i == j) and abs(forward - reverse) > ENERGY_TOLERANCE:
            why = (
                "symmetry turns it into its own reverse"
                if group.bonds.own_reverse
                else "it joins equal sites"
            )
            doc.add(
                saddle.barrier_path,
                f"{name} must have equal barriers both ways ({why}), not {forward:.6g} and {reverse:.6g} eV",
                value=f"forward {forward:.6g} eV, reverse {reverse:.6g} eV",
                allowed="forward = reverse",
                remedy="give one number; a difference belongs to sites with labels of their own" + hint,
            )
            return None
    steps = [float(energies[j] - energies[i]) for i, j, _ in group.bonds.forward]
    if max(steps) - min(steps) > ENERGY_TOLERANCE:
        doc.add(
            saddle.barrier_path,
            f"the hops of {name} end on sites of different energy ({min(steps):.6g} to {max(steps):.6g} eV)",
            remedy="list them as entries of their own",
        )
        return None
    if isinstance(saddle.barrier, BarrierPair):
        # within the tolerance the site energies hold exactly, so that detailed balance does
        closes = abs(forward - reverse - steps[0]) < 1e-12
        return forward, reverse if closes else forward - steps[0], stderr
    if saddle.barrier is None:
        return math.nan, math.nan, None
    forward, stderr = saddle.barrier
    reverse = forward - steps[0]
    if reverse < 0:
        i, j, _ = group.bonds.forward[0]
        doc.add(
            saddle.barrier_path,
            f"the reverse barrier of {name} would be negative: {forward:.6g} eV forward, but the target lies "
            f"{steps[0]:.6g} eV above the origin",
            value=f"{forward:.6g} eV",
            allowed=f">= {steps[0]:.6g} eV",
            remedy="the barrier is that of the forward hop, seen from its origin; correct it or the site energies",
        )
        return None
    return forward, reverse, stderr


def _check_frequency_loops(classes: Sequence[SaddleHops], doc: Document) -> None:
    """ln(nu_f/nu_r) must be a difference of a function of the site: its sum round every loop is zero."""
    for carrier in sorted({c.group.carrier for c in classes}):
        differences = []
        for tag, item in enumerate(classes):
            if item.group.carrier != carrier:
                continue
            given = item.hop_class.attempt_frequency
            if given is None or given.kind != "constant":
                continue  # of spectra and rules the catalog knows, at each temperature
            ahead, back = given.log_at(1.0)
            ratio = ahead - back
            differences += [Difference(i, j, ratio, tag) for i, j, _ in item.group.bonds.forward]
        for tag, asked, found in solve_potential(differences, {}, _LOG_TOLERANCE)[2]:
            item = classes[tag]
            doc.add(
                item.saddle.frequency_path,
                f"{item.hop_class.name}: forward / reverse attempt frequency is {math.exp(asked):.6g}, but the "
                f"other hops between these sites give {math.exp(found):.6g}",
                allowed="a ratio that multiplies to 1 round every closed loop of hops (detailed balance)",
                remedy="give equal frequencies both ways, or ratios that follow from free energies of the sites",
            )
