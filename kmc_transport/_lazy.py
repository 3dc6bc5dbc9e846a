"""Public names of a package that load their module on first use."""

# no module of the standard library but these: see `kmc_transport/__init__.py`
from importlib import import_module

__all__ = ["lazily"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazily(package: str, where: "Mapping[str, str]") -> "Callable[[str], object]":
    """The ``__getattr__`` of a package; where : name → module below the package."""

    def load(name: str) -> object:
        if name in where:
            return getattr(import_module(f".{where[name]}", package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
