"""Reads a path from the image folders 00, 01, … of a VASP calculation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .paths_common import RawPath, fail, library, stack
from .paths_geometry import refuse_unequal_images

__all__ = ["image_folders", "read_vasp"]

_FOLDER = re.compile(r"\d{1,3}\Z")
# Two blanks after "energy": the summary of an ionic step. With one blank it is an electronic step on its way,
# which pymatgen's Outcar.read_neb takes as well; a killed run would then give the energy of a bad density.
_ENERGY = re.compile(r"energy  without entropy\s*=\s*(\S+)\s+energy\(sigma->0\)\s*=\s*(\S+)")
_TANGENT = re.compile(
    r"(?:NEB: projections on to tangent \(spring, REAL\)\s+\S+|tangential force \(eV/A\))\s+(\S+)"
)
_SETTINGS = {
    "NIONS": re.compile(r"NIONS\s*=\s*(\d+)"),
    "ENCUT": re.compile(r"ENCUT\s*=\s*([\d.]+)"),
    "NELECT": re.compile(r"NELECT\s*=\s*([\d.]+)"),
}
# where the relaxations of the end states may lie, after pymatgen's NEBAnalysis.from_dir
_ENDS = (("start", "end"), ("initial", "final"))


@dataclass
class _Run:
    """What one OUTCAR or vasprun.xml says."""

    file: Path
    energy: float
    slope: float | None
    settings: dict[str, float]
    finished: bool
    positions: np.ndarray | None = None
    cell: np.ndarray | None = None
    symbols: tuple[str, ...] | None = None


def image_folders(folder: Path) -> list[Path]:
    """Sub-folders whose names are numbers, by number."""
    found = [p for p in folder.iterdir() if p.is_dir() and _FOLDER.match(p.name)]
    return sorted(found, key=lambda p: (int(p.name), p.name))


def read_vasp(folder: Path) -> RawPath:
    """Energies (sigma -> 0), structures and tangential forces from numbered folders.

    Each image needs an OUTCAR (or vasprun.xml) and a CONTCAR or POSCAR; those of the end states may also lie in
    ``start``/``end`` or ``initial``/``final`` beside the images. Packed files (``.gz``) are read too.

    Raises
    ------
    InputError : folders missing or doubled, no energy of a finished ionic step, other atoms, cell or settings.
    """
    if not folder.is_dir():
        raise fail(folder, "this is not a folder", "give the folder that holds the image folders 00, 01, …")
    folders = image_folders(folder)
    if not folders:
        raise fail(folder, "there are no image folders here", "give the folder that holds 00, 01, …")
    numbers = [int(p.name) for p in folders]
    for name, n in zip(folders, numbers, strict=True):
        if numbers.count(n) > 1:
            raise fail(folder, f"two image folders have the number {n} ({name.name})", "keep one of them")
    missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    if missing:
        raise fail(
            folder,
            f"the image folder{'s' if len(missing) > 1 else ''} {', '.join(f'{m:02d}' for m in missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing",
            "give all images of the path",
            value=" ".join(p.name for p in folders),
        )
    runs, notes = [], []
    for i, image in enumerate(folders):
        places = [image]
        if i in (0, len(folders) - 1):
            places += [folder / pair[0 if i == 0 else 1] for pair in _ENDS]
        run = _run(places, image)
        runs.append(run)
        if not run.finished:
            notes.append(
                f"{run.file.parent.name}/{run.file.name} breaks off: energy of its last finished ionic step"
            )
    _refuse_other_settings(folder, runs)
    structures = [_structure(image, run) for image, run in zip(folders, runs, strict=True)]
    labels = tuple(f"image {p.name}" for p in folders)
    raw = RawPath(
        file=folder,
        kind="vasp",
        energy=np.array([r.energy for r in runs]),
        symbols=[s[2] for s in structures],
        slope=_slopes(runs),
        what=f"{len(runs)} image folders, energy for sigma -> 0 of the last ionic step",
        labels=labels,
        notes=notes,
    )
    places_ = [s[0] for s in structures]
    refuse_unequal_images(raw, places_, [s[1] for s in structures])
    for label, run, place in zip(labels, runs, places_, strict=True):
        n_ions = run.settings.get("NIONS")
        if n_ions is not None and n_ions != len(place):
            raise fail(
                run.file,
                f"{label}: {run.file.name} is of {n_ions:g} atoms, the structure beside it has {len(place)}",
                "the files of two calculations are mixed up: give those of one",
            )
    raw.positions, raw.cell = stack(places_), structures[0][1]
    return raw


def _find(folder: Path, name: str) -> Path | None:
    """``name``, packed or with an ending such as ``OUTCAR.relax2`` (the last by name)."""
    if not folder.is_dir():
        return None
    exact = [folder / f"{name}{ending}" for ending in ("", ".gz", ".bz2", ".xz")]
    others = sorted(p for p in folder.glob(f"{name}.*") if p not in exact and p.is_file())
    return next((p for p in exact if p.is_file()), others[-1] if others else None)


def _run(places: list[Path], image: Path) -> _Run:
    for place in places:
        if outcar := _find(place, "OUTCAR"):
            return _outcar(outcar)
        if vasprun := _find(place, "vasprun.xml"):
            return _vasprun(vasprun)
    remedy = f"copy the OUTCAR of this image into {image.name}"
    if len(places) > 1:
        remedy += ", or that of the relaxed end state into start/end or initial/final"
    raise fail(image, f"image {image.name} has neither OUTCAR nor vasprun.xml", remedy)


def _outcar(file: Path) -> _Run:
    """Read line by line: pymatgen's ``Outcar`` needs the whole of a finished run, and an image often is not."""
    from monty.io import zopen

    energy: str | None = None
    tangent: str | None = None
    settings: dict[str, float] = {}
    finished, empty, electronic = False, True, False
    with library(file, "an OUTCAR of VASP", "give the file that VASP wrote"), zopen(file, "rt") as handle:
        for line in handle:
            text = str(line)
            empty = empty and not text.strip()
            if "sigma->0" in text:
                electronic = True
                energy = m[2] if (m := _ENERGY.search(text)) else energy
            elif "tangent" in text:
                tangent = m[1] if (m := _TANGENT.search(text)) else tangent
            elif "General timing and accounting" in text:
                finished = True
            elif len(settings) < len(_SETTINGS):
                for key, pattern in _SETTINGS.items():
                    if key in text and key not in settings and (m := pattern.search(text)):
                        settings[key] = float(m[1])
    where = f"image {file.parent.name}"
    if empty:
        raise fail(file, f"the OUTCAR of {where} is empty", "repeat this image")
    if energy is None:
        why = "it breaks off inside the first electronic relaxation" if electronic else "it breaks off before"
        raise fail(
            file, f"the OUTCAR of {where} has no final energy (energy(sigma->0)): {why}", "repeat this image"
        )
    return _Run(
        file, _number(file, energy), None if tangent is None else -_number(file, tangent), settings, finished
    )


