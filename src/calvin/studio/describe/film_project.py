"""A film made ready to be described: decoded once, its frames encoded in the same pass, its cues planned."""

from __future__ import annotations

import math
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from calvin.captioners.adapted import AdaptedCalvin
from calvin.captioners.answers import count_cleanings, is_sound
from calvin.captioners.base import CaptionAnswer, Captioner, FeatureCaptioner, RemoteCaptioner
from calvin.captioners.calvin import Calvin
from calvin.captioners.naming import count_held
from calvin.core.errors import CalvinError, FeatureError, MediaError, UsageError
from calvin.core.files import remove_leftovers
from calvin.core.progress import Listener, Progress
from calvin.core.time import Span
from calvin.core.types import FPS, Author, CueKind, Place, Scene
from calvin.data import FeatureStore
from calvin.encode.vectors import VectorMaker, write_film
from calvin.media.film.decode import LARGE, DecodedFilm, DecodeSettings, decode_film, sounds_in
from calvin.media.film.frames import FrameStore
from calvin.media.film.ocr import READ_SIZE
from calvin.media.film.source import FilmFacts, choose_audio, probe
from calvin.media.gaps import PlanSettings, plan_cues
from calvin.media.languages import language_name, short_code
from calvin.media.sound.film_sound import is_silent
from calvin.media.sound.speech import Heard, listen_once
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.introduced import Introduced
from calvin.studio.cast.portraits import check_within
from calvin.studio.describe.dialogue import (
    LISTEN,
    Dialogue,
    find_dialogue,
    given_dialogue,
    passed_over,
    spoken_lines,
)
from calvin.studio.describe.questions import MOST_STILLS, Sight, large_size, sight_of
from calvin.studio.describe.screen_cues import add_screen_cues, can_go_on, check_can_read, read_film, screen_notes
from calvin.studio.describe.skeleton import (
    Nobody,
    empty_note,
    foreign_note,
    is_foreign,
    known_after_all,
    known_films,
    skeleton_notes,
)
from calvin.studio.project.contents import Choice, Decision, DecodeRecord, FilmRow, kept_facts
from calvin.studio.project.describe_settings import DescribeRecord, DescribeSources
from calvin.studio.project.status import VOICE_FOLDER
from calvin.studio.project.store import MAX_TEXT, ProjectStore
from calvin.studio.project.timing import EstimatedLength, MeasuredLength, SpokenLength
from calvin.studio.script.script_files import written_files

NOTICE_FRAMES = 500
NO_WORDS = "The model gave no words"
"""How the reason begins for a place that is silent because of its model, and is asked about again."""
DECODING_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class FilmJob:
    """A film to describe; `out_dir` None: `<film stem>.calvin` in the current folder.

    `subtitles` None: those beside the film, else in it; `LISTEN`: none. With `again`, the dialogue that the project
    knows is used again unless subtitles are given. `shift_ms` moves the subtitles and `stretch` takes their times times
    a factor (None: as the project did), and `encoding` is that of their file (None: found out). Drafts of another model
    are only written over with `replace`. The project's folder is `nested` in `out_dir` where there are several films
    (None: where a call has several jobs). `unasked`: nobody named a model, now or before, so that a film unlike those
    that the bundled one knows is left without words. `took_for_foreign`: a first look took it for such a film, and said
    so.
    """

    film: Path
    subtitles: Path | None = None
    out_dir: Path | None = None
    again: bool = False
    shift_ms: int | None = None
    stretch: str | None = None
    encoding: str | None = None
    replace: bool = True
    nested: bool | None = None
    unasked: bool = False
    took_for_foreign: bool = False


