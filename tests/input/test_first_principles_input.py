"""Inputs that point at files of first-principles codes or name a rule: from the text to catalog and commands."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model, load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import RateCatalog, build_catalog, hop_regimes, rank_candidates
from kmc_transport.rules import get_rule, rule_names
from kmc_transport.store import load_catalog, save_catalog
from kmc_transport.units import K_B
from tests.input.model_inputs import STRUCTURES, document, hop
from tests.processes import call
from tests.sources import path_fixtures, spectra

CHAIN = STRUCTURES["chain"]
LISTS = {"initial": [5, 8, 10], "saddle": [6, 9]}
"""Modes in THz with the frequencies and dZPE of the theory page."""
MARCUS = {"lambda": "1 eV", "V_AB": "0.2 eV"}
RULES = {
    "kra": {"E_kra": "300 meV"},
    "marcus_adiabatic": MARCUS,
    "marcus_adiabatic_approximate": MARCUS,
    "marcus_nonadiabatic": {"lambda": "1 eV", "V_AB": "5 meV"},
    "landau_zener": {"lambda": "1 eV", "dE_12": "0.1 eV", "phonon_frequency": "15 THz"},
    "metropolis": {},
    "miller_abrahams": {"localization_length": "2 Å"},
    "heat_bath": {},
}
OWN_PREFACTOR = {"marcus_nonadiabatic", "landau_zener"}


def chain(base: Path = Path(), **keys: object) -> Model:
    """Model of a chain of equal sites with one hop entry."""
    return load_model_text(json.dumps(document("chain", [hop(distance=2.665, **keys)])), base=base)


def two_sites(base: Path = Path(), *more: dict, site_energies: object = None, **keys: object) -> Model:
    """Model of a chain A B A B with one hop entry from A to B, and more."""
    entries = [hop(("A", "B"), distance=3.0, **keys), *more]
    top = {} if site_energies is None else {"site_energies": site_energies}
    return load_model_text(json.dumps(document("two sites", entries, **top)), base=base)


def loaded(load, *args: object, **keys: object) -> RateCatalog:
    """Catalog of what ``load`` gives: some errors show there only."""
    return build_catalog(load(*args, **keys), temperature=300)


def refused(load, *args: object, **keys: object) -> str:
    with pytest.raises(InputError) as caught:
        loaded(load, *args, **keys)
    return str(caught.value)


def koettgen(form: str = "full", **keys: object) -> dict:
    return {"koettgen": {**LISTS, "form": form, **keys}}


# ------------------------------------------------------------------------------------------- paths


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hop of a vacancy in copper, as every code would have left it."""
    pytest.importorskip("ase", reason="ASE is not installed (extra [ase])")
    folder = tmp_path_factory.mktemp("paths")
    images = path_fixtures.band()
    path_fixtures.write_traj(folder / "hop.traj", images)
    path_fixtures.write_db(folder / "hop.db", images, path="hop1")
    path_fixtures.write_vasp(folder / "neb", images)
    path_fixtures.write_vasp(folder / "neb_xml", images, xml=True)
    path_fixtures.write_neb_analysis(folder / "neb.json", images)
    path_fixtures.write_qe(folder / "qe", images)
    path_fixtures.write_table(folder / "hop.csv", images)
    return folder


FORMATS = {
    "hop.traj": "ase", "hop.db": "ase", "neb": "vasp", "neb_xml": "vasp", "neb.json": "neb_analysis",
    "qe/cu.dat": "qe", "hop.csv": "table",
}  # fmt: skip


def highest() -> float:
    e = path_fixtures.energies(path_fixtures.band())
    return float(e.max() - e[0])


@pytest.mark.parametrize("file", FORMATS)
def test_the_same_barrier_from_every_kind_of_path(paths: Path, file: str) -> None:
    for kind in ("auto", FORMATS[file]):
        model = chain(paths, barrier={"path": file, "kind": kind, "uncertainty": "30 meV"})
        (c,) = model.hop_classes
        assert c.barrier_forward == c.barrier_reverse == pytest.approx(highest(), abs=1e-5)
        assert (c.barrier_stderr, c.zero_point) == (0.03, "bare")
        assert str(paths / file) in c.read_from
        assert c.source == "<string>:1 hops[0].barrier"
        assert c.log[0].startswith("barrier from ")
        catalog = build_catalog(model, temperature=300)
        np.testing.assert_allclose(
            catalog.log_rate, math.log(1e13) - c.barrier_forward / (K_B * 300), rtol=1e-12
        )


