"""What files and pages take from the registry: attributes, a check before a file is written, a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Problem, StoreError
from .axes import axes_of, axis_attributes, composition_axes
from .results import ARRAYS
from .spec import ArraySpec

__all__ = ["attributes", "base_name", "check_dataset", "render_markdown_table"]

_SUFFIXES = ("_stderr", "_exact")


def base_name(name: str) -> str:
    """Name without ``_stderr`` or ``_exact``: ``mobility_stderr`` gives ``mobility``."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name not in ARRAYS:
            return name.removesuffix(suffix)
    return name


def attributes(name: str, registry: Mapping[str, ArraySpec] = ARRAYS) -> dict[str, str]:
    """Attributes in the file of an array, of its ``_stderr`` or of its ``_exact``.

    KeyError when the registry has no such array.
    """
    base = base_name(name)
    spec = registry[base]
    if name not in spec.names:
        raise KeyError(name)
    attrs = {"units": spec.unit, "long_name": spec.long_name}
    if name != base:
        kind = "standard error" if name.endswith("_stderr") else "exact value (master equation)"
        attrs["long_name"] = f"{kind} of the {spec.long_name}"
        return attrs
    attrs["comment"] = spec.meaning
    if spec.definition:
        attrs["definition"] = spec.definition
    if spec.has_stderr:
        attrs["ancillary_variables"] = f"{name}_stderr"
    return attrs


_KINDS = {"float": "f", "int": "iu", "bool": "b", "str": "UOT"}


def check_dataset(dataset: Any, registry: Mapping[str, ArraySpec] = ARRAYS) -> None:
    """Check names, dimensions, types and attributes of an ``xarray.Dataset`` against the registry.

    Raises StoreError that lists everything that does not fit.
    """
    problems = []
    present, axes, composition = set(dataset.variables), axes_of(dataset), composition_axes(dataset)
    for name, variable in dataset.variables.items():
        if name in axes:
            if variable.attrs != axis_attributes(name) or variable.dtype.kind not in "fiu":
                problems.append(Problem("has other attributes or another type", name))
            continue
        try:
            expected = attributes(name, registry)
        except KeyError:
            problems.append(
                Problem("is not in the registry of arrays", name, remedy="define it in kmc_transport/arrays")
            )
            continue
        spec = registry[base_name(name)]
        own = composition if spec.origin == "coordinate" else axes
        if tuple(variable.dims) not in (spec.dims, (*own, *spec.dims)):
            problems.append(Problem("has other dimensions", name, variable.dims, str(spec.dims)))
        if variable.dtype.kind not in _KINDS[spec.dtype]:
            problems.append(Problem("has another type", name, variable.dtype, spec.dtype))
        for key in ("units", "long_name", "ancillary_variables"):
            if variable.attrs.get(key) != expected.get(key):
                problems.append(
                    Problem(
                        f"has another attribute {key}", name, variable.attrs.get(key), str(expected.get(key))
                    )
                )
        if name in registry and spec.has_stderr and f"{name}_stderr" not in present:
            problems.append(Problem("has no standard error beside it", name, allowed=f"{name}_stderr"))
    if problems:
        raise StoreError(problems)


def render_markdown_table(registry: Mapping[str, ArraySpec] = ARRAYS) -> str:
    """Reference of the arrays as a Markdown table."""

    def cell(text: str) -> str:
        return text.replace("|", "\\|")

    lines = [
        "| name | dimensions | unit | beside it | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for spec in registry.values():
        beside = ", ".join(f"`{n.removeprefix(spec.name)}`" for n in spec.names if n != spec.name)
        meaning = f"{spec.meaning} `{spec.definition}`" if spec.definition else spec.meaning
        dims = ", ".join(spec.dims)
        lines.append(f"| `{spec.name}` | {dims} | {spec.unit} | {beside} | {cell(meaning)} |")
    return "\n".join(lines) + "\n"
