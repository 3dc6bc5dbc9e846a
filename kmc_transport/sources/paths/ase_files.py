"""Reads a path from an ASE trajectory or database."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..common import (
    RawPath,
    Residual,
    fail,
    library,
    missing_numbers,
    require_ase,
    stack,
)
from ..files import bare_name, check_file, plain_copy
from ..settings import Settings, compare_settings, told_settings
from .geometry import refuse_unequal_images

__all__ = ["SUFFIXES", "ase_energy", "ase_settings", "read_ase"]

SUFFIXES = (".traj", ".db", ".json", ".xyz", ".extxyz")
_DATABASES = (".db", ".json")
_INDEX = re.compile(r"(-?\d{1,9})?:(-?\d{1,9})?(?::(-?[1-9]\d{0,8}))?\Z")
_LARGEST = 1e6  # eV/Å; nan is not below it
_AT_REST = 0.1  # eV/Å; an end state with more of it left is no minimum by any usual criterion


def read_ase(file: Path, key: str | None = None) -> RawPath:
    """Images of a trajectory (``.traj``, ``.xyz``) or of a database (``.db``, ``.json``), with their energies.

    ``key`` picks images: a slice of a trajectory (``"-7:"``), a selection of a database (``"path=hop1"``). Rows of
    a database are taken in the order of their key ``image`` where all have one, else by id. Of a trajectory with
    every step of an NEB, the last whole band is taken.

    Raises
    ------
    InputError : ASE is missing, a damaged or empty file, images without an energy, other atoms, cell or settings.
    """
    require_ase(file)
    check_file(file, "a trajectory or database of ASE")
    suffix = Path(bare_name(file)).suffix.lower()
    if suffix not in SUFFIXES:
        raise fail(
            file, "ASE files of this kind are not read", f"give one of {', '.join(SUFFIXES)}", value=suffix
        )
    notes: list[str] = []
    told: list[dict[str, Any]] = []
    packed = bare_name(file) != file.name
    plain: AbstractContextManager[Path] = plain_copy(file, "an ASE file") if packed else nullcontext(file)
    with plain as copy:
        if suffix in _DATABASES:
            images, told = _rows(file, copy, key, notes)
        else:
            images = _frames(file, copy, key, notes)
    if not images:
        raise fail(file, "there are no images here", "check the file and the key", value=key)
    return _raw(file, images, notes, f"ASE, {len(images)} images{f', {key}' if key else ''}", told)


def ase_energy(file: Path, image: Any, name: str) -> tuple[float, Any]:
    """(energy in eV, forces (n_atoms, 3) in eV/Å or None) that the image was written with."""
    results = getattr(image.calc, "results", {}) if image.calc is not None else {}
    if results.get("energy") is None:
        raise fail(
            file,
            f"{name} has no energy",
            "write the images with their calculators attached, or with SinglePointCalculator",
        )
    force = results.get("forces")
    if force is None or np.shape(force) != np.shape(image.positions):
        return float(results["energy"]), None
    forces = np.array(force, dtype=float)
    return float(results["energy"]), forces if bool((np.abs(forces) < _LARGEST).all()) else None


def ase_settings(
    file: Path, image: Any, name: str, told: Mapping[str, Any] = MappingProxyType({})
) -> Settings:
    """What an image tells of its calculation; ``told``: settings that stand beside it."""
    calculator = image.calc
    parameters = dict(getattr(calculator, "parameters", None) or {})
    code = getattr(calculator, "name", None)
    nested = [v for v in parameters.values() if isinstance(v, Mapping)]
    values = {**told_settings({**image.info, **parameters}), **told}
    for inner in nested:  # such as input_data of pw.x
        flat = [v for v in inner.values() if isinstance(v, Mapping)] or [inner]
        for group in flat:
            values |= told_settings(group)
    if code and str(code) not in ("unknown", "singlepointcalculator"):
        values["code"] = str(code)
    results = getattr(calculator, "results", {})
    free, energy = results.get("free_energy"), results.get("energy")
    entropy = None if free is None or energy is None else 2 * (float(free) - float(energy))
    return Settings(where=name, file=file, values=values, entropy=entropy)


def _raw(
    file: Path, images: list[Any], notes: list[str], what: str, told: Sequence[Mapping[str, Any]] = ()
) -> RawPath:
    """The images' energies, forces and positions."""
    energies: list[float] = []
    forces: list[Any] = []
    with library(file, "images with energies", "the file is damaged: write it again"):
        for i, image in enumerate(images):
            energy, force = ase_energy(file, image, f"image {i}")
            energies.append(energy)
            forces.append(force)
        symbols = [tuple(i.get_chemical_symbols()) for i in images]
        places = [np.array(i.positions, dtype=float) for i in images]
        cells = [np.array(i.cell, dtype=float) for i in images]
        solid = images[0].cell.rank == 3
        settings = [
            ase_settings(file, image, f"image {i}", told[i] if told else {}) for i, image in enumerate(images)
        ]
    raw = RawPath(
        file=file,
        kind="ase",
        energy=np.array(energies),
        symbols=symbols,
        hermite=True,
        what=what,
        notes=[*notes, *compare_settings(settings)],
    )
    refuse_unequal_images(raw, places, cells)
    raw.positions = stack(places)
    if solid:
        raw.cell = cells[0]
        raw.periodic = tuple(bool(p) for p in images[0].pbc)  # type: ignore[assignment]
    if all(f is not None and f.shape == places[0].shape for f in forces):
        raw.forces = np.array(forces, dtype=float)
        raw.residual = [None] * len(images)
        for end in (0, -1):
            left = images[end].get_forces(apply_constraint=True)  # fixed atoms keep theirs
            raw.residual[end] = Residual(np.array(left, dtype=float), _AT_REST)
    else:
        raw.notes.append("not all images have forces: they do not shape the interpolation")
    return raw


