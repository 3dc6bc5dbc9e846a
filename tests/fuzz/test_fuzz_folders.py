"""A short run of ``python -m tests.fuzz.folders``, and that its judge sees what it is to see."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.store import PointStore
from tests.fuzz import folders


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> folders.Whole:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("whole")
        patch.chdir(folder)
        return folders.make(folder)


@pytest.mark.parametrize("number", range(6))
def test_damaged_folders(
    whole: folders.Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    _, tree, touched, what = folders.damage(tmp_path, whole, number, seed=7)
    print(what)
    folders.judge(tmp_path, whole, tree, touched, with_run=number == 0)


def test_the_judge_sees_a_number_that_changed(
    whole: folders.Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = whole.trees["finished"]
    folders.write_tree(tmp_path, tree)
    store = PointStore("a.points")
    key = store.keys()[0]
    record, owner = store.load(key), next(Path("a.points").glob(".owner-*")).name.removeprefix(".owner-")
    forged = {**record.values, "tracer_diffusivity": np.asarray(record.values["tracer_diffusivity"]) * 1.01}
    PointStore("a.points", owner).save(key, dataclasses.replace(record, values=forged), replace=True)
    with pytest.raises(AssertionError, match="changed without a word"):
        folders.judge(tmp_path, whole, tree, {"a.points/points.sqlite"}, with_run=False)


def test_the_judge_sees_a_lost_point(
    whole: folders.Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = whole.trees["finished"]
    folders.write_tree(tmp_path, tree)
    real = folders.call

    def loses(*arguments: str) -> tuple[int, str]:
        said = real(*arguments)
        if arguments[0] == "verify":
            store = PointStore("a.points")
            store.discard(store.keys()[0])
        return said

    monkeypatch.setattr(folders, "call", loses)
    with pytest.raises(AssertionError, match="is lost"):
        folders.judge(tmp_path, whole, tree, set(), with_run=False)
