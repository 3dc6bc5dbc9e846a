"""Dipoles of carriers on their sites: given, or solved for so that the hops have the saddle dipoles they are given.

The work of the whole hop is W = (Q d + u_f - u_i) . E: a site dipole u moves the charge centre by u/Q (Salles 2020,
eq 2, and the work being a state function). A hop that symmetry turns into its reverse has W_S = W/2 on the components
that are reversed, so its saddle dipole measures the distance of the charge centres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..model.model import Carrier
from ..model.network import BondFinder
from ..model.symmetry import site_images
from ..ndarrays import FloatArray
from .document import Document, KeyPath, nearest
from .hops import HopGroup
from .response import Centres, response_dipole, symmetric_part, vector_text
from .saddles import Saddle
from .schema.structure import CarrierInput

__all__ = ["site_dipoles"]

TOLERANCE = 0.05
"""Largest residual of the solved dipoles, relative to the saddle dipole of the hop; that of `saddle_dipole` too."""
_STARTS = 24
_SPREAD = 0.4
"""Charge centres (Å) from which solving starts, about the sites."""


@dataclass(frozen=True, eq=False)
class _Orbit:
    """Sites that the space group makes equivalent: the first, an operation to each, and what its symmetry allows."""

    label: str
    sites: tuple[int, ...]
    turns: tuple[FloatArray, ...]
    basis: FloatArray
    """(3, n_free) orthonormal; vectors on the first site that its site symmetry leaves."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Target:
    """Saddle dipole that a hop is given, and the part of it that symmetry ties to the whole hop."""

    name: str
    group: HopGroup
    saddle: Saddle
    size: float
    """e·Å"""
    kept: FloatArray
    """(3, 3) `symmetric_part` of the first hop."""

    @property
    def tolerance(self) -> float:
        return self.saddle.response.tolerance

    def miss(self, centres: Centres) -> FloatArray:
        """What symmetry would correct of the given dipole; for a size, its distance from half the whole hop, e·Å."""
        bonds, carrier = self.group.bonds, self.group.carrier
        half = centres.charges[carrier] * centres.vector(carrier, bonds.forward[0]) / 2
        if self.saddle.response.dipole is None:
            return np.array([np.linalg.norm(half) - self.size])
        path = self.saddle.response_path
        p = response_dipole(
            bonds, carrier, self.saddle.response, centres, self.name, path, Document(path="", text="")
        )
        assert p is not None  # it was found before
        return np.asarray((np.eye(3) - self.kept) @ (p - half))


def site_dipoles(
    given: Mapping[str, CarrierInput],
    carriers: Sequence[Carrier],
    groups: Sequence[HopGroup],
    finder: BondFinder,
    doc: Document,
) -> FloatArray | None:
    """(n_carriers, n_sites, 3) e·Å, or None when no carrier has any; problems go to ``doc``."""
    if all(c.site_dipoles is None for c in given.values()):
        return None
    result = np.zeros((len(carriers), finder.structure.n_sites, 3))
    for index, (name, carrier) in enumerate(given.items()):
        path: KeyPath = ("carriers", name, "site_dipoles")
        if not carrier.charge or carrier.immobile:
            continue  # refused with the carriers
        if carrier.site_dipoles == "solve":
            solved = _solve(index, carriers, [g for g in groups if g.carrier == index], finder, path, doc)
            if solved is not None:
                result[index] = solved
        elif carrier.site_dipoles is not None:
            for label, vector in carrier.site_dipoles.items():
                _given(result[index], label, np.array(vector), carriers[index], finder, (*path, label), doc)
    return result


def _orbits(labels: Sequence[str], finder: BondFinder) -> list[_Orbit]:
    s = finder.structure
    images = site_images(s)[0]
    turns = [finder.turn(g) for g in range(len(s.rotations))]
    found = []
    for label in labels:
        left = finder.sites(label)
        while left:
            first = left[0]
            where = {int(j): turns[g] for g, j in reversed(list(enumerate(images[:, first])))}
            own = np.mean([turns[g] for g in np.flatnonzero(images[:, first] == first)], axis=0)
            values, vectors = np.linalg.eigh((own + own.T) / 2)  # a mean over a group: a projector
            found.append(_Orbit(label, tuple(where), tuple(where.values()), vectors[:, values > 0.5]))
            left = [i for i in left if i not in where]
    return found


def _given(
    into: FloatArray,
    label: str,
    vector: FloatArray,
    carrier: Carrier,
    finder: BondFinder,
    path: KeyPath,
    doc: Document,
) -> None:
    if label not in carrier.sites:
        doc.add(
            path,
            f"the carrier '{carrier.name}' does not sit on sites '{label}'",
            allowed=", ".join(carrier.sites),
            remedy=nearest(label, carrier.sites),
        )
        return
    orbits = _orbits([label], finder)
    if len(orbits) > 1:
        doc.add(
            path,
            f"the sites '{label}' are of {len(orbits)} kinds that symmetry does not relate",
            remedy="give each kind a label of its own",
        )
        return
    orbit = orbits[0]
    allowed = orbit.basis @ orbit.basis.T @ vector
    off = float(np.linalg.norm(allowed - vector))
    if off > TOLERANCE * float(np.linalg.norm(vector)):
        free = orbit.basis.shape[1]
        doc.add(
            path,
            "the symmetry of the site forbids this dipole",
            value=vector.tolist(),
            allowed="none" if free == 0 else f"{vector_text(allowed)} e·Å is what symmetry leaves of it",
            remedy=f"it is that of site {orbit.sites[0]}; lower the symmetry of the structure if the site is really "
            "polar",
        )
        return
    if off > 1e-9:
        doc.note(
            f"{carrier.name} on {label}: dipole {vector_text(vector)} made symmetric, {vector_text(allowed)} e·Å"
        )
    for site, turn in zip(orbit.sites, orbit.turns, strict=True):
        into[site] = turn @ allowed


