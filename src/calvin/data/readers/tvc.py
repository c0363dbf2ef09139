"""TVC and TVR (Lei et al. 2020): moments of TV clips, one JSON object per line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calvin.data.readers.movies import NO_CAPTION, read_span
from calvin.data.readers.text_files import clean_text, read_jsonl
from calvin.data.samples import DropReport, ReadResult, Sample, note_duplicates


def read_tvc(path: str | Path) -> ReadResult:
    """One sample per moment: `vid_name`, `ts` (seconds in the clip) and `descs`, all of which are its references.

    The caption to learn is the first. The test split has no descriptions, so its rows are dropped and counted.
    """
    report = DropReport()
    samples: list[Sample] = []
    for row in read_jsonl(path, report):
        descs = row.get("descs")
        texts = [desc.get("desc") for desc in descs if isinstance(desc, dict)] if isinstance(descs, list) else []
        _add(samples, report, "tvc", row, row.get("clip_id"), texts)
    note_duplicates(samples, report)
    return ReadResult(samples, report)


def read_tvr(path: str | Path) -> ReadResult:
    """One sample per line: `vid_name`, `ts`, `desc`, `desc_id`."""
    report = DropReport()
    samples: list[Sample] = []
    for row in read_jsonl(path, report):
        _add(samples, report, "tvr", row, row.get("desc_id"), [row.get("desc")])
    note_duplicates(samples, report)
    return ReadResult(samples, report)


def _add(
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
