"""Few-shot adaptation of a model to a film (section 5.2): from a project's corrected scenes to an adapter.

The adapter holds what was trained and what it was made from. Base and project stay as they are, except that the
corrections given here become approved cues. The effect is measured twice: on a fifth of the scenes, after tuning on the
other four fifths alone; and on scenes that nobody corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.core.errors import StoreError, UsageError
from calvin.core.progress import Listener, silent
from calvin.core.prompts import Prompt
from calvin.core.time import Span, sample_indices
from calvin.core.types import Scene
from calvin.data import FeatureStore
from calvin.data.entities import EntityStripper
from calvin.media.film.frames import FrameStore
from calvin.studio.adapt.before_after import Effect
from calvin.studio.adapt.described_scenes import Described, check_target, described_scenes
from calvin.studio.adapt.film_tuning import Adaptation, FilmTuning, check_adaptable, other_films
from calvin.studio.adapt.scene_picks import known_presence, open_project_features
from calvin.studio.cast.characters import Cast, cast_of_names
from calvin.studio.cast.presence import speakers_of
from calvin.studio.describe.skeleton import is_foreign
from calvin.studio.project.database import project_folder
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import Words, apply_plan, plan_corrections
from calvin.training.fewshot import AdaptConfig, FewshotScene, adapt_config

WORK = "adapting"
ENOUGH_TO_LEAVE_OUT = 10
UNSEEN = 24
"""Scenes that nobody corrected on which the effect is measured."""


def adapt(
    model: str | Path | Calvin | None,
    film: str | Path,
    corrections: Words | None = None,
    out: str | Path = "adapted",
    config: AdaptConfig | None = None,
    regularisation: str | Path | None = None,
    check: bool = True,
    progress: Listener = silent,
    iterations: int | None = None,
) -> Adaptation:
    """Tune a CALVIN to a film from scenes that a person described.

    Args:
        model: the base: a folder, a hub id, a bundled name or an opened one; None: the bundled model.
        film: a project folder, or the film whose project `<film stem>.calvin` lies in the current folder.
        corrections: a script file (CSV, VTT, ...) or a list of `Correction`; they become approved cues, and those
            approved before are learnt too. None: the approved cues alone.
        out: the adapter's folder.
        config: by default the paper's settings, with a rate fit for the model's size.
        regularisation: scenes of other films (`calvin data regularisation`); by default those that came with calvin.
        check: measure what it does on a fifth of the scenes, tuning once more without them.
        iterations: micro-batches, in place of those of the settings.

    Raises (before anything is changed):
        StoreError: there is no such project, it holds no frame vectors of this model, or corrections cannot be used.
        UsageError: `out` holds something else, or the model carries an adapter already.
        DataError, FeatureError: no regularisation scenes for this model's encoder, or a scene too long to learn.
    """
    folder, target = Path(film), Path(out)
    folder = project_folder(folder) if folder.is_file() else folder
    check_target(target)
    with ProjectStore(folder) as store:
        words = plan_corrections(store, corrections) if corrections is not None else None
        given, notes = described_scenes(store, words)
        base = model if isinstance(model, Calvin) else Calvin.from_pretrained(model)
        check_adaptable(base)
        if model is None:
            _check_known(base, store)
        config = config or adapt_config(base.model.config)
        if iterations is not None:
            config = config.changed(loop=config.loop.changed(steps=iterations))
        regular, shortfall = other_films(base, regularisation, round(len(given) * config.regularisation))
        with open_project_features(store, base.encoder.hash) as features:
            prompts = _Prompts(store, given, config)
            names = known_names(store, given)
            at_hand = _ProjectScenes(base, store, features, prompts, names)
            bound = store.bound_film()
            tuning = FilmTuning(
                base, {"title": bound.title, "sha256": bound.sha256}, config, regular, names, prompts.as_described,
                prompts.as_adapted, store.folder / WORK, progress,
            )  # fmt: skip
            scenes = [at_hand.taught(one) for one in given]
            tuning.batches(scenes)
            if words is not None:
                notes += apply_plan(store, words).notes
            effects = []
            if check and len(scenes) >= ENOUGH_TO_LEAVE_OUT:
                effects += _left_out(tuning, scenes, [at_hand.shown(one.visual) for one in given])
            everyone = [person.name for person in names.cast.characters]
            unseen = at_hand.unseen()
            about = "scenes that nobody corrected"
            effects += tuning.effects(about, scenes, unseen, [everyone] * len(unseen), target=target)
    tuning.forget_work()
    notes += shortfall
    if check and len(scenes) < ENOUGH_TO_LEAVE_OUT:
        notes.append(
            f"With {len(scenes)} scenes, none was left out to measure the effect on; with {ENOUGH_TO_LEAVE_OUT} or "
            "more, a fifth is."
        )
    return Adaptation.of(target, len(scenes), effects, notes)


def _check_known(base: Calvin, store: ProjectStore) -> None:
    """
    Raises:
        UsageError: the film is none of those that the bundled model knows: it would learn words for what it cannot see.
    """
    if base.drawing is not None and is_foreign(base, FrameStore.open(store.folder / "frames")):
        raise UsageError(
            "The bundled model cannot see what happens in this film, and adapting it would only teach it names: "
            "name a CALVIN trained on films like this one with --model."
        )


@dataclass(frozen=True)
class Names:
    """The names that are known in a film, and how they are found in text: by its cast, else by capitals."""

    cast: Cast
    by_capitals: EntityStripper

    def __call__(self, text: str) -> tuple[str, ...]:
        found = [self.cast.resolve(name) or name for name in self.by_capitals.found(text)]
        return tuple(dict.fromkeys((*self.cast.mentioned(text), *found)))

    def meant(self, text: str, before: Sequence[str]) -> tuple[str, ...]:
        """Names in a text, and the people that its pronouns mean after the texts `before`."""
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


class _Prompts:
    """How the base and the tuned model are asked about scenes of a project."""

    def __init__(self, store: ProjectStore, given: Sequence[Described], config: AdaptConfig) -> None:
        texts = {cue.visual: cue.text for cue in store.cues} | {one.visual: one.text for one in given}
        self.store, self.config, self.texts = store, config, sorted(texts.items())

    def earlier(self, visual: Span, count: int) -> tuple[str, ...]:
        """The last `count` texts before a scene, whoever wrote them."""
        found = [text for span, text in self.texts if span.start_ms < visual.start_ms]
        return tuple(found[-count:]) if count else ()

    def as_described(self, scene: Scene) -> Prompt:
        """The prompt that the base got when it described the project, so that those captions are what is compared."""
        described, visual = self.store.described, scene.span
        if described is None:
            return Prompt(self.config.question)
        names = (known_presence(self.store) or {}).get(visual, ()) if described.cast else ()
        count = 0 if names and described.names_alone else described.base_context
        return Prompt(described.question, self.earlier(visual, count), names)

    def as_adapted(self, scene: Scene) -> Prompt:
        return Prompt(self.config.question, self.earlier(scene.span, self.config.context))


@dataclass
class _ProjectScenes:
    """The scenes of a project with their frame vectors."""

    base: Calvin
    store: ProjectStore
    features: FeatureStore
    prompts: _Prompts
    names: Names

    def __post_init__(self) -> None:
        film = self.store.film
        if film is None or film.sha256 not in self.features:
            raise StoreError(f"{self.store.folder} holds no frame vectors of its film: describe it again.")
        self.film_id = film.sha256

    def vectors(self, span: Span) -> np.ndarray:
        """Frame vectors of a stretch of the film [k, D]."""
        return self.features.scene(self.film_id, span, self.base.max_frames)

    def taught(self, one: Described) -> FewshotScene:
        before = self.prompts.earlier(one.visual, max(3, self.prompts.config.context))
        entities = self.names.meant(one.text, before)
        return FewshotScene(_name(one.visual), one.text, entities, self.vectors(one.visual), before, one.where)

    def shown(self, span: Span) -> Scene:
        return Scene(_name(span), self.film_id, span, self.vectors(span))

    def unseen(self) -> list[Scene]:
        """Some scenes that nobody corrected, evenly spread."""
        settled = [cue for cue in self.store.cues if cue.settled]
        spans = [plan.visual for plan in self.store.plans if not plan.taken(settled)]
        return [self.shown(spans[i]) for i in sample_indices(0, len(spans), UNSEEN)] if spans else []


def _left_out(tuning: FilmTuning, taught: Sequence[FewshotScene], shown: Sequence[Scene]) -> list[Effect]:
    """The effect on a fifth of the scenes, after tuning without them: a second adapter is made for this alone."""
    count = max(2, len(taught) // 5)
    order = np.random.default_rng([tuning.config.loop.seed, 3]).permutation(len(taught))
    left, kept = sorted(order[:count]), [taught[i] for i in sorted(order[count:])]
    about = f"scenes left out, tuned on the other {len(kept)}"
    return tuning.effects(about, kept, [shown[i] for i in left], [taught[i].entities for i in left], exact=True)


def _name(visual: Span) -> str:
    return f"{visual.start_ms}-{visual.end_ms}"