@dataclass(eq=False)
class FilmProject:
    """A film and its project while it is being described; `notes` are sentences for its describer."""

    store: ProjectStore
    film: FilmRow
    frames: FrameStore
    features: FeatureStore | None
    max_frames: int
    notes: list[str] = field(default_factory=list)
    settings: PlanSettings = field(default_factory=PlanSettings)
    spoken: SpokenLength = field(default_factory=EstimatedLength)
    author: Author = Author.MODEL
    present: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Names of those in the scene of a place, by the place's id."""
    denied: dict[int, frozenset[str]] = field(default_factory=dict)
    """Names of those of the cast who are surely not there."""
    looks: Mapping[str, str] = field(default_factory=dict)
    """How people of the cast look, for a captioner that reads it."""
    worn: Mapping[str, str] = field(default_factory=dict)
    """The same, to check what any captioner says."""
    introduced: Introduced | None = None
    """Who may be named where; None: anybody, anywhere."""
    skeleton: bool = False
    """Whether its places are left without words."""
    sight: Sight | None = None  # the stills that the captioner is shown; None: the small ones

    def scene(self, place: Place) -> Scene:
        """What a place's cue is about: frame vectors where there are any, and a way to the stills."""
        embeds = self.features.scene(self.film.sha256, place.visual, self.max_frames) if self.features else None
        return Scene(
            id=str(place.id),
            film_id=self.film.sha256,
            span=place.visual,
            image_embeds=embeds,
            frames=lambda: (self.sight or Sight(self.frames)).between(place.visual, self.max_frames),
        )

    @property
    def lengths(self) -> SpokenLength:
        """How long words take to say: as the project's voice measured, where it has said them."""
        voice = self.store.voice
        known = {record.text: record.ms for record in voice.cues.values()} if voice else {}
        recorded = {one.text: one.ms for one in self.store.recordings.values()}
        return MeasuredLength(known | recorded, self.spoken)

    def context(self, place: Place, count: int) -> tuple[str, ...]:
        """The last `count` cues before a place's, oldest first, whoever wrote them.

        A model sees its best words, also where others were said for want of time: so each caption is the same whenever
        the film is placed.
        """
        cues = self.store.cues_before(place.span.start_ms, count)
        offered = self.store.scored_candidates([cue.id for cue in cues])
        return tuple(cue.text if cue.settled or not offered[cue.id] else offered[cue.id][0][0] for cue in cues)

    def keep(self, place: Place, answer: CaptionAnswer) -> None:
        """Store what was answered for a place, to be placed in the film: from here on it is not lost."""
        offered = [(text, score) for text, score in answer.scored if len(text) <= MAX_TEXT and is_sound(text, None)]
        text, decision = offered[0][0] if offered else "", Decision(Choice.OPEN, "Captioned, but not placed yet.")
        if not offered:
            why = f"{NO_WORDS}: {answer.trouble}." if answer.trouble else "The model found no words."
            if len(answer.text) > MAX_TEXT:
                why = f"The model's answer has {len(answer.text):,} characters, and a cue has {MAX_TEXT:,} at most."
            decision = Decision(Choice.SILENT, why)
        start_ms = place.span.start_ms
        span = Span(start_ms, min(place.span.end_ms, start_ms + self.spoken.ms(text)))
        texts, scores = [text for text, _ in offered], [score for _, score in offered]
        with self.store.together():
            self.store.finish_plan(place, text, span, texts, decision, self.author, scores if answer.scores else ())
            if answer.parsed is False:
                self.store.unparsed += 1
            if answer.held:
                self.store.held = count_held(answer.held, self.store.held)
            if answer.cleaned:
                self.store.cleaned = count_cleanings([answer.cleaned], self.store.cleaned)


