"""AutoAD-Zero's CSV of faces: who is seen in the stills of each clip, and where.

The columns of its annotations, then `bboxes`, a list of faces [left, top, right, bottom] in pixels for each of a clip's
stills, and `pred_ids`, for each identity the (still, face) pairs that are theirs. Both are written as Python literals.
"""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError
from calvin.core.files import write_text
from calvin.core.time import Span
from calvin.data.readers.movies import seconds_of_stills
from calvin.data.samples import media_id_of

PixelBox = tuple[int, int, int, int]
"""Left, top, right, bottom."""
COLUMNS = ("text", "start", "end", "imdbid", "bboxes", "pred_ids")
_MOVIE = ("imdbid_pe", "imdbid", "imdb", "movie")
_MAX_FIELD = 10_000_000


@dataclass(frozen=True, slots=True)
class FaceRow:
    """A clip: film, span, caption, the faces of its stills, and whose they are: (still, face) by identity.

    `clip` and `clip_span` are the file and the time in it, by which the readers of CMD-AD and TV-AD know a scene.
    """

    movie: str
    span: Span
    text: str
    boxes: tuple[tuple[PixelBox, ...], ...]
    people: Mapping[str, tuple[tuple[int, int], ...]]
    clip: str = ""
    clip_span: Span | None = None


def read_face_csv(path: Path) -> list[FaceRow]:
    """
    Raises:
        DataError: not such a file.
    """
    return list(_rows(path))


def _rows(path: Path) -> Iterator[FaceRow]:
    before = csv.field_size_limit(_MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = {"start", "end", "bboxes", "pred_ids"} - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path} is no CSV of faces: it lacks the column {sorted(missing)[0]}.")
            for number, row in enumerate(reader, 2):
                yield _row(row, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}.") from error
    finally:
        csv.field_size_limit(before)


def _row(row: Mapping[str, str], where: str) -> FaceRow:
    try:
        boxes = tuple(tuple(_box(box) for box in still) for still in _literal(row["bboxes"]))
        named = _literal(row["pred_ids"]).items()
        found = {str(name): tuple((int(s), int(f)) for s, f in pairs) for name, pairs in named}
        if any(not 0 <= s < len(boxes) or not 0 <= f < len(boxes[s]) for pairs in found.values() for s, f in pairs):
            raise ValueError("a face that is not in bboxes")
        movie = next((row[name] for name in _MOVIE if row.get(name)), "")
        span = Span.from_seconds(float(row["start"]), float(row["end"]))
        return FaceRow(movie, span, row.get("text") or "", boxes, found, *_clip(row))
    except (ValueError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError, KeyError) as error:
        raise DataError(f"{where}: the faces are not as AutoAD-Zero writes them ({error}).") from error


def _clip(row: Mapping[str, str]) -> tuple[str, Span | None]:
    """A clip as the readers of CMD-AD (`cmd_filename`) and TV-AD (`tvad_name`) know it; ("", None) elsewhere."""
    if row.get("cmd_filename"):
        return media_id_of(row["cmd_filename"].strip()), _span(float(row["scaled_start"]), float(row["scaled_end"]))
    if row.get("tvad_name"):
        return media_id_of(row["tvad_name"].strip()), _span(*seconds_of_stills(row["tvad_index"]))
    return "", None


def _span(start: float | None, end: float | None) -> Span | None:
    return None if start is None or end is None else Span.from_seconds(start, end)


def _literal(text: str) -> Any:
    return ast.literal_eval(text)


def _box(values: Sequence[float]) -> PixelBox:
    left, top, right, bottom = (int(value) for value in values)
    return left, top, right, bottom


def write_face_csv(path: Path, rows: Sequence[FaceRow]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        boxes = [[list(box) for box in still] for still in row.boxes]
        people = {name: list(pairs) for name, pairs in row.people.items()}
        start, end = row.span.start_ms / 1000, row.span.end_ms / 1000
        writer.writerow((row.text, f"{start:.3f}", f"{end:.3f}", row.movie, repr(boxes), repr(people)))
    write_text(path, stream.getvalue())
