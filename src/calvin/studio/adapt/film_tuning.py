"""Tuning a model to one film, saving the adapter, and what it does to captions: wherever the scenes come from.

What is measured on a scene that was learnt says nothing of others, so captions of other scenes are compared.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from calvin.captioners.adapted import AdaptedCalvin
from calvin.captioners.base import CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.errors import DataError, UsageError
from calvin.core.package import __version__
from calvin.core.progress import Listener, silent
from calvin.core.prompts import Prompt
from calvin.core.types import Scene
from calvin.data.regularisation import RegularScene, bundled_regularisation, read_regularisation
from calvin.model.modeling import adapter_of
from calvin.model.tuning import base_kept, save_adapter
from calvin.studio.adapt.before_after import CaptionFacts, Effect, Named, caption_all
from calvin.training.fewshot import AdaptConfig, FewshotBatches, FewshotScene, tune


@dataclass(frozen=True, slots=True)
class Adaptation:
    """An adapter folder, how many scenes it was made from, what it does, and sentences for the describer."""

    folder: Path
    scenes: int
    effects: tuple[Effect, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path, scenes: int, effects: Sequence[Effect], notes: Sequence[str]) -> Adaptation:
        """With a warning where adapting hurt."""
        warnings = [warning for effect in effects for warning in effect.warnings()]
        return cls(folder, scenes, tuple(effects), (*notes, *warnings))


def check_adaptable(base: Calvin) -> None:
    """
    Raises:
        UsageError: the model was adapted to a film, or carries a LoRA of its own.
    """
    if isinstance(base, AdaptedCalvin) or adapter_of(base.model) == "lora":
        raise UsageError("The model carries an adapter already: adapt the base it was made from.")


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


def other_films(base: Calvin, path: str | Path | None, count: int) -> tuple[list[RegularScene], list[str]]:
    """Scenes of other films for a tuning that asks for `count` of them, and a note where there are fewer.

    Raises:
        DataError, FeatureError: none for this encoder.
    """
    scenes = regular_scenes(base, path, count, fewer=True)
    if len(scenes) >= count:
        return scenes, []
    note = f"{count} scenes of other films were asked for, but there are {len(scenes)}: all of them were used. "
    return scenes, [f"{note}`calvin data regularisation` builds more."]


@dataclass(frozen=True)
class FilmTuning:
    """A base and a film that it is tuned to.

    Args:
        film: what the adapter says of the film: its `title`, and its `sha256` where it is known.
        regular: scenes of other films.
        named: the names of this film in a text.
        asked_before: how the base is asked about a scene.
        asked_after: how the tuned model is.
        work: where a tuning that was killed is kept, and continues.
    """

    base: Calvin
    film: dict[str, str]
    config: AdaptConfig
    regular: Sequence[RegularScene]
    named: Named
    asked_before: Callable[[Scene], Prompt]
    asked_after: Callable[[Scene], Prompt]
    work: Path
    progress: Listener = silent

    def effects(
        self, about: str, taught: Sequence[FewshotScene], others: Sequence[Scene], allowed: Sequence[Sequence[str]],
        exact: bool = False, target: Path | None = None,
    ) -> list[Effect]:  # fmt: skip
        """Tune on scenes, and compare captions of others before and after.

        Args:
            others: scenes with their frame vectors.
            allowed: the people who may be named in each of `others`; with `exact` all of them have to be.
            target: where the adapter is saved.
        """
        before = caption_all(self.base, [CaptionRequest(scene, self.asked_before(scene)) for scene in others])
        key = repr([self.base.fingerprint, self.config, self.batches(taught).identity])
        folder = self.work / sha256(key.encode()).hexdigest()[:12]
        with tuned(self.base, taught, self.regular, self.config, folder, self.progress) as adapted:
            after = caption_all(adapted, [CaptionRequest(scene, self.asked_after(scene)) for scene in others])
            facts = [CaptionFacts.of(answers, self.named, allowed, exact) for answers in (before, after)]
            effects = [Effect(about, *facts)] if others else []
            if target is not None:
                save_adapter(self.base.model, target, self.facts(taught, effects), half=True)
        return effects

    def batches(self, taught: Sequence[FewshotScene]) -> FewshotBatches:
        """What tuning on these scenes goes through.

        Raises:
            DataError: a scene cannot be learnt.
        """
        return FewshotBatches(taught, self.regular, self.base.processor, self.config)

    def facts(self, taught: Sequence[FewshotScene], effects: Sequence[Effect]) -> dict[str, Any]:
        """What the adapter says of itself."""
        return {
            "base": self.base.fingerprint,
            "base_name": self.base.name,
            "calvin": __version__,
            "film": self.film,
            "context": self.config.context,
            "settings": self.config.model_dump(mode="json"),
            "regularisation_scenes": min(round(len(taught) * self.config.regularisation), len(self.regular)),
            "scenes": [{"id": s.id, "caption": s.caption, "entities": list(s.entities)} for s in taught],
            "effects": [asdict(effect) for effect in effects],
        }

    def forget_work(self) -> None:
        """Delete what a killed tuning would have continued from."""
        shutil.rmtree(self.work, ignore_errors=True)
