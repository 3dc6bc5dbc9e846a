"""What is simulated, as frozen records: structure, carriers, hop network, interactions."""

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
]


def __getattr__(name: str) -> object:
    if name in ("input_schema", "load_model", "load_model_text"):  # where they were up to version 0.1
        from .._moved import moved_name

        return moved_name(__name__, name, "kmc_transport.input")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
