"""Tables of what makes rates depend on the configuration: pairs, clusters, Coulomb, surroundings, disorder, rates."""

from __future__ import annotations

import math

import numpy as np

from .model.energetics import COULOMB_NAME
from .model.ewald import distances
from .model.interactions import Clusters, Coulomb
from .model.model import Model
from .model.network import BondFinder
from .rates import RateCatalog
from .rates.balance import check_configurations, random_configuration
from .rates.enumerated import ManyConfigurations, depends_on_configuration
from .rates.local import LocalEnergies
from .report import Table

__all__ = [
    "coulomb_table",
    "disorder_table",
    "energy_table",
    "interaction_tables",
    "rate_range_table",
    "surroundings_table",
]

SHELLS = 3
"""Shells of each pair of species that the table of Coulomb energies shows."""
SAMPLES, HOPS = 8, 60
"""Random configurations, and hops tried in each, that the range of rates comes from."""
CHECKED = 64
"""Hops that are compared with their reverse."""
LARGE = 5000
"""From so many cells on fewer of both are looked at."""


def interaction_tables(catalog: RateCatalog) -> list[Table]:
    """Those that have something to show, for a catalog's model; its configurations are checked on the way.

    Raises
    ------
    RateError : detailed balance is broken in one of the random configurations that are looked at.
    """
    if not depends_on_configuration(catalog.model):
        return []
    model = catalog.model
    tables = [energy_table(model), coulomb_table(model), surroundings_table(model), disorder_table(model)]
    return [t for t in [*tables, rate_range_table(catalog)] if t.cells]


def _pair_potential(model: Model) -> Coulomb | None:
    return None if model.interactions is None else model.interactions.coulomb


def energy_table(model: Model) -> Table:
    """Classes of pairs and orbits of clusters: members, size, number per cell, energy, and Coulomb on top of pairs."""
    table = Table(
        "Energies of carriers with each other",
        [
            ("orbit", ""),
            ("members", ""),
            ("size", "Å"),
            ("per cell", ""),
            ("energy", "eV"),
            ("with Coulomb", "eV"),
        ],
    )
    clusters = None if model.interactions is None else model.interactions.clusters
    if clusters is None:
        return table
    for name in dict.fromkeys(clusters.name):
        if name == COULOMB_NAME:
            continue
        mine = [c for c, other in enumerate(clusters.name) if other == name]
        first = mine[0]
        members = range(clusters.start[first], clusters.start[first + 1])
        labels = model.structure.labels
        who = ", ".join(
            f"{model.carriers[clusters.species[m]].name} on {labels[clusters.site[m]]}" for m in members
        )
        places = model.structure.frac[clusters.site[members]] + clusters.cell[members]
        apart = (places[:, None] - places[None]) @ model.structure.lattice
        size = float(np.linalg.norm(apart, axis=2).max())
        energy = float(clusters.energy[first])
        together = energy + _coulomb_of(model, clusters, first) if len(members) == 2 else math.nan
        table.add(
            [
                name,
                who,
                f"{size:.4f}",
                str(len(mine)),
                f"{energy:+.5g}",
                f"{together:+.5g}" if math.isfinite(together) and together != energy else "",
            ],
            {
                "orbit": name,
                "members": who,
                "size_angstrom": size,
                "per_cell": len(mine),
                "energy_eV": energy,
                "energy_with_coulomb_eV": together if math.isfinite(together) else None,
            },
        )
    return table


