"""Trajectories in HDF5 that AMBER's and H5MD's readers both take.

The root is a netCDF4 file by the AMBER conventions (version 1.0; coordinates in Å, times in ps; attributes that
readers look for are strings of fixed length). The groups ``h5md`` and ``particles`` beside it follow H5MD 1.1
(P. de Buyl, P. H. Colberg, F. Höfling, Comput. Phys. Commun. 185, 1546 (2014); units are strings of variable length)
and hold the same arrays under further names: hard links, nothing is stored twice.

Both conventions know a cell by lengths and angles in the end, with its first vector along x and the second in the xy
plane. A model whose vectors lie otherwise is turned (or mirrored); ``model_axes`` turns the coordinates back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..ndarrays import FloatArray, IntArray
from ..records import EventList, Trajectory, TrajectoryHeader
from ..store.arrayfile import reading
from ..store.sealed import refuse_links
from .block import FrameBlock
from .elements import joined
from .sink import Sink

__all__ = ["FORMAT", "read_hdf5", "standard_axes", "write_hdf5"]

FORMAT = "kmc_transport_trajectory"
"""Attribute of the root that marks a file as ours; its value is the version of the format."""
VERSION = 1
PS = 1e-12
CHUNK = 2**18
"""Bytes of a chunk of coordinates, about."""


EVENT_ARRAYS = ("time", "carrier", "hop", "hop_class", "origin", "target")


def standard_axes(cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(cell in standard orientation, axes): first vector along x, second in the xy plane, third to z > 0.

    ``standard @ axes`` is ``cell`` again, ``axes`` orthogonal: the identity for a cell that lies so already, with
    determinant -1 for a left-handed one.
    """
    cell = np.asarray(cell, np.float64)
    if np.all(np.triu(cell, 1) == 0) and np.all(np.diag(cell) > 0):
        return cell.copy(), np.eye(3)
    q, r = np.linalg.qr(cell.T)
    sign = np.sign(np.diag(r))
    return np.tril((r * sign[:, None]).T), np.asarray((q * sign).T)


def write_hdf5(path: Path, header: TrajectoryHeader, n_frames: int, blocks: Iterable[FrameBlock]) -> None:
    """Write frames, and events where the blocks hold them, block by block; ``path`` is made anew."""
    import h5netcdf
    import h5py

    cell, axes = standard_axes(header.cell)
    with Sink(path) as sink:
        with h5netcdf.File(sink, "w") as file:
            _root_arrays(file, header, n_frames, cell)
        sink.check()
        with h5py.File(sink, "r+") as file:
            _root_attributes(file, header, axes)
            _add_h5md(file, header, cell, n_frames)
            coordinates, site, events = file["coordinates"], file["site"], None
            for block in blocks:
                sink.check()
                which = slice(block.first, block.first + len(block))
                if len(block):
                    coordinates[which] = block.positions if axes[0, 0] == 1 else block.positions @ axes.T
                    site[which] = block.occupation
                if block.events is not None:
                    events = _event_group(file, header) if events is None else events
                    _append(events, block.events)


