"""From films to scripts.

A film is decoded once; the vision tower encodes its frames in the same pass; cues are planned in the gaps between the
subtitles, or between the lines that are heard where there are none; each is captioned in time order with the captions
before it as context; the script is written from the project store. Killed at any moment, the same call goes on where it
was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from calvin.captioners import CaptionAnswer, Captioner, CaptionRequest, open_captioner
from calvin.captioners.adapted import adapter_context, with_adapter
from calvin.captioners.answers import cleaning_note
from calvin.core.errors import CalvinError, StoreError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.prompts import Prompt
from calvin.core.types import Place, Script
from calvin.media.languages import language_name
from calvin.studio.cast.characters import Cast, read_cast_file
from calvin.studio.cast.in_scenes import bring_cast, read_pictures
from calvin.studio.describe.film_in_hand import FilmInHand, open_film_project, project_folder
from calvin.studio.describe.fitting import Asked, Fitted, fit_all
from calvin.studio.project.database import is_project
from calvin.studio.project.describe_settings import DescribeRecord, DescribeSettings, DescribeWish, settle
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength, SpokenLength
from calvin.studio.script.script_files import export_script, keep_origin
from calvin.studio.script.writers import Writer, find_writers

TOGETHER = 8
"""Films captioned side by side, and scenes a batch where the context allows."""


TROUBLE = (CalvinError, OSError, sqlite3.Error)
"""What may go wrong with one film without stopping the others."""


@dataclass(frozen=True, slots=True)
class FilmJob:
    """A film to describe; `out_dir` None: `<film stem>.calvin` in the current folder.

    With `again` what the project knows of the dialogue is used again where no subtitles are given.
    """

    film: Path
    subtitles: Path | None = None
    out_dir: Path | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """A described film: its script, the project folder, the files written, and `notes` for the describer."""

    script: Script
    project: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one film: its description, or the error that prevented it."""

    job: FilmJob
    description: Description | None = None
    error: CalvinError | None = None


def describe(
    film: str | Path,
    subtitles: str | Path | None = None,
    model: str | Captioner | None = None,
    context: int | None = None,
    out_dir: str | Path | None = None,
    formats: Iterable[str] = ("vtt", "srt", "json"),
    progress: Listener = silent,
    cast: str | Path | Cast | None = None,
    adapter: str | Path | None = None,
    language: str | None = None,
    audio_language: str | None = None,
) -> Description:
    """Describe one film, or a project again.

    Args:
        subtitles: cues lie in the gaps between them; None: between the lines that are heard.
        model: a model folder, hub id or bundled name, or a captioner; None: the bundled model.
        context: how many previous captions each caption sees; None: 3, as the project, or as the adapter was trained.
        out_dir: the project folder.
        cast: who is in the film (`read_cast_file`).
        adapter: what `adapt` made for this model, which is left as it was.
        language: of the description; None: English, or as the project.
        audio_language: of the sound track to listen to; None: the film's own choice, or as the project.

    Raises:
        CalvinError: the film, the subtitles, the cast, the model or the folder cannot be used.
    """
    values = {"context": context, "language": language, "audio_language": audio_language, "formats": tuple(formats)}
    wish = DescribeWish.load(values, "describe")
    find_writers(tuple(formats))
    job, remembered = film_job(Path(film), Path(subtitles) if subtitles else None, Path(out_dir) if out_dir else None)
    people = read_cast_file(cast) if isinstance(cast, str | Path) else cast
    captioner = model if isinstance(model, Captioner) else open_captioner(model)
    with with_adapter(captioner, adapter) as captioner:
        settings = settle(wish, remembered, adapter_context(captioner))
        [outcome] = describe_many([job], captioner, settings, progress, cast=people)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.description is not None
    return outcome.description


def film_job(
    film: Path, subtitles: Path | None = None, out_dir: Path | None = None
) -> tuple[FilmJob, DescribeRecord | None]:
    """What to do with a film; in place of it a project may be named, which is described again as it remembers.

    Raises:
        StoreError: the film of the project is no longer where it was.
    """
    if not is_project(film):
        return FilmJob(film, subtitles, out_dir), None
    with ProjectStore(film, read_only=True) as store:
        path, remembered = Path(store.bound_film().path), store.described
    if not path.is_file():
        raise StoreError(f"The film of {film} is no longer at {path}: name it, with -o {film}.")
    return FilmJob(path, subtitles, film, again=True), remembered


