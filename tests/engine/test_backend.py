"""The seam: every engine fills it, a replica runs on whatever fills it, and asks for nothing else."""

from __future__ import annotations

import ast
import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.engine import Replica, kernels_sampling
from kmc_transport.engine import replica as replica_module
from kmc_transport.engine.backend import Backend, Start
from kmc_transport.engine.choice import make_backend
from kmc_transport.engine.interacting import (
    coupling,
    kernels_coulomb,
    kernels_listed,
    kernels_lists,
    kernels_null,
    kernels_potentials,
    kernels_windows,
)
from kmc_transport.engine.interacting.backend import Interacting
from kmc_transport.engine.plain import backend as plain
from kmc_transport.engine.plain import kernels
from kmc_transport.engine.plain.backend import Plain
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.records import ExitReason
from tests.reference.engine import InteractingReference, Reference, make_reference
from tests.reference.interacting_models import nearest_pairs, with_interactions, with_rule
from tests.reference.networks import KT0, T0, lattice_gas

METHODS = {n: f for n, f in vars(Backend).items() if inspect.isfunction(f) and not n.startswith("_")}
ENGINES = (Plain, Interacting, Reference, InteractingReference)


def gas(interacting: bool = False) -> Model:
    model = with_rule(lattice_gas("sc", 3, 9), E_kra=0.1)
    return with_interactions(model, clusters=nearest_pairs(-KT0)) if interacting else model


def replica(model: Model, **options: Any) -> Replica:
    options = {
        "algorithm": "rejection_free",
        "sample_interval": 0.3 * math.exp(-0.9 / KT0),
        "levels": 1,
    } | options
    return Replica(build_catalog(model, temperature=T0), seed=np.random.SeedSequence(4), **options)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_fills_the_protocol(engine: type) -> None:
    """With the arguments that the protocol names, and a body of its own."""
    assert len(METHODS) > 10
    for name, wanted in METHODS.items():
        found = getattr(engine, name)
        assert found is not wanted
        assert list(inspect.signature(found).parameters) == list(inspect.signature(wanted).parameters), name
    make = make_reference if engine.__module__.startswith("tests") else make_backend
    r = replica(gas("Interacting" in engine.__name__), backend=make)
    assert type(r._backend) is engine
    assert isinstance(r._backend, Backend)


def test_a_replica_uses_nothing_beside_the_protocol() -> None:
    source = ast.parse(Path(str(replica_module.__file__)).read_text())
    asked = {
        node.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("_backend")
    }
    named = {n for n in dir(Backend) if not n.startswith("_")} | set(inspect.get_annotations(Backend))
    assert "run" in asked
    assert asked - named == set()


class Counting:
    """Somebody's engine, made of another one: counts what is asked of it, and comes back after every sample."""

    def __init__(self, start: Start) -> None:
        self.inner = make_backend(start)
        self.calls: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        self.calls[name] = self.calls.get(name, 0) + 1
        return getattr(self.inner, name)

    def run(self, n_samples: int, work: int, *, most_logged: int | None = None) -> Any:
        self.calls["run"] = self.calls.get("run", 0) + 1
        return self.inner.run(1, work, most_logged=most_logged)

    def successor(self, done: Any) -> Counting:
        self.inner = self.inner.successor(done)
        return self


@pytest.mark.parametrize("interacting", [False, True])
def test_an_engine_of_ones_own(interacting: bool) -> None:
    """What a method developer hands in runs as the built-in one does: rows, events, snapshots."""
    usual, mine = replica(gas(interacting)), replica(gas(interacting), backend=Counting)
    for r in (usual, mine):
        assert r.advance(9) is ExitReason.DONE
        r.reset()
        r.advance(6)
    resumed = Replica.restore(mine.catalog, mine.snapshot(), backend=Counting)
    calls = mine._backend.calls
    assert (calls["run"], calls["clear"], calls["save"]) == (15, 1, 1)
    for r in (mine, resumed):
        np.testing.assert_array_equal(r.tallies.collective, usual.tallies.collective)
        np.testing.assert_array_equal(r.positions(), usual.positions())
    events = usual.record_events(5)
    for r in (mine, resumed):
        np.testing.assert_array_equal(r.record_events(5).time, events.time)
    assert len(events.time) > 20


@pytest.mark.parametrize("interacting", [False, True])
def test_tables_are_built_once(interacting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    for module in (coupling, plain):
        build = module.build_tables
        monkeypatch.setattr(module, "build_tables", lambda c, build=build: built.append(c) or build(c))
    replica(gas(interacting))
    assert len(built) == 1


@pytest.mark.parametrize("interacting", [False, True])
@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_every_array_has_a_documented_place(interacting: bool, algorithm: str) -> None:
    """Arrays of the compiled engines go by the fields of the kernels' records, which say what they are."""
    modules = (
        kernels_sampling,
        kernels,
        kernels_null,
        kernels_listed,
        kernels_lists,
        kernels_windows,
        kernels_coulomb,
        kernels_potentials,
    )
    records = [r for m in modules for r in vars(m).values() if isinstance(r, type) and issubclass(r, tuple)]
    documented = {name for record in records for name in record._fields}  # type: ignore[attr-defined]
    assert set(replica(gas(interacting), algorithm=algorithm)._backend._arrays) <= documented | {
        "accept",
        "rate",
    }
