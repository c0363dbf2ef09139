"""Draw a described film as a contact sheet: for each cue the still of its event, and below it its time and words.

python docs/make_pictures.py demo-output --output docs/images/described.jpg [--cues 6] [--columns 3]
"""

from __future__ import annotations

import argparse
import io
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from calvin.core.files import atomic_path
from calvin.core.time import Span, format_timecode
from calvin.media.film.frames import FrameStore

WIDTH, MARGIN, TEXT_SIZE = 400, 14, 19
LINE_HEIGHT = TEXT_SIZE + 6
CHARACTERS = 38
"""A line of text that fits under a still."""


def read_script(project: Path) -> list[dict[str, Any]]:
    """The cues of a project folder, from the JSON script in it."""
    for path in sorted(project.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") == "calvin-script":
            return [cue for cue in document["cues"] if cue["text"].strip()]
    raise SystemExit(f"{project} holds no JSON script: describe a film first, for example with `calvin demo`.")


def spread(cues: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """At most `count` cues over the whole film."""
    if len(cues) <= count:
        return list(cues)
    return [cues[(2 * number + 1) * len(cues) // (2 * count)] for number in range(count)]


def still_of(frames: FrameStore, cue: dict[str, Any]) -> Image.Image:
    [still] = frames.frames_between(Span(cue["event_ms"], cue["event_ms"]), 1)
    picture = Image.open(io.BytesIO(still.jpeg)).convert("RGB")
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


def words_of(cue: dict[str, Any]) -> list[str]:
    """When a cue is spoken, then its words."""
    start, end = (format_timecode(cue[f"{edge}_ms"])[3:-2] for edge in ("start", "end"))
    return [f"{start} - {end}", *textwrap.wrap(cue["text"], CHARACTERS)]


def contact_sheet(stills: Sequence[Image.Image], words: Sequence[list[str]], columns: int) -> Image.Image:
    """Stills in rows of `columns`, each over its words."""
    height = max(still.height for still in stills)
    text_height = max(map(len, words)) * LINE_HEIGHT
    cell_width, cell_height = WIDTH + MARGIN, height + text_height + 2 * MARGIN
    rows = -(-len(stills) // columns)
    sheet = Image.new("RGB", (columns * cell_width + MARGIN, rows * cell_height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(TEXT_SIZE)
    for number, (still, lines) in enumerate(zip(stills, words, strict=True)):
        left = MARGIN + number % columns * cell_width
        top = MARGIN + number // columns * cell_height
        sheet.paste(still, (left, top))
        for row, line in enumerate(lines):
            colour = "#555555" if row == 0 else "black"
            draw.text((left, top + height + MARGIN // 2 + row * LINE_HEIGHT), line, fill=colour, font=font)
    return sheet


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="project folder that calvin describe or calvin demo left")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cues", type=int, default=6)
    parser.add_argument("--columns", type=int, default=3)
    options = parser.parse_args(arguments)
    cues = spread(read_script(options.project), options.cues)
    if not cues:
        raise SystemExit(f"The script in {options.project} has no cues.")
    frames = FrameStore.open(options.project / "frames")
    sheet = contact_sheet([still_of(frames, cue) for cue in cues], [words_of(cue) for cue in cues], options.columns)
    with atomic_path(options.output) as temporary:
        sheet.save(temporary, quality=88)
    print(options.output)


if __name__ == "__main__":
    main()
