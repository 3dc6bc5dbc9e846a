"""A small sweep for tests: a chain with two carriers, points of some hundredths of a second."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from kmc_transport.input import load_model_text
from kmc_transport.model import Model

INPUT = """
format: 1
title: test sweep
structure:
  lattice: {a: 3.0, b: 10, c: 10}
  periodic: [true, false, false]
  cross_section: 100
  sites: {A: [[0, 0, 0]], B: [[0.5, 0, 0]]}
site_energies: {B: 20 meV}
supercell: [10, 1, 1]
carriers: {ion: {charge: 1, sites: [A, B], count: 1}}
hops:
  - {carrier: ion, between: [A, B], distance: 1.5, barrier: 0.3 eV, attempt_frequency: 5 THz}
conditions:
  temperature: [300, 350, 400, 450, 500, 550]
  field: {along: [1, 0, 0], magnitude: [0, 1e8]}
sampling: {events: 2000, seed: 3, replicas: 2}
"""
N_POINTS = 12


def sweep_model(text: str = INPUT) -> Model:
    return load_model_text(text)


def assert_same_table(a: Any, b: Any) -> None:
    """Bit for bit, but for what depends on the machine."""
    assert set(a.variables) == set(b.variables)
    for name in a.variables:
        if name != "wall_time":
            x, y = a[name].values, b[name].values
            assert x.dtype.kind == y.dtype.kind
            np.testing.assert_array_equal(x, y, err_msg=str(name))
            if x.dtype.kind == "f":
                assert x.tobytes() == y.tobytes() or np.isnan(x).any(), name


def points_of(folder: Path) -> dict[str, bytes]:
    """Finished points: key → everything that is stored of it, with the version that counts its replacements."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.glob("points*.sqlite")):
        with (
            suppress(sqlite3.OperationalError),  # its tables are not there yet
            closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=60)) as connection,
        ):
            rows = "SELECT p.*, t.digest FROM points p JOIN tallies t USING (key)"
            found |= {key: repr(row).encode() for key, *row in connection.execute(rows)}
    return found


def change_row(folder: Path, key: str, what: str, table: str = "points") -> None:
    """Damage or delete what is stored of a point; what : SQL that follows the table's name, as ``SET data = x''``."""
    for file in folder.glob("points*.sqlite"):
        with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
            if what == "DELETE":
                connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
            else:
                connection.execute(f"UPDATE {table} {what} WHERE key = ?", (key,))
