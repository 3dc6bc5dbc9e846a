"""The rate catalog: every directed hop at one temperature and field, checked, frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..model.model import Model, frozen_array
from ..units import K_B, H
from .checks import check_catalog
from .field import effective_barrier, saddle_dipole

__all__ = ["RateCatalog", "build_catalog"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RateCatalog:
    """Rates of all directed hops of the cell (order of ``model.network``) at one temperature and field.

    Attributes (n_hops = model.network.n_hops)
    ----------
    temperature : K. field : (3,) internal macroscopic field, V/Å, Cartesian.
    rate : (n_hops,) 1/s, channels included. log_rate : its natural logarithm (no underflow).
    barrier : (n_hops,) without field, eV. effective_barrier : (n_hops,) with field and clamp, eV.
    attempt_frequency : (n_hops,) Hz.
    saddle_dipole : (n_hops, 3) p_S - p_i, e·Å.
    saddle_work : (n_hops,) W_S, eV. work : (n_hops,) W of the whole hop, eV.
    clamped : (n_hops,) whether the effective barrier was clamped.
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
    clamped: npt.NDArray[np.bool_]


def build_catalog(model: Model, *, temperature: float, field: npt.ArrayLike = (0.0, 0.0, 0.0)) -> RateCatalog:
    """Catalog of ``model`` at one temperature and field, checked for detailed balance and the loop rule.

    Parameters
    ----------
    temperature : K, > 0.
    field : (3,) Cartesian internal field, V/Å (1 V/m = 1e-10 V/Å).

    Rates are ``k = channels nu exp(-E/kT)``; the field enters by ``W = Q d.E`` for the whole hop and
    ``W_S = (p_S - p_i).E`` up to the saddle (Salles 2020, eq 2), clamped at strong field.

    Raises
    ------
    InputError
        When the temperature or the field is not usable.
    RateError
        When a rate breaks local detailed balance or the loop rule, or cannot be represented.
    """
    e_field = np.asarray(field, dtype=np.float64)
    if e_field.shape != (3,) or not np.isfinite(e_field).all():
        raise InputError(
            Problem(
                "the field is not a vector", "field", field, "three finite numbers, V/Å", "give [Ex, Ey, Ez]"
            )
        )
    if not 0 < temperature < np.inf:
        raise InputError(
            Problem("the temperature is not usable", "temperature", temperature, "> 0 K", "give it in kelvin")
        )
    net, classes = model.network, model.hop_classes
    kt = K_B * temperature
    forward = net.orientation > 0

    def per_hop(ahead: list[float], back: list[float]) -> FloatArray:
        return np.where(forward, np.array(ahead)[net.hop_class], np.array(back)[net.hop_class])

    barrier = per_hop([c.barrier_forward for c in classes], [c.barrier_reverse for c in classes])
    eyring = kt / H
    attempt = per_hop(
        [eyring if c.attempt_frequency_forward is None else c.attempt_frequency_forward for c in classes],
        [eyring if c.attempt_frequency_reverse is None else c.attempt_frequency_reverse for c in classes],
    )
    fraction = per_hop([c.saddle_fraction for c in classes], [1 - c.saddle_fraction for c in classes])
    channels = np.array([c.channels for c in classes], dtype=np.float64)[net.hop_class]
    charge = np.array([c.charge for c in model.carriers])[net.carrier]

    dipole = saddle_dipole(charge, net.vector, fraction)
    saddle_work = dipole @ e_field
    work = charge * (net.vector @ e_field)
    effective, clamped = effective_barrier(barrier, barrier[net.reverse], saddle_work, work)
    log_rate = np.log(attempt) + np.log(channels) - effective / kt
    with np.errstate(over="ignore", under="ignore"):
        rate = np.exp(log_rate)

    def keep(values: npt.ArrayLike) -> FloatArray:
        return frozen_array(values, np.float64)

    catalog = RateCatalog(
        model,
        float(temperature),
        keep(e_field),
        keep(rate),
        keep(log_rate),
        keep(barrier),
        keep(effective),
        keep(attempt),
        keep(dipole),
        keep(saddle_work),
        keep(work),
        frozen_array(clamped, np.bool_),
    )
    check_catalog(catalog)
    return catalog
