"""Few-shot adaptation of a model to a film (section 5.2): from a project's corrected scenes to an adapter.

The adapter holds what was trained and what it was made from; base and project stay as they are, but for corrections
given here, which become approved cues. What it does is measured twice: once more from four fifths of the scenes, on
the fifth left out; and on scenes that nobody corrected.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from calvin import __version__
from calvin.captioners.adapted import AdaptedCalvin
from calvin.captioners.base import CaptionAnswer, CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.errors import DataError, StoreError, UsageError
from calvin.core.progress import Listener, silent
from calvin.core.prompts import Prompt
from calvin.core.time import Span, sample_indices
from calvin.core.types import Scene
from calvin.data import FeatureStore
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import RegularScene, bundled_regularisation, read_regularisation
from calvin.model.tuning import save_adapter
from calvin.studio.cast import Cast, cast_of_names
from calvin.studio.corrections import (
    Correction,
    Described,
    approve,
    approved_scenes,
    check_target,
    corrected_scenes,
)
from calvin.studio.effect import CaptionFacts, Effect, caption_all
from calvin.studio.film import project_folder
from calvin.studio.pick import open_project_features
from calvin.studio.presence import speakers_of
from calvin.studio.store import ProjectStore
from calvin.training.adapt import AdaptConfig, FewshotScene, adapt_config, base_kept, tune

WORK = "adapting"
ENOUGH_TO_LEAVE_OUT = 10
UNSEEN = 24
"""Scenes that nobody corrected on which the effect is measured."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """An adapter folder, how many scenes it was made from, what it does, and sentences for the describer."""

    folder: Path
    scenes: int
    effects: tuple[Effect, ...]
    notes: tuple[str, ...] = ()


def adapt(
    model: str | Path | Calvin | None,
    film: str | Path,
    corrections: str | Path | Sequence[Correction] | None = None,
    out: str | Path = "adapted",
    config: AdaptConfig | None = None,
    regularisation: str | Path | None = None,
    check: bool = True,
    progress: Listener = silent,
) -> Adaptation:
    """Tune a CALVIN to a film from scenes that a person described.

    Args:
        model: the base: a folder, a hub id, a bundled name or an opened one; None: the bundled model.
        film: a project folder, or the film whose project `<film stem>.calvin` lies in the current folder.
        corrections: a script file (CSV, VTT, ...) or a list; they become approved cues. None: the approved cues.
        out: the adapter's folder.
        config: by default the paper's settings, with a rate fit for the model's size.
        regularisation: scenes of other films (`calvin data regularisation`); by default those that came with calvin.
        check: measure what it does on a fifth of the scenes, tuning once more without them.

    Raises:
        StoreError: no such project, no frame vectors of this model, corrections that cannot be used.
        UsageError: `out` holds something else, or the model carries an adapter already.
        DataError, FeatureError: no regularisation scenes for this model's encoder, or not enough.
    """
    folder, target = Path(film), Path(out)
    folder = project_folder(folder, None, False) if folder.is_file() else folder
    check_target(target)
    with ProjectStore(folder, must_exist=True) as store:
        given, notes = corrected_scenes(store, corrections) if corrections is not None else (approved_scenes(store), [])
        base = model if isinstance(model, Calvin) else Calvin.from_pretrained(model)
        if isinstance(base, AdaptedCalvin):
            raise UsageError("The model carries an adapter already: adapt the base it was made from.")
        config = config or adapt_config(base.model.config)
        regular = regular_scenes(base, regularisation, round(len(given) * config.regularisation))
        with open_project_features(store, base.encoder.hash) as features:
            work = _Work(base, store, features, config, regular, known_names(store, given), given, progress)
            scenes = [work.scene(one) for one in given]
            if corrections is not None:
                approve(store, given)
            effects = work.left_out(scenes) if check and len(scenes) >= ENOUGH_TO_LEAVE_OUT else []
            effects += work.make(scenes, target)
    shutil.rmtree(store.folder / WORK, ignore_errors=True)
    notes += [warning for effect in effects for warning in effect.warnings()]
    return Adaptation(target, len(scenes), tuple(effects), tuple(notes))


def regular_scenes(base: Calvin, path: str | Path | None, count: int) -> list[RegularScene]:
    """At least `count` scenes of other films: those of a file, or those that came with calvin.

    Raises:
        DataError, FeatureError: none for this encoder, or not enough.
    """
    if count == 0:
        return []
    found = Path(path) if path is not None else bundled_regularisation(base.encoder.hash)
    if found is None:
        raise DataError(
            f"No scenes of other films came with calvin for the encoder of {base.name}: build them from a training set "
            "with `calvin data regularisation` and give them with --regularisation."
        )
    scenes = read_regularisation(found, base.encoder, base.max_frames)
    if len(scenes) < count:
        raise DataError(
            f"{count} regularisation scenes are needed, but {found} holds {len(scenes)}: build more with --count."
        )
    return scenes


@dataclass(frozen=True)
class Names:
    """Whose names are known in a film, and how they are found in text: by its cast, else by capitals."""

    cast: Cast
    by_capitals: EntityStripper

    def __call__(self, text: str) -> tuple[str, ...]:
        found = [self.cast.resolve(name) or name for name in self.by_capitals.found(text)]
        return tuple(dict.fromkeys((*self.cast.mentioned(text), *found)))

    def meant(self, text: str, before: Sequence[str]) -> tuple[str, ...]:
        """With those whom pronouns mean."""
        return tuple(dict.fromkeys((*self.cast.meant(text, before), *self(text))))


def known_names(store: ProjectStore, scenes: Sequence[Described]) -> Names:
    """The project's cast, else its speakers and the names that its corrected scenes hold."""
    texts = [scene.text for scene in scenes]
    cast = Cast(store.characters)
    if not cast.characters:
        speakers = [person.name for person in speakers_of(store.dialogue).characters]
        capitals = EntityStripper(speakers, texts)
        cast = cast_of_names([*speakers, *(name for text in texts for name in capitals.found(text))])
    names = [name for person in cast.characters for name in (person.name, *person.aliases) if name[0].isupper()]
    return Names(cast, EntityStripper(names, texts))


