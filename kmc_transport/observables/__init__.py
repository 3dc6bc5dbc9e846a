"""Estimators of transport coefficients; each number comes with an honest error bar."""

from .arrhenius import ArrheniusFit, fit_arrhenius
from .batches import MIN_BATCHES
from .evaluate import Evaluation, System, evaluate
from .targets import TARGETS, Accuracy, accuracy, target_name

__all__ = [
    "MIN_BATCHES",
    "TARGETS",
    "Accuracy",
    "ArrheniusFit",
    "Evaluation",
    "System",
    "accuracy",
    "evaluate",
    "fit_arrhenius",
    "target_name",
]
