"""From films to scripts.

A film is decoded once; the vision tower encodes its frames in the same pass; cues are planned in the gaps between the
subtitles, or between the lines that are heard where there are none; each is captioned in time order with the captions
before it as context; the script is written from the project store. Killed at any moment, the same call goes on where it
was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from calvin.captioners import Captioner, CaptionerInfo, open_captioner
from calvin.captioners.adapted import adapter_context, with_adapter
from calvin.captioners.answers import cleaning_note
from calvin.captioners.base import OpenOptions, RemoteCaptioner
from calvin.captioners.naming import held_note
from calvin.core.errors import CalvinError, ServerError, StoreError
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import counted
from calvin.core.time import to_ms
from calvin.core.types import Character, Script
from calvin.media.film import ocr
from calvin.media.film.trial import check_survivable
from calvin.studio.cast.characters import Cast, cast_of_identity, read_cast_file
from calvin.studio.cast.introduced import Introduced
from calvin.studio.cast.scene_cast import bring_cast, cast_looks, read_pictures
from calvin.studio.describe.cue_words import TOGETHER, TROUBLE, caption_films
from calvin.studio.describe.dialogue import checked_stretch
from calvin.studio.describe.film_project import NO_WORDS, FilmJob, FilmProject, open_film_project
from calvin.studio.describe.skeleton import NOBODY, keep_skeleton, leave_skeleton
from calvin.studio.project.database import is_project, project_folder, trouble
from calvin.studio.project.describe_settings import (
    DescribeRecord,
    DescribeSettings,
    DescribeSources,
    DescribeWish,
    PromptSettings,
    settle,
)
from calvin.studio.project.status import pause_note
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength, SpokenLength
from calvin.studio.script.script_files import export_script, keep_origin
from calvin.studio.script.writers import ScriptWriter, find_writers

__all__ = [
    "DescribeSettings",
    "DescribeSources",
    "DescribeWish",
    "Description",
    "FilmJob",
    "Outcome",
    "describe",
    "describe_many",
    "film_job",
    "lay_out",
    "settle",
]


@dataclass(frozen=True, slots=True)
class Description:
    """A described film: its script, the project folder, the files written, and `notes` for the describer. `empty`
    places have no words, where the film is none of those that the bundled model knows."""

    script: Script
    project: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    empty: int = 0


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
    shift_subtitles: float | None = None,
    stretch_subtitles: str | None = None,
    encoding: str | None = None,
    names: Literal["known", "free"] | None = None,
    text: bool | None = None,
    opening: OpenOptions | None = None,
    prompt: PromptSettings | Mapping[str, object] | None = None,
    two_stages: bool | None = None,
) -> Description:
    """Describe one film, or a project again.

    Args:
        subtitles: cues lie in the gaps between them; None: those of the project, beside the film or in it, else the
            lines that are heard; "none": the lines that are heard.
        model: a model folder, hub id or bundled name, or a captioner; None: that of the project, else the bundled one,
            which leaves films without words that are unlike those it knows.
        context: how many previous captions each caption sees; None: 3, as the project, or as the adapter was trained.
        out_dir: the project folder.
        cast: who is in the film (`read_cast_file`); None: as the project, "none": nobody is named.
        adapter: what `adapt` made for this model, which is left as it was; None: as the project, "none": without one.
        language: of the description; None: English, or as the project.
        audio_language: of the sound track to listen to; None: the film's own choice, or as the project.
        shift_subtitles: by how many seconds the subtitles are to be moved; None: not at all, or as the project.
        stretch_subtitles: by what their times are taken times before that: the frame rates of the film that they are
            for and of this one ("25/23.976"), or a factor; None: by nothing, or as the project.
        encoding: of the subtitle file; None: found out.
        names: "known": those alone are named whom a cast or a person's cue introduces; "free": whomever the model
            names; None: "known", or as the project.
        text: whether writing on the screen is read (extra `ocr`); None: where that is possible, or as the project.
        opening: how a captioner that is named is opened, such as whether its model may be fetched.
        prompt: what video LLMs and servers are told and shown besides (`PromptSettings`); what is not said of it is as
            the project has it.
        two_stages: whether they first describe the scene in full and then write from that; None: no, or as the project.

    Raises:
        CalvinError: the film, the subtitles, the cast, the model or the folder cannot be used.
    """
    kinds = tuple(formats)
    find_writers(kinds)
    values: dict[str, object] = {"context": context, "language": language, "names": names, "prompt": prompt}
    values |= {"audio_language": audio_language, "screen_text": text}
    wish = DescribeWish.load(values | {"formats": kinds}, "describe")
    job, known = film_job(Path(film), Path(subtitles) if subtitles else None, Path(out_dir) if out_dir else None)
    named, told = not isinstance(model, Captioner), not isinstance(cast, Cast)
    sources = DescribeSources.named(
        known.sources,
        model=None if isinstance(model, Captioner) else model,
        adapter=adapter,
        cast=None if isinstance(cast, Cast) else cast,
        two_stages=two_stages,
    )
    if not named:
        sources = sources.changed(model=None, adapter=str(adapter) if adapter else None)
    people = cast if isinstance(cast, Cast) else known.cast(sources, cast)
    how = opening or OpenOptions()
    four_bit = how.four_bit or sources.four_bit
    options = replace(how, frames=how.frames or sources.frames, four_bit=four_bit, two_stages=sources.two_stages)
    captioner = model if isinstance(model, Captioner) else open_captioner(model or sources.model, options)
    shift_ms = None if shift_subtitles is None else to_ms(shift_subtitles)
    asked = model is not None or adapter is not None
    job = replace(job, shift_ms=shift_ms, stretch=checked_stretch(stretch_subtitles), encoding=encoding, replace=asked)
    job = replace(job, unasked=nobody_named(model, sources))
    with with_adapter(captioner, sources.adapter) as captioner:
        settings = settle(wish, known.record, adapter_context(captioner), ocr.reads_by_default())
        kept = sources if named and told else None
        [outcome] = describe_many([job], captioner, settings, progress, cast=people, sources=kept)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.description is not None
    return outcome.description


def nobody_named(model: object, sources: DescribeSources) -> bool:
    """Whether the bundled model describes only because nobody named another one, now or before."""
    return model is None and sources.model is None and sources.adapter is None


@dataclass(frozen=True, slots=True)
class Known:
    """What a project remembers of how it was described; nothing where there is none yet."""

    record: DescribeRecord | None = None
    sources: DescribeSources | None = None
    characters: tuple[Character, ...] = ()

    def cast(self, sources: DescribeSources, named: str | Path | None = None) -> Cast | None:
        """The cast to describe with: the file that is `named`, else the one that the project was described with.

        Raises:
            UsageError: the file cannot be read, or it is no longer there and nothing else says who is in the film.
        """
        if sources.cast is not None and (named is not None or Path(sources.cast).is_file()):
            return read_cast_file(sources.cast)
        if named is not None or self.record is None or self.record.cast is None:
            return None
        return cast_of_identity(self.record.cast, self.characters)


def film_job(
    film: Path, subtitles: Path | None = None, out_dir: Path | None = None, several: bool = False
) -> tuple[FilmJob, Known]:
    """What to do with a film, and what is remembered of it; in place of it a project may be named.

    Raises:
        StoreError: the film of the project is no longer where it was.
    """
    given = is_project(film)
    folder = film if given else project_folder(film, out_dir, several)
    nested = several and not given
    if not is_project(folder):
        return FilmJob(film, subtitles, out_dir, nested=nested), Known()
    with ProjectStore(folder, read_only=True) as store:
        row, known = store.film, Known(store.described, store.sources, store.characters)
        path = Path(store.bound_film().path) if given else film
    if not given and (row is None or not film.is_file() or film.stat().st_size != row.facts.get("bytes")):
        return FilmJob(
            film, subtitles, out_dir, nested=nested
        ), Known()  # another film, or none yet: opening it will tell
    if not path.is_file():
        raise StoreError(f"The film of {film} is no longer at {path}: name it, with -o {film}.")
    again = True
    if not given and row is not None and known.record is not None and Path(row.path) == film.resolve():
        # Whoever names a film where it always was says anew which of its sound tracks is meant, and subtitles may have
        # come to it since.
        again = known.record.subtitles is not None
        known = replace(known, record=known.record.changed(audio_language=None))
    return FilmJob(path, subtitles, film if given else out_dir, again, nested=nested), known


@dataclass(frozen=True, slots=True)
class Alike:
    """Films that are described by the same captioner, with the same cast and settings; `record` is what one of their
    projects remembers, which for those is the same in all of them."""

    jobs: tuple[FilmJob, ...]
    sources: DescribeSources
    record: DescribeRecord | None
    cast: Cast | None


def alike(
    found: Iterable[tuple[FilmJob, Known]],
    wish: DescribeWish,
    named: Callable[[DescribeSources | None], DescribeSources],
    cast: str | Path | None = None,
) -> list[Alike]:
    """Films in groups: each is described as its project remembers, and a captioner is opened once for those it serves.

    Args:
        named: from what a project knows to what it is described from (`DescribeSources.named`).
        cast: the file that somebody named for all of them.

    Raises:
        UsageError: a cast cannot be read.
    """
    groups: dict[object, Alike] = {}
    for job, known in found:
        sources = named(known.sources)
        people = known.cast(sources, cast)
        key = (sources, settle(wish, known.record), people.identity if people else None)
        group = groups.get(key, Alike((), sources, known.record, people))
        groups[key] = replace(group, jobs=(*group.jobs, job))
    return list(groups.values())


def describe_many(
    jobs: Sequence[FilmJob],
    captioner: Captioner,
    settings: DescribeSettings | None = None,
    progress: Listener = silent,
    spoken: SpokenLength | None = None,
    cast: Cast | None = None,
    sources: DescribeSources | None = None,
) -> list[Outcome]:
    """Describe films, several side by side; one that cannot be described does not stop the others.

    `spoken` says how long a text takes to speak; by default that is estimated at the rate of the settings. With a
    `cast` each scene's prompt names those of them who are present. `sources`, from which captioner and cast come, are
    kept in the projects. Returns one outcome per job, in their order.
    """
    settings = settings or DescribeSettings()
    spoken = spoken or EstimatedLength(settings.words_per_minute)
    writers = find_writers(settings.formats)
    # Before a project is touched, which would lose its drafts for a picture that cannot be read.
    portraits = read_pictures(cast, captioner) if cast is not None else {}
    record = _record(captioner, settings, cast)
    folders: set[Path] = set()
    outcomes: dict[FilmJob, Outcome] = {}
    for start in range(0, len(jobs), TOGETHER):
        films: dict[FilmJob, FilmProject] = {}
        with ExitStack() as stack:
            for job in jobs[start : start + TOGETHER]:
                several = len(jobs) > 1 if job.nested is None else job.nested
                listener, folder = _naming(job.film, progress) if several else progress, None
                try:
                    folder = _own_folder(job, several, folders)
                    if job.film.is_file():
                        check_survivable(job.film, sound=True)
                    film = stack.enter_context(
                        open_film_project(job, folder, captioner, record, listener, spoken, sources, cast)
                    )
                    if cast is not None:
                        bring_cast(film, cast, captioner, portraits, listener)
                    if settings.names == "known":
                        looks = cast_looks(film, cast, captioner, portraits) if cast is not None else {}
                        film.introduced = Introduced.of(film.store, cast, film.author, looks)
                    films[job] = film
                except TROUBLE as error:
                    outcomes[job] = Outcome(job, error=_as_ours(error, folder))
            failed = caption_films(list(films.values()), captioner, settings, progress)
            for job, film in films.items():
                try:
                    if film in failed:
                        raise failed[film]
                    outcomes[job] = Outcome(job, _finish(film, captioner, writers))
                except TROUBLE as error:
                    outcomes[job] = Outcome(job, error=_as_ours(error, film.store.folder))
    return [outcomes[job] for job in jobs]


def lay_out(
    job: FilmJob,
    captioner: Captioner,
    settings: DescribeSettings,
    progress: Listener = silent,
    cast: Cast | None = None,
    sources: DescribeSources | None = None,
) -> None:
    """Do for a film what needs no language model: decode it, read and hear it, and plan its cues.

    `describe_many` with the same job then goes on from there, in another process too. `captioner` may be a stand-in for
    the one that will describe, with its `info` and `needs`, and the vectors of its tower where it reads them.

    Raises:
        CalvinError, OSError: the film or its project cannot be used.
    """
    folder = project_folder(job.film, job.out_dir, bool(job.nested))
    if job.film.is_file():
        check_survivable(job.film, sound=True)
    record, spoken = _record(captioner, settings, cast), EstimatedLength(settings.words_per_minute)
    with open_film_project(job, folder, captioner, record, progress, spoken, sources, cast):
        pass


def _record(captioner: Captioner, settings: DescribeSettings, cast: Cast | None) -> DescribeRecord:
    """What the words will depend on; whether names stand alone matters only where there are any."""
    values = settings.model_dump(exclude={"formats"})
    values["model"] = captioner.info.fingerprint or captioner.info.name
    values |= {"cast": cast.identity} if cast is not None else {"names_alone": True}
    return DescribeRecord.load(values, "describe")


def _own_folder(job: FilmJob, several: bool, taken: set[Path]) -> Path:
    """Where a film's project lies, which no other film of the call shares.

    Raises:
        StoreError: the place is a file, or that of another film's project.
    """
    folder = project_folder(job.film, job.out_dir, several)
    if folder.resolve() in taken:
        raise StoreError(f"Two films of this call would share the folder {folder}: describe them apart.")
    taken.add(folder.resolve())
    return folder


def _naming(film: Path, progress: Listener) -> Listener:
    """Progress that says which film it is about."""
    return lambda event: progress(replace(event, detail=film.name))


def _as_ours(error: Exception, folder: Path | None) -> CalvinError:
    """Trouble of the disk in the words of the project."""
    return error if isinstance(error, CalvinError) else StoreError(trouble(error, folder))


def _check_words(film: FilmProject, captioner: Captioner) -> str | None:
    """What there is to say of places for which the model gave no words, if there are any.

    Raises:
        ServerError: it gave none for any place.
    """
    silent = [one.reason for one in film.store.decisions if one.reason.startswith(NO_WORDS)]
    if not silent:
        return None
    why, _ = Counter(reason.partition(": ")[2].rstrip(".") for reason in silent).most_common(1)[0]
    places = len(film.store.plans)
    if len(silent) == places:
        raise ServerError(
            f"{captioner.info.name} gave no words for the film, in {counted(places, 'place')} ({why}): ask another "
            "model, or mend the server and give the same command again."
        )
    return (
        f"For {len(silent)} of {places} places the model gave no words, so they are silent ({why}): `calvin status "
        f"{film.store.folder}` names them, and the same command asks again."
    )


def _finish(film: FilmProject, captioner: Captioner, writers: Sequence[ScriptWriter]) -> Description:
    """Write the script in each format beside the store."""
    script = film.store.script()
    notes = list(film.notes)
    if not film.store.plans and not script.cues:
        seconds = film.settings.min_gap_ms / 1000
        notes.append(f"No description was written: the dialogue leaves no gap of {seconds:g} seconds.")
    paused = pause_note(script.cues)
    if paused is not None:
        notes.append(paused)
    cleaned = cleaning_note(film.store.cleaned, sum(plan.done for plan in film.store.plans))
    if cleaned is not None:
        notes.append(cleaned)
    notes += captioner.remarks if isinstance(captioner, RemoteCaptioner) else ()
    silent_note = _check_words(film, captioner)
    if silent_note is not None:
        notes.append(silent_note)
    held = held_note(film.store.held)
    if held is not None:
        notes.append(held)
    unparsed = film.store.unparsed
    if unparsed:
        notes.append(f"{unparsed} answers did not keep to the form the model was adapted to; check these cues.")
    empty = keep_skeleton(film.store, film.frames) if film.skeleton else leave_skeleton(film.store)
    if empty:
        writers = find_writers([*(writer.name for writer in writers), "csv"])
    keep_origin(film.store, CaptionerInfo(NOBODY) if film.skeleton else captioner.info, notes)
    film.store.end_step()
    exported = export_script(film.store, writers)
    return Description(script, film.store.folder, exported.files, (*notes, *exported.notes), empty)