def _frames(file: Path, copy: Path, key: str | None, notes: list[str]) -> list[Any]:
    index = None if key is None else _INDEX.match(key)
    if key is not None and index is None:
        raise fail(
            file,
            "this is not a slice of a trajectory",
            "write it as in Python, such as '-7:' for the last seven images",
            key="key",
            value=key,
        )
    from ase.io import iread

    form = "traj" if copy.suffix.lower() == ".traj" else "extxyz"
    images: list[Any] = []
    broken: Exception | None = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for image in iread(str(copy), index=":", format=form):
                images.append(image)
    except Exception as error:  # a history that breaks off in its last band still has the ones before
        broken = error
    if index is not None:
        start, stop, step = (int(x) if x else None for x in index.groups())
        if broken is None or (min(start or 0, stop if stop is not None else -1) >= 0 and (step or 1) > 0):
            return images[slice(start, stop, step)]
    elif images and (band := _last_band(file, images, notes, broken is not None)):
        return band
    with library(file, f"an ASE {form} file", "the file breaks off or is damaged: write it again"):
        if broken is not None:
            raise broken
    return images


def _last_band(file: Path, images: list[Any], notes: list[str], broken: bool) -> list[Any] | None:
    """An NEB written at each step holds its fixed start again and again; the last whole band counts.

    None where the file breaks off and no whole band is known in it.
    """
    again = [
        i
        for i, a in enumerate(images)
        if len(a) == len(images[0]) and np.allclose(a.positions, images[0].positions, rtol=0, atol=1e-8)
    ]
    if len(again) == 1:
        return None if broken else images
    period, left = again[1], len(images) % again[1]
    regular = period >= 3 and again == list(range(0, len(images), period))
    if not regular or (len(again) == 2 and left == 1):
        lone = f"the start appears {len(again)} times among {len(images)} images"
        if regular:
            what = f"{lone}, again as the last: a closed path, or a history cut off in its second band"
            remedy = f"set key = ':' for the closed path, key = ':{period}' for the first band"
        else:
            what = f"{lone}, not at equal distances"
            whole = [(a, b) for a, b in pairwise(again) if b - a >= 3]
            band = f"{whole[-1][0]}:{whole[-1][1]}" if whole else f":{len(images)}"
            remedy = f"pick the images of one band by key, such as key = '{band}'"
        raise fail(file, what, remedy, key="key")
    if left or broken:
        notes.append(
            f"the last band is cut off after {left} of {period} images: the last whole one is taken, "
            f"number {len(images) // period}"
        )
    else:
        notes.append(f"{len(again)} bands of {period} images: the last one is taken")
    stop = len(images) - left
    return images[stop - period : stop]


def _rows(
    file: Path, copy: Path, key: str | None, notes: list[str]
) -> tuple[list[Any], list[dict[str, Any]]]:
    """Images, and what their rows tell beside them."""
    from ase.db import connect

    remedy = (
        "the file is not a database of ASE, or is damaged; write it with ase.db.connect(...).write(atoms)"
    )
    with copy.open("rb") as handle:
        begins = handle.read(15)
    if copy.suffix.lower() == ".db" and begins != b"SQLite format 3":
        raise fail(file, "this is not a database of ASE", remedy)
    with library(file, "a database of ASE", remedy):
        database = connect(str(copy), use_lock_file=False)
        everything = database.count()
    with library(file, "a database of ASE", "check the selection, such as 'path=hop1' or 'id>4'"):
        rows = list(database.select(key))
        images = [row.toatoms() for row in rows]
        told = [
            told_settings({**dict(row.get("calculator_parameters") or {}), **row.key_value_pairs})
            for row in rows
        ]
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
        _refuse_missing_images(file, sorted(order))
        if order != sorted(order):
            notes.append("rows are taken in the order of their key 'image'")
        places = [int(i) for i in np.argsort(order)]
        return [images[i] for i in places], [told[i] for i in places]
    if any(o is not None for o in order):
        raise fail(
            file,
            "the key 'image' of the rows is missing in some, or doubled",
            "select the rows of one path by key, and number them once each",
            key="key",
            value=key,
        )
    return images, told


def _refuse_missing_images(file: Path, order: list[Any]) -> None:
    if any(o != round(o) for o in order):
        return
    missing = missing_numbers(order, min(int(order[0]), 1))
    if missing:
        raise fail(
            file,
            f"the rows of image{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))} are missing",
            "select all images of the path by key; numbers that only order the rows belong into another key",
            key="key",
            value=" ".join(f"{o:g}" for o in order[:12]),
        )
