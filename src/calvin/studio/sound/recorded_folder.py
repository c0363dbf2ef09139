"""A folder of recordings in a person's own voice, taken for a project's cues: all of it as one step, or nothing.

Files are known by the name of their cue, as `calvin mix -o FOLDER` writes them and its list names them; or one file
holds all that was read out, at the times of that list.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from calvin.core.errors import DataError, MediaError, SubtitleError, UsageError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import counted, from_sheet
from calvin.core.time import Span, in_s
from calvin.core.types import Cue
from calvin.media.timed_text import read_text
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import rooms
from calvin.studio.script.script_files import renew_exports
from calvin.studio.script.script_tables import read_table
from calvin.studio.script.writers import cue_names
from calvin.studio.sound.delivery import LIST
from calvin.studio.sound.recorded_cues import (
    Prepared,
    has_recording,
    keep_recordings,
    prepare_recording,
    recording_level,
)

SOUNDS = (".wav", ".wave", ".flac")
_OTHER_SOUNDS = (".mp3", ".m4a", ".aac", ".ogg", ".opus", ".aif", ".aiff", ".wma", ".mka", ".caf")
_CUE = re.compile(r"(?<![A-Za-z])cue[-_ ]?(\d+)(?!\d)", re.IGNORECASE)
_LEAD_MS = 250
"""In one file of all cues, a voice may begin so much before its time."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a recording: how long it is, the time that its cue has, and how long it goes on over dialogue."""

    cue: str
    file: str
    ms: int
    room_ms: int
    over_dialogue_ms: int

    @property
    def over_ms(self) -> int:
        """By how much it is too long, in ms."""
        return max(0, self.ms - self.room_ms)

    @property
    def in_words(self) -> str:
        """'cue-3: 4.2 s of cue-3.wav, 0.8 s too long for its place, 0.3 s of it over dialogue'."""
        said = f"cue-{self.cue}: {in_s(self.ms)} of {self.file}"
        if not self.over_ms:
            return f"{said}; there is room for {in_s(self.room_ms)}"
        over = (
            f"{in_s(self.over_dialogue_ms)} of it over dialogue"
            if self.over_dialogue_ms
            else "none of it over dialogue"
        )
        return f"{said}, {in_s(self.over_ms)} too long for its place, {over}"


@dataclass
class FolderReport:
    """`taken` are new, `kept` cues have that very recording already; `notes` are sentences for the describer."""

    taken: list[Taken] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def in_words(self) -> str:
        """'2 recordings taken, 1 as before'."""
        kept = f", {len(self.kept)} as before" if self.kept else ""
        return f"{counted(len(self.taken), 'recording')} taken{kept}"


def take_recordings(store: ProjectStore, given: str | Path, listener: Listener = silent) -> FolderReport:
    """Take the recordings of a folder for the cues of a project, as one step.

    Args:
        given: a folder of WAV or FLAC files; or one such file (alone in a folder, or named itself) with all cues at the
            times of the list beside it, else at those of the project.

    Raises:
        UsageError: a file is for no cue or for one that has another, or nothing is there to be taken.
        MediaError: a file cannot be used; nothing is taken then.
    """
    source = Path(given)
    report = FolderReport()
    with TemporaryDirectory() as parts:
        files = _files_of(store, source, Path(parts), report)
        level, wanted = recording_level(store), {}
        for cue, path in files.items():
            if has_recording(store, cue, path):
                report.kept.append(cue)
            else:
                wanted[cue] = path
        prepared = _prepared(store, wanted, level, listener)
        names = {cue: path.name for cue, path in wanted.items()}
    keep_recordings(store, prepared, f"{counted(len(prepared), 'recording')} taken from {source.name}")
    report.taken = _measured(store, prepared, names)
    report.notes += [f"cue-{made.cue}: {note}" for made in prepared for note in made.notes]
    report.notes += renew_exports(store, leave_edited=True).notes
    return report


def _files_of(store: ProjectStore, source: Path, parts: Path, report: FolderReport) -> dict[str, Path]:
    """The file for each cue, by id.

    Raises:
        UsageError: a file is for no cue or for one that has another, or nothing is there to be taken.
        MediaError: one file for all cues cannot be read.
    """
    cues = {cue.id: cue for cue in store.cues if any(map(str.isalnum, cue.text))}
    folder = source if source.is_dir() else source.parent
    if not source.exists():
        raise UsageError(f"There is nothing at {source}: name a folder of recordings.")
    listed = _listed(folder / LIST)
    sounds = _sounds(folder, listed) if source.is_dir() else [source]
    if not sounds:
        raise UsageError(
            f"{source} holds no recordings: put WAV or FLAC files into it, named by their cues, such as cue-3.wav."
        )
    if len(sounds) == 1 and _cue_of(sounds[0], folder, listed) is None:
        spans = {row.cue: row.span for row in listed if row.cue in cues} or {one.id: one.span for one in cues.values()}
        return _cut(sounds[0], spans, parts, report)
    found: dict[str, Path] = {}
    own = []
    for path in sounds:
        cue = _cue_of(path, folder, listed)
        if cue is None:
            raise UsageError(f"{path.name} names no cue: call it by the number of its cue, such as cue-3.wav.")
        if cue not in cues:
            there = any(one.id == cue for one in store.cues)
            what = "has no words to record" if there else "this project does not have"
            raise UsageError(
                f"{path.name} is for cue-{cue}, which {what}: take it out of the folder, or mend its name."
            )
        if _ours(path):
            own.append(path.name)
        elif cue in found:
            raise UsageError(f"cue-{cue} has two recordings, {found[cue].name} and {path.name}: keep one of them.")
        else:
            found[cue] = path
    if own:
        which = ", ".join(own[:5]) + (" ..." if len(own) > 5 else "")
        report.notes.append(f"Left out, because calvin's mix wrote them and nobody has recorded anew: {which}.")
    if not found:
        raise UsageError(f"{source} holds only what calvin's mix wrote: record the cues anew under the same names.")
    others = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _OTHER_SOUNDS)
    if others:
        report.notes.append(f"Left out, because only WAV and FLAC are taken: {', '.join(others[:5])}.")
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    file: str
    cue: str
    span: Span


