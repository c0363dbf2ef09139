"""Described scenes of movies and television: MAD (Soldan et al. 2022), LSMDC16 (Rohrbach et al. 2017), CMD-AD and TV-AD
(Han et al. 2024; Xie et al. 2024), and TVC and TVR (Lei et al. 2020), whose moments of TV clips stand alone.

Scenes of movies come sorted by start within each movie. In CMD-AD `start` and `end` count in the recording of the
description, `scaled_start` and `scaled_end` in the clip. In TV-AD all four count in the episode; where a scene lies in
its clip, only `tvad_index` says: the numbers of its stills. The clip is what there are features of, so those are taken,
and the context of a scene is what came before in its clip.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data.instructions import in_order
from calvin.data.readers.text_files import Delimited, clean_text, read_json, read_jsonl, read_table
from calvin.data.samples import DropReport, FilmName, ReadResult, Sample, media_id_of, note_duplicates

Negative = Literal["clamp", "drop"]
NO_CAPTION = "no caption"
BAD_TIME = "time is not a number"
REVERSED = "ends before it starts"
NEGATIVE = "negative time"
OUT_OF_ORDER = "out of time order, sorted"
DUPLICATE_ROW = "duplicate row"

LSMDC_COLUMNS = ("CLIP_ID", "START_ALIGNED", "END_ALIGNED", "START_EXTRACTED", "END_EXTRACTED", "SENTENCE")
TVQA_FPS = 3.0
_TIME = r"\d{1,3}\.\d{1,2}\.\d{1,2}\.\d{1,3}"
_LSMDC_CLIP = re.compile(rf"^(.+?)_{_TIME}-{_TIME}$")


class _Scenes:
    """Described scenes as they are read, their films, and the report of what cannot be used."""

    def __init__(self, source: str, negative: Negative = "clamp") -> None:
        self.source, self.negative = source, negative
        self.report, self.samples = DropReport(), list[Sample]()
        self.films: dict[str, FilmName] = {}

    def add(self, key: object, movie: Any, sentence: Any, times: list[Any], imdb: str = "", title: str = "") -> None:
        """Take up a scene and what its film is known by, or count why it cannot be used."""
        caption = clean_text(sentence, self.report) if isinstance(sentence, str) else ""
        name = clean_text(movie, self.report) if isinstance(movie, str) else ""
        shown = f"{key}: {name} {times} {caption}"
        if not caption or not name:
            self.report.drop("no movie" if caption else NO_CAPTION, shown)
        elif (span := read_span(times, self.report, shown, self.negative)) is not None:
            made = Sample(f"{name}/{key}", self.source, name, "video", caption, span, references=(caption,), movie=name)
            self.samples.append(made)
            self.films[made.media_id] = FilmName(imdb.strip(), title.strip())

    def by_movie(self) -> ReadResult:
        """Movies in order of their first row, scenes by start; rows out of order or given twice are counted."""
        movies: dict[str, list[Sample]] = {}
        for sample in self.samples:
            movies.setdefault(sample.movie or "", []).append(sample)
        result: list[Sample] = []
        for scenes in movies.values():
            for before, after in pairwise(scenes):
                if before.span and after.span and after.span.start_ms < before.span.start_ms:
                    self.report.repair(OUT_OF_ORDER, after.id)
            scenes = in_order(scenes)
            for before, after in pairwise(scenes):
                if (before.span, before.caption) == (after.span, after.caption):
                    self.report.note(DUPLICATE_ROW, after.id)
            result.extend(scenes)
        return ReadResult(result, self.report, self.films)


def read_mad_v1(path: str | Path, negative: Negative = "clamp") -> ReadResult:
    """A dict by id of `movie`, `sentence`, `timestamps` (seconds). Scenes come sorted by start within each movie.

    Raises:
        DataError: not a JSON object.
    """
    scenes = _Scenes("mad_v1", negative)
    rows = read_json(path, scenes.report)
    if not isinstance(rows, dict):
        raise DataError(f"{path} is not MAD-v1 JSON: a dict by id is expected.")
    for key, row in rows.items():
        scenes.report.read += 1
        times = row.get("timestamps") if isinstance(row, dict) else None
        if not isinstance(times, list) or len(times) != 2:
            scenes.report.drop("no timestamps", f"{key}: {row}")
        else:
            scenes.add(key, row.get("movie"), row.get("sentence"), times, title=title_in(row.get("movie")))
    return scenes.by_movie()


def read_mad_csv(path: str | Path, negative: Negative = "clamp") -> ReadResult:
    """`text,start,end,movie` or `movie,sentence,movie_duration,start,end,imdb,...`, times in seconds.

    Negative times are clamped to zero, or with `negative="drop"` (training) their rows dropped; both are counted.
    Scenes come sorted by start within each movie; `SOMEONE` stays as it is.

    Raises:
        DataError: a column is missing.
    """
    scenes = _Scenes("mad_csv", negative)
    needed = (("text", "sentence"), ("start",), ("end",), ("movie",))
    for number, row in enumerate(read_table(path, needed, scenes.report)):
        text = row["text"] if "text" in row else row["sentence"]
        times = [row["start"], row["end"]]
        scenes.add(number, row["movie"], text, times, row.get("imdb", ""), title_in(row["movie"]))
    return scenes.by_movie()


def read_lsmdc(path: str | Path) -> ReadResult:
    """Aligned times (hh.mm.ss.mmm) and the sentence of each row; the movie is the clip id without its times.

    A clip id may come several times, with several sentences. Scenes come sorted by start within each movie.
    """
    scenes = _Scenes("lsmdc")
    for number, row in enumerate(Delimited(path, "\t", scenes.report, columns=len(LSMDC_COLUMNS)).rows()):
        scenes.report.read += 1
        clip = _LSMDC_CLIP.match(row[0].strip())
        if len(row) != len(LSMDC_COLUMNS):
            scenes.report.drop(f"row does not have {len(LSMDC_COLUMNS)} columns", "\t".join(row))
        elif clip is None:
            scenes.report.drop("clip id does not end in its times", "\t".join(row))
        else:
            times = [_lsmdc_seconds(row[1]), _lsmdc_seconds(row[2])]
            scenes.add(number, clip[1], row[5], times, title=title_in(clip[1]))
    return scenes.by_movie()


def read_cmd_ad(path: str | Path) -> ReadResult:
    """`text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx`.

    Raises:
        DataError: a column is missing.
    """
    return _read_clips(path, "cmd_ad", "cmd_filename", ("scaled_start", "scaled_end"), "imdbid", "movie_title")


def read_tv_ad(path: str | Path) -> ReadResult:
    """`text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index`.

    `tvad_index` lists stills of the clip, such as [9, 9, 10], as TVQA numbers them: three a second, from 00001.jpg on.
    The id of the episode (`imdbid_pe`) says which film it is; where it is empty, that of the series does.

    Raises:
        DataError: a column is missing.
    """
    return _read_clips(path, "tv_ad", "tvad_name", ("tvad_index",), "imdbid_pe", "")


def seconds_of_stills(listed: str) -> list[float | None]:
    """'[9, 9, 10]' -> from where still 9 begins to where still 10 ends, in seconds of the clip."""
    numbers = [int(number) for number in re.findall(r"\d{1,9}", listed)]
    if not numbers or not re.fullmatch(r"\s*\[?[\d\s,]+\]?\s*", listed):
        return [None, None]
    return [max(min(numbers) - 1, 0) / TVQA_FPS, max(numbers) / TVQA_FPS]


def _read_clips(path: str | Path, source: str, clip: str, times: tuple[str, ...], imdb: str, title: str) -> ReadResult:
    scenes = _Scenes(source)
    needed = tuple((name,) for name in ("text", *times, "imdbid", clip))
    for number, row in enumerate(read_table(path, needed, scenes.report)):
        given = [row[name] for name in times] if len(times) == 2 else seconds_of_stills(row[times[0]])
        name = media_id_of(row[clip].strip()) if row[clip].strip() else ""
        film = row.get(imdb, "").strip() or row["imdbid"]
        scenes.add(number, name, row["text"], given, film, row.get(title, ""))
    return scenes.by_movie()


def read_tvc(path: str | Path) -> ReadResult:
    """One sample per moment: `vid_name`, `ts` (seconds in the clip) and `descs`, all of which are its references.

    The caption to learn is the first. The test split has no descriptions, so its rows are dropped and counted.
    """
    report = DropReport()
    samples: list[Sample] = []
    for row in read_jsonl(path, report):
        descs = row.get("descs")
        texts = [desc.get("desc") for desc in descs if isinstance(desc, dict)] if isinstance(descs, list) else []
        _add_moment(samples, report, "tvc", row, row.get("clip_id"), texts)
    note_duplicates(samples, report)
    return ReadResult(samples, report)


def read_tvr(path: str | Path) -> ReadResult:
    """One sample per line: `vid_name`, `ts`, `desc`, `desc_id`."""
    report = DropReport()
    samples: list[Sample] = []
    for row in read_jsonl(path, report):
        _add_moment(samples, report, "tvr", row, row.get("desc_id"), [row.get("desc")])
    note_duplicates(samples, report)
    return ReadResult(samples, report)


def title_in(movie: object) -> str:
    """'0001_A_Film' -> 'A Film'; '' for a name that is only a number, as many of MAD's are."""
    name = re.sub(r"^\d+_", "", str(movie).strip()).replace("_", " ").strip()
    return "" if name.isdigit() else name


