"""One pass over a film's packets, in presentation time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error

from calvin.core.errors import MediaError
from calvin.media.film.colour import settle_colours
from calvin.media.film.source import NO_FRAME, MediaLimits, open_film, start_us, stated_us, video_stream

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.video.frame import VideoFrame

Hearer = Callable[["AudioFrame", int], None]
"""Takes the frames of a sound stream with their film times in us."""
_JUMP_US = 10_000_000
"""A step in a stream's clock above this, beyond the film's stated end, is a break in the clock and not a pause."""

_SHORTFALL_US = 300_000


@dataclass
class PresentationClock:
    """Film time of a stream's frames, in microseconds: never backwards, and whole over breaks in the clock.

    A frame without a time, or at or before the one before it, follows that one by `step_us`. Where the clock jumps
    far back, or forth beyond the stated end (joined recordings), the times after the jump continue from there.
    """

    origin_us: int | None
    step_us: int
    stated_end_us: int = 0
    time_base: Fraction = Fraction(1, 1_000_000)
    last_us: int | None = None
    delay: int = 0
    repaired: int = 0
    breaks: int = 0

    def film_time(self, pts: int | None) -> int:
        following = 0 if self.last_us is None else self.last_us + self.step_us
        if pts is None:
            self.repaired += self.last_us is not None
            self.last_us = following
            return following
        stamp = self.length_us(pts)
        if self.origin_us is None:
            self.origin_us = stamp
        time = stamp - self.origin_us
        if self._is_break(time):
            self.breaks += 1
            self.origin_us += time - following
            time = following
        if self.last_us is None:
            time = max(time, 0)
        elif time <= self.last_us:
            self.repaired += 1
            time = following
        self.last_us = time
        return time

    def pass_packet(self, packet: av.Packet) -> None:
        """Go on to a packet, which are in the order of decoding: by as much as that is ahead of what is shown."""
        if packet.dts is None:
            return
        if self.last_us is None and packet.pts is not None:
            self.delay = packet.pts - packet.dts
        self.step_us = self.length_us(packet.duration or 0) or self.step_us
        self.film_time(packet.dts + self.delay)

    def beside(self, picture: PresentationClock) -> None:
        """Take the picture's clock for what a time may be: sound that begins late, or again after silence, is no break.

        A transport stream does not say how long it is, so nothing else tells such sound from a clock that jumps.
        """
        if self.last_us is None and picture.origin_us is not None:
            self.origin_us = picture.origin_us
        self.stated_end_us = max(self.stated_end_us, picture.last_us or 0)

    def length_us(self, ticks: int) -> int:
        tick = self.time_base
        return (2_000_000 * ticks * tick.numerator + tick.denominator) // (2 * tick.denominator)

    def _is_break(self, time: int) -> bool:
        last = self.last_us or 0
        return time < last - _JUMP_US or time > max(last, self.stated_end_us) + _JUMP_US


@dataclass
class FilmReader:
    """Decodes the picture, and the audio streams of `sounds` (by index in the file) for their hearers, in one pass.

    Iterating gives (frame, film time in us); after that, `end_us` is the end of the last frame and `notes` says in
    plain sentences what was wrong with the file.
    """

    path: Path
    limits: MediaLimits
    sounds: Mapping[int, Hearer] = field(default_factory=dict)
    frames: int = 0
    end_us: int = 0
    notes: list[str] = field(default_factory=list)
    damaged: int = 0
    stated_us: int = 0
    rate: Fraction = Fraction(25)
    _colours: str | None = None
    _longest_us: int = _JUMP_US

    def __iter__(self) -> Iterator[tuple[VideoFrame, int]]:
        with open_film(self.path, self.limits) as container:
            stream = video_stream(container, self.path, self.limits)
            heard = [track for track in container.streams.audio if track.index in self.sounds]
            self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            self.stated_us = stated_us(container, stream)
            origin = start_us(container, stream)
            # A transport stream's length is a guess from its first and last times, which a jump makes worthless.
            stated = () if container.format.name == "mpegts" else (self.stated_us, stated_us(container))
            trusted_us = min(filter(None, stated), default=0)
            # By a damaged table of times, a single picture may last for days.
            self._longest_us = max(_JUMP_US, trusted_us)
            step = max(1, min(round(1_000_000 / self.rate), self._longest_us))
            clock = PresentationClock(origin, step, trusted_us, Fraction(stream.time_base or 0))
            shown = PresentationClock(origin, step, trusted_us, Fraction(stream.time_base or 0))
            clocks = {
                track.index: PresentationClock(origin, 0, trusted_us, Fraction(track.time_base or 0)) for track in heard
            }
            for packet in self._packets(container.demux([stream, *heard])):
                self.damaged += packet is not None and packet.is_corrupt
                if packet is not None and packet.stream is stream:
                    shown.pass_packet(packet)  # frames come out of the decoder later than sound does
                frames: list[Any] = []
                try:
                    # After a broken end of file the decoder still holds frames.
                    frames = packet.decode() if packet is not None else stream.decode(None)
                except av.error.EOFError:
                    pass
                except av.error.FFmpegError:
                    self.damaged += 1
                for frame in frames:
                    if packet is not None and packet.stream.index in clocks:
                        clocks[packet.stream.index].beside(shown)
                        self._hear(frame, clocks[packet.stream.index], self.sounds[packet.stream.index])
                    else:
                        yield self._see(frame, clock)
            tagged = any(key.upper().startswith("DURATION") for key in stream.metadata)  # as Matroska states it
            self._judge(clock, [*clocks.values()], bool(stream.duration) or tagged)

    def _packets(self, demuxed: Iterator[av.Packet]) -> Iterator[av.Packet | None]:
        try:
            yield from demuxed
        except av.error.FFmpegError as error:
            self.notes.append(f"The file breaks off or is damaged after {self.end_us / 1e6:.1f} s ({error.strerror}).")
            yield None
        except IndexError:
            # At the end PyAV asks each stream for its last frames, and does not know one that began midway.
            self.notes.append(
                "A stream that begins midway through the file was passed over: if people speak there, convert the film "
                "first, for example with HandBrake."
            )
            yield None

    def _see(self, frame: VideoFrame, clock: PresentationClock) -> tuple[VideoFrame, int]:
        time = clock.film_time(frame.pts if frame.pts is not None else frame.dts)
        if time > self.limits.max_duration_s * 1e6:
            hours = self.limits.max_duration_s / 3600
            raise MediaError(f"{self.path} runs for more than the {hours:g} hours allowed: cut it into parts.")
        length_us = clock.length_us(frame.duration or 0)
        self.end_us = time + (length_us if 0 < length_us < _JUMP_US else clock.step_us)
        self.end_us = min(self.end_us, max(time + _JUMP_US, self._longest_us))
        self.frames += 1
        self._colours = settle_colours(frame) or self._colours
        self.damaged += bool(frame.is_corrupt)
        return frame, time

    def _hear(self, frame: AudioFrame, clock: PresentationClock, hearer: Hearer) -> None:
        if frame.samples:
            clock.step_us = round(frame.samples * 1_000_000 / frame.sample_rate)
            hearer(frame, clock.film_time(frame.pts))

    def _judge(self, clock: PresentationClock, sounds: list[PresentationClock], picture_stated: bool) -> None:
        if not self.frames:
            raise MediaError(NO_FRAME.format(self.path))
        reached_us = (
            self.end_us
            if picture_stated
            else max(self.end_us, *((sound.last_us or 0) + sound.step_us for sound in sounds), 0)
        )
        if self.stated_us - reached_us > _SHORTFALL_US + self.stated_us // 1000:
            self.notes.append(
                f"The film says it is {self.stated_us / 1e6:.1f} s long, "
                f"but only {reached_us / 1e6:.1f} s of it could be decoded."
            )
        if self._colours:
            self.notes.append(
                f"The film's colours ({self._colours}) cannot be converted, so its pictures may look wrong to the "
                "captioner: give a version in BT.709, HDR10 or HLG."
            )
        if self.damaged:
            self.notes.append(f"Damaged parts of the picture or sound were passed over or repaired: {self.damaged}.")
        if clock.breaks:
            self.notes.append(f"The film's clock jumps, and its parts were joined end to end: {clock.breaks}.")
        if clock.repaired:
            self.notes.append(f"Frames without a usable time were placed after the frame before: {clock.repaired}.")
