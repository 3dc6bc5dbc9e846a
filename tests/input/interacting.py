"""Interacting models for tests: input texts, and operations of the space group on configurations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from kmc_transport.errors import InputError, Problem
from kmc_transport.input import load_model_text
from kmc_transport.model import Model
from kmc_transport.model.symmetry import site_images
from tests.input.model_inputs import STRUCTURES, hop

K_B = 8.617333262145179e-05  # eV/K

LAYER = {  # two kinds of sites in a hexagonal cell: like the sodium and transition-metal layers of a layered oxide
    "spacegroup": "P-3m1",
    "lattice": {"a": 2.9, "c": 5.6},
    "sites": {"Na": [[0, 0, 0]], "M": [["1/3", "2/3", 0.48]]},
}

IONS_AND_POLARONS = """
format: 1
title: ions and polarons of opposite charge
structure:
  lattice: {a: 3, b: 3, c: 6}
  sites: {Na: [[0, 0, 0]], Mn: [[0.5, 0.5, 0.5]]}
supercell: [4, 4, 1]
carriers:
  ion: {charge: 1, sites: [Na], count: 4}
  polaron: {charge: -1, sites: [Mn], count: 3}
hops:
  - {carrier: ion, between: [Na, Na], distance: 3, barrier: {rule: kra, E_kra: 0.3 eV}, attempt_frequency: 5 THz}
  - {carrier: polaron, between: [Mn, Mn], distance: 3, barrier: {rule: kra, E_kra: 0.2 eV}, attempt_frequency: 9 THz}
interactions:
  coulomb: {permittivity: 20}
initial: annealed
conditions:
  temperature: [900]
  field: {along: [1, 0, 0], magnitude: 0}
"""


def kra(energy: float = 0.3) -> dict[str, Any]:
    return {"rule": "kra", "E_kra": energy}


ION = hop(["Na", "Na"], carrier="ion", distance=2.9, barrier=kra(), attempt_frequency=5e12)
POLARON = hop(["M", "M"], carrier="polaron", distance=2.9, barrier=kra(0.2))


def layers(
    supercell: list[int], ions: int, polarons: int, hops: list[dict[str, Any]], /, **keys: Any
) -> dict[str, Any]:
    """Ions on a triangular layer, polarons on the sites beside it; ``keys`` replace sections."""
    return {
        "structure": LAYER,
        "supercell": supercell,
        "carriers": {
            "ion": {"charge": 1, "sites": ["Na"], "count": ions},
            "polaron": {"charge": -1, "sites": ["M"], "count": polarons},
        },
        "hops": hops,
        "conditions": {"temperature": 300},
        **keys,
    }


def olivine(**keys: Any) -> dict[str, Any]:
    """Ions (+1) in channels and polarons (-1) beside them; ``keys`` replace sections."""
    return {
        "structure": STRUCTURES["olivine"],
        "supercell": [1, 2, 2],
        "carriers": {
            "ion": {"charge": 1, "sites": ["Li"], "count": 2},
            "polaron": {"charge": -1, "sites": ["Fe"], "count": 2},
        },
        "hops": [
            hop(["Li", "Li"], carrier="ion", distance=3.005, barrier=kra(0.25), attempt_frequency=5e12),
            hop(["Fe", "Fe"], carrier="polaron", distance=3.8716, barrier=kra(0.2), attempt_frequency=15e12),
        ],
        "conditions": {"temperature": 400},
        **keys,
    }


def chain(
    length: int, count: int, energy: float = 0.0, rule: dict[str, Any] | None = None, **keys: Any
) -> dict[str, Any]:
    """Ring of equal sites with an energy of nearest neighbours (eV)."""
    return {
        "structure": STRUCTURES["chain"],
        "supercell": [length, 1, 1],
        "carriers": {"p": {"charge": 1, "sites": ["A"], "count": count}},
        "hops": [hop(["A", "A"], distance=2.665, barrier=rule or kra())],
        "interactions": {"pairs": [{"between": ["p", "p"], "shell": 1, "energy": energy}]},
        "conditions": {"temperature": 300},
        **keys,
    }


def built(document: dict[str, Any]) -> Model:
    return load_model_text(json.dumps(document, ensure_ascii=False), "test.yaml")


def refused(document: dict[str, Any]) -> list[Problem]:
    """Problems of an input that must be refused."""
    try:
        built(document)
    except InputError as error:
        return list(error.problems)
    raise AssertionError("the input was accepted")


def random_occupation(model: Model, seed: int) -> np.ndarray:
    """(n_flat,) the model's carriers on random sites."""
    from kmc_transport.rates.balance import random_configuration

    occupation = random_configuration(model, np.random.default_rng(seed))
    assert occupation is not None
    return occupation


def flat_images(model: Model) -> np.ndarray:
    """(n_ops, n_flat) flat site that each operation of the space group takes a flat site to, in a supercell that the
    operations leave as it is."""
    s, size = model.structure, np.array(model.supercell)
    site, shift = site_images(s)
    cells = np.indices(model.supercell).reshape(3, -1).T
    rows = []
    for g, rotation in enumerate(s.rotations):
        home = (cells @ rotation.T)[:, None, :] + shift[g][None]
        number = np.ravel_multi_index(tuple(np.moveaxis(home % size, -1, 0)), model.supercell)
        rows.append((number * s.n_sites + site[g]).reshape(-1))
    return np.array(rows)


def turned(occupation: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The configuration after an operation."""
    result = np.zeros_like(occupation)
    result[image] = occupation
    return result
