"""What each run of a path tells of how its energy was computed, and whether the energies may be compared."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray
from .common import fail

__all__ = ["KPoints", "Settings", "compare_settings", "told_settings"]

_ENTROPY = 1e-3  # eV; with less of it in all energies the smearing does not matter

# name in the files: meaning. Energies of runs that differ in these are not compared.
_REFUSED = {
    "code": "program",
    "NELECT": "number of electrons",
    "electrons": "number of electrons",
    "NIONS": "number of atoms",
    "ENCUT": "cutoff",
    "k-points": "k-points",
    "ecutwfc": "cutoff",
    "ecutrho": "cutoff of the charge density",
    "functional": "functional",
    "METAGGA": "functional",
    "LHFCALC": "hybrid functional",
    "AEXX": "share of exact exchange",
    "HFSCREEN": "range of exact exchange",
    "EXX-fraction": "share of exact exchange",
    "dispersion": "dispersion correction",
    "IVDW": "dispersion correction",
    "+U": "Hubbard U",
    "ISPIN": "spin polarization",
    "NUPDOWN": "fixed magnetic moment",
    "LNONCOLLINEAR": "noncollinear magnetism",
    "LSORBIT": "spin-orbit coupling",
    "spin": "spin polarization",
    "LASPH": "aspherical contributions",
    "IDIPOL": "dipole correction",
    "LSOL": "solvent",
    "pseudopotentials": "pseudopotentials",
}
_SMEARING = {"ISMEAR": "smearing", "SIGMA": "width of the smearing", "smearing": "smearing"}
_NOTED = {"version": "version of the program", "PREC": "precision", "LREAL": "real-space projection"}
# settings under the names that ASE's calculators, database keys and columns of tables have for them (lower case)
_WORDS = {
    "cutoff": "encut ecut ecutwfc ecutrho enmax cutoff cut_off_energy energy_cutoff meshcutoff planewavecutoff pw "
    "mode basis basis_set",
    "k-points": "kpts kpoints k_points kpoint kspacing kgrid k_grid kpoint_mp_grid kmesh nkpts nk",
    "functional": "xc functional gga metagga xc_functional lhfcalc aexx hfscreen input_dft method",
    "dispersion correction": "ivdw vdw luse_vdw vdw_corr dispersion d3",
    "Hubbard U": "ldau ldauu ldaul ldauj ldau_luj ldautype hubbard hubbard_u lda_plus_u u setups",
    "number of electrons": "nelect nelectrons charge tot_charge total_charge",
    "spin": "ispin nspin spinpol spin nupdown multiplicity lsorbit lnoncollinear noncolin spin_polarized "
    "tot_magnetization",
    "pseudopotentials": "pp potcar pseudopotentials pseudopotential species_pseudo species_dir potentials",
    "program": "code calculator program model model_path model_paths checkpoint",
    "smearing": "ismear sigma smearing occupations width degauss electronic_temperature",
    "version of the program": "version code_version",
}
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}


@dataclass(frozen=True, eq=False)
class KPoints:
    """Sampling of the Brillouin zone.

    number : of irreducible points. points : (number, 4) fractions of the reciprocal vectors and weight, or None.
    symmetries : how many operations the code found, or None.
    """

    number: int
    points: FloatArray | None = None
    symmetries: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Settings:
    """Of one run, as far as its file tells.

    where : its name in messages. values : by the names that the files have for them.
    entropy : -T S in the energy, eV. doubts : why its energy is not converged.
    """

    where: str
    file: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    kpoints: KPoints | None = None
    cell: FloatArray | None = None
    entropy: float | None = None
    doubts: tuple[str, ...] = ()


def told_settings(named: Mapping[str, Any]) -> dict[str, Any]:
    """Settings among the parameters of a calculator, the keys of a row or the columns of a table."""
    return {str(k): v for k, v in named.items() if str(k).lower() in _MEANING}


def compare_settings(runs: Sequence[Settings], *, dipoles: bool = False) -> list[str]:
    """Notes on what differs without harm and on what is not converged.

    ``dipoles``: of dipoles rather than energies, which converge with k-points and cutoff each for itself: such
    differences are notes.

    Raises
    ------
    InputError : runs that differ in something that shifts their energies: cutoff, k-points, functional, ...
    """
    notes: list[str] = []
    smeared = any(r.entropy is None or abs(r.entropy) > _ENTROPY for r in runs)
    known = [k for k in _REFUSED if any(k in r.values for r in runs)]
    for key in dict.fromkeys([*known, *(k for r in runs for k in r.values)]):
        told = [r for r in runs if r.values.get(key) is not None]
        other = next((r for r in told if not _same(r.values[key], told[0].values[key])), None)
        if other is None:
            continue
        first, meaning = told[0], _meaning(key)
        name = key if meaning == key else f"{key} ({meaning})"
        said = (
            f"{name} is {_shown(other.values[key])} in {other.where} but {_shown(first.values[key])} in "
            f"{first.where}"
        )
        harmless = key in _NOTED or meaning == _NOTED["version"] or (dipoles and "cutoff" in meaning)
        if harmless or ("smearing" in meaning and (dipoles or not smeared)):
            notes.append(said)
            continue
        raise _incomparable(other, said)
    try:
        notes += _compare_kpoints(runs)
    except InputError as error:
        if not dipoles:
            raise
        notes.append(error.problems[0].message.split(": energies")[0])
    return notes + [f"{r.where}: {doubt}" for r in runs for doubt in r.doubts]


def _meaning(key: str) -> str:
    return {**_REFUSED, **_SMEARING, **_NOTED}.get(key) or _MEANING.get(key.lower(), key)


def _incomparable(run: Settings, said: str) -> Exception:
    return fail(
        run.file,
        f"{said}: energies of different calculations cannot be compared",
        "compute all images and both end states with the same settings",
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a == b)
    if isinstance(a, int | float | np.number) and isinstance(b, int | float | np.number):
        # files print a cutoff with one digit
        return abs(float(a) - float(b)) <= max(1e-3, 1e-4 * abs(float(b)))
    if isinstance(a, list | tuple | np.ndarray) and isinstance(b, list | tuple | np.ndarray):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return " ".join(str(a).split()).lower() == " ".join(str(b).split()).lower()


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple | np.ndarray):
        return " ".join(_shown(v) for v in value)
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    return str(value)


# --- k-points -------------------------------------------------------------------------------------------------


def _compare_kpoints(runs: Sequence[Settings]) -> list[str]:
    told = [(r, r.kpoints) for r in runs if r.kpoints is not None]
    if not told:
        return []
    first, reference = told[0]
    notes: list[str] = []
    for run, kpoints in told[1:]:
        said = f"k-points: {kpoints.number} in {run.where} but {reference.number} in {first.where}"
        cell = run.cell if run.cell is not None else first.cell
        if kpoints.points is not None and reference.points is not None and cell is not None:
            if not _one_mesh(kpoints.points, reference.points, cell):
                more = ", on other places" if kpoints.number == reference.number else ""
                raise _incomparable(run, said + more)
        elif kpoints.number != reference.number:
            if None in (kpoints.symmetries, reference.symmetries) or (
                kpoints.symmetries == reference.symmetries
            ):
                raise _incomparable(run, said)
            notes.append(
                f"{said}; their symmetries differ and the files do not list the points: compare the meshes"
            )
    return notes


def _one_mesh(a: FloatArray, b: FloatArray, cell: FloatArray) -> bool:
    """Whether two lists of irreducible points may stand for one mesh, reduced by different symmetries.

    Whatever symmetry an image has is one of its lattice. So points that are equivalent in the lattice carry the
    same weight together, whichever of them stands in the list.
    """
    if a.shape == b.shape and np.abs(a - b).max() < 1e-6:
        return True
    operations = _lattice_symmetry(cell)
    ours, theirs = _orbits(a, operations), _orbits(b, operations)
    if ours.keys() != theirs.keys():
        return False
    # weights may be printed with three digits
    return all(abs(ours[k][0] - theirs[k][0]) < 1e-4 + 6e-4 * max(ours[k][1], theirs[k][1], 1) for k in ours)


def _lattice_symmetry(cell: FloatArray) -> FloatArray:
    """(n, 3, 3) rotations of the empty lattice, in fractions."""
    from pymatgen.core import Structure
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lattice = Structure(cell, ["H"], [[0, 0, 0]])
            found = SpacegroupAnalyzer(lattice, symprec=1e-2).get_point_group_operations()
    except (SymmetryUndeterminedError, ValueError):  # a damaged cell
        return np.eye(3)[None]
    return np.array([np.round(op.rotation_matrix) for op in found])


def _orbits(kpoints: FloatArray, operations: FloatArray) -> dict[tuple[int, ...], tuple[float, int]]:
    """Weight and number of the points that the symmetry of the lattice makes equivalent, normalized to 1."""
    weight = kpoints[:, 3] / kpoints[:, 3].sum()
    images = np.einsum("ki,gij->kgj", kpoints[:, :3], operations)
    images = np.concatenate([images, -images], axis=1)  # time reversal
    # the small shift keeps fractions such as 1/32 away from where the rounding changes
    whole = np.floor(((images + 2.3e-5) % 1.0) * 1e4).astype(int)
    orbits: dict[tuple[int, ...], tuple[float, int]] = {}
    for of_point, w in zip(whole, weight, strict=True):
        key = min(map(tuple, of_point.tolist()))
        total, count = orbits.get(key, (0.0, 0))
        orbits[key] = (total + float(w), count + 1)
    return orbits
