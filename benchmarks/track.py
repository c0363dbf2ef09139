"""Describing, voicing and mixing a film, against a bare decode of it, and the memory for one four times as long.

    python benchmarks/track.py [--seconds 600] [--long 7200]

The captioner and the voice take no time here (each cue gets a fixed sentence, spoken from memory), so what is measured
is the work of the project itself: decoding with cuts and stills, finding speech, planning, the mix, writing, checking.
All of it is CPU time of the same run. `--long` then describes a film of that many seconds (its packets repeated) end to
end and prints the share of each stage. The exit code is 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from decode import bare
from describe import repeated
from synthetic_film import film

from calvin.captioners import CaptionAnswer, CaptionRequest
from calvin.captioners.base import CaptionerInfo
from calvin.media.voice.voices import ToneVoice
from calvin.studio.describe.films import describe
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

MAX_RATIO, MAX_MEMORY = 2.0, 1.1
MEASURE = """
import resource, sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from track import run
run(Path(sys.argv[1]), Path(sys.argv[2]))
import re
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


class Teller:
    """A captioner that takes no time."""

    info = CaptionerInfo(name="teller")
    needs = frozenset({"frames"})
    told = 0

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        # No description is kept twice, so each is another.
        first, self.told = self.told, self.told + len(requests)
        return [CaptionAnswer(f"Step {number}.", 0.0) for number in range(first, self.told)]


class Recorded(ToneVoice):
    """A voice that takes no time: one sound [samples], made once."""

    _sound: tuple[np.ndarray, int] | None = None

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        self._sound = self._sound or super()._speak("She looks up.", 2.0)
        return self._sound


def cpu_s() -> float:
    return time.process_time()


def run(path: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of each stage of a whole track."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> None:
        begun = cpu_s()
        work()
        seconds[name] = cpu_s() - begun

    target = folder / "film.ad.mkv"
    timed("describe", lambda: describe(path, model=Teller(), out_dir=folder / "p"))  # type: ignore[arg-type]
    timed("voice", lambda: voice_project(folder / "p", Recorded(), VoiceSettings(rate=None)))
    timed("mix", lambda: mix_project(folder / "p", target))
    target.unlink()
    return seconds


def peak_memory(path: Path, folder: Path) -> int:
    """The peak in kilobytes, of a process of its own."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", MEASURE, str(path), str(folder), here]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def show(seconds: dict[str, float], reference: float) -> float:
    total = sum(seconds.values())
    for name, spent in seconds.items():
        print(f"  {name:<10} {spent:7.1f} CPU-s  {spent / reference:5.2f}  {spent / total:4.0%}")
    print(f"  all        {total:7.1f} CPU-s  {total / reference:5.2f} of a bare decode")
    return total / reference


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--long", type=int, default=0, help="seconds of a long film to go through once")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(arguments)
    path, _ = film(options.seconds)
    growth = 1.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = cpu_s()
        bare(path)
        reference = cpu_s() - begun
        print(f"{options.seconds} s at 720p, bare decode {reference:.1f} CPU-s")
        ratio = show(run(path, folder), reference)
        print(f"at most {MAX_RATIO:g}")
        if options.memory:
            long = folder / "four.mp4"
            repeated(path, long, 4)
            once, often = peak_memory(path, folder / "once"), peak_memory(long, folder / "often")
            growth = often / once
            print(f"peak memory {once / 1024:.0f} MB, for four times the length {often / 1024:.0f} MB: {growth:.3f}")
        if options.long:
            long = folder / "long.mp4"
            repeated(path, long, -(-options.long // options.seconds))
            print(f"{options.long} s end to end, against a bare decode of the same length")
            show(run(long, folder / "long"), reference * options.long / options.seconds)
            print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return int(ratio > MAX_RATIO or growth > MAX_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
