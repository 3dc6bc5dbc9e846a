"""Nothing that is finished, or another's, is emptied or replaced by accident."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kmc_transport.errors import DamagedFile, StoreError
from kmc_transport.figures import results, style
from kmc_transport.figures.results import plot_results
from kmc_transport.model import Model
from kmc_transport.runs import schedule
from kmc_transport.runs.pipeline import run
from kmc_transport.store import (
    PointStore,
    Provenance,
    open_results,
    points_folder,
    read_provenance,
    save_catalog,
    write_results,
)
from kmc_transport.store.arrayfile import read_arrays, write_arrays
from tests.disk import small_files
from tests.processes import call
from tests.runs.sweeps import INPUT as SWEEP
from tests.runs.sweeps import assert_same_table, change_row
from tests.runs.sweeps import sweep_model as model_of
from tests.store.results import dataset

INPUT = SWEEP.replace("[300, 350, 400, 450, 500, 550]", "[300, 350]").replace("[0, 1e8]", "[1e8]")
N_POINTS = 2
PROVENANCE = Provenance(
    identity="identity-a",
    input_text="title: a\n",
    seed=7,
    input_path="a.yaml",
    command="kmc-transport run a.yaml",
)


def sweep_model(text: str = INPUT) -> Model:
    return model_of(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finished") / "a.h5"
    run(sweep_model(), output=path, executor="threads", workers=2)
    return path


@pytest.fixture
def alone(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result file without its folder, in the present folder, beside its input."""
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(INPUT)
    shutil.copy(finished, "a.h5")
    return Path("a.h5")


@pytest.fixture
def copy(alone: Path, finished: Path) -> Path:
    shutil.copytree(points_folder(finished), "a.points")
    return alone


def interrupt(monkeypatch: pytest.MonkeyPatch, error: type[BaseException] = KeyboardInterrupt) -> None:
    def stop(*_: Any) -> Any:
        raise error("stopped")

    monkeypatch.setattr(schedule, "_some", stop)


# finished results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoreError])
def test_a_run_that_ends_early_leaves_finished_rows(
    alone: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    before = alone.read_bytes()
    with monkeypatch.context() as patch:
        interrupt(patch, error)
        with pytest.raises(error):
            run(sweep_model(), output=alone, executor="threads", workers=1)
    assert alone.read_bytes() == before
    assert_same_table(run(sweep_model(), output=alone), open_results(alone))
    assert int(open_results(alone)["complete"].sum()) == N_POINTS


def test_ctrl_c_on_another_accuracy_leaves_the_rows_of_the_old_one(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.read_bytes()
    interrupt(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(sweep_model(INPUT.replace("events: 2000", "events: 4000")), output=copy, executor="threads")
    assert copy.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INPUT.replace("0.3 eV", "0.31 eV"), "different input"),
        (INPUT.replace("seed: 3", "seed: 4"), "different input"),
        (INPUT.replace("events: 2000", "events: 100"), "folder of points is gone"),
        (INPUT.replace("[300, 350]", "[310, 350]"), "folder of points is gone"),
    ],
)
def test_what_would_replace_a_result_alone_is_refused(alone: Path, text: str, message: str) -> None:
    before = alone.read_bytes()
    for shard in (None, (1, 2)):
        with pytest.raises(StoreError, match=message) as caught:
            run(sweep_model(text), output=alone, shard=shard)
        assert caught.value.exit_code == 2
        assert "--overwrite" in str(caught.value)
    assert alone.read_bytes() == before
    assert not list(points_folder(alone).glob("*.h5")) if points_folder(alone).exists() else True


def test_the_drawn_seed_of_a_result_alone_is_kept(tmp_path: Path) -> None:
    path, model = tmp_path / "a.h5", sweep_model(INPUT.replace("seed: 3, ", ""))
    first = run(model, output=path, executor="threads")
    shutil.rmtree(points_folder(path))
    assert_same_table(run(model, output=path, executor="threads"), first)


def test_a_grid_that_drops_rows_without_points_is_refused(copy: Path) -> None:
    """Rows that the grid no longer asks for may go when their points stay in the folder."""
    smaller = sweep_model(INPUT.replace("[300, 350]", "[350]"))
    before = copy.read_bytes()
    store = PointStore(points_folder(copy))
    cold, *_ = (k for k in list(store.keys()) if store.load(k).temperature == 300)
    record, file = store.load(cold), points_folder(copy) / "points.sqlite"
    content = file.read_bytes()
    store.discard(cold)
    del record
    with pytest.raises(StoreError, match="1 finished conditions that would be lost"):
        run(smaller, output=copy)
    assert copy.read_bytes() == before
    file.write_bytes(content)
    run(smaller, output=copy)
    assert 300 not in open_results(copy)["temperature"].values
    run(sweep_model(), output=copy)
    assert int(open_results(copy)["complete"].sum()) == N_POINTS


