"""Points: the simulated conditions, each a file of its own, found by its parameters."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..arrays import ARRAYS
from ..errors import DamagedFile, MisplacedFile, Problem, StoreError
from ..model.model import frozen_array
from ..records import Tallies
from .atomic import owner_file, read_bytes, write_text
from .container import (
    Pack,
    pack,
    read_container,
    read_summary,
    reading,
    write_container,
)

__all__ = ["Columns", "Failure", "PointRecord", "PointStore", "point_key", "stack_points"]

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T")

_POINT, _PARTIAL = "point", "partial point"
_KEY = re.compile(r"[0-9a-f]{8,64}")
_BATCH = 4096
"""Points that are read before they are put into the table."""
_TYPES: dict[str, type] = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def point_key(temperature: float, field: npt.ArrayLike, **parameters: Any) -> str:
    """Name of a point: a hash of its parameters (20 hexadecimal digits).

    temperature : K. field : (3,) V/Å. parameters : whatever else tells points apart, as JSON holds it.
    """
    vector = [float(e) + 0.0 for e in np.asarray(field, float).reshape(3)]  # -0.0 is the same field as 0.0
    content = {"temperature": float(temperature), "field": vector, "parameters": parameters}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True, eq=False, kw_only=True)
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
    coordinates : name → value of the axes of composition and ``sample``, where there are such.
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
    coordinates: Mapping[str, float] = dataclasses.field(default_factory=dict)
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


def _record_summary(record: PointRecord) -> dict[str, Any]:
    content: dict[str, Any] = {
        "temperature": np.float64(record.temperature),
        "field": record.field,
        "directions": record.directions,
        "meta": dict(record.meta),
        "n_tallies": len(record.tallies),
    }
    if record.coordinates:
        content["coordinates"] = dict(record.coordinates)
    for part in ("values", "stderrs", "exacts"):
        content |= {f"{part}/{name}": value for name, value in getattr(record, part).items()}
    return content


def _record_tallies(record: PointRecord) -> dict[str, Any]:
    return {
        f"tallies/{i}/{f.name}": getattr(tallies, f.name)
        for i, tallies in enumerate(record.tallies)
        for f in fields(Tallies)
    }


def _record_from(content: Mapping[str, Any]) -> PointRecord:
    def part(prefix: str) -> dict[str, Any]:
        return {n.removeprefix(prefix): v for n, v in content.items() if n.startswith(prefix)}

    def frozen(value: Any) -> Any:
        return frozen_array(value, value.dtype) if isinstance(value, np.ndarray) else value

    tallies = (part(f"tallies/{i}/") for i in range(content["n_tallies"]))
    return PointRecord(
        temperature=float(content["temperature"]),
        field=content["field"],
        values=part("values/"),
        stderrs=part("stderrs/"),
        exacts=part("exacts/"),
        directions=content["directions"],
        coordinates=content.get("coordinates", {}),
        meta=content["meta"],
        tallies=tuple(Tallies(**{n: frozen(v) for n, v in t.items()}) for t in tallies),
    )


@dataclass(frozen=True, eq=False)
class Columns:
    """Points whose arrays have the same names and shapes, stacked.

    arrays : name (``temperature``, ``field``, ``directions``, ``values/NAME``, ``stderrs/NAME``, ``exacts/NAME``)
    → array whose first axis is the point. texts : for each point, what is no array.
    """

    arrays: dict[str, np.ndarray]
    texts: list[dict[str, Any]]


def stack_points(points: Iterable[PointRecord | Pack]) -> Iterator[Columns]:
    """Records, or the summaries of their files, as a few tables; fast for many of one sweep."""
    iterator = iter(points)
    while batch := list(islice(iterator, _BATCH)):
        packs = [Pack(pack(_record_summary(p))) if isinstance(p, PointRecord) else p for p in batch]
        groups: dict[bytes, list[Pack]] = {}
        for p in packs:
            groups.setdefault(p.layout, []).append(p)
        for layout, members in groups.items():
            table = np.frombuffer(b"".join(p.data for p in members), np.uint8).reshape(len(members), -1)
            arrays = {}
            for name, (dtype, shape, start) in json.loads(layout).items():
                size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
                block = np.ascontiguousarray(table[:, start : start + size])
                arrays[name] = block.view(dtype).reshape(len(members), *shape)
            yield Columns(arrays, [p.values for p in members])


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A point that could not be simulated: why, after how many attempts."""

    temperature: float
    field: tuple[float, float, float]
    """V/Å."""
    reason: str
    attempts: int = 1
    detail: str = ""
    """Traceback, where the reason is not the input's."""
    coordinates: Mapping[str, float] = dataclasses.field(default_factory=dict)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


