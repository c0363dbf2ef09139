"""Where people speak: Silero's voice activity detector over a film's sound.

The package `silero-vad` carries its weights as safetensors; they are read here into plain torch layers, so neither its
own code nor a second runtime is loaded. The layers that look at one piece of sound see many pieces at once, and one
LSTM runs over them all, which gives the probabilities of the original at a fraction of its time.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError, UsageError
from calvin.core.time import Span
from calvin.media.sound.film_sound import SOUND_RATE

PIECE = 512
"""Samples a probability stands for: 32 ms."""
PIECE_MS = PIECE * 1000 / SOUND_RATE
_CONTEXT, _REFLECT, _BINS = 64, 64, 129
_PIECES_AT_ONCE = 512
_STEP_MS = 100
_LEAST_SPANS = 5
_WEIGHTS = "data/silero_vad_16k.safetensors"


class SpeechSettings(FrozenConfig):
    """Speech begins above `threshold` and ends below `threshold - 0.15` for `pause_ms`; less than `least_ms` is none.

    `pad_ms` is added on both sides: the beginnings and ends of words are soft, and lie below music first.
    """

    threshold: float = Field(default=0.3, gt=0.15, lt=1)
    pause_ms: int = Field(default=300, ge=0)
    least_ms: int = Field(default=120, ge=0)
    pad_ms: int = Field(default=150, ge=0)


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


def detect_speech(path: str | Path, settings: SpeechSettings | None = None) -> list[Span]:
    """Where someone speaks in a mono 16 kHz WAV file, such as `decode_film` leaves.

    Raises:
        MediaError: not such a file.
    """
    return speech_spans((float(p) for array in speech_probabilities(_wav_blocks(Path(path))) for p in array), settings)


def _wav_blocks(path: Path) -> Iterator[np.ndarray]:
    try:
        with wave.open(str(path)) as sound:
            if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, SOUND_RATE):
                raise MediaError(f"{path} is not mono 16-bit sound at {SOUND_RATE} Hz: decode the film again.")
            while data := sound.readframes(SOUND_RATE * 10):
                yield np.frombuffer(data, "<i2").astype(np.float32) / 32768
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"The sound {path} cannot be read: decode the film again.") from error


STRETCHES = ("25/23.976", "25/24", "24/23.976", "23.976/24", "24/25", "23.976/25")
"""By what subtitles for films of one frame rate are stretched to fit one of another. 30/29.97 is 24/23.976, and between
23.976 and 29.97 a film lasts as long."""
_STRETCH_GAIN = 0.05
"""The correlation that a stretch must gain over the best shift alone."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How subtitles lie over the speech of a film: the `share` of it that they cover, as they are and with their times
    taken times `stretch` (such as "25/23.976"; "" for none) and moved by `shift_ms`, which suits best.

    `fit_now` and `fit` are the correlations of the two, which full subtitles do not win by mere number.
    """

    share: float
    moved_share: float
    shift_ms: int
    fit_now: float
    fit: float
    stretch: str = ""


def align(
    lines: Sequence[Span], heard: Sequence[Span], duration_ms: int, stretches: Sequence[str] = STRETCHES
) -> Alignment | None:
    """How subtitles lie over what was heard, and how they would lie best; None where there is too little to say.

    All shifts that leave half of the subtitles in the film are tried at once, for each stretch: the overlap for each is
    one value of a cross-correlation.
    """
    count = duration_ms // _STEP_MS
    speech = _steps(heard, count)
    spoken = float(speech.sum())
    if len(heard) < _LEAST_SPANS or len(lines) < _LEAST_SPANS or not 0 < spoken < count:
        return None
    longest = max(line.end_ms for line in lines) * max(float(stretch_of(one)) for one in ("", *stretches))
    size = 1 << (count + int(longest) // _STEP_MS + 1).bit_length()
    spectrum = np.fft.rfft(speech, size)

    def fits(stretch: str) -> tuple[np.ndarray, np.ndarray, int, float]:
        """Fit and overlap at each shift, which of them is none at all, and the fit there."""
        factor = stretch_of(stretch)
        text = _steps([Span(int(line.start_ms * factor), int(line.end_ms * factor)) for line in lines])
        overlap = np.fft.irfft(spectrum * np.fft.rfft(text, size).conj(), size)
        shifts = np.arange(-len(text), count)
        overlap = overlap[shifts % size]
        before = np.concatenate([[0.0], text.cumsum()])
        inside = before[np.clip(count - shifts, 0, len(text))] - before[np.clip(-shifts, 0, len(text))]
        spread = np.sqrt(np.maximum(spoken * (count - spoken) * inside * (count - inside), 1))
        fit = (count * overlap - spoken * inside) / spread
        # As they are, they may well lie outside.
        now = float(fit[len(text)])
        fit = np.where(inside * 2 >= before[-1], fit, -1)
        return fit, overlap, len(text), now

    fit, overlap, zero, now = fits("")
    share = float(overlap[zero] / spoken)
    found = Alignment(
        share, float(overlap[fit.argmax()] / spoken), int(fit.argmax() - zero) * _STEP_MS, now, float(fit.max())
    )
    least = found.fit + _STRETCH_GAIN
    for stretch in stretches:
        fit, overlap, zero, _ = fits(stretch)
        best = int(fit.argmax())
        if fit[best] > max(least, found.fit):
            found = Alignment(
                share, float(overlap[best] / spoken), (best - zero) * _STEP_MS, now, float(fit[best]), stretch
            )
    return found


def stretch_of(text: str) -> Fraction:
    """The factor that a stretch stands for: 1 for none, "25/23.976" or "1.0427".

    Raises:
        UsageError: it is neither, or no sensible factor.
    """
    above, slash, below = text.partition("/")
    try:
        factor = Fraction(above.strip()) / Fraction(below.strip()) if slash else Fraction(above.strip() or 1)
        if 0.5 <= factor <= 2:
            return factor
    except (ValueError, ZeroDivisionError):
        pass
    raise UsageError(f"{text!r} is no stretch of subtitles: give two frame rates such as 25/23.976, or a factor.")


def _steps(spans: Sequence[Span], count: int | None = None) -> np.ndarray:
    """float64 [count]: 1 in each step of time that a span covers; by default as far as the last one reaches."""
    steps = np.zeros(max((span.end_ms for span in spans), default=0) // _STEP_MS + 1 if count is None else count)
    for span in spans:
        steps[span.start_ms // _STEP_MS : -(-span.end_ms // _STEP_MS)] = 1
    return steps
