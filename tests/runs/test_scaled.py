"""Points of a run with reversible scaling: against exact answers, what is refused, and going on with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kmc_transport import open_results, run
from kmc_transport.arrays import OBSERVABLES
from kmc_transport.errors import InputError
from kmc_transport.exact import exact_values, solve_exact
from kmc_transport.input import load_model, load_model_text
from kmc_transport.model.acceleration import ReversibleScaling
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.records import ExitReason, Missing
from kmc_transport.report import results_table
from kmc_transport.runs.record import make_record
from kmc_transport.runs.scaled import ScaledSimulation
from kmc_transport.runs.separation import PAYS, Separation, measure_separation
from kmc_transport.units import ANGSTROM
from tests.reference.interacting_models import clusters, ion_and_polaron, with_interactions, with_rule
from tests.reference.networks import KT0, T0, make_model

FILE = """
format: 1
title: ions and quick polarons in one ring
structure:
  lattice: {a: 3, b: 8, c: 8}
  periodic: [true, false, false]
  cross_section: 64 Å^2
  sites: {I: [[0, 0, 0]], P: [[0.5, 0, 0]]}
supercell: [6, 1, 1]
carriers:
  ion: {charge: 1, sites: [I], count: 1}
  polaron: {charge: -1, sites: [P], count: 1}
hops:
  - {carrier: ion, between: [I, I], distance: 3, barrier: {rule: kra, E_kra: 0.50 eV}, attempt_frequency: 5 THz}
  - {carrier: polaron, between: [P, P], distance: 3, barrier: {rule: kra, E_kra: 0.1 eV}, attempt_frequency: 5 THz}
interactions:
  pairs:
    - {between: [ion, polaron], distance: 1.5, energy: -40 meV}
conditions: {temperature: 300, field: {along: [1, 0, 0], magnitude: [0, 2e8]}}
sampling:
  target: tracer_diffusivity
  events: 1200000
  seed: 1
  replicas: 2
  acceleration: {reversible_scaling: {species: [polaron], separation: 20}}
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("scaled") / "ring.h5"
    run(load_model_text(FILE), output=path, workers=1)
    return open_results(path)


def of(result, name: str, field: int, carrier: int) -> np.ndarray:
    return result[name].values[0, field, 0, carrier]


def test_ion_agrees_with_the_master_equation(result) -> None:
    """Six decades lie between the rates: the plain run would need 1e7 hops for one of the ion."""
    for field, name, index in (
        (0, "tracer_diffusivity", (0, 0)),
        (0, "collective_diffusivity", (0, 0, 0)),
        (0, "collective_diffusivity", (0, 1, 0)),
        (0, "mobility_einstein", ()),
        (0, "onsager", (0, 1, 0)),
        (1, "drift_velocity", (0,)),
        (1, "mobility", ()),
    ):
        value, stderr, exact = (
            of(result, f"{name}{end}", field, 0)[index] for end in ("", "_stderr", "_exact")
        )
        assert stderr > 0, name
        assert abs(value - exact) < 3 * stderr, (name, index)
    assert (
        of(result, "tracer_diffusivity_stderr", 0, 0)[0, 0]
        < 0.1 * of(result, "tracer_diffusivity", 0, 0)[0, 0]
    )
    assert result["converged"].values.all()


def test_fast_observables_are_refused_with_the_reason(result) -> None:
    for name in ("tracer_diffusivity", "mobility_einstein", "haven_ratio", "correlation_factor"):
        assert np.isnan(of(result, name, 0, 1)).all(), name
        assert result["missing"].sel(observable=name).values[0, 0, 0, 1] == Missing.SLOWED
    pairs = of(result, "collective_diffusivity", 0, 1)
    assert np.isnan(pairs[:, 1]).all()
    assert np.isfinite(pairs[:, 0]).all()
    for name in ("charge_diffusivity", "conductivity"):
        assert np.isnan(result[name].values).all()
        assert np.all(result["missing"].sel(observable=name).values[0, 0] == Missing.SLOWED)
    assert np.isnan(result["transference"].values).all()
    verdict = result["scaling_verdict"].sel(observable="tracer_diffusivity").values[0, 0, 0]
    assert verdict[0] in (1, 2)
    assert verdict[1] == 3
    table = results_table(result)
    text = " ".join([*table.notes, *table.printed()[1]])
    slowed = "it depends on hops that reversible scaling has slowed"
    assert slowed in text
    layer = result.copy(deep=True)  # where a cell has no volume there is no conductivity at any field
    layer["missing"].loc[{"observable": "conductivity"}] = Missing.OTHER_FIELD
    reasons = [row["transference_missing"] for row in results_table(layer).data if row["field_V_per_m"] == 0]
    assert reasons
    assert set(reasons) == {slowed}
    assert "polaron slowed to 20, 40, 80" in text
    assert "ion, by the worst of the points: valid" in text


