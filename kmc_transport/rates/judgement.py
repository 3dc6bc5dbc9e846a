"""What to think of the rates: candidate saddles ranked, and whether a polaron's hop is adiabatic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from ..model.model import HopClass, Model
from ..rules import (
    Derived,
    Regime,
    contradiction,
    derive_reorganisation_energy,
    get_rule,
    make_rule,
    regime,
)
from .build import zero_field_rate

__all__ = ["Candidate", "HopRegime", "hop_regimes", "rank_candidates"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of several saddles of a hop. ``share`` is its rate over the summed rate of those that are used."""

    group: str
    name: str
    used: bool
    barrier: float
    """eV, zero-point correction included where the program adds one."""
    attempt_frequency: float
    """Hz."""
    channels: int
    log_rate: float
    """ln of the forward rate without field, 1/s, channels included."""
    share: float
    source: str


@dataclass(frozen=True)
class HopRegime:
    """Regime of one hop class, and a warning when its rule is for another one (empty otherwise)."""

    hop_class: str
    regime: Regime
    warning: str


def rank_candidates(model: Model, temperature: float) -> list[Candidate]:
    """Saddles of every hop that has several, used or not, by falling rate at ``temperature`` (K)."""
    classes = [(c, True) for c in model.hop_classes] + [(c, False) for c in model.candidates]
    groups: dict[str, list[tuple[HopClass, bool]]] = {}
    for c, used in classes:
        carrier, _, rest = c.name.partition(":")
        groups.setdefault(f"{carrier}:{rest.partition(':')[0]}", []).append((c, used))
    ranked = []
    for group, members in groups.items():
        if len(members) < 2:
            continue
        rates = [zero_field_rate(c, temperature) for c, _ in members]
        top = max(r.log_rate for r in rates)
        total = math.fsum(
            math.exp(r.log_rate - top) for r, (_, used) in zip(rates, members, strict=True) if used
        )
        found = [
            Candidate(
                group=group,
                name=c.name.removeprefix(group).lstrip(":") or c.name,
                used=used,
                barrier=r.barrier,
                attempt_frequency=r.attempt_frequency,
                channels=c.channels,
                log_rate=r.log_rate,
                share=math.exp(r.log_rate - top) / total if total else math.nan,
                source="; ".join(t for t in (c.source, c.read_from) if t),
            )
            for r, (c, used) in zip(rates, members, strict=True)
        ]
        ranked += sorted(found, key=lambda x: -x.log_rate)
    return ranked


def hop_regimes(model: Model, temperature: float) -> list[HopRegime]:
    """Regime of every hop class whose electronic coupling is known, at ``temperature`` (K).

    A reorganisation energy that is not given is derived from the barrier and labelled so; a phonon frequency that
    is not given is taken as the attempt frequency.
    """
    found = []
    for c in model.hop_classes:
        rule = None if c.given_barriers else make_rule(c.rule, dict(c.rule_parameters), c.source)
        own = c.polaron
        coupling = own.electronic_coupling if own else None
        if coupling is None:
            coupling = getattr(rule, "electronic_coupling", None)
        if coupling is None:
            continue
        frequency = own.phonon_frequency if own and own.phonon_frequency else None
        frequency = frequency or getattr(rule, "phonon_frequency", None)
        if frequency is None and c.attempt_frequency is not None:
            frequency = c.attempt_frequency.at(temperature)[0]
        if frequency is None:
            continue
        energy: float | Derived | None = own.reorganisation_energy if own else None
        energy = energy or getattr(rule, "reorganisation_energy", None)
        if energy is None:
            energy = _derived(c, coupling, temperature)
            if energy is None:
                continue
        seen = regime(coupling, energy, frequency, temperature)
        found.append(HopRegime(c.name, seen, contradiction(rule or get_rule(c.rule), seen)))
    return found


def _derived(hop_class: HopClass, coupling: float, temperature: float) -> Derived | None:
    """lambda from the barrier; between ends of different energy from the mean of both directions, which is that of
    equal ends to first order in dH."""
    if not hop_class.given_barriers:
        barrier, how = zero_field_rate(hop_class, temperature).barrier, ""
    else:
        ahead, back = hop_class.barrier_forward, hop_class.barrier_reverse
        barrier, how = (ahead + back) / 2, ", the mean of both directions" if abs(ahead - back) > 1e-6 else ""
    try:
        found = derive_reorganisation_energy(barrier, coupling)
    except InputError:
        return None  # no barrier and no coupling
    return Derived(float(found), found.how + how)
