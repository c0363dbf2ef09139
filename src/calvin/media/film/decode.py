"""A film decoded once: stills at a steady rate, shot cuts and sound from the same pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import Span, round_half_up
from calvin.core.types import FPS, FRAME_SIZE
from calvin.media.film.cuts import CutFinder, shots_between
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.media.film.reader import FilmReader
from calvin.media.film.sampling import FrameSampler, LongerSide, Scaler, Size
from calvin.media.film.source import FilmFacts, MediaLimits, check_unchanged, choose_audio, mono_tracks, probe
from calvin.media.sound.film_sound import SoundWriter

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SOUND = "sound.wav"
OTHER_SOUNDS = "sound-*.wav"
"""The film's sound, and further tracks of it where it is spread over tracks of one channel each."""
READABLE = "readable"
"""The folder, beside the stills, of the larger and fewer ones in which writing can be read."""
READABLE_FPS = 1.0
LARGE = "large"
"""The folder, beside the stills, of the large ones that captioners look at."""
LARGE_FPS = 2.0
"""A scene of 8 seconds, which is as long as they are planned, has 16 of them: as many as are shown."""
LOST_SOUND = (
    "A sound track of the film cannot be read (it is damaged, or in a coding that is not known), so what is said on it "
    "was not heard: name subtitles, or give a whole film."
)


class DecodeSettings(FrozenConfig):
    """`frame_size` is the shorter side of the stills or an exact (height, width); `language` prefers a sound track.

    With a `readable_size`, larger stills of that shorter side are kept too, one a second, in the folder `READABLE`;
    with a `large_size`, others of that longer side, two a second, in the folder `LARGE`.
    """

    fps: float = FPS
    frame_size: int | tuple[int, int] = FRAME_SIZE
    cuts: bool = True
    sound: bool = True
    language: str | None = None
    readable_size: int | None = None
    large_size: int | None = None
    batch_size: int = 64
    limits: MediaLimits = MediaLimits()


