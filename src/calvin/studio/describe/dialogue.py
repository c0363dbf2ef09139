"""Where a film's dialogue is known from: subtitles that are given, beside the film or in it, or listening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calvin.core.errors import SubtitleError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.media.film.source import FilmFacts, choose_audio
from calvin.media.languages import language_name, short_code
from calvin.media.sound.speech import Alignment, align
from calvin.media.subtitles import Subtitles, find_subtitles, read_film_subtitles, read_subtitles
from calvin.media.timed_text import read_text

LISTEN = Path("none")
"""In place of a subtitle file: use none, also where there are some, and listen."""
_LISTEN_HINT = "`--subtitles none` listens instead"
_POOR, _GAIN = 0.5, 0.2
"""A share of speech that is little, and the correlation that a shift must gain."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Lines of subtitles, what they are known by in the project's record, and sentences for the describer."""

    subtitles: Subtitles
    identity: str
    notes: tuple[str, ...] = ()


def given_dialogue(path: Path, facts: FilmFacts, encoding: str | None = None) -> Dialogue:
    """
    Raises:
        SubtitleError: the file cannot be used.
    """
    subtitles = read_subtitles(path, encoding, facts.frame_rate)
    return Dialogue(subtitles, file_sha256(path), subtitles.report.notes)


def find_dialogue(
    facts: FilmFacts, language: str | None, ours: Sequence[Path], encoding: str | None = None
) -> Dialogue | None:
    """The subtitles beside a film, named like it, else those in it; None where there are none to use.

    Args:
        language: of the sound track that is listened to; None: as the film itself chooses.
        ours: scripts written by calvin, which are not dialogue.
    """
    notes: list[str] = []
    sound = choose_audio(facts.audio_streams, language)
    language = short_code(language or (sound.language if sound else None) or "")
    known = {path.resolve() for path in ours}
    for path in find_subtitles(facts.path, language):
        if path.resolve() in known or _is_description(path):
            continue
        try:
            found = given_dialogue(path, facts, encoding)
        except SubtitleError as error:
            notes.append(f"Subtitles beside the film were passed over: {error}")
            continue
        notes.append(f"The subtitles beside the film are used ({path.name}); {_LISTEN_HINT}.")
        return replace(found, notes=(*notes, *found.notes))
    own = read_film_subtitles(facts, language)
    if own is not None:
        subtitles, track = own
        spoken = f", {language_name(track.language)}" if track.language else ""
        notes.append(f"The film's own subtitles are used (stream {track.index}{spoken}); {_LISTEN_HINT}.")
        return Dialogue(subtitles, f"stream {track.index}", (*notes, *subtitles.report.notes))
    return None


def passed_over(facts: FilmFacts) -> list[str]:
    """What to say of a film's own subtitles where they are not used."""
    pictures = [track for track in facts.subtitle_streams if not track.text]
    return ["The film's subtitles are pictures and were not read: name a text file (`-s`)."] if pictures else []


def _is_description(path: Path) -> bool:
    """Whether a WebVTT file says that it holds descriptions, or a SubRip file has the times of one beside it."""
    try:
        head = read_text(path).text[:500].lower()
        if path.suffix.lower() == ".srt":
            other = path.with_suffix(".vtt")
            return other.is_file() and _is_description(other) and _times(other) == _times(path)
    except SubtitleError:
        return False
    return "kind=descriptions" in head or "kind: descriptions" in head


def _times(path: Path) -> list[Span]:
    return [line.span for line in read_subtitles(path).lines]


def moved(lines: Sequence[DialogueLine], shift_ms: int) -> list[DialogueLine]:
    """Lines later by some time (earlier where it is negative); what then ends before the film begins is left out."""
    if not shift_ms:
        return list(lines)
    spans = ((line, line.span.start_ms + shift_ms, line.span.end_ms + shift_ms) for line in lines)
    return [replace(line, span=Span(max(0, start), end)) for line, start, end in spans if end > 0]


def step_notes(lines: Sequence[DialogueLine], heard: Sequence[Span], duration_ms: int, shift_ms: int) -> list[str]:
    """Sentences on subtitles that are not where the film speaks, with the option that mends it.

    Args:
        heard: where speech was heard.
        shift_ms: by how much the lines are moved already.
    """
    found = align([line.span for line in lines], heard, duration_ms)
    if found is None:
        return []
    # The best of all shifts of another film's subtitles, too, fits by chance: the better, the shorter the film.
    chance = min(0.8, max(0.3, 6 / (duration_ms / 1000) ** 0.5))
    share = f"{abs(found.share):.0%} of the speech heard"
    if found.fit - found.fit_now >= _GAIN and found.fit >= chance:
        option = f"`--shift-subtitles {_seconds(found, shift_ms)}`"
        return [f"The subtitles cover {share}, and {found.moved_share:.0%} if moved: add {option} if that is right."]
    if found.share < _POOR:
        return [f"The subtitles cover only {share}: they may belong to another cut or be a part; {_LISTEN_HINT}."]
    return []


def _seconds(found: Alignment, shift_ms: int) -> str:
    return f"{(found.shift_ms + shift_ms) / 1000:.1f}"
