"""Where people speak: Silero's voice activity detector over a film's sound.

The package `silero-vad` carries its weights as safetensors; they are read here into plain torch layers, so neither its
own code nor a second runtime is loaded. The layers that look at one piece of sound see many pieces at once, and one
LSTM runs over them all, which gives the probabilities of the original at a fraction of its time.
"""

from __future__ import annotations

import wave
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from av.audio.resampler import AudioResampler
from pydantic import Field
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from calvin.core.config import FrozenConfig
from calvin.core.errors import DataError, MediaError
from calvin.core.files import file_sha256, read_record, write_json
from calvin.core.time import Span, joined
from calvin.media.sound.film_sound import SOUND_RATE, packed_frame

PIECE = 512
"""Samples a probability stands for: 32 ms."""
PIECE_MS = PIECE * 1000 / SOUND_RATE
_CONTEXT, _REFLECT, _BINS = 64, 64, 129
_PIECES_AT_ONCE = 512
_WEIGHTS = "data/silero_vad_16k.safetensors"


class SpeechSettings(FrozenConfig):
    """Speech begins above `threshold` and ends below `threshold - 0.15` for `pause_ms`; less than `least_ms` is none.

    `pad_ms` is added on both sides: the beginnings and ends of words are soft, and lie below music first. `high`
    listens once more to the sound slowed down, which brings shrieks and high voices down to where the detector knows
    them.
    """

    threshold: float = Field(default=0.3, gt=0.15, lt=1)
    pause_ms: int = Field(default=300, ge=0)
    least_ms: int = Field(default=120, ge=0)
    pad_ms: int = Field(default=150, ge=0)
    high: bool = True


HEARD = "heard-{}.json"
"""The file in which `listen_once` keeps what was heard in a sound of this name."""
SURE = SpeechSettings(threshold=0.5, least_ms=1000, high=False)
"""With these, nothing was heard in half an hour of music and effects (`benchmarks/speech_limits.py`)."""
_SLOWED_RATE = 24_600
"""Samples a second that are taken for 16,000: a voice then lies at 0.65 of its pitch."""
_HIGH = {"threshold": 0.5, "least_ms": 250}
"""Stricter, so that what is taken for speech though it is none stays as rare as without slowing."""


class SpeechModel(nn.Module):
    """Silero VAD (16 kHz): a learned spectrum, four convolutions, an LSTM over time, one probability a piece."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _BINS, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(_BINS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm = nn.LSTM(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(
        self, pieces: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Probabilities [T] of consecutive pieces [T, 64 + 512] (each led by the end of the one before), and the state
        with which the next ones go on."""
        x = functional.pad(pieces[:, None], (0, _REFLECT), "reflect")
        x = self.stft_conv(x)
        x = (x[:, :_BINS] ** 2 + x[:, _BINS:] ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x).relu()
        x, state = self.lstm(x.transpose(1, 2), state)
        return self.final_conv(x.relu().transpose(1, 2)).sigmoid().flatten(), state


@cache
def load_speech_model() -> SpeechModel:
    """
    Raises:
        MediaError: the package that carries the weights is damaged.
    """
    found = find_spec("silero_vad")
    folder = Path(found.origin).parent if found is not None and found.origin else Path()
    try:
        weights = load_file(folder / _WEIGHTS)
        renamed = {name.replace("lstm_cell.", "lstm."): value for name, value in weights.items()}
        for name in [name for name in renamed if name.startswith("lstm.")]:
            renamed[f"{name}_l0"] = renamed.pop(name)
        model = SpeechModel()
        model.load_state_dict(renamed)
    except (OSError, RuntimeError) as error:
        raise MediaError("The speech detector's weights are missing: run `pip install -U silero-vad`.") from error
    return model.eval()


