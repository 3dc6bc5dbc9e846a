"""Saddle dipoles at every level of approximation, against a hop whose dipole is known in closed form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.cli.app import main
from kmc_transport.errors import InputError
from kmc_transport.sources import MigrationPath, Snapshot, spread_sum_rule
from kmc_transport.sources.polarization import DipoleTable, HopImages, hop_images, saddle_dipole_levels
from tests.sources.polarization_data import (
    HOPPING,
    SYMBOLS,
    Hop,
    hop,
    without_environment,
    write_outcar,
    write_poscar,
)

TIMES = [float(t) for t in np.linspace(0, 1, 21)]
SHIFT = (0.05, 0.4, -0.3)


def images(h: Hop, times: list[float] = TIMES) -> HopImages:
    return hop_images(h.snapshot(0), h.snapshot(0.5), path=[h.snapshot(t) for t in times])


def table(h: Hop, times: list[float] = TIMES, **how: object) -> DipoleTable:
    given: dict[str, object] = {
        "nominal_charge": -2.0,
        "berry": h.berry(times, np.random.default_rng(3)),
    } | how
    return saddle_dipole_levels(images(h, times), [h.born(t) for t in times], **given)  # type: ignore[arg-type]


# --- the logic of Table 1 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("charge", [0.0, 2.0, -2.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), SHIFT])
def test_every_level_in_closed_form(charge: float, shift: tuple[float, float, float]) -> None:
    h = hop(charge=charge, shift=shift)
    t = table(h)
    d = 0.5 * h.a + 0.25 * h.b
    assert t.keys == ("berry", "path_integral", "constant", "isotropic", "migrating_atom", "classical")
    assert t.images.migrating_atom == HOPPING
    np.testing.assert_allclose(t.images.migrating_displacement, d[HOPPING], atol=1e-10)

    exact = h.parts(0.5)
    np.testing.assert_allclose(t["berry"].total, exact.sum(axis=0), atol=1e-9)
    # piecewise linear tensors on a curved way: the trapezium's error, which the level states
    np.testing.assert_allclose(t["path_integral"].total, exact.sum(axis=0), atol=1e-3)
    np.testing.assert_allclose(t["path_integral"].migrating, exact[HOPPING], atol=1e-3)
    np.testing.assert_allclose(t["berry"].migrating, exact[HOPPING], atol=1e-3)
    np.testing.assert_allclose(t["berry"].environment, exact.sum(axis=0) - exact[HOPPING], atol=1e-3)
    constant = np.einsum("iab,ib->ia", h.z0, d)
    np.testing.assert_allclose(t["constant"].total, constant.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(t["constant"].migrating, constant[HOPPING], atol=1e-9)
    isotropic = np.trace(h.z0, axis1=1, axis2=2)[:, None] / 3 * d
    np.testing.assert_allclose(t["isotropic"].total, isotropic.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(t["migrating_atom"].total, isotropic[HOPPING], atol=1e-9)
    np.testing.assert_allclose(t["classical"].total, -2.0 * d[HOPPING], atol=1e-9)
    assert np.all(t["classical"].environment == 0)

    # the levels differ, so none of this passes by chance; and a transposed tensor would show
    totals = np.array([level.total for level in t.levels])
    apart = np.linalg.norm(totals[:, None] - totals[None], axis=2)[np.triu_indices(6, 1)]
    assert apart[1:].min() > 0.01
    turned = np.einsum("iba,ib->a", h.z0, d)
    assert np.linalg.norm(turned - t["constant"].total) > 0.1


def test_parts_signs_and_equivalent_charge() -> None:
    h = hop()
    t = table(h)
    length = float(np.linalg.norm(t.images.migrating_displacement))
    for level in t.levels:
        assert level.magnitude == pytest.approx(np.hypot(level.parallel, level.perpendicular))
        assert level.parallel < 0  # an anion's
        assert abs(level.q_eqv) == pytest.approx(level.magnitude / length)
        assert level.q_eqv < 0
        assert level.q_eqv_parallel == pytest.approx(level.parallel / length)
        np.testing.assert_allclose(level.migrating + level.environment, level.total)
    assert t["classical"].q_eqv == pytest.approx(-2.0)
    # the same hop with all charges reversed
    reverse = replace(h, z0=-h.z0, z1=-h.z1, charge=-h.charge)
    assert table(reverse, nominal_charge=2.0).best.q_eqv == pytest.approx(-t.best.q_eqv)


def test_whole_hop_adds_up_from_its_halves() -> None:
    h = hop(shift=SHIFT)
    t = table(h, transported_charge=-2.0)
    back = saddle_dipole_levels(
        hop_images(h.snapshot(1), h.snapshot(0.5), path=[h.snapshot(t) for t in TIMES[::-1]]),
        berry=h.berry(TIMES, np.random.default_rng(5)),
    )
    assert t.best.whole is not None
    np.testing.assert_allclose(t.best.total - back.best.total, t.best.whole, atol=1e-9)
    np.testing.assert_allclose(t.best.whole, h.parts(1.0).sum(axis=0), atol=1e-9)
    assert any("effective hop length" in n for n in t.notes)
    straight = without_environment(hop())
    assert table(straight).best.share_at_saddle == pytest.approx(0.5)


def test_transport_is_checked_against_the_whole_path() -> None:
    h = without_environment(hop())
    note = next(n for n in table(h, transported_charge=-2.0).notes if n.startswith("whole hop"))
    assert "the difference, 0.000 e·Å" in note
    wrong = next(n for n in table(h, transported_charge=-1.0).notes if n.startswith("whole hop"))
    assert "the difference, 2.6" in wrong
    half = saddle_dipole_levels(
        hop_images(h.snapshot(0), h.snapshot(0.5)), h.born(0), transported_charge=-2.0
    )
    assert any("do not reach the end" in n for n in half.notes)


def test_path_integral_converges_and_states_its_error() -> None:
    h = hop()
    errors, stated = [], []
    for n in (5, 9, 17):
        level = table(h, [float(t) for t in np.linspace(0, 1, n)])["path_integral"]
        errors.append(np.linalg.norm(level.total - h.parts(0.5).sum(axis=0)))
        stated.append(level.uncertainty)
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0
    assert stated[1] == pytest.approx(errors[1], rel=0.5)


def test_tensors_at_start_and_saddle_alone() -> None:
    h = hop(curved=False)
    h = replace(h, z1=hop().z1)  # linear tensors on a straight way: the trapezium of the two is exact
    t = saddle_dipole_levels(images(h), [h.born(0.5), h.born(0.0)])
    np.testing.assert_allclose(t["path_integral"].total, h.parts(0.5).sum(axis=0), atol=1e-9)
    assert t["path_integral"].whole is None
    assert t.verdict is None
    only_start = saddle_dipole_levels(images(h), h.born(0.0))
    assert only_start.keys == ("constant", "isotropic", "migrating_atom")
    only_saddle = saddle_dipole_levels(images(h), h.born(0.5), nominal_charge=-2)
    assert only_saddle.keys == ("classical",)
    assert any("no Born charges of the start" in n for n in only_saddle.notes)


# --- what must not matter ---------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_rigid_shifts_wrapping_and_order_of_atoms_do_not_matter(seed: int) -> None:
    """Each file in another order of its atoms, wrapped, and shifted by a rigid vector of its own."""
    rng = np.random.default_rng(seed)
    h = hop()
    times = [0.0, 0.25, 0.5]

    def order() -> np.ndarray:
        return np.concatenate([rng.permutation(8), 8 + rng.permutation(8)])

    def moved(s: Snapshot) -> Snapshot:
        return replace(s, positions=s.positions + rng.uniform(-0.2, 0.2, 3))

    start = h.snapshot(0)
    hop_ = hop_images(
        start,
        moved(h.snapshot(0.5, order=order())),
        path=[start, *(moved(h.snapshot(t, order=order())) for t in times[1:])],
    )
    born = [
        replace(b, positions=b.positions + rng.uniform(-0.2, 0.2, 3))
        for b in (h.born(t, order()) for t in times)
        if b.positions is not None
    ]
    t = saddle_dipole_levels(hop_, born)
    reference = saddle_dipole_levels(
        hop_images(start, h.snapshot(0.5), path=[h.snapshot(t) for t in times]), [h.born(t) for t in times]
    )
    for key in reference.keys:
        np.testing.assert_allclose(t[key].total, reference[key].total, atol=1e-9)
        np.testing.assert_allclose(t[key].migrating, reference[key].migrating, atol=1e-9)


def test_a_charged_cell_that_drifts_shifts_its_dipole_by_charge_times_drift() -> None:
    h = hop(shift=SHIFT)
    berry = h.berry(TIMES, np.random.default_rng(0))
    raw = berry.dipole[10] - berry.dipole[0]
    right = h.parts(0.5).sum(axis=0)
    np.testing.assert_allclose(raw - right, 2.0 * 0.5 * np.array(SHIFT), atol=1e-9)
    np.testing.assert_allclose(table(h).best.total, right, atol=1e-9)
    # taken as neutral, the drift would stay in the dipole
    blind = saddle_dipole_levels(images(h), berry=replace(berry, cell_charge=0.0))
    assert np.linalg.norm(blind.best.total - right) == pytest.approx(np.linalg.norm(SHIFT), abs=1e-9)


def test_relaxations_on_both_sides_of_the_saddle_cancel_in_the_alignment() -> None:
    """Rock salt with a vacancy: inversion at the middle of the hop maps the bulk onto itself."""
    grid = [np.array(n) for n in np.ndindex(4, 4, 4) if any(n)]
    symbols = tuple("Mg" if n.sum() % 2 else "O" for n in grid)
    cell, positions = 8.33 * np.eye(3), np.array(grid) * 8.33 / 4
    hopping = next(i for i, n in enumerate(grid) if tuple(n) == (3, 3, 0))
    centre = positions[hopping] + [8.33 / 8, 8.33 / 8, 0]
    from_centre = 2 * np.pi * (positions - centre) / 8.33
    odd = 0.03 * np.sin(from_centre) + 0.02 * np.sin(from_centre[:, [1, 2, 0]])
    odd[hopping] = centre - positions[hopping]
    start = Snapshot(cell, positions, symbols, "start")
    seen = hop_images(start, Snapshot(cell, positions + odd + [0.1, 0.2, -0.1], symbols, "saddle"))
    np.testing.assert_allclose(seen.drift[1], [0.1, 0.2, -0.1], atol=1e-5)
    # neither the mean over all atoms nor the bulk as seen from the start does that
    assert np.abs(odd.mean(axis=0)).max() > 1e-2
    shifted = positions - positions[hopping]
    distance = np.linalg.norm(shifted - 8.33 * np.round(shifted / 8.33), axis=1)
    assert np.abs(odd[distance > 0.6 * distance.max()].mean(axis=0)).max() > 5e-3


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_dipoles_turn_with_the_crystal(seed: int) -> None:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    h = hop(shift=SHIFT)
    z = [np.einsum("ab,ibc,dc->iad", q, t, q) for t in (h.z0, h.z1)]
    turned = Hop(h.cell @ q.T, h.r0 @ q.T, h.a @ q.T, h.b @ q.T, z[0], z[1], h.charge, h.shift @ q.T)
    for ours, theirs in zip(table(h, TIMES[::2]).levels, table(turned, TIMES[::2]).levels, strict=True):
        np.testing.assert_allclose(theirs.total, ours.total @ q.T, atol=1e-8)
        assert theirs.q_eqv == pytest.approx(ours.q_eqv)
        assert theirs.environment_parallel == pytest.approx(ours.environment_parallel, abs=1e-8)


# --- verdict ----------------------------------------------------------------------------------------------------


def test_verdict() -> None:
    fails = table(hop()).verdict
    assert fails is not None
    assert not fails.holds
    best, classical = hop().parts(0.5).sum(axis=0), -2.0 * (0.5 * hop().a + 0.25 * hop().b)[HOPPING]
    assert fails.worst_miss == pytest.approx(0.01 * np.linalg.norm(best - classical))
    assert fails.miss == pytest.approx(np.linalg.norm(best - classical) / np.linalg.norm(best))
    assert fails.barrier_change < fails.classical_barrier_change < 0
    assert "fails here" in fails.text
    assert f"{1e3 * fails.barrier_change:+.1f} meV" in fails.text
    holds = table(without_environment(hop())).verdict
    assert holds is not None
    assert holds.holds
    assert holds.miss == pytest.approx(0, abs=1e-9)
    assert "holds here" in holds.text
    # the sign of a wrong nominal charge is seen
    reverse = table(without_environment(hop()), nominal_charge=2.0).verdict
    assert reverse is not None
    assert reverse.miss == pytest.approx(2.0)
    assert reverse.classical_barrier_change > 0


# --- sources of images ------------------------------------------------------------------------------------------


def test_images_from_files_and_from_a_migration_path(tmp_path: Path) -> None:
    h = hop()
    start = write_poscar(tmp_path / "POSCAR_start", h.snapshot(0))
    saddle = write_poscar(tmp_path / "POSCAR_saddle", h.snapshot(0.5))
    files = hop_images(start, saddle)
    assert not files.complete
    assert files.symbols == SYMBOLS
    np.testing.assert_allclose(files.migrating_displacement, (0.5 * h.a + 0.25 * h.b)[HOPPING], atol=1e-8)

    times = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    positions = np.array([h.positions(t) for t in times])
    coordinate = np.array(times)
    path = MigrationPath(
        energy=np.array([0, 0.1, 0.2, 0.2, 0.1, 0]),
        coordinate=coordinate,
        coordinate_unit="Å",
        energy_error=None,
        positions=positions,
        cell=h.cell,
        symbols=SYMBOLS,
        barrier_forward=0.22,
        barrier_reverse=0.22,
        saddle_coordinate=0.5,
        energy_difference=0.0,
        displacement=0.5 * (positions[2] + positions[3]) - positions[0],
        migrating_atom=HOPPING,
        interpolation="spline",
        source="synthetic",
    )
    seen = hop_images(path=path)
    assert seen.saddle == 3
    assert seen.complete
    assert len(seen.positions) == 7
    np.testing.assert_allclose(seen.displacement[3], path.displacement, atol=1e-12)
    with pytest.raises(InputError, match="no positions"):
        hop_images(path=replace(path, positions=None))


def test_start_and_saddle_are_put_into_the_path() -> None:
    h = hop()
    inner = [h.snapshot(t) for t in (0.2, 0.4, 0.6, 0.8, 1.0)]
    for path in (inner, inner[::-1]):
        found = hop_images(h.snapshot(0), h.snapshot(0.5), path=path)
        assert found.saddle == 3
        assert found.complete
        assert len(found.positions) == 7
        np.testing.assert_allclose(found.displacement[-1], h.a + h.b, atol=1e-9)
    elsewhere = replace(hop(curved=False), a=np.roll(h.a, 2, axis=0))
    with pytest.raises(InputError, match="does not lie on the path"):
        hop_images(h.snapshot(0), elsewhere.snapshot(0.5), path=inner)


def test_what_does_not_belong_together_is_refused() -> None:
    h = hop()
    seen = images(h)
    with pytest.raises(InputError, match="nothing to take a dipole from"):
        saddle_dipole_levels(seen)
    with pytest.raises(InputError, match="of no image of the hop"):
        saddle_dipole_levels(hop_images(h.snapshot(0), h.snapshot(0.5)), h.born(0.25))
    with pytest.raises(InputError, match="second set"):
        saddle_dipole_levels(seen, [h.born(0), h.born(0)])
    born = h.born(0)
    with pytest.raises(InputError, match="Born charges of 15 atoms"):
        saddle_dipole_levels(seen, replace(born, tensors=born.tensors[1:]))
    with pytest.raises(InputError, match="differs from that of the images by 0"):
        saddle_dipole_levels(seen, replace(born, cell=h.cell + 0.1))
    with pytest.raises(InputError, match="charge of the cell"):
        saddle_dipole_levels(seen, born, cell_charge=0)
    with pytest.raises(InputError, match="structure of the saddle"):
        saddle_dipole_levels(seen, berry=h.berry([0.0, 0.1, 0.2, 0.3], np.random.default_rng(0)))
    with pytest.raises(InputError, match="structure of the start"):
        saddle_dipole_levels(seen, berry=h.berry([0.2, 0.3, 0.4, 0.5], np.random.default_rng(0)))
    with pytest.raises(InputError, match="moves by 0"):
        hop_images(h.snapshot(0), h.snapshot(0.5), migrating_atom=0)
    with pytest.raises(InputError, match="no such atom"):
        hop_images(h.snapshot(0), h.snapshot(0.5), migrating_atom=16)
    other = h.snapshot(0.5)
    with pytest.raises(InputError, match="same atoms"):
        hop_images(h.snapshot(0), replace(other, symbols=("Ca",) * 8 + other.symbols[8:]))
    with pytest.raises(InputError, match="cell of"):
        hop_images(h.snapshot(0), replace(h.snapshot(0.5), cell=h.cell * 1.01))


def test_charges_without_a_structure() -> None:
    h = hop()
    bare = replace(h.born(0), positions=None, cell=None)
    assert saddle_dipole_levels(images(h), bare)["constant"].q_eqv == pytest.approx(
        table(h)["constant"].q_eqv
    )
    with pytest.raises(InputError, match="has no structure"):
        saddle_dipole_levels(images(h), [bare, h.born(0.5)])
    named = saddle_dipole_levels(images(h), {0: bare, 10: replace(h.born(0.5), positions=None)})
    assert "path_integral" in named.keys
    with pytest.raises(InputError, match="order of the images"):
        saddle_dipole_levels(images(h), replace(bare, symbols=SYMBOLS[::-1]))


def test_sum_rule() -> None:
    h = hop()
    born = h.born(0)
    off = replace(born, tensors=born.tensors + 0.02 * np.arange(9).reshape(3, 3) / 8)
    t = saddle_dipole_levels(images(h), off)
    assert any("violated by 0.32 e" in n for n in t.notes)
    mended = saddle_dipole_levels(images(h), spread_sum_rule(off))
    np.testing.assert_allclose(mended["constant"].total, table(h)["constant"].total, atol=1e-9)
    assert not any("violated" in n for n in mended.notes)


# --- command and picture ----------------------------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    h = hop()
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    start = write_poscar(tmp_path / "POSCAR_start", h.snapshot(0))
    saddle = write_poscar(tmp_path / "POSCAR_saddle", h.snapshot(0.5))
    arguments = ["polarization", str(start), str(saddle), "--charge=-2", "--field", "1e9"]
    for k, t in enumerate(times):
        file = write_outcar(
            tmp_path / f"OUTCAR.{k}", h.snapshot(t), tensors=h.tensors(t), dipole=h.dipole(t), n_electrons=62
        )
        arguments += ["--berry", str(file)]
        arguments += ["--path", str(write_poscar(tmp_path / f"POSCAR_{k}", h.snapshot(t)))]
        arguments += ["--born", str(file)]
    picture = tmp_path / "dipole.png"
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--json", "--plot", str(picture)])
    assert not done.value.code
    data = json.loads(capsys.readouterr().out)
    assert [x["level"] for x in data["levels"]][:3] == ["berry", "path_integral", "constant"]
    assert data["levels"][0]["total_e_A"] == pytest.approx(h.parts(0.5).sum(axis=0), abs=1e-4)
    assert data["migrating_atom"] == HOPPING
    assert data["verdict"]["field_V_per_m"] == pytest.approx(1e9)
    assert picture.read_bytes()[:4] == b"\x89PNG"

    with pytest.raises(SystemExit):
        main(arguments)
    shown = capsys.readouterr().out
    assert "Berry phase" in shown
    assert "The classical picture fails here" in shown
    assert f"{data['levels'][0]['q_eqv_e']:.2f}" in shown
    with pytest.raises(SystemExit) as refused:
        main(["polarization", str(start), str(saddle), "--born", str(start)])
    assert refused.value.code == 2


def test_picture(tmp_path: Path) -> None:
    from kmc_transport.figures.polarization import plot_dipole_path

    h = hop()
    t = table(h)
    figure = plot_dipole_path(t, tmp_path / "dipole.svg")
    left, right = figure.axes
    lines = {line.get_label(): line for line in left.get_lines()}
    best = next(v for k, v in lines.items() if str(k).endswith("Berry phase") and "parallel" in str(k))
    x, y = (np.asarray(v, dtype=float) for v in best.get_data())
    saddle = int(np.argmin(np.abs(x - t.best.length)))
    assert y[saddle] == pytest.approx(t.best.parallel, abs=1e-9)
    assert {str(line.get_label()) for line in right.get_lines()} >= {"total", "migrating atom", "environment"}
    plot_dipole_path(saddle_dipole_levels(images(h), nominal_charge=-2.0))
    with pytest.raises(InputError, match="could not be written"):
        plot_dipole_path(t, tmp_path / "dipole.nonsense")
