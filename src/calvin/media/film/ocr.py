"""Writing in pictures, read by PP-OCR (extra `ocr`): what stands where, and how sure the reading is.

The models in rapidocr's wheel (PP-OCRv6, small) read Latin letters with the accents of some fifty languages, Chinese
and Japanese; upright, slanted and upside down, and sideways by the word. They do not read Cyrillic, Greek, Arabic,
Hebrew, Korean, Thai or the scripts of India.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from calvin.core.errors import MissingExtraError
from calvin.core.prompts import clean_line

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture's width and height."""

READ_SIZE = 360
"""Shorter side of what is read, in pixels: larger pictures cost more, and words of one line come apart."""
_SURE, _SEEMS = 0.5, 0.4
"""How sure the detector has to be of a line that is read, and of one for which the picture is read."""
_TALLEST = 0.35
"""Share of the picture's height; what is taller is a shape of the picture."""
_LONGEST = 2000
_MOST_LINES = 60
_MOST_LETTERS = 200
_GREEK = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of writing in one picture, and how sure its reading is, up to 1."""

    text: str
    score: float
    box: Box

    @property
    def height(self) -> float:
        """Of the letters; of the column where it runs upwards or downwards."""
        return self.box[3] - self.box[1]

    @property
    def centre(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


def can_read() -> bool:
    """Whether the extra `ocr` is installed; nothing is loaded."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


def reads_by_default() -> bool:
    """Whether the writing in a film is read where nobody says otherwise: wherever that is possible."""
    return can_read()


def read_lines(rgb: np.ndarray) -> tuple[TextLine, ...]:
    """The lines of writing in a picture, uint8 RGB [H, W, 3], from top to bottom; words that stand side by side are
    one line. One thread is used.

    Raises:
        MissingExtraError: rapidocr is not installed.
    """
    found = _engine()(np.ascontiguousarray(rgb[..., ::-1]), use_rec=True, use_cls=True, box_thresh=_SURE)
    height, width = rgb.shape[:2]
    lines = []
    for text, score, corners in zip(found.txts or (), found.scores or (), _corners(found), strict=True):
        across, down = corners[:, 0] / width, corners[:, 1] / height
        box = (float(across.min()), float(down.min()), float(across.max()), float(down.max()))
        shown = shown_text(str(text))
        # Of Greek the model knows a few letters, as signs of mathematics, and reads words in part.
        if shown and not _GREEK.search(shown):
            lines.append(TextLine(shown, float(score), box))
    return tuple(_joined(lines, width / height)[:_MOST_LINES])


def seems_written(rgb: np.ndarray) -> bool:
    """Whether there seems to be writing in a picture, uint8 RGB [H, W, 3], by a look at half its size. A quarter of the
    work of `read_lines`; small letters are overlooked every other time.

    Raises:
        MissingExtraError: rapidocr is not installed.
    """
    import cv2  # here, so that commands that read nothing do not load it

    height, width = rgb.shape[:2]
    small = cv2.resize(rgb[..., ::-1], (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    found = _engine()(small, use_rec=False, use_cls=False, box_thresh=_SEEMS)
    return any(np.ptp(corners[:, 1]) <= _TALLEST * len(small) for corners in _corners(found))


def shown_text(text: str) -> str:
    """Writing of a film as harmless text on one line: no control or format characters, and no endless lines."""
    kept = (char if char.isprintable() else " " for char in unicodedata.normalize("NFC", text))
    return clean_line("".join(kept))[:_MOST_LETTERS]


def _corners(found: Any) -> list[np.ndarray]:
    return [] if found.boxes is None else [np.asarray(corners, float) for corners in found.boxes]


def _joined(lines: list[TextLine], aspect: float) -> list[TextLine]:
    """Lines whose words were found apart, made whole, from top to bottom; `aspect` is the picture's width by height."""
    rows: list[TextLine] = []
    for line in sorted(lines, key=lambda line: line.box[0]):
        before = next((row for row in rows if _beside(row, line, aspect)), None)
        if before is None:
            rows.append(line)
            continue
        (left, top, right, bottom), (_, high, end, low) = before.box, line.box
        shares = (len(before.text), len(line.text))
        score = (before.score * shares[0] + line.score * shares[1]) / sum(shares)
        box = (left, min(top, high), max(right, end), max(bottom, low))
        rows[rows.index(before)] = TextLine(f"{before.text} {line.text}"[:_MOST_LETTERS], score, box)
    return sorted(rows, key=lambda line: (line.box[1], line.box[0]))


def _beside(left: TextLine, right: TextLine, aspect: float) -> bool:
    shared = min(left.box[3], right.box[3]) - max(left.box[1], right.box[1])
    low, high = sorted((left.height, right.height))
    gap = (right.box[0] - left.box[2]) * aspect
    return shared >= 0.6 * low and high <= 1.6 * low and -0.5 * high <= gap <= 0.9 * high


@cache
def _engine() -> Any:
    try:
        import logging

        from rapidocr import RapidOCR
    except ImportError as error:
        raise MissingExtraError("Reading words on screen", "ocr") from error
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    # By default a picture is enlarged to 736 pixels first: four times the work, and more noise read as letters.
    size = {"Det.limit_type": "max", "Det.limit_side_len": _LONGEST}
    return RapidOCR(params={"Global.log_level": "error", **size, **threads})
