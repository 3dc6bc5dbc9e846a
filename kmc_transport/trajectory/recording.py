"""One replica of one point, written down as it goes: frames at uniform times, and its hops."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine import Replica
from ..engine.canonical.settle import settled
from ..errors import InputError, Problem, StoreError
from ..input import load_model
from ..model.model import Model
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..rates import RateCatalog, build_catalog
from ..records import EventList, TrajectoryHeader
from ..runs.pipeline import model_identity
from ..seeds import draw_root, replica_stream
from ..store import Provenance, lock_output
from ..store.atomic import atomic_path
from ..store.output import refuse_foreign
from . import FrameBlock, Parts, check_request, write_file, write_host_xyz
from .counting import SAMPLES

__all__ = ["Recorded", "write_trajectory"]

ATTEMPTS = 2**18
"""Attempts between two looks at the clock, about; the event list of so many is held in memory."""
PART_BYTES, PART_SECONDS = 2**24, 10.0
"""A part is saved when the frames and events in memory are that large, or that old."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a call of `write_trajectory` has done."""

    path: Path
    frames: int
    resumed: int
    """Frames that an earlier, stopped run had left."""
    hops: int
    """Hops between the first and the last frame."""
    time: float
    """s, of the last frame."""
    blocked: bool
    """No carrier can hop: all frames are the same."""
    host_sites: int = 0
    note: str = ""
    """Why the start was not in equilibrium, if annealing did not lead there."""