def test_selection_of_images_and_saddle_by_symmetry(paths: Path) -> None:
    assert chain(paths, barrier={"path": "hop.db", "key": "path=hop1"}).hop_classes[0].barrier_forward > 0.7
    assert "path=hop2" in refused(chain, paths, barrier={"path": "hop.db", "key": "path=hop2"})
    half = {"path": "hop.traj", "key": "0:4:3", "saddle_by_symmetry": True}
    c = chain(paths, barrier=half).hop_classes[0]
    assert c.barrier_forward == c.barrier_reverse == pytest.approx(highest(), abs=1e-5)


def tilted(folder: Path, difference: float) -> Path:
    """A table whose last image lies ``difference`` (eV) above the first, the saddle 0.3 eV above it."""
    energies = [0.0, 0.15, 0.3, 0.15 + difference / 2, difference]
    rows = "\n".join(f"{i}, {e:.6f}" for i, e in enumerate(energies))
    path = folder / "tilted.csv"
    path.write_text(f"image, energy [eV]\n{rows}\n")
    return path


def test_equal_ends_are_made_equal_within_the_noise(tmp_path: Path) -> None:
    tilted(tmp_path, 0.009)
    (c,) = chain(tmp_path, barrier={"path": "tilted.csv"}).hop_classes
    assert c.barrier_forward == c.barrier_reverse
    assert c.barrier_forward == pytest.approx(0.3 - 0.009 / 2, abs=0.005)
    assert any("mean of 0.3" in line for line in c.log)
    tilted(tmp_path, 0.011)
    said = refused(chain, tmp_path, barrier={"path": "tilted.csv"})
    assert "joins equivalent sites" in said
    path = [float(x) for x in re.findall(r"(\d\.\d{4}) eV", said)]
    assert path[0] - path[1] == pytest.approx(0.011, abs=1e-4)
    assert "0.01 eV" in said


def test_sites_that_symmetry_makes_equivalent_count_as_equal_ends(tmp_path: Path) -> None:
    # three sites on a screw axis: no operation reverses a hop, but one takes each site to the next
    tilted(tmp_path, 0.004)
    structure = {
        "spacegroup": "P3_1",
        "lattice": {"a": 5.0, "c": 6.0},
        "sites": {"A": [[0.1, 0.25, 0]]},
    }
    text = json.dumps(document(structure, [hop(distance=[2.0, 2.8], barrier={"path": "tilted.csv"})]))
    model = load_model_text(text, base=tmp_path)
    assert any(i != j for i, j in zip(model.network.origin, model.network.target, strict=True))
    np.testing.assert_allclose(model.site_energy, 0.0)
    assert all(c.barrier_forward == c.barrier_reverse for c in model.hop_classes)


def test_ends_that_differ_become_site_energies(tmp_path: Path) -> None:
    tilted(tmp_path, 0.1)
    model = two_sites(tmp_path, barrier={"path": "tilted.csv"})
    (c,) = model.hop_classes
    assert c.barrier_forward - c.barrier_reverse == pytest.approx(0.1, abs=1e-9)
    assert np.ptp(model.site_energy) == pytest.approx(0.1, abs=1e-9)
    assert any("site energies follow" in note for note in model.notes)
    catalog = build_catalog(model, temperature=300, field=[1e-3, 0, 0])
    forward = np.flatnonzero(model.network.orientation > 0)
    back = model.network.reverse[forward]
    ratio = catalog.log_rate[forward] - catalog.log_rate[back]
    np.testing.assert_allclose(ratio, (catalog.work[forward] - 0.1) / (K_B * 300), rtol=1e-9)
    # and what contradicts them is refused
    assert "site_energies give" in refused(
        two_sites, tmp_path, barrier={"path": "tilted.csv"}, site_energies={"A": 0, "B": 0.2}
    )


YAML = """\
structure: {lattice: {a: 2.665}, periodic: [true, false, false], sites: {A: [[0, 0, 0]]}}
supercell: [8, 1, 1]
carriers: {p: {charge: 1, sites: [A], count: 1}}
hops:
  - carrier: p
    between: [A, A]
    distance: 2.665
    barrier:
      path: FILE
    attempt_frequency:
      koettgen:
        initial: INITIAL
        saddle: [6, 9]
conditions: {temperature: [250, 300, 400]}
"""


def write_input(folder: Path, file: str = "hop.csv", initial: str = "[5, 8, 10]", text: str = YAML) -> Path:
    path = folder / "job.yaml"
    path.write_text(text.replace("FILE", file).replace("INITIAL", initial), encoding="utf-8")
    return path


