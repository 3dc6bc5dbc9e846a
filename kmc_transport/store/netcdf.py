"""Datasets in groups of an HDF5 file by the rules of netCDF4, as `xarray` with h5netcdf writes and reads them.

That library looks every dimension of every array up by name, which takes most of a second for a result of a hundred
arrays; here it is a tenth. Tests compare both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray

__all__ = ["read_group", "write_group"]

_BOOKKEEPING = {
    "CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties",
}  # fmt: skip
"""Attributes that are not the user's."""
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
_COMPRESS_FROM = 2**16  # bytes


def write_group(group: Any, dataset: xarray.Dataset, scales: dict[str, Any]) -> None:
    """Write a dataset into an empty group of an open file.

    scales : dimensions of the groups above, name to HDF5 dataset; those that this group adds are put in. Every array
    that is no text has a checksum.
    """
    import h5py
    from xarray.conventions import encode_cf_variable, encode_dataset_coordinates

    variables, attributes = encode_dataset_coordinates(dataset)
    group.attrs.update(attributes)
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
        if fill is not None:
            item.attrs["_FillValue"] = np.array([fill], data.dtype)
        item.attrs.update(attrs)
    for dim, size in dataset.sizes.items():
        if dim in scales and scales[dim].shape == (size,):
            continue
        own = dim in made
        scale = made[dim] if own else group.create_dataset(dim, (size,), ">f4", track_order=True)
        scale.make_scale(str(dim) if own else f"{_NO_VARIABLE}{size:10}")
        scale.attrs["_Netcdf4Dimid"] = np.int32(len(scales))
        scales[str(dim)] = scale
    ids = {dim: scales[str(dim)].attrs["_Netcdf4Dimid"] for dim in dataset.dims}
    for name, item in made.items():
        dims = variables[name].dims
        for k, dim in enumerate(dims):
            if item != scales[str(dim)]:
                item.dims[k].attach_scale(scales[str(dim)])
        if dims:
            item.attrs["_Netcdf4Coordinates"] = np.array([ids[dim] for dim in dims], np.int32)
            item.attrs["_Netcdf4Dimid"] = ids[dims[0]]


def read_group(group: Any) -> xarray.Dataset:
    """A group of an open file in memory, as `xarray.load_dataset` gives it."""
    import h5py
    import xarray as xr

    def attributes(item: Any) -> dict[str, Any]:
        every = {k: item.attrs[k] for k in item.attrs if k not in _BOOKKEEPING}
        return {k: v[0] if isinstance(v, np.ndarray) and v.shape == (1,) else v for k, v in every.items()}

    variables = {}
    names: dict[Any, str] = {}  # HDF5 looks the name of an object up in the whole file

    def name_of(scale: Any) -> str:
        if scale.id not in names:
            names[scale.id] = scale.name.rsplit("/", 1)[-1]
        return names[scale.id]

    for name, item in group.items():
        if isinstance(item, h5py.Group):
            continue
        is_scale = item.is_scale
        if is_scale and item.attrs.get("NAME", b"").startswith(_NO_VARIABLE.encode()):
            continue
        text = h5py.check_string_dtype(item.dtype)
        data = np.asarray(item.asstr()[()]).astype(str) if text else item[()]
        dims = [name] if is_scale and item.ndim == 1 else [name_of(d[0]) for d in item.dims]
        variables[name] = xr.Variable(dims, data, attributes(item))
    return xr.decode_cf(xr.Dataset(variables, attrs=attributes(group)))
