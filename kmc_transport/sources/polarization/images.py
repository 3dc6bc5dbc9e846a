"""Images of a hop from its start over its saddle: atoms matched, followed and aligned on the far bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import InputError, Problem
from ...ndarrays import FloatArray
from .. import MigrationPath, Snapshot, match_atoms, read_structure
from ..common import RawPath
from ..matching import wrap
from ..paths.geometry import follow

__all__ = ["FEW_ATOMS", "HopImages", "bulk_weights", "hop_images"]

FEW_ATOMS = 8
"""With fewer atoms there is no bulk far from the migrating one, and images are not aligned."""
_NEAR = 0.6  # of the largest distance in the cell; nearer atoms are no bulk
_SAME = 0.05  # Å; largest displacement of an atom between two copies of one image
_CELL = 0.02  # Å


@dataclass(frozen=True, eq=False, kw_only=True)
class HopImages:
    """Structures along a hop.

    positions : (n_images, n_atoms, 3) Å, each atom followed across the boundary, relative to the bulk far from the
        migrating atom. drift : (n_images, 3) rigid displacement of that bulk which was subtracted, Å.
    cell : (3, 3) rows, Å. saddle : index of the saddle; the start is image 0.
    complete : whether the last image is the end of the hop (else it is the saddle or on the way).
    migrating_atom : index of the atom with the largest displacement to the saddle, or as told.
    """

    positions: FloatArray
    drift: FloatArray
    cell: FloatArray
    symbols: tuple[str, ...]
    saddle: int
    complete: bool
    migrating_atom: int
    source: str
    notes: tuple[str, ...] = ()

    @property
    def displacement(self) -> FloatArray:
        """(n_images, n_atoms, 3) displacement from the start, Å."""
        return self.positions - self.positions[0]

    @property
    def migrating_displacement(self) -> FloatArray:
        """(3,) displacement of the migrating atom to the saddle, Å."""
        return self.displacement[self.saddle, self.migrating_atom]

    @cached_property
    def bulk(self) -> FloatArray | None:
        """(n_atoms,) weights of the bulk far from the saddle, on which images are aligned; None in a small cell."""
        weight = bulk_weights(self.positions[0], self.cell, self.positions[self.saddle, self.migrating_atom])
        if weight is not None:
            weight.flags.writeable = False
        return weight

    @property
    def coordinate(self) -> FloatArray:
        """(n_images,) distance along the path, Å."""
        steps = np.linalg.norm(np.diff(self.positions, axis=0).reshape(len(self.positions) - 1, -1), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])


def hop_images(
    start: Snapshot | str | Path | None = None,
    saddle: Snapshot | str | Path | None = None,
    *,
    path: Sequence[Snapshot | str | Path] | MigrationPath | None = None,
    migrating_atom: int | None = None,
) -> HopImages:
    """Put the structures of a hop in order, atom by atom.

    Atoms may be wrapped differently, and even stand in another order, in each file. Images are aligned on the mean
    displacement of the bulk far from the saddle (`bulk_weights`): in a cell of charge Q a rigid shift t changes the
    dipole by Q t, and a mean over all atoms would follow the migrating one.

    Parameters
    ----------
    start, saddle : structures, or files of them. May be left out with a `MigrationPath`, which knows both.
    path : the images from the start to the end of the hop (or to the saddle), in order or reversed; start and
        saddle are put among them where they are missing. Or what `kmc_transport.sources.read_path` gives.
    migrating_atom : index (from 0) in the start structure, where it is not the atom that moves farthest.

    Raises
    ------
    InputError : other atoms or cell, start or saddle that belong to no place on the path, nothing that moves.
    """
    if isinstance(path, MigrationPath):
        return _from_migration_path(path, migrating_atom)
    if start is None or saddle is None:
        raise _wrong("start and saddle are needed", "give both structures, or a migration path of read_path")
    chain = [_snapshot(s) for s in path or ()]
    first, top = _snapshot(start), _snapshot(saddle)
    for other in (top, *chain):
        off = float(np.abs(other.cell - first.cell).max())
        if off > _CELL:
            raise _wrong(
                f"the cell of {other.source} differs from that of {first.source} by {off:.3f} Å",
                "give images of one fixed cell, all with the same axes",
            )
    notes: list[str] = []
    positions = [_in_order(first, s, notes) for s in chain]
    begin, summit = first.positions, _in_order(first, top, notes)
    if chain:
        positions = _with_start(positions, begin, first)
        positions, at = _with_saddle(positions, summit, first.cell)
    else:
        positions, at = [begin, summit], 1
    raw = RawPath(
        file=Path(first.source),
        kind="structures",
        energy=np.zeros(len(positions)),
        positions=np.array(positions),
        cell=first.cell,
        symbols=[first.symbols] * len(positions),
    )
    _check_atom(migrating_atom, len(first.symbols))
    followed = follow(raw, at, migrating_atom)
    return _freeze(
        followed.positions,
        followed.drift,
        first.cell,
        first.symbols,
        at,
        migrating_atom,
        f"{first.source}, {top.source}" + (f", {len(chain)} images" if chain else ""),
        [*notes, *followed.notes],
    )


def bulk_weights(positions: FloatArray, cell: FloatArray, centre: FloatArray) -> FloatArray | None:
    """(n_atoms,) weights of the bulk far from ``centre``, summing to 1; None with fewer than `FEW_ATOMS`.

    They rise smoothly from 0 at 0.6 of the largest distance, so that whatever symmetry maps the surroundings of the
    centre onto themselves, the weights follow: with the saddle as centre, the relaxations on both sides cancel.
    """
    if len(positions) < FEW_ATOMS:
        return None
    distance = np.linalg.norm(wrap(positions - centre, cell), axis=1)
    weight = np.clip((distance / distance.max() - _NEAR) / (1 - _NEAR), 0.0, None) ** 2
    return weight / weight.sum()


def _wrong(message: str, remedy: str = "", **more: object) -> InputError:
    return InputError(Problem(message, remedy=remedy, **more))  # type: ignore[arg-type]


def _snapshot(given: Snapshot | str | Path) -> Snapshot:
    return given if isinstance(given, Snapshot) else read_structure(given)


def _check_atom(atom: int | None, n: int) -> None:
    if atom is not None and not 0 <= atom < n:
        raise _wrong(
            "there is no such atom",
            "atoms are counted from 0",
            key="migrating_atom",
            value=atom,
            allowed=f"0 to {n - 1}",
        )


def _in_order(first: Snapshot, other: Snapshot, notes: list[str]) -> FloatArray:
    order, displacement = match_atoms(
        first.cell, first.positions, first.symbols, other.positions, other.symbols, what=other.source
    )
    if (order != np.arange(len(order))).any():
        notes.append(f"{other.source}: atoms put into the order of {first.source}")
    return first.positions + displacement


def _apart(a: FloatArray, b: FloatArray, cell: FloatArray) -> tuple[float, float]:
    """Largest and root-sum-square displacement between two images, a rigid shift left out, Å."""
    moved = wrap(a - b, cell)
    if len(moved) >= FEW_ATOMS:
        moved = moved - np.median(moved, axis=0)
    return float(np.linalg.norm(moved, axis=1).max()), float(np.linalg.norm(moved))


def _with_start(positions: list[FloatArray], begin: FloatArray, first: Snapshot) -> list[FloatArray]:
    """The images from the start on: turned round where they end there, the start put before them if missing."""
    to_first, to_last = (_apart(positions[k], begin, first.cell) for k in (0, -1))
    if to_last[1] < to_first[1]:
        positions, to_first = positions[::-1], to_last
    if to_first[0] <= _SAME:
        return [begin, *positions[1:]]
    if len(positions) > 1:
        nearer = _apart(positions[1], begin, first.cell)[1]
        if nearer < _apart(positions[1], positions[0], first.cell)[1]:
            raise _wrong(
                f"{first.source} lies neither at an end of the path nor before it",
                "give the images of the path that starts there",
                value=f"{to_first[0]:.2f} Å from the first image",
            )
    return [begin, *positions]


def _with_saddle(
    positions: list[FloatArray], summit: FloatArray, cell: FloatArray
) -> tuple[list[FloatArray], int]:
    apart = [_apart(p, summit, cell) for p in positions]
    nearest = int(np.argmin([a[1] for a in apart]))
    if apart[nearest][0] <= _SAME and nearest > 0:
        return [*positions[:nearest], summit, *positions[nearest + 1 :]], nearest
    # between the two images where it lengthens the path least
    detours = [
        apart[k][1] + apart[k + 1][1] - _apart(positions[k], positions[k + 1], cell)[1]
        for k in range(len(positions) - 1)
    ]
    if not detours:
        return [*positions, summit], len(positions)
    k = int(np.argmin(detours))
    if detours[k] > 0.5 * _apart(positions[k], positions[k + 1], cell)[1]:
        if nearest == len(positions) - 1:
            return [*positions, summit], len(positions)
        raise _wrong(
            "the saddle does not lie on the path",
            "give the saddle and the images of one and the same path",
            value=f"{apart[nearest][0]:.2f} Å from the nearest image",
        )
    return [*positions[: k + 1], summit, *positions[k + 1 :]], k + 1


def _from_migration_path(path: MigrationPath, atom: int | None) -> HopImages:
    if path.positions is None or path.cell is None or path.symbols is None or path.displacement is None:
        raise _wrong(
            f"{path.source} has no positions, cell or elements", "give the files of the code that hold them"
        )
    near = int(np.argmin(np.abs(path.coordinate - path.saddle_coordinate)))
    positions = np.array(path.positions)
    if abs(path.coordinate[near] - path.saddle_coordinate) > _SAME:
        near = int(np.searchsorted(path.coordinate, path.saddle_coordinate))
        positions = np.insert(positions, near, positions[0] + path.displacement, axis=0)
    _check_atom(atom, len(path.symbols))
    return _freeze(
        positions,
        np.zeros((len(positions), 3)),
        np.array(path.cell),
        path.symbols,
        near,
        path.migrating_atom if atom is None else atom,
        path.source,
        list(path.notes),
    )


def _freeze(
    positions: FloatArray,
    drift: FloatArray,
    cell: FloatArray,
    symbols: tuple[str, ...],
    saddle: int,
    atom: int | None,
    source: str,
    notes: list[str],
) -> HopImages:
    length = np.linalg.norm(positions[saddle] - positions[0], axis=1)
    order = np.argsort(-length, kind="stable")
    if atom is None:
        atom = int(order[0])
        if len(order) > 1 and length[order[1]] > 0.9 * length[atom]:
            second = int(order[1])
            notes.append(
                f"atoms {atom} ({symbols[atom]}) and {second} ({symbols[second]}) move nearly equally far: set "
                "migrating_atom (counted from 0)"
            )
    if length[atom] < 0.05:
        raise _wrong(
            f"the migrating atom, {atom} ({symbols[atom]}), moves by {length[atom]:.3f} Å only to the saddle",
            "check start and saddle; an electron polaron has no migrating atom: give its dipole itself",
        )
    for _ in range(3):  # the centre moves with the alignment, by little
        weight = bulk_weights(positions[0], cell, positions[saddle, atom])
        if weight is not None:
            left = np.einsum("a,iax->ix", weight, positions - positions[0])
            positions, drift = positions - left[:, None], drift + left
    for array in (positions, drift):
        array.flags.writeable = False
    return HopImages(
        positions=positions,
        drift=drift,
        cell=cell,
        symbols=symbols,
        saddle=saddle,
        complete=saddle < len(positions) - 1,
        migrating_atom=atom,
        source=source,
        notes=tuple(dict.fromkeys(notes)),
    )