def test_missing_and_damaged_files_are_named_with_the_line_of_the_input(paths: Path, tmp_path: Path) -> None:
    problems = []
    whole = (paths / "hop.csv").read_text().splitlines(keepends=True)
    (tmp_path / "cut.csv").write_text("".join(whole[:4]) + "0.9, 1\u00d7\n")
    (tmp_path / "empty.traj").write_bytes(b"")
    (tmp_path / "cut.traj").write_bytes((paths / "hop.traj").read_bytes()[:700])
    (tmp_path / "noise.yaml").write_bytes(bytes(range(128, 256)))
    for file in ("none.traj", "cut.csv", "empty.traj", "cut.traj"):
        with pytest.raises(InputError) as caught:
            load_model(write_input(tmp_path, file))
        (problem,) = caught.value.problems
        assert (problem.line, problem.key) == (9, "hops[0].barrier.path")
        assert file in str(problem)
        assert problem.remedy
        problems.append(str(problem))
    assert "no such file" in problems[0]
    assert "relative to the input file" in problems[0]
    assert "cut.csv:5" in problems[1]  # the line of the table too
    (tmp_path / "good.csv").write_text("".join(whole))
    for initial in ("none.yaml", "noise.yaml"):
        with pytest.raises(InputError) as caught:
            load_model(write_input(tmp_path, "good.csv", initial))
        (problem,) = caught.value.problems
        assert (problem.line, problem.key) == (12, "hops[0].attempt_frequency.koettgen.initial")
        assert initial in str(problem)
    assert load_model(write_input(tmp_path, "good.csv")).hop_classes[0].barrier_forward > 0.7


def test_one_broken_file_is_reported_once_and_all_problems_together(tmp_path: Path) -> None:
    entry = {"path": "none.traj"}
    saddles = [{"name": "a"}, {"name": "b", "attempt_frequency": koettgen(initial="none.yaml")}]
    with pytest.raises(InputError) as caught:
        chain(tmp_path, barrier=entry, saddles=saddles)
    assert sorted(p.key for p in caught.value.problems) == [
        "hops[0].barrier.path",
        "hops[0].saddles[1].attempt_frequency.koettgen.initial",
    ]


# ------------------------------------------------------------------------------------------- rules


def test_unknown_rules_and_parameters() -> None:
    said = refused(chain, barrier={"rule": "marcus_adiabtic", **MARCUS})
    assert "there is no rule 'marcus_adiabtic'" in said
    assert "did you mean 'marcus_adiabatic'" in said
    assert "hops[0].barrier" in said
    said = refused(chain, barrier={"rule": "marcus_adiabatic", "lambda": 1})
    assert "needs the electronic coupling" in said
    assert "dE_12" in said
    said = refused(chain, barrier={"rule": "marcus_adiabatic", **MARCUS, "lamda": 1})
    assert "no parameter 'lamda'" in said
    assert "did you mean 'lambda'" in said
    assert "allowed range" in refused(
        chain, barrier={"rule": "marcus_adiabatic", "lambda": "1000 eV", "V_AB": 1}
    )
    assert "both say" in refused(chain, barrier={"rule": "marcus_adiabatic", **MARCUS, "dE_12": 1})
    assert "an energy is needed" in refused(chain, barrier={"rule": "kra", "E_kra": "3 nm"})
    assert "would be lost" in refused(chain, barrier={"rule": "kra", "E_kra": "300 ± 10 meV"})


def test_the_rule_of_given_barriers_is_not_written_as_a_rule() -> None:
    said = refused(chain, barrier={"rule": "fixed", "barrier": 0.3, "reverse_barrier": 0.3})
    assert "hops[0].barrier.rule" in said
    assert "barrier: 0.3" in said


def ruled(rule: str, energy: float, **keys: object) -> Model:
    own = rule in OWN_PREFACTOR
    return two_sites(
        barrier={"rule": rule, **RULES[rule]},
        attempt_frequency=None if own else 1e13,
        site_energies={"A": 0, "B": energy},
        **keys,
    )


def test_miller_abrahams_tunnels_over_the_length_of_the_hop() -> None:
    nu, a, kt = 1e13, 2.0, K_B * 320
    for given, r in (({}, 3.0), ({"distance": "5 Å"}, 5.0)):
        model = two_sites(
            barrier={"rule": "miller_abrahams", "localization_length": "2 Å", **given},
            attempt_frequency=nu,
            site_energies={"A": 0, "B": 0.1},
        )
        catalog = build_catalog(model, temperature=320)
        uphill = np.where(model.network.orientation > 0, np.exp(-0.1 / kt), 1.0)
        np.testing.assert_allclose(catalog.rate, nu * np.exp(-2 * r / a) * uphill, rtol=1e-12)
        np.testing.assert_allclose(catalog.attempt_frequency, nu * np.exp(-2 * r / a), rtol=1e-12)
    assert not any("no physical" in note for note in model.notes)
    assert "localization length" in refused(chain, barrier={"rule": "miller_abrahams"})


