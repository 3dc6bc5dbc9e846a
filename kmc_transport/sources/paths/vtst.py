"""Reads the tables of VTST's scripts: neb.dat, nebef.dat, spline.dat. They have no headings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...ndarrays import FloatArray
from ..common import AT_REST, RawPath, fail, missing_numbers, numbers

__all__ = ["read_vtst"]


def read_vtst(file: Path, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> RawPath | None:
    """The path, where the columns are those of one of the scripts, else None.

    neb.dat (nebbarrier.pl): image, distance (Å), energy (eV), force along the path (eV/Å), image.
    nebef.dat (nebef.pl): image, largest force (eV/Å), energy, the same from the first image (eV).
    spline.dat (nebspline.pl): place between images, distance (Å), energy (eV), force along the path (eV/Å).

    Raises
    ------
    InputError : numbers of images that leave some out, among them the start.
    """
    if len(rows[0]) not in (4, 5) or len(rows) < 3:
        return None
    try:
        data = np.array([numbers(r, file, n) for r, n in zip(rows, lines, strict=True)])
    except InputError:
        return None
    index = data[:, 0]
    if (np.diff(index) <= 0).any() or index[0] < 0:
        return None
    labels = tuple(f"image {i:g}" for i in index)
    if len(rows[0]) == 5:
        if (data[:, 4] != index).any() or not _distances(data[:, 1]):
            return None
        _refuse_missing(file, index)
        return _along(file, data, labels, "VTST neb.dat, force along the path")
    whole = bool((index == np.round(index)).all())
    if whole and np.abs(data[:, 3] - data[:, 2] + data[0, 2]).max() < 1e-5 and (data[:, 1] >= 0).all():
        _refuse_missing(file, index)
        return RawPath(
            file=file,
            kind="table",
            energy=data[:, 2],
            coordinate=index - index[0],
            coordinate_unit="image",
            force_error=data[:, 1],
            what="VTST nebef.dat, largest force",
            labels=labels,
        )
    if _distances(data[:, 1]) and abs(index[0]) < 1e-9 and abs(data[0, 2]) < 1e-9:
        return _along(file, data, labels, "VTST spline.dat")
    return None


def _distances(values: FloatArray) -> bool:
    return abs(values[0]) < 1e-9 and bool((np.diff(values) > 0).all())


def _along(file: Path, data: FloatArray, labels: tuple[str, ...], what: str) -> RawPath:
    """The force at an end is what its relaxation left of it; a larger one is of an image inside the band."""
    for row in (0, -1):
        if abs(data[row, 3]) > AT_REST:
            raise fail(
                file,
                f"{labels[row]} is no end of a band: it has a force along the band (of images on both sides)",
                "run the script in the folder of the whole band, 00 and the last included",
                value=f"{data[row, 3]:g} eV/Å",
                allowed=f"at most {AT_REST:g} eV/Å at the relaxed ends",
            )
    return RawPath(
        file=file,
        kind="table",
        energy=data[:, 2],
        coordinate=data[:, 1],
        coordinate_unit="Å",
        slope=-data[:, 3],
        hermite=True,
        what=what,
        labels=labels,
    )


def _refuse_missing(file: Path, index: FloatArray) -> None:
    missing = missing_numbers(index, 0)
    if missing:
        raise fail(
            file,
            f"image{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))} missing: not a whole band",
            "run the script in the folder of the whole band, 00 and the last included",
            value=" ".join(f"{i:g}" for i in index[:12]),
        )
