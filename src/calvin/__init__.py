"""CALVIN: contextual video captioning that writes audio description for films."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin
    from calvin.studio.adapt import adapt
    from calvin.studio.describe import describe

_EXPORTS = {
    "Calvin": "calvin.captioners.calvin",
    "adapt": "calvin.studio.adapt",
    "describe": "calvin.studio.describe",
}

__all__ = ["Calvin", "__version__", "adapt", "describe"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `calvin --help` does not wait for torch.
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'calvin' has no attribute {name!r}")
