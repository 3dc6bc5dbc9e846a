"""Immobile species and carriers that are held still: what the input takes, refuses, and shows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kmc_transport.cli.app import main
from kmc_transport.input import load_model_text
from kmc_transport.report import carrier_table, composition_tables, summary
from tests.input.interacting import refused
from tests.input.model_inputs import hop

CERIA = {
    "format": 1,
    "structure": {
        "spacegroup": "Fm-3m",
        "lattice": {"a": 5.4},
        "sites": {"Ce": [[0, 0, 0]], "O": [["1/4", "1/4", "1/4"]]},
    },
    "supercell": [2, 2, 2],
    "carriers": {
        "samarium": {"charge": -1, "sites": ["Ce"], "count": 4, "immobile": True},
        "vacancy": {"charge": 2, "sites": ["O"], "count": 2},
    },
    "hops": [
        hop(
            ["O", "O"],
            carrier="vacancy",
            distance=2.7,
            barrier={"rule": "kra", "E_kra": 0.5},
            attempt_frequency=5e12,
        )
    ],
    "interactions": {"pairs": [{"between": ["vacancy", "samarium"], "shell": 1, "energy": -0.1}]},
    "conditions": {"temperature": 1000},
}


def species(**keys):
    return {"carriers": CERIA["carriers"] | {"samarium": CERIA["carriers"]["samarium"] | keys}}


HOP = CERIA["hops"][0]
POLARON = {"charge": -1, "sites": ["Ce"], "count": 4}
POLARON_HOP = HOP | {"carrier": "samarium", "between": ["Ce", "Ce"], "distance": 3.818}
MOBILE = {"carriers": CERIA["carriers"] | {"samarium": POLARON}, "hops": [HOP, POLARON_HOP]}


@pytest.mark.parametrize(
    ("change", "key", "message", "remedy"),
    [
        ({"hops": [HOP, POLARON_HOP]}, "hops[1].carrier", "is immobile and has no hops", "remove this hop"),
        ({"freeze": ["vacancy"]}, "freeze", "no carrier is left that could move", "leave one of them out"),
        ({"freeze": ["samarium"]}, "freeze[0]", "immobile anyway", "leave it out"),
        ({"freeze": ["vacncy"]}, "freeze[0]", "no carrier 'vacncy'", "'vacancy'?"),
        (MOBILE | {"freeze": ["samarium", "samarium"]}, "freeze[1]", "listed twice", "keep one"),
        (
            MOBILE | {"freeze": ["samarium"], "initial": "annealed"},
            "freeze[0]",
            "the same sites in all of them",
            "arrangement: random",
        ),
        (species(site_dipoles="solve"), "carriers.samarium.site_dipoles", "is immobile", "remove"),
        (species(count=33), "carriers.samarium.count", "more carriers than sites", "larger supercell"),
        (species(arrangement="annealed"), "carriers.samarium.arrangement", "needs to say more", "1500 K"),
        (
            species(arrangement={"given": [[0, 0, 0], [1, 0, 0]]}),
            "carriers.samarium.arrangement.given",
            "2 places are given for 4",
            "as many places",
        ),
        (
            species(arrangement={"given": [[0, 0, 0], [0.25, 0.25, 0.25]]}),
            "carriers.samarium.arrangement.given[1]",
            "cannot sit on sites 'O'",
            "",
        ),
        (
            species(arrangement={"given": [[0, 0, 0], [2, 0, 0]]}),
            "carriers.samarium.arrangement.given[1]",
            "taken already",
            "a free site of its own",
        ),
        (
            species(arrangement={"ordered": {"block": [2, 3, 1], "places": [[0, 0, 0]]}}),
            "carriers.samarium.arrangement.ordered.block",
            "whole number of blocks",
            "change the block",
        ),
        (
            species(arrangement={"annealed": {"temperature": -3}}),
            "carriers.samarium.arrangement.annealed.temperature",
            "negative",
            "degC",
        ),
        (
            species(count=3) | {"interactions": {"coulomb": {"permittivity": 20, "neutral": True}}},
            "interactions.coulomb.neutral",
            "add up to +1 e",
            "change the numbers",
        ),
    ],
)
def test_refused_before_the_run(change, key: str, message: str, remedy: str) -> None:
    (problem,) = refused(CERIA | change)
    assert problem.key == key
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.line is not None


def test_places_in_two_places() -> None:
    initial = {"given": {"vacancy": [[0.25, 0.25, 0.25], [1.25, 0.25, 0.25]], "samarium": [[0, 0, 0]]}}
    found = refused(CERIA | species(count=1, arrangement="random") | {"initial": initial})
    assert [p.key for p in found] == ["carriers.samarium.arrangement"]
    model = load_model_text(json.dumps(CERIA | species(count=1) | {"initial": initial}))
    assert model.arrangement[0].sites.tolist() == [0]


def test_what_is_shown() -> None:
    model = load_model_text(json.dumps(CERIA | species(arrangement={"random": {"salt": 5}})))
    rows = {row["carrier"]: row for row in carrier_table(model).data}
    assert rows["samarium"]["immobile"] == "random (salt 5)"
    assert rows["samarium"]["fraction"] == 4 / 32
    assert rows["vacancy"]["immobile"] == ""
    assert summary(model)["net_charge_e"] == 0
    frozen = load_model_text(json.dumps(CERIA | MOBILE | {"freeze": ["samarium"]}))
    assert [c.name for c in frozen.carriers] == ["vacancy"]
    assert len(frozen.hop_classes) == 1
    assert np.count_nonzero(frozen.background) == 4


def test_compositions_count_immobile_species_and_stay_neutral() -> None:
    carriers = {
        "samarium": {"charge": -1, "sites": ["Ce"], "fraction": "x", "immobile": True},
        "vacancy": {"charge": 2, "sites": ["O"], "fraction": "x/4"},
    }
    conditions = {"temperature": 1000, "composition": {"x": [0.06, 0.125, 0.2]}}
    model = load_model_text(json.dumps(CERIA | {"carriers": carriers, "conditions": conditions}))
    (table,) = composition_tables(model)
    assert [row["charge_e"] for row in table.data] == [0, 0, 0]
    assert [row["count_samarium"] for row in table.data] == [2, 4, 6]
    few, some, many = (set(s.arrangement[0].sites.tolist()) for s in model.systems)
    assert few < some < many


def test_the_command_says_where_it_sits(tmp_path, capsys) -> None:
    path = tmp_path / "ceria.yaml"
    path.write_text(json.dumps(CERIA | species(arrangement={"annealed": {"temperature": 1500}})))
    with pytest.raises(SystemExit) as done:
        main(["check", str(path)])
    assert not done.value.code
    out = capsys.readouterr().out
    assert "annealed at 1500 K, then frozen" in out
    assert "net charge: +0 e" in out
