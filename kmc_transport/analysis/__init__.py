"""Estimators of transport coefficients; each number comes with an honest error bar."""

from .arrhenius import ArrheniusFit, fit_arrhenius
from .batches import MIN_BATCHES
from .evaluate import Evaluation, System, evaluate
from .fieldlaw import LAWS, FieldLawFit, fit_field_law, widest_field_law
from .linear import SMALL_BIAS, LinearResponse, combined
from .targets import TARGETS, Accuracy, accuracy, target_name

__all__ = [
    "LAWS",
    "MIN_BATCHES",
    "SMALL_BIAS",
    "TARGETS",
    "Accuracy",
    "ArrheniusFit",
    "Evaluation",
    "FieldLawFit",
    "LinearResponse",
    "System",
    "accuracy",
    "combined",
    "evaluate",
    "fit_arrhenius",
    "fit_field_law",
    "target_name",
    "widest_field_law",
]
