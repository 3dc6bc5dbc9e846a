"""Thermodynamics of formula units at a point, by two routes: fluctuations of their number, and mu beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...exact.ensemble import log_frequency_weight
from ...exact.thermodynamics import Mixing, difference_of_potentials, units_of_difference
from ...model.interactions import Initial
from ...model.model import Model
from ...ndarrays import IntArray
from ...rates.balance import random_configuration
from ...rates.catalog import RateCatalog
from ...records import Estimate
from ...units import K_B
from ..pace import ShouldStop, never
from .anneal import LatticeMonteCarlo, anneal, start_temperature
from .equilibration import judge
from .grand import Exchange, NoEstimate, log_ratio, number_fluctuations

__all__ = ["UnitThermodynamics", "unit_thermodynamics"]

PATIENCE = 3
"""Further series at the last temperature after annealing: a good one fails the test of equilibrium once in twenty."""


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitThermodynamics:
    """Of formula units with ``unit`` (S,) carriers; None where a route gave no number, and ``why``.

    factor : d(mu/kT)/d ln c, potential : mu of a unit, eV, from how the number of units fluctuates at constant mu.
    factor_of_derivative, potential_of_derivative : the same from mu at two compositions beside this one.
    """

    unit: IntArray
    factor: Estimate | None = None
    potential: Estimate | None = None
    factor_of_derivative: Estimate | None = None
    potential_of_derivative: Estimate | None = None
    why: str = ""


def unit_thermodynamics(
    catalog: RateCatalog,
    unit: npt.ArrayLike,
    *,
    seed: np.random.SeedSequence,
    relative_error: float,
    should_stop: ShouldStop = never,
) -> UnitThermodynamics:
    """Chemical potential and thermodynamic factor of the catalog's model without field, by two routes that know nothing
    of each other.

    Parameters
    ----------
    unit : (S,) carriers of each species in a formula unit (`kmc_transport.exact.onsager.neutral_unit`).
    relative_error : of the factor, by each route; given up after some ten thousand sweeps.

    Raises Stopped when told to.
    """
    model, u = catalog.model, np.asarray(unit, np.int64)
    mixing = Mixing.of_model(model, u)
    there = u > 0
    n = int((np.array([c.count for c in model.carriers])[there] // u[there]).min())
    n_max = int(((mixing.sites - mixing.rest)[there] // u[there]).min())
    if not 0 < n < n_max:
        return UnitThermodynamics(unit=u, why="there is no room for another unit")
    streams = [np.random.Generator(np.random.PCG64(s)) for s in seed.spawn(3)]
    why = []
    by_fluctuations: tuple[Estimate | None, Estimate | None] = (None, None)
    by_derivative = by_fluctuations
    try:
        lattice = _annealed(catalog, n * u + mixing.rest, streams[0], should_stop)
        exchange = Exchange(lattice, u, catalog.temperature)
        by_fluctuations = number_fluctuations(exchange, relative_error, should_stop)
    except NoEstimate as e:
        why.append(f"fluctuations: {e}")
    try:
        pair = [
            Exchange(_annealed(catalog, m * u + mixing.rest, rng, should_stop), u, catalog.temperature)
            for m, rng in zip(units_of_difference(n, n_max), streams[1:], strict=True)
        ]
        factor = by_fluctuations[0]
        expected = n * mixing.slope(n) if factor is None else float(factor.value)
        error = relative_error * (expected if np.isfinite(expected) else 1.0)
        by_derivative = _derivative(pair, mixing, n, error, should_stop)
    except NoEstimate as e:
        why.append(f"derivative: {e}")
    return UnitThermodynamics(
        unit=u,
        factor=by_fluctuations[0],
        potential=by_fluctuations[1],
        factor_of_derivative=by_derivative[0],
        potential_of_derivative=by_derivative[1],
        why="; ".join(why),
    )


def _derivative(
    pair: list[Exchange], mixing: Mixing, n: int, error: float, should_stop: ShouldStop
) -> tuple[Estimate, Estimate]:
    """Thermodynamic factor, with a standard error of ``error`` if possible, and chemical potential (eV) between the two
    compositions."""
    kt, (low, high) = K_B * pair[0].temperature, (x.units for x in pair)
    each = error * (high - low) / (n * np.sqrt(2))
    (less, e_less, s_less), (more, e_more, s_more) = (log_ratio(x, each, should_stop) for x in pair)
    factor = difference_of_potentials(mixing, n, low, high, less - more)
    potential = kt * (mixing.level_between(n, low, high) - (less + more) / 2)
    both = float(np.hypot(e_less, e_more))

    def estimate(value: float, stderr: float, unit: str) -> Estimate:
        return Estimate(
            value=np.array(value),
            stderr=np.array(stderr),
            effective_samples=min(s_less, s_more),
            method=f"insertions and removals at {low} and {high} units, jackknife over blocks",
            unit=unit,
        )

    return estimate(factor, n * both / (high - low), "1"), estimate(potential, kt * both / 2, "eV")


def _annealed(
    catalog: RateCatalog, numbers: IntArray, rng: np.random.Generator, should_stop: ShouldStop
) -> LatticeMonteCarlo:
    """Equilibrium with ``numbers`` carriers of each species, from random places."""
    model: Model = replace(
        catalog.model,
        carriers=tuple(
            replace(c, count=int(m)) for c, m in zip(catalog.model.carriers, numbers, strict=True)
        ),
    )
    start = random_configuration(model, rng)
    if start is None:
        raise NoEstimate("the carriers find no room")
    sites = [np.flatnonzero(start == a + 1) for a in range(len(numbers))]
    lattice = LatticeMonteCarlo(model, sites, rng)
    weight = log_frequency_weight(catalog)
    if weight.any():
        site = lattice.energies.site - K_B * catalog.temperature * weight
        lattice.energies = lattice.energies._replace(site=np.ascontiguousarray(site))
        lattice.energy = lattice.recount()
    initial = model.initial if model.initial.anneals else Initial("annealed")
    report = anneal(
        lattice,
        catalog.temperature,
        start=max(catalog.temperature, start_temperature(initial, catalog.temperature)),
        sweeps=initial.sweeps,
        should_stop=should_stop,
    )
    rest = report.equilibrated
    for _ in range(PATIENCE):
        rest = (
            rest
            or judge(lattice.run(catalog.temperature, initial.sweeps, should_stop=should_stop)).equilibrated
        )
    if not rest:
        raise NoEstimate(
            f"with {int(numbers.sum())} carriers annealing has not come to equilibrium (initial.annealed.sweeps)"
        )
    return lattice
