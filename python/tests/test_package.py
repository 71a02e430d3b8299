"""What the package shows to the world."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nen
from nen import _native

MODULES = [module.name for module in pkgutil.iter_modules(nen.__path__, "nen.")]
PUBLIC = ["nen", *(name for name in MODULES if "._" not in name)]


def order(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then the rest, as ruff sorts them."""
    return (not name.isupper(), not name[0].isupper(), name)


def test_exported_names_are_sorted_and_complete() -> None:
    for module in map(importlib.import_module, PUBLIC):
        assert module.__all__ == sorted(module.__all__, key=order)
        assert all(hasattr(module, name) for name in module.__all__)
    public = {name for name, thing in vars(nen).items() if name[0] != "_" and not isinstance(thing, ModuleType)}
    assert set(nen.__all__) == public | {"__version__"}


def test_every_class_of_the_core_is_exported_from_nen() -> None:
    for name in _native.__all__:
        thing = getattr(_native, name)
        if isinstance(thing, type):
            assert getattr(nen, name) is thing
            assert thing.__module__ == "nen"
            assert thing.__doc__
            undocumented = [
                member for member, value in vars(thing).items() if not member.startswith("_") and not value.__doc__
            ]
            assert undocumented == [], name


def test_the_version_is_that_of_the_distribution() -> None:
    assert importlib.metadata.version("nen") == nen.__version__


def test_the_package_is_typed() -> None:
    assert (Path(nen.__file__).parent / "py.typed").exists()


def test_nothing_but_the_standard_library_is_imported() -> None:
    script = f"""
import sys
before = set(sys.modules)
import {", ".join(["nen", *MODULES])}
imported = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(imported - sys.stdlib_module_names))
"""
    command = [sys.executable, "-I", "-c", script]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    assert imported == ["nen"]
