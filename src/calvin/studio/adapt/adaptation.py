"""Few-shot adaptation of a model to a film (section 5.2): from a project's corrected scenes to an adapter.

The adapter holds what was trained and what it was made from. Base and project stay as they are, except that the
corrections given here become approved cues. The effect is measured twice: on a fifth of the scenes, after tuning on the
other four fifths alone; and on scenes that nobody corrected.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from calvin.captioners.adapted import AdaptedCalvin
from calvin.captioners.base import CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.errors import DataError, StoreError, UsageError
from calvin.core.package import __version__
from calvin.core.progress import Listener, silent
from calvin.core.prompts import Prompt
from calvin.core.time import Span, sample_indices
from calvin.core.types import Scene
from calvin.data import FeatureStore
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import RegularScene, bundled_regularisation, read_regularisation
from calvin.media.film.frames import FrameStore
from calvin.model.modeling import adapter_of
from calvin.model.tuning import base_kept, save_adapter
from calvin.studio.adapt.before_after import CaptionFacts, Effect, caption_all
from calvin.studio.adapt.described_scenes import Described, check_target, described_scenes
from calvin.studio.adapt.scene_picks import known_presence, open_project_features
from calvin.studio.cast.characters import Cast, cast_of_names
from calvin.studio.cast.presence import speakers_of
from calvin.studio.describe.skeleton import is_foreign
from calvin.studio.project.database import project_folder
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import Words, apply_plan, plan_corrections
from calvin.training.fewshot import AdaptConfig, FewshotBatches, FewshotScene, adapt_config, tune

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
        if isinstance(base, AdaptedCalvin) or adapter_of(base.model) == "lora":
            raise UsageError("The model carries an adapter already: adapt the base it was made from.")
        if model is None:
            _check_known(base, store)
        config = config or adapt_config(base.model.config)
        if iterations is not None:
            config = config.changed(loop=config.loop.changed(steps=iterations))
        wanted = round(len(given) * config.regularisation)
        regular = regular_scenes(base, regularisation, wanted, fewer=True)
        with open_project_features(store, base.encoder.hash) as features:
            work = _Work(base, store, features, config, regular, known_names(store, given), given, progress)
            scenes = [work.scene(one) for one in given]
            work.batches(scenes)
            if words is not None:
                notes += apply_plan(store, words).notes
            effects = work.left_out(scenes) if check and len(scenes) >= ENOUGH_TO_LEAVE_OUT else []
            effects += work.make(scenes, target)
    shutil.rmtree(store.folder / WORK, ignore_errors=True)
    notes += _shortfalls(len(scenes), wanted, len(regular), check)
    notes += [warning for effect in effects for warning in effect.warnings()]
    return Adaptation(target, len(scenes), tuple(effects), tuple(notes))


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


@contextmanager
def tuned(
    base: Calvin, scenes: Sequence[FewshotScene], regular: Sequence[RegularScene], config: AdaptConfig, folder: Path,
    progress: Listener = silent,
) -> Iterator[AdaptedCalvin]:  # fmt: skip
    """The base tuned on scenes, for as long as the context lasts; afterwards the base is as it was.

    Args:
        folder: where a tuning that was killed is kept, and continues.
    """
    with base_kept(base.model):
        tune(base.model, base.processor, scenes, regular, config, folder, progress)
        yield AdaptedCalvin.over(base, context=config.context)


def _shortfalls(scenes: int, wanted: int, regular: int, check: bool) -> list[str]:
    """What had to be done with fewer scenes than it should have."""
    notes = []
    if regular < wanted:
        notes.append(
            f"{wanted} scenes of other films were asked for, but there are {regular}: all of them were used. "
            "`calvin data regularisation` builds more."
        )
    if check and scenes < ENOUGH_TO_LEAVE_OUT:
        notes.append(
            f"With {scenes} scenes, none was left out to measure the effect on; with {ENOUGH_TO_LEAVE_OUT} or more, a "
            "fifth is."
        )
    return notes


def regular_scenes(base: Calvin, path: str | Path | None, count: int, fewer: bool = False) -> list[RegularScene]:
    """At least `count` scenes of other films: those of a file, or those that came with calvin.

    Args:
        fewer: be content with fewer, if there are not as many.

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
    if not scenes or (len(scenes) < count and not fewer):
        raise DataError(
            f"{count} regularisation scenes are needed, but {found} holds {len(scenes)}: build more with --count."
        )
    return scenes


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