def test_what_was_done_is_in_the_file(result) -> None:
    separation, factor = (result[n].values[0, 0, 0] for n in ("time_scale_separation", "scaling_factor"))
    rates = [build_catalog(load_model_text(FILE), temperature=300.0).rate[h] for h in (0, 2)]
    assert separation == pytest.approx(max(rates) / min(rates), rel=0.3)  # the pairs change both alike
    assert factor == pytest.approx(20 / separation)


def test_without_gain_it_is_the_plain_run() -> None:
    """Bit for bit, where the time scales lie apart by less than it takes; and the note says so."""
    text = FILE.replace("0.50 eV", "0.20 eV").replace("1200000", "20000").replace("[0, 2e8]", "0")
    plain = run(
        load_model_text("\n".join(x for x in text.splitlines() if "acceleration" not in x)), workers=1
    )
    scaled = run(load_model_text(text), workers=1)
    for name in ("tracer_diffusivity", "mobility_einstein", "conductivity", "executed_hops"):
        np.testing.assert_array_equal(plain[name].values, scaled[name].values)
    assert scaled["scaling_factor"].values == 1
    assert scaled["time_scale_separation"].values < PAYS * 20
    assert "gains nothing here" in str(scaled["scaling_note"].values.ravel()[0])
    assert not scaled["scaling_verdict"].values.any()


def asked(model: Model, separation: float, **sampling: object) -> Model:
    fast = ReversibleScaling((model.carriers[1].name,), separation)
    more = {"target": "tracer_diffusivity", "relative_error": None, "replicas": 2, "seed": 3, **sampling}
    return replace(model, sampling=replace(model.sampling, acceleration=fast, **more))  # type: ignore[arg-type]


def bound_pair(inner: float, outer: float) -> Model:
    """A polaron that rattles between two sites of a cell (``inner`` times as often as the ion hops) but leaves the cell
    ``outer`` times as often, and an ion that it holds strongly."""
    model = make_model(
        np.diag([3.0, 8.0, 8.0]),
        [[0, 0, 0], [0.4, 0.3, 0], [0.6, 0.3, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 2, (0, 0, 0), inner), (2, 1, (1, 0, 0), outer)]],
        counts=(1, 1),
        charges=(1.0, -1.0),
        supercell=(5, 1, 1),
        allowed=[[True, False, False], [False, True, True]],
    )
    held = [(-9 * KT0, [(0, 0, (0, 0, 0)), (1, site, (0, 0, 0))]) for site in (1, 2)]
    return with_interactions(with_rule(model), clusters=clusters(held))  # type: ignore[arg-type]


def exact_tracer(model: Model, factor: float = 1.0) -> float:
    catalog = build_catalog(replace(model, slowing=(1.0, factor)), temperature=T0)
    found = solve_exact(catalog, tracer=True).tracer_diffusivity
    assert found is not None
    return float(found[0, 0, 0]) * ANGSTROM**2


def test_a_bound_pair_that_the_polaron_carries_along_is_refused() -> None:
    """Slowed by too much, the polaron seldom follows: what the ion does grows with its rate."""
    model = asked(bound_pair(200, 1e3), 20, events=800_000)
    assert exact_tracer(model, 2e-4) < 0.2 * exact_tracer(model)  # so that scaling would be wrong
    point = ScaledSimulation(model, T0, [0, 0, 0], root=3)
    factors = (2e-4, 4e-4, 8e-4)
    point.separation = Separation(slowed=np.array([False, True]), ratio=5e5, factors=factors, note="by force")
    point._make_runs()
    reason = point.run()
    record = make_record(model, point, reason, 3)
    why = record.values["missing"][OBSERVABLES.index("tracer_diffusivity")]
    assert why.tolist() == [Missing.NOT_SEPARATED, Missing.SLOWED]
    assert "tracer_diffusivity" not in record.values
    assert not record.values["converged"]
    assert record.values["scaling_verdict"].max(axis=0).tolist() == [3, 3]


def test_rattling_does_not_count_as_separation() -> None:
    """The polaron hops millions of times for each hop of the ion, but moves on 50 times: nothing can be gained, though
    three slowed runs would agree with each other on an answer that is wrong by a factor of 20."""
    model = bound_pair(1e5, 100)
    wrong = [exact_tracer(model, f) for f in (4.4e-6, 8.9e-6, 1.8e-5)]
    assert max(wrong) < 1.02 * min(wrong) < 0.06 * exact_tracer(model)
    point = ScaledSimulation(asked(model, 20, events=1000), T0, [0, 0, 0], root=3)
    point.build()
    assert point.separation is not None
    assert not point.separation.factors
    assert 20 < point.separation.ratio < 200
    assert "gains nothing here" in point.separation.note