def write_trajectory(
    model: Model | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    frames: int,
    every: float | None = None,
    temperature: float | None = None,
    field: npt.ArrayLike = (0.0, 0.0, 0.0),
    events: bool = False,
    equilibration: float = 0.0,
    replica: int = 0,
    seed: int | None = None,
    host: str | os.PathLike[str] | None = None,
    elements: Mapping[str, str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    command: str = "",
) -> Recorded:
    """Simulate one replica at one temperature and field and write where its carriers are.

    Recording changes nothing: the hops are the same with and without events, whatever the format.

    Parameters
    ----------
    model : a `Model`, or the path of an input file.
    output : ``.nc``, ``.ncdf`` or ``.h5md`` (HDF5 for OVITO, MDAnalysis and `open_trajectory`), ``.xyz`` or
        ``.extxyz``, ``.csv`` (the event list alone).
    frames : number of frames, the first one at time 0.
    every : time between frames, s; default: about one hop of each carrier.
    temperature : K; default: the first of the input. field : (3,) V/Å.
    events : keep the list of hops too (``.nc`` and ``.h5md``).
    equilibration : time that is simulated before the first frame, s.
    replica : number of the random stream. seed : root seed; default: the input's, or a fresh one.
    host : extended XYZ file for the sites that no carrier visits.
    elements : chemical symbols for names of carriers, in XYZ files.
    overwrite : replace what is there.
    on_progress : called with the number of frames done and wanted.

    A run that is stopped or killed leaves its frames in ``NAME.points``; the same call goes on from there, bit for
    bit, and `open_trajectory` reads what there is.

    Raises
    ------
    InputError, StoreError : before anything long starts; also when ``output`` exists already.
    """
    if not isinstance(model, Model):
        model = load_model(Path(model))
    model = settled(model.system())
    path = Path(output)
    kelvin = float(model.conditions.temperature[0]) if temperature is None else float(temperature)
    _check_numbers(frames, every, equilibration, replica)
    catalog = build_catalog(model, temperature=kelvin, field=field)
    events = events or path.suffix == ".csv"
    if events and model.sampling.algorithm == "absorbing":
        raise InputError(
            "with absorbing chains, hops within a stay are not made and cannot be listed",
            key="sampling.acceleration",
            value="absorbing",
            allowed="frames without events",
            remedy="remove 'acceleration' from the input, or record frames alone",
        )
    request = {
        "model": model_identity(model),
        "temperature": catalog.temperature,
        "field": catalog.field.tolist(),
        "frames": frames,
        "every": every,
        "events": events,
        "equilibration": equilibration,
        "replica": replica,
        "seed": None if seed is None else str(seed),
    }
    identity = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    header = _header(model, catalog)
    check_request(path, header, elements or {}, events)
    _check_free(path, overwrite)
    immobile = np.logical_not(np.any(model.allowed_sites, axis=0))
    if host is not None:
        _check_host(Path(host), path, immobile, overwrite)
    with ExitStack() as stack:
        stack.enter_context(lock_output(path))
        _check_free(path, overwrite)
        parts = Parts(path)
        if not parts.begun:
            refuse_foreign(parts.folder)
        if overwrite:
            parts.remove()
        note = parts.note()
        if note is not None and note["identity"] != identity:
            raise StoreError(
                "a stopped run of another input, or with other options, has left its frames here",
                file=str(parts.folder),
                remedy="choose another -o, or start over with --overwrite",
            )
        root = model.sampling.seed if seed is None else seed
        if note is not None:
            root = int(note["seed"])
        root = draw_root() if root is None else root
        recorder = _Recorder(catalog, parts, frames, every, events)
        recorder.start(replica_stream(root, kelvin, catalog.field, replica), equilibration)
        provenance = Provenance(
            identity=request["model"],
            input_text=model.source.text,
            seed=root,
            input_path=model.source.path,
            command=command,
            files=dict(model.source.files),
        )
        about = {
            **provenance.to_attributes(),
            "replica": str(replica),
            "equilibration_s": repr(equilibration),
            SAMPLES: str(recorder.substeps),
        }
        if recorder.replica.initial_note:
            about["initial"] = recorder.replica.initial_note
        header = replace(header, every=recorder.every, provenance=about)
        if note is None:
            parts.begin(identity, root, header)
        else:
            header = parts.header(note)  # the time of the first call
        host_sites = 0
        if host is not None:
            with atomic_path(Path(host)) as temporary:
                host_sites = write_host_xyz(temporary, header, immobile)
        resumed = recorder.frame
        recorder.run(on_progress or (lambda done, wanted: None))
        write_file(path, header, frames, parts.blocks(recorder.part), elements)
        parts.remove()
        return Recorded(
            path=path,
            frames=frames,
            resumed=resumed,
            hops=recorder.hops,
            time=(frames - 1) * recorder.every,
            blocked=recorder.replica.total_rate() == 0,
            host_sites=host_sites,
            note="" if recorder.replica.starts_at_rest else recorder.replica.initial_note,
        )


class _Recorder:
    """Runs a replica from frame to frame, saving parts."""

    def __init__(
        self, catalog: RateCatalog, parts: Parts, frames: int, every: float | None, events: bool
    ) -> None:
        self.catalog, self.parts, self.frames, self.events = catalog, parts, frames, events
        self.every, self.substeps = every or 0.0, 1
        self.frame = self.substep = self.part = self.hops = 0

    def start(self, stream: np.random.SeedSequence, equilibration: float) -> None:
        """The replica at the first frame, or where a stopped run has saved it."""
        state = self.parts.state()
        if state is not None:
            try:
                self._restore(state)
            except (KeyError, ValueError, TypeError) as e:
                raise StoreError(
                    f"what a stopped run of another version has left here cannot be gone on with ({e})",
                    file=str(self.parts.folder),
                    remedy="choose another -o, or start over with --overwrite",
                ) from None
            return
        self.replica = Replica(
            self.catalog,
            seed=stream,
            levels=0,
            windows_per_row=2**40,
            algorithm=self.catalog.model.sampling.algorithm,
        )
        rate = self.replica.total_rate()
        if not self.every:
            if not rate > 0:
                raise InputError(
                    "no carrier can hop, so that no time between frames can be chosen",
                    key="every",
                    allowed="a time",
                    remedy="give --every, or check counts and hops",
                )
            self.every = self.replica.n_carriers / rate
        share = self.replica.acceptance_estimate if self.replica.algorithm == "null_event" else 1.0
        attempts = self.every * rate / (max(share, 1e-6) if np.isfinite(share) else 1.0)
        self.substeps = max(1, int(np.ceil(attempts / ATTEMPTS)))
        interval = self.every / self.substeps
        self.replica.reset(sample_interval=interval)
        if equilibration > 0:
            self.replica.advance(int(np.ceil(equilibration / interval)))
            self.replica.reset()

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.part, self.frame = int(state["parts"]), int(state["frames"])
        for name in ("substep", "substeps", "hops"):
            setattr(self, name, int(state[name]))
        self.every = float(state["every"])
        prefix = "replica/"
        snapshot = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
        self.replica = Replica.restore(self.catalog, snapshot)

    def run(self, on_progress: Callable[[int, int], None]) -> None:
        """Record the frames that are missing, and save the last part."""
        self._begin_part()
        if self.frame == 0 and self.substep == 0:
            self._take_frame()
        while self.frame < self.frames:
            self._advance()
            self.substep += 1
            if self.substep == self.substeps:
                self.substep = 0
                self._take_frame()
            if self.size > PART_BYTES or time.monotonic() - self.since > PART_SECONDS:
                self._save()
                if self.frame < self.frames:
                    on_progress(self.frame, self.frames)
        if self.positions or self.listed:
            self._save()
        on_progress(self.frame, self.frames)

    def _begin_part(self) -> None:
        self.positions: list[FloatArray] = []
        self.occupation: list[IntArray] = []
        self.listed: list[EventList] = []
        self.size, self.since = 0, time.monotonic()

    def _take_frame(self) -> None:
        self.positions.append(self.replica.positions())
        self.occupation.append(self.replica.occupation())
        self.size += 4 * self.positions[-1].nbytes // 3
        self.frame += 1

    def _advance(self) -> None:
        executed = self.replica.executed
        if self.events:
            before = self.replica.occupation()
            found = self.replica.record_events(1, max_events=2**30)
            self.listed.append(_located(self.catalog.model, before, found.time, found.carrier, found.hop))
            self.size += 48 * len(found.time)
        else:
            self.replica.advance(1)
        self.hops += self.replica.executed - executed

    def _save(self) -> None:
        n = len(self.replica.species)
        block = FrameBlock(
            self.frame - len(self.positions),
            np.array(self.positions).reshape(-1, n, 3),
            np.array(self.occupation, np.int64).reshape(-1, n),
            EventList.concatenate(self.listed) if self.events else None,
        )
        state: dict[str, Any] = {
            "substep": self.substep,
            "substeps": self.substeps,
            "hops": self.hops,
            "every": self.every,
        }
        state |= {f"replica/{name}": value for name, value in self.replica.snapshot().items()}
        self.parts.save(self.part, block, state)
        self.part += 1
        self._begin_part()


def _located(model: Model, before: IntArray, when: FloatArray, carrier: IntArray, hop: IntArray) -> EventList:
    """Events with the sites they lead from and to; ``before``: site of each carrier ahead of the first one."""
    net, size, n_sites = model.network, np.array(model.supercell), model.structure.n_sites
    order = np.argsort(carrier, kind="stable")
    own, step = carrier[order], net.cell[hop[order]]
    moved = np.cumsum(step, axis=0) - step  # before each hop, carriers one after the other
    first = np.flatnonzero(np.diff(own, prepend=-1))
    moved -= np.repeat(moved[first], np.diff(first, append=len(own)), axis=0)
    start = np.stack(np.unravel_index(before[own] // n_sites, model.supercell), axis=-1)

    def flat(cell: IntArray, site: IntArray) -> IntArray:
        number = np.ravel_multi_index(tuple((cell % size).T), model.supercell)
        return np.asarray(number * n_sites + site, np.int64)

    origin, target = np.empty_like(hop), np.empty_like(hop)
    origin[order] = flat(start + moved, net.origin[hop[order]])
    target[order] = flat(start + moved + step, net.target[hop[order]])
    return EventList(
        time=when,
        carrier=carrier,
        hop=hop,
        hop_class=np.asarray(net.hop_class[hop], np.int64),
        origin=origin,
        target=target,
    )


def _header(model: Model, catalog: RateCatalog) -> TrajectoryHeader:
    s = model.structure
    return TrajectoryHeader(
        species=np.repeat(np.arange(len(model.carriers)), [c.count for c in model.carriers]),
        names=tuple(c.name for c in model.carriers),
        charge=np.array([c.charge for c in model.carriers], np.float64),
        cell=np.array(model.supercell)[:, None] * s.lattice,
        periodic=np.array(s.periodic),
        supercell=model.supercell,
        site_labels=s.labels,
        site_frac=np.array(s.frac),
        every=0.0,
        temperature=catalog.temperature,
        field=np.array(catalog.field),
    )


def _check_numbers(frames: int, every: float | None, equilibration: float, replica: int) -> None:
    problems = []
    if frames < 1:
        problems.append(
            Problem(
                message="there must be a frame",
                key="frames",
                value=frames,
                allowed=">= 1",
                remedy="give --frames",
            )
        )
    if every is not None and not 0 < every < np.inf:
        problems.append(
            Problem(
                message="is no time between frames",
                key="every",
                value=every,
                allowed="> 0 s",
                remedy="give --every",
            )
        )
    if not 0 <= equilibration < np.inf:
        problems.append(
            Problem(
                message="is no time",
                key="equilibration",
                value=equilibration,
                allowed=">= 0 s",
                remedy="leave it out",
            )
        )
    if replica < 0:
        problems.append(
            Problem(
                message="is no number of a replica",
                key="replica",
                value=replica,
                allowed=">= 0",
                remedy="leave it out",
            )
        )
    if problems:
        raise InputError(problems)


def _check_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise StoreError(
            "exists already", file=str(path), remedy="choose another -o, or replace it with --overwrite"
        )  # fmt: skip


def _check_host(path: Path, output: Path, immobile: BoolArray, overwrite: bool) -> None:
    if os.path.realpath(path) == os.path.realpath(output):
        raise InputError(
            "is the trajectory itself", key="--host", value=str(path), remedy="choose another name"
        )
    if not immobile.any():
        raise InputError(
            "the structure has no sites beside those of the carriers",
            key="--host",
            value=str(path),
            remedy="leave it out, or list the crystal's other atoms among the sites",
        )
    if path.suffix not in (".xyz", ".extxyz"):
        raise InputError(
            "is written as XYZ", key="--host", value=str(path), allowed=".xyz, .extxyz", remedy="rename it"
        )
    _check_free(path, overwrite)
