"""Rules by name: those of this package, those registered by the user's code, those of installed packages.

An installed package offers rules through the entry-point group ``kmc_transport.rules``; it is imported only
when an input asks for one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError, Problem
from ..units import QuantityError, parse_quantity
from .base import BarrierRule, Parameter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["ENTRY_POINTS", "get_rule", "make_rule", "register_rule", "rule_names", "rule_parameters"]

ENTRY_POINTS = "kmc_transport.rules"
"""Entry-point group in which other packages offer rules."""

_REGISTERED: dict[str, type[BarrierRule]] = {}
R = TypeVar("R", bound=type[BarrierRule])


def register_rule(cls: R) -> R:
    """Make a rule known by its ``name``; to be used as a class decorator.

    Raises
    ------
    InputError : it is no complete rule, or the name is taken by another class.
    """
    where = f"{cls.__module__}.{cls.__qualname__}"
    problems = []
    name = getattr(cls, "name", None)
    if not (isinstance(cls, type) and issubclass(cls, BarrierRule)):
        problems.append(f"{where} is not derived from BarrierRule")
    elif not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        problems.append(f"{where} needs a name of lower-case letters, digits and underscores, not {name!r}")
    else:
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            problems.append(f"{where} lacks {', '.join(missing)}")
        if cls.scalar is BarrierRule.scalar:
            problems.append(f"{where} lacks scalar")
        elif not isinstance(_found(cls, "scalar"), staticmethod):
            problems.append(f"{where}.scalar must be a staticmethod")
        for text in ("formula", "references"):
            if not getattr(cls, text, None):
                problems.append(f"{where} lacks its {text}")
        keys = [k for p in cls.parameters() for k in (p.key, *p.alternatives)]
        if doubled := {k for k in keys if keys.count(k) > 1}:
            problems.append(f"{where} has two parameters with the key {', '.join(sorted(doubled))}")
    if problems:
        raise InputError(
            [Problem(text, remedy="see docs/how-to/write-a-rule.md for a complete one") for text in problems]
        )
    assert isinstance(name, str)
    there = _REGISTERED.get(name)
    # the same class again (a reloaded module, a notebook cell run twice) is no clash
    if there is not None and f"{there.__module__}.{there.__qualname__}" != where:
        raise _name_taken(name, f"{there.__module__}.{there.__qualname__}", where)
    _REGISTERED[name] = cls
    return cls


def _found(cls: type, name: str) -> object:
    return next(vars(base)[name] for base in cls.__mro__ if name in vars(base))


def _name_taken(name: str, first: str, second: str) -> InputError:
    return InputError(
        f"two rules are called '{name}': {first} and {second}",
        key="rule",
        value=name,
        allowed="names that occur once",
        remedy="rename one of them, or uninstall one of the packages",
    )


def _offered() -> dict[str, EntryPoint]:
    """Rules that installed packages offer, by name, none of them imported."""
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        there = _REGISTERED.get(entry.name)
        if there is not None and f"{there.__module__}:{there.__qualname__}" != entry.value:
            raise _name_taken(entry.name, f"{there.__module__}.{there.__qualname__}", _origin(entry))
        # one package may be seen twice, by its source folder and where it is installed
        if entry.name in found and found[entry.name].value != entry.value:
            raise _name_taken(entry.name, _origin(found[entry.name]), _origin(entry))
        found[entry.name] = entry
    return found


def _origin(entry: EntryPoint) -> str:
    return f"{entry.value} (package {entry.dist.name})" if entry.dist is not None else entry.value


def rule_names() -> tuple[str, ...]:
    """Names of all rules, sorted; packages that offer rules are not imported.

    Raises
    ------
    InputError : a name occurs twice.
    """
    return tuple(sorted({*_REGISTERED, *_offered()}))


def get_rule(name: str, key: str = "rule") -> type[BarrierRule]:
    """Class of the rule ``name``; ``key`` is the place in the input for messages.

    Raises
    ------
    InputError : there is no such rule, its name is not unique, or its package cannot be imported.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    offered = _offered()
    if name not in offered:
        known = sorted({*_REGISTERED, *offered})
        near = get_close_matches(str(name), known, n=1, cutoff=0.4)
        raise InputError(
            f"there is no rule '{name}'",
            key=key,
            value=name,
            allowed=", ".join(known),
            remedy=f"did you mean '{near[0]}'?" if near else "choose one of them, or install its package",
        )
    entry = offered[name]
    try:
        loaded: Any = entry.load()
    except Exception as error:  # the code of another package may fail in any way
        raise InputError(
            f"the rule '{name}' of {_origin(entry)} cannot be imported: {error}",
            key=key,
            value=name,
            remedy="repair or uninstall that package",
        ) from error
    if getattr(loaded, "name", None) != name:
        raise InputError(
            f"{_origin(entry)} is offered as the rule '{name}', but calls itself "
            f"{getattr(loaded, 'name', None)!r}",
            key=key,
            value=name,
            remedy="give the entry point the name of its class",
        )
    return register_rule(loaded)


