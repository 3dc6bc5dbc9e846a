"""Points: the simulated conditions, found by their parameters in the databases of a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
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
from ..ndarrays import FloatArray
from ..records import Tallies
from .arrayfile import read_arrays, reading, write_arrays
from .atomic import owner_file
from .database import Databases
from .pack import Pack, pack

__all__ = [
    "Columns",
    "Failure",
    "PackedPoint",
    "PointRecord",
    "PointStore",
    "pack_point",
    "point_key",
    "stack_points",
]

T = TypeVar("T")

_PARTIAL, _SNAPSHOT = "partial point", ".partial.npz"
_KEY = re.compile(r"[0-9a-f]{8,64}")
_BATCH = 4096
"""Points that are read before they are put into the table."""
_ANEW = "running the same input again makes it anew; kmc-transport verify NAME --discard-damaged deletes it"
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


@dataclass(frozen=True)
class PackedPoint:
    """A finished point as its rows in a database: quick to send from a worker to the driver, and to save there."""

    summary: Pack
    tallies: Pack  # compressed


def pack_point(record: PointRecord, key: str, owner: str = "") -> PackedPoint:
    """key, owner : of the `PointStore` that is to hold it."""
    about = {"owner": owner, "key": key}
    tallies = pack(_record_tallies(record) | about)
    tallies = dataclasses.replace(tallies, data=zlib.compress(tallies.data, 1))
    return PackedPoint(pack(_record_summary(record) | about), tallies)


@dataclass(frozen=True, eq=False)
class Columns:
    """Points whose arrays have the same names and shapes, stacked.

    arrays : name (``temperature``, ``field``, ``directions``, ``values/NAME``, ``stderrs/NAME``, ``exacts/NAME``)
    → array whose first axis is the point. texts : for each point, what is no array.
    """

    arrays: dict[str, np.ndarray]
    texts: list[dict[str, Any]]


def stack_points(points: Iterable[PointRecord | Pack]) -> Iterator[Columns]:
    """Records, or their summaries, as a few tables; fast for many of one sweep."""
    iterator = iter(points)
    while batch := list(islice(iterator, _BATCH)):
        packs = [pack(_record_summary(p)) if isinstance(p, PointRecord) else p for p in batch]
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


class PointStore:
    """A folder of points.

    Finished points and notes of those that could not be simulated are rows of its databases
    (`kmc_transport.store.database`), ``KEY.partial.npz`` is the state of one that is not finished, as of its last
    segment. The first save makes them.

    owner : mark of the run that the points belong to (`kmc_transport.store.owner_mark`); points of another owner
    count as missing, and nothing is saved into a folder that has another owner by now. writer : what its database is
    called after, where several write (a shard).
    """

    def __init__(self, folder: str | Path, owner: str = "", writer: str = "") -> None:
        self.folder, self.owner = Path(folder), owner
        self._name = str(self.folder)
        self._rows = Databases(self._name, f"points-{writer}.sqlite" if writer else "points.sqlite")
        self._damaged: list[Path] = []

    @property
    def damaged(self) -> list[Path]:
        """What was taken for missing: points (DATABASE/KEY) and snapshots that are damaged, or of another point or
        run, and databases that could not be read to their end."""
        broken = [Path(self._rows.path(name)) for name in self._rows.broken]
        return list(dict.fromkeys([*broken, *self._damaged]))

    def path(self, key: str) -> Path:
        """What a point is called in messages: its database, then its key."""
        rows = self._rows.rows("points", self._checked(key))
        return self.folder / (rows[0][0] if rows else self._rows.own) / key

    def partial_path(self, key: str) -> Path:
        """File of an interrupted point."""
        return self.folder / f"{self._checked(key)}{_SNAPSHOT}"

    @staticmethod
    def _checked(key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key: 8 to 64 hexadecimal digits")
        return key

    def keys(self) -> list[str]:
        """Keys of the finished points, sorted."""
        return sorted(filter(_KEY.fullmatch, self._rows.keys("points")))

    def partial_keys(self) -> list[str]:
        """Keys of the interrupted points, sorted."""
        try:
            names = [n for n in os.listdir(self.folder) if n.endswith(_SNAPSHOT)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(filter(_KEY.fullmatch, (n.removesuffix(_SNAPSHOT) for n in names)))

    def failed_keys(self) -> list[str]:
        """Keys of the points that could not be simulated, sorted."""
        return sorted(filter(_KEY.fullmatch, self._rows.keys("failures")))

    def save(
        self, key: str, record: PointRecord, *, replace: bool = False, keep_partial: bool = False
    ) -> None:
        """Store a finished point, and drop its partial (or keep it, to go on from one day).

        StoreError when an intact point of this key is there already, unless ``replace``.
        """
        self._checked(key)
        if not replace and self.get(key) is not None:
            raise StoreError(
                Problem(
                    "this point is finished already",
                    file=str(self.path(key)),
                    remedy="load it, or ask to replace it",
                )
            )
        self.save_all({key: record}, keep_partials=[key] if keep_partial else [])

    def save_all(
        self, records: Mapping[str, PointRecord | PackedPoint], *, keep_partials: Collection[str] = ()
    ) -> None:
        """Store finished points by their keys in one go, all or none, in place of what is there of them, and drop
        their partials. What is packed already must be so for this owner."""
        if not records:
            return
        self._make_folder()
        rows = {}
        for key, record in records.items():
            packed = pack_point(record, key, self.owner) if isinstance(record, PointRecord) else record
            rows[self._checked(key)] = {"points": packed.summary, "tallies": packed.tallies}
        self._rows.put(rows)
        for key in records.keys() - set(keep_partials):
            self.drop_partial(key)

    def load(self, key: str) -> PointRecord:
        """A finished point. StoreError, naming it, when it is missing or cannot be read; DamagedFile and
        MisplacedFile when it is damaged, or that of another point or run."""
        found = self._summary(key)
        if found is None:
            remedy = "run the input again"
            raise StoreError(Problem("there is no such point", value=key, file=self._name, remedy=remedy))
        name, summary = found
        with reading(self.folder / name / key, _ANEW):
            tallies = dict(self._rows.rows("tallies", key)).get(name)
            if tallies is None:
                raise ValueError("the checksum of its tallies does not fit their content")
            tallies = dataclasses.replace(tallies, data=zlib.decompress(tallies.data))
            return _record_from(summary.content() | tallies.content())

    def get(self, key: str) -> PointRecord | None:
        """A finished point, or None when it is missing or damaged (noted in ``damaged``)."""
        return None if self.summary(key) is None else self._try(key, lambda: self.load(key))

    def summary(self, key: str) -> Pack | None:
        """A finished point without its tallies, quickly (see `stack_points`); None as `get`."""
        found = self._try(key, lambda: self._summary(key))
        return None if found is None else found[1]

    def _summary(self, key: str) -> tuple[str, Pack] | None:
        """The database of a point, and what it holds without the tallies; None when there is no such point."""
        wrong: StoreError | None = None
        for name, found in self._rows.rows("points", self._checked(key)):
            path = self.folder / name / key
            try:
                with reading(path, _ANEW):
                    if found is None:
                        raise ValueError("its checksum does not fit its content")
                    self._check_place(found.values, path, key)
                return name, found
            except (DamagedFile, MisplacedFile) as e:
                wrong = wrong or e
        if wrong is not None:
            raise wrong
        return None

    def save_partial(self, key: str, snapshot: Mapping[str, Any]) -> None:
        """Store the state of an unfinished point: arrays, numbers, strings (see `write_arrays`)."""
        self._make_folder()
        write_arrays(self.partial_path(key), _PARTIAL, {**snapshot, "owner": self.owner, "key": key})

    def load_partial(self, key: str) -> dict[str, Any] | None:
        """The latest snapshot of an unfinished point, or None when it is missing or damaged."""
        path = self.partial_path(key)
        if not os.path.exists(path):
            return None
        try:
            content = read_arrays(path, _PARTIAL)
            self._check_place(content, path, key)
        except (DamagedFile, MisplacedFile):
            self._damaged.append(path)
            return None
        except StoreError:
            if not path.exists():  # another process has just finished that point
                return None
            raise
        return {n: v for n, v in content.items() if n not in ("owner", "key")}

    def drop_partial(self, key: str) -> None:
        """Delete the snapshot of a point, if there is one."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self._name}/{self._checked(key)}{_SNAPSHOT}")

    def discard(self, key: str) -> None:
        """Delete a finished point."""
        self._rows.drop(self._checked(key))

    def mend(self) -> list[Path]:
        """Keep what is intact of databases that could not be read to their end; where the old ones are now."""
        mended = self._rows.mend()
        self._damaged += mended
        return mended

    def save_failure(self, key: str, failure: Failure) -> None:
        """Note why a point could not be simulated."""
        self._make_folder()
        self._rows.put({self._checked(key): {"failures": pack(asdict(failure))}})

    def load_failure(self, key: str) -> Failure | None:
        """Why a point could not be simulated; None when it could, or the note cannot be read."""
        for _, found in self._rows.rows("failures", self._checked(key)):
            with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError, AttributeError):
                if found is not None:
                    x, y, z = found.values["field"]
                    coordinates = {str(k): float(v) for k, v in found.values.get("coordinates", {}).items()}
                    told = {"field": (float(x), float(y), float(z)), "coordinates": coordinates}
                    return Failure(**found.values | told)
        return None

    def _check_place(self, content: Mapping[str, Any], path: Path, key: str) -> None:
        wrong = ""
        if self.owner and content.get("owner") != self.owner:
            wrong = "belongs to another model or seed"
        elif content.get("key", key) != key:  # files of before had none
            wrong = f"holds another point: {content['key']}"
        if wrong:
            remedy = "move it away; running the same input again makes what belongs here"
            raise MisplacedFile(Problem(wrong, file=str(path), remedy=remedy))

    def _try(self, key: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (DamagedFile, MisplacedFile):
            self._damaged.append(self.path(key))
            return None

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