def _solve(
    index: int,
    carriers: Sequence[Carrier],
    groups: Sequence[HopGroup],
    finder: BondFinder,
    path: KeyPath,
    doc: Document,
) -> FloatArray | None:
    """Dipoles of the carrier that fit the saddle dipoles of its hops best, the smallest ones where several do."""
    carrier = carriers[index]
    charges = [c.charge for c in carriers]
    orbits = _orbits(carrier.sites, finder)
    n_free = sum(o.basis.shape[1] for o in orbits)
    targets = [
        (g, s)
        for g in groups
        for s in g.saddles
        if s.use and (s.response.dipole is not None or s.response.magnitude is not None)
    ]
    if not targets or not n_free:
        doc.add(
            path,
            "there is nothing to solve the site dipoles for"
            if n_free
            else "the symmetry of the sites forbids every dipole",
            value="solve",
            remedy="give hops a field_response: {magnitude: ...} or {dipole: ...}, or leave 'site_dipoles' out",
        )
        return None

    def dipoles(free: FloatArray) -> FloatArray:
        u, k = np.zeros((len(carriers), finder.structure.n_sites, 3)), 0
        for orbit in orbits:
            n = orbit.basis.shape[1]
            first = orbit.basis @ free[k : k + n]
            for site, turn in zip(orbit.sites, orbit.turns, strict=True):
                u[index, site] = turn @ first
            k += n
        return u

    wanted = []
    for group, saddle in targets:
        size = saddle.response.magnitude
        if saddle.response.dipole is not None:
            p = response_dipole(
                group.bonds,
                index,
                saddle.response,
                Centres(finder, charges),
                group.name,
                saddle.response_path,
                doc,
            )
            if p is None:
                return None
            size = float(np.linalg.norm(p))
        assert size is not None
        name = f"{group.name}:{saddle.name}" if saddle.name else group.name
        wanted.append(
            _Target(
                name=name,
                group=group,
                saddle=saddle,
                size=size,
                kept=symmetric_part(finder, group.bonds.forward[0]),
            )
        )

    def residuals(free: FloatArray) -> list[FloatArray]:
        centres = Centres(finder, charges, dipoles(free))
        return [t.miss(centres) for t in wanted]

    best = _smallest_fit(lambda x: np.concatenate(residuals(x)), n_free, abs(carrier.charge))
    left = [float(np.linalg.norm(r)) for r in residuals(best)]
    u = dipoles(best)[index]
    shift = float(np.linalg.norm(u, axis=1).max()) / abs(carrier.charge)
    listing = "; ".join(
        f"{t.name} {t.size:.4g} e·Å missed by {miss:.2g}" for t, miss in zip(wanted, left, strict=True)
    )
    free = _free(lambda x: np.concatenate(residuals(x)), best)
    if free == n_free:
        doc.add(
            path,
            "the saddle dipoles of the hops leave the site dipoles free",
            value="solve",
            allowed="a hop that symmetry turns into its reverse, or a size",
            remedy="give the site dipoles as numbers, or leave 'site_dipoles' out",
        )
        return None
    if any(miss > t.tolerance * t.size for t, miss in zip(wanted, left, strict=True)):
        doc.add(
            path,
            f"no dipoles of the sites fit the saddle dipoles of the hops: best are {listing} (charge centres moved by "
            f"{shift:.2f} Å)",
            allowed=f"{TOLERANCE:.0%} of each saddle dipole, or the 'tolerance' of its field_response",
            remedy="drop the assumption for some of the hops, or check the dipoles",
        )
        return None
    for orbit in orbits:
        doc.note(
            f"{carrier.name}: dipole on site {orbit.sites[0]} ({orbit.label}) solved from the hops: "
            f"{vector_text(u[orbit.sites[0]])} e·Å, charge centre moved by "
            f"{np.linalg.norm(u[orbit.sites[0]]) / abs(carrier.charge):.3f} Å"
        )
    told = f"; {free} of their {n_free} free components are seen by no hop and kept small" if free else ""
    doc.note(f"{carrier.name}: saddle dipoles with them: {listing}{told}")
    return u


def _smallest_fit(residual: Callable[[FloatArray], FloatArray], n: int, charge: float) -> FloatArray:
    """Least squares from several starts; of fits as good as the best, the one nearest to no dipoles at all."""
    from scipy.optimize import least_squares

    rng = np.random.default_rng(20200703)
    starts = [np.full(n, 1e-3), *(rng.normal(0, _SPREAD * charge / np.sqrt(n), (_STARTS, n)))]
    fits = []
    for start in starts:
        x = start
        for weight in (1e-2, 1e-4, 1e-6):  # holds what the hops leave free at its smallest
            x = least_squares(lambda x, w=weight: np.concatenate([residual(x), w * x]), x, xtol=1e-14).x
        fits.append((float(np.linalg.norm(residual(x))), float(np.linalg.norm(x)), x))
    least = min(f[0] for f in fits)
    return min((f for f in fits if f[0] <= least + 1e-6), key=lambda f: round(f[1], 6))[2]


def _free(residual: Callable[[FloatArray], FloatArray], x: FloatArray) -> int:
    """Number of directions in which the residuals do not change to first order at ``x``."""
    step = 1e-4
    jacobian = [(residual(x + step * e) - residual(x - step * e)) / (2 * step) for e in np.eye(len(x))]
    return len(x) - int(np.linalg.matrix_rank(np.array(jacobian), tol=1e-5))
