"""CALVIN adapted to one film: it says first who is there, then the caption (Figure 6); only the caption is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Self

import torch

from calvin.captioners.answers import choose
from calvin.captioners.base import CaptionAnswer, Captioner, CaptionerInfo, CaptionRequest
from calvin.captioners.calvin import Calvin, followed_by, previous
from calvin.captioners.stage_adapters import STAGE, with_its_adapter
from calvin.core.errors import CheckpointError, UsageError
from calvin.core.prompts import holds_no_word, holds_prompt, parse_fewshot
from calvin.model.modeling import adapter_of
from calvin.model.tuning import adapter_facts, base_kept, load_adapter, remove_adapter


class AdaptedCalvin(Calvin):
    """A CALVIN that carries an adapter; `context` is how many previous captions it was adapted with, `film` the title
    and SHA-256 of the film it was adapted to."""

    thought_tokens = 48
    """What the sentence on the characters may take."""
    shorts_together = 1  # each follows a thought of its own length
    no_repeat_ngram_size = 12
    """Names stand in the thought and again in the caption, so only long repeats are loops."""

    adapter: str = ""
    context: int = 0
    film: tuple[str, str] = ("", "")

    @classmethod
    def over(cls, base: Calvin, adapter: str = "", fingerprint: str = "", context: int = 0) -> Self:
        """The base's model, which carries the adapter now, asked and read in the adapted form."""
        made = cls(base.model, base.processor, base.name, fingerprint, base.card, base.world, base.agree, base.drawing)
        made.adapter, made.context, made.decoding = adapter, context, base.decoding
        return made

    @property
    def info(self) -> CaptionerInfo:
        info = super().info
        return CaptionerInfo(info.name, info.fingerprint, info.card, {**info.details, "adapter": self.adapter})

    def _chosen(self, request: CaptionRequest, texts: Sequence[str], scores: Sequence[float]) -> CaptionAnswer:
        """The best answer that kept to the form of Figure 6, else the best."""
        read = list(zip(map(parse_fewshot, texts), scores, strict=True))
        if not self.decoding.has("other-beam"):
            [(found, score), *_] = read
            text = self._ended(self._begun(found.caption))
            return CaptionAnswer(text, score, (text,), named=found.entities, parsed=found.parsed, scores=(score,))
        # Half of the form is no caption, and a tuning of few scenes may leave a small model without its spelling.
        read = [pair for pair in read if not (holds_prompt(pair[0].caption) or holds_no_word(pair[0].caption))]
        if not read:
            return CaptionAnswer("", scores[0] if scores else 0.0, parsed=False)
        kept = [pair for pair in read if pair[0].parsed] or read
        captions = [self._begun(found.caption) for found, _ in kept]
        chosen = choose(captions, previous(request))
        found, score = kept[chosen]
        named = found.entities if found.parsed else ()
        candidates: dict[str, float] = {}
        for caption, (_, its) in zip(captions, kept, strict=True):
            candidates.setdefault(caption, its)
        return CaptionAnswer(
            self._ended(captions[chosen]), score, tuple(candidates), named=named, parsed=found.parsed,
            scores=tuple(candidates.values()),
        )  # fmt: skip

    def _short_inputs(self, requests: Sequence[CaptionRequest]) -> dict[str, Any]:
        """The prompt with the best thought after it: what is to be short is the caption."""
        inputs = self._inputs(requests)
        [row] = self.model.generate_candidates(
            **inputs, num_beams=2, max_new_tokens=self.thought_tokens, no_repeat_ngram_size=self.no_repeat_ngram_size
        )
        for candidate in row:
            for end in range(1, len(candidate.token_ids) + 1):
                [text] = self.processor.captions([list(candidate.token_ids[:end])])
                if parse_fewshot(f"{text} x").caption == "x":
                    thought = torch.tensor([candidate.token_ids[:end]], device=self.model.device)
                    return followed_by(inputs, thought)
        return inputs


@contextmanager
def with_adapter(captioner: Captioner, adapter: str | Path | None) -> Iterator[Captioner]:
    """The captioner with an adapter, where one is named; afterwards its model is the base again.

    Raises:
        UsageError, CheckpointError: as `open_adapted`.
    """
    with ExitStack() as stack:
        if adapter is None:
            yield captioner
            return
        if isinstance(captioner, Calvin) and adapter_of(captioner.model) != "lora":
            stack.enter_context(base_kept(captioner.model))
        yield open_adapted(captioner, adapter)


def adapter_context(captioner: Captioner) -> int | None:
    """How many previous captions the captioner's adapter was trained with; None where it has no adapter."""
    return captioner.context if isinstance(captioner, AdaptedCalvin) else None


def open_adapted(base: Captioner, folder: str | Path) -> Calvin:
    """Put an adapter on the model it was made for, in place, instead of a prefix that this came with.

    The adapter of a recipe's stage is asked as any model is; that of a film in the form of Figure 6.

    Raises:
        UsageError: the captioner is not a CALVIN.
        CheckpointError: no adapter folder, or one made for another model.
    """
    if not isinstance(base, Calvin):
        raise UsageError(f"An adapter belongs to a CALVIN, not to {base.info.name}: leave --adapter or --model out.")
    facts = adapter_facts(folder)
    made_for = str(facts.get("base", ""))
    if made_for != base.fingerprint:
        raise CheckpointError(
            f"{folder} adapts {facts.get('base_name') or 'another model'} ({made_for[:12] or 'no hash'}), but "
            f"{base.name} is {base.fingerprint[:12]}: name its own model with --model, or run `calvin adapt` again."
        )
    if adapter_of(base.model) == "prefix":
        remove_adapter(base.model)
    load_adapter(base.model, folder)
    base.model.to(base.model.device)
    digest = with_its_adapter(base.fingerprint, Path(folder))
    if STAGE in facts:
        tuned = copy(base)
        tuned.name, tuned.fingerprint = f"{base.name}+{facts.get('recipe') or facts[STAGE]}", digest
        return tuned
    made = AdaptedCalvin.over(base, Path(folder).name, digest, int(facts.get("context", 0)))
    film = facts.get("film") or {}
    made.film = (str(film.get("title", "")), str(film.get("sha256", "")))
    return made
