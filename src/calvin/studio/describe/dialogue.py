"""Where a film's dialogue is known from: subtitles that are given, beside the film or in it, or listening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from calvin.core.errors import SubtitleError
from calvin.core.files import file_sha256
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.media.film.source import FilmFacts, choose_audio
from calvin.media.languages import language_name, short_code
from calvin.media.sound.alignment import STRETCHES, align, stretch_of
from calvin.media.sound.speech import Heard, outside
from calvin.media.subtitles import Subtitles, find_subtitles, read_film_subtitles, read_subtitles
from calvin.media.timed_text import read_text
from calvin.studio.project.describe_settings import DescribeRecord

LISTEN = Path("none")
"""In place of a subtitle file: use none, also where there are some, and listen."""
_LISTEN_HINT = "`--subtitles none` listens instead"
_BESIDE_MS, _LEAST_MS = 700, 1000
"""What is heard this close to a subtitle is its own, and what lasts less than that is let be."""
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


def retimed(lines: Sequence[DialogueLine], shift_ms: int, stretch: Fraction = Fraction(1)) -> list[DialogueLine]:
    """Lines whose times are taken times `stretch` and then come later by some time (earlier where it is negative); what
    then ends before the film begins is left out."""
    if not shift_ms and stretch == 1:
        return list(lines)

    def place(time_ms: int) -> int:
        return round(time_ms * stretch) + shift_ms

    spans = ((line, place(line.span.start_ms), place(line.span.end_ms)) for line in lines)
    return [replace(line, span=Span(max(0, start), end)) for line, start, end in spans if end > 0]


def checked_stretch(text: str | None) -> str | None:
    """A stretch as it is kept in a project's record; that of nothing is empty.

    Raises:
        UsageError: it is no stretch.
    """
    return None if text is None else "" if stretch_of(text) == 1 else "".join(text.split())


def spoken_lines(
    given: Dialogue | None, known: Sequence[DialogueLine], kept: DescribeRecord | None, record: DescribeRecord,
    heard: Heard, duration_ms: int,
) -> tuple[list[DialogueLine], list[str]]:  # fmt: skip
    """Where a film speaks, and sentences for its describer: by the subtitles that are given, else as is `known` from
    the record that is `kept`, else as was heard.

    What is surely spoken and not in the subtitles (songs, other languages, what they leave out) joins them without a
    text, unless the record trusts the subtitles alone.
    """
    shift_ms, stretch = record.subtitle_shift_ms, record.subtitle_stretch
    listened = [DialogueLine(span, "") for span in heard.spans]
    if given is not None:
        lines = retimed(given.subtitles.lines, shift_ms, stretch_of(stretch))
    elif kept is None:
        return listened, []
    elif kept.subtitles is None:
        return list(known), []
    elif not any(line.text for line in known):  # what was heard, because not one subtitle lay inside
        return list(known), ["The subtitles lie outside of the film, and it was listened to instead: name them anew."]
    else:
        further = stretch_of(stretch) / stretch_of(kept.subtitle_stretch)
        subtitles = [line for line in known if line.text]
        lines = retimed(subtitles, shift_ms - round(kept.subtitle_shift_ms * further), further)
    notes = step_notes(lines, heard.spans, duration_ms, shift_ms, stretch)
    late = sum(line.span.start_ms >= duration_ms for line in lines)
    if lines and late == len(lines):
        return listened, [*notes, "No subtitle lies inside the film, so dialogue was found by listening instead."]
    if late:
        notes.append(f"{late} subtitles lie beyond the end of the film: they may belong to another cut.")
    more = outside(heard.sure, (line.span for line in lines), _BESIDE_MS, _LEAST_MS)
    if more and not record.plan.trust_subtitles:
        places, seconds = counted(len(more), "place"), sum(span.duration_ms for span in more) / 1000
        notes.append(
            f"People are heard in {places} ({seconds:.0f} s) that no subtitle covers, and no cue is planned there: "
            "`--trust-subtitles` goes by the subtitles alone."
        )
        lines = sorted([*lines, *(DialogueLine(span, "") for span in more)], key=lambda line: line.span)
    return lines, notes


def step_notes(
    lines: Sequence[DialogueLine], heard: Sequence[Span], duration_ms: int, shift_ms: int, stretch: str = ""
) -> list[str]:
    """Sentences on subtitles that are not where the film speaks, with the option that mends it.

    Args:
        heard: where speech was heard.
        shift_ms, stretch: by how much the lines are moved and stretched already.
    """
    found = align([line.span for line in lines], heard, duration_ms)
    if found is None:
        return []
    # The best of all shifts of another film's subtitles, too, fits by chance: the better, the shorter the film.
    chance = min(0.8, max(0.3, 6 / (duration_ms / 1000) ** 0.5))
    share = f"{abs(found.share):.0%} of the speech heard"
    if found.fit - found.fit_now >= _GAIN and found.fit >= chance:
        factor = stretch_of(found.stretch)
        option = f"--shift-subtitles {(found.shift_ms + round(shift_ms * factor)) / 1000:.1f}"
        how = "moved"
        if found.stretch:
            how = "stretched and moved"
            option = f"--stretch-subtitles {_named(factor * stretch_of(stretch))} {option}"
        return [f"The subtitles cover {share}, and {found.moved_share:.0%} if {how}: add `{option}` if that is right."]
    if found.share < _POOR:
        return [f"The subtitles cover only {share}: they may belong to another cut or be a part; {_LISTEN_HINT}."]
    return []


def _named(factor: Fraction) -> str:
    """A stretch as two frame rates where it is that of two."""
    return next((text for text in STRETCHES if abs(stretch_of(text) - factor) < 1e-5), f"{float(factor):.7g}")
