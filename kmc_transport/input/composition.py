"""Axes of composition: how many carriers there are at each of their points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

from ..arrays import ARRAYS, CATALOG_ARRAYS, base_name
from ..model.model import Carrier, Structure
from .conditions import values_of
from .document import Document, KeyPath, nearest
from .expressions import ALLOWED, Expression
from .rounding import SAME, Amount, whole_numbers
from .schema.conditions import ConditionsInput
from .schema.structure import CarrierInput

__all__ = [
    "Composition",
    "build_compositions",
    "counted",
    "exact_number",
    "extreme",
    "fixed_amounts",
    "text_of",
]

Composition = tuple[tuple[str, float], ...]
"""Name and value of each axis."""
MAX_SYSTEMS = 10_000
_ABSENT = "is 0, and only species that do not move may be absent"
_HERE: KeyPath = ("conditions", "composition")
_ARRAYS = {**ARRAYS, **CATALOG_ARRAYS}
_TAKEN = {"sample", *_ARRAYS, *(d for spec in _ARRAYS.values() for d in spec.dims)}


def build_compositions(
    given: ConditionsInput, carriers: Mapping[str, CarrierInput] | None, doc: Document
) -> list[Composition] | None:
    """Every combination of the values of the axes, the last axis fastest; one, empty, without axes.

    Names of dimensions and in expressions are checked; None when there are problems.
    """
    before, axes = len(doc.problems), {}
    for name, values in given.composition.items():
        if not name.isidentifier() or not name.isascii():
            doc.add((*_HERE, name), "the name of an axis has letters, digits and _ alone, and begins with a letter",
                    value=name, remedy="rename it, for example x_Sm")  # fmt: skip
        elif base_name(name) in _TAKEN:
            doc.add((*_HERE, name), "the results have an array or dimension of this name", value=name,
                    remedy=f"rename it, for example x_{name}")  # fmt: skip
        axes[name] = values_of(values, (*_HERE, name), name, doc)
    used: set[str] = set() if carriers is None else _used(carriers, axes, doc)
    for name in axes:
        if carriers is not None and name not in used:
            doc.add((*_HERE, name), f"no carrier's 'count' or 'fraction' names '{name}'", value=name,
                    remedy=f"for example  fraction: {name}, or remove it")  # fmt: skip
    if (number := math.prod(map(len, axes.values()))) > MAX_SYSTEMS:
        doc.add(
            _HERE,
            f"there are {number} compositions",
            allowed=f"at most {MAX_SYSTEMS}",
            remedy="use fewer values",
        )
    if len(doc.problems) > before:
        return None
    return [tuple(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _used(carriers: Mapping[str, CarrierInput], axes: Mapping[str, object], doc: Document) -> set[str]:
    """Names in the carriers' expressions; those that are no axis are refused."""
    used: set[str] = set()
    for carrier, item in carriers.items():
        for key in ("count", "fraction"):
            expression = getattr(item, key)
            if not isinstance(expression, Expression):
                continue
            used.update(expression.names)
            for name in expression.names:
                if name not in axes:
                    doc.add(
                        ("carriers", carrier, key),
                        f"'{name}' has no value",
                        value=expression.text,
                        allowed=", ".join(axes) or ALLOWED,
                        remedy=nearest(name, list(axes))
                        or f"give it one:  conditions: {{composition: {{{name}: [0.02, 0.05]}}}}",
                    )  # fmt: skip
    return used


def fixed_amounts(carriers: Mapping[str, CarrierInput]) -> bool:
    """Whether no carrier's number is an expression."""
    return not any(isinstance(a, Expression) for c in carriers.values() for a in (c.count, c.fraction))


