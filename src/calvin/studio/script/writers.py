"""Writers of scripts: what each is, what they share, and all of them by the name of their format."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from calvin.core.errors import MissingExtraError, UsageError
from calvin.core.files import write_bytes, write_text
from calvin.core.progress import Listener
from calvin.core.prompts import clean_line
from calvin.core.registry import Manifest, Registry
from calvin.core.time import format_timecode
from calvin.core.types import Cue, DialogueLine, Place, Script
from calvin.studio.project.origin import Origin

if TYPE_CHECKING:  # lazy: they load pydantic, and `calvin --help` lists writers
    from calvin.media.timecode import Programme
    from calvin.media.timed_text import ScriptEvent
    from calvin.studio.project.comments import Comment
    from calvin.studio.project.contents import Decision
    from calvin.studio.project.store import ProjectStore

EXTRA = "exchange"
"""The optional packages of office files and of OpenTimelineIO."""
_JOINERS = "\u200c\u200d\u00ad"
"""Without these a word of Persian or Hindi, or a hyphenated one, would fall apart: joiner, non-joiner, soft hyphen."""


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A place without words: its still, from the project's folder, and what is said before it."""

    place: Place
    still: str = ""
    heard: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """A cue as a voice of the project says it: a sound file, from the folder it is played in, and how long it lasts."""

    file: str
    ms: int


@dataclass(frozen=True, slots=True)
class Media:
    """What a folder holds beside the script: the film's file, "" where it is not there, and clips by the cue's id."""

    film: str = ""
    clips: Mapping[str, Clip] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a script comes from: the film's facts, the model that wrote it, and what there was to say about it.

    `decisions` are why each place has the words it has; `rooms` the milliseconds each cue has to be spoken in, by id;
    `open` the places that a skeleton leaves to be filled; `comments` what people remarked, by "cue-12" or "place-40".
    `dialogue` is what is said in the film, in time order, in `heard_in` ("": a language that is not known). `voice` is
    who spoke the cues, and `media` what a folder holds of it. `own_voices` says of cues, by id, that they are
    "recorded" by a person, or that there is a "recording out of date". `programme` is the time in which people's files
    are written; None: the film's. `origin` is who wrote the words. `dated` is the programme's time where it is known at
    all, for files that state it beside the film's. `events` are what a script of DAPT said of cues, by id, and
    `said_as` are words with how they are to be said, and `rate` how many are said in a minute.
    """

    film: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    rooms: Mapping[str, int] = field(default_factory=dict)
    open: tuple[OpenPlace, ...] = ()
    comments: Mapping[str, Sequence[Comment]] = field(default_factory=dict)
    dialogue: tuple[DialogueLine, ...] = ()
    heard_in: str = ""
    voice: str = ""
    media: Media = field(default_factory=Media)
    own_voices: Mapping[str, str] = field(default_factory=dict)
    programme: Programme | None = None
    origin: Origin = field(default_factory=Origin)
    dated: Programme | None = None
    events: Mapping[str, ScriptEvent] = field(default_factory=dict)
    said_as: Mapping[str, str] = field(default_factory=dict)
    rate: float = 160

    def stamp(self, ms: int) -> str:
        """A time as people's files tell it: 00:00:01.500, or a code of the programme, such as 10:00:01:12."""
        return self.programme.code(ms) if self.programme else format_timecode(ms)


def optional(module: str, what: str) -> Any:
    """A module of the optional packages.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(what, EXTRA, f"{module.partition('.')[0]} is not installed") from error


class ScriptWriter(ABC):
    """Writes a script in one format, whole or not at all.

    `marks_pauses`: the format says for which cues the film is to pause (`extended`).
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    marks_pauses: ClassVar[bool] = True

    def ready(self) -> None:  # noqa: B027  most formats need nothing
        """
        Raises:
            MissingExtraError: the format's packages are not installed.
        """

    @abstractmethod
    def content(self, script: Script, provenance: Provenance) -> bytes:
        """What the file holds: the same bytes for the same script, by which an edit of it is told.

        Raises:
            MissingExtraError: the format's packages are not installed.
        """

    def beside(self, script: Script, provenance: Provenance) -> Mapping[str, str]:
        """Further text files that the file needs, by their names in its folder."""
        return {}

    def write(self, script: Script, path: str | Path, provenance: Provenance | None = None) -> Path:
        """Write `script` to `path`, atomically."""
        target, origin = Path(path), provenance or Provenance()
        for name, text in self.beside(script, origin).items():
            write_text(target.with_name(name), text)
        write_bytes(target, self.content(script, origin))
        return target


class Writer(ScriptWriter):
    """Writes text."""

    @abstractmethod
    def render(self, script: Script, provenance: Provenance) -> str:
        """The file's text."""

    def content(self, script: Script, provenance: Provenance) -> bytes:
        return self.render(script, provenance).encode("utf-8")


class FolderWriter(Writer):
    """Writes a folder: a file that holds the script, what `beside` says, and media of the project.

    The suffix names both: `.listen/index.html` makes `FILM.listen/index.html`. `plays_film`: the film is in it.
    """

    plays_film: ClassVar[bool] = True

    @abstractmethod
    def media(self, store: ProjectStore, folder: Path) -> Media:
        """What the folder holds once it is complete, but of films only one that is there; nothing is written."""

    @abstractmethod
    def bring(self, store: ProjectStore, folder: Path, film: Path | None, listener: Listener) -> Media:
        """Put the media into the folder that are not there, each whole or not at all.

        Args:
            film: the file to play, where it is another than the project's own.

        Raises:
            CalvinError: the film cannot be brought, or there is no room for it.
        """

    @abstractmethod
    def tidy(self, folder: Path, media: Media) -> None:
        """Remove media of an earlier state that the folder no longer needs."""


