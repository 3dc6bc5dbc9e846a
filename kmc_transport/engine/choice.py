"""Which engine a model needs."""

from __future__ import annotations

from .backend import Backend, Start
from .plain.backend import make_plain

__all__ = ["make_backend"]


def make_backend(start: Start) -> Backend:
    """Carriers that interact, or sites that differ, need rates of the configuration; the others none of that.

    The interacting engine, which offers the sum tree as well, and that of absorbing chains are imported only where they
    are used.
    """
    model = start.catalog.model
    if start.algorithm == "absorbing":
        from .absorbing.backend import make_absorbing

        return make_absorbing(start)
    if start.algorithm == "sum_tree" or model.interactions or model.disorder or model.immobile:
        from .interacting.start import make_interacting

        return make_interacting(start)
    return make_plain(start)
