"""The cues of a project, spoken: one WAV file per cue, made again only when its words or its voice have changed.

A voice takes another time than the estimate that the cues were placed by, so drafts are placed once more by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import counted
from calvin.core.types import Cue
from calvin.media.schedule.items import Left
from calvin.media.voice.voices import Voice
from calvin.studio.project.contents import SpokenRecord, VoiceRecord
from calvin.studio.project.status import VOICE_FOLDER, SpokenCue, recorded_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import (
    SHORTEST_MS,
    WORDS_PER_MINUTE,
    EstimatedLength,
    MeasuredLength,
    SpokenLength,
    rooms,
)
from calvin.studio.script.cue_places import film_schedule, place_cues
from calvin.studio.script.open_places import unwritten
from calvin.studio.script.script_files import renew_exports
from calvin.studio.script.writers import cue_names, printable, spoken
from calvin.studio.sound.cue_files import CueFiles, VoiceChoice, VoiceSettings, voice_choice, voice_settings
from calvin.studio.sound.recorded_cues import renewed_recordings

__all__ = ["VoiceReport", "VoiceSettings", "voice_project", "voice_settings"]


@dataclass
class VoiceReport:
    """`made` cues were spoken now, `kept` are those of an earlier run, and `recorded` (by id) those that a person
    speaks: together all that are heard. `voice` is blank where none was needed.

    By what the voice takes, `reworded` got another candidate and `paused` were marked `extended`. `late` are a person's
    that take too long and stay as they are. `notes` are sentences for the describer.
    """

    voice: str
    made: int = 0
    kept: int = 0
    recorded: list[str] = field(default_factory=list)
    cues: list[SpokenCue] = field(default_factory=list)
    reworded: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    late: list[SpokenCue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def in_words(self) -> str:
        """'3 cues spoken by joe, 14 kept, and 1 cue recorded by a person'."""
        own = f"{counted(len(self.recorded), 'cue')} recorded by a person" if self.recorded else ""
        if self.voice:
            made = f"{counted(self.made, 'cue')} spoken by {self.voice}, {self.kept} kept"
            return f"{made}, and {own}" if own else made
        return f"{own}, nothing left to speak" if own else "nothing to speak yet"

    def on_lengths(self) -> list[str]:
        """Which cues the voice takes too long for, and what became of them, in sentences."""
        became = {
            "As this voice says them, other words fit the film better": self.reworded,
            "As this voice says it, no silence holds it, so the film is to pause (`extended`)": self.paused,
            "Takes longer to say than the gap lasts, but stays as a person wrote it": [s.cue.id for s in self.late],
        }
        return [f"{what}: {cue_names(ids)}." for what, ids in became.items() if ids]


def voice_project(
    folder: str | Path,
    voice: str | Path | Voice | None = None,
    settings: VoiceSettings | None = None,
    pronunciation: str | Path | None = None,
    listener: Listener = silent,
) -> VoiceReport:
    """Speak every cue of a project into its folder `voice/`, and note in the store how long each takes.

    Killed at any moment, the same call goes on. Only cues whose words, voice, pace, level or pronunciation are new are
    spoken again. What of the drafts is said, in which words and when is chosen anew for the film as a whole. What no
    silence can hold is marked as `extended`. The scripts in the project are then written anew. A skeleton without any
    words yet is no error: nothing is spoken, no voice is opened, and a note says what is missing.

    Args:
        voice: a voice, its name, or the path of a Piper model; None for the one that spoke the project in this
            language, else the best one in it.
        settings: None for those that the project was spoken with, else the usual ones.
        pronunciation: a CSV file (see `read_pronunciations`); None for the one that was used, else the project's
            `pronunciation.csv`, if any.

    Raises:
        CalvinError: the project, the voice or the list cannot be used.
    """
    with ProjectStore(folder) as store:
        script = store.script()
        empty = unwritten(store)
        if empty and next(spoken(script), None) is None:
            return VoiceReport(voice="", notes=[empty])
        choice = voice_choice(store, None if isinstance(voice, Voice) else voice, settings, pronunciation)
        given = voice if isinstance(voice, Voice) else None
        if given is not None:
            choice = choice.changed(asked=None)
        with ExitStack() as opened:
            files = CueFiles(store.folder, choice, lambda: given or opened.enter_context(choice.open()))
            report = _speak_all(store, list(spoken(script)), files, choice, listener)
        report.notes += [empty] if empty else []
        return report


def _speak_all(
    store: ProjectStore, cues: list[tuple[Cue, str]], files: CueFiles, choice: VoiceChoice, listener: Listener
) -> VoiceReport:
    report = VoiceReport("")
    stage = Stage("voice", listener, len(cues), "cues")
    report.notes += renewed_recordings(store, choice.settings.lufs)
    recorded = recorded_cues(store)

    def say(cue: Cue, text: str) -> SpokenCue | None:
        if _is_recorded(recorded, cue, text):
            return replace(recorded[cue.id], cue=cue)
        made = files.say(cue.id, text)
        return SpokenCue(cue, *made) if made else None

    by_voice = [(cue.id, text) for cue, text in cues if not _is_recorded(recorded, cue, text)]
    ahead = files.say_ahead(by_voice, stage.update)
    for number, (cue, text) in enumerate(cues, 1):
        one = say(cue, text)
        report.cues += [one] if one else []
        if number > ahead:
            stage.update(number)
    report.voice = files.name
    with store.step(f"words fitted to {files.name or 'recordings'}"):
        changed = _place(store, report, say, files)
    if changed:
        report.notes += renew_exports(store).notes
    report.recorded = [one.cue.id for one in report.cues if one.recorded]
    report.made = sum(one.path in files.new for one in report.cues)
    report.kept = len(report.cues) - report.made - len(report.recorded)
    wanted = _remember(store, report, choice)
    report.notes += renew_exports(store, leave_edited=True).notes  # a listening page plays what is spoken now
    for old in (store.folder / VOICE_FOLDER).glob("*.wav"):
        if old.name not in wanted:
            old.unlink()
    return report


def _is_recorded(recorded: Mapping[str, SpokenCue], cue: Cue, text: str) -> bool:
    """Whether a person has spoken this text for the cue."""
    return cue.id in recorded and printable(recorded[cue.id].cue.text) == text


def _place(
    store: ProjectStore, report: VoiceReport, say: Callable[[Cue, str], SpokenCue | None], files: CueFiles
) -> bool:
    """Choose for the film as a whole what is said and when, by what the voice takes; returns whether anything changed.

    Words that are chosen and were not spoken yet are spoken, and the choice is made again, until all that is chosen has
    been measured. What a person wrote or approved stays.
    """
    described = store.described
    estimate = EstimatedLength(described.words_per_minute if described else WORDS_PER_MINUTE)
    measured: dict[str, int] = {}
    for one in report.cues:  # a project of an earlier version may have the same words twice, of two lengths
        measured[one.cue.text] = max(one.duration_ms, measured.get(one.cue.text, 0))
    cues = {cue.id: cue for cue in store.cues}
    while True:
        pace = [ms / estimate.ms(text) for text, ms in measured.items()]
        lengths = MeasuredLength(measured, _Paced(estimate, median(pace) if pace else 1.0))
        found = film_schedule(store, lengths)
        new = {
            one.candidate.text: cues[one.item.id]
            for one in found.placed
            if one.candidate is not None and one.left not in (Left.REPEATED, Left.NO_WORDS)
        }
        new = {text: cue for text, cue in new.items() if text not in measured}
        if not new:
            break
        files.say_ahead([(cue.id, printable(text)) for text, cue in new.items()])
        for text, cue in new.items():
            said = say(cue, printable(text))
            measured[text] = said.duration_ms if said else SHORTEST_MS
    changes = place_cues(store, lengths, found)
    report.reworded, report.paused = changes.reworded, changes.paused
    all_said = (say(cue, text) for cue, text in spoken(store.script()))
    report.cues = [one for one in all_said if one is not None]
    room = _room_to_speak(store)
    report.late = [s for s in report.cues if not s.cue.extended and s.duration_ms > room[s.cue.id]]
    return bool(changes)


@dataclass(frozen=True, slots=True)
class _Paced:
    """An estimate at the pace at which a voice was measured."""

    estimate: SpokenLength
    pace: float

    def ms(self, text: str) -> int:
        return round(self.estimate.ms(text) * self.pace)


def _room_to_speak(store: ProjectStore) -> dict[str, int]:
    """The milliseconds that each cue, by id, may be spoken for."""
    lines = [line.span for line in store.dialogue]
    return rooms(store.cues, lines, store.film.duration_ms if store.film else None)


def _remember(store: ProjectStore, report: VoiceReport, choice: VoiceChoice) -> set[str]:
    """Keep what was spoken; returns the names of all files that are still of use."""
    known = store.voice
    before = known.cues if known else {}
    cues = {}
    for one in report.cues:
        if not one.recorded:
            cues[one.cue.id] = SpokenRecord(
                text=one.cue.text, ms=one.duration_ms, file=f"{VOICE_FOLDER}/{one.path.name}"
            )
        elif one.cue.id in before:  # to be heard again where the recording is taken back
            cues[one.cue.id] = before[one.cue.id]
    if report.voice or known is not None:
        store.voice = VoiceRecord(
            name=report.voice or (known.name if known else ""),
            rate=choice.settings.rate,
            lufs=choice.settings.lufs,
            cues=cues,
            asked=choice.asked,
            pronunciation=choice.pronunciation,
            language=choice.language,
        )
    return {record.file.rpartition("/")[2] for record in cues.values()}