def read_span(times: list[Any], report: DropReport, shown: str, negative: Negative = "clamp") -> Span | None:
    """Seconds to a span; None, and counted, where they do not make one."""
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


def _lsmdc_seconds(text: str) -> float | None:
    """'00.01.02.500' -> 62.5; a sign is kept, so that a negative time differs from a missing one."""
    match = re.fullmatch(r"\s*(-?)(\d{1,3})\.(\d{1,2})\.(\d{1,2})\.(\d{1,3})\s*", text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.group(2, 3, 4))
    value = hours * 3600 + minutes * 60 + seconds + int(match[5].ljust(3, "0")) / 1000
    return -value if match[1] else value


def _add_moment(
    samples: list[Sample], report: DropReport, source: str, row: dict[str, Any], key: Any, texts: list[Any]
) -> None:
    clip = row.get("vid_name")
    captions = tuple(filter(None, (clean_text(text, report) for text in texts if isinstance(text, str))))
    shown = f"{clip}: {row.get('ts')} {captions}"
    if not isinstance(clip, str) or not clip.strip():
        report.drop("no vid_name", shown)
        return
    if not captions:
        report.drop(NO_CAPTION, shown)
        return
    times = row.get("ts")
    span = read_span(times if isinstance(times, list) and len(times) == 2 else [None], report, shown)
    if span is not None:
        name = clip.strip()
        sample_id = f"{name}/{key if key is not None else len(samples)}"
        samples.append(Sample(sample_id, source, name, "video", captions[0], span, references=captions))
