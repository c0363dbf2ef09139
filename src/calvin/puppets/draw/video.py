"""Puppet films and clips as video: cards and shots in order, streamed frame by frame into H.264."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from calvin.core.files import atomic_path
from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.draw.stage import PLAIN, Pen
from calvin.puppets.draw.writing import draw_letter, draw_subtitle
from calvin.puppets.tell.screenplay import Card, Film, Scene

_FULL_COLOUR_BELOW = 128
_PAPER, _INK = (24, 26, 40), (246, 236, 214)


def draw_card(card: Card, width: int, height: int) -> np.ndarray:
    """A card of credits, RGB uint8 [H, W, 3]: its lines centred, the first one large. A letter is a sheet of paper."""
    if card.kind == "letter":
        return draw_letter(card.lines, width, height)
    image = np.full((height, width, 3), _PAPER, np.uint8)
    margin, line_height = width // 24, height // (len(card.lines) + 1)
    cv2.rectangle(image, (margin // 2, margin // 2), (width - margin // 2, height - margin // 2), _INK, 1)
    for number, line in enumerate(card.lines):
        size, thickness = height / (200 if number == 0 else 340), max(1, height // (160 if number == 0 else 240))
        (wide, high), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_DUPLEX, size, thickness)
        size *= min(1.0, (width - 2 * margin) / max(wide, 1))
        (wide, high), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_DUPLEX, size, thickness)
        spot = ((width - wide) // 2, line_height * (number + 1) + high // 2)
        cv2.putText(image, line, spot, cv2.FONT_HERSHEY_DUPLEX, size, _INK, thickness, cv2.LINE_AA)
    return image


def film_frames(
    film: Film, width: int, height: int, fps: float, burnt_in: bool = False, pen: Pen = PLAIN
) -> Iterator[np.ndarray]:
    """Every frame of a film in order, RGB uint8 [H, W, 3]; frame i shows the time i / fps.

    One shot is held in memory at a time. With `burnt_in`, the picture carries the dialogue as subtitles.
    """
    for number, image in enumerate(_pictures(film, width, height, fps, pen)):
        now_ms = number * 1000 / fps
        said = next((line.text for line in film.lines if line.start_ms <= now_ms < line.end_ms), None)
        yield draw_subtitle(image.copy(), said) if burnt_in and said else image


def _pictures(film: Film, width: int, height: int, fps: float, pen: Pen) -> Iterator[np.ndarray]:
    signs = {id(film.shots[sign.shot]): sign for sign in film.signs}
    parts: list[Card | Scene] = [film.cards[0], *film.shots, *film.inserts, film.cards[-1]]
    parts.sort(key=_start_ms)
    starts = [_start_ms(part) for part in parts]
    at, image, renderer = -1, np.empty(0), None
    for number in range(round(film.duration_ms / 1000 * fps)):
        now_ms = number * 1000 / fps
        while at + 1 < len(parts) and starts[at + 1] <= now_ms:
            at += 1
            part = parts[at]
            renderer = (
                None if isinstance(part, Card) else SceneRenderer(part, width, height, signs.get(id(part)), pen=pen)
            )
            if isinstance(part, Card):
                image = draw_card(part, width, height)
        yield image if renderer is None else renderer.frame((now_ms - starts[at]) / 1000)


def _start_ms(part: Card | Scene) -> int:
    return part.start_ms if isinstance(part, Card) else part.truth.start_ms


class VideoWriter:
    """Encodes RGB frames to H.264 in an open container; `crf` and `preset` are x264's."""

    def __init__(
        self, container: av.container.OutputContainer, width: int, height: int, fps: float, crf: int, preset: str
    ) -> None:
        self.container = container
        rate = Fraction(fps).limit_denominator(1001)
        self.stream = container.add_stream("libx264", rate=rate)
        self.stream.width, self.stream.height = width, height
        # The usual format halves the colour's resolution, which leaves too little of a coat in so small a picture.
        self.stream.pix_fmt = "yuv444p" if height < _FULL_COLOUR_BELOW else "yuv420p"
        self.stream.options = {"crf": str(crf), "preset": preset}
        self.stream.codec_context.thread_count = 1
        self.stream.codec_context.time_base = 1 / rate
        self.count = 0

    def write(self, rgb: np.ndarray) -> None:
        """Append a frame, RGB uint8 [H, W, 3]."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts, self.count = self.count, self.count + 1
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        self.container.mux(self.stream.encode(None))


def write_video(
    path: str | Path, frames: Iterable[np.ndarray], width: int, height: int, fps: float, crf: int = 16,
    preset: str = "ultrafast",
) -> None:  # fmt: skip
    """A silent film from its frames, RGB uint8 [H, W, 3], whole or not at all."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        writer = VideoWriter(container, width, height, fps, crf, preset)
        for frame in frames:
            writer.write(frame)
        writer.finish()
