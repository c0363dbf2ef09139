"""Caption files of any system, read strictly: what does not fit is counted and refused, never matched by guessing.

CSV (by column name), JSON (a dict by id, a list of objects, COCO's results or annotations), JSON lines, or plain text
with one caption per line, whose id is the line's number. Rows that name an image (`image_id`) are joined by it, because
an `id` beside it counts annotations, as in COCO. Where a table has no id column, `movie`, `start` and `end` together
(seconds, as in MAD's and AutoAD's files) make the id.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from calvin.core.errors import DataError
from calvin.core.text_tables import counted, unguarded
from calvin.core.time import to_ms
from calvin.data.readers.text_files import clean_text, read_jsonl, read_table
from calvin.data.samples import DropReport
from calvin.evaluation.metrics.base import Pairs, align, collect_candidates, collect_references, counted_ids

Role = Literal["prediction", "reference"]
T = TypeVar("T")
_IDS = ("image_id", "id", "scene_id", "clip_id", "video_id", "key")
_MOVIES = ("movie", "vid", "film", "imdbid", "group")
_TEXTS: dict[Role, tuple[str, ...]] = {
    "prediction": ("prediction", "predicted", "text_gen", "generated", "candidate", "hypothesis"),
    "reference": ("reference", "references", "ground_truth", "gt", "text_gt"),
}
_EITHER = ("caption", "text", "sentence", "desc")


@dataclass
class CaptionTable:
    """Rows (id, text) of a file, the film of each id if it is there, `problems` that forbid scoring, and `notes`.

    References may be equal if they are annotations of their own or stand in one list. `copied` are the ids of rows that
    occur twice as they are; each is in `rows` once.
    """

    path: Path
    role: Role
    rows: list[tuple[str, str]] = field(default_factory=list)
    movies: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)


def read_captions(path: str | Path, role: Role) -> CaptionTable:
    """Read a caption file.

    Raises:
        DataError: not there, of no known form, or without a column for ids or captions.
    """
    table, report = CaptionTable(Path(path), role), DropReport()
    unnamed = 0
    seen: set[tuple[Any, ...]] = set()
    for row in _rows(table, report):
        identity, texts = _identity(row), _texts(row, role)
        if identity is None or texts is None or "\ufffd" in (identity := clean_text(identity, report)):
            unnamed += 1
            continue
        texts = [clean_text(text, report) for text in texts]
        whole = (identity, str(row.get("id")), *texts)
        if role == "reference" and whole in seen:
            table.copied.append(identity)
            continue
        seen.add(whole)
        table.rows += [(identity, text) for text in texts]
        movie = _movie(row)
        if movie is not None:
            table.movies[identity] = clean_text(movie, report)
    if unnamed:
        table.problems.append(f"{counted(unnamed, 'row')} of {path} without a readable id or caption")
    for reason, count in report.dropped.items():
        table.problems.append(f"{counted(count, 'row')} of {path} unreadable ({reason})")
    for reason, count in report.repaired.items():
        table.notes.append(f"{path}: {counted(count, 'place')} with {reason}, replaced")
    return table


def join(predictions: CaptionTable, references: CaptionTable, *, allow_empty: bool = False) -> Pairs:
    """Predictions beside their references, or one error that counts everything that does not fit.

    Raises:
        DataError: rows that cannot be read, ids that occur twice or on one side only, empty texts.
    """
    if predictions.path.suffix.lower() == ".txt" and references.path.suffix.lower() != ".txt":
        raise DataError("Lines of plain text have no ids: score them against plain text of as many lines.")
    problems = [*predictions.problems, *references.problems]

    def gather(collect: Callable[..., T], *args: Any, instead: T, **options: Any) -> T:
        try:
            return collect(*args, **options)
        except DataError as error:
            problems.append(_bare(str(error)))
            return instead

    # With copies set aside the rest is matched all the same, so that one error names every kind of problem.
    candidates = gather(collect_candidates, predictions.rows, instead=dict(predictions.rows))
    texts = collect_references(references.rows, equal=True)
    if references.copied:
        problems.append(f"{counted_ids(references.copied, 'reference row')} twice: remove the copies")
    pairs = gather(align, candidates, texts, allow_empty=allow_empty, instead=Pairs((), (), ()))
    if problems:
        raise DataError(f"{'; '.join(problems)}. Nothing was scored: mend the files.")
    return pairs


def _bare(message: str) -> str:
    return message.removeprefix("Predictions and references do not match: ").split(". Nothing was scored")[0].strip()


def _identity(row: Mapping[str, Any]) -> str | None:
    for name in _IDS:
        if isinstance(row.get(name), str | int) and str(row[name]).strip():
            return str(row[name])
    movie = _movie(row)
    try:
        return None if movie is None else scene_key(movie, float(row["start"]), float(row["end"]))
    except (KeyError, TypeError, ValueError, DataError):
        return None


def _movie(row: Mapping[str, Any]) -> str | None:
    return next((str(row[name]) for name in _MOVIES if row.get(name)), None)


def scene_key(movie: str, start: float, end: float) -> str:
    """The id of a scene known by its film and times in seconds."""
    return f"{movie}/{to_ms(start)}-{to_ms(end)}"


def _texts(row: Mapping[str, Any], role: Role) -> list[str] | None:
    value = next((row[name] for name in (*_TEXTS[role], *_EITHER) if row.get(name) is not None), None)
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and value and all(isinstance(text, str) for text in value) else None


def _rows(table: CaptionTable, report: DropReport) -> Iterable[Mapping[str, Any]]:
    match table.path.suffix.lower():
        case ".json":
            return _json_rows(table)
        case ".jsonl":
            return read_jsonl(table.path, report)
        case ".txt":
            lines = _text(table.path).replace("\r\n", "\n").split("\n")
            if not lines[-1]:
                lines.pop()
            return ({"id": str(number), "caption": line} for number, line in enumerate(lines, 1))
        case _:
            rows = read_table(table.path, ((*_IDS, *_MOVIES), (*_TEXTS[table.role], *_EITHER)), report)
            return ({key: unguarded(cell) for key, cell in row.items()} for row in rows)


def _json_rows(table: CaptionTable) -> Iterable[Mapping[str, Any]]:
    repeated: Counter[str] = Counter()

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # JSON keeps the last of two equal keys without a word.
        repeated.update({key: count - 1 for key, count in Counter(key for key, _ in pairs).items() if count > 1})
        return dict(pairs)

    try:
        value = json.loads(_text(table.path), object_pairs_hook=build)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{table.path} is not whole JSON: {error}.") from error
    if repeated:
        shown = ", ".join(map(repr, list(repeated)[:3]))
        table.problems.append(f"{counted(len(repeated), table.role)} given more than once ({shown})")
    if isinstance(value, dict) and isinstance(value.get("annotations"), list):
        value = value["annotations"]
    if isinstance(value, dict):
        return [{"id": key, "caption": text} for key, text in value.items()]
    if isinstance(value, list):
        return [row if isinstance(row, dict) else {} for row in value]
    raise DataError(f"{table.path} holds neither captions by id nor a list of objects with an id and a caption.")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
