"""Points, result file and output guard: what goes in comes out, and nothing is ever half written or lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from kmc_transport.arrays import ARRAYS, base_name
from kmc_transport.errors import StoreError
from kmc_transport.rates import build_catalog
from kmc_transport.records import Tallies
from kmc_transport.store import (
    PointRecord,
    PointStore,
    Provenance,
    begin_run,
    build_dataset,
    check_output,
    lock_output,
    open_results,
    owner_mark,
    point_key,
    points_folder,
    read_catalog,
    read_provenance,
    read_run,
    start_over,
    write_results,
)
from kmc_transport.store.arrayfile import read_arrays, write_arrays
from kmc_transport.store.atomic import write_parts
from kmc_transport.store.pack import Pack
from tests.runs.sweeps import change_row
from tests.store.results import X, Y, dataset, grid_model, random_tallies, records

KEY = "0123456789abcdef"
PROVENANCE = Provenance(
    identity="identity-a",
    input_text="title: µ\n",
    seed=2**127 + 5,
    input_path="a.yaml",
    command="kmc-transport run a.yaml",
)


def same(a: object, b: object) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# points ------------------------------------------------------------------------------------------------


def test_key_depends_on_parameters_alone() -> None:
    key = point_key(300, [0, 0, 1e-3], seed="7")
    assert key == point_key(np.float64(300.0), np.array([-0.0, 0, 1e-3]), seed="7")
    others = [
        point_key(300.0000001, [0, 0, 1e-3], seed="7"),
        point_key(300, [0, 1e-3, 0], seed="7"),
        point_key(300, [0, 0, -1e-3], seed="7"),
        point_key(300, [0, 0, 1e-3], seed="8"),
    ]
    assert len({key, *others}) == 5


def test_point_comes_back_bit_for_bit(tmp_path: Path) -> None:
    store = PointStore(tmp_path / "a.points")
    record = PointRecord(
        temperature=1 / 3,
        field=[0, 0, 1e-3 / 7],
        values={
            "mobility": [np.nan, -0.0],
            "executed_hops": 2**60 + 1,
            "exit_reason": "done µ",
            "converged": True,
        },
        stderrs={"mobility": [1e-300, 5e-324]},
        exacts={"mobility": [np.inf, 0.1]},
        directions=[[0.6, 0.8, 0]],
        meta={"seed": str(2**128 - 1), "n": 2**70, "x": 0.1, "list": [1, None, "a"]},
        tallies=(random_tallies(), random_tallies(600, seed=1)),
    )
    assert store.keys() == []
    store.save(KEY, record)
    assert store.keys() == [KEY]
    back = store.load(KEY)
    assert back.temperature == record.temperature
    assert same(back.field, record.field)
    assert same(back.directions, record.directions)
    assert back.meta == record.meta
    for part in ("values", "stderrs", "exacts"):
        before, after = getattr(record, part), getattr(back, part)
        assert set(before) == set(after)
        assert all(same(before[n], after[n]) for n in before)
    assert back.values["exit_reason"] == "done µ"
    for before, after in zip(record.tallies, back.tallies, strict=True):
        assert all(same(getattr(before, f.name), getattr(after, f.name)) for f in fields(Tallies))
    assert not back.values["mobility"].flags.writeable


@pytest.mark.parametrize(
    "parts",
    [
        {"values": {"velocity": 1.0}},
        {"values": {"einstein_deviation": 1.0}},
        {"stderrs": {"wall_time": 1.0}},
        {"exacts": {"executed_hops": 1}},
    ],
)
def test_point_refuses_names_it_cannot_hold(parts: dict) -> None:
    with pytest.raises(ValueError, match="|".join(next(iter(parts.values())))):
        PointRecord(temperature=300, field=[0, 0, 0], **parts)


def test_finished_point_is_not_changed_by_mistake(tmp_path: Path) -> None:
    store = PointStore(tmp_path)
    store.save(KEY, PointRecord(temperature=300, field=[0, 0, 0], values={"wall_time": 1.0}))
    with pytest.raises(StoreError, match="finished already"):
        store.save(KEY, PointRecord(temperature=300, field=[0, 0, 0], values={"wall_time": 2.0}))
    assert store.load(KEY).values["wall_time"] == 1.0
    store.save(KEY, PointRecord(temperature=300, field=[0, 0, 0], values={"wall_time": 2.0}), replace=True)
    assert store.load(KEY).values["wall_time"] == 2.0


def test_bad_key_does_not_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        PointStore(tmp_path / "points").save("../evil", PointRecord(temperature=300, field=[0, 0, 0]))


def test_partial_point(tmp_path: Path) -> None:
    store = PointStore(tmp_path)
    assert store.load_partial(KEY) is None
    snapshot = {
        "occupied": np.array([[True, False], [False, True]]),
        "state": np.array([2**64 - 1, 0, 1, 2], np.uint64),
        "sites": np.arange(5, dtype=np.int32),
        "empty": np.empty((0, 3)),
        "lattice": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "count": np.uint64(2**64 - 1),
        "time": 0.1 + 0.2,
        "events": 2**80,
        "stage": "pilot",
        "blocked": False,
        "nothing": None,
    }
    store.save_partial(KEY, snapshot)
    assert store.partial_keys() == [KEY]
    assert store.keys() == []
    back = store.load_partial(KEY)
    assert back is not None
    assert set(back) == set(snapshot)
    for name, value in snapshot.items():
        if isinstance(value, (np.ndarray, np.generic)):
            assert same(np.ascontiguousarray(value).reshape(np.shape(value)), back[name]), name
        else:
            assert back[name] == value
            assert type(back[name]) is type(value)
    store.save_partial(KEY, {"stage": "production"})
    assert store.load_partial(KEY) == {"stage": "production"}
    store.save(KEY, PointRecord(temperature=300, field=[0, 0, 0]))
    assert store.partial_keys() == []
    store.drop_partial(KEY)


def test_array_files_refuse_what_it_cannot_keep(tmp_path: Path) -> None:
    for value in (np.array([object()]), np.array(["2020"], "datetime64[s]"), {1, 2}):
        with pytest.raises(TypeError):
            write_arrays(tmp_path / "a.npz", "test", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_points_are_saved_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, record = PointStore(tmp_path), PointRecord(temperature=300, field=[0, 0, 0])
    keys = [f"{k:016x}" for k in range(3)]
    store.save_all({})
    assert list(tmp_path.iterdir()) == []
    store.save_all(dict.fromkeys(keys[:1], record))
    with pytest.raises(ValueError, match="not a key"):
        store.save_all({keys[1]: record, "../evil": record})
    rows, real = iter(range(4)), Pack.digest

    def digest(self: Pack, version: int) -> bytes:
        if next(rows) == 3:
            raise RuntimeError("in the middle")
        return real(self, version)

    with monkeypatch.context() as patch:
        patch.setattr(Pack, "digest", digest)
        with pytest.raises(RuntimeError, match="in the middle"):
            store.save_all(dict.fromkeys(keys[1:], record))
    assert store.keys() == keys[:1]
    store.save_all(dict.fromkeys(keys, record))
    assert store.keys() == keys


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_truncated_point_counts_as_missing(tmp_path: Path, keep: float) -> None:
    store = PointStore(tmp_path)
    record = PointRecord(
        temperature=300, field=[0, 0, 0], values={"wall_time": 1.0}, tallies=(random_tallies(50),)
    )
    store.save(KEY, record)
    path = store.path(KEY)
    change_row(tmp_path, KEY, f"SET data = substr(data, 1, CAST({keep} * length(data) AS INTEGER))")
    with pytest.raises(StoreError, match=KEY) as e:
        store.load(KEY)
    assert e.value.problems[0].file == str(path)
    assert "makes it anew" in e.value.problems[0].remedy
    assert store.get(KEY) is None
    assert store.damaged == [path]
    store.save(KEY, record)
    assert store.get(KEY) is not None


@pytest.mark.parametrize("table", ["points", "tallies"])
def test_every_changed_byte_of_a_point_is_noticed(tmp_path: Path, table: str) -> None:
    store = PointStore(tmp_path)
    record = PointRecord(
        temperature=300, field=[0, 0, 0], values={"wall_time": 1.0}, tallies=(random_tallies(50),)
    )
    for part in ("layout", "texts", "data", "digest", "version"):
        store.save(KEY, record, replace=True)
        changed = "version + 1" if part == "version" else f"CAST(substr({part}, 2) || x'01' AS BLOB)"
        change_row(tmp_path, KEY, f"SET {part} = {changed}", table)
        with pytest.raises(StoreError, match="checksum") as caught:
            store.load(KEY)
        assert KEY in str(caught.value)
        assert (store.summary(KEY) is None) is (table == "points")  # tallies are not looked at


def test_every_flipped_bit_of_an_array_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, "test", {"x": np.arange(5.0), "name": "abc", "y": np.arange(9000.0)})
    assert read_arrays(path, "test")["name"] == "abc"
    with np.load(path) as file:  # by anybody
        assert file["x"].tolist() == [0, 1, 2, 3, 4]
    whole = path.read_bytes()
    for place in (*range(0, 8 * len(whole), 997), 8 * len(whole) - 1):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(StoreError, match="checksum"):
            read_arrays(path, "test")
    for length in (0, 10, 64, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="cannot be read"):
            read_arrays(path, "test")


@pytest.mark.parametrize("noise", [False, True])
def test_large_arrays_come_back(tmp_path: Path, noise: bool) -> None:
    """Compressed where that pays."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 71)) if noise else np.repeat(np.arange(300.0), 71).reshape(300, 71)
    content = {"a": values, "b": rng.integers(0, 9, 7).astype(np.int8), "c": np.float32(0.1)}
    path = tmp_path / "a.npz"
    write_arrays(path, "test", content)
    assert (path.stat().st_size < values.nbytes / 4) is not noise
    back = read_arrays(path, "test")
    assert all(same(back[n], v) for n, v in content.items())


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, "test", {"x": 1})
    with pytest.raises(StoreError, match="not a other"):
        read_arrays(path, "other")
    with pytest.raises(StoreError, match="no such file"):
        read_arrays(tmp_path / "b.npz", "test")


