"""Writing in the picture: signs that hang in a place, letters on paper, subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import cv2
import numpy as np

from calvin.puppets.draw.stage import Canvas, Colour
from calvin.puppets.tell.screenplay import Sign

_FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
_BOARDS: tuple[tuple[Colour, Colour], ...] = (
    ((244, 240, 226), (30, 30, 34)),
    ((28, 60, 110), (250, 250, 250)),
    ((150, 26, 30), (252, 246, 230)),
    ((24, 84, 52), (250, 246, 220)),
    ((238, 200, 60), (26, 24, 22)),
    ((60, 44, 34), (236, 214, 170)),
)
_SHEET, _INK = (236, 226, 202), (34, 32, 60)
_CAP = 22
"""Height in pixels of a capital of OpenCV's fonts at size 1."""


def draw_sign(canvas: Canvas, sign: Sign) -> None:
    """A board on a wall or a post, its lines centred."""
    font, (board, ink) = _FONTS[sign.style % len(_FONTS)], _BOARDS[sign.style % len(_BOARDS)]
    size = sign.size * canvas.unit / _CAP
    thickness = max(1, round(size * 1.5))
    widths = [cv2.getTextSize(line, font, size, thickness)[0][0] / canvas.unit for line in sign.lines]
    step = 1.9 * sign.size
    half = complex(max(widths) / 2 + 1.6 * sign.size / 3, step * len(sign.lines) / 2 + 0.3 * sign.size)
    middle = complex(sign.x, sign.y)
    canvas.box(middle - half, middle + half, board, 0.5)
    for number, (line, width) in enumerate(zip(sign.lines, widths, strict=True)):
        down = (number - (len(sign.lines) - 1) / 2) * step + sign.size / 2
        x, y = canvas.pixel(middle + complex(-width / 2, -down))
        cv2.putText(canvas.image, line, (x // 16, y // 16), font, size, ink, thickness, canvas.line_type)


def draw_letter(lines: Sequence[str], width: int, height: int) -> np.ndarray:
    """A sheet of paper that fills most of the picture, RGB uint8 [H, W, 3], with its lines from the left."""
    image = np.full((height, width, 3), (70, 52, 40), np.uint8)
    margin = height // 12
    cv2.rectangle(image, (width // 7, margin), (width - width // 7, height - margin), _SHEET, -1)
    font = cv2.FONT_HERSHEY_COMPLEX | cv2.FONT_ITALIC
    size, thickness = height / 420, max(1, height // 300)
    step = (height - 4 * margin) // max(1, len(lines))
    for number, line in enumerate(lines):
        (wide, _), _ = cv2.getTextSize(line, font, size, thickness)
        shrunk = size * min(1.0, 0.62 * width / max(wide, 1))
        at = (width // 7 + width // 20, 3 * margin + step * number)
        cv2.putText(image, line, at, font, shrunk, _INK, thickness, cv2.LINE_AA)
    return image


def draw_subtitle(image: np.ndarray, text: str) -> np.ndarray:
    """A line of dialogue low in a picture, uint8 RGB [H, W, 3], which is changed and returned."""
    height, width = image.shape[:2]
    font, size = cv2.FONT_HERSHEY_DUPLEX, height / 500
    (wide, _), _ = cv2.getTextSize(text, font, size, 1)
    size *= min(1.0, 0.92 * width / wide)
    thickness = max(1, height // 300)
    (wide, _), _ = cv2.getTextSize(text, font, size, thickness)
    at = ((width - wide) // 2, round(0.93 * height))
    edge = max(1, height // 240)
    for across, down in product((-edge, 0, edge), repeat=2):
        cv2.putText(image, text, (at[0] + across, at[1] + down), font, size, (8, 8, 10), thickness, cv2.LINE_AA)
    cv2.putText(image, text, at, font, size, (250, 250, 246), thickness, cv2.LINE_AA)
    return image
