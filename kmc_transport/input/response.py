"""Response of a hop to the field: the dipole change up to the saddle as one vector of the hop class.

Let x = (p_S - p_i) - Q d/2 for the first hop of the class, d the way of the charge centre. An operation that
keeps the hop keeps x, and so does one that swaps its two ends: the works of the two half paths add up to Q d.
Averaging x over these operations gives the dipole that the crystal allows; published ones are rounded, so a
small correction is made and told, a large one refused (Salles 2020, eqs 2 and 8; the half-path rule follows
from the work being a state function).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..model.network import Bond, BondClass, BondFinder, reversed_bond
from ..ndarrays import FloatArray
from .document import Document, KeyPath
from .schema.response import ClassicalResponse, FieldDipole, FieldEquivalentCharge, FieldMagnitude

__all__ = [
    "Centres",
    "Response",
    "classical_dipole",
    "given_response",
    "saddle_dipole",
    "symmetric_part",
    "vector_text",
]

_SAME = 0.05
"""How far (Å) the hop that a response is given for may be off a hop of the class."""
_ROUNDING = 1e-6
"""e·Å; a correction below it is none."""
_WAY = 0.5
"""How far (Å) the way of the migrating atom may be off the hop that it belongs to."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Response:
    """What the input says about the field's work up to a saddle, read and in e·Å.

    kind : ``midpoint``, ``dipole``, ``q_eqv``, ``magnitude``, ``born``, ``berry`` or ``classical``.
    dipole : (3,) p_S - p_i, or None. magnitude : its size where only that is known.
    hop : (3,) Å, the hop that it belongs to, or None; site : where that starts, or None.
    way : (3,) Å, of the migrating atom in the whole hop, or None.
    """

    kind: str
    dipole: FloatArray | None = None
    magnitude: float | None = None
    hop: FloatArray | None = None
    way: FloatArray | None = None
    site: int | None = None
    tolerance: float = 0.05
    log: tuple[str, ...] = ()
    read_from: tuple[str, ...] = ()


def given_response(given: FieldDipole | FieldEquivalentCharge | FieldMagnitude | str | None) -> Response:
    """Response of the forms that need no files."""
    if given is None or isinstance(given, str):
        return Response(kind=given or "midpoint")
    kind, dipole, magnitude, told = "dipole", None, None, "saddle dipole as given"
    if isinstance(given, FieldEquivalentCharge):
        kind, dipole = "q_eqv", given.q_eqv * np.array(given.d_ma)
        told = f"saddle dipole from Q_eqv = {given.q_eqv:g} e"
    elif isinstance(given, FieldMagnitude):
        kind, magnitude = "magnitude", given.magnitude
        told = f"saddle dipole of {given.magnitude:g} e·Å along the way of the charge"
    else:
        dipole = np.array(given.dipole, dtype=np.float64)
    return Response(
        kind=kind,
        dipole=dipole,
        magnitude=magnitude,
        hop=None if given.hop is None else np.array(given.hop, dtype=np.float64),
        site=given.from_,
        tolerance=given.tolerance,
        log=(told,),
    )