@contextmanager
def open_film_project(
    job: FilmJob,
    folder: Path,
    captioner: Captioner,
    record: DescribeRecord,
    listener: Listener,
    spoken: SpokenLength,
    sources: DescribeSources | None = None,
    cast: Cast | None = None,
) -> Iterator[FilmProject]:
    """The project of a film, ready for captions.

    What an earlier run left is used again: the frames and features of the film, and the cues, if the `record` is the
    same; its language (by default the project's, else English) and subtitles are filled in here. A folder that was made
    for a film that then cannot be used is removed. `sources` are kept with the drafts; a `cast` that cannot be this
    film's costs none of them.

    Raises:
        MediaError: the film or the subtitles cannot be used.
        UsageError: the cast has a portrait from after the film's end, or it would replace another model's drafts, and
            nobody asked for that.
        StoreError: the folder holds another film or cannot be used.
    """
    facts = probe(job.film)
    if cast is not None and facts.duration_ms:
        check_within(cast.portraits, facts.duration_ms)
    listens = job.subtitles == LISTEN
    given = given_dialogue(job.subtitles, facts, job.encoding) if job.subtitles and not listens else None
    ours = not folder.exists()
    with ExitStack() as stack:
        store = stack.enter_context(ProjectStore(folder, create=True))
        ours = ours and store.film is None  # else another process made it meanwhile
        try:
            remove_leftovers(folder, folder / "frames", folder / "frames" / LARGE, folder / VOICE_FOLDER)
            title, path = _plain(job.film.stem), _plain(str(job.film.resolve()))
            film = FilmRow(title, path, facts.sha256, facts.duration_ms, kept_facts(facts))
            store.bind_film(film)
            if not job.replace:
                _keep_drafts(store, record, captioner.info.name)
            if record.screen_text:
                check_can_read(store)
            project = _decoded(facts, store, film, captioner, listener, record)
            project.sight = sight_of(store, facts, project.frames, captioner, record.prompt, listener)
            if record.screen_text:
                read_film(store, listener)
            project.settings, project.spoken = record.plan, spoken
            if project.features is not None:
                stack.enter_context(project.features)
            if "adapter" in captioner.info.details:
                project.author = Author.ADAPTER
            # A run that was stopped before it planned remembers no dialogue yet.
            if given is None and not (listens or (job.again and store.described is not None)):
                given = find_dialogue(facts, record.audio_language, written_files(store), job.encoding)
            kept = store.described if job.again and given is None and not listens else None
            shift_ms = (kept.subtitle_shift_ms if kept else 0) if job.shift_ms is None else job.shift_ms
            stretch = (kept.subtitle_stretch if kept else "") if job.stretch is None else job.stretch
            source = given.identity if given else kept.subtitles if kept else None
            project.film = replace(project.film, language=record.language or project.film.language)
            record = record.changed(language=project.film.language).retimed_subtitles(source, shift_ms, stretch)
            project.notes += given.notes if given else [] if kept else passed_over(facts)
            _plan(project, given, record, kept, captioner.info.name, cast)
            if sources is not None:
                store.sources = sources
            _notice(project, captioner, job)
        except (CalvinError, OSError, sqlite3.Error):
            stack.close()
            if ours:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        yield project


def _keep_drafts(store: ProjectStore, record: DescribeRecord, name: str) -> None:
    """Refuse to write over what another model drafted."""
    drafts = sum(not cue.settled for cue in store.cues)
    if drafts and store.described is not None and store.described.model != record.model:
        by = store.model.get("name", "another model")
        by = f"another state of {by}" if by == name else by
        raise UsageError(
            f"The {drafts} drafts of {store.folder} are by {by}, and {name} would write others in their place: name "
            "the model that you want with --model, or agree by --yes."
        )