def test_the_approximate_formula_takes_no_coupling() -> None:
    barrier = {"rule": "marcus_adiabatic_approximate", "lambda": "1 eV", "V_AB": 0}
    assert build_catalog(chain(barrier=barrier), temperature=300).barrier == pytest.approx(0.25)
    for rule in ("marcus_adiabatic", "marcus_nonadiabatic"):
        assert "the electronic coupling is outside the allowed range" in refused(
            chain,
            barrier={**barrier, "rule": rule},
            attempt_frequency=None if rule in OWN_PREFACTOR else 1e13,
        )


def test_every_rule_of_this_package_is_tried_here() -> None:
    own = {n for n in rule_names() if get_rule(n).__module__.startswith("kmc_transport.")}
    assert own == {*RULES, "fixed"}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("energy", [-0.2, 0.0, 0.13])
@pytest.mark.parametrize("field", [0.0, 1e-3, 0.1])
def test_catalogs_of_rules_obey_detailed_balance_in_the_field(rule: str, energy: float, field: float) -> None:
    catalog = build_catalog(ruled(rule, energy), temperature=320, field=[field, 0, 0])
    net = catalog.model.network
    step = energy * net.orientation
    ratio = catalog.log_rate - catalog.log_rate[net.reverse]
    np.testing.assert_allclose(ratio, (catalog.work - step) / (K_B * 320), rtol=1e-9, atol=1e-9)
    assert np.all(catalog.effective_barrier >= -1e-12)


def test_numbers_of_the_rules() -> None:
    at = {rule: build_catalog(ruled(rule, 0.0), temperature=300) for rule in RULES}
    np.testing.assert_allclose(at["kra"].barrier, 0.3)
    np.testing.assert_allclose(at["marcus_adiabatic"].barrier, 0.09)  # (1 - 0.4)²/4
    np.testing.assert_allclose(at["marcus_adiabatic_approximate"].barrier, 0.05)  # 1/4 - 0.2
    np.testing.assert_allclose(at["marcus_nonadiabatic"].barrier, 0.25)
    hbar, kt = 6.582119569e-16, K_B * 300
    golden = 2 * math.pi / hbar * 0.005**2 / math.sqrt(4 * math.pi * kt) * math.exp(-0.25 / kt)
    np.testing.assert_allclose(at["marcus_nonadiabatic"].rate, golden, rtol=1e-8)
    assert np.all(at["landau_zener"].attempt_frequency < 15e12 * (1 + 1e-12))


@pytest.mark.parametrize("rule", RULES)
def test_a_prefactor_is_needed_once(rule: str) -> None:
    barrier = {"rule": rule, **RULES[rule]}
    if rule in OWN_PREFACTOR:
        said = refused(chain, barrier=barrier)
        assert "holds the whole rate" in said
        assert "1e+13 Hz" in said
    else:
        said = refused(chain, barrier=barrier, attempt_frequency=None)
        assert f"the rule '{rule}' needs an attempt frequency" in said
    assert "attempt_frequency" in said


