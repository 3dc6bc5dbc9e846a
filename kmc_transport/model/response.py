"""Response of a hop to the field: the dipole change up to the saddle as one vector of the hop class.

Let x = (p_S - p_i) - Q d/2 for the first hop of the class, d the way of the charge centre. An operation that keeps the
hop keeps x, and so does one that swaps its two ends: the works of the two half paths add up to Q d. Averaging x over these
operations gives the dipole that the crystal allows; published ones are rounded, so a small correction is made and told, a
large one refused (Salles 2020, eqs 2 and 8; the half-path rule follows from the work being a state function).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .inputfile import Document, KeyPath
from .network import Bond, BondClass, BondFinder, reversed_bond
from .schema import ClassicalResponse, FieldDipole, FieldEquivalentCharge, FieldMagnitude

__all__ = [
    "Centres",
    "Response",
    "classical_dipole",
    "given_response",
    "saddle_dipole",
    "symmetric_part",
]

FloatArray = npt.NDArray[np.float64]

_SAME = 0.05
"""How far (Å) the hop that a response is given for may be off a hop of the class."""
_WAY = 0.5
"""How far (Å) the way of the migrating atom may be off the hop that it belongs to."""


@dataclass(frozen=True, eq=False)
class Response:
    """What the input says about the field's work up to a saddle, read and in e·Å.

    kind : ``midpoint``, ``dipole``, ``q_eqv``, ``magnitude``, ``born``, ``berry`` or ``classical``.
    dipole : (3,) p_S - p_i, or None. magnitude : its size where only that is known.
    hop : (3,) Å, the hop that it belongs to, or None. way : (3,) Å, of the migrating atom in the whole hop, or None.
    """

    kind: str
    dipole: FloatArray | None = None
    magnitude: float | None = None
    hop: FloatArray | None = None
    way: FloatArray | None = None
    tolerance: float = 0.05
    log: tuple[str, ...] = ()
    read_from: tuple[str, ...] = ()


def given_response(given: FieldDipole | FieldEquivalentCharge | FieldMagnitude | str | None) -> Response:
    """Response of the forms that need no files."""
    if given is None or isinstance(given, str):
        return Response(given or "midpoint")
    hop = None if given.hop is None else np.array(given.hop, dtype=np.float64)
    if isinstance(given, FieldEquivalentCharge):
        dipole = given.q_eqv * np.array(given.d_ma)
        told = f"saddle dipole from Q_eqv = {given.q_eqv:g} e"
        return Response("q_eqv", dipole, hop=hop, tolerance=given.tolerance, log=(told,))
    if isinstance(given, FieldMagnitude):
        told = f"saddle dipole of {given.magnitude:g} e·Å along the way of the charge"
        return Response("magnitude", None, given.magnitude, hop, tolerance=given.tolerance, log=(told,))
    dipole = np.array(given.dipole, dtype=np.float64)
    return Response("dipole", dipole, hop=hop, tolerance=given.tolerance, log=("saddle dipole as given",))


class Centres:
    """Ways of the charge centres: site dipoles move a carrier's centre of charge off its site by dipole/charge."""

    def __init__(self, finder: BondFinder, charges: list[float], dipoles: FloatArray | None = None) -> None:
        self.finder, self.charges, self.dipoles = finder, charges, dipoles

    def vector(self, carrier: int, bond: Bond) -> FloatArray:
        """(3,) displacement of the charge centre, Å."""
        way = self.finder.vector(bond)
        if self.dipoles is None:
            return way
        own = self.dipoles[carrier]
        return np.asarray(way + (own[bond[1]] - own[bond[0]]) / self.charges[carrier])


def symmetric_part(finder: BondFinder, bond: Bond) -> FloatArray:
    """(3, 3) projector on the vectors that the operations keep which keep a bond or swap its ends."""
    keep, swap = finder.stabiliser(bond)
    return np.asarray(np.mean([finder.turn(g) for g in (*keep, *swap)], axis=0))


def saddle_dipole(
    bonds: BondClass,
    carrier: int,
    response: Response,
    fraction: float,
    centres: Centres,
    title: str,
    path: KeyPath,
    doc: Document,
) -> tuple[tuple[float, float, float] | None, list[str]]:
    """p_S - p_i of the first forward hop of a class, e·Å, and what was done to it; None for the midpoint rule."""
    if response.kind in ("midpoint", "classical"):
        return None, []
    if fraction != 0.5:
        doc.add(path, f"{title} has both 'saddle' and 'field_response'", remedy="leave 'saddle' out")
        return None, []
    finder, charge, first = centres.finder, centres.charges[carrier], bonds.forward[0]
    vector, log = centres.vector(carrier, first), list(response.log)
    half = charge * vector / 2
    dipole = response_dipole(bonds, carrier, response, centres, title, path, doc)
    if dipole is None:
        return None, []
    allowed = half + symmetric_part(finder, first) @ (dipole - half)
    if response.magnitude is not None and abs(response.magnitude - np.linalg.norm(allowed)) > 1e-6:
        log.append(f"half of the whole hop is {np.linalg.norm(allowed):.4g} e·Å")
    off = float(np.linalg.norm(allowed - dipole))
    if off > response.tolerance * float(max(np.linalg.norm(dipole), np.linalg.norm(half))):
        doc.add(
            path,
            f"the saddle dipole of {title} breaks the symmetry of the hop: given {_text(dipole)}, but what symmetry "
            f"leaves of it is {_text(allowed)} e·Å (half the work of the whole hop on the components that symmetry "
            "reverses)",
            allowed=f"a correction of at most {response.tolerance:.2g} of it",
            remedy="check the vector and the hop it belongs to; a charge centre off its site changes the hop length: "
            "'site_dipoles' of the carrier",
        )
        return None, []
    if off > 1e-9:
        log.append(f"made symmetric: {_text(dipole)} became {_text(allowed)} e·Å")
    share = float(allowed @ vector) / float(charge * vector @ vector)
    if not 0 <= share <= 1:
        log.append(f"warning: the half-path work is {share:.2f} of the whole, outside 0 to 1")
    return _plain(allowed), log


