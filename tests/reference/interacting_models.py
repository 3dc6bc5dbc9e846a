"""Small interacting models for tests, made by hand from those of `tests.reference.networks`."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from kmc_transport.model.interactions import (
    Arrangement,
    Clusters,
    Coulomb,
    Disorder,
    EnvironmentTable,
    Interactions,
    LocalClusters,
)
from kmc_transport.model.model import HopNetwork, Model
from tests.reference.networks import KT0, make_model

__all__ = [
    "clusters",
    "coulomb",
    "environments",
    "hold_last",
    "ion_and_polaron",
    "local_clusters",
    "nearest_pairs",
    "random_model",
    "site_disorder",
    "with_interactions",
    "with_rule",
]

Member = tuple[int, int, tuple[int, int, int]]
"""(species, site, cell)"""


def with_rule(model: Model, rule: str = "kra", **parameters: float) -> Model:
    """All hop classes with another barrier rule; the barrier of 1 eV stays where the rule is ``kra``."""
    values = tuple(parameters.items()) or ((("E_kra", 1.0),) if rule == "kra" else ())
    return replace(
        model,
        hop_classes=tuple(
            replace(c, rule=rule, rule_parameters=values, barrier_forward=np.nan, barrier_reverse=np.nan)
            for c in model.hop_classes
        ),
    )


def clusters(terms: list[tuple[float, list[Member]]]) -> Clusters:
    """Clusters from (energy, members)."""
    members = [m for _, ms in terms for m in ms]
    return Clusters(
        energy=np.array([e for e, _ in terms]),
        start=np.cumsum([0, *(len(ms) for _, ms in terms)]),
        species=np.array([m[0] for m in members], np.int64),
        site=np.array([m[1] for m in members], np.int64),
        cell=np.array([m[2] for m in members], np.int64).reshape(-1, 3),
        name=tuple(f"term {i}" for i in range(len(terms))),
    )


def nearest_pairs(energy: float, axes: int = 3, species: tuple[int, int] = (0, 0)) -> Clusters:
    """Pairs of neighbours on a simple lattice of one site a cell; unlike species are paired both ways."""
    terms = []
    for axis in range(axes):
        cell = tuple(int(a == axis) for a in range(3))
        for a, b in {species, species[::-1]}:
            terms.append((energy, [(a, 0, (0, 0, 0)), (b, 0, cell)]))
    return clusters(terms)


def ion_and_polaron(
    length: int = 6, energy: float = -1.5 * KT0, counts: tuple[int, int] = (1, 1), quicker: float = 3.0
) -> Model:
    """Ring of ``length`` cells: ions (+1) and polarons (-1, ``quicker`` times as fast) on sublattices of their own;
    ``energy`` (eV) of neighbours of unlike kind, at half a cell."""
    hops = [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), quicker)]]
    model = make_model(
        np.diag([3.0, 8.0, 8.0]),
        [[0, 0, 0], [0.5, 0, 0]],
        hops,
        counts=counts,
        charges=(1.0, -1.0),
        supercell=(length, 1, 1),
        allowed=[[True, False], [False, True]],
    )
    sides = [(energy, [(0, 0, (0, 0, 0)), (1, 1, (side, 0, 0))]) for side in (0, -1)]
    return with_interactions(with_rule(model), clusters=clusters(sides))  # type: ignore[arg-type]


def coulomb(model: Model, strength: float, screening: float = 0.7) -> Coulomb:
    """A potential of the right symmetry for tests: screened charges, with all periodic images in reach."""
    size, n = model.supercell, model.structure.n_sites
    lattice, cart = np.asarray(model.structure.lattice), np.asarray(model.structure.cart)
    periodic = np.asarray(model.structure.periodic)
    length = np.array(size)[:, None] * lattice
    images = [range(-3, 4) if p else range(1) for p in periodic]
    shifts = np.array(list(itertools.product(*images))) @ length
    potential = np.zeros((n, n, *size))
    for a, b in itertools.product(range(n), repeat=2):
        for cell in np.ndindex(*size):
            r = np.linalg.norm(cart[b] + np.array(cell) @ lattice - cart[a] + shifts, axis=1)
            r = r[r > 1e-9]
            potential[(a, b, *cell)] = strength * float(np.sum(np.exp(-screening * r) / r))
    return Coulomb(potential, np.eye(3), 1e-12)


def local_clusters(model: Model, terms: list[tuple[int, float, list[Member]]]) -> LocalClusters:
    """Local clusters from (directed hop, energy, members), added alike to the reverse hop."""
    net = model.network
    every = []
    for hop, energy, members in terms:
        every.append((hop, energy, members))
        back = [(s, i, tuple(int(x) for x in np.array(c) - net.cell[hop])) for s, i, c in members]
        every.append((int(net.reverse[hop]), energy, back))
    flat = [m for _, _, ms in every for m in ms]
    return LocalClusters(
        hop=np.array([h for h, _, _ in every], np.int64),
        energy=np.array([e for _, e, _ in every]),
        start=np.cumsum([0, *(len(ms) for _, _, ms in every)]),
        species=np.array([m[0] for m in flat], np.int64),
        site=np.array([m[1] for m in flat], np.int64),
        cell=np.array([m[2] for m in flat], np.int64).reshape(-1, 3),
    )


def environments(model: Model, hop: int, members: list[Member], barriers: list[float]) -> EnvironmentTable:
    """Table for the class of directed hop ``hop`` and its reverse alone: code = bits of the members."""
    net = model.network
    n, every = net.n_hops, {}
    every[hop] = members
    back = [(s, i, tuple(int(x) for x in np.array(c) - net.cell[hop])) for s, i, c in members]
    every[int(net.reverse[hop])] = back
    start = np.cumsum([0, *(len(every.get(h, [])) for h in range(n))])
    flat = [m for h in range(n) for m in every.get(h, [])]
    stride = [1 << k for h in range(n) for k in range(len(every.get(h, [])))]
    return EnvironmentTable(
        hop_class=int(net.hop_class[hop]),
        start=start,
        species=np.array([m[0] for m in flat], np.int64),
        site=np.array([m[1] for m in flat], np.int64),
        cell=np.array([m[2] for m in flat], np.int64).reshape(-1, 3),
        stride=np.array(stride, np.int64),
        barrier=np.array(barriers, float),
        listed=np.ones(len(barriers), np.bool_),
    )


def site_disorder(model: Model, rng: np.random.Generator, width: float, barrier: float = 0.0) -> Disorder:
    """Random site energies (eV, the same for all species) and barriers, alike for a hop and its reverse."""
    net, n_cells = model.network, model.n_cells
    n_flat = n_cells * model.structure.n_sites
    energy = np.repeat(rng.normal(0, width, n_flat)[None], len(model.carriers), axis=0)
    shift = np.zeros((n_cells, net.n_hops))
    size = model.supercell
    for number, cell in enumerate(np.ndindex(*size)):
        for h in range(net.n_hops):
            if h < net.reverse[h]:
                there = np.ravel_multi_index(tuple((np.array(cell) + net.cell[h]) % size), size)
                shift[number, h] = shift[there, net.reverse[h]] = (
                    abs(rng.normal(0, barrier)) if barrier else 0.0
                )
    return Disorder(energy, shift if barrier else None, None)


def with_interactions(model: Model, **parts: object) -> Model:
    """The model with `Interactions` of the given parts."""
    return replace(model, interactions=Interactions(**parts))  # type: ignore[arg-type]


def hold_last(model: Model, rng: np.random.Generator) -> Model:
    """The model with its last species immobile, on random free sites: its hops are gone, all else is there."""
    last, net = len(model.carriers) - 1, model.network
    species = model.carriers[last]
    kept = np.flatnonzero(net.carrier < last)
    number = np.full(net.n_hops, -1)
    number[kept] = np.arange(len(kept))
    arrays = {name: np.asarray(getattr(net, name))[kept] for name in vars(net)}
    arrays["reverse"] = number[arrays["reverse"]]
    network = HopNetwork(**arrays)
    open_to = np.tile(model.allowed_sites[last], model.n_cells)
    if model.disorder is not None and model.disorder.blocked is not None:
        open_to = open_to & ~model.disorder.blocked
    sites = np.sort(rng.choice(np.flatnonzero(open_to), species.count, replace=False))
    parts = model.interactions
    assert parts is not None
    tables, local = parts.environments, parts.local_clusters
    tables = tuple(_of_hops(t, kept) for t in tables if net.carrier[np.argmax(np.diff(t.start) > 0)] < last)
    if local is not None:
        of = [c for c in range(len(local.hop)) if number[local.hop[c]] >= 0]
        members = [range(local.start[c], local.start[c + 1]) for c in of]
        flat = [m for which in members for m in which]
        local = LocalClusters(
            hop=number[local.hop[of]],
            energy=local.energy[of],
            start=np.cumsum([0, *map(len, members)]),
            species=local.species[flat],
            site=local.site[flat],
            cell=local.cell[flat],
        )
    disorder = model.disorder
    if disorder is not None and disorder.barrier is not None:
        disorder = replace(disorder, barrier=disorder.barrier[:, kept])
    return replace(
        model,
        carriers=model.carriers[:last],
        immobile=(species,),
        arrangement=(Arrangement(kind="given", sites=sites),),
        network=network,
        interactions=replace(parts, environments=tables, local_clusters=local),
        disorder=disorder,
    )


def _of_hops(table: EnvironmentTable, kept: np.ndarray) -> EnvironmentTable:
    members = [range(table.start[h], table.start[h + 1]) for h in kept]
    flat = [m for which in members for m in which]
    return replace(
        table,
        start=np.cumsum([0, *map(len, members)]),
        species=table.species[flat],
        site=table.site[flat],
        cell=table.cell[flat],
        stride=table.stride[flat],
    )


def random_model(
    seed: int, *, charged: bool, disordered: bool, rule: str = "kra", held: bool = False
) -> Model:
    """A small network with everything in it that fits: species, sites, pairs, triplets, surroundings, blocked sites.

    held : with one species more, which is immobile.

    Barriers are low (0.1 eV), so that null events bounded by the prefactor alone get somewhere.
    """
    rng = np.random.default_rng(seed)
    n_sites, n_species = int(rng.integers(1, 3)), int(rng.integers(1, 3)) + held
    supercell = tuple(int(x) for x in rng.integers(1, 4, 3))
    allowed = rng.random((n_species, n_sites)) < 0.7
    allowed[np.arange(n_species), rng.integers(n_sites, size=n_species)] = True
    edges, counts = [], []
    for own in allowed:
        sites = np.flatnonzero(own)
        hops = [(int(sites[0]), int(sites[0]), (1, 0, 0), 0.1)]
        for _ in range(rng.integers(0, 4)):
            i, j, cell = *rng.choice(sites, 2), rng.integers(-1, 2, size=3)
            if i != j or cell.any():
                hops.append((int(i), int(j), tuple(int(c) for c in cell), float(rng.choice([0.1, 0.3]))))
        edges.append(hops)
        room = int(np.prod(supercell)) * len(sites) - sum(counts) - 2
        counts.append(int(rng.integers(min(1, max(0, room)), max(1, room + 1))))
    model = make_model(
        np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3)),
        rng.random((n_sites, 3)),
        edges,
        counts=counts,
        charges=[1.0, -1.3, 0.7][:n_species],
        supercell=supercell,
        site_energy=rng.uniform(0, 0.05, (n_species, n_sites)),
        allowed=allowed,
        saddle_fraction=0.5 if rule != "kra" else 0.4,
    )
    model = with_rule(model, **({"E_kra": 0.1} if rule == "kra" else {"rule": rule}))  # type: ignore[arg-type]

    def member() -> Member:
        site = int(rng.integers(n_sites))
        return int(rng.integers(n_species)), site, tuple(int(x) for x in rng.integers(-1, 2, 3))  # type: ignore[return-value]

    terms = []
    for _ in range(int(rng.integers(1, 5))):
        first = member()
        members = [(first[0], first[1], (0, 0, 0)), *(member() for _ in range(int(rng.integers(1, 3))))]
        terms.append((float(rng.choice([-0.02, 0.01, 0.013])), members))
    parts: dict[str, object] = {"clusters": clusters(terms)}
    if charged:
        parts["coulomb"] = coulomb(model, 0.05)
    if rule == "kra":

        def around(hop: int, n: int) -> list[Member]:
            """Members beside the ends of a hop."""
            net, found = model.network, []
            for _ in range(20 * n):
                m = member()
                ends = ((net.origin[hop], np.zeros(3, int)), (net.target[hop], net.cell[hop]))
                if len(found) < n and not any(
                    m[1] == site and not ((np.array(m[2]) - cell) % supercell).any() for site, cell in ends
                ):
                    found.append(m)
            return found

        hops = [int(h) for h in rng.choice(model.network.n_hops, 2)]
        beside = [(hop, 0.01, around(hop, int(rng.integers(1, 3)))) for hop in hops]
        parts["local_clusters"] = local_clusters(model, [x for x in beside if x[2]])
        hop = int(rng.integers(model.network.n_hops))
        if len(near := around(hop, 2)) == 2:
            parts["environments"] = (environments(model, hop, near, [0.1, 0.11, 0.09, 0.12]),)
    model = with_interactions(model, **parts)
    n_flat = model.n_cells * n_sites
    blocked = np.zeros(n_flat, np.bool_)
    if sum(counts) < n_flat - 2:
        blocked[rng.integers(n_flat)] = True
        free = [int((~blocked.reshape(-1, n_sites)[:, own]).sum()) for own in allowed]
        if any(c + sum(counts) > f for c, f in zip(counts, free, strict=True)):
            blocked[:] = False
    disorder = Disorder(None, None, blocked)
    if disordered:
        disorder = replace(site_disorder(model, rng, 0.02, 0.01 if rule == "kra" else 0.0), blocked=blocked)
    model = replace(model, disorder=disorder)
    return hold_last(model, rng) if held else model
