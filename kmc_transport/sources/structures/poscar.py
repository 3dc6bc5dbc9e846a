"""POSCAR and its like, brought to the form with elements and one scale factor that every library reads."""

from __future__ import annotations

import re
from pathlib import Path

from ..cell import MOST_ATOMS
from ..common import fail, numbers
from ..files import read_packed_text

__all__ = ["normal_poscar"]

_WHAT = "a structure of VASP"
_REMEDY = "give POSCAR or CONTCAR of the finished calculation"
_VRHFIN = re.compile(r"VRHFIN\s*=\s*([A-Za-z]{1,2})")
_TITEL = re.compile(r"TITEL\s*=\s*\S+\s+([A-Z][a-z]?)(?![a-z])")
_PACKED = ("", ".gz", ".bz2", ".xz")
_FORMULA = re.compile(r"([A-Z][a-z]?)(\d*)")


def normal_poscar(place: Path, text: str, beside: Path | None = None) -> tuple[str, list[str]]:
    """The text with a line of elements and one scale factor, and notes on what was done.

    A file of VASP 4 has no elements: they are those of ``beside/POTCAR``, else of the comment line.

    Raises
    ------
    InputError : breaks off, no counts, numbers that are none, elements that nobody says.
    """
    lines = text.split("\n")
    notes: list[str] = []
    if len(lines) < 8:
        raise fail(place, f"this cannot be read as {_WHAT}: it breaks off", _REMEDY)
    named = not _integers(lines[5])
    at = 5
    while named and at < len(lines) and not _integers(lines[at]):
        at += 1
    n_lines = at - 5 if named else 1
    counts = _counts(place, lines, at, n_lines)
    mode = at + n_lines
    mode += mode < len(lines) and lines[mode].strip()[:1] in "sS"
    if len([x for x in lines[mode + 1 : mode + 1 + sum(counts)] if x.strip()]) < sum(counts):
        raise fail(place, f"this cannot be read as {_WHAT}: it breaks off in the positions", _REMEDY)
    for n in range(at, at + n_lines):
        lines[n] = " ".join(_integers(lines[n]))  # without comments
    if named:
        _check_elements(place, lines[5:at])
    factors = _leading_numbers(lines[1])
    if len(factors) == 1:
        lines[1] = f"{factors[0]:.16g}"
    elif len(factors) != 3:
        raise fail(
            place,
            "the second line holds one scale factor, or three",
            _REMEDY,
            value=lines[1].strip()[:60],
            line=2,
        )
    if len(factors) == 3:
        _scale(place, lines, factors, mode, sum(counts))
        notes.append(f"{place.name}: the three scale factors act on x, y and z")
    if not named and not _symbols_behind(lines, mode, sum(counts)):
        symbols, origin = _elements(place, lines[0], counts, beside)
        lines.insert(5, " ".join(symbols))
        notes.append(f"{place.name}: elements {' '.join(symbols)} as {origin} says (the file is of VASP 4)")
    return "\n".join(lines), notes


def _integers(line: str) -> list[str]:
    """Leading whole numbers of a line; comments may follow."""
    words = re.split(r"[#!]", line)[0].split()
    whole = [w for w in words if re.fullmatch(r"\d+", w)]
    return whole if whole == words[: len(whole)] else []


def _check_elements(place: Path, named: list[str]) -> None:
    """``Na``, ``Na_pv``, ``Na/5a3f`` are elements; a letter or a number of a type is none."""
    for word in (w for line in named for w in re.split(r"[#!]", line)[0].split()):
        symbol = re.split(r"[_/.+\d-]", word)[0].capitalize()
        if not _is_element(symbol) and symbol not in ("D", "T"):
            raise fail(
                place,
                f"'{word[:20]}' is no element",
                "write the elements into the line above the numbers of atoms",
                line=6,
            )


def _counts(place: Path, lines: list[str], at: int, n_lines: int) -> list[int]:
    counts = [int(w[:12]) for line in lines[at : at + n_lines] for w in _integers(line)]
    if not counts:
        raise fail(place, "no numbers of atoms are found", _REMEDY)
    if not 0 < sum(counts) <= MOST_ATOMS:
        raise fail(
            place,
            "this number of atoms is not sound",
            _REMEDY,
            value=sum(counts),
            allowed=f"1 to {MOST_ATOMS}",
            line=at + 1,
        )
    return counts


def _leading_numbers(line: str) -> list[float]:
    values = []
    for word in line.split():
        try:
            values.append(float(re.sub("[dD]", "e", word)))
        except ValueError:
            break
    return values


def _scale(place: Path, lines: list[str], factors: list[float], mode: int, n_atoms: int) -> None:
    """One factor for each Cartesian component, of cell vectors and Cartesian positions."""
    if min(factors) <= 0:
        raise fail(
            place, "of three scale factors all must be positive", _REMEDY, value=lines[1].strip(), line=2
        )
    rows = list(range(2, 5))
    if mode < len(lines) and lines[mode].strip()[:1] in tuple("cCkK"):
        rows += range(mode + 1, min(mode + 1 + n_atoms, len(lines)))
    for n in rows:
        words = lines[n].split()
        scaled = [f * x for f, x in zip(factors, numbers(words[:3], place, n + 1), strict=False)]
        lines[n] = " ".join([*(f"{x:.16g}" for x in scaled), *words[3:]])
    lines[1] = "1.0"


def _symbols_behind(lines: list[str], mode: int, n_atoms: int) -> bool:
    """Whether each position is followed by its element; T and F of selective dynamics are none."""
    rows = [lines[n].split() for n in range(mode + 1, min(mode + 1 + n_atoms, len(lines)))]
    words = [r[3] if len(r) > 3 else "" for r in rows]
    return bool(words) and set(words) != {"F"} and all(_is_element(w) for w in words)


def _elements(place: Path, comment: str, counts: list[int], beside: Path | None) -> tuple[list[str], str]:
    potcars = [] if beside is None else [p for e in _PACKED if (p := beside / f"POTCAR{e}").is_file()]
    if potcars:
        text = read_packed_text(potcars[0], "a POTCAR")
        found = [m[1] for m in _VRHFIN.finditer(text)] or [m[1] for m in _TITEL.finditer(text)]
        if len(found) == len(counts) and all(map(_is_element, found)):
            return found, "POTCAR beside it"
    words = comment.split()
    if len(words) == len(counts) and all(map(_is_element, words)):
        return words, "its comment line"
    parts = _FORMULA.findall(words[0]) if words else []
    amounts = [int(n or 1) for _, n in parts]
    if (
        parts
        and "".join(map("".join, parts)) == words[0]
        and len(parts) == len(counts)
        and all(_is_element(e) for e, _ in parts)
        and all(n * counts[0] == m * amounts[0] for n, m in zip(amounts, counts, strict=True))
    ):
        return [e for e, _ in parts], "the formula in its comment line"
    example = " ".join(f"El{i + 1}" for i in range(len(counts)))
    raise fail(
        place,
        "this file does not name its elements (VASP 4)",
        f"write the elements as a line above the numbers of atoms ({example}), or as the comment, or put the "
        "POTCAR beside it",
        value=f"comment '{comment.strip()[:60]}', numbers of atoms {' '.join(map(str, counts))}",
        line=6,
    )


def _is_element(word: str) -> bool:
    from pymatgen.core import Element

    return Element.is_valid_symbol(word)
