"""CALVIN: contextual video captioning that writes audio description for films."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from calvin.core.version import __version__

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin
    from calvin.studio.adapt.adapting import adapt
    from calvin.studio.describe.films import describe

_EXPORTS = {
    "Calvin": "calvin.captioners.calvin",
    "adapt": "calvin.studio.adapt.adapting",
    "describe": "calvin.studio.describe.films",
}

__all__ = ["Calvin", "__version__", "adapt", "describe"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `calvin --help` does not wait for torch.
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'calvin' has no attribute {name!r}")
