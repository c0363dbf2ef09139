"""LLaVA conversations: the 558k of its pre-training and the mix665k of LLaVA-1.5 (Liu et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError
from calvin.core.prompts import clean_line
from calvin.data.cleaning import is_coordinate_turn
from calvin.data.readers.text_files import clean_text, read_json
from calvin.data.samples import DUPLICATE, DropReport, ReadResult, Sample, media_id_of

TEXT_ONLY = "text only, no image"
OTHER_MEDIA = "a film or several images, not one image"
COORDINATES = "coordinate turn"
_IMAGE_MARK = "<image>"


def read_llava(path: str | Path, turns: bool = True, boxes: bool = False) -> ReadResult:
    """One sample per turn (question and answer), with the turns before it as context.

    The paper shows LLaVA without context. But a later question often means something that was said before ("What colour
    is it?"), so the turns are kept unless `turns` is False. Line breaks within an answer become spaces, as in every
    caption. Turns about the coordinates of boxes are dropped (Appendix A), unless `boxes` keeps them.

    Conversations without an image, or about a film or several images, are dropped whole, turns about box coordinates
    one by one; all are counted.
    `report.read` counts conversations.

    Raises:
        DataError: not a JSON list.
    """
    report = DropReport()
    rows = read_json(path)
    if not isinstance(rows, list):
        raise DataError(f"{path} is not LLaVA JSON: a list of conversations is expected.")
    samples: list[Sample] = []
    seen: set[str] = set()
    for number, row in enumerate(rows):
        report.read += 1
        said = row.get("conversations") if isinstance(row, dict) else None
        if not isinstance(said, list) or not said:
            report.drop("no conversation", str(row))
            continue
        if not isinstance(row.get("image"), str) or not row["image"].strip():
            # Video-LLaVA's and LLaVA-NeXT's files mix in rows of films and of several images.
            other = row.get("video") or row.get("image")
            report.drop(OTHER_MEDIA if other else TEXT_ONLY, str(row.get("id", number)), chosen=True)
            continue
        if (key := str(row.get("id", number))) in seen:
            report.note(DUPLICATE, key)
        seen.add(key)
        found = _samples(f"{number}-{row.get('id', '')}", row["image"].strip(), said, report, boxes)
        samples.extend(found if turns else (replace(sample, context=()) for sample in found))
    return ReadResult(samples, report)


def _samples(conversation: str, image: str, turns: list[Any], report: DropReport, boxes: bool) -> Iterator[Sample]:
    media_id = media_id_of(image)
    context: list[str] = []
    for number, (question, answer) in enumerate(_turns(turns, conversation, report)):
        if not boxes and is_coordinate_turn(question, answer):
            report.drop(COORDINATES, f"{question} {answer}", chosen=True)
            continue
        yield Sample(
            id=f"{conversation}/{number}",
            source="llava",
            media_id=media_id,
            kind="image",
            caption=answer,
            question=question,
            context=tuple(context),
            references=(answer,),
        )
        context.append(f"{question} {answer}")


def _turns(turns: list[Any], conversation: str, report: DropReport) -> Iterator[tuple[str, str]]:
    """Pairs of question and answer; what does not pair up is dropped and counted."""
    question: str | None = None
    for turn in turns:
        speaker, value = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else (None, None)
        text = clean_text(value, report) if isinstance(value, str) else ""
        if speaker in ("human", "user"):
            if question is not None:
                report.drop("question without an answer", f"{conversation}: {question}")
            # The mark stands first or last; the layout puts the visual before everything.
            question = clean_line(text.replace(_IMAGE_MARK, " "))
        elif speaker in ("gpt", "assistant"):
            if question and text:
                yield question, text
            else:
                report.drop("answer without a question" if text else "empty answer", f"{conversation}: {text}")
            question = None
        elif speaker != "system":
            report.drop("turn of an unknown speaker", f"{conversation}: {turn}")
    if question is not None:
        report.drop("question without an answer", f"{conversation}: {question}")
