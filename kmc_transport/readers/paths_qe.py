"""Reads a path of Quantum ESPRESSO's neb.x: prefix.dat, .int, .path and .axsf, and checks that they agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..units import DIMENSIONS
from .paths_common import UNKNOWN, RawPath, fail, library, numbers, read_text, require_ase, stack
from .paths_geometry import refuse_unequal_images

__all__ = ["SUFFIXES", "read_qe"]

SUFFIXES = (".dat", ".path", ".axsf", ".int")
_HARTREE = float(DIMENSIONS["energy"].units["Ha"])
_BOHR = float(DIMENSIONS["length"].units["bohr"])
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
    if file.suffix not in SUFFIXES:
        raise fail(
            file, "this is not a file of neb.x", f"give one of {', '.join(SUFFIXES)}", value=file.suffix
        )
    beside = {s: file.with_suffix(s) for s in SUFFIXES if file.with_suffix(s).is_file()}
    if file.suffix not in beside:
        raise fail(file, "there is no such file", "check the path")
    dat = _read_columns(beside[".dat"], 3) if ".dat" in beside else None
    path = _read_path_file(beside[".path"]) if ".path" in beside else None
    if dat is None and path is None:
        raise fail(
            file,
            f"a {file.suffix} file alone has no energies of the images",
            f"put {file.stem}.dat or {file.stem}.path beside it",
        )
    if dat is not None and path is not None:
        _compare(beside, dat, path)
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
    )
    if dat is not None and (np.diff(dat[:, 0]) <= 0).any():
        i = int(np.flatnonzero(np.diff(dat[:, 0]) <= 0)[0])
        raise fail(
            beside[".dat"],
            f"the reaction coordinate does not ascend from image {i + 1} to {i + 2}",
            "give the file as neb.x wrote it",
            value=" ".join(f"{x:g}" for x in dat[:, 0]),
        )
    if dat is not None and (abs(dat[0, 0]) > 1e-6 or abs(dat[-1, 0] - 1) > 1e-6):
        raise fail(
            beside[".dat"],
            "the reaction coordinate does not run from 0 to 1: the file breaks off, or neb.x did not write it",
            "give the file as neb.x wrote it; a table of your own is read with kind 'table'",
            value=f"{dat[0, 0]:g} to {dat[-1, 0]:g}",
        )
    used: list[str] = [s for s in (".dat", ".path") if s in beside]
    if path is not None:
        raw.positions, raw.forces = path.positions, path.forces
        raw.symbols = [(UNKNOWN,) * path.positions.shape[1]] * len(energy)
        raw.periodic = (False, False, False)
    if ".axsf" in beside:
        _add_axsf(raw, beside[".axsf"], path, given=file)
        used += [".axsf"] if raw.cell is not None else []
    _check_fractions(raw, file)
    if ".int" in beside:
        raw.curve = _read_curve(raw, beside[".int"])
        used.append(".int")
    raw.what = f"neb.x, {', '.join(used)}"
    if raw.symbols is not None and raw.cell is None:
        raw.notes.append(f"no {file.stem}.axsf read: cell and elements are not known")
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


def _read_path_file(file: Path) -> _Path:
    """Blocks ``Image: k``, energy, then a line for each atom: position, gradient (and in the first, its flags)."""
    lines = read_text(file, "a .path file of neb.x").splitlines()
    headings = [n for n, line in enumerate(lines) if line.startswith("ENERGIES, POSITIONS AND GRADIENTS")]
    counts = [n for n, line in enumerate(lines) if line.startswith("NUMBER OF IMAGES")]
    if not headings or not counts or counts[0] + 1 >= len(lines):
        raise fail(
            file, "this is not a .path file of neb.x, or its beginning is lost", "give the file neb.x wrote"
        )
    n_images = int(numbers(lines[counts[0] + 1].split()[:1], file, counts[0] + 2)[0])
    energies: list[float] = []
    blocks: list[list[list[float]]] = []
    for n in range(headings[0] + 1, len(lines)):
        words = lines[n].split()
        if lines[n].startswith("Image:"):
            if int(numbers(words[1:2] or [""], file, n + 1)[0]) != len(blocks) + 1:
                raise fail(
                    file, f"'{lines[n].strip()}' where image {len(blocks) + 1} is due", _STALE, line=n + 1
                )
            blocks.append([])
        elif blocks and len(words) == 1 and len(energies) < len(blocks):
            energies += numbers(words, file, n + 1)
        elif len(words) in (6, 9) and len(energies) == len(blocks) > 0:
            blocks[-1].append(numbers(words[:6], file, n + 1))
        elif words and words[0][0].isalpha():
            break  # fields of the optimiser follow
        elif words:
            raise fail(
                file,
                "this line breaks off or is damaged",
                "give a whole .path file",
                line=n + 1,
                value=lines[n],
            )
    sizes = [len(b) for b in blocks]
    if len(blocks) != n_images or len(energies) != n_images or not sizes[0]:
        raise fail(
            file,
            f"the file breaks off: {len(energies)} of {n_images} images are there",
            "give a whole .path file",
        )
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            raise fail(
                file,
                f"image {i + 1} has {size} atoms, image 1 has {sizes[0]}: the file breaks off or is mixed up",
                "give a whole .path file",
            )
    data = np.array(blocks)
    return _Path(np.array(energies) * _HARTREE, data[:, :, :3] * _BOHR, -data[:, :, 3:] * (_HARTREE / _BOHR))


def _compare(beside: dict[str, Path], dat: np.ndarray, path: _Path) -> None:
    if len(dat) != len(path.energy):
        raise fail(
            beside[".dat"],
            f"{len(dat)} images here, {len(path.energy)} in {beside['.path'].name}",
            _STALE,
        )
    difference = np.abs((path.energy - path.energy[0]) - (dat[:, 1] - dat[0, 1]))
    i = int(np.argmax(difference))
    if difference[i] > 1e-3:
        raise fail(
            beside[".dat"],
            f"the energy of image {i + 1} differs by {1e3 * difference[i]:.3g} meV from that in "
            f"{beside['.path'].name}",
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
        raw.notes.append(f'{file.name} is not read: it needs ASE (pip install "kmc_transport[ase]")')
        return
    read_text(file, "an .axsf file of neb.x")
    from ase.io import read

    with library(
        file, "an .axsf file of neb.x", "the file breaks off or is damaged: give the one neb.x wrote"
    ):
        images: list[Any] = list(read(file, index=":", format="xsf"))
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
                f"atom {atom} of image {i + 1} is {apart[i, atom]:.3f} Å away from where the .path file has it",
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
