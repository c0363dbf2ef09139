"""The spoken cues of a project mixed into its film: a film with a second sound track, or that track by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import av.error
import numpy as np

from calvin.core.errors import MediaError, StoreError, UsageError
from calvin.core.files import atomic_folder, atomic_path, sweep, temporary_folder
from calvin.core.progress import Listener, Stage, now_and_then, silent
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.core.types import Script
from calvin.media.film.source import AudioStream, FilmFacts, choose_audio, probe
from calvin.media.languages import language_name, long_code
from calvin.media.sound.containers import CONTAINERS, FLAGLESS, Fate
from calvin.media.sound.ducking import (
    MixSettings,
    PlacedVoice,
    check_voices,
    film_and_voice,
    mixed,
    write_mix,
)
from calvin.media.sound.film_check import DESCRIPTION, AddedTrack, check_film
from calvin.media.sound.film_sound import MIX_RATE, Timeline, programme_blocks, with_pauses
from calvin.media.sound.levels import LoudnessSpec, Reading, loudness_spec
from calvin.media.sound.loudness import Metered
from calvin.media.sound.mux import Disposition, check_container, mux_film, not_written
from calvin.media.sound.stems import Parts
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.origin import Origin, origin_of
from calvin.studio.project.status import SpokenCue, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.open_places import unwritten
from calvin.studio.script.script_files import make_way
from calvin.studio.script.text_formats import SrtWriter, VttWriter
from calvin.studio.script.writers import Provenance, cue_names
from calvin.studio.sound.balance import (
    Balance,
    balance_notes,
    balanced,
    beside_film,
    figures,
    hear_film,
    listened,
)
from calvin.studio.sound.cue_files import voice_settings
from calvin.studio.sound.delivery import DeliveryWork, check_delivery, is_delivery, programme_start_ms
from calvin.studio.sound.placing import Placement, place_voices
from calvin.studio.sound.recorded_cues import recording_notes

SOUND_CODECS = {".wav": "pcm_s16le", ".m4a": "aac", ".mka": "aac"}
_SPARE_BYTES = 50_000_000


@dataclass
class MixReport:
    """What was written: the output first; `cues` are in it, `recorded` of them by a person, `left_out` are not; `notes`
    are sentences for the user, and `placed` is which cue went where.

    `figures` are the levels of the `film` (its own track as it is), the `voice` and the `mix`, as a meter reads them;
    `beside_lu` is by how many LU the mix is louder than the film's own track, brought to the same delivery.
    """

    files: list[Path]
    cues: int
    pauses: int
    peak_db: float
    left_out: int = 0
    notes: list[str] = field(default_factory=list)
    recorded: int = 0
    placed: Placement = field(default_factory=Placement, repr=False)
    figures: dict[str, Reading] = field(default_factory=dict)
    beside_lu: float | None = None
    spec: str = ""

    def levels_in_words(self) -> list[str]:
        """'film: -28.1 LUFS, ...', a line each for film, voice and mix, and how the mix compares with the film."""
        lines = [f"{name}: {reading.in_words}" for name, reading in self.figures.items()]
        if self.beside_lu is not None:
            at = f" at {self.spec}" if self.spec else ""
            lines.append(f"mix against the film's own track{at}: {self.beside_lu:+.1f} LU")
        return lines

    def in_words(self, extended: bool) -> str:
        """'14 cues, true peak -3.1 dB; checked: every cue is heard'; with the pauses of the `extended` version."""
        own = f", {self.recorded} of them recorded by a person" if self.recorded else ""
        pauses = f", {counted(self.pauses, 'pause')}" if extended else ""
        checked = "checked: every cue is heard" if self.cues else "no description is in it, only the film's own sound"
        return f"{counted(self.cues, 'cue')}{own}{pauses}, true peak {self.peak_db:.1f} dB; {checked}"


def mix_project(
    folder: str | Path,
    output: str | Path,
    settings: MixSettings | None = None,
    extended: bool = False,
    language: str | None = None,
    film: str | Path | None = None,
    listener: Listener = silent,
    spec: str | None = None,
    with_text: bool = False,
) -> MixReport:
    """Mix what `voice_project` spoke into the project's film, and check the result before it is kept.

    Args:
        output: a film (.mkv, .mp4, .mov, .webm) with the description as its second sound track, or that track alone
            (.wav, .m4a, .mka); without a suffix, a folder for a studio: the track, its stems, each cue and the figures.
        extended: the film pauses where a cue needs more time than there is.
        language: which of the film's sound tracks to mix with; by default the one described, else the film's choice.
        film: where the film is now, if it was moved.
        spec: the delivery whose loudness and peaks the described track is to have, of `SPECS`; by default it is as loud
            as the film's own.
        with_text: the words become a text track too, marked as text descriptions; .mkv alone holds that mark.

    Raises:
        CalvinError: the project is not ready, the film is another one, or the output cannot be written or fails its
            check; then nothing is left behind.
    """
    settings, asked = settings or MixSettings(), loudness_spec(spec)
    target = Path(output)
    suffix = target.suffix.lower()
    if is_delivery(target):
        check_delivery(target)
    elif suffix not in CONTAINERS.keys() | SOUND_CODECS.keys():
        known = ", ".join(sorted(CONTAINERS.keys() | SOUND_CODECS.keys()))
        raise UsageError(
            f"A mix cannot be written as {target.name}: give it one of the suffixes {known}, or name a folder, without "
            "a dot, for a mix with its stems."
        )
    if with_text and suffix != ".mkv":
        raise UsageError(f"{target} cannot mark a text track as description: name an .mkv file.")
    with ProjectStore(folder, or_look=True) as store:
        spoken, empty, old = _ready(store, folder), unwritten(store), recording_notes(store)
        row = store.bound_film()
        facts = _facts(row, film)
        if target.exists() and target.samefile(facts.path):
            raise UsageError(f"{target} is the film itself: name another file.")
        language = language or (store.described.audio_language if store.described else None)
        dialogue = [line.span for line in store.dialogue]
        placed = place_voices(spoken, dialogue, row.duration_ms, extended)
        track = choose_audio(facts.audio_streams, language)
        begins_ms = programme_start_ms(store) if is_delivery(target) else 0
        origin = origin_of(store, [one.cue for one in placed.spoken], placed.spoken)
        job = _Job(target, facts, row, settings, placed, track, listener, language or "", begins_ms, origin)
        job.with_text = with_text
        job.holds()
        job.enough_room()
        job.bring_into_balance(store, dialogue, asked)
        with _written(target):
            report = _with_times(job, store) if extended else job.run()
    report.recorded = sum(one.recorded for one in placed.spoken)
    report.notes += [*([empty] if empty else []), *old]
    report.notes += _notes(placed, facts, language, job.track)
    return report


def mix_stamp(path: Path) -> tuple[int, int]:
    """What tells a file from another of its name: to read whole films for it would take too long."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def remember_mix(store: ProjectStore, path: Path) -> None:
    """Keep that a file was mixed from this project, and may be replaced by another mix of it."""
    store.mixed = {**store.mixed, str(path.resolve()): mix_stamp(path)}


