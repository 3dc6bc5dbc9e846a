"""What the user describes: input file, structure, hop network; built, then frozen into arrays."""

from .build import load_model, load_model_text
from .classical import classical_model
from .interactions import (
    Clusters,
    Coulomb,
    Disorder,
    EnvironmentTable,
    Initial,
    Interactions,
    LocalClusters,
)
from .model import (
    Carrier,
    Conditions,
    HopClass,
    HopNetwork,
    InputSource,
    Model,
    Sampling,
    Structure,
    frozen_array,
)
from .schema import input_schema

__all__ = [
    "Carrier",
    "Clusters",
    "Conditions",
    "Coulomb",
    "Disorder",
    "EnvironmentTable",
    "HopClass",
    "HopNetwork",
    "Initial",
    "InputSource",
    "Interactions",
    "LocalClusters",
    "Model",
    "Sampling",
    "Structure",
    "classical_model",
    "frozen_array",
    "input_schema",
    "load_model",
    "load_model_text",
]
