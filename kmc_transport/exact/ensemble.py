"""One space of states solved under one catalog: classes of states solved apart, their equal answers merged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..energies.supercell import depends_on_configuration
from ..errors import InputError, KmcTransportError
from ..model.potentials import Difference, solve_potential
from ..ndarrays import FloatArray, IntArray
from ..rates.catalog import RateCatalog
from ..rates.configuration import ConfigurationRates
from ..units import K_B
from .chain import ChainSolution, solve_chain
from .states import StateSpace, enumerate_states

__all__ = [
    "Averages",
    "JumpRates",
    "jump_rates",
    "log_frequency_weight",
    "site_law_of",
    "solve_space",
    "stationary_law",
]

SAME_ANSWER = 1e-8
"""Classes of states that do not reach each other must agree to this relative accuracy."""
ROUNDING = 1e-13
"""What rounding may make of a drift velocity, in units of the mean speed without regard to direction."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Averages:
    """Of the summed displacements X_a, Cartesian: drift (S, 3), diffusion (S, 3, S, 3); tracer (3, 3).

    Per carrier: uncorrelated diffusivity (S, 3), occupation (S, n_sites).
    """

    drift: FloatArray
    diffusion: FloatArray
    tracer: FloatArray
    free: FloatArray
    occupation: FloatArray
    n_states: int
    residual: float


def solve_space(
    space: StateSpace, catalog: RateCatalog, site_law: FloatArray | None, *, with_tracer: bool
) -> Averages:
    """Solve every class of states that can be met, and merge their equal answers."""
    net = catalog.model.network
    n_species = len(space.numbers)
    windings = np.zeros((len(space.hop), n_species + 1, 3))
    windings[np.arange(len(space.hop)), net.carrier[space.hop]] = net.cell[space.hop]
    if with_tracer:
        windings[space.tagged, n_species] = net.cell[space.hop[space.tagged]]
    flat = windings.reshape(len(space.hop), 3 * n_species + 3)
    used = np.flatnonzero(flat.any(axis=0))
    # displacement of a component: integers times cell vectors; what a state holds within cells drops out
    basis = np.kron(np.eye(n_species + 1), catalog.model.structure.lattice)[used]
    guess = None if site_law is None else np.einsum("nas,as->n", space.site_count, site_law)

    jumps = jump_rates(space, catalog)
    if jumps.energy is not None:
        guess = _canonical_guess(space, catalog, jumps.energy, guess)
    first: tuple[FloatArray, FloatArray] | None = None
    occupation = np.zeros((n_species, space.site_count.shape[2]))
    lengths = np.linalg.norm(catalog.model.site_vectors, axis=1)
    square, free = 0.5 * catalog.model.site_vectors**2, np.zeros((n_species, 3))
    log_weight = _log_weight(space, catalog, jumps.energy)
    total, residual = 0.0, 0.0
    for label in space.classes_of_start():
        states, solution = _solve_component(space, catalog, jumps.log_rate, label, flat[:, used], guess)
        drift, diffusion = solution.drift @ basis, basis.T @ solution.diffusion @ basis
        weight = float(np.exp(log_weight[states]).sum())
        occupation += weight * np.einsum("n,nas->as", solution.law, space.site_count[states])
        law = np.zeros(space.n_states)
        law[states] = weight * solution.law
        often = np.bincount(space.hop, law[space.origin] * np.exp(jumps.log_rate), net.n_hops)
        if first is None:
            first = drift, diffusion
        elif not (
            _same(drift, first[0], ROUNDING * float(often @ lengths) / max(weight, 1e-300))
            and _same(diffusion, first[1])
        ):
            raise _ambiguous(space, catalog, states)
        np.add.at(free, net.carrier, often[:, None] * square)
        total += weight
        residual = max(residual, solution.residual)
    if first is None:
        raise InputError("there is no place for the carriers", remedy="check their sites and numbers")
    numbers = np.maximum(space.numbers, 1)[:, None]
    tensor = first[1].reshape(n_species + 1, 3, n_species + 1, 3)
    return Averages(
        drift=first[0].reshape(-1, 3)[:n_species],
        diffusion=tensor[:n_species, :, :n_species],
        tracer=tensor[n_species, :, n_species],
        free=free / total / numbers,
        occupation=occupation / total / numbers,
        n_states=space.n_states,
        residual=residual,
    )


@dataclass(frozen=True, eq=False)
class JumpRates:
    """log_rate : (n_jumps,) ln of the rate, 1/s. energy : (n_states,) eV without field; None where rates are those
    of the hops alone."""

    log_rate: FloatArray
    energy: FloatArray | None


def jump_rates(space: StateSpace, catalog: RateCatalog) -> JumpRates:
    """Rate of every jump, from the energies of the states and what surrounds the hop where these matter."""
    if not depends_on_configuration(catalog.model):
        return JumpRates(catalog.log_rate[space.hop], None)
    many = ConfigurationRates(catalog)
    rows = space.configurations()
    energy = many.energies(rows)
    difference = energy[space.target] - energy[space.origin]
    log_rate = np.empty(len(space.hop))
    place = space.hop * catalog.model.n_cells + space.cell
    order = np.argsort(place, kind="stable")
    for jumps in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
        if len(jumps):
            hop, cell = int(space.hop[jumps[0]]), int(space.cell[jumps[0]])
            shift = many.barrier_shifts(rows[space.origin[jumps]], hop, cell)
            log_rate[jumps] = many.log_rates(hop, difference[jumps], shift)
    return JumpRates(log_rate, energy)


