"""Words on screen, which tell credits where the caption does not (extra `ocr`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from calvin.core.errors import MediaError
from calvin.data.cleaning import KeywordCredits
from calvin.data.samples import Sample
from calvin.media.film.ocr import READ_SIZE, read_lines
from calvin.media.film.sampling import Scaler
from calvin.media.film.source import MediaLimits, open_film, pixel_aspect, start_us, video_stream
from calvin.media.film.text_kinds import CREDIT_WORDS

ReadScreen = Callable[[np.ndarray], Sequence[str]]
"""The lines of text in a picture, uint8 RGB [H, W, 3]."""

_SURE = 0.6
_MANY_LINES = 5


def read_screen(rgb: np.ndarray) -> list[str]:
    """The lines of text that PP-OCR reads in a picture, uint8 RGB [H, W, 3]; only readings it is sure of.

    Raises:
        MissingExtraError: rapidocr is not installed.
    """
    return [line.text for line in read_lines(rgb) if line.score >= _SURE]


def looks_like_credits(lines: Sequence[str]) -> bool:
    """Words that credits use, or so many lines that they can only be a list of names."""
    return bool(CREDIT_WORDS.search(" ".join(lines))) or len(lines) >= _MANY_LINES


class ScreenCredits(KeywordCredits):
    """Credits by the words of the caption, else by what stands on the screen in the middle of the scene.

    The screen is looked at only within `edge_ms` of the first or last described moment, where credits stand. A film
    that is not in the folder, or cannot be read, is judged by captions alone.

    Args:
        films: the folder of the films, named by media id.
    """

    def __init__(self, films: Path, read: ReadScreen = read_screen, edge_ms: int = 180_000) -> None:
        super().__init__(edge_ms)
        self.films, self.read = films, read

    def tag(self, samples: Sequence[Sample]) -> list[bool]:
        tags = super().tag(samples)
        edges = self.edges(samples)
        wanted: dict[str, list[int]] = {}
        for index, (sample, tagged) in enumerate(zip(samples, tags, strict=True)):
            if not tagged and self.is_at_edge(sample, edges):
                wanted.setdefault(sample.media_id, []).append(index)
        for media_id, indices in wanted.items():
            film = next(iter(sorted(self.films.glob(f"{media_id}.*"))), None)
            if film is None:
                continue
            times = [span.middle_ms if (span := samples[index].span) else 0 for index in indices]
            with suppress(MediaError):
                for index, picture in zip(indices, frames_at(film, times), strict=True):
                    tags[index] = picture is not None and looks_like_credits(self.read(picture))
        return tags


def frames_at(path: Path, times_ms: Sequence[int]) -> Iterator[np.ndarray | None]:
    """The picture on screen at each time, RGB uint8 [H, W, 3]; None after the film's end.

    Raises:
        MediaError: the film cannot be read.
    """
    limits = MediaLimits()
    with open_film(path, limits) as container:
        stream = video_stream(container, path, limits)
        origin_us = start_us(container, stream) or 0
        scaler = Scaler(READ_SIZE, pixel_aspect(stream))
        for time_ms in times_ms:
            target_s = (time_ms * 1000 + origin_us) / 1e6
            container.seek(int(target_s * 1e6))
            frame = next((f for f in container.decode(stream) if f.time is not None and f.time >= target_s), None)
            yield None if frame is None else scaler.rgb(frame)
