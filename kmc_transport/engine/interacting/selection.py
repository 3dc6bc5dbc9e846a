"""Which algorithm suits carriers that interact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..pace import Pace, ShouldStop, Stopped, never
from ..plain.kernels import BATCH
from ..selection import ALGORITHMS
from .backend import Interacting
from .coupling import Coupling
from .scratch import Scratch

__all__ = ["pick_interacting"]

WORTHWHILE_INTERACTING = 0.05
"""Null events are taken above this share of executed attempts (docs/development/performance.md)."""

PILOT_ATTEMPTS = 2_000_000
"""Null events tried out at most; 30 a carrier where these are fewer."""


def pick_interacting(
    wanted: str,
    coupling: Coupling,
    cell: npt.NDArray[np.int64] | None = None,
    kind: npt.NDArray[np.int64] | None = None,
    seed: np.random.SeedSequence | None = None,
    *,
    acceptance: float | None = None,
    should_stop: ShouldStop = never,
) -> tuple[str, float]:
    """Algorithm for carriers that interact, and the share of null-event attempts that are executed.

    That share is found from the rates of the configuration, and where it is not hopeless, from a run of null events
    that begins there and is thrown away; the second half of it counts.
    Raises ValueError for an unknown algorithm, Stopped when told to.
    """
    if wanted not in ("auto", *ALGORITHMS):
        raise ValueError(f"algorithm must be auto or one of {ALGORITHMS}, not {wanted!r}")
    t = coupling.tables
    weight = float(t.number @ t.bound)
    if acceptance is None and (cell is None or kind is None or wanted != "auto" or not weight):
        return ("null_event" if wanted == "auto" else wanted), float("nan")
    if acceptance is None:
        assert cell is not None
        assert kind is not None
        acceptance = float(Scratch(coupling, cell, kind).open_rates().sum()) / weight
        if acceptance >= WORTHWHILE_INTERACTING and seed is not None:
            words = np.asarray(seed.generate_state(4, np.uint64), np.uint64)
            pilot = Interacting(coupling, algorithm="null_event", levels=0, cell=cell, kind=kind, words=words)
            half = min(15 * len(cell), PILOT_ATTEMPTS // 2)
            pilot.configure(half / weight, 1)
            _attempt(pilot, half, should_stop)
            acceptance = _attempt(pilot, half, should_stop) / half
    return ("rejection_free" if acceptance < WORTHWHILE_INTERACTING else "null_event"), acceptance


def _attempt(pilot: Interacting, attempts: int, should_stop: ShouldStop) -> float:
    """One sample of so many attempts; the executed ones among them."""
    pace, rows = Pace(), None
    while attempts:
        if should_stop():
            raise Stopped
        part = min(attempts, pace.work // BATCH * BATCH)
        pace.start()
        attempts -= part
        rows = pilot.run(1, np.array([part]), goes_on=attempts > 0)
        pace.end(part)
    return 0.0 if rows is None else float(rows.events.sum())
