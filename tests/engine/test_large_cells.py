"""Symmetry of cells with many sites: the tree that finds the nearest site agrees with trying all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kmc_transport.input import load_model_text
from kmc_transport.model import symmetry
from tests.input.model_inputs import document, hop


@pytest.mark.parametrize("periodic", [[True, True, True], [True, True, False]])
def test_the_tree_finds_the_same_images(periodic: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    n = 4
    grid = [[i / n, j / n, k / n + 0.1] for i in range(n) for j in range(n) for k in range(n)]
    structure = {"lattice": {"a": 8.0, "b": 8.0, "c": 8.8}, "periodic": periodic, "sites": {"A": grid}}
    text = json.dumps(document(structure, [hop(distance=2.0)], supercell=[2, 2, 2 if periodic[2] else 1]))
    found = []
    for many in (10**6, 10):
        monkeypatch.setattr(symmetry, "_MANY", many)
        found.append(load_model_text(text))
    first, second = found
    assert len(first.structure.rotations) > n**2
    np.testing.assert_array_equal(first.structure.translations, second.structure.translations)
    for name in ("origin", "target", "cell", "operation"):
        np.testing.assert_array_equal(getattr(first.network, name), getattr(second.network, name))
    assert len(first.hop_classes) == len(second.hop_classes)
    tree = symmetry.site_images(first.structure)
    monkeypatch.setattr(symmetry, "_MANY", 10**6)
    for mine, other in zip(tree, symmetry.site_images(first.structure), strict=True):
        np.testing.assert_array_equal(mine, other)
