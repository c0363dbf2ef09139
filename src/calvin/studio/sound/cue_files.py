"""The sound files of spoken cues: which voice speaks them, and how; one WAV file for each cue, never made twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError, MissingExtraError
from calvin.core.files import atomic_path
from calvin.media.languages import short_code
from calvin.media.voice.pronunciation import LIST, pronounced, read_pronunciations
from calvin.media.voice.registry import open_voice
from calvin.media.voice.voices import EspeakVoice, ToneVoice, Voice
from calvin.studio.project.contents import VoiceRecord
from calvin.studio.project.describe_settings import lasting_name
from calvin.studio.project.status import VOICE_FOLDER
from calvin.studio.project.store import ProjectStore


class VoiceSettings(FrozenConfig):
    """`rate` in words a minute (None: the voice's own pace), `lufs` the loudness of each cue."""

    rate: float | None = Field(default=160.0, ge=60, le=400)
    lufs: float = Field(default=-23.0, ge=-40, le=-10)


class VoiceChoice(FrozenConfig):
    """Which voice speaks a project's cues, and how: plain values, which may go to another process.

    `asked` is what the voice is called to be opened (None: the best in the `language`), `pronunciation` the list that
    was named, and `said` what is in it.
    """

    asked: str | None
    pronunciation: str | None
    language: str
    settings: VoiceSettings
    said: dict[str, str]

    def open(self) -> Voice:
        """The voice; close it, or use it as a context manager.

        Raises:
            MissingExtraError: no voice that says words is installed.
            CalvinError: the voice that was asked for cannot be used.
        """
        if self.asked in (None, "espeak") and short_code(self.language) != "en":
            return EspeakVoice(self.language)
        speaker = open_voice(self.asked)
        if self.asked is None and isinstance(speaker, ToneVoice):
            raise MissingExtraError("Speaking the cues", "voice")
        return speaker


def voice_settings(known: VoiceRecord | None, **given: float | None) -> VoiceSettings:
    """Pace and level: those given, else those that the project was spoken with, else the usual ones."""
    kept = {"rate": known.rate, "lufs": known.lufs} if known is not None else {}
    return VoiceSettings.load(kept | {name: value for name, value in given.items() if value is not None}, "voice")


def voice_choice(
    store: ProjectStore,
    voice: str | Path | None = None,
    settings: VoiceSettings | None = None,
    pronunciation: str | Path | None = None,
) -> VoiceChoice:
    """How a project is to be spoken: as given, else as before, else as usual.

    Raises:
        CalvinError: there is no film, or the list of pronunciations cannot be used.
    """
    language, known = store.bound_film().language, store.voice
    if known is not None:
        voice = voice or (known.asked if known.language == language else None)
        pronunciation = pronunciation or known.pronunciation
    listed = Path(pronunciation) if pronunciation else store.folder / LIST
    said = read_pronunciations(listed) if pronunciation or listed.exists() else {}
    return VoiceChoice(
        asked=lasting_name(voice),
        pronunciation=lasting_name(pronunciation),
        language=language,
        settings=settings or voice_settings(known),
        said=dict(said),
    )


class CueFiles:
    """The WAV files in a project's folder `voice/`, each named by its cue and by what shapes its sound.

    The voice is opened when it is first needed; close what was opened here. `new` are the files that were made.
    """

    def __init__(self, folder: Path, choice: VoiceChoice, opened: Callable[[], Voice] | None = None) -> None:
        self._home, self._choice = folder / VOICE_FOLDER, choice
        self._open = opened or choice.open
        self._speaker: Voice | None = None
        self._identity = ""
        self._home.mkdir(exist_ok=True)
        self._known = {path.stem.rpartition("-")[2]: path for path in self._home.glob("*.wav")}
        self.new: set[Path] = set()

    @property
    def name(self) -> str:
        """What the voice is called; blank where none was needed."""
        return self._speaker.name if self._speaker else ""

    def speaker(self) -> Voice:
        if self._speaker is None:
            self._speaker = self._open()
            self._identity = self._speaker.identity
        return self._speaker

    def _words(self, text: str) -> str:
        """What the voice is given for a text; blank where there is nothing to say."""
        words = pronounced(text, self._choice.said, self._choice.language)
        return words if any(character.isalnum() for character in words) else ""

    def _files(self, cue_id: str, words: str) -> tuple[Path, Path]:
        """Where words lie that are spoken for a cue, and where they were or will be spoken first; the voice is open.

        Some voices never take equally long for the same words, so these are spoken once, for whichever cue.
        """
        key = _key(self._identity, self._choice.settings, words)
        path = self._home / f"{cue_id}-{key}.wav"
        return path, self._known.setdefault(key, path)

    def say_ahead(self, cues: Sequence[tuple[str, str]], told: Callable[[int], object] = lambda _: None) -> int:
        """Speak what is not there yet, texts by cue as `say` takes them, as many at once as the voice can; how many.

        Args:
            told: is given how many of them have been spoken.

        Raises:
            CalvinError: the voice failed, or cannot be opened; what was spoken by then is kept.
        """
        said = [(cue_id, words) for cue_id, text in cues if (words := self._words(text))]
        if not said:
            return 0
        speaker = self.speaker()
        if speaker.workers == 1:
            return 0
        wanted: dict[Path, str] = {}
        for cue_id, words in said:
            _, twin = self._files(cue_id, words)
            if twin not in wanted and length_ms(twin) is None:
                wanted[twin] = words
        if len(wanted) < 2:
            return 0
        if self._choice.settings.rate is not None:
            _ = speaker.natural_wpm  # measured once, before several want it
        with ThreadPoolExecutor(speaker.workers) as pool:
            begun = {}
            for path, words in wanted.items():
                begun[pool.submit(_speak, path, words, speaker, self._choice.settings)] = path
            try:
                for number, one in enumerate(as_completed(begun), 1):
                    one.result()
                    told(number)
            finally:
                pool.shutdown(cancel_futures=True)
                self.new |= {path for one, path in begun.items() if not (one.cancelled() or one.exception())}
        return len(wanted)

    def say(self, cue_id: str, text: str) -> tuple[Path, int] | None:
        """The file in which a text, on one line, is spoken for a cue, and how many ms it lasts; None: nothing to say.

        Raises:
            CalvinError: the voice failed, or cannot be opened.
        """
        words = self._words(text)
        if not words:
            return None
        speaker = self.speaker()
        path, twin = self._files(cue_id, words)
        duration_ms = length_ms(path)
        if duration_ms is None and twin != path and length_ms(twin) is not None:
            with atomic_path(path) as copy:
                shutil.copyfile(twin, copy)
            duration_ms = length_ms(path)
            self.new.add(path)
        if duration_ms is None:
            duration_ms = _speak(path, words, speaker, self._choice.settings)
            self.new.add(path)
        return path, duration_ms


def length_ms(path: Path) -> int | None:
    """How long a file that is there lasts; None where there is none that is whole."""
    if not path.exists():
        return None
    from calvin.media.sound.film_sound import read_wav

    try:
        samples, rate = read_wav(path)
    except MediaError:
        return None
    return round(len(samples) * 1000 / rate)


def _key(voice: str, settings: VoiceSettings, words: str) -> str:
    shaping = json.dumps([voice, settings.model_dump(), words], ensure_ascii=True)
    return hashlib.sha256(shaping.encode()).hexdigest()[:12]


def _speak(path: Path, words: str, speaker: Voice, settings: VoiceSettings) -> int:
    # Here, so that a check of a script, which asks only how long its cues were spoken, loads no FFmpeg.
    from calvin.media.sound.film_sound import write_wav
    from calvin.media.sound.loudness import levelled, trimmed

    samples, rate = speaker.synthesize(words, settings.rate)
    samples = levelled(trimmed(samples, rate), rate, settings.lufs)
    write_wav(path, samples, rate)
    return round(len(samples) * 1000 / rate)
