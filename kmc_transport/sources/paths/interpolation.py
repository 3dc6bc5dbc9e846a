"""The highest point between the images of a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ndarrays import FloatArray

__all__ = ["Top", "top_of_curve", "top_of_hermite", "top_of_spline"]


@dataclass(frozen=True)
class Top:
    """Where the interpolated energy is highest inside the path."""

    coordinate: float
    energy: float
    how: str


def _top(piecewise, coordinate: FloatArray, how: str) -> Top:  # type: ignore[no-untyped-def]
    """Maximum of a piecewise polynomial: its stationary points and its knots."""
    places = piecewise.derivative().roots(extrapolate=False)
    # a constant piece has all its points as roots, which scipy marks by nan
    places = np.concatenate([places[np.isfinite(places)], coordinate])
    energies = piecewise(places)
    best = int(np.argmax(energies))
    return Top(float(places[best]), float(energies[best]), how)


def top_of_spline(coordinate: FloatArray, energy: FloatArray) -> Top:
    """Of the cubic spline through the images with zero slope at both ends, as pymatgen's ``NEBAnalysis``."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(coordinate, energy, bc_type="clamped")
    return _top(spline, coordinate, "cubic spline through the images, zero slope at both ends")


def top_of_hermite(
    coordinate: FloatArray, energy: FloatArray, slope: FloatArray, *, flat_ends: bool = False
) -> Top:
    """Of the cubic between neighbouring images from energies and slopes, as ASE's ``fit_images`` and neb.x.

    Henkelman & Jónsson, J. Chem. Phys. 113, 9978 (2000), appendix. ``slope``: dE/ds, eV per unit of coordinate.
    """
    from scipy.interpolate import CubicHermiteSpline

    slope = np.array(slope, dtype=float)
    if flat_ends:
        slope[[0, -1]] = 0.0
    how = "cubic Hermite from energies and forces along the path"
    return _top(CubicHermiteSpline(coordinate, energy, slope), coordinate, how)


def top_of_curve(curve: FloatArray) -> Top:
    """Of a finely sampled curve (m, 2): parabola through the highest point and its neighbours."""
    x, y = curve.T
    k = int(np.argmax(y))
    how = "interpolation by the code"
    if 0 < k < len(x) - 1:
        a, b, _ = np.polyfit(x[k - 1 : k + 2] - x[k], y[k - 1 : k + 2] - y[k], 2)
        if a < 0:
            shift = -b / (2 * a)
            return Top(float(x[k] + shift), float(y[k] - b * b / (4 * a)), how)
    return Top(float(x[k]), float(y[k]), how)
