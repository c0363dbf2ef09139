"""CALVIN as a captioner: frames or frame vectors in, captions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from calvin.captioners.answers import choose, cut_loop, is_sound, is_whole, strip_start
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.decoding import CaptionDecoding
from calvin.captioners.hub import DEFAULT_MODEL, Agree, card_of, find_model, fingerprint_of, nobody_asked
from calvin.captioners.known_drawing import Drawing
from calvin.captioners.known_footage import Notice, World
from calvin.captioners.stage_adapters import base_of, check_base, stage_adapter, with_its_adapter
from calvin.core.errors import CheckpointError, DataError
from calvin.core.prompts import holds_no_word, holds_prompt
from calvin.core.types import EncoderIdentity
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor, encode_images, load_calvin, load_vision_tower
from calvin.model.pretrained import identity_of
from calvin.model.tuning import load_adapter

MAX_NEW_TOKENS = 64
NO_REPEAT_NGRAM = 4
"""No four tokens are said twice in one caption: "in the park" may be, a clause may not."""
SHORT_STARTS = 4
SHORT_BEAMS = 2
TOKENS_A_WORD = 2


class Calvin:
    """A CALVIN model with its processor, its card, and what it knows of the world of films.

    Args:
        model: in evaluation mode.
        processor: the model's.
        name: how to call it.
        fingerprint: of its files; two models that differ have different ones.
        card: the model card's text.
        world: statistics of the footage it knows, where they came with it.
        agree: asked before the vision tower that it names, but does not hold, is fetched from a hub.
        drawing: how the films are drawn that it knows, where that came with it.
    """

    thought_tokens = 0
    """What an answer may take beside the caption."""
    no_repeat_ngram_size = NO_REPEAT_NGRAM
    shorts_together = 8
    """Captions of few words that are searched for together; each takes as many rows as its first tokens have beams."""
    decoding = CaptionDecoding()
    """How captions of any length are searched; those of few words have a search of their own."""

    def __init__(
        self,
        model: CalvinForConditionalGeneration,
        processor: CalvinProcessor,
        name: str = "calvin",
        fingerprint: str = "",
        card: str = "",
        world: World | None = None,
        agree: Agree = nobody_asked,
        drawing: Drawing | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.name = name
        self.fingerprint = fingerprint
        self.card = card
        self.world = world
        self.agree = agree
        self.drawing = drawing

    @classmethod
    def from_pretrained(
        cls, model: str | Path | None = None, device: str | None = None, agree: Agree = nobody_asked
    ) -> Self:
        """A model by folder, hub id or the name of a bundled one; None: the bundled model.

        A folder may also hold the adapter of a recipe's stage, which names the model that it belongs to.

        Args:
            device: where to run; by default the GPU where there is one.
            agree: asked before a model, or the tower it names, is fetched from a hub.

        Raises:
            CheckpointError: there is no such model, a tensor is missing or has another shape.
        """
        adapter = stage_adapter(model)
        folder = find_model(model if adapter is None else base_of(adapter), agree)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        loaded, processor = load_calvin(folder, device=device)
        fingerprint = fingerprint_of(folder)
        if adapter is not None:
            check_base(adapter, fingerprint)
            load_adapter(loaded, adapter)
            loaded.to(loaded.device)
            fingerprint = with_its_adapter(fingerprint, adapter)
        return cls(
            loaded,
            processor,
            name=model.name if isinstance(model, Path) else model or DEFAULT_MODEL,
            fingerprint=fingerprint,
            card=card_of(folder),
            world=World.load(folder),
            agree=agree,
            drawing=Drawing.load(folder),
        )

    @property
    def info(self) -> CaptionerInfo:
        searched = {"beams": str(self.decoding.beams), "temperature": f"{self.decoding.temperature:g}"}
        details = {"encoder": self.encoder.id, "encoder_hash": self.encoder.hash, **searched}
        details["decoding"] = self.decoding.words
        return CaptionerInfo(self.name, self.fingerprint, self.card, details)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"features"})

    @property
    def reads_looks(self) -> bool:
        """Whether the model was trained on prompts that say how people look."""
        return self.model.config.reads_looks

    @property
    def encoder(self) -> EncoderIdentity:
        return EncoderIdentity(self.model.config.encoder_id, self.model.config.encoder_hash)

    @property
    def max_frames(self) -> int:
        return int(self.model.config.max_frames)

    @torch.inference_mode()
    def caption(
        self,
        requests: Sequence[CaptionRequest],
        num_beams: int | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        batch: int = 16,
    ) -> list[CaptionAnswer]:
        """One answer per request; of its beams the best that neither loops nor repeats the previous caption, unless
        `decoding` says otherwise.

        A request with `max_words` is answered by the best whole sentence of so many words, or blank.

        Raises:
            DataError: a scene without frame vectors.
        """
        missing = next((request.scene.id for request in requests if request.scene.image_embeds is None), None)
        if missing is not None:
            raise DataError(f"Scene {missing} carries no frame vectors: make them with encode_frames.")
        answers: list[CaptionAnswer] = []
        for (short, _), run in groupby(requests, key=lambda request: (request.max_words is not None, request.barred)):
            group, together = list(run), self.shorts_together if short else batch
            for part in (group[start : start + together] for start in range(0, len(group), together)):
                if short:
                    answers += self._shorts(part)
                else:
                    answers += self._answers(part, num_beams or self.decoding.beams, max_new_tokens)
        return answers

    def _inputs(self, requests: Sequence[CaptionRequest]) -> dict[str, Any]:
        prompts, embeds = [r.prompt for r in requests], [r.scene.image_embeds for r in requests]
        return dict(self.processor(prompts=prompts, image_embeds=embeds).to(self.model.device))

    def _answers(self, requests: Sequence[CaptionRequest], num_beams: int, tokens: int) -> list[CaptionAnswer]:
        rows = self.model.generate_candidates(
            **self._inputs(requests), num_beams=num_beams, max_new_tokens=tokens + self.thought_tokens,
            no_repeat_ngram_size=self.no_repeat_ngram_size if self.decoding.has("no-repeats") else 0,
            temperature=self.decoding.temperature, bad_words_ids=self._spelt(requests[0].barred),
        )  # fmt: skip
        answers = []
        for request, row in zip(requests, rows, strict=True):
            texts = self.processor.captions([list(candidate.token_ids) for candidate in row])
            answers.append(self._chosen(request, list(map(self._begun, texts)), [one.score for one in row]))
        return answers

    def _spelt(self, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """The token ids of whole names, as they stand within a sentence and where one opens."""
        forms = dict.fromkeys(form for name in names for form in (name, f" {name}"))
        spelt = (self.processor.tokenizer(form, add_special_tokens=False).input_ids for form in forms)
        return tuple(dict.fromkeys(tuple(ids) for ids in spelt if ids))

    def _chosen(self, request: CaptionRequest, texts: Sequence[str], scores: Sequence[float]) -> CaptionAnswer:
        """The best of the beams' texts [K], best first, by the guard where it is asked for."""
        chosen = choose(texts, previous(request)) if self.decoding.has("other-beam") else 0
        return CaptionAnswer(self._ended(texts[chosen]), scores[chosen], tuple(texts), scores=tuple(scores))

    def _begun(self, text: str) -> str:
        return strip_start(text) if self.decoding.has("tidy-start") else text

    def _ended(self, text: str) -> str:
        return cut_loop(text) if self.decoding.has("cut-loops") else text

    def _short_inputs(self, requests: Sequence[CaptionRequest]) -> dict[str, Any]:
        """What the captions follow, where they are asked for in few words."""
        return self._inputs(requests)

    def _shorts(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """The best whole sentence of at most each request's `max_words` words, or blank; all have the same `barred`.

        Beams that begin alike end alike, so each of the likeliest first tokens is carried on by beams of its own; what
        the token limit cuts off is thrown away.
        """
        words, barred = [one.max_words or 1 for one in requests], self._spelt(requests[0].barred)
        inputs = self._short_inputs(requests)
        rows = self.model.generate_candidates(**inputs, num_beams=SHORT_STARTS, max_new_tokens=1, bad_words_ids=barred)
        firsts = [(at, first) for at, row in enumerate(rows) for first in row if first.token_ids]
        found: list[list[tuple[float, str]]] = [[] for _ in requests]
        if firsts:
            chosen = torch.tensor([at for at, _ in firsts], device=self.model.device)
            starts = torch.tensor([first.token_ids for _, first in firsts], device=self.model.device)
            inputs = followed_by({name: tensor[chosen] for name, tensor in inputs.items()}, starts)
            limits = [TOKENS_A_WORD * words[at] + 2 for at, _ in firsts]
            rows = self.model.generate_candidates(
                **inputs, num_beams=SHORT_BEAMS, max_new_tokens=max(limits), max_new_tokens_each=limits,
                no_repeat_ngram_size=NO_REPEAT_NGRAM, bad_words_ids=barred,
            )  # fmt: skip
            for (at, first), candidate in ((one, c) for one, row in zip(firsts, rows, strict=True) for c in row):
                length = len(candidate.token_ids) + 1
                if length <= TOKENS_A_WORD * words[at] + 2:
                    [text] = self.processor.captions([[*first.token_ids, *candidate.token_ids]])
                    score = (first.score + candidate.score * length) / (length + 1)
                    found[at].append((score, strip_start(text)))
        return [_best_short(request, most, some) for request, most, some in zip(requests, words, found, strict=True)]

    def encode_frames(self, rgb: np.ndarray) -> np.ndarray:
        """Frames uint8 RGB [N, H, W, 3] to vectors float32 [N, D], by the model's vision tower.

        Raises:
            CheckpointError: the model came without a tower, and the one it names is not there or another.
            UsageError: that tower is on a hub, and nobody agreed to fetch it.
        """
        tower, image_processor = self._tower
        return encode_images(tower, image_processor, rgb)

    @cached_property
    def _tower(self) -> tuple[Any, Any]:
        if self.model.vision_tower is not None:
            return self.model.vision_tower, self.processor.image_processor
        tower, image_processor = load_vision_tower(find_model(self.encoder.id, self.agree))
        _, found = identity_of(tower, self.encoder.id)
        if self.encoder.hash and found != self.encoder.hash:
            raise CheckpointError(
                f"{self.name} was trained on features of another {self.encoder.id} ({self.encoder.hash[:12]}) than "
                f"the one found here ({found[:12]})."
            )
        return tower.to(self.model.device), image_processor

    def notice(self, image_embeds: np.ndarray) -> Notice | None:
        """A notice where a film's frame vectors [N, D] are unlike what the model knows."""
        return self.world.check(image_embeds) if self.world is not None else None


def _best_short(request: CaptionRequest, words: int, found: Sequence[tuple[float, str]]) -> CaptionAnswer:
    """The best of texts with their scores that is a whole and sound sentence of at most so many words, or blank."""
    fitting = [(score, text) for score, text in found if len(text.split()) <= words and is_whole(text)]
    sound = [(score, text) for score, text in fitting if is_sound(text, previous(request))]
    sound = [pair for pair in sound if not (holds_prompt(pair[1]) or holds_no_word(pair[1]))]
    sound.sort(key=lambda pair: -pair[0])
    score, text = sound[0] if sound else (0.0, "")
    return CaptionAnswer(text, score, tuple(text for _, text in sound), scores=tuple(score for score, _ in sound))


def previous(request: CaptionRequest) -> str | None:
    """The caption before, which is not to be said again."""
    return request.prompt.context[-1] if request.prompt.context else None


def followed_by(inputs: Mapping[str, Any], tokens: torch.Tensor) -> dict[str, Any]:
    """Inputs of the model with `tokens` [B, N] after their prompts."""
    more = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    return {**inputs, **{name: torch.cat([inputs[name], after], dim=1) for name, after in more.items()}}


def open_model(model: str | None, options: OpenOptions) -> Calvin:
    made = Calvin.from_pretrained(model, agree=options.agree)
    if options.decoding is not None:
        made.decoding = options.decoding
    return made
