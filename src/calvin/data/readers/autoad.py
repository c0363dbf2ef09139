"""CMD-AD and TV-AD (Han et al. 2024; Xie et al. 2024): descriptions aligned with the clips that can be had.

`start` and `end` count in the recording of the description, `scaled_start` and `scaled_end` in the clip; the clip is
what there are features of, so the scaled ones are taken, and the context of a scene is what came before in its clip.
"""

from __future__ import annotations

from pathlib import Path

from calvin.data.readers.mad import add_scene, by_movie
from calvin.data.readers.text_files import read_table
from calvin.data.samples import DropReport, FilmName, ReadResult, Sample, media_id_of


def read_cmd_ad(path: str | Path) -> ReadResult:
    """`text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx`.

    Raises:
        DataError: a column is missing.
    """
    return _read(path, "cmd_ad", "cmd_filename", "imdbid", "movie_title")


def read_tv_ad(path: str | Path) -> ReadResult:
    """`text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index`.

    The id of the episode (`imdbid_pe`) says which film it is; where it is empty, that of the series does.

    Raises:
        DataError: a column is missing.
    """
    return _read(path, "tv_ad", "tvad_name", "imdbid_pe", "")


def _read(path: str | Path, source: str, clip: str, imdb: str, title: str) -> ReadResult:
    report = DropReport()
    samples: list[Sample] = []
    films: dict[str, FilmName] = {}
    needed = tuple((name,) for name in ("text", "scaled_start", "scaled_end", "imdbid", clip))
    for number, row in enumerate(read_table(path, needed, report)):
        times = [row["scaled_start"], row["scaled_end"]]
        name = media_id_of(row[clip].strip()) if row[clip].strip() else ""
        if add_scene(samples, report, source, str(number), name, row["text"], times):
            known = row.get(imdb, "").strip() or row["imdbid"].strip()
            films[samples[-1].media_id] = FilmName(known, row.get(title, "").strip())
    return ReadResult(by_movie(samples, report), report, films)
