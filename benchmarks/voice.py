"""How much faster a film's cues are spoken by several processes than by one: `python benchmarks/voice.py`.

The cues of the bundled film, as its describer wrote them, by the neural voice of the extra `voice`; one worker and as
many as there are cores, in turn, each started and ended with its turn. By the clock, so nothing else should be at work.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import calvin
from calvin.media.voice.voices import PiperVoice
from calvin.studio.sound.cue_files import CueFiles, VoiceChoice, VoiceSettings

ROUNDS, BOUND = 3, 1.4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--bound", type=float, default=BOUND, help="ends with 1 if several are not so much faster")
    arguments = parser.parse_args()
    film = Path(calvin.__file__).parent / "assets" / "film" / "puppets.truth.json"
    texts = [(str(number), scene["caption"]) for number, scene in enumerate(json.loads(film.read_text())["scenes"], 1)]
    most = PiperVoice().workers
    took: dict[int, list[float]] = {1: [], most: []}
    for _ in range(arguments.rounds):
        for workers, seconds in took.items():
            seconds.append(speak(texts, workers))
    for workers, seconds in took.items():
        print(
            f"{workers} at once: {min(seconds):.1f} s for {len(texts)} cues (of {[round(one, 1) for one in seconds]})"
        )
    ratio = min(took[1]) / min(took[most])
    print(f"{most} speak {ratio:.2f} times as fast as one")
    return int(most > 1 and ratio < arguments.bound)


def speak(texts: list[tuple[str, str]], workers: int) -> float:
    """Seconds by the clock in which so many processes speak all texts into files."""
    with tempfile.TemporaryDirectory() as folder, PiperVoice(workers=workers) as voice:
        choice = VoiceChoice(asked=None, pronunciation=None, language="en", settings=VoiceSettings(), said={})
        files = CueFiles(Path(folder), choice, lambda: voice)
        started = time.monotonic()
        files.say_ahead(texts)
        for cue, text in texts:
            files.say(cue, text)
        return time.monotonic() - started


if __name__ == "__main__":
    raise SystemExit(main())