def counted(
    carriers: Sequence[Carrier],
    mobile: int,
    given: Mapping[str, CarrierInput],
    structure: Structure,
    cells: int,
    points: Sequence[Composition],
    doc: Document,
) -> list[list[Carrier]]:
    """The carriers, with their whole numbers, at each composition; problems go to ``doc``.

    Immobile species, those behind the first ``mobile`` ones, may be absent.
    """
    wrong: dict[tuple[KeyPath, str], list[tuple[Composition, float]]] = {}
    found = []
    for point in points:
        amounts = []
        for a, carrier in enumerate(carriers):
            item = given[carrier.name]
            key = "count" if item.fraction is None else "fraction"
            amount = _amount(item)
            sites = cells * sum(label in carrier.sites for label in structure.labels)
            exact = exact_number(amount, point) * (sites if key == "fraction" else 1)
            exact = 0.0 if abs(exact) < SAME else exact
            amounts.append(
                Amount(exact, carrier.charge, frozenset(carrier.sites), given=isinstance(amount, int))
            )
            path: KeyPath = ("carriers", carrier.name, key)
            if not math.isfinite(exact):
                wrong.setdefault((path, "is no finite number"), []).append((point, exact))
            elif exact < 0:
                wrong.setdefault((path, "is negative"), []).append((point, exact))
            elif exact == 0:
                if a < mobile:
                    wrong.setdefault((path, _ABSENT), []).append((point, exact))
            elif round(exact) == 0:
                wrong.setdefault((path, "rounds to no carrier at all"), []).append((point, exact))
            elif exact > sites:
                wrong.setdefault((path, f"is more than the {sites} sites"), []).append((point, exact))
        if not wrong:
            numbers = whole_numbers(amounts)
            if numbers is None:
                wrong.setdefault((_HERE, "charge"), []).append((point, math.nan))
            else:
                found.append([replace(c, count=n) for c, n in zip(carriers, numbers, strict=True)])
    _report(wrong, carriers, given, doc)
    return [] if wrong else found


def extreme(counts: Sequence[Sequence[Carrier]], choose: Callable[[Iterable[int]], int]) -> list[Carrier]:
    """Each carrier with its largest (``max``) or smallest (``min``) number at any composition."""
    return [replace(same[0], count=choose(c.count for c in same)) for same in zip(*counts, strict=True)]


def _amount(given: CarrierInput) -> float | Expression:
    amount = given.count if given.fraction is None else given.fraction
    return 0 if amount is None else amount


def exact_number(amount: float | Expression, point: Composition) -> float:
    """The value of a count or fraction at a composition; NaN where it has none."""
    if not isinstance(amount, Expression):
        return float(amount)
    try:
        return amount.value(dict(point))
    except (ZeroDivisionError, OverflowError):
        return math.nan


def _report(
    wrong: Mapping[tuple[KeyPath, str], Sequence[tuple[Composition, float]]],
    carriers: Sequence[Carrier],
    given: Mapping[str, CarrierInput],
    doc: Document,
) -> None:
    for (path, what), places in wrong.items():
        (point, exact), more = places[0], f" (and at {len(places) - 1} more compositions)" * (len(places) > 1)
        here = f"at {text_of(point)}{more}" if point else "here"
        if path == _HERE:
            charges = " and ".join(f"{c.charge:+g}" for c in carriers)
            doc.add(
                path, f"{here} whole numbers of the carriers cannot be neutral, though the exact ones are",
                value=f"charges {charges} e", allowed="numbers whose charges add up to 0",
                remedy="change the composition, or a number that is given as a count",
            )  # fmt: skip
            continue
        amount = _amount(given[str(path[1])])
        text = amount.text if isinstance(amount, Expression) else f"{amount:g}"
        doc.add(
            path, f"{here} the number of '{path[1]}' {what}", value=f"{text}, which is {exact:.4g} carriers",
            allowed="at least 1 carrier, and fewer than its sites",
            remedy="leave this composition out" if what == _ABSENT
            else "use a larger supercell, or another composition" if "rounds" in what
            else "change the expression or the values of conditions.composition",
        )  # fmt: skip


def check_room(
    carriers: Sequence[Carrier], structure: Structure, cells: int, doc: Document, where: str = ""
) -> None:
    """No set of carriers may outnumber the sites that it shares (Hall's theorem), and some site must be empty."""
    carriers = [c for c in carriers if c.count]
    sizes = range(1, len(carriers) + 1) if len(carriers) <= 10 else (1, len(carriers))
    crowded: set[str] = set()
    at = f"at {where} " if where else ""
    for size in sizes:
        for group in combinations(carriers, size):
            names = {c.name for c in group}
            if names & crowded:
                continue
            labels = {label for c in group for label in c.sites}
            sites = cells * sum(label in labels for label in structure.labels)
            count = sum(c.count for c in group)
            if count < sites or (count == sites and size < len(carriers)):
                continue
            crowded |= names
            key = "fraction" if ("carriers", group[-1].name, "fraction") in doc.positions else "count"
            doc.add(
                ("carriers", group[-1].name, key),
                at + f"more carriers than sites: {count} for {sites} sites {', '.join(sorted(labels))}"
                if count > sites
                else at + f"all {sites} sites {', '.join(sorted(labels))} are occupied, so nothing can move",
                value=" + ".join(f"{c.count} {c.name}" for c in group),
                allowed=f"fewer than {sites} in this supercell",
                remedy="use fewer carriers or a larger supercell",
            )


def text_of(point: Composition) -> str:
    """``x = 0.1, y = 2``."""
    return ", ".join(f"{name} = {value:g}" for name, value in point)
