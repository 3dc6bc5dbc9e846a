"""The last step of every reader of phonons: check the numbers, then freeze them as a `Spectrum`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ..records import Spectrum

__all__ = ["HIGHEST_FREQUENCY", "freeze_spectrum", "highest_frequency", "wrong"]

HIGHEST_FREQUENCY = 150.0
"""THz; H2, the stiffest bond, vibrates at 132 THz. Above it the numbers have another unit."""


def wrong(
    file: str, message: str, remedy: str, *, value: object = None, allowed: str = "", line: int | None = None
) -> InputError:
    """Error about a file."""
    return InputError(message, key="", value=value, allowed=allowed, remedy=remedy, file=file, line=line)


def freeze_spectrum(
    frequency: npt.ArrayLike,
    *,
    file: str,
    source: str,
    weight: npt.ArrayLike = (1.0,),
    qpoint: npt.ArrayLike | None = None,
    mesh: tuple[int, int, int] | None = None,
    cell: npt.ArrayLike | None = None,
    n_atoms: int | None = None,
    without_acoustic: bool = False,
    highest: float = HIGHEST_FREQUENCY,
    notes: tuple[str, ...] = (),
) -> Spectrum:
    """Checked, read-only `Spectrum` with weights that sum to 1.

    frequency : (n_q, n_modes) THz. highest : THz, what these atoms can reach.
    weight : (n_q,) any positive scale; with ``mesh`` they must add up to its points.

    Raises
    ------
    InputError : numbers that are not finite, shapes or weights that do not fit, frequencies that are no THz.
    """
    nu = np.array(frequency, dtype=np.float64, order="C")
    w = np.array(weight, dtype=np.float64)
    q = None if qpoint is None else np.array(qpoint, dtype=np.float64)
    again = "write the file again; it may be cut off or mixed from two calculations"
    if nu.ndim != 2 or 0 in nu.shape:
        raise wrong(file, "holds no phonon frequencies", again, value=f"shape {nu.shape}")
    if w.shape != nu.shape[:1] or (q is not None and q.shape != (len(nu), 3)):
        shapes = f"{len(nu)} rows of frequencies, {len(w)} weights" + (
            "" if q is None else f", {len(q)} q-points"
        )
        raise wrong(file, "frequencies, weights and q-points do not fit together", again, value=shapes)
    if not (np.isfinite(nu).all() and np.isfinite(w).all() and (q is None or np.isfinite(q).all())):
        raise wrong(file, "holds numbers that are not finite", again)
    if (w <= 0).any():
        raise wrong(file, "has a q-point whose weight is not positive", again, value=float(w.min()))
    if mesh is not None and round(float(w.sum())) != int(np.prod(mesh)):
        points = " x ".join(map(str, mesh))
        raise wrong(
            file,
            f"the weights add up to {w.sum():g}, but a mesh of {points} has {int(np.prod(mesh))} points",
            again,
        )
    top = float(np.abs(nu).max())
    if top > highest:
        raise wrong(
            file,
            "frequencies are too high to be THz",
            "give THz: phonopy's own unit (run it without --factor), or a list with its unit named",
            value=f"up to {top:g}",
            allowed=f"below {highest:.4g} THz",
        )
    if n_atoms is not None and nu.shape[1] != 3 * n_atoms and not without_acoustic:
        raise wrong(
            file,
            f"{nu.shape[1]} modes per q-point do not fit {n_atoms} atoms",
            again,
            allowed=f"{3 * n_atoms}",
        )
    gamma = 0 if q is None else None
    if q is not None:
        at_gamma = np.flatnonzero(np.abs(q - np.rint(q)).max(axis=1) < 1e-6)
        if len(at_gamma) > 1:
            raise wrong(file, f"the Gamma point is there {len(at_gamma)} times", again)
        gamma = int(at_gamma[0]) if len(at_gamma) else None
    w /= w.sum()
    box = None if cell is None else np.array(cell, dtype=np.float64)
    for array in (nu, w, q, box):
        if array is not None:
            array.setflags(write=False)
    return Spectrum(
        frequency=nu,
        weight=w,
        qpoint=q,
        n_atoms=n_atoms,
        mesh=mesh,
        cell=box,
        gamma=gamma,
        without_acoustic=without_acoustic,
        source=source,
        notes=tuple(notes),
    )


def highest_frequency(lightest: float) -> float:
    """THz; what no bond of atoms of at least this mass (u) reaches: two of them on a spring of 2500 N/m (N2: 2300)."""
    return math.sqrt(2 * 2500.0 / (lightest * 1.66053907e-27)) / (2 * math.pi) / 1e12
