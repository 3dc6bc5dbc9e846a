"""The levels of approximation of Salles 2020, Table 1, from Born charges and Berry-phase dipoles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ...errors import InputError
from ...ndarrays import FloatArray
from .. import BornCharges, PolarizationPath, match_atoms
from .images import HopImages
from .table import DipoleLevel, DipoleTable
from .verdict import judge

__all__ = ["TITLES", "saddle_dipole_levels"]

TITLES: dict[str, str] = {
    "berry": "Berry phase",
    "path_integral": "Born tensors along the path (eq. 4)",
    "constant": "Born tensors of the start (eq. 5)",
    "isotropic": "the same, Tr(Z)/3 (eq. 5)",
    "migrating_atom": "migrating atom alone, Tr(Z)/3",
    "classical": "nominal charge (eq. 1)",
}
"""Levels in falling accuracy."""

_SAME = 0.1  # Å; largest displacement of an atom between an image and the structure of its charges or dipole
_CELL = 0.02  # Å


def saddle_dipole_levels(
    images: HopImages,
    born: BornCharges | Sequence[BornCharges] | Mapping[int, BornCharges] | None = None,
    *,
    berry: PolarizationPath | None = None,
    nominal_charge: float | None = None,
    transported_charge: float | None = None,
    carrier_displacement: Sequence[float] | None = None,
    cell_charge: float | None = None,
    field: float = 0.01,
) -> DipoleTable:
    """Dipole change p_S - p_i up to the saddle at every level that the data allow, side by side.

    Parallel parts are along the migrating atom's displacement to the saddle, so an anion's are negative. In a
    charged cell everything is relative to the bulk far from the migrating atom.

    Parameters
    ----------
    images : of `hop_images`.
    born : Born charges of the start (eq. 5), or of several images, the start and the saddle among them (eq. 4).
        Each finds its image by its structure; charges without a structure are named by image in a mapping, a
        single one is the start's.
    berry : Berry-phase dipoles of images with start and saddle among them.
    nominal_charge : of the migrating atom, e (oxidation number), for eq. 1.
    transported_charge : integer charge carried along the migrating atom's way in the whole hop, e (a vacancy's
        charge with the opposite sign); checked against a path that reaches the end of the hop.
    carrier_displacement : (3,) Å of that charge in the whole hop. Default: the migrating atom's.
    cell_charge : e. Default: what the files say, else 0.
    field : V/Å at which the verdict is given.

    Raises
    ------
    InputError : charges or dipoles that belong to none of the images, other cells, contradictory charges of the
        cell, no data at all.
    """
    notes = list(images.notes)
    tensors = _by_image(images, born, notes)
    charge = _cell_charge(born, berry, cell_charge)
    _note_alignment(images, charge, notes)
    levels: list[DipoleLevel] = []
    integral = _path_integral(images, tensors, notes)
    if berry is not None:
        levels.append(_berry(images, berry, charge, integral, notes))
    if integral is not None:
        levels.append(integral)
    if 0 in tensors:
        z = tensors[0]
        isotropic = np.trace(z, axis1=1, axis2=2)[:, None, None] / 3.0 * np.eye(3)
        levels.append(_linear(images, "constant", z))
        levels.append(_linear(images, "isotropic", isotropic))
        levels.append(_linear(images, "migrating_atom", _only(isotropic, images.migrating_atom)))
        _note_sum_rule(tensors[0], charge, images, notes)
    elif tensors:
        notes.append("no Born charges of the start: the levels of constant charges are left out")
    if nominal_charge is not None:
        unit = np.zeros((len(images.symbols), 3, 3))
        unit[images.migrating_atom] = nominal_charge * np.eye(3)
        levels.append(_linear(images, "classical", unit))
    if not levels:
        raise _wrong(
            "there is nothing to take a dipole from",
            "give Born charges, Berry-phase dipoles, or a nominal charge",
        )
    if levels[0].magnitude > 0.05 and abs(levels[0].parallel) < 0.5 * levels[0].magnitude:
        notes.append(
            "the dipole change lies mostly across the migrating atom's displacement: Q_eqv, which takes both as "
            "parallel, means little here; use the dipole vector"
        )
    _check_transport(images, levels[0], transported_charge, carrier_displacement, notes)
    verdict = judge(images, levels, field)
    return DipoleTable(
        images=images,
        levels=tuple(levels),
        nominal_charge=nominal_charge,
        cell_charge=charge,
        verdict=verdict,
        notes=tuple(dict.fromkeys(notes)),
    )


def _wrong(message: str, remedy: str = "", value: object = None, allowed: str = "") -> InputError:
    return InputError(message, value=value, remedy=remedy, allowed=allowed)


def _only(tensors: FloatArray, atom: int) -> FloatArray:
    kept = np.zeros_like(tensors)
    kept[atom] = tensors[atom]
    return kept


def _shift(images: HopImages, moved: FloatArray) -> FloatArray:
    """(..., 3) rigid displacement of the far bulk in displacements (..., n_atoms, 3); 0 in a small cell."""
    weight = images.bulk
    return np.zeros((*moved.shape[:-2], 3)) if weight is None else np.einsum("a,...ax->...x", weight, moved)


def _alignment_error(images: HopImages) -> float:
    """How far the alignment of the saddle, Å, depends on which atoms are taken as bulk."""
    weight = images.bulk
    if weight is None:
        return 0.0
    sharper = weight**1.5 / (weight**1.5).sum()
    return float(np.linalg.norm(sharper @ images.displacement[images.saddle]))


def _note_alignment(images: HopImages, charge: float, notes: list[str]) -> None:
    if not charge:
        return
    if images.bulk is None:
        notes.append(
            "charged cell of few atoms: the images cannot be aligned, the dipole depends on the origin"
        )
    elif (left := abs(charge) * _alignment_error(images)) > 0.05:
        notes.append(
            f"charged cell: the alignment of the images on the far bulk leaves about {left:.2f} e·Å open; a larger "
            "cell settles it"
        )


def _by_image(
    images: HopImages,
    born: BornCharges | Sequence[BornCharges] | Mapping[int, BornCharges] | None,
    notes: list[str],
) -> dict[int, FloatArray]:
    """(n_atoms, 3, 3) tensors by image, in the order of the images' atoms."""
    if born is None:
        return {}
    if isinstance(born, BornCharges):
        born = [born]
    named: list[tuple[int | None, BornCharges]]
    named = list(born.items()) if isinstance(born, Mapping) else [(None, b) for b in born]
    found: dict[int, FloatArray] = {}
    for told, charges in named:
        if len(charges.tensors) != len(images.symbols):
            raise _wrong(
                f"{charges.source} has Born charges of {len(charges.tensors)} atoms, the images of the hop have "
                f"{len(images.symbols)}",
                "compute the charges in the cell with the defect",
            )
        notes += [f"{charges.source}: {x}" for x in charges.notes if not x.startswith("acoustic")]
        if charges.positions is None or charges.cell is None:
            if told is None and len(named) > 1:
                raise _wrong(
                    f"{charges.source} has no structure, and so it belongs to no image",
                    "write it as YAML with tensors, symbols, cell and positions; or give the start's charges alone",
                )
            if charges.symbols is not None and tuple(charges.symbols) != images.symbols:
                raise _wrong(f"{charges.source}: the elements are not in the order of the images' atoms")
            place, tensors = told or 0, np.asarray(charges.tensors)
        else:
            place, tensors = _find(images, charges, told)
        if not 0 <= place < len(images.positions):
            raise _wrong("there is no such image", value=place, allowed=f"0 to {len(images.positions) - 1}")
        if place in found:
            raise _wrong(
                f"{charges.source} is a second set of Born charges of image {place}", "give one of them"
            )
        found[place] = tensors
    return found


