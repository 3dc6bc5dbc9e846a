"""What makes rates depend on the configuration, built from the input and checked against the barrier rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model.interactions import Arrangement, Disorder, Initial, Interactions
from ..model.model import Carrier, HopNetwork
from ..model.network import BondFinder
from ..rules import BarrierRule, get_rule
from ..units import QuantityError, parse_quantity
from .composition import extreme
from .disorder import build_disorder
from .document import Document
from .energetics import build_energetics
from .immobile import places
from .surroundings import HopSurroundings, Wanted, build_surroundings

if TYPE_CHECKING:
    from .site_energies import SaddleHops
    from .validation import Sections

__all__ = ["InteractionParts", "build_interacting"]


@dataclass(frozen=True)
class InteractionParts:
    interactions: Interactions | None = None
    disorder: Disorder | None = None
    initial: Initial = field(default_factory=Initial)
    arrangement: tuple[Arrangement, ...] = ()


def build_interacting(
    sections: Sections,
    classes: Sequence[SaddleHops],
    network: HopNetwork | None,
    counts: Sequence[Sequence[Carrier]],
    mobile: int,
    finder: BondFinder,
    supercell: tuple[int, int, int] | None,
    doc: Document,
) -> InteractionParts:
    """Interactions, disorder and initial state of the model; problems go to ``doc``.

    counts : the carriers at each composition; start and disorder are those of the first. mobile : how many of them hop;
    the others follow them and stay where they are.
    """
    carriers = counts[0]
    _note_equilibration(classes, doc)
    energetics = None
    if sections.interactions is not None:
        energetics = build_energetics(sections.interactions, carriers, finder, supercell, doc)
    if energetics is not None:
        _refuse_fixed(classes, set(energetics.touched), carriers, "energies of pairs or clusters", doc)
    around = HopSurroundings((), None)
    wanted = _wanted(classes, doc)
    if wanted and network is not None:
        around = build_surroundings(wanted, network, extreme(counts, max), finder, supercell, doc)
    disorder = None
    if sections.disorder is not None and supercell is not None:
        given = sections.disorder
        disorder = build_disorder(given, carriers, finder.structure, network, supercell, doc)
        names = [c.name for c in carriers]
        felt = {names.index(n) for e in given.site_energies for n in (e.carriers or names) if n in names}
        _refuse_fixed(classes, felt, carriers, "disorder of the site energies", doc)
        shifted = {names.index(n) for e in given.barriers for n in (e.carriers or names) if n in names}
        _refuse_saddleless(classes, shifted, doc)
    initial, arrangement = Initial(), tuple[Arrangement, ...]()
    clusters, coulomb = (energetics.clusters, energetics.coulomb) if energetics else (None, None)
    interact = clusters is not None or coulomb is not None
    if supercell is not None:
        initial, arrangement = places(
            sections, carriers, mobile, finder.structure, supercell, disorder, coulomb, doc, felt=interact
        )
    interactions = None
    if clusters is not None or coulomb is not None or around.tables or around.local is not None:
        interactions = Interactions(clusters, coulomb, around.local, around.tables)
    if interact and sections.initial is None:
        doc.note(
            "carriers feel each other, so they start annealed to the temperature of each point ('initial: random' "
            "starts them at random sites)"
        )
    elif interact and initial.kind == "random":
        doc.note(
            "carriers that feel each other start at random sites, as 'initial' asks; a short run may not reach "
            "equilibrium from there, and then its numbers are wrong by more than their errors"
        )
    return InteractionParts(interactions, disorder, initial, arrangement)


def _note_equilibration(classes: Sequence[SaddleHops], doc: Document) -> None:
    names: dict[str, list[str]] = {}
    for c in classes:
        if not _rule_of(c).physical:
            names.setdefault(c.hop_class.rule, []).append(c.hop_class.name)
    for rule, found in names.items():
        doc.note(
            f"{', '.join(found[:4])}{', ...' if len(found) > 4 else ''}: the rule '{rule}' leads to equilibrium, but "
            "its times are not physical, and neither are diffusivities and mobilities"
        )


def _rule_of(item: SaddleHops) -> type[BarrierRule]:
    return get_rule(item.hop_class.rule)


def _refuse_fixed(
    classes: Sequence[SaddleHops], species: set[int], carriers: Sequence[Carrier], what: str, doc: Document
) -> None:
    """Two given barriers fix the energy difference of the ends, which then cannot depend on anything else."""
    for item in classes:
        c = item.hop_class
        if c.given_barriers and c.carrier in species:
            mean = (c.barrier_forward + c.barrier_reverse) / 2
            doc.add(
                item.saddle.barrier_path,
                f"{c.name} has fixed barriers, but {what} change the energies of its ends",
                value=f"{c.barrier_forward:g} eV forward, {c.barrier_reverse:g} eV reverse",
                allowed="a rule that follows the energy difference: kra, marcus_adiabatic, ..., metropolis, heat_bath",
                remedy=f"barrier: {{rule: kra, E_kra: {mean:g}}} keeps the mean of both directions and lets half of "
                f"the energy difference tilt it ('{carriers[c.carrier].name}' feels {what})",
            )


def _refuse_saddleless(classes: Sequence[SaddleHops], species: set[int], doc: Document) -> None:
    for item in classes:
        c = item.hop_class
        if not _rule_of(item).takes_saddle_dipole and c.carrier in species:
            doc.add(
                item.saddle.barrier_path,
                f"{c.name} follows the rule '{c.rule}', whose barrier is not a number of its own that disorder could "
                "shift",
                value=c.rule,
                allowed="fixed barriers, kra",
                remedy="put the disorder on site energies, or name the carriers whose barriers it shifts",
            )


def _wanted(classes: Sequence[SaddleHops], doc: Document) -> list[Wanted]:
    """Surroundings of each simulated class; refused where the rule has no barrier that they could replace."""
    found = []
    for index, item in enumerate(classes):
        given, path = item.saddle.surroundings, item.saddle.surroundings_path
        if given is None:
            continue
        c = item.hop_class
        name = _rule_of(item).intrinsic_barrier
        if name is None:
            mean = f"{(c.barrier_forward + c.barrier_reverse) / 2:g}" if c.given_barriers else "0.3"
            doc.add(
                path,
                f"{c.name} follows the rule '{c.rule}'; barriers by surroundings need the rule 'kra', or one "
                "that names its intrinsic_barrier",
                value=c.rule,
                allowed="kra",
                remedy=f"barrier: {{rule: kra, E_kra: {mean}}}",
            )
            continue
        numbers = dict(c.rule_parameters)
        try:
            one = next(p for p in _rule_of(item).parameters() if p.name == name)
            default = parse_quantity(numbers.get(one.key, numbers.get(name, one.default)), "energy")[0]
        except QuantityError as error:
            doc.add(item.saddle.barrier_path, error.message, allowed=error.allowed, remedy=error.remedy)
            continue
        found.append(
            Wanted(
                hop_class=index,
                name=c.name,
                carrier=c.carrier,
                bonds=item.group.bonds,
                given=given,
                path=path,
                default=default,
            )
        )
    return found
