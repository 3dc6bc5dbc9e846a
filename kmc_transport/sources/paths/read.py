"""Reads migration paths of several codes into one record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..common import RawPath, fail, read_text
from ..files import bare_name
from ..records import MigrationPath
from . import ase_files as paths_ase
from . import qe as paths_qe
from .build import build_path
from .outputs import read_outputs
from .pymatgen_files import is_neb_analysis, load_json, read_neb_analysis
from .table import read_table
from .vasp import image_folders, read_vasp

__all__ = ["PATH_KINDS", "read_path"]

PATH_KINDS: dict[str, str] = {
    "auto": "told from the folder, the ending and the content",
    "vasp": "VASP: folder with the image folders 00, 01, … (OUTCAR or vasprun.xml, CONTCAR or POSCAR)",
    "neb_analysis": "pymatgen: JSON of a NEBAnalysis",
    "qe": "Quantum ESPRESSO neb.x: prefix.dat, .path, .axsf or .int, with those of the same prefix beside it",
    "outputs": "one output for each image, given as a list (pw.x, OUTCAR, vasprun.xml, … whatever ASE reads)",
    "ase": "ASE: trajectory (.traj, .xyz) or database (.db, .json); key picks the images",
    "table": "text or CSV with names of columns, or image and energy alone; VTST's neb.dat, nebef.dat, spline.dat",
}
"""Kinds of paths, with one line about each."""

_TABLES = (".csv", ".txt", ".tsv")
_QE_LINE = re.compile(r"(\s+-?\d+\.\d{10}){3}\s*\Z")


def read_path(
    source: str | Path | Sequence[str | Path],
    *,
    kind: str = "auto",
    migrating_atom: int | None = None,
    saddle_by_symmetry: bool = False,
    key: str | None = None,
) -> MigrationPath:
    """Read the energy along a migration path, its barriers, and what each atom does.

    Parameters
    ----------
    source : file or folder, as the kind says.
    kind : one of `PATH_KINDS`.
    migrating_atom : index (from 0) of the atom that migrates, where it is not the one with the largest displacement.
    saddle_by_symmetry : the images are the start and the saddle alone, and symmetry tells the way down.
    key : which images of an ASE file: slice of a trajectory (``"-7:"``), selection of a database (``"path=hop1"``).

    Returns
    -------
    MigrationPath : barriers from the highest point of the interpolated energy, eV; how is in ``interpolation``.

    Raises
    ------
    InputError : the kind cannot be told, the file is damaged, incomplete or mixed up, or the path has no saddle.
    """
    several = None if isinstance(source, str | Path) else [Path(f) for f in source]
    file = Path(source) if isinstance(source, str | Path) else Path(source[0])
    if kind not in PATH_KINDS:
        raise fail(file, "there is no such kind of path", key="kind", value=kind, allowed=_listed())
    if (several is not None) != (kind == "outputs") and (several is None or kind != "auto"):
        raise fail(
            file,
            "a list of files holds one output for each image" if several else "outputs are given as a list",
            "leave kind out" if several else "give [start.out, saddle.out, end.out]",
            key="kind",
            value=kind,
        )
    if several is not None:
        raw: RawPath = read_outputs(several, half=saddle_by_symmetry)
        return build_path(raw, migrating_atom=migrating_atom, saddle_by_symmetry=saddle_by_symmetry)
    if not file.exists():
        raise fail(
            file, "there is no such file or folder", "check the path; it is taken from the working directory"
        )
    if kind == "auto":
        kind = _detect(file)
    if key is not None and kind != "ase":
        raise fail(
            file,
            f"a key picks images of an ASE file, this is of kind '{kind}'",
            "leave it out",
            key="key",
            value=key,
        )
    if kind != "vasp" and file.is_dir():
        raise fail(file, f"a path of kind '{kind}' is a file, this is a folder", "give the file")
    if kind == "vasp":
        raw = read_vasp(file, half=saddle_by_symmetry)
    elif kind == "neb_analysis":
        raw = read_neb_analysis(file)
    elif kind == "qe":
        raw = paths_qe.read_qe(file)
    elif kind == "ase":
        raw = paths_ase.read_ase(file, key)
    else:
        raw = read_table(file)
    return build_path(raw, migrating_atom=migrating_atom, saddle_by_symmetry=saddle_by_symmetry)


def _listed() -> str:
    return "; ".join(f"{name} ({line})" for name, line in PATH_KINDS.items())


def _detect(file: Path) -> str:
    """The kind of a source, or an error that names the kinds it may be."""
    if file.is_dir():
        return _detect_folder(file)
    suffix = Path(bare_name(file)).suffix.lower()
    if suffix in (".traj", ".db", ".xyz", ".extxyz"):
        return "ase"
    if suffix in (".path", ".axsf", ".int"):
        return "qe"
    if suffix in _TABLES:
        return "table"
    if suffix == ".json":
        return _detect_json(file)
    if suffix == ".dat":
        return _detect_dat(file)
    if file.name.startswith(("OUTCAR", "vasprun.xml", "CONTCAR", "POSCAR")):
        raise fail(
            file,
            "this is one image of a path",
            "give the folder that holds the image folders 00, 01, …, or the outputs of all images as a list",
        )
    raise _unknown(file)


def _unknown(file: Path) -> Exception:
    """What the text of a file without a known ending is, and what to give instead."""
    head = read_text(file, "a path")[:20_000]
    if "Program NEB" in head:
        beside = [p.name for s in paths_qe.SUFFIXES for p in sorted(file.absolute().parent.glob(f"*{s}"))]
        return fail(
            file,
            "this is what neb.x prints; its path is not read from there",
            "give prefix.dat, which neb.x writes beside it (with prefix.path, prefix.axsf and prefix.int)"
            + (f": {', '.join(beside[:8])}" if beside else ""),
        )
    if re.search(r"Program PWSCF|^ *vasp\.\d|<modeling>", head, re.IGNORECASE | re.MULTILINE):
        return fail(
            file,
            "this is one image of a path",
            "give the outputs of all images as a list, from the start to the end: [start.out, saddle.out, end.out]",
        )
    return fail(
        file,
        "the kind of path cannot be told from the name of this file",
        "a table of images and energies is read with kind = 'table', or when its name ends with .csv or .txt",
        key="kind",
        allowed=_listed(),
    )


def _detect_folder(folder: Path) -> str:
    if image_folders(folder):
        return "vasp"
    files = sorted(
        p.name
        for p in folder.iterdir()
        if Path(bare_name(p)).suffix in (*paths_qe.SUFFIXES, *paths_ase.SUFFIXES, *_TABLES)
    )
    remedy = "give the folder that holds 00, 01, …"
    if files:
        remedy += f", or one of the files here: {', '.join(files[:8])}"
    raise fail(folder, "there are no image folders (00, 01, …) here", remedy)


def _detect_json(file: Path) -> str:
    data = load_json(file)
    if is_neb_analysis(data):
        return "neb_analysis"
    if isinstance(data, dict) and "ids" in data and "nextid" in data:
        return "ase"
    what = data.get("@class") if isinstance(data, dict) else type(data).__name__
    raise fail(
        file,
        "this JSON is neither a NEBAnalysis of pymatgen nor a database of ASE",
        "give one of these",
        key="kind",
        value=what,
        allowed=f"neb_analysis ({PATH_KINDS['neb_analysis']}); ase ({PATH_KINDS['ase']})",
    )


def _detect_dat(file: Path) -> str:
    """Files of neb.x beside it, or lines as neb.x writes them; anything else is a table."""
    if any(paths_qe.beside(file, s) for s in (".path", ".axsf", ".int")):
        return "qe"
    lines = [x for x in read_text(file, "a .dat file").splitlines() if x.strip()]
    if lines and all(_QE_LINE.match(x) for x in lines):
        return "qe"
    plain = [x.split() for x in lines if not x.lstrip().startswith(("#", "!", "%"))]
    if len(plain) == len(lines) and plain and all(len(x) == 3 for x in plain):
        # three columns without a heading: the third is an energy's error in a table, a force in a file of neb.x
        raise fail(
            file,
            "these three columns may be table or qe: without names nothing tells what the third is",
            "set kind = 'qe' for a file of neb.x; for a table name the columns in a first line, such as "
            "'s, energy [eV], error [eV]'",
            key="kind",
            allowed="; ".join(f"{c} ({PATH_KINDS[c]})" for c in ("table", "qe")),
        )
    return "table"