def describe_many(
    jobs: Sequence[FilmJob],
    captioner: Captioner,
    settings: DescribeSettings | None = None,
    progress: Listener = silent,
    spoken: SpokenLength | None = None,
    cast: Cast | None = None,
) -> list[Outcome]:
    """Describe films, several side by side; one that cannot be described does not stop the others.

    `spoken` says how long a text takes to speak; by default that is estimated at the rate of the settings. With a
    `cast` each scene's prompt names those of them who are present. Returns one outcome a job, in their order.
    """
    settings = settings or DescribeSettings()
    spoken = spoken or EstimatedLength(settings.words_per_minute)
    find_writers(settings.formats)
    # Before a project is touched, which would lose its drafts for a picture that cannot be read.
    known = (cast, read_pictures(cast, captioner)) if cast is not None else None
    outcomes: list[Outcome] = []
    for start in range(0, len(jobs), TOGETHER):
        group = jobs[start : start + TOGETHER]
        outcomes += _describe_group(group, captioner, settings, progress, spoken, len(jobs) > 1, known)
    return outcomes


def _describe_group(
    jobs: Sequence[FilmJob],
    captioner: Captioner,
    settings: DescribeSettings,
    progress: Listener,
    spoken: SpokenLength,
    several: bool,
    known: tuple[Cast, Mapping[str, np.ndarray]] | None,
) -> list[Outcome]:
    request = DescribeRecord(
        model=captioner.info.fingerprint or captioner.info.name,
        cast=known[0].identity if known else None,
        **settings.model_dump(exclude={"formats"}) | ({} if known else {"names_alone": True}),
    )
    hands: dict[FilmJob, FilmInHand] = {}
    outcomes: dict[FilmJob, Outcome] = {}
    taken: set[Path] = set()
    with ExitStack() as stack:
        for job in jobs:
            try:
                folder = project_folder(job.film, job.out_dir, several)
                if folder.resolve() in taken:
                    raise StoreError(f"Two films of this call would share the folder {folder}: describe them apart.")
                taken.add(folder.resolve())
                listener = _naming(job.film, progress) if several else progress
                project = open_film_project(
                    *(job.film, job.subtitles, folder, captioner, request, listener),
                    *(spoken, job.again, settings.language),
                )
                hand = stack.enter_context(project)
                if known is not None:
                    bring_cast(hand, known[0], captioner, known[1])
                hands[job] = hand
            except TROUBLE as error:
                outcomes[job] = Outcome(job, error=_told(error))
        failed = caption_films(list(hands.values()), captioner, settings, progress)
        for job, hand in hands.items():
            try:
                if hand in failed:
                    raise failed[hand]
                outcomes[job] = Outcome(job, _finish(hand, captioner, find_writers(settings.formats)))
            except TROUBLE as error:
                outcomes[job] = Outcome(job, error=_told(error))
    return [outcomes[job] for job in jobs]


def _naming(film: Path, progress: Listener) -> Listener:
    """Progress that says which film it is about."""
    return lambda event: progress(replace(event, detail=film.name))


def _told(error: Exception) -> CalvinError:
    """Trouble of the disk in the words of the project."""
    return error if isinstance(error, CalvinError) else StoreError(f"The project cannot be written: {error}.")


Failed = dict[FilmInHand, Exception]
Told = tuple[FilmInHand, Place, CaptionRequest, CaptionAnswer]
_Item = TypeVar("_Item", bound=tuple[FilmInHand, *tuple[Any, ...]])
_Result = TypeVar("_Result")


