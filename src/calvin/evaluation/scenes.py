"""What is evaluated: scenes with references, what a captioner is given of each, and the captions that it makes.

The protocols of the paper (section 4): MAD-eval-named with none, 3 or 5 previous captions as context; TVC zero-shot,
without context, but with the names of people in the scene; entity prompts alone (section 5.1, Figure 5). Captions are
made in order and kept as they come; a run that was stopped continues where it was.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from calvin.captioners.base import CaptionAnswer, Captioner, CaptionRequest, Licence
from calvin.captioners.naming import NameGuard
from calvin.captioners.people_names import PeopleFinder, looks_told, names_said
from calvin.core.errors import DataError, UsageError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.prompts import EVALUATION_QUESTION, Prompt, clean_line
from calvin.core.time import Span
from calvin.core.types import Frame, Scene
from calvin.data import Features, Sample, in_order
from calvin.data.face_csv import read_face_csv
from calvin.data.sources import read_entities
from calvin.evaluation.names import NameList, oracle
from calvin.media.film.frames import FrameStore

Origin = Literal["references", "own"]
Kind = Literal["scenes", "entities-oracle", "entities-bank"]
_LONGEST = 50
_PERSON_ID = re.compile(r"nm\d{5,10}")


@dataclass(frozen=True, slots=True)
class Context:
    """What the prompt holds besides the visual: the last `count` captions from `origin`, or names of people there.

    Of its own captions, those at every `corrected`-th place of a film, from the first on, are the references instead,
    as if a describer had corrected them (0: none are). `held` names nobody whom neither these lines nor the names given
    introduce, as `describe` does.
    """

    kind: Kind = "scenes"
    count: int = 0
    origin: Origin = "references"
    corrected: int = 0
    held: bool = False

    @classmethod
    def parse(cls, text: str, origin: Origin = "references", corrected: int = 0, held: bool = False) -> Context:
        """'none', a number of scenes, 'entities-oracle' or 'entities-bank'.

        Raises:
            UsageError: anything else, or corrections where no captions of its own are given.
        """
        if text in ("entities-oracle", "entities-bank"):
            return cls("entities-oracle" if text == "entities-oracle" else "entities-bank", held=held)
        count = 0 if text == "none" else int(text) if re.fullmatch(r"\d{1,2}", text) else -1
        if not 0 <= count <= _LONGEST:
            raise UsageError(
                f"The context is none, 1 to {_LONGEST} scenes, entities-oracle or entities-bank, not {text!r}."
            )
        made = cls("scenes", count, origin, corrected, held)
        if corrected and not made.own:
            raise UsageError("Only a context of the model's own captions is corrected: add --own and --context 3.")
        return made

    @property
    def own(self) -> bool:
        """Whether captions depend on the captions before them."""
        return self.kind == "scenes" and self.count > 0 and self.origin == "own"

    def corrects(self, place: int) -> bool:
        """Whether the caption at a place of its film, counted from 0, is taken from the references."""
        return self.corrected > 0 and place % self.corrected == 0

    @property
    def label(self) -> str:
        """'none', '3', '3-own', 'entities-oracle': short, for names of folders and columns."""
        held = "-held" if self.held else ""
        if self.kind != "scenes":
            return f"{self.kind}{held}"
        corrected = f"-corrected{self.corrected}" if self.corrected else ""
        return f"{self.count}{'-own' if self.own else ''}{corrected}{held}" if self.count else f"none{held}"

    @property
    def words(self) -> str:
        """For the protocol card: what the prompt held, and where that came from."""
        return f"{self._given}; only who was introduced is named" if self.held else self._given

    @property
    def _given(self) -> str:
        if self.kind != "scenes":
            how = "by oracle: those the reference names" if self.kind == "entities-oracle" else "from a presence file"
            return f"names of those present, {how}"
        source = "the model's own captions" if self.own else "the references"
        source += f", one in {self.corrected} corrected from a film's first on" if self.corrected else ""
        return f"{self.count} previous captions, from {source}" if self.count else "none"


def evaluated(samples: Sequence[Sample]) -> list[Sample]:
    """Samples in time order within each film, films in the order of their first scene.

    Raises:
        DataError: none, or two with one id.
    """
    if not samples:
        raise DataError("There is no scene with a reference to evaluate: look at what the reader dropped.")
    ordered = [sample for scenes in by_film(samples).values() for sample in in_order(scenes)]
    repeated = len(ordered) - len({sample.id for sample in ordered})
    if repeated:
        raise DataError(f"{repeated} scenes have an id that another scene has: make the ids in the annotations unique.")
    return ordered


def film_of(sample: Sample) -> str:
    return sample.movie or sample.media_id


def by_film(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """The samples of each film, as they come."""
    films: dict[str, list[Sample]] = {}
    for sample in samples:
        films.setdefault(film_of(sample), []).append(sample)
    return films


def with_oracle(samples: Sequence[Sample], cast: Mapping[str, NameList], everyone: NameList) -> list[Sample]:
    """Each with the names that its references hold."""
    return [replace(s, entities=oracle(s.references or (s.caption,), s.movie, cast, everyone)) for s in samples]


def with_bank(samples: Sequence[Sample], path: Path, roles: Mapping[str, Mapping[str, str]] | None = None
              ) -> list[Sample]:  # fmt: skip
    """Each with the names that a presence file holds (see `data.sources.read_entities`).

    Args:
        roles: by film, what people are called whom the file knows by an id, as AutoAD-Zero's faces do (nm0001435).

    Raises:
        DataError: the file does not mention every scene, or knows people by ids that nobody explains.
    """
    names = dict(read_entities(path))
    strange = [name for people in names.values() for name in people if _PERSON_ID.fullmatch(name)]
    if strange and roles is None:
        raise DataError(
            f"{path} knows people by ids such as {strange[0]}: give --characters, a character bank with id and role."
        )
    if path.suffix.lower() == ".csv":
        for row in read_face_csv(path):
            called = (roles or {}).get(row.movie, {})
            people = (called.get(name, name) for name in names[row.movie, row.span])
            told = tuple(dict.fromkeys(name for name in people if not _PERSON_ID.fullmatch(name)))
            # By film, and by clip, as the readers of CMD-AD and TV-AD know a scene.
            names[row.movie, row.span] = told
            if row.clip:
                names[row.clip, row.clip_span] = told
    keys = {s.id: (key if (key := (s.media_id, s.span)) in names else (film_of(s), s.span)) for s in samples}
    missing = [identity for identity, key in keys.items() if key not in names]
    if missing:
        raise DataError(
            f"{path} says nothing about {len(missing)} of {len(samples)} scenes (such as {missing[0]}): give each a "
            "line, with an empty list of names where nobody is known."
        )
    return [replace(s, entities=names[keys[s.id]]) for s in samples]


@dataclass(frozen=True)
class Pictures:
    """Where the visual part of scenes comes from: vectors, stills, or both. `frames` finds the stills of a media id."""

    features: Features | None = None
    frames: Callable[[str], FrameStore | None] = field(default=lambda _: None)
    max_frames: int = 32

    def scene(self, sample: Sample) -> Scene:
        span = sample.span or Span(0, 10**9)
        embeds = self.features.scene(sample.media_id, sample.span, self.max_frames) if self.features else None
        store = self.frames(sample.media_id)
        frames = None if store is None else (lambda: self.stills(sample, self.max_frames))
        return Scene(sample.id, film_of(sample), span, embeds, frames, sample.caption)

    def stills(self, sample: Sample, count: int) -> list[Frame]:
        """At most `count` stills of a scene, evenly spread; none if there are no pictures."""
        store = self.frames(sample.media_id)
        return store.frames_between(sample.span or Span(0, 10**9), count) if store else []


def request_for(
    sample: Sample, before: Sequence[str], context: Context, pictures: Pictures, question: str = EVALUATION_QUESTION
) -> CaptionRequest:
    """What a captioner is asked; `before` holds the captions that it sees, oldest first."""
    names = sample.entities if context.kind != "scenes" else ()
    return CaptionRequest(pictures.scene(sample), Prompt(question, tuple(before), names))


@dataclass(frozen=True, slots=True)
class Captioned:
    """A caption with what it was made from: the context lines, oldest first, and the names given.

    `cleaned` names the rules that changed the model's words, which are then kept in `raw`; `candidates` are all that
    the model proposed, best first, where it gives more than one.
    """

    id: str
    text: str
    context: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    cleaned: tuple[str, ...] = ()
    raw: str = ""
    candidates: tuple[str, ...] = ()


_CAPTIONED = TypeAdapter(Captioned)


class CaptionStore:
    """A JSON-lines file of captions. A line is whole or, where a run was killed in the middle of it, dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: dict[str, Captioned] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else ():
            if not line.endswith(b"\n"):
                break
            try:
                caption = _CAPTIONED.validate_json(line)
            except ValidationError as error:
                raise DataError(f"{path} is damaged: delete it to caption every scene again.") from error
            self.kept[caption.id] = caption
            whole += len(line)
        if path.is_file() and path.stat().st_size > whole:
            os.truncate(path, whole)

    def add(self, captions: Sequence[Captioned]) -> None:
        """Append captions; once this returns they survive a kill."""
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(asdict(caption), ensure_ascii=False) + "\n" for caption in captions)
            stream.flush()
            os.fsync(stream.fileno())
        self.kept.update((caption.id, caption) for caption in captions)


