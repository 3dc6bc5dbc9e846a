"""Small networks with known rates, for tests: built as models, without an input file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kmc_transport.model.model import (
    Carrier,
    Conditions,
    HopClass,
    HopNetwork,
    InputSource,
    Model,
    Sampling,
    Structure,
    frozen_array,
)
from kmc_transport.sources.vibrations import AttemptFrequency

T0 = 300.0
KT0 = 8.617333262145179e-05 * T0  # eV
BARRIER = 1.0  # eV; high enough that no field of these tests clamps

Edge = tuple[int, int, Sequence[int], float]
"""(origin, target, cell offset, forward rate at T0 without field in 1/s)."""


def make_model(
    lattice: object,
    frac: object,
    edges: Iterable[Edge] | Iterable[Iterable[Edge]],
    *,
    counts: Sequence[int] = (1,),
    charges: Sequence[float] | None = None,
    supercell: Sequence[int] = (1, 1, 1),
    periodic: Sequence[bool] = (True, True, True),
    site_energy: object = None,
    allowed: object = None,
    saddle_fraction: float = 0.5,
) -> Model:
    """Model whose hop k (both directions listed once) has the given forward rate at `T0`, each its own class.

    ``edges`` is one list for one carrier, or a list of lists, one per carrier. The reverse rate follows from
    ``site_energy`` ((n_sites,) or (n_carriers, n_sites), eV). ``allowed``: (n_carriers, n_sites) bool.
    """
    edge_lists = list(edges)
    if edge_lists and not isinstance(edge_lists[0][0], (tuple, list)):
        edge_lists = [edge_lists]
    n_carriers = len(counts)
    charges = charges if charges is not None else [1.0] * n_carriers
    lattice = np.asarray(lattice, float)
    frac = np.asarray(frac, float).reshape(-1, 3)
    energy = np.zeros((n_carriers, len(frac))) if site_energy is None else np.asarray(site_energy, float)
    energy = np.broadcast_to(energy, (n_carriers, len(frac)))
    mask = np.ones((n_carriers, len(frac)), bool) if allowed is None else np.asarray(allowed, bool)
    labels = tuple(f"s{i}" for i in range(len(frac)))
    rows: dict[str, list] = {k: [] for k in ("carrier", "origin", "target", "cell", "vector", "hop_class")}
    orientation: list[int] = []
    classes = []
    for c, carrier_edges in enumerate(edge_lists):
        for i, j, cell, rate in carrier_edges:
            cell = np.asarray(cell, int)
            vector = (frac[j] + cell - frac[i]) @ lattice
            for sign in (1, -1):
                a, b = (i, j) if sign > 0 else (j, i)
                for key, value in zip(rows, (c, a, b, sign * cell, sign * vector, len(classes)), strict=True):
                    rows[key].append(value)
                orientation.append(sign)
            nu = rate * math.exp(BARRIER / KT0)
            classes.append(
                HopClass(
                    name=f"c{c}:{i}-{j}#{len(classes)}",
                    carrier=c,
                    distance=float(np.linalg.norm(vector)),
                    barrier_forward=BARRIER,
                    barrier_reverse=BARRIER - float(energy[c, j] - energy[c, i]),
                    barrier_stderr=None,
                    attempt_frequency=AttemptFrequency.constant(nu),
                    channels=1,
                    saddle_fraction=saddle_fraction,
                    source="test",
                )
            )
    n = len(orientation)
    network = HopNetwork(
        carrier=frozen_array(rows["carrier"], np.int64),
        origin=frozen_array(rows["origin"], np.int64),
        target=frozen_array(rows["target"], np.int64),
        cell=frozen_array(np.reshape(rows["cell"], (n, 3)), np.int64),
        vector=frozen_array(np.reshape(rows["vector"], (n, 3)), np.float64),
        hop_class=frozen_array(rows["hop_class"], np.int64),
        orientation=frozen_array(orientation, np.int64),
        reverse=frozen_array([h ^ 1 for h in range(n)], np.int64),
        operation=frozen_array([-1] * n, np.int64),
    )
    structure = Structure(
        lattice=frozen_array(lattice, float),
        periodic=frozen_array(periodic, bool),
        labels=labels,
        frac=frozen_array(frac, float),
        rotations=frozen_array(np.eye(3)[None], np.int64),
        translations=frozen_array(np.zeros((1, 3)), float),
        spacegroup="P1",
    )
    return Model(
        title="test network",
        references=(),
        structure=structure,
        supercell=tuple(int(s) for s in supercell),  # type: ignore[arg-type]
        carriers=tuple(
            Carrier(f"c{c}", charges[c], tuple(np.array(labels)[mask[c]]), counts[c])
            for c in range(n_carriers)
        ),
        site_energy=frozen_array(np.where(mask, energy, np.nan), float),
        hop_classes=tuple(classes),
        network=network,
        conditions=Conditions(
            frozen_array([T0], float), frozen_array([0.0], float), frozen_array([[1.0, 0, 0]], float), ("x",)
        ),
        sampling=Sampling(seed=1),
        source=InputSource("<test>", ""),
    )


def chain(rates: Sequence[float], *, a: float = 1.0, site_energy: object = None, **kw: object) -> Model:
    """Periodic chain along x: site i to i+1 with the given rates; site distance ``a`` Å."""
    n = len(rates)
    lattice = np.diag([n * a, 10.0, 10.0])
    frac = [[i / n, 0, 0] for i in range(n)]
    edges = [(i, (i + 1) % n, (1 if i == n - 1 else 0, 0, 0), r) for i, r in enumerate(rates)]
    kw.setdefault("periodic", (True, False, False))
    return make_model(lattice, frac, edges, site_energy=site_energy, **kw)  # type: ignore[arg-type]


LATTICES: dict[str, tuple[list, list, list]] = {
    # name: (lattice vectors, fractional sites, [(i, j, cell), ...]), each undirected bond once, bond length 1
    "square": ([[1, 0, 0], [0, 1, 0], [0, 0, 10]], [[0, 0, 0]], [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0))]),
    "sc": (
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 0]],
        [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0)), (0, 0, (0, 0, 1))],
    ),
    "bcc": (
        (np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / math.sqrt(3)).tolist(),
        [[0, 0, 0]],
        [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0)), (0, 0, (0, 0, 1)), (0, 0, (1, 1, 1))],
    ),
    "fcc": (
        (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / math.sqrt(2)).tolist(),
        [[0, 0, 0]],
        [(0, 0, c) for c in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1))],
    ),
    "honeycomb": (
        [[math.sqrt(3), 0, 0], [math.sqrt(3) / 2, 1.5, 0], [0, 0, 10]],
        [[0, 0, 0], [1 / 3, 1 / 3, 0]],
        [(0, 1, (0, 0, 0)), (0, 1, (-1, 0, 0)), (0, 1, (0, -1, 0))],
    ),
    "diamond": (
        (np.array([[0, 2, 2], [2, 0, 2], [2, 2, 0]]) / math.sqrt(3)).tolist(),
        [[0, 0, 0], [0.25, 0.25, 0.25]],
        [(0, 1, (0, 0, 0)), (0, 1, (-1, 0, 0)), (0, 1, (0, -1, 0)), (0, 1, (0, 0, -1))],
    ),
}


def lattice_gas(name: str, size: int, n_carriers: int, *, rate: float = 1.0, **kw: object) -> Model:
    """Hard-core lattice gas of ``n_carriers`` on ``size`` cells along each periodic axis, bond length 1 Å."""
    vectors, frac, bonds = LATTICES[name]
    flat = name in ("square", "honeycomb")
    return make_model(
        vectors,
        frac,
        [(i, j, c, rate) for i, j, c in bonds],
        counts=(n_carriers,),
        supercell=(size, size, 1 if flat else size),
        periodic=(True, True, not flat),
        **kw,  # type: ignore[arg-type]
    )


def excluding_species(**keys: Any) -> Model:
    """Ions and polarons of opposite charge on a ring without an inversion centre, each excluding the other.

    They have two orders, which no hop changes: answers that must agree.
    """
    ring = [(i, (i + 1) % 3, (1 if i == 2 else 0, 0, 0)) for i in range(3)]
    return make_model(
        np.diag([3.0, 10, 10]),
        [[i / 3, 0, 0] for i in range(3)],
        [[(i, j, c, 1.0 + 0.5 * i) for i, j, c in ring], [(i, j, c, 4.0) for i, j, c in ring]],
        counts=(1, 2),
        charges=(1.0, -1.0),
        supercell=(2, 1, 1),
        periodic=(True, False, False),
        site_energy=[[0, KT0, 0], [0, 0, 0.5 * KT0]],
        **keys,
    )
