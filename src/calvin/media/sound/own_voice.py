"""A person's own voice, recorded: checked, and made ready to stand among synthetic ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import av.error
import numpy as np

from calvin.core.errors import MediaError
from calvin.core.time import Span, in_s
from calvin.media.sound.film_sound import MIX_RATE, resampled
from calvin.media.sound.loudness import levelled, loudness_and_peak

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MOST_MS = 180_000
"""A cue of the most characters takes less than this to read out."""
LOWEST_RATE, HIGHEST_RATE = 8000, 192_000
_CODECS = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "flac")
_LONGEST_MS = 6 * 3_600_000
"""Of one file with all cues of a film."""
_LEAST_MS = 150
_SILENT_DB = -55.0
"""No ten milliseconds of a recording that are louder: nobody spoke."""
_SOFT_LUFS = -45.0
_DULL_RATE = 16_000
_FULL, _FLAT, _CLIPS = 0.98, 3, 3
"""Samples that high, so many of them in a row, are cut off; fewer such places than this do not matter."""
_HOP = MIX_RATE // 100
_BELOW_DB, _ABOVE_NOISE_DB, _LEAST_BELOW_DB = 40.0, 6.0, 20.0
"""Speech goes on down to so much below its loudest, but stays so much above the room's noise; that is never taken for
more than the last figure allows."""
_STEADY = 4
"""Hundredths of a second: shorter sounds at the ends are clicks of a mouse or a key."""
_BEFORE_MS, _AFTER_MS = 60, 120
"""Kept at both ends for soft sounds such as f and s."""
_FADE_IN_MS, _FADE_OUT_MS = 5, 15
_ONE_SIDED, _OPPOSED = 0.05, -0.5


@dataclass(frozen=True, slots=True)
class OwnVoice:
    """float32 mono samples [N] at 48 kHz, how long and how loud they are, and sentences for the person who spoke."""

    samples: np.ndarray
    ms: int
    lufs: float
    notes: list[str] = field(default_factory=list)


def read_own_voice(path: str | Path, lufs: float) -> OwnVoice:
    """A recording without the silence at its ends, at a loudness, and softly faded in and out.

    Args:
        path: WAV of 16, 24 or 32 bits or of floats, or FLAC, at 8 to 192 kHz, mono or stereo.
        lufs: the loudness to bring it to (ITU-R BS.1770), as far as its peaks allow.

    Raises:
        MediaError: it cannot be read, is too long, or holds no voice; one sentence that says what to do.
    """
    path = Path(path)
    sound, rate, notes = _decoded(path)
    peaks = _highest(sound)
    clips = _clipped(sound)
    mono = _one_voice(sound, notes)
    mono -= mono.mean() if len(mono) else 0
    mono = resampled(np.ascontiguousarray(mono, np.float32), rate, MIX_RATE)
    levels = _levels(mono)
    if not len(levels) or levels.max() < _SILENT_DB:
        loudest = f"its loudest moment is {levels.max():.0f} dB" if len(levels) and peaks else "nothing is in it"
        raise MediaError(
            f"Nobody is heard in {path.name} ({loudest}): see that the right microphone is chosen and turned up, and "
            "record again."
        )
    voice = _faded(_without_ends(mono, levels))
    ms = round(len(voice) * 1000 / MIX_RATE)
    if ms < _LEAST_MS:
        raise MediaError(f"{path.name} holds only {ms} ms of sound, too short for a word: record again.")
    before = loudness_and_peak(voice, MIX_RATE)[0]
    voice = levelled(voice, MIX_RATE, lufs).astype(np.float32)
    now = loudness_and_peak(voice, MIX_RATE)[0]
    if clips >= _CLIPS:
        notes.append(
            f"The recording is cut off in {clips} places, because it was too loud: if that is heard, record again "
            "further from the microphone or with it turned down."
        )
    if before < _SOFT_LUFS:
        notes.append(
            f"The recording was very soft and was turned up by {now - before:.0f} dB, and the noise of the room with "
            "it: next time speak closer to the microphone or turn it up."
        )
    if rate < _DULL_RATE:
        notes.append(f"The recording has only {rate / 1000:g} kHz, as a telephone has: 16 kHz or more sound clearer.")
    if now < lufs - 1:
        notes.append(f"Its loudest sounds keep the recording {lufs - now:.0f} dB softer than the other cues.")
    return OwnVoice(voice, ms, now, notes)


def written_by(path: str | Path) -> str:
    """The program that a Broadcast WAV names as what wrote it; "" where none is named, or the file is none."""
    try:
        with _opened(Path(path)) as container:
            return str(container.metadata.get("encoded_by", ""))
    except MediaError:
        return ""


def stretches(path: str | Path, windows: Sequence[Span]) -> Iterator[tuple[np.ndarray, int]]:
    """Stretches of one long recording: float32 mono samples [N] of each, and their rate. It is decoded once, and never
    more of it held than a stretch.

    Args:
        windows: in time order and apart from each other; what lies beyond the end is empty.

    Raises:
        MediaError: it cannot be read, or lasts longer than any film.
    """
    path = Path(path)
    with _opened(path) as container:
        stream, rate, _ = _stream(path, container)
        blocks, at = iter(_blocks(stream, container)), 0
        block = np.zeros((0, 1), np.float32)
        for window in windows:
            first, last = (ms * rate // 1000 for ms in (window.start_ms, window.end_ms))
            parts: list[np.ndarray] = []
            while at < last:
                if not len(block):
                    following = next(blocks, None)
                    if following is None:
                        break
                    block = following
                end = min(len(block), last - at)
                parts.append(block[max(0, first - at) : end].mean(axis=1))
                block, at = block[end:], at + end
                if at * 1000 > _LONGEST_MS * rate:
                    raise MediaError(f"{path.name} lasts longer than any film: give a recording of one.")
            yield np.concatenate([*parts, np.zeros(0, np.float32)]), rate


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """
    Raises:
        MediaError: it is no WAV or FLAC file that can be read.
    """
    if not path.is_file():
        raise MediaError(f"There is no recording at {path}: check the name.")
    with open(path, "rb") as file:
        kind = "flac" if file.read(4) == b"fLaC" else "wav"
    try:
        with av.open(
            str(path.resolve()),
            format=kind,
            container_options={"protocol_whitelist": "file", "format_whitelist": kind},
            metadata_errors="replace",
        ) as container:
            yield container
    except av.error.FFmpegError as error:
        raise MediaError(
            f"{path.name} is not a WAV file that can be read ({error.strerror}): save the recording as WAV."
        ) from error


def _decoded(path: Path) -> tuple[np.ndarray, int, list[str]]:
    """float32 samples [N, 1 or 2], their rate, and what to say of them."""
    with _opened(path) as container:
        return _samples(path, container)


def _stream(path: Path, container: InputContainer) -> tuple[AudioStream, int, int]:
    """The sound of a recording, its rate, and how many channels it has."""
    if not container.streams.audio:
        raise MediaError(f"{path.name} holds no sound: save the recording as WAV.")
    stream = container.streams.audio[0]
    context = stream.codec_context
    codec = context.name if context else "an unknown coding"
    if codec not in _CODECS or context is None:
        raise MediaError(f"{path.name} holds sound as {codec}: save the recording as WAV of 16, 24 or 32 bits.")
    rate, channels = context.sample_rate, context.layout.nb_channels
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise MediaError(f"{path.name} has {rate:,} samples a second: record with 8,000 to 192,000, such as 48,000.")
    if channels > 2:
        raise MediaError(f"{path.name} has {channels} channels: record in mono or stereo.")
    return stream, rate, channels


def _blocks(stream: AudioStream, container: InputContainer) -> Iterator[np.ndarray]:
    """float32 samples [N, channels] of each frame."""
    for frame in container.decode(stream):
        block = frame.to_ndarray()
        block = block.T if frame.format.is_planar else block.reshape(-1, frame.layout.nb_channels)
        scale = 1.0 if block.dtype.kind == "f" else 2.0 ** (8 * block.dtype.itemsize - 1)
        yield block.astype(np.float32) / np.float32(scale)


def _samples(path: Path, container: InputContainer) -> tuple[np.ndarray, int, list[str]]:
    stream, rate, channels = _stream(path, container)
    stated = stream.duration or 0
    blocks, length = [], 0
    for block in _blocks(stream, container):
        blocks.append(block)
        length += len(block)
        if length * 1000 > MOST_MS * rate:
            raise MediaError(
                f"{path.name} lasts longer than {MOST_MS // 60_000} minutes, and a cue is a sentence or two: cut it, "
                "or record the cues one by one."
            )
    sound = np.concatenate([*blocks, np.zeros((0, channels), np.float32)])
    if not np.isfinite(sound).all():
        raise MediaError(f"{path.name} holds values that are no sound: save the recording again, as WAV of 24 bits.")
    short_ms = round((stated * float(stream.time_base or 0) - length / rate) * 1000)
    notes = []
    if short_ms > 100:
        notes.append(f"The recording breaks off {in_s(short_ms)} before the end that the file states: listen to it.")
    return sound, rate, notes


def _highest(sound: np.ndarray) -> float:
    return float(np.abs(sound).max(initial=0.0))


def _clipped(sound: np.ndarray) -> int:
    """In how many places the sound [N, C] stays at its highest value, as it does where it was cut off."""
    highest = _highest(sound)
    if not _FULL <= highest <= 1.0:  # floats may go beyond, and are then whole
        return 0
    flat = (np.abs(sound) >= 0.999 * highest).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2] >= _FLAT).sum())


def _one_voice(sound: np.ndarray, notes: list[str]) -> np.ndarray:
    """float32 [N]: both channels together, or the one that holds the voice."""
    if sound.shape[1] == 1 or not len(sound):
        return sound[:, 0].copy()
    power = np.sqrt((sound**2).mean(axis=0))
    louder = int(np.argmax(power))
    if power[1 - louder] <= _ONE_SIDED * power[louder]:
        return sound[:, louder]
    left, right = (sound - sound.mean(axis=0)).T
    likeness = float(left @ right) / max(float(np.linalg.norm(left) * np.linalg.norm(right)), 1e-12)
    if likeness < _OPPOSED:
        notes.append("The recording's two channels cancel each other out, so only the louder one was taken.")
        return sound[:, louder]
    return cast("np.ndarray", sound.mean(axis=1))


def _levels(mono: np.ndarray) -> np.ndarray:
    """The level in dB [M] of each hundredth of a second."""
    whole = len(mono) // _HOP * _HOP
    power = (mono[:whole].reshape(-1, _HOP).astype(np.float64) ** 2).mean(axis=1)
    return cast("np.ndarray", 10 * np.log10(np.maximum(power, 1e-12)))


def _without_ends(mono: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The samples from a little before the voice begins to a little after it ends."""
    loudest = levels.max()
    noise = np.percentile(levels, 10)
    least = min(max(loudest - _BELOW_DB, noise + _ABOVE_NOISE_DB), loudest - _LEAST_BELOW_DB)
    loud = levels > least
    steady = np.flatnonzero(np.convolve(loud, np.ones(_STEADY))[_STEADY - 1 :] == _STEADY)
    if not len(steady):
        steady = np.flatnonzero(loud)
    first = steady[0] * _HOP - _BEFORE_MS * MIX_RATE // 1000
    last = (steady[-1] + _STEADY) * _HOP + _AFTER_MS * MIX_RATE // 1000
    return mono[max(0, first) : last]


def _faded(voice: np.ndarray) -> np.ndarray:
    out = voice.copy()
    begin, end = (min(len(out) // 2, ms * MIX_RATE // 1000) for ms in (_FADE_IN_MS, _FADE_OUT_MS))
    out[:begin] *= np.linspace(0, 1, begin, dtype=np.float32)
    out[len(out) - end :] *= np.linspace(1, 0, end, dtype=np.float32)
    return out