@dataclass
class _Work:
    """The film, the base and what they are brought together with."""

    base: Calvin
    store: ProjectStore
    features: FeatureStore
    config: AdaptConfig
    regular: list[RegularScene]
    names: Names
    given: Sequence[Described]
    progress: Listener
    texts: list[tuple[Span, str]] = field(init=False)

    def __post_init__(self) -> None:
        film = self.store.film
        if film is None or film.sha256 not in self.features:
            raise StoreError(f"{self.store.folder} holds no frame vectors of its film: describe it again.")
        self.film_id = film.sha256
        texts = {cue.visual: cue.text for cue in self.store.cues} | {one.visual: one.text for one in self.given}
        self.texts = sorted(texts.items())

    def scene(self, one: Described) -> FewshotScene:
        earlier = [text for span, text in self.texts if span.start_ms < one.visual.start_ms]
        before = earlier[-max(3, self.config.context) :]
        name = f"{one.visual.start_ms}-{one.visual.end_ms}"
        return FewshotScene(name, one.text, self.names.meant(one.text, before), self.vectors(one.visual), tuple(before))

    def vectors(self, span: Span) -> np.ndarray:
        return self.features.scene(self.film_id, span, self.base.max_frames)

    def left_out(self, scenes: Sequence[FewshotScene]) -> list[Effect]:
        """Tuned without a fifth of the scenes, on these."""
        count = max(2, len(scenes) // 5)
        order = np.random.default_rng([self.config.loop.seed, 3]).permutation(len(scenes))
        left, kept = [scenes[i] for i in sorted(order[:count])], [scenes[i] for i in sorted(order[count:])]
        requests = [self.request(scene.id, scene.image_embeds, scene.context) for scene in left]
        allowed = [scene.entities for scene in left]
        with base_kept(self.base.model):
            before = caption_all(self.base, requests)
            adapted = self.tuned(kept)
            after = caption_all(adapted, requests)
        about = f"scenes left out, tuned on the other {len(kept)}"
        return [self.effect(about, before, after, allowed, exact=True)]

    def make(self, scenes: Sequence[FewshotScene], target: Path) -> list[Effect]:
        """The adapter from all scenes, saved, and what it does on scenes that nobody corrected."""
        known = {scene.id for scene in scenes}
        plans = [p for p in self.store.plans if f"{p.visual.start_ms}-{p.visual.end_ms}" not in known]
        plans = [plans[i] for i in _spread(len(plans), UNSEEN)]
        requests = [self.request(str(plan.id), self.vectors(plan.visual), ()) for plan in plans]
        everyone = [person.name for person in self.names.cast.characters]
        with base_kept(self.base.model):
            before = caption_all(self.base, requests)
            adapted = self.tuned(scenes)
            after = caption_all(adapted, requests)
            about = "scenes that nobody corrected"
            effects = [self.effect(about, before, after, [everyone] * len(plans))] if plans else []
            save_adapter(self.base.model, target, self.facts(scenes, effects), half=True)
        return effects

    def request(self, name: str, embeds: np.ndarray, context: tuple[str, ...]) -> CaptionRequest:
        count = self.config.context
        prompt = Prompt(self.config.question, context[-count:] if count else ())
        return CaptionRequest(Scene(name, self.film_id, Span(0, 1), embeds), prompt)

    def tuned(self, scenes: Sequence[FewshotScene]) -> AdaptedCalvin:
        key = repr([self.base.fingerprint, self.config, [(s.id, s.caption, s.entities, s.context) for s in scenes]])
        folder = self.store.folder / WORK / sha256(key.encode()).hexdigest()[:12]
        tune(self.base.model, self.base.processor, scenes, self.regular, self.config, folder, self.progress)
        return AdaptedCalvin.over(self.base, context=self.config.context)

    def effect(
        self, about: str, before: Sequence[CaptionAnswer], after: Sequence[CaptionAnswer],
        allowed: Sequence[Sequence[str]], exact: bool = False,
    ) -> Effect:  # fmt: skip
        facts = [CaptionFacts.of(answers, self.names, allowed, exact) for answers in (before, after)]
        return Effect(about, *facts)

    def facts(self, scenes: Sequence[FewshotScene], effects: Sequence[Effect]) -> dict[str, Any]:
        film = self.store.film
        return {
            "base": self.base.fingerprint,
            "base_name": self.base.name,
            "calvin": __version__,
            "film": {"title": film.title, "sha256": film.sha256} if film else {},
            "context": self.config.context,
            "settings": self.config.model_dump(mode="json"),
            "regularisation_scenes": round(len(scenes) * self.config.regularisation),
            "scenes": [{"visual_ms": s.id, "caption": s.caption, "entities": list(s.entities)} for s in scenes],
            "effects": [effect.to_json() for effect in effects],
        }


def _spread(total: int, count: int) -> list[int]:
    return sample_indices(0, total, count) if total else []
