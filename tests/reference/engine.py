"""The reference engine: every algorithm in plain Python, some thousand times slower, for tests of the kernels."""

from dataclasses import replace

from kmc_transport.engine.backend import Backend, Start
from kmc_transport.engine.interacting.coupling import couple
from kmc_transport.engine.tables import build_tables

from .absorbing import AbsorbingReference
from .interacting import InteractingReference
from .plain import Reference, Xoshiro

__all__ = ["InteractingReference", "Reference", "Xoshiro", "make_reference"]


def make_reference(start: Start) -> Backend:
    """As `make_backend`; the algorithm must be given."""
    model = start.catalog.model
    if start.algorithm == "absorbing":
        coupling = replace(couple(start.catalog), codes=None, code_rate=None)
        carriers, _ = start.place(coupling.tables)
        stays = AbsorbingReference(coupling, start, carriers)
        stays.energy_drift()
        return stays
    if start.algorithm == "sum_tree" or model.interactions is not None or model.disorder is not None:
        coupling = couple(start.catalog)
        carriers, _ = start.place(coupling.tables)
        backend = InteractingReference(coupling, start, carriers, algorithm=start.algorithm)
        backend.energy_drift()
        return backend
    tables = build_tables(start.catalog)
    carriers, _ = start.place(tables)
    return Reference(tables, start, carriers, algorithm=start.algorithm)
