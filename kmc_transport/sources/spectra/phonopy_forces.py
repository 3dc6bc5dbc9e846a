"""Forces and force constants that lie beside a yaml of phonopy, and the fit to random displacements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...ndarrays import FloatArray
from ..files import plain_copy, read_packed_text
from .freeze import wrong
from .phonopy_files import guard, open_hdf5

__all__ = ["fit_random", "read_constants", "read_constants_hdf5", "read_force_sets"]

_NOTABLE, _FAILED = 0.05, 0.5  # of the forces, left over by the fit
_TOGETHER = "keep the files of one calculation together, and the primitive cell as it was"


def read_force_sets(path: Path, n_atoms: int) -> Any:
    """phonopy's dataset of a FORCE_SETS: finite displacements, or rows of displacement and force of random ones."""
    from phonopy.file_IO import get_FORCE_SETS_type, parse_FORCE_SETS

    file = str(path)
    with plain_copy(path, "a FORCE_SETS of phonopy") as copy:
        kind = guard(lambda: get_FORCE_SETS_type(str(copy)), file, "cannot be read")
        count = n_atoms if kind == 2 else None
        return guard(lambda: parse_FORCE_SETS(str(copy), natom=count), file, "cannot be read")


def read_constants(path: Path, phonon: Any) -> FloatArray:
    """(n, n_supercell, 3, 3) of a FORCE_CONSTANTS."""
    from phonopy.file_IO import parse_FORCE_CONSTANTS

    file, n_super = str(path), len(phonon.supercell)
    text = read_packed_text(path, "a FORCE_CONSTANTS of phonopy")
    head = text.lstrip().split("\n", 1)[0].split()
    if not 0 < len(head) <= 2 or head[-1] != str(n_super):
        raise wrong(
            file,
            "the force constants are not those of this supercell, or it cannot be read",
            _TOGETHER,
            value=" ".join(head)[:60],
            allowed=f"{n_super} atoms",
        )
    p2s = phonon.primitive.p2s_map
    with plain_copy(path, "a FORCE_CONSTANTS of phonopy", text) as copy:
        return np.array(guard(lambda: parse_FORCE_CONSTANTS(str(copy), p2s_map=p2s), file, "cannot be read"))


def read_constants_hdf5(path: Path, phonon: Any, calculator: str | None) -> tuple[FloatArray, list[str]]:
    """(n, n_supercell, 3, 3) of a force_constants.hdf5 in the calculator's unit, and notes.

    The unit that the file states is turned into that of the calculator in the yaml.
    """
    from phonopy.interface.calculator import get_force_constant_conversion_factor

    file = str(path)
    with open_hdf5(path, "a force_constants.hdf5 of phonopy") as get:
        constants = get("fc2")
        constants = get("force_constants") if constants is None else constants
        p2s_map, unit = get("p2s_map"), get("physical_unit")
    if constants is None or np.ndim(constants) != 4:
        raise wrong(file, "holds no force constants", "write it again with phonopy")
    n, n_super = np.shape(constants)[:2]
    if n != n_super and p2s_map is not None and not np.array_equal(p2s_map, phonon.primitive.p2s_map):
        raise wrong(file, "is of another primitive cell", _TOGETHER, value=f"atoms {np.ravel(p2s_map)[:8]}")
    if unit is None:
        return np.array(constants, dtype=float), []
    said = np.ravel(unit)[0]
    said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    factor = guard(
        lambda: get_force_constant_conversion_factor(said, calculator),
        file,
        f"its unit '{said[:40]}' is not known",
    )
    notes = [] if factor == 1.0 else [f"{file}: force constants are in {said}, as it states"]
    return np.array(constants, dtype=float) * factor, notes


def fit_random(phonon: Any, dataset: Any, file: str) -> list[str]:
    """Force constants of a set of random displacements, fitted by symfc; notes.

    Raises
    ------
    InputError : symfc is missing, displacements that leave force constants open, or a fit far off the forces.
    """
    try:
        import symfc  # noqa: F401
    except ImportError as error:
        raise InputError(
            "forces of random displacements are fitted by symfc, which is not installed",
            file=file,
            remedy="pip install symfc",
        ) from error
    u, f = np.array(dataset["displacements"]), np.array(dataset["forces"])
    moved = guard(lambda: _spanned(phonon, u), file, "phonopy cannot find the symmetry of its cells")
    if moved < 3 * u.shape[1] - 3:
        raise wrong(
            file,
            "the random displacements are too few to fix the force constants",
            "compute more of them",
            value=f"{len(f)} sets, which with all symmetry span {moved} directions",
            allowed=f"{3 * u.shape[1] - 3} directions",
        )

    def produce() -> None:
        phonon.dataset = dataset
        phonon.produce_force_constants(fc_calculator="symfc", show_drift=False)

    guard(produce, file, "symfc cannot make force constants of it")
    left = f + np.einsum("iajb,njb->nia", np.swapaxes(phonon.force_constants, 1, 2), u)
    share = float(np.linalg.norm(left) / (np.linalg.norm(f) or 1.0))
    if not share < _FAILED:
        raise wrong(
            file, f"the fit of force constants leaves {share:.0%} of the forces", "smaller displacements"
        )
    notes = [f"{file}: force constants fitted to {len(f)} sets of random displacements (symfc)"]
    if share > _NOTABLE:
        notes.append(f"{file}: the fit leaves {share:.0%} of the forces: anharmonic, or not of this crystal")
    return notes


def _spanned(phonon: Any, u: FloatArray) -> int:
    """Number of directions of all atoms, translations left out, in which the sets and their symmetry images move them.

    A direction that nothing moves along has no force that would tell its constants.
    """
    cell, symmetry = phonon.supercell, phonon.symmetry
    rotations, shifts = (symmetry.symmetry_operations[k] for k in ("rotations", "translations"))
    images = np.array(symmetry.atomic_permutations)
    place = np.array(cell.scaled_positions)
    off = place @ rotations[-1].T + shifts[-1] - place[images[-1]]
    if np.abs(off - np.rint(off)).max() > 1e-2:
        images = np.argsort(images, axis=1)
    turn = np.array([cell.cell.T @ r @ np.linalg.inv(cell.cell.T) for r in rotations])
    n = u.shape[1]
    gram = np.zeros((3 * n, 3 * n))
    unit = u / np.linalg.norm(u, axis=(1, 2), keepdims=True)
    rank, order = 0, np.random.default_rng(0).permutation(len(turn))
    for chunk in np.array_split(order, max(1, len(order) // max(1, 6 * n // len(u)))):
        vectors = np.zeros((len(chunk), len(u), n, 3))
        for k, g in enumerate(chunk):
            vectors[k][:, images[g]] = unit @ turn[g].T
        vectors -= vectors.mean(axis=2, keepdims=True)
        flat = vectors.reshape(-1, 3 * n)
        gram += flat.T @ flat
        rank = int(np.linalg.matrix_rank(gram, tol=1e-10 * len(order), hermitian=True))
        if rank >= 3 * n - 3:
            break
    return rank
