"""What a project contains besides cues: its film, what was decided for each place, and former texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from calvin.core.config import FrozenConfig
from calvin.core.time import Span
from calvin.core.types import Author

if TYPE_CHECKING:  # lazy: it loads the decoder
    from calvin.media.film.source import FilmFacts


@dataclass(frozen=True, slots=True)
class FilmRow:
    """The film a project belongs to; `facts` is what probing it found, as plain values."""

    title: str
    path: str
    sha256: str
    duration_ms: int
    facts: dict[str, Any]
    language: str = "en"


def kept_facts(facts: FilmFacts) -> dict[str, Any]:
    """Of what probing a film found, what a project keeps (see `FilmRow`)."""
    return {
        "container": facts.container,
        "video_codec": facts.video_codec,
        "width": facts.display_width,
        "height": facts.display_height,
        "frame_rate": facts.frame_rate,
        "audio_streams": len(facts.audio_streams),
        "bytes": facts.size,
        **({"timecode": facts.timecode} if facts.timecode else {}),
    }


class Choice(StrEnum):
    """How the words for a place were found, or why there are none.

    `OPEN`: captioned, but not placed yet. `WANTED`: a person made the place, to write in it.
    """

    OPEN = "open"
    BEST = "best"
    CANDIDATE = "candidate"
    SHORTER = "shorter"
    EXTENDED = "extended"
    REPEATED = "repeated"
    SILENT = "silent"
    HUMAN = "human"
    WANTED = "wanted"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for a planned place, with the reason in words; `cue_id` where a cue stands there."""

    choice: Choice
    reason: str
    span: Span | None = None
    cue_id: str | None = None


class DecodeRecord(FrozenConfig):
    """What decoding a film found, and which sound track was listened to (None: the film's own choice)."""

    duration_ms: int
    notes: tuple[str, ...] = ()
    audio_language: str | None = None


class SpokenRecord(FrozenConfig):
    """The text of a cue as a voice said it, how long that takes, and its sound file, from the project's folder."""

    text: str
    ms: int
    file: str


class VoiceRecord(FrozenConfig):
    """The voice that spoke a project, its pace and level (see `VoiceSettings`), and what it said, by the cue's id.

    `asked` is what the voice was called to be opened, `pronunciation` the list that was named, and `language` that of
    the script: a voice for another language is not asked again.
    """

    name: str
    rate: float | None
    lufs: float
    cues: dict[str, SpokenRecord]
    asked: str | None = None
    pronunciation: str | None = None
    language: str | None = None


class ProgrammeClock(FrozenConfig):
    """How the people of a project tell the time: `starts_at` is the time code of the film's first frame ("": 0), `rate`
    how their codes count frames, as `FrameCount.named` reads it ("": as the film), and `frames` whether what is written
    for people counts them too."""

    starts_at: str = ""
    rate: str = ""
    frames: bool = False


@dataclass(frozen=True, slots=True)
class Revision:
    """A text that a cue had; blank where it was removed. `written_at` is UTC."""

    text: str
    author: Author
    written_at: str
