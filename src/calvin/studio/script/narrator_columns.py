"""The columns of a script for narrators and describers, as workbooks and documents hold them.

The headings of id, times, text, status and kind are those that `script_tables` reads back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from calvin.core.text_tables import counted, from_sheet, guarded, sheet_text
from calvin.core.types import Script
from calvin.media.voice.pronunciation import found_in
from calvin.studio.project.timing import EstimatedLength, words_in
from calvin.studio.script.sheet_rows import SheetRow, sheet_rows
from calvin.studio.script.transcript import CHAPTER_MS, clock, draft_doubts
from calvin.studio.script.writers import Provenance, printable

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column: its heading, its width in characters, and its cell in a row. `spoken`: it is in the script's language.

    `brief`: a document has it too, which has less room than a workbook.
    """

    heading: str
    width: int
    cell: Callable[[int, SheetRow], Value]
    spoken: bool = False
    brief: bool = True


@dataclass(frozen=True, slots=True)
class NarratorScript:
    """What stands above the rows (`about`, in sentences), the columns, and the rows, each with its number."""

    title: str
    about: tuple[str, ...]
    columns: tuple[SheetColumn, ...]
    rows: tuple[tuple[int, SheetRow], ...]

    def brief(self) -> NarratorScript:
        """With the columns of a document."""
        return replace(self, columns=tuple(column for column in self.columns if column.brief))

    def chapters(self) -> list[tuple[str, list[tuple[int, SheetRow]]]]:
        """The rows in stretches of the film, each with a heading, so that a long film can be gone through by them."""
        found = groupby(self.rows, key=lambda row: row[1].span.start_ms // CHAPTER_MS)
        return [(f"{clock(at * CHAPTER_MS)} to {clock((at + 1) * CHAPTER_MS)}", list(rows)) for at, rows in found]


def narrator_script(script: Script, provenance: Provenance) -> NarratorScript:
    """A script as narrators take it: numbered, with times, text, how names are said, and the room there is."""
    rows = tuple(enumerate(sheet_rows(script, provenance), 1))
    words = sum(bool(row.text) for _, row in rows)
    mark = provenance.origin.mark()
    about = [f"{counted(words, 'description')}.", *draft_doubts(script), *([mark] if mark else [])]
    return NarratorScript(
        printable(script.title),
        tuple(about),
        tuple(_columns(script, provenance, [row for _, row in rows])),
        rows,
    )


def _columns(script: Script, provenance: Provenance, rows: Sequence[SheetRow]) -> list[SheetColumn]:
    pace = EstimatedLength(round(provenance.rate))

    def room_words(_: int, row: SheetRow) -> Value:
        return None if row.room_ms is None else words_in(row.room_ms, script.language, pace)

    columns = [
        SheetColumn("No.", 5, lambda number, _: number),
        SheetColumn("ID", 10, lambda _, row: row.name),
        SheetColumn("In", 14, lambda _, row: provenance.stamp(row.span.start_ms)),
        SheetColumn("Out", 14, lambda _, row: provenance.stamp(row.span.end_ms)),
        SheetColumn("Text", 60, lambda _, row: exact(row.text), spoken=True),
        SheetColumn("Pronunciation", 24, lambda _, row: _said(row.text, provenance.said_as), spoken=True),
        SheetColumn("Room (s)", 9, lambda _, row: None if row.room_ms is None else round(row.room_ms / 1000, 1)),
        SheetColumn("Room (words)", 9, room_words),
        SheetColumn("Words", 8, lambda _, row: len(row.text.split()), brief=False),
        SheetColumn("Status", 12, lambda _, row: row.status),
        SheetColumn("Kind", 10, lambda _, row: row.kind, brief=False),
        SheetColumn("Characters", 20, lambda _, row: "; ".join(map(printable, row.characters)), True, brief=False),
    ]
    if any(row.voice for row in rows):
        columns.append(SheetColumn("Voice", 12, lambda _, row: row.voice, brief=False))
    if any(row.heard for row in rows):
        columns.append(SheetColumn("Said before", 30, lambda _, row: printable(row.heard)))
    if any(row.remark for row in rows):
        columns.append(SheetColumn("Comments", 30, lambda _, row: row.remark))
    return columns


def exact(text: str) -> str:
    """A text as it comes back from a table, where an apostrophe before a number or a formula is left out."""
    return text if from_sheet(text) == text else guarded(sheet_text(text))


def _said(text: str, said: Mapping[str, str]) -> str:
    """'Siobhan: Shivawn; Mr. Ng: mister Ing', of the names that stand in a text."""
    return "; ".join(f"{printable(word)}: {printable(said[word])}" for word in found_in(text, said))
