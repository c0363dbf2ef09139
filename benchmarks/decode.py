"""Cost of decoding a film with cuts and stills, as ratios to a bare decode of the same film in the same run.

    python benchmarks/decode.py [--seconds 600] [--film FILE]

Prints CPU time against a bare decode, with B-frames and without, the agreement of the cuts with PySceneDetect on every
full-size frame, the time against PySceneDetect's own command, the largest difference of the kept pictures from a plain
decode, and the peak memory for a film and one four times as long. The exit code is 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from scenedetect import FrameTimecode
from scenedetect.common import Timecode
from scenedetect.detectors import AdaptiveDetector
from synthetic_film import Shot, film, hard_cuts_ms

from calvin.media.film.cuts import MIN_SHOT_S
from calvin.media.film.decode import DecodeSettings, FrameBatch, decode_film

TOLERANCE_MS = 60
MAX_RATIO, MAX_WITH_SOUND, MIN_F1, MAX_LEVELS, MAX_MEMORY = 1.5, 1.6, 0.98, 1, 1.05
MIN_TIMES_AS_FAST = 1.4
"""How much sooner a film is read than by PySceneDetect's command, which finds cuts alone, in processor time."""
SMALL = 640, 360
OTHER_FILMS = (1, "h264-no-b-frames"), (2, "mpeg4")

MEASURE_MEMORY = """
import re, sys
from calvin.media.film.decode import decode_film
decode_film(sys.argv[1], sys.argv[2], on_batch=lambda batch: None)
# Unlike getrusage, this does not count the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def cpu_s(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def bare(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for _ in container.decode(stream):
            pass


def without_unreferenced(path: Path) -> None:
    """What decoding costs at least where frames that no other frame refers to are passed over."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = "NONREF"
        for _ in container.decode(stream):
            pass


def scenedetect_command_s(path: Path) -> float:
    """Processor time of PySceneDetect's own command with the detector that is used here."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    detect = ["detect-adaptive", "--min-scene-len", f"{MIN_SHOT_S}s"]
    subprocess.run([sys.executable, "-m", "scenedetect", "-q", "-i", str(path), *detect], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def full_size_cuts_ms(path: Path) -> list[int]:
    """PySceneDetect's detector on every frame as it is."""
    detector = AdaptiveDetector(min_scene_len=MIN_SHOT_S)
    cuts: list[FrameTimecode] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            now = FrameTimecode(Timecode(frame.pts, Fraction(frame.time_base)), Fraction(stream.average_rate))
            cuts += detector.process_frame(now, frame.to_ndarray(format="bgr24"))
    return [round(cut.seconds * 1000) for cut in cuts]


def agreement(found: Sequence[int], expected: Sequence[int]) -> tuple[float, float, float]:
    """Precision, recall and F1 of cut times, each matched once within the tolerance."""
    left = list(expected)
    hits = 0
    for cut in found:
        near = min(left, key=lambda other: abs(other - cut), default=None)
        if near is not None and abs(near - cut) <= TOLERANCE_MS:
            left.remove(near)
            hits += 1
    precision, recall = hits / max(1, len(found)), hits / max(1, len(expected))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


class PlainDecode:
    """Frames decoded, picked and scaled on their own, against the pictures kept by `decode_film`."""

    def __init__(self, container: av.container.InputContainer, fps: int = 5) -> None:
        self.frames = container.decode(container.streams.video[0])
        self.shown, self.coming = next(self.frames), next(self.frames, None)
        self.fps = fps
        self.worst = 0

    def compare(self, batch: FrameBatch) -> None:
        height, width = batch.rgb.shape[1:3]
        for index, picture in enumerate(batch.rgb, batch.first):
            while self.coming is not None and self.coming.pts * self.coming.time_base <= Fraction(index, self.fps):
                self.shown, self.coming = self.coming, next(self.frames, None)
            plain = self.shown.reformat(
                width, height, "rgb24", interpolation=Interpolation.AREA.value | 0x2000
            ).to_ndarray()
            self.worst = max(self.worst, int(np.abs(plain.astype(int) - picture.astype(int)).max()))


