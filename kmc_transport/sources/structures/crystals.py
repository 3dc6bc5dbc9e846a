"""One crystal from a file of any common format: cell, sites and who sits there, checked and in one frame."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ...ndarrays import FloatArray
from ..cell import lattice_from_parameters, unsound
from ..common import fail, library, require_ase
from ..files import bare_name, plain_copy, read_packed_text
from ..plain_json import parse_json
from ..vasp_outcar import scan_outcar_text
from ..vasp_xml import last_structure, parse_vasprun, species
from .plain import load_yaml, plain_structure
from .poscar import normal_poscar
from .qe import printed_structure

__all__ = ["STRUCTURE_KINDS", "Crystal", "read_crystal"]

STRUCTURE_KINDS = (
    "POSCAR, CONTCAR, CIF, vasprun.xml, OUTCAR, JSON or YAML of pymatgen, pw.x input or output, XSF, "
    "extended XYZ"
)
"""What `read_crystal` reads, for messages."""

_OVERFULL = 1.05  # sum of refined occupancies of a site that is put down to their errors
_PYMATGEN = {"cssr": "cssr", "res": "res"}  # by ending: lengths and angles only, as in a CIF
# formats of ASE that only parse text, and name their elements
_ASE = {
    *("abinit-in", "abinit-out", "aims", "aims-output", "castep-castep", "castep-cell", "castep-geom", "castep-md"),
    *("cfg", "crystal", "cube", "dlp4", "dmol-arc", "dmol-car", "dmol-incoor", "elk", "eon", "espresso-in", "exciting"),
    *("extxyz", "xyz", "gpaw-out", "gen", "onetep-in", "onetep-out", "proteindatabank", "qbox", "rmc6f"),
    *("siesta-xv", "struct", "struct_out", "turbomole", "v-sim", "vasp-xdatcar", "xsf"),
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Crystal:
    """Sites of one cell.

    cell : (3, 3) rows, Å; a along x and b in the xy plane where the file gives lengths and angles only.
    fractional : (n_sites, 3). species : of each site, element and occupancy. labels : of each site, as in the file.
    text : the file as text, such that it can be read again without anything beside it.
    """

    cell: FloatArray
    fractional: FloatArray
    species: tuple[dict[str, float], ...]
    labels: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _Raw:
    cell: Any
    fractional: Any
    species: list[dict[str, float]]
    labels: list[str] | None = None
    text: str | None = None
    notes: tuple[str, ...] = ()


def read_crystal(file: Path, text: str | None = None) -> Crystal:
    """Cell and sites; ``text`` is the content where it was kept instead of the file.

    Raises
    ------
    InputError : no such file, a format that is not known, no cell, numbers that are not sound.
    """
    content = read_packed_text(file, "a structure") if text is None else text
    raw = _dispatch(file, content, None if text is not None else file.parent)
    try:
        cell = np.array(raw.cell, dtype=float).reshape(3, 3)
        fractional = np.array(raw.fractional, dtype=float).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise fail(
            file, f"cell or positions are no lists of numbers ({error})", "write the file again"
        ) from error
    if wrong := unsound(cell, fractional):
        raise fail(
            file,
            f"this structure is not sound: {wrong}",
            "repair the file, or give that of a finished calculation",
        )
    return Crystal(
        cell=cell,
        fractional=fractional,
        species=tuple(raw.species),
        labels=tuple(raw.labels or ["/".join(s) for s in raw.species]),
        text=raw.text or content,
        notes=raw.notes,
    )


def _dispatch(file: Path, text: str, beside: Path | None) -> _Raw:
    """By content where it tells, else by name."""
    name, head = bare_name(file), text[:20_000]
    ending = Path(name).suffix.lower().lstrip(".")
    if name.startswith("OUTCAR") or ("VRHFIN" in head and "POMASS" in head and "vasp." in head):
        return _outcar(file, text)
    if "<modeling" in head:
        return _vasprun(file, text)
    if ending in ("cif", "mcif") or (head.lstrip().startswith(("data_", "#")) and "_cell_length_a" in text):
        return _cif(file, text)
    if head.lstrip().startswith(("{", "[")) or ending in ("json", "mson"):
        return _json(file, text)
    if ending in ("yaml", "yml"):
        return _yaml(file, text)
    if re.search("POSCAR|CONTCAR|CHGCAR|LOCPOT", name) or ending in ("vasp", "poscar"):
        return _poscar(file, text, beside)
    if any(x in head for x in ("Program PWSCF", "Program PWscf", "Program PHONON")):
        cell, symbols, positions = printed_structure(file, text.splitlines())
        return _full(file, cell, positions @ np.linalg.inv(cell), symbols)
    if all(
        re.search(rf"^\s*{x}", text, re.M | re.I) for x in ("ATOMIC_SPECIES", "ATOMIC_POSITIONS", "&SYSTEM")
    ):
        return _by_ase(file, text, "espresso-in")
    if ending == "xsf" and "ANIMSTEPS" not in head.upper():
        return _by_pymatgen(file, text, "xsf")
    if ending in _PYMATGEN:
        return _by_pymatgen(file, text, _PYMATGEN[ending])
    return _by_ase(file, text, None)


def _outcar(file: Path, text: str) -> _Raw:
    run = scan_outcar_text(file, text)
    return _full(file, run.cell, run.positions @ np.linalg.inv(run.cell), run.symbols)


def _full(file: Path, cell: FloatArray, fractional: FloatArray, symbols: Sequence[str]) -> _Raw:
    """One atom on each site, of elements that exist (codes cut names off)."""
    from pymatgen.core import Element

    if unknown := next((s for s in symbols if not Element.is_valid_symbol(s)), None):
        raise fail(
            file,
            f"'{unknown[:20]}' is no element",
            "correct it in the file, or give the structure as POSCAR or CIF",
        )
    return _Raw(cell=cell, fractional=fractional, species=[{s: 1.0} for s in symbols])


def _vasprun(file: Path, text: str) -> _Raw:
    root = parse_vasprun(file, text)
    found, symbols = last_structure(file, root), species(root)
    if found is None or len(found[1]) != len(symbols):
        raise fail(
            file, "this vasprun.xml has no structure, or not the elements of all atoms", "give a finished run"
        )
    return _full(file, *found, symbols)


def _poscar(file: Path, text: str, beside: Path | None) -> _Raw:
    from pymatgen.io.vasp import Poscar

    with library(file, "a structure of VASP", "give POSCAR or CONTCAR of the finished calculation"):
        normal, notes = normal_poscar(file, text, beside)
        structure = Poscar.from_str(normal, read_velocities=False).structure
    return _of_pymatgen(structure, normal, notes)


def _of_pymatgen(structure: Any, text: str | None = None, notes: Any = (), *, frame: bool = False) -> _Raw:
    """``frame``: the file has lengths and angles only, so the library's own frame is none of the file's."""
    cell = np.array(structure.lattice.matrix, dtype=float)
    if frame and np.isfinite(cell).all():
        placed = lattice_from_parameters(*structure.lattice.parameters)
        cell = cell if placed is None else placed
    occupied: list[dict[str, float]] = []
    for site in structure:
        here: dict[str, float] = {}
        for s, amount in site.species.items():
            name = getattr(s, "symbol", str(s))
            here[name] = here.get(name, 0.0) + float(amount)
        occupied.append(here)
    labels = ["".join(str(site.label).split()) for site in structure]
    return _Raw(
        cell=cell,
        fractional=structure.frac_coords,
        species=occupied,
        labels=labels,
        text=text,
        notes=tuple(notes),
    )


def _cif(file: Path, text: str) -> _Raw:
    from pymatgen.io.cif import CifParser

    remedy = "repair the CIF, or write lattice and sites into the input"
    with library(file, "a CIF", remedy), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            parser = CifParser.from_str(text, occupancy_tolerance=_OVERFULL)
            for block in parser.as_dict().values():
                # "." is 1, the default of the CIF dictionary; the library would leave out the atom
                if isinstance(words := block.get("_atom_site_occupancy"), list):
                    words[:] = ["1" if w == "." else w for w in words]
            _check_numbers(file, parser.as_dict())
            _check_elements(file, parser.as_dict())
            structures = parser.parse_structures(primitive=False)
        except ValueError as error:
            said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
            why = next((x for line in said for x in line.splitlines() if "ccupanc" in x), "")
            why = why or next((x.split("\n", 1)[-1] for x in said if "No structure parsed" in x), str(error))
            raise fail(file, f"pymatgen cannot read this CIF: {why[:300]}", remedy) from error
    notes = [
        f"{file.name}: {str(w.message).splitlines()[0][:300]}"
        for w in caught
        if issubclass(w.category, UserWarning)
    ]
    if len(structures) > 1:
        notes.append(f"{file.name} holds {len(structures)} structures: the first is taken")
    return _of_pymatgen(structures[0], None, notes, frame=True)


_CIF_BOUNDS = {
    **{f"_cell_length_{x}": (0.1, 1e5) for x in "abc"},
    **{f"_cell_angle_{x}": (1.0, 179.0) for x in ("alpha", "beta", "gamma")},
    **{f"_atom_site_fract_{x}": (-1e6, 1e6) for x in "xyz"},
    "_atom_site_occupancy": (0.0, 1e3),
}
_CIF_NAMES = ("d", "t", "wat", "ow", "owat", "oh", "ho")  # of hydrogen and of water, which pymatgen knows


def _check_numbers(file: Path, blocks: dict[str, Any]) -> None:
    """Lengths, angles and coordinates, before a library computes with them (and folds 1e30 into the cell)."""
    for block, (key, (low, high)) in product(blocks.values(), _CIF_BOUNDS.items()):
        values = block.get(key, ())
        for word in [values] if isinstance(values, str) else values:
            try:
                value = float(re.sub(r"\(.*", "", str(word)))
            except ValueError:
                if key != "_atom_site_occupancy" or word == "?":
                    continue  # "?" and the like: said by the library
                value = float("nan")  # the library would leave out the atom, or fill its site
            if not low <= value <= high:
                raise fail(
                    file,
                    f"{key} is not sound",
                    "repair the CIF",
                    value=str(word)[:40],
                    allowed=f"{low:g} to {high:g}",
                )


def _check_elements(file: Path, blocks: dict[str, Any]) -> None:
    """A library makes vanadium of a type "Vac"."""
    from pymatgen.core import Element

    for block in blocks.values():
        for word in block.get("_atom_site_type_symbol", ()):
            name = re.match(r"[A-Za-z]*", str(word))
            symbol = name[0].capitalize() if name else ""
            if symbol and not Element.is_valid_symbol(symbol) and symbol.lower() not in _CIF_NAMES:
                raise fail(
                    file,
                    f"'{str(word)[:20]}' is no element",
                    "write elements as _atom_site_type_symbol; an empty site is none of the file's",
                    key="_atom_site_type_symbol",
                )


def _json(file: Path, text: str) -> _Raw:
    return _mapping(file, parse_json(file, text))


def _yaml(file: Path, text: str) -> _Raw:
    return _mapping(file, load_yaml(file, text))


def _mapping(file: Path, data: Any) -> _Raw:
    cell, fractional, occupied, labels = plain_structure(file, data)
    return _Raw(cell=cell, fractional=fractional, species=occupied, labels=labels)


def _by_pymatgen(file: Path, text: str, form: str) -> _Raw:
    from pymatgen.core import Structure

    with library(file, f"a structure ({form})", f"give {STRUCTURE_KINDS}"):
        structure: Any = Structure.from_str(text, fmt=form)  # type: ignore[arg-type]
        return _of_pymatgen(structure, frame=form in _PYMATGEN.values())


def _by_ase(file: Path, text: str, form: str | None) -> _Raw:
    require_ase(file)
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError, filetype

    remedy = f"give {STRUCTURE_KINDS}"
    with library(file, "a structure", remedy), plain_copy(file, "a structure", text) as copy:
        try:
            form = form or filetype(str(copy))
        except UnknownFileTypeError as error:
            raise fail(file, "the format of this file is not known", remedy) from error
        if form not in _ASE:
            raise fail(file, f"structures are not read from files of the kind '{form}'", remedy)
        atoms: Any = read(copy, index=-1, format=form)
        if atoms.cell.rank < 3:
            raise fail(file, "this structure has no cell", "give a periodic structure")
        occupied = [{s: 1.0} for s in atoms.get_chemical_symbols()]
        return _Raw(
            cell=np.array(atoms.cell), fractional=atoms.get_scaled_positions(wrap=False), species=occupied
        )