class Centres:
    """Ways of the charge centres: site dipoles move a carrier's centre of charge off its site by dipole/charge."""

    def __init__(self, finder: BondFinder, charges: list[float], dipoles: FloatArray | None = None) -> None:
        self.finder, self.charges, self.dipoles = finder, charges, dipoles

    def vector(self, carrier: int, bond: Bond) -> FloatArray:
        """(3,) displacement of the charge centre, Å."""
        way = self.finder.vector(bond)
        if self.dipoles is None or not self.charges[carrier]:
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
    others: Sequence[Response] = (),
) -> tuple[tuple[float, float, float] | None, list[str]]:
    """p_S - p_i of the first forward hop of a class, e·Å, and what was done to it; None for the midpoint rule.

    others : responses of the hop's other saddles that are alike; operations that keep or swap its ends may turn this
        saddle into one of them.
    """
    if response.kind in ("midpoint", "classical"):
        return None, []
    if fraction != 0.5:
        doc.add(path, f"{title} has both 'saddle' and 'field_response'", remedy="leave 'saddle' out")
        return None, []
    finder, charge, first = centres.finder, centres.charges[carrier], bonds.forward[0]
    if not charge:
        _refuse_neutral(title, path, doc)
        return None, []
    vector, log = centres.vector(carrier, first), list(response.log)
    half = charge * vector / 2
    dipole = response_dipole(bonds, carrier, response, centres, title, path, doc)
    if dipole is None:
        return None, []
    keep, swap = finder.stabiliser(first)
    allowed = half + symmetric_part(finder, first) @ (dipole - half)
    if response.magnitude is not None:
        if abs(response.magnitude - np.linalg.norm(allowed)) > 1e-6:
            log.append(f"half of the whole hop is {np.linalg.norm(allowed):.4g} e·Å")
        if not swap:
            way = f"{vector_text(dipole)} e·Å for the hop {vector_text(finder.vector(first))} Å from site {first[0]}"
            log.append(f"no symmetry swaps the ends, so where the saddle lies is an assumption: {way}")
    off = float(np.linalg.norm(allowed - dipole))
    scale = float(max(np.linalg.norm(dipole), np.linalg.norm(half)))
    if off > max(response.tolerance * scale, _ROUNDING):
        silent = Document(path="", text="")
        twins = [response_dipole(bonds, carrier, r, centres, title, path, silent) for r in others]
        known = [dipole - half, *(t - half for t in twins if t is not None)]
        images = [finder.turn(g) @ (dipole - half) for g in (*keep, *swap)]
        if all(any(np.linalg.norm(x - k) <= response.tolerance * scale for k in known) for x in images):
            log.append("one of several saddles that symmetry turns into each other")
            return _plain(dipole), log
        doc.add(
            path,
            f"the saddle dipole of {title} breaks the symmetry of the hop: given {vector_text(dipole)}, but what "
            f"symmetry leaves of it is {vector_text(allowed)} e·Å (half the work of the whole hop on the components "
            "that symmetry reverses, none on those that it forbids)",
            allowed=f"a correction of at most {response.tolerance:.2g} of it ('tolerance')",
            remedy="check the vector and the hop it belongs to; a charge centre off its site changes the hop length "
            "('site_dipoles' of the carrier); saddles that are images of each other are listed under 'saddles'",
        )
        return None, []
    if off > 1e-9:
        log.append(f"made symmetric: {vector_text(dipole)} became {vector_text(allowed)} e·Å")
    share = float(allowed @ vector) / float(charge * vector @ vector)
    if not 0 <= share <= 1:
        doc.note(
            f"{title}: the field's work up to the saddle is {share:.2f} of the whole, outside 0 to 1; if the dipole is "
            "that of another hop of the class, or of the reverse one, say so with 'hop'"
        )
    return _plain(allowed), log