def _find(images: HopImages, charges: BornCharges, told: int | None) -> tuple[int, FloatArray]:
    assert charges.cell is not None
    assert charges.positions is not None
    if (off := float(np.abs(charges.cell - images.cell).max())) > _CELL:
        raise _wrong(
            f"the cell of {charges.source} differs from that of the images by {off:.3f} Å",
            "tensors and displacements must be given along the same axes, in one and the same cell",
        )
    best, atoms, nearest = np.inf, np.arange(0), 0
    for k in range(len(images.positions)) if told is None else [told]:
        order, moved = match_atoms(
            images.cell,
            images.positions[k],
            images.symbols,
            charges.positions,
            charges.symbols,
            what=charges.source,
        )
        apart = float(np.linalg.norm(moved - _shift(images, moved), axis=1).max())
        if apart < best:
            best, atoms, nearest = apart, order, k
    if best > _SAME:
        raise _wrong(
            f"the structure of {charges.source} is that of no image of the hop",
            "give the charges of the start (and of other images), and these images",
            value=f"an atom {best:.2f} Å away from image {nearest}",
            allowed=f"{_SAME:g} Å",
        )
    return nearest, np.asarray(charges.tensors)[atoms]


def _cell_charge(
    born: BornCharges | Sequence[BornCharges] | Mapping[int, BornCharges] | None,
    berry: PolarizationPath | None,
    told: float | None,
) -> float:
    some = [] if born is None else [born] if isinstance(born, BornCharges) else list(_values(born))
    known = [(b.cell_charge, b.source) for b in some if b.cell_charge is not None]
    known += [(berry.cell_charge, berry.sources[0])] if berry is not None else []
    known += [(told, "as told")] if told is not None else []
    for value, source in known:
        if abs(value - known[0][0]) > 1e-6:
            raise _wrong(
                f"the charge of the cell is {known[0][0]:+g} e in {known[0][1]}, but {value:+g} e in {source}",
                "give the results of one and the same charged cell",
            )
    return float(known[0][0]) if known else 0.0


