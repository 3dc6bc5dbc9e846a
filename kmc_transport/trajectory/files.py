"""Which file name means which format, and reading one back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..errors import InputError, StoreError
from ..records import EventList, Trajectory, TrajectoryHeader
from ..store.atomic import atomic_path
from .block import FrameBlock
from .elements import elements_of
from .parts import Parts

__all__ = ["SUFFIXES", "check_request", "open_trajectory", "write_file"]

SUFFIXES = {
    ".nc": "hdf5", ".ncdf": "hdf5", ".h5md": "hdf5", ".xyz": "xyz", ".extxyz": "xyz", ".csv": "csv"
}  # fmt: skip
"""Formats by the ending of the name."""


def check_request(path: Path, header: TrajectoryHeader, elements: Mapping[str, str], events: bool) -> None:
    """Before any work: can this be written there? InputError otherwise."""
    kind = SUFFIXES.get(path.suffix)
    wrong = None
    if kind is None:
        wrong = ("is not the name of a trajectory", f"a name ending in {', '.join(SUFFIXES)}")
    elif path.is_dir():
        wrong = ("is a folder", "a file name")
    elif not path.parent.is_dir():
        wrong = ("lies in a folder that does not exist", "an existing folder")
    elif kind == "xyz" and events:
        wrong = ("XYZ files hold no events", ".nc or .h5md for frames and events, .csv for events alone")
    if wrong:
        raise InputError(wrong[0], key="-o", value=str(path), allowed=wrong[1], remedy="choose another -o")
    elements_of(header.names, elements)


def write_file(
    path: Path,
    header: TrajectoryHeader,
    n_frames: int,
    blocks: Iterable[FrameBlock],
    elements: Mapping[str, str] | None = None,
) -> None:
    """Write a trajectory in the format that the name asks for; the file appears when it is whole.

    ``blocks`` are taken one at a time, so that memory stays bounded. Raises StoreError when it cannot be written.
    """
    kind = SUFFIXES[path.suffix]
    with atomic_path(path) as temporary:
        if kind == "hdf5":
            from .hdf5 import write_hdf5

            write_hdf5(temporary, header, n_frames, blocks)
        elif kind == "xyz":
            from .xyz import write_xyz

            write_xyz(temporary, header, blocks, elements or {})
        else:
            from .eventlist import write_csv

            write_csv(temporary, header, blocks)


def open_trajectory(path: str | os.PathLike[str], frames: slice | None = None) -> Trajectory:
    """A trajectory that `write_trajectory` wrote as ``.nc``, ``.ncdf`` or ``.h5md``, in memory.

    Parameters
    ----------
    frames : which ones, such as ``slice(0, 1000)`` or ``slice(None, None, 10)``; default: all. Events are those
        between the first and the last of them.

    A run that was stopped has left its frames in ``NAME.points``: they are read in place of the file that is not there
    yet (of any format), and ``complete`` is False.

    Raises
    ------
    StoreError : the file is missing, damaged, not ours or too new.
    """
    path, which = Path(path), slice(None) if frames is None else frames
    if not path.exists():
        return _from_parts(Parts(path), which)
    if SUFFIXES.get(path.suffix) in ("xyz", "csv"):
        raise StoreError(
            "is for other programs",
            file=str(path),
            allowed=".nc, .ncdf, .h5md",
            remedy="read .xyz with ASE or OVITO, .csv with pandas; write .nc for open_trajectory",
        )
    from .hdf5 import read_hdf5

    return read_hdf5(path, which)


def _from_parts(parts: Parts, which: slice) -> Trajectory:
    note = parts.note()
    state = None if note is None else parts.state()
    if note is None or state is None:
        raise StoreError(
            "there is no such trajectory",
            file=str(parts.target),
            remedy="make it with: kmc-transport trajectory INPUT -o NAME",
        )
    header = parts.header(note)
    blocks = list(parts.blocks(int(state["parts"])))
    if sum(map(len, blocks)) != int(state["frames"]) or not blocks:
        raise StoreError(
            "the parts of a stopped run do not fit together",
            file=str(parts.folder),
            remedy="start over: the same command with --overwrite",
        )
    number = np.arange(int(state["frames"]))[which]
    events = None
    if blocks[0].events is not None:
        every = EventList.concatenate([b.events for b in blocks if b.events is not None])
        begin, end = (
            np.searchsorted(every.time, number[[0, -1]] * header.every, side="right") if len(number) else (0, 0)
        )  # fmt: skip
        events = EventList(**{name: a[begin:end] for name, a in vars(every).items()})
    return Trajectory(
        header=header,
        time=np.asarray(number * header.every, np.float64),
        positions=np.concatenate([b.positions for b in blocks])[which],
        occupation=np.concatenate([b.occupation for b in blocks])[which],
        events=events,
        complete=False,
    )
