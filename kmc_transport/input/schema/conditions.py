"""Temperatures and fields, and how long to simulate each point."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, Strict, Tag

from ...arrays import ON_REQUEST
from .base import (
    Directions,
    Duration,
    FieldStrength,
    Name,
    Quantity,
    Section,
    Temperature,
    Whole,
    by_shape,
    exactly_one,
    key_error,
)

__all__ = [
    "AccelerationInput",
    "CompositionRange",
    "ConditionsInput",
    "FieldInput",
    "FieldRange",
    "ReversibleScalingInput",
    "SamplingInput",
    "TemperatureRange",
    "expanded",
]

MAX_GRID = 100_000


def _grid(low: float, high: float, step: float | None, points: int | None, scale: str) -> list[float]:
    """Points from ``low`` to ``high``, both included. Raises PydanticCustomError."""
    if (step is None) == (points is None):
        raise key_error("give either 'step' or 'points'", "one of the two")
    if not high > low:
        raise key_error("'to' must be greater than 'from'", remedy="swap them")
    if scale == "log":
        if points is None:
            raise key_error("a log range needs 'points'", remedy="give points instead of step")
        if low <= 0:
            raise key_error("a log range must start above 0", remedy="start above 0, or use scale: linear")
        values = np.geomspace(low, high, points)
    elif points is not None:
        values = np.linspace(low, high, points)
    else:
        assert step is not None
        count = (high - low) / step
        if count > MAX_GRID:
            raise key_error(f"the range has more than {MAX_GRID} points", remedy="use a larger step")
        if abs(count - round(count)) > 1e-6 * max(1.0, count):
            raise key_error(
                "the step does not lead from 'from' to 'to'", remedy="change 'to' or 'step', or use 'points'"
            )
        values = np.linspace(low, high, round(count) + 1)
    return [float(f"{v:.12g}") for v in values]


Points = Annotated[int, Whole(2, MAX_GRID)]
_FROM, _TO = "First value.", "Last value, included."
_STEP, _POINTS = "Distance of neighbouring values; or give `points`.", "Number of values, both ends included."
_SCALE = "Whether the values are spaced evenly (`linear`) or by a constant factor (`log`)."


class TemperatureRange(Section):
    """Range of temperatures."""

    model_config = exactly_one("step", "points")

    from_: Temperature = Field(alias="from", description=_FROM, examples=["200 K"])
    to: Temperature = Field(description=_TO, examples=["500 K"])
    step: Annotated[float, Quantity(dimension="temperature", ge=1e-12, le=1e5)] | None = Field(
        None, description=_STEP, examples=[25]
    )
    points: Points | None = Field(None, description=_POINTS, examples=[13])
    scale: Literal["linear", "log"] = Field("linear", description=_SCALE, examples=["log"])

    def values(self) -> list[float]:
        return _grid(self.from_, self.to, self.step, self.points, self.scale)


class FieldRange(Section):
    """Range of field magnitudes."""

    model_config = exactly_one("step", "points")

    from_: FieldStrength = Field(alias="from", description=_FROM, examples=["1e6 V/m"])
    to: FieldStrength = Field(description=_TO, examples=["1 MV/cm"])
    step: Annotated[float, Quantity(dimension="field", ge=1e-12, le=1e12)] | None = Field(
        None, description=_STEP, examples=[1e7]
    )
    points: Points | None = Field(None, description=_POINTS, examples=[5])
    scale: Literal["linear", "log"] = Field("linear", description=_SCALE, examples=["log"])

    def values(self) -> list[float]:
        return _grid(self.from_, self.to, self.step, self.points, self.scale)


AxisValue = Annotated[float, Quantity(dimension="fraction", ge=0, le=1e12)]


class CompositionRange(Section):
    """Range of a composition axis."""

    model_config = exactly_one("step", "points")

    from_: AxisValue = Field(alias="from", description=_FROM, examples=[0.02])
    to: AxisValue = Field(description=_TO, examples=[0.2])
    step: Annotated[float, Quantity(dimension="fraction", ge=1e-12, le=1e12)] | None = Field(
        None, description=_STEP, examples=[0.02]
    )
    points: Points | None = Field(None, description=_POINTS, examples=[10])
    scale: Literal["linear", "log"] = Field("linear", description=_SCALE, examples=["log"])

    def values(self) -> list[float]:
        return _grid(self.from_, self.to, self.step, self.points, self.scale)


def expanded(given: Any) -> list[float]:
    """One value, a list or a range as a list of floats."""
    if isinstance(given, TemperatureRange | FieldRange | CompositionRange):
        return given.values()
    return list(given) if isinstance(given, list) else [given]


Temperatures = Annotated[
    Annotated[Temperature, Tag("value")]
    | Annotated[list[Temperature], Field(min_length=1), Tag("list")]
    | Annotated[TemperatureRange, Tag("range")],
    by_shape(value=(int, float, str), list=list, range=dict),
]
FieldMagnitudes = Annotated[
    Annotated[FieldStrength, Tag("value")]
    | Annotated[list[FieldStrength], Field(min_length=1), Tag("list")]
    | Annotated[FieldRange, Tag("range")],
    by_shape(value=(int, float, str), list=list, range=dict),
]

AxisValues = Annotated[
    Annotated[AxisValue, Tag("value")]
    | Annotated[list[AxisValue], Field(min_length=1), Tag("list")]
    | Annotated[CompositionRange, Tag("range")],
    by_shape(value=(int, float, str), list=list, range=dict),
]


class FieldInput(Section):
    """Electric field: every magnitude along every direction."""

    along: Directions | None = Field(
        None,
        description="Direction of the field, a Cartesian vector of any length, or a list of them.",
        examples=[[1, 0, 0], [[1, 0, 0], [0, 0, 1]]],
    )
    along_crystal: Directions | None = Field(
        None,
        description="Direction u a + v b + w c along lattice vectors, [u, v, w], or a list of them.",
        examples=[[1, 1, 0]],
    )
    magnitude: FieldMagnitudes = Field(
        description="Magnitudes in V/m: one, a list, or a range `{from, to, step}` or "
        "`{from, to, points, scale: log}`.",
        examples=[[0, 1e7, 1e8], {"from": "1e6 V/m", "to": "1 MV/cm", "points": 5, "scale": "log"}],
    )


class ConditionsInput(Section):
    """Grid of conditions: every composition with every temperature and every field."""

    temperature: Temperatures = Field(
        description="Temperatures in K: one, a list, or a range `{from, to, step}` or `{from, to, points}`.",
        examples=["298 K", [200, 300, 400], {"from": 200, "to": 500, "step": 50}],
    )
    field: Annotated[
        FieldInput | None,
        BeforeValidator(
            lambda given: None if given == 0 and not isinstance(given, bool) else given,
            json_schema_input_type=FieldInput | Literal[0] | None,
        ),
    ] = Field(
        None,
        description="Electric field; none by default, or `0`.",
        examples=[{"along": [1, 0, 0], "magnitude": [0, 1e7]}],
    )
    composition: dict[Name, AxisValues] = Field(
        default_factory=dict,
        description="Named numbers that `count` and `fraction` of the carriers are expressions of: one value, a list "
        "or a range `{from, to, step}` or `{from, to, points}` each. Every combination is simulated, and each name is "
        "a dimension of the results.",
        examples=[{"x": [0.02, 0.05, 0.1]}, {"x": {"from": 0.02, "to": 0.2, "step": 0.02}}],
    )
    samples: Annotated[int, Whole(1, 10_000)] = Field(
        1,
        description="Number of samples of what is quenched: disorder and arrangements of immobile species are drawn "
        "anew for each, from site, salt and number of the sample. Tables show the mean over samples.",
        examples=[8],
    )


class ReversibleScalingInput(Section):
    """Fast species slowed by one factor, the same both ways, in three runs whose answers are extrapolated."""

    species: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None,
        description="Names of the fast species; when left out, those above the widest gap between the rates that are "
        "measured.",
        examples=[["polaron"]],
    )
    separation: Annotated[float, Strict(), Field(ge=1, le=1e9, allow_inf_nan=False)] = Field(
        100,
        description="Hops of a fast carrier for each hop of a slow one that the first run keeps; the others keep twice "
        "and four times as many.",
        examples=[100],
    )


class AccelerationInput(Section):
    """How very different rates are bridged."""

    reversible_scaling: ReversibleScalingInput = Field(
        description="Slow the fast species down to a wanted separation, at each temperature and field.",
        examples=[{"species": ["polaron"], "separation": 100}],
    )


Acceleration = Annotated[
    Annotated[Literal["absorbing", "reversible_scaling"], Tag("name")]
    | Annotated[AccelerationInput, Tag("settings")],
    by_shape(name=str, settings=dict),
]


class SamplingInput(Section):
    """How long to simulate each point. Without any goal: until the target has 1 % error."""

    target: Literal[
        "mobility",
        "drift_velocity",
        "tracer_diffusivity",
        "collective_diffusivity",
        "charge_diffusivity",
    ] = Field(
        "mobility",
        description="Observable that the errors apply to; where no carrier has a charge, `tracer_diffusivity` is the "
        "default.",
        examples=["charge_diffusivity"],
    )
    relative_error: Annotated[float, Quantity(dimension="fraction", ge=1e-9, le=1)] | None = Field(
        None, description="Stop at this relative standard error of the target.", examples=["1 %"]
    )
    table_error: Annotated[float, Quantity(dimension="fraction", ge=1e-9, le=1)] | None = Field(
        None,
        description="Stop when the root mean square of the relative errors of all points is this: effort goes where it "
        "lowers that most. No point's error is then larger than `relative_error`, or four times this where that is not "
        "given.",
        examples=["2 %"],
    )
    absolute_error: Annotated[float, Strict(), Field(ge=1e-100, le=1e100, allow_inf_nan=False)] | None = (
        Field(
            None,
            description="Stop at this standard error of the target, in its SI unit; needed when symmetry makes the "
            "target zero.",
            examples=[1e-12],
        )
    )
    events: Annotated[int, Whole(1, 10**18)] | None = Field(
        None, description="Stop after this many executed hops per point.", examples=[1e8]
    )
    time: Duration | None = Field(
        None, description="Stop after this simulated time per replica, in s.", examples=["1 us"]
    )
    min_effective_samples: Annotated[int, Whole(2)] = Field(
        64,
        description="Never stop on an error with fewer independent samples than this: stopping early on a "
        "lucky error estimate makes intervals too narrow.",
        examples=[64],
    )
    equilibration: Annotated[float, Strict(), Field(ge=0, le=1e12, allow_inf_nan=False)] | None = Field(
        None,
        description="Executed hops per carrier that are thrown away first; chosen by the program when left "
        "out.",
        examples=[100],
    )
    replicas: Annotated[int, Whole(1, 10_000)] = Field(
        4, description="Independent simulations of each point; they run on threads.", examples=[4]
    )
    seed: Annotated[int, Whole(0, 2**63 - 1)] | None = Field(
        None, description="Root of all random numbers; drawn and recorded when left out.", examples=[7]
    )
    wall_time: Duration | None = Field(
        None, description="Stop each point after this wall-clock time, in s.", examples=["10 min"]
    )
    algorithm: Literal["auto", "null_event", "rejection_free", "sum_tree"] = Field(
        "auto",
        description="How hops are selected; all are exact, `auto` takes the fastest.",
        examples=["rejection_free"],
    )
    observe: list[Literal[ON_REQUEST]] = Field(  # type: ignore[valid-type]
        default_factory=list,
        description="What else to count while it runs, hop by hop, which takes time; the arrays that each gives are in "
        "the reference of results.",
        examples=[["occupation"]],
    )
    thermodynamics: Annotated[float, Quantity(dimension="fraction", ge=1e-4, le=0.5)] | None = Field(
        None,
        description="Chemical potential and thermodynamic factor too, by two routes, each to this relative error of "
        "the factor, and the chemical diffusivity: of one species, or of neutral units of two. Needs zero field.",
        examples=["2 %"],
    )
    acceleration: Acceleration | None = Field(
        None,
        description="How very different rates are bridged; as they are, when left out. `absorbing`: few carriers that "
        "hop back and forth many times (traps, cages, bound pairs) make whole stays at once, exact in law. "
        "`reversible_scaling`, alone or with settings: fast species are slowed, and the answer is extrapolated; it "
        "gives what slow species do, and refuses what fast ones do.",
        examples=["absorbing", {"reversible_scaling": {"species": ["polaron"], "separation": 100}}],
    )