def test_of_two_databases_the_later_intact_row_counts(tmp_path: Path) -> None:
    def record(seconds: float) -> PointRecord:
        return PointRecord(temperature=300, field=[0, 0, 0], values={"wall_time": seconds})

    PointStore(tmp_path).save(KEY, record(1.0))
    PointStore(tmp_path, writer="1-of-2").save(KEY, record(2.0), replace=True)
    store = PointStore(tmp_path)
    assert store.load(KEY).values["wall_time"] == 2.0
    assert {p.name for p in tmp_path.iterdir()} == {"points.sqlite", "points-1-of-2.sqlite"}
    with closing(sqlite3.connect(tmp_path / "points-1-of-2.sqlite")) as connection, connection:
        connection.execute("UPDATE points SET data = x'00'")
    assert store.load(KEY).values["wall_time"] == 1.0
    store.discard(KEY)
    assert store.keys() == []


# writing is atomic -------------------------------------------------------------------------------------


def test_a_file_gets_its_name_between_two_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(*args: Any) -> Any:
            calls.append(
                name if name != "fsync" else f"fsync {Path(os.readlink(f'/proc/self/fd/{args[0]}')).suffix}"
            )
            return real(*args)

        monkeypatch.setattr(os, name, call)

    write, parts = os.writev, [b"a" * 10, b"", b"b" * 5000, *(b"c" for _ in range(100))]
    for name in ("fsync", "replace"):
        noted(name)
    monkeypatch.setattr(
        os, "writev", lambda fd, some: write(fd, [some[0][:700]])
    )  # a disk that takes little at once
    write_parts(tmp_path / "x", parts)
    assert calls == ["fsync .tmp", "replace", "fsync "]
    assert (tmp_path / "x").read_bytes() == b"".join(parts)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StoreError, match="No space"):
        write_parts(tmp_path / "x", [b"new"])
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"".join(parts)


