"""A synthetic but complete set of first-principles data: a hop whose dipole is known in closed form at every level.

Eight atoms M and eight atoms X, one of which hops. Each atom's tensor is Z(t) = Z0 + t Z1 and each atom's way
r(t) = r0 + t a + t^2 b, with t = 0 at the start, 1/2 at the saddle and 1 at the end; so the dipole is a polynomial:
p(t) = t Z0 a + t^2 (Z0 b + Z1 a / 2) + t^3 (2/3) Z1 b.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kmc_transport.sources import BornCharges, PolarizationPath, Snapshot, polarization_path
from kmc_transport.sources.born.common import freeze_born

HOPPING = 11
SYMBOLS = ("Mg",) * 8 + ("O",) * 8


@dataclass(frozen=True)
class Hop:
    """Arrays of 16 atoms; ``shift`` is the rigid displacement of the whole cell at t = 1, Å."""

    cell: np.ndarray
    r0: np.ndarray
    a: np.ndarray
    b: np.ndarray
    z0: np.ndarray
    z1: np.ndarray
    charge: float
    shift: np.ndarray

    def positions(self, t: float) -> np.ndarray:
        return self.r0 + t * self.a + t * t * self.b + t * self.shift

    def tensors(self, t: float) -> np.ndarray:
        return self.z0 + t * self.z1

    def parts(self, t: float) -> np.ndarray:
        """(16, 3) e·Å of each atom's motion relative to the bulk."""
        first = np.einsum("iab,ib->ia", self.z0, self.a)
        second = np.einsum("iab,ib->ia", self.z0, self.b) + 0.5 * np.einsum("iab,ib->ia", self.z1, self.a)
        third = 2 / 3 * np.einsum("iab,ib->ia", self.z1, self.b)
        return t * first + t**2 * second + t**3 * third

    def dipole(self, t: float) -> np.ndarray:
        """With the rigid shift: charge times its length."""
        return self.parts(t).sum(axis=0) + self.charge * t * self.shift

    def snapshot(self, t: float, *, wrapped: bool = True, order: np.ndarray | None = None) -> Snapshot:
        r = self.positions(t)
        if wrapped:
            f = r @ np.linalg.inv(self.cell)
            r = (f - np.floor(f)) @ self.cell
        at = np.arange(16) if order is None else order
        return Snapshot(self.cell, r[at], tuple(SYMBOLS[i] for i in at), f"t = {t:g}")

    def born(self, t: float, order: np.ndarray | None = None) -> BornCharges:
        s = self.snapshot(t, order=order)
        at = np.arange(16) if order is None else order
        return freeze_born(
            self.tensors(t)[at],
            file=f"t = {t:g}",
            what="synthetic",
            symbols=s.symbols,
            cell=self.cell,
            positions=s.positions,
            cell_charge=self.charge,
        )

    def berry(self, times: list[float], rng: np.random.Generator) -> PolarizationPath:
        """Dipoles on random branches, of wrapped images."""
        branches = rng.integers(-3, 4, (len(times), 3)) @ self.cell
        origin = np.array([0.31, -0.2, 0.07])
        dipoles = np.array([origin + self.dipole(t) for t in times]) + branches
        places = np.array([self.snapshot(t).positions for t in times])
        return polarization_path(dipoles, places, self.cell, SYMBOLS, cell_charge=self.charge, start=0)


def hop(
    *, charge: float = 2.0, shift: tuple[float, float, float] = (0.0, 0.0, 0.0), curved: bool = True
) -> Hop:
    """The hop of atom `HOPPING` through a face of the cell; far atoms stay, near ones recoil."""
    rng = np.random.default_rng(7)
    cell = np.array([[8.4, 0, 0], [0.3, 8.2, 0], [0, 0.2, 8.6]])
    grid = np.array([[i, j, k] for i in (0, 0.5) for j in (0, 0.5) for k in (0, 0.5)])
    r0 = np.concatenate([grid + 0.02, grid + [0.25, 0.24, 0.26]]) @ cell
    a, b = np.zeros((16, 3)), np.zeros((16, 3))
    # from x = 0.75 through the face at x = 1
    a[HOPPING] = [2.6, 0.3, -0.2]
    apart = r0 - r0[HOPPING] - 0.5 * a[HOPPING]  # from the saddle: the far bulk stays
    f = apart @ np.linalg.inv(cell)
    distance = np.linalg.norm((f - np.round(f)) @ cell, axis=1)
    near = [i for i in np.argsort(distance) if i != HOPPING][:4]
    a[near] = rng.normal(0, 0.12, (4, 3))
    if curved:
        b[HOPPING] = [0.0, 0.25, 0.1]
        b[near] = rng.normal(0, 0.08, (4, 3))
    z0 = np.array([(2.1 if s == "Mg" else -1.9) * np.eye(3) for s in SYMBOLS]) + rng.normal(
        0, 0.3, (16, 3, 3)
    )
    z1 = rng.normal(0, 0.4, (16, 3, 3)) if curved else np.zeros((16, 3, 3))
    # exact sum rule along the whole path
    z0 -= (z0.sum(axis=0) - charge * np.eye(3)) / 16
    z1 -= z1.sum(axis=0) / 16
    return Hop(cell, r0, a, b, z0, z1, charge, np.array(shift))