def _listed(path: Path) -> list[_Row]:
    """The rows of the list that is in a folder, as a mix writes it; none where there is none.

    Raises:
        UsageError: it cannot be read.
    """
    if not path.is_file():
        return []
    try:
        text = read_text(path, "list of recordings", "CSV").text
        names = [from_sheet((row.get("file") or "").strip()) for row in csv.DictReader(text.splitlines())]
        rows = list(read_table(text))
    except (DataError, SubtitleError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as the list of recordings: {str(error).rstrip('.')}.") from error
    files = names if len(names) == len(rows) else [""] * len(rows)
    return [
        _Row(file, match[1], row.span)
        for file, row in zip(files, rows, strict=True)
        if (match := re.fullmatch(r"(?:cue-)?(\d+)", row.name))
    ]


def _sounds(folder: Path, listed: Sequence[_Row]) -> list[Path]:
    """The recordings in a folder; of one with a list, those that the list names, if there are any."""
    named = [folder / row.file for row in listed if row.file]
    home = folder.resolve()
    there = [path for path in named if path.is_file() and path.resolve().is_relative_to(home)]
    files = there or [path for path in folder.iterdir() if path.suffix.lower() in SOUNDS and path.is_file()]
    return sorted(path for path in files if not path.name.startswith("."))


def _cue_of(path: Path, folder: Path, listed: Sequence[_Row]) -> str | None:
    """The cue that a file is for: as the list says, else as its name does."""
    for row in listed:
        if row.file and (folder / row.file == path or Path(row.file).stem == path.stem):
            return row.cue
    named = _CUE.findall(path.stem)
    if len(set(named)) == 1:
        return str(int(named[0]))
    bare = path.stem.strip()
    return str(int(bare)) if bare.isascii() and bare.isdigit() else None


def _ours(path: Path) -> bool:
    """Whether a file is as a mix wrote it: nobody's recording."""
    from calvin.media.sound.own_voice import written_by

    return written_by(path).startswith("calvin ")


def _cut(path: Path, spans: Mapping[str, Span], parts: Path, report: FolderReport) -> dict[str, Path]:
    """Each cue as a file of its own, cut out of one file at its time.

    Raises:
        UsageError: calvin wrote that file.
        MediaError: it cannot be read, or holds none of the cues.
    """
    from calvin.media.sound.film_sound import write_wav
    from calvin.media.sound.own_voice import stretches

    if _ours(path):
        raise UsageError(f"{path} is as calvin's mix wrote it: name a recording of somebody's voice.")
    order = sorted(spans, key=lambda cue: spans[cue])
    begins = [max(0, spans[cue].start_ms - _LEAD_MS) for cue in order]
    ends = [*begins[1:], max((span.end_ms for span in spans.values()), default=0) + 60_000]
    windows = [Span(begin, max(begin, end)) for begin, end in zip(begins, ends, strict=True)]
    found: dict[str, Path] = {}
    silent_cues = []
    for cue, (samples, rate) in zip(order, stretches(path, windows), strict=True):
        if abs(samples).max(initial=0.0) < _HEARD:
            silent_cues.append(cue)
            continue
        found[cue] = parts / f"cue-{cue}.wav"
        write_wav(found[cue], samples, rate)
    if not found:
        raise MediaError(
            f"Nobody is heard in {path.name} at the time of any cue: see that its times are those of the list."
        )
    if silent_cues:
        report.notes.append(
            f"Nothing is heard in {path.name} at the times of {cue_names(silent_cues)}; they stay as they are."
        )
    return found


_HEARD = 10 ** (-50 / 20)
"""A peak below this is nobody's voice."""


def _prepared(store: ProjectStore, files: Mapping[str, Path], level: float, listener: Listener) -> list[Prepared]:
    """
    Raises:
        MediaError: some cannot be used; all of them are named.
    """
    stage = Stage("recordings", listener, len(files), "recordings")
    prepared, wrong = [], []
    for number, (cue, path) in enumerate(files.items(), 1):
        try:
            prepared.append(prepare_recording(store.folder, cue, path, level))
        except MediaError as error:
            wrong.append(str(error))
        stage.update(number)
    if len(wrong) == 1:
        raise MediaError(f"{wrong[0].rstrip('.')}. No recording was taken.")
    if wrong:
        more = f" And {len(wrong) - 3} more." if len(wrong) > 3 else ""
        raise MediaError(
            f"{len(wrong)} of {counted(len(files), 'recording')} cannot be used, and none was taken. "
            f"{' '.join(wrong[:3])}{more}"
        )
    return prepared


def _measured(store: ProjectStore, prepared: Sequence[Prepared], names: Mapping[str, str]) -> list[Taken]:
    lines = [line.span for line in store.dialogue]
    duration_ms = store.film.duration_ms if store.film else None
    cues = store.cues
    room, by_id = rooms(cues, lines, duration_ms), {cue.id: cue for cue in cues}

    def over_dialogue(cue: Cue, ms: int) -> int:
        said = Span(cue.span.start_ms, cue.span.start_ms + ms)
        return sum(said.overlap_ms(line) for line in lines)

    return [
        Taken(one.cue, names[one.cue], one.ms, room[one.cue], over_dialogue(by_id[one.cue], one.ms))
        for one in sorted(prepared, key=lambda one: by_id[one.cue].span)
    ]
