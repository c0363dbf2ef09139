"""WebVid (Bain et al. 2021): a CSV in either known order of its columns."""

from __future__ import annotations

from pathlib import Path

from calvin.data.readers.text_files import NO_CHECKSUM, clean_text, read_table
from calvin.data.samples import DropReport, ReadResult, Sample, note_duplicates


def read_webvid(path: str | Path) -> ReadResult:
    """Columns `videoid`, `page_dir` and `name` (the caption); the clip is `{page_dir}/{videoid}.mp4`.

    A column `sha256` or `md5` would be the checksum of what `contentUrl` refers to; rows without are noted.

    Raises:
        DataError: a column is missing.
    """
    report = DropReport()
    samples: list[Sample] = []
    for row in read_table(path, (("videoid",), ("page_dir",), ("name",)), report):
        caption = clean_text(row["name"], report)
        clip = f"{row['page_dir'].strip()}/{row['videoid'].strip()}"
        if not row["videoid"].strip() or not row["page_dir"].strip():
            report.drop("no videoid or page_dir", caption)
        elif not caption:
            report.drop("no caption", clip)
        else:
            if row.get("contenturl", "").strip() and not (row.get("sha256") or row.get("md5")):
                report.note(NO_CHECKSUM, row["contenturl"])
            samples.append(Sample(clip, "webvid", clip, "video", caption, references=(caption,)))
    note_duplicates(samples, report)
    return ReadResult(samples, report)
