"""From the raw images of any code to a `MigrationPath`: order, atoms, saddle, barriers."""

from __future__ import annotations

import numpy as np

from ...ndarrays import FloatArray
from ..common import UNKNOWN, RawPath, fail
from ..records import MigrationPath
from .geometry import follow
from .interpolation import Top, top_of_curve, top_of_hermite, top_of_spline

__all__ = ["build_path"]

_HUGE = 1e15  # eV; nan is not below it
_LARGEST = 30.0  # eV; a larger barrier is a wrong unit or a mixed-up file
_DIFFERENCE = 0.020  # eV, and
_FORCE = 0.05  # eV/Å; the default of neb.x (path_thr); more of it left is no converged band by usual criteria
_SHARE = 0.10  # of the barrier: from here on two interpolations disagree


def build_path(
    raw: RawPath, *, migrating_atom: int | None = None, saddle_by_symmetry: bool = False
) -> MigrationPath:
    """Follow the atoms, find the highest point between the images and freeze the result.

    Raises
    ------
    InputError : no saddle inside the path, images out of order, atoms that do not match, a wrong number of images.
    """
    energy = np.array(raw.energy, dtype=float)
    _check_energies(raw, energy, saddle_by_symmetry)
    notes = list(raw.notes)
    highest = 1 if saddle_by_symmetry else int(np.argmax(energy))
    positions, coordinate, unit = None, raw.coordinate, raw.coordinate_unit
    slope = raw.slope
    if raw.positions is not None:
        _check_atom(raw, migrating_atom)
        geometry = follow(raw, highest, migrating_atom)
        positions, coordinate, unit = geometry.positions, geometry.coordinate, "Å"
        notes += [*geometry.notes, *_forces_left(raw, geometry.tangent)]
        if slope is None and raw.forces is not None:
            slope = -np.einsum("iaj,iaj->i", raw.forces, geometry.tangent)
    elif migrating_atom is not None:
        raise fail(
            raw.file,
            "there are no positions here, so no migrating atom can be told",
            "leave migrating_atom out, or give the files with the positions",
            key="migrating_atom",
            value=migrating_atom,
        )
    assert coordinate is not None
    energy_error, force_error = raw.energy_error, raw.force_error
    if force_error is not None and force_error.max() > _FORCE:
        notes.append(
            f"not converged: a force of {force_error.max():.3f} eV/Å is left on "
            f"{raw.labels[int(np.argmax(force_error))]} (neb.x stops below {_FORCE:g})"
        )
    if saddle_by_symmetry:
        coordinate = np.array([0.0, coordinate[1], 2 * coordinate[1]])
        energy = energy[[0, 1, 0]]
        energy_error = None if energy_error is None else energy_error[[0, 1, 0]]
        force_error = None if force_error is None else force_error[[0, 1, 0]]
        top = Top(float(coordinate[1]), float(energy[1]), "none: the saddle is an image, known by symmetry")
        notes.append(
            "start and saddle only: the way down mirrors the way up, reverse barrier = forward barrier"
        )
        if positions is not None:
            positions = np.concatenate([positions, 2 * positions[1:] - positions[:1]])
            notes.append("the positions of the end are the start's, reflected at the saddle for each atom")
    else:
        top = _find_top(raw, energy, coordinate, slope, notes)
    forward = top.energy - float(energy[0])
    reverse = top.energy - float(energy[-1])
    if forward > _LARGEST:
        raise fail(
            raw.file,
            "the barrier is too large to be one",
            "check the unit of the energy (for a table: put it into the heading, such as 'energy [meV]')",
            value=f"{forward:.6g} eV",
            allowed=f"at most {_LARGEST:g} eV",
        )
    displacement = None
    if positions is not None and raw.symbols is not None:
        displacement = _at(coordinate, positions, top.coordinate) - positions[0]
        migrating_atom = _migrating(displacement, raw.symbols[0], migrating_atom, notes)
    return MigrationPath(
        energy=_frozen(energy - energy[0]),
        coordinate=_frozen(coordinate),
        coordinate_unit=unit,
        energy_error=None if energy_error is None else _frozen(energy_error),
        positions=None if positions is None else _frozen(positions),
        cell=None if raw.cell is None else _frozen(raw.cell),
        symbols=raw.symbols[0] if raw.symbols and set(raw.symbols[0]) != {UNKNOWN} else None,
        barrier_forward=forward,
        barrier_reverse=reverse,
        saddle_coordinate=top.coordinate,
        energy_difference=float(energy[-1] - energy[0]),
        displacement=None if displacement is None else _frozen(displacement),
        migrating_atom=migrating_atom,
        interpolation=top.how,
        source=f"{raw.file}: {raw.what}" if raw.what else str(raw.file),
        notes=tuple(notes),
        force_error=None if force_error is None else _frozen(force_error),
    )


def _forces_left(raw: RawPath, tangent: FloatArray) -> list[str]:
    """Forces above the criterion: at the ends the whole, between them the part across the path."""
    notes = []
    for i, left in enumerate(raw.residual):
        if left is None or left.limit is None:
            continue
        force = left.force
        if 0 < i < len(raw.residual) - 1:
            force = force - (force * tangent[i]).sum() * tangent[i]
        largest = float(np.linalg.norm(force, axis=1).max())
        if largest > left.limit:
            notes.append(
                f"{raw.labels[i]} is not converged: a force of {largest:.3f} eV/Å is left, the criterion is "
                f"{left.limit:g} eV/Å"
            )
    return notes


def _frozen(array: FloatArray) -> FloatArray:
    array = np.array(array, dtype=float)
    array.setflags(write=False)
    return array


