"""Field response read from files of first-principles codes, down to the drift velocity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model, load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.sources import read_path

ase_io = pytest.importorskip("ase.io")

INPUTS = Path(__file__).parents[2] / "inputs"
A = 4.0
SYMBOLS = "Mg" * 4 + "O" * 3


def crystal(folder: Path, *, share: float = 0.5, environment: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Start and saddle of an oxygen hop into a vacancy at the origin of a rock-salt cell of 7 atoms, with charges.

    Every atom is given the charge of its species; the tensor of one Mg is not symmetric. Returns tensors and
    displacements.
    """
    from ase import Atoms

    magnesium = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]) * A / 2
    oxygen = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]]) * A / 2
    start = np.concatenate([magnesium, oxygen])
    moved = np.zeros_like(start)
    moved[4] = -np.array([1, 1, 0]) * A / 2 * share
    moved[0] = [environment, 0, 0]
    moved[1] = [0, environment, 0]
    tensors = np.array([2.0 * np.eye(3)] * 4 + [-2.0 * np.eye(3)] * 3)
    tensors[0] += np.array([[0, 0.3, 0], [0, 0, 0], [0, 0, 0]])  # dP_x/dr_y
    for name, positions in (("start", start), ("saddle", start + moved), ("end", start + moved / share)):
        atoms = Atoms("Mg4O3", positions, cell=A * np.eye(3), pbc=True)
        ase_io.write(folder / f"{name}.vasp", atoms, format="vasp")
    np.save(folder / "born.npy", tensors)
    return tensors, moved


def model(folder: Path, response: dict[str, object], **hop: object) -> Model:
    document = {
        "structure": {
            "spacegroup": "Fm-3m",
            "lattice": {"a": A},
            "sites": {"Mg": [[0.5, 0, 0]], "O": [[0, 0, 0]]},
        },
        "supercell": [3, 3, 3],
        "carriers": {"V": {"charge": 2, "sites": ["O"], "count": 1}},
        "hops": [
            {
                "carrier": "V",
                "between": ["O", "O"],
                "distance": A / 2**0.5,
                "barrier": 1.0,
                "attempt_frequency": 1e13,
                "field_response": response,
                **hop,
            }
        ],
        "conditions": {"temperature": [800]},
    }
    return load_model_text(json.dumps(document), base=folder)


FILES = {"start": "start.vasp", "saddle": "saddle.vasp", "born": ["born.npy"], "cell_charge": 2}


def test_born_charges_end_as_the_dipole_of_the_vacancy(tmp_path: Path) -> None:
    """Tensor times displacement, turned to the vacancy's hop (against the atom's way), made symmetric."""
    tensors, moved = crystal(tmp_path)
    dipole = np.einsum("iab,ib->a", tensors, moved)
    found = model(tmp_path, FILES | {"tolerance": 0.2})
    c = found.hop_classes[0]
    assert c.response == "born"
    assert any("Q_eqv" in line for line in c.log)
    assert "born.npy" in c.read_from
    catalog = build_catalog(found, temperature=800)
    # the hop against the atom's way, from the origin to its site: dipole along +(1, 1, 0); symmetry wants Q d/2 = d
    hop = int(np.argmin(np.linalg.norm(found.network.vector - np.array([A / 2, A / 2, 0]), axis=1)))
    np.testing.assert_allclose(catalog.saddle_dipole[hop], found.network.vector[hop], atol=1e-9)
    assert dipole @ found.network.vector[hop] > 0  # the same sense before it was made symmetric


def test_a_dipole_that_symmetry_cannot_bear_is_refused(tmp_path: Path) -> None:
    crystal(tmp_path, environment=0.6)
    with pytest.raises(InputError, match="breaks the symmetry of the hop"):
        model(tmp_path, FILES)


def test_levels_can_be_chosen(tmp_path: Path) -> None:
    crystal(tmp_path)
    best, alone = (
        [
            x
            for x in model(tmp_path, FILES | {"tolerance": 1.0, "level": level}).hop_classes[0].log
            if "Q_eqv" in x
        ]
        for level in ("constant", "migrating_atom")
    )
    assert best != alone
    with pytest.raises(InputError, match="do not allow this level"):
        model(tmp_path, FILES | {"level": "path_integral"})


