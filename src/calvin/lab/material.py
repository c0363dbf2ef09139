"""The puppet world as material for a recipe: what it draws, and what training and evaluation take from it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from calvin.core.files import write_text
from calvin.core.progress import Listener, silent
from calvin.core.prompts import STAGE_1, TRAINING_QUESTIONS, Prompt
from calvin.core.types import Scene
from calvin.data import Example, FeatureStore, Sample, Source, SourceConfig, read_mad_csv
from calvin.encode import Kind
from calvin.encode.vectors import make_features
from calvin.lab.own_captions import read_own, scene_number, write_own
from calvin.lab.truth_scoring import TruthScene
from calvin.puppets.draw.render import TRAINING_SIZE
from calvin.puppets.draw.stage import DRAWING
from calvin.puppets.draw.stills import Stills, StoredStills, store_stills
from calvin.puppets.lexicon import NAMES
from calvin.puppets.tell import contexts
from calvin.puppets.tell.captions import list_details, look_caption, read_films, retell, say_look
from calvin.puppets.tell.curriculum import draw_fewshot, draw_prompt, draw_told, lexicon_text, make_drill
from calvin.puppets.tell.drills import draw_known_scene, draw_question
from calvin.puppets.tell.screenplay import draw_cast, pick, rng_for
from calvin.puppets.truth import SceneTruth, names_in, read_told, score_caption
from calvin.puppets.world import WorldSizes, stray_of, with_stray, write_world
from calvin.training.small.language import MarkedText
from calvin.training.steps import CaptionsStep, WorldConfig

_MIXED = {
    # Its own mixture: with another one, all that a language model learnt before would be in other tokens.
    "tokenizer": ("captions", "prompt", *("seen_prompt",) * 2, *("seen_prompt_5",) * 2, "entities", "fewshot"),
    "look_ups": ("repeats", "looks", "short", "look_first", "captions", "seen_prompt"),
    "look_ups_far": (*("looks", "look_first", "captions", "far"), *("farther",) * 2, *("asked",) * 2, "seen_prompt"),
    "many_cues": (*("cues_2",) * 3, *("cues_4",) * 4, *("cues_looks_2",) * 2, "cues_looks", "look_first"),
    "cues": (
        *("cue_2", "cue_4", "cue_scene", "cue_scenes") * 2,
        *("cue_looks_2", "cue_looks", "cue_far") * 3,
        "look_first",
    ),
    "mixed": ("captions", "prompt", "seen_prompt", "seen_prompt", "entities", "entities"),
    "prompts": (
        *("look_first", "captions", "prompt", "fewshot", "cue_looks"),
        *("cue_far", "cue_scenes", "cue_scenes_5", "seen_prompt", "entities") * 2,
    ),
    "recall": (
        *("look_first", "cue_looks", "cue_far", "cue_scenes", "cue_scenes_5", "seen_prompt", "seen_prompt_5"),
        *("entities", "form_entities", "form_none", "form_muddled", "strangers", "strangers_many", "fewshot"),
        *("form_told", "form_corrected", "form_looks") * 2,
    ),
    "naming": (
        *("look_first", "cue_far", "cue_scenes", "form_none", "form_bare", "form_entities"),
        *("form_told", "form_corrected") * 3,
        *("form_muddled", "form_looks", "strangers_many") * 2,
        "strangers",
    ),
}
"""The kinds of text that take turns in a batch of a mixed kind: first recall in text that is more and more like a
film's; then film-like text, prompts with look-ups, names to copy, and the form of Figure 6; then captions that name
only whom a prompt makes known; last, all that is to be kept while the model learns to see."""

_DETAILS = {True: 0.6, False: 0.3}
"""How often a clip's caption lists details instead of being a sentence, with a prop and without; a quarter have one."""
_DETAILS_QUESTION = "Who and what can be seen?"


