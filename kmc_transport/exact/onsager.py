"""Several species at once: Onsager matrix, transference numbers, diffusion of neutral formula units.

Plain functions of collective diffusivities, the same for exact ones and for estimates; leading axes (...) are free.
"""

from __future__ import annotations

import numpy as np

from ..ndarrays import FloatArray, IntArray

__all__ = ["jump_diffusivity", "onsager_matrix", "transference_numbers"]

ROUNDING = 1e-12


def onsager_matrix(collective: FloatArray, number: FloatArray, kt: float) -> FloatArray:
    """(..., S, 3, S, 3) V L_ab = <X_a X_b>/(2 kT t) from D_ab = <X_a X_b>/(2 sqrt(N_a N_b) t): the flux of species a
    is J_a = -sum_b L_ab grad(mu_b + q_b phi).

    collective : (..., S, 3, S, 3) Å²/s. number : (S,). kt : eV. In Å²/(s eV); 0 of species without
    carriers.
    """
    root = np.sqrt(np.asarray(number, float))
    weight = root[:, None, None, None] * root[:, None] / kt
    return np.asarray(np.where(weight > 0, collective * weight, 0.0))


def transference_numbers(onsager: FloatArray, charge: FloatArray, direction: FloatArray) -> FloatArray:
    """(..., n_directions, S) share of each species in the current in a weak field along unit vectors (n_directions, 3),
    all species in the field: t_a = e·(sum_b q_a q_b L_ab)·e / (the same summed over a). NaN where nothing conducts.

    May lie outside [0, 1] where species drag each other along; their sum is 1.
    """
    part = np.einsum("di,a,...aibj,b,dj->...da", direction, charge, onsager, charge, direction)
    total = part.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total != 0, part / total, np.nan))


def jump_diffusivity(
    onsager: FloatArray, charge: FloatArray, number: FloatArray, unit: IntArray, kt: float
) -> FloatArray:
    """(..., 3, 3) D_J = kT V Lambda/n of n formula units, which diffuse without current: j = -Lambda grad(mu_unit).

    The chemical diffusivity is the thermodynamic factor times it. For a single species D_J is the collective
    diffusivity D_aa; for two, Lambda = (L_aa - (L q)_a sigma^-1 (L q)_a)/u_a², which for charges +1 and -1 is
    (L_ii L_pp - L_ip²)/(L_ii + L_pp - 2 L_ip): the field that keeps the charges together is eliminated.

    onsager : V L_ab as `onsager_matrix` gives it. unit : as `model.formula.neutral_unit` gives it. In Å²/s.
    """
    there = np.flatnonzero(unit)
    a, q = int(there[0]), charge[there]
    mobility = onsager[..., a, :, a, :]
    if len(there) > 1:
        scale = np.abs(mobility).max(axis=(-2, -1), keepdims=True)
        pair = onsager[..., there, :, :, :][..., there, :]
        dragged = np.einsum("...ibj,b->...ij", pair[..., 0, :, :, :], q)
        current = np.einsum("a,...aibj,b->...ij", q, pair, q)
        field = np.linalg.pinv(current, rcond=ROUNDING, hermitian=True)
        mobility = mobility - dragged @ field @ dragged.swapaxes(-1, -2)
        mobility = np.where(np.abs(mobility) <= ROUNDING * scale, 0.0, mobility)
    units = float((number[there] / unit[there]).min())
    return np.asarray(mobility * (kt / (units * float(unit[a]) ** 2)))
