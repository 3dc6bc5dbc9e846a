"""Berry-phase dipoles along a path, put on one continuous branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...ndarrays import FloatArray
from ..common import fail, library
from ..files import read_packed_text
from ..matching import match_atoms, wrap
from ..records import BornCharges, PolarizationPath
from ..settings import Settings, compare_settings
from ..settings_vasp import outcar_settings
from ..vasp_outcar import scan_outcar_text

__all__ = ["berry_path", "polarization_path", "read_polarization_path"]

_FEW = 8  # with fewer atoms there is no bulk that tells a rigid shift
_SURE = 0.5  # of the distance to the second nearest branch: a jump up to a third of a quantum
_EQUAL = 1e-3  # Å
# e; a change between neighbouring images is thought possible up to this charge times the largest displacement
_POSSIBLE, _POSSIBLE_BEYOND_BORN = 4.0, 1.0
_ORDERS = ("geometry", "given")


@dataclass(kw_only=True)
class _Frame:
    """One image: dipole of electrons and ions on any branch; ions are charges at the given positions."""

    source: str
    cell: FloatArray
    positions: FloatArray
    symbols: tuple[str, ...]
    electronic: FloatArray
    valence: FloatArray
    cell_charge: float
    settings: Settings | None = None


def read_polarization_path(
    sources: Sequence[str | Path],
    *,
    order: str = "geometry",
    start: int | None = None,
    born: BornCharges | None = None,
) -> PolarizationPath:
    """Dipoles from the OUTCARs of VASP Berry-phase runs (LCALCPOL), one for each image.

    The dipole of an image is that of the electrons, p[elc], and of the ions as charges ZVAL at their
    positions, followed from image to image (the printed p[ion] is folded back and not used).
    The sign of p[elc] follows the unit beside it: electrons count positive in "electrons Angst", negative in
    "|e| Angst" (VASP 6.3 and later).

    Parameters
    ----------
    sources : OUTCARs, or folders that hold one; packed ones too.
    order : "geometry" sorts the images by their structures, "given" takes them as they come.
    start : place in ``sources`` of the image at which the path starts (an end of it). Default: the first
        source where it is an end, else the end that is not the last source.
    born : Born charges of the path's first image, which foretell the change between images that are far apart.

    Raises
    ------
    InputError : no Berry phase in a file, or one component alone (LBERRY), other atoms, other calculations,
        images that do not sort into a path, or a jump between
        neighbouring images that fits two branches.
    """
    images = [_vasp(Path(s)) for s in sources]
    return _path(images, order, start, born)


def berry_path(sources: Sequence[str | Path], charges: Sequence[BornCharges] = ()) -> PolarizationPath:
    """`read_polarization_path`, with Born charges that foretell the change where images alone leave it open."""
    try:
        return read_polarization_path(sources)
    except InputError:
        for born in charges:
            with suppress(InputError):
                return read_polarization_path(sources, born=born)
        raise


def polarization_path(
    dipole: FloatArray,
    positions: FloatArray,
    cell: FloatArray,
    symbols: Sequence[str],
    *,
    cell_charge: float = 0.0,
    order: str = "geometry",
    start: int | None = None,
    born: BornCharges | None = None,
) -> PolarizationPath:
    """The same from arrays of any code, on any branch each.

    dipole : (n_images, 3) e·Å, modulo lattice vectors times e. positions : (n_images, n_atoms, 3) Å.
    cell : (3, 3) or (n_images, 3, 3) rows, Å. cell_charge : charge of the cell, e.
    """
    dipole, positions, cell = (np.asarray(x, dtype=float) for x in (dipole, positions, cell))
    cells = np.broadcast_to(cell, (len(dipole), 3, 3))
    none = np.zeros(len(symbols))
    images = [
        _Frame(
            source=f"image {i}",
            cell=np.array(c),
            positions=np.array(r),
            symbols=tuple(symbols),
            electronic=np.array(p),
            valence=none,
            cell_charge=float(cell_charge),
        )
        for i, (p, r, c) in enumerate(zip(dipole, positions, cells, strict=True))
    ]
    return _path(images, order, start, born)


def _vasp(source: Path) -> _Frame:
    if source.is_dir():
        found = [p for p in sorted(source.glob("OUTCAR*")) if p.is_file()]
        if len(found) != 1:
            raise fail(
                source,
                f"there {'are ' + str(len(found)) if found else 'is no'} OUTCAR{'s' if found else ''} here",
                "give the OUTCAR of this image",
            )
        source = found[0]
    text = read_packed_text(source, "an OUTCAR of VASP")
    run = scan_outcar_text(source, text)
    if run.one_component:
        raise fail(
            source,
            "this run holds the dipole along one reciprocal lattice vector only (LBERRY, IGPAR): it is no vector",
            "run this image with LCALCPOL = .TRUE.",
        )
    if run.electronic_dipole is None or run.valence is None:
        raise fail(
            source,
            "this OUTCAR has no Berry-phase dipole (p[elc]) or no ZVAL",
            "run this image with LCALCPOL = .TRUE.",
        )
    if run.dipole_positions is None:
        raise fail(
            source,
            "this run breaks off after the dipole of a step, before the positions that it belongs to",
            "repeat this image, with the structure where it is to be taken and NSW = 0",
        )
    return _Frame(
        source=str(source),
        cell=run.cell,
        positions=run.dipole_positions,
        symbols=run.symbols,
        electronic=run.electronic_dipole,
        valence=run.valence,
        cell_charge=float(run.cell_charge or 0.0),
        settings=outcar_settings(source, text),
    )


def _path(images: list[_Frame], order: str, start: int | None, born: BornCharges | None) -> PolarizationPath:
    if order not in _ORDERS:
        raise fail("order", "there is no such order", value=order, allowed=" or ".join(_ORDERS))
    if len(images) < 2:
        raise fail("Berry-phase path", "one image is no path", "give two images or more", value=len(images))
    first = images[0]
    notes: list[str] = []
    for image in images[1:]:
        _match(first, image, notes)
    notes += compare_settings([i.settings for i in images if i.settings is not None], dipoles=True)
    fractions = np.array([i.positions @ np.linalg.inv(i.cell) for i in images])
    if order == "geometry":
        chain = _sorted_chain(images, fractions, start, notes)
    else:
        chain = list(range(len(images)))
        if start not in (None, 0, len(images) - 1):
            raise fail("start", "the start must be an end of the path", value=start)
        chain = chain[::-1] if start == len(images) - 1 else chain
    ordered = [images[i] for i in chain]
    positions = _followed(ordered, fractions[chain])
    dipole = np.array(
        [i.electronic + i.valence @ r for i, r in zip(ordered, positions, strict=True)], dtype=float
    )
    cells = np.array([i.cell for i in ordered])
    expected = _foretold(ordered, positions, born)
    reference = len(ordered) - 1
    if np.abs(cells - cells[0]).max() > 1e-4:
        # as pymatgen: all dipoles in the cell of the polar image, so that no branch enters the change
        reference = 0 if _symmetry(ordered[0]) < _symmetry(ordered[-1]) else reference
        notes.append(
            f"the cell changes along the path: dipoles are those at the cell of {ordered[reference].source}"
        )
    steps = _steps(positions, cells)
    _refuse_long_steps(ordered, steps, cells[reference], born)
    spacing = np.linalg.norm(steps.reshape(len(steps), -1), axis=1)
    dipole, jump = _one_branch(ordered, dipole, cells, reference, expected, spacing)
    if first.cell_charge:
        notes.append(
            f"cell of charge {first.cell_charge:+g} e: its dipole depends on the origin, images must be aligned"
        )
    return PolarizationPath(
        dipole=_frozen(dipole),
        quantum=_frozen(cells[reference]),
        positions=_frozen(positions),
        cells=_frozen(cells),
        symbols=first.symbols,
        cell_charge=first.cell_charge,
        order=tuple(chain),
        largest_jump=jump,
        sources=tuple(i.source for i in ordered),
        notes=tuple(notes),
    )


def _frozen(array: FloatArray) -> FloatArray:
    copy = np.array(array, dtype=float)
    copy.flags.writeable = False
    return copy


def _match(first: _Frame, image: _Frame, notes: list[str]) -> None:
    """The image with its atoms in the order of the first image, or an error."""
    if abs(image.cell_charge - first.cell_charge) > 1e-6:
        raise fail(
            image.source,
            f"the cell has a charge of {image.cell_charge:+g} e here, {first.cell_charge:+g} e in {first.source}",
            "compute all images with the same number of electrons",
        )
    if np.abs(image.cell - first.cell).max() > 0.1 * np.linalg.norm(first.cell, axis=1).max():
        raise fail(image.source, f"the cell is not that of {first.source}", "give images of one path")
    # compared at the same cell, so that a strained cell does not look like displacements
    there = image.positions @ np.linalg.inv(image.cell) @ first.cell
    atoms, _ = match_atoms(
        first.cell, first.positions, first.symbols, there, image.symbols, what=image.source
    )
    if (atoms != np.arange(len(atoms))).any():
        notes.append(f"{image.source}: atoms put into the order of {first.source}")
        image.positions, image.valence = image.positions[atoms], image.valence[atoms]
        image.symbols = tuple(image.symbols[i] for i in atoms)


def _sorted_chain(
    images: list[_Frame], fractions: FloatArray, start: int | None, notes: list[str]
) -> list[int]:
    """Places of the images along the path: from one of the two images farthest apart by growing distance."""
    n = len(images)
    apart = np.zeros((n, n))
    for i in range(n):
        step = fractions - fractions[i]
        step = (step - np.round(step)) @ images[0].cell
        step -= np.median(step, axis=1, keepdims=True) if fractions.shape[1] >= _FEW else 0.0
        apart[i] = np.linalg.norm(step.reshape(n, -1), axis=1)
    close = [(i, j) for i in range(n) for j in range(i) if apart[i, j] < _EQUAL]
    if close:
        i, j = close[0]
        raise fail(
            images[i].source, f"this image has the structure of {images[j].source}", "give each image once"
        )
    one, other = divmod(int(np.argmax(apart)), n)
    ends = {one, other}
    if start is None:
        if 0 in ends:
            one = 0
        elif n - 1 in ends:
            one = next(e for e in ends if e != n - 1)
        else:
            # nonpolar to polar where they differ
            one = max(sorted(ends), key=lambda e: _symmetry(images[e]))
            notes.append(
                f"neither end of the path is the first or last source: it starts at {images[one].source}"
            )
    elif start in ends:
        one = start
    else:
        raise fail(
            images[start].source if 0 <= start < n else "start",
            "the path does not start here: this image lies between others",
            "give an end of the path",
            key="start",
            value=start,
            allowed=" or ".join(str(e) for e in sorted(ends)),
        )
    chain = [int(i) for i in np.argsort(apart[one], kind="stable")]
    for a, b, c in zip(chain, chain[1:], chain[2:], strict=False):
        if apart[a, c] <= max(apart[a, b], apart[b, c]):
            raise fail(
                images[b].source,
                "the images cannot be sorted by their structures: the path turns, or they belong to several paths",
                "leave out images that are not on the way; in Python, order='given' takes them as they come",
            )
    if chain != list(range(n)):
        notes.append("images sorted by their structures: " + " ".join(str(i) for i in chain))
    return chain


def _symmetry(image: _Frame) -> int:
    """Number of operations of the space group."""
    from pymatgen.core import Structure
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    with library(Path(image.source), "a structure", "give start"):
        structure = Structure(
            lattice=image.cell, species=image.symbols, coords=image.positions, coords_are_cartesian=True
        )
        return len(SpacegroupAnalyzer(structure, symprec=0.01).get_symmetry_operations())


def _followed(ordered: list[_Frame], fractions: FloatArray) -> FloatArray:
    """(n, n_atoms, 3) Å: each atom on the periodic image nearest to where it was before."""
    fractions = np.array(fractions)
    for i in range(1, len(fractions)):
        fractions[i] -= np.round(fractions[i] - fractions[i - 1])
    return np.array([f @ image.cell for f, image in zip(fractions, ordered, strict=True)])


def _steps(positions: FloatArray, cells: FloatArray) -> FloatArray:
    """(n - 1, n_atoms, 3) Å displacements between neighbouring images, strain left out."""
    fractions = np.einsum("iaj,ijk->iak", positions, np.linalg.inv(cells))
    return np.diff(fractions, axis=0) @ cells[0]


def _refuse_long_steps(
    ordered: list[_Frame], steps: FloatArray, cell: FloatArray, born: BornCharges | None
) -> None:
    """A dipole that may change by more than half a quantum looks small on another branch, and no number tells."""
    half = 0.5 * float(np.linalg.norm(cell, axis=1).min())
    charge = _POSSIBLE if born is None else _POSSIBLE_BEYOND_BORN
    if steps.shape[1] >= _FEW:
        steps = steps - np.median(steps, axis=1, keepdims=True)
    for i, step in enumerate(steps):
        longest = float(np.linalg.norm(step, axis=1).max())
        if charge * longest > half:
            raise fail(
                ordered[i + 1].source,
                f"an atom moves by {longest:.2f} Å from {ordered[i].source}: the dipole may change by more than half "
                "a quantum, and the branch is not sure",
                "compute images between these two, or give Born charges of the first image (born)",
                value=f"{charge:g} e times {longest:.2f} Å",
                allowed=f"at most {half:.2f} e·Å",
            )


def _foretold(ordered: list[_Frame], positions: FloatArray, born: BornCharges | None) -> FloatArray:
    """(n - 1, 3) change of the dipole between images by constant Born charges, or zero."""
    if born is None:
        return np.zeros((len(ordered) - 1, 3))
    if born.symbols is not None and tuple(born.symbols) != ordered[0].symbols:
        raise fail(
            born.source, "these Born charges are of other atoms", "give those of the path's first image"
        )
    if len(born.tensors) != positions.shape[1]:
        raise fail(born.source, "these Born charges are of another cell", value=f"{len(born.tensors)} atoms")
    return np.einsum("aij,naj->ni", born.tensors, np.diff(positions, axis=0))


def _one_branch(
    ordered: list[_Frame],
    dipole: FloatArray,
    cells: FloatArray,
    reference: int,
    expected: FloatArray,
    spacing: FloatArray,
) -> tuple[FloatArray, float]:
    """Dipoles on the branch with the least change from image to image; the largest change against the next branch.

    Works in parts of the quantum, e times a lattice vector, so that a changing cell changes no branch.

    Raises
    ------
    InputError : a change that is nearly as far from one branch as from another, or that breaks the trend.
    """
    cell = cells[reference]
    parts = np.einsum("ij,ijk->ik", dipole, np.linalg.inv(cells))
    # lattice vectors among which the nearest and the second nearest branch are looked for
    around = np.stack(np.meshgrid(*[[-2, -1, 0, 1, 2]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    worst = 0.0
    for i in range(1, len(parts)):
        step = parts[i] - parts[i - 1] - expected[i - 1] @ np.linalg.inv(cells[i - 1])
        step -= np.round(step)
        sizes = np.linalg.norm((step + around) @ cell, axis=1)
        nearest, second = np.argsort(sizes)[:2]
        share = float(sizes[nearest] / sizes[second])
        worst = max(worst, share)
        if share > _SURE:
            raise fail(
                ordered[i].source,
                f"the dipole changes by {sizes[nearest]:.2f} e·Å from {ordered[i - 1].source}, or by "
                f"{sizes[second]:.2f} e·Å on the next branch: the branch is not sure",
                "compute images between these two, check the order of the images, or give Born charges (born)",
                value=f"{share:.2f} of the change on the next branch",
                allowed=f"at most {_SURE:g}",
            )
        parts[i] = parts[i - 1] + step + around[nearest] + expected[i - 1] @ np.linalg.inv(cells[i - 1])
    _check_trend(ordered, parts, cell, spacing)
    return parts @ cell, worst


def _check_trend(ordered: list[_Frame], parts: FloatArray, cell: FloatArray, spacing: FloatArray) -> None:
    """Whether a neighbouring branch would continue the change of the step before better."""
    slopes = np.diff(parts, axis=0) / spacing[:, None]
    for i in range(1, len(slopes)):
        off = (slopes[i] - slopes[i - 1]) * spacing[i]
        if float(np.linalg.norm(wrap(off @ cell, cell))) < 0.9 * float(np.linalg.norm(off @ cell)) - 1e-3:
            raise fail(
                ordered[i + 1].source,
                f"the dipole changes by {np.linalg.norm(off @ cell):.2f} e·Å more than the trend up to "
                f"{ordered[i].source}; another branch fits the trend better: the branch is not sure",
                "compute more images here, or check the order of the images",
            )