@dataclass
class PuppetMaterial:
    """Everything a recipe learns from, drawn into `folder` as it is asked for."""

    config: WorldConfig
    folder: Path
    listener: Listener = silent
    workers: int = 2
    _films: dict[str, dict[str, list[SceneTruth]]] = field(default_factory=dict, init=False, repr=False)

    def quietly(self) -> PuppetMaterial:
        return PuppetMaterial(self.config, self.folder, workers=self.workers)

    def slot_images(self) -> StoredStills:
        stills = Stills(self.config.seed)
        name = "stills" if DRAWING == 1 else f"stills-{DRAWING}"
        return store_stills(self.folder / name, self.config.tower_images, stills, self.workers, self.listener)

    def texts_at(self, kind: str, index: int, count: int) -> Sequence[MarkedText]:
        rng = np.random.default_rng([self.config.seed, index])
        kinds = itertools.cycle(_MIXED.get(kind, (kind,)))
        return [make_drill(next(kinds), rng) for _ in range(count)]

    def tokenizer_texts(self) -> Iterator[str]:
        words = lexicon_text()
        # In running text a word follows a space, and names must come often enough to be one token each.
        yield from (f"{word} {' '.join(words[:250])}" for word in words[:20])
        yield from (f" {word}" for word in words * 20)
        for index in range(40):
            yield from (text.text for text in self.texts_at("tokenizer", 2**41 + index, 64))

    def examples_at(self, index: int, count: int, forms: Mapping[str, float]) -> Sequence[Example]:
        rng = np.random.default_rng([self.config.seed, 2**20, index])
        examples = []
        for number in range(count):
            cast = draw_cast(rng, 4, "train")
            if forms and number % 8:
                parts = draw_told(rng, cast, draw_form(rng, forms))
                # The stand-in is a caption more: it stands where the visual would, before the context.
                prompt = replace(parts.prompt, context=(parts.stand_in, *parts.prompt.context))
                examples.append(Example(prompt, parts.caption, visual=False))
                continue
            if number % 4 == 3:
                # Without a prompt, which a scene to describe always has: no question is to be answered in this form.
                examples.append(Example(STAGE_1, draw_fewshot(rng, cast), visual=False))
                continue
            if number % 4 == 2:
                parts = draw_prompt(rng, cast, entities=True)
                prompt = Prompt(parts.prompt.question, (parts.stand_in,), parts.prompt.entities)
                examples.append(Example(prompt, parts.caption, visual=False))
                continue
            parts = draw_known_scene(rng, cast, 3 + 2 * int(rng.random() < 0.5))
            prompt = Prompt(draw_question(rng), (parts.stand_in, *parts.prompt.context))
            examples.append(Example(prompt, parts.caption, visual=False))
        return examples

    def source_configs(self, tower: Path, listener: Listener) -> list[SourceConfig]:
        world, features = self._world("train"), self.folder / "features"
        write_entities(world / "mad")
        made: list[tuple[str, str, Path, Path, Kind]] = [
            ("mad", "mad_csv", world / "mad" / "mad.csv", world / "mad" / "videos", "films"),
            ("webvid", "webvid", world / "webvid" / "webvid.csv", world / "webvid" / "videos", "films"),
            ("cc", "cc3m", world / "cc3m" / "cc3m.tsv", world / "cc3m" / "images", "images"),
            ("llava", "llava", world / "llava" / "llava.json", world / "llava" / "images", "images"),
        ]
        configs = []
        for name, reader, rows, media, kind in made:
            path = _features(media, tower, features / f"{name}.h5", kind, listener)
            entities = world / "mad" / "entities.jsonl" if name == "mad" else None
            configs.append(SourceConfig(name=name, format=reader, annotations=rows, features=path, entities=entities))
        # The same films with five scenes of context, and everything as clips with fresh captions, for recipes that mix
        # them in.
        films, clips = configs[:2]
        return [
            *configs,
            films.changed(name="mad_5", context=5),
            films.changed(name="mad_clips", context=0, entities=None),
            clips.changed(name="webvid_clips"),
        ]

    def vary(self, source: str, forms: Mapping[str, float], own: Path | None) -> Retelling | None:
        folder, _, form = source.partition("_")
        if folder != "mad" and form != "clips":
            return None
        if folder not in self._films:
            self._films[folder] = read_films(self.folder / "train" / folder / "truth.jsonl")
        if form == "clips":
            return Retelling(self._films[folder], self.config.seed, nameless=True)
        kept = read_own(own) if own is not None else {}
        return Retelling(self._films[folder], self.config.seed, forms=forms, own=kept, written=_digest(kept))

    def describe_films(
        self, step: CaptionsStep, model: Path, sources: Sequence[Source], target: Path, work: Path, listener: Listener
    ) -> None:
        [films] = [source for source in sources if source.name == "mad"]
        write_own(step, model, films, target, work, listener)

    def heldout(self, tower: Path, max_frames: int) -> tuple[list[TruthScene], list[np.ndarray]]:
        """Scenes of held-out films with their truth, and each film's frame vectors [T, D]."""
        world = self._world("heldout")
        path = _features(world / "mad" / "videos", tower, self.folder / "features/heldout.h5", "films", self.listener)
        return read_truth_scenes(world / "mad", path, max_frames)

    def _world(self, split: Any) -> Path:
        config = self.config
        films = config.films if split == "train" else config.heldout_films
        sizes = WorldSizes(films=films, scenes=config.scenes, clips=0, images=0, conversations=0, tv_clips=0)
        if split == "train":
            others = config.model_dump(include={"clips", "images", "conversations"})
            sizes = sizes.changed(**others, picture=TRAINING_SIZE)
        return write_world(self.folder / split, config.seed, sizes, split, self.workers, self.listener)


