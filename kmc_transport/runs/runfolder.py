"""What a run does with its folder of points, from the lock to the result file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, Problem, StoreError
from ..model.model import Model
from ..rates import RateCatalog
from ..seeds import draw_root
from ..store import (
    Outline,
    OutputState,
    PointStore,
    Provenance,
    Shard,
    begin_run,
    check_output,
    condition,
    lock_output,
    owner_mark,
    points_folder,
    refuse_to_lose,
    start_over,
    update_results,
    write_outline,
    write_plan,
)
from .grid import GridPoint, grid_points, model_identity, plan_of
from .table import rebuild

if TYPE_CHECKING:
    import xarray

__all__ = ["RunFolder"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunFolder:
    """The folder of points of one run, locked, with its seed noted; made by `opened`."""

    path: Path
    """The result file."""
    model: Model
    catalogs: Sequence[RateCatalog]
    provenance: Provenance
    store: PointStore
    part: Shard | None

    @classmethod
    @contextmanager
    def opened(
        cls,
        model: Model,
        path: Path,
        catalogs: Sequence[RateCatalog],
        part: Shard | None,
        *,
        overwrite: bool,
        command: str,
    ) -> Iterator[RunFolder]:
        """Lock the folder while the body runs, go on with the seed of an earlier run, or note a new one.

        Raises StoreError, InputError when this run may not write there; then nothing is changed.
        """
        with lock_output(path, part):
            if overwrite:
                _refuse_overwriting_shard(part)
                start_over(path)
            identity = model_identity(model)
            earlier = check_output(path, identity)
            _refuse_other_sampling(path, earlier, model)
            seed = earlier.seed if model.sampling.seed is None else model.sampling.seed
            provenance = Provenance(
                identity=identity,
                input_text=model.source.text,
                seed=draw_root() if seed is None else seed,
                input_path=model.source.path,
                command=command,
                files=dict(model.source.files),
            )
            if earlier.has_result:
                there = PointStore(points_folder(path), owner_mark(provenance))
                refuse_to_lose(path, there, _conditions(grid_points(model, provenance.seed)))
            noted = begin_run(path, provenance)  # another shard may have been quicker
            provenance = replace(provenance, seed=noted.seed)
            yield cls(
                path=path,
                model=model,
                catalogs=catalogs,
                provenance=provenance,
                store=PointStore(
                    points_folder(path), owner_mark(provenance), "" if part is None else str(part)
                ),
                part=part,
            )

    def plan(self, points: Sequence[GridPoint]) -> None:
        """Note the empty table and the points that are asked for. What the barriers' errors do is known at the end."""
        c = self.model.conditions
        unknown = np.full((len(c.temperature), len(c.direction), len(self.model.carriers)), np.nan)
        self._write_outline(unknown)
        write_plan(self.path, plan_of(points))

    def leave(self, dataset: xarray.Dataset) -> None:
        """Write what there is of a run that ends early; a shard leaves its points alone."""
        if self.part is None:
            self._write_outline(dataset["barrier_error_factor"].values)
            self._update(dataset, unfinished=True)

    def finish(self, dataset: xarray.Dataset, points: Sequence[GridPoint]) -> xarray.Dataset:
        """Write the result file; of shards, the last one does. The table of the run."""
        factor = dataset["barrier_error_factor"].values
        if np.isfinite(factor).any():
            self._write_outline(factor)
        if self.part is None:
            self._update(dataset)
        elif {p.key for p in points} <= set(self.store.keys()):
            dataset, _ = rebuild(self.path)
        return dataset

    def _write_outline(self, factor: np.ndarray) -> None:
        write_outline(self.path, Outline.of_model(self.model), self.provenance, factor, self.catalogs)

    def _update(self, dataset: xarray.Dataset, *, unfinished: bool = False) -> None:
        update_results(
            self.path,
            dataset,
            self.store,
            provenance=self.provenance,
            catalogs=self.catalogs,
            unfinished=unfinished,
        )


def _refuse_overwriting_shard(part: Shard | None) -> None:
    if part is not None:
        raise InputError(
            Problem(
                "a shard cannot start over: it would delete the points of the other shards",
                "--overwrite",
                remedy="delete the result file and its .points folder, then start the shards",
            )
        )


def _conditions(points: Sequence[GridPoint]) -> set[tuple[float, ...]]:
    """What the rows of these points are called; a point at zero field serves every direction."""
    return {condition(p.temperature, p.field * 1e10, dict(p.coordinates)) for p in points}


def _refuse_other_sampling(path: Path, earlier: OutputState, model: Model) -> None:
    """Without its folder of points a result file cannot tell what the points of another accuracy would replace."""
    if earlier.result is None or earlier.run is not None or earlier.result.input_text == model.source.text:
        return
    raise StoreError(
        Problem(
            "holds results of another wording of this input, and their folder of points is gone",
            file=str(path),
            remedy="put the folder back, choose another -o, or start over with --overwrite",
        )
    )
