"""Reads a path from the JSON of pymatgen's ``NEBAnalysis``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..cell import unsound
from ..common import RawPath, fail, library, read_text, stack
from ..plain_json import parse_json
from ..structures.plain import plain_structure
from .geometry import refuse_unequal_images

__all__ = ["is_neb_analysis", "read_neb_analysis"]

_KEYS = ("r", "energies", "forces", "structures")
_REMEDY = (
    "write it with json.dump(NEBAnalysis.from_dir(...).as_dict(), file), or give the folder of the images"
)


def is_neb_analysis(data: object) -> bool:
    """Whether a JSON document looks like a ``NEBAnalysis``."""
    return isinstance(data, dict) and (
        data.get("@class") == "NEBAnalysis" or {"energies", "structures"} <= set(data)
    )


def load_json(file: Path) -> Any:
    """The document in a JSON file, or an `InputError` with the line where it breaks off."""
    return parse_json(file, read_text(file, "a JSON file"))


def read_neb_analysis(file: Path) -> RawPath:
    """Energies, structures and tangential forces of a ``pymatgen.analysis.transition_state.NEBAnalysis``.

    Raises
    ------
    InputError : another object, keys missing or of differing lengths, distances that are not the structures'.
    """
    data = load_json(file)
    if not is_neb_analysis(data):
        what = data.get("@class", "a mapping") if isinstance(data, dict) else type(data).__name__
        raise fail(file, "this JSON is not a NEBAnalysis of pymatgen", _REMEDY, value=what)
    missing = [k for k in _KEYS if k not in data]
    if missing:
        raise fail(file, f"the NEBAnalysis lacks {', '.join(missing)}", _REMEDY)
    lengths = {k: len(data[k]) if isinstance(data[k], list) else None for k in _KEYS}
    if None in lengths.values() or len(set(lengths.values())) != 1:
        said = ", ".join(f"{k}: {n if n is not None else 'no list'}" for k, n in lengths.items())
        raise fail(file, "the lists of the NEBAnalysis differ in length", _REMEDY, value=said)
    if not data["energies"]:
        raise fail(file, "the NEBAnalysis has no images", _REMEDY)
    r, energy, force = (_finite(file, k, data[k]) for k in ("r", "energies", "forces"))
    symbols, places, cells = [], [], []
    for i, entry in enumerate(data["structures"]):
        with library(file, f"the structure of image {i}", _REMEDY):
            matrix, fractional, occupied, _ = plain_structure(file, entry, f"the structure of image {i}")
            cell = np.array(matrix, dtype=float).reshape(3, 3)
            if any(len(s) > 1 or abs(sum(s.values()) - 1) > 1e-3 for s in occupied):
                raise fail(file, f"image {i} has sites with more than one species", "give ordered structures")
            symbols.append(tuple(next(iter(s)) for s in occupied))
            places.append(np.array(fractional, dtype=float) @ cell)
            cells.append(cell)
            periodic = tuple(bool(p) for p in entry["lattice"].get("pbc", (True, True, True)))
            if wrong := unsound(cell, np.array(fractional, dtype=float)):
                raise fail(file, f"image {i} is not sound: {wrong}", _REMEDY)
    raw = RawPath(
        file=file,
        kind="neb_analysis",
        energy=energy,
        symbols=symbols,
        slope=-force,
        what="pymatgen NEBAnalysis (VASP: energy for sigma -> 0)",
    )
    refuse_unequal_images(raw, places, cells)
    raw.positions, raw.cell, raw.periodic = stack(places), cells[0], periodic  # type: ignore[assignment]
    _check_distances(raw, r)
    return raw


def _finite(file: Path, key: str, values: list[object]) -> np.ndarray:
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise fail(file, f"'{key}' of the NEBAnalysis holds something that is no number", _REMEDY) from error
    if array.ndim != 1 or not np.isfinite(array).all():
        raise fail(
            file, f"'{key}' of the NEBAnalysis holds values that are not finite", _REMEDY, value=values
        )
    return array


def _check_distances(raw: RawPath, r: np.ndarray) -> None:
    """``r`` of the file against the distances of its own structures: else the lists are of different order."""
    if (np.diff(r) <= 0).any():
        raise fail(
            raw.file, "the path length 'r' does not ascend", "give the images from start to end", value=r
        )
    if abs(r[0]) > 1e-6:
        raise fail(
            raw.file,
            f"the path length 'r' starts at {r[0]:.3f} Å: the images before it, with the start, are missing",
            "write the whole band",
        )
    assert raw.positions is not None
    assert raw.cell is not None
    fraction = np.diff(raw.positions @ np.linalg.inv(raw.cell), axis=0)
    fraction -= np.where(raw.periodic, np.round(fraction), 0.0)
    steps = np.linalg.norm((fraction @ raw.cell).reshape(len(r) - 1, -1), axis=1)
    wrong = np.flatnonzero(np.abs(np.diff(r) - steps) > 0.05 * steps + 0.01)
    if wrong.size:
        i = int(wrong[0])
        raise fail(
            raw.file,
            f"'r' and 'structures' do not belong together: from image {i} to {i + 1} 'r' grows by "
            f"{r[i + 1] - r[i]:.3f} Å, the atoms move by {steps[i]:.3f} Å",
            "the order of images differs between the lists: write the file again",
        )
