"""What a project keeps beside the words of a cue: a person's own voice, and what a script of DAPT said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from calvin.media.timed_text import ScriptEvent
from calvin.studio.project.readings import Readings

_COLUMNS = "text, ms, file, original, lufs, recorded_at"
_DESCRIPTIONS = TypeAdapter(tuple[tuple[str, str], ...])


@dataclass(frozen=True, slots=True)
class Recording:
    """The `text` of a cue as a person read it out, and how long that takes.

    `file` is what is heard, brought to `lufs`, and `original` what the person gave: both are names in the project's
    folder of recordings. `recorded_at` is UTC; blank for one that is yet to be kept.
    """

    text: str
    ms: int
    file: str
    original: str
    lufs: float
    recorded_at: str = ""


class Recordings(Readings):
    """A project's database that keeps recordings, by cue; they are part of the steps that can be undone."""

    @property
    def recordings(self) -> dict[str, Recording]:
        """All recordings, by the cue's id, whether or not the cue still reads as it did."""
        rows = self._db.execute(f"SELECT cue_id, {_COLUMNS} FROM recording ORDER BY cue_id")
        found = {str(number): Recording(*row) for number, *row in rows}
        for one in found.values():
            if {"/", "\\", "\0"} & set(one.file + one.original):
                raise ValueError("the file of a recording")
        return found

    def keep_recording(self, cue_id: str, recording: Recording) -> None:
        """Keep a recording of a cue, in place of one from before."""
        values = (recording.text, recording.ms, recording.file, recording.original, recording.lufs)
        with self._change() as db:
            # Not INSERT OR REPLACE, which no trigger of the journal sees.
            db.execute(
                "INSERT INTO recording (cue_id, text, ms, file, original, lufs) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (cue_id) DO UPDATE SET text = excluded.text, ms = excluded.ms, file = excluded.file, "
                "original = excluded.original, lufs = excluded.lufs, recorded_at = excluded.recorded_at",
                (int(cue_id), *values),
            )

    def drop_recording(self, cue_id: str) -> None:
        """Have no recording of a cue any more."""
        with self._change() as db:
            db.execute("DELETE FROM recording WHERE cue_id = ?", (int(cue_id),))

    def recording_files(self) -> set[str]:
        """The names of all files of recordings that are kept, or that undoing or redoing a step would bring back."""
        found = {name for one in self.recordings.values() for name in (one.file, one.original)}
        rows = self._db.execute("SELECT state FROM step_row WHERE place = 'recording' AND state IS NOT NULL")
        for (state,) in rows:
            one = json.loads(state)
            found |= {one["file"], one["original"]}
        return found

    @property
    def events(self) -> dict[str, ScriptEvent]:
        """What a script of DAPT said of cues, by id, also of cues that are gone; it is part of the steps."""
        rows = self._db.execute("SELECT cue_id, represents, source, on_screen, descriptions FROM event")
        return {
            str(number): ScriptEvent(represents, "", source, on_screen, _DESCRIPTIONS.validate_json(said))
            for number, represents, source, on_screen, said in rows
        }

    def keep_events(self, events: Mapping[str, ScriptEvent]) -> None:
        """Keep what a script says of cues, by id, in place of what one said before."""
        rows = [
            (int(cue), one.represents, one.source, one.on_screen, json.dumps(one.descriptions, ensure_ascii=False))
            for cue, one in events.items()
        ]
        with self._change() as db:
            db.executemany(
                "INSERT INTO event (cue_id, represents, source, on_screen, descriptions) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (cue_id) DO UPDATE SET represents = excluded.represents, source = excluded.source, "
                "on_screen = excluded.on_screen, descriptions = excluded.descriptions",
                rows,
            )


def lasting(event: ScriptEvent) -> ScriptEvent:
    """What is kept of an event: what a cue has a place for is left out."""
    return replace(event, language="", number=0, transcript=False, agents="", sounds=())