def response_dipole(
    bonds: BondClass,
    carrier: int,
    response: Response,
    centres: Centres,
    title: str,
    path: KeyPath,
    doc: Document,
) -> FloatArray | None:
    """The given dipole, turned to the first forward hop of the class, before symmetry; None with a problem noted."""
    charge = centres.charges[carrier]
    if response.dipole is None:
        half = charge * centres.vector(carrier, bonds.forward[0]) / 2
        size = float(np.linalg.norm(half))
        assert response.magnitude is not None
        # a rounded size cannot tell a saddle from one that lies half-way: the reverse hop gets the same then
        near = abs(response.magnitude - size) <= response.tolerance * response.magnitude
        return half if near else half * (response.magnitude / size)
    hop = response.hop
    if hop is None and response.way is not None:
        hop = _hop_of_way(bonds, response.way, response.dipole * np.sign(charge), centres.finder)
        if hop is None:
            nearest = centres.finder.vector(bonds.forward[0])
            doc.add(
                path,
                f"the way of the migrating atom, {_text(response.way)} Å, is along none of the hops of {title}",
                allowed=f"for example {_text(nearest)} Å, or back, within {_WAY:g} Å",
                remedy="say which hop the files belong to:  hop: [x, y, z]",
            )
            return None
    if hop is None:
        return response.dipole
    turned = _turn_back(bonds, carrier, hop, response.dipole, centres)
    if turned is None:
        vector = centres.finder.vector(bonds.forward[0])
        doc.add(
            (*path, "hop"),
            f"{title} has no hop along this vector",
            value=[float(x) for x in hop],
            allowed=f"for example {[round(float(x), 4) for x in vector]} Å",
            remedy="give one of its hop vectors, or leave 'hop' out for the one that `check` shows",
        )
    return turned


def classical_dipole(
    bonds: BondClass,
    carrier: int,
    given: ClassicalResponse | None,
    centres: Centres,
    title: str,
    path: KeyPath,
    doc: Document,
) -> tuple[float, float, float] | None:
    """Nominal charge times the migrating atom's displacement for the first forward hop, e·Å (Salles 2020, eq 1).

    The sign is that of the carrier: an anion that moves against the way of its vacancy.
    """
    if given is None:
        return None
    finder, charge, first = centres.finder, centres.charges[carrier], bonds.forward[0]
    if isinstance(given.d_ma, list):
        dipole = given.charge * np.array(given.d_ma)
        if given.hop is not None:
            # the whole classical hop is twice this dipole: turned as a vector, reversed with the hop
            for bond, operation in zip(bonds.forward, bonds.operation, strict=True):
                for one, sign in ((bond, 1), (reversed_bond(bond), -1)):
                    if np.linalg.norm(finder.vector(one) - np.array(given.hop)) <= _SAME:
                        return _plain(sign * finder.turn(operation).T @ dipole)
            doc.add((*path, "hop"), f"{title} has no hop along this vector", value=given.hop)
            return None
        return _plain(dipole)
    way = centres.vector(carrier, first)
    return _plain(abs(given.charge) * given.d_ma * np.sign(charge) * way / np.linalg.norm(way))


def _hop_of_way(
    bonds: BondClass, way: FloatArray, along: FloatArray, finder: BondFinder
) -> FloatArray | None:
    """Hop vector nearest to the migrating atom's way or its opposite (vacancies), with the sign of ``along``."""
    vectors = np.array([finder.vector(b) for b in bonds.forward])
    vectors = np.concatenate([vectors, -vectors])
    off = np.minimum(np.linalg.norm(vectors - way, axis=1), np.linalg.norm(vectors + way, axis=1))
    near = np.flatnonzero((off <= _WAY) & (vectors @ along > 0))
    return vectors[near[np.argmin(off[near])]] if len(near) else None


def _turn_back(
    bonds: BondClass, carrier: int, hop: FloatArray, dipole: FloatArray, centres: Centres
) -> FloatArray | None:
    """The dipole that goes with ``hop``, turned to the first hop of the class."""
    finder = centres.finder
    for bond, ahead, behind in zip(bonds.forward, bonds.operation, bonds.reverse_operation, strict=True):
        if np.linalg.norm(finder.vector(bond) - hop) <= _SAME:
            return finder.turn(ahead).T @ dipole
        back = reversed_bond(bond)
        if np.linalg.norm(finder.vector(back) - hop) <= _SAME:
            if bonds.own_reverse and behind >= 0:  # an image of the first hop, too
                return finder.turn(behind).T @ dipole
            # the way up from the other end is the rest of the whole hop
            return finder.turn(ahead).T @ (dipole - centres.charges[carrier] * centres.vector(carrier, back))
    return None


def _plain(vector: FloatArray) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])


def _text(vector: FloatArray) -> str:
    return "(" + ", ".join(f"{x + 0.0:.4g}" for x in np.round(vector, 9)) + ")"
