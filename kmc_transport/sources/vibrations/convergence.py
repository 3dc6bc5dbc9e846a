"""How an attempt frequency converges with the q-mesh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import numpy as np

from ...errors import InputError
from ..records import Spectrum
from .prefactors import koettgen, zero_point_difference
from .prepare import ACOUSTIC_LIMIT, prepare_pair

__all__ = ["ConvergenceRow", "convergence_table", "sub_mesh"]

Mesh = tuple[int, int, int]
Source = Spectrum | Callable[[Mesh], Spectrum]

DEFAULT_MESHES: tuple[Mesh, ...] = ((1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4))


@dataclass(frozen=True)
class ConvergenceRow:
    """One mesh: attempt frequency in Hz, dZPE in eV, and the change from the mesh before, relative (None first)."""

    mesh: Mesh
    attempt_frequency: float
    zero_point_difference: float
    change: float | None


def convergence_table(
    initial: Source,
    saddle: Source,
    temperature: float,
    *,
    meshes: Sequence[Sequence[int]] | None = None,
    form: str = "full",
    imaginary: str = "raise",
    floor: float | None = None,
    reaction_mode: str = "remove",
    acoustic_limit: float = ACOUSTIC_LIMIT,
) -> tuple[ConvergenceRow, ...]:
    """Koettgen's attempt frequency for ever denser meshes, the same for both states.

    initial, saddle : functions from a mesh to its spectrum, such as ``lambda m: read_spectrum(file, mesh=m)``; or
        spectra on a Gamma-centred mesh, of which the meshes contained in it are taken.
    meshes : default 1, 2, 3, 4 along each axis for functions; for spectra all that both contain.

    Raises
    ------
    InputError : as `prepare_pair`, or a mesh that a given spectrum does not contain.
    """
    given = [s for s in (initial, saddle) if isinstance(s, Spectrum)]
    if meshes is not None:
        wanted = [_mesh(m) for m in meshes]
    elif given:
        common = set.intersection(*({*_contained(s)} for s in given))
        wanted = sorted(common, key=lambda m: (prod(m), m))
    else:
        wanted = list(DEFAULT_MESHES)
    if not wanted:
        raise InputError(
            "no mesh is contained in the spectra of both states",
            key="meshes",
            remedy="sample them on a Gamma-centred mesh, or give functions that compute one",
        )
    values = []
    for mesh in wanted:
        a, b = (sub_mesh(s, mesh) if isinstance(s, Spectrum) else s(mesh) for s in (initial, saddle))
        pair = prepare_pair(
            a,
            b,
            imaginary=imaginary,
            floor=floor,
            reaction_mode=reaction_mode,
            acoustic_limit=acoustic_limit,
        )
        values.append((koettgen(pair, temperature, form), zero_point_difference(pair.initial, pair.saddle)))
    changes = [None, *(b[0] / a[0] - 1 for a, b in pairwise(values))]
    return tuple(
        ConvergenceRow(mesh, nu, zpe, change)
        for mesh, (nu, zpe), change in zip(wanted, values, changes, strict=True)
    )


def sub_mesh(spectrum: Spectrum, mesh: Sequence[int]) -> Spectrum:
    """The part of a Gamma-centred mesh that is itself one, such as 2 x 2 x 2 of 4 x 4 x 4.

    Points that symmetry represents by others are kept with their weights; where the smaller mesh breaks that symmetry
    its weights do not add up, and it is refused.

    Raises
    ------
    InputError : the mesh is not contained.
    """
    wanted, full = _mesh(mesh), spectrum.mesh
    if full is None or spectrum.qpoint is None:
        raise InputError(
            "a plain list of frequencies has no mesh", key="mesh", value=list(mesh), remedy="give a mesh.hdf5"
        )
    if wanted == full:
        return spectrum
    address = spectrum.qpoint * np.array(wanted)
    inside = np.flatnonzero(np.abs(address - np.rint(address)).max(axis=1) < 1e-4)
    divides = all(n % m == 0 for n, m in zip(full, wanted, strict=True))
    share = float(spectrum.weight[inside].sum()) * prod(full)
    if not divides or abs(share - prod(wanted)) > 1e-6 * prod(full):
        raise InputError(
            f"the mesh {' x '.join(map(str, full))} does not contain this one",
            key="mesh",
            value=list(wanted),
            allowed="divisors of the mesh, Gamma-centred, with its symmetry",
            remedy="compute it with phonopy from the force constants",
        )
    weight = spectrum.weight[inside] / spectrum.weight[inside].sum()
    qpoint, frequency = spectrum.qpoint[inside], spectrum.frequency[inside]
    gamma = np.flatnonzero(np.abs(qpoint - np.rint(qpoint)).max(axis=1) < 1e-6)
    for array in (weight, qpoint, frequency):
        array.setflags(write=False)
    return replace(
        spectrum,
        frequency=frequency,
        weight=weight,
        qpoint=qpoint,
        mesh=wanted,
        gamma=int(gamma[0]) if len(gamma) else None,
        source=f"{spectrum.source}, part {' x '.join(map(str, wanted))}",
    )


def _mesh(mesh: Sequence[int]) -> Mesh:
    if len(mesh) != 3 or any(int(m) != m or m < 1 for m in mesh):
        raise InputError(
            "is not a mesh",
            key="mesh",
            value=list(mesh),
            allowed="three integers >= 1",
            remedy="give e.g. [4, 4, 4]",
        )
    return int(mesh[0]), int(mesh[1]), int(mesh[2])


def _contained(spectrum: Spectrum) -> list[Mesh]:
    """Meshes with the same number of parts along every axis that lie in the spectrum's."""
    if spectrum.mesh is None:
        return []
    found = []
    for parts in range(max(spectrum.mesh), 0, -1):
        if all(n % parts == 0 for n in spectrum.mesh):
            mesh = _mesh([n // parts for n in spectrum.mesh])
            try:
                sub_mesh(spectrum, mesh)
            except InputError:
                continue
            found.append(mesh)
    return found
