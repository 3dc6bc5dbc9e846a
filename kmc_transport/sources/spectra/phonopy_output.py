"""Phonons on a mesh, computed by phonopy from its force sets or force constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...ndarrays import FloatArray
from ..records import Spectrum
from .freeze import HIGHEST_FREQUENCY, freeze_spectrum, highest_frequency, wrong
from .phonopy_files import (
    PhonopyYaml,
    beside,
    built,
    guard,
    read_born,
    read_phonopy,
    require_phonopy,
)
from .phonopy_forces import fit_random, read_constants, read_constants_hdf5, read_force_sets

__all__ = ["DEFAULT_LENGTH", "read_force_constants"]

DEFAULT_LENGTH = 50.0
"""Å; without a mesh, as many points along each axis as make the sampled supercell about this long."""
_CONSTANTS = ("FORCE_CONSTANTS", "force_constants.hdf5")
_TOGETHER = "keep the files of one calculation together"


def read_force_constants(
    path: Path,
    file: str,
    *,
    mesh: Sequence[int] | None,
    cell: str,
    born: bool | str | Path,
    nac_direction: Sequence[float] | None,
) -> Spectrum:
    """Spectrum on a Gamma-centred mesh from phonopy_params.yaml, or phonopy_disp.yaml with the forces beside it.

    Forces or force constants in the yaml come first; else FORCE_CONSTANTS, force_constants.hdf5 or FORCE_SETS in
    the same folder (never in the current folder). Only time reversal reduces the mesh, so that two configurations
    of different symmetry are sampled at the same q-points.

    Raises
    ------
    InputError : phonopy is not installed, no forces, files that do not belong together or cannot be read.
    """
    require_phonopy(file, "phonopy is needed to compute phonons from forces")
    found = read_phonopy(path)
    phonon = built(found, file, cell)
    forces_from, notes = _set_forces(phonon, found, path, file)
    notes += _set_charges(phonon, found, path, file, born, nac_direction)

    lattice = np.array(phonon.primitive.cell) * found.to_angstrom
    if mesh is None:
        per_length = np.linalg.norm(np.linalg.inv(lattice), axis=0)
        mesh = [max(1, round(DEFAULT_LENGTH * float(k))) for k in per_length]
        points = " x ".join(map(str, mesh))
        notes.append(
            f"{file}: mesh {points} chosen by the program ({DEFAULT_LENGTH:g} Å); see how nu0 converges"
        )
    numbers = int(mesh[0]), int(mesh[1]), int(mesh[2])
    qpoint, weight = _half_mesh(numbers)
    direction = None if nac_direction is None else list(nac_direction)
    result: Any = guard(
        lambda: phonon.run_qpoints(qpoint, nac_q_direction=direction), file, "phonopy cannot compute the mesh"
    )
    result = phonon.qpoints if result is None else result
    return freeze_spectrum(
        result.frequencies,
        file=file,
        source=f"{file} ({forces_from}; mesh by phonopy)",
        weight=weight,
        qpoint=qpoint,
        mesh=numbers,
        cell=lattice,
        n_atoms=len(phonon.primitive),
        highest=min(HIGHEST_FREQUENCY, highest_frequency(float(np.min(phonon.primitive.masses)))),
        notes=tuple(notes),
    )


def _set_forces(phonon: Any, found: PhonopyYaml, path: Path, file: str) -> tuple[str, list[str]]:
    """Give phonopy its force constants; where they came from, and notes."""
    content = found.content
    if content.force_constants is not None:
        _assign_constants(phonon, content.force_constants, file)
        return "force constants inside", []
    if _has_forces(content.dataset):
        return "forces inside", _assign_forces(phonon, content.dataset, file)
    near = beside(path, (*_CONSTANTS, "FORCE_SETS"))
    if not near:
        raise wrong(
            file,
            "holds neither forces nor force constants, and none lie beside it",
            "put FORCE_SETS or FORCE_CONSTANTS into the same folder, or give the phonopy_params.yaml",
        )
    if len(near) > 1:
        raise wrong(
            file,
            "it is not clear which forces belong to it",
            "leave one of them in the folder",
            value=", ".join(near),
        )
    name, other = next(iter(near.items()))
    notes: list[str] = []
    if name == "FORCE_SETS":
        dataset = read_force_sets(other, len(phonon.supercell))
        _check_same_displacements(dataset, content.dataset, str(other), file)
        notes = _assign_forces(phonon, dataset, str(other))
    elif name == "FORCE_CONSTANTS":
        _assign_constants(phonon, read_constants(other, phonon), str(other))
    else:
        constants, note = read_constants_hdf5(other, phonon, content.calculator)
        _assign_constants(phonon, constants, str(other))
        notes = note
    return f"forces of {name}", notes


def _has_forces(dataset: Any) -> bool:
    if not dataset:
        return False
    first = dataset.get("first_atoms")
    return "forces" in dataset or (bool(first) and all("forces" in d for d in first))


def _assign_forces(phonon: Any, dataset: Any, file: str) -> list[str]:
    """Force constants from a set of forces: finite differences, or a fit to random displacements; notes."""
    n_atoms = len(phonon.supercell)
    random = "first_atoms" not in dataset
    arrays = [dataset["forces"], dataset["displacements"]] if random else []
    arrays += [d["forces"] for d in dataset.get("first_atoms", ())]
    shapes = {np.shape(a)[1:] if random else np.shape(a) for a in arrays}
    if shapes != {(n_atoms, 3)}:
        raise wrong(
            file,
            "the forces are not those of this supercell",
            _TOGETHER,
            value=f"forces of {', '.join(sorted(str(s[0]) if s else '?' for s in shapes))} atoms",
            allowed=f"{n_atoms} atoms",
        )
    steps = [d["displacement"] for d in dataset.get("first_atoms", ())]
    if not all(np.isfinite(a).all() for a in [*arrays, *steps]):
        raise wrong(file, "holds forces or displacements that are not finite", "repeat the calculation")
    _check_complete(phonon, dataset, file)
    if random:
        return fit_random(phonon, dataset, file)

    def produce() -> None:
        phonon.dataset = dataset
        phonon.produce_force_constants(show_drift=False)
        phonon.symmetrize_force_constants(show_drift=False)

    guard(produce, file, "phonopy cannot make force constants of it")
    return []


def _check_complete(phonon: Any, dataset: Any, file: str) -> None:
    """Refuse displacements that leave a direction of an atom unmoved; phonopy would put zeros there."""
    if "first_atoms" not in dataset:
        return
    symmetry = phonon.symmetry
    to_fractional = np.linalg.inv(phonon.supercell.cell)
    of_atom = symmetry.get_map_atoms()
    moved: dict[int, list[FloatArray]] = {}
    for d in dataset["first_atoms"]:
        if not 0 <= d["number"] < len(of_atom):
            raise wrong(file, "displaces an atom that is not there", _TOGETHER, value=d["number"] + 1)
        direction = np.asarray(d["displacement"]) @ to_fractional
        turned = symmetry.get_site_symmetry(d["number"]) @ direction
        moved.setdefault(int(of_atom[d["number"]]), []).extend(turned / (np.linalg.norm(direction) or 1.0))
    missing = [
        int(atom) + 1
        for atom in symmetry.get_independent_atoms()
        if np.linalg.matrix_rank(np.array(moved.get(int(atom), np.zeros((1, 3)))), tol=1e-3) < 3
    ]
    if missing:
        raise wrong(
            file,
            "some atoms are not displaced in every direction",
            "it may be cut off; give the forces of all displacements",
            value=f"atom{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing[:8]))}",
        )


def _assign_constants(phonon: Any, constants: FloatArray, file: str) -> None:
    n_super, n_primitive = len(phonon.supercell), len(phonon.primitive)
    if np.shape(constants)[1:] != (n_super, 3, 3) or len(constants) not in (n_super, n_primitive):
        raise wrong(
            file,
            "the force constants are not those of this supercell",
            "keep the files of one calculation together, and the primitive cell as it was",
            value=f"shape {np.shape(constants)}",
            allowed=f"({n_super} or {n_primitive}, {n_super}, 3, 3)",
        )

    if not np.isfinite(constants).all():
        raise wrong(file, "holds force constants that are not finite", "repeat the calculation")

    def assign() -> None:
        phonon.force_constants = constants

    guard(assign, file, "phonopy does not take these force constants")


def _check_same_displacements(dataset: Any, announced: Any, file: str, yaml: str) -> None:
    """Refuse forces that belong to other displacements than those of the yaml."""
    ours, theirs = dataset.get("first_atoms"), (announced or {}).get("first_atoms")
    if not ours or not theirs:
        return
    same = len(ours) == len(theirs) and all(
        a["number"] == b["number"] and np.allclose(a["displacement"], b["displacement"], atol=1e-4)
        for a, b in zip(ours, theirs, strict=True)
    )
    if not same:
        raise wrong(
            file,
            f"its displacements are not those of {yaml}",
            "keep the FORCE_SETS and the phonopy_disp.yaml of one calculation together",
            value=f"{len(ours)} displacements",
            allowed=f"the {len(theirs)} of the yaml, in its order",
        )


def _set_charges(
    phonon: Any,
    found: PhonopyYaml,
    path: Path,
    file: str,
    born: bool | str | Path,
    nac_direction: Sequence[float] | None,
) -> list[str]:
    """Born charges for the long-range part of the dynamical matrix, when asked for; notes."""
    near = beside(path, ("BORN",)).get("BORN")
    charges = found.content.nac_params
    if born is False:
        if nac_direction is not None:
            raise wrong(file, "a direction for LO-TO splitting needs Born charges", "give born=True as well")
        where = "in the file" if charges else "in BORN beside it" if near else ""
        return [f"{file}: Born charges {where} are not used"] if where else []
    if charges is None or born is not True:
        place = (near or path.with_name("BORN")) if born is True else Path(born)
        if not place.is_file():
            raise wrong(str(place), "there is no such file of Born charges", "give its path, or born=False")
        charges = read_born(place, phonon.primitive, found.symprec)

    def assign() -> None:
        if charges.get("factor") is None:
            charges["factor"] = found.units.nac_factor
        phonon.nac_params = charges

    guard(assign, file, "phonopy does not take these Born charges")
    if nac_direction is None:
        return [f"{file}: Born charges are used; without a direction, LO and TO modes are not split at Gamma"]
    return [f"{file}: Born charges are used; Gamma is approached along {[float(k) for k in nac_direction]}"]


def _half_mesh(mesh: tuple[int, int, int]) -> tuple[FloatArray, FloatArray]:
    """Gamma-centred mesh with one of q and -q: (n_q, 3) fractional in [0, 1), and how many points each stands for."""
    n = np.array(mesh)
    address = np.stack(np.meshgrid(*map(np.arange, mesh), indexing="ij"), axis=-1).reshape(-1, 3)
    own = np.arange(len(address))
    opposite = np.ravel_multi_index(tuple((-address % n).T), mesh)
    first = own <= opposite
    return (address / n)[first], np.where(own == opposite, 1.0, 2.0)[first]