def without_environment(h: Hop) -> Hop:
    """Rigid surroundings and an isotropic, constant ion: here a point charge is exact."""
    a, b = np.zeros_like(h.a), np.zeros_like(h.b)
    a[HOPPING] = h.a[HOPPING]
    z0 = np.array([(2.0 if s == "Mg" else -2.0) * np.eye(3) for s in SYMBOLS])
    return replace(h, a=a, b=b, z0=z0, z1=np.zeros_like(h.z1), charge=0.0)


def write_poscar(path: Path, s: Snapshot) -> Path:
    """Atoms of a snapshot must be grouped by element."""
    kinds = list(dict.fromkeys(s.symbols))
    lines = ["synthetic", "1.0", *(" ".join(f"{x:.10f}" for x in v) for v in s.cell), " ".join(kinds)]
    lines += [" ".join(str(s.symbols.count(k)) for k in kinds), "Cartesian"]
    lines += [" ".join(f"{x:.10f}" for x in r) for r in s.positions]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_outcar(
    path: Path,
    s: Snapshot,
    *,
    tensors: np.ndarray | None = None,
    dipole: np.ndarray | None = None,
    n_electrons: float | None = None,
    valence: tuple[float, ...] = (2.0, 6.0),
    unit: str = "electrons Angst",
    tags: str = "",
    born_heading: str = "(including local field effects) (in |e|, cummulative output)",
) -> Path:
    """The lines of an OUTCAR that the readers use. ``dipole``: total, of electrons and ions, e·Å.

    unit : of the dipole; "|e| Angst" has the other sign (VASP 6.3). tags : further lines.
    """
    kinds = list(dict.fromkeys(s.symbols))
    counts = [s.symbols.count(k) for k in kinds]
    per_atom = np.repeat(valence[: len(kinds)], counts)
    electrons = float(per_atom.sum()) if n_electrons is None else n_electrons
    rows = [" vasp.6.3.2 complex", *tags.splitlines()]
    rows += [f"   VRHFIN ={k}: s2" for k in kinds]
    rows += ["   ions per type =  " + " ".join(f"{n:4d}" for n in counts)]
    rows += [
        "   IBRION =     -1    ionic relax",
        "   ZVAL   = " + " ".join(f"{v:6.2f}" for v in valence[: len(kinds)]),
    ]
    rows += [f"   NELECT =   {electrons:12.4f}    total number of electrons"]
    rows += ["      direct lattice vectors                 reciprocal lattice vectors"]
    inverse = np.linalg.inv(s.cell).T
    rows += ["".join(f"{x:14.9f}" for x in (*v, *w)) for v, w in zip(s.cell, inverse, strict=True)]
    rows += [" position of ions in cartesian coordinates  (Angst):"]
    rows += ["".join(f"{x:13.8f}" for x in r) for r in s.positions]
    if dipole is not None:
        electronic = (per_atom @ s.positions - dipole) * (-1 if unit == "|e| Angst" else 1)
        rows += [f"            Ionic dipole moment: p[ion]=(     0.00000     0.00000     0.00000 ) {unit}"]
        text = "".join(f"{x:12.5f}" for x in electronic)
        rows += [f" Total electronic dipole moment: p[elc]=({text} ) {unit}"]
    if tensors is not None:
        rows += [
            f" BORN EFFECTIVE CHARGES {born_heading}",
            " " + 81 * "-",
        ]
        for i, z in enumerate(tensors):
            rows.append(f" ion {i + 1:4d}")
            rows += [f"{k + 1:5d}" + "".join(f"{x:12.5f}" for x in z[k]) for k in range(3)]
    path.write_text("\n".join(rows) + "\n")
    return path