def _coulomb_of(model: Model, clusters: Clusters, c: int) -> float:
    """Coulomb energy of a pair, eV: with all images (Ewald), or of the cut off pairs that are listed."""
    m, n = int(clusters.start[c]), int(clusters.start[c]) + 1
    charge = [model.carriers[clusters.species[k]].charge for k in (m, n)]
    coulomb = _pair_potential(model)
    if coulomb is not None:
        cell = (clusters.cell[n] - clusters.cell[m]) % np.array(model.supercell)
        return float(
            charge[0] * charge[1] * coulomb.potential[(clusters.site[m], clusters.site[n], *cell.tolist())]
        )
    same = [
        k
        for k, name in enumerate(clusters.name)
        if name == COULOMB_NAME
        and all(
            np.array_equal(
                getattr(clusters, x)[clusters.start[k] : clusters.start[k + 1]],
                getattr(clusters, x)[clusters.start[c] : clusters.start[c + 1]],
            )
            for x in ("species", "site", "cell")
        )
    ]
    return float(clusters.energy[same].sum())


def coulomb_table(model: Model) -> Table:
    """Coulomb energies of the nearest pairs of each two species: in the infinite crystal, and with periodic images."""
    table = Table(
        "Coulomb energies of the nearest pairs",
        [
            ("pair", ""),
            ("distance", "Å"),
            ("alone", "eV"),
            ("with images and background", "eV"),
        ],
    )
    coulomb = _pair_potential(model)
    if coulomb is None:
        return table
    finder, s = BondFinder(model.structure), model.structure
    for a, first in enumerate(model.carriers):
        for second in model.carriers[a:]:
            bonds = [
                bond
                for label in first.sites
                for other in second.sites
                for bond in finder.within(label, other, 1e-6, 12.0)
            ]
            shells: dict[float, float] = {}
            for i, j, cell in sorted(bonds, key=finder.length):
                apart = s.frac[j] + np.array(cell) - s.frac[i]
                length = round(finder.length((i, j, cell)), 3)
                alone = float(distances(s.lattice, coulomb.permittivity, apart))
                if length in shells:
                    continue
                if len(shells) == SHELLS:
                    break
                shells[length] = alone
                home = np.array(cell) % np.array(model.supercell)
                charges = first.charge * second.charge
                here = charges * float(coulomb.potential[(i, j, *home.tolist())])
                table.add(
                    [
                        f"{first.name} – {second.name}",
                        f"{length:.3f}",
                        f"{charges * alone:+.4f}",
                        f"{here:+.4f}",
                    ],
                    {
                        "carriers": [first.name, second.name],
                        "distance_angstrom": length,
                        "energy_eV": charges * alone,
                        "energy_with_images_eV": here,
                    },
                )
    tensor = coulomb.permittivity
    alike = np.allclose(tensor, tensor[0, 0] * np.eye(3))
    shown = f"{tensor[0, 0]:g}" if alike else str(np.round(tensor, 6).tolist())
    table.notes.append(
        f"Ewald sum, tin-foil boundary, relative permittivity {shown}, error about {coulomb.accuracy:.1g} eV."
    )
    return table


def surroundings_table(model: Model) -> Table:
    """Barriers that depend on the carriers round the hop."""
    table = Table(
        "Barriers by surroundings",
        [
            ("class", ""),
            ("environments", ""),
            ("listed", ""),
            ("E_kra", "eV"),
            ("terms of the expansion per hop", ""),
        ],
    )
    if model.interactions is None:
        return table
    local = model.interactions.local_clusters
    tables = {t.hop_class: t for t in model.interactions.environments}
    for k, c in enumerate(model.hop_classes):
        hop = int(np.argmax(model.network.hop_class == k))
        terms = 0 if local is None else int((local.hop == hop).sum())
        found = tables.get(k)
        if found is None and not terms:
            continue
        low, high = (math.nan,) * 2 if found is None else (found.barrier.min(), found.barrier.max())
        codes, listed = (0, 0) if found is None else (len(found.barrier), int(found.listed.sum()))
        table.add(
            [
                c.name,
                str(codes) if codes else "",
                str(listed) if codes else "",
                f"{low:.4g} to {high:.4g}" if codes else "",
                str(terms),
            ],
            {
                "class": c.name,
                "environments": codes,
                "listed": listed,
                "barrier_range_eV": [float(low), float(high)] if codes else None,
                "expansion_terms": terms,
            },
        )
    return table


