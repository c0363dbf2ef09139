"""Films of which there are annotations and frame vectors, but perhaps no film file (MAD has none), and a model tuned to
one of them (section 5.2)."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.core.errors import DataError, UsageError
from calvin.core.files import write_text
from calvin.core.progress import Listener, silent
from calvin.core.prompts import Prompt
from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode, sample_indices
from calvin.core.types import EncoderIdentity, Scene
from calvin.data import Features, Sample, open_features
from calvin.data.readers.registry import READERS, resolve_format
from calvin.evaluation.names import NameList, harvest, oracle, read_cast
from calvin.evaluation.scenes import by_film, evaluated, film_of
from calvin.studio.adapt.described_scenes import check_target
from calvin.studio.adapt.film_tuning import Adaptation, FilmTuning, check_adaptable, other_films
from calvin.studio.adapt.scene_picks import choose_scenes
from calvin.training.fewshot import AdaptConfig, FewshotScene, adapt_config

UNSEEN = 24
"""Scenes of the film on which the effect is measured."""
REST = "unseen.csv"
"""The film's other scenes, in the adapter's folder, as annotations for `calvin evaluate`."""


@dataclass(frozen=True, slots=True)
class AnnotationFiles:
    """Where films are described, and where their frame vectors are.

    Args:
        format: of the annotations, by the name of a reader; `mad` is JSON or CSV, as the file shows.
        encoder: the encoder of features that do not name theirs, as MAD's.
        characters: the cast by film, in the form of MAD's character bank; None: names are found by their capitals.
    """

    annotations: Path
    features: Path
    format: str = "mad"
    encoder: str | None = None
    characters: Path | None = None


@dataclass
class AnnotatedFilms:
    """Described films with their frame vectors: scenes in time order, each with the names that its references hold."""

    films: Mapping[str, Sequence[Sample]]
    features: Features
    names: NameList
    cast: Mapping[str, NameList]
    notes: list[str]

    @classmethod
    def open(cls, files: AnnotationFiles, encoder: EncoderIdentity) -> AnnotatedFilms:
        """Read the annotations as `calvin evaluate` does, and open the features of an encoder.

        Raises:
            UsageError: a file that is not there, or a format that does not hold scenes of films.
            DataError, FeatureError: no scene can be used, or the features are another encoder's.
        """
        for what in ("annotations", "features", "characters"):
            path = getattr(files, what)
            if path is not None and not path.exists():
                raise UsageError(f"The {what} are not there: {path}.")
        manifest = READERS.find(resolve_format(files.format, files.annotations))
        if not manifest.contextual:
            kinds = ", ".join(name for name in READERS.names() if READERS.find(name).contextual)
            raise UsageError(f"{manifest.name} does not hold films scene by scene: {kinds} do.")
        result = manifest.load()(files.annotations)
        notes = [f"{files.annotations.name}: {result.report.summary().splitlines()[0]}."] * bool(result.report.bad)
        stated = (files.encoder, "") if files.encoder else None
        features = open_features(files.features, expect_encoder=encoder, stated_encoder=stated)
        samples = evaluated(result.samples)
        texts = [text for sample in samples for text in sample.references]
        cast, everyone = read_cast(files.characters, texts) if files.characters else ({}, harvest(texts))
        named = [replace(s, entities=oracle(s.references or (s.caption,), s.movie, cast, everyone)) for s in samples]
        return cls(by_film(named), features, everyone, cast, notes)

    def find(self, film: str | None) -> str:
        """A film's id as the annotations have it; None: the only one.

        Raises:
            UsageError: there is no such film, or it has to be said which.
        """
        if film is None and len(self.films) == 1:
            return next(iter(self.films))
        if film in self.films:
            return str(film)
        near = difflib.get_close_matches(film or "", self.films, 3, cutoff=0.4) or list(self.films)[:3]
        asked = f"There is no film {film!r} among" if film else "Say which film with --film: there are"
        raise UsageError(f"{asked} {counted(len(self.films), 'film')}, such as {', '.join(near)}.")

    def known(self, film: str) -> NameList:
        """The names of a film's cast, where that is known, else all names."""
        return self.cast.get(film, self.names)

    def usable(self, film: str) -> list[Sample]:
        """The scenes of a film that have frame vectors; the others are counted in `notes`.

        Raises:
            DataError: none has.
        """
        scenes = self.films[film]
        problems = [self.features.problem(scene.media_id, scene.span) for scene in scenes]
        usable = [scene for scene, problem in zip(scenes, problems, strict=True) if not problem]
        if not usable:
            raise DataError(f"No scene of {film} can be used: {problems[0]}.")
        if len(usable) < len(scenes):
            why = next(filter(None, problems))
            self.notes.append(f"{len(scenes) - len(usable)} of {len(scenes)} scenes of {film} are left out: {why}.")
        if not any(scene.entities for scene in usable):
            # Then nothing tells first appearances, entity prompts and the form of Figure 6 from what has no names.
            self.notes.append(f"No scene of {film} names anybody that is known: give the cast with --characters.")
        return usable

    def vectors(self, scene: Sample, max_frames: int) -> np.ndarray:
        """Frame vectors of a scene [k, D]."""
        return self.features.scene(scene.media_id, scene.span, max_frames)


