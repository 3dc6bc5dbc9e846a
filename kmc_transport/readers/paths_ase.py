"""Reads a path from an ASE trajectory or database."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .paths_common import RawPath, fail, library, require_ase, stack
from .paths_geometry import refuse_unequal_images

__all__ = ["SUFFIXES", "read_ase", "read_outputs"]

SUFFIXES = (".traj", ".db", ".json", ".xyz", ".extxyz")
_DATABASES = (".db", ".json")
_INDEX = re.compile(r"-?\d*:-?\d*(:-?\d+)?\Z")


def read_ase(file: Path, key: str | None = None) -> RawPath:
    """Images of a trajectory (``.traj``, ``.xyz``) or of a database (``.db``, ``.json``), with their energies.

    ``key`` picks images: a slice of a trajectory (``"-7:"``), a selection of a database (``"path=hop1"``). Rows of
    a database are taken in the order of their key ``image`` where all have one, else by id. Of a trajectory with
    every step of an NEB, the last band is taken.

    Raises
    ------
    InputError : ASE is missing, a damaged or empty file, images without an energy, other atoms or cell.
    """
    require_ase(file)
    if not file.is_file() or file.stat().st_size == 0:
        raise fail(file, "this file is missing or empty", "give the file of a finished calculation")
    if file.suffix not in SUFFIXES:
        raise fail(
            file,
            "ASE files of this kind are not read",
            f"give one of {', '.join(SUFFIXES)}",
            value=file.suffix,
        )
    notes: list[str] = []
    images = _rows(file, key, notes) if file.suffix in _DATABASES else _frames(file, key, notes)
    if not images:
        raise fail(file, "there are no images here", "check the file and the key", value=key)
    return _raw(file, images, notes, f"ASE, {len(images)} images{f', {key}' if key else ''}")


def read_outputs(files: Sequence[Path]) -> RawPath:
    """Last structure and energy of one output for each image (pw.x, OUTCAR, ... packed too), in the order given.

    Raises
    ------
    InputError : ASE is missing, files that it does not know or that hold no energy, other atoms or cell.
    """
    require_ase(files[0])
    from ase.io import read

    images = []
    for file in files:
        if not file.is_file():
            raise fail(file, "there is no such file", "check the path")
        remedy = "give the output of a finished calculation"
        with library(file, "an output that ASE reads", remedy), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ASE's remarks on formats; what is missing is refused below
            images.append(read(file, index=-1))
    return _raw(files[0], images, [], f"{len(files)} outputs, from {files[0].name} to {files[-1].name}")


def _raw(file: Path, images: list[Any], notes: list[str], what: str) -> RawPath:
    """The images' energies, forces and positions."""
    energies: list[float] = []
    forces: list[Any] = []
    with library(file, "images with energies", "the file is damaged: write it again"):
        for i, image in enumerate(images):
            results = getattr(image.calc, "results", {}) if image.calc is not None else {}
            if results.get("energy") is None:
                raise fail(
                    file,
                    f"image {i} has no energy",
                    "write the images with their calculators attached, or with SinglePointCalculator",
                )
            energies.append(float(results["energy"]))
            force = results.get("forces")
            forces.append(None if force is None else np.array(force, dtype=float))
        symbols = [tuple(i.get_chemical_symbols()) for i in images]
        places = [np.array(i.positions, dtype=float) for i in images]
        cells = [np.array(i.cell, dtype=float) for i in images]
        solid = images[0].cell.rank == 3
    raw = RawPath(
        file=file,
        kind="ase",
        energy=np.array(energies),
        symbols=symbols,
        hermite=True,
        what=what,
        notes=notes,
    )
    refuse_unequal_images(raw, places, cells)
    raw.positions = stack(places)
    if solid:
        raw.cell = cells[0]
        raw.periodic = tuple(bool(p) for p in images[0].pbc)  # type: ignore[assignment]
    if all(f is not None and f.shape == places[0].shape and np.isfinite(f).all() for f in forces):
        raw.forces = np.array(forces, dtype=float)
    else:
        notes.append("not all images have forces: they do not shape the interpolation")
    return raw


def _frames(file: Path, key: str | None, notes: list[str]) -> list[Any]:
    if key is not None and not _INDEX.match(key):
        raise fail(
            file,
            "this is not a slice of a trajectory",
            "write it as in Python, such as '-7:' for the last seven images",
            key="key",
            value=key,
        )
    from ase.io import read

    form = {".traj": "traj"}.get(file.suffix, "extxyz")
    with library(file, f"an ASE {form} file", "the file breaks off or is damaged: write it again"):
        images = list(read(file, index=key or ":", format=form))
    return images if key else _last_band(file, images, notes)


def _last_band(file: Path, images: list[Any], notes: list[str]) -> list[Any]:
    """An NEB written at each step holds its fixed start again and again; the last band counts."""
    if len(images) < 6:
        return images
    again = [
        i
        for i, a in enumerate(images)
        if len(a) == len(images[0]) and np.allclose(a.positions, images[0].positions, rtol=0, atol=1e-8)
    ]
    if len(again) == 1:
        return images
    period = again[1]
    if period < 3 or len(images) % period or again != list(range(0, len(images), period)):
        raise fail(
            file,
            f"the start appears {len(again)} times among {len(images)} images, not at equal distances",
            "pick the images of the last band by key, such as '-7:'",
            key="key",
        )
    notes.append(f"{len(again)} bands of {period} images: the last one is taken")
    return images[-period:]


def _rows(file: Path, key: str | None, notes: list[str]) -> list[Any]:
    from ase.db import connect

    remedy = (
        "the file is not a database of ASE, or is damaged; write it with ase.db.connect(...).write(atoms)"
    )
    with file.open("rb") as handle:
        begins = handle.read(15)
    if file.suffix == ".db" and begins != b"SQLite format 3":
        raise fail(file, "this is not a database of ASE", remedy)
    with library(file, "a database of ASE", remedy):
        database = connect(str(file), use_lock_file=False)
        everything = database.count()
    with library(file, "a database of ASE", "check the selection, such as 'path=hop1' or 'id>4'"):
        rows = list(database.select(key))
        images = [row.toatoms() for row in rows]
    if not rows:
        raise fail(
            file,
            f"no row of {everything} fits the key",
            "give a selection of ASE's database, such as 'path=hop1'",
            key="key",
            value=key,
        )
    order = [row.key_value_pairs.get("image") for row in rows]
    if all(isinstance(o, int | float | np.integer) for o in order) and len(set(order)) == len(order):
        if order != sorted(order):
            notes.append("rows are taken in the order of their key 'image'")
        return [images[i] for i in np.argsort(order)]
    if any(o is not None for o in order):
        raise fail(
            file,
            "the key 'image' of the rows is missing in some, or doubled",
            "select the rows of one path by key, and number them once each",
            key="key",
            value=key,
        )
    return images
