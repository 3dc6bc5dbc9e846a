"""No file runs code: each kind of file that can hold some is given to every reader."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.sources import (
    read_born_charges,
    read_path,
    read_polarization_path,
    read_spectrum,
    read_structure,
)
from tests.input.model_inputs import document, hop
from tests.sources.path_fixtures import band, write_neb_analysis


class _Pickled:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.call, (["touch", str(self.marker)],)


def _structure_dict(properties: dict[str, Any] | None = None) -> dict[str, Any]:
    site = {
        "species": [{"element": "Mg", "occu": 1}],
        "abc": [0, 0, 0],
        "label": "Mg",
        "properties": properties or {},
    }
    return {"@class": "Structure", "lattice": {"matrix": (4.0 * np.eye(3)).tolist()}, "sites": [site]}


def _pickle_trajectory(marker: Path) -> bytes:
    """What ASE wrote before version 3.9."""
    return b"PickleTrajectory" + pickle.dumps(_Pickled(marker)) + b"\nPickleTrajectory"


def _npz(marker: Path) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("tensors.npy", _npy(marker))
    return into.getvalue()


def _npy(marker: Path) -> bytes:
    into = io.BytesIO()
    np.save(into, np.array([_Pickled(marker)], dtype=object), allow_pickle=True)
    return into.getvalue()


def _yaml(marker: Path) -> str:
    return f"phonopy: !!python/object/apply:os.system ['touch {marker}']\nunit_cell: {{}}\nlattice: []\nsites: []\n"


def _imports(marker: Path) -> dict[str, Any]:
    """A site property that a decoder of pymatgen would import a module for."""
    return _structure_dict({"x": {"@module": f"evil_{marker.stem}", "@class": "Thing", "value": 1}})


def _neb(marker: Path) -> str:
    data = json.loads(write_neb_analysis(marker.with_name("neb.tmp"), band()).read_text())
    for structure in data["structures"]:
        for site in structure["sites"]:
            site["properties"] = {"x": {"@module": f"evil_{marker.stem}", "@class": "Thing"}}
    return json.dumps(data)


def _ase_json(marker: Path) -> str:
    thing = {"__ase_objtype__": "evil", "@module": f"evil_{marker.stem}"}
    row = {"numbers": [1], "positions": [[0, 0, 0]], "unique_id": "a", "ctime": 0, "mtime": 0, "user": "u"}
    row |= {"calculator": "evil", "energy": 1.0, "x": thing}
    return json.dumps({"1": row, "ids": [1], "nextid": 2})


def _cif(marker: Path) -> str:
    code = f'__import__("os").system("touch {marker}")'
    return (
        "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        f"_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'{code},y,z'\nloop_\n_atom_site_label\n"
        "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nMg1 0 0 0\n"
    )


def _xml(marker: Path) -> str:
    marker.with_suffix(".secret").write_text("4.0 0 0")
    return (
        f"<?xml version='1.0'?>\n<!DOCTYPE r [<!ENTITY x SYSTEM 'file://{marker.with_suffix('.secret')}'>]>\n"
        "<modeling><structure name='finalpos'><v>&x;</v></structure></modeling>\n"
    )


def _entities(marker: Path) -> str:
    grow = "".join(f"<!ENTITY x{i + 1} '{f'&x{i};' * 10}'>" for i in range(12))
    return f"<?xml version='1.0'?>\n<!DOCTYPE r [<!ENTITY x0 'lol'>{grow}]>\n<modeling>&x12;</modeling>\n"


def _aliases(marker: Path) -> str:
    """A small yaml that is 10^12 numbers where its aliases are expanded."""
    rows = [f"a0: &a0 [{', '.join(['1.0'] * 10)}]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "phonopy: {version: '2'}\n" + "\n".join(rows) + "\ntensors: *a11\nunit_cell: {lattice: *a11}\n"


def _python(marker: Path) -> str:
    return f"import subprocess\nsubprocess.call(['touch', '{marker}'])\n"


def _extxyz(marker: Path) -> str:
    code = f"__import__('os').system('touch {marker}')"
    return f'1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 energy="{code}" pbc="{code}"\nMg 0 0 0\n'


def _pw_input(marker: Path) -> str:
    code = f"__import__('os').system('touch {marker}')"
    return (
        f"&SYSTEM\n ibrav = 0, nat = 1, ntyp = 1, celldm(1) = {code}\n/\nATOMIC_SPECIES\nMg 24.3 Mg.UPF\n"
        f"CELL_PARAMETERS angstrom\n4 0 0\n0 4 0\n0 0 4\nATOMIC_POSITIONS angstrom\nMg {code} 0 0\n"
    )


HOLDS_CODE: dict[str, Callable[[Path], str | bytes]] = {
    "phonopy_disp.yaml": _yaml,
    "phonopy.yaml": lambda m: _yaml(m).replace("os.system", "subprocess.getoutput"),
    "structure.yaml": _yaml,
    "mesh.yaml": lambda m: "mesh: [1, 1, 1]\nnqpoint: 1\nnatom: 1\n" + _yaml(m),
    "charges.yaml": lambda m: f"tensors: !!python/object/apply:os.system ['touch {m}']\n",
    "aliases.yaml": _aliases,
    "structure.json": lambda m: json.dumps(_imports(m)),
    "neb.json": _neb,
    "database.json": _ase_json,
    "born.npy": _npy,
    "born.npz": _npz,
    "old.traj": _pickle_trajectory,
    "pickled.traj": lambda m: pickle.dumps(_Pickled(m)),
    "pickled.pkl": lambda m: pickle.dumps(_Pickled(m)),
    "pickled.db": lambda m: b"SQLite format 3\0" + pickle.dumps(_Pickled(m)),
    "pickled.hdf5": lambda m: pickle.dumps(_Pickled(m)),
    "crystal.cif": _cif,
    "vasprun.xml": _xml,
    "entities.xml": _entities,
    "code.py": _python,
    "OUTCAR": _python,
    "POSCAR": _python,
    "code.extxyz": _extxyz,
    "relax.in": _pw_input,
}  # fmt: skip


def _readers(file: Path) -> list[Callable[[], object]]:
    text = json.dumps({**document("chain", [hop(distance=2.665)]), "structure": {"file": file.name}})
    return [
        lambda: read_structure(file),
        lambda: read_spectrum(file),
        lambda: read_born_charges(file),
        lambda: read_born_charges(file, kind="array"),
        lambda: read_born_charges(file, kind="vasprun"),
        lambda: read_born_charges(file, kind="qe_xml"),
        lambda: read_born_charges(file, kind="phonopy"),
        lambda: read_path(file),
        lambda: read_path(file, kind="ase"),
        lambda: read_path(file, kind="neb_analysis"),
        lambda: read_path([file, file, file]),
        lambda: read_polarization_path([file, file]),
        lambda: load_model_text(text, base=file.parent),
    ]


@pytest.mark.parametrize("name", HOLDS_CODE)
def test_no_file_runs_code(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("phonopy", "ase"):
        pytest.importorskip(library)
    marker = tmp_path / "ran"
    (tmp_path / "evil_ran.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    content = HOLDS_CODE[name](marker)
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    for read in _readers(file):
        said = ""
        try:
            read()
        except InputError as error:
            said = str(error)
        assert not marker.exists()
        assert "4.0 0 0" not in said  # nothing of another file


def test_the_control_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files do run code in the libraries' own readers, or the test above proves nothing."""
    yaml = pytest.importorskip("yaml")
    marker = tmp_path / "ran"
    yaml.load(_yaml(marker), Loader=yaml.UnsafeLoader)
    assert marker.exists()
    marker.unlink()
    pickle.loads(pickle.dumps(_Pickled(marker)))
    assert marker.exists()
    marker.unlink()
    (tmp_path / "evil_ran.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    from monty.json import MontyDecoder

    MontyDecoder().process_decoded(_imports(marker)["sites"][0]["properties"])
    assert marker.exists()


def test_a_yaml_beside_born_runs_nothing(tmp_path: Path) -> None:
    pytest.importorskip("phonopy")
    (tmp_path / "BORN").write_text("14.4\n1 0 0 0 1 0 0 0 1\n1 0 0 0 1 0 0 0 1\n")
    for name in ("phonopy.yaml", "phonopy_disp.yaml", "phonopy_params.yaml"):
        file = tmp_path / name
        file.write_text(_yaml(tmp_path / "ran"))
        with pytest.raises(InputError, match=r"the tag .*os\.system is not allowed"):
            read_born_charges(tmp_path / "BORN")
        file.unlink()
    assert not (tmp_path / "ran").exists()


def test_structures_with_properties_are_read(tmp_path: Path) -> None:
    """What a property holds is dropped, the structure is not."""
    (tmp_path / "a.json").write_text(json.dumps(_imports(tmp_path / "ran")))
    assert read_structure(tmp_path / "a.json").symbols == ("Mg",)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_hdf5_reads_no_other_file(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(3.0).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["mesh"] = np.arange(3.0)
    file = tmp_path / "mesh.hdf5"
    with h5py.File(file, "w") as f:
        f["qpoint"], f["weight"], f["frequency"] = np.zeros((1, 3)), np.ones(1), np.ones((1, 3))
        if kind == "external link":
            f["mesh"] = h5py.ExternalLink("other.h5", "mesh")
        elif kind == "soft link":
            f["mesh"] = h5py.SoftLink("/weight")
        elif kind == "external storage":
            f.create_dataset("mesh", (3,), dtype=float, external=[(str(secret), 0, 24)])
        else:
            layout = h5py.VirtualLayout((3,), dtype=float)
            layout[:] = h5py.VirtualSource("other.h5", "mesh", shape=(3,))
            f.create_virtual_dataset("mesh", layout)
    with pytest.raises(InputError, match=r"no array of its own|lies in other files"):
        read_spectrum(file)


def test_hdf5_of_absurd_size_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "mesh.hdf5", "w") as f:
        f["qpoint"], f["weight"], f["mesh"] = np.zeros((1, 3)), np.ones(1), np.ones(3)
        f.create_dataset("frequency", (10**6, 10**6), chunks=(1000, 1000), dtype=float)
    with pytest.raises(InputError, match="too large"):
        read_spectrum(tmp_path / "mesh.hdf5")
