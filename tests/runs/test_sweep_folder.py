"""The folder of a sweep in adversity: killed runs, full disks, other runs, damaged files; and the commands on it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import StoreError
from kmc_transport.runs.grid import model_identity
from kmc_transport.runs.merge import merge
from kmc_transport.runs.pipeline import run
from kmc_transport.runs.table import gather, load_table, rebuild
from kmc_transport.runs.verify import LIMITED, OUTSIDE, verify
from kmc_transport.store import (
    PointStore,
    Provenance,
    lock_output,
    open_results,
    output,
    points_folder,
    read_status,
    run_is_alive,
)
from tests.killing import KINDS, kill_once, start
from tests.processes import HANGS, call, started, wait_until
from tests.runs.sweeps import INPUT, N_POINTS, assert_same_table, change_row, points_of, sweep_model


@pytest.fixture(scope="module")
def whole() -> Any:
    return run(sweep_model(), executor="threads", workers=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, not to be changed."""
    path = tmp_path_factory.mktemp("finished") / "a.h5"
    run(sweep_model(), output=path, executor="threads", workers=2)
    return path


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, elsewhere."""
    shutil.copy(finished, tmp_path / "a.h5")
    shutil.copytree(points_folder(finished), tmp_path / "a.points")
    return tmp_path / "a.h5"


# killed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "share"), list(zip(KINDS, (0.37, 0.2, 0.71), strict=True)))
def test_killed_and_taken_up_again(tmp_path: Path, whole: Any, kind: str, share: float) -> None:
    """``python -m tests.killing --times 100`` does it at many moments."""
    assert "killed" in kill_once(tmp_path, kind, share, whole)


FOR_EVER = INPUT.replace("events: 2000", "relative_error: 0.001 %")


def at_work(folder: Path) -> bool:
    """Whether a point is being simulated."""
    progress = folder / "progress.json"
    return progress.exists() and bool(json.loads(progress.read_text())["running"])


def test_a_signal_saves_what_was_done(tmp_path: Path) -> None:
    with start(tmp_path, "-o", "b.h5", "--workers", "1", text=FOR_EVER) as process:
        wait_until(lambda: at_work(tmp_path / "b.points"), process)
        ends_saved(process, signal.SIGHUP, tmp_path / "b.points")


def test_what_is_ignored_on_entry_stays_ignored(tmp_path: Path) -> None:
    """As of a background job with nohup; what is not ignored still ends it."""
    ignored = (signal.SIGINT, signal.SIGHUP)
    with start(tmp_path, "-o", "b.h5", "--workers", "1", text=FOR_EVER, ignored=ignored) as process:
        wait_until(lambda: at_work(tmp_path / "b.points"), process)
        for number in ignored:
            process.send_signal(number)
        time.sleep(1.0)
        assert process.poll() is None
        ends_saved(process, signal.SIGTERM, tmp_path / "b.points")


def ends_saved(process: subprocess.Popen, number: int, folder: Path) -> None:
    process.send_signal(number)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "run again to go on" in err
    assert "Traceback" not in err
    assert len(PointStore(folder).partial_keys()) == 1


DEAF = """
import hashlib
import threading
from kmc_transport.cli import stopping
stopping.REACT = 0.5
with stopping.stopped_by_signals():
    threading.Timer(0.2, print, ["busy"], {"flush": True}).start()
    hashlib.pbkdf2_hmac("sha256", b"x", b"x", 2**31 - 1)  # half an hour without the interpreter
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_compiled_routine_that_does_not_come_back_is_no_hiding_place(number: int) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started([sys.executable, "-c", DEAF], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "ended at once" in err


# no room, no permission --------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_disk_full(tmp_path: Path, whole: Any, executor: str) -> None:
    with small_disk(tmp_path / "disk", "120k") as disk:
        path = disk / "a.h5"
        with pytest.raises(StoreError, match=r"could not be written.*[Ss]pace") as caught:
            run(sweep_model(), output=path, executor=executor, workers=2)
        assert "free space" in str(caught.value)
        kept = points_of(points_folder(path))
        assert 0 < len(kept) < N_POINTS
        store = PointStore(points_folder(path))
        assert all(store.load(key) for key in kept)
        assert not list(disk.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        data = run(sweep_model(), output=path, executor="threads")
        assert_same_table(data, whole)
        assert kept.items() <= points_of(points_folder(path)).items()


def test_read_only_folder(tmp_path: Path, copy: Path, whole: Any) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        shutil.copy(copy, disk / "a.h5")
        shutil.copytree(points_folder(copy), disk / "a.points")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        path = disk / "a.h5"
        with pytest.raises(StoreError, match=r"locked.*[Rr]ead-only") as caught:
            run(sweep_model(), output=path)
        assert "-o" in caught.value.problems[0].remedy
        assert caught.value.exit_code == 2
        with pytest.raises(StoreError, match="Read-only"):
            rebuild(path)
        assert read_status(path).done == N_POINTS  # reading needs no permission
        assert_same_table(load_table(disk / "a.points"), whole)
        assert verify(path, repeat=0).good


# several drivers ---------------------------------------------------------------------------------------


def test_two_drivers_on_one_folder(tmp_path: Path, whole: Any) -> None:
    path = tmp_path / "a.h5"
    errors: list[Exception] = []

    def second(progress: Any) -> None:
        if 0 < progress.done < N_POINTS and not errors:  # points may be saved several at a time
            assert run_is_alive(path)
            before = points_of(points_folder(path))
            for how in ({}, {"overwrite": True}, {"shard": (1, 2)}):
                try:
                    run(sweep_model(), output=path, **how)  # type: ignore[arg-type]
                except StoreError as e:
                    errors.append(e)
            assert before.items() <= points_of(points_folder(path)).items()

    data = run(sweep_model(), output=path, executor="threads", workers=1, on_progress=second)
    assert len(errors) == 3
    assert all("another run is writing" in str(e) and str(os.getpid()) in str(e) for e in errors)
    assert_same_table(data, whole)
    assert not run_is_alive(path)


def test_shards_side_by_side(tmp_path: Path, whole: Any) -> None:
    """All at once into one folder; each shard once, and no whole run beside them."""
    path, model = tmp_path / "a.h5", sweep_model()
    ends: dict[int, Any] = {}
    barrier = threading.Barrier(3)

    def shard(i: int) -> None:
        barrier.wait()
        ends[i] = run(model, output=path, shard=(i, 3), executor="threads", workers=1)

    threads = [threading.Thread(target=shard, args=(i,)) for i in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 3
    assert_same_table(open_results(path), whole)
    from kmc_transport.store import Shard

    with lock_output(path, Shard(1, 3)):
        with lock_output(path, Shard(2, 3)):
            assert run_is_alive(path)
            for other in (Shard(1, 3), None):
                with pytest.raises(StoreError, match="another run"), lock_output(path, other):
                    pass
        with pytest.raises(StoreError, match="another run"), lock_output(path):
            pass
    with lock_output(path):
        pass
    assert not [p.name for p in points_folder(path).iterdir() if "lock" in p.name]


def test_a_shard_that_begins_meanwhile_is_not_foreign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its note appears between the look at the note and the look at the folder."""
    path, model = tmp_path / "a.h5", sweep_model()
    run(model, output=path, shard=(1, 6))
    looks, read = list[Path](), output.read_run

    def first_look_is_early(where: Path) -> Provenance | None:
        looks.append(where)
        return None if len(looks) == 1 else read(where)

    monkeypatch.setattr(output, "read_run", first_look_is_early)
    identity = model_identity(model)
    assert output.check_output(path, identity).seed == model.sampling.seed
    with pytest.raises(StoreError, match="different input"):
        output.check_output(path, identity + "x")
    monkeypatch.setattr(output, "read_run", lambda where: None)
    with pytest.raises(StoreError, match=r"lost its run\.json"):
        output.check_output(path, identity)


def test_a_worker_left_over_cannot_write_into_another_models_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    run(sweep_model(), output=path, shard=(1, 6))
    stale = gather(path)[1]
    (key,) = stale.keys()[:1]
    record = stale.load(key)
    other = sweep_model(INPUT.replace("0.3 eV", "0.31 eV"))
    run(other, output=path, overwrite=True, executor="threads")
    before = points_of(points_folder(path))
    with pytest.raises(StoreError, match="taken over"):
        stale.save(key, record, replace=True)
    assert points_of(points_folder(path)) == before
    fresh = gather(path)[1]
    assert fresh.owner != stale.owner
    assert stale.get(key) is None  # what lies there now is not its own


# damaged -----------------------------------------------------------------------------------------------


def test_a_truncated_point_is_simulated_again(copy: Path, whole: Any) -> None:
    before = points_of(points_folder(copy))
    points = sorted(before)
    for share, key in zip((0.0, 0.3, 0.999), points, strict=False):
        change_row(
            points_folder(copy), key, f"SET data = substr(data, 1, CAST({share} * length(data) AS INTEGER))"
        )
    assert int(gather(copy)[0]["complete"].sum()) == N_POINTS - 3
    assert_same_table(run(sweep_model(), output=copy, executor="threads"), whole)
    after = points_of(points_folder(copy))
    assert {n for n in before if before[n] != after[n]} == set(points[:3])


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_a_cut_off_database_is_mended(copy: Path, whole: Any, share: float) -> None:
    """What is intact in it stays, the rest is simulated again; the old one is set aside."""
    before, file = points_of(points_folder(copy)), points_folder(copy) / "points.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert call("status", copy) == 0
    assert_same_table(run(sweep_model(), output=copy, executor="threads"), whole)
    after = points_of(points_folder(copy))
    assert len(after) == N_POINTS
    same = [key for key in before if before[key] == after[key]]
    assert verify(copy, repeat=0).good
    if share == 0.9:
        assert same
        assert (points_folder(copy) / "points.sqlite.damaged").exists()


def test_flipped_bits_of_a_database_change_no_number(copy: Path, whole: Any) -> None:
    file, rng = points_folder(copy) / "points.sqlite", np.random.default_rng(5)
    content = file.read_bytes()
    for _ in range(60):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        file.write_bytes(flipped)
        try:
            table = gather(copy)[0]
        except StoreError:
            continue
        done = table["complete"].values
        for name in ("tracer_diffusivity", "executed_hops"):
            np.testing.assert_array_equal(table[name].values[done], whole[name].values[done])
        assert done.sum() >= N_POINTS // 2 or not done.any()


def test_a_folder_of_before_is_refused_with_the_way_out(copy: Path) -> None:
    (points_folder(copy) / "plan.h5").write_bytes(b"x")
    before = {p: p.read_bytes() for p in copy.parent.rglob("*") if p.is_file()}
    for command in (("run",), ("merge", copy), ("status", copy)):
        if command == ("run",):
            with pytest.raises(StoreError, match="older version") as caught:
                run(sweep_model(), output=copy)
            assert "--overwrite" in caught.value.problems[0].remedy
        else:
            assert call(*command) == 2
    assert {p: p.read_bytes() for p in copy.parent.rglob("*") if p.is_file()} == before
    assert int(open_results(copy)["complete"].sum()) == N_POINTS


@pytest.mark.parametrize("name", ["frame.npz", "plan.npz", "progress.json"])
def test_what_lies_beside_the_points_is_made_anew(copy: Path, whole: Any, name: str) -> None:
    file = points_folder(copy) / name
    file.write_bytes(file.read_bytes()[:50])
    if name.endswith(".npz"):
        with pytest.raises(StoreError, match=name):
            rebuild(copy)
    before = points_of(points_folder(copy))
    assert_same_table(run(sweep_model(), output=copy), whole)
    assert points_of(points_folder(copy)) == before
    assert_same_table(rebuild(copy)[0], whole)


# the commands ------------------------------------------------------------------------------------------


def test_results(copy: Path, whole: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for run_ in (copy, points_folder(copy)):
        assert call("results", run_, "--json") == 0
        data = json.loads(capsys.readouterr().out)
        assert len(data["results"]) == N_POINTS
        assert data["arrhenius"][0]["activation_energy_eV"] == pytest.approx(0.3, abs=0.05)
    assert call("results", copy, "-T", "300", "-T", "550", "--field", "1e8", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(r["temperature_K"]) for r in rows] == [300, 550]
    mobility = 1e4 * whole["mobility"].sel(temperature=550, field=1e8).item()
    assert float(rows[1]["mobility_cm2_per_Vs"]) == pytest.approx(mobility, rel=1e-12)
    assert call("results", copy, "--carrier", "ion", "--direction", "[1, 0, 0]") == 0
    assert "cm²/(V s)" in capsys.readouterr().out
    copy.unlink()
    assert call("results", copy, "--csv") == 0  # from the folder
    capsys.readouterr()
    assert call("results", copy, "-T", "301") == 2
    assert "550" in capsys.readouterr().err
    assert call("results", copy.with_name("none.h5")) == 2
    assert "no such result file" in capsys.readouterr().err


def test_results_of_an_unfinished_run(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_row(points_folder(copy), min(points_of(points_folder(copy))), "DELETE")
    assert call("results", points_folder(copy), "--unfinished", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["mobility_cm2_per_Vs"] is None
    assert call("merge", copy) == 1
    out, err = capsys.readouterr()
    assert "11 of 12 points" in out
    assert "1 finished conditions that would be lost" in err
    assert int(open_results(copy)["complete"].sum()) == N_POINTS
    assert call("merge", copy, "--overwrite") == 1
    assert "11 of 12 points" in capsys.readouterr().out
    assert int(open_results(copy)["complete"].sum()) == N_POINTS - 1
    assert np.isnan(open_results(copy)["tracer_diffusivity"].values).any()


def test_status(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("status", copy) == 0
    out = capsys.readouterr().out
    assert "12 of 12 points done, 0 failed, 0 missing" in out
    assert "no run is at work" in out
    assert call("status", points_folder(copy), "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["done"], data["running"], data["progress"][0]["finished"]) == (12, False, True)
    with lock_output(copy):
        note = points_folder(copy) / "progress.json"
        said = json.loads(note.read_text())
        worst = {"key": "0" * 20, "temperature": 300, "field": [0, 0, 0], "events": 10, "seconds": 1.0}
        worst |= {"ratio": 2.0, "relative_error": 0.02, "exit_reason": "", "converged": False}
        note.write_text(json.dumps(said | {"finished": False, "seconds_left": 100.0, "worst": [worst]}))
        assert call("status", copy) == 0
        out = capsys.readouterr().out
    assert f"process {os.getpid()} on" in out
    assert "about 1 min 40 s left" in out
    assert "2 %" in out
    assert "1 %" in out
    assert call("status", copy.with_name("none.h5")) == 2
    assert "holds no sweep" in capsys.readouterr().err


def test_failed_points_are_exit_code_1_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(INPUT.replace("[300, 350, 400, 450, 500, 550]", "[2, 300]"))
    assert call("run", "a.yaml", "--no-plot") == 1
    out, err = capsys.readouterr()
    assert "failed: " in out
    assert "2 of the conditions could not be simulated" in err
    assert call("status", "a.h5") == 0
    assert "failed: 2 K, 1e+08 V/m: " in capsys.readouterr().out


def test_shards_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(INPUT)
    assert call("run", "a.yaml", "--shard", "1/2") == 0
    assert "6 of 12 points" in capsys.readouterr().out
    assert call("run", "a.yaml", "--shard", "2/2", "--no-plot") == 0
    assert_same_table(open_results("a.h5"), whole)
    for wrong in ("0/2", "3/2", "half", "1"):
        assert call("run", "a.yaml", "--shard", wrong) == 2
        assert "share of a sweep" in capsys.readouterr().err


def test_a_changed_grid_says_what_it_keeps(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(copy.parent)
    Path("a.yaml").write_text(INPUT.replace("300, 350,", "350, 375,"))
    assert call("run", "a.yaml", "--no-plot") == 0
    err = capsys.readouterr().err
    assert "10 of 12 points are there already, 2 to simulate" in err
    assert "2 of another grid" in err
    assert open_results(copy)["temperature"].values.tolist() == [350, 375, 400, 450, 500, 550]


# merge and verify --------------------------------------------------------------------------------------


def test_merge_of_shards_from_several_machines(tmp_path: Path, whole: Any) -> None:
    parts = [tmp_path / f"{i}.h5" for i in (1, 2, 3)]
    for i, path in enumerate(parts, 1):
        run(sweep_model(), output=path, shard=(i, 3), executor="threads")
    merged = merge([parts[0], points_folder(parts[1]), parts[2]], tmp_path / "all.h5")
    assert (merged.points, merged.found) == (N_POINTS, N_POINTS)
    assert_same_table(merged.dataset, whole)
    assert_same_table(open_results(tmp_path / "all.h5"), whole)
    assert len(points_of(points_folder(parts[0]))) == 4  # as they were
    before = points_of(tmp_path / "all.points")
    assert_same_table(run(sweep_model(), output=tmp_path / "all.h5"), whole)
    assert points_of(tmp_path / "all.points") == before


def test_merge_of_grids_that_grew_apart(tmp_path: Path, whole: Any) -> None:
    cold = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[300, 400]")
    warm = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[350, 400, 450, 500, 550]")
    for name, text in (("cold", cold), ("warm", warm)):
        run(sweep_model(text), output=tmp_path / f"{name}.h5", executor="threads")
    merged = merge([tmp_path / "cold.h5", tmp_path / "warm.h5"], tmp_path / "all.h5")
    assert_same_table(merged.dataset, whole)
    from kmc_transport.store import read_catalog

    assert read_catalog(tmp_path / "all.h5")["temperature"].values.tolist() == [300, 350, 400, 450, 500, 550]


def test_merge_refuses_other_models(tmp_path: Path, finished: Path) -> None:
    other = tmp_path / "b.h5"
    run(sweep_model(INPUT.replace("0.3 eV", "0.31 eV")), output=other, shard=(1, 12))
    with pytest.raises(StoreError, match="another model or seed"):
        merge([finished, other], tmp_path / "c.h5")
    with pytest.raises(StoreError, match="holds no sweep"):
        merge([tmp_path / "none.h5"])


def test_verify(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", copy, "--points", "2") == 0
    out = capsys.readouterr().out
    assert out.count("the same bit for bit") == 2
    assert "12 points, 0 damaged" in out
    assert call("verify", points_folder(copy), "--json") == 0
    assert json.loads(capsys.readouterr().out)["good"] is True


def test_verify_says_what_it_cannot_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.h5"
    text = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[300, 400]")
    run(
        sweep_model(text.replace("events: 2000", "events: 2000, equilibration: 1")), output=path
    )  # of another sampling
    run(sweep_model(text.replace("events: 2000", "relative_error: 0.001 %, wall_time: 0.02 s")), output=path)
    found = verify(path)
    assert found.repeated == ()
    assert found.skipped == {OUTSIDE: 4, LIMITED: 4}
    assert "no point was simulated again" in found.note
    assert verify(path, repeat=0).skipped == {}
    assert call("verify", path) == 0
    assert f"points that cannot be compared: 4 ({LIMITED})" in capsys.readouterr().out
    run(sweep_model(text), output=path)
    assert verify(path).skipped == {OUTSIDE: 8}
    assert len(verify(path).repeated) == 1


def test_verify_finds_damage_and_forgery(copy: Path, whole: Any, capsys: pytest.CaptureFixture[str]) -> None:
    store = gather(copy)[1]
    damaged, forged = store.keys()[:2]
    change_row(store.folder, damaged, "SET data = zeroblob(length(data))", "tallies")
    assert store.summary(damaged) is not None  # a quick look does not see it
    assert call("verify", copy, "--points", "0") == 1
    assert f"damaged: {store.path(damaged)}" in capsys.readouterr().out
    assert call("verify", copy, "--points", "0", "--discard-damaged") == 1
    assert store.get(damaged) is None
    run(sweep_model(), output=copy)
    assert verify(copy, repeat=0).good

    record = store.load(forged)
    tampered = {**record.values, "executed_hops": np.int64(7)}
    import dataclasses

    store.save(forged, dataclasses.replace(record, values=tampered), replace=True)
    found = verify(copy, repeat=N_POINTS)
    assert found.stale  # the result file was written before
    assert [names for _, _, names in found.repeated if names] == [("executed_hops",)]
    assert not found.good


def test_verify_with_another_model(copy: Path) -> None:
    with pytest.raises(StoreError, match="another model"):
        verify(copy, model=sweep_model(INPUT.replace("0.3 eV", "0.31 eV")))
    assert verify(copy, model=sweep_model()).good


def test_points_say_whose_they_are(finished: Path) -> None:
    store = PointStore(points_folder(finished))
    found = [store.summary(key) for key in sorted(store.keys())]
    owners = {point.values["owner"] for point in found if point is not None}
    assert owners == {gather(finished)[1].owner}
