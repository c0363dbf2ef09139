"""Images and clips of the web with a caption each: Conceptual Captions (CC3M, CC12M) and WebVid (Bain et al. 2021).

Conceptual Captions are tab-separated without a header, their two columns in opposite orders; WebVid is a CSV in either
known order of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from calvin.data.readers.text_files import NO_CHECKSUM, Delimited, clean_text, read_table
from calvin.data.sample_table import Repeats, hash_of
from calvin.data.samples import DropReport, ReadResult, Sample, media_id_of, note_duplicates

Ids = Literal["row", "url"]
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://\S+$", re.IGNORECASE)
_HEADER = {"caption", "url"}


def read_cc3m(path: str | Path, ids: Ids = "row") -> ReadResult:
    """`caption<TAB>url`.

    Args:
        ids: how features are named. "row" is the number of the row in nine digits, from 0, as img2dataset names its
            downloads by default; "url" is the file name in the URL without its suffix.
    """
    report = DropReport()
    return ReadResult(list(stream_cc3m(path, report, ids)), report)


def stream_cc3m(path: str | Path, report: DropReport, ids: Ids = "row") -> Iterator[Sample]:
    """The samples of `read_cc3m` one by one."""
    return _read_cc(path, "cc3m", report, caption_first=True, ids=ids)


def read_cc12m(path: str | Path, ids: Ids = "row") -> ReadResult:
    """`url<TAB>caption`; `ids` as for CC3M."""
    report = DropReport()
    return ReadResult(list(stream_cc12m(path, report, ids)), report)


def stream_cc12m(path: str | Path, report: DropReport, ids: Ids = "row") -> Iterator[Sample]:
    """The samples of `read_cc12m` one by one."""
    return _read_cc(path, "cc12m", report, caption_first=False, ids=ids)


def _read_cc(path: str | Path, source: str, report: DropReport, caption_first: bool, ids: Ids) -> Iterator[Sample]:
    row_number = -1
    seen: set[str] = set()
    again = _names_again(Path(path), caption_first) if ids == "url" else frozenset()
    for row in Delimited(path, "\t", report, columns=2).rows():
        if row_number < 0 and {field.strip().lower() for field in row} == _HEADER:
            continue
        row_number += 1
        report.read += 1
        if len(row) != 2:
            report.drop("row does not have 2 columns", "\t".join(row))
            continue
        caption, url = _which(row, caption_first)
        caption = clean_text(caption, report)
        if not _URL.match(url):
            report.drop("no URL", "\t".join(row))
        elif not caption:
            report.drop("no caption", url)
        else:
            media_id = f"{row_number:09d}" if ids == "row" else _name_in(url)
            if ids == "url" and hash_of(media_id) in again:  # numbers of rows differ by themselves
                if media_id in seen:
                    report.drop("another row has the same file name", url)
                    continue
                seen.add(media_id)
            report.note(NO_CHECKSUM, url)
            yield Sample(media_id, source, media_id, "image", caption, references=(caption,))


def _names_again(path: Path, caption_first: bool) -> frozenset[int]:
    """Hashes of the file names that come more than once: only those need to be remembered while reading."""
    names = Repeats()
    for row in Delimited(path, "\t", DropReport(), columns=2).rows():
        if len(row) == 2 and _URL.match(url := _which(row, caption_first)[1]):
            names.add(_name_in(url))
    return names.found()[0]


def _which(row: list[str], caption_first: bool) -> tuple[str, str]:
    """Caption and URL; where only one field is a URL, that is the URL, whatever the order ought to be."""
    caption, url = (row[0], row[1].strip()) if caption_first else (row[1], row[0].strip())
    if not _URL.match(url) and _URL.match(caption.strip()):
        return url, caption.strip()
    return caption, url


def _name_in(url: str) -> str:
    return media_id_of(PurePosixPath(urlsplit(url).path).name) or url


def read_webvid(path: str | Path) -> ReadResult:
    """Columns `videoid`, `page_dir` and `name` (the caption); the clip is `{page_dir}/{videoid}.mp4`.

    A column `sha256` or `md5` would be the checksum of what `contentUrl` refers to; rows without are noted.

    Raises:
        DataError: a column is missing.
    """
    report = DropReport()
    samples = list(stream_webvid(path, report))
    note_duplicates(samples, report)
    return ReadResult(samples, report)


def stream_webvid(path: str | Path, report: DropReport) -> Iterator[Sample]:
    """The samples of `read_webvid` one by one."""
    for row in read_table(path, (("videoid",), ("page_dir",), ("name",)), report):
        caption = clean_text(row["name"], report)
        clip = media_id_of(f"{row['page_dir'].strip()}/{row['videoid'].strip()}.mp4")
        if not row["videoid"].strip() or not row["page_dir"].strip():
            report.drop("no videoid or page_dir", caption)
        elif not caption:
            report.drop("no caption", clip)
        else:
            if row.get("contenturl", "").strip() and not (row.get("sha256") or row.get("md5")):
                report.note(NO_CHECKSUM, row["contenturl"])
            yield Sample(clip, "webvid", clip, "video", caption, references=(caption,))