def test_merge_keeps_finished_rows_and_damaged_files(
    copy: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = open_results(copy)
    shutil.rmtree(points_folder(copy))
    run(sweep_model(), output="b.h5", shard=(1, 2), executor="threads")
    assert call("merge", "b.points", "-o", "a.h5") == 1
    assert "would be lost" in capsys.readouterr().err
    assert_same_table(open_results(copy), whole)
    shutil.rmtree(points_folder(copy))
    shutil.copytree(points_folder(finished), points_folder(copy))
    damaged = bytearray(copy.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    copy.write_bytes(damaged)
    assert call("results", copy) == 2
    assert "kmc-transport merge" in capsys.readouterr().err  # and the remedy helps
    assert call("merge", "a.points") == 0
    assert_same_table(open_results(copy), whole)
    assert Path("a.damaged.h5").read_bytes() == damaged
    copy.write_text("the user's own")
    assert call("merge", "a.points") == 2
    assert copy.read_text() == "the user's own"


# a result file alone -----------------------------------------------------------------------------------


def test_commands_on_a_result_alone(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.h5", "a.points"):
        assert call("results", name, "--json") == 0
        assert len(json.loads(capsys.readouterr().out)["results"]) == N_POINTS
        assert call("status", name) == 0
        out = capsys.readouterr().out
        assert "2 of 2 points done, 0 failed, 0 missing" in out
        assert "the folder of points is gone" in out
        assert call("verify", name, "--points", "2") == 0
        out = capsys.readouterr().out
        assert out.count("the same bit for bit") == 2
        assert "the folder of points is gone" in out
    assert not Path("a.points").exists()


def test_verify_finds_forged_rows_of_a_result_alone(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = open_results(finished)
    data["tracer_diffusivity"].values[:] *= 1.0000001
    write_results(tmp_path / "a.h5", data, provenance=read_provenance(finished))
    assert call("verify", tmp_path / "a.h5") == 1
    assert "DIFFERENT: tracer_diffusivity" in capsys.readouterr().out


# damaged points ----------------------------------------------------------------------------------------


def test_a_point_under_another_points_name_is_noticed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, store = open_results(copy), PointStore(points_folder(copy))
    one, other = map(store.path, store.keys())
    change_row(
        store.folder,
        other.name,
        f"SET (version, layout, texts, data, digest) = (SELECT version, layout, "
        f"texts, data, digest FROM points WHERE key = '{one.name}')",
    )
    assert call("results", "a.points") == 0
    assert str(other) in capsys.readouterr().err
    assert call("merge", "a.h5") == 1
    assert str(other) in capsys.readouterr().err
    assert call("verify", "a.h5", "--points", "0", "--discard-damaged") == 1
    assert f"another run: {other}" in capsys.readouterr().out
    assert other.name in set(store.keys())  # intact, elsewhere it may be somebody's only copy
    assert call("run", "a.yaml", "-q", "--no-plot") == 0
    assert str(other) in capsys.readouterr().err
    assert_same_table(open_results(copy), whole)
    assert PointStore(points_folder(copy)).load(other.name).temperature in (300, 350)


def test_what_cannot_be_read_now_is_not_damaged(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = PointStore(points_folder(copy))
    one, other = map(store.path, store.keys())
    file = store.folder / "points.sqlite"
    monkeypatch.setattr("kmc_transport.store.database._PATIENCE", 0.2)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM points").fetchone()
        assert call("verify", "a.h5", "--points", "0", "--discard-damaged") == 0
        connection.execute("ROLLBACK")
        connection.execute("BEGIN EXCLUSIVE")
        assert call("verify", "a.points", "--points", "0", "--discard-damaged") == 2
        assert "locked" in capsys.readouterr().err
        assert call("run", "a.yaml", "-q") == 2  # nor simulated again
        connection.execute("ROLLBACK")
    assert len(store.keys()) == 2
    change_row(store.folder, one.name, "SET data = zeroblob(length(data))")
    change_row(store.folder, other.name, "SET data = substr(data, 1, 1000)", "tallies")
    assert call("verify", "a.h5", "--points", "0", "--discard-damaged") == 1
    assert store.keys() == []


@pytest.mark.parametrize("name", ["frame.npz", "plan.npz"])
def test_plan_and_frame_without_their_data(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = points_folder(copy) / name
    content = read_arrays(file, name.removesuffix(".npz"))
    for what in (n for n in content if "/" not in n):
        write_arrays(file, name.removesuffix(".npz"), {n: v for n, v in content.items() if n != what})
        for command in ("merge", "verify"):
            assert call(command, copy) == 2, what
            assert name in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", "{}", '{"points": "x"}', "[" * 5000, "\x00", '{"done": 1e400}'])
def test_a_damaged_note_of_progress_is_not_shown(copy: Path, content: str) -> None:
    (points_folder(copy) / "progress.json").write_text(content)
    assert call("status", copy) == 0


# a full disk -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("run", "a.yaml", "-q", "--no-plot"), ("merge", "a.points")])
def test_a_full_disk_is_one_message(
    copy: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Points fit, the result file does not."""
    before = copy.read_bytes()
    with small_files(30_000):
        assert call(*command) == 2
    err = capsys.readouterr().err
    assert "could not be written: File too large" in err
    assert len(err) < 2000
    assert copy.read_bytes() == before


# files of others ---------------------------------------------------------------------------------------


def refuses(*arguments: str | Path) -> None:
    """Nothing that is there changes."""
    before = {p: p.read_bytes() for p in Path.cwd().rglob("*") if p.is_file()}
    assert call(*arguments) == 2
    assert {p: p.read_bytes() for p in Path.cwd().rglob("*") if p.is_file()} == before


def test_a_catalog_replaces_catalogs_alone(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.csv").write_text("temperature [K],hop\n1,2\n")
    for name in ("a.h5", "x.csv"):
        refuses("catalog", "a.yaml", "-o", name)
        assert "--overwrite" in capsys.readouterr().err
    for name in ("c.csv", "c.h5"):
        for _ in range(2):
            assert call("catalog", "a.yaml", "-o", name) == 0
    refuses("run", "a.yaml", "-o", "c.h5")
    assert call("catalog", "a.yaml", "-o", "x.csv", "--overwrite") == 0


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "eps"])
def test_pictures_replace_pictures_of_ours_alone(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # whole fonts cost matplotlib six seconds a picture; tests of figures draw with them
    monkeypatch.setitem(style._EDITABLE, "ps.fonttype", 3)
    path, data = tmp_path / f"x.{kind}", dataset([300], [1e7], exact=False)
    plot_results(data, path)
    from matplotlib.figure import Figure

    # the first is drawn in full, others are empty
    monkeypatch.setattr(results, "save_figure", lambda _, *to, **how: style.save_figure(Figure(), *to, **how))
    plot_results(data, path)
    Figure().savefig(path)  # the user's own
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no picture that kmc_transport wrote"):
        plot_results(data, path)
    assert path.read_bytes() == before
    plot_results(data, path, overwrite=True)
    plot_results(data, path)


def test_commands_that_draw_refuse_pictures_of_others(copy: Path) -> None:
    Path("x.png").write_bytes(b"mine")
    refuses("plot", copy, "-o", "x.png")
    refuses("plot", copy, "-o", "a.h5")
    assert call("plot", copy, "-o", "x.png", "--overwrite") == 0


def test_run_refuses_another_ones_picture_before_it_simulates(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("b.png").write_bytes(b"mine")
    refuses("run", "a.yaml", "-o", "b.h5")
    assert "--no-plot" in capsys.readouterr().err
    assert call("run", "a.yaml", "-q", "--no-plot") == 0


def test_replaced_files_keep_their_permissions(tmp_path: Path) -> None:
    data = dataset([300, 400], [0, 1e7])
    result, picture, catalog = tmp_path / "a.h5", tmp_path / "a.png", tmp_path / "a.csv"
    from kmc_transport.rates import build_catalog
    from tests.store.results import grid_model

    def write() -> None:
        write_results(result, data, provenance=PROVENANCE)
        plot_results(data, picture)
        save_catalog(catalog, [build_catalog(grid_model([300], [0]), temperature=300)])

    write()
    for path in (result, picture, catalog):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
        path.chmod(0o640)
    write()
    assert {stat.S_IMODE(p.stat().st_mode) for p in (result, picture, catalog)} == {0o640}


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator gives files away")
def test_replaced_files_keep_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_results(path, dataset([300], [0]), provenance=PROVENANCE)
    os.chown(path, 1000, 1001)
    write_results(path, dataset([300], [0]), provenance=PROVENANCE)
    assert (path.stat().st_uid, path.stat().st_gid) == (1000, 1001)


@pytest.mark.parametrize("name", ["x" * 245 + ".h5", "é" * 122 + ".h5"])
def test_names_as_long_as_the_file_system_takes(tmp_path: Path, name: str) -> None:
    write_results(tmp_path / name, dataset([300], [0]), provenance=PROVENANCE)
    assert os.listdir(tmp_path) == [name]


def test_a_folder_of_another_beside_the_output_stays(copy: Path) -> None:
    theirs = {Path("b.points/.mine.tmp"), Path("b.nc.points/state.npz")}
    for file in theirs:
        file.parent.mkdir()
        file.write_bytes(b"mine")
    refuses("run", "a.yaml", "-o", "b.h5", "--no-plot")
    refuses("trajectory", "a.yaml", "-n", "2", "-o", "b.nc", "--overwrite")
    assert {file.read_bytes() for file in theirs} == {b"mine"}


def test_a_file_of_another_is_refused_without_promises(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("b.h5").write_bytes(b"mine")
    refuses("run", "a.yaml", "-o", "b.h5")
    assert "simulated again" not in capsys.readouterr().err


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# the bits of a result file -----------------------------------------------------------------------------


def numbers(path: Path) -> dict[str, bytes]:
    data = open_results(path)
    return {str(n): np.ascontiguousarray(v.values).tobytes() for n, v in data.variables.items()}


def test_no_flipped_bit_changes_a_number_silently(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_results(path, dataset([300, 400], [0, 1e7]), provenance=PROVENANCE)
    whole = path.read_bytes()
    right: dict[Any, Any] = {read: read(path) for read in (numbers, read_provenance)}
    rng = random.Random(0)
    places = {rng.randrange(8 * len(whole)) for _ in range(400)} | set(
        range(8 * len(whole) - 200, 8 * len(whole))
    )
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        for read in (numbers, read_provenance):
            try:
                found = read(path)
            except StoreError:
                continue
            assert found == right[read], f"bit {place}"  # in the end of the seal's mark, say: harmless
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 86, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError):
            open_results(path)


def test_every_array_has_a_checksum_for_other_programs_too(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_results(path, dataset([300, 400], [0, 1e7]), provenance=PROVENANCE)
    with h5py.File(path) as file:
        plain = [n for n, d in file.items() if d.dtype.kind in "fiub" and d.shape and not d.fletcher32]
    assert plain == []


def test_a_result_that_another_program_has_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_results(path, dataset([300], [0, 1e7]), provenance=PROVENANCE)
    with h5py.File(path, "r+") as file:
        file["mobility"][...] = 1.0
    with pytest.raises(DamagedFile, match="checksum"):
        open_results(path)


@pytest.mark.parametrize("how", ["external link", "soft link", "virtual", "external data", "group"])
def test_results_that_lead_elsewhere_are_refused(tmp_path: Path, how: str) -> None:
    """Files without a checksum, of the first version: they are read as long as all numbers are in them."""
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    for p in (path, other):
        write_results(p, dataset([300], [0, 1e7]), provenance=PROVENANCE)
        with h5py.File(p, "r+") as file:
            file.attrs["kmc_transport_results"] = 1
    open_results(path)
    with h5py.File(path, "r+") as file:
        shape = file["mobility"].shape
        del file["mobility"]
        if how == "external link":
            file["mobility"] = h5py.ExternalLink(str(other), "mobility")
        elif how == "soft link":
            file["mobility"] = h5py.SoftLink("/mobility_stderr")
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape, float)
            layout[...] = h5py.VirtualSource(str(other), "mobility", shape)
            file.create_virtual_dataset("mobility", layout)
        elif how == "external data":
            file.create_dataset("mobility", shape, float, external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        else:
            file.create_group("more")["itself"] = file["/"]
    with pytest.raises(DamagedFile, match=r"another|itself"):
        open_results(path)


def test_a_damaged_note_beside_a_result_is_an_error_of_one_screen(copy: Path) -> None:
    note = points_folder(copy) / "run.json"
    content = json.loads(note.read_text())
    for wrong in ({"identity": 5}, {"files": [1]}, {"seed": "-3"}, {"versions": {"numpy": 2}}):
        note.write_text(json.dumps(content | wrong))
        assert call("run", "a.yaml") == 2
