"""Carriers that cannot pass each other: their tracer diffusivity is that of the ring, and table and file say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmc_transport import open_results, run
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model_text
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.report.result_notes import result_notes

FILE = """
format: 1
title: ions in channels along b, polarons in layers
structure:
  lattice: {a: 4.2, b: 3, c: 5.5}
  sites: {Li: [[0, 0, 0]], Fe: [[0.5, 0.5, 0.5]]}
supercell: [1, 6, 2]
carriers:
  ion: {charge: 1, sites: [Li], count: 6}
  polaron: {charge: -1, sites: [Fe], count: 4}
hops:
  - {carrier: ion, between: [Li, Li], distance: 3, barrier: 0.2 eV, attempt_frequency: 5 THz}
  - {carrier: polaron, between: [Fe, Fe], distance: 3, barrier: 0.2 eV, attempt_frequency: 9 THz}
  - {carrier: polaron, between: [Fe, Fe], distance: 5.5, barrier: 0.2 eV, attempt_frequency: 9 THz}
initial: {networks: equal}
conditions: {temperature: 600, field: {along: [0, 1, 0], magnitude: 0}}
sampling: {events: 20000, replicas: 2, seed: 1}
"""


def test_table_and_file_say_so(tmp_path: Path) -> None:
    run(load_model_text(FILE), output=tmp_path / "file.h5", workers=1)
    data = open_results(tmp_path / "file.h5")
    assert data["single_file_length"].values == pytest.approx([18e-10, 0])
    notes = " ".join(result_notes({str(n): v.values for n, v in data.variables.items()}, 0))
    assert "carriers ion cannot pass each other in channels that close into rings of 18 Å" in notes
    assert "fall as 1/length" in notes
    assert "carriers polaron" not in notes
    free = FILE.replace("distance: 3, barrier", "distance: [3, 5.5], barrier", 1).replace(
        "[1, 6, 2]", "[2, 6, 2]"
    )
    free = free.replace("initial: {networks: equal}", "")
    assert "single_file_length" not in run(load_model_text(free), workers=1).variables


def ring(cells: int) -> Model:
    """Half full."""
    ions = FILE.replace("[1, 6, 2]", f"[1, {cells}, 1]").replace("count: 6", f"count: {cells // 2}")
    return load_model_text("\n".join(x for x in ions.splitlines() if "polaron" not in x))


def test_what_the_note_says_is_so() -> None:
    """Exactly: D* L as good as constant in rings twice as long, D collective not falling with 1/L."""
    tracer, collective = [], []
    for cells in (4, 8):
        exact = solve_exact(build_catalog(ring(cells), temperature=600.0), tracer=True)
        d = float(exact.collective_diffusivity[0, 1, 0, 1])
        assert exact.tracer_diffusivity is not None
        assert exact.tracer_diffusivity[0, 1, 1] == pytest.approx(2 * d / cells, rel=1e-9)
        tracer.append(float(exact.tracer_diffusivity[0, 1, 1]))
        collective.append(d)
    # what a full site next door does in so small a ring: (cells - N)/(cells - 1)
    assert collective[1] / collective[0] == pytest.approx((4 / 7) / (2 / 3), rel=1e-9)
    assert tracer[1] / tracer[0] == pytest.approx((4 / 7) / (2 / 3) / 2, rel=1e-9)
