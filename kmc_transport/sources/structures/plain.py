"""Structures of pymatgen as JSON or YAML, taken apart here.

pymatgen's own decoder imports whatever module a file names ("@module"); nothing here constructs an object.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..cell import MOST_ATOMS, lattice_from_parameters
from ..common import fail

__all__ = ["load_yaml", "plain_structure"]

_SYMBOL = re.compile(r"[A-Z][a-z]*")
_REMEDY = "write it with json.dump(structure.as_dict(), file)"
_PARAMETERS = ("a", "b", "c", "alpha", "beta", "gamma")


def load_yaml(file: Path, text: str) -> Any:
    """Plain data: dict, list, text, numbers. Tags and aliases are refused.

    Raises
    ------
    InputError : no YAML; tags; aliases, with which a small file can grow without limit.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        tag = re.search(r"tag '?([^\s']*)", str(error))
        said = f"the tag {tag[1][:80]} is not allowed" if tag else " ".join(str(error).split())[:200]
        raise fail(
            file, f"this cannot be read as YAML: {said}", "it may be damaged: write it again"
        ) from error
    if _shared(data, set()):
        raise fail(file, "this YAML uses aliases (*name), which no code writes", "write the file again")
    return data


def _shared(data: Any, seen: set[int]) -> bool:
    """Whether a list or mapping stands in two places."""
    stack = [data]
    while stack:
        node = stack.pop()
        if isinstance(node, dict | list) and node:
            if id(node) in seen:
                return True
            seen.add(id(node))
            stack.extend(node.values() if isinstance(node, dict) else node)
    return False


def plain_structure(
    file: Path, data: Any, name: str = "this"
) -> tuple[Any, list[Any], list[dict[str, float]], list[str]]:
    """Cell, fractional positions, species and labels of a ``Structure.as_dict()``, as the file has them.

    Raises
    ------
    InputError : another object, a site without position or species.
    """
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("lattice"), dict)
        or not isinstance(data.get("sites"), list)
    ):
        what = (
            data.get("@class", ", ".join(list(data)[:6])) if isinstance(data, dict) else type(data).__name__
        )
        raise fail(
            file, f"{name} is no structure of pymatgen (lattice and sites)", _REMEDY, value=str(what)[:200]
        )
    if len(data["sites"]) > MOST_ATOMS:
        raise fail(file, f"{len(data['sites'])} sites are too many", _REMEDY, allowed=f"at most {MOST_ATOMS}")
    lattice, cell = data["lattice"], data["lattice"].get("matrix")
    try:
        if cell is None:
            cell = lattice_from_parameters(*(float(lattice[k]) for k in _PARAMETERS))
        sites = [_site(site) for site in data["sites"]]
    except (
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        AttributeError,
        IndexError,
        ZeroDivisionError,
    ) as error:
        raise fail(
            file,
            f"{name} is no whole structure of pymatgen ({type(error).__name__}: {str(error)[:80]})",
            _REMEDY,
        ) from error
    if cell is None:
        raise fail(file, "no cell has these lengths and angles", _REMEDY)
    return cell, [s[0] for s in sites], [s[1] for s in sites], [s[2] for s in sites]


def _site(site: dict[str, Any]) -> tuple[list[float], dict[str, float], str]:
    position = [float(x) for x in site["abc"]]
    if len(position) != 3:
        raise ValueError("a position needs three numbers")
    species: dict[str, float] = {}
    for entry in site["species"]:
        found = _SYMBOL.match(str(entry["element"]))
        if found is None:
            raise ValueError(f"'{entry['element']}' is no element")
        species[found[0]] = species.get(found[0], 0.0) + float(entry.get("occu", 1))
    if not species:
        raise ValueError("a site has no species")
    label = "".join(str(site.get("label") or "/".join(species)).split())
    return position, species, label[:80]
