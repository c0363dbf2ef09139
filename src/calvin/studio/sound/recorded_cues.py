"""Cues in a person's own voice: recordings made ready, kept in the project, taken back and made anew.

What a person gave is kept as it was, beside what is heard. Files are on disk before a project knows them, and stay for
as long as a step could bring them back, so nothing is lost by undoing, by new words, or by being stopped.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from calvin.core.errors import MediaError, StoreError, UsageError
from calvin.core.files import atomic_path, file_sha256
from calvin.core.time import in_s
from calvin.core.types import Status
from calvin.studio.project.recordings import Recording
from calvin.studio.project.status import RECORDED_FOLDER, recordings_out_of_date
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import renew_exports
from calvin.studio.script.writers import cue_names
from calvin.studio.sound.cue_files import voice_settings
from calvin.studio.sound.one_cue import Measured, room_of

_UNKNOWN_S = 24 * 3600
"""Files that no step knows are left for so long: another process may be about to keep them."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording that is ready to be kept: its files' names in the folder of recordings, its length, and notes.

    `lufs` is the loudness that it has now, `level` the one it was brought to.
    """

    cue: str
    file: str
    original: str
    ms: int
    lufs: float
    level: float
    notes: list[str] = field(default_factory=list)


def recording_level(store: ProjectStore) -> float:
    """The loudness in LUFS that recordings are brought to: that of the project's voice."""
    return voice_settings(store.voice).lufs


def prepare_recording(folder: str | Path, cue_id: str, wav: str | Path, lufs: float) -> Prepared:
    """Check a recording, and write what is to be heard of it into a project's folder, beside what was given.

    Nothing of it belongs to the project before `note_recording`.

    Raises:
        MediaError: it cannot be used; one sentence that says why and what to do.
    """
    if not (cue_id.isascii() and cue_id.isdigit()):
        raise UsageError(f"{cue_id!r} is not the number of a cue.")
    # Here, so that a project's status, which only asks what is recorded, loads no FFmpeg.
    from calvin.media.sound.film_sound import MIX_RATE, write_wav
    from calvin.media.sound.own_voice import read_own_voice

    voice = read_own_voice(wav, lufs)
    home = Path(folder) / RECORDED_FOLDER
    digest = file_sha256(wav)
    kind = ".flac" if Path(wav).suffix.lower() == ".flac" else ".wav"
    original = f"{cue_id}-{digest[:12]}.original{kind}"
    heard = f"{cue_id}-{hashlib.sha256(f'{digest} {lufs}'.encode()).hexdigest()[:12]}.wav"
    if not (home / original).is_file() or file_sha256(home / original) != digest:
        with atomic_path(home / original) as copy:
            shutil.copyfile(wav, copy)
    write_wav(home / heard, voice.samples, MIX_RATE)
    return Prepared(cue_id, heard, original, voice.ms, voice.lufs, lufs, voice.notes)


def note_recording(store: ProjectStore, prepared: Prepared, text: str | None = None) -> Measured:
    """Keep a recording of a cue, as a step of its own. The cue is approved: whoever reads words out stands by them.

    Args:
        text: what was read out, where the cue may read otherwise by now; None: what it reads.

    Raises:
        StoreError: no such cue.
    """
    cue = store.cue(prepared.cue)
    read = cue.text if text is None else text
    one = Recording(read, prepared.ms, prepared.file, prepared.original, prepared.level)
    with store.step(f"cue-{cue.id} recorded"):
        store.keep_recording(cue.id, one)
        if cue.text == read:
            store.edit_cue(replace(cue, status=Status.APPROVED))
    _sweep(store)
    return Measured(prepared.ms, room_of(store, cue.id))


def keep_recordings(store: ProjectStore, prepared: Sequence[Prepared], what: str) -> None:
    """Keep recordings of cues as they now read, all as one step that is called `what`; the cues are approved.

    Raises:
        StoreError: there is no such cue; none is kept then.
    """
    with store.step(what):
        for made in prepared:
            keep_prepared(store, made)
    _sweep(store)


