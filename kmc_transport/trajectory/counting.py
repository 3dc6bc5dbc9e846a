"""Observables counted in a recorded list of hops, as they are counted while a simulation runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..analysis import MIN_BATCHES
from ..energies.supercell import Supercell, depends_on_configuration
from ..engine.canonical.settle import settled
from ..errors import InputError, StoreError
from ..input import load_model_text
from ..input.settings import with_settings
from ..model.model import Model, frozen_array
from ..rates import RateCatalog, build_catalog
from ..records import TICKS, Estimate, HopChunk, Trajectory
from ..runs.grid import model_identity
from ..runs.record import exact_beside
from ..runs.verify import recorded_model
from ..runs.watch import Watch, watched
from ..store import PointRecord, Provenance

__all__ = ["count_hops", "counted_record", "model_of"]

SAMPLES = "samples_per_frame"
"""Of the simulation that was recorded; older files do not tell."""
MOST_WINDOWS = 256


def model_of(
    trajectory: Trajectory, settings: Sequence[str] = (), composition: dict[str, float] | None = None
) -> Model:
    """The model that a trajectory was made with, from the input in it.

    settings : ``KEY=VALUE``, as for a run: what is to be counted may be another thing than the input asked for.
    composition : place on its axes of composition and samples.

    Raises InputError for an input that does not give that model, or settings that make another one of it.
    """
    made = Provenance.from_attributes(trajectory.header.provenance)

    def simulated(model: Model) -> Model:
        return settled(model.system(**composition or {}))

    found = recorded_model(made, simulated, remedy="put these files back, or record the trajectory anew")
    if not settings:
        return found
    path = Path(made.input_path)
    plain, asked = (
        load_model_text(text, made.input_path, path.parent, files=dict(made.files))
        for text in (made.input_text, with_settings(made.input_text, list(settings)))
    )
    if model_identity(plain) != model_identity(asked):
        raise InputError(
            "makes another model than the one that was recorded",
            key="--set",
            value=", ".join(settings),
            allowed="sampling.observe and analysis",
            remedy="record the trajectory with it: kmc-transport trajectory INPUT --set ...",
        )
    observe = asked.sampling.observe
    return replace(found, analysis=asked.analysis, sampling=replace(found.sampling, observe=observe))


def count_hops(trajectory: Trajectory, model: Model) -> dict[str, Estimate]:
    """Arrays of all observables that ``model`` asks for (`Model.observed`), with errors from up to 256 windows.

    The numbers are those that the same run would have counted, with frames as windows: to the last bit where the
    algorithm knows times (rejection-free, trees), but for times that round to another tick, of which a frame has a
    million. Null events have had their times drawn for the list, once: other draws, and times of their own in place of
    means.

    Raises
    ------
    InputError : nothing is asked for, or energies, which are not in the list; too few frames for an error bar.
    StoreError : no list of hops, or one that does not fit the model and the frames.
    """
    catalog = _catalog(trajectory, model)
    watch, n = Watch(catalog), max(trajectory.n_frames - 1, 0)
    if n < MIN_BATCHES:
        raise InputError(
            "is too short: times between frames make the error bars",
            key="frames",
            value=trajectory.n_frames,
            allowed=f"at least {MIN_BATCHES + 1}",
            remedy="record more frames: kmc-transport trajectory INPUT -n 257 --events -o NAME.nc",
        )
    per = -(-n // MOST_WINDOWS)
    for chunk in _chunks(trajectory, catalog, per):
        watch.add(chunk)
    return watched([watch], n // per, quenched=False)


def counted_record(trajectory: Trajectory, model: Model) -> tuple[Model, PointRecord]:
    """`count_hops` as a point, beside exact values where the system is small, and the model at that point alone."""
    found = count_hops(trajectory, model)
    h, c = trajectory.header, model.conditions
    size = float(np.linalg.norm(h.field))
    unit = h.field / size if size else c.direction[0]
    known = [
        label for label, own in zip(c.direction_label, c.direction, strict=True) if np.allclose(own, unit)
    ]
    label = known[0] if known else "[" + ", ".join(f"{x:.4g}" for x in unit) + "]"
    here = replace(
        c,
        temperature=frozen_array([h.temperature], np.float64),
        field=frozen_array([size], np.float64),
        direction=frozen_array([unit], np.float64),
        direction_label=(label,),
    )
    exacts = exact_beside(_catalog(trajectory, model), here.direction)
    record = PointRecord(
        temperature=h.temperature,
        field=h.field,
        values={name: e.value for name, e in found.items()},
        stderrs={name: e.stderr for name, e in found.items()},
        exacts={name: value for name, value in exacts.items() if name in found},
        directions=here.direction,
        coordinates=dict(model.coordinates),
    )
    return replace(model, conditions=here), record


def _catalog(trajectory: Trajectory, model: Model) -> RateCatalog:
    if not model.observed:
        raise InputError(
            "nothing is asked for",
            key="sampling.observe",
            allowed="names of observables, or entries of analysis",
            remedy="say what to count: --set 'sampling.observe=[hop_rates]', --set 'analysis={...}'",
        )
    if "barriers" in model.observed and depends_on_configuration(model):
        raise InputError(
            "depends on the carriers around each hop, which a list of hops does not tell",
            key="sampling.observe",
            value="barriers",
            remedy="leave it out here, or count it in a run",
        )
    return build_catalog(model, temperature=trajectory.header.temperature, field=trajectory.header.field)


def _chunks(trajectory: Trajectory, catalog: RateCatalog, per: int) -> Iterator[HopChunk]:
    """One for each window of ``per`` frames; a rest is left out."""
    model, h, events = catalog.model, trajectory.header, trajectory.events
    net, n_sites = model.network, model.structure.n_sites
    if events is None:
        raise StoreError(
            "holds no list of hops",
            key="events",
            remedy="record it with --events",
        )
    of_model = (model.supercell, [c.name for c in model.carriers], [c.count for c in model.carriers])
    of_file = (h.supercell, list(h.names), np.bincount(h.species, minlength=len(h.names)).tolist())
    lattice = Supercell(model)
    cell = lattice.cell_of(events.origin // n_sites) + net.cell[events.hop]
    fit = np.all(net.origin[events.hop] == events.origin % n_sites) and np.all(
        lattice.flat(net.target[events.hop], cell) == events.target
    )
    if of_model != of_file or not fit:
        raise StoreError(
            "the hops are not those of this model", key="events", remedy="give the input of the run"
        )
    per_frame = int(h.provenance.get(SAMPLES, 1))
    interval, long = h.every / per_frame, per_frame * TICKS
    tick = np.rint(events.time / interval * TICKS).astype(np.int64)
    site = model.site_energy
    difference = (site[net.carrier, net.target] - site[net.carrier, net.origin])[events.hop]
    barrier = catalog.effective_barrier[events.hop]
    first = round(float(trajectory.time[0]) / h.every)
    border = np.searchsorted(events.time, trajectory.time, side="right")
    for window in range((trajectory.n_frames - 1) // per):
        begin, end = window * per, (window + 1) * per
        which = slice(int(border[begin]), int(border[end]))
        sites = trajectory.occupation[begin]
        after = sites.copy()
        after[events.carrier[which]] = events.target[which]  # in the order of time: the last one stays
        if np.any(after != trajectory.occupation[end]):
            raise StoreError(
                "the hops do not lead from one frame to the next", key="events", remedy="record the run anew"
            )
        carriers = np.zeros((len(model.carriers), n_sites), np.int64)
        np.add.at(carriers, (h.species, sites % n_sites), 1)
        yield HopChunk(
            window=window,
            length=per * long,
            tick_seconds=interval / TICKS,
            carriers=carriers,
            tick=tick[which] - (first + begin) * long,
            carrier=events.carrier[which],
            hop=events.hop[which],
            measure=lambda which=which: (difference[which], barrier[which]),  # type: ignore[misc]
            begin=(first + begin) * long,
            locate=lambda sites=sites: sites,  # type: ignore[misc]
        )
