"""Captioners by name: frozen manifests, imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from types import MappingProxyType

from calvin.captioners.base import Captioner
from calvin.core.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Manifest:
    """One kind of captioner.

    Args:
        kind: the word before the colon in `--model kind:model`.
        summary: one line for help texts.
        factory: `module:attribute` of what is called with the model's name.
        extra: the optional packages it needs, if any.
    """

    kind: str
    summary: str
    factory: str
    extra: str | None = None

    def open(self, model: str | None) -> Captioner:
        """
        Raises:
            MissingExtraError: its optional packages are not installed.
        """
        module, _, attribute = self.factory.partition(":")
        try:
            target = attrgetter(attribute)(import_module(module))
        except ImportError as error:
            if self.extra is None:
                raise
            raise MissingExtraError(f"The captioner {self.kind}", self.extra, str(error)) from error
        captioner: Captioner = target(model)
        return captioner


CAPTIONERS: Mapping[str, Manifest] = MappingProxyType(
    {
        manifest.kind: manifest
        for manifest in (
            Manifest(
                "calvin", "a CALVIN model: a folder, a hub id or a bundled name", "calvin.captioners.calvin:open_model"
            ),
        )
    }
)


def open_captioner(model: str | None = None) -> Captioner:
    """The captioner that `--model` names: `kind:model`, or a CALVIN folder, id or bundled name; None: the bundled one.

    Raises:
        CheckpointError: there is no such model, or it is not whole.
    """
    kind, colon, rest = (model or "").partition(":")
    if colon and kind in CAPTIONERS:
        return CAPTIONERS[kind].open(rest or None)
    return CAPTIONERS["calvin"].open(model)