@dataclass
class _Work:
    """One adaptation: the film, the base, and everything that tuning and measuring take from them."""

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
        before = self.earlier(one.visual, max(3, self.config.context))
        entities = self.names.meant(one.text, before)
        return FewshotScene(_name(one.visual), one.text, entities, self.vectors(one.visual), before, one.where)

    def earlier(self, visual: Span, count: int) -> tuple[str, ...]:
        """The last `count` texts before a scene, whoever wrote them."""
        found = [text for span, text in self.texts if span.start_ms < visual.start_ms]
        return tuple(found[-count:]) if count else ()

    def vectors(self, span: Span) -> np.ndarray:
        """Frame vectors of a stretch of the film [k, D]."""
        return self.features.scene(self.film_id, span, self.base.max_frames)

    def left_out(self, scenes: Sequence[FewshotScene]) -> list[Effect]:
        """The effect on a fifth of the scenes, after tuning without them.

        What is measured on a scene that was learnt says nothing of others, so a second adapter is made for this alone.
        """
        count = max(2, len(scenes) // 5)
        order = np.random.default_rng([self.config.loop.seed, 3]).permutation(len(scenes))
        left, kept = sorted(order[:count]), [scenes[i] for i in sorted(order[count:])]
        about = f"scenes left out, tuned on the other {len(kept)}"
        names = [scenes[i].entities for i in left]
        return self.effects(about, kept, [self.given[i].visual for i in left], names, exact=True)

    def make(self, scenes: Sequence[FewshotScene], target: Path) -> list[Effect]:
        """The adapter from all scenes, saved, and what it does on scenes that nobody corrected."""
        settled = [cue for cue in self.store.cues if cue.settled]
        unseen = [plan.visual for plan in self.store.plans if not plan.taken(settled)]
        spans = [unseen[i] for i in sample_indices(0, len(unseen), UNSEEN)] if unseen else []
        everyone = [person.name for person in self.names.cast.characters]
        return self.effects("scenes that nobody corrected", scenes, spans, [everyone] * len(spans), target=target)

    def effects(
        self, about: str, scenes: Sequence[FewshotScene], spans: Sequence[Span], allowed: Sequence[Sequence[str]],
        exact: bool = False, target: Path | None = None,
    ) -> list[Effect]:  # fmt: skip
        """Tune on scenes, and compare captions of other stretches of the film before and after.

        Args:
            allowed: the people who may be named in each of `spans`; with `exact` all of them have to be.
            target: where the adapter is saved.
        """
        before = caption_all(self.base, self.requests(spans, self.as_described))
        key = repr([self.base.fingerprint, self.config, self.batches(scenes).identity])
        folder = self.store.folder / WORK / sha256(key.encode()).hexdigest()[:12]
        with tuned(self.base, scenes, self.regular, self.config, folder, self.progress) as adapted:
            after = caption_all(adapted, self.requests(spans, self.as_adapted))
            facts = [CaptionFacts.of(answers, self.names, allowed, exact) for answers in (before, after)]
            effects = [Effect(about, *facts)] if spans else []
            if target is not None:
                save_adapter(self.base.model, target, self.facts(scenes, effects), half=True)
        return effects

    def requests(self, spans: Sequence[Span], prompt: Callable[[Span], Prompt]) -> list[CaptionRequest]:
        scenes = [Scene(_name(span), self.film_id, span, self.vectors(span)) for span in spans]
        return [CaptionRequest(scene, prompt(scene.span)) for scene in scenes]

    def as_described(self, visual: Span) -> Prompt:
        """The prompt that the base got when it described the project, so that those captions are what is compared."""
        described = self.store.described
        if described is None:
            return Prompt(self.config.question)
        names = (known_presence(self.store) or {}).get(visual, ()) if described.cast else ()
        count = 0 if names and described.names_alone else described.base_context
        return Prompt(described.question, self.earlier(visual, count), names)

    def as_adapted(self, visual: Span) -> Prompt:
        return Prompt(self.config.question, self.earlier(visual, self.config.context))

    def batches(self, scenes: Sequence[FewshotScene]) -> FewshotBatches:
        """What tuning on these scenes goes through.

        Raises:
            DataError: a scene cannot be learnt.
        """
        return FewshotBatches(scenes, self.regular, self.base.processor, self.config)

    def facts(self, scenes: Sequence[FewshotScene], effects: Sequence[Effect]) -> dict[str, Any]:
        film = self.store.film
        return {
            "base": self.base.fingerprint,
            "base_name": self.base.name,
            "calvin": __version__,
            "film": {"title": film.title, "sha256": film.sha256} if film else {},
            "context": self.config.context,
            "settings": self.config.model_dump(mode="json"),
            "regularisation_scenes": min(round(len(scenes) * self.config.regularisation), len(self.regular)),
            "scenes": [{"visual_ms": s.id, "caption": s.caption, "entities": list(s.entities)} for s in scenes],
            "effects": [asdict(effect) for effect in effects],
        }


def _name(visual: Span) -> str:
    return f"{visual.start_ms}-{visual.end_ms}"