def test_bursts_widen_the_separation() -> None:
    """The ion goes back at once unless the polaron follows, which takes more than the wanted separation."""
    model = asked(bound_pair(1e5, 1e5), 2, events=1000)
    point = ScaledSimulation(model, T0, [0, 0, 0], root=3)
    point.build()
    assert point.separation is not None
    first = point.separation.factors[0]
    assert first * point.separation.ratio > 10 * 2
    assert exact_tracer(model, 2 / point.separation.ratio) < 0.6 * exact_tracer(model)
    assert exact_tracer(model, first) > 0.8 * exact_tracer(model)


def test_interrupted_and_taken_up_again_bit_for_bit() -> None:
    model = asked(ion_and_polaron(6, quicker=1e5), 10, events=20_000)
    whole = ScaledSimulation(model, T0, [0, 0, 0], root=5)
    assert whole.run() is ExitReason.DONE
    state, stops = None, 0
    while True:
        part = ScaledSimulation(model, T0, [0, 0, 0], root=5)
        if state is not None:
            part = ScaledSimulation.restore(model, T0, [0, 0, 0], state, root=5)
        else:
            part.build()
        left = iter([False] * 30)
        reason = part.run(should_stop=lambda left=left: next(left, True))  # type: ignore[misc]
        if reason is ExitReason.DONE:
            break
        assert reason is ExitReason.INTERRUPTED
        state, stops = part.snapshot(), stops + 1
    assert stops > 3
    one, two = (make_record(model, s, ExitReason.DONE, 5) for s in (whole, part))
    assert one.values.keys() == two.values.keys()
    for name in one.stderrs:
        np.testing.assert_array_equal(one.values[name], two.values[name])
        np.testing.assert_array_equal(one.stderrs[name], two.stderrs[name])
    assert one.values["scaling_note"] == two.values["scaling_note"]


def test_shards_and_threads_change_nothing(tmp_path: Path) -> None:
    text = FILE.replace("temperature: 300", "temperature: [300, 350]").replace("[0, 2e8]", "0")
    model = load_model_text(text.replace("1200000", "8000"))
    whole = run(model, workers=2)
    for part in (1, 2):
        run(model, output=tmp_path / "parts.h5", shard=(part, 2), workers=1)
    parts = open_results(tmp_path / "parts.h5")
    for name in ("tracer_diffusivity", "tracer_diffusivity_stderr", "scaling_factor", "executed_hops"):
        np.testing.assert_array_equal(whole[name].values, parts[name].values)


def test_fast_species_are_found_by_their_rates() -> None:
    model = load_model_text(FILE.replace("species: [polaron], ", "").replace("1200000", "8000"))
    dataset = run(replace(model, conditions=replace(model.conditions, field=np.zeros(1))), workers=1)
    assert "polaron slowed to" in str(dataset["scaling_note"].values.ravel()[0])


def test_exact_values_are_those_of_the_unscaled_system(result) -> None:
    catalog = build_catalog(load_model_text(FILE), temperature=300.0)
    exact = exact_values(catalog, catalog.model.conditions.direction)["tracer_diffusivity"]
    np.testing.assert_allclose(result["tracer_diffusivity_exact"].values[0, 0, 0], exact, rtol=1e-9)


def test_separation_of_the_shipped_input() -> None:
    """Binding changes the rates of both species, by about as much; bare they differ by 6.2e4 at 400 K."""
    model = load_model(Path(__file__).parents[2] / "inputs" / "lifepo4" / "slow_pair.yaml")
    scaling = model.sampling.acceleration
    assert isinstance(scaling, ReversibleScaling)
    found = measure_separation(model, 400.0, [0, 0, 0], root=1, scaling=scaling)
    assert 5e4 < found.ratio < 2e5
    assert found.slowed.tolist() == [False, True]
    np.testing.assert_allclose(np.array(found.factors) * found.ratio, [20, 40, 80])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("species: [polaron]", "species: [polarn]", "no carrier 'polarn'"),
        ("species: [polaron]", "species: [polaron, ion]", "only changes the unit of time"),
        ("separation: 20", "separation: 0.5", "outside the allowed range"),
        (
            "target: tracer_diffusivity",
            "target: charge_diffusivity",
            "depends on the species that are slowed",
        ),
        ("  replicas: 2", "  table_error: 5 %", "error of the whole table"),
        ("  replicas: 2", "  observe: [hop_rates]", "counted hop by hop"),
        ("conditions:", "freeze: [polaron]\nconditions:", "only one species hops"),
        ("{reversible_scaling: {species: [polaron], separation: 20}}", "fast", "not one of the choices"),
    ],
)
def test_bad_input_is_refused(old: str, new: str, words: str) -> None:
    assert old in FILE
    with pytest.raises(InputError, match=words):
        load_model_text(FILE.replace(old, new))
