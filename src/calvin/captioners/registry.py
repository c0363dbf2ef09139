"""Captioners by name: frozen manifests, imported only when asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType

from calvin.captioners.aliases import ALIASES
from calvin.captioners.base import Captioner, OpenOptions
from calvin.core.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Manifest:
    """One kind of captioner.

    Args:
        kind: the word before the colon in `--model kind:model`.
        summary: one line for help texts.
        factory: `module:attribute` of what is called with the model's name and the options.
        extra: the optional packages it needs, if any.
    """

    kind: str
    summary: str
    factory: str
    extra: str | None = None

    def open(self, model: str | None, options: OpenOptions | None = None) -> Captioner:
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
        captioner: Captioner = target(model, options or OpenOptions())
        return captioner


CAPTIONERS: Mapping[str, Manifest] = MappingProxyType(
    {
        manifest.kind: manifest
        for manifest in (
            Manifest(
                "calvin", "a CALVIN model: a folder, a hub id or a bundled name", "calvin.captioners.calvin:open_model"
            ),
            Manifest(
                "hf",
                f"a video LLM: a folder, a hub id, or one of {', '.join(ALIASES)}",
                "calvin.captioners.video_llm:open_video_llm",
                "videollm",
            ),
            Manifest("openai", "a model server: http://HOST:PORT/v1#MODEL", "calvin.captioners.server:open_server"),
            Manifest(
                "blind",
                "a language model that sees only the context: smollm2, a folder or a hub id",
                "calvin.captioners.blind:open_blind",
            ),
        )
    }
)


def open_captioner(model: str | None = None, options: OpenOptions | None = None) -> Captioner:
    """The captioner that `--model` names.

    `kind:model`; an alias of a video LLM; the folder of a CALVIN or of a video LLM; a CALVIN's hub id or bundled name;
    None: the bundled one.

    Raises:
        CheckpointError: there is no such model, or it is not whole.
        UsageError: a model on the hub that was not agreed to.
    """
    kind, colon, rest = (model or "").partition(":")
    if colon and kind in CAPTIONERS:
        return CAPTIONERS[kind].open(rest or None, options)
    return CAPTIONERS[_kind_of(model)].open(model, options)


def _kind_of(model: str | None) -> str:
    """A folder says in its configuration what it is; CALVIN is what cannot be told."""
    if model is None:
        return "calvin"
    config = Path(model) / "config.json"
    if not config.is_file():
        return "hf" if model in ALIASES else "calvin"
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type", "calvin")
    except (OSError, ValueError, AttributeError):
        return "calvin"
    return "calvin" if kind == "calvin" else "hf"
