"""What a package shows of its modules: names that load nothing before they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def face(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__`` (PEP 562): ``homes`` has the module of every name it shows.

    It raises AttributeError for any other name, as a module does.

    >>> face("cislunar", {"load_scenario": "scenario"})("load_scenario").__module__
    'cislunar.scenario'
    """

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return found