def peak_mb(path: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-c", MEASURE_MEMORY, str(path), folder]
        return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout) / 1024


def verdict(name: str, value: float, bound: float, ok: bool) -> bool:
    print(f"{name:<58}{value:8.3f}   bound {bound:g}   {'ok' if ok else 'MISSED'}")
    return ok


def judge_cost(path: Path, repeat: int, folder: str) -> bool:
    """CPU time of one pass over a film, as ratios to a bare decode, each the least of several in turn."""
    silent = DecodeSettings(sound=False)
    works: list[Callable[[], object]] = [
        lambda: bare(path),
        lambda: without_unreferenced(path),
        lambda: decode_film(path, folder, silent),
        lambda: decode_film(path, folder),
    ]
    rounds = [[cpu_s(work) for work in works] for _ in range(repeat)]
    base, referred, ours, with_sound = (min(column) for column in zip(*rounds, strict=True))
    command = scenedetect_command_s(path)
    print(f"{path.name}: bare decode {base:.1f} CPU-s = 1.0")
    print(f"{'decode of referenced frames alone':<58}{referred / base:8.3f}")
    print(f"{'the command of PySceneDetect, which finds cuts alone':<58}{command / base:8.3f}")
    passed = verdict("decode + cuts + stills", ours / base, MAX_RATIO, ours / base <= MAX_RATIO)
    passed &= verdict("the same with sound", with_sound / base, MAX_WITH_SOUND, with_sound / base <= MAX_WITH_SOUND)
    times = command / ours
    return passed & verdict("times as fast as the command", times, MIN_TIMES_AS_FAST, times >= MIN_TIMES_AS_FAST)


def judge_cuts(path: Path, shots: list[Shot] | None, folder: str) -> bool:
    """The cuts of one pass against the same detector on every full-size frame, and against the film as made."""
    found = decode_film(path, folder, DecodeSettings(sound=False)).cuts_ms
    reference = full_size_cuts_ms(path)
    precision, recall, score = agreement(found, reference)
    print(f"{path.name}: {len(found)} cuts found, {len(reference)} full-size, P {precision:.3f}, R {recall:.3f}")
    if shots:
        made = agreement(found, hard_cuts_ms(shots))[1]
        print(f"{'cut recall of the film as made (hard cuts)':<58}{made:8.3f}")
    return verdict("cut F1 against full-size PySceneDetect", score, MIN_F1, score >= MIN_F1)


def judge_pictures(path: Path, folder: str) -> bool:
    with av.open(str(path)) as container:
        plain = PlainDecode(container)
        decode_film(path, folder, DecodeSettings(sound=False), on_batch=plain.compare)
    return verdict(
        "largest difference from a plain decode (levels)", plain.worst, MAX_LEVELS, plain.worst <= MAX_LEVELS
    )


def judge_memory() -> bool:
    short, long = (peak_mb(film(seconds, *SMALL, seed=1)[0]) for seconds in (60, 240))
    print(f"{'peak memory, 60 s film (MB)':<58}{short:8.1f}")
    return verdict("peak memory, film four times as long", long / short, MAX_MEMORY, long / short <= MAX_MEMORY)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600, help="length of the made-up films")
    parser.add_argument("--film", type=Path, help="a film of your own instead")
    parser.add_argument("--repeat", type=int, default=2)
    arguments = parser.parse_args()
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        if arguments.film:
            verdicts = [judge_cost(arguments.film, arguments.repeat, folder)]
            verdicts += [judge_cuts(arguments.film, None, folder), judge_pictures(arguments.film, folder)]
            return 0 if all(verdicts) else 1
        main_film = film(seconds)
        verdicts = [
            judge_cost(path, arguments.repeat, folder)
            for path in (main_film[0], film(seconds, coding="h264-no-b-frames")[0])
        ]
        films = main_film, *(film(seconds, *SMALL, seed, coding) for seed, coding in OTHER_FILMS)
        verdicts += [judge_cuts(path, shots, folder) for path, shots in films]
        verdicts += [judge_pictures(main_film[0], folder), judge_memory()]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