def _number(file: Path, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise fail(file, "the energy or force is not a number", "this image failed: repeat it", value=text)
    return value


def _vasprun(file: Path) -> _Run:
    from pymatgen.io.vasp import Vasprun

    with library(
        file, "a vasprun.xml of VASP", "this run is not finished or damaged: give its OUTCAR, or repeat it"
    ):
        run = Vasprun(file, parse_dos=False, parse_eigen=False, parse_potcar_file=False)
        structure = run.final_structure
        settings = {"NIONS": float(len(structure))}
        for key in ("ENCUT", "NELECT"):
            if key in run.parameters:
                settings[key] = float(run.parameters[key])
        return _Run(
            file,
            _number(file, str(float(run.final_energy))),
            None,
            settings,
            True,
            np.array(structure.cart_coords),
            np.array(structure.lattice.matrix),
            tuple(site.specie.symbol for site in structure),
        )


def _structure(image: Path, run: _Run) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Positions, cell, elements: CONTCAR, else those of vasprun.xml, else POSCAR."""
    from pymatgen.io.vasp import Poscar

    for name in ("CONTCAR", "POSCAR"):
        file = _find(image, name)
        if (
            name == "POSCAR"
            and run.positions is not None
            and run.cell is not None
            and run.symbols is not None
        ):
            return run.positions, run.cell, run.symbols
        # VASP leaves an empty CONTCAR until the first ionic step is done
        if file is None or file.stat().st_size == 0:
            continue
        with library(file, "a structure of VASP", "give the file of the finished image"):
            structure = Poscar.from_file(file, check_for_potcar=False).structure
            symbols = tuple(site.specie.symbol for site in structure)
            return np.array(structure.cart_coords), np.array(structure.lattice.matrix), symbols
    raise fail(
        image, f"image {image.name} has neither CONTCAR nor POSCAR", "copy its structure into the folder"
    )


def _refuse_other_settings(folder: Path, runs: list[_Run]) -> None:
    for key, meaning in (
        ("NELECT", "number of electrons"),
        ("ENCUT", "cutoff"),
        ("NIONS", "number of atoms"),
    ):
        known = [(r.settings[key], r.file) for r in runs if key in r.settings]
        for value, file in known:
            if abs(value - known[0][0]) > 1e-3:
                raise fail(
                    file,
                    f"{key} ({meaning}) is {value:g} in {file.parent.name} but {known[0][0]:g} in "
                    f"{known[0][1].parent.name}: energies of different calculations cannot be compared",
                    "compute all images and both end states with the same settings",
                )


def _slopes(runs: list[_Run]) -> np.ndarray | None:
    """dE/ds, zero at both ends (relaxed); None unless every image between them has its tangential force."""
    inner = [r.slope for r in runs[1:-1]]
    if not inner or None in inner:
        return None
    return np.array([0.0, *inner, 0.0], dtype=float)
