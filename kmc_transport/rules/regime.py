"""Adiabatic or not: the Landau-Zener probability of a hop, and whether its rule fits it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError, Problem
from ..units import K_B, H
from .base import BarrierRule

__all__ = [
    "Derived",
    "Regime",
    "contradiction",
    "crossing_probability",
    "derive_reorganisation_energy",
    "mulliken_hush",
    "regime",
]

ADIABATIC = 0.9
"""Probability above which a hop is adiabatic."""
NONADIABATIC = 0.1
"""Probability below which a hop is non-adiabatic."""


@dataclass(frozen=True)
class Derived:
    """An energy that was not given but follows from others, and how. It counts as a float."""

    value: float
    """eV."""
    how: str

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.4g} eV (derived: {self.how})"


@dataclass(frozen=True, kw_only=True)
class Regime:
    """How a hop crosses from one diabatic state to the other.

    name : ``adiabatic``, ``non-adiabatic`` or ``between``.
    probability : P of changing over in one passage. transmission : kappa = 2P/(1 + P).
    electronic_coupling, reorganisation_energy : eV. phonon_frequency : Hz. temperature : K.
    derived : how the reorganisation energy was derived; empty when it was given.
    """

    name: str
    probability: float
    transmission: float
    electronic_coupling: float
    reorganisation_energy: float
    phonon_frequency: float
    temperature: float
    derived: str = ""

    def __str__(self) -> str:
        lam = f"lambda {self.reorganisation_energy:.4g} eV" + (
            f" (derived: {self.derived})" if self.derived else ""
        )
        return (
            f"{self.name}: P = {self.probability:.4g} at {self.temperature:g} K for V_AB "
            f"{self.electronic_coupling:.4g} eV, {lam}, phonons {self.phonon_frequency:.4g} Hz"
        )


def crossing_probability(
    electronic_coupling: float, reorganisation_energy: float, phonon_frequency: float, temperature: float
) -> float:
    """Landau-Zener P = 1 - exp(-2 pi gamma), 2 pi gamma = pi^(3/2) V²/(h nu sqrt(lambda kT)).

    eV, eV, Hz, K. Zener, Proc. R. Soc. A 137, 696 (1932), averaged over the thermal velocities as in Newton &
    Sutin, Annu. Rev. Phys. Chem. 35, 437 (1984).
    """
    width = H * phonon_frequency * math.sqrt(reorganisation_energy * K_B * temperature)
    return -math.expm1(-(math.pi**1.5) * electronic_coupling**2 / width)


def regime(
    electronic_coupling: float,
    reorganisation_energy: float | Derived,
    phonon_frequency: float,
    temperature: float,
) -> Regime:
    """Regime of a hop: adiabatic for P > 0.9, non-adiabatic for P < 0.1, between otherwise.

    Parameters
    ----------
    electronic_coupling, reorganisation_energy : eV, the sign of the coupling does not matter.
    phonon_frequency : Hz. temperature : K.

    Raises
    ------
    InputError : a number is not positive (the coupling may be 0).
    """
    lam = float(reorganisation_energy)
    _positive(
        ("reorganisation_energy", lam, "eV"),
        ("phonon_frequency", phonon_frequency, "Hz"),
        ("temperature", temperature, "K"),
    )
    p = crossing_probability(electronic_coupling, lam, phonon_frequency, temperature)
    name = "adiabatic" if p > ADIABATIC else "non-adiabatic" if p < NONADIABATIC else "between"
    return Regime(
        name=name,
        probability=p,
        transmission=2 * p / (1 + p),
        electronic_coupling=abs(electronic_coupling),
        reorganisation_energy=lam,
        phonon_frequency=phonon_frequency,
        temperature=temperature,
        derived=reorganisation_energy.how if isinstance(reorganisation_energy, Derived) else "",
    )


def contradiction(rule: BarrierRule | type[BarrierRule], found: Regime) -> str:
    """A note when ``rule`` does not hold in the regime of the hop; empty when it does."""
    assumed = rule.assumed_regime
    if assumed is None or assumed == found.name:
        return ""
    which = "in between" if found.name == "between" else found.name
    return (
        f"the rule '{rule.name}' is for {assumed} hops, but this one is {which} (P = {found.probability:.3g} at "
        f"{found.temperature:g} K); 'landau_zener' holds in both regimes"
    )


def mulliken_hush(dE_12: float) -> float:
    """V_AB = dE_12/2, eV: half the splitting of the two adiabatic states at the symmetric crossing.

    Hush, Electrochim. Acta 13, 1005 (1968); Lei & Abate, eq 1.
    """
    return dE_12 / 2


def derive_reorganisation_energy(barrier: float, electronic_coupling: float, exact: bool = True) -> Derived:
    """lambda that an adiabatic barrier between equal sites implies, eV, labelled as derived.

    Parameters
    ----------
    barrier : above the adiabatic minimum, eV, dH = 0.
    electronic_coupling : eV.
    exact : solve (lambda - 2V)²/(4 lambda) = barrier for lambda >= 2V; otherwise lambda/4 - V = barrier.

    Raises
    ------
    InputError : negative numbers, or both zero.
    """
    if not (barrier >= 0 and electronic_coupling >= 0 and 0 < barrier + electronic_coupling < math.inf):
        raise InputError(
            "no reorganisation energy follows from these numbers",
            key="barrier",
            value=f"barrier {barrier:g} eV, V_AB {electronic_coupling:g} eV",
            allowed=">= 0 eV, not both zero",
            remedy="give the barrier above the adiabatic minimum and the size of the coupling",
        )
    b, v = barrier, electronic_coupling
    if exact:
        value, formula = 2 * (b + v + math.sqrt(b * (b + 2 * v))), "(lambda - 2V)²/(4 lambda)"
    else:
        value, formula = 4 * (b + v), "lambda/4 - V"
    return Derived(value, f"from the adiabatic barrier {b:g} eV = {formula} with V_AB = {v:g} eV")


def _positive(*given: tuple[str, float, str]) -> None:
    problems = [
        Problem(f"the {key.replace('_', ' ')} must be positive", key, value, f"> 0 {unit}")
        for key, value, unit in given
        if not 0 < value < math.inf
    ]
    if problems:
        raise InputError(problems)