class PointStore:
    """A folder of points.

    ``KEY.h5`` is a finished one (never changed), ``KEY.partial.h5`` the state of one that is not, as of its last
    segment, ``KEY.failed.json`` one that could not be simulated. The folder is made by the first save.

    owner : mark of the run that the points belong to (`kmc_transport.store.owner_mark`); points of another owner
    count as missing, and nothing is saved into a folder that has another owner by now.
    """

    def __init__(self, folder: str | Path, owner: str = "") -> None:
        self.folder, self.owner = Path(folder), owner
        self._name = str(self.folder)
        self.damaged: list[Path] = []
        """Files that `get`, `summary` or `load_partial` took for missing: damaged, or of another point or run."""

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
        return self._names(".h5")

    def partial_keys(self) -> list[str]:
        """Keys of the interrupted points, sorted."""
        return self._names(".partial.h5")

    def failed_keys(self) -> list[str]:
        """Keys of the points that could not be simulated, sorted."""
        return self._names(".failed.json")

    def _names(self, ending: str) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                stems = [e.name.removesuffix(ending) for e in entries if e.name.endswith(ending)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(s for s in stems if _KEY.fullmatch(s))

    def save(
        self, key: str, record: PointRecord, *, replace: bool = False, keep_partial: bool = False
    ) -> None:
        """Store a finished point, and drop its partial (or keep it, to go on from one day).

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
        content = _record_summary(record) | {"owner": self.owner, "key": key}
        write_container(path, _POINT, content, _record_tallies(record))
        if not keep_partial:
            self.drop_partial(key)
        self.drop_failure(key)

    def load(self, key: str) -> PointRecord:
        """A finished point. StoreError, naming the file, when it is missing or cannot be read; DamagedFile and
        MisplacedFile when it is damaged, or that of another point or run."""
        path = self.path(key)
        content = read_container(path, _POINT)
        self._check_place(content, path, key)
        with reading(path):
            return _record_from(content)

    def get(self, key: str) -> PointRecord | None:
        """A finished point, or None when it is missing or damaged (noted in ``damaged``)."""
        return self._try(self.path(key), lambda: self.load(key))

    def summary(self, key: str) -> Pack | None:
        """A finished point without its tallies, quickly (see `stack_points`); None as `get`."""
        path = self.path(key)

        def read() -> Pack:
            found = read_summary(path, _POINT)
            self._check_place(found.values, path, key)
            return found

        return self._try(path, read)

    def save_partial(self, key: str, snapshot: Mapping[str, Any]) -> None:
        """Store the state of an unfinished point: arrays, numbers, strings (see `write_container`)."""
        self._make_folder()
        about = {"owner": self.owner, "key": key}
        write_container(self.partial_path(key), _PARTIAL, about, dict(snapshot))

    def load_partial(self, key: str) -> dict[str, Any] | None:
        """The latest snapshot of an unfinished point, or None when it is missing or damaged."""
        if not os.path.exists(f"{self._name}/{self._checked(key)}.partial.h5"):
            return None
        path = self.partial_path(key)

        def read() -> dict[str, Any]:
            content = read_container(path, _PARTIAL)
            self._check_place(content, path, key)
            return {n: v for n, v in content.items() if n not in ("owner", "key")}

        return self._try(path, read)

    def drop_partial(self, key: str) -> None:
        """Delete the snapshot of a point, if there is one."""
        _remove(f"{self._name}/{self._checked(key)}.partial.h5")

    def failure_path(self, key: str) -> Path:
        """File of a point that could not be simulated."""
        return self.folder / f"{self._checked(key)}.failed.json"

    def save_failure(self, key: str, failure: Failure) -> None:
        """Note why a point could not be simulated."""
        self._make_folder()
        write_text(self.failure_path(key), json.dumps(asdict(failure), indent=1))

    def load_failure(self, key: str) -> Failure | None:
        """Why a point could not be simulated; None when it could, or the note cannot be read."""
        try:
            content = json.loads(read_bytes(self.failure_path(key)))
            x, y, z = content["field"]
            return Failure(
                temperature=float(content["temperature"]),
                field=(float(x), float(y), float(z)),
                reason=str(content["reason"]),
                attempts=int(content["attempts"]),
                detail=str(content["detail"]),
                coordinates={str(k): float(v) for k, v in content.get("coordinates", {}).items()},
            )
        except (StoreError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None

    def drop_failure(self, key: str) -> None:
        """Delete the note of a failure, if there is one."""
        _remove(f"{self._name}/{self._checked(key)}.failed.json")

    def _check_place(self, content: Mapping[str, Any], path: Path, key: str) -> None:
        wrong = ""
        if self.owner and content.get("owner") != self.owner:
            wrong = "belongs to another model or seed"
        elif content.get("key", key) != key:  # files of before had none
            wrong = f"holds another point: {content['key']}"
        if wrong:
            remedy = "move it away; running the same input again makes what belongs here"
            raise MisplacedFile(Problem(wrong, file=str(path), remedy=remedy))

    def _try(self, path: Path, read: Callable[[], T]) -> T | None:
        if not os.path.exists(path):
            return None
        try:
            return read()
        except (DamagedFile, MisplacedFile):
            self.damaged.append(path)
            return None
        except StoreError:
            if not os.path.exists(path):  # another process has just finished that point
                return None
            raise

    def _make_folder(self) -> None:
        if self.owner:
            if os.path.exists(f"{self._name}/{owner_file(self.owner)}"):
                return
            raise StoreError(
                Problem(
                    "has been taken over by another run",
                    file=str(self.folder),
                    remedy="choose another -o for one of them",
                )
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise StoreError(
                Problem(f"the folder cannot be made: {e}", file=str(self.folder), remedy="choose another -o")
            ) from e