def printable(text: str) -> str:
    """Text on one line, without what cannot be shown (or held by XML)."""
    shown = "".join(char if char.isprintable() or char in _JOINERS else " " for char in text)
    return clean_line(shown).strip(f" {_JOINERS}")


def spoken(script: Script) -> Iterator[tuple[Cue, str]]:
    """The cues that say something, each with its text on one line."""
    for cue in script.cues:
        text = printable(cue.text)
        if text:
            yield cue, text


def last_ms(cue: Cue) -> int:
    """The end of a cue in formats that know no instant."""
    return max(cue.span.end_ms, cue.span.start_ms + 1)


def status_words(cue: Cue) -> str:
    """The status of a cue as people and tables write it: "draft", "approved, extended"."""
    return f"{cue.status}, extended" if cue.extended else str(cue.status)


def cue_name(cue: Cue) -> str:
    """The id of a cue as files carry it: told apart from the numbers that other programs give."""
    return f"cue-{re.sub(r'[^A-Za-z0-9_.-]', '_', cue.id)}"


def cue_names(ids: Sequence[str], most: int = 8) -> str:
    """'cue-3', 'cue-3 and cue-12', or the first of many and how many more there are."""
    names = [f"cue-{name}" for name in ids[:most]]
    names += [f"{len(ids) - most} more"] if len(ids) > most else []
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def mentioned(script: Script, text: str) -> list[str]:
    """The characters of the script whose name or alias stands in a text."""
    return [character.name for character in script.characters if character.named_in(text)]


@dataclass(frozen=True, slots=True)
class WriterKind(Manifest[type[ScriptWriter]]):
    """One format of scripts; its target is the `ScriptWriter` class. `readable`: `read_script` reads it back."""

    readable: bool = False

    what: ClassVar[str] = "format"

    @property
    def writer(self) -> ScriptWriter:
        return self.load()()


_TEXT = "calvin.studio.script.text_formats"
_READ = "calvin.studio.script.transcript"
_OFFICE = "calvin.studio.script.office_files"
_CUTS = "calvin.studio.script.cut_lists"

WRITERS = Registry(
    WriterKind,
    (
        WriterKind("vtt", "WebVTT, for players on the web", f"{_TEXT}:VttWriter", readable=True),
        WriterKind("srt", "SubRip, for any player", f"{_TEXT}:SrtWriter", readable=True),
        WriterKind(
            "dapt",
            "DAPT, the W3C's TTML profile for audio description",
            "calvin.studio.script.dapt:DaptWriter",
            readable=True,
        ),
        WriterKind("csv", "a table, for spreadsheets", f"{_TEXT}:CsvWriter", readable=True),
        WriterKind("json", "all that is known of each cue", f"{_TEXT}:JsonWriter", readable=True),
        WriterKind("txt", "plain text, for a narrator", f"{_TEXT}:TxtWriter"),
        WriterKind(
            "html",
            "the listening page, a folder that plays the described film in a browser",
            "calvin.studio.script.listening_page:ListeningPageWriter",
        ),
        WriterKind("transcript", "a web page to read, dialogue and description in order", f"{_READ}:TranscriptWriter"),
        WriterKind("transcript-txt", "the same as plain text", f"{_READ}:PlainTranscriptWriter"),
        WriterKind("xlsx", "a workbook, for narrators and describers", f"{_OFFICE}:XlsxWriter", EXTRA, readable=True),
        WriterKind("docx", "a document, for narrators and describers", f"{_OFFICE}:DocxWriter", EXTRA, readable=True),
        WriterKind("otio", "OpenTimelineIO, for editing programs", f"{_CUTS}:OtioWriter", EXTRA),
        WriterKind("edl", "an edit decision list (CMX 3600), for editing programs", f"{_CUTS}:EdlWriter", EXTRA),
        WriterKind("fcpxml", "markers for Final Cut Pro", f"{_CUTS}:FcpxmlWriter", EXTRA),
        WriterKind("reaper", "regions for REAPER", f"{_CUTS}:ReaperWriter"),
        WriterKind("audition", "markers for Adobe Audition", f"{_CUTS}:AuditionWriter"),
        WriterKind("audacity", "labels for Audacity", f"{_CUTS}:AudacityWriter"),
        WriterKind(
            "dapt-recorded",
            "DAPT as recorded, a folder with the sound of each cue",
            "calvin.studio.script.dapt_recorded:RecordedDaptWriter",
        ),
    ),
    "writers",
    aliases={"listening-page": "html", "listening page": "html"},
)
_READABLE = [kind.name for kind in WRITERS.built_in.values() if kind.readable]
READABLE = f"{', '.join(_READABLE[:-1])} or {_READABLE[-1]}"
"""The formats in which a script comes back, for help texts and messages: "vtt, srt or csv"."""


def find_writers(names: Iterable[str]) -> list[ScriptWriter]:
    """The writers of these formats, each once, in the order named.

    Raises:
        UsageError: a format that is not known, or none named.
        MissingExtraError: the packages of one are not installed.
    """
    wanted = dict.fromkeys(name.strip().lower().lstrip(".") for name in names if name.strip())
    if not wanted:
        raise UsageError(f"No format was named: choose from {WRITERS.listed()}.")
    found = [WRITERS.find(name).writer for name in wanted]
    for writer in found:
        writer.ready()
    return found
