"""Chemical symbols for names of carriers and sites: what viewers colour by."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import InputError, Problem

__all__ = ["UNKNOWN", "element_of", "elements_of", "joined"]

UNKNOWN = "X"
"""What ASE and OVITO take for a particle that is no atom."""

SYMBOLS = frozenset(
    re.findall(
        r"\w+",
        "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
        "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm "
        "Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No "
        "Lr",
    )
)


def element_of(name: str) -> str:
    """Symbol that a name begins with (``Na``, ``Na1``, ``O_bridge``), or `UNKNOWN` (``hole_polaron``)."""
    found = re.match(r"([A-Z][a-z]?)(?![A-Za-z])", name)
    return found[1] if found and found[1] in SYMBOLS else UNKNOWN


def joined(name: str) -> str:
    """A name without blanks, for formats that part their words by them."""
    return "_".join(name.split())


def elements_of(names: tuple[str, ...], given: Mapping[str, str]) -> list[str]:
    """Symbol of each name, those in ``given`` first. InputError for a name or a symbol that does not exist."""
    problems = [
        Problem("there is no such carrier", "elements", name, ", ".join(names))
        for name in given
        if name not in names
    ]
    problems += [
        Problem("is not the symbol of an element", f"elements.{name}", symbol, "H to Lr, or X")
        for name, symbol in given.items()
        if symbol not in SYMBOLS and symbol != UNKNOWN
    ]
    if problems:
        raise InputError(problems)
    return [given.get(name, element_of(name)) for name in names]
