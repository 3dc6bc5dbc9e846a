"""Units of energy and force in headings and comments of tables, in the spellings that people use."""

from __future__ import annotations

import re

from ...units import DIMENSIONS

__all__ = ["ENERGIES", "LENGTHS", "force_in_ev", "strange_unit", "unit_said", "units_of_comment"]

LENGTHS = {k: float(v) for k, v in DIMENSIONS["length"].units.items()}
LENGTHS |= dict.fromkeys(("A", "Ang", "ang", "Angst", "Angstroms", "angstroms", "å"), 1.0)
LENGTHS |= dict.fromkeys(("Bohr", "a0", "a_0", "au"), LENGTHS["bohr"])
ENERGIES = {k: float(v) for k, v in DIMENSIONS["energy"].units.items()}
ENERGIES |= {"mRy": 1e-3 * ENERGIES["Ry"], "mHa": 1e-3 * ENERGIES["Ha"]}
"""eV of each unit; the names are what `unit_said` gives."""

_SPELLINGS = {
    **{"ev": "eV", "EV": "eV", "mev": "meV", "mRyd": "mRy", "mHartree": "mHa", "mEh": "mHa"},
    **dict.fromkeys(("Hartree", "HARTREE", "hartrees", "Hartrees", "Eh"), "Ha"),
    **dict.fromkeys(("Ryd", "RY", "Rydberg", "rydbergs", "Rydbergs"), "Ry"),
}
_NOT_IN_NAMES = ("J",)  # alone it may be anything
_MOLAR = (
    r"(?P<molar>kJ|KJ|kj|kcal|Kcal|KCAL)[\s·⋅*_./]*(?:per[\s_]+)?mol(?:e)?(?![a-z])(?:\s*\^?\s*[-−–]\s*1|⁻¹)?"
)
_ENERGY = "|".join(
    sorted((*(k for k in ENERGIES if "/" not in k and k not in _NOT_IN_NAMES), *_SPELLINGS), key=len)[::-1]
)
_PER_LENGTH = "|".join(sorted(map(re.escape, LENGTHS), key=len)[::-1])
_SAID = re.compile(
    rf"(?<![^\W_])(?<![a-z]-)(?:{_MOLAR}|(?P<energy>{_ENERGY})(?![^\W_]|\^|⁻)"
    rf"(?:\)?\s*[/·⋅*.]?\s*\(?(?P<length>{_PER_LENGTH})(?![^\W\d_])\)?(?:\^?[-−–]1|⁻¹)?)?)"
)
_VALUE = re.compile(r"\d[\d.]*\s*\Z")
# of a unit that is none of these, or of a part of the cell, or of a factor before it
_STRANGE = re.compile(
    r"(?:/|\bper)[\s_]*\(?(?:atoms?|f\.?\s?u\.?|formula|ions?|sites?)(?![a-z])"
    r"|\A\s*[\d.]+(?:e-?\d+)?\s*[x×*·]|[x×*·]\s*1[0e]|(?<![\w.])10\s*\^|(?<!\d)10[⁻⁰¹²³⁴-⁹]|(?<![\w.])1e-?\d"
    r"|(?<![^\W_])(?:[kMGTmµunp]?(?:eV|Ry|Ha)|k_?B?_?T|[kK](?:J|cal)|(?<!\d)(?<!\d )K|THz|cm\^?[-−–⁻]?[1¹]|"
    r"a\.u\.?|arb)(?![^\W_])"
)


def unit_said(text: str) -> tuple[str, str]:
    """(unit, "energy" or "force") of the first one in a name or heading, or two empty texts; a force as eV/Å."""
    return next(((u, kind) for u, kind, _ in _all(text)), ("", ""))


def units_of_comment(text: str) -> set[str]:
    """Units of energy that a comment names; values with units, such as a cutoff of 520 eV, are none."""
    return {u for u, kind, value in _all(text) if kind == "energy" and not value}


def strange_unit(text: str) -> str:
    """What in the name of an energy is a unit that is not known, a part of the cell or a factor; or nothing."""
    found = _STRANGE.search(_SAID.sub(" ", text)) or _STRANGE.search(_SAID.sub("", text))
    return text.strip() if found and found[0] in ENERGIES else found[0].strip() if found else ""


def force_in_ev(unit: str) -> float:
    """eV/Å; a force without a unit is in that."""
    energy, _, length = unit.partition("/")
    return ENERGIES.get(energy, 1.0) / LENGTHS.get(length, 1.0)


def _all(text: str) -> list[tuple[str, str, bool]]:
    """Unit, kind, and whether a number stands before it."""
    found = []
    for m in _SAID.finditer(text):
        value = _VALUE.search(text[: m.start()]) is not None
        if m["molar"]:
            found.append((f"{'kJ' if m['molar'].lower() == 'kj' else 'kcal'}/mol", "energy", value))
        else:
            energy = _SPELLINGS.get(m["energy"], m["energy"])
            unit = f"{energy}/{m['length']}" if m["length"] else energy
            found.append((unit, "force" if m["length"] else "energy", value))
    return found
