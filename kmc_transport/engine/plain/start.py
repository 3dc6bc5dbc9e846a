"""The engine of carriers without interactions."""

from __future__ import annotations

from ..backend import Backend, Start
from ..selection import expected_acceptance, pick_algorithm, pick_layout
from ..tables import build_tables
from .compiled import Compiled
from .scratch import WithoutInteractions

__all__ = ["Plain", "make_plain"]


class Plain(Compiled, WithoutInteractions):
    """State of one replica without interactions."""


def make_plain(start: Start) -> Backend:
    """Algorithm and layout as wished, or the fastest by a mean-field estimate."""
    tables = build_tables(start.catalog)
    carriers, annealing = start.place(tables)
    acceptance = expected_acceptance(start.catalog, tables)
    algorithm = pick_algorithm(start.algorithm, tables, acceptance)
    layout = pick_layout(start.layout, tables, algorithm)
    backend = Plain(tables, start, carriers, algorithm=algorithm, layout=layout)
    backend.acceptance_estimate, backend.annealing = acceptance, annealing
    return backend