@contextmanager
def dying_before(monkeypatch: pytest.MonkeyPatch, call: str) -> Iterator[None]:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, die)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_interrupted_writing_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store, path = PointStore(tmp_path / "a.points"), tmp_path / "a.h5"
    data = dataset([300], [0, 1e7])
    store.save(KEY, PointRecord(temperature=300, field=[0, 0, 0], values={"wall_time": 1.0}))
    write_results(path, data, provenance=PROVENANCE)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with dying_before(monkeypatch, call):
        store.save_partial(KEY, {"stage": "production"})
    with dying_before(monkeypatch, call):
        write_results(path, data, provenance=Provenance(identity="b", input_text="other", seed=1))
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_killed_while_writing(tmp_path: Path) -> None:
    """A real death, where no clean-up runs; the rest is swept up by the next run."""
    script = f"""
        import os
        from kmc_transport.store import PointRecord, PointStore, lock_output, points_folder
        path = {str(tmp_path / "a.h5")!r}
        with lock_output(path):
            store = PointStore(points_folder(path))
            store.save({KEY!r}, PointRecord(temperature=300, field=[0, 0, 0], values={{"wall_time": 1.0}}))
            store.save_partial({KEY!r}, {{"stage": "pilot"}})
            later = PointRecord(temperature=300, field=[0, 0, 0], values={{"wall_time": 2.0}})
            try:
                with store._rows._writing() as connection:
                    connection.execute("DELETE FROM points")
                    connection.execute("PRAGMA cache_spill=1")
                    os.replace = lambda *_: os._exit(9)
                    store.save_partial({KEY!r}, {{"stage": "production"}})
            finally:
                os._exit(8)
    """
    code = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False).returncode
    assert code == 9
    path = tmp_path / "a.h5"
    store = PointStore(points_folder(path))
    assert any(p.suffix == ".tmp" for p in store.folder.iterdir())
    with lock_output(path):
        assert [p for p in store.folder.iterdir() if p.suffix == ".tmp"] == []
        assert store.load(KEY).values["wall_time"] == 1.0
        assert store.load_partial(KEY) == {"stage": "pilot"}


