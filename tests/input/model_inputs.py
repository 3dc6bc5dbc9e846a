"""Inputs for tests: texts made of Python dictionaries (JSON is YAML)."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np

from kmc_transport.input import load_model_text
from kmc_transport.model import Model

STRUCTURES = {
    "rock salt": {
        "spacegroup": "Fm-3m",
        "lattice": {"a": 4.165},
        "sites": {"Mg": [[0, 0, 0]], "O": [[0.5, 0.5, 0.5]]},
    },
    "rutile": {
        "spacegroup": "P4_2/mnm",
        "lattice": {"a": 4.594, "c": 2.959},
        "sites": {"Ti": [[0, 0, 0]], "O": [[0.3053, 0.3053, 0]]},
    },
    "perovskite": {
        "spacegroup": "Pm-3m",
        "lattice": {"a": 3.905},
        "sites": {"Sr": [[0.5, 0.5, 0.5]], "Ti": [[0, 0, 0]], "O": [[0.5, 0, 0]]},
    },
    "honeycomb": {
        "lattice": {"a": 2.46, "b": 2.46, "gamma": 120},
        "periodic": [True, True, False],
        "sites": {"C": [["1/3", "2/3", 0], ["2/3", "1/3", 0]]},
    },
    "diamond": {"spacegroup": "Fd-3m", "lattice": {"a": 5.43}, "sites": {"Si": [["1/8", "1/8", "1/8"]]}},
    "chain": {"lattice": {"a": 2.665}, "periodic": [True, False, False], "sites": {"A": [[0, 0, 0]]}},
    "olivine": {
        "spacegroup": "Pnma",
        "lattice": {"a": 10.33, "b": 6.01, "c": 4.70},
        "sites": {"Li": [[0, 0, 0]], "Fe": [[0.282, 0.25, 0.975]]},
    },
    "polar chain": {  # nothing turns a hop between the two A into its reverse
        "lattice": {"a": 10.0},
        "periodic": [True, False, False],
        "sites": {"A": [[0, 0, 0], [0.3, 0, 0]], "B": [[0.45, 0, 0]]},
    },
    "two sites": {  # a chain A B A B with all distances equal
        "lattice": {"a": 6.0},
        "periodic": [True, False, False],
        "sites": {"A": [[0, 0, 0]], "B": [[0.5, 0, 0]]},
    },
}


def hop(between=("A", "A"), **keys):
    """A hop entry with plain numbers; ``keys`` add to or replace them (None removes)."""
    entry = {"carrier": "p", "between": list(between), "barrier": 0.3, "attempt_frequency": 1e13, **keys}
    return {k: v for k, v in entry.items() if v is not None}


def document(structure, hops, **keys):
    """An input with one carrier `p` on all labels that the hops name."""
    structure = STRUCTURES[structure] if isinstance(structure, str) else structure
    labels = list(dict.fromkeys(label for h in hops for label in h["between"]))
    periodic = structure.get("periodic", [True] * 3)
    return {
        "structure": deepcopy(structure),
        "supercell": [8 if p else 1 for p in periodic],
        "carriers": {"p": {"charge": 1, "sites": labels, "count": 1}},
        "hops": hops,
        "conditions": {"temperature": 300},
        **keys,
    }


def load(structure, hops, **keys) -> Model:
    """Model of `document`, with the invariants of every network checked."""
    model = load_model_text(json.dumps(document(structure, hops, **keys), ensure_ascii=False))
    check_network(model)
    return model


def check_network(model: Model) -> None:
    """What every consumer of a network may rely on."""
    n, s = model.network, model.structure
    h = np.arange(n.n_hops)
    r = n.reverse
    np.testing.assert_array_equal(r[r], h)
    assert np.all(r != h)
    np.testing.assert_array_equal(n.hop_class[r], n.hop_class)
    np.testing.assert_array_equal(n.carrier[r], n.carrier)
    np.testing.assert_array_equal(n.orientation[r], -n.orientation)
    np.testing.assert_array_equal(n.origin[r], n.target)
    np.testing.assert_array_equal(n.cell[r], -n.cell)
    np.testing.assert_array_equal(n.vector[r], -n.vector)
    np.testing.assert_allclose(
        model.site_vectors, (s.frac[n.target] + n.cell - s.frac[n.origin]) @ s.lattice, atol=1e-9
    )
    assert not n.cell[:, ~s.periodic].any()
    keys = {tuple(row) for row in np.c_[n.hop_class, n.origin, n.target, n.cell]}
    assert len(keys) == n.n_hops
    assert set(n.hop_class) == set(range(len(model.hop_classes)))
    assert len({c.name for c in model.hop_classes}) == len(model.hop_classes)
    for k, c in enumerate(model.hop_classes):
        mine = n.hop_class == k
        np.testing.assert_array_equal(n.carrier[mine], c.carrier)
        forward = h[mine & (n.orientation == 1)]
        energy = model.site_energy[c.carrier]
        step = energy[n.target[forward]] - energy[n.origin[forward]]
        if c.rule == "fixed":
            np.testing.assert_allclose(c.barrier_forward - c.barrier_reverse, step, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(model.site_vectors[forward[0]]), c.distance)
    for array in (n.origin, n.target, n.vector, n.reverse, s.frac, s.rotations, model.site_energy):
        assert not array.flags.writeable
    allowed = model.allowed_sites
    assert np.all(allowed[n.carrier, n.origin])
    np.testing.assert_array_equal(np.isnan(model.site_energy), ~allowed)


def brute_force(model: Model, origin: str, target: str, low: float, high: float):
    """Set of (origin, target, cell) by going through all sites of a block of cells."""
    s = model.structure
    reach = [np.arange(-4, 5) if p else np.arange(1) for p in s.periodic]
    cells = np.array([(a, b, c) for a in reach[0] for b in reach[1] for c in reach[2]])
    found = set()
    for i, first in enumerate(s.labels):
        for j, second in enumerate(s.labels):
            if first == origin and second == target:
                d = np.linalg.norm((s.frac[j] + cells - s.frac[i]) @ s.lattice, axis=1)
                inside = (d >= low - 1e-9) & (d <= high + 1e-9) & (d > 1e-6)
                found |= {(i, j, tuple(c)) for c in cells[inside].tolist()}
    return found
