"""Coulomb potential between the sites of a periodic supercell: Ewald's sum, tin-foil boundary, any cell, any tensor.

A unit charge in a medium of relative permittivity tensor e has the potential k/sqrt(det e) / sqrt(r e^-1 r), with
k = 1/(4 pi epsilon_0): that of an isotropic medium in coordinates scaled by e^-1/2 (Landau & Lifshitz,
Electrodynamics of Continuous Media, section 13). In these coordinates, with cell volume V and splitting parameter a,

    phi(r) = sum_n erfc(a|r + n|)/|r + n| + 4 pi/V sum_{G != 0} exp(-G²/4a²)/G² cos(G.r) - pi/(a² V)

(Ewald, Ann. Phys. 369, 253 (1921); de Leeuw, Perram, Smith, Proc. R. Soc. A 373, 27 (1980), conducting boundary).
Leaving out G = 0 neutralises each charge with a homogeneous background; with the last term phi averages to zero
over the cell and does not depend on a. At r = 0 the term n = 0 is -2a/sqrt(pi) instead.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..ndarrays import FloatArray, IntArray
from ..units import ANGSTROM, E_CHARGE

__all__ = ["COULOMB", "distances", "ewald_potential", "ewald_terms", "scaled_lattice", "splitting"]

EPSILON_0 = 8.8541878188e-12  # F/m, CODATA 2022
COULOMB = E_CHARGE / (4 * math.pi * EPSILON_0 * ANGSTROM)
"""e²/(4 pi epsilon_0) = 14.3996 eV Å."""
_BLOCK = 2_000_000
"""Numbers held at a time by the sum in real space."""


def scaled_lattice(lattice: npt.ArrayLike, permittivity: npt.ArrayLike) -> tuple[FloatArray, float]:
    """Cell vectors (rows) in coordinates in which the medium is a vacuum, and the factor of 1/r in eV Å."""
    values, axes = np.linalg.eigh(np.asarray(permittivity, float))
    root = (axes / np.sqrt(values)) @ axes.T
    return np.asarray(lattice, float) @ root, COULOMB / math.sqrt(float(np.prod(values)))


def distances(lattice: npt.ArrayLike, permittivity: npt.ArrayLike, frac: npt.ArrayLike) -> FloatArray:
    """(n,) potential k/sqrt(det e)/sqrt(r e^-1 r) of a unit charge without images, eV/e², at fractional vectors."""
    cell, factor = scaled_lattice(lattice, permittivity)
    return np.asarray(factor / np.linalg.norm(np.asarray(frac, float) @ cell, axis=-1))


def splitting(cell: FloatArray, size: IntArray) -> float:
    """Splitting parameter (1/Å, scaled) that makes both sums of a pair of sites about equally long."""
    volume = abs(float(np.linalg.det(cell)))
    return math.sqrt(math.pi) / (volume * math.sqrt(float(np.prod(size)))) ** (1 / 3)


def _reaches(
    cell: FloatArray, size: IntArray, accuracy: float, a: float
) -> tuple[float, FloatArray, FloatArray]:
    """How far the sum in real space reaches (scaled Å), rows of the supercell's reciprocal lattice, and the most waves
    along each of them."""
    # erfc(x) and exp(-x²) below the wanted accuracy; one more for the number of terms
    x = math.sqrt(math.log(COULOMB / min(accuracy, 1e-3))) + 1.0
    reciprocal = 2 * math.pi * np.linalg.inv(cell).T / size[:, None]
    return x / a, reciprocal, np.floor(2 * a * x * np.linalg.norm(np.linalg.inv(reciprocal), axis=0) + 1e-9)


def ewald_terms(
    lattice: npt.ArrayLike, supercell: tuple[int, int, int], permittivity: npt.ArrayLike, accuracy: float
) -> float:
    """Terms that `ewald_potential` adds up for a pair of sites: many where the medium sees a flat or long cell."""
    size = np.array(supercell)
    cell, _ = scaled_lattice(lattice, permittivity)
    real_reach, _, most = _reaches(cell, size, accuracy, splitting(cell, size))
    images = 2 * real_reach * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1
    return float(np.prod(2 * most + 1) + np.prod(images))


def ewald_potential(
    lattice: npt.ArrayLike,
    frac: npt.ArrayLike,
    supercell: tuple[int, int, int],
    permittivity: npt.ArrayLike,
    *,
    accuracy: float = 1e-10,
    splitting_factor: float = 1.0,
) -> FloatArray:
    """(n, n, L1, L2, L3) eV/e²: potential at site [1] of cell (i, j, k) due to a unit charge at site [0] of cell 0,
    its images and its neutralising background; at its own place that of images and background alone.

    Parameters
    ----------
    lattice : (3, 3) rows, Å. frac : (n, 3) sites. permittivity : (3, 3) relative, symmetric, positive.
    accuracy : error of the potential at permittivity 1, eV/e². splitting_factor : multiplies the splitting
        parameter, on which the answer does not depend.

    Pairs of sites share one grid of cells: the sum over G is folded onto it and Fourier transformed, the sum in real
    space runs over cell translations, so that the cost for each pair grows as the root of the supercell's volume.
    """
    from scipy.fft import fftn

    frac = np.asarray(frac, float)
    size = np.array(supercell)
    cell, factor = scaled_lattice(lattice, permittivity)
    a = splitting_factor * splitting(cell, size)
    volume = abs(float(np.linalg.det(cell))) * float(np.prod(size))
    real_reach, reciprocal, most = _reaches(cell, size, accuracy, a)
    wave_reach = 2 * a * (real_reach * a)
    steps = [np.arange(-m, m + 1) for m in most.astype(int)]
    waves = (
        steps[0][:, None, None, None] * reciprocal[0]
        + steps[1][None, :, None, None] * reciprocal[1]
        + steps[2][None, None, :, None] * reciprocal[2]
    )
    square = np.einsum("...i,...i->...", waves, waves)
    del waves
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 4 * math.pi / volume * np.exp(-square / (4 * a * a)) / square
    weight[(square > wave_reach**2) | (square == 0)] = 0.0
    fold = [s % n for s, n in zip(steps, size, strict=True)]
    grid_places = (fold[0][:, None, None] * size[1] + fold[1][None, :, None]) * size[2] + fold[2][
        None, None, :
    ]
    flat_places = grid_places.reshape(-1)
    n_cells = int(np.prod(size))

    result = np.empty((len(frac), len(frac), *supercell))
    done: dict[tuple[float, ...], FloatArray] = {}
    for s in range(len(frac)):
        for t in range(s, len(frac)):
            apart = frac[t] - frac[s]
            key = tuple(np.round(apart, 12).tolist())  # pairs of equal vector share their potential
            if key not in done:
                # the transform's exp(-2 pi i m.n/L) is the wave at cell -n; cosines do not mind if the phase goes along
                phase = [
                    np.exp(-2j * math.pi * step * d / n)
                    for step, d, n in zip(steps, apart, size, strict=True)
                ]
                terms = (weight * phase[0][:, None, None] * phase[1][None, :, None] * phase[2]).reshape(-1)
                folded = np.bincount(flat_places, terms.real, n_cells) + 1j * np.bincount(
                    flat_places, terms.imag, n_cells
                )
                phi = np.ascontiguousarray(fftn(folded.reshape(supercell)).real)
                _add_real_space(phi, cell, apart, a, real_reach, size)
                done[key] = factor * (phi - math.pi / (a * a * volume))
            result[s, t] = done[key]
            if s != t:  # potential at s in cell n is that at t in cell -n
                result[t, s] = np.roll(np.flip(done[key], (0, 1, 2)), 1, (0, 1, 2))
    return result


def _add_real_space(
    phi: FloatArray, cell: FloatArray, apart: FloatArray, a: float, reach: float, size: IntArray
) -> None:
    """Add erfc(a r)/r of all cell translations within ``reach`` to the cells that they fold onto."""
    from scipy.special import erfc

    extent = reach * np.linalg.norm(np.linalg.inv(cell), axis=0)
    low = np.ceil(-extent - apart - 1e-9).astype(int)
    high = np.floor(extent - apart + 1e-9).astype(int)
    second, third = np.arange(low[1], high[1] + 1), np.arange(low[2], high[2] + 1)
    plane = np.stack(np.meshgrid(second, third, indexing="ij"), axis=-1).reshape(-1, 2)
    columns = (plane[:, 0] % size[1]) * size[2] + plane[:, 1] % size[2]
    base = (plane + apart[1:]) @ cell[1:]
    rows = max(1, _BLOCK // max(1, len(plane)))
    flat = phi.reshape(size[0], -1)
    for start in range(low[0], high[0] + 1, rows):
        first = np.arange(start, min(start + rows, high[0] + 1))
        r = np.linalg.norm(base[None] + (first + apart[0])[:, None, None] * cell[0], axis=2)
        own = r < 1e-9
        with np.errstate(divide="ignore", invalid="ignore"):
            term = erfc(a * r) / r
        term[r > reach] = 0.0
        term[own] = -2 * a / math.sqrt(math.pi)
        place = (first % size[0])[:, None] * flat.shape[1] + columns
        np.add(
            flat.reshape(-1),
            np.bincount(place.reshape(-1), term.reshape(-1), flat.size),
            out=flat.reshape(-1),
        )
