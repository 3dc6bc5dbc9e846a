"""Where the carriers sit at the start."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from ...model.interactions import Initial
from ...model.islands import equal_shares, islands
from ...ndarrays import FloatArray, IntArray
from ...units import K_B
from ..pace import ShouldStop, never
from ..tables import Tables, build_tables

if TYPE_CHECKING:
    from ...rates.catalog import RateCatalog
    from .anneal import Annealing, LatticeMonteCarlo

__all__ = ["annealed_lattice", "equilibrium_lattice", "initial_configuration", "place_carriers"]

TRIALS = 50
"""Draws of random sites, in each of two orders of species, where networks are to hold equal numbers."""


def initial_configuration(
    tables: Tables,
    temperature: float,
    rng: np.random.Generator,
    initial: Initial,
    should_stop: ShouldStop = never,
) -> tuple[IntArray, IntArray, Annealing | None]:
    """Where the carriers start, as ``initial`` says: (cell number, type) of each, and how it was annealed.

    Annealing may not have come to equilibrium within its sweeps: it says so (`Annealing.equilibrated`). Raises
    ValueError when the sites do not suffice, Stopped when told to.
    """
    if initial.kind == "given":
        assert initial.sites is not None
        return *_from_sites(tables, [np.array(s, np.int64) for s in initial.sites]), None
    if not initial.anneals:
        return *_place_each(tables, temperature, temperature, rng, initial), None
    lattice, report = annealed_lattice(tables, temperature, rng, initial, should_stop)
    return *_from_sites(tables, lattice.sites), report


def annealed_lattice(
    tables: Tables,
    temperature: float,
    rng: np.random.Generator,
    initial: Initial,
    should_stop: ShouldStop = never,
) -> tuple[LatticeMonteCarlo, Annealing]:
    """Random places, cooled to ``temperature`` (K); species that are not annealed stay where they start."""
    from .anneal import LatticeMonteCarlo, anneal, start_temperature

    pairs = initial.moves == "pairs"
    start: float | None = None
    if initial.start_temperature is not None or not pairs:
        start = max(temperature, start_temperature(initial, temperature))
    cell, types = _place_each(tables, temperature, start or temperature, rng, initial)
    site = cell * tables.model.structure.n_sites + tables.basis_site[tables.type_basis[types]]
    species = tables.type_species[types]
    sites = [site[species == s] for s in range(tables.n_species)]
    every = range(tables.n_species)
    held = [s for s in every if initial.of(s).kind != "annealed"]
    within = [s for s in every if s not in held and initial.of(s).equal_networks]
    lattice = LatticeMonteCarlo(tables.model, sites, rng, within_networks=within, held=held, pairs=pairs)
    report = anneal(lattice, temperature, start=start, sweeps=initial.sweeps, should_stop=should_stop)
    return lattice, report


def equilibrium_lattice(
    catalog: RateCatalog,
    *,
    seed: int,
    start_temperature: float | None = None,
    sweeps: int = 10_000,
    moves: str = "single",
) -> tuple[LatticeMonteCarlo, Annealing]:
    """Lattice Monte Carlo of the catalog's model, annealed to its temperature: for equilibrium averages.

    Look at ``Annealing.equilibrated`` before use. start_temperature : K. sweeps : at most, at each temperature.
    moves : ``single`` or ``pairs`` (`kmc_transport.model.interactions.Initial`).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    initial = Initial("annealed", None, start_temperature, sweeps, moves=moves)
    return annealed_lattice(build_tables(catalog), catalog.temperature, rng, initial)


def _place_each(
    tables: Tables, temperature: float, start: float, rng: np.random.Generator, initial: Initial
) -> tuple[IntArray, IntArray]:
    """Every species where it starts, those to be annealed at random as at the temperature ``start``."""
    own = [initial.of(s) for s in range(tables.n_species)]
    return place_carriers(
        tables,
        [start if one.kind == "annealed" else temperature for one in own],
        rng,
        [s for s, one in enumerate(own) if one.equal_networks],
        {s: np.array((initial.sites or ())[s], np.int64) for s, one in enumerate(own) if one.kind == "given"},
    )