def _check_energies(raw: RawPath, energy: FloatArray, saddle_by_symmetry: bool) -> None:
    for label, value in zip(raw.labels, energy, strict=True):
        if not abs(value) < _HUGE:
            raise fail(
                raw.file, f"the energy of {label} is not a finite number", "repeat this image", value=value
            )
    n = len(energy)
    if saddle_by_symmetry:
        if n != 2:
            raise fail(
                raw.file,
                "with saddle_by_symmetry a path is the start and the saddle alone",
                "give these two, or leave saddle_by_symmetry out for a whole path",
                value=f"{n} images",
                allowed="2 images",
                key="saddle_by_symmetry",
            )
        if energy[1] <= energy[0]:
            raise fail(
                raw.file,
                "the saddle is not higher than the start",
                "give the start first, then the saddle",
                value=f"{energy[1] - energy[0]:.6g} eV",
                allowed="> 0 eV",
            )
        return
    if n < 3:
        raise fail(
            raw.file,
            f"a path needs three images at least, here {'is' if n == 1 else 'are'} {n}",
            "give the whole path; for start and saddle alone, with the saddle known by symmetry, set "
            "saddle_by_symmetry",
            value=f"{n} images",
            allowed="3 images or more",
        )
    if energy[1:-1].max() <= max(energy[0], energy[-1]):
        end = raw.labels[0] if energy[0] >= energy[-1] else raw.labels[-1]
        raise fail(
            raw.file,
            f"no saddle: the highest image is an end of the path ({end})",
            "the path is monotonic or stops short of its end: relax both ends to minima, use more images, and check "
            "their order; when only start and saddle are there and symmetry tells the rest, set saddle_by_symmetry",
            value=" ".join(f"{e - energy[0]:.4f}" for e in energy) + " eV",
        )


def _check_atom(raw: RawPath, atom: int | None) -> None:
    assert raw.symbols is not None
    n = len(raw.symbols[0])
    if atom is not None and not 0 <= atom < n:
        raise fail(
            raw.file,
            "there is no such atom",
            "atoms are counted from 0",
            key="migrating_atom",
            value=atom,
            allowed=f"0 to {n - 1}",
        )


def _find_top(
    raw: RawPath, energy: FloatArray, coordinate: FloatArray, slope: FloatArray | None, notes: list[str]
) -> Top:
    relative = energy - energy[0]
    spline = top_of_spline(coordinate, relative)
    hermite = None if slope is None else top_of_hermite(coordinate, relative, slope, flat_ends=raw.flat_ends)
    if raw.curve is not None:
        top = top_of_curve(raw.curve * [coordinate[-1], 1.0])
    elif raw.hermite and hermite is not None:
        top = hermite
    else:
        top = spline
    for other in (spline, hermite):
        if other is not None and _disagree(other.energy, top.energy):
            notes.append(
                f"interpolations disagree: barrier {top.energy:.3f} eV ({top.how}), {other.energy:.3f} eV "
                f"({other.how}); more images near the saddle, or a climbing image, would settle it"
            )
    excess = top.energy - relative.max()
    if excess > min(_DIFFERENCE, _SHARE * relative.max()):
        notes.append(
            f"the interpolated maximum lies {1e3 * excess:.0f} meV above the highest image "
            f"({raw.labels[int(np.argmax(relative))]}, {relative.max():.3f} eV)"
        )
    _note_valleys(raw, relative, notes)
    return Top(top.coordinate, float(energy[0]) + top.energy, top.how)


def _disagree(a: float, b: float) -> bool:
    return abs(a - b) > min(_DIFFERENCE, _SHARE * abs(b))


def _note_valleys(raw: RawPath, relative: FloatArray, notes: list[str]) -> None:
    """An image lower than both sides: two hops in a row, whose rate is not that of the higher barrier."""
    for i in range(1, len(relative) - 1):
        depth = min(relative[: i + 1].max(), relative[i:].max()) - relative[i]
        if relative[i] < min(relative[i - 1], relative[i + 1]) and depth > _DIFFERENCE:
            notes.append(
                f"{raw.labels[i]} is a minimum inside the path, {1e3 * depth:.0f} meV deep: these are two hops in a row"
            )
        elif i == 1 and relative[1] < -_DIFFERENCE and depth <= _DIFFERENCE:
            notes.append(f"{raw.labels[1]} is lower than the start: the start is not relaxed")


def _at(coordinate: FloatArray, positions: FloatArray, where: float) -> FloatArray:
    """Positions at a place of the path, linear between the neighbouring images."""
    k = int(np.clip(np.searchsorted(coordinate, where) - 1, 0, len(coordinate) - 2))
    part = (where - coordinate[k]) / (coordinate[k + 1] - coordinate[k])
    return (1 - part) * positions[k] + part * positions[k + 1]


def _migrating(displacement: FloatArray, symbols: tuple[str, ...], told: int | None, notes: list[str]) -> int:
    length = np.linalg.norm(displacement, axis=1)
    order = np.argsort(-length, kind="stable")
    first = int(order[0])
    if told is not None:
        if told != first:
            notes.append(
                f"migrating atom {told} ({symbols[told]}, counted from 0) as told; the largest displacement, "
                f"{length[first]:.2f} Å, is that of atom {first} ({symbols[first]})"
            )
        return told
    if len(order) > 1 and length[order[1]] > 0.9 * length[first]:
        second = int(order[1])
        notes.append(
            f"atoms {first} ({symbols[first]}) and {second} ({symbols[second]}) move nearly equally far: set "
            "migrating_atom (counted from 0)"
        )
    return first
