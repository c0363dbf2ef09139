"""Modules that users' scripts import by the names of 0.1.0; they warn, and lead to where their functions are now.

Released names outlive a move of the code: a lab's script would otherwise end in an ImportError that says nothing of the
new place.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NOW = {
    "calvin.captioners.cleaning": ("calvin.captioners.answers",),
    "calvin.media.decode": ("calvin.media.film.decode", "calvin.media.film.source"),
    "calvin.media.reader": ("calvin.media.film.reader",),
    "calvin.media.source": ("calvin.media.film.source",),
    "calvin.studio.mix": ("calvin.studio.sound.film_mix",),
    "calvin.studio.readers": ("calvin.studio.script.script_lines",),
    "calvin.studio.store": ("calvin.studio.project.store",),
    "calvin.studio.voice": ("calvin.studio.sound.voiced_cues", "calvin.studio.project.status"),
    "calvin.training.checkpoints": ("calvin.training.loop.checkpoints",),
}
"""Former modules, and where their public names are now."""


def _lines_alone(read_script: Callable[..., Any]) -> Callable[..., Any]:
    """In 0.1.0 the lines came without sentences on how they were read."""

    @wraps(read_script)
    def read(*args: Any, **options: Any) -> Any:
        return read_script(*args, **options).lines

    return read


_AS_BEFORE = {("calvin.studio.readers", "read_script"): _lines_alone}


class FormerNames(MetaPathFinder, Loader):
    """Finds the modules of `NOW`, once nothing else has been found by their names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in NOW else None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__

        def find(attribute: str) -> object:
            if not attribute.startswith("_"):
                for place in NOW[name]:
                    found = getattr(import_module(place), attribute, None)
                    if found is not None:
                        warnings.warn(f"{name} is now {place}", DeprecationWarning, stacklevel=2)
                        as_before = _AS_BEFORE.get((name, attribute))
                        return as_before(found) if as_before else found
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}; it is now {' and '.join(NOW[name])}")

        module.__getattr__ = find  # type: ignore[method-assign]


def lead_on() -> None:
    """Let the former names be imported; once a process is enough."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.append(FormerNames())


__all__ = ["NOW", "FormerNames", "lead_on"]
