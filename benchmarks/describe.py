"""Describing a film against its playing time, where the time goes, and the memory for a film four times as long.

    python benchmarks/describe.py [--film FILE] [--subtitles FILE] [--model MODEL] [--times 4]

Without a film, the bundled one with its subtitles. The exit code is 1 if a bound is missed: faster than the film
plays, and at most 1.1 times the memory. `--times 7` makes a film of more than ten minutes of the bundled one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av

from calvin.captioners.calvin import Calvin
from calvin.core.package import bundled_film
from calvin.studio.describe.films import Description, describe

MAX_SHARE, MAX_MEMORY = 1.0, 1.1

MEASURE_MEMORY = """
import resource, sys
from calvin import describe
film, subtitles, model, folder = sys.argv[1:]
describe(film, subtitles or None, model or "calvin-mini", out_dir=folder)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Watch:
    """Seconds spent in a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seconds = 0.0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        begun = time.perf_counter()
        try:
            return self.function(*arguments, **options)
        finally:
            self.seconds += time.perf_counter() - begun


def timed(film: Path, subtitles: Path | None, model: str | None, folder: Path) -> tuple[Description, dict[str, float]]:
    """A description, and the seconds that each part of the work took. Loading the model does not count."""
    calvin = Calvin.from_pretrained(model)
    tower, language = Watch(calvin.encode_frames), Watch(calvin.caption)
    calvin.encode_frames, calvin.caption = tower, language  # type: ignore[method-assign]
    ends: dict[str, float] = {}
    begun = time.perf_counter()
    result = describe(
        film, subtitles, calvin, out_dir=folder, progress=lambda event: ends.update({event.stage: time.perf_counter()})
    )
    total = time.perf_counter() - begun
    decode = ends["decode"] - begun - tower.seconds
    parts = {"decode": decode, "vision tower": tower.seconds, "language model": language.seconds}
    return result, {**parts, "the rest": total - sum(parts.values()), "total": total}


def repeated(film: Path, target: Path, times: int) -> None:
    """The film's packets several times over, one after the other."""
    with av.open(str(target), "w") as output:
        copies: dict[int, Any] = {}
        start_s = 0.0
        for _ in range(times):
            with av.open(str(film)) as source:
                streams = [stream for stream in source.streams if stream.type in ("video", "audio")]
                for stream in streams:
                    if stream.index not in copies:
                        copies[stream.index] = output.add_stream_from_template(stream)
                end_s = start_s
                for packet in source.demux(streams):
                    if packet.dts is None or packet.pts is None:
                        continue
                    offset = round(start_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                    packet.stream = copies[packet.stream.index]
                    output.mux(packet)
                # A little apart: the first packets of a stream may lie before its zero.
                start_s = end_s + 0.2


def peak_memory(film: Path, subtitles: Path | None, model: str | None, folder: Path) -> int:
    """The peak in kilobytes, of a process of its own."""
    command = [sys.executable, "-c", MEASURE_MEMORY, str(film), str(subtitles or ""), model or "", str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report(film: Path, subtitles: Path | None, model: str | None, folder: Path) -> float:
    """Describe, print where the time went, and return it as a share of the film's playing time."""
    result, seconds = timed(film, subtitles, model, folder)
    length_s = (result.script.duration_ms or 0) / 1000
    share = seconds["total"] / length_s
    print(f"{film.name}: {length_s:.1f} s, {len(result.script.cues)} cues, described in {seconds['total']:.1f} s")
    print(f"of its playing time: {share:.2f} (at most {MAX_SHARE:g})")
    for part, spent in seconds.items():
        if part != "total":
            print(f"  {part:<15} {spent:6.2f} s  {spent / seconds['total']:4.0%}")
    return share


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--subtitles", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--times", type=int, default=4)
    options = parser.parse_args(arguments)
    film, subtitles = (options.film, options.subtitles) if options.film else bundled_film()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        share = report(film, subtitles, options.model, folder / "timed")
        long = folder / f"long{film.suffix}"
        repeated(film, long, options.times)
        share = max(share, report(long, None, options.model, folder / "long"))
        # Both without subtitles: the second then has as many cues per minute as the first.
        once = peak_memory(film, None, options.model, folder / "once")
        often = peak_memory(long, None, options.model, folder / "often")
        growth = often / once
        print(f"peak memory: {once / 1024:.0f} MB, and for a film {options.times} times as long {often / 1024:.0f} MB")
        print(f"memory ratio: {growth:.3f} (at most {MAX_MEMORY:g})")
    return int(share > MAX_SHARE or growth > MAX_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
