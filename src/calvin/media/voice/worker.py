"""The process that speaks. It is run as a script, by its path, and shares nothing with calvin but a pipe.

Piper and eSpeak NG are GPL programs: they run here, at arm's length. After one line that says it is ready, each request
is a line of JSON {"text", "speed"} on standard input; each answer is a line of JSON {"samples", "rate"}, followed by
that many float32 samples (little endian, mono), or {"error"}. `speed` is 1.0 for the voice's own pace.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Engine = Callable[[str, float], tuple[np.ndarray, int]]
ESPEAK_WPM = 170
"""eSpeak NG's own pace, in words a minute."""


def piper_engine(model: str) -> Engine:
    import onnxruntime  # type: ignore[import-untyped]
    from piper import PiperConfig, PiperVoice, SynthesisConfig

    options = onnxruntime.SessionOptions()
    # One thread: workers speak side by side, and threads that wait for one another would take cores from others.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text("utf-8")))
    voice = PiperVoice(session=session, config=config)

    def speak(text: str, speed: float) -> tuple[np.ndarray, int]:
        # Double brackets would be read as phonemes.
        plain = text.replace("[[", "[ [").replace("]]", "] ]")
        scale = float(voice.config.length_scale) / speed
        chunks = list(voice.synthesize(plain, SynthesisConfig(length_scale=scale, normalize_audio=False)))
        if not chunks:
            return np.zeros(0, np.float32), int(voice.config.sample_rate)
        return np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate

    return speak


def espeak_engine(language: str) -> Engine:
    """The shared library by ctypes (its C API: speak_lib.h), synchronous, samples by callback."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    pieces: list[np.ndarray] = []
    callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    @callback_type
    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    synchronous, do_not_exit, words_per_minute, utf8, by_character = 2, 0x8000, 1, 1, 1
    data = str(Path(espeakng_loader.get_data_path()).parent).encode()
    rate = library.espeak_Initialize(synchronous, 0, data, do_not_exit)
    if rate <= 0:
        raise RuntimeError("eSpeak NG does not start")
    library.espeak_SetSynthCallback(collect)
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        raise RuntimeError(f"eSpeak NG has no voice {language!r}")

    def speak(text: str, speed: float) -> tuple[np.ndarray, int]:
        pieces.clear()
        library.espeak_SetParameter(words_per_minute, round(min(max(ESPEAK_WPM * speed, 80), 450)), 0)
        raw = text.encode("utf-8")
        if library.espeak_Synth(raw, len(raw) + 1, 0, by_character, 0, utf8, None, None) != 0:
            raise RuntimeError("eSpeak NG failed")
        library.espeak_Synchronize()
        joined = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        return joined.astype(np.float32) / 32768, rate

    # The callback must outlive the calls.
    speak.keep = collect  # type: ignore[attr-defined]
    return speak


def main(arguments: list[str]) -> int:
    # Whatever the engines print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def answer(value: dict[str, Any], samples: bytes = b"") -> None:
        answers.write(json.dumps(value).encode() + b"\n" + samples)
        answers.flush()

    kind, what = arguments
    try:
        speak = {"piper": piper_engine, "espeak": espeak_engine}[kind](what)
    except Exception as error:  # any way in which an engine may fail to start is reported to the parent
        answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    answer({"ready": True})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            samples, rate = speak(request["text"], request["speed"])
        except Exception as error:  # likewise, and the next line may be fine
            answer({"error": f"{type(error).__name__}: {error}"})
            continue
        answer({"samples": len(samples), "rate": int(rate)}, samples.astype("<f4").tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
