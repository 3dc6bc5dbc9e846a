"""Runs with axes of composition and samples: table, file, filters, shards, growing, merging, verifying."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.cli.app import main
from kmc_transport.errors import InputError
from kmc_transport.report import composition_tables, results_table, select_results
from kmc_transport.runs.merge import merge
from kmc_transport.runs.pipeline import run
from kmc_transport.runs.table import gather
from kmc_transport.runs.verify import verify
from kmc_transport.store import average_samples, open_results, points_folder, read_status
from tests.runs.sweeps import INPUT, assert_same_table, points_of, sweep_model

AXES = INPUT.replace("count: 1", "fraction: x/2").replace("[300, 350, 400, 450, 500, 550]", "[300, 500]")
AXES = AXES.replace("conditions:", "conditions:\n  composition: {x: [0.1, 0.4, 0.7]}")
SAMPLES = """
structure: {lattice: {a: 3, b: 3, c: 3}, sites: {A: [[0, 0, 0]]}}
supercell: [3, 3, 3]
carriers: {ion: {charge: 1, sites: [A], fraction: x}}
hops: [{carrier: ion, between: [A, A], distance: 3, barrier: 0.3 eV, attempt_frequency: 5 THz}]
disorder: {barriers: [{width: 60 meV, salt: 2}]}
conditions:
  samples: 3
  temperature: [300, 500]
  composition: {x: [0.1, 0.4]}
