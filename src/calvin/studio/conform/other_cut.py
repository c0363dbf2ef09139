"""A project for another release of its film: words, voices, remarks and dialogue moved to where the scenes lie now."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from calvin.core.errors import CalvinError, StoreError, UsageError
from calvin.core.files import atomic_path
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import counted
from calvin.core.time import Span, round_half_up
from calvin.core.types import Cue, CueKind, DialogueLine, Place
from calvin.media.conform.change_list import ChangeList
from calvin.media.conform.matching import Release
from calvin.media.gaps import plan_cues
from calvin.media.voice.pronunciation import LIST
from calvin.studio.cast.characters import Cast, read_cast_file
from calvin.studio.cast.introduced import Introduced
from calvin.studio.conform.moved_cast import moved_cast
from calvin.studio.conform.releases import changes_between, left_out_note, project_release
from calvin.studio.describe.film_project import FilmJob, FilmProject, open_film_project
from calvin.studio.describe.skeleton import Nobody
from calvin.studio.project.contents import Choice, Decision, VoiceRecord
from calvin.studio.project.database import project_folder
from calvin.studio.project.describe_settings import DescribeRecord
from calvin.studio.project.status import RECORDED_FOLDER
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength
from calvin.studio.script.script_files import Exported, export_script
from calvin.studio.script.writers import find_writers

LEFT_OUT = "left-out.csv"
FORMATS = ("vtt", "srt", "json")
_FAR_MS = 10_000
"""A line that is said later after what it is about belongs to what happens there."""


@dataclass(frozen=True, slots=True)
class Conformed:
    """A description moved to another release: its project, and `left_out`, the cues about what is not there, in the
    time of the first film. `new_places` wait for words. `notes` are sentences for the describer."""

    folder: Path
    changes: ChangeList
    carried: int
    left_out: tuple[Cue, ...]
    new_places: int
    exported: Exported
    notes: tuple[str, ...]


def conform(
    project: str | Path,
    film: str | Path,
    out_dir: str | Path | None = None,
    subtitles: str | Path | None = None,
    listener: Listener = silent,
) -> Conformed:
    """Move the description of a film to another release of it, as a project of its own.

    The films are compared by picture and sound, so it does not matter whether scenes were cut, put in or moved, or the
    film runs at another speed. Cues keep their words, authors, approvals, voices, recordings and remarks. Those about
    what the other release does not have are written to `left-out.csv` in the new project; what it has and the first
    did not is left open, for `calvin describe` or a person. The first project stays as it is. If the call was stopped,
    the same call goes on.

    Args:
        project: folder of the description, which stays as it is.
        film: the other release.
        out_dir: the new project; None: `<film stem>.calvin` in the current folder.
        subtitles: of the other release; None: those beside it or in it, else the dialogue that the project knows.

    Raises:
        CalvinError: the project or the film cannot be used, they are not of one film, or the new project already holds
            a description.
    """
    with ProjectStore(project, read_only=True) as old:
        job = FilmJob(Path(film), Path(subtitles) if subtitles else None, Path(out_dir) if out_dir else None)
        folder = project_folder(job.film, job.out_dir)
        record = _record(old, folder)
        release, ours = project_release(old, listener), not folder.exists()
        try:
            return _conformed(old, release, job, folder, record, listener)
        except CalvinError:
            if ours:
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _conformed(
    old: ProjectStore, release: Release, job: FilmJob, folder: Path, record: DescribeRecord, listener: Listener
) -> Conformed:
    with open_film_project(job, folder, Nobody(), record, listener, _spoken(record), old.sources) as made:
        _check_empty(made.store)
        new = project_release(made.store, listener)
        changes = changes_between(release, new, (str(old.folder), str(job.film)), listener)
        moved = _Move(old, made, changes)
        cast = moved.cast()
        with made.store.step(f"description moved from {old.folder.name}"):
            moved.all(cast)
        return moved.report(export_script(made.store, find_writers(FORMATS)))


def _spoken(record: DescribeRecord) -> EstimatedLength:
    return EstimatedLength(record.words_per_minute)


def _record(old: ProjectStore, folder: Path) -> DescribeRecord:
    """As what the other film is described: as the first one, but for its subtitles."""
    if folder.resolve() == old.folder.resolve():
        raise UsageError(f"{folder} is the project to be moved itself: name another folder with -o.")
    record = old.described
    if record is None:
        raise StoreError(f"{old.folder} holds no description yet: run `calvin describe {old.folder}` first.")
    language = old.bound_film().language
    return record.changed(subtitles=None, introduced="", language=language)


def _check_empty(store: ProjectStore) -> None:
    if any(cue.kind is CueKind.PICTURE or cue.settled for cue in store.cues):
        raise StoreError(f"{store.folder} already holds a description: name another folder with -o, or remove it.")


class _Move:
    """The parts of a description on their way from one project into another."""

    def __init__(self, old: ProjectStore, made: FilmProject, changes: ChangeList) -> None:
        self._old, self._new, self._changes = old, made.store, changes
        self._settings = made.settings
        self._ids: dict[str, str] = {}
        self._left_out: list[Cue] = []
        self._notes: list[str] = []

    def cast(self) -> Cast | None:
        """Who is in the film, with their stills told in the new time; None: nobody that the project can name."""
        old, sources = self._old, self._old.sources
        if sources is None or sources.cast is None or not Path(sources.cast).is_file():
            if old.described is not None and old.described.cast is not None:
                self._notes.append("The cast file of the first project is not there any more: name one with --cast.")
            return None
        path, lost = moved_cast(Path(sources.cast), self._changes, self._new.folder)
        if lost:
            self._notes.append(f"Stills and scenes of the cast that the other release does not have, left out: {lost}.")
        self._new.sources = sources.changed(cast=str(path.resolve()))
        return read_cast_file(path)

    def all(self, cast: Cast | None) -> None:
        """Everything else, in an open step."""
        old, new = self._old, self._new
        self._dialogue()
        self._cues()
        self._voices()
        self._remarks()
        new.characters = cast.characters if cast is not None else old.characters
        new.clock, new.mix_language, new.model = old.clock, old.mix_language, old.model
        # So that describing goes on with what is open, in place of writing all drafts again.
        record = new.described
        assert record is not None
        record = record.changed(cast=cast.identity if cast is not None else None)
        if record.names == "known":
            people = Introduced.of(new, cast, lines=new.dialogue, language=new.bound_film().language)
            record = record.changed(introduced=people.identity)
        new.begin_description(record)

    def report(self, exported: Exported) -> Conformed:
        """What came of it, with the lines that were left out in a file of their own."""
        new, changes = self._new, self._changes
        notes = [*changes.in_words(), *self._notes]
        if self._left_out:
            path = new.folder / LEFT_OUT
            [writer] = find_writers(["csv"])
            writer.write(replace(self._old.script(), cues=tuple(self._left_out)), path)
            notes.append(left_out_note([cue.span.start_ms for cue in self._left_out], str(path)))
        open_places = sum(not place.done for place in new.plans)
        if open_places:
            notes.append(
                f"{counted(open_places, 'place')} of the other release without words: `calvin describe {new.folder}` "
                "or a person fills them."
            )
        return Conformed(
            new.folder, changes, len(self._ids), tuple(self._left_out), open_places, exported, (*notes, *exported.notes)
        )

    def _dialogue(self) -> None:
        """The lines that the first project knows in words, where the other release came without subtitles."""
        old, new, described = self._old, self._new, self._new.described
        if described is None or described.subtitles is not None or not any(line.text for line in old.dialogue):
            return
        lines = []
        for line in old.dialogue:
            span = self._changes.carried(line.span, line.span.middle_ms)
            if span is not None and span.duration_ms:
                lines.append(DialogueLine(span, line.text, line.speaker))
        new.set_dialogue(lines)
        new.set_plan(plan_cues(new.bound_film().duration_ms, new.shots, lines, self._settings))
        self._notes.append("The other release came without subtitles: the dialogue of the first one was moved to it.")

    def _cues(self) -> None:
        old, new = self._old, self._new
        places, decided = old.places_of_cues(), {one.cue_id: one for one in old.decisions if one.cue_id}
        offered = old.scored_candidates()
        carried = []
        for cue in old.script().cues:
            moved = self._moved(cue)
            if moved is None:
                self._left_out.append(cue)
            else:
                carried.append((cue, moved))
        self._make_room([moved for _, moved in carried])
        for cue, moved in carried:
            place, decision = places.get(cue.id), decided.get(cue.id)
            number = None
            if place is not None:
                room = self._changes.carried(place.span, place.span.start_ms) or moved.span
                why = decision or Decision(Choice.HUMAN, "A person described it.")
                number = new.add_place(Place(room, moved.visual, moved.event_ms), why)
            texts = offered.get(cue.id, [])
            scores = [score for _, score in texts if score is not None]
            made = new.add_cue(moved, number, [text for text, _ in texts], scores if len(scores) == len(texts) else ())
            self._ids[cue.id] = made.id

    def _make_room(self, cues: list[Cue]) -> None:
        """No place of the new plan is left open that a moved cue takes, and no writing is read out twice."""
        new = self._new
        for draft in new.cues:
            if any(2 * draft.visual.overlap_ms(cue.visual) > draft.visual.duration_ms for cue in cues if _reads(cue)):
                new.delete_cue(draft.id, draft.author)
        standing = {place.id for place in new.places_of_cues().values()}
        pictures = [cue for cue in cues if not _reads(cue)]
        new.drop_places(
            place.id for place in new.plans if place.id not in standing and (place.done or place.taken(pictures))
        )

    def _moved(self, cue: Cue) -> Cue | None:
        """A cue in the other release; None where what it is about is not there."""
        event_ms = cue.event_ms
        piece = self._changes.piece_at(event_ms)
        if piece is None:
            event_ms = cue.visual.middle_ms
            piece = self._changes.piece_at(event_ms)
        if piece is None:
            return None
        visual = self._changes.carried(cue.visual, event_ms)
        assert visual is not None
        beside = self._changes.piece_at(cue.span.start_ms)
        start_ms = piece.carried(cue.span.start_ms)
        if beside is not None and beside is not piece:
            there = beside.carried(cue.span.start_ms)
            if 0 <= there - piece.carried(event_ms) <= _FAR_MS:
                start_ms = there
        start_ms = min(max(start_ms, 0), self._changes.new_ms)
        end_ms = min(start_ms + round_half_up(cue.span.duration_ms * piece.rate), self._changes.new_ms)
        return replace(cue, span=Span(start_ms, end_ms), visual=visual, event_ms=piece.carried(event_ms))

    def _voices(self) -> None:
        """What a voice or a person has said already."""
        old, new = self._old, self._new
        if old.voice is not None:
            kept = {self._ids[number]: said for number, said in old.voice.cues.items() if number in self._ids}
            lost = {number for number, said in kept.items() if not _copied(said.file, old.folder, new.folder)}
            new.voice = VoiceRecord.load(
                {**old.voice.model_dump(), "cues": {n: said.model_dump() for n, said in kept.items() if n not in lost}},
                "voice",
            )
        _copied(LIST, old.folder, new.folder)
        for number, recording in old.recordings.items():
            names = [f"{RECORDED_FOLDER}/{name}" for name in (recording.file, recording.original)]
            if number in self._ids and all(_copied(name, old.folder, new.folder) for name in names):
                new.keep_recording(self._ids[number], recording)

    def _remarks(self) -> None:
        for comment in self._old.comments:
            if comment.cue_id in self._ids:
                kept = self._new.add_comment(self._ids[comment.cue_id], comment.text)
                if comment.done:
                    self._new.close_comment(kept.id)


def _reads(cue: Cue) -> bool:
    """Whether a cue reads out what stands on the screen."""
    return cue.kind is not CueKind.PICTURE


def _copied(name: str, old: Path, new: Path) -> bool:
    """Whether a file of one project is in another now, by the same name."""
    source, target = old / name, new / name
    if not source.is_file() or source.is_symlink() or not source.resolve().is_relative_to(old.resolve()):
        return False
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as partial:
            shutil.copyfile(source, partial)
    return True
