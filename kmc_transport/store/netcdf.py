"""Datasets in groups of an HDF5 file by the rules of netCDF4, as `xarray` with h5netcdf writes and reads them.

That library looks every dimension of every array up by name, which takes most of a second for a result of a hundred
arrays; here it is a tenth. Tests compare both ways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .attributes import get_attributes, link_dimensions, link_users, set_attributes

if TYPE_CHECKING:
    import xarray

__all__ = ["read_group", "write_groups"]

_UNUSED = {"REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties"}
"""Attributes for other readers."""
_SCALE = b"DIMENSION_SCALE"
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."
_COMPRESS_FROM = 2**16  # bytes


@dataclass(eq=False, kw_only=True)
class _Scale:
    """A dimension: its HDF5 dataset, reference and number, and references to those that have it, with its place."""

    item: Any
    reference: Any
    number: np.int32
    users: list[tuple[Any, int]] = field(default_factory=list)


def write_groups(file: Any, groups: Mapping[str | None, xarray.Dataset]) -> None:
    """Write datasets, each into its group (None: the root), into an empty file open with ``track_order``.

    A group shares the dimensions of the ones before it. Every array that is no text has a checksum.
    """
    scales: list[_Scale] = []
    for name, dataset in groups.items():
        _write_group(file if name is None else file.create_group(name, track_order=True), dataset, scales)
    for scale in scales:
        if scale.users:
            link_users(scale.item, scale.users)


def _write_group(group: Any, dataset: xarray.Dataset, scales: list[_Scale]) -> None:
    """scales : of the groups before; those that this group adds are put in."""
    import h5py
    from xarray.conventions import encode_cf_variable, encode_dataset_coordinates

    variables, attributes = encode_dataset_coordinates(dataset)
    set_attributes(group, attributes)
    made = {}
    for name, variable in variables.items():
        # CF: a coordinate has no missing values
        variable.encoding = {"_FillValue": None} if name in dataset.coords else {}
        variable = encode_cf_variable(variable, name=name)
        data, attrs = np.asarray(variable.data), dict(variable.attrs)
        fill = attrs.pop("_FillValue", None)
        how: dict[str, Any] = {"dtype": data.dtype, "fillvalue": fill}
        if data.dtype.kind in "OU":
            data, how = data.astype(object), {"dtype": h5py.string_dtype()}
        elif data.size and data.ndim:
            how["fletcher32"] = True
            if data.nbytes > _COMPRESS_FROM and name not in dataset.coords:
                how |= {"compression": "gzip", "compression_opts": 2, "shuffle": True}
        item = made[name] = group.create_dataset(name, data=data, track_order=True, **how)
        fills = {} if fill is None else {"_FillValue": np.array([fill], data.dtype)}
        set_attributes(item, fills | attrs)
    known = {scale.item.name.rsplit("/", 1)[-1]: scale for scale in scales}
    for dim, size in dataset.sizes.items():
        if dim in known and known[dim].item.shape == (size,):
            continue
        own = dim in made
        item = made[dim] if own else group.create_dataset(dim, (size,), ">f4", track_order=True)
        item.make_scale(str(dim) if own else f"{_NO_VARIABLE.decode()}{size:10}")
        known[dim] = _Scale(item=item, reference=item.ref, number=np.int32(len(scales)))
        scales.append(known[dim])
        set_attributes(item, {"_Netcdf4Dimid": known[dim].number})
    for name, item in made.items():
        theirs = [known[dim] for dim in variables[name].dims]
        if not theirs:
            continue
        if item is not theirs[0].item:
            reference = item.ref
            for k, scale in enumerate(theirs):
                scale.users.append((reference, k))
            link_dimensions(item, [scale.reference for scale in theirs])
        set_attributes(item, {"_Netcdf4Coordinates": np.array([scale.number for scale in theirs], np.int32)})
        if item is not theirs[0].item:
            set_attributes(item, {"_Netcdf4Dimid": theirs[0].number})


def read_group(group: Any, only: Collection[str] | None = None) -> xarray.Dataset:
    """A group of an open file in memory, as `xarray.load_dataset` gives it.

    only : names of the wanted arrays, KeyError where one is missing; the coordinates along their dimensions come too.
    """
    import h5py
    import xarray as xr
    from h5py import h5d, h5i, h5o, h5r

    variables = {}
    names: dict[Any, str] = {}  # HDF5 looks the name of an object up in the whole file

    def name_of(reference: Any) -> str:
        scale = h5r.dereference(reference, group.id)
        if scale not in names:
            names[scale] = h5i.get_name(scale).decode().rsplit("/", 1)[-1]
        return names[scale]

    wanted = list(group if only is None else only)
    for name in wanted:
        here = h5o.open(group.id, name.encode())
        if not isinstance(here, h5d.DatasetID):
            continue
        item = h5py.Dataset(here)
        attributes = get_attributes(item, _UNUSED)
        scales = attributes.pop("DIMENSION_LIST", ())
        is_scale = attributes.pop("CLASS", None) == _SCALE
        if is_scale and attributes.pop("NAME", b"").startswith(_NO_VARIABLE):
            continue
        text = h5py.check_string_dtype(item.dtype)
        data = np.asarray(item.asstr()[()]).astype(str) if text else item[()]
        dims = [name] if is_scale and data.ndim == 1 else [name_of(references[0]) for references in scales]
        variables[name] = xr.Variable(dims, data, _single(attributes))
        wanted += [dim for dim in dims if dim not in wanted and dim in group]  # the loop goes on with them
    return xr.decode_cf(xr.Dataset(variables, attrs=_single(get_attributes(group, _UNUSED))))


def _single(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """netCDF has no numbers but lists of them."""
    return {k: v[0] if isinstance(v, np.ndarray) and v.shape == (1,) else v for k, v in attributes.items()}
