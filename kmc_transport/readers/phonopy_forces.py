"""Forces and force constants that lie beside a yaml of phonopy, and the fit to random displacements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Problem
from .files import plain_copy, read_packed_text
from .phonopy_files import guard, open_hdf5
from .records import FloatArray
from .spectra_freeze import wrong

__all__ = ["fit_random", "read_constants", "read_constants_hdf5", "read_force_sets"]

_NOTABLE = 0.05  # of the forces, left over by the fit
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
    InputError : symfc is missing, or the forces are fewer than the constants that symmetry leaves free.
    """
    try:
        from symfc import Symfc
        from symfc.utils.utils import SymfcAtoms
    except ImportError as error:
        raise InputError(
            Problem(
                "forces of random displacements are fitted by symfc, which is not installed",
                file=file,
                remedy="pip install symfc",
            )
        ) from error
    cell, u, f = phonon.supercell, np.array(dataset["displacements"]), np.array(dataset["forces"])

    def free() -> int:
        atoms = SymfcAtoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions)
        return int(Symfc(atoms).estimate_basis_size(orders=[2])[2])

    n_free, n_forces = guard(free, file, "symfc cannot count its force constants"), f.size - 3 * len(f)
    if n_forces < n_free:
        raise wrong(
            file,
            "the random displacements are too few to fix the force constants",
            "compute more of them",
            value=f"{len(f)} sets, {n_forces} independent forces",
            allowed=f"at least {n_free} forces",
        )

    def produce() -> None:
        phonon.dataset = dataset
        phonon.produce_force_constants(fc_calculator="symfc", show_drift=False)

    guard(produce, file, "symfc cannot make force constants of it")
    left = f + np.einsum("iajb,njb->nia", np.swapaxes(phonon.force_constants, 1, 2), u)
    share = float(np.linalg.norm(left) / (np.linalg.norm(f) or 1.0))
    notes = [f"{file}: force constants fitted to {len(f)} sets of random displacements (symfc)"]
    if share > _NOTABLE:
        notes.append(f"{file}: the fit leaves {share:.0%} of the forces: anharmonic, or not of this crystal")
    return notes
