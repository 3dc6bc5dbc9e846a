"""The input file, from text to the frozen `kmc_transport.model.Model`."""

from .build import load_model, load_model_text
from .schema import input_schema

__all__ = ["input_schema", "load_model", "load_model_text"]