def caption_films(
    hands: Sequence[FilmInHand], captioner: Captioner, settings: DescribeSettings, progress: Listener
) -> Failed:
    """Caption every open cue. With context, a film's captions follow one another and films run side by side.

    Returns the films that had to be given up, each with its error; what was stored of them is kept.
    """
    failed: Failed = {}
    waiting = {hand: hand.open_plans for hand in hands}
    stage = Stage("describe", progress, sum(map(len, waiting.values())), "cues")
    done = 0
    while any(waiting.values()):
        count = 1 if settings.context else TOGETHER
        open_now = [(hand, plan) for hand, plans in waiting.items() for plan in plans[:count]]
        requests = _each(open_now, lambda items: [_ask(hand, plan, settings) for hand, plan in items], failed)
        asked = [(hand, plan, request) for (hand, plan), request in requests]
        answers = _each(asked, lambda items: captioner.caption([request for _, _, request in items]), failed)
        for wave in _waves([(*one, answer) for one, answer in answers]):
            _keep(wave, captioner, failed)
        waiting = {hand: plans[count:] for hand, plans in waiting.items() if hand not in failed}
        done += len(open_now)
        stage.update(done, detail=_shortened([answer for _, answer in answers]))
    return failed


def _each(
    items: Sequence[_Item], work: Callable[[Sequence[_Item]], Sequence[_Result]], failed: Failed
) -> list[tuple[_Item, _Result]]:
    """What `work` makes of each item. Where it fails for all together it is tried film by film.

    The films at fault join `failed`, and their items are left out.
    """
    items = [item for item in items if item[0] not in failed]
    if not items:
        return []
    try:
        return list(zip(items, work(items), strict=True))
    except TROUBLE as error:
        films = list(dict.fromkeys(item[0] for item in items))
        if len(films) == 1:
            failed[films[0]] = error
            return []
    apart = [[item for item in items if item[0] is film] for film in films]
    return [done for film in apart for done in _each(film, work, failed)]


def _waves(told: Sequence[Told]) -> Iterator[list[Told]]:
    """One cue of each film at a time: where it may be spoken depends on the one before."""
    films: dict[FilmInHand, list[Told]] = {}
    for one in told:
        films.setdefault(one[0], []).append(one)
    for wave in zip_longest(*films.values()):
        yield [one for one in wave if one is not None]


def _keep(wave: Sequence[Told], captioner: Captioner, failed: Failed) -> None:
    """Fit each answer into its place, ask for shorter ones where none fits, and store what is to be said."""

    def fit(wave: Sequence[Told]) -> list[Fitted]:
        asked = [
            Asked(request, answer, hand.place(plan).duration_ms, hand.said(plan))
            for hand, plan, request, answer in wave
        ]
        return fit_all(asked, captioner, wave[0][0].spoken)

    for (hand, plan, _, answer), words in _each(wave, fit, failed):
        try:
            hand.keep(plan, words, answer)
        except TROUBLE as error:
            failed[hand] = error


def _ask(hand: FilmInHand, plan: Place, settings: DescribeSettings) -> CaptionRequest:
    names = hand.present.get(plan.id, ())
    before = () if names and settings.names_alone else hand.context(plan, settings.context)
    question, language = settings.question, hand.film.language
    if language != "en" and hand.features is None:  # CALVIN knows the question by its words, and English alone
        question = f"{question} Answer in {language_name(language)}."
    return CaptionRequest(hand.scene(plan), Prompt(question, before, names))


def _finish(hand: FilmInHand, captioner: Captioner, writers: Sequence[Writer]) -> Description:
    """Write the script in each format beside the store."""
    script = hand.store.script()
    notes = list(hand.notes)
    if not hand.store.plans and not script.cues:
        seconds = hand.settings.min_gap_ms / 1000
        notes.append(f"No description was written: the dialogue leaves no gap of {seconds:g} seconds.")
    paused = sum(cue.extended for cue in script.cues)
    if paused:
        what, it = ("1 cue does", "it") if paused == 1 else (f"{paused} cues do", "them")
        notes.append(f"{what} not fit: the film is to pause for {it} (`extended`), or the text to be shortened.")
    cleaned = cleaning_note(hand.store.cleaned, sum(plan.done for plan in hand.store.plans))
    if cleaned is not None:
        notes.append(cleaned)
    unparsed = hand.store.unparsed
    if unparsed:
        notes.append(f"{unparsed} answers did not keep to the form the model was adapted to; check these cues.")
    keep_origin(hand.store, captioner.info, notes)
    exported = export_script(hand.store, writers)
    return Description(script, hand.store.folder, exported.files, (*notes, *exported.notes))


def _shortened(answers: Sequence[CaptionAnswer]) -> str:
    text = answers[-1].text if answers else ""
    return text if len(text) <= 60 else f"{text[:57]}..."