@dataclass(frozen=True, slots=True)
class DecodeReport:
    """What a decode pass met: `notes` are sentences for the user; empty where the film was whole."""

    frames_decoded: int
    damaged: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodedFilm:
    """What one pass over a film gave. `duration_ms` is what was decoded, not what the container claims.

    `other_sounds`: by index of the stream, tracks of one channel each over which the sound is spread besides `sound`.
    `readable`: how many of the larger stills there are; None where none were asked for.
    """

    facts: FilmFacts
    duration_ms: int
    frames: FrameStore
    cuts_ms: tuple[int, ...]
    sound: Path | None
    report: DecodeReport
    other_sounds: Mapping[int, Path] = field(default_factory=dict)
    readable: int | None = None

    @property
    def shots(self) -> tuple[Span, ...]:
        return shots_between(self.cuts_ms, self.duration_ms)


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Consecutive pictures of a film, each uint8 [H, W, 3], the first of them picture `first`.

    A picture that stays on screen is the same object each time, in the next batch too.
    """

    first: int
    pictures: tuple[np.ndarray, ...] = field(repr=False)

    @property
    def rgb(self) -> np.ndarray:
        """uint8 [N, H, W, 3]."""
        return np.stack(self.pictures)


def decode_film(
    path: str | Path,
    folder: str | Path,
    settings: DecodeSettings | None = None,
    on_batch: Callable[[FrameBatch], None] | None = None,
    listener: Listener = silent,
    facts: FilmFacts | None = None,
) -> DecodedFilm:
    """Decode a film once into `folder`: stills (see `FrameStore`), cuts and sound.

    `on_batch` gets the pictures while decoding, in order, before they are compressed: the vision tower encodes them
    in the same pass. `facts` saves probing again. Memory does not grow with the film. A film that breaks off is
    decoded as far as it goes, and the report says so.

    Raises:
        MediaError: the film cannot be read, or changed since `facts` were taken; the folder cannot be written.
    """
    settings = settings or DecodeSettings()
    facts = facts or probe(path, settings.limits)
    track = choose_audio(facts.audio_streams, settings.language) if settings.sound else None
    spread = {one.index: _other_sound(folder, one.index) for one in mono_tracks(facts.audio_streams, track)[1:]}
    for old in Path(folder).glob(OTHER_SOUNDS):
        old.unlink()
    sampler = FrameSampler(settings.fps, Scaler(settings.frame_size, facts.sample_aspect))
    finder: CutFinder | None = None
    stage = Stage("decode", listener, facts.duration_ms / 1000 or None, "s")
    try:
        with ExitStack() as stack:
            batcher = _Batcher(settings.batch_size, stack.enter_context(FrameWriter(folder, settings.fps)), on_batch)
            further = [stack.enter_context(one) for one in _further(folder, settings, facts)]
            sounds = ({track.index: Path(folder) / SOUND} if track else {}) | spread
            heard = {index: stack.enter_context(SoundWriter(file)).feed for index, file in sounds.items()}
            reader = FilmReader(Path(path), settings.limits, heard)
            for frame, time_us in reader:
                if settings.cuts:
                    finder = finder or CutFinder(reader.rate)
                    finder.feed(frame, time_us)
                batcher.extend(sampler.feed(frame, time_us))
                for kept in further:
                    kept.feed(frame, time_us)
                if reader.frames % 100 == 0:
                    stage.update(time_us / 1_000_000)
            batcher.extend(sampler.finish(reader.end_us))
            batcher.flush()
            for kept in further:
                kept.finish(reader.end_us)
            check_unchanged(facts)  # before anything is kept
    except OSError as error:
        if error.errno is None:
            raise
        raise MediaError(f"The frames of {path} cannot be written to {folder} ({error.strerror}).") from error
    stage.update(reader.end_us / 1_000_000)
    return DecodedFilm(
        facts=facts,
        duration_ms=max(1, round_half_up(reader.end_us / 1000)),
        frames=FrameStore.open(folder),
        cuts_ms=tuple(round_half_up(cut / 1000) for cut in finder.finish()) if finder else (),
        sound=Path(folder) / SOUND if track else None,
        other_sounds=spread,
        report=DecodeReport(reader.frames, reader.damaged, (*reader.notes, *[LOST_SOUND] * bool(facts.lost_sounds))),
        readable=len(FrameStore.open(Path(folder) / READABLE)) if settings.readable_size else None,
    )


def decode_large(
    facts: FilmFacts, folder: str | Path, size: int, listener: Listener = silent, limits: MediaLimits | None = None
) -> FrameStore:
    """Large stills alone, of a film that was decoded without them, beside its other stills in `folder`.

    Raises:
        MediaError: the film cannot be read, or changed since `facts` were taken; the folder cannot be written.
    """
    limits, stage = limits or MediaLimits(), Stage("decode", listener, facts.duration_ms / 1000 or None, "s")
    try:
        with _further_stills(Path(folder) / LARGE, LARGE_FPS, LongerSide(size), facts) as large:
            reader = FilmReader(facts.path, limits)
            for frame, time_us in reader:
                large.feed(frame, time_us)
                if reader.frames % 100 == 0:
                    stage.update(time_us / 1_000_000)
            large.finish(reader.end_us)
            check_unchanged(facts)
    except OSError as error:
        if error.errno is None:
            raise
        raise MediaError(f"The frames of {facts.path} cannot be written to {folder} ({error.strerror}).") from error
    stage.update(reader.end_us / 1_000_000)
    return FrameStore.open(Path(folder) / LARGE)


class _Further:
    """Keeps stills of the same pass at another rate and size."""

    def __init__(self, writer: FrameWriter, sampler: FrameSampler) -> None:
        self._writer, self._sampler = writer, sampler

    def feed(self, frame: VideoFrame, time_us: int) -> None:
        for rgb in self._sampler.feed(frame, time_us):
            self._writer.add(rgb)

    def finish(self, end_us: int) -> None:
        for rgb in self._sampler.finish(end_us):
            self._writer.add(rgb)


def _further(folder: str | Path, settings: DecodeSettings, facts: FilmFacts) -> list[AbstractContextManager[_Further]]:
    """What is kept of the pass besides the small stills."""
    found: list[AbstractContextManager[_Further]] = []
    if settings.readable_size is not None:
        found.append(_further_stills(Path(folder) / READABLE, READABLE_FPS, settings.readable_size, facts))
    if settings.large_size is not None:
        found.append(_further_stills(Path(folder) / LARGE, LARGE_FPS, LongerSide(settings.large_size), facts))
    return found


@contextmanager
def _further_stills(folder: Path, fps: float, size: Size, facts: FilmFacts) -> Iterator[_Further]:
    folder.mkdir(parents=True, exist_ok=True)
    with FrameWriter(folder, fps) as writer:
        yield _Further(writer, FrameSampler(fps, Scaler(size, facts.sample_aspect)))


def sounds_in(folder: str | Path) -> list[Path]:
    """What `decode_film` left of the film's sound: its track, and those over which it is spread besides."""
    sound = Path(folder) / SOUND
    return [sound, *sorted(Path(folder).glob(OTHER_SOUNDS))] if sound.is_file() else []


def _other_sound(folder: str | Path, index: int) -> Path:
    return Path(folder) / OTHER_SOUNDS.replace("*", str(index))


class _Batcher:
    """Hands pictures to the store one by one and to the caller in batches."""

    def __init__(self, size: int, writer: FrameWriter, on_batch: Callable[[FrameBatch], None] | None) -> None:
        self._size = size
        self._writer = writer
        self._on_batch = on_batch
        self._held: list[np.ndarray] = []
        self._first = 0

    def extend(self, pictures: Iterable[np.ndarray]) -> None:
        for rgb in pictures:
            self._writer.add(rgb)
            if self._on_batch is not None:
                self._held.append(rgb)
                if len(self._held) == self._size:
                    self.flush()

    def flush(self) -> None:
        if self._on_batch is not None and self._held:
            self._on_batch(FrameBatch(self._first, tuple(self._held)))
            self._first += len(self._held)
            self._held.clear()
