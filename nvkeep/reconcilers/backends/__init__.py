"""The ways to hold a block device exclusively: one file a backend, found by being in this folder."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from nvkeep.model.spec import BACKENDS, VolumeSpec
from nvkeep.reconcilers.backends.base import Backend


@cache
def register() -> dict[str, Backend[Any]]:
    """Import every file of this folder and collect the backend it defines, by the file's name."""
    backends = {name: import_module(f"{__name__}.{name}").BACKEND for _, name, _ in iter_modules(__path__) if name != "base"}
    BACKENDS.update({name: backend.Spec for name, backend in backends.items()})
    return backends


def backend_of(spec: VolumeSpec) -> Backend[Any]:
    """Give the backend that a volume names."""
    return register()[spec.backend]
