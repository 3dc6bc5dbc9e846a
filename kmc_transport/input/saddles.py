"""Numbers of the saddles of a hop class: what the saddle says, then the class, then the entry."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from ..model.model import PolaronNumbers
from ..model.network import BondClass, BondFinder
from ..rules import get_rule
from ..sources.vibrations import AttemptFrequency
from .document import Document, KeyPath
from .references import Found, Sources
from .response import Response, given_response
from .schema.barriers import BarrierFromRule, BarrierPair, BarrierPath
from .schema.base import Measured
from .schema.frequencies import FrequencyPair
from .schema.hops import ClassNumbers, HopInput, HopNumbers, PolaronInput, SaddleInput
from .schema.interactions import SurroundingsInput
from .schema.response import ClassicalResponse, FieldFiles

__all__ = ["Saddle", "saddles_of"]


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
    given: tuple[float, float] | None = None
    """Forward and reverse barrier before they were reconciled, eV; None when they were not changed."""


def saddles_of(
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
