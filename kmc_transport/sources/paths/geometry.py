"""Follows the atoms of a path from image to image: cell boundaries, order of atoms and images, rigid drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ndarrays import FloatArray
from ..common import RawPath, fail

__all__ = ["Geometry", "follow", "refuse_unequal_images"]

_DRIFT = 0.05  # Å, reported from here on
_FEW = 8  # with fewer atoms there is no bulk far from the migrating one
_LONG_STEP = 0.7  # Å between images: from here on an exchange of two atoms is looked for
_CELL = 0.01  # Å
_FARTHEST = 1e6  # Å


@dataclass(kw_only=True)
class Geometry:
    """Atoms followed along the path.

    positions : (n, n_atoms, 3) Å, relative to the bulk. coordinate : (n,) Å along the path.
    tangent : (n, n_atoms, 3) unit vectors along the path, from the neighbouring images.
    drift : (n, 3) rigid displacement of the bulk that was subtracted, Å.
    """

    positions: FloatArray
    coordinate: FloatArray
    tangent: FloatArray
    drift: FloatArray
    notes: list[str]


def follow(raw: RawPath, highest: int, migrating_atom: int | None) -> Geometry:
    """Positions of each atom continued across the boundary, relative to the bulk; distance along the path.

    Each atom is put on the periodic image nearest to where it was in the image before. The median displacement
    of the atoms far from the migrating one is the rigid drift of the cell, and is subtracted.

    Raises
    ------
    InputError : atoms exchanged between images, images equal or out of order, image and atom named.
    """
    assert raw.positions is not None
    assert raw.symbols is not None
    notes: list[str] = []
    positions = _unwrap(raw, notes)
    _refuse_exchanged_atoms(raw, positions)
    drift = _drift(raw, positions, highest, migrating_atom, notes)
    aligned = positions - drift[:, None, :]
    # a small drift stays in the length of the path, so that it is the one the code itself works with
    large = float(np.linalg.norm(drift, axis=1).max()) > _DRIFT
    measured = aligned if large else positions
    steps = np.linalg.norm(np.diff(measured, axis=0).reshape(len(positions) - 1, -1), axis=1)
    for i, step in enumerate(steps):
        if step < 1e-6:
            raise fail(
                raw.file,
                f"{raw.labels[i]} and {raw.labels[i + 1]} have the same positions",
                "remove the doubled image, or give the folder of the finished calculation",
            )
    _refuse_turning_back(raw, measured, steps)
    return Geometry(
        positions=aligned,
        coordinate=np.concatenate([[0.0], np.cumsum(steps)]),
        tangent=_tangents(measured),
        drift=drift,
        notes=notes,
    )


def _tangents(positions: FloatArray) -> FloatArray:
    """Central differences, one-sided at the ends, as ASE's ``fit_images``."""
    tangent = np.empty_like(positions)
    tangent[1:-1] = positions[2:] - positions[:-2]
    tangent[0], tangent[-1] = positions[1] - positions[0], positions[-1] - positions[-2]
    return tangent / np.linalg.norm(tangent, axis=(1, 2), keepdims=True)


def _unwrap(raw: RawPath, notes: list[str]) -> FloatArray:
    positions = np.array(raw.positions, dtype=float)
    if raw.cell is None or not any(raw.periodic):
        return positions
    inverse = np.linalg.inv(raw.cell)
    crossed, uncertain = set(), {}
    for i in range(1, len(positions)):
        fraction = (positions[i] - positions[i - 1]) @ inverse
        whole = np.where(raw.periodic, np.round(fraction), 0.0)
        positions[i] -= whole @ raw.cell
        crossed |= set(np.flatnonzero(whole.any(axis=1)).tolist())
        left = np.abs(np.where(raw.periodic, fraction - whole, 0.0)).max(axis=1)
        for far in np.flatnonzero(left > 0.45):
            uncertain[int(far)] = i
    assert raw.symbols is not None
    if crossed:
        names = _names(sorted(crossed), raw.symbols[0])
        notes.append(f"jump of more than half the cell, followed across the cell boundary: {names}")
    for atom, i in sorted(uncertain.items())[:3]:
        notes.append(
            f"atom {atom} ({raw.symbols[0][atom]}, counted from 0) moves nearly half the cell between "
            f"{raw.labels[i - 1]} and {raw.labels[i]}: its way round is a guess"
        )
    return positions


def _names(atoms: list[int], symbols: tuple[str, ...]) -> str:
    if len(atoms) > 4:
        return f"{len(atoms)} atoms"
    return f"atom{'s' if len(atoms) > 1 else ''} " + ", ".join(f"{a} ({symbols[a]})" for a in atoms)


