"""Reads a path from a list of outputs, one for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...ndarrays import FloatArray
from ..common import (
    AT_REST,
    RawPath,
    Residual,
    fail,
    library,
    require_ase,
    stack,
)
from ..files import bare_name, decode, plain_copy, read_content
from ..settings import Settings, compare_settings
from ..settings_printed import printed_settings
from ..settings_qe import is_pw_output, pw_energy, pw_forces, pw_settings
from ..settings_vasp import Run, outcar_run
from ..structures.read import read_structure
from ..vasp_outcar import scan_outcar
from ..vasprun import vasprun_run
from .ase_files import ase_energy, ase_settings
from .geometry import refuse_unequal_images
from .vasp import at_rest, broken_off, refuse_inside, slopes

__all__ = ["read_outputs"]

_READ = "pw.x (Quantum ESPRESSO), OUTCAR and vasprun.xml (VASP), and what else ASE reads"
_WHAT = "an output of pw.x, an OUTCAR or vasprun.xml of VASP"
_REMEDY = "give the output of a finished calculation"


@dataclass(kw_only=True)
class _Step:
    energy: float
    positions: FloatArray
    cell: FloatArray
    symbols: tuple[str, ...]
    forces: FloatArray | None
    settings: Settings
    run: Run | None = None


def read_outputs(files: Sequence[Path], *, half: bool = False) -> RawPath:
    """Last structure and energy of one output for each image (pw.x, OUTCAR, ... packed too), in the order given.

    ``half``: start and saddle alone, so that the last is no end.

    Raises
    ------
    InputError : files that are not known or hold no energy, other atoms or cell, other settings, images inside a
        band in place of its ends; ASE is missing where it is needed.
    """
    images = [_image(file, name) for file, name in zip(files, _names(files), strict=True)]
    runs = [i.run for i in images if i.run is not None]
    whole = len(runs) == len(images)
    for end in (images[0].run, None if half else images[-1].run):
        if end is not None:
            refuse_inside(end, "start the list with the relaxed start, and end it with the relaxed end")
    raw = RawPath(
        file=files[0],
        kind="outputs",
        energy=np.array([i.energy for i in images]),
        symbols=[i.symbols for i in images],
        hermite=True,
        what=f"{len(files)} outputs, from {files[0].name} to {files[-1].name}",
        labels=tuple(f"image {i} ({image.settings.where})" for i, image in enumerate(images)),
        notes=[*broken_off(runs), *compare_settings([i.settings for i in images])],
    )
    raw.notes += at_rest(runs) if whole else []
    places = [i.positions for i in images]
    refuse_unequal_images(raw, places, [i.cell for i in images])
    raw.positions = stack(places)
    if all(i.cell.any(axis=1).all() for i in images):
        raw.cell = images[0].cell
    forces = [i.forces for i in images if i.forces is not None and i.forces.shape == places[0].shape]
    if any(r.slope is not None for r in runs):
        # VTST adds its springs to the forces that it prints; the part along the band is told beside them
        raw.slope, raw.hermite = slopes(runs) if whole else None, False
    elif len(forces) == len(images):
        raw.forces = np.array(forces)
    else:
        raw.notes.append("not all images have forces: they do not shape the interpolation")
    raw.residual = [_left(i, end=k in (0, len(images) - 1)) for k, i in enumerate(images)]
    return raw


def _left(image: _Step, *, end: bool) -> Residual | None:
    if image.forces is None or image.forces.shape != image.positions.shape:
        return None
    if image.run is not None:
        return None if image.run.reached else Residual(image.forces, image.run.force_limit)
    return Residual(image.forces, AT_REST) if end else None


def _names(files: Sequence[Path]) -> list[str]:
    """Short names that tell the files apart: the folder of an OUTCAR, else the file, else both."""
    usual = [f.name.startswith(("OUTCAR", "vasprun")) for f in files]
    for choice in (
        [f.absolute().parent.name if u else f.name for f, u in zip(files, usual, strict=True)],
        [f"{f.absolute().parent.name}/{f.name}" for f in files],
    ):
        if len(set(choice)) == len(files):
            return choice
    return [str(f) for f in files]


def _image(file: Path, name: str) -> _Step:
    bare = bare_name(file)
    content = read_content(file, _WHAT)
    if Path(bare).suffix.lower() == ".traj":
        return _by_ase(file, name, None)
    text = decode(content, file, _WHAT)
    if "Program NEB" in text[:5000]:
        raise fail(
            file,
            "this is what neb.x prints: it is of a whole band, not of one image",
            "give prefix.dat, which neb.x writes beside it (with prefix.path and prefix.axsf)",
        )
    if is_pw_output(text):
        return _pw(file, name, text)
    if bare.startswith("OUTCAR") or (text.lstrip().startswith("vasp.") and "VRHFIN" in text):
        return _vasp(outcar_run(file, text), name)
    if "<modeling>" in text[:2000] or bare.startswith("vasprun"):
        return _vasp(vasprun_run(file), name)
    return _by_ase(file, name, text)


def _vasp(run: Run, name: str) -> _Step:
    if run.symbols is None or run.cell is None:
        told = scan_outcar(run.file)
        run.symbols, run.cell = told.symbols, told.cell if run.settings.cell is None else run.settings.cell
        run.positions = told.positions if run.positions is None else run.positions
    assert run.positions is not None
    settings = Settings(**{**vars(run.settings), "where": name})
    return _Step(
        energy=run.energy,
        positions=run.positions,
        cell=run.cell,
        symbols=run.symbols,
        forces=run.forces,
        settings=settings,
        run=run,
    )


def _pw(file: Path, name: str, text: str) -> _Step:
    settings = pw_settings(file, text, name)
    found = read_structure(file)
    forces = pw_forces(file, text, len(found.positions))
    return _Step(
        energy=pw_energy(file, text),
        positions=found.positions,
        cell=found.cell,
        symbols=found.symbols,
        forces=forces,
        settings=settings,
    )


def _by_ase(file: Path, name: str, text: str | None) -> _Step:
    require_ase(file)
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError

    atoms: Any
    try:
        if text is None:
            atoms = read(file, index=-1, format="traj")
        else:
            with plain_copy(file, "an output", text) as copy:
                atoms = read(copy, index=-1)
    except (UnknownFileTypeError, ImportError) as error:
        raise fail(
            file, "the format of this file is not known", _REMEDY, allowed=_READ, value=file.name
        ) from error
    except Exception:  # whatever a parser meets in a damaged file
        with library(file, "an output that ASE reads", _REMEDY):
            raise
    with library(file, "an output with an energy", _REMEDY):
        energy, forces = ase_energy(file, atoms, name)
        return _Step(
            energy=energy,
            positions=np.array(atoms.positions, dtype=float),
            cell=np.array(atoms.cell, dtype=float),
            symbols=tuple(atoms.get_chemical_symbols()),
            forces=forces,
            settings=ase_settings(file, atoms, name, printed_settings(text or "")),
        )