def test_unwritable_place_says_what_to_do(tmp_path: Path) -> None:
    data = dataset([300], [0])
    with pytest.raises(StoreError, match="could not be written") as e:
        write_results(tmp_path / "missing" / "a.h5", data, provenance=PROVENANCE)
    assert "-o" in e.value.problems[0].remedy
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="folder cannot be made"):
        PointStore(tmp_path / "file" / "a.points").save(KEY, PointRecord(temperature=300, field=[0, 0, 0]))


# dataset -----------------------------------------------------------------------------------------------


def test_points_go_to_their_places() -> None:
    model = grid_model([300, 400], [0, 1e7, 3e7], charges=(1, -2), directions=(X, Y))
    points = records(model)
    assert len(points) == 2 * (1 + 2 * 2)
    missing = points.pop(7)
    data = build_dataset(model, points)
    assert data["field"].values.tolist() == [0, 1e7, 3e7]
    assert int(data["complete"].sum()) == 2 * (2 + 2 * 2) - 1
    for record in points:
        direction = "[0, 1, 0]" if record.field[1] > 0 else "[1, 0, 0]"
        here = {"temperature": record.temperature, "field": round(np.linalg.norm(record.field) * 1e10)}
        cell = data.sel(here | {"direction": direction})
        assert bool(cell["complete"])
        assert same(cell["tracer_diffusivity"].values, record.values["tracer_diffusivity"])
        assert same(cell["tracer_diffusivity_stderr"].values, record.stderrs["tracer_diffusivity"])
        if here["field"]:
            assert same(cell["mobility"].values, record.values["mobility"])
            assert np.isnan(cell["mobility_einstein"]).all()
        else:
            assert np.isnan(cell["mobility"]).all()
            for d in (0, 1):
                einstein = data.sel(here).isel(direction=d)["mobility_einstein"].values
                assert same(einstein, record.values["mobility_einstein"][d])
    gap = data.sel(temperature=missing.temperature, field=1e7).isel(direction=int(missing.field[1] > 0))
    assert not bool(gap["complete"])
    assert np.isnan(gap["tracer_diffusivity"]).all()
    assert int(gap["executed_hops"]) == 0
    assert str(gap["exit_reason"].values) == ""


def test_field_is_found_again_by_the_number_of_the_input() -> None:
    """1e5 V/m is not 1e5 after two conversions in floating point."""
    assert (1e5 * 1e-10) * 1e10 != 1e5
    assert build_dataset(grid_model([300], [0, 1e5]), [])["field"].values.tolist() == [0, 1e5]