def _values(born: Sequence[BornCharges] | Mapping[int, BornCharges]) -> Sequence[BornCharges]:
    return list(born.values()) if isinstance(born, Mapping) else born


def _level(
    images: HopImages,
    key: str,
    series: FloatArray,
    migrating: FloatArray,
    displacement: FloatArray,
    saddle: int,
    whole: FloatArray | None,
    *,
    title: str = "",
    uncertainty: float | None = None,
) -> DipoleLevel:
    d = images.migrating_displacement
    length = float(np.linalg.norm(d))
    return DipoleLevel(
        key=key,
        title=title or TITLES[key],
        total=series[saddle],
        migrating=migrating[saddle],
        environment=series[saddle] - migrating[saddle],
        direction=d / length,
        length=length,
        whole=whole,
        displacement=displacement,
        series=series,
        migrating_series=migrating,
        uncertainty=uncertainty,
    )


def _linear(images: HopImages, key: str, tensors: FloatArray) -> DipoleLevel:
    """Constant tensors times net displacements (Salles 2020, eq. 5)."""
    atom, moved = images.migrating_atom, images.displacement
    migrating = moved[:, atom] @ tensors[atom].T
    series = np.einsum("iab,nib->na", tensors, moved)
    whole = series[-1] if images.complete else None
    return _level(images, key, series, migrating, moved[:, atom], images.saddle, whole)


def _path_integral(images: HopImages, tensors: dict[int, FloatArray], notes: list[str]) -> DipoleLevel | None:
    """Integral of the tensors along the path (Salles 2020, eq. 4).

    Tensors are linear in the distance along the path between the images where they are known; positions are
    linear between images. The trapezium of both is exact then.
    """
    known = sorted(tensors)
    if len(known) < 2 or known[0] != 0 or known[-1] < images.saddle:
        if len(known) > 1:
            notes.append(
                "Born charges along the path do not reach from the start to the saddle: eq. 4 is left out"
            )
        return None
    per_atom = _integrate(images, tensors, known)
    uncertainty = None
    if images.saddle in known and known.index(images.saddle) > 1:
        # the error of a trapezium falls with the square of the step: a third of what half the images change
        fine = known[: known.index(images.saddle) + 1]
        coarse = sorted({*fine[::2], images.saddle})
        off = _trapezium(images, tensors, fine) - _trapezium(images, tensors, coarse)
        uncertainty = float(np.linalg.norm(off)) / 3.0
        if uncertainty > 0.05:
            notes.append(
                f"path integral uncertain by about {uncertainty:.2f} e·Å: more images with Born charges"
            )
    series, migrating = per_atom.sum(axis=1), per_atom[:, images.migrating_atom]
    reaches_end = images.complete and known[-1] == len(images.positions) - 1
    return _level(
        images,
        "path_integral",
        series,
        migrating,
        images.displacement[: known[-1] + 1, images.migrating_atom],
        images.saddle,
        series[-1] if reaches_end else None,
        title=TITLES["path_integral"].replace(")", f", {len(known)} images)"),
        uncertainty=uncertainty,
    )


