"""Captioners by name, each imported only when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from calvin.captioners.base import Captioner, OpenOptions
from calvin.captioners.hub import ALIASES
from calvin.core.errors import UsageError
from calvin.core.registry import Manifest, Registry

AUTO = "auto"
"""What --model says for the best that is at hand."""


ONE_STAGE = ("calvin", "blind")
"""Kinds of captioner that are never asked for a description first."""


@dataclass(frozen=True, slots=True)
class CaptionerKind(Manifest[Callable[[str | None, OpenOptions], Captioner]]):
    """One kind of captioner: its name is the word before the colon in `--model KIND:MODEL`, its target is called with
    what stands behind the colon (None: nothing) and the options."""

    what: ClassVar[str] = "captioner"


CAPTIONERS = Registry(
    CaptionerKind,
    (
        CaptionerKind("calvin", "a model folder, hub id or bundled name", "calvin.captioners.calvin:open_model"),
        CaptionerKind(
            "hf",
            "a video LLM such as smolvlm2 or qwen3-vl, or hf:HUB-ID",
            "calvin.captioners.video_llm:open_video_llm",
            "videollm",
        ),
        CaptionerKind("openai", "openai:URL#NAME for a model server", "calvin.captioners.server:open_server"),
        CaptionerKind("blind", "blind:smollm2 for a model that sees nothing", "calvin.captioners.blind:open_blind"),
    ),
    "captioners",
)


def open_captioner(model: str | None = None, options: OpenOptions | None = None) -> Captioner:
    """The captioner that `--model` names.

    `kind:model`; an alias of a video LLM; the folder of a CALVIN or of a video LLM; a CALVIN's hub id or bundled name;
    a kind that another package adds; `auto`: the best that is at hand (`captioners.at_hand`); None: the bundled one.

    Raises:
        CheckpointError: there is no such model, or it is not whole.
        UsageError: a model on the hub that was not agreed to, two stages of one that answers in one, or a search for
            one that is no CALVIN.
    """
    if model == AUTO and not Path(AUTO).exists():
        from calvin.captioners.at_hand import best

        model = best()[0].model
    kind, colon, rest = (model or "").partition(":")
    added = kind in CAPTIONERS and kind not in CAPTIONERS.built_in and kind not in ALIASES and not Path(kind).exists()
    if added or (colon and kind in CAPTIONERS):
        model = rest or None
    else:
        kind = _kind_of(model)
    options = options or OpenOptions()
    if options.two_stages and kind in ONE_STAGE:
        raise UsageError(
            f"{model or 'The bundled model'} answers in one stage: --two-stage is for video LLMs and model servers."
        )
    if options.decoding is not None and kind != "calvin":
        raise UsageError(
            f"{model} has a search of its own: --beams, --temperature and --decoding are for a CALVIN; leave them out."
        )
    return CAPTIONERS.find(kind).load()(model, options)


def answers_questions(model: str | None) -> bool:
    """Whether what `--model` names is asked in words, as video LLMs and servers are, and not trained to describe alone.

    Nothing is opened for it, so a model that cannot be had counts as what its name says.
    """
    kind = (model or "").partition(":")[0]
    return (kind if kind in CAPTIONERS else _kind_of(model)) not in ("calvin", "blind")


def open_completer(name: str, options: OpenOptions, max_new_tokens: int = 64) -> Callable[[str], str]:
    """A language model as a plain function from a prompt to the text that follows it, for cleaning data.

    `openai:http://HOST:PORT/v1#MODEL`, else a causal language model: `smollm2`, a folder, a GGUF file, a hub id.

    Raises:
        UsageError: not the address of a server, or nobody agreed to fetch the model.
        CheckpointError: there is no such model.
    """
    word, _, rest = name.partition(":")
    kind, model = ("openai", rest) if word == "openai" else ("blind", name)
    captioner: Any = CAPTIONERS.find(kind).load()(model, options)
    return partial(captioner.complete, max_new_tokens=max_new_tokens)


def _kind_of(model: str | None) -> str:
    """A folder, or what was fetched before, says in its configuration what it is; else it is taken for a CALVIN."""
    if model is None:
        return "calvin"
    config = Path(model) / "config.json"
    if not config.is_file():
        if model in ALIASES or model in ALIASES.values():
            return "hf"
        config = _fetched_config(model)
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type", "calvin")
    except (OSError, ValueError, AttributeError):
        return "calvin"
    return "calvin" if kind == "calvin" else "hf"


def _fetched_config(model_id: str) -> Path:
    """The configuration of a hub id in the local cache; a path that leads nowhere if there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model_id, "config.json")
    except HFValidationError:
        found = None
    return Path(found) if isinstance(found, str) else Path(model_id, "config.json")
