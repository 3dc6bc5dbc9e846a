"""Reads a path from the image folders 00, 01, … of a VASP calculation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..common import (
    RawPath,
    Residual,
    fail,
    library,
    stack,
    whole_number,
)
from ..files import read_packed_text
from ..settings import compare_settings
from ..settings_vasp import Run, outcar_run
from ..structures.poscar import normal_poscar
from ..vasprun import vasprun_run
from .geometry import refuse_unequal_images

__all__ = ["at_rest", "broken_off", "image_folders", "read_vasp", "refuse_inside", "slopes"]

_FOLDER = re.compile(r"(?:(?:image|img|im|neb)[_-]?)?(\d{1,3})\Z", re.IGNORECASE)
# where the relaxations of the end states may lie, after pymatgen's NEBAnalysis.from_dir
_ENDS = (("start", "end"), ("initial", "final"))


def image_folders(folder: Path) -> list[Path]:
    """Sub-folders whose names are numbers (``00``, ``0``, ``image_00``), by number."""
    found = [(n, p.name, p) for p in folder.iterdir() if (n := _number(p)) is not None and p.is_dir()]
    return [p for _, _, p in sorted(found)]


def _number(folder: Path) -> int | None:
    found = _FOLDER.match(folder.name)
    return int(found[1]) if found else None


def read_vasp(folder: Path, *, half: bool = False) -> RawPath:
    """Energies (sigma -> 0), structures and tangential forces from numbered folders.

    Each image needs an OUTCAR (or vasprun.xml) and a CONTCAR or POSCAR; those of the end states may also lie in
    ``start``/``end`` or ``initial``/``final`` beside the images. Packed files (``.gz``) are read too. ``half``: start
    and saddle alone, so that the last is no end.

    Raises
    ------
    InputError : folders missing (the ends too) or doubled, no energy of a finished ionic step, other atoms, cell or
        settings.
    """
    if not folder.is_dir():
        raise fail(folder, "this is not a folder", "give the folder that holds the image folders 00, 01, …")
    folders = image_folders(folder)
    if not folders:
        raise fail(folder, "there are no image folders here", "give the folder that holds 00, 01, …")
    numbers = [n for p in folders if (n := _number(p)) is not None]
    for name, n in zip(folders, numbers, strict=True):
        if numbers.count(n) > 1:
            raise fail(folder, f"two image folders have the number {n} ({name.name})", "keep one of them")
    missing = sorted(set(range(numbers[-1] + 1)) - set(numbers))
    if missing:
        start = ", the start," if 0 in missing else ""
        raise fail(
            folder,
            f"the image folder{'s' if len(missing) > 1 else ''} {', '.join(f'{m:02d}' for m in missing)}{start} "
            f"{'are' if len(missing) > 1 else 'is'} missing",
            "give all images of the path, from the start in 00 to the end; outputs in folders of other names are "
            "given as a list, [start/OUTCAR, ..., end/OUTCAR]",
            value=" ".join(p.name for p in folders),
        )
    runs = []
    for i, image in enumerate(folders):
        places = [image]
        if i in (0, len(folders) - 1):
            places += [folder / pair[0 if i == 0 else 1] for pair in _ENDS]
        runs.append(_run(places, image))
    if not half:
        _refuse_missing_ends(folder, folders, runs)
    structures = [_structure(image, run) for image, run in zip(folders, runs, strict=True)]
    labels = tuple(f"image {p.name}" for p in folders)
    raw = RawPath(
        file=folder,
        kind="vasp",
        energy=np.array([r.energy for r in runs]),
        symbols=[s[2] for s in structures],
        slope=slopes(runs),
        what=f"{len(runs)} image folders, energy for sigma -> 0 of the last ionic step",
        labels=labels,
        notes=broken_off(runs) + compare_settings([r.settings for r in runs]) + at_rest(runs),
    )
    places_ = [s[0] for s in structures]
    refuse_unequal_images(raw, places_, [s[1] for s in structures])
    for label, run, place in zip(labels, runs, places_, strict=True):
        n_ions = run.settings.values.get("NIONS")
        if n_ions is not None and n_ions != len(place):
            raise fail(
                run.file,
                f"{label}: {run.file.name} is of {n_ions:g} atoms, the structure beside it has {len(place)}",
                "the files of two calculations are mixed up: give those of one",
            )
    raw.positions, raw.cell = stack(places_), structures[0][1]
    raw.residual = [
        Residual(np.where(free, run.forces, 0.0), run.force_limit)
        if run.forces is not None and run.forces.shape == place.shape and run.reached is not True
        else None
        for run, place, (_, _, _, free) in zip(runs, places_, structures, strict=True)
    ]
    return raw


def broken_off(runs: list[Run]) -> list[str]:
    """Notes on outputs without their end."""
    return [
        f"{r.settings.where}/{r.file.name} breaks off: energy of its last finished ionic step"
        for r in runs
        if not r.finished
    ]


def at_rest(runs: list[Run]) -> list[str]:
    """Notes on images whose files do not say that the forces came below the criterion."""
    stopped = [r.settings.where for r in runs if r.reached is False]
    silent = [r.settings.where for r in runs if r.reached is None]
    notes = []
    if stopped:
        notes.append(
            f"band not converged: {', '.join(stopped)} stopped before the forces reached the criterion (EDIFFG)"
        )
    if silent and len(silent) < len(runs):
        notes.append(f"{', '.join(silent)}: nothing says that this is relaxed, as the others are")
    elif silent:
        notes.append(
            "band and ends are not known to be converged: single points, none 'reached required accuracy'"
        )
    return notes


def _refuse_missing_ends(folder: Path, folders: list[Path], runs: list[Run]) -> None:
    """The number of images that VASP was told, or else a force along the band at what should be its end."""
    told = _told_images([folder, *folders], runs)
    if told is not None:
        images, place = told
        if len(folders) != images + 2:
            what = (
                "the end of the band is missing" if len(folders) < images + 2 else "some are of another band"
            )
            raise fail(
                folder,
                f"{place} has IMAGES = {images}, so the band has {images + 2} images with its ends, but there are "
                f"{len(folders)} image folders ({folders[0].name} to {folders[-1].name}): {what}",
                "give the folder of the whole band, with OUTCAR and structure of both ends",
            )
        return
    for run in (runs[0], runs[-1]):
        refuse_inside(run, "its end states lie outside: give the folder of the whole band, with both ends")


def refuse_inside(run: Run, remedy: str) -> None:
    """Error for an end of a path that itself lies between other images."""
    if run.slope is not None:
        raise fail(
            run.file,
            f"{run.settings.where} is no end of a band: it has a force along the band (of images on both sides)",
            remedy,
            value=f"{-run.slope:g} eV/Å",
        )
    if run.images and 1 <= (_number(run.file.absolute().parent) or 0) <= run.images:
        raise fail(
            run.file,
            f"{run.settings.where} is no end of a band: its run has IMAGES = {run.images}, and it is one of these",
            remedy,
            value=run.settings.where,
        )


def _told_images(places: list[Path], runs: list[Run]) -> tuple[int, str] | None:
    """IMAGES, and where it stands: an INCAR of the band or of its images, or an output of an image inside it."""
    for place in places:
        if (file := _find(place, "INCAR")) is None:
            continue
        for line in read_packed_text(file, "an INCAR of VASP").splitlines():
            plain = re.split(r"[#!]", line)[0]
            found = re.search(r"(?:^|;)\s*IMAGES\s*=\s*(\d+)", plain, re.IGNORECASE)
            if found and whole_number(found[1]):
                return whole_number(found[1]), file.name if place is places[
                    0
                ] else f"{place.name}/{file.name}"
    for run in runs[1:-1] or runs:
        if run.images:
            return run.images, f"{run.settings.where}/{run.file.name}"
    return None


def _find(folder: Path, name: str) -> Path | None:
    """``name``, packed or with an ending such as ``OUTCAR.relax2`` (the last by name)."""
    if not folder.is_dir():
        return None
    exact = [folder / f"{name}{ending}" for ending in ("", ".gz", ".bz2", ".xz")]
    others = sorted(p for p in folder.glob(f"{name}.*") if p not in exact and p.is_file())
    return next((p for p in exact if p.is_file()), others[-1] if others else None)


def _run(places: list[Path], image: Path) -> Run:
    for place in places:
        if outcar := _find(place, "OUTCAR"):
            return _outcar(outcar)
        if vasprun := _find(place, "vasprun.xml"):
            return vasprun_run(vasprun)
    remedy = f"copy the OUTCAR of this image into {image.name}"
    if len(places) > 1:
        remedy += ", or that of the relaxed end state into start/end or initial/final"
    raise fail(image, f"image {image.name} has neither OUTCAR nor vasprun.xml", remedy)


def _outcar(file: Path) -> Run:
    if not file.stat().st_size:
        raise fail(file, f"the OUTCAR of image {file.parent.name} is empty", "repeat this image")
    return outcar_run(file, read_packed_text(file, "an OUTCAR of VASP"))


def _structure(image: Path, run: Run) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
    """Positions, cell, elements, which coordinates are free: CONTCAR, else those of vasprun.xml, else POSCAR."""
    for name in ("CONTCAR", "POSCAR"):
        file = _find(image, name)
        if (
            name == "POSCAR"
            and run.positions is not None
            and run.cell is not None
            and run.symbols is not None
        ):
            return run.positions, run.cell, run.symbols, np.ones_like(run.positions, dtype=bool)
        # VASP leaves an empty CONTCAR until the first ionic step is done
        if file is None or file.stat().st_size == 0:
            continue
        return _poscar(file)
    raise fail(
        image, f"image {image.name} has neither CONTCAR nor POSCAR", "copy its structure into the folder"
    )


def _poscar(file: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
    from pymatgen.io.vasp import Poscar

    text, _ = normal_poscar(file, read_packed_text(file, "a structure of VASP"), file.parent)
    with library(file, "a structure of VASP", "give the file of the finished image"):
        structure = Poscar.from_str(text, read_velocities=False).structure
        symbols = tuple(site.specie.symbol for site in structure)
        free = structure.site_properties.get("selective_dynamics")
        places = np.array(structure.cart_coords)
        return (
            places,
            np.array(structure.lattice.matrix),
            symbols,
            np.ones_like(places, dtype=bool) if free is None else np.array(free, dtype=bool),
        )


def slopes(runs: list[Run]) -> np.ndarray | None:
    """dE/ds, zero at both ends (relaxed); None unless every image between them has its tangential force."""
    inner = [r.slope for r in runs[1:-1]]
    if not inner or None in inner:
        return None
    return np.array([0.0, *inner, 0.0], dtype=float)
