"""The engine of carriers that interact, made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..backend import PILOT, Backend, Carriers, Start, child_seed
from ..pace import Pace, Stopped
from ..plain.kernels import BATCH
from ..selection import ALGORITHMS, pick_layout
from .backend import Interacting
from .coupling import Coupling, couple
from .scratch import Scratch
from .selection import WORTHWHILE_INTERACTING, faster

__all__ = ["make_interacting", "pick_interacting"]

SMALL = 1_000_000
"""Sites up to which the energy at the start is counted; above, when it is first asked for."""

PILOT_ATTEMPTS = 2_000_000
"""Null events tried out at most; 30 a carrier where these are fewer."""


def make_interacting(start: Start) -> Backend:
    """Algorithm as wished, or the one that a pilot run speaks for."""
    coupling = couple(start.catalog)
    carriers, annealing = start.place(coupling.tables)
    pick_layout(start.layout, coupling.tables, "rejection_free")  # refuses an unknown one; there is no choice
    algorithm, acceptance = pick_interacting(coupling, start, carriers)
    backend = Interacting(coupling, start, carriers, algorithm=algorithm)
    backend.acceptance_estimate, backend.annealing = acceptance, annealing
    if coupling.tables.n_sites <= SMALL:
        backend.energy_drift()
    return backend


def pick_interacting(coupling: Coupling, start: Start, carriers: Carriers) -> tuple[str, float]:
    """Algorithm for carriers that interact, and the share of null-event attempts that are executed.

    That share is found from the rates of the configuration, and where it is not hopeless, from a run of null events
    that begins there and is thrown away; the second half of it counts.
    Raises ValueError for an unknown algorithm, Stopped when told to.
    """
    wanted = start.algorithm
    if wanted not in ("auto", *ALGORITHMS):
        raise ValueError(f"algorithm must be auto or one of {ALGORITHMS}, not {wanted!r}")
    t = coupling.tables
    weight = float(t.number @ t.bound)
    if wanted != "auto" or not weight:
        return ("null_event" if wanted == "auto" else wanted), float("nan")
    acceptance = float(Scratch(coupling, *carriers).open_rates().sum()) / weight
    if acceptance >= WORTHWHILE_INTERACTING:
        words = np.asarray(child_seed(start.seed, PILOT).generate_state(4, np.uint64), np.uint64)
        pilot = Interacting(coupling, replace(start, levels=0), carriers, algorithm="null_event", words=words)
        half = min(15 * len(carriers.cell), PILOT_ATTEMPTS // 2)
        pilot.configure(half / weight, 1)
        _attempt(pilot, half, start)
        acceptance = _attempt(pilot, half, start) / half
    return faster(acceptance), acceptance


def _attempt(pilot: Interacting, attempts: int, start: Start) -> float:
    """One sample of so many attempts; the executed ones among them."""
    pace, rows = Pace(), None
    while attempts:
        if start.should_stop():
            raise Stopped
        part = min(attempts, pace.work // BATCH * BATCH)
        pace.start()
        attempts -= part
        rows = pilot.execute(1, np.array([part]), goes_on=attempts > 0)
        pace.end(part)
    return 0.0 if rows is None else float(rows.events.sum())
