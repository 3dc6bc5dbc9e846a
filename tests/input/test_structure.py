"""Structures: the three forms, lattices, space groups, symmetry, errors."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model, load_model_text
from kmc_transport.input.document import Document
from kmc_transport.input.lattice import lattice_from_parameters
from kmc_transport.input.schema.structure import StructureInput
from kmc_transport.input.structure import build_structure
from kmc_transport.model import spacegroups
from kmc_transport.model.symmetry import site_images
from tests.input.model_inputs import hop

MGO_CIF = """data_MgO
_symmetry_space_group_name_H-M 'F m -3 m'
_cell_length_a 4.165
_cell_length_b 4.165
_cell_length_c 4.165
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Mg1 Mg 0 0 0 1
O1 O 0.5 0.5 0.5 1
"""

TWO_OXYGENS = """two kinds of oxygen
1.0
4.0 0 0
0 4.0 0
0 0 8.0
O Ti
2 1
direct
0 0 0
0 0 0.5
0.5 0.5 0.2
"""


def structure(base=Path(), files=None, **keys):
    """Structure of the given keys, and its notes; raises InputError."""
    doc = Document(path="test.yaml", text="", data={"structure": keys})
    used: dict[str, str] = {}
    built = build_structure(StructureInput.model_validate(keys), doc, base, used, files or {})
    doc.raise_problems()
    assert built is not None
    return built, doc.notes


def problems(**keys):
    with pytest.raises(InputError) as caught:
        structure(**keys)
    return caught.value.problems


def check_operations(s, atol=1e-6):
    """Operations are isometries that permute the sites of each label; the identity comes first."""
    metric = s.lattice @ s.lattice.T
    np.testing.assert_array_equal(s.rotations[0], np.eye(3))
    np.testing.assert_array_equal(s.translations[0], 0)
    for r in s.rotations:
        np.testing.assert_allclose(r.T @ metric @ r, metric, atol=atol)
    site, cell = site_images(s)
    labels = np.array(s.labels)
    for g in range(len(s.rotations)):
        assert sorted(site[g]) == list(range(s.n_sites))
        assert list(labels[site[g]]) == list(labels)
        image = s.frac @ s.rotations[g].T + s.translations[g]
        np.testing.assert_allclose((image - s.frac[site[g]] - cell[g]) @ s.lattice, 0, atol=atol)
        assert not cell[g][:, ~s.periodic].any()
    assert len(
        {
            (r.tobytes(), tuple(np.round(t % 1, 4) % 1))
            for r, t in zip(s.rotations, s.translations, strict=True)
        }
    ) == len(s.rotations)


def test_spacegroup_form_makes_the_orbits():
    s, _ = structure(
        spacegroup="Fm-3m", lattice={"a": 4.165}, sites={"Mg": [[0, 0, 0]], "O": [[0.5, 0.5, 0.5]]}
    )
    assert s.labels == ("Mg",) * 4 + ("O",) * 4
    assert s.spacegroup == "Fm-3m (225)"
    assert len(s.rotations) == 192
    assert s.cell_volume == pytest.approx(4.165**3)
    check_operations(s)


@pytest.mark.parametrize(
    ("symbol", "lattice", "sites", "number"),
    [
        ("P4_2/mnm", {"a": 4.594, "c": 2.959}, {"Ti": [[0, 0, 0]], "O": [[0.3053, 0.3053, 0]]}, (2, 4)),
        ("P42/mnm", {"a": 4.594, "c": 2.959}, {"Ti": [[0, 0, 0]], "O": [[0.3053, 0.3053, 0]]}, (2, 4)),
        (136, {"a": 4.594, "c": 2.959}, {"Ti": [[0, 0, 0]], "O": [[0.3053, 0.3053, 0]]}, (2, 4)),
        ("Pm-3m", {"a": 3.9}, {"Ti": [[0, 0, 0]], "O": [["1/2", 0, 0]]}, (1, 3)),
        ("Fd-3m", {"a": 5.43}, {"Si": [["1/8", "1/8", "1/8"]]}, (8,)),
        ("F d -3 m : 1", {"a": 5.43}, {"Si": [[0, 0, 0]]}, (8,)),
        ("P6_3/mmc", {"a": 2.46, "c": 6.7}, {"A": [["1/3", "2/3", "1/4"]]}, (2,)),
        ("R-3m", {"a": 2.8, "c": 14.0}, {"Li": [[0, 0, 0.5]], "Co": [[0, 0, 0]], "O": [[0, 0, 0.26]]}, (3, 3, 6)),
        ("R-3m:R", {"a": 5.0, "alpha": 33.0}, {"Li": [[0.5, 0.5, 0.5]], "Co": [[0, 0, 0]]}, (1, 1)),
        ("P2_1/c", {"a": 5.1, "b": 5.2, "c": 5.3, "beta": 99.2}, {"Zr": [[0.27, 0.04, 0.21]]}, (4,)),
        ("P2_1/n", {"a": 5.1, "b": 5.2, "c": 5.3, "beta": 99.2}, {"Zr": [[0.27, 0.04, 0.21]]}, (4,)),
        ("Pnma", {"a": 10.33, "b": 6.01, "c": 4.70}, {"Li": [[0, 0, 0]], "Fe": [[0.28, 0.25, 0.97]]}, (4, 4)),
        ("Pbnm", {"a": 4.70, "b": 10.33, "c": 6.01}, {"Li": [[0, 0, 0]], "Fe": [[0.97, 0.28, 0.25]]}, (4, 4)),
        ("P-1", {"a": 5, "b": 6, "c": 7, "alpha": 80, "beta": 85, "gamma": 95}, {"X": [[0.1, 0.2, 0.3]]}, (2,)),
    ],
)  # fmt: skip
def test_settings(symbol, lattice, sites, number):
    s, _ = structure(spacegroup=symbol, lattice=lattice, sites=sites)
    assert tuple(s.labels.count(label) for label in sites) == number
    check_operations(s)


def test_orbits_agree_with_pymatgen():
    symmetry = pytest.importorskip("pymatgen.symmetry.groups")
    for symbol in ("Fm-3m", "P4_2/mnm", "Pnma", "P6_3mc", "Ia-3d", "R-3c"):
        point = np.array([0.11, 0.23, 0.37])
        setting = spacegroups.find_setting(symbol)
        rotations, translations = spacegroups.operations(setting)
        ours = np.round((rotations @ point + translations) % 1, 6) % 1
        theirs = np.round(np.array(symmetry.SpaceGroup(symbol).get_orbit(point)) % 1, 6) % 1
        assert {tuple(p) for p in ours} == {tuple(p) for p in theirs}, symbol


def test_all_230_groups_are_known_by_symbol_and_number():
    assert len({spacegroups.find_setting(n).symbol for n in range(1, 231)}) == 230
    for number in range(1, 231):
        setting = spacegroups.find_setting(number)
        assert setting.number == number
        assert spacegroups.find_setting(setting.symbol) == setting
    assert spacegroups.find_setting("Fd-3m").choice == "2"
    assert spacegroups.find_setting("R-3m").choice == "H"
    assert spacegroups.find_setting("nonsense") is None


def test_origin_choice_is_noted():
    _, notes = structure(spacegroup="Fd-3m", lattice={"a": 5.43}, sites={"Si": [["1/8", "1/8", "1/8"]]})
    assert any("origin choice 2" in n for n in notes)


def test_lattice_convention():
    m = lattice_from_parameters(3, 4, 5, 80, 95, 110)
    np.testing.assert_allclose(np.linalg.norm(m, axis=1), [3, 4, 5])
    assert m[0, 1] == m[0, 2] == m[1, 2] == 0
    cosines = [m[1] @ m[2] / 20, m[0] @ m[2] / 15, m[0] @ m[1] / 12]
    np.testing.assert_allclose(np.degrees(np.arccos(cosines)), [80, 95, 110])
    assert lattice_from_parameters(3, 4, 5, 20, 100, 20) is None
    assert np.array_equal(lattice_from_parameters(2, 2, 2), 2 * np.eye(3))


def test_chain_and_layer():
    chain, _ = structure(
        lattice={"a": 2.0},
        periodic=[True, False, False],
        sites={"A": [[0, 0.2, 0], [0.5, -0.2, 0]]},
        cross_section="25 Å^2",
    )
    assert chain.cell_volume == pytest.approx(50)
    # a zigzag: identity, inversion, screw, glide and their mirrors in the plane
    assert len(chain.rotations) == 8
    check_operations(chain)
    layer, _ = structure(
        lattice={"a": 2.46, "b": 2.46, "c": 5, "gamma": 120}, periodic=[True, True, False], thickness=3.35,
        sites={"C": [["1/3", "2/3", 0], ["2/3", "1/3", 0]]},
    )  # fmt: skip
    assert layer.cell_volume == pytest.approx(3.35 * 2.46**2 * np.sqrt(3) / 2)
    assert len(layer.rotations) == 24
    check_operations(layer)
    assert (
        structure(lattice={"a": 2}, periodic=[True, False, False], sites={"A": [[0, 0, 0]]})[0].cell_volume
        is None
    )


def test_operations_never_wrap_round_an_axis_that_does_not_repeat():
    """Three equal layers in a box that is as high as three spacings: no translation along the normal."""
    s, _ = structure(
        lattice={"a": 2, "b": 3, "c": 6}, periodic=[True, True, False],
        sites={"A": [[0, 0, 0], [0, 0, "1/3"], [0, 0, "2/3"]]},
    )  # fmt: skip
    check_operations(s)
    assert len(s.rotations) == 8  # mmm about the middle layer; spglib alone would find 24
    # and none that turns a periodic axis into one that is not
    s, _ = structure(
        lattice={"a": 4, "b": 4, "c": 4}, periodic=[True, False, False], sites={"A": [[0, 0, 0]]}
    )
    assert len(s.rotations) == 16
    check_operations(s)


def test_symmetry_can_be_switched_off():
    s, _ = structure(lattice={"a": 4, "b": 4, "c": 4}, sites={"A": [[0, 0, 0]]}, symmetry=False)
    assert len(s.rotations) == 1


def test_symprec():
    off = {"lattice": {"a": 4, "b": 4.001, "c": 5}, "sites": {"A": [[0, 0, 0]]}}
    assert structure(**off, symprec=1e-5)[0].spacegroup == "Pmmm (47)"
    assert structure(**off, symprec="0.01 Å")[0].spacegroup == "P4/mmm (123)"


def test_higher_symmetry_is_noted():
    _, notes = structure(spacegroup="P222", lattice={"a": 4, "b": 4, "c": 4}, sites={"A": [[0, 0, 0]]})
    assert any("higher symmetry Pm-3m" in n for n in notes)


# ------------------------------------------------------------------------------------------- files


def test_cif_and_poscar(tmp_path):
    (tmp_path / "MgO.cif").write_text(MGO_CIF)
    s, _ = structure(base=tmp_path, file="MgO.cif")
    assert sorted(s.labels) == ["Mg"] * 4 + ["O"] * 4
    assert s.spacegroup == "Fm-3m (225)"
    np.testing.assert_array_equal(s.lattice, 4.165 * np.eye(3))
    (tmp_path / "POSCAR").write_text(TWO_OXYGENS)
    s, _ = structure(base=tmp_path, file="POSCAR")
    assert s.labels == ("O", "O", "Ti")
    assert structure(base=tmp_path, file="POSCAR", labels="orbit")[0].labels == ("O1", "O2", "Ti")
    assert structure(base=tmp_path, file="POSCAR", labels={"apex": [1]})[0].labels == ("O", "apex", "Ti")
    assert structure(base=tmp_path, file="MgO.cif", labels="file")[0].labels[0] == "Mg1"
    with pytest.raises(InputError, match="0 to 2"):
        structure(base=tmp_path, file="POSCAR", labels={"apex": [3]})


def test_a_missing_or_broken_file_is_reported(tmp_path):
    (tmp_path / "MgO.cif").write_text("not a cif")
    with pytest.raises(InputError, match=r"did you mean 'MgO\.cif'"):
        structure(base=tmp_path, file="MgO.cfi")
    with pytest.raises(InputError, match="pymatgen cannot read"):
        structure(base=tmp_path, file="MgO.cif")


def test_structure_files_travel_with_the_source(tmp_path):
    (tmp_path / "MgO.cif").write_text(MGO_CIF)
    text = json.dumps(
        {
            "structure": {"file": "MgO.cif"},
            "supercell": [4, 4, 4],
            "carriers": {"v": {"charge": 2, "sites": ["O"], "count": 1}},
            "hops": [hop(["O", "O"], carrier="v", distance=2.945, barrier=2, attempt_frequency="eyring")],
            "conditions": {"temperature": 1500},
        }
    )
    (tmp_path / "in.yaml").write_text(text)
    model = load_model(tmp_path / "in.yaml")
    assert dict(model.source.files) == {"MgO.cif": MGO_CIF}
    assert model.network.n_hops == 48
    (tmp_path / "MgO.cif").unlink()
    again = load_model_text(model.source.text, files=dict(model.source.files))
    np.testing.assert_array_equal(again.network.cell, model.network.cell)
    np.testing.assert_array_equal(again.network.vector, model.network.vector)


def test_relaxed_cell_needs_a_wider_tolerance():
    folder = os.environ.get("KMC_TRANSPORT_TEST_DATA")
    if not folder:
        pytest.skip("KMC_TRANSPORT_TEST_DATA is not set")
    base = Path(folder) / "structures"
    tight, _ = structure(base=base, file="LiFePO4.cif")
    loose, _ = structure(base=base, file="LiFePO4.cif", symprec=0.3)
    assert len(tight.rotations) == 4
    assert len(loose.rotations) == 8
    check_operations(tight, atol=1e-2)


# ------------------------------------------------------------------------------------------- errors

CUBIC = {"a": 4.0, "b": 4.0, "c": 4.0}


@pytest.mark.parametrize(
    ("keys", "key", "message", "remedy"),
    [
        ({"lattice": CUBIC}, "structure.sites", "missing", "sites: {O"),
        ({"sites": {"A": [[0, 0, 0]]}}, "structure.lattice", "missing", "lattice: {a"),
        ({"file": "x.cif", "lattice": CUBIC}, "structure.lattice", "beside 'file'", "keep one"),
        (
            {"lattice": CUBIC, "sites": {"A": [[0, 0, 0]]}, "labels": "orbit"},
            "structure.labels",
            "belongs to 'file'",
            "sites",
        ),
        (
            {"lattice": {"a": 4, "c": 4}, "sites": {"A": [[0, 0, 0]]}},
            "structure.lattice.b",
            "'b' is missing",
            "Å",
        ),
        (
            {"lattice": {"a": 4, "c": 5, "b": 6}, "spacegroup": "P4/mmm", "sites": {"A": [[0, 0, 0]]}},
            "structure.lattice.b",
            "needs b = a",
            "leave 'b' out",
        ),
        (
            {"lattice": {"a": 4, "gamma": 120}, "spacegroup": "Pm-3m", "sites": {"A": [[0, 0, 0]]}},
            "structure.lattice.gamma",
            "needs gamma = 90",
            "leave",
        ),
        (
            {"lattice": {"a": 4, "b": 5, "c": 6}, "spacegroup": "P2_1/c", "sites": {"A": [[0, 0, 0]]}},
            "structure.lattice.beta",
            "'beta' is missing",
            "degrees",
        ),
        (
            {"lattice": {**CUBIC, "alpha": 20, "beta": 100, "gamma": 20}, "sites": {"A": [[0, 0, 0]]}},
            "structure.lattice",
            "no cell has these angles",
            "check",
        ),
        (
            {"lattice": {"vectors": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "sites": {"A": [[0, 0, 0]]}},
            "structure.lattice.vectors",
            "span",
            "independent",
        ),
        (
            {
                "lattice": {"vectors": [[4, 0, 0], [0, 4, 0], [0, 0, 5]]},
                "spacegroup": "Fm-3m",
                "sites": {"A": [[0, 0, 0]]},
            },
            "structure.lattice",
            "does not have the symmetry",
            "check",
        ),
        (
            {"lattice": {"a": 4}, "spacegroup": "Fm3m", "sites": {"A": [[0, 0, 0]]}},
            "structure.spacegroup",
            "no such space group",
            "did you mean 'Fm-3m'?",
        ),
        (
            {"lattice": CUBIC, "sites": {"A": [[0, 0, 0]], "B": [[0.01, 1, 0]]}},
            "structure.sites.B",
            "0.04 Å apart",
            "1/3",
        ),
        (
            {"lattice": {"a": 4}, "spacegroup": "Fm-3m", "sites": {"A": [[0, 0, 0], [0, 0.5, 0.5]]}},
            "structure.sites.A[1]",
            "already makes this site",
            "one site per orbit",
        ),
        (
            {"lattice": CUBIC, "sites": {"A": [[0, 0, 0]]}, "periodic": [False] * 3},
            "structure.periodic",
            "along no axis",
            "chain",
        ),
        (
            {"lattice": CUBIC, "sites": {"A": [[0, 0, 0]]}, "thickness": 3},
            "structure.thickness",
            "belongs to a layer",
            "remove",
        ),
        (
            {"lattice": CUBIC, "sites": {"A": [[0, 0, 0]]}, "thickness": 3, "periodic": [True, False, False]},
            "structure.thickness",
            "belongs to a layer",
            "'cross_section'",
        ),
    ],
)
def test_errors(keys, key, message, remedy):
    (problem,) = problems(**keys)
    assert problem.key == key
    assert message in problem.message
    assert remedy in problem.remedy


def test_sites_at_a_box_edge_are_not_neighbours_across_it():
    """Only along periodic axes is a site near its image."""
    keys = {"lattice": CUBIC, "sites": {"A": [[0, 0, 0], [0, 0, 0.99]]}}
    assert problems(**keys)[0].key == "structure.sites.A"
    assert structure(**keys, periodic=[True, True, False])[0].n_sites == 2