def _with_times(job: _Job, store: ProjectStore) -> MixReport:
    """The version that pauses, and beside it the script in its times: both whole, or neither."""
    cues = tuple(
        replace(one.cue, span=Span(voice.start_ms, voice.end_ms), extended=False)
        for one, voice in zip(job.placed.spoken, job.placed.voices, strict=True)
    )
    writer = VttWriter()
    path = job.target.with_name(f"{job.target.stem}.descriptions{writer.suffix}")
    data = writer.content(replace(store.script(), cues=cues), Provenance(origin=origin_of(store, cues)))
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        report = job.run()
        report.notes += make_way(store, path, data)
    report.files.append(path)
    return report


def _ready(store: ProjectStore, folder: str | Path) -> list[SpokenCue]:
    """What can be heard already; nothing of a skeleton without words, whose mix shows what the film will become."""
    spoken, missing = spoken_cues(store)
    if missing or not (spoken or unwritten(store)):
        what = f"{len(missing)} cues are not spoken as they now read" if missing else "There are no spoken cues"
        raise UsageError(f"{what}: run `calvin voice {folder}` first.")
    return spoken


def _facts(row: FilmRow, moved: str | Path | None) -> FilmFacts:
    path = Path(moved or row.path)
    if not path.exists():
        raise StoreError(f"The film is no longer at {path}: say where it is with --film.")
    facts = probe(path)
    if facts.sha256 != row.sha256:
        raise StoreError(f"{path} is not the film that was described (its content changed): describe it anew.")
    return facts


@contextmanager
def _written(target: Path) -> Iterator[None]:
    """What goes wrong in writing becomes one sentence for the user."""
    try:
        yield
    except OSError as error:  # FFmpeg's errors too, where the system was the cause
        raise not_written(error, target) from error
    except av.error.FFmpegError as error:
        raise MediaError(f"{target} cannot be written ({error.strerror}): name an .mkv file.") from error


