"""From a sample to a prompt and the caption to learn: previous captions as context, and a question (section 3.2,
Figures 3 and 8).

Stage 1 has no prompt. In stage 2 a sample keeps its own question (LLaVA) or is given one, drawn at random in training
and fixed at evaluation. Every draw is a function of (seed, epoch, sample), so that a resumed run repeats it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from calvin.core.prompts import EVALUATION_QUESTION, STAGE_1, TRAINING_QUESTIONS, Prompt
from calvin.data.samples import Sample

TRAINING_CONTEXT = 3
"""Scenes of context that the paper trains MAD with; more is test-time only (Figure 8)."""


def with_context(samples: Iterable[Sample], count: int = TRAINING_CONTEXT) -> list[Sample]:
    """Each sample with the `count` captions before it in its movie, oldest first, fewer near the start.

    Within a movie the result is in order of start, because some rows of the real files are not; movies stay in the
    order in which they first appear. Samples without a movie are returned unchanged, in their place at the end.
    """
    movies: dict[str, list[Sample]] = {}
    loose: list[Sample] = []
    for sample in samples:
        if sample.movie is None or sample.span is None:
            loose.append(sample)
        else:
            movies.setdefault(sample.movie, []).append(sample)
    result: list[Sample] = []
    for scenes in movies.values():
        scenes = in_order(scenes)
        for index, scene in enumerate(scenes):
            before = scenes[max(0, index - count) : index] if count > 0 else []
            result.append(replace(scene, context=tuple(earlier.caption for earlier in before)))
    return result + loose


def in_order(scenes: Iterable[Sample]) -> list[Sample]:
    """Scenes of one movie by start, then end; equal ones keep their order."""
    return sorted(scenes, key=lambda scene: (scene.span.start_ms, scene.span.end_ms) if scene.span else (0, 0))


@dataclass(frozen=True, slots=True)
class Example:
    """What the model is given and what it must say; `visual` is False for text alone."""

    prompt: Prompt
    caption: str
    visual: bool = True


@dataclass(frozen=True, slots=True)
class Instructions:
    """How samples become examples.

    Args:
        stage: 1 (`<visual><caption>`) or 2 (`<visual><context><question><caption>`).
        training: draw questions from the training set of them; otherwise the fixed one.
        no_context_share: share of samples with context that are shown without it (the paper: 0).
        entity_share: share of samples with known entities whose context becomes Figure 5's sentence (the paper: 0).
    """

    stage: Literal[1, 2] = 2
    training: bool = True
    seed: int = 0
    no_context_share: float = 0.0
    entity_share: float = 0.0

    def __call__(self, sample: Sample, epoch: int = 0) -> Example:
        visual = sample.kind != "text"
        if self.stage == 1:
            return Example(STAGE_1, sample.caption, visual)
        if not self.training:
            return Example(Prompt(sample.question or EVALUATION_QUESTION, sample.context), sample.caption, visual)
        which, form = self._draw(sample, epoch)
        question = sample.question or TRAINING_QUESTIONS[which % len(TRAINING_QUESTIONS)]
        share = form / 2**32
        if sample.entities and share < self.entity_share:
            return Example(Prompt(question, entities=sample.entities), sample.caption, visual)
        without = self.entity_share if sample.entities else 0.0
        context = (
            () if sample.question is None and without <= share < without + self.no_context_share else sample.context
        )
        return Example(Prompt(question, context), sample.caption, visual)

    def _draw(self, sample: Sample, epoch: int) -> tuple[int, int]:
        """Two independent numbers below 2**32."""
        key = f"{self.seed}/{epoch}/{sample.source}/{sample.id}".encode()
        digest = hashlib.blake2b(key, digest_size=8).digest()
        return int.from_bytes(digest[:4]), int.from_bytes(digest[4:])
