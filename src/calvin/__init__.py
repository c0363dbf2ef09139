"""CALVIN: contextual video captioning that writes audio description for films."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from calvin.auto_classes import register_when_used
from calvin.core.package import __version__ as __version__
from calvin.core.torch_builds import hide_unfit_torchvision
from calvin.former_names import lead_on

lead_on()
hide_unfit_torchvision()  # before anything imports transformers
register_when_used()

__all__ = ["Calvin", "__version__", "adapt", "describe"]

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin as Calvin
    from calvin.studio.adapt.adaptation import adapt as adapt
    from calvin.studio.describe.films import describe as describe
else:
    _EXPORTS = {
        "Calvin": "calvin.captioners.calvin",
        "adapt": "calvin.studio.adapt.adaptation",
        "describe": "calvin.studio.describe.films",
    }

    # Lazy, so that `calvin --help` does not wait for torch. Hidden from type checkers, for which it would turn every
    # misspelt name into `Any`.
    def __getattr__(name: str) -> object:
        if name in _EXPORTS:
            return getattr(import_module(_EXPORTS[name]), name)
        raise AttributeError(f"module 'calvin' has no attribute {name!r}")
