"""One state while modes are being left out, and how that is put into words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...ndarrays import BoolArray, FloatArray, IntArray
from ..records import Spectrum
from .modes import Modes

__all__ = ["VANISHING", "Side", "describe", "fraction", "listed", "match_qpoints"]

VANISHING = 1e-3
"""THz; at or below it a mode counts as unstable, because its partition function diverges."""
_SHOWN = 4


class Side:
    """One state while modes are being left out: frequencies ascending along each row, and which are kept."""

    def __init__(self, name: str, spectrum: Spectrum) -> None:
        self.name, self.spectrum = name, spectrum
        nu = spectrum.frequency
        self.nu = nu if (np.diff(nu, axis=1) >= 0).all() else np.sort(nu, axis=1)
        self.kept = np.ones(nu.shape, dtype=np.bool_)
        self.weight = spectrum.weight
        self.gamma = spectrum.gamma

    @property
    def gamma_weight(self) -> float:
        return 0.0 if self.gamma is None else float(self.weight[self.gamma])

    @property
    def count(self) -> float:
        return float(self.weight @ self.kept.sum(axis=1))

    def unstable(self) -> BoolArray:
        return self.kept & (self.nu <= VANISHING)

    def drop_lowest(self, n: IntArray) -> FloatArray:
        """Leave out the ``n[q]`` lowest of the kept modes at each q; the frequencies that went."""
        rank = np.cumsum(self.kept, axis=1)
        going = self.kept & (rank <= n[:, None])
        self.kept &= ~going
        return self.nu[going]

    def place(self, q: int) -> str:
        points = self.spectrum.qpoint
        if points is None or q == self.gamma:
            return "Gamma"
        return "q = (" + ", ".join(f"{k:.4g}" for k in points[q]) + ")"

    def modes(self) -> Modes:
        rows = np.nonzero(self.kept)[0]
        arrays = self.nu[self.kept], self.weight[rows], rows == (-1 if self.gamma is None else self.gamma)
        for a in arrays:
            a.setflags(write=False)
        return Modes(*arrays, source=self.spectrum.source)


def match_qpoints(sides: Sequence[Side]) -> None:
    """Bring all sides to the q-points of the first, in its order. Where the points differ, q and -q count as one.

    Raises
    ------
    InputError : not the same q-points with the same weights.
    """
    for fold in (False, True):
        keys = [_qpoint_keys(s, fold) for s in sides]
        places = [{k: i for i, k in enumerate(key)} for key in keys]
        if all(len(p) == len(k) and p.keys() == places[0].keys() for p, k in zip(places, keys, strict=True)):
            orders = [np.array([p[k] for k in keys[0]]) for p in places]
            if all(np.allclose(s.weight[o], sides[0].weight) for s, o in zip(sides, orders, strict=True)):
                break
    else:
        raise InputError(
            "pair-drop needs the same q-points in all states",
            value=", ".join(f"{s.name} {len(s.nu)} points" for s in sides),
            remedy="sample all on the same mesh without symmetry (phonopy: --nomeshsym), or choose another policy",
        )
    for side, order in zip(sides, orders, strict=True):
        side.nu, side.kept, side.weight = side.nu[order], side.kept[order], side.weight[order]
        if side.gamma is not None:
            side.gamma = int(np.flatnonzero(order == side.gamma)[0])


def _qpoint_keys(side: Side, fold: bool) -> list[tuple[int, ...]]:
    """Whole numbers that name each q-point: twice its address in its mesh (shifted meshes lie halfway)."""
    q, mesh = side.spectrum.qpoint, side.spectrum.mesh
    if q is None or mesh is None:
        return [(0, 0, 0, 1, 1, 1)]
    n = 2 * np.array(mesh)
    address = np.rint(q * n).astype(np.int64)
    up, down = (address % n).tolist(), (-address % n).tolist()
    return [(*(min(a, b) if fold else a), *mesh) for a, b in zip(up, down, strict=True)]


def describe(log: list[str], side: Side, which: BoolArray, what: str) -> None:
    """One line on the modes ``which`` of a side: how many, the lowest of them, and where."""
    n = int(which.sum())
    if not n:
        return
    rows = np.nonzero(which)[0]
    values = side.nu[which]
    order = np.argsort(values, kind="stable")[:_SHOWN]
    shown = ", ".join(f"{values[i]:.4g} THz at {side.place(int(rows[i]))}" for i in order)
    more = f" and {n - _SHOWN} more" if n > _SHOWN else ""
    log.append(f"{side.name}: {n} mode{'s' if n > 1 else ''} {what}".rstrip() + f" ({shown}{more})")


def listed(values: FloatArray) -> str:
    shown = ", ".join(f"{v:.4g}" for v in values[:_SHOWN])
    return shown + (f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else "")


def fraction(weight: float) -> str:
    inverse = 1 / weight if weight else 0.0
    if weight and abs(inverse - round(inverse)) < 1e-6 * inverse:
        return f"1/{round(inverse)}" if round(inverse) > 1 else "1"
    return f"{weight:.6g}"
