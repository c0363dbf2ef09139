"""The picture in the README is drawn by a command from what `describe` leaves."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calvin.core.time import Span
from calvin.core.types import Cue, Script
from calvin.media.film.frames import FrameWriter
from calvin.studio.script.text_formats import JsonWriter

SCRIPT = Path(__file__).parents[2] / "docs" / "make_pictures.py"


@pytest.fixture(scope="module")
def pictures() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ten seconds that turn from black to white, and a cue a second."""
    with FrameWriter(tmp_path / "frames", fps=5.0) as writer:
        for index in range(50):
            writer.add(np.full((90, 160, 3), index * 5, np.uint8))
    cues = tuple(
        Cue(str(n), Span(n * 1000, n * 1000 + 900), f"Mara waves {n} times.", Span(0, 900), event_ms=n * 1000)
        for n in range(10)
    )
    JsonWriter().write(Script("Film", (*cues, Cue("x", Span(0, 9), " ", Span(0, 9), 0))), tmp_path / "film.json")
    return tmp_path


def test_each_cue_is_drawn_over_its_own_still(pictures: dict[str, Any], project: Path) -> None:
    output = project / "images" / "sheet.png"
    pictures["main"]([str(project), "--output", str(output), "--cues", "4", "--columns", "2"])
    sheet = np.asarray(Image.open(output).convert("L"), dtype=int)
    width, margin = pictures["WIDTH"], pictures["MARGIN"]
    assert sheet.shape[1] == 2 * (width + margin) + margin
    still_height = round(90 * width / 160)
    top, left = margin + still_height // 2, margin + width // 2
    row = (sheet.shape[0] - margin) // 2
    shades = [sheet[top + y * row, left + x * (width + margin)] for y in range(2) for x in range(2)]
    # Cues 1, 3, 6 and 8 of ten, each at its second.
    np.testing.assert_allclose(shades, [25, 75, 150, 200], atol=3)
    assert (sheet[margin + still_height : row] < 100).any(), "no words under the stills"


def test_the_words_are_time_then_text(pictures: dict[str, Any]) -> None:
    cue = {"start_ms": 61_500, "end_ms": 63_000, "text": "Mara, in a red coat, hands Otto the lamp."}
    assert pictures["words_of"](cue) == ["01:01.5 - 01:03.0", "Mara, in a red coat, hands Otto the", "lamp."]


def test_a_folder_without_a_script_is_refused(pictures: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="describe a film first"):
        pictures["main"]([str(tmp_path), "--output", str(tmp_path / "a.png")])
