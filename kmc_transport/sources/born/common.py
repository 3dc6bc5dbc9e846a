"""What the readers of Born charges share, and the acoustic sum rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from ...ndarrays import FloatArray
from ..common import fail
from ..records import BornCharges

__all__ = ["freeze_born", "spread_sum_rule"]

_LARGEST = 50.0  # e; a larger entry is a wrong column or an unfinished calculation
_NOTABLE = 0.05  # e per cell


def freeze_born(
    tensors: FloatArray,
    *,
    file: str | Path,
    what: str,
    symbols: Sequence[str] | None = None,
    cell: FloatArray | None = None,
    positions: FloatArray | None = None,
    cell_charge: float | None = None,
    notes: Sequence[str] = (),
) -> BornCharges:
    """Checked, read-only Born charges.

    Raises
    ------
    InputError : not (n_atoms, 3, 3), entries that are not finite or absurdly large, other numbers of atoms.
    """
    tensors = np.array(tensors, dtype=float)
    if tensors.ndim != 3 or tensors.shape[1:] != (3, 3) or not len(tensors):
        raise fail(
            file,
            "these are no Born charges",
            "give one 3 x 3 tensor for each atom",
            value=f"shape {tensors.shape}",
            allowed="(n_atoms, 3, 3)",
        )
    if not np.isfinite(tensors).all() or np.abs(tensors).max() > _LARGEST:
        atom = int(
            np.argmax(
                np.abs(np.nan_to_num(tensors, nan=np.inf, posinf=np.inf)).reshape(len(tensors), -1).max(1)
            )
        )
        raise fail(
            file,
            f"the Born charge of atom {atom} (counted from 0) is not sound",
            "the calculation is not finished or not converged: repeat it",
            value=tensors[atom].tolist(),
            allowed=f"-{_LARGEST:g} to {_LARGEST:g} e",
        )
    for name, n in (("elements", symbols), ("positions", positions)):
        if n is not None and len(n) != len(tensors):
            raise fail(
                file,
                f"{len(tensors)} tensors, but {len(n)} {name}",
                "give the charges and the structure of one and the same cell",
            )
    if not tensors.any():
        raise fail(file, "all Born charges are zero", "the calculation did not compute them: repeat it")
    born = BornCharges(
        tensors=_frozen(tensors),
        symbols=None if symbols is None else tuple(symbols),
        cell=_frozen(cell),
        positions=_frozen(positions),
        cell_charge=None if cell_charge is None else float(cell_charge),
        source=f"{file} ({what})",
        notes=tuple(notes),
    )
    violation = born.sum_rule_violation
    if (worst := float(np.abs(violation).max())) > _NOTABLE:
        told = "a neutral cell" if cell_charge is None else f"a cell of charge {cell_charge:+g} e"
        born = replace(
            born,
            notes=(
                *born.notes,
                f"acoustic sum rule violated by up to {worst:.3f} e in the sum over {len(tensors)} atoms (taken as "
                f"{told}); spread_sum_rule corrects it",
            ),
        )
    return born


def spread_sum_rule(born: BornCharges, cell_charge: float | None = None) -> BornCharges:
    """The same charges with the violation of the acoustic sum rule spread evenly over the atoms.

    Afterwards the tensors sum to the charge of the cell (times unity), which is not 0 for a charged defect.

    Parameters
    ----------
    cell_charge : e. Default: what the file says, else 0.
    """
    known = replace(born, cell_charge=born.cell_charge if cell_charge is None else float(cell_charge))
    violation = known.sum_rule_violation
    n = len(born.tensors)
    kept = tuple(x for x in born.notes if not x.startswith("acoustic sum rule"))
    return replace(
        known,
        tensors=_frozen(born.tensors - violation / n),
        cell_charge=known.cell_charge or 0.0,
        notes=(
            *kept,
            f"acoustic sum rule: {np.abs(violation).max():.3f} e spread over {n} atoms, "
            f"{np.abs(violation).max() / n:.4f} e each",
        ),
    )


@overload
def _frozen(array: FloatArray) -> FloatArray: ...
@overload
def _frozen(array: None) -> None: ...
def _frozen(array: FloatArray | None) -> FloatArray | None:
    if array is None:
        return None
    copy = np.array(array, dtype=float)
    copy.flags.writeable = False
    return copy
