"""Estimators of transport coefficients; each number comes with an honest error bar."""

from .arrhenius import ArrheniusFit, fit_arrhenius
from .batches import MIN_BATCHES
from .evaluate import Evaluation, System, evaluate
from .linear import SMALL_BIAS, LinearResponse, combined
from .targets import TARGETS, Accuracy, accuracy, target_name

__all__ = [
    "MIN_BATCHES",
    "SMALL_BIAS",
    "TARGETS",
    "Accuracy",
    "ArrheniusFit",
    "Evaluation",
    "LinearResponse",
    "System",
    "accuracy",
    "combined",
    "evaluate",
    "fit_arrhenius",
    "target_name",
]