@dataclass
class _Job:
    target: Path
    facts: FilmFacts
    row: FilmRow
    settings: MixSettings
    placed: Placement
    track: AudioStream | None
    listener: Listener
    spoken: str = ""
    begins_ms: int = 0
    origin: Origin = field(default_factory=Origin)
    kept: list[Fate] = field(default_factory=list)
    balance: Balance | None = None
    with_text: bool = False

    def holds(self) -> None:
        """Refuse before the work what the container cannot hold."""
        if self.target.suffix.lower() in CONTAINERS:
            paused = [stream.index for stream in self.facts.audio_streams] if self.placed.pauses else []
            self.kept = check_container(
                self.facts.path, self.target, self._codec, self.settings.layout, self._language, paused
            )

    def enough_room(self) -> None:
        """Refuse early what the disk cannot hold: the film again, and its sound once more or twice."""
        rates = {".wav": 200_000, "": 4 * 3 * MIX_RATE * (6 if self.settings.layout == "5.1" else 2)}
        needed = round(self._seconds * rates.get("" if is_delivery(self.target) else self.target.suffix, 60_000))
        if self.target.suffix.lower() in CONTAINERS:
            needed += self.facts.size
        folder = self.target.resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)  # what a killed mix left takes room
        free = shutil.disk_usage(folder).free
        if free < needed + _SPARE_BYTES:
            raise MediaError(
                f"The disk of {folder} has {free / 1e9:.1f} GB free, and the mix needs about {needed / 1e9:.1f} GB: "
                "free some space or name a place elsewhere."
            )

    def bring_into_balance(self, store: ProjectStore, speech: Sequence[Span], spec: LoudnessSpec | None) -> None:
        """Choose the levels of voice and film by how loud the film is, which is measured once."""
        layout = self._layout(self.track, described=True)

        def listen() -> Metered:
            assert self.track is not None
            return hear_film(self.facts.path, self.track, layout, self.row.duration_ms, self.listener)

        film = listened(store, self.facts.sha256, self.track, layout, listen)
        self.balance = balanced(self.placed, film, speech, self.settings, voice_settings(store.voice).lufs, spec)
        self.placed, self.settings = self.balance.placed, self.balance.settings

    def run(self) -> MixReport:
        if is_delivery(self.target):
            with atomic_folder(self.target) as folder:
                return self._delivery(folder)
        with atomic_path(self.target) as temporary:
            alone = self.target.suffix.lower() in SOUND_CODECS
            return self._sound_alone(temporary) if alone else self._film(temporary)

    def _sound_alone(self, temporary: Path) -> MixReport:
        codec = SOUND_CODECS[self.target.suffix.lower()]
        read = self._encode(temporary, codec, self.track, self.placed.voices, "mix")
        drowned = check_voices(temporary, 0, self.placed.voices)
        return self._report(read, drowned, [])

    def _delivery(self, folder: Path) -> MixReport:
        assert self.balance is not None
        stage = Stage("mix", self.listener, self._seconds, "s")
        settings = self.settings.changed(layout=self._layout(self.track, described=True))

        def make() -> Parts:
            return film_and_voice(self._programme(self.track, settings.layout), self.placed.voices, settings)

        work = DeliveryWork(folder, self.facts.path.stem, self.begins_ms, settings, make, self.origin)
        read, self.balance = work.write(self.balance, now_and_then(stage.update))
        stage.update(self._seconds)
        return self._report(read, check_voices(work.mix, 0, self.placed.voices), [])

    def _film(self, temporary: Path) -> MixReport:
        suffix = self.target.suffix.lower()
        codec, timeline = self._codec, Timeline(self.placed.pauses)
        with temporary_folder(self.target.resolve().parent) as folder:
            sound = folder / "description.mka"
            read = self._encode(sound, codec, self.track, self.placed.voices, "mix")
            mark = self.origin.mark(in_film=True)
            description = AddedTrack(sound, self._language, self._title, DESCRIPTION, mark)
            stage = Stage("write film", self.listener, self.row.duration_ms / 1000, "s")
            muxed = mux_film(
                self.facts.path,
                temporary,
                description,
                self.kept,
                timeline,
                self._with_silence(folder, codec),
                now_and_then(stage.update),
                spoken=self.spoken,
                text=self._text_track(folder / "description.srt") if self.with_text else None,
            )
            stage.update(self.row.duration_ms / 1000)
        checked = check_film(temporary, muxed, description, self.target)
        drowned = check_voices(temporary, checked.index, self.placed.voices, checked.later_ms)
        notes = [*muxed.notes, *([FLAGLESS[suffix]] if suffix in FLAGLESS else [])]
        if checked.timecode:
            notes.append(f"The time code {checked.timecode} was left out: FFmpeg could not write it.")
        return self._report(read, drowned, notes)

    def _text_track(self, path: Path) -> AddedTrack:
        """What is said, at the times at which it is said, as subtitles that every player of .mkv reads."""
        said = tuple(
            replace(one.cue, span=Span(voice.start_ms, voice.end_ms))
            for one, voice in zip(self.placed.spoken, self.placed.voices, strict=True)
        )
        SrtWriter().write(Script(self._title, said), path)
        return AddedTrack(path, self._language, self._title, Disposition.descriptions)

    def _with_silence(self, folder: Path, codec: str) -> dict[int, AddedTrack]:
        """The film's own sound tracks with silence where it pauses; none where it does not."""
        tracks = self.facts.audio_streams if self.placed.pauses else ()
        replaced = {}
        for number, stream in enumerate(tracks):
            path = folder / f"{stream.index}.mka"
            self._encode(path, codec, stream, (), f"sound track {number + 1}")
            flags = Disposition.default | Disposition.original if number == 0 else Disposition(0)
            flags |= DESCRIPTION if stream.aside else Disposition(0)
            replaced[stream.index] = AddedTrack(path, stream.language, stream.title, flags)
        return replaced

    def _layout(self, track: AudioStream | None, described: bool) -> Literal["stereo", "5.1"]:
        """The description has the channels asked for, a track of the film's own those it had."""
        surround = track is not None and track.channels >= 6 and (self.settings.layout == "5.1" or not described)
        return "5.1" if surround else "stereo"

    def _encode(
        self, path: Path, codec: str, track: AudioStream | None, voices: Sequence[PlacedVoice], name: str
    ) -> Metered:
        described, balance = name == "mix", self.balance
        settings = self.settings.changed(layout=self._layout(track, described))
        if not described:
            settings = settings.changed(gain_db=0.0)
        stage = Stage(name, self.listener, self._seconds, "s")
        make = partial(self._blocks, track, voices, settings)
        metadata = {"title": self._title, **({"language": self._language} if self._language else {})}
        if described and self.origin.marked:
            metadata["comment"] = self.origin.mark(in_film=True)
        judge = balance.judge if described and balance is not None else None
        written = write_mix(path, make, settings, codec, metadata, now_and_then(stage.update), judge)
        if described and balance is not None:
            balance.check(written.read)
            self.balance = balance.louder(written.louder_db)
        stage.update(self._seconds)
        return written.read

    def _blocks(
        self, track: AudioStream | None, voices: Sequence[PlacedVoice], settings: MixSettings
    ) -> Iterator[np.ndarray]:
        return mixed(self._programme(track, settings.layout), voices, settings)

    def _programme(self, track: AudioStream | None, layout: str) -> Iterator[np.ndarray]:
        index = track.index if track else None
        blocks = programme_blocks(self.facts.path, index, layout, self.row.duration_ms)
        return with_pauses(blocks, self.placed.pauses)

    @property
    def _seconds(self) -> float:
        """How long the output lasts."""
        return (self.row.duration_ms + Timeline(self.placed.pauses).total_ms) / 1000

    @property
    def _codec(self) -> str:
        """Of the sound tracks that are added to a film."""
        return "libopus" if self.target.suffix.lower() == ".webm" else "aac"

    @property
    def _language(self) -> str:
        return long_code(self.row.language)

    @property
    def _title(self) -> str:
        return f"{language_name(self.row.language)} - Audio Description"

    def _report(self, read: Metered, drowned: list[str], notes: list[str]) -> MixReport:
        if drowned:
            many = ", ".join(drowned[:8]) + (" and more" if len(drowned) > 8 else "")
            where = f"cue{'s' * (len(drowned) > 1)} {many}"
            notes.append(f"The film is louder than the voice in {where}: a stronger --duck would help.")
        placed, balance = self.placed, self.balance
        pauses, left_out = len(placed.pauses), len(placed.left_out)
        report = MixReport([self.target], len(placed.voices), pauses, read.peak_db, left_out, notes, placed=placed)
        if balance is not None:
            layout = self._layout(self.track, described=True)
            report.figures, report.beside_lu = figures(balance, read, layout), beside_film(balance, read)
            report.spec = balance.spec.name if balance.spec else ""
            notes += balance_notes(balance, read, beside=self.target.suffix.lower() in CONTAINERS)
        return report


def _notes(placed: Placement, facts: FilmFacts, language: str | None, track: AudioStream | None) -> list[str]:
    notes = []
    if track is None:
        notes.append("The film has no sound: the description stands alone in its track.")
    elif (track.language or "und") == "und":
        if not language:
            notes.append(
                "The film's sound states no language, so players may choose the description unasked: say which it is, "
                "such as --language en."
            )
    elif language and choose_audio((track,), language) and long_code(track.language or "") != long_code(language):
        notes.append(f"The film has no sound track in {language_name(language)}: another was taken.")
    if placed.left_out:
        them = "it" if len(placed.left_out) == 1 else "them"
        left_out = cue_names([one.cue.id for one in placed.left_out])
        notes.append(f"Left out, because the film would have to pause for {them}: {left_out}. Mix with --extended.")
    if placed.late:
        are = "it is" if len(placed.late) == 1 else "they are"
        late = cue_names([one.cue.id for one in placed.late])
        notes.append(f"Spoken into the next line or cue, because {are} too long: {late}.")
    return notes