@dataclass(frozen=True)
class Retelling:
    """Gives a sample of a puppet film new words (see `calvin.puppets.tell.captions.retell`), by (seed, epoch, sample).

    Args:
        nameless: as somebody would say it without knowing any names or the scenes before.
        forms: shares of the forms of prompts (`calvin.puppets.tell.contexts.FORMS`), if the retelling makes them too.
        own: a model's captions of the scenes of films, as `read_own` gives them; `written` tells them from others.
    """

    films: dict[str, list[SceneTruth]] = field(repr=False)
    seed: int
    nameless: bool = False
    forms: Mapping[str, float] = field(default_factory=dict)
    own: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    written: str = ""

    def __call__(self, sample: Sample, epoch: int) -> Sample | Example:
        scenes = self.films[sample.media_id]
        number = scene_number(scenes, sample)
        if sample.span is not None and not scenes[number].span.overlap_ms(sample.span):
            return sample  # credits, where these are left in: no scene that could be told anew
        rng = rng_for(self.seed, epoch, sample.source, sample.id, "retell")
        if self.nameless:
            scene = scenes[number]
            if rng.random() < _DETAILS[scene.prop is not None]:
                return replace(sample, caption=list_details(scene), question=_DETAILS_QUESTION)
            # A date or a size that was left in stays: the clip is told anew, and not cleaned.
            return replace(sample, caption=with_stray(look_caption(scene, rng), stray_of(sample.caption)))
        if self.forms:
            form, context = draw_form(rng, self.forms), len(sample.context)
            own = self.own.get(sample.media_id, ())
            lines = own if len(own) == len(scenes) else None  # rows that cleaning left out would shift the others
            made = contexts.retell(scenes, number, context, rng, form, lines)
            return Example(replace(made.prompt, question=pick(rng, TRAINING_QUESTIONS)), made.caption)
        told = retell(scenes, number, len(sample.context), rng)
        return replace(sample, caption=told.caption, context=told.context, entities=told.names)


def draw_form(rng: np.random.Generator, forms: Mapping[str, float]) -> str:
    """A form of prompts, by its share."""
    shares = np.array(list(forms.values()))
    return list(forms)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def _digest(kept: Mapping[str, Sequence[str]]) -> str:
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16] if kept else ""


def _features(media: Path, tower: Path, path: Path, kind: Kind, listener: Listener) -> Path:
    if not path.is_file():
        make_features(media, tower, path, kind, listener=listener)
    return path


def write_entities(mad: Path) -> None:
    """Write who is in each scene by oracle: the names of the cast that its reference holds (section 5.1)."""
    bank = json.loads((mad / "characters.json").read_text(encoding="utf-8"))
    lines = []
    for sample in read_mad_csv(mad / "mad.csv").samples:
        cast = [person["role"] for person in bank[sample.movie]]
        named = names_in(sample.caption, cast)
        names = sorted(named, key=sample.caption.index)
        if sample.span is not None:
            start, end = sample.span.start_ms / 1000, sample.span.end_ms / 1000
            lines.append(json.dumps({"movie": sample.movie, "start": start, "end": end, "names": names}) + "\n")
    write_text(mad / "entities.jsonl", "".join(lines))


def read_truth_scenes(mad: Path, features: Path, max_frames: int) -> tuple[list[TruthScene], list[np.ndarray]]:
    """The described scenes of a MAD-like folder with truth and previous captions, and each film's vectors [T, D]."""
    scenes: list[TruthScene] = []
    previous: dict[str, tuple[str, ...]] = {}
    casts: dict[str, dict[str, str]] = {}
    with FeatureStore.open(features) as store:
        for media, caption, truth in read_told(mad / "truth.jsonl"):
            embeds = store.scene(media, truth.span, max_frames)
            scene = Scene(f"{media}-{truth.scene}", media, truth.span, image_embeds=embeds, caption=caption)
            before = previous.get(media, ())
            # In alphabetical order: the one who acts comes first in the truth, and the order must not give that away.
            cast = casts.setdefault(truth.film, {})
            cast |= {name: say_look(look) for name, look in truth.looks.items()}
            scenes.append(TruthScene(scene, truth, before, tuple(sorted(truth.present))))
            previous[media] = (*before, caption)
        films = [store.get(media) for media in previous]
    casts_told = {film: tuple(sorted(cast.items())) for film, cast in casts.items()}
    return [replace(item, cast=casts_told[item.truth.film]) for item in scenes], films


def truth_score(caption: str, truth: SceneTruth) -> dict[str, float | None]:
    """Marks for a caption (see `score_caption`); a wrong name is any name of the world that is not present."""
    marks = score_caption(caption, truth, NAMES)
    return {aspect: None if mark is None else float(mark) for aspect, mark in marks.items()}


def draw_regularisation(
    folder: Path, tower: Path, seed: int, listener: Listener = silent, films: int = 40
) -> tuple[Path, Path, list[str]]:
    """Draw training films of the puppet world: their annotations, frame vectors, and all names that may occur."""
    sizes = WorldSizes(films=films, scenes=6, clips=0, images=0, conversations=0, tv_clips=0, picture=TRAINING_SIZE)
    # Not a recipe's seed, so that a model does not meet its own training films again.
    mad = write_world(folder / "world", 900 + seed, sizes, "train", listener=listener) / "mad"
    features = folder / "features.safetensors"
    make_features(mad / "videos", tower, features, listener=listener)
    return mad / "mad.csv", features, list(NAMES)
