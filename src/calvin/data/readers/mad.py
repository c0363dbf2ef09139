"""MAD (Soldan et al. 2022): the first version's JSON, and the CSV of the second and of the evaluation split."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data.context import in_order
from calvin.data.readers.text_files import clean_text, read_json, read_table
from calvin.data.samples import DropReport, FilmName, ReadResult, Sample

Negative = Literal["clamp", "drop"]
NO_CAPTION = "no caption"
BAD_TIME = "time is not a number"
REVERSED = "ends before it starts"
NEGATIVE = "negative time"
OUT_OF_ORDER = "out of time order, sorted"
DUPLICATE_ROW = "duplicate row"


def read_mad_v1(path: str | Path, negative: Negative = "clamp") -> ReadResult:
    """A dict by id of `movie`, `sentence`, `timestamps` (seconds). Scenes come sorted by start within each movie.

    Raises:
        DataError: not a JSON object.
    """
    report = DropReport()
    rows = read_json(path, report)
    if not isinstance(rows, dict):
        raise DataError(f"{path} is not MAD-v1 JSON: a dict by id is expected.")
    samples: list[Sample] = []
    for key, row in rows.items():
        report.read += 1
        times = row.get("timestamps") if isinstance(row, dict) else None
        if not isinstance(times, list) or len(times) != 2:
            report.drop("no timestamps", f"{key}: {row}")
            continue
        add_scene(samples, report, "mad_v1", str(key), row.get("movie"), row.get("sentence"), times, negative)
    return ReadResult(
        by_movie(samples, report), report, {s.media_id: FilmName("", title_in(s.media_id)) for s in samples}
    )


def read_mad_csv(path: str | Path, negative: Negative = "clamp") -> ReadResult:
    """`text,start,end,movie` or `movie,sentence,movie_duration,start,end,imdb,...`, times in seconds.

    Negative times are clamped to zero, or with `negative="drop"` (training) their rows dropped; both are counted.
    Scenes come sorted by start within each movie; `SOMEONE` stays as it is.

    Raises:
        DataError: a column is missing.
    """
    report = DropReport()
    samples: list[Sample] = []
    films: dict[str, FilmName] = {}
    needed = (("text", "sentence"), ("start",), ("end",), ("movie",))
    for number, row in enumerate(read_table(path, needed, report)):
        text = row["text"] if "text" in row else row["sentence"]
        times = [row["start"], row["end"]]
        if add_scene(samples, report, "mad_csv", str(number), row["movie"], text, times, negative):
            name = samples[-1].media_id
            films[name] = FilmName(row.get("imdb", "").strip(), title_in(name))
    return ReadResult(by_movie(samples, report), report, films)


def title_in(movie: str) -> str:
    """'0001_A_Film' -> 'A Film'; '' for a name that is only a number, as many of MAD's are."""
    name = re.sub(r"^\d+_", "", movie).replace("_", " ").strip()
    return "" if name.isdigit() else name


def read_span(times: list[Any], report: DropReport, shown: str, negative: Negative = "clamp") -> Span | None:
    """Seconds to a span; None, counted, where they are no span."""
    try:
        start, end = (float(value) for value in times)
        Span.from_seconds(max(start, 0.0), max(start, end, 0.0))
    except (TypeError, ValueError, OverflowError, DataError):
        report.drop(BAD_TIME, shown)
        return None
    if end < start:
        report.drop(REVERSED, shown)
        return None
    if start < 0:
        if negative == "drop" or end <= 0:
            report.drop(NEGATIVE, shown, chosen=negative == "drop")
            return None
        report.repair(f"{NEGATIVE}, clamped", shown)
    return Span.from_seconds(max(start, 0.0), end)


def add_scene(
    samples: list[Sample],
    report: DropReport,
    source: str,
    key: str,
    movie: Any,
    sentence: Any,
    times: list[Any],
    negative: Negative = "clamp",
) -> bool:
    """Append a described scene of a movie, or count why not."""
    caption = clean_text(sentence, report) if isinstance(sentence, str) else ""
    name = clean_text(movie, report) if isinstance(movie, str) else ""
    shown = f"{key}: {name} {times} {caption}"
    if not caption:
        report.drop(NO_CAPTION, shown)
        return False
    if not name:
        report.drop("no movie", shown)
        return False
    span = read_span(times, report, shown, negative)
    if span is not None:
        sample_id = f"{name}/{key}"
        samples.append(Sample(sample_id, source, name, "video", caption, span, references=(caption,), movie=name))
    return span is not None


def by_movie(samples: list[Sample], report: DropReport) -> list[Sample]:
    """Movies in order of their first row, scenes by start; rows out of order and rows told twice are counted."""
    movies: dict[str, list[Sample]] = {}
    for sample in samples:
        movies.setdefault(sample.movie or "", []).append(sample)
    result: list[Sample] = []
    for scenes in movies.values():
        for before, after in pairwise(scenes):
            if before.span and after.span and after.span.start_ms < before.span.start_ms:
                report.repair(OUT_OF_ORDER, after.id)
        scenes = in_order(scenes)
        for before, after in pairwise(scenes):
            if (before.span, before.caption) == (after.span, after.caption):
                report.note(DUPLICATE_ROW, after.id)
        result.extend(scenes)
    return result
