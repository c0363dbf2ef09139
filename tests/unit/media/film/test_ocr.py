"""Writing read by the models that rapidocr's wheel carries."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calvin.media.film.ocr import can_read, read_lines, seems_written, shown_text


def picture(*texts: tuple[str, tuple[int, int], float]) -> np.ndarray:
    image = np.full((360, 640, 3), (60, 80, 110), np.uint8)
    for text, at, size in texts:
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_DUPLEX, size, (250, 250, 250), 2, cv2.LINE_AA)
    return image


@pytest.mark.slow
def test_lines_are_read_from_top_to_bottom_with_their_places() -> None:
    assert can_read()
    lines = read_lines(picture(("Platform 4", (330, 300), 1.0), ("Grand Hotel", (40, 80), 1.4)))
    assert [line.text for line in lines] == ["Grand Hotel", "Platform 4"]
    assert all(line.score > 0.9 for line in lines)
    left, top, right, bottom = lines[0].box
    assert left < 0.1
    assert right < 0.7
    assert 0.05 < top < 0.2 < bottom < 0.35


@pytest.mark.slow
def test_text_upside_down_is_read_sideways_by_the_word_and_mirrored_text_is_not_sure() -> None:
    upright = picture(("Grand Hotel", (150, 200), 1.4))
    assert [line.text for line in read_lines(upright[::-1, ::-1])] == ["Grand Hotel"]
    assert any("Hotel" in line.text for line in read_lines(np.rot90(upright)))
    assert all(line.score < 0.9 or line.text != "Grand Hotel" for line in read_lines(upright[:, ::-1]))
    assert read_lines(np.zeros((360, 640, 3), np.uint8)) == ()


@pytest.mark.slow
def test_a_look_at_half_the_size_tells_whether_there_is_writing_and_changes_nothing_for_reading() -> None:
    sign, scene = picture(("Grand Hotel", (40, 80), 1.4)), picture()
    cv2.circle(scene, (320, 200), 90, (20, 160, 200), -1)
    before = read_lines(sign)
    assert seems_written(sign)
    assert not seems_written(scene)
    assert read_lines(sign) == before


def test_what_is_read_is_harmless_text() -> None:
    assert shown_text("Keep\x1b[31m Out\u202e\n\x07now") == "Keep [31m Out now"
    assert len(shown_text("x" * 10_000)) == 200
