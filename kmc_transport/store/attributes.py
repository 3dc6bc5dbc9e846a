"""Attributes of HDF5 objects by h5py's low-level calls: a result file has nearly a thousand, most of them texts.

The mapping ``item.attrs`` takes two to four times as long for each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

__all__ = ["get_attributes", "link_dimensions", "link_users", "set_attributes"]


def set_attributes(item: Any, attributes: Mapping[str, Any]) -> None:
    """Write attributes that an open group or dataset has not yet; of the same types as ``item.attrs`` writes them."""
    for name, value in attributes.items():
        if isinstance(value, str):
            _write(item, name, np.array(value, object), *_text_types())
        elif np.asarray(value).dtype.kind in "biuf":
            _write(item, name, np.asarray(value))
        else:
            item.attrs[name] = value


def get_attributes(item: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Attributes of an open group or dataset by name, as ``item.attrs`` gives them."""
    from h5py import check_string_dtype, h5a

    found: dict[str, Any] = {}
    for name in item.attrs:
        if name in without:
            continue
        attribute = h5a.open(item.id, name.encode())
        dtype, shape = attribute.dtype, attribute.shape
        text = dtype.kind == "O" and check_string_dtype(dtype)
        if shape is None or dtype.subdtype or (text and shape):
            found[name] = item.attrs[name]
            continue
        value = np.empty(shape, dtype)
        attribute.read(value, _text_types()[1] if text else None)
        content: Any = value if shape else value[()]
        found[name] = content.decode("utf-8", "surrogateescape") if text else content
    return found


def link_dimensions(item: Any, scales: Sequence[Any]) -> None:
    """Note at a dataset which dimension scale each of its dimensions has, as ``item.dims[k].attach_scale`` does.

    scales : references to them.
    """
    import h5py

    references = np.empty(len(scales), h5py.vlen_dtype(h5py.ref_dtype))
    for k, scale in enumerate(scales):
        references[k] = np.array([scale], h5py.ref_dtype)
    _write(item, "DIMENSION_LIST", references)


def link_users(scale: Any, users: Sequence[tuple[Any, int]]) -> None:
    """Note at a dimension scale all datasets that have it, each with the place of the dimension: the other half of
    `link_dimensions`, which ``attach_scale`` writes anew for each of them.

    users : references and places.
    """
    import h5py

    layout = np.dtype([("dataset", h5py.ref_dtype), ("dimension", np.uint32)], align=True)
    _write(scale, "REFERENCE_LIST", np.array(users, layout))


def _write(item: Any, name: str, value: np.ndarray, stored: Any = None, given: Any = None) -> None:
    """stored, given : HDF5 types in the file and in memory, where they are known."""
    from h5py import h5a, h5t

    stored = stored or h5t.py_create(value.dtype, logical=True)
    given = given or h5t.py_create(value.dtype)
    h5a.create(item.id, name.encode(), stored, _space(value.shape)).write(value, given)


@lru_cache(64)
def _space(shape: tuple[int, ...]) -> Any:
    """HDF5 space of an attribute of this shape; there are few of them."""
    from h5py import h5s

    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


@cache
def _text_types() -> tuple[Any, Any]:
    """HDF5 types of text in the file and in memory."""
    from h5py import h5t, string_dtype

    return h5t.py_create(string_dtype(), logical=True), h5t.py_create(string_dtype())
