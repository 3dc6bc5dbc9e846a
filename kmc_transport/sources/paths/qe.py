"""Reads a path of Quantum ESPRESSO's neb.x: prefix.dat, .int, .path and .axsf, and checks that they agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...units import DIMENSIONS
from ..common import (
    UNKNOWN,
    RawPath,
    fail,
    library,
    numbers,
    read_text,
    require_ase,
    stack,
)
from ..files import bare_name, plain_copy
from .geometry import refuse_unequal_images

__all__ = ["SUFFIXES", "beside", "read_qe"]

SUFFIXES = (".dat", ".path", ".axsf", ".int")
_HARTREE = float(DIMENSIONS["energy"].units["Ha"])
_BOHR = float(DIMENSIONS["length"].units["bohr"])
_TITLE = "RESTART INFORMATION"
_STALE = "the files are of different runs or steps: keep those of one prefix that neb.x wrote together"


@dataclass
class _Path:
    energy: np.ndarray  # (n,) eV
    positions: np.ndarray  # (n, n_atoms, 3) Å
    forces: np.ndarray  # (n, n_atoms, 3) eV/Å


def read_qe(file: Path) -> RawPath:
    """The path of one prefix: any of its files is given, the others beside it are read where they exist.

    ``.dat``: fraction of the path, energy (eV), largest component of the NEB force left (eV/Å, "error").
    ``.path``: energy (Hartree), positions (bohr), gradients. ``.axsf``: cell, elements, positions (needs ASE).
    ``.int``: cubic interpolation by neb.x, from which the barrier is taken.

    Raises
    ------
    InputError : a broken file, no energies, or files of the prefix that disagree.
    """
    bare = Path(bare_name(file))
    suffix, stem = bare.suffix.lower(), bare.stem
    if suffix not in SUFFIXES:
        raise fail(file, "this is not a file of neb.x", f"give one of {', '.join(SUFFIXES)}", value=suffix)
    found = {s: beside(file, s) for s in SUFFIXES} | {suffix: file}
    files = {s: f for s, f in found.items() if f is not None}
    notes: list[str] = []
    dat = _read_columns(files[".dat"], 3) if ".dat" in files else None
    path = _read_path_file(files[".path"], notes) if ".path" in files else None
    if path is None and ".path" in files and (dat is None or suffix == ".path"):
        raise fail(
            files[".path"],
            "this .path file is not laid out as neb.x of Quantum ESPRESSO 5 to 7 does",
            f"give {stem}.dat (with {stem}.axsf beside it) instead",
        )
    if dat is None and path is None:
        raise fail(
            file,
            f"a {suffix} file alone has no energies of the images",
            f"put {stem}.dat or {stem}.path beside it",
        )
    if dat is not None and path is not None:
        _compare(files, dat, path)
    energy = dat[:, 1] if dat is not None else path.energy  # type: ignore[union-attr]
    raw = RawPath(
        file=file,
        kind="qe",
        energy=np.array(energy),
        coordinate=None if dat is None else dat[:, 0] - dat[0, 0],
        coordinate_unit="fraction of the path",
        force_error=None if dat is None else dat[:, 2],
        hermite=True,
        flat_ends=True,
        labels=tuple(f"image {i + 1}" for i in range(len(energy))),
        notes=notes,
    )
    if dat is not None and (np.diff(dat[:, 0]) <= 0).any():
        i = int(np.flatnonzero(np.diff(dat[:, 0]) <= 0)[0])
        raise fail(
            files[".dat"],
            f"the reaction coordinate does not ascend from image {i + 1} to {i + 2}",
            "give the file as neb.x wrote it",
            value=" ".join(f"{x:g}" for x in dat[:, 0]),
        )
    if dat is not None and (abs(dat[0, 0]) > 1e-6 or abs(dat[-1, 0] - 1) > 1e-6):
        raise fail(
            files[".dat"],
            "the reaction coordinate does not run from 0 to 1: the file breaks off, or neb.x did not write it",
            "give the file as neb.x wrote it; a table of your own is read with kind 'table'",
            value=f"{dat[0, 0]:g} to {dat[-1, 0]:g}",
        )
    used: list[str] = [s for s, part in ((".dat", dat), (".path", path)) if part is not None]
    if path is not None:
        raw.positions, raw.forces = path.positions, path.forces
        raw.symbols = [(UNKNOWN,) * path.positions.shape[1]] * len(energy)
        raw.periodic = (False, False, False)
    if ".axsf" in files:
        _add_axsf(raw, files[".axsf"], path, given=file)
        used += [".axsf"] if raw.cell is not None else []
    _check_fractions(raw, file)
    if ".int" in files:
        raw.curve = _read_curve(raw, files[".int"])
        used.append(".int")
    raw.what = f"neb.x, {', '.join(used)}"
    if raw.symbols is not None and raw.cell is None:
        raw.notes.append(f"no {stem}.axsf read: cell and elements are not known")
    return raw


def _read_columns(file: Path, n_columns: int) -> np.ndarray:
    rows = []
    for n, line in enumerate(read_text(file, f"a {file.suffix} file of neb.x").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split()
        if len(words) != n_columns:
            raise fail(
                file,
                f"this line is not one of a {file.suffix} file of neb.x",
                "give the file as neb.x wrote it; a table of your own is read with kind 'table'",
                value=line.strip()[:80],
                allowed=f"{n_columns} numbers",
                line=n,
            )
        rows.append(numbers(words, file, n))
    if not rows:
        raise fail(file, "there are no numbers here", "give the file as neb.x wrote it")
    return np.array(rows)


def beside(file: Path, suffix: str) -> Path | None:
    """The file of the same prefix, packed or not."""
    stem = Path(bare_name(file)).stem
    places = (file.with_name(f"{stem}{suffix}{packed}") for packed in ("", ".gz", ".bz2", ".xz"))
    return next((p for p in places if p.is_file()), None)


def _read_path_file(file: Path, notes: list[str]) -> _Path | None:
    """Blocks ``Image: k``, energy, then a line for each atom: position, gradient (and in the first, its flags).

    At constant potential (FCP, GC-SCF) lines with the number of electrons and the like stand before the atoms.
    None for a whole file of another layout, with a note.
    """
    lines = read_text(file, "a .path file of neb.x").splitlines()
    title = lines[0].strip()
    if not (title and (_TITLE.startswith(title) or title.startswith(_TITLE))):
        notes.append(f"{file.name} is not a .path file of neb.x: it is not read")
        return None
    headings = [n for n, line in enumerate(lines) if line.startswith("ENERGIES, POSITIONS AND GRADIENTS")]
    counts = [n for n, line in enumerate(lines) if line.startswith("NUMBER OF IMAGES")]
    if not headings or not counts or counts[0] + 1 >= len(lines):
        raise fail(
            file, "this is not a .path file of neb.x, or its beginning is lost", "give the file neb.x wrote"
        )
    n_images = int(numbers(lines[counts[0] + 1].split()[:1], file, counts[0] + 2)[0])
    blocks = _blocks(file, lines, headings[0] + 1)
    if len(blocks) != n_images or not blocks:
        raise fail(
            file,
            f"the file breaks off: {len(blocks)} of {n_images} images are there",
            "give a whole .path file",
        )
    for i, block in enumerate(blocks):
        if len(block) != len(blocks[0]):
            raise fail(
                file,
                f"image {i + 1} has {len(block)} lines, image 1 has {len(blocks[0])}: the file breaks off or is "
                "mixed up",
                "give a whole .path file",
            )
    # lines before the first of an atom: the energy, then what FCP adds
    begin = next((k for k, (_, words) in enumerate(blocks[-1]) if len(words) >= 6), 0)
    layouts = {tuple(min(len(words), 6) for _, words in block) for block in blocks}
    width = {len(words) for block in blocks for _, words in block[begin:]}
    if len(layouts) == 1 and (not begin or len(blocks[0][0][1]) != 1 or not width <= {6, 9}):
        notes.append(f"{file.name} is laid out in a way that is not known: it is not read")
        return None
    for block in blocks:
        for n, words in block[begin:]:
            if len(words) not in (6, 9):
                raise fail(
                    file,
                    "this line breaks off or is damaged",
                    "give a whole .path file",
                    line=n + 1,
                    value=lines[n],
                )
    if begin > 1:
        notes.append(
            "constant potential (FCP or GC-SCF): the number of electrons differs from image to image, the energies "
            "are those of the open system"
        )
    energies = [numbers(block[0][1], file, block[0][0] + 1)[0] for block in blocks]
    data = np.array(
        [[numbers(words[:6], file, n + 1) for n, words in block[begin:]] for block in blocks], dtype=float
    )
    return _Path(np.array(energies) * _HARTREE, data[:, :, :3] * _BOHR, -data[:, :, 3:] * (_HARTREE / _BOHR))


def _blocks(file: Path, lines: list[str], start: int) -> list[list[tuple[int, list[str]]]]:
    """Lines of each image, with their numbers, up to the fields of the optimiser."""
    blocks: list[list[tuple[int, list[str]]]] = []
    for n in range(start, len(lines)):
        words = lines[n].split()
        if lines[n].startswith("Image:"):
            if int(numbers(words[1:2] or [""], file, n + 1)[0]) != len(blocks) + 1:
                raise fail(
                    file, f"'{lines[n].strip()}' where image {len(blocks) + 1} is due", _STALE, line=n + 1
                )
            blocks.append([])
        elif words and words[0][0].isalpha() and len(words[0]) > 1:
            break  # fields of the optimiser follow
        elif words and blocks:
            blocks[-1].append((n, words))
    return blocks


def _compare(files: dict[str, Path], dat: np.ndarray, path: _Path) -> None:
    if len(dat) != len(path.energy):
        raise fail(
            files[".dat"],
            f"{len(dat)} images here, {len(path.energy)} in {files['.path'].name}",
            _STALE,
        )
    difference = np.abs((path.energy - path.energy[0]) - (dat[:, 1] - dat[0, 1]))
    i = int(np.argmax(difference))
    if difference[i] > 1e-3:
        raise fail(
            files[".dat"],
            f"the energy of image {i + 1} differs by {1e3 * difference[i]:.3g} meV from that in "
            f"{files['.path'].name}",
            _STALE,
        )


def _add_axsf(raw: RawPath, file: Path, path: _Path | None, given: Path) -> None:
    """Cell, elements and (wanting a .path file) positions from the .axsf file."""
    try:
        require_ase(file)
    except Exception:
        # only what the .axsf adds is lost, unless it was asked for
        if given == file or path is None:
            raise
        raw.notes.append(f"{file.name} is not read: it needs ASE (pip install ase)")
        return
    from ase.io import read

    broken = "the file breaks off or is damaged: give the one neb.x wrote"
    with plain_copy(file, "an .axsf file of neb.x") as copy, library(file, "an .axsf file of neb.x", broken):
        images: list[Any] = list(read(copy, index=":", format="xsf"))
        forces = [i.get_forces(apply_constraint=False) if i.calc else None for i in images]
        symbols = [tuple(i.get_chemical_symbols()) for i in images]
        places = [np.array(i.positions, dtype=float) for i in images]
        cells = [np.array(i.cell, dtype=float) for i in images]
        solid = images[0].cell.rank == 3
    if len(images) != len(raw.energy):
        raise fail(file, f"{len(images)} images here, {len(raw.energy)} in the files beside it", _STALE)
    raw.symbols = symbols
    refuse_unequal_images(raw, places, cells)
    if path is not None:
        if path.positions.shape[1] != len(places[0]):
            raise fail(
                file, f"{len(places[0])} atoms here, {path.positions.shape[1]} in the .path file", _STALE
            )
        apart = np.linalg.norm(path.positions - np.array(places), axis=2)
        i, atom = np.unravel_index(int(np.argmax(apart)), apart.shape)
        if apart[i, atom] > 1e-3:
            raise fail(
                file,
                f"atom {atom} (counted from 0) of image {i + 1} is {apart[i, atom]:.3f} Å away from where the .path "
                "file has it",
                _STALE,
            )
    else:
        raw.positions = stack(places)
        raw.forces = np.array(forces) if all(f is not None and np.isfinite(f).all() for f in forces) else None
    if solid:
        raw.cell = cells[0]
        raw.periodic = tuple(bool(p) for p in images[0].pbc)  # type: ignore[assignment]


def _check_fractions(raw: RawPath, file: Path) -> None:
    """The reaction coordinate of the .dat file against the distances of the images, which neb.x took it from."""
    if raw.positions is None or raw.coordinate is None:
        return
    steps = np.linalg.norm(np.diff(raw.positions, axis=0).reshape(len(raw.energy) - 1, -1), axis=1)
    fractions = np.concatenate([[0.0], np.cumsum(steps)]) / max(float(steps.sum()), 1e-12)
    off = np.abs(fractions - raw.coordinate / raw.coordinate[-1])
    i = int(np.argmax(off))
    if off[i] > 5e-3:
        raise fail(
            file,
            f"the positions put image {i + 1} at {fractions[i]:.3f} of the path, the .dat file at "
            f"{raw.coordinate[i] / raw.coordinate[-1]:.3f}",
            _STALE,
        )


def _read_curve(raw: RawPath, file: Path) -> np.ndarray:
    """The interpolation of neb.x, checked against the images where their place on it is known."""
    curve = _read_columns(file, 2)
    if (np.diff(curve[:, 0]) <= 0).any() or len(curve) < 3 or abs(curve[-1, 0] - 1) > 1e-3:
        raise fail(file, "the interpolation does not run from 0 to 1", "give the file as neb.x wrote it")
    relative = raw.energy - raw.energy[0]
    if raw.coordinate is not None:
        off = np.abs(np.interp(raw.coordinate, curve[:, 0], curve[:, 1]) - relative)
        i = int(np.argmax(off))
    else:
        off, i = np.array([abs(curve[-1, 1] - relative[-1])]), 0
    # the samples are 1/250 of the path apart; linear between them
    if off[i] > 5e-3 + 0.01 * float(np.ptp(relative)) or curve[:, 1].max() < relative.max() - 5e-3:
        raise fail(
            file, f"the interpolation misses the energies of the images by {1e3 * off[i]:.3g} meV", _STALE
        )
    return curve
