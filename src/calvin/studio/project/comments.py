"""What people remark on cues, for one another; no voice says it, and no model reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from calvin.core.errors import StoreError
from calvin.core.types import Cue, Place
from calvin.studio.project.recordings import Recordings
from calvin.studio.project.table_rows import number_of, storable


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark on the cue `cue_id`, and when it was made (UTC).

    `event_ms` is what the cue was about: by it a remark is found again whose cue has gone, as drafts do when a film is
    described anew. `done`: it is dealt with.
    """

    id: int
    cue_id: str
    text: str
    written_at: str
    event_ms: int
    done: bool = False


_COMMENT = "id, cue_id, text, written_at, event_ms, done"


class Comments(Recordings):
    """A project's database that keeps comments. They are journaled: a step that adds one can be undone."""

    @property
    def comments(self) -> list[Comment]:
        """All of them, oldest first; also those of cues that have gone."""
        rows = self._db.execute(f"SELECT {_COMMENT} FROM comment ORDER BY id")
        return [Comment(number, str(cue), text, at, event, bool(done)) for number, cue, text, at, event, done in rows]

    def add_comment(self, cue_id: str, text: str) -> Comment:
        """Keep a comment on a cue.

        Raises:
            StoreError: there is no such cue, or the text is too long.
        """
        words, found = storable(text), self._event_of(cue_id)
        with self._change() as db:
            number = db.execute(
                "INSERT INTO comment (cue_id, text, event_ms) VALUES (?, ?, ?)", (number_of(cue_id), words, found)
            ).lastrowid
        assert number is not None
        return self.comment(number)

    def comment(self, number: int) -> Comment:
        """
        Raises:
            StoreError: there is no such comment.
        """
        found = next((one for one in self.comments if one.id == number), None)
        if found is None:
            raise StoreError(f"There is no comment {number} in this project.")
        return found

    def close_comment(self, number: int, done: bool = True) -> Comment:
        """Note that a comment is dealt with, or that it is not.

        Raises:
            StoreError: there is no such comment.
        """
        self.comment(number)
        with self._change() as db:
            db.execute("UPDATE comment SET done = ? WHERE id = ?", (int(done), number))
        return self.comment(number)

    def move_comments(self, numbers: Iterable[int], cue_id: str) -> None:
        """Hand comments on to another cue."""
        event = self._event_of(cue_id)
        with self._change() as db:
            db.executemany(
                "UPDATE comment SET cue_id = ?, event_ms = ? WHERE id = ?",
                [(number_of(cue_id), event, number) for number in numbers],
            )

    def _event_of(self, cue_id: str) -> int:
        row = self._db.execute("SELECT event_ms FROM cue WHERE id = ?", (number_of(cue_id),)).fetchone()
        if row is None:
            raise StoreError(f"There is no cue {cue_id!r} in this project.")
        return int(row[0])


def standing_comments(
    comments: Sequence[Comment], present: Collection[str], cues: Iterable[Cue], places: Iterable[Place] = ()
) -> dict[str, list[Comment]]:
    """Comments by what they stand with: "cue-12", or "place-40".

    That is their own cue; where it has gone, the first of the cues and places that is about the same moment.

    Args:
        present: the ids of all cues that there are.
    """
    if not comments:
        return {}
    about = {f"cue-{cue.id}": cue.visual for cue in cues} | {f"place-{place.id}": place.visual for place in places}
    found: dict[str, list[Comment]] = {}
    for one in comments:
        key = f"cue-{one.cue_id}" if one.cue_id in present else None
        key = key or next((name for name, seen in about.items() if seen.start_ms <= one.event_ms < seen.end_ms), None)
        if key is not None:
            found.setdefault(key, []).append(one)
    return found
