"""The rate catalog: every directed hop at one temperature and field, frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.model import Model
from ..ndarrays import BoolArray, FloatArray
from ..rules import get_rule

__all__ = ["RateCatalog"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RateCatalog:
    """Rates of all directed hops of the cell (order of ``model.network``) at one temperature and field.

    Attributes (n_hops = model.network.n_hops)
    ----------
    temperature : K. field : (3,) internal macroscopic field, V/Å, Cartesian.
    rate : (n_hops,) 1/s, channels included. log_rate : its natural logarithm (no underflow).
    barrier : (n_hops,) without field, eV. effective_barrier : (n_hops,) with field and clamp, eV.
    attempt_frequency : (n_hops,) Hz, ``slowing`` included.
    saddle_dipole : (n_hops, 3) p_S - p_i, e·Å.
    saddle_work : (n_hops,) W_S, eV. work : (n_hops,) W of the whole hop, eV.
    clamped : (n_hops,) whether the effective barrier was clamped.
    slowing : (n_hops,) factor on the rate, of a model whose fast carriers are slowed (``model.slowing``); else 1.
    classical : (n_hops,) whether the work is that of the classical picture, a diagnostic outside the loop rule.
    """

    model: Model
    temperature: float
    field: FloatArray
    rate: FloatArray
    log_rate: FloatArray
    barrier: FloatArray
    effective_barrier: FloatArray
    attempt_frequency: FloatArray
    saddle_dipole: FloatArray
    saddle_work: FloatArray
    work: FloatArray
    clamped: BoolArray
    slowing: FloatArray

    @property
    def classical(self) -> BoolArray:
        kinds = np.array([c.response == "classical" for c in self.model.hop_classes])
        return np.asarray(kinds[self.model.network.hop_class])

    @property
    def linear_response_error(self) -> FloatArray:
        """(n_hops,) estimated error of the barrier's change linear in the field, eV.

        Of a sinusoidal barrier with W the work over the whole hop, the exact barrier is E0 - W_S + W²/(2 pi² E0) + ...
        At most W_S itself; 0 for rules in which the field acts through the energies of the ends.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            error = self.work**2 / (2 * np.pi**2 * self.barrier)
        error = np.where(self.work == 0, 0.0, np.minimum(error, np.abs(self.saddle_work)))
        linear = np.array([get_rule(c.rule).takes_saddle_dipole for c in self.model.hop_classes])
        return np.where(linear[self.model.network.hop_class], error, 0.0)