def test_a_hop_that_the_files_do_not_show_must_be_named(tmp_path: Path) -> None:
    crystal(tmp_path, share=0.2)
    files = FILES | {"tolerance": 1.0}
    with pytest.raises(InputError, match="is along none of the hops") as caught:
        model(tmp_path, files)
    assert "hop: [x, y, z]" in str(caught.value)
    found = model(tmp_path, files | {"hop": [A / 2, A / 2, 0]})
    assert found.hop_classes[0].saddle_dipole is not None
    found = model(tmp_path, files | {"path": ["start.vasp", "saddle.vasp", "end.vasp"]})
    assert found.hop_classes[0].saddle_dipole is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"born": ["nothing.npy"]}, "there is no such file"),
        ({"born": None}, "neither Born charges nor Berry phases"),
        ({"saddle": None}, "saddle"),
        ({"cell_charge": "two"}, "cell_charge"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    crystal(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        model(tmp_path, {k: v for k, v in (FILES | change).items() if v is not None})
    assert "hops[0].field_response" in str(caught.value)


def test_another_frame_is_refused(tmp_path: Path) -> None:
    crystal(tmp_path)
    for name in ("start", "saddle"):
        atoms = ase_io.read(tmp_path / f"{name}.vasp")
        atoms.set_cell(1.15 * atoms.cell, scale_atoms=True)
        ase_io.write(tmp_path / f"{name}.vasp", atoms, format="vasp")
    with pytest.raises(InputError, match="is no supercell of the structure along the same axes"):
        model(tmp_path, FILES)


# ---- the shipped case


def test_magnesia_from_quantum_espresso_to_drift_velocity() -> None:
    """Barrier, migrating atom, Q_eqv and drift velocity of inputs/mgo_vacancy, out of pw.x and ph.x."""
    found = load_model(INPUTS / "mgo_vacancy" / "drift.yaml")
    c = found.hop_classes[0]
    assert c.barrier_forward == pytest.approx(2.4391, abs=2e-4)
    log = " ".join(c.log)
    assert "migrating atom O 1.403 Å" in log, log
    assert "eq. 4, 2 images): 2.863 e·Å" in log
    assert "Q_eqv = -2.041 e" in log  # Salles 2020, Table 1: 2.07
    assert "made symmetric: (0, 2.024, 2.024) became (0, 2.083, 2.083)" in log
    assert np.linalg.norm(c.saddle_dipole or ()) == pytest.approx(2.9451, abs=1e-3)
    strong = np.array([1, 1, 0]) / 2**0.5 * 0.1
    answer = solve_exact(build_catalog(found, temperature=1000, field=strong), dilute=True)
    # Koettgen's full form with 186 modes of the start and 185 of the saddle (one imaginary: a saddle of first order)
    assert c.attempt_frequency is not None
    nu = float(np.exp(c.attempt_frequency.log_at(1000)[0]))
    assert nu == pytest.approx(14.05e12, rel=1e-3)
    assert any("reaction mode left out, -9.036 THz" in line for line in c.log)
    kt, d = 8.617333e-5 * 1000, 2.9451
    # twelve hops: along (110) and at 60 degrees to it; W = 2 d E cos
    v = 2 * nu * np.exp(-2.43905 / kt) * d * (
        np.sinh(d * 0.1 / kt) + 4 * 0.5 * np.sinh(0.5 * d * 0.1 / kt)
    )  # fmt: skip
    assert answer.drift_velocity[0] @ strong / 0.1 == pytest.approx(v, rel=2e-4)


def test_outputs_of_single_images_are_a_path() -> None:
    folder = INPUTS / "mgo_vacancy"
    path = read_path([folder / f"{n}.out.gz" for n in ("start_relax", "saddle_relax", "end_scf")])
    assert path.barrier_forward == pytest.approx(2.43905, abs=1e-4)
    assert path.barrier_reverse == pytest.approx(2.43905, abs=1e-4)
    assert path.migrating_atom == 32
    with pytest.raises(InputError, match="one output for each image"):
        read_path([folder / "start_relax.out.gz"], kind="vasp")
    with pytest.raises(InputError, match="outputs are given as a list"):
        read_path(folder / "start_relax.out.gz", kind="outputs")
    with pytest.raises(InputError, match="there is no such file"):
        read_path([folder / "start_relax.out.gz", folder / "nothing.out"])
    with pytest.raises(InputError, match="an output that ASE reads"):
        read_path([folder / "start_relax.out.gz", folder / "README.md"])


def test_berry_phases_end_as_the_dipole_of_the_ion(tmp_path: Path) -> None:
    """OUTCARs with dipoles on any branch, images in any order; the whole hop is the ion's charge times its way."""
    from tests.sources.polarization_data import HOPPING, without_environment, write_outcar
    from tests.sources.polarization_data import hop as synthetic

    h = without_environment(synthetic(charge=0.0))
    charge = float(h.z0[HOPPING, 0, 0])
    times = [0.0, 0.1, 0.25, 0.4, 0.5, 0.65, 0.8, 0.9, 1.0]
    names = []
    for k, t in enumerate(times):
        (tmp_path / f"{k}").mkdir()
        fold = np.array([[2, -1, 0], [0, 3, 1], [-2, 0, 0]])[k % 3] @ h.cell
        write_outcar(tmp_path / f"{k}" / "OUTCAR", h.snapshot(t), dipole=h.dipole(t) + fold, n_electrons=64)
        names.append(f"{k}/OUTCAR")
    ends = [h.positions(t)[HOPPING] @ np.linalg.inv(h.cell) for t in (0.0, 1.0)]
    way = (ends[1] - ends[0]) @ h.cell
    document = {
        "structure": {
            "lattice": {"vectors": h.cell.tolist()},
            "symmetry": False,
            "sites": {"A": [ends[0].tolist()], "B": [ends[1].tolist()]},
        },
        "supercell": [2, 1, 1],
        "carriers": {"ion": {"charge": charge, "sites": ["A", "B"], "count": 1}},
        "hops": [
            {
                "carrier": "ion",
                "between": ["A", "B"],
                "distance": float(np.linalg.norm(way)),
                "barrier": 0.5,
                "attempt_frequency": 1e13,
                "field_response": {
                    "start": names[0],
                    "saddle": names[4],
                    "path": names,
                    "berry": [names[i] for i in (3, 0, 8, 5, 1, 7, 2, 6, 4)],
                },
            }
        ],
        "conditions": {"temperature": [600]},
    }
    found = load_model_text(json.dumps(document), base=tmp_path)
    c = found.hop_classes[0]
    assert c.response == "berry"
    forward = int(np.argmax(found.network.orientation > 0))
    sense = np.sign(found.network.vector[forward] @ way)
    catalog = build_catalog(found, temperature=600, field=[0.01, 0.02, -0.01])
    saddle = h.dipole(0.5) if sense > 0 else h.dipole(0.5) - charge * way
    np.testing.assert_allclose(catalog.saddle_dipole[forward], saddle, atol=2e-3)
    np.testing.assert_allclose(catalog.work[forward], charge * sense * way @ catalog.field, atol=1e-9)
