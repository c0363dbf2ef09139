"""CALVIN among the Auto classes and pipelines of transformers, as soon as one of them is used after `import calvin`.

Registering takes the classes themselves, and with them torch, which `import calvin` does without. So transformers is
watched instead: the first time somebody takes one of its Auto classes or `pipeline`, `calvin.model` is imported, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_LIBRARY = "transformers"
_LOADED = ("transformers.models.auto.configuration_auto", "transformers.pipelines")
"""Modules of which names may have been taken already."""
_AUTO, _PIPELINE = "calvin.model", "calvin.model.pipeline"


def register_when_used() -> None:
    """Watch transformers; where its Auto classes were taken before, register at once."""
    library = sys.modules.get(_LIBRARY)
    if library is not None and any(name in sys.modules for name in _LOADED):
        _register(_LOADED[1] in sys.modules)
    if library is not None:
        _watch(library)
    elif not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def _register(pipelines: bool) -> None:
    import_module(_AUTO)
    if pipelines:
        import_module(_PIPELINE)


def _watch(library: ModuleType) -> None:
    """Let the library tell which of its lazy names are taken.

    Its class is told to, not the module: transformers puts another in its place when it imports itself once more.
    """
    kind: Any = type(library)
    plain = getattr(kind, "__getattr__", None)
    if plain is None or getattr(plain, "is_watched", False):
        return

    def watched(module: ModuleType, name: str) -> Any:
        found = plain(module, name)
        # After the name is there: what is registered needs the modules that it stands in.
        if module.__name__ == _LIBRARY and name.startswith("Auto"):
            _register(pipelines=False)
        elif module.__name__ == _LIBRARY and name in ("pipeline", "pipelines"):
            _register(pipelines=True)
        return found

    watched.is_watched = True  # type: ignore[attr-defined]
    kind.__getattr__ = watched


class _Watcher(MetaPathFinder):
    """Finds transformers as others do, and has it watched once it is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _LIBRARY:
            return None
        finders = (finder for finder in sys.meta_path if finder is not self)
        found = (spec for finder in finders if (spec := finder.find_spec(fullname, path, target)) is not None)
        spec = next(found, None)
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            run = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _watch(sys.modules.get(_LIBRARY, module))

            loader.exec_module = exec_module
        return spec


__all__ = ["register_when_used"]
