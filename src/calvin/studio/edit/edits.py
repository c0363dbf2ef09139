"""What a person can do to the rows of a description, each as plain values that come from JSON."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from calvin.studio.project.table_rows import MAX_MS, MAX_TEXT

Key: TypeAlias = Annotated[str, Field(pattern=r"^cue-[0-9]{1,18}$")]
Ms: TypeAlias = Annotated[int, Field(ge=0, le=MAX_MS)]
By: TypeAlias = Annotated[int, Field(ge=-MAX_MS, le=MAX_MS)]
Words: TypeAlias = Annotated[str, Field(max_length=4 * MAX_TEXT)]
"""Longer than a cue may be, so that what is too long is refused in words and not by its shape."""
Offset: TypeAlias = Annotated[int, Field(ge=0, le=4 * MAX_TEXT)]
Number: TypeAlias = Annotated[int, Field(ge=1, le=10**15)]


class _Op(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _OnCue(_Op):
    """`version` is that of the row as the person saw it: where the cue is another by now, nothing is done."""

    key: Key
    version: Annotated[str, Field(max_length=12)]


class SetText(_OnCue):
    op: Literal["text"]
    text: Words


class WritePlace(_Op):
    """Words for a place that has none."""

    op: Literal["write"]
    place: Number
    text: Words


class SetTimes(_OnCue):
    """Another start, end, or both. A start beyond the end takes the end with it."""

    op: Literal["times"]
    start_ms: Ms | None = None
    end_ms: Ms | None = None


class Nudge(_OnCue):
    op: Literal["nudge"]
    by_ms: By


class NudgeFrame(_OnCue):
    """To the beginning of the frame that lies so many frames later, or earlier."""

    op: Literal["nudge_frame"]
    frames: Annotated[int, Field(ge=-100_000, le=100_000)]


class ShiftFollowing(_OnCue):
    """This cue and all after it."""

    op: Literal["shift_following"]
    by_ms: By


class Split(_OnCue):
    """In two, before the character `at`, counted in units of UTF-16 as browsers do; the second begins at `at_ms`."""

    op: Literal["split"]
    at: Annotated[int, Field(ge=0, le=4 * MAX_TEXT)]
    at_ms: Ms | None = None


class Merge(_OnCue):
    """With the next cue. `next_version` is that of the next, where it is to be checked too."""

    op: Literal["merge"]
    next_version: Annotated[str, Field(max_length=12)] | None = None


class Duplicate(_OnCue):
    op: Literal["duplicate"]


class Insert(_Op):
    """A cue of a person, or without text a place to write in."""

    op: Literal["insert"]
    start_ms: Ms
    text: Words = ""


class Delete(_OnCue):
    op: Literal["delete"]


class SetExtended(_OnCue):
    op: Literal["extended"]
    on: bool


class SetKind(_OnCue):
    op: Literal["kind"]
    kind: Literal["picture", "text", "title", "credit"]


class SetStatus(_OnCue):
    op: Literal["status"]
    status: Literal["draft", "needs-work", "approved"]


class Approve(_Op):
    """One cue as the person saw it, those named, or all that nobody has marked as needing work."""

    op: Literal["approve"]
    key: Key | None = None
    version: Annotated[str, Field(max_length=12)] | None = None
    keys: Annotated[list[Key], Field(max_length=100_000)] | Literal["all"] | None = None


class Choose(_OnCue):
    """One of the row's candidates, counted from 1."""

    op: Literal["choose"]
    number: Number


class AddComment(_Op):
    op: Literal["comment"]
    key: Key
    text: Words
    version: Annotated[str, Field(max_length=12)] | None = None


class CloseComment(_Op):
    op: Literal["comment_done"]
    id: Number
    done: bool = True
    key: Key | None = None
    version: Annotated[str, Field(max_length=12)] | None = None


class Replace(_Op):
    """Other words for some, wherever they stand, only in the cues named, or only where they begin at the places named:
    a cue's key, and an offset in units of UTF-16 as browsers count."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    op: Literal["replace"]
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    with_: Annotated[str, Field(alias="with", max_length=MAX_TEXT)]
    case: bool = False
    whole_word: bool = False
    keys: Annotated[list[Key], Field(max_length=100_000)] | None = None
    at: Annotated[list[tuple[Key, Offset]], Field(min_length=1, max_length=100_000)] | None = None


class Restore(_Op):
    """A text that the cue had, counted from 1 as its history lists them; a cue that was removed comes back."""

    op: Literal["restore"]
    key: Key
    version: Annotated[str, Field(max_length=12)] = ""
    number: Number


OnCue: TypeAlias = (
    SetText
    | SetTimes
    | Nudge
    | NudgeFrame
    | ShiftFollowing
    | Split
    | Merge
    | Duplicate
    | Delete
    | SetExtended
    | SetKind
    | SetStatus
    | Choose
)
Edit: TypeAlias = OnCue | WritePlace | Insert | Approve | AddComment | CloseComment | Replace | Restore
EDIT: TypeAdapter[Edit] = TypeAdapter(Annotated[Edit, Field(discriminator="op")])
"""Reads an edit from JSON: `EDIT.validate_json(body)`."""
