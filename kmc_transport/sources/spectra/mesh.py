"""phonopy's mesh.yaml and mesh.hdf5, read without phonopy."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ...ndarrays import FloatArray
from ..cell import MOST_ATOMS
from ..records import Spectrum
from .freeze import HIGHEST_FREQUENCY, freeze_spectrum, highest_frequency, wrong
from .phonopy_files import open_hdf5
from .units import mesh_units

__all__ = ["read_mesh_hdf5", "read_mesh_yaml"]

_AGAIN = "write it again with phonopy (--mesh); it may be cut off"
_VECTOR = rb"\[\s*([^\],]+),\s*([^\],]+),\s*([^\],]+)\]"
_MESH = re.compile(rb"^mesh:\s*" + _VECTOR, re.M)
_N_QPOINT = re.compile(rb"^nqpoint:\s*(\d+)", re.M)
_N_ATOM = re.compile(rb"^natom:\s*(\d+)", re.M)
_LATTICE = re.compile(rb"^lattice:[^\n]*\n" + rb"[^\n]*\n".join([rb"\s*-\s*" + _VECTOR] * 3), re.M)
_ATOM = re.compile(rb"symbol:\s*([A-Za-z]+)[^\n]*\n\s*coordinates:\s*" + _VECTOR)
_MASS = re.compile(rb"^\s+mass:\s*(\S+)", re.M)
_LARGEST_HEADER = 1 << 22
_BLOCK = b"\n- q-position:"
_QPOINT = re.compile(_VECTOR)
_WEIGHT = re.compile(rb"^\s+weight:\s*(\S+)", re.M)
_FREQUENCY = re.compile(rb"frequency:[ \t]*(\S*)")

# phonopy ends with a new line; without one, the last number must have all its digits or the last list its bracket
_COMPLETE = re.compile(rb"(?:\n|\.\d{10}|\])\s*\Z")


def read_mesh_yaml(data: bytes, path: Path, file: str) -> Spectrum:
    """Spectrum of a mesh.yaml, given its content; units as the file or the phonopy yaml beside it says.

    A general YAML parser takes minutes for large meshes; phonopy's own layout is read line by line instead.

    Raises
    ------
    InputError : cut off, blocks of different length, header and content that disagree, unknown units.
    """
    starts = _positions(data, _BLOCK)
    header = data[: starts[0]] if starts else data[:_LARGEST_HEADER]
    mesh = _MESH.search(header)
    n_qpoint, n_atom = _N_QPOINT.search(header), _N_ATOM.search(header)
    missing = [k for k, m in (("mesh", mesh), ("nqpoint", n_qpoint), ("natom", n_atom)) if m is None]
    if mesh is None or n_qpoint is None or n_atom is None:
        raise wrong(file, f"mesh.yaml without {', '.join(missing)}", _AGAIN)
    try:
        numbers = int(mesh[1]), int(mesh[2]), int(mesh[3])
        n_q, n_atoms = int(n_qpoint[1]), int(n_atom[1])
    except ValueError as error:
        raise wrong(
            file, "mesh, nqpoint or natom are no whole numbers", _AGAIN, value=str(mesh[0][:80])
        ) from error
    if not (0 < n_atoms <= MOST_ATOMS and min(numbers) > 0 and n_q > 0):
        raise wrong(
            file, "mesh, nqpoint or natom are not sound", _AGAIN, value=f"{numbers}, {n_q}, {n_atoms}"[:120]
        )
    if len(starts) != n_q:
        raise wrong(file, f"{n_q} q-points are announced, {len(starts)} are there", _AGAIN)
    if 3 * n_atoms * n_q > len(data):
        raise wrong(file, f"{n_atoms} atoms are announced, which the file is too short for", _AGAIN)
    frequency = np.empty((n_q, 3 * n_atoms))
    weight, qpoint = np.empty(n_q), np.empty((n_q, 3))
    for i, (a, b) in enumerate(zip(starts, [*starts[1:], len(data)], strict=True)):
        block = data[a:b]
        modes = _FREQUENCY.findall(block)
        w, q = _WEIGHT.search(block), _QPOINT.search(block)
        try:
            if w is None or q is None or len(modes) != 3 * n_atoms:
                raise ValueError(f"{len(modes)} of {3 * n_atoms} frequencies")
            frequency[i] = [float(m) for m in modes]
            weight[i], qpoint[i] = float(w[1]), [float(g) for g in q.groups()]
        except ValueError as error:
            raise wrong(
                file, f"q-point {i + 1} of {n_q} is not complete", _AGAIN, line=data.count(b"\n", 0, a) + 2
            ) from error
    if not _COMPLETE.search(data[-256:]):
        raise wrong(file, "ends in the middle of a number", _AGAIN)
    cell = _lattice(header)
    units = mesh_units(path, header.decode(errors="replace"), cell, _atoms(header))
    masses = [m for x in _MASS.findall(header) if (m := _float(x)) > 0]
    return freeze_spectrum(
        frequency * units.to_thz,
        file=file,
        source=f"{file} (mesh.yaml of phonopy)",
        weight=weight,
        qpoint=qpoint,
        mesh=numbers,
        cell=None if cell is None else cell * units.to_angstrom,
        n_atoms=n_atoms,
        highest=min(HIGHEST_FREQUENCY, highest_frequency(min(masses, default=1.0))),
        notes=units.notes,
    )


def _float(word: bytes) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _lattice(header: bytes) -> FloatArray | None:
    found = _LATTICE.search(header)
    if found is None:
        return None
    cell = np.array([_float(g) for g in found.groups()]).reshape(3, 3)
    return cell if np.isfinite(cell).all() and abs(np.linalg.det(cell)) > 1e-6 else None


def _atoms(header: bytes) -> list[tuple[str, FloatArray]]:
    found = [
        (s.decode(errors="replace"), np.array([_float(x) for x in r])) for s, *r in _ATOM.findall(header)
    ]
    return found if all(np.isfinite(r).all() for _, r in found) else []


def _positions(data: bytes, word: bytes) -> list[int]:
    found, at = [], data.find(word)
    while at >= 0:
        found.append(at)
        at = data.find(word, at + 1)
    return found


def read_mesh_hdf5(path: Path, file: str) -> Spectrum:
    """Spectrum of a mesh.hdf5; eigenvectors and velocities in it are not read.

    Raises
    ------
    InputError : cut off, another file of phonopy, arrays that do not fit together.
    """
    names = ("mesh", "qpoint", "weight", "frequency")
    with open_hdf5(path, "a mesh.hdf5 of phonopy") as get:
        mesh, qpoint, weight, frequency = found = [get(k) for k in names]
    if missing := [k for k, array in zip(names, found, strict=True) if array is None]:
        raise wrong(
            file,
            f"is not a mesh.hdf5 of phonopy: no {', '.join(missing)}",
            "give a mesh.hdf5, or the phonopy_params.yaml / phonopy_disp.yaml of the calculation",
        )
    if any(np.asarray(a).dtype.kind not in "iuf" for a in found):
        raise wrong(file, "mesh, qpoint, weight and frequency are not all numbers", _AGAIN)
    shapes = [np.ndim(mesh), np.ndim(qpoint), np.ndim(weight), np.ndim(frequency)]
    if shapes != [1, 2, 1, 2] or len(mesh) != 3:
        raise wrong(file, "mesh, qpoint, weight and frequency have other shapes than phonopy's", _AGAIN)
    if not np.isfinite(mesh).all() or not (np.abs(mesh) < 1e6).all():
        raise wrong(file, "the mesh is not sound", _AGAIN, value=str(mesh)[:80])
    units = mesh_units(path, "", None, [])
    n_modes = frequency.shape[1]
    whole = n_modes % 3 == 0
    note = f"{file}: {n_modes} modes are no multiple of three, so the number of atoms is not known"
    return freeze_spectrum(
        frequency * units.to_thz,
        file=file,
        source=f"{file} (mesh.hdf5 of phonopy)",
        weight=weight,
        qpoint=qpoint,
        mesh=(int(mesh[0]), int(mesh[1]), int(mesh[2])),
        n_atoms=n_modes // 3 if whole else None,
        notes=units.notes if whole else (*units.notes, note),
    )