def _canonical_guess(
    space: StateSpace, catalog: RateCatalog, energy: FloatArray, alone: FloatArray | None
) -> FloatArray:
    """ln of the canonical law, up to a constant; with the weight of a carrier alone in the field."""
    kt = K_B * catalog.temperature
    if alone is None:
        return np.asarray(
            np.einsum("nas,as->n", space.site_count, log_frequency_weight(catalog)) - energy / kt
        )
    sites = np.einsum("nas,as->n", space.site_count, np.nan_to_num(catalog.model.site_energy))
    return np.asarray(alone - (energy - sites) / kt)


def log_frequency_weight(catalog: RateCatalog) -> FloatArray:
    """(S, n_sites) ln of what attempt frequencies that differ both ways add to the weight of a site: with it, detailed
    balance holds for exp(-E/kT) and rates alike."""
    net = catalog.model.network
    ratio = np.log(catalog.attempt_frequency / catalog.attempt_frequency[net.reverse])
    weight = np.zeros(catalog.model.site_energy.shape)
    if np.abs(ratio).max(initial=0.0) < 1e-12:
        return weight
    for a in range(len(weight)):
        rows = [
            Difference(int(net.origin[h]), int(net.target[h]), float(ratio[h]), 0)
            for h in np.flatnonzero(net.carrier == a)
        ]
        for site, value in solve_potential(rows, {}, math.inf)[0].items():
            weight[a, site] = value
    return weight


def _log_weight(space: StateSpace, catalog: RateCatalog, energy: FloatArray | None) -> FloatArray:
    """ln of the Boltzmann weight of each state, largest 0: how classes of equal transport share the carriers."""
    if energy is None:
        energy = np.einsum("nas,as->n", space.site_count, np.nan_to_num(catalog.model.site_energy))
    weight = -energy / (K_B * catalog.temperature)
    return weight - weight.max(initial=-math.inf)


def _solve_component(
    space: StateSpace,
    catalog: RateCatalog,
    log_rate: FloatArray,
    label: int,
    windings: FloatArray,
    log_guess: FloatArray | None,
) -> tuple[IntArray, ChainSolution]:
    """States of one class and the solution of its chain."""
    reversible = not catalog.field.any()
    if space.n_components == 1:
        states, jumps = np.arange(space.n_states), slice(None)
        origin, target = space.origin, space.target
    else:
        states = np.flatnonzero(space.component == label)
        place = np.full(space.n_states, -1)
        place[states] = np.arange(len(states))
        jumps = np.flatnonzero(space.component[space.origin] == label)  # type: ignore[assignment]
        origin, target = place[space.origin[jumps]], place[space.target[jumps]]
    guess = None
    if log_guess is not None:
        guess = np.exp(log_guess[states] - log_guess[states].max())
    return states, solve_chain(
        len(states),
        origin,
        target,
        log_rate[jumps],
        windings[jumps],
        reversible=reversible,
        candidate=guess,
    )


def stationary_law(space: StateSpace, catalog: RateCatalog) -> FloatArray:
    """(n_states,) probability of each state; classes that do not reach each other share by their Boltzmann weights,
    those that the start cannot reach have none."""
    jumps = jump_rates(space, catalog)
    weight = np.exp(_log_weight(space, catalog, jumps.energy))
    guess = None if jumps.energy is None else _canonical_guess(space, catalog, jumps.energy, None)
    law, still = np.zeros(space.n_states), np.zeros((len(space.hop), 0))
    for label in space.classes_of_start():
        states, solution = _solve_component(space, catalog, jumps.log_rate, label, still, guess)
        law[states] = weight[states].sum() * solution.law
    return np.asarray(law / law.sum())


def _same(a: FloatArray, b: FloatArray, noise: float = 0.0) -> bool:
    largest = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return bool(np.abs(a - b).max(initial=0.0) <= SAME_ANSWER * largest + noise)


def _ambiguous(space: StateSpace, catalog: RateCatalog, states: IntArray) -> KmcTransportError:
    def where(count: IntArray) -> str:
        names = catalog.model.carriers
        return ", ".join(
            f"{names[a].name} on site {s} ({catalog.model.structure.labels[s]})"
            for a, s in zip(*np.nonzero(count), strict=True)
        )

    first, other = where(space.site_count[0]), where(space.site_count[states[0]])

    return KmcTransportError(
        f"the states fall into {space.n_components} classes that never reach each other and transport "
        f"differently, so that there is no single answer: [{first}] and [{other}]"
        f"{', in other cells' if first == other else ''}; add the hops that link them, describe "
        "each part by itself, or say where carriers start (initial: given or ordered)"
    )


def site_law_of(catalog: RateCatalog, max_states: int) -> FloatArray:
    """(S, n_sites) ln of the probability of each site for a carrier alone; a guess for many (exact at rest)."""
    model = catalog.model
    log_law = np.zeros((len(model.carriers), model.structure.n_sites))
    for a in range(len(model.carriers)):
        one = tuple(int(b == a) for b in range(len(model.carriers)))
        space = enumerate_states(model, one, a, (1, 1, 1), max_states)
        for label in range(space.n_components):
            still = np.zeros((len(space.hop), 0))
            states, solution = _solve_component(
                space, catalog, catalog.log_rate[space.hop], label, still, None
            )
            sites = space.site_count[states, a].argmax(axis=1)
            with np.errstate(divide="ignore"):
                log_law[a, sites] = np.log(solution.law)
    return log_law
