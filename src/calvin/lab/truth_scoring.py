"""Captions scored against what happens, not against one wording, under several kinds of context.

The conditions follow the paper: no context, N previous scenes (Table 1), entities given (Figure 5, by oracle). Where a
film is described, the scenes before it hold the model's own captions, so these are given too, alone and with every
tenth corrected by a person. To them come controls. With another scene's frames, what is still right was not seen but
guessed; with the middle frame repeated, or the frames out of order, what is still right did not need the motion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

import numpy as np

from calvin.captioners.base import Captioner, CaptionRequest, Licence
from calvin.captioners.naming import NameGuard
from calvin.captioners.people_names import PeopleFinder, looks_told, names_said
from calvin.core.errors import DataError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.prompts import Prompt
from calvin.core.text_tables import markdown_table
from calvin.core.types import Scene

Score = Callable[[str, Any], Mapping[str, float | None]]
"""(caption, truth) -> a mark from 0 to 1 for each aspect; None where the aspect does not apply to that scene."""


@dataclass(frozen=True, slots=True)
class TruthScene:
    """A scene to caption: its truth, the reference captions before it (oldest first) and the names present. `cast` is
    the whole film's, name and look as captions say it; `portraits` are their looks by what captions tell of portraits.
    """

    scene: Scene
    truth: Any
    previous: tuple[str, ...]
    entities: tuple[str, ...]
    cast: tuple[tuple[str, str], ...] = ()
    portraits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """What the captioner is given in addition to (or instead of) the scene's own frames.

    `own` puts its own captions in place of the references before the scene, as `describe` does; of these, a film's
    first and every `corrected`-th after it are the references still, as if a person had corrected them (0: none).
    `held` names nobody whom neither these nor the names given introduce, and with `portraits` whoever is recognised by
    the looks of those. `looks` tells with each name how that person looks: of those present, or of the whole cast.
    """

    name: str
    context: int = 0
    entities: bool = False
    frames: Literal["own", "other", "middle", "shuffled"] = "own"
    own: bool = False
    corrected: int = 0
    held: bool = False
    looks: Literal["present", "cast"] | None = None
    portraits: bool = False

    def request(self, items: Sequence[TruthScene], index: int, said: Mapping[int, str] | None = None) -> CaptionRequest:
        """What is asked for a scene; `said` holds the captions so far, by index, where they are the context.

        The scenes of a film stand in order, one after another.
        """
        item = items[index]
        first, count = index - len(item.previous), min(self.context, len(item.previous))
        shown = list(enumerate(item.previous))[len(item.previous) - count :]
        human = [not self.own or said is None or (self.corrected and not at % self.corrected) for at, _ in shown]
        lines = [text if by else (said or {})[first + at] for by, (at, text) in zip(human, shown, strict=True)]
        scene = replace(item.scene, image_embeds=self._embeds(items, index))
        entities, looks = item.entities if self.entities else (), tuple[str, ...]()
        if self.looks is not None:
            listed = [pair for pair in item.cast if self.looks == "cast" or pair[0] in item.entities]
            entities, looks = tuple(name for name, _ in listed), tuple(look for _, look in listed)
        prompt = Prompt(context=tuple(lines), entities=entities, looks=looks)
        introduced = [line for line, by in zip(lines, human, strict=True) if by]
        return CaptionRequest(scene, prompt, licence=self._licence(item, introduced, entities) if self.held else None)

    def _licence(self, item: TruthScene, introduced: Sequence[str], entities: Sequence[str]) -> Licence:
        """Who may be named: whom lines by a person and the prompt name, and whoever looks as somebody known does."""
        finder = PeopleFinder()
        corrected = item.previous[:: self.corrected] if self.own and self.corrected else ()
        known = dict(item.portraits) if self.portraits else looks_told(corrected, finder)
        return Licence(names_said(introduced, finder) | frozenset(entities), looks=known)

    def _embeds(self, items: Sequence[TruthScene], index: int) -> np.ndarray | None:
        embeds = items[index].scene.image_embeds
        if self.frames == "other":
            # A scene from half the set away: another film, so neither cast nor place agrees but by chance.
            return items[(index + len(items) // 2) % len(items)].scene.image_embeds
        if embeds is None or self.frames == "own":
            return embeds
        if self.frames == "middle":
            return np.repeat(embeds[len(embeds) // 2][None], len(embeds), axis=0)
        return np.random.default_rng(index).permutation(embeds)


CONDITIONS: tuple[Condition, ...] = (
    Condition("none"),
    Condition("3 scenes", context=3),
    Condition("5 scenes", context=5),
    Condition("entities", entities=True),
    Condition("3 scenes, other frames", context=3, frames="other"),
)

OWN: tuple[Condition, ...] = (
    Condition("own 3 scenes", context=3, own=True),
    Condition("own 3 scenes, held", context=3, own=True, held=True),
    Condition("own 3 scenes, every 10th corrected", context=3, own=True, corrected=10),
    Condition("own 3 scenes, every 10th corrected, held", context=3, own=True, corrected=10, held=True),
    Condition("own 3 scenes, cast of 3 portraits each", context=3, own=True, held=True, portraits=True),
)
"""Context as it is where a film is described: whomever the model names, and only who was introduced."""

LOOKS: tuple[Condition, ...] = (
    Condition("entities with looks", looks="present"),
    Condition("whole cast with looks", looks="cast"),
)
"""What a cast can tell that says how people look: who of two acts, and who of all is there."""

CONTROLS: tuple[Condition, ...] = (
    Condition("none, other frames", frames="other"),
    Condition("none, middle frame", frames="middle"),
    Condition("none, shuffled frames", frames="shuffled"),
)
"""What the full evaluation adds."""


@dataclass(frozen=True, slots=True)
class TruthRow:
    """Scores under one condition, `means[aspect]` over the `counts[aspect]` scenes that have it, and the captions, each
    with the previous captions that it was made from."""

    condition: str
    means: Mapping[str, float]
    counts: Mapping[str, int]
    captions: tuple[str, ...]
    contexts: tuple[tuple[str, ...], ...] = ()


def evaluate_truth(
    captioner: Captioner,
    items: Sequence[TruthScene],
    score: Score,
    conditions: Sequence[Condition] = CONDITIONS,
    listener: Listener = silent,
    batch: int = 64,
) -> list[TruthRow]:
    """Caption every scene under every condition and score it.

    Raises:
        DataError: fewer than two scenes.
    """
    if len(items) < 2:
        raise DataError("Scoring against the truth takes at least two scenes.")
    stage = Stage("evaluate", listener, len(items) * len(conditions), "captions")
    rows = []
    for number, condition in enumerate(conditions):
        said: dict[int, str] = {}
        contexts: dict[int, tuple[str, ...]] = {}
        for indices in _groups(items, condition, batch):
            requests = [condition.request(items, index, said) for index in indices]
            contexts |= {index: one.prompt.context for index, one in zip(indices, requests, strict=True)}
            answers = NameGuard(captioner).caption(requests)
            said |= {index: answer.text for index, answer in zip(indices, answers, strict=True)}
            stage.update(number * len(items) + len(said), condition.name)
        order = range(len(items))
        row = _row(condition.name, [said[index] for index in order], items, score)
        rows.append(replace(row, contexts=tuple(contexts[index] for index in order)))
    return rows


def _groups(items: Sequence[TruthScene], condition: Condition, batch: int) -> Iterator[list[int]]:
    """Indices of scenes that may be captioned together: where captions are context, one of each film at a time."""
    depth = {index: len(item.previous) if condition.own else 0 for index, item in enumerate(items)}
    for _, wave in groupby(sorted(depth, key=lambda index: depth[index]), key=lambda index: depth[index]):
        together = list(wave)
        yield from (together[start : start + batch] for start in range(0, len(together), batch))


def _row(condition: str, captions: Sequence[str], items: Sequence[TruthScene], score: Score) -> TruthRow:
    marks: dict[str, list[float]] = {}
    for caption, item in zip(captions, items, strict=True):
        for aspect, mark in score(caption, item.truth).items():
            if mark is not None:
                marks.setdefault(aspect, []).append(float(mark))
    means = {aspect: sum(values) / len(values) for aspect, values in marks.items()}
    return TruthRow(condition, means, {aspect: len(values) for aspect, values in marks.items()}, tuple(captions))


def truth_table(rows: Sequence[TruthRow]) -> str:
    """The rows as a Markdown table, in percent."""
    aspects = list(dict.fromkeys(aspect for row in rows for aspect in row.means))
    cells = [
        [row.condition, *(f"{100 * row.means[aspect]:.1f}" if aspect in row.means else "" for aspect in aspects)]
        for row in rows
    ]
    return markdown_table(["context", *aspects], cells)
