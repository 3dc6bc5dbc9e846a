"""Trajectories: what is recorded, what is in the files, who can read them, and what a kill leaves."""

from __future__ import annotations

import csv
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ase.io
import numpy as np
import pytest

import kmc_transport.engine.replica as replica_module
from kmc_transport import open_trajectory, write_trajectory
from kmc_transport.cli.app import main
from kmc_transport.engine import Replica
from kmc_transport.errors import InputError, StoreError
from kmc_transport.input import load_model_text
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.records import Trajectory
from kmc_transport.seeds import replica_stream
from kmc_transport.trajectory import recording
from kmc_transport.trajectory.elements import element_of, elements_of
from kmc_transport.trajectory.hdf5 import standard_axes
from tests.disk import small_files
from tests.input.interacting import IONS_AND_POLARONS
from tests.reference.networks import LATTICES, T0, chain, lattice_gas, make_model
from tests.trajectory.cells import two_species

FIELD = (2e-3, 1e-3, 0.0)


def skewed(handed: int) -> Model:
    """A cell that lies askew, left-handed for -1."""
    vectors = np.array(LATTICES["bcc"][0])
    vectors[2] *= handed
    bonds = [(0, 0, c, 1.0) for c in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    return make_model(vectors, [[0.1, 0.2, 0.3]], bonds, counts=(3,), supercell=(4, 3, 2))


def record(model: Model, path: Path, **kw: object) -> Trajectory:
    given: dict = {"frames": 65, "every": 0.25, "temperature": T0, "field": FIELD, "events": True} | kw
    write_trajectory(model, path, **given)
    return open_trajectory(path)


@pytest.fixture(scope="module")
def model() -> Model:
    return two_species()


@pytest.fixture(scope="module")
def made(model: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trajectory]:
    path = tmp_path_factory.mktemp("trajectory") / "two.nc"
    return path, record(model, path)


def same(a: Trajectory, b: Trajectory) -> None:
    for name in ("time", "positions", "occupation"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    if a.events is not None and b.events is not None:
        for name in vars(a.events):
            np.testing.assert_array_equal(getattr(a.events, name), getattr(b.events, name))


# ------------------------------------------------------------------------------------------- what is recorded


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_recording_changes_nothing(model: Model, tmp_path: Path, algorithm: str) -> None:
    model = replace(model, sampling=replace(model.sampling, algorithm=algorithm))
    with_events = record(model, tmp_path / "a.nc")
    without = record(model, tmp_path / "b.nc", events=False)
    assert without.events is None
    same(with_events, without)
    catalog = build_catalog(model, temperature=T0, field=FIELD)
    replica = Replica(
        catalog,
        seed=replica_stream(1, T0, np.array(FIELD), 0),
        sample_interval=0.25,
        levels=3,
        algorithm=algorithm,
    )
    for f in range(65):
        np.testing.assert_array_equal(replica.positions(), with_events.positions[f])
        np.testing.assert_array_equal(replica.occupation(), with_events.occupation[f])
        replica.advance(1)


def test_mean_square_displacement_is_that_of_the_tallies(model: Model, made: tuple[Path, Trajectory]) -> None:
    catalog = build_catalog(model, temperature=T0, field=FIELD)
    replica = Replica(catalog, seed=replica_stream(1, T0, np.array(FIELD), 0), sample_interval=0.25, levels=4)
    replica.advance(64)
    tallies, trajectory = replica.tallies, made[1]
    for level in range(5):
        blocks = tallies.n_rows * tallies.blocks_per_row(level)
        wanted = tallies.tracer[:, level].sum(axis=0) / (blocks * tallies.number[:, None, None])
        found = trajectory.mean_square_displacement(2**level)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
        assert found[0, 0, 0] > 0
    total = sum(trajectory.positions[-1, trajectory.header.species == 1] - trajectory.positions[0, 4:])
    np.testing.assert_allclose(total, tallies.displacement[:, 1].sum(axis=0), atol=1e-10)
    with pytest.raises(ValueError, match="1 to 64"):
        trajectory.mean_square_displacement(65)


def test_events_lead_from_frame_to_frame(model: Model, made: tuple[Path, Trajectory]) -> None:
    check_events(model, made[1])


def check_events(model: Model, t: Trajectory) -> None:
    net = model.network
    assert t.events is not None
    e = t.events
    assert len(e) > 300
    assert np.all(np.diff(e.time) >= 0)
    np.testing.assert_array_equal(e.hop_class, net.hop_class[e.hop])
    np.testing.assert_array_equal(net.carrier[e.hop], t.header.species[e.carrier])
    position, site, done = t.positions[0].copy(), t.occupation[0].copy(), 0
    for f in range(1, t.n_frames):
        while done < len(e) and e.time[done] <= t.time[f]:
            c = e.carrier[done]
            assert site[c] == e.origin[done]
            assert e.target[done] not in np.delete(site, c)
            site[c] = e.target[done]
            position[c] += net.vector[e.hop[done]]
            done += 1
        np.testing.assert_array_equal(site, t.occupation[f])
        np.testing.assert_allclose(position, t.positions[f], atol=1e-10)
    assert done == len(e)


@pytest.mark.parametrize("algorithm", ["auto", "rejection_free"])
def test_interacting_carriers(algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model_text(IONS_AND_POLARONS + "sampling: {seed: 2}\n")
    model = replace(model, sampling=replace(model.sampling, algorithm=algorithm))
    options: dict = {"temperature": 900.0, "every": 8e-12, "frames": 40}
    whole = record(model, tmp_path / "a.nc", **options)
    check_events(model, whole)
    assert "equilibrated at 900 K" in whole.header.provenance["initial"]
    monkeypatch.setattr(recording, "PART_SECONDS", 0.0)

    def stop(done: int, wanted: int) -> None:
        if done >= 15:
            raise Stopped

    with pytest.raises(Stopped):
        record(model, tmp_path / "b.nc", **options, on_progress=stop)
    monkeypatch.undo()
    again = record(model, tmp_path / "b.nc", **options)
    same(again, whole)
    assert again.header.provenance["initial"] == whole.header.provenance["initial"]


def test_occupation_says_where_the_carriers_are(made: tuple[Path, Trajectory], model: Model) -> None:
    t = made[1]
    cell, site = np.divmod(t.occupation, model.structure.n_sites)
    corner = np.stack(np.unravel_index(cell, model.supercell), axis=-1)
    positions = (corner + model.structure.frac[site]) @ model.structure.lattice
    np.testing.assert_allclose(t.wrapped, t.header.wrapped(positions), atol=1e-9)
    assert np.abs(t.wrapped - t.positions).max() > 1  # somebody has left the first cell
    frac = t.wrapped @ np.linalg.inv(t.header.cell)
    assert frac[..., :2].min() > -1e-9
    assert frac[..., :2].max() < 1


def test_substeps_and_parts_do_not_show(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "ATTEMPTS", 3)
    whole = record(model, tmp_path / "a.nc", frames=20)
    monkeypatch.setattr(recording, "PART_BYTES", 1500)
    pieces = record(model, tmp_path / "b.nc", frames=20)
    same(whole, pieces)
    assert whole.events is not None
    assert pieces.events is not None
    assert np.all(np.diff(pieces.events.time) >= 0)


def test_default_interval_is_about_a_hop(tmp_path: Path) -> None:
    model = lattice_gas("sc", 4, 6)
    path = tmp_path / "a.nc"
    done = write_trajectory(model, path, frames=101, equilibration=3.0)
    assert 300 < done.hops < 900  # exclusion slows them down
    assert done.time == pytest.approx(100 * open_trajectory(path).header.every)


def test_equilibration_comes_first(model: Model, tmp_path: Path) -> None:
    late = record(model, tmp_path / "a.nc", equilibration=2.0, frames=3)
    early = record(model, tmp_path / "b.nc", frames=11)
    np.testing.assert_array_equal(late.positions[0], early.positions[8])
    assert late.time[0] == 0
    assert late.events is not None
    assert late.events.time.max() <= late.time[-1]


def test_a_blocked_lattice_stands_still(tmp_path: Path) -> None:
    full = chain([1.0, 1.0], counts=(2,))
    done = write_trajectory(full, tmp_path / "a.nc", frames=3, every=1.0, events=True)
    t = open_trajectory(tmp_path / "a.nc")
    assert done.blocked
    assert done.hops == 0
    assert t.events is not None
    assert len(t.events) == 0
    np.testing.assert_array_equal(t.positions[0], t.positions[2])
    np.testing.assert_array_equal(t.time, [0, 1, 2])
    with pytest.raises(InputError, match="no carrier can hop"):
        write_trajectory(full, tmp_path / "b.nc", frames=3)
    assert not list(tmp_path.glob("b*"))


# ------------------------------------------------------------------------------------------- HDF5


def test_file_holds_where_it_comes_from(made: tuple[Path, Trajectory], model: Model) -> None:
    h = made[1].header
    assert h.names == ("c0", "c1")
    assert h.charge.tolist() == [1, -1]
    assert h.temperature == T0
    np.testing.assert_allclose(h.field, FIELD)
    np.testing.assert_allclose(h.cell, np.diag([5, 4, 1]) @ model.structure.lattice)
    assert h.periodic.tolist() == [True, True, False]
    assert h.supercell == (5, 4, 1)
    assert h.site_labels == model.structure.labels
    assert h.provenance["seed"] == "1"
    assert "numpy" in h.provenance["package_versions"]
    assert h.provenance["input"] == model.source.text
    assert "temperature" not in h.provenance


def test_part_of_a_file(made: tuple[Path, Trajectory]) -> None:
    path, whole = made
    part = open_trajectory(path, slice(10, 30, 5))
    np.testing.assert_array_equal(part.positions, whole.positions[10:30:5])
    np.testing.assert_array_equal(part.time, whole.time[10:30:5])
    assert part.events is not None
    assert whole.events is not None
    inside = (whole.events.time > whole.time[10]) & (whole.events.time <= whole.time[25])
    np.testing.assert_array_equal(part.events.hop, whole.events.hop[inside])
    empty = open_trajectory(path, slice(0, 0))
    assert empty.n_frames == 0
    assert empty.events is not None
    assert len(empty.events) == 0


@pytest.mark.parametrize("handed", [1, -1])
def test_askew_cells_come_back_as_they_were(handed: int, tmp_path: Path) -> None:
    model = skewed(handed)
    cell = np.diag(model.supercell) @ model.structure.lattice
    standard, axes = standard_axes(cell)
    assert np.all(np.triu(standard, 1) == 0)
    assert np.all(np.diag(standard) > 0)
    np.testing.assert_allclose(standard @ axes, cell, atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(np.sign(np.linalg.det(cell)))
    t = record(model, tmp_path / "a.nc")
    replica = Replica(
        build_catalog(model, temperature=T0, field=FIELD),
        seed=replica_stream(1, T0, np.array(FIELD), 0),
        sample_interval=0.25,
    )
    replica.advance(64)
    np.testing.assert_allclose(t.positions[-1], replica.positions(), atol=1e-12)
    np.testing.assert_allclose(t.header.cell, cell)


def test_mdanalysis_reads_it(made: tuple[Path, Trajectory], tmp_path: Path) -> None:
    mda = pytest.importorskip("MDAnalysis")
    path, t = made
    copy = tmp_path / "two.h5md"
    copy.write_bytes(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about guessing masses
        universes = [mda.Universe(str(copy)), mda.Universe(str(copy), str(path), format="H5MD")]
    for universe in universes:
        assert universe.trajectory.n_frames == 65
        for f in (0, 40):
            frame = universe.trajectory[f]
            np.testing.assert_allclose(frame.positions, t.positions[f], rtol=1e-6, atol=1e-5)
            assert frame.time == pytest.approx(t.time[f] * 1e12)
            lengths = np.linalg.norm(t.header.cell, axis=1)
            np.testing.assert_allclose(frame.dimensions, [*lengths, 90, 90, 60], rtol=1e-6)
        universe.trajectory.close()


def test_ovito_reads_it(made: tuple[Path, Trajectory], tmp_path: Path) -> None:
    ovito = pytest.importorskip("ovito.io")
    path, t = made
    pipeline = ovito.import_file(str(path))
    assert pipeline.source.num_frames == 65
    data = pipeline.compute(40)
    np.testing.assert_allclose(data.particles.positions[...], t.positions[40], atol=1e-9)
    np.testing.assert_array_equal(data.particles["site"][...], t.occupation[40])
    np.testing.assert_array_equal(data.particles.particle_types[...], t.header.species + 1)
    np.testing.assert_allclose(data.cell[:, :3].T, t.header.cell, atol=1e-9)
    assert data.attributes["time"] == pytest.approx(t.time[40] * 1e12)
    askew = record(skewed(-1), tmp_path / "askew.nc")
    pipeline = ovito.import_file(str(tmp_path / "askew.nc"))
    seen = pipeline.compute(64).particles.positions[...]
    for a, b in ((0, 1), (1, 2)):
        distance = np.linalg.norm(askew.positions[64, a] - askew.positions[64, b])
        assert np.linalg.norm(seen[a] - seen[b]) == pytest.approx(distance)


def test_h5md_and_amber_share_their_arrays(made: tuple[Path, Trajectory]) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(made[0]) as file:
        assert file["particles/trajectory/position/value"] == file["coordinates"]
        assert file["particles/trajectory/position/time"] == file["time"]
        text = file.attrs.get_id("Conventions").get_type()
        assert not text.is_variable_str()
        assert file.attrs["Conventions"] == b"AMBER"
        assert file["time"].attrs.get_id("unit").get_type().is_variable_str()
        assert file["coordinates"].attrs["units"] == b"angstrom"
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        species = file["particles/trajectory/species"]  # numbers; the names stand beside them
        names = dict(zip(species.attrs["flag_values"], species.attrs["flag_meanings"].split(), strict=True))
        assert [names[k] for k in species[()]] == [made[1].header.names[k] for k in made[1].header.species]


def test_netcdf_tools_read_it(made: tuple[Path, Trajectory]) -> None:
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(made[0], engine="h5netcdf") as data:
        assert dict(data.sizes) == {
            "frame": 65,
            "atom": 7,
            "spatial": 3,
            "cell_spatial": 3,
            "cell_angular": 3,
        }
        np.testing.assert_allclose(data["coordinates"].values, made[1].positions, atol=1e-12)
        kinds = data["atom_types"]
        names = dict(
            zip(kinds.attrs["flag_values"].tolist(), kinds.attrs["flag_meanings"].split(), strict=True)
        )
        assert [names[k] for k in kinds.values] == ["c0"] * 4 + ["c1"] * 3


# ------------------------------------------------------------------------------------------- XYZ and CSV


def test_ase_reads_xyz(made: tuple[Path, Trajectory], model: Model, tmp_path: Path) -> None:
    path, t = tmp_path / "two.xyz", made[1]
    source = replace(model.source, text='a: "1 Å"\nb: \\{}\n')
    named = replace(
        model,
        source=source,
        carriers=(replace(model.carriers[0], name="Na ion"), replace(model.carriers[1], name="hole")),
    )
    given = {"frames": 65, "every": 0.25, "temperature": T0, "field": FIELD}
    write_trajectory(named, path, elements={"hole": "O"}, **given)  # type: ignore[arg-type]
    frames = ase.io.read(path, ":", format="extxyz")
    assert len(frames) == 65
    for f, atoms in enumerate(frames):
        assert atoms.get_chemical_symbols() == ["Na"] * 4 + ["O"] * 3
        np.testing.assert_allclose(atoms.positions, t.wrapped[f], atol=1e-8)
        np.testing.assert_allclose(atoms.arrays["unwrapped"], t.positions[f], atol=1e-8)
        np.testing.assert_array_equal(atoms.arrays["site"], t.occupation[f])
        np.testing.assert_allclose(atoms.cell.array, t.header.cell, atol=1e-8)
        assert atoms.pbc.tolist() == [True, True, False]
        assert atoms.info["Time"] == pytest.approx(t.time[f] * 1e12)
    assert frames[0].arrays["carrier"].tolist() == ["Na_ion"] * 4 + ["hole"] * 3
    assert frames[0].info["carriers"] == "Na:Na_ion O:hole"
    assert frames[0].arrays["id"].tolist() == list(range(1, 8))
    assert unquote(str(frames[0].info["input"])) == source.text
    assert int(frames[0].info["seed"]) == 1


def test_events_as_csv(made: tuple[Path, Trajectory], model: Model, tmp_path: Path) -> None:
    path, e = tmp_path / "events.csv", made[1].events
    assert e is not None
    write_trajectory(model, path, frames=65, every=0.25, temperature=T0, field=FIELD)
    lines = path.read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert [float(r["time_s"]) for r in rows] == e.time.tolist()
    assert [int(r["carrier"]) for r in rows] == e.carrier.tolist()
    assert [int(r["target_site"]) for r in rows] == e.target.tolist()
    assert [r["species"] for r in rows] == [f"c{s}" for s in made[1].header.species[e.carrier]]
    assert "# seed: 1" in lines


def test_host_sites(tmp_path: Path) -> None:
    allowed = [[True, False, True]]
    model = make_model(
        np.diag([2.0, 3, 4]),
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]],
        [(0, 2, (0, 0, 0), 1.0), (2, 0, (1, 0, 0), 1.0)],
        supercell=(3, 1, 2),
        allowed=allowed,
    )
    model = replace(model, structure=replace(model.structure, labels=("a", "Mn1", "b")))
    model = replace(model, carriers=(replace(model.carriers[0], sites=("a", "b")),))
    done = write_trajectory(model, tmp_path / "a.nc", frames=2, every=1.0, host=tmp_path / "host.xyz")
    assert done.host_sites == 6
    atoms = ase.io.read(tmp_path / "host.xyz", format="extxyz")
    assert atoms.get_chemical_symbols() == ["Mn"] * 6
    np.testing.assert_allclose(sorted(atoms.positions[:, 0]), [1, 1, 3, 3, 5, 5])
    np.testing.assert_allclose(atoms.cell.lengths(), [6, 3, 8])
    with pytest.raises(StoreError, match="exists already"):
        write_trajectory(model, tmp_path / "b.nc", frames=2, every=1.0, host=tmp_path / "host.xyz")


def test_symbols() -> None:
    assert [element_of(n) for n in ("Na", "Na1", "O_bridge", "hole", "Nap", "V_O", "Xx", "C60", "")] == (
        ["Na", "Na", "O", "X", "X", "V", "X", "C", "X"]
    )
    assert elements_of(("Na", "hole"), {"hole": "H"}) == ["Na", "H"]
    with pytest.raises(InputError, match="no such carrier"):
        elements_of(("Na",), {"K": "K"})
    with pytest.raises(InputError, match="symbol"):
        elements_of(("Na",), {"Na": "Qq"})


# ------------------------------------------------------------------------------------------- stops and kills


class Stopped(Exception):
    pass


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_a_stopped_run_goes_on_bit_for_bit(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = two_species()
    model = replace(model, sampling=replace(model.sampling, algorithm=algorithm, seed=None))
    whole = record(model, tmp_path / "whole.nc", seed=5, frames=35)
    monkeypatch.setattr(recording, "PART_SECONDS", 0.0)
    path = tmp_path / "a.nc"

    def stop(done: int, wanted: int) -> None:
        if done >= 20:
            raise Stopped

    given: dict = {"frames": 35, "every": 0.25, "temperature": T0, "field": FIELD, "events": True, "seed": 5}
    with pytest.raises(Stopped):
        write_trajectory(model, path, on_progress=stop, **given)
    assert not path.exists()
    left = open_trajectory(path)
    assert not left.complete
    assert left.n_frames == 20
    np.testing.assert_array_equal(left.positions, whole.positions[:20])
    assert left.header.provenance["seed"] == "5"
    part = open_trajectory(path, slice(5, 10))
    np.testing.assert_array_equal(part.occupation, whole.occupation[5:10])
    assert part.events is not None
    assert whole.events is not None
    inside = (whole.events.time > whole.time[5]) & (whole.events.time <= whole.time[9])
    np.testing.assert_array_equal(part.events.hop, whole.events.hop[inside])
    with pytest.raises(StoreError, match="other options"):
        write_trajectory(model, path, **(given | {"every": 0.5}))
    with monkeypatch.context() as later:
        later.setattr(replica_module, "SNAPSHOT_VERSION", 0)
        with pytest.raises(StoreError, match="another version"):
            write_trajectory(model, path, **given)
    done = write_trajectory(model, path, **given)
    assert done.resumed == 20
    finished = open_trajectory(path)
    assert finished.complete
    same(finished, whole)
    assert done.hops == len(whole.events)
    assert {p.name for p in tmp_path.iterdir()} == {"a.nc", "whole.nc"}


def test_a_drawn_seed_is_kept_for_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = two_species()
    model = replace(model, sampling=replace(model.sampling, seed=None))
    monkeypatch.setattr(recording, "PART_SECONDS", 0.0)

    def stop(done: int, wanted: int) -> None:
        if done >= 4:
            raise Stopped

    path = tmp_path / "a.nc"
    with pytest.raises(Stopped):
        write_trajectory(model, path, frames=9, every=1.0, on_progress=stop)
    seed = open_trajectory(path).header.provenance["seed"]
    write_trajectory(model, path, frames=9, every=1.0)
    assert open_trajectory(path).header.provenance["seed"] == seed
    write_trajectory(model, tmp_path / "b.nc", frames=9, every=1.0, seed=int(seed))
    same(open_trajectory(path), open_trajectory(tmp_path / "b.nc"))


KILLED = """
import os, sys
from kmc_transport import recording
from tests.trajectory.cells import two_species
recording.PART_SECONDS = 0.0
def stop(done, wanted):
    if done >= 7:
        os._exit(9)
recording.write_trajectory(two_species(), sys.argv[1], frames=20, every=0.25, on_progress=stop)
"""


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    root = Path(__file__).parents[2]
    code = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=root, check=False).returncode
    assert code == 9
    assert open_trajectory(path).n_frames == 7
    done = write_trajectory(two_species(), path, frames=20, every=0.25)
    assert done.resumed == 7
    assert open_trajectory(path).n_frames == 20


def test_damaged_parts_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PART_SECONDS", 0.0)

    def stop(done: int, wanted: int) -> None:
        if done >= 4:
            raise Stopped

    with pytest.raises(Stopped):
        write_trajectory(two_species(), tmp_path / "a.nc", frames=9, every=1.0, on_progress=stop)
    part = tmp_path / "a.nc.points" / "frames-00000001.npz"
    data = bytearray(part.read_bytes())
    data[-100] ^= 1
    part.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="cannot be read"):
        open_trajectory(tmp_path / "a.nc")


# ------------------------------------------------------------------------------------------- what is refused


def test_nothing_is_overwritten_silently(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists already") as caught:
        write_trajectory(model, path, frames=2, every=1.0)
    assert caught.value.exit_code == 2
    assert path.read_text() == "mine"
    write_trajectory(model, path, frames=2, every=1.0, overwrite=True)
    assert open_trajectory(path).n_frames == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.dcd", {}, "not the name of a trajectory"),
        ("no/a.nc", {}, "does not exist"),
        ("a.xyz", {"events": True}, "hold no events"),
        ("a.nc", {"frames": 0}, "must be a frame"),
        ("a.nc", {"every": -1.0}, "no time between"),
        ("a.nc", {"equilibration": -1.0}, "is no time"),
        ("a.nc", {"replica": -1}, "replica"),
        ("a.xyz", {"elements": {"c7": "H"}}, "no such carrier"),
        ("a.nc", {"host": "h.xyz"}, "no sites beside"),
        ("a.nc", {"temperature": -3.0}, "temperature"),
    ],
)
def test_refused(name: str, options: dict, message: str, model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_trajectory(model, tmp_path / name, **({"frames": 2, "every": 1.0} | options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("suffix", "room"), [(".nc", 0), (".nc", 1500), (".nc", 40_000), (".xyz", 1500), (".csv", 40_000)]
)
def test_a_full_disk_is_one_message(
    suffix: str, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it fills up; the frames stay, and the same call makes the file when there is room."""
    path = tmp_path / f"a{suffix}"
    given: dict = {"frames": 400, "every": 0.25, "seed": 5}
    write_file = recording.write_file

    def without_room(*arguments: Any) -> None:
        with small_files(room):
            write_file(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(recording, "write_file", without_room)
        with pytest.raises(StoreError, match="could not be written: ") as caught:
            write_trajectory(two_species(), path, **given)
    assert len(str(caught.value)) < 2000
    assert caught.value.exit_code == 2
    assert not path.exists()
    if room == 0:
        return
    assert open_trajectory(path).n_frames == 400
    assert write_trajectory(two_species(), path, **given).resumed == 400


def test_the_host_is_not_the_trajectory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mgo.yaml").write_text(INPUT)
    assert command("mgo.yaml", "-n", "2", "-o", "a.xyz", "--host", "./a.xyz", "--every", "20 ns") == 2
    assert not Path("a.xyz").exists()


def test_what_is_no_trajectory(made: tuple[Path, Trajectory], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such trajectory"):
        open_trajectory(tmp_path / "a.nc")
    (tmp_path / "b.nc").write_text("nothing")
    with pytest.raises(StoreError, match="cannot be read"):
        open_trajectory(tmp_path / "b.nc")
    (tmp_path / "c.nc").write_bytes(made[0].read_bytes()[:-3000])
    with pytest.raises(StoreError, match="cannot be read"):
        open_trajectory(tmp_path / "c.nc")
    (tmp_path / "d.xyz").write_text("0\n\n")
    with pytest.raises(StoreError, match="other programs"):
        open_trajectory(tmp_path / "d.xyz")


# ------------------------------------------------------------------------------------------- command line

INPUT = """
format: 1
title: vacancies and hosts
structure:
  lattice: {a: 4, b: 4, c: 4}
  sites: {O: [[0, 0, 0]], Mg: [[0.5, 0.5, 0.5]]}
supercell: [3, 3, 3]
carriers:
  vacancy: {charge: 2, sites: [O], count: 3}
hops:
  - {carrier: vacancy, between: [O, O], distance: 4, barrier: 0.5 eV, attempt_frequency: 5 THz}
conditions:
  temperature: [500]
  field: {along: [1, 0, 0], magnitude: 0}
"""


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["trajectory", *arguments])
    return int(stopped.value.code or 0)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mgo.yaml").write_text(INPUT)
    options = [
        "mgo.yaml",
        "-n",
        "5",
        "--every",
        "20 ns",
        "-T",
        "600",
        "--field",
        "1e7",
        "0",
        "0",
        "--seed",
        "3",
    ]
    assert command(*options, "--events", "-o", "a.nc", "--host", "host.xyz") == 0
    assert "5 frames" in capsys.readouterr().out
    t = open_trajectory("a.nc")
    assert t.events is not None
    assert t.time.tolist() == pytest.approx([0, 2e-8, 4e-8, 6e-8, 8e-8])
    assert t.header.temperature == 600
    assert t.header.field.tolist() == pytest.approx([1e-3, 0, 0])
    assert t.header.provenance["seed"] == "3"
    assert t.header.provenance["input"] == INPUT
    assert len(ase.io.read("host.xyz", format="extxyz")) == 27
    assert command(*options, "-o", "a.nc") == 2
    assert "exists already" in capsys.readouterr().err
    assert command(*options, "-o", "a.nc", "--overwrite", "-q") == 0
    assert capsys.readouterr().out == ""
    assert open_trajectory("a.nc").events is None
    assert command(*options, "-o", "a.xyz", "--element", "vacancy=O") == 0
    assert ase.io.read("a.xyz", 4, format="extxyz").get_chemical_symbols() == ["O"] * 3
    assert command("mgo.yaml", "-n", "5", "--every", "20 K", "-o", "b.nc") == 2
    assert command("mgo.yaml", "-n", "5", "-o", "b.xyz", "--element", "O") == 2
    assert "CARRIER=SYMBOL" in capsys.readouterr().err


def test_interrupted_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mgo.yaml").write_text(INPUT)
    monkeypatch.setattr(recording, "PART_SECONDS", 0.0)
    advance, calls = Replica.advance, iter(range(10))

    def interrupted(self: Replica, n: int) -> object:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return advance(self, n)

    monkeypatch.setattr(Replica, "advance", interrupted)
    options = ["mgo.yaml", "-n", "9", "--every", "20 ns", "-o", "a.nc"]
    assert command(*options) == 130
    assert "a.nc.points" in capsys.readouterr().err
    assert open_trajectory("a.nc").n_frames == 4
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert command(*options) == 0
    assert open_trajectory("a.nc").n_frames == 9
