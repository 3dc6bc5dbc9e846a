"""How long a large rate catalog takes: 100 hop classes and 10,000 sites, in 100 cells and all in one cell.

    python benchmarks/catalog.py

A square lattice whose columns carry 50 labels in turn; hops within a column and to the next one are a class each. Half
of the classes have fixed barriers, the others the rule kra.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from kmc_transport.input import load_model_text
from kmc_transport.model.model import HopNetwork, Model
from kmc_transport.rates import build_catalog
from kmc_transport.report import catalog_table
from kmc_transport.store import load_catalog, save_catalog

T = TypeVar("T")
LABELS = 50


def timed(what: str, call: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = call()
    print(f"{what:<42} {time.perf_counter() - start:7.3f} s")
    return result


def document() -> dict[str, object]:
    """Input with 2 sites of each label in the cell and 100 cells."""
    hops = []
    for k in range(LABELS):
        for other in (k, (k + 1) % LABELS):
            barrier = 0.3 + 0.001 * k if other == k else {"rule": "kra", "E_kra": 0.4 + 0.001 * k}
            hops.append(
                {
                    **{"carrier": "p", "between": [f"S{k}", f"S{other}"], "distance": 3.0},
                    **{"barrier": barrier, "attempt_frequency": "eyring"},
                }
            )
    sites = {f"S{i}": [[i / LABELS, 0, 0], [i / LABELS, 0.5, 0]] for i in range(LABELS)}
    return {
        "structure": {
            "lattice": {"a": 3.0 * LABELS, "b": 6.0, "c": 10.0},
            "periodic": [True, True, False],
            "sites": sites,
        },
        "supercell": [2, 50, 1],
        "carriers": {"p": {"charge": 1, "sites": list(sites), "count": 1}},
        "site_energies": {f"S{k}": 0.001 * (k % 7) for k in range(LABELS)},
        "hops": hops,
        "conditions": {"temperature": 300},
    }


def in_one_cell(model: Model) -> Model:
    """The supercell as one cell: every hop of it is in the network."""
    s, net, shape = model.structure, model.network, np.array(model.supercell)
    cells = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    n_cells, n_hops = len(cells), net.n_hops
    weights = np.array([shape[1] * shape[2], shape[2], 1])

    def tiled(values: np.ndarray) -> np.ndarray:
        return np.tile(values, (n_cells,) + (1,) * (values.ndim - 1))

    here = np.repeat(np.arange(n_cells), n_hops)
    there, wrapped = np.divmod(cells[here] + tiled(net.cell), shape)
    home = wrapped @ weights
    # the reverse of a hop starts in the cell where the hop ends
    network = HopNetwork(
        carrier=tiled(net.carrier),
        origin=tiled(net.origin) + here * s.n_sites,
        target=tiled(net.target) + home * s.n_sites,
        cell=there,
        vector=tiled(net.vector),
        hop_class=tiled(net.hop_class),
        orientation=tiled(net.orientation),
        reverse=tiled(net.reverse) + home * n_hops,
        operation=tiled(net.operation),
    )
    frac = ((s.frac[None] + cells[:, None]) / shape).reshape(-1, 3)
    structure = replace(s, lattice=s.lattice * shape[:, None], frac=frac, labels=s.labels * n_cells)
    return replace(
        model,
        structure=structure,
        supercell=(1, 1, 1),
        site_energy=np.tile(model.site_energy, n_cells),
        network=network,
    )


def main() -> None:
    text = json.dumps(document())
    model = timed("input text to model, symmetry included", lambda: load_model_text(text))
    for one in (model, in_one_cell(model)):
        hops = f"{one.network.n_hops} directed hops, {len(one.hop_classes)} classes"
        print(f"\n{one.n_cells} x {one.structure.n_sites} sites: {hops}")
        build = partial(build_catalog, one, temperature=300.0, field=[1e-3, 0, 0])
        catalog = timed("catalog in a field, checked", build)
        timed("table for printing", partial(catalog_table, catalog))
        with tempfile.TemporaryDirectory() as folder:
            for name in ("catalog.h5", "catalog.csv"):
                path = Path(folder, name)
                timed(f"{name}, written", partial(save_catalog, path, [catalog]))
                timed(f"{name}, read", partial(load_catalog, path))


if __name__ == "__main__":
    main()