def caption_scenes(
    captioner: Captioner,
    samples: Sequence[Sample],
    context: Context,
    pictures: Pictures,
    store: CaptionStore,
    question: str = EVALUATION_QUESTION,
    listener: Listener = silent,
    batch: int = 16,
) -> None:
    """Caption every scene that `store` does not hold yet.

    Context from the references leaves scenes independent. With the model's own captions a film's scenes follow one
    another, and films run side by side.
    """
    stage = Stage("caption", listener, len(samples), "scenes", kept=len(store.kept))
    stage.update(len(store.kept))
    guard = NameGuard(captioner)
    for group in _order(samples, context, store, batch):
        requests = []
        for sample, before in group:
            request = request_for(sample, _before(before, context, store), context, pictures, question)
            requests.append(replace(request, licence=_licence(request, before, context)))
        answers = guard.caption(requests)
        store.add([_kept(request, answer) for request, answer in zip(requests, answers, strict=True)])
        stage.update(len(store.kept), answers[-1].text[:60])


_Item = tuple[Sample, list[Sample]]


def _order(samples: Sequence[Sample], context: Context, store: CaptionStore, batch: int) -> Iterator[list[_Item]]:
    """Open scenes, each with those before it in its film, in groups that may be captioned together."""
    films = by_film(samples)
    if context.own:
        # The n-th scenes of all films; within a film one waits for another.
        deepest = max(map(len, films.values()))
        rounds = [[(scenes[at], scenes[:at]) for scenes in films.values() if at < len(scenes)] for at in range(deepest)]
    else:
        rounds = [[(sample, scenes[:at]) for scenes in films.values() for at, sample in enumerate(scenes)]]
    for items in rounds:
        waiting = [item for item in items if item[0].id not in store.kept]
        yield from (waiting[start : start + batch] for start in range(0, len(waiting), batch))


