"""Points: the simulated conditions, each a file of its own, found by its parameters."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import ARRAYS
from ..errors import Problem, StoreError
from ..model.model import frozen_array
from ..records import Tallies
from .container import read_container, write_container

__all__ = ["PointRecord", "PointStore", "point_key"]

FloatArray = npt.NDArray[np.float64]

_POINT, _PARTIAL = "point", "partial point"
_KEY = re.compile(r"[0-9a-f]{8,64}")
_TYPES: dict[str, type] = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def point_key(temperature: float, field: npt.ArrayLike, **parameters: Any) -> str:
    """Name of a point: a hash of its parameters (20 hexadecimal digits).

    temperature : K. field : (3,) V/Å. parameters : whatever else tells points apart, as JSON holds it.
    """
    vector = [float(e) + 0.0 for e in np.asarray(field, float).reshape(3)]  # -0.0 is the same field as 0.0
    content = {"temperature": float(temperature), "field": vector, "parameters": parameters}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True, eq=False)
class PointRecord:
    """Result of one temperature and field vector; zero field is one point for all directions.

    Attributes
    ----------
    temperature : K. field : (3,) V/Å.
    values, stderrs, exacts : registry name → array in SI units, with the dimensions of
        `ArraySpec.point_dims`: the registry's without temperature, field and direction; arrays that are
        projected at zero field (``mobility_einstein``) are (direction, carrier), in the order of
        ``directions``. What is not available is left out, or NaN. Scalars are 0-d.
    directions : (n, 3) unit vectors of the field directions that projected arrays refer to.
    meta : what else should be kept, as JSON holds it (seed entropy, versions, effective sample sizes …).
    tallies : one per replica, so that observables can be computed again from the file.

    Arrays are copied and made read-only. ValueError for a name that no point may hold.
    """

    temperature: float
    field: FloatArray
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stderrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    exacts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    directions: FloatArray = dataclasses.field(default_factory=lambda: np.empty((0, 3)))
    meta: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tallies: tuple[Tallies, ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("temperature", float(self.temperature))
        put("field", frozen_array(np.reshape(self.field, 3), np.float64))
        put("directions", frozen_array(np.reshape(self.directions, (-1, 3)), np.float64))
        put("tallies", tuple(self.tallies))
        for part in ("values", "stderrs", "exacts"):
            put(part, {n: self._array(part, n, v) for n, v in getattr(self, part).items()})

    @staticmethod
    def _array(part: str, name: str, value: object) -> Any:
        spec = ARRAYS.get(name)
        if spec is None or spec.origin != "point":
            raise ValueError(f"{part}: {name} is not an array of a point")
        if (part == "stderrs" and not spec.has_stderr) or (part == "exacts" and not spec.has_exact):
            raise ValueError(f"{part}: {name} has none")
        return str(value) if spec.dtype == "str" else frozen_array(value, _TYPES[spec.dtype])


def _record_content(record: PointRecord) -> dict[str, Any]:
    content: dict[str, Any] = {
        "temperature": record.temperature,
        "field": record.field,
        "directions": record.directions,
        "meta": dict(record.meta),
        "n_tallies": len(record.tallies),
    }
    for part in ("values", "stderrs", "exacts"):
        content |= {f"{part}/{name}": value for name, value in getattr(record, part).items()}
    for i, tallies in enumerate(record.tallies):
        content |= {f"tallies/{i}/{f.name}": getattr(tallies, f.name) for f in fields(Tallies)}
    return content


def _record_from(content: Mapping[str, Any]) -> PointRecord:
    def part(prefix: str) -> dict[str, Any]:
        return {n.removeprefix(prefix): v for n, v in content.items() if n.startswith(prefix)}

    def frozen(value: Any) -> Any:
        return frozen_array(value, value.dtype) if isinstance(value, np.ndarray) else value

    tallies = (part(f"tallies/{i}/") for i in range(content["n_tallies"]))
    return PointRecord(
        content["temperature"],
        content["field"],
        part("values/"),
        part("stderrs/"),
        part("exacts/"),
        content["directions"],
        content["meta"],
        tuple(Tallies(**{n: frozen(v) for n, v in t.items()}) for t in tallies),
    )


class PointStore:
    """A folder of points: ``KEY.h5`` a finished one (never changed), ``KEY.partial.h5`` an interrupted one.

    The folder is made by the first save.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.damaged: list[Path] = []
        """Files that `get` or `load_partial` could not read and took for missing."""

    def path(self, key: str) -> Path:
        """File of a finished point."""
        return self.folder / f"{self._checked(key)}.h5"

    def partial_path(self, key: str) -> Path:
        """File of an interrupted point."""
        return self.folder / f"{self._checked(key)}.partial.h5"

    @staticmethod
    def _checked(key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key: 8 to 64 hexadecimal digits")
        return key

    def keys(self) -> list[str]:
        """Keys of the finished points, sorted."""
        return sorted(p.stem for p in self.folder.glob("*.h5") if _KEY.fullmatch(p.stem))

    def partial_keys(self) -> list[str]:
        """Keys of the interrupted points, sorted."""
        stems = (p.name.removesuffix(".partial.h5") for p in self.folder.glob("*.partial.h5"))
        return sorted(s for s in stems if _KEY.fullmatch(s))

    def save(self, key: str, record: PointRecord, *, replace: bool = False) -> None:
        """Store a finished point, and drop its partial.

        StoreError when an intact point of this key is there already, unless ``replace``.
        """
        path = self.path(key)
        if not replace and self.get(key) is not None:
            raise StoreError(
                Problem(
                    "this point is finished already", file=str(path), remedy="load it, or ask to replace it"
                )
            )
        self._make_folder()
        write_container(path, _POINT, _record_content(record))
        self.drop_partial(key)

    def load(self, key: str) -> PointRecord:
        """A finished point. StoreError, naming the file, when it is missing or damaged."""
        return _record_from(read_container(self.path(key), _POINT))

    def get(self, key: str) -> PointRecord | None:
        """A finished point, or None when it is missing or damaged (noted in ``damaged``)."""
        return _record_from(c) if (c := self._get(self.path(key), _POINT)) is not None else None

    def save_partial(self, key: str, snapshot: Mapping[str, Any]) -> None:
        """Store the state of an interrupted point: arrays, numbers, strings (see `write_container`)."""
        self._make_folder()
        write_container(self.partial_path(key), _PARTIAL, snapshot)

    def load_partial(self, key: str) -> dict[str, Any] | None:
        """The latest snapshot of an interrupted point, or None when it is missing or damaged."""
        return self._get(self.partial_path(key), _PARTIAL)

    def drop_partial(self, key: str) -> None:
        """Delete the snapshot of a point, if there is one."""
        self.partial_path(key).unlink(missing_ok=True)

    def _get(self, path: Path, kind: str) -> dict[str, Any] | None:
        if not path.exists():
            return None
        try:
            return read_container(path, kind)
        except StoreError:
            self.damaged.append(path)
            return None

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise StoreError(
                Problem(f"the folder cannot be made: {e}", file=str(self.folder), remedy="choose another -o")
            ) from e
