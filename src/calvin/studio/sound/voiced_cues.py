"""The cues of a project, spoken: one WAV file per cue, made again only when its words or its voice have changed.

A voice takes another time than the estimate that the cues were placed by, so drafts are placed once more by it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError, MissingExtraError
from calvin.core.files import atomic_path
from calvin.core.progress import Listener, Stage, silent
from calvin.core.types import Cue
from calvin.media.languages import short_code
from calvin.media.schedule.items import Left
from calvin.media.voice.pronunciation import pronounced, read_pronunciations
from calvin.media.voice.registry import open_voice
from calvin.media.voice.voices import EspeakVoice, ToneVoice, Voice
from calvin.studio.project.contents import SpokenRecord, VoiceRecord
from calvin.studio.project.describe_settings import lasting_name
from calvin.studio.project.status import VOICE_FOLDER, SpokenCue
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

PRONUNCIATION = "pronunciation.csv"


class VoiceSettings(FrozenConfig):
    """`rate` in words a minute (None: the voice's own pace), `lufs` the loudness of each cue."""

    rate: float | None = Field(default=160.0, ge=60, le=400)
    lufs: float = Field(default=-23.0, ge=-40, le=-10)


@dataclass
class VoiceReport:
    """`made` cues were spoken now, `kept` are those of an earlier run: together all that are spoken.

    By what the voice takes, `reworded` got another candidate and `paused` were marked `extended`. `late` are a person's
    that take too long and stay as they are. `notes` are sentences for the describer.
    """

    voice: str
    made: int = 0
    kept: int = 0
    cues: list[SpokenCue] = field(default_factory=list)
    reworded: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    late: list[SpokenCue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        script, known = store.script(), store.voice
        empty = unwritten(store)
        if empty and next(spoken(script), None) is None:
            return VoiceReport(voice="", notes=[empty])
        settings = settings or voice_settings(known)
        if known is not None:
            voice = voice or (known.asked if known.language == script.language else None)
            pronunciation = pronunciation or known.pronunciation
        listed = Path(pronunciation) if pronunciation else store.folder / PRONUNCIATION
        said = read_pronunciations(listed) if pronunciation or listed.exists() else {}
        speaker = voice if isinstance(voice, Voice) else _open(voice, script.language)
        asked = lasting_name(voice) if isinstance(voice, str | Path) else None
        remembered = {"asked": asked, "pronunciation": lasting_name(pronunciation), "language": script.language}
        try:
            report = _speak_all(store, list(spoken(script)), speaker, settings, said, script.language, listener)
            assert store.voice is not None
            store.voice = store.voice.changed(**remembered)
            report.notes += [empty] if empty else []
            return report
        finally:
            if speaker is not voice:
                speaker.close()


def voice_settings(known: VoiceRecord | None, **given: float | None) -> VoiceSettings:
    """Pace and level: those given, else those that the project was spoken with, else the usual ones."""
    kept = {"rate": known.rate, "lufs": known.lufs} if known is not None else {}
    return VoiceSettings.load(kept | {name: value for name, value in given.items() if value is not None}, "voice")


def _open(voice: str | Path | None, language: str) -> Voice:
    """
    Raises:
        MissingExtraError: no voice that says words is installed.
    """
    if voice in (None, "espeak") and short_code(language) != "en":
        return EspeakVoice(language)
    speaker = open_voice(voice)
    if voice is None and isinstance(speaker, ToneVoice):
        raise MissingExtraError("Speaking the cues", "voice")
    return speaker


def _speak_all(
    store: ProjectStore,
    cues: list[tuple[Cue, str]],
    speaker: Voice,
    settings: VoiceSettings,
    said: Mapping[str, str],
    language: str,
    listener: Listener,
) -> VoiceReport:
    report = VoiceReport(speaker.name)
    stage = Stage("voice", listener, len(cues), "cues")
    home = store.folder / VOICE_FOLDER
    home.mkdir(exist_ok=True)
    identity = speaker.identity
    new: set[Path] = set()
    known = {path.stem.rpartition("-")[2]: path for path in home.glob("*.wav")}

    def say(cue: Cue, text: str) -> SpokenCue | None:
        words = pronounced(text, said, language)
        if not any(character.isalnum() for character in words):
            return None
        key = _key(identity, settings, words)
        path = home / f"{cue.id}-{key}.wav"
        # Some voices never take equally long for the same words, so these are spoken once, for whichever cue.
        twin = known.setdefault(key, path)
        duration_ms = _length_ms(path)
        if duration_ms is None and twin != path and _length_ms(twin) is not None:
            with atomic_path(path) as copy:
                shutil.copyfile(twin, copy)
            duration_ms = _length_ms(path)
            new.add(path)
        if duration_ms is None:
            duration_ms = _speak(path, words, speaker, settings)
            new.add(path)
        return SpokenCue(cue, path, duration_ms)

    for number, (cue, text) in enumerate(cues, 1):
        one = say(cue, text)
        report.cues += [one] if one else []
        stage.update(number)
    with store.step(f"words fitted to {speaker.name}"):
        changed = _place(store, report, say)
    if changed:
        report.notes += renew_exports(store).notes
    report.made = sum(one.path in new for one in report.cues)
    report.kept = len(report.cues) - report.made
    _remember(store, report, settings)
    report.notes += renew_exports(store, leave_edited=True).notes  # a listening page plays what is spoken now
    wanted = {spoken_cue.path for spoken_cue in report.cues}
    for old in home.glob("*.wav"):
        if old not in wanted:
            old.unlink()
    return report


def _place(store: ProjectStore, report: VoiceReport, say: Callable[[Cue, str], SpokenCue | None]) -> bool:
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


def _key(voice: str, settings: VoiceSettings, words: str) -> str:
    shaping = json.dumps([voice, settings.model_dump(), words], ensure_ascii=True)
    return hashlib.sha256(shaping.encode()).hexdigest()[:12]


def _length_ms(path: Path) -> int | None:
    """How long a file that is there lasts; None where there is none that is whole."""
    if not path.exists():
        return None
    from calvin.media.sound.film_sound import read_wav

    try:
        samples, rate = read_wav(path)
    except MediaError:
        return None
    return round(len(samples) * 1000 / rate)


def _speak(path: Path, words: str, speaker: Voice, settings: VoiceSettings) -> int:
    # Here, so that a check of a script, which asks only how long its cues were spoken, loads no FFmpeg.
    from calvin.media.sound.film_sound import write_wav
    from calvin.media.sound.loudness import levelled, trimmed

    samples, rate = speaker.synthesize(words, settings.rate)
    samples = levelled(trimmed(samples, rate), rate, settings.lufs)
    write_wav(path, samples, rate)
    return round(len(samples) * 1000 / rate)


def _remember(store: ProjectStore, report: VoiceReport, settings: VoiceSettings) -> None:
    cues = {
        one.cue.id: SpokenRecord(text=one.cue.text, ms=one.duration_ms, file=f"{VOICE_FOLDER}/{one.path.name}")
        for one in report.cues
    }
    store.voice = VoiceRecord(name=report.voice, rate=settings.rate, lufs=settings.lufs, cues=cues)
