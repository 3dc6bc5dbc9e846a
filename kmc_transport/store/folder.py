"""What lies in a folder of points beside the points: the plan of the sweep, the empty table, how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, StoreError
from .atomic import write_text
from .container import read_container, write_container
from .output import Shard, points_folder

__all__ = ["Plan", "frame_path", "read_plan", "read_progress", "write_plan", "write_progress"]


@dataclass(frozen=True, eq=False)
class Plan:
    """The points that the last run asked for: keys, (n,) temperature in K, (n, 3) field in V/Å."""

    keys: tuple[str, ...]
    temperature: npt.NDArray[np.float64]
    field: npt.NDArray[np.float64]


def frame_path(path: str | Path) -> Path:
    """The table without any point in it, a result file of its own; `merge` fills the points in."""
    return points_folder(path) / "frame.h5"


def write_plan(path: str | Path, plan: Plan) -> None:
    """Note which points are asked for."""
    keys = np.frombuffer("".join(plan.keys).encode(), np.uint8).reshape(len(plan.keys), -1)
    content = {"temperature": plan.temperature, "field": plan.field}
    write_container(points_folder(path) / "plan.h5", "plan", {"n": len(plan.keys)}, content | {"keys": keys})


def read_plan(path: str | Path) -> Plan:
    """What `write_plan` noted. StoreError when there is no plan, or it is damaged."""
    folder = points_folder(path)
    if not (folder / "plan.h5").exists():
        raise StoreError(
            Problem(
                "holds no sweep",
                file=str(folder),
                remedy="give a result file or the folder NAME.points of a run",
            )
        )
    content = read_container(folder / "plan.h5", "plan")
    width = content["keys"].shape[1] if content["n"] else 1
    text = content["keys"].tobytes().decode()
    keys = tuple(text[i : i + width] for i in range(0, len(text), width))
    return Plan(keys, content["temperature"], content["field"])


def write_progress(path: str | Path, progress: Mapping[str, Any], shard: Shard | None = None) -> None:
    """Say how far the run is; quick, and lost in a power cut."""
    name = "progress.json" if shard is None else f"progress-{shard}.json"
    write_text(points_folder(path) / name, json.dumps(progress), durable=False)


def read_progress(path: str | Path) -> Sequence[dict[str, Any]]:
    """What the run, or each of its shards, has said last; nothing when it has said nothing."""
    found = []
    for file in sorted(points_folder(path).glob("progress*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            found.append(content)
    return found