def adapt_to_annotations(
    model: str | Path | Calvin | None,
    files: AnnotationFiles,
    film: str | None = None,
    count: int = 20,
    out: str | Path = "adapted",
    config: AdaptConfig | None = None,
    regularisation: str | Path | None = None,
    progress: Listener = silent,
) -> Adaptation:
    """Tune a CALVIN to a film of which there are annotations and frame vectors.

    The scenes are chosen as the paper does: those in which main characters first appear are among them. The others are
    written to `unseen.csv` in the adapter's folder, and the effect is measured on some of them.

    Args:
        model: the base: a folder, a hub id, a bundled name or an opened one; None: the bundled model.
        film: its id in the annotations; None: the only one.
        count: scenes to learn.
        out: the adapter's folder.
        config: by default the paper's settings, with a rate fit for the model's size.
        regularisation: scenes of other films; by default those that came with calvin.

    Raises:
        UsageError: `out` holds something else, the model carries an adapter, no such film, or too few scenes.
        DataError, FeatureError: files that cannot be used, no regularisation scenes, or a scene too long to learn.
    """
    target = Path(out)
    check_target(target)
    base = model if isinstance(model, Calvin) else Calvin.from_pretrained(model)
    check_adaptable(base)
    config = config or adapt_config(base.model.config)
    films = AnnotatedFilms.open(files, base.encoder)
    name = films.find(film)
    regular, shortfall = other_films(base, regularisation, round(count * config.regularisation))
    scenes = films.usable(name)
    vectors = [films.vectors(scene, base.max_frames) for scene in scenes]
    means = np.stack([each.mean(axis=0) for each in vectors])
    chosen = {choice.index for choice in choose_scenes([s.entities for s in scenes], means, count)}
    rest = [index for index in range(len(scenes)) if index not in chosen]
    taught = [_taught(scenes, index, vectors[index], config.context) for index in sorted(chosen)]
    shown = [rest[i] for i in sample_indices(0, len(rest), UNSEEN)] if rest else []
    before = {scene.id: _before(scenes, index, config.context) for index, scene in enumerate(scenes)}
    tuning = FilmTuning(
        base=base,
        film={"title": name, "sha256": ""},
        config=config,
        regular=regular,
        named=films.known(name).found,
        asked_before=lambda _: Prompt(config.question),
        asked_after=lambda scene: Prompt(config.question, before[scene.id]),
        work=target.with_name(f"{target.name}-adapting"),
        progress=progress,
    )
    others = [Scene(scenes[i].id, name, scenes[i].span or Span(0, 1), vectors[i]) for i in shown]
    allowed = [scenes[i].entities for i in shown]
    about = "scenes of the film that were not learnt"
    effects = tuning.effects(about, taught, others, allowed, exact=True, target=target)
    write_rest(target / REST, [scenes[index] for index in rest])
    tuning.forget_work()
    return Adaptation.of(target, len(taught), effects, [*films.notes, *shortfall])


def _taught(scenes: Sequence[Sample], index: int, vectors: np.ndarray, context: int) -> FewshotScene:
    scene = scenes[index]
    where = f"{film_of(scene)} at {format_timecode(scene.span.start_ms)}" if scene.span else scene.id
    return FewshotScene(scene.id, scene.caption, scene.entities, vectors, _before(scenes, index, context), where)


def _before(scenes: Sequence[Sample], index: int, count: int) -> tuple[str, ...]:
    """The references of the last `count` scenes before one."""
    return tuple(scene.caption for scene in scenes[max(0, index - count) : index])


def write_rest(path: Path, scenes: Sequence[Sample]) -> None:
    """Scenes as annotations in MAD's form: text, start and end in seconds, and the name of their features."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(("text", "start", "end", "movie"))
    for scene in scenes:
        span = scene.span or Span(0, 1)
        writer.writerow((scene.caption, f"{span.start_ms / 1000:.3f}", f"{span.end_ms / 1000:.3f}", scene.media_id))
    write_text(path, made.getvalue())