def _integrate(images: HopImages, tensors: dict[int, FloatArray], known: list[int]) -> FloatArray:
    """(n, n_atoms, 3) dipole of each atom's motion up to each image, the last known one included."""
    n, s = known[-1] + 1, images.coordinate
    z = np.empty((n, *tensors[0].shape))
    for k in range(n):
        after = next(i for i in known if i >= k)
        before = max(i for i in known if i <= k)
        part = 0.0 if after == before else (s[k] - s[before]) / (s[after] - s[before])
        z[k] = (1 - part) * tensors[before] + part * tensors[after]
    steps = np.diff(images.positions[:n], axis=0)
    pieces = np.einsum("niab,nib->nia", 0.5 * (z[1:] + z[:-1]), steps)
    return np.concatenate([np.zeros((1, *pieces.shape[1:])), np.cumsum(pieces, axis=0)])


def _trapezium(images: HopImages, tensors: dict[int, FloatArray], nodes: list[int]) -> FloatArray:
    """(3,) dipole at the last of the nodes, straight between them."""
    pairs = pairwise(nodes)
    steps = [
        np.einsum("iab,ib->a", 0.5 * (tensors[i] + tensors[j]), images.positions[j] - images.positions[i])
        for i, j in pairs
    ]
    return np.sum(steps, axis=0)


def _berry(
    images: HopImages,
    berry: PolarizationPath,
    charge: float,
    integral: DipoleLevel | None,
    notes: list[str],
) -> DipoleLevel:
    """Berry-phase dipoles relative to the far bulk: p - Q t for images that drift by t."""
    notes += [
        f"Berry phase: {x}" for x in berry.notes if "sorted" not in x and "depends on the origin" not in x
    ]
    if (off := float(np.abs(berry.cells - images.cell).max())) > _CELL:
        raise _wrong(
            f"the cell of the Berry-phase images differs from that of the hop by {off:.3f} Å",
            "give images of one fixed cell, all with the same axes",
        )
    atom = images.migrating_atom
    begin, moved = _berry_displacements(images, berry)
    shift = _shift(images, moved)
    moved = moved - shift[:, None]
    wanted = {"saddle": images.saddle} | ({"end": len(images.positions) - 1} if images.complete else {})
    at: dict[str, int] = {}
    for name, k in wanted.items():
        apart = np.linalg.norm(moved - images.displacement[k], axis=2).max(axis=1)
        nearest = int(np.argmin(apart))
        if apart[nearest] <= _SAME:
            at[name] = nearest
        elif name == "saddle":
            raise _wrong(
                "no Berry-phase image has the structure of the saddle",
                "compute the Berry phase at the saddle",
                value=f"an atom {apart[nearest]:.2f} Å away in {berry.sources[nearest]}",
                allowed=f"{_SAME:g} Å",
            )
    aligned = berry.dipole - charge * shift
    series = aligned - aligned[begin]
    uncertainty = abs(charge) * _alignment_error(images)
    migrating = np.full_like(series, np.nan)
    if integral is not None:
        # the parts of the atoms are known at the images with tensors: interpolated over the atom's way
        migrating = _resampled(integral, moved[:, atom])
        migrating[at["saddle"]] = integral.migrating
    # from the start over the saddle, whichever way the images run
    step = 1 if at["saddle"] > begin else -1
    view = slice(begin, None, step)
    return _level(
        images,
        "berry",
        series[view],
        migrating[view],
        (moved[:, atom] - moved[begin, atom])[view],
        (at["saddle"] - begin) * step,
        series[at["end"]] if "end" in at else None,
        uncertainty=uncertainty,
    )


