"""Files of phonopy, parsed without running what they hold: yaml, BORN, HDF5."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...errors import InputError
from ..cell import MOST_ATOMS, unsound
from ..common import fail, library
from ..files import check_file, read_packed_text
from ..structures.plain import load_yaml
from .freeze import wrong

__all__ = [
    "PhonopyYaml",
    "beside",
    "built",
    "guard",
    "open_hdf5",
    "read_born",
    "read_phonopy",
    "require_phonopy",
]

MOST_VALUES = 50_000_000
"""Numbers in one dataset of an HDF5 file."""

_UNLIKE = 0.25  # e, between charges of equivalent atoms
_T = TypeVar("_T")
_PACKED = ("", ".gz", ".xz", ".bz2")


@dataclass(frozen=True)
class PhonopyYaml:
    """content : phonopy's ``PhonopyYamlData``. symprec : Å, as the file says, else phonopy's default.

    factor : of frequencies that phonopy wrote beside this file, against THz (1 unless --factor was given).
    """

    content: Any
    symprec: float
    factor: float

    @property
    def units(self) -> Any:
        """phonopy's ``CalculatorPhysicalUnits`` of the code that computed the forces."""
        from phonopy.interface.calculator import get_calculator_physical_units

        return self.content.physical_units or get_calculator_physical_units(self.content.calculator)

    @property
    def to_angstrom(self) -> float:
        """Å per unit of length of the cells in the file."""
        return float(self.units.distance_to_A)


def require_phonopy(file: str, what: str) -> None:
    """Raise an `InputError` that says how to install phonopy, when it is missing."""
    try:
        import phonopy  # noqa: F401
    except ImportError as error:
        raise InputError(f"{what} and is not installed", file=file, remedy="pip install phonopy") from error


def guard(call: Callable[[], _T], file: str, what: str) -> _T:
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


def beside(path: Path, names: Sequence[str]) -> dict[str, Path]:
    """Files of these names in the folder of ``path``, plain ones before packed ones."""
    found = {}
    for name in names:
        place = next((p for end in _PACKED if (p := path.with_name(name + end)).is_file()), None)
        if place is not None:
            found[name] = place
    return found


def read_phonopy(path: Path) -> PhonopyYaml:
    """A phonopy.yaml, phonopy_disp.yaml or phonopy_params.yaml (packed too).

    phonopy's own loader constructs any Python object that a tag names; here the text becomes plain data first.

    Raises
    ------
    InputError : no yaml of phonopy, tags, cells that are not sound.
    """
    from phonopy.interface.phonopy_yaml import load_phonopy_yaml

    file = str(path)
    data = load_yaml(path, read_packed_text(path, "a yaml of phonopy"))
    if not isinstance(data, dict):
        raise wrong(file, "this is no yaml of phonopy", "give phonopy_params.yaml or phonopy_disp.yaml")
    if isinstance(units := data.get("physical_unit"), dict):  # older versions wrote "Angstrom"
        data["physical_unit"] = {
            k: v.replace("Ang", "ang") if isinstance(v, str) else v for k, v in units.items()
        }
    head = data.get("phonopy")
    head = head if isinstance(head, dict) else {}
    content: Any = guard(lambda: load_phonopy_yaml(data), file, "phonopy cannot read it")
    found = PhonopyYaml(content, _symprec(file, head), 1.0)
    if content.unitcell is None:
        raise wrong(file, "holds no unit cell", "give phonopy_params.yaml or phonopy_disp.yaml")
    _check_cells(file, content)
    stated = head.get("frequency_unit_conversion_factor")
    if isinstance(stated, int | float) and stated > 0 and math.isfinite(stated):
        usual = guard(lambda: float(found.units.factor), file, "phonopy does not know its units")
        return PhonopyYaml(content, found.symprec, stated / usual)
    return found


def _symprec(file: str, head: dict[str, Any]) -> float:
    """What ``--tolerance`` was, from the header or the settings kept in it."""
    settings = head.get("configuration")
    settings = settings if isinstance(settings, dict) else {}
    stated = head.get("symmetry_tolerance", settings.get("symmetry_tolerance", 1e-5))
    try:
        value = float(str(stated))
    except ValueError:
        value = math.nan
    if not 1e-10 <= value <= 1.0:
        raise wrong(
            file,
            "symmetry_tolerance is not sound",
            "write the file again",
            value=str(stated)[:40],
            allowed="1e-10 to 1",
        )
    return value


def _check_cells(file: str, content: Any) -> None:
    cell = content.unitcell
    said = unsound(np.array(cell.cell, dtype=float), np.array(cell.scaled_positions, dtype=float))
    matrix = (
        np.eye(3) if content.supercell_matrix is None else np.array(content.supercell_matrix, dtype=float)
    )
    if not said and matrix.shape not in ((3, 3), (3,)):
        said = "the supercell matrix is not 3 x 3"
    if not said:
        multiple = abs(float(np.linalg.det(matrix) if matrix.shape == (3, 3) else np.prod(matrix)))
        if not 0.5 < multiple * len(cell) <= MOST_ATOMS:
            said = f"a supercell of {multiple * len(cell):.4g} atoms"
    axes = content.primitive_matrix
    if not said and axes is not None and not isinstance(axes, str):
        axes = np.array(axes, dtype=float)
        if axes.shape != (3, 3) or not np.isfinite(axes).all() or not 1e-4 < abs(np.linalg.det(axes)) < 1.5:
            said = "the primitive matrix is none"
    if said:
        raise wrong(
            file, f"its cells are not sound: {said}", "it may be damaged; write it again with phonopy"
        )


