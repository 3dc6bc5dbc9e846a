"""Frames on their way to a file: checked parts in ``NAME.points``, until the last one is there.

Each part is written whole or not at all; the state of the simulation is saved after it. So a run that is killed
loses the frames of some seconds, goes on from the last state bit for bit, and what it has left can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StoreError
from ..records import EventList, TrajectoryHeader
from ..store import points_folder, read_arrays, write_arrays
from ..store.arrayfile import reading
from ..store.atomic import read_bytes, write_text
from .block import FrameBlock

__all__ = ["Parts"]

VERSION = 1
_NOTE, _STATE = "trajectory.json", "state.npz"
_PART, _SNAPSHOT = "kmc_transport_frames", "kmc_transport_trajectory_state"


class Parts:
    """The parts of one trajectory, kept beside the file ``path`` that they will make.

    Nothing is made on disk before `begin`.
    """

    def __init__(self, path: Path) -> None:
        self.target = path
        self.folder = points_folder(path)

    # ---- whose they are

    @property
    def begun(self) -> bool:
        """Whether `begin` has noted anything there."""
        return (self.folder / _NOTE).exists()

    def note(self) -> dict[str, Any] | None:
        """What `begin` noted, or None. StoreError when it is damaged or too new."""
        file = self.folder / _NOTE
        if not file.exists():
            return None
        try:
            content = json.loads(read_bytes(file))
            if content["version"] > VERSION:
                raise ValueError("it was written by a newer version of kmc_transport")
            int(content["seed"]), str(content["identity"]), self.header(content)
            return dict(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            raise self._unusable(file, e) from e

    def begin(self, identity: str, seed: int, header: TrajectoryHeader) -> None:
        """Note whose parts follow: fingerprint of the run, root seed, what does not change along it."""
        plain = {
            k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(header).items()
        }  # fmt: skip
        plain["provenance"] = dict(header.provenance)
        content = {"version": VERSION, "identity": identity, "seed": str(seed), "header": plain}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / _NOTE, json.dumps(content, indent=1))

    @staticmethod
    def header(note: Mapping[str, Any]) -> TrajectoryHeader:
        """The header that `begin` noted."""
        h = dict(note["header"])
        arrays = {"species": np.int64, "charge": np.float64, "cell": np.float64, "periodic": np.bool_}
        arrays |= {"site_frac": np.float64, "field": np.float64}
        h |= {k: np.array(h[k], t) for k, t in arrays.items()}
        h |= {k: tuple(h[k]) for k in ("names", "supercell", "site_labels")}
        return TrajectoryHeader(**h)

    # ---- frames and state

    def save(self, number: int, block: FrameBlock, state: Mapping[str, Any]) -> None:
        """Part ``number`` (from 0), then the simulation's state after it."""
        arrays = {"positions": block.positions, "occupation": block.occupation}
        if block.events is not None:
            arrays |= {f"event_{f.name}": getattr(block.events, f.name) for f in fields(EventList)}
        write_arrays(self._file(number), _PART, arrays | {"first": block.first, "n": len(block)})
        done = {"parts": number + 1, "frames": block.first + len(block)}
        write_arrays(self.folder / _STATE, _SNAPSHOT, {**state, **done})

    def state(self) -> dict[str, Any] | None:
        """What the last `save` kept: ``parts``, ``frames`` and the simulation's state; None before the first."""
        file = self.folder / _STATE
        if not file.exists():
            return None
        state = read_arrays(file, _SNAPSHOT)
        with reading(file):
            return state | {name: int(state[name]) for name in ("parts", "frames")}

    def blocks(self, n_parts: int) -> Iterator[FrameBlock]:
        """The first parts, read one after the other. StoreError for one that is missing or damaged."""
        reached = 0
        for number in range(n_parts):
            content = read_arrays(self._file(number), _PART)
            with reading(self._file(number)):
                events = None
                if "event_time" in content:
                    events = EventList(**{f.name: content[f"event_{f.name}"] for f in fields(EventList)})
                block = FrameBlock(int(content["first"]), content["positions"], content["occupation"], events)
                if len(block) != int(content["n"]):
                    raise ValueError("it has another number of frames than it says")
                if block.first != reached:
                    raise ValueError(f"it holds frames from {block.first} on, not from {reached} on")
                reached += len(block)
            yield block

    def remove(self) -> None:
        """Delete the parts; files that are not ours stay."""
        for file in [*self.folder.glob("frames-*.npz"), self.folder / _STATE, self.folder / _NOTE]:
            file.unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"frames-{number:08d}.npz"

    def _unusable(self, file: Path, error: Exception) -> StoreError:
        return StoreError(
            f"cannot be read: {error}", file=str(file), remedy="choose another -o, or delete the folder"
        )  # fmt: skip
