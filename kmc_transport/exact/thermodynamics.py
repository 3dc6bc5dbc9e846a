"""Thermodynamic factor of the lattice gas, from all configurations of all numbers of carriers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..energies.configuration import ConfigurationEnergy
from ..energies.supercell import list_configurations
from ..errors import InputError, TooManyStates
from ..model.model import Model
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..rates.catalog import RateCatalog
from ..units import K_B
from .ensemble import log_frequency_weight
from .solve import MAX_STATES
from .states import count_states

__all__ = [
    "Mixing",
    "Thermodynamics",
    "difference_of_potentials",
    "thermodynamic_factor",
    "units_of_difference",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Thermodynamics:
    """Of formula units of carriers exchanged with a reservoir; n = 0 ... n_max units in the supercell.

    factor : d(mu/kT)/d ln c at the mean number of units, <n>/(<n²> - <n>²) of the grand canonical ensemble.
    mean : that number. chemical_potential : mu of one unit, eV (momentum part and vibrations left out).
    log_partition : (n_max + 1,) ln of the canonical partition function with n units. mixing : the ideal part.
    """

    factor: float
    mean: float
    chemical_potential: float
    log_partition: FloatArray
    mixing: Mixing

    @property
    def beside(self) -> tuple[float, float]:
        """Factor and mu/kT from the chemical potentials at two numbers of units (`difference_of_potentials`)."""
        n, kept = round(self.mean), self.mixing
        low, high = units_of_difference(n, len(self.log_partition) - 1)
        less, more = (float(self.log_partition[m + 1] - self.log_partition[m]) for m in (low, high))
        factor = difference_of_potentials(kept, n, low, high, less - more)
        return factor, kept.level_between(n, low, high) - (less + more) / 2


@dataclass(frozen=True, eq=False)
class Mixing:
    """Ideal mixing on sites: carriers that see of each other only that a site is taken.

    unit : (S,) carriers in one formula unit. rest : (S,) of carriers beside the units. sites : (S,) open sites of each
    species. shared : (S, S) whether two species compete for sites.
    """

    unit: IntArray
    rest: IntArray
    sites: IntArray
    shared: BoolArray

    @classmethod
    def of_model(cls, model: Model, unit: npt.ArrayLike) -> Mixing:
        """Of the model's carriers, as many units taken out of them as there are."""
        u, number = np.asarray(unit, np.int64), np.array([c.count for c in model.carriers])
        there = u > 0
        n = int((number[there] // u[there]).min())
        own = np.tile(model.allowed_sites, (1, model.n_cells))
        if model.closed is not None:
            own &= ~model.closed
        return cls(u, number - n * u, own.sum(axis=1), np.asarray((own[:, None] & own[None]).any(axis=2)))

    def log_ratio(self, n: int) -> float:
        """ln Z(n + 1)/Z(n) of ideal mixing, n units being there; NaN where carriers compete for the last sites."""
        number, total = self.rest + n * self.unit, 0.0
        for a in np.repeat(np.arange(len(self.unit)), self.unit):
            free = self.sites[a] - number[self.shared[a]].sum()
            total += math.log(free / (number[a] + 1)) if free > 0 else math.nan
            number[a] += 1
        return total

    def level_between(self, n: int, low: int, high: int) -> float:
        """mu/kT of large systems at n units, less the mean of this size at ``low`` and ``high`` and one unit more; 0
        where carriers compete for the last sites."""
        number, level = self.rest + n * self.unit, 0.0
        for a in np.flatnonzero(self.unit):
            free = self.sites[a] - number[self.shared[a]].sum()
            level -= float(self.unit[a]) * (math.log(free / number[a]) if free > 0 else math.nan)
        found = level + (self.log_ratio(low) + self.log_ratio(high)) / 2
        return found if math.isfinite(found) else 0.0

    def slope(self, n: float) -> float:
        """d(mu/kT)/dn of large systems at n units."""
        number = self.rest + n * self.unit
        found = 0.0
        for a in np.flatnonzero(self.unit):
            free = self.sites[a] - number[self.shared[a]].sum()
            if not free > 0:
                return math.nan
            found += float(self.unit[a]) * float(
                self.unit[a] / number[a] + self.unit[self.shared[a]].sum() / free
            )
        return found


def units_of_difference(n: int, n_max: int) -> tuple[int, int]:
    """Two numbers of units into which one more is put, to get mu on both sides of ``n``, 10 % of it away, or fewer
    where the sites, which hold ``n_max`` units, do not suffice."""
    k = max(0, min(round(n / 10), n - 1, n_max - 1 - n))
    return n - k - 1, n + k


def difference_of_potentials(mixing: Mixing, n: int, low: int, high: int, difference: float) -> float:
    """Thermodynamic factor n d(mu/kT)/dn at n units, from mu(high + 1/2) - mu(low + 1/2) over kT, the ``difference``.

    What ideal mixing makes of it is known for any size and step; only what is beyond is taken from the difference.
    """
    step = high - low
    ideal = (mixing.log_ratio(low) - mixing.log_ratio(high)) / step
    known = mixing.slope(n) - ideal
    return n * (difference / step + (known if math.isfinite(known) else 0.0))


def thermodynamic_factor(
    catalog: RateCatalog, *, composition: Sequence[int] | None = None, max_states: int = MAX_STATES
) -> Thermodynamics:
    """d(mu/kT)/d ln c of the interacting lattice gas at the carriers' number, exactly, in this finite supercell.

    Parameters
    ----------
    composition : carriers of each species in one formula unit, such as (1, 1) for ion-polaron pairs; by default one
        of a single species. The other carriers keep their number. The factor of an ideal dilute gas is the number
        of carriers in a unit.
    max_states : refuse more configurations than that, all numbers together.

    With it, ambipolar diffusion is D_chem = kT factor (L_ii L_pp - L_ip²)/(c (L_ii + L_pp - 2 L_ip)). Fluctuations of
    the grand canonical ensemble: Reed & Ehrlich, Surf. Sci. 102, 588 (1981); Van der Ven et al., Phys. Rev. B 64,
    184307 (2001).

    Raises
    ------
    TooManyStates, InputError
    """
    model = catalog.model
    numbers = np.array([c.count for c in model.carriers])
    unit = _unit(composition, numbers)
    now = int((numbers[unit > 0] // unit[unit > 0]).min())
    rest = numbers - now * unit
    energies: list[FloatArray] = []
    total, n = 0, 0
    while True:
        mine = tuple(int(x) for x in rest + n * unit)
        count = count_states(model, mine, None, model.supercell)
        if count == 0:
            break
        total += count
        if total > max_states:
            size = " x ".join(map(str, model.supercell))
            raise TooManyStates(total, max_states, f"all numbers of carriers in the supercell {size}")
        energies.append(_energies(catalog, model, mine))
        n += 1
    kt = K_B * catalog.temperature
    log_z = np.array([_log_sum(-e / kt) for e in energies])
    if not 0 < now < len(log_z) - 1:
        raise InputError(
            "the number of carriers cannot fluctuate",
            key="carriers",
            value=now,
            allowed=f"between 1 and {len(log_z) - 2} units in this supercell",
            remedy="use a larger supercell, or another number of carriers",
        )
    mu = _potential(log_z, now)
    mean, variance = _moments(log_z, mu)
    return Thermodynamics(
        factor=mean / variance,
        mean=mean,
        chemical_potential=mu * kt,
        log_partition=log_z,
        mixing=Mixing.of_model(model, unit),
    )


def _unit(composition: Sequence[int] | None, numbers: IntArray) -> IntArray:
    unit = np.array(composition if composition is not None else [1] * (len(numbers) == 1), int)
    if unit.shape != numbers.shape or (unit < 0).any() or not unit.any() or (numbers < unit).any():
        raise InputError(
            "the composition of a formula unit is not usable",
            key="composition",
            value=None if composition is None else list(composition),
            allowed=f"{len(numbers)} whole numbers, not all 0, no more than there are carriers",
            remedy="(1, 1) for pairs of the first and the second species",
        )
    return unit


def _energies(catalog: RateCatalog, model: Model, numbers: tuple[int, ...]) -> FloatArray:
    """Energies of all configurations of ``numbers`` carriers; ln of frequency ratios as free energies of sites."""
    carriers = tuple(replace(c, count=n) for c, n in zip(model.carriers, numbers, strict=True))
    other = replace(model, carriers=carriers)
    rows = list_configurations(other, numbers)
    energy = ConfigurationEnergy(other).energies(rows)
    weight = np.tile(log_frequency_weight(catalog), (1, model.n_cells))
    for a in range(len(numbers)):
        energy = energy - K_B * catalog.temperature * ((rows == a + 1) @ weight[a])
    return energy


def _log_sum(x: FloatArray) -> float:
    top = float(x.max())
    return top + math.log(float(np.exp(x - top).sum()))


def _moments(log_z: FloatArray, mu: float) -> tuple[float, float]:
    n = np.arange(len(log_z))
    weight = log_z + mu * n
    p = np.exp(weight - weight.max())
    p /= p.sum()
    mean = float(p @ n)
    return mean, float(p @ (n - mean) ** 2)


def _potential(log_z: FloatArray, target: float) -> float:
    """mu/kT at which the mean number is ``target``: it rises with mu, so bisection finds it."""
    low, high = -1.0, 1.0
    while _moments(log_z, low)[0] > target:
        low *= 2
    while _moments(log_z, high)[0] < target:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _moments(log_z, middle)[0] < target:
            low = middle
        else:
            high = middle
        if high - low < 1e-13 * max(1.0, abs(low)):
            break
    return (low + high) / 2