def _before(before: Sequence[Sample], context: Context, store: CaptionStore) -> list[str]:
    shown = min(context.count, len(before)) if context.kind == "scenes" else 0
    last = list(enumerate(before))[len(before) - shown :]
    return [store.kept[s.id].text if context.own and not context.corrects(at) else s.caption for at, s in last]


def _licence(request: CaptionRequest, before: Sequence[Sample], context: Context) -> Licence | None:
    """Whom the lines of the context that no model wrote introduce, and whom the prompt names."""
    if not context.held:
        return None
    first, finder = len(before) - len(request.prompt.context), PeopleFinder()
    human = [
        (at, s.caption) for at, s in enumerate(before) if context.corrects(at) or (not context.own and at >= first)
    ]
    shown = names_said((text for at, text in human if at >= first), finder)
    looks = looks_told((text for _, text in human), finder) if context.own else {}
    return Licence(shown | frozenset(request.prompt.entities), looks=looks)


def _kept(request: CaptionRequest, answer: CaptionAnswer) -> Captioned:
    prompt, said = request.prompt, clean_line(answer.said)
    given = tuple(dict.fromkeys(text for one in answer.candidates if (text := clean_line(one))))
    others = given if len(given) > 1 else ()
    text = clean_line(answer.text)
    return Captioned(request.scene.id, text, prompt.context, prompt.entities, answer.cleaned, said, others)
