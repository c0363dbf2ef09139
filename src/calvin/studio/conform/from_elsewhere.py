"""A script, or a sound track of descriptions, that was made elsewhere for one release of a film, moved to another."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from calvin.core.errors import UsageError
from calvin.core.progress import Listener, silent
from calvin.core.time import Span, format_timecode
from calvin.core.types import Author, Cue, CueKind, Script, Status
from calvin.media.conform.change_list import ChangeList
from calvin.media.conform.moved_sound import Stretch, in_turn, spoken_stretches, write_moved
from calvin.media.film.source import probe
from calvin.media.timecode import FrameCount
from calvin.studio.conform.releases import changes_between, film_release, left_out_note
from calvin.studio.project.contents import ProgrammeClock
from calvin.studio.script.programme_start import FilmLength, from_programme_start
from calvin.studio.script.script_lines import ScriptLine, read_script
from calvin.studio.script.writers import WRITERS, FolderWriter, ScriptWriter

SOUNDS = (".wav", ".bwf", ".m4a", ".mka")
_OTHER_SOUNDS = (".mp3", ".flac", ".aac", ".ogg", ".opus", ".aif", ".aiff", ".ac3", ".eac3", ".wma")


@dataclass(frozen=True, slots=True)
class Moved:
    """What was written: `carried` lines, and `left_out`, where in the first film those are that have no place."""

    changes: ChangeList
    carried: int
    left_out: tuple[Span, ...]
    notes: tuple[str, ...]


def is_sound(path: Path) -> bool:
    """Whether a file is taken for a sound track, by its name.

    Raises:
        UsageError: it is one of a kind that is not read.
    """
    if path.suffix.lower() in _OTHER_SOUNDS:
        raise UsageError(f"{path.name} is sound that cannot be moved as it is: save it as WAV first.")
    return path.suffix.lower() in SOUNDS


def conform_script(
    script: str | Path,
    old_film: str | Path,
    new_film: str | Path,
    target: str | Path,
    frame_rate: str | None = None,
    listener: Listener = silent,
) -> Moved:
    """Move a script to another release of its film.

    Lines about scenes that are not there are written beside the target, as `NAME.left-out.csv`, in their old times.

    Args:
        target: the file to write, in the format of its suffix.
        frame_rate: by which times such as 00:00:01:12 are read; None: the first film's.

    Raises:
        CalvinError: the script or a film cannot be read, they are not of one film, or the target's format or place
            cannot be used.
    """
    path, out = Path(script), Path(target)
    writer = _writer(out)
    _check_target(out, path, Path(old_film), Path(new_film))
    facts = probe(old_film)
    count = FrameCount.named(frame_rate) if frame_rate else None
    text = read_script(path, count=count, film_rate=facts.frame_rate)
    length = FilmLength(facts.duration_ms, facts.timecode or "")
    text, _ = from_programme_start(str(path), text, length, ProgrammeClock())
    changes = _changes(Path(old_film), Path(new_film), listener)
    kept, left_out = [], []
    for line in text.lines:
        span = changes.carried(line.span, line.span.start_ms)
        piece = changes.piece_at(line.span.start_ms)
        if span is None or piece is None:
            left_out.append(_cue(line, line.span))
            continue
        # A line that is cut short by the end of its scene is still said as a whole.
        end_ms = min(piece.carried(line.span.end_ms), changes.new_ms)
        kept.append(_cue(line, Span(span.start_ms, max(span.start_ms, end_ms))))
    out.parent.mkdir(parents=True, exist_ok=True)
    writer.write(Script(out.stem, tuple(kept), duration_ms=changes.new_ms), out)
    notes = [*changes.in_words(), *text.notes]
    if left_out:
        aside = out.with_name(f"{out.stem}.left-out.csv")
        _writer(aside).write(Script(path.stem, tuple(left_out), duration_ms=changes.old_ms), aside)
        notes.append(left_out_note([cue.span.start_ms for cue in left_out], str(aside)))
    return Moved(changes, len(kept), tuple(cue.span for cue in left_out), tuple(notes))


def _cue(line: ScriptLine, span: Span) -> Cue:
    cue = Cue(line.cue_id or "", span, line.text, span, span.start_ms, Author.HUMAN, line.status or Status.APPROVED)
    return replace(cue, extended=bool(line.extended), kind=line.kind or CueKind.PICTURE)


def conform_sound(
    track: str | Path, old_film: str | Path, new_film: str | Path, target: str | Path, listener: Listener = silent
) -> Moved:
    """Move a sound track of descriptions alone to another release of its film, as Broadcast WAV of its length.

    Each stretch of speech is moved as a whole, as quick as it was. What would be heard while another one still is comes
    right after it. Stretches about scenes that are not there are left out.

    Raises:
        CalvinError: the track or a film cannot be read, the track holds the film's sound too, or the films are not of
            one film.
    """
    path, out = Path(track), Path(target)
    if out.suffix.lower() != ".wav":
        raise UsageError(f"A sound track is written as WAV: give {out.name} the suffix .wav.")
    _check_target(out, path, Path(old_film), Path(new_film))
    stretches = spoken_stretches(path)
    changes = _changes(Path(old_film), Path(new_film), listener)
    wanted, left_out = [], []
    for span in stretches:
        piece = changes.piece_at(span.start_ms)
        if piece is None:
            left_out.append(span)
        else:
            wanted.append(Stretch(span, max(0, piece.carried(span.start_ms))))
    laid = list(in_turn(wanted))
    notes = changes.in_words()
    out.parent.mkdir(parents=True, exist_ok=True)
    write_moved(path, out, laid, changes.new_ms, f"{out.stem}: audio description alone")
    later = [one for one, first in zip(laid, sorted(wanted, key=lambda one: one.start_ms), strict=True) if one != first]
    if later:
        at = ", ".join(format_timecode(one.start_ms) for one in later[:6])
        notes.append(f"Heard later, because the one before takes so long: {len(later)}, such as at {at}.")
    if left_out:
        notes.append(left_out_note([span.start_ms for span in left_out], f"{path.name} alone"))
    return Moved(changes, len(laid), tuple(left_out), tuple(notes))


def _writer(path: Path) -> ScriptWriter:
    """
    Raises:
        UsageError: no format has this suffix, or it is that of a folder.
    """
    for kind in WRITERS.working():
        writer = kind.writer
        if path.name.endswith(writer.suffix) and kind.readable and not isinstance(writer, FolderWriter):
            return writer
    known = ", ".join(kind.writer.suffix for kind in WRITERS.working() if kind.readable)
    raise UsageError(f"{path.name} names no format that a script can be written in: end it with one of {known}.")


def _check_target(out: Path, *sources: Path) -> None:
    if any(out.exists() and source.exists() and out.samefile(source) for source in sources):
        raise UsageError(f"{out} is what is to be moved: name another file with -o.")


def _changes(old_film: Path, new_film: Path, listener: Listener) -> ChangeList:
    with tempfile.TemporaryDirectory(prefix="calvin-conform-") as folder:
        old = film_release(old_film, Path(folder) / "old", listener)
        new = film_release(new_film, Path(folder) / "new", listener)
        return changes_between(old, new, (str(old_film), str(new_film)), listener)
