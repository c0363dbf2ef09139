"""LSMDC16 (Rohrbach et al. 2017): tab-separated, no header, a movie and a stretch of it in every clip id."""

from __future__ import annotations

import re
from pathlib import Path

from calvin.data.readers.mad import add_scene, by_movie, title_in
from calvin.data.readers.text_files import Delimited
from calvin.data.samples import DropReport, FilmName, ReadResult, Sample

COLUMNS = ("CLIP_ID", "START_ALIGNED", "END_ALIGNED", "START_EXTRACTED", "END_EXTRACTED", "SENTENCE")
_TIME = r"\d{1,3}\.\d{1,2}\.\d{1,2}\.\d{1,3}"
_CLIP = re.compile(rf"^(.+?)_{_TIME}-{_TIME}$")


def read_lsmdc(path: str | Path) -> ReadResult:
    """Aligned times (hh.mm.ss.mmm) and the sentence of each row; the movie is the clip id without its times.

    A clip id may come several times, with several sentences. Scenes come sorted by start within each movie.
    """
    report = DropReport()
    samples: list[Sample] = []
    for number, row in enumerate(Delimited(path, "\t", report, columns=len(COLUMNS)).rows()):
        report.read += 1
        clip = _CLIP.match(row[0].strip())
        if len(row) != len(COLUMNS):
            report.drop(f"row does not have {len(COLUMNS)} columns", "\t".join(row))
        elif clip is None:
            report.drop("clip id does not end in its times", "\t".join(row))
        else:
            add_scene(samples, report, "lsmdc", str(number), clip[1], row[5], [_seconds(row[1]), _seconds(row[2])])
    films = {sample.media_id: FilmName("", title_in(sample.media_id)) for sample in samples}
    return ReadResult(by_movie(samples, report), report, films)


def _seconds(text: str) -> float | None:
    """'00.01.02.500' -> 62.5; a sign before it is kept, so that negative times are told from no times."""
    match = re.fullmatch(r"\s*(-?)(\d{1,3})\.(\d{1,2})\.(\d{1,2})\.(\d{1,3})\s*", text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.group(2, 3, 4))
    value = hours * 3600 + minutes * 60 + seconds + int(match[5].ljust(3, "0")) / 1000
    return -value if match[1] else value
