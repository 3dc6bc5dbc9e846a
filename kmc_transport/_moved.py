"""Where public modules lived up to version 0.1: the old names import the new ones, with a warning, for one release."""

import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "Moved", "moved_name"]

MOVED = {
    "comparison_plot": "figures.comparison",
    "observables": "analysis",
    "plots": "figures.results",
    "point": "runs.point",
    "polarization": "sources.polarization",
    "polarization_plot": "figures.polarization",
    "rates.field": "rules.field",
    "rates.rules": "rules",
    "readers": "sources",
    "recording": "trajectory.recording",
    "simulation": "runs.pipeline",
    "sweep.merge": "runs.merge",
    "sweep.verify": "runs.verify",
    "vibrations": "sources.vibrations",
}
_PACKAGE = __name__.rpartition(".")[0]


def _warn(old: str, new: str, callers: int) -> None:
    warnings.warn(f"{old} is {new} now; the old name goes in the next release", DeprecationWarning, callers)


class Moved:
    """Finder and loader of the old module names."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        package, _, old = name.partition(".")
        if package != _PACKAGE or (old not in MOVED and old != "sweep"):
            return None
        return ModuleSpec(name, self, is_package=old == "sweep")  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        old = spec.name.partition(".")[2]
        if old not in MOVED:
            return None  # a folder that is gone, of which some modules were public
        new = f"{_PACKAGE}.{MOVED[old]}"
        _warn(spec.name, new, 3)
        module = import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It ran when it was imported by its name of today, which it keeps."""
        if module.__spec__ is not None and module.__spec__.loader_state is not None:
            module.__spec__ = module.__spec__.loader_state


def moved_name(old: str, name: str, new: str) -> object:
    """What is called ``name`` in the module ``new``, asked for in ``old``."""
    _warn(f"{old}.{name}", f"{new}.{name}", 4)
    return getattr(import_module(new), name)