def _refuse_neutral(title: str, path: KeyPath, doc: Document) -> None:
    doc.add(
        path,
        f"the carrier of {title} has no charge: the field does no work on it, and its hops take no dipole",
        remedy="remove this key, or give the carrier its charge",
    )


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
        if abs(response.magnitude - size) <= response.tolerance * response.magnitude:
            return half
        if response.hop is None:
            return half * (response.magnitude / size)
    hop = response.hop
    if hop is None and response.way is not None:
        assert response.dipole is not None
        hop = _hop_of_way(bonds, response.way, response.dipole * np.sign(charge), centres.finder)
        if hop is None:
            nearest = centres.finder.vector(bonds.forward[0])
            doc.add(
                path,
                f"the way of the migrating atom, {vector_text(response.way)} Å, is along none of the hops of {title}",
                allowed=f"for example {vector_text(nearest)} Å, or back, within {_WAY:g} Å",
                remedy="say which hop the files belong to:  hop: [x, y, z]",
            )
            return None
    if hop is None:
        return response.dipole

    def to_first(image: _Image) -> FloatArray:
        way = centres.vector(carrier, image.bond)
        if response.dipole is None:
            dipole = np.asarray(response.magnitude * np.sign(charge) * way / np.linalg.norm(way))
        else:
            dipole = response.dipole
        # the way up from the other end is the rest of the whole hop
        return np.asarray(image.turn.T @ (dipole - charge * way if image.reversed else dipole))

    return _of_hop(bonds, hop, response.site, to_first, centres.finder, title, path, doc)


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

    Of a length, the sign is that of the carrier: an anion that moves against the way of its vacancy.
    """
    if given is None:
        return None
    charge = centres.charges[carrier]
    if not charge:
        _refuse_neutral(title, path, doc)
        return None
    if not isinstance(given.d_ma, list):
        if given.hop is not None:
            doc.add(
                (*path, "hop"),
                "a length of d_ma is taken along each hop",
                value=given.hop,
                allowed="nothing",
                remedy="leave 'hop' out, or give d_ma as a vector",
            )
            return None
        way = centres.vector(carrier, bonds.forward[0])
        return _plain(abs(given.charge) * given.d_ma * np.sign(charge) * way / np.linalg.norm(way))
    dipole = given.charge * np.array(given.d_ma)
    if given.hop is None:
        return _plain(dipole)
    # the whole classical hop is twice this dipole: turned as a vector, reversed with the hop
    found = _of_hop(
        bonds,
        np.array(given.hop, dtype=np.float64),
        given.from_,
        lambda image: np.asarray((-1 if image.reversed else 1) * image.turn.T @ dipole),
        centres.finder,
        title,
        path,
        doc,
        about=np.zeros(3),
    )
    return None if found is None else _plain(found)


@dataclass(frozen=True, eq=False)
class _Image:
    """A hop of a class: its bond, the rotation that makes it from the first, and whether from its reverse."""

    bond: Bond
    turn: FloatArray
    reversed: bool


def _of_hop(
    bonds: BondClass,
    hop: FloatArray,
    site: int | None,
    to_first: Callable[[_Image], FloatArray],
    finder: BondFinder,
    title: str,
    path: KeyPath,
    doc: Document,
    about: FloatArray | None = None,
) -> FloatArray | None:
    """What is given for ``hop`` (from ``site``), turned to the first forward hop; None with a problem noted."""
    images = []
    for bond, ahead, behind in zip(bonds.forward, bonds.operation, bonds.reverse_operation, strict=True):
        back = reversed_bond(bond)
        images.append(_Image(bond, finder.turn(ahead), False))
        # where symmetry reverses the hop, its reverse is an image of the first one too
        turned = finder.turn(behind if bonds.own_reverse else ahead)
        images.append(_Image(back, turned, not bonds.own_reverse))
    fitting = [
        i
        for i in images
        if np.linalg.norm(finder.vector(i.bond) - hop) <= _SAME and site in (None, i.bond[0])
    ]
    # of a hop and its reverse along the same vector, `between` says which is meant
    fitting = [i for i in fitting if not i.reversed] or fitting
    vector = finder.vector(bonds.forward[0])
    if not fitting:
        doc.add(
            (*path, "hop"),
            f"{title} has no hop along this vector" + ("" if site is None else f" from site {site}"),
            value=[float(x) for x in hop],
            allowed=f"for example {vector_text(vector)} Å from site {bonds.forward[0][0]}",
            remedy="give one of its hop vectors, or leave 'hop' out for the one that `check` shows",
        )
        return None
    first, *rest = [to_first(i) for i in fitting]
    keep, swap = finder.stabiliser(bonds.forward[0])
    turns = [finder.turn(g) for g in (*keep, *swap)]
    middle = first @ vector / (vector @ vector) * vector if about is None else about
    for other in rest:
        if not any(np.linalg.norm(t @ (other - middle) - (first - middle)) < 1e-6 for t in turns):
            sites = ", ".join(str(i.bond[0]) for i in fitting)
            doc.add(
                (*path, "hop"),
                f"{title} has this hop from several sites that are not turned alike, so that the dipole is ambiguous",
                value=[float(x) for x in hop],
                allowed=f"from: one of the sites {sites}",
                remedy=f"say which one it belongs to:  from: {fitting[0].bond[0]}",
            )
            return None
    return first


def _hop_of_way(
    bonds: BondClass, way: FloatArray, along: FloatArray, finder: BondFinder
) -> FloatArray | None:
    """Hop vector nearest to the migrating atom's way or its opposite (vacancies), with the sign of ``along``."""
    vectors = np.array([finder.vector(b) for b in bonds.forward])
    vectors = np.concatenate([vectors, -vectors])
    off = np.minimum(np.linalg.norm(vectors - way, axis=1), np.linalg.norm(vectors + way, axis=1))
    near = np.flatnonzero((off <= _WAY) & (vectors @ along > 0))
    return vectors[near[np.argmin(off[near])]] if len(near) else None


def _plain(vector: FloatArray) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])


def vector_text(vector: FloatArray) -> str:
    """A (3,) vector with four digits, for messages."""
    return "(" + ", ".join(f"{x + 0.0:.4g}" for x in np.round(vector, 9)) + ")"