def _from_sites(tables: Tables, sites: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """(cell number, type) of the carriers on the given flat sites of each species."""
    found = [_of_sites(tables, s, own) for s, own in enumerate(sites)]
    return np.concatenate([cell for cell, _ in found]), np.concatenate([types for _, types in found])


def _of_sites(tables: Tables, species: int, sites: IntArray) -> tuple[IntArray, IntArray]:
    """(cell number, type) of the carriers of one species on flat sites."""
    type_of = np.full(tables.model.structure.n_sites, -1)
    own = np.flatnonzero(tables.type_species == species)
    type_of[tables.basis_site[tables.type_basis[own]]] = own
    cell, site = np.divmod(sites, tables.model.structure.n_sites)
    if len(sites) != tables.number[species] or np.any(type_of[site] < 0):
        raise ValueError(
            f"{len(sites)} sites do not fit {tables.number[species]} carriers of species {species}"
        )
    return cell, type_of[site]


def place_carriers(
    tables: Tables,
    temperature: float | Sequence[float],
    rng: np.random.Generator,
    equal_networks: bool | Collection[int] = False,
    given: Mapping[int, IntArray] | None = None,
) -> tuple[IntArray, IntArray]:
    """Random sites for all carriers, one each: (cell number, type) of every carrier, in order of species.

    Species take their sites one after the other; if one finds too few left, those with the fewest sites go first. Each
    species is drawn without replacement from the free sites that it may occupy, with weights
    ``exp(-site energy/kT)``: exact equilibrium for one carrier without field, and for equal site energies.
    Drawn by the smallest of exponential numbers divided by the weights (P. S. Efraimidis and P. G. Spirakis,
    Inf. Process. Lett. 97, 181 (2006)). With ``equal_networks`` (of all species or of those named) so in each network
    that hops do not join, which all get the same number. Species of ``given`` sit on these flat sites.

    temperature : K, of all or of each species. Raises ValueError when the sites do not suffice.
    """
    among = range(tables.n_species) if isinstance(equal_networks, bool) else equal_networks
    shares = equal_shares(tables.model, among) if equal_networks else [None] * tables.n_species
    kelvin = np.broadcast_to(np.asarray(temperature, np.float64), tables.n_species)
    fixed = {s: _of_sites(tables, s, sites) for s, sites in (given or {}).items()}
    sites = np.bincount(tables.type_species, minlength=tables.n_species)
    fewest_first = np.argsort(sites, kind="stable").tolist()
    # others on its sites may leave a network too little room, in one draw and not in the next
    orders = [list(range(tables.n_species)), fewest_first] * (TRIALS if equal_networks else 1)
    for order in orders[:-1]:
        with suppress(_TooFew):
            return _place(tables, kelvin, rng, order, shares, fixed)
    return _place(tables, kelvin, rng, orders[-1], shares, fixed)


class _TooFew(ValueError):
    """Too few free sites."""


def _place(
    tables: Tables,
    temperature: FloatArray,
    rng: np.random.Generator,
    order: list[int],
    shares: Sequence[int | None],
    given: Mapping[int, tuple[IntArray, IntArray]],
) -> tuple[IntArray, IntArray]:
    """shares : of each species its carriers in each network, or None: anywhere. given : (cell, type) of carriers of
    some species."""
    n_cells, kt, disorder = tables.n_cells, K_B * temperature, tables.model.disorder
    taken = np.zeros((n_cells, tables.n_basis), np.bool_) if tables.n_species > 1 else None
    if tables.model.closed is not None:
        taken = np.array(tables.model.closed).reshape(n_cells, -1)[:, tables.basis_site]
    uneven = None if disorder is None else disorder.site_energy
    cells: dict[int, IntArray] = {}
    types: dict[int, IntArray] = {}
    for s, (cell, own) in given.items():
        cells[s], types[s] = cell, own
        if taken is not None:
            taken[cell, tables.type_basis[own]] = True
    for s in (s for s in order if s not in given):
        count = int(tables.number[s])
        own = np.flatnonzero(tables.type_species == s)
        basis = tables.type_basis[own]
        energy = np.asarray(tables.model.site_energy)[s, tables.basis_site[basis]]
        n_free = n_cells * len(own) - (0 if taken is None else int(taken[:, basis].sum()))
        name = tables.model.carriers[s].name
        if count > n_free:
            raise _TooFew(f"{count} carriers of {name!r} on {n_free} free sites")
        if uneven is not None:
            own_sites = tables.basis_site[basis]
            energy = energy + np.asarray(uneven[s]).reshape(n_cells, -1)[:, own_sites]
        share = shares[s]
        if share is None and taken is None and np.all(energy == energy.flat[0]):
            chosen = np.sort(rng.choice(n_cells * len(own), count, replace=False, shuffle=False))
        else:
            key = np.log(rng.standard_exponential((n_cells, len(own))))
            key += (energy - energy.min()) / kt[s]
            if taken is not None:
                key[taken[:, basis]] = np.inf
            flat = key.reshape(-1)
            if share is None:
                chosen = np.sort(np.argpartition(flat, count - 1)[:count]) if count else np.zeros(0, np.int64)
            else:
                chosen = _smallest_of_each(flat, _networks(tables, s, basis), share)
                if len(chosen) < count:
                    raise _TooFew(f"a network has fewer than {share} free sites for {name!r}")
        cell, k = np.divmod(chosen, len(own))
        if taken is not None:
            taken[cell, basis[k]] = True
        cells[s], types[s] = cell, own[k]
    every = range(tables.n_species)
    return np.concatenate([cells[s] for s in every]), np.concatenate([types[s] for s in every])


def _networks(tables: Tables, species: int, basis: IntArray) -> IntArray:
    """(n_cells * len(basis),) network of each site of a species that has several."""
    part = islands(tables.model)[species]
    assert part is not None
    return part.label.reshape(tables.n_cells, -1)[:, tables.basis_site[basis]].reshape(-1)


def _smallest_of_each(key: FloatArray, label: IntArray, number: int) -> IntArray:
    """Indices, ascending, of the ``number`` smallest finite keys of each label; of labels below 0 none."""
    order = np.lexsort((key, label))
    order = order[(label[order] >= 0) & np.isfinite(key[order])]
    first = np.searchsorted(label[order], label[order])  # where the label begins
    return np.sort(order[np.arange(len(order)) - first < number])
