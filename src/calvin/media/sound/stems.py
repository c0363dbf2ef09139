"""A mix and the two sounds that it is made of, each a Broadcast WAV file: written side by side, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import av
import numpy as np

from calvin.core.package import __version__
from calvin.media.sound.ducking import Judge, MixSettings, Written, limited, until_right
from calvin.media.sound.film_sound import MIX_RATE, packed_frame, programme_blocks
from calvin.media.sound.loudness import Metered, metered

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

CODEC = "pcm_s24le"
Parts = Iterable[tuple[np.ndarray, np.ndarray | None]]
"""Blocks [N, channels] of the film and of the voices (None: nobody speaks), which the mix adds up."""


class BroadcastWav:
    """A WAV file of 24 bits at 48 kHz with a `bext` chunk (EBU Tech 3285), written block by block; RF64 beyond 4 GB.

    Args:
        begins_ms: when the sound begins, counted from midnight as the programme's time code is; editing programs put
            the file there.
        about: what is in it, up to 256 characters.
        mark: what else is to be said of it, for programs that read a file's comment (INFO).
    """

    def __init__(self, path: str | Path, layout: str, about: str, begins_ms: int = 0, mark: str = "") -> None:
        self._file = av.open(str(path), "w", format="wav", options={"rf64": "auto", "write_bext": "1"})
        self._stream = cast("AudioStream", self._file.add_stream(CODEC, rate=MIX_RATE, layout=layout))
        now = datetime.now(UTC)
        self._file.metadata.update(
            {
                "description": about.encode("ascii", "replace").decode()[:256],
                "originator": f"calvin {__version__}"[:32],
                "origination_date": now.strftime("%Y-%m-%d"),
                "origination_time": now.strftime("%H:%M:%S"),
                "time_reference": str(begins_ms * MIX_RATE // 1000),
                "coding_history": f"A=PCM,F={MIX_RATE},W=24,M={layout},T=calvin\r\n",
                **({"comment": mark} if mark else {}),
            }
        )
        self._layout, self._written = layout, 0

    def __enter__(self) -> Self:
        return self

    def write(self, block: np.ndarray) -> None:
        """Append float samples [N, channels]."""
        if len(block):
            self._file.mux(self._stream.encode(packed_frame(block, MIX_RATE, self._layout, self._written)))
            self._written += len(block)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.mux(self._stream.encode(None))
        self._file.close()


@dataclass(frozen=True, slots=True)
class StemFiles:
    """Where a mix, the film in it and the voices in it are written, when they begin, and what the film is called.

    `marks` are what the comments of the mix and of the description say.
    """

    mix: Path
    film: Path
    description: Path
    title: str
    begins_ms: int = 0
    marks: tuple[str, str] = ("", "")


def write_stems(
    files: StemFiles, make: Callable[[], Parts], settings: MixSettings,
    on_block: Callable[[float], None] | None = None, judge: Judge | None = None,
) -> Written:  # fmt: skip
    """Write a mix and its two parts, which add up to it sample by sample; returns what a meter reads of the mix.

    All three are turned down alike where a peak of the mix comes. Memory does not grow with the film.

    Args:
        make: gives the parts from their beginning; called again for each attempt.
        on_block: called with the seconds written so far.
        judge: see `write_mix`.

    Raises:
        MediaError: the peaks cannot be kept under the highest allowed.
    """
    layout = settings.layout

    def attempt(ceiling: float, louder: float) -> Metered:
        written = 0
        with ExitStack() as stack:
            mix, film, voice = (
                stack.enter_context(BroadcastWav(path, layout, f"{files.title}: {what}", files.begins_ms, mark))
                for path, what, mark in (
                    (files.mix, "film with audio description", files.marks[0]),
                    (files.film, "the film under audio description", ""),
                    (files.description, "audio description alone", files.marks[1]),
                )
            )
            for block in limited(_side_by_side(make(), louder), ceiling, parts=2):
                half = block.shape[1] // 2
                mix.write(block[:, :half] + block[:, half:])
                film.write(block[:, :half])
                voice.write(block[:, half:])
                written += len(block)
                if on_block is not None:
                    on_block(written / MIX_RATE)
        return metered(programme_blocks(files.mix, 0, layout), MIX_RATE, layout)

    return until_right(attempt, settings, CODEC, judge)


def _side_by_side(parts: Parts, louder_db: float) -> Iterator[np.ndarray]:
    gain = np.float32(10 ** (louder_db / 20))
    for film, voice in parts:
        both = np.concatenate([film, np.zeros_like(film) if voice is None else voice], axis=1)
        yield both * gain if louder_db else both