def _decoded(
    facts: FilmFacts,
    store: ProjectStore,
    film: FilmRow,
    captioner: Captioner,
    listener: Listener,
    record: DescribeRecord,
) -> FilmProject:
    """Frames, shots and features: those of an earlier run, or new ones from one pass over the film."""
    encodes = captioner if isinstance(captioner, FeatureCaptioner) and "features" in captioner.needs else None
    max_frames, audio = encodes.max_frames if encodes else MOST_STILLS, record.audio_language
    project = _kept(store, film, encodes, max_frames, audio) if not record.screen_text or can_go_on(store) else None
    if project is not None:
        return project
    if isinstance(captioner, RemoteCaptioner):
        captioner.ready(listener)
    maker = VectorMaker.of(encodes) if encodes else None
    readable, large = READ_SIZE if record.screen_text else None, large_size(facts, captioner, record.prompt)
    decoded = decode_film(
        facts.path,
        store.folder / "frames",
        DecodeSettings(language=audio, readable_size=readable, large_size=large),
        on_batch=(lambda batch: maker.extend(batch.pictures)) if maker else None,
        listener=_kept_in(store, listener),
        facts=facts,
    )
    features = None
    if encodes and maker:
        target = _features_path(store, encodes)
        write_film(maker, target, film.sha256, encodes.encoder, FPS)
        features = FeatureStore.open(target, expect_encoder=encodes.encoder)
    with store.together():
        store.bind_film(replace(film, duration_ms=decoded.duration_ms))
        store.set_shots(decoded.shots)
        store.begin_readings(decoded.readable)
        notes = [*decoded.report.notes, *_track_notes(decoded, audio)]
        store.decoding = None
        store.decoded = DecodeRecord(duration_ms=decoded.duration_ms, notes=tuple(notes), audio_language=audio)
    film = store.film or film
    return FilmProject(store, film, decoded.frames, features, max_frames, notes)


def _track_notes(decoded: DecodedFilm, language: str | None) -> list[str]:
    """What to say where the film has no sound track in the language asked for, or its sound lies in several."""
    tracks, notes = decoded.facts.audio_streams, []
    if decoded.sound is None or is_silent(decoded.sound):
        what = "nothing that can be decoded on its sound track" if tracks else "no sound track that can be decoded"
        notes.append(f"The film has {what}, so nobody is heard: only subtitles can tell where people speak.")
    if language and tracks and all(short_code(track.language or "") != short_code(language) for track in tracks):
        notes.append(f"The film has no sound track in {language_name(language)}: another was listened to.")
    if decoded.other_sounds and decoded.sound:
        chosen = choose_audio(tracks, language)
        sounds = {chosen.index: decoded.sound} | dict(decoded.other_sounds) if chosen else decoded.other_sounds
        numbers = {track.index: number for number, track in enumerate(tracks, 1)}
        spoken = [str(numbers[index]) for index in sorted(sounds) if listen_once(sounds[index]).spans]
        where = f"on track{'s' * (len(spoken) > 1)} {', '.join(spoken)}" if spoken else "on none of them"
        taken = numbers[chosen.index] if chosen else 1
        notes.append(
            f"The film's sound lies in {len(sounds)} tracks of one channel each: people speak {where}. Gaps are those "
            f"of all together, but `calvin mix` mixes with track {taken} alone."
        )
    return notes


def _kept_in(store: ProjectStore, listener: Listener) -> Listener:
    """A listener that also keeps how far decoding is, now and then, for `calvin status`."""
    said = -math.inf

    def keep(event: Progress) -> None:
        nonlocal said
        if time.monotonic() - said > DECODING_EVERY_S:
            store.decoding, said = (round(event.done), round(event.total or 0)), time.monotonic()
        listener(event)

    return keep


def _kept(
    store: ProjectStore, film: FilmRow, encodes: FeatureCaptioner | None, max_frames: int, audio: str | None
) -> FilmProject | None:
    """What an earlier run decoded, where it is whole, by the same encoder and of the same sound track."""
    decoded = store.decoded
    if decoded is None or decoded.audio_language != audio:
        return None
    features = None
    try:
        frames = FrameStore.open(store.folder / "frames")
        if encodes:
            features = FeatureStore.open(_features_path(store, encodes), expect_encoder=encodes.encoder)
            if features.frames(film.sha256) != len(frames):
                raise FeatureError("The features are of another decode.")
    except (MediaError, FeatureError):
        if features is not None:
            features.close()
        return None
    store.bind_film(replace(film, duration_ms=decoded.duration_ms))
    return FilmProject(store, store.film or film, frames, features, max_frames, list(decoded.notes))


