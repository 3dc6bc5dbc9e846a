"""Which algorithm and memory layout suit a case."""

from __future__ import annotations

import numpy as np

from ..rates.catalog import RateCatalog
from ..units import K_B
from .plain.layouts import CARRIER_BYTES, fits_bits, is_plain, n_links
from .tables import Tables, build_tables

__all__ = [
    "ALGORITHMS",
    "LAYOUTS",
    "expected_acceptance",
    "expected_hop_rate",
    "pick_algorithm",
    "pick_layout",
]

ALGORITHMS = ("null_event", "rejection_free", "sum_tree")
LAYOUTS = ("table", "bitset")

WORTHWHILE_ACCEPTANCE = 0.06
"""Null events are taken above this share of executed attempts: an attempt costs 0.035 to 0.10 of a rejection-free
hop at all sizes and concentrations measured (docs/development/performance.md)."""

TABLE_BYTES, PLAIN_TABLE_BYTES = 900_000, 2_700_000
"""Up to so many bytes of neighbour table and carriers the table is faster than arithmetic (docs/development/
performance.md); the latter for the simpler kernel (`is_plain`), whose loads overlap better."""


def expected_acceptance(catalog: RateCatalog, tables: Tables) -> float:
    """Mean-field estimate of the share of null-event attempts that execute a hop; nan without any rate.

    Each species is spread over its basis sites by ``exp(-site energy/kT)``, and targets are taken to be occupied
    at random.
    """
    weight = float(tables.number @ tables.bound)
    return _hop_rate(catalog, tables) / weight if weight else float("nan")


def expected_hop_rate(catalog: RateCatalog) -> float:
    """Mean-field estimate of the executed hops per second of all carriers; to choose a sample interval by."""
    return _hop_rate(catalog, build_tables(catalog))


def _hop_rate(catalog: RateCatalog, tables: Tables) -> float:
    t, kt = tables, K_B * catalog.temperature
    energy = np.asarray(t.model.site_energy)[t.type_species, t.basis_site[t.type_basis]]
    share = np.zeros(t.n_types)
    for s in range(t.n_species):
        own = t.type_species == s
        p = np.exp(-(energy[own] - energy[own].min()) / kt)
        share[own] = t.number[s] * p / p.sum()
    occupied = np.minimum(np.bincount(t.type_basis, share, t.n_basis) / t.n_cells, 1.0)
    origin = np.repeat(np.arange(t.n_types), t.width)
    free = np.where(t.to_itself, 1.0, 1.0 - occupied[t.type_basis[t.target_type]])
    return float(np.sum(share[origin] * t.rate * free))


def pick_algorithm(wanted: str, tables: Tables, acceptance: float) -> str:
    """``wanted``, or for ``auto`` null events where enough attempts succeed. Raises ValueError when unknown."""
    if wanted == "auto":
        return "rejection_free" if acceptance < WORTHWHILE_ACCEPTANCE else "null_event"
    if wanted not in ALGORITHMS:
        raise ValueError(f"algorithm must be auto or one of {ALGORITHMS}, not {wanted!r}")
    return wanted


def pick_layout(wanted: str, tables: Tables, algorithm: str) -> str:
    """``wanted``, or for ``auto`` the faster one at this size. Raises ValueError when it cannot be had."""
    if wanted not in ("auto", *LAYOUTS):
        raise ValueError(f"layout must be auto or one of {LAYOUTS}, not {wanted!r}")
    if algorithm == "rejection_free":
        return "table"
    if wanted == "bitset" and not fits_bits(tables):
        raise ValueError("the supercell is too large in one direction for the bit-set layout")
    if wanted == "auto":
        size = 4 * tables.n_sites * n_links(tables) + CARRIER_BYTES * int(tables.number.sum())
        small = size <= (PLAIN_TABLE_BYTES if is_plain(tables) else TABLE_BYTES)
        return "table" if small or not fits_bits(tables) else "bitset"
    return wanted