sampling: {events: 50000, seed: 3, replicas: 2}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, not to be changed."""
    path = tmp_path_factory.mktemp("axes") / "a.h5"
    run(sweep_model(AXES), output=path, executor="threads", workers=2)
    return path


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("samples") / "a.h5"
    run(sweep_model(SAMPLES), output=path, executor="threads", workers=2)
    return path


def test_the_file_has_the_axis_and_what_was_simulated(finished: Path) -> None:
    data = open_results(finished)
    assert data["mobility"].dims[:2] == ("x", "temperature")
    assert data["x"].values.tolist() == [0.1, 0.4, 0.7]
    assert data["carrier_count"].values.tolist() == [[1], [4], [7]]
    assert data["species_fraction"].values.tolist() == [[0.05], [0.2], [0.35]]
    assert data["complete"].values.all()
    assert_same_table(data, gather(finished)[0])
    status = read_status(finished)
    assert status.done == status.points == 12


def test_each_composition_is_what_it_is_by_itself(finished: Path) -> None:
    """A run of one composition alone gives its points bit for bit; another composition gives other numbers."""
    alone = run(sweep_model(AXES.replace("[0.1, 0.4, 0.7]", "0.4")), executor="threads", workers=1)
    both = open_results(finished)
    for name in ("mobility", "mobility_einstein", "tracer_diffusivity", "executed_hops", "mobility_exact"):
        np.testing.assert_array_equal(alone[name].values[0], both[name].values[1], err_msg=name)
    assert not np.array_equal(both["executed_hops"].values[0], both["executed_hops"].values[1])


def test_simulated_values_are_those_of_the_exact_solver_at_each_composition() -> None:
    model = sweep_model(
        AXES.replace("events: 2000", "relative_error: 4 %").replace("magnitude: [0, 1e8]", "magnitude: 0")
    )
    data = run(model, executor="threads", workers=1)
    off = (data["mobility_einstein"] - data["mobility_einstein_exact"]) / data["mobility_einstein_stderr"]
    known = off.values[np.isfinite(off.values)]
    assert known.size >= 4
    assert np.abs(known).max() < 4
    exact = data["mobility_einstein_exact"].values[:2, 0, 0, 0, 0]
    assert exact[0] > 1.05 * exact[1]  # carriers block each other


def test_rows_filters_and_notes(finished: Path) -> None:
    data = open_results(finished)
    rows = results_table(data).data
    assert [r["x"] for r in rows[::4]] == [0.1, 0.4, 0.7]
    assert {(r["x"], r["count"], r["fraction"]) for r in rows} == {
        (0.1, 1, 0.05),
        (0.4, 4, 0.2),
        (0.7, 7, 0.35),
    }
    some = results_table(select_results(data, where={"x": [0.4]}, temperature=[500])).data
    assert some == [r for r in rows if r["x"] == 0.4 and r["temperature_K"] == 500]
    with pytest.raises(InputError, match=r"no such x[\s\S]*0\.1, 0\.4, 0\.7"):
        select_results(data, where={"x": [0.3]})
    with pytest.raises(InputError, match="no axis 'y'"):
        select_results(data, where={"y": [0.3]})
    (composition,) = composition_tables(data)
    assert [(r["x"], r["count_ion"], r["charge_e"]) for r in composition.data] == [
        (0.1, 1, 1),
        (0.4, 4, 4),
        (0.7, 7, 7),
    ]
    notes = results_table(data).notes
    assert sum("Algorithm" in n for n in notes) == 1
    assert any(n.startswith("At x = 0.1: Algorithm") for n in notes)


def test_the_commands(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    shutil.copy(finished, tmp_path / "a.h5")
    (tmp_path / "a.yaml").write_text(AXES)
    monkeypatch.chdir(tmp_path)

    def said(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        assert (end.value.code or 0) == code
        out = capsys.readouterr()
        return out.out + out.err

    assert said("results", "a.h5", "--where", "x=0.4", "-T", "300").count("\n0.4") >= 2
    found = json.loads(said("results", "a.h5", "--where", "x=0.4", "--json"))
    assert {r["x"] for r in found["results"]} == {0.4}
    assert "NAME=VALUE" in said("results", "a.h5", "--where", "x", code=2)
    assert "simulated in whole carriers" in said("check", "a.yaml")
    assert "--where x=0.1" in said("exact", "a.yaml", code=2)
    said("exact", "a.yaml", "--where", "x=0.1")
    said("plot", "a.h5")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_shards_and_a_growing_axis_give_the_same_table(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    two = sweep_model(AXES.replace("[0.1, 0.4, 0.7]", "[0.4, 0.1]"))
    for number in (1, 2):
        run(two, output=path, shard=(number, 2), executor="threads", workers=1)
    assert open_results(path)["x"].values.tolist() == [0.4, 0.1]
    before = points_of(points_folder(path))
    assert len(before) == 8
    grown = run(sweep_model(AXES), output=path, executor="threads", workers=1)
    assert before.items() <= points_of(points_folder(path)).items()  # none was simulated again
    assert_same_table(grown.drop_attrs(), open_results(finished).drop_attrs())


def test_merging_two_compositions(finished: Path, tmp_path: Path) -> None:
    parts = []
    for name, values in (("b", "[0.7]"), ("c", "[0.1, 0.4]")):
        parts.append(tmp_path / f"{name}.h5")
        run(
            sweep_model(AXES.replace("[0.1, 0.4, 0.7]", values)),
            output=parts[-1],
            executor="threads",
            workers=1,
        )
    merged = merge(parts, tmp_path / "all.h5")
    assert merged.found == merged.points == 12
    assert_same_table(merged.dataset, open_results(finished))


def test_points_come_out_the_same_when_simulated_again(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    shutil.copy(finished, path)
    shutil.copytree(points_folder(finished), points_folder(path))
    found = verify(path, repeat=3)
    assert found.good
    assert len(found.repeated) == 3
    shutil.rmtree(points_folder(path))
    without = verify(path, repeat=2)
    assert without.good
    assert len(without.repeated) == 2


def test_another_expression_is_another_input(finished: Path, tmp_path: Path) -> None:
    """Points of another number of carriers are never taken for those of this one."""
    path = tmp_path / "a.h5"
    shutil.copytree(points_folder(finished), points_folder(path))
    other = run(sweep_model(AXES.replace("x/2", "(x + 0.1)/2")), output=path, executor="threads", workers=1)
    assert other["carrier_count"].values.tolist() == [[2], [5], [8]]
    assert not np.array_equal(other["executed_hops"].values, open_results(finished)["executed_hops"].values)


def test_samples_in_file_and_table(sampled: Path) -> None:
    data = open_results(sampled)
    assert data["mobility"].dims[:3] == ("x", "sample", "temperature")
    assert data["sample"].values.tolist() == [0, 1, 2]
    assert_same_table(data, gather(sampled)[0])
    values = data["mobility_einstein"].values[:, :, :, 0, 0, 0]
    stderrs = data["mobility_einstein_stderr"].values[:, :, :, 0, 0, 0]
    rows = {(r["x"], r["temperature_K"]): r for r in results_table(data).data}
    for (i, x), (t, kelvin) in product(enumerate((0.1, 0.4)), enumerate((300.0, 500.0))):
        row, own, errors = rows[x, kelvin], values[i, :, t] * 1e4, stderrs[i, :, t] * 1e4
        scatter, sampling = own.std(ddof=1) / np.sqrt(3), np.sqrt((errors**2).sum()) / 3
        assert row["mobility_cm2_per_Vs"] == pytest.approx(own.mean(), rel=1e-12)
        assert row["mobility_stderr_cm2_per_Vs"] == pytest.approx(max(scatter, sampling), rel=1e-9)
        assert row["mobility_from_sampling_cm2_per_Vs"] == pytest.approx(sampling, rel=1e-9)
        parts = np.hypot(row["mobility_from_sampling_cm2_per_Vs"], row["mobility_from_samples_cm2_per_Vs"])
        assert parts == pytest.approx(row["mobility_stderr_cm2_per_Vs"], rel=1e-9)
        assert row["executed_hops"] == data["executed_hops"].values[i, :, t, 0, 0].sum()
    one = results_table(select_results(data, where={"sample": [1], "x": [0.1]})).data[0]
    assert one["mobility_cm2_per_Vs"] == pytest.approx(values[0, 1, 0] * 1e4)
    assert "means over 3 samples" in " ".join(results_table(data).notes).lower()


def test_a_missing_sample_is_left_out_and_said(sampled: Path) -> None:
    data = open_results(sampled)
    for name, value in (("complete", False), ("mobility_einstein", np.nan)):
        changed = data[name].values.copy()
        changed[0, 1, 0] = value
        data[name] = (data[name].dims, changed, data[name].attrs)
    mean = average_samples(data)
    expected = data["mobility_einstein"].values[0, [0, 2], 0, 0, 0, 0].mean()
    assert mean["mobility_einstein"].values[0, 0, 0, 0, 0] == pytest.approx(expected)
    assert str(mean["exit_reason"].values[0, 0, 0, 0]) == "1 of 3 samples missing"
    assert not mean["complete"].values[0, 0, 0, 0]
    assert mean["complete"].values[1].all()


def test_sample_0_is_the_input_without_samples_and_samples_are_added_to_it(sampled: Path) -> None:
    alone = sweep_model(
        SAMPLES.replace("  samples: 3\n", "")
        .replace("composition: {x: [0.1, 0.4]}", "")
        .replace("fraction: x", "fraction: 0.1")
    )
    first, second, third, *_ = sweep_model(SAMPLES).systems
    assert alone.disorder is not None
    barriers = [s.disorder.barrier for s in (first, second, third) if s.disorder is not None]
    np.testing.assert_array_equal(alone.disorder.barrier, barriers[0])
    assert abs(np.corrcoef([e.ravel() for e in barriers])[np.triu_indices(3, 1)]).max() < 0.7
    assert not np.array_equal(barriers[1], barriers[2])
    more = sweep_model(SAMPLES.replace("samples: 3", "samples: 5")).systems
    np.testing.assert_array_equal(more[1].disorder.barrier, barriers[1])  # type: ignore[union-attr]
