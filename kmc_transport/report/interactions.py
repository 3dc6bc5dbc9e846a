"""Tables of what makes rates depend on the configuration: pairs, clusters, Coulomb, surroundings, disorder, rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..energies.clusters import listed_clusters
from ..energies.ewald import distances
from ..energies.supercell import depends_on_configuration
from ..input.energetics import COULOMB_NAME
from ..model.interactions import Clusters, Coulomb
from ..model.model import Model
from ..model.network import BondFinder
from ..rates import RateCatalog
from ..rates.balance import check_configurations, random_configuration
from ..rates.configuration import ConfigurationRates
from . import Column, Table

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


def interaction_tables(catalog: RateCatalog) -> list[Table[Any]]:
    """Those that have something to show, for a catalog's model; its configurations are checked on the way.

    Raises
    ------
    RateError : detailed balance is broken in one of the random configurations that are looked at.
    """
    if not depends_on_configuration(catalog.model):
        return []
    model = catalog.model
    tables = [energy_table(model), coulomb_table(model), surroundings_table(model), disorder_table(model)]
    return [t for t in [*tables, rate_range_table(catalog)] if t.rows]


def _pair_potential(model: Model) -> Coulomb | None:
    return None if model.interactions is None else model.interactions.coulomb


def energy_table(model: Model) -> Table[Any]:
    """Classes of pairs and orbits of clusters: members, size, number per cell, energy, and Coulomb on top of pairs."""
    columns: list[Column[dict[str, Any]]] = [
        Column("orbit", lambda r: r["orbit"], key="orbit", names=True),
        Column("members", lambda r: r["members"], key="members"),
        Column(header="size", value=lambda r: r["size"], unit="Å", key="size", text=".4f"),
        Column("per cell", lambda r: r["per_cell"], key="per_cell"),
        Column(header="energy", value=lambda r: r["energy"], unit="eV", key="energy", text="+.5g"),
        Column(
            header="with Coulomb",
            value=lambda r: r["together"],
            unit="eV",
            key="energy_with_coulomb",
            text=lambda r: (
                "" if math.isnan(r["together"]) or r["together"] == r["energy"] else f"{r['together']:+.5g}"
            ),
        ),
    ]
    table = Table("Energies of carriers with each other", columns)
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
            f"{model.species[clusters.species[m]].name} on {labels[clusters.site[m]]}" for m in members
        )
        places = model.structure.frac[clusters.site[members]] + clusters.cell[members]
        apart = (places[:, None] - places[None]) @ model.structure.lattice
        energy = float(clusters.energy[first])
        table.rows.append(
            {
                "orbit": name,
                "members": who,
                "size": float(np.linalg.norm(apart, axis=2).max()),
                "per_cell": len(mine),
                "energy": energy,
                "together": energy + _coulomb_of(model, clusters, first) if len(members) == 2 else math.nan,
            }
        )
    return table


def _coulomb_of(model: Model, clusters: Clusters, c: int) -> float:
    """Coulomb energy of a pair, eV: with all images (Ewald), or of the cut off pairs that are listed."""
    m, n = int(clusters.start[c]), int(clusters.start[c]) + 1
    charge = [model.species[clusters.species[k]].charge for k in (m, n)]
    coulomb = _pair_potential(model)
    if coulomb is not None:
        cell = (clusters.cell[n] - clusters.cell[m]) % np.array(model.supercell)
        return float(
            charge[0] * charge[1] * coulomb.potential[(clusters.site[m], clusters.site[n], *cell.tolist())]
        )
    listed = listed_clusters(clusters)
    same = [e for pair, e, name in listed if name == COULOMB_NAME and pair == listed[c][0]]
    return float(np.array(same).sum())


def coulomb_table(model: Model) -> Table[Any]:
    """Coulomb energies of the nearest pairs of each two species: in the infinite crystal, and with periodic images."""
    columns: list[Column[tuple[list[str], float, float, float]]] = [
        Column("pair", lambda r: r[0], key="carriers", text=lambda r: " – ".join(r[0]), names=True),
        Column(header="distance", value=lambda r: r[1], unit="Å", key="distance", text=".3f"),
        Column(header="alone", value=lambda r: r[2], unit="eV", key="energy", text="+.4f"),
        Column(
            header="with images and background",
            value=lambda r: r[3],
            unit="eV",
            key="energy_with_images",
            text="+.4f",
        ),
    ]
    table = Table("Coulomb energies of the nearest pairs", columns)
    coulomb = _pair_potential(model)
    if coulomb is None:
        return table
    finder, s = BondFinder(model.structure), model.structure
    for a, first in enumerate(model.species):
        for second in model.species[a:]:
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
                table.rows.append(([first.name, second.name], length, charges * alone, here))
    tensor = coulomb.permittivity
    alike = np.allclose(tensor, tensor[0, 0] * np.eye(3))
    shown = f"{tensor[0, 0]:g}" if alike else str(np.round(tensor, 6).tolist())
    table.notes.append(
        f"Ewald sum, tin-foil boundary, relative permittivity {shown}, error about {coulomb.accuracy:.1g} eV."
    )
    return table


def surroundings_table(model: Model) -> Table[Any]:
    """Barriers that depend on the carriers round the hop."""
    columns: list[Column[tuple[str, int, int, list[float] | None, int]]] = [
        Column("class", lambda r: r[0], key="class", names=True),
        Column("environments", lambda r: r[1], key="environments", text=lambda r: str(r[1] or "")),
        Column("listed", lambda r: r[2], key="listed", text=lambda r: str(r[2]) if r[1] else ""),
        Column(
            header="E_kra",
            value=lambda r: r[3],
            unit="eV",
            key="barrier_range",
            text=lambda r: "" if r[3] is None else "{:.4g} to {:.4g}".format(*r[3]),
        ),
        Column("terms of the expansion per hop", lambda r: r[4], key="expansion_terms"),
    ]
    table = Table("Barriers by surroundings", columns)
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
        codes, listed = (0, 0) if found is None else (len(found.barrier), int(found.listed.sum()))
        span = (
            [float(found.barrier.min()), float(found.barrier.max())] if found is not None and codes else None
        )
        table.rows.append((c.name, codes, listed, span, terms))
    return table


def disorder_table(model: Model) -> Table[Any]:
    """Mean, standard deviation and range of quenched energies and barriers; blocked sites."""

    def moment(
        header: str, key: str, of: Callable[[np.ndarray], Any]
    ) -> Column[tuple[str, np.ndarray | int]]:
        def value(row: tuple[str, np.ndarray | int]) -> float | None:
            return float(of(row[1])) if isinstance(row[1], np.ndarray) else None

        def text(row: tuple[str, np.ndarray | int]) -> str:
            x = value(row)
            return "" if x is None else f"{x:+.4g}"

        return Column(header=header, value=value, unit="eV", key=key, text=text)

    columns: list[Column[tuple[str, np.ndarray | int]]] = [
        Column("of", lambda r: r[0], key="of", names=True),
        Column("number", lambda r: len(r[1]) if isinstance(r[1], np.ndarray) else r[1], key="number"),
        moment("mean", "mean", np.mean),
        moment("standard deviation", "standard_deviation", np.std),
        moment("lowest", "lowest", np.min),
        moment("highest", "highest", np.max),
    ]
    table = Table("Quenched disorder", columns)
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
    table.rows += [(name, values) for name, values in rows if values.any()]
    if d.blocked is not None:
        table.rows.append(("blocked sites", int(d.blocked.sum())))
    return table


def rate_range_table(catalog: RateCatalog) -> Table[Any]:
    """Slowest and fastest rate of each hop class in random configurations, and how many hops obey detailed balance."""
    model, net = catalog.model, catalog.model.network
    columns: list[Column[tuple[str, list[float]]]] = [
        Column("class", lambda r: r[0], key="class", names=True),
        Column("hops seen", lambda r: len(r[1]), key="hops_seen"),
        Column(header="slowest", value=lambda r: math.exp(min(r[1])), unit="1/s", key="slowest", text=".3g"),
        Column(header="fastest", value=lambda r: math.exp(max(r[1])), unit="1/s", key="fastest", text=".3g"),
        Column("decades", lambda r: (max(r[1]) - min(r[1])) / math.log(10), text=".1f"),
    ]
    table = Table(f"Rates in random configurations at {catalog.temperature:g} K", columns)
    checked = check_configurations(catalog)
    if checked < CHECKED and model.n_cells < LARGE:
        checked = check_configurations(catalog, samples=CHECKED)
    rates, random = ConfigurationRates(catalog), np.random.default_rng(1)
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
                difference = rates.change(occupation, *rates.ends(hop, rates.cell_of(number)))
                shift = rates.barrier_shifts(occupation[None], hop, number)
                log = rates.log_rates(hop, np.array([difference]), shift)
                seen[int(net.hop_class[hop])].append(float(log[0]))
    table.rows += [(c.name, logs) for c, logs in zip(model.hop_classes, seen, strict=True) if logs]
    table.notes.append(
        f"Local detailed balance holds for the {checked} hops that were compared with their reverse."
    )
    return table