def rule_parameters(name: str) -> tuple[Parameter, ...]:
    """Parameters of the rule ``name``, in order, with units, ranges and sources."""
    return get_rule(name).parameters()


def make_rule(name: str, parameters: Mapping[str, object], key: str = "rule") -> BarrierRule:
    """Rule ``name`` with the parameters of an input file.

    Parameters
    ----------
    parameters : key of the input (or attribute name) -> number in the documented unit, or a text with a unit
        such as ``"200 meV"``.
    key : place in the input, for messages.

    Raises
    ------
    InputError : with every problem: unknown rule, unknown, missing or doubled parameters, units, ranges.
    """
    cls = get_rule(name, key)
    problems: list[Problem] = []
    known: dict[str, tuple[Parameter, float]] = {}
    for p in cls.parameters():
        known |= {p.name: (p, 1.0), p.key: (p, 1.0)} | {k: (p, f) for k, f in p.alternatives.items()}
    values: dict[str, float] = {}
    taken: dict[str, str] = {}
    for given, value in parameters.items():
        place = f"{key}.{given}"
        if given not in known:
            keys = [k for p in cls.parameters() for k in (p.key, *p.alternatives)]
            near = get_close_matches(str(given), keys, n=1)
            problems.append(
                Problem(
                    message=f"the rule '{name}' has no parameter '{given}'",
                    key=place,
                    value=value,
                    allowed=", ".join(keys) or "no parameters",
                    remedy=f"did you mean '{near[0]}'?" if near else "",
                )
            )
            continue
        p, factor = known[given]
        if p.name in taken:
            problems.append(
                Problem(
                    f"'{taken[p.name]}' and '{given}' both say {p.meaning}",
                    place,
                    value,
                    remedy="give one of them",
                )
            )
            continue
        taken[p.name] = given
        try:
            number, stderr = parse_quantity(value, p.dimension)
        except QuantityError as error:
            problems.append(
                Problem(
                    message=error.message, key=place, value=value, allowed=error.allowed, remedy=error.remedy
                )
            )
            continue
        if stderr is not None:
            problems.append(
                Problem(
                    message="an uncertainty is not used here, so it would be lost",
                    key=place,
                    value=value,
                    allowed=p.allowed(factor),
                    remedy="write the value alone",
                )
            )
        elif not p.accepts(factor * number):
            problems.append(
                Problem(
                    message=f"{p.meaning} is outside the allowed range",
                    key=place,
                    value=value,
                    allowed=p.allowed(factor),
                    remedy="check the unit of the number",
                )
            )
        else:
            values[p.name] = factor * number
    for p in cls.parameters():
        if p.name not in taken and p.default is None:
            others = "".join(f", or {k} ({p.name} = {f:g} {k})" for k, f in p.alternatives.items())
            problems.append(
                Problem(
                    message=f"the rule '{name}' needs {p.meaning}",
                    key=key,
                    value=None,
                    allowed=f"{p.key}: {p.allowed()}",
                    remedy=f"give {p.key}{others}",
                )
            )
    if problems:
        raise InputError(problems)
    return cls(**values)