def _features_path(store: ProjectStore, captioner: FeatureCaptioner) -> Path:
    return store.folder / f"features-{captioner.encoder.hash[:12] or 'unnamed'}.safetensors"


def _plan(
    project: FilmProject, given: Dialogue | None, record: DescribeRecord, kept: DescribeRecord | None, name: str,
    cast: Cast | None,
) -> None:  # fmt: skip
    """Plan the cues anew, unless the same record was planned before: then go on with what is open.

    So they are planned anew once a person's cues introduce somebody, as far as there are drafts to write again.
    Subtitles are compared with what is heard each time, so that nobody goes on with wrong ones unaware.
    """
    store = project.store
    duration_ms = project.film.duration_ms
    before = store.described
    record = record.changed(introduced=before.introduced if before and record.names == "known" else "")
    listens = record.subtitles is not None or (kept is None and before != record)
    heard = listen_once(*sounds_in(store.folder / "frames")) if listens else Heard()
    spoken, notes = list(store.dialogue), list[str]()  # what was heard before, where nothing else is asked for
    if listens or kept is not None:
        spoken, notes = spoken_lines(given, spoken, kept, record, heard, duration_ms)
    project.notes += notes
    drafts = any(not cue.settled and cue.kind is CueKind.PICTURE for cue in store.cues)
    if record.names == "known" and (before != record or drafts):
        people = Introduced.of(store, cast, lines=spoken, language=project.film.language)
        record = record.changed(introduced=people.identity)
    with store.together():
        if before != record:
            if before is not None:
                store.begin_step(f"new description by {name}")
            store.set_dialogue(spoken)
            store.set_plan(plan_cues(duration_ms, store.shots, spoken, project.settings))
            store.begin_description(record)
            if record.screen_text:
                add_screen_cues(store, record.plan, project.spoken, project.film.language)
        else:
            store.reopen_plans(NO_WORDS)
        store.set_language(project.film.language)
    if record.screen_text:
        project.notes += screen_notes(store)
    if record.subtitles is None and store.dialogue:
        project.notes.append("Without subtitles, dialogue was found by listening: check that no cue talks over it.")


def _notice(project: FilmProject, captioner: Captioner, job: FilmJob) -> None:
    if isinstance(captioner, Nobody):
        project.skeleton = True
        project.notes.insert(0, empty_note(project.store.folder, Path(project.film.path).stem))
        return
    if project.features is None or not isinstance(captioner, FeatureCaptioner):
        return
    if isinstance(captioner, AdaptedCalvin) and captioner.film[1] not in ("", project.film.sha256):
        title = captioner.film[0] or "another film"
        project.notes.append(
            f"The adapter {captioner.adapter} was made for {title}: its names may come into this film."
        )
    foreign = is_foreign(captioner, project.frames)
    project.skeleton = foreign and job.unasked
    if project.film.language != "en" and not project.skeleton:
        name = language_name(project.film.language)
        project.notes.append(f"CALVIN models answer in English, and the project is in {name}: translate and import it.")
    known = known_films(captioner)
    if project.skeleton:
        project.notes[:0] = skeleton_notes(known, project.store.folder, Path(project.film.path).stem)
    elif foreign:
        project.notes.insert(0, foreign_note(captioner.info.name, known))
    elif job.took_for_foreign:
        project.notes.insert(0, known_after_all(known))
    if foreign:
        return
    if isinstance(captioner, Calvin) and captioner.drawing is not None:
        return
    notice = captioner.notice(project.features.scene(project.film.sha256, None, NOTICE_FRAMES))
    if notice is not None:
        project.notes.insert(0, notice.message)


def _plain(text: str) -> str:
    """A file name as text that can be stored, whatever bytes it is made of."""
    return text.encode("utf-8", "replace").decode("utf-8")
