"""Portraits from stills of the film: boxes, their overlap, and what lies beyond the film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import UsageError
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.cast.portraits import WHOLE, Portrait, check_apart, check_within, cut_out, shared, stills_of


def test_boxes_share_what_lies_in_both() -> None:
    assert shared(WHOLE, WHOLE) == 1
    assert shared((0, 0, 0.5, 1), (0.5, 0, 0.5, 1)) == 0
    assert shared((0, 0, 0.5, 1), (0.25, 0, 0.5, 1)) == pytest.approx(1 / 3)


def test_a_box_cuts_its_share_of_a_picture_and_never_nothing() -> None:
    picture = np.arange(50).reshape(5, 10)
    assert cut_out(picture, WHOLE).shape == (5, 10)
    assert cut_out(picture, (0.3, 0.2, 0.2, 0.4)).tolist() == [[13, 14], [23, 24]]
    assert cut_out(picture, (0.99, 0.99, 0.01, 0.01)).tolist() == [[49]]


def test_two_people_may_be_seen_in_one_still_apart() -> None:
    left, right, nearly = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 0.45, 1.0)
    check_apart({"Ann": [Portrait(0, left)], "Bob": [Portrait(0, right), Portrait(200, left)]}, "cast.toml")
    with pytest.raises(UsageError, match="both Ann and Bob"):
        check_apart({"Ann": [Portrait(0, left)], "Bob": [Portrait(0, nearly)]}, "cast.toml")


def test_a_portrait_from_after_the_end_is_refused() -> None:
    check_within({"Ann": [Portrait(999)]}, 1000)
    with pytest.raises(UsageError, match=r"portrait of Ann at 00:00:01.000 lies beyond the end"):
        check_within({"Ann": [Portrait(0), Portrait(1000)]}, 1000)


def test_a_portrait_is_the_still_that_was_shown_at_its_time(tmp_path: Path) -> None:
    with FrameWriter(tmp_path, 5.0) as writer:
        for level in (0, 100, 200):
            writer.add(np.full((8, 8, 3), level, np.uint8))
    frames = FrameStore.open(tmp_path)
    rows = [Portrait(0), Portrait(200), Portrait(290), Portrait(310), Portrait(9000)]
    levels = [round(float(still.mean()), -2) for _, _, still in stills_of(frames, {"Ann": rows})]
    assert levels == [0, 100, 100, 200, 200]