def built(found: PhonopyYaml, file: str, cell: str = "primitive", *, supercell: bool = True) -> Any:
    """phonopy object of the cells in the file. cell : ``primitive`` or ``unit``, which is sampled."""
    from phonopy import Phonopy

    content = found.content
    if cell == "unit":
        matrix: Any = np.eye(3)
    else:
        matrix = "auto" if content.primitive_matrix is None else content.primitive_matrix
    size = content.supercell_matrix if supercell else None
    return guard(
        lambda: Phonopy(
            content.unitcell,
            np.eye(3, dtype=int) if size is None else size,
            primitive_matrix=matrix,
            symprec=found.symprec,
            calculator=content.calculator,
            log_level=0,
        ),
        file,
        "phonopy cannot build its cells",
    )


def read_born(file: Path, cell: Any, symprec: float = 1e-5) -> dict[str, Any]:
    """Charges (n_atoms, 3, 3), dielectric tensor and factor of a BORN file for the atoms of ``cell`` (PhonopyAtoms).

    One line for each symmetry-independent atom, as phonopy writes it, or one for each atom.

    Raises
    ------
    InputError : other numbers of lines or columns, numbers that are not finite.
    """
    from phonopy.file_IO import parse_BORN_from_strings
    from phonopy.structure.symmetry import Symmetry

    what, n_atoms = "a BORN file of phonopy", len(cell)
    head, *rest = read_packed_text(file, what).splitlines()
    lines = [head, *(x for line in rest if (x := line.split("#")[0].strip()))]
    with library(file, what, "write it again with phonopy-vasp-born or by hand, as phonopy's manual says"):
        independent = [int(i) for i in Symmetry(cell, symprec=symprec).get_independent_atoms()]
    rows = len(lines) - 2
    if rows not in (len(independent), n_atoms):
        raise fail(
            file,
            f"{max(rows, 0)} lines of charges for a cell of {n_atoms} atoms, of which {len(independent)} are "
            "independent",
            "give one line for each symmetry-independent atom, or one for each atom; first the factor, then the "
            "dielectric tensor",
            allowed=f"{len(independent)} or {n_atoms}",
        )
    with library(file, what, "lines of nine numbers, after the factor and the dielectric tensor"):
        few = lines if rows == len(independent) else [*lines[:2], *(lines[2 + i] for i in independent)]
        charges: Any = parse_BORN_from_strings("\n".join(few), cell, symprec)
        if rows != len(independent):
            spread = charges["born"]
            charges = parse_BORN_from_strings("\n".join(lines), cell, symprec, False)
            _check_spread(file, spread, charges["born"])
        finite = np.isfinite(charges["born"]).all() and np.isfinite(charges["dielectric"]).all()
        if not finite or not math.isfinite(charges.get("factor") or 1.0):
            raise fail(file, "this file holds numbers that are not finite", "repair or repeat it")
        return dict(charges)


def _check_spread(file: Path, spread: Any, given: Any) -> None:
    """Refuse charges of all atoms that symmetry does not turn into each other: they are in another order."""
    apart = np.abs(given - spread).reshape(len(given), -1).max(axis=1)
    if not apart.max() <= _UNLIKE:
        atom = int(np.argmax(apart))
        raise fail(
            file,
            f"the charges of atom {atom} (counted from 0) and of those equivalent to it differ by {apart[atom]:.2f} e",
            "give the lines in the order of the structure's atoms, or one line for each symmetry-independent atom",
            allowed=f"{_UNLIKE:g} e",
        )


@contextmanager
def open_hdf5(path: Path, what: str) -> Iterator[Callable[[str], Any]]:
    """A function that gives datasets of an HDF5 file by name, or None.

    Raises
    ------
    InputError : damaged; links or data outside the file; datasets of absurd size.
    """
    import h5py

    check_file(path, what)

    def get(name: str) -> Any:
        if name not in handle:
            return None
        link, entry = handle.get(name, getlink=True), handle[name]
        if not isinstance(link, h5py.HardLink) or not isinstance(entry, h5py.Dataset):
            raise wrong(str(path), f"'{name}' is no array of its own", "write the file again with phonopy")
        if entry.external or entry.is_virtual or entry.size is None or entry.size > MOST_VALUES:
            raise wrong(
                str(path),
                f"'{name}' lies in other files, or is too large",
                "write the file again with phonopy",
            )
        return entry[()]

    try:
        with h5py.File(path, "r") as handle:
            yield get
    except InputError:
        raise
    except Exception as error:  # h5py raises of many families on damaged files
        said = f"HDF5 cannot read it ({' '.join(str(error).split())[:120]})"
        raise wrong(str(path), said, "it may be cut off or damaged: write it again") from error
