"""What a run will take, told before it begins: how often each species hops, and how many hops the accuracy needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ..analysis import System
from ..analysis.targets import target_name, wanted
from ..errors import InputError
from ..model.interactions import Arrangement
from ..model.model import Model
from ..ndarrays import FloatArray, IntArray
from ..rates import RateCatalog, are_alone, build_catalog, equilibrium_rates
from ..units import K_B
from .system import system_of_catalog
from .weak import HOPS_PER_CARRIER, HOPS_WITHOUT_FIELD

__all__ = ["HopFrequencies", "frequencies_at", "hop_frequencies", "prepared"]


MOST, MOST_SAMPLED = 6, 4
"""Conditions that are told, and those where configurations have to be sampled for it."""
QUICK_SWEEPS = 200
"""Of immobile species that a run anneals for longer."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HopFrequencies:
    """How often the species hop at one condition in equilibrium. S species that hop.

    temperature : K. field : V/Å, along the first direction. coordinates : of composition and sample.
    number : (S,) carriers. rate, stderr : (S,) 1/s, executed hops of all carriers of a species, and the scatter of
    that between sampled starts. sweeps : of Monte Carlo that prepared each start; 0 where the rate is exact.
    needed : (S,) executed hops of all species after which that one is as accurate as asked, if no hop remembered
    another one; NaN where nothing of it is asked for, inf where it cannot hop.
    """

    temperature: float
    field: float
    coordinates: tuple[tuple[str, float], ...]
    number: IntArray
    rate: FloatArray
    stderr: FloatArray
    sweeps: int
    needed: FloatArray

    @property
    def slower(self) -> FloatArray:
        """(S,) how many times more often a carrier of the quickest species hops; inf for one that does not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            each = self.rate / self.number
            return np.asarray(np.nanmax(each) / each if np.any(each > 0) else np.full(len(each), np.nan))


def hop_frequencies(model: Model, *, seed: int = 0) -> list[HopFrequencies]:
    """Of all conditions at the weakest field, where these are few; else of the extremes. Takes a second or two.

    Exact where rates depend on the hop alone, else means over sampled configurations. Raises InputError for rates out
    of range, and where carriers find no room.
    """
    alone = are_alone(build_catalog(model, temperature=float(model.conditions.temperature.min())))
    if not alone:
        model = prepared(model)
    temperatures = sorted(set(map(float, model.conditions.temperature)))
    systems, most = model.systems, MOST if alone else MOST_SAMPLED
    if len(systems) * len(temperatures) > most:
        temperatures = sorted({temperatures[0], temperatures[-1]})
    if len(systems) * len(temperatures) > most:
        systems = (systems[0], systems[-1])
    return [frequencies_at(system, kelvin, seed) for system, kelvin in product(systems, temperatures)]


def prepared(model: Model) -> Model:
    """The model with immobile species in their places; those that are annealed for a run have less time here."""
    if model.settled:
        return model
    from ..engine.canonical.settle import settled

    def quick(places: tuple[Arrangement, ...]) -> tuple[Arrangement, ...]:
        return tuple(replace(place, sweeps=min(place.sweeps, QUICK_SWEEPS)) for place in places)

    variants = tuple(replace(v, arrangement=quick(v.arrangement)) for v in model.variants)
    return settled(replace(model, arrangement=quick(model.arrangement), variants=variants))


def frequencies_at(model: Model, temperature: float, seed: int = 0) -> HopFrequencies:
    """Of one system, whose immobile species are in their places, at one temperature (K)."""
    c = model.conditions
    field = float(c.field.min())
    catalog = build_catalog(model, temperature=temperature, field=field * c.direction[0])
    n = len(model.carriers)
    if are_alone(catalog):
        rate = np.asarray(np.bincount(model.network.carrier, equilibrium_rates(catalog), n), np.float64)
        stderr, sweeps = np.zeros(n), 0
    else:
        from ..engine.canonical.hop_rates import sampled_rates

        try:
            rate, stderr, sweeps = sampled_rates(catalog, seed=seed)
        except ValueError as e:
            raise InputError(
                f"the carriers find no room to start: {e}", key="carriers", remedy="use fewer of them"
            ) from None
    return HopFrequencies(
        temperature=temperature,
        field=field,
        coordinates=model.coordinates,
        number=np.array([x.count for x in model.carriers]),
        rate=rate,
        stderr=stderr,
        sweeps=sweeps,
        needed=_needed(catalog, rate),
    )


def _needed(catalog: RateCatalog, rate: FloatArray) -> FloatArray:
    """(S,) see `HopFrequencies.needed`: by the fluctuations, or by the drift if that is better known.

    Blocks are a number of hops of the quickest carriers long (`weak.HOPS_WITHOUT_FIELD`). A square of the displacement
    in a block with m hops of a species has a relative variance of 2 + 1/m; the current of all species, which makes its
    mobility, adds that of the others.
    """
    model, sampling = catalog.model, catalog.model.sampling
    error = sampling.table_error or sampling.relative_error
    if error is None:
        return np.full(len(rate), np.nan)
    system = system_of_catalog(catalog)
    name = target_name(sampling.target, system)
    number = np.array([x.count for x in model.carriers])
    looked_at = wanted(system, name)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = rate / number
        law = HOPS_WITHOUT_FIELD * np.ones(len(rate))
        if name != "tracer_diffusivity":
            law = np.maximum(law, HOPS_PER_CARRIER * number)
        part = system.charge**2 * rate * sum(_mean_squares(system, axis) for axis in np.eye(3))
        others = np.nansum(part) / part - 1 if name == "mobility_einstein" else np.zeros(len(rate))
        own = 1 + law * each / np.nanmax(each) * (1 + 0.5 * others)
        if name == "charge_diffusivity":  # a sum, known as well as its largest part
            looked_at &= np.arange(len(rate)) == np.argmax(part)
        if system.driven and name in ("mobility", "drift_velocity"):
            work = system.charge**2 * _mean_squares(system, system.field)
            own = np.minimum(own, 4 * (K_B * catalog.temperature) ** 2 / work)
        found = np.where(rate > 0, own / error**2 * rate.sum() / rate, np.inf)
    return np.where(looked_at, found, np.nan)


def _mean_squares(system: System, vector: FloatArray) -> FloatArray:
    """(S,) mean square of the hops along a vector (times its length), all kinds of hops alike; 0 without any."""
    along = (system.hop_vector @ vector) ** 2
    own = [along[system.hop_carrier == a] for a in range(len(system.charge))]
    return np.array([x.mean() if len(x) else 0.0 for x in own])