def disorder_table(model: Model) -> Table:
    """Mean, standard deviation and range of quenched energies and barriers; blocked sites."""
    table = Table(
        "Quenched disorder",
        [
            ("of", ""),
            ("number", ""),
            ("mean", "eV"),
            ("standard deviation", "eV"),
            ("lowest", "eV"),
            ("highest", "eV"),
        ],
    )
    d = model.disorder
    if d is None:
        return table
    rows: list[tuple[str, np.ndarray]] = []
    net = model.network
    for a, carrier in enumerate(model.carriers):
        if d.site_energy is not None:
            mine = np.tile(model.allowed_sites[a], model.n_cells)
            rows.append((f"site energies of {carrier.name}", d.site_energy[a][mine]))
        if d.barrier is not None:
            rows.append(
                (
                    f"barriers of {carrier.name}",
                    d.barrier[:, (net.carrier == a) & (net.orientation > 0)].reshape(-1),
                )
            )
    for name, values in rows:
        if values.any():
            numbers = [float(f(values)) for f in (np.mean, np.std, np.min, np.max)]
            table.add(
                [name, str(len(values)), *(f"{x:+.4g}" for x in numbers)],
                {
                    "of": name,
                    "number": len(values),
                    **dict(
                        zip(
                            ("mean_eV", "standard_deviation_eV", "lowest_eV", "highest_eV"),
                            numbers,
                            strict=True,
                        )
                    ),
                },
            )
    if d.blocked is not None:
        count = int(d.blocked.sum())
        table.add(["blocked sites", str(count), "", "", "", ""], {"of": "blocked sites", "number": count})
    return table


def rate_range_table(catalog: RateCatalog) -> Table:
    """Slowest and fastest rate of each hop class in random configurations, and how many hops obey detailed balance."""
    model, net = catalog.model, catalog.model.network
    table = Table(
        f"Rates in random configurations at {catalog.temperature:g} K",
        [("class", ""), ("hops seen", ""), ("slowest", "1/s"), ("fastest", "1/s"), ("decades", "")],
    )
    checked = check_configurations(catalog)
    if checked < CHECKED and model.n_cells < LARGE:
        checked = check_configurations(catalog, samples=CHECKED)
    many, random = ManyConfigurations(catalog), np.random.default_rng(1)
    rates, local = many.one, LocalEnergies(many.one)
    seen: list[list[float]] = [[] for _ in model.hop_classes]
    for _ in range(SAMPLES if model.n_cells < LARGE else 1):
        occupation = random_configuration(model, random)
        if occupation is None:
            break
        by_cell = occupation.reshape(-1, rates.n_sites)
        for _ in range(HOPS):
            hop = int(random.integers(net.n_hops))
            places = np.flatnonzero(by_cell[:, net.origin[hop]] == net.carrier[hop] + 1)
            if not len(places):
                continue
            number = int(random.choice(places))
            if rates.is_open(occupation, hop, rates.cell_of(number)):
                difference = local.difference(occupation, hop, rates.cell_of(number))
                shift = many.barrier_shifts(occupation[None], hop, number)
                log = many.log_rates(hop, np.array([difference]), shift)
                seen[int(net.hop_class[hop])].append(float(log[0]))
    for c, logs in zip(model.hop_classes, seen, strict=True):
        if not logs:
            continue
        low, high = min(logs), max(logs)
        table.add(
            [
                c.name,
                str(len(logs)),
                f"{math.exp(low):.3g}",
                f"{math.exp(high):.3g}",
                f"{(high - low) / math.log(10):.1f}",
            ],
            {
                "class": c.name,
                "hops_seen": len(logs),
                "slowest_per_s": math.exp(low),
                "fastest_per_s": math.exp(high),
            },
        )
    table.notes.append(
        f"Local detailed balance holds for the {checked} hops that were compared with their reverse."
    )
    return table
