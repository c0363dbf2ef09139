"""Voices by name, each imported only when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from calvin.core.errors import MissingExtraError
from calvin.core.registry import Manifest, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from calvin.media.voice.voices import Voice

Maker: TypeAlias = "Callable[..., Voice]"


@dataclass(frozen=True, slots=True)
class VoiceKind(Manifest[Maker]):
    """One kind of voice; its target is called with nothing, or with what stands behind a colon.

    `takes` says what that may be, such as LANGUAGE; empty: nothing.
    """

    takes: str = ""

    what: ClassVar[str] = "voice"


_HERE = "calvin.media.voice.voices"

VOICES = Registry(
    VoiceKind,
    (
        VoiceKind("piper", "a neural voice", f"{_HERE}:PiperVoice", "voice"),
        VoiceKind("espeak", "light, in many languages", f"{_HERE}:EspeakVoice", "voice", takes="LANGUAGE"),
        VoiceKind("tones", "a tone for each word, where no voice is installed", f"{_HERE}:ToneVoice"),
    ),
    "voices",
    also=("espeak:LANGUAGE", "a Piper .onnx file"),
)
_BEST_FIRST = ("piper", "espeak", "tones")


def open_voice(name: str | Path | None = None) -> Voice:
    """A voice by name: "piper", "espeak", "espeak:LANGUAGE", "tones", one that another package adds, or the path of a
    Piper .onnx model.

    None takes the best of ours that is installed: Piper, else eSpeak NG, else tones.

    Raises:
        MissingExtraError: the voice asked for is not installed.
        UsageError: no such voice.
    """
    if name is None:
        return _best()
    text = str(name)
    if text.endswith(".onnx"):
        return VOICES.find("piper").load()(text)
    word, _, rest = text.partition(":")
    kind = VOICES.find(word if word in VOICES and VOICES.find(word).takes else text)
    return kind.load()(rest) if rest else kind.load()()


def _best() -> Voice:
    for name in _BEST_FIRST[:-1]:
        try:
            return VOICES.find(name).load()()
        except MissingExtraError:
            continue
    return VOICES.find(_BEST_FIRST[-1]).load()()
