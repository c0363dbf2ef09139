"""A small copy of a film that every browser plays, where the film itself is in a form that some do not."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np

from calvin.core.errors import MediaError
from calvin.core.files import atomic_path, check_room
from calvin.core.progress import Listener, Stage, silent
from calvin.media.film.playable import video_trouble
from calvin.media.film.reader import FilmReader
from calvin.media.film.source import (
    FilmFacts,
    MediaLimits,
    check_unchanged,
    choose_audio,
    open_film,
    probe,
    quarter_turns,
    start_us,
    video_stream,
)
from calvin.media.film.trial import check_survivable
from calvin.media.sound.film_sound import MIX_RATE, packed_frame, programme_blocks
from calvin.media.sound.mux import not_written

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

LINES = 540
"""The most lines of the picture: enough to see what is described."""
_BYTES_A_SECOND = 190_000
"""What a copy may take at most, more or less."""
_LIGHT = 1_500_000
"""Bytes a second up to which a picture is not too large to be copied."""
_CLOCK = Fraction(1, 90_000)
_KEY_EVERY_S = 2


def make_proxy(film: str | Path, target: str | Path, listener: Listener = silent) -> None:
    """Write `target`, an MP4 file with H.264 (4:2:0) and AAC in stereo, in film time: what is shown at a time of the
    film is shown at that time of the copy. It is there when it is whole; the film is left as it is.

    A picture that browsers play, and that is not too large, is copied as it is; any other is made anew, with at most
    540 lines.

    Raises:
        MediaError: the film cannot be read, or there is no room.
    """
    film, target = Path(film), Path(target)
    check_survivable(film, sound=True)
    facts = probe(film, fingerprint=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    as_it_is = _can_be_copied(facts)
    check_room(target, _most_bytes(facts, as_it_is))
    stage = Stage("copy for the browser", listener, facts.duration_ms / 1000 or None, "s")
    try:
        with atomic_path(target) as temporary:
            with av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as container:
                picture = _copied(container, facts) if as_it_is else _made_anew(container, facts)
                _write(container, picture, facts, stage)
            check_unchanged(facts)
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            raise not_written(error, target) from error
        raise MediaError(f"A copy of {film} for the browser cannot be written ({error.strerror}).") from error
    except OSError as error:
        raise not_written(error, target) from error
    stage.update(facts.duration_ms / 1000)


def proxy_bytes(film: Path) -> int:
    """How large the copy of a film will be at most, more or less."""
    facts = probe(film, fingerprint=False)
    return _most_bytes(facts, _can_be_copied(facts))


def _most_bytes(facts: FilmFacts, as_it_is: bool) -> int:
    return facts.size if as_it_is else facts.duration_ms * _BYTES_A_SECOND // 1000


def _can_be_copied(facts: FilmFacts) -> bool:
    """Whether the picture can stay as it is: one that browsers play, upright, with a clock to be trusted."""
    light = facts.duration_ms and facts.size * 1000 / facts.duration_ms <= _LIGHT
    plain = facts.rotation == 0 and facts.sample_aspect == 1 and facts.container in ("mov", "matroska")
    if not (light and plain):
        return False
    with open_film(facts.path) as source:
        return not video_trouble(video_stream(source, facts.path, MediaLimits()))


def _write(container: Any, picture: Iterator[int], facts: FilmFacts, stage: Stage) -> None:
    """Put picture and sound side by side; `picture` writes as it is iterated, and says how far it is (us)."""
    next(picture)  # its stream comes first
    track = choose_audio(facts.audio_streams)
    sound = None
    if track is not None:
        stream = container.add_stream("aac", rate=MIX_RATE, layout="stereo")
        sound = _Sound(container, stream, programme_blocks(facts.path, track.index, "stereo"))
    for number, time_us in enumerate(picture):
        if sound is not None:
            sound.until(time_us)
        if number % 50 == 0:
            stage.update(max(0, time_us) / 1_000_000)
    if sound is not None:
        sound.finish()


def _copied(container: Any, facts: FilmFacts) -> Iterator[int]:
    """The packets of the film's picture, in film time."""
    with open_film(facts.path) as source:
        stream = video_stream(source, facts.path, MediaLimits())
        copy = container.add_stream_from_template(stream, opaque=True)
        base = Fraction(stream.time_base or _CLOCK)
        origin = round((start_us(source, stream) or 0) / (base * 1_000_000))
        yield 0
        for packet in source.demux(stream):
            if not packet.size:  # the end
                continue
            # Matroska leaves open when the first frames are decoded; the muxer finds out.
            packet.dts = None if packet.dts is None else packet.dts - origin
            packet.pts = None if packet.pts is None else packet.pts - origin
            time_us = round((packet.dts or 0) * base * 1_000_000)
            packet.stream = copy
            container.mux(packet)
            yield time_us


def _made_anew(container: Any, facts: FilmFacts) -> Iterator[int]:
    """The film's picture, decoded, made small and encoded."""
    shape = _shape(facts)
    stream = _picture(container, Fraction(facts.frame_rate or 25).limit_denominator(1001), shape)
    yield 0
    reader = FilmReader(facts.path, MediaLimits())
    for frame, time_us in reader:
        small = _small(frame, shape)
        small.pts, small.time_base = time_us * _CLOCK.denominator // 1_000_000, _CLOCK
        container.mux(stream.encode(small))
        yield time_us
    container.mux(stream.encode(None))


def _picture(container: Any, rate: Fraction, shape: tuple[int, int]) -> Any:
    stream = container.add_stream("libx264", rate=min(rate, Fraction(120)))
    stream.width, stream.height, stream.pix_fmt = *shape, "yuv420p"
    stream.codec_context.time_base = _CLOCK
    keys = max(1, round(_KEY_EVERY_S * rate))
    # Often a whole picture, since describers jump about.
    stream.options = {"preset": "veryfast", "crf": "26", "profile": "main", "g": str(keys), "bf": "0"}
    return stream


def _shape(facts: FilmFacts) -> tuple[int, int]:
    """Width and height of the copy: as shown, even, and of at most `LINES` lines."""
    scale = min(1.0, LINES / facts.display_height)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (facts.display_width, facts.display_height))
    return width, height


def _small(frame: VideoFrame, shape: tuple[int, int]) -> VideoFrame:
    """A frame in the copy's size, upright."""
    turns = quarter_turns(frame) // 90
    if not turns:
        return frame.reformat(width=shape[0], height=shape[1], format="yuv420p")
    lying = (shape[1], shape[0]) if turns % 2 else shape
    rgb = frame.reformat(width=lying[0], height=lying[1], format="rgb24").to_ndarray()
    upright: Any = np.ascontiguousarray(np.rot90(rgb, turns))
    return av.VideoFrame.from_ndarray(upright, "rgb24").reformat(format="yuv420p")


class _Sound:
    """The film's sound, encoded as far as the picture is."""

    def __init__(self, container: Any, stream: Any, blocks: Iterator[np.ndarray]) -> None:
        self._container, self._stream, self._blocks = container, stream, blocks
        self._samples = 0

    def until(self, time_us: int) -> None:
        while self._samples * 1_000_000 < time_us * MIX_RATE and self._more():
            pass

    def finish(self) -> None:
        while self._more():
            pass
        self._container.mux(self._stream.encode(None))

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._container.mux(self._stream.encode(packed_frame(block, MIX_RATE, "stereo", self._samples)))
        self._samples += len(block)
        return True
