"""Phonons on a mesh, computed by phonopy from its force sets or force constants."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from .records import Spectrum
from .spectra_freeze import freeze_spectrum, wrong

__all__ = ["DEFAULT_LENGTH", "read_force_constants"]

DEFAULT_LENGTH = 50.0
"""Å; without a mesh, as many points along each axis as make the sampled supercell about this long."""
_CONSTANTS = ("FORCE_CONSTANTS", "force_constants.hdf5")
_TOGETHER = "keep the files of one calculation together"
_T = TypeVar("_T")
FloatArray = npt.NDArray[np.float64]


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
    _import_phonopy()
    from phonopy import Phonopy
    from phonopy.interface.phonopy_yaml import read_phonopy_yaml

    content: Any = _guard(lambda: read_phonopy_yaml(str(path)), file, "phonopy cannot read it")
    if content.unitcell is None:
        raise wrong(file, "holds no unit cell", "give phonopy_params.yaml or phonopy_disp.yaml")
    if cell == "unit":
        matrix: Any = np.eye(3)
    else:
        matrix = "auto" if content.primitive_matrix is None else content.primitive_matrix
    phonon: Any = _guard(
        lambda: Phonopy(
            content.unitcell,
            np.eye(3, dtype=int) if content.supercell_matrix is None else content.supercell_matrix,
            primitive_matrix=matrix,
            calculator=content.calculator,
            log_level=0,
        ),
        file,
        "phonopy cannot build its cells",
    )
    forces_from = _set_forces(phonon, content, path, file)
    notes = _set_charges(phonon, content, path, file, born, nac_direction)

    to_angstrom = float(getattr(content.physical_units, "distance_to_A", None) or 1.0)
    lattice = np.array(phonon.primitive.cell) * to_angstrom
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
    found: Any = _guard(
        lambda: phonon.run_qpoints(qpoint, nac_q_direction=direction), file, "phonopy cannot compute the mesh"
    )
    found = phonon.qpoints if found is None else found
    return freeze_spectrum(
        found.frequencies,
        file=file,
        source=f"{file} ({forces_from}; mesh by phonopy)",
        weight=weight,
        qpoint=qpoint,
        mesh=numbers,
        cell=lattice,
        n_atoms=len(phonon.primitive),
        notes=tuple(notes),
    )


def _import_phonopy() -> None:
    try:
        import phonopy  # noqa: F401
    except ImportError as error:
        raise InputError(
            Problem(
                "phonopy is needed to compute phonons from forces and is not installed",
                remedy='pip install "kmc_transport[phonopy]", or give a mesh.yaml or mesh.hdf5',
            )
        ) from error


def _guard(call: Callable[[], _T], file: str, what: str) -> _T:
    """Result of ``call``; phonopy's errors, of many families, become ours, and its remarks are left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except InputError:
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:160] or type(error).__name__
        raise wrong(
            file, f"{what} ({detail})", "it may be cut off or mixed up; write it again with phonopy"
        ) from error


def _set_forces(phonon: Any, content: Any, path: Path, file: str) -> str:
    """Give phonopy its force constants; where they came from."""
    n_atoms = len(phonon.supercell)
    if content.force_constants is not None:
        _assign_constants(phonon, content.force_constants, file)
        return "force constants inside"
    if _has_forces(content.dataset):
        _assign_forces(phonon, content.dataset, n_atoms, file)
        return "forces inside"
    beside = {n: path.with_name(n) for n in (*_CONSTANTS, "FORCE_SETS") if path.with_name(n).is_file()}
    if not beside:
        raise wrong(
            file,
            "holds neither forces nor force constants, and none lie beside it",
            "put FORCE_SETS or FORCE_CONSTANTS into the same folder, or give the phonopy_params.yaml",
        )
    if len(beside) > 1:
        raise wrong(
            file,
            "it is not clear which forces belong to it",
            "leave one of them in the folder",
            value=", ".join(beside),
        )
    name, other = next(iter(beside.items()))
    place = str(other)
    if name == "FORCE_SETS":
        from phonopy.file_IO import get_FORCE_SETS_type, parse_FORCE_SETS

        kind = _guard(lambda: get_FORCE_SETS_type(place), place, "cannot be read")
        count = n_atoms if kind == 2 else None
        dataset: Any = _guard(lambda: parse_FORCE_SETS(place, natom=count), place, "cannot be read")
        _check_same_displacements(dataset, content.dataset, place, file)
        _assign_forces(phonon, dataset, n_atoms, place)
    elif name == "FORCE_CONSTANTS":
        from phonopy.file_IO import parse_FORCE_CONSTANTS

        p2s = phonon.primitive.p2s_map
        constants: Any = _guard(lambda: parse_FORCE_CONSTANTS(place, p2s_map=p2s), place, "cannot be read")
        _assign_constants(phonon, constants, place)
    else:
        from phonopy.file_IO import read_force_constants_hdf5

        p2s = phonon.primitive.p2s_map
        constants = _guard(lambda: read_force_constants_hdf5(place, p2s_map=p2s), place, "cannot be read")
        _assign_constants(phonon, constants, place)
    return f"forces of {name}"


def _has_forces(dataset: Any) -> bool:
    if not dataset:
        return False
    first = dataset.get("first_atoms")
    return "forces" in dataset or (bool(first) and all("forces" in d for d in first))


def _assign_forces(phonon: Any, dataset: Any, n_atoms: int, file: str) -> None:
    shapes = {np.shape(d["forces"]) for d in dataset.get("first_atoms", ())} or {
        np.shape(dataset["forces"])[1:]
    }
    if shapes != {(n_atoms, 3)}:
        raise wrong(
            file,
            "the forces are not those of this supercell",
            _TOGETHER,
            value=f"forces of {', '.join(sorted(str(s[0]) for s in shapes))} atoms",
            allowed=f"{n_atoms} atoms",
        )

    _check_complete(phonon, dataset, file)

    def produce() -> None:
        phonon.dataset = dataset
        phonon.produce_force_constants(show_drift=False)
        phonon.symmetrize_force_constants(show_drift=False)

    _guard(produce, file, "phonopy cannot make force constants of it")


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

    def assign() -> None:
        phonon.force_constants = constants

    _guard(assign, file, "phonopy does not take these force constants")


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
    content: Any,
    path: Path,
    file: str,
    born: bool | str | Path,
    nac_direction: Sequence[float] | None,
) -> list[str]:
    """Born charges for the long-range part of the dynamical matrix, when asked for; notes."""
    beside = path.with_name("BORN")
    if born is False:
        if nac_direction is not None:
            raise wrong(file, "a direction for LO-TO splitting needs Born charges", "give born=True as well")
        where = "in the file" if content.nac_params else "in BORN beside it" if beside.is_file() else ""
        return [f"{file}: Born charges {where} are not used"] if where else []
    charges = content.nac_params
    if charges is None or born is not True:
        from phonopy.file_IO import parse_BORN

        place = beside if born is True else Path(born)
        if not place.is_file():
            raise wrong(str(place), "there is no such file of Born charges", "give its path, or born=False")
        charges = _guard(
            lambda: parse_BORN(phonon.primitive, filename=str(place)), str(place), "cannot be read"
        )

    def assign() -> None:
        if charges.get("factor") is None:
            from phonopy.interface.calculator import get_calculator_physical_units

            charges["factor"] = get_calculator_physical_units(content.calculator).nac_factor
        phonon.nac_params = charges

    _guard(assign, file, "phonopy does not take these Born charges")
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
