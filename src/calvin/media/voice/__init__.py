"""Text to speech: Piper, eSpeak NG, or tones where neither is installed.

with open_voice() as voice:
    samples, rate = voice.synthesize("Mara opens the door.")
"""

from calvin.media.voice.pronunciation import pronounced, read_pronunciations
from calvin.media.voice.registry import VOICES, open_voice
from calvin.media.voice.voices import EspeakVoice, PiperVoice, ToneVoice, Voice

__all__ = [
    "VOICES",
    "EspeakVoice",
    "PiperVoice",
    "ToneVoice",
    "Voice",
    "open_voice",
    "pronounced",
    "read_pronunciations",
]
