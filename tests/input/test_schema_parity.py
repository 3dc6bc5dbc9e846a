"""Schema and loader judge alike: mutants of the shipped inputs, each judged by both."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import input_schema, load_model_text
from kmc_transport.input.document import parse_yaml
from kmc_transport.input.validation import validate
from kmc_transport.units import DIMENSIONS, QuantityError, parse_quantity, quantity_pattern
from tests.fuzz.inputs import ROOT, sources
from tests.fuzz.trees import Raw, as_yaml, mutated

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = jsonschema.Draft202012Validator(input_schema())


def is_json(data: Any) -> bool:
    """Whether JSON can say it: no tags, no NaN."""
    if isinstance(data, dict | list):
        return all(map(is_json, data.values() if isinstance(data, dict) else data))
    return not isinstance(data, Raw) and not (isinstance(data, float) and not math.isfinite(data))


def loader_takes(data: Any) -> tuple[bool, str]:
    """Whether each key by itself is sound, without what needs several keys; and the first problem."""
    try:
        doc = parse_yaml(as_yaml(data), "a.yaml")
    except InputError as error:
        return False, str(error)
    validate(doc)
    return not doc.problems, "\n".join(map(str, doc.problems))


BEYOND = (
    "finite number",  # and out of its range, within a text: 1e99 eV
    "outside the allowed range",
    "is negative",
    "is not a unit",  # of the dimension: what pint alone knows is open in the schema
    "is a unit of",
    "the uncertainty of",
    "an uncertainty is not used here",
    "must be a fractional coordinate",  # 1/0, 9e99 as texts
    "permittivity tensor",  # eigenvalues
    "this mixes",
    "only once",
    "cannot be read",
    "characters",  # of a text or number
)
"""What the loader alone can judge, by its messages."""


def test_shipped_inputs_and_examples_pass() -> None:
    for _, data in sources():
        assert list(SCHEMA.iter_errors(data)) == []


@pytest.mark.parametrize("seed", range(2))
def test_mutants_are_judged_alike(seed: int) -> None:
    known, taken, refused = sources(), 0, 0
    for case in range(90):
        rng = Random(f"{seed}:{case}")
        data = mutated(rng.choice(known)[1], rng, 1)
        if not is_json(data) or len(as_yaml(data)) > 50_000:  # for the sake of time
            continue
        wrong = [f"{list(e.absolute_path)}: {e.message[:300]}" for e in SCHEMA.iter_errors(data)]
        ok, why = loader_takes(data)
        if ok:
            taken += 1
            assert not wrong or not loads(data), (case, wrong)
        else:
            refused += 1
            assert wrong or any(text in why for text in BEYOND), (case, why)
    assert taken > 10
    assert refused > 25


def loads(data: Any) -> bool:
    try:
        load_model_text(as_yaml(data), "a.yaml", ROOT / "inputs")
    except InputError:
        return False
    return True


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("supercell", [True, "4", 4.0]),
        ("supercell", ["4", 4, 4]),
        ("periodic", [1, 1, 1]),
        ("temperature", "warm"),
        ("temperature", "300 meV"),
        ("temperature", True),
        ("temperature", [[300]]),
        ("seed", "7"),
        ("seed", 1.5),
        ("seed", 10**30),
        ("barrier", "0.3 Å"),
        ("barrier", "1e999999999 eV"),
        ("barrier", {"rule": "kra", "path": "neb"}),
        ("barrier", {"rule": "kra", "E_kra": [0.3]}),
        ("title", 3),
        ("title", "\x1b[31m"),
        ("carrier name", "a b"),
        ("count", True),
        ("count", None),
    ],
)
def test_what_both_refuse(key: str, value: Any) -> None:
    _, data = sources()[1]
    data = json.loads(json.dumps(data))
    match key:
        case "periodic":
            data["structure"]["periodic"] = value
        case "temperature":
            data["conditions"]["temperature"] = value
        case "seed":
            data["sampling"]["seed"] = value
        case "barrier":
            data["hops"][0]["barrier"] = value
        case "carrier name":
            data["carriers"][value] = next(iter(data["carriers"].values()))
        case "count":
            carrier = next(iter(data["carriers"].values()))
            carrier.pop("fraction", None)
            carrier["count"] = value
        case _:
            data[key] = value
    assert list(SCHEMA.iter_errors(data))
    assert not loads(data)


TEXTS = [
    *(
        "300",
        "300 K",
        " 25 degC ",
        "-25 °C",
        "−25 °C",
        "1 MV / cm",
        "1 MV/cm",
        "242 ± 30 meV",
        "(242 ± 30) meV",
    ),
    *(
        "242 meV ± 30",
        "242+/-30meV",
        "52 Å²",
        "2.665 A\u030a",
        "100 cm^-1",
        "100 cm⁻¹",
        "2 1/ps",
        "5 ps**-1",
        "1 %",
    ),
    *(
        "3 µm",
        "1.5e-3 nm",
        "1 V/mm",
        "",
        "K",
        "1e9999 K",
        "1/3",
        "3 eV eV",
        "1 ± 2 ± 3 eV",
        "(1) eV (2)",
        "300\nK",
    ),
    *("٣ K", "３ K", "0x10 K", "1_000 K", "1,5 eV", "nan", "inf K", "3 kg*m^2/s^2", "9" * 250),
]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_texts_with_units_that_the_loader_takes_fit_the_pattern(dimension: str) -> None:
    text = jsonschema.Draft202012Validator(
        {"type": "string", "maxLength": 200, "pattern": quantity_pattern(dimension)}
    )
    for given in TEXTS:
        try:
            parse_quantity(given, dimension)
        except QuantityError as error:
            open_to_pint = any(x in error.message for x in ("not a unit", "a unit of"))
            assert not text.is_valid(given) or open_to_pint, given
        else:
            assert text.is_valid(given), given
    for unit in DIMENSIONS[dimension].units:
        for other in DIMENSIONS:
            shared = unit in DIMENSIONS[other].units
            assert bool(text.is_valid(f"2 {unit}")), unit
            there = jsonschema.Draft202012Validator({"pattern": quantity_pattern(other)})
            assert there.is_valid(f"2 {unit}") == shared, (unit, other)