def _berry_displacements(images: HopImages, berry: PolarizationPath) -> tuple[int, FloatArray]:
    """(index of the start, (m, n_atoms, 3) displacements from the start structure, in its order of atoms)."""
    best, begin, order, first = np.inf, 0, np.arange(0), np.zeros((0, 3))
    for k, (positions, cell) in enumerate(zip(berry.positions, berry.cells, strict=True)):
        there = positions @ np.linalg.inv(cell) @ images.cell
        atoms, moved = match_atoms(
            images.cell,
            images.positions[0],
            images.symbols,
            there,
            berry.symbols,
            what=berry.sources[k],
        )
        apart = float(np.linalg.norm(moved - _shift(images, moved), axis=1).max())
        if apart < best:
            best, begin, order, first = apart, k, atoms, moved
    if best > _SAME:
        raise _wrong(
            "no Berry-phase image has the structure of the start",
            "compute the Berry phase at the start too",
            value=f"an atom {best:.2f} Å away in {berry.sources[begin]}",
            allowed=f"{_SAME:g} Å",
        )
    return begin, first + (berry.positions - berry.positions[begin])[:, order]


def _resampled(integral: DipoleLevel, displacement: FloatArray) -> FloatArray:
    """Part of the migrating atom at other places of its way, linear in between; NaN beyond."""
    way = np.linalg.norm(integral.displacement, axis=1)
    if (np.diff(way) <= 0).any():
        return np.full_like(displacement, np.nan)
    at = np.linalg.norm(displacement, axis=1)
    part = np.stack([np.interp(at, way, integral.migrating_series[:, k]) for k in range(3)], axis=1)
    part[at > way[-1] + _SAME] = np.nan
    return part


def _note_sum_rule(tensors: FloatArray, charge: float, images: HopImages, notes: list[str]) -> None:
    violation = float(np.abs(tensors.sum(axis=0) - charge * np.eye(3)).max())
    if violation > 0.05:
        # what it would do to the dipole if the whole cell were shifted like its average atom
        mean = float(np.linalg.norm(images.displacement[images.saddle].mean(axis=0)))
        notes.append(
            f"acoustic sum rule of the start violated by {violation:.2f} e (cell of charge {charge:+g} e), up to "
            f"{violation * mean:.3f} e·Å in the saddle dipole; spread_sum_rule corrects it"
        )


def _check_transport(
    images: HopImages,
    best: DipoleLevel,
    charge: float | None,
    carrier: Sequence[float] | None,
    notes: list[str],
) -> None:
    """W = (Q d + u_f - u_i) . E of the whole hop against the dipole of the whole path."""
    share = best.share_at_saddle
    if share is not None and not 0 <= share <= 1:
        notes.append(f"the saddle dipole is {share:.2f} of that of the whole hop: outside 0 to 1")
    if charge is None:
        return
    if best.whole is None:
        notes.append("the images do not reach the end of the hop: the transported charge cannot be checked")
        return
    way = (
        images.displacement[-1, images.migrating_atom]
        if carrier is None
        else np.asarray(carrier, dtype=float)
    )
    off = best.whole - charge * way
    notes.append(
        f"whole hop: dipole change {np.linalg.norm(best.whole):.3f} e·Å, {charge:+g} e times "
        f"{np.linalg.norm(way):.3f} Å is {abs(charge) * np.linalg.norm(way):.3f} e·Å; the difference, "
        f"{np.linalg.norm(off):.3f} e·Å, is that of the site dipoles (effective hop length "
        f"{np.linalg.norm(best.whole) / max(abs(charge), 1e-12):.3f} Å)"
    )