def keep_prepared(store: ProjectStore, made: Prepared) -> None:
    """Keep a recording of a cue as it now reads, in the step that is open, and approve the cue."""
    cue = store.cue(made.cue)
    store.keep_recording(cue.id, Recording(cue.text, made.ms, made.file, made.original, made.level))
    if cue.status is not Status.APPROVED:
        store.edit_cue(replace(cue, status=Status.APPROVED))


def has_recording(store: ProjectStore, cue_id: str, path: Path) -> bool:
    """Whether a cue has this very recording, as it now reads."""
    kept, one = store.folder / RECORDED_FOLDER, store.recordings.get(cue_id)
    if one is None or one.text != store.cue(cue_id).text:
        return False
    files = [kept / name for name in (one.file, one.original)]
    return all(map(Path.is_file, files)) and file_sha256(path) in map(file_sha256, files)


def record_cue(store: ProjectStore, cue_id: str, wav: str | Path) -> tuple[Measured, list[str]]:
    """Take a WAV file as a person's own voice for a cue; returns its length and room, and notes in sentences.

    Raises:
        StoreError: no such cue.
        MediaError: it cannot be used.
        UsageError: the cue has no words.
    """
    cue = store.cue(cue_id)
    if not any(character.isalnum() for character in cue.text):
        raise UsageError(f"cue-{cue.id} has no words to record: write some first.")
    prepared = prepare_recording(store.folder, cue.id, wav, recording_level(store))
    measured = note_recording(store, prepared)
    notes = [*prepared.notes, *renew_exports(store, leave_edited=True).notes]
    over_ms = measured.ms - measured.room_ms
    if over_ms > 0 and not cue.extended:
        notes.append(
            f"It takes {in_s(measured.ms)}, {in_s(over_ms)} more than there is before the next line or cue: say it "
            "faster, shorten it, or let the film pause (`extended`)."
        )
    return measured, notes


def forget_recording(store: ProjectStore, cue_id: str) -> None:
    """Have a cue spoken by the voice again. `undo` brings the recording back.

    Raises:
        StoreError: no such cue, or it has no recording.
    """
    if cue_id not in store.recordings:
        store.cue(cue_id)
        raise StoreError(f"cue-{cue_id} has no recording.")
    with store.step(f"recording of cue-{cue_id} taken away"):
        store.drop_recording(cue_id)
    renew_exports(store, leave_edited=True)
    _sweep(store)


def recording_notes(store: ProjectStore) -> list[str]:
    """What there is to say of the recordings that are not heard."""
    old = recordings_out_of_date(store)
    if not old:
        return []
    return [
        f"Not heard, because the words have changed since it was recorded, or its file has gone: {cue_names(old)}. The "
        "voice speaks instead; record anew, or bring the words back."
    ]


def renewed_recordings(store: ProjectStore, lufs: float) -> list[str]:
    """Bring all recordings to another loudness, from what was given; returns what there is to say of recordings."""
    notes = []
    for cue_id, one in store.recordings.items():
        if one.lufs == lufs:
            continue
        try:
            made = prepare_recording(store.folder, cue_id, store.folder / RECORDED_FOLDER / one.original, lufs)
        except MediaError as error:
            notes.append(f"The recording of cue-{cue_id} stays as loud as it was: {error}")
            continue
        store.keep_recording(cue_id, replace(one, file=made.file, ms=made.ms, lufs=lufs))
    _sweep(store)
    return [*notes, *recording_notes(store)]


def _sweep(store: ProjectStore) -> None:
    """Remove files of recordings that neither the project nor any of its steps knows, nor will in a moment."""
    home, known = store.folder / RECORDED_FOLDER, store.recording_files()
    for path in (*home.glob("*-*.wav"), *home.glob("*-*.flac")):
        with suppress(OSError):
            if path.name not in known and path.stat().st_mtime < time.time() - _UNKNOWN_S:
                path.unlink()