def test_a_rule_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed as packages are: a module and the metadata with the entry point, nothing else."""
    (tmp_path / "constant_rule.py").write_text(
        textwrap.dedent(
            '''
            import numpy as np
            from kmc_transport.rules import Activation, BarrierRule, parameter


            class Halfway(BarrierRule):
                """Linear, with a slope of one half."""

                name = "halfway"
                formula = "E = E0 + dH/2"
                references = ("nobody",)
                takes_saddle_dipole = False
                barrier = parameter("energy", key="E0", at_least=0, at_most=10, meaning="E0", source="a test")

                def activation_energy(self, energy_difference, work=0.0, saddle_work=0.0):
                    dH = self.difference_in_field(energy_difference, work, saddle_work)
                    linear = self.barrier + dH / 2
                    floor = np.maximum(dH, 0)
                    return Activation(np.maximum(linear, floor), linear < floor)

                @staticmethod
                def scalar(energy_difference, work, saddle_work, p):
                    dh = energy_difference - work
                    return max(p[0] + dh / 2, dh, 0.0), p[0] + dh / 2 < max(dh, 0.0)
            '''
        )
    )
    metadata = tmp_path / "constant_rule-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: constant-rule\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[kmc_transport.rules]\nhalfway = constant_rule:Halfway\n", encoding="utf-8"
    )
    job = tmp_path / "job.yaml"
    entry = hop(distance=2.665, barrier={"rule": "halfway", "E0": "250 meV"})
    job.write_text(json.dumps(document("chain", [entry])))
    # a fresh interpreter: the rule must not stay behind in this one
    call = [sys.executable, "-m", "kmc_transport", "catalog", "--json", str(job)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    found = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    hops = json.loads(found.stdout)["hops"]
    assert [(h["rule"], h["barrier_eV"]) for h in hops] == [("halfway", 0.25)] * 2
    assert "there is no rule 'halfway'" in refused(load_model, job)


# ------------------------------------------------------------------------------------------- attempt frequencies


def test_vineyard_and_koettgen_of_lists() -> None:
    for given, nu in (
        ({"vineyard": LISTS}, 7.40740741e12),
        (koettgen(), 7.99387666e12),
    ):
        catalog = build_catalog(
            chain(attempt_frequency=given, zero_point="bare"), temperature=298.15, field=[1e-4, 0, 0]
        )
        np.testing.assert_allclose(catalog.attempt_frequency, nu, rtol=1e-8)
        np.testing.assert_allclose(catalog.barrier, 0.3)


def test_the_approximate_form_with_zero_point_added_is_the_full_form() -> None:
    full = build_catalog(chain(attempt_frequency=koettgen(), zero_point="bare"), temperature=298.15)
    model = chain(attempt_frequency=koettgen("approximate"), zero_point="add")
    added = build_catalog(model, temperature=298.15)
    np.testing.assert_allclose(added.attempt_frequency, 4.19883131e12, rtol=1e-8)
    np.testing.assert_allclose(added.barrier, 0.3 - 16.542671e-3, rtol=1e-8)
    np.testing.assert_allclose(added.log_rate, full.log_rate, rtol=1e-12)
    assert "added to the bare barrier: -16.54 meV" in " ".join(model.hop_classes[0].log)
    included = chain(attempt_frequency=koettgen("approximate"), zero_point="included")
    np.testing.assert_allclose(build_catalog(included, temperature=298.15).barrier, 0.3)


@pytest.mark.parametrize(
    ("form", "zero_point", "said"),
    [
        ("full", "included", "counted twice"),
        ("full", "add", "counted twice"),
        ("full", None, "needs to know"),
        ("approximate", "bare", "left out"),
        ("approximate", None, "needs to know"),
    ],
)
def test_form_and_barrier_are_not_mixed(form: str, zero_point: str | None, said: str) -> None:
    keys = {} if zero_point is None else {"zero_point": zero_point}
    text = json.dumps(
        document("chain", [hop(distance=2.665, attempt_frequency=koettgen(form), **keys)]), indent=1
    )
    with pytest.raises(InputError, match=said) as caught:
        load_model_text(text)
    (problem,) = caught.value.problems
    assert problem.key == ("hops[0].zero_point" if zero_point else "hops[0].barrier")
    assert problem.line is not None
    # with the parameters of a rule it is the same
    with pytest.raises(InputError, match=said):
        chain(barrier={"rule": "kra", "E_kra": 0.3}, attempt_frequency=koettgen(form), **keys)


def test_zero_point_energy_is_not_added_to_what_a_rule_gives() -> None:
    barrier = {"rule": "kra", "E_kra": 0.3}
    said = refused(chain, barrier=barrier, attempt_frequency=koettgen("approximate"), zero_point="add")
    assert "only to barriers that are numbers or read" in said
    fine = chain(barrier=barrier, attempt_frequency=koettgen(), zero_point="bare")
    np.testing.assert_allclose(
        build_catalog(fine, temperature=298.15).attempt_frequency, 7.99387666e12, rtol=1e-8
    )


def test_a_path_is_bare_unless_it_says_otherwise(paths: Path) -> None:
    said = refused(chain, paths, barrier={"path": "hop.csv"}, attempt_frequency=koettgen("approximate"))
    assert "left out" in said
    model = chain(paths, barrier={"path": "hop.csv"}, attempt_frequency=koettgen())
    assert model.hop_classes[0].zero_point == "bare"


def test_a_classical_frequency_with_a_corrected_barrier_is_remarked() -> None:
    (c,) = chain(attempt_frequency={"vineyard": LISTS}, zero_point="included").hop_classes
    assert any("classical" in line for line in c.log)


def test_forward_and_reverse_frequencies_from_the_final_state() -> None:
    lists = {**LISTS, "final": [4, 8, 11]}
    model = two_sites(attempt_frequency={"koettgen": lists}, zero_point="bare")
    catalog = build_catalog(model, temperature=300)
    forward = catalog.attempt_frequency[model.network.orientation > 0]
    back = catalog.attempt_frequency[model.network.orientation < 0]
    x = {nu: 6.62607015e-34 * nu * 1e12 / (1.380649e-23 * 300) for nu in (5, 8, 10, 4, 11)}
    partition = math.prod(2 * math.sinh(x[n] / 2) for n in (5, 8, 10))
    other = math.prod(2 * math.sinh(x[n] / 2) for n in (4, 8, 11))
    np.testing.assert_allclose(forward / back, partition / other, rtol=1e-9)
    assert "leave 'final' out" in refused(chain, attempt_frequency={"koettgen": lists}, zero_point="bare")
    alone = two_sites(attempt_frequency=koettgen(), zero_point="bare")
    assert any("taken as those of the initial" in note for note in alone.notes)


@pytest.mark.parametrize("given", ["koettgen", "eyring"])
def test_frozen_and_temperature_dependent_frequencies_in_a_sweep(given: str) -> None:
    own = {"koettgen": LISTS, "eyring": {}}[given]
    temperatures = (200.0, 298.0, 500.0)
    free, frozen = (
        [float(build_catalog(model, temperature=t).attempt_frequency[0]) for t in temperatures]
        for model in (
            chain(attempt_frequency={given: own}, zero_point="bare"),
            chain(attempt_frequency={given: {**own, "frozen_at": "298 K"}}, zero_point="bare"),
        )
    )
    assert len({round(nu, -6) for nu in free}) == 3
    np.testing.assert_allclose(frozen, free[1], rtol=1e-12)
    if given == "eyring":
        np.testing.assert_allclose(free, [t * 2.083661912e10 for t in temperatures], rtol=1e-8)


def test_policies_for_imaginary_modes_are_logged() -> None:
    lists = {"initial": [0.3, 5, 8, 10], "saddle": [-0.24, 6, 9]}
    assert "imaginary" in refused(chain, attempt_frequency={"koettgen": lists}, zero_point="bare")
    values = {}
    for policy, more in (("abs", {}), ("floor", {"floor": "0.5 THz"}), ("pair-drop", {})):
        spectrum = {**lists, "imaginary": policy, **more}
        model = chain(attempt_frequency={"koettgen": spectrum}, zero_point="bare")
        assert any(policy in line for line in model.hop_classes[0].log), model.hop_classes[0].log
        values[policy] = build_catalog(model, temperature=298).attempt_frequency[0]
    assert values["abs"] / values["pair-drop"] == pytest.approx(0.3 / 0.24, rel=0.01)


# ------------------------------------------------------------------------------------------- from files to the table


@pytest.fixture(scope="module")
def copper(paths: Path) -> Path:
    """The folder of the paths with the phonons of the same hop in it."""
    spectra.write_vacancy_hop(paths)
    return paths


def copper_input(folder: Path, form: str = "full", zero_point: str = "bare", **more: object) -> dict:
    modes = {"initial": "initial.yaml", "saddle": "saddle.yaml", "mesh": [2, 2, 2], "form": form}
    entry = hop(
        ("V", "V"),
        distance=2.5456,
        tolerance=0.01,
        barrier={"path": "hop.traj"},
        zero_point=zero_point,
        attempt_frequency={"koettgen": modes},
        **more,
    )
    structure = {"spacegroup": "Fm-3m", "lattice": {"a": 3.6}, "sites": {"V": [[0, 0, 0]]}}
    return document(structure, [entry], conditions={"temperature": [300, 600, 900]})


def test_catalog_command_shows_where_a_rate_comes_from(
    copper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = copper / "copper.yaml"
    job.write_text(json.dumps(copper_input(copper)))
    assert call("catalog", str(job)) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "hop.traj: ASE, 7 images",
        "three acoustic modes at Gamma left out",
        "reaction mode left out",
        "barrier from cubic Hermite",
    ):
        assert text in shown
    assert call("check", str(job)) == 0
    shown = capsys.readouterr().out
    assert "The input is sound" in shown
    assert "Koettgen, full" in shown


def test_files_and_temperatures(copper: Path) -> None:
    full = load_model_text(json.dumps(copper_input(copper)), base=copper)
    added = load_model_text(json.dumps(copper_input(copper, "approximate", "add")), base=copper)
    for t in (300.0, 900.0):
        a, b = build_catalog(full, temperature=t), build_catalog(added, temperature=t)
        np.testing.assert_allclose(a.log_rate, b.log_rate, rtol=1e-10)
        assert a.attempt_frequency[0] == pytest.approx(5.1e12, rel=0.1)
    assert full.network.n_hops == 48


def equal(first, second) -> None:
    assert set(first.variables) == set(second.variables)
    for name in first.variables:
        np.testing.assert_array_equal(first[name].values, second[name].values, err_msg=str(name))


def test_catalogs_with_files_and_rules_are_read_back_equal(
    copper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = copper_input(
        copper, saddles=[{"name": "neb"}, {"name": "marcus", "barrier": {"rule": "kra", "E_kra": 0.9}}]
    )
    job = copper / "rules.yaml"
    job.write_text(json.dumps(data))
    for suffix in ("csv", "h5"):
        assert call("catalog", str(job), "-o", str(tmp_path / f"a.{suffix}")) == 0
    capsys.readouterr()
    from_csv, from_hdf5 = (load_catalog(tmp_path / f"a.{suffix}") for suffix in ("csv", "h5"))
    equal(from_csv, from_hdf5)
    assert from_csv.sizes["temperature"] == 3
    assert set(from_csv["rule"].values) == {"fixed", "kra"}
    assert all("hop.traj" in str(x) for x in from_csv["read_from"].values[from_csv["rule"].values == "fixed"])
    built: list[RateCatalog] = [build_catalog(load_model(job), temperature=t) for t in (300.0, 600.0, 900.0)]
    np.testing.assert_array_equal(from_csv["log_rate"].values, [c.log_rate for c in built])
    assert np.isfinite(from_csv["barrier"].values).all()
    # a number that was changed is seen
    save_catalog(tmp_path / "b.csv", built[:1])
    text = (tmp_path / "b.csv").read_text()
    (tmp_path / "b.csv").write_text(text.replace("0.9", "0.8"))
    with pytest.raises(AssertionError):
        equal(load_catalog(tmp_path / "b.csv"), load_catalog(tmp_path / "a.csv").isel(temperature=[0]))


# ------------------------------------------------------------------------------------------- candidates, regimes

CANDIDATES = {"1NN": 0.343, "O_vertex": 1.122, "3NN": 0.242, "O_plane": 0.919, "2NN": 0.300}


def test_candidates_are_ranked_and_not_simulated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saddles = [{"name": n, "barrier": e, "use": n == "3NN"} for n, e in CANDIDATES.items()]
    model = chain(saddles=saddles, attempt_frequency="6.12 THz")
    assert [c.name for c in model.hop_classes] == ["p:A-A#1:3NN"]
    assert model.network.n_hops == 2
    ranked = rank_candidates(model, 298.0)
    assert [(c.name, c.barrier) for c in ranked] == sorted(CANDIDATES.items(), key=lambda x: x[1])
    assert [c.used for c in ranked] == [True, False, False, False, False]
    for c in ranked:
        assert c.share == pytest.approx(math.exp(-(c.barrier - 0.242) / (K_B * 298)), rel=1e-9)
    alone = chain(barrier=0.242, attempt_frequency="6.12 THz")
    np.testing.assert_array_equal(
        build_catalog(model, temperature=298).log_rate, build_catalog(alone, temperature=298).log_rate
    )
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps(document("chain", [hop(distance=2.665, saddles=saddles)])))
    assert call("catalog", str(job), "-T", "298") == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if any(f" {n} " in line for n in CANDIDATES)]
    assert [next(n for n in CANDIDATES if f" {n} " in line) for line in table] == [
        "3NN", "2NN", "1NN", "O_plane", "O_vertex",
    ]  # fmt: skip
    # those that are used add up
    both = chain(saddles=[{**s, "use": True} for s in saddles], attempt_frequency="6.12 THz")
    shares = [c.share for c in rank_candidates(both, 298.0)]
    assert sum(shares) == pytest.approx(1, rel=1e-12)
    assert "is used" in refused(chain, saddles=[{**s, "use": False} for s in saddles])


def test_candidates_that_are_not_simulated_must_be_sound_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saddles = [{"name": "a"}, {"name": "b", "barrier": {"rule": "none_such"}, "use": False}]
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps(document("chain", [hop(distance=2.665, saddles=saddles)])))
    assert call("check", str(job)) == 2
    assert "none_such" in capsys.readouterr().err


def test_the_regime_of_a_polaron_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    polaron = {"dE_12": "1.73 eV", "phonon_frequency": "15 THz"}
    (found,) = hop_regimes(chain(barrier=0.242, polaron=polaron), 298.0)
    g = found.regime
    assert (g.name, g.electronic_coupling, found.warning) == ("adiabatic", 0.865, "")
    assert g.reorganisation_energy == pytest.approx(3.5956, abs=1e-4)
    assert "0.242" in g.derived
    # the coupling as the paper rounds it
    (found,) = hop_regimes(chain(barrier=0.242, polaron={"V_AB": 0.87}), 298.0)
    assert found.regime.reorganisation_energy == pytest.approx(3.60, abs=0.01)
    (found,) = hop_regimes(chain(barrier=0.242, polaron={**polaron, "lambda": 1.0}), 298.0)
    assert (found.regime.derived, found.regime.reorganisation_energy) == ("", 1.0)
    assert hop_regimes(chain(), 298.0) == []
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps(document("chain", [hop(distance=2.665, barrier=0.242, polaron=polaron)])))
    assert call("catalog", str(job)) == 0
    shown = capsys.readouterr().out
    assert "adiabatic" in shown
    assert "3.596 (derived)" in shown
    assert "lambda is derived" in shown


def test_lambda_from_a_rule_and_from_unequal_ends() -> None:
    (found,) = hop_regimes(chain(barrier={"rule": "kra", "E_kra": 0.242}, polaron={"dE_12": 1.73}), 298.0)
    assert found.regime.reorganisation_energy == pytest.approx(3.5956, abs=1e-4)
    (found,) = hop_regimes(
        two_sites(barrier={"forward": 0.292, "reverse": 0.192}, polaron={"dE_12": 1.73}), 298.0
    )
    assert found.regime.reorganisation_energy == pytest.approx(3.5956, abs=1e-4)
    assert "mean of both directions" in found.regime.derived


def test_a_rule_for_another_regime_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"rule": "marcus_nonadiabatic", "lambda": "3.6 eV", "V_AB": "0.87 eV"}
    entry = hop(distance=2.665, barrier=wrong, attempt_frequency=None, polaron={"phonon_frequency": "15 THz"})
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps(document("chain", [entry])))
    for name in ("catalog", "check"):
        assert call(name, str(job)) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "Warning: p:A-A#1: the rule 'marcus_nonadiabatic' is for non-adiabatic hops" in shown
        assert "landau_zener" in shown
    right = {**wrong, "V_AB": "1 meV"}
    model = load_model_text(json.dumps(document("chain", [{**entry, "barrier": right}])))
    (found,) = hop_regimes(model, 300.0)
    assert (found.regime.name, found.warning) == ("non-adiabatic", "")


def test_a_polaron_without_its_coupling() -> None:
    assert "without the electronic coupling" in refused(chain, polaron={"phonon_frequency": "15 THz"})
    assert "not both" in refused(chain, polaron={"dE_12": 1, "V_AB": 0.5})
    # a rule knows it
    model = chain(barrier={"rule": "marcus_adiabatic", **MARCUS}, polaron={"phonon_frequency": "15 THz"})
    assert hop_regimes(model, 300.0)[0].regime.phonon_frequency == 15e12


# ------------------------------------------------------------------------------------------- files of real codes


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("KMC_TRANSPORT_TEST_DATA")
    if not folder:
        pytest.skip("KMC_TRANSPORT_TEST_DATA is not set")
    return Path(folder)


def test_vasp_path(data: Path) -> None:
    file = {"path": "vasp_neb/neb_analysis2.json"}
    (c,) = two_sites(data, barrier=file).hop_classes
    assert c.barrier_forward == pytest.approx(0.562, abs=1e-3)
    assert c.barrier_reverse == pytest.approx(0.631, abs=1e-3)
    said = refused(chain, data, barrier=file)
    assert "0.5624 eV" in said
    assert "0.6307 eV" in said


@pytest.mark.parametrize("file", ["H2+H.dat", "H2+H.path", "H2+H.axsf"])
def test_quantum_espresso_path(data: Path, file: str) -> None:
    (c,) = chain(data, barrier={"path": f"qe_neb/{file}"}).hop_classes
    assert c.barrier_forward == pytest.approx(0.2043, abs=1e-3)


@pytest.mark.parametrize(
    ("file", "mesh"),
    [
        ("phonopy_MgO/mesh.hdf5", None),
        ("phonopy_MgO/phonopy_params.yaml", [4, 4, 4]),
        ("phonopy_SiO2_HP/phonopy_disp.yaml", [2, 2, 2]),
    ],
)
def test_phonopy_spectra(data: Path, file: str, mesh: list[int] | None) -> None:
    if file.endswith("yaml"):
        pytest.importorskip("phonopy", reason="phonopy is not installed (extra [phonopy])")
    # one and the same crystal on both sides: the frequency is that of the mode that is left out
    modes = {"initial": file, "saddle": file, "reaction_mode": "lowest", **({"mesh": mesh} if mesh else {})}
    model = chain(data, attempt_frequency={"koettgen": modes}, zero_point="bare")
    (c,) = model.hop_classes
    assert any("reaction mode left out" in line for line in c.log)
    assert len(set(c.log)) == len(c.log)
    nu = build_catalog(model, temperature=300).attempt_frequency
    assert np.all((nu > 5e12) & (nu < 2e13))
    assert "reaction mode" in refused(
        chain, data, attempt_frequency={"koettgen": {**modes, "reaction_mode": "remove"}}, zero_point="bare"
    )


@pytest.mark.parametrize("file", ["LiFePO4.cif", "vasprun.lifepo4.xml.gz"])
def test_structures(data: Path, file: str) -> None:
    text = json.dumps(
        {
            "structure": {"file": f"structures/{file}"},
            "supercell": [2, 2, 2],
            "carriers": {"p": {"charge": 1, "sites": ["Li"], "count": 1}},
            "hops": [hop(("Li", "Li"), distance=[2.5, 3.3], barrier={"rule": "kra", "E_kra": "0.27 eV"})],
            "conditions": {"temperature": 300},
        }
    )
    model = load_model_text(text, base=data)
    assert 2.9 < model.hop_classes[0].distance < 3.1
    np.testing.assert_allclose(build_catalog(model, temperature=300).barrier, 0.27)