def speech_probabilities(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The probability of speech of each 32 ms of sound, in arrays; `blocks` are float32 [N] at 16 kHz of any lengths.

    Memory does not grow with the sound. The end is filled up with silence.
    """
    model = load_speech_model()
    state = None
    held, context = np.zeros(0, np.float32), np.zeros(_CONTEXT, np.float32)
    for block in chain(blocks, (None,)):
        held = np.concatenate([held, block if block is not None else np.zeros(-len(held) % PIECE, np.float32)])
        while len(held) >= PIECE * (_PIECES_AT_ONCE if block is not None else 1):
            count = min(len(held) // PIECE, _PIECES_AT_ONCE)
            taken = np.concatenate([context, held[: count * PIECE]])
            pieces = np.lib.stride_tricks.sliding_window_view(taken, _CONTEXT + PIECE)[::PIECE]
            with torch.inference_mode(), _one_thread():
                found, state = model(torch.from_numpy(pieces.copy()), state)
            yield found.numpy()
            context, held = taken[-_CONTEXT:], held[count * PIECE :]


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for an LSTM of this size: several wait for each other at every step, for 30 times the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def speech_spans(probabilities: Iterable[float], settings: SpeechSettings | None = None) -> list[Span]:
    """Stretches of speech in probabilities of 32 ms each, padded and joined."""
    settings = settings or SpeechSettings()
    spans: list[Span] = []
    start: int | None = None
    last = number = 0

    def close() -> None:
        begun, ended = int((start or 0) * PIECE_MS), int(last * PIECE_MS)
        if ended - begun >= settings.least_ms:
            padded = Span(max(0, begun - settings.pad_ms), ended + settings.pad_ms)
            if spans and spans[-1].end_ms >= padded.start_ms:
                padded = Span(spans.pop().start_ms, padded.end_ms)
            spans.append(padded)

    for number, probability in enumerate(probabilities):
        if probability >= (settings.threshold if start is None else settings.threshold - 0.15):
            start, last = number if start is None else start, number + 1
        elif start is not None and (number + 1 - last) * PIECE_MS > settings.pause_ms:
            close()
            start = None
    if start is not None:
        close()
    return spans


@dataclass(frozen=True, slots=True)
class Heard:
    """Where someone speaks, and where that is beyond doubt."""

    spans: list[Span] = field(default_factory=list)
    sure: list[Span] = field(default_factory=list)


def listen(*paths: str | Path, settings: SpeechSettings | None = None) -> Heard:
    """Where someone speaks in mono 16 kHz WAV files of one film, such as `decode_film` leaves.

    Raises:
        MediaError: one is not such a file.
    """
    settings = settings or SpeechSettings()
    spans: list[Span] = []
    sure: list[Span] = []
    for path in map(Path, paths):
        probabilities = np.concatenate([np.zeros(0, np.float32), *speech_probabilities(_wav_blocks(path))])
        spans += speech_spans(probabilities.tolist(), settings)
        sure += speech_spans(probabilities.tolist(), SURE)
        if settings.high:
            probabilities = np.concatenate([np.zeros(0, np.float32), *speech_probabilities(_slowed(_wav_blocks(path)))])
            high = speech_spans(probabilities.tolist(), settings.changed(**_HIGH))
            pace = SOUND_RATE / _SLOWED_RATE
            spans += [Span(round(span.start_ms * pace), round(span.end_ms * pace)) for span in high]
    return Heard(joined(spans), joined(sure))


def listen_once(*paths: str | Path) -> Heard:
    """`listen`, with what was heard in each file kept beside it: listening takes minutes for a film of two hours.

    Raises:
        MediaError: one is not such a file.
    """
    found = [_kept(Path(path)) for path in paths]
    return Heard(joined(chain(*(one.spans for one in found))), joined(chain(*(one.sure for one in found))))


def _kept(sound: Path) -> Heard:
    if not sound.is_file():
        return listen(sound)  # which says what is wrong
    beside = sound.with_name(HEARD.format(sound.stem))
    of = {"sound": file_sha256(sound), "settings": [SpeechSettings().model_dump(), SURE.model_dump()]}
    record = read_record(beside)
    if {name: record.get(name) for name in of} == of:
        with suppress(LookupError, TypeError, ValueError, DataError):  # a damaged record is none
            return Heard(*([Span(int(start), int(end)) for start, end in record[name]] for name in ("spans", "sure")))
    heard = listen(sound)
    kept = {name: [[one.start_ms, one.end_ms] for one in getattr(heard, name)] for name in ("spans", "sure")}
    write_json(beside, of | kept)
    return heard


def detect_speech(path: str | Path, settings: SpeechSettings | None = None) -> list[Span]:
    """`listen` to one file: where someone speaks in it."""
    return listen(path, settings=settings).spans


def outside(spans: Iterable[Span], others: Iterable[Span], beside_ms: int, least_ms: int) -> list[Span]:
    """The parts of spans, of at least some length, that lie away from others by some time."""
    kept: list[Span] = []
    walls = joined(Span(max(0, other.start_ms - beside_ms), other.end_ms + beside_ms) for other in others)
    starts = [wall.start_ms for wall in walls]
    for span in spans:
        at = span.start_ms
        for wall in walls[max(0, bisect_right(starts, span.start_ms) - 1) : bisect_left(starts, span.end_ms)]:
            if wall.start_ms - at >= least_ms:
                kept.append(Span(at, wall.start_ms))
            at = max(at, wall.end_ms)
        if span.end_ms - at >= least_ms:
            kept.append(Span(at, span.end_ms))
    return kept


def _slowed(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    resampler = AudioResampler(format="flt", layout="mono", rate=_SLOWED_RATE)
    for block in blocks:
        for frame in resampler.resample(packed_frame(block[:, None], SOUND_RATE, "mono")):
            yield frame.to_ndarray()[0]
    for frame in resampler.resample(None):
        yield frame.to_ndarray()[0]


def _wav_blocks(path: Path) -> Iterator[np.ndarray]:
    try:
        with wave.open(str(path)) as sound:
            if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, SOUND_RATE):
                raise MediaError(f"{path} is not mono 16-bit sound at {SOUND_RATE} Hz: decode the film again.")
            while data := sound.readframes(SOUND_RATE * 10):
                yield np.frombuffer(data, "<i2").astype(np.float32) / 32768
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"The sound {path} cannot be read: decode the film again.") from error
