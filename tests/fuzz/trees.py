"""Mutants of plain data (what an input file holds), by a seeded generator: the same seed gives the same mutants."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

__all__ = ["NASTY", "Raw", "as_yaml", "mutated", "places"]


class Raw(str):
    """Text that `as_yaml` writes as it stands: tags, anchors, numbers in other spellings."""


_NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 3, 7, 12, 1000, 10**6, 10**9, 10**18, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(10**400)),
    *(0.0, -0.0, 0.5, 0.25, 1.5, -0.3, 2.665, 4.0, 1e-3, 1e-10, 1e-30, 1e-300, 5e-324, 1e5, 1e10, 1e30, -1e30),
    *(1e100, 1e300, 1.7e308, math.inf, -math.inf, math.nan, 200.0, 1e18, 1e-5, 0.1, 90.0, 300.0),
]  # fmt: skip
_TEXTS = [
    *("", " ", "1", "4", "1/3", "1/0", "1e5/3", "1e999999999", "-1e999999999", "1e-999999999", "1e999999999 eV"),
    *("1e9999999999999999999 K", "1/1e999999999", "9" * 400, "9" * 400 + " eV", "0." + "1" * 5000, "nan", "inf"),
    *("0.3 eV", "242 ± 30 meV", "242 ± 1e400 meV", "300 K", "25 degC", "-300 degC", "6 THz", "1 furlong", "1 %"),
    *("3 Å", "3 eV^9^9^9", "1 m^2", "1 MV/cm", "1e400 V/m", "true", "null", "~", "random", "annealed", "solve"),
    *("midpoint", "classical", "eyring", "element", "orbit", "file", "all", "error", "nearest", "P1", "Fm-3m", "225"),
    *("\ud800", "x\udfff", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\nb\rc", "\u202eback", "\ufeff"),
    *("Å", "日本", "👍", "a" * 300, "b" * 100_000, "x" * 64, "[bold]x[/bold]", "{message}", "%s%n", "$(touch x)"),
    *("fifo", "/dev/zero", "/dev/stdin", "/dev/full", ".", "..", "/", "/proc/self/mem", "~root", "a\x00b", "x.cif"),
    *("no/such/file", "__import__('os')", "!!python/object/apply:os.getcwd []", "x" * 5000 + ".cif"),
]  # fmt: skip
_OTHERS: list[Any] = [
    *(None, True, False, [], {}, [[]], [{}], {"": 0}, [None], [True, "4", 4.0], [1, 2], [1, 2, 3], [0, 0, 0]),
    *([1, 2, 3, 4], [1e300, 0, 0], [5e-324, 0, 0], [1e-200, 1e-200, 0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    *([1e18, 1, 1], [10**18, 10**18, 10**18], {"from": 1, "to": 2, "step": 1e-300}, {"from": 300, "to": 301}),
    *({"from": 1, "to": 1e5, "points": 100000}, {"rule": "kra"}, {"rule": "kra", "E_kra": 0.3}, {"path": "fifo"}),
    *({"forward": 0.3, "reverse": 0.2}, {"rule": "os.system", "x": 1}, {"rule": "metropolis"}),
]  # fmt: skip
_RAW = [
    *(
        "!!python/object/apply:os.system ['touch x']",
        "!!python/name:os.system",
        "!!int 'x'",
        "!!float abc",
        "!!str 3",
    ),
    *(
        "!!binary aGVsbG8=",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!timestamp 2001-01-01",
        "2001-01-01",
        "!foo bar",
        "!x",
    ),
    *(
        "&a [*a]",
        "*undefined",
        "&b {x: *b}",
        "0x" + "f" * 500,
        "0o777",
        "1_000",
        "0b11",
        "1:30:00",
        "+.inf",
        ".NaN",
    ),
    *(
        "1e999999999",
        "1" * 5000,
        "-" + "9" * 400,
        "1e",
        "0x",
        "!!bool maybe",
        "!!null x",
        "!!int 1e3",
        "!!map []",
    ),
    *(
        "&c !!str x",
        "<<",
        "{<<: {a: 1}}",
        "{? [a]: 1}",
        "{a: 1, a: 2}",
        "!!float 1e999999999",
        "!!int " + "9" * 500,
    ),
    *("[" * 300 + "]" * 300, "[" * 20_000 + "]" * 20_000, "{a: " * 300 + "1" + "}" * 300),
]
NASTY: list[Any] = [*_NUMBERS, *_TEXTS, *_OTHERS, *map(Raw, _RAW)]
"""Values that a key may be given instead of its own."""


def as_yaml(data: Any) -> str:
    """Plain data as one flow node of YAML, any value of `NASTY` included."""
    if isinstance(data, Raw):
        return str(data)
    if isinstance(data, dict):
        return "{" + ",\n".join(f"{as_yaml(str(k))}: {as_yaml(v)}" for k, v in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ", ".join(map(as_yaml, data)) + "]"
    if isinstance(data, float) and not math.isfinite(data):
        return ".nan" if data != data else ".inf" if data > 0 else "-.inf"
    return json.dumps(data)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all nodes below the top."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


# ------------------------------------------------------------------------------------------- plain data


def _replace(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    _at(data, path[:-1])[path[-1]] = deepcopy(rng.choice(NASTY))


def _scale(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    value = _at(data, path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        factor = rng.choice([-1, 1e-12, 1e-3, 0.1, 0.999, 2, 10, 100, 1e4, 1e9, 1e18, 1e200])
        _at(data, path[:-1])[path[-1]] = value * factor
    else:
        _replace(data, rng, path)


def _retype(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    value = _at(data, path)
    kinds: list[Callable[[Any], Any]] = [
        str,
        lambda x: [x],
        lambda x: {"x": x},
        lambda x: [x] * 3,
        bool,
        lambda x: None,
    ]
    if isinstance(value, int) and not isinstance(value, bool):
        kinds.append(float)
    if isinstance(value, list) and value:
        kinds.append(lambda x: x[0])
    _at(data, path[:-1])[path[-1]] = rng.choice(kinds)(value)


def _drop(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    del _at(data, path[:-1])[path[-1]]


def _rename(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    holder = _at(data, path[:-1])
    if not isinstance(holder, dict):
        return _replace(data, rng, path)
    value = holder.pop(path[-1])
    key = str(path[-1])
    names = [
        key + "x",
        key[:-1],
        key.upper(),
        "",
        "\x1b[2J",
        "k" * 70_000,
        "\ud800",
        "a b",
        *map(str, _NUMBERS[:5]),
    ]
    names += [str(rng.choice(list(places(data)) or [("a",)])[-1])]
    holder[rng.choice(names)] = value
    return None


def _graft(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    """A node from elsewhere in its place."""
    _at(data, path[:-1])[path[-1]] = deepcopy(_at(data, rng.choice(list(places(data)))))


def _repeat(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    holder = _at(data, path[:-1])
    if isinstance(holder, list):
        k = path[-1]
        holder[k:k] = [deepcopy(holder[k])] * rng.choice([1, 2, 5, 300])
    else:
        holder[str(path[-1]) + "2"] = deepcopy(holder[path[-1]])


def _add(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    holder = _at(data, path[:-1])
    if isinstance(holder, dict):
        key = rng.choice([str(p[-1]) for p in places(data)] + ["new", "format", "seed", "path", "rule"])
        holder[key] = deepcopy(rng.choice(NASTY))
    else:
        holder.insert(path[-1], deepcopy(rng.choice(NASTY)))


def _deepen(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    node = _at(data, path)
    for _ in range(rng.choice([1, 3, 30, 100])):
        node = [node] if rng.random() < 0.5 else {"x": node}
    _at(data, path[:-1])[path[-1]] = node


def _lengthen(data: Any, rng: Random, path: tuple[Any, ...]) -> None:
    _at(data, path[:-1])[path[-1]] = [rng.choice(NASTY[:30])] * rng.choice([100, 1000, 20_000])


_STEPS: list[tuple[int, Callable[[Any, Random, tuple[Any, ...]], None]]] = [
    *((8, _replace), (5, _scale), (2, _retype), (2, _drop), (1, _rename), (2, _graft), (2, _repeat), (2, _add)),
    *((1, _deepen), (1, _lengthen)),
]  # fmt: skip


def mutated(data: Any, rng: Random, steps: int | None = None) -> Any:
    """A copy of plain data with one to three changes: values, types, keys, lists, depth."""
    data = deepcopy(data)
    for _ in range(steps or rng.choice([1, 1, 1, 2, 3])):
        known = list(places(data))
        if not known:
            break
        change = rng.choices([s for _, s in _STEPS], [w for w, _ in _STEPS])[0]
        change(data, rng, rng.choice(known))
    return data