def _root_arrays(file: Any, header: TrajectoryHeader, n_frames: int, cell: FloatArray) -> None:
    """The arrays by AMBER's conventions, coordinates and sites still empty."""
    h, n = header, header.n_carriers
    site_type = np.int32 if h.n_flat < 2**31 else np.int64
    per_chunk = max(1, min(n_frames, CHUNK // (24 * n)))
    file.dimensions = {"frame": None, "atom": n, "spatial": 3, "cell_spatial": 3, "cell_angular": 3}
    file.resize_dimension("frame", n_frames)

    def variable(name: str, dims: tuple[str, ...], dtype: Any, values: Any = None) -> None:
        how: dict[str, Any] = {}
        if dims[:2] == ("frame", "atom"):
            shape = (per_chunk, n, 3)[: len(dims)]
            how = {"chunks": shape, "compression": "gzip", "compression_opts": 1, "shuffle": True}
        made = file.create_variable(name, dims, dtype, **how)
        if values is not None:
            made[...] = values

    lengths = np.linalg.norm(cell, axis=1)
    angles = [
        np.degrees(np.arccos(cell[i] @ cell[j] / (lengths[i] * lengths[j])))
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    variable("time", ("frame",), float, np.arange(n_frames) * (h.every / PS))
    variable("coordinates", ("frame", "atom", "spatial"), float)
    variable("site", ("frame", "atom"), site_type)
    variable("cell_lengths", ("frame", "cell_spatial"), float, lengths)
    variable("cell_angles", ("frame", "cell_angular"), float, np.round(angles, 10))
    variable("atom_types", ("atom",), np.int32, h.species + 1)
    kinds = file["atom_types"].attrs  # which number is whom, as the conventions CF have it
    kinds["flag_values"] = np.arange(1, len(h.names) + 1, dtype=np.int32)
    kinds["flag_meanings"] = " ".join(map(joined, h.names))
    variable("id", ("atom",), np.int32, np.arange(1, n + 1))
    variable("charge", ("atom",), float, h.charge[h.species])


def _root_attributes(file: Any, header: TrajectoryHeader, axes: FloatArray) -> None:
    def fixed(place: Any, **attributes: str) -> None:
        for name, text in attributes.items():
            place.attrs.create(name, np.bytes_(text.encode()))

    from .._version import __version__

    fixed(
        file,
        Conventions="AMBER",
        ConventionVersion="1.0",
        program="kmc_transport",
        programVersion=__version__,
        title=f"kinetic Monte Carlo of {', '.join(header.names)}",
    )
    fixed(file["time"], units="picosecond")
    for name in ("coordinates", "cell_lengths"):
        fixed(file[name], units="angstrom")
    fixed(file["cell_angles"], units="degree")
    attributes: dict[str, Any] = {
        FORMAT: np.int64(VERSION),
        "species_names": json.dumps(header.names),
        "species_charge": header.charge,
        "temperature": header.temperature,
        "field": header.field * 1e10,
        "frame_interval": header.every,
        "cell_vectors": header.cell.ravel(),
        "model_axes": axes.ravel(),
        "periodic": header.periodic.astype(np.int8),
        "supercell": np.array(header.supercell, np.int64),
        "site_labels": json.dumps(header.site_labels),
        "site_frac": header.site_frac.ravel(),
        "units_of_attributes": "temperature K, field V/m, frame_interval s, cell_vectors angstrom, charge e",
    }
    for name, value in (attributes | dict(header.provenance)).items():
        file.attrs[name] = value


def _add_h5md(file: Any, header: TrajectoryHeader, cell: FloatArray, n_frames: int) -> None:
    """H5MD's groups: links to the arrays of the root, and what AMBER has no place for."""
    from .._version import __version__

    about = file.create_group("h5md")
    about.attrs["version"] = np.array([1, 1], np.int32)
    about.create_group("author").attrs["name"] = "kmc_transport"
    creator = about.create_group("creator")
    creator.attrs["name"], creator.attrs["version"] = "kmc_transport", __version__
    group = file.create_group("particles/trajectory")  # the name that MDAnalysis looks for
    box = group.create_group("box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = np.array([b"periodic" if p else b"none" for p in header.periodic])
    position, edges, site = (
        place.create_group(name) for place, name in ((group, "position"), (box, "edges"), (group, "site"))
    )
    position["value"], site["value"] = file["coordinates"], file["site"]
    edges["value"] = np.broadcast_to(cell, (n_frames, 3, 3)).copy()
    position["step"] = np.arange(n_frames)
    for place in (position, edges, site):
        place["time"] = file["time"]
        if place is not position:
            place["step"] = position["step"]
    for array in (position["value"], edges["value"]):
        array.attrs["unit"] = "Angstrom"
    position["time"].attrs["unit"] = "ps"
    group["species"], group["id"], group["charge"] = file["atom_types"], file["id"], file["charge"]
    group["charge"].attrs["unit"] = "e"


def _event_group(file: Any, header: TrajectoryHeader) -> Any:
    group = file.create_group("events")
    wide = np.int32 if header.n_flat < 2**31 else np.int64
    types = (np.float64, np.int32, np.int32, np.int32, wide, wide)
    for name, dtype in zip(EVENT_ARRAYS, types, strict=True):
        group.create_dataset(
            name, (0,), dtype, maxshape=(None,), chunks=(2**14,), compression="gzip", compression_opts=1, shuffle=True
        )  # fmt: skip
    group["time"].attrs["unit"] = "s"
    return group


def _append(group: Any, events: EventList) -> None:
    before, n = len(group["time"]), len(events)
    for name in EVENT_ARRAYS:
        group[name].resize((before + n,))
        group[name][before:] = getattr(events, name)


def read_hdf5(path: Path, frames: slice) -> Trajectory:
    """What `write_hdf5` wrote; StoreError when the file is not ours, damaged or too new."""
    import h5py

    with reading(path, "give a trajectory (.nc, .h5md) of this package"), h5py.File(path, "r") as file:
        if FORMAT not in file.attrs:
            raise ValueError("it is not a trajectory of kmc_transport")
        version = int(file.attrs[FORMAT])
        if version > VERSION:
            raise ValueError(f"its format {version} is newer than this kmc_transport's, {VERSION}")
        refuse_links(file)
        return _read(file, frames)


def _read(file: Any, frames: slice) -> Trajectory:
    a = {k: v.decode() if isinstance(v, bytes) else v for k, v in file.attrs.items()}
    start, stop, stride = frames.indices(len(file["time"]))
    if stride < 0:
        raise ValueError("frames are read forwards")
    header = TrajectoryHeader(
        species=file["atom_types"][()].astype(np.int64) - 1,
        names=tuple(json.loads(a["species_names"])),
        charge=np.array(a["species_charge"], np.float64),
        cell=np.reshape(a["cell_vectors"], (3, 3)),
        periodic=np.array(a["periodic"], np.bool_),
        supercell=tuple(int(x) for x in a["supercell"]),  # type: ignore[arg-type]
        site_labels=tuple(json.loads(a["site_labels"])),
        site_frac=np.reshape(a["site_frac"], (-1, 3)),
        every=float(a["frame_interval"]),
        temperature=float(a["temperature"]),
        field=np.array(a["field"]) * 1e-10,
        provenance={k: str(v) for k, v in a.items() if k not in _OWN},
    )
    which = slice(start, max(start, stop), stride)
    positions: FloatArray = file["coordinates"][which]
    axes = np.reshape(a["model_axes"], (3, 3))
    if axes[0, 0] != 1:
        positions = np.asarray(positions @ axes, np.float64)
    number = np.arange(*which.indices(len(file["time"])))
    return Trajectory(
        header=header,
        time=np.asarray(number * header.every, np.float64),
        positions=positions,
        occupation=file["site"][which].astype(np.int64),
        events=_read_events(file["events"], number, header.every) if "events" in file else None,
        complete="incomplete" not in a,
    )


def _read_events(group: Any, frames: IntArray, every: float) -> EventList:
    time = group["time"]
    first, last = (frames[0], frames[-1]) if len(frames) else (0, 0)
    # in the order of time: two searches, so that a part of a long list costs its own length only
    begin, end = (_position(time, float(t) * every) for t in (first, last))
    ints = {name: group[name][begin:end].astype(np.int64) for name in EVENT_ARRAYS[1:]}
    return EventList(time=time[begin:end], **ints)


def _position(time: Any, when: float) -> int:
    """Number of events up to and at ``when``."""
    low, high = 0, len(time)
    while low < high:
        middle = (low + high) // 2
        if time[middle] <= when:
            low = middle + 1
        else:
            high = middle
    return low


_OWN = frozenset(
    (FORMAT, "species_names", "species_charge", "cell_vectors", "periodic", "supercell", "site_labels", "site_frac")
    + ("frame_interval", "temperature", "field", "model_axes", "units_of_attributes")
    + ("Conventions", "ConventionVersion", "program", "programVersion", "title", "_NCProperties")
)  # fmt: skip