def _refuse_exchanged_atoms(raw: RawPath, positions: FloatArray) -> None:
    """Atoms of a kind that stand in each other's place in the next image, in a ring: the order differs."""
    assert raw.symbols is not None
    symbols = np.array(raw.symbols[0])
    for i in range(1, len(positions)):
        step = np.linalg.norm(positions[i] - positions[i - 1], axis=1)
        long = np.flatnonzero(step > _LONG_STEP)
        place_of = {}
        for a in long:
            others = long[(symbols[long] == symbols[a]) & (long != a)]
            if others.size:
                apart = _shortest(raw, positions[i][a] - positions[i - 1][others])
                if apart.min() < 0.3 * step[a]:
                    place_of[int(a)] = int(others[np.argmin(apart)])
        if ring := _ring(place_of):
            raise fail(
                raw.file,
                f"{_names(ring, raw.symbols[0])} have changed places between {raw.labels[i - 1]} and "
                f"{raw.labels[i]}: the order of the atoms differs",
                "write all images with the atoms in the same order",
            )


def _ring(follows: dict[int, int]) -> list[int]:
    """A closed ring in a map from atoms to atoms, or an empty list."""
    for start in follows:
        seen, at = [start], follows[start]
        while at in follows and at not in seen:
            seen.append(at)
            at = follows[at]
        if at == start:
            return sorted(seen)
    return []


def _shortest(raw: RawPath, vectors: FloatArray) -> FloatArray:
    """Lengths of the shortest periodic images of vectors (n, 3)."""
    if raw.cell is not None and any(raw.periodic):
        fraction = vectors @ np.linalg.inv(raw.cell)
        vectors = vectors - np.where(raw.periodic, np.round(fraction), 0.0) @ raw.cell
    return np.linalg.norm(vectors, axis=1)


def _drift(
    raw: RawPath, positions: FloatArray, highest: int, migrating_atom: int | None, notes: list[str]
) -> FloatArray:
    """(n, 3) rigid displacement of the bulk of each image from the first, Å."""
    n_atoms = positions.shape[1]
    if raw.cell is None or not any(raw.periodic) or n_atoms < _FEW:
        return np.zeros((len(positions), 3))
    moved = positions - positions[0]
    if migrating_atom is None:
        relative = moved[highest] - np.median(moved[highest], axis=0)
        migrating_atom = int(np.argmax(np.linalg.norm(relative, axis=1)))
    distance = _shortest(raw, positions[0] - positions[0][migrating_atom])
    far = np.argsort(distance, kind="stable")[n_atoms // 2 :]
    drift = np.median(moved[:, far], axis=1)
    largest = float(np.linalg.norm(drift, axis=1).max())
    if largest > _DRIFT:
        notes.append(
            f"the whole cell drifts by up to {largest:.3f} Å along the path: displacements are relative to the "
            f"{len(far)} atoms farthest from the migrating one"
        )
    return drift


def _refuse_turning_back(raw: RawPath, positions: FloatArray, steps: FloatArray) -> None:
    """A path that reverses at an image has images out of order (or is no path)."""
    d = np.diff(positions, axis=0).reshape(len(steps), -1)
    for i in range(1, len(steps)):
        if min(steps[i - 1], steps[i]) < 0.1 * steps.mean():
            continue
        if float(d[i - 1] @ d[i]) < -0.5 * steps[i - 1] * steps[i]:
            raise fail(
                raw.file,
                f"the path turns back at {raw.labels[i]}: the images are out of order or belong to other paths",
                "number the images from the start to the end of the hop",
            )


def flat(cell: FloatArray) -> bool:
    """Whether three vectors span no volume; vectors of zero are those along which nothing repeats."""
    return bool(cell.any(axis=1).all() and abs(np.linalg.det(cell)) < 1e-3)


def refuse_unequal_images(raw: RawPath, positions: list[FloatArray], cells: list[FloatArray]) -> None:
    """Error naming the first image and atom that differ from the first image in number, element or cell."""
    assert raw.symbols is not None
    first = raw.symbols[0]
    for label, symbols, place in zip(raw.labels, raw.symbols, positions, strict=True):
        if len(symbols) != len(first) or len(place) != len(first):
            raise fail(
                raw.file,
                f"{label} has {len(symbols)} atoms, {raw.labels[0]} has {len(first)}",
                "give images of one and the same cell",
            )
        for atom, (a, b) in enumerate(zip(first, symbols, strict=True)):
            if a != b:
                raise fail(
                    raw.file,
                    f"atom {atom} (counted from 0) is {b} in {label} but {a} in {raw.labels[0]}",
                    "write all images with the atoms in the same order",
                )
        if not np.isfinite(place).all() or np.abs(place).max() > _FARTHEST:
            raise fail(raw.file, f"{label} has positions that are not sound numbers", "repeat this image")
    for label, cell in zip(raw.labels, cells, strict=True):
        if not np.isfinite(cell).all() or np.abs(cell).max() > _FARTHEST or flat(cell):
            raise fail(raw.file, f"the cell of {label} is no cell", "repeat this image", value=cell.tolist())
        difference = float(np.abs(cell - cells[0]).max())
        if difference > _CELL:
            raise fail(
                raw.file,
                f"the cell of {label} differs from that of {raw.labels[0]} by {difference:.3f} Å",
                "a path with a changing cell cannot be read: give images of one fixed cell",
            )
