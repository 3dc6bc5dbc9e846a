"""Vineyard's and Koettgen's attempt frequencies and the zero-point energy of a barrier.

Sources: G. H. Vineyard, J. Phys. Chem. Solids 3, 121 (1957); J. Koettgen et al., Phys. Chem. Chem. Phys. 19, 9957
(2017); M. Lei and I. I. Abate (NaMn3O7), eqs 6 and 7.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import InputError
from ...ndarrays import FloatArray
from ...units import K_B, H
from .modes import ModePair, Modes

__all__ = [
    "FORMS",
    "exp_checked",
    "eyring",
    "koettgen",
    "log_koettgen",
    "log_vineyard",
    "vineyard",
    "zero_point_difference",
]

_THZ = 1e12
FORMS = ("full", "approximate")


def zero_point_difference(initial: Modes, saddle: Modes) -> float:
    """``(h/2) (<sum nu_saddle> - <sum nu_initial>)``, eV: what zero-point motion adds to a bare barrier."""
    return 0.5 * H * _THZ * (_sum(saddle.frequency, saddle) - _sum(initial.frequency, initial))


def eyring(temperature: float) -> float:
    """``kT/h``, Hz."""
    return K_B * _checked(temperature) / H


def log_vineyard(pair: ModePair, points: str = "gamma") -> float:
    """Logarithm of `vineyard` in Hz."""
    if points not in ("gamma", "mesh"):
        raise InputError(
            "no such choice",
            key="points",
            value=points,
            allowed="gamma, mesh",
            remedy="take the Gamma modes or the mean over the mesh",
        )
    if points == "mesh":
        return (
            math.log(_THZ)
            + _sum(np.log(pair.initial.frequency), pair.initial)
            - _sum(np.log(pair.saddle.frequency), pair.saddle)
        )
    start, top = (m.frequency[m.at_gamma] for m in (pair.initial, pair.saddle))
    if len(start) != len(top) + 1:
        none = not len(start) and not len(top)
        raise InputError(
            "Vineyard's formula needs the modes at Gamma, one more in the initial state",
            value="no Gamma point in the mesh" if none else f"{len(start)} and {len(top)} modes",
            remedy="sample a Gamma-centred mesh, such as [1, 1, 1]",
        )
    return math.log(_THZ) + float(np.log(start).sum() - np.log(top).sum())


def vineyard(pair: ModePair, points: str = "gamma") -> float:
    """``prod nu_initial / prod nu_saddle``, Hz, from the Gamma modes, or as geometric mean over the ``mesh``.

    Raises
    ------
    InputError : no Gamma point where it is needed.
    """
    return exp_checked(log_vineyard(pair, points), "at any temperature")


def log_koettgen(pair: ModePair, temperature: float, form: str = "full") -> float:
    """Logarithm of `koettgen` in Hz; finite at any temperature."""
    if form not in FORMS:
        raise InputError(
            "no such form",
            key="form",
            value=form,
            allowed=", ".join(FORMS),
            remedy="full is eq 6, approximate is eq 7 of Lei & Abate",
        )
    kt = K_B * _checked(temperature)
    result = math.log(kt / H) + _log_bose(pair.initial, kt) - _log_bose(pair.saddle, kt)
    if form == "full":
        # ln(2 sinh(x/2)) = x/2 + ln(1 - exp(-x)): the halves of x are the zero-point energies
        result -= zero_point_difference(pair.initial, pair.saddle) / kt
    return result


def koettgen(pair: ModePair, temperature: float, form: str = "full") -> float:
    """Attempt frequency of Koettgen, Hz.

    ``(kT/h) exp{sum_q w_q sum_i g(x_qi) - sum_m w_m sum_j g(x_mj)}``, ``x = h nu/kT``, i over the initial state's
    modes, j over the saddle's, one fewer (Lei & Abate).

    form : ``full``, eq 6, ``g = ln(2 sinh(x/2))``, belongs to a bare barrier; ``approximate``, eq 7,
        ``g = ln(1 - exp(-x))``, to a barrier with its zero-point difference:
        ``full / approximate = exp(-dZPE/kT)``. See `check_zero_point`.

    Raises
    ------
    InputError : the temperature is not > 0, or the result is no float (very low temperature; take `log_koettgen`).
    """
    return exp_checked(log_koettgen(pair, temperature, form), f"at {temperature:g} K")


def _log_bose(modes: Modes, kt: float) -> float:
    """``sum w ln(1 - exp(-h nu/kT))``; neither small nor large arguments lose digits."""
    x = modes.frequency * (H * _THZ / kt)
    np.negative(x, out=x)
    np.expm1(x, out=x)
    np.negative(x, out=x)
    return _sum(np.log(x, out=x), modes)


def _sum(values: FloatArray, modes: Modes) -> float:
    return float(np.dot(values, modes.weight))


def _checked(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise InputError(
            "the temperature is not usable",
            key="temperature",
            value=temperature,
            allowed="> 0 K",
            remedy="give it in kelvin",
        )
    return float(temperature)


def exp_checked(log_value: float, where: str) -> float:
    """``exp`` of the logarithm of a frequency, with an error instead of infinity or zero."""
    if abs(log_value) > 700:
        raise InputError(
            f"the attempt frequency cannot be written as a number {where}",
            value=f"exp({log_value:.6g}) Hz",
            remedy="work with its logarithm, or raise the temperature",
        )
    return math.exp(log_value)