def test_directions_of_a_point_are_found_by_vector() -> None:
    """A point may know more directions than the grid, in another order."""
    model = grid_model([300], [0], directions=(X, Y))
    record = PointRecord(
        temperature=300,
        field=[0, 0, 0],
        values={"mobility_einstein": [[3.0], [2.0], [1.0]]},
        directions=[[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    )
    data = build_dataset(model, [record])
    assert data["mobility_einstein"].values.ravel().tolist() == [1.0, 2.0]


def test_exact_alone_does_not_complete_a_point() -> None:
    model = grid_model([300], [0, 1e7])
    data = build_dataset(
        model, [PointRecord(temperature=300, field=[1e-3, 0, 0], exacts={"mobility": [2.0]})]
    )
    assert not data["complete"].any()
    assert data["mobility_exact"].sel(field=1e7).item() == 2.0
    assert "mobility_einstein_exact" not in data


def test_no_conductivity_without_a_volume() -> None:
    model = grid_model([300], [0], volume=False)
    assert model.volume is None
    assert "conductivity" not in build_dataset(model, records(model))
    model = grid_model([300], [0])
    assert "conductivity" in build_dataset(model, records(model))


def test_einstein_deviation_is_taken_at_the_weakest_field() -> None:
    model = grid_model([300], [0, 1e7, 1e8])
    points = [
        PointRecord(
            temperature=300,
            field=[0, 0, 0],
            values={"mobility_einstein": [[1.0]]},
            stderrs={"mobility_einstein": [[0.3]]},
            exacts={},
            directions=[X[1]],
        ),
        PointRecord(
            temperature=300, field=[1e-3, 0, 0], values={"mobility": [2.0]}, stderrs={"mobility": [0.4]}
        ),
        PointRecord(
            temperature=300, field=[1e-2, 0, 0], values={"mobility": [9.0]}, stderrs={"mobility": [0.4]}
        ),
    ]
    assert build_dataset(model, points)["einstein_deviation"].values.ravel() == pytest.approx([2.0])
    assert np.isnan(build_dataset(model, points[1:])["einstein_deviation"].values).all()


@pytest.mark.parametrize(
    ("record", "match"),
    [
        (PointRecord(temperature=301, field=[0, 0, 0]), "not on the grid"),
        (PointRecord(temperature=300, field=[2e-3, 0, 0]), "not on the grid"),
        (PointRecord(temperature=300, field=[0, 1e-3, 0]), "not on the grid"),
        (PointRecord(temperature=300, field=[1e-3, 0, 0], values={"mobility": [1.0, 2.0]}), "wrong shape"),
        (PointRecord(temperature=300, field=[0, 0, 0], values={"mobility_einstein": [1.0]}), "wrong shape"),
    ],
)
def test_points_that_do_not_fit_are_refused(record: PointRecord, match: str) -> None:
    with pytest.raises(StoreError, match=match):
        build_dataset(grid_model([300], [0, 1e7]), [record])


def test_extra_arrays() -> None:
    model = grid_model([300], [0])
    extra = {"arrhenius_activation_energy": [[0.24]], "arrhenius_activation_energy_stderr": [[0.01]]}
    data = build_dataset(model, [], extra=extra)
    assert data["arrhenius_activation_energy"].dims == ("direction", "carrier")
    assert data["arrhenius_activation_energy"].attrs["units"] == "eV"
    with pytest.raises(StoreError, match="wrong shape"):
        build_dataset(model, [], extra={"arrhenius_prefactor": [1.0]})
    with pytest.raises(StoreError, match="not in the registry"):
        build_dataset(model, [], extra={"prefactor": [[1.0]]})


# result file -------------------------------------------------------------------------------------------


def test_result_file_opens_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    model = grid_model([300, 400], [0, 1e7], charges=(1, -1), directions=(X, Y))
    data = build_dataset(model, records(model))
    catalogs = [build_catalog(model, temperature=t) for t in (300, 400)]
    write_results(path, data, provenance=PROVENANCE, catalogs=catalogs)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]

    with xr.open_dataset(path, engine="h5netcdf") as raw:
        assert raw.attrs["Conventions"] == "CF-1.11"
        assert raw["complete"].dtype == bool
        for name, variable in raw.variables.items():
            assert variable.attrs["units"], name
            assert variable.attrs["long_name"], name
            spec = ARRAYS[base_name(str(name))]
            if name == spec.name and spec.has_stderr:
                assert variable.attrs["ancillary_variables"] == f"{name}_stderr"
                assert f"{name}_stderr" in raw
    with h5py.File(path) as file:
        assert [v.decode() for v in file["carrier"]] == ["hole_polaron", "sodium_ion"]
        assert file["exit_reason"][0, 0, 0] == b"accuracy reached"
        assert file.attrs["input"] == "title: µ\n"
        assert same(file["mobility"][()], data["mobility"].values)
        for (
            name,
            variable,
        ) in data.variables.items():  # HDF5 looks both ways, from the array and from the scale
            for k, dim in enumerate(variable.dims if variable.dims != (name,) else ()):
                assert h5py.h5ds.is_attached(file[name].id, file[dim].id, k), (name, dim)
        assert h5py.h5ds.is_attached(file["catalog/log_rate"].id, file["temperature"].id, 0)

    back = open_results(path)
    assert set(back.variables) == set(data.variables)
    assert set(back.coords) == set(data.coords)
    theirs = xr.load_dataset(path, engine="h5netcdf").set_coords(list(back.coords))
    assert back.identical(theirs)
    assert [v.dtype for v in back.variables.values()] == [theirs[n].dtype for n in back.variables]
    assert {k: type(v) for k, v in back.attrs.items()} == {k: type(v) for k, v in theirs.attrs.items()}
    for name in data.variables:
        assert same(back[name].values, data[name].values), name
        assert back[name].dims == data[name].dims

    part = open_results(path, only=["mobility", "complete"])
    assert set(part.variables) == {"mobility", "complete", "temperature", "field", "direction", "carrier"}
    assert all(
        part[name].identical(back[name].reset_coords(drop=True)) for name in ("complete", "temperature")
    )
    assert same(part["mobility"].values, back["mobility"].values)

    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert tree["catalog"]["carrier_name"].dims == ("hop",)
    table = read_catalog(path)
    assert table.identical(xr.load_dataset(path, engine="h5netcdf", group="catalog"))
    assert same(table["log_rate"].values, np.stack([c.log_rate for c in catalogs]))
    assert table["vector"].values == pytest.approx(model.network.vector * 1e-10)
    assert table["class_name"].values[0] == model.hop_classes[0].name
    assert list(table["carrier_name"].values[-1:]) == ["sodium_ion"]
    path.unlink()  # nothing holds it open
    write_results(path, data, provenance=PROVENANCE)
    assert len(read_catalog(path).variables) == 0


def test_provenance_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    long_input = "# a long input\n" * 20_000  # more than the 64 KiB that HDF5 holds in an attribute itself
    written = Provenance(
        identity="id", input_text=long_input, seed=2**127 + 5, input_path="in.yaml", command="run in.yaml"
    )
    write_results(path, dataset([300], [0]), provenance=written)
    assert read_provenance(path) == written
    assert {"python", "numpy", "kmc_transport"} <= set(written.versions)
    assert written.time.endswith("+00:00")


def test_catalogs_at_other_temperatures_are_refused(tmp_path: Path) -> None:
    model = grid_model([300, 400], [0])
    with pytest.raises(ValueError, match="at temperatures of the dataset"):
        write_results(
            tmp_path / "a.h5",
            build_dataset(model, []),
            provenance=PROVENANCE,
            catalogs=[build_catalog(model, temperature=350)],
        )


def test_a_dataset_that_breaks_the_registry_is_not_written(tmp_path: Path) -> None:
    data = dataset([300], [0])
    data["mobility"].attrs["units"] = "cm2 V-1 s-1"
    with pytest.raises(StoreError, match="another attribute units"):
        write_results(tmp_path / "a.h5", data, provenance=PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_results(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(StoreError, match="no such result file") as e:
        open_results(path)
    assert "kmc-transport run" in e.value.problems[0].remedy
    assert e.value.exit_code == 2
    path.write_text("not HDF5")
    with pytest.raises(StoreError, match="not an HDF5 file"):
        open_results(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(StoreError, match="not a result file"):
        open_results(path)
    write_results(path, dataset([300], [0]), provenance=PROVENANCE)
    with h5py.File(path, "r+") as file:
        file.attrs["kmc_transport_results"] = 99
    with pytest.raises(StoreError, match="newer version"):
        open_results(path)
    write_results(path, dataset([300], [0]), provenance=PROVENANCE)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StoreError, match="damaged"):
        open_results(path)


# who may write where -----------------------------------------------------------------------------------


def finished_run(path: Path, provenance: Provenance = PROVENANCE) -> None:
    begin_run(path, provenance)
    store = PointStore(points_folder(path))
    store.save(KEY, PointRecord(temperature=300, field=[0, 0, 0]))
    store.save_partial("f" * 16, {"stage": "pilot"})
    write_results(path, dataset([300], [0]), provenance=provenance)


def test_same_input_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    assert check_output(path, "identity-a").fresh
    begin_run(path, PROVENANCE)
    state = check_output(path, "identity-a")
    assert state.run == PROVENANCE
    assert not state.has_result
    with pytest.raises(StoreError, match="different input") as e:
        check_output(path, "identity-b")
    assert "--overwrite" in e.value.problems[0].remedy
    assert e.value.exit_code == 2
    finished_run(path)
    assert check_output(path, "identity-a").has_result
    shutil.rmtree(points_folder(path))
    state = check_output(path, "identity-a")
    assert state.has_result
    assert state.run is None
    with pytest.raises(StoreError, match="different input"):
        check_output(path, "identity-b")


def test_overwrite_deletes_what_is_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    finished_run(path)
    folder = points_folder(path)
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "a.yaml").write_text("mine")
    start_over(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.points", "a.yaml"]
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    finished_run(path, Provenance(identity="identity-b", input_text="", seed=1))
    with lock_output(path):
        start_over(path)
        assert check_output(path, "identity-a").fresh
    assert not folder.exists()
    start_over(path)  # nothing there
    assert not folder.exists()


def test_what_is_not_ours_is_never_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
    for call in (lambda: start_over(path), lambda: check_output(path, "identity-a")):
        with pytest.raises(StoreError, match="not a result file"):
            call()
    assert path.exists()
    path.unlink()
    folder = points_folder(path)
    folder.mkdir()
    (folder / "points.sqlite").write_text("somebody else's")
    for call in (lambda: start_over(path), lambda: check_output(path, "identity-a")):
        with pytest.raises(StoreError, match="did not write"):
            call()
    assert (folder / "points.sqlite").exists()


def test_damaged_note_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    begin_run(path, PROVENANCE)
    note = points_folder(path) / "run.json"
    content = json.loads(note.read_text())
    for text in (
        "{",
        "[]",
        "{}",
        json.dumps(content | {"kmc_transport_run": 99}),
        json.dumps(content | {"x": 1}),
    ):
        note.write_text(text)
        with pytest.raises(StoreError, match=r"run\.json"):
            read_run(path)


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with lock_output(path):
        with pytest.raises(StoreError, match="another run") as e, lock_output(path):
            pass
        assert str(os.getpid()) in str(e.value)
        with lock_output(tmp_path / "b.h5"):
            pass
        script = f"from kmc_transport.store import *\nwith lock_output({str(path)!r}): pass"
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "another run" in other.stderr
        begin_run(path, PROVENANCE)
    folder = points_folder(path)
    assert sorted(p.name for p in folder.iterdir()) == [f".owner-{owner_mark(PROVENANCE)}", "run.json"]
    (folder / ".lock").write_text("process 1")  # left by a run that was killed
    with lock_output(path):
        pass
    with lock_output(tmp_path / "c.h5"):
        pass
    assert not points_folder(tmp_path / "c.h5").exists()


def test_a_link_leads_to_the_real_output(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link, real = tmp_path / "a.h5", tmp_path / "disk" / "real.h5"
    link.symlink_to(real)
    assert points_folder(link) == real.with_name("real.points")
    finished_run(link)
    assert link.is_symlink()
    assert open_results(real).attrs["model_identity"] == "identity-a"


def test_reading_needs_no_simulation_and_importing_is_light() -> None:
    script = """
        import sys
        import kmc_transport.store, kmc_transport.figures.results, kmc_transport.arrays
        heavy = {"numba", "xarray", "h5py", "h5netcdf", "matplotlib", "pandas", "pint", "kmc_transport.engine"}
        sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
