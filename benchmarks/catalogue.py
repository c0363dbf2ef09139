"""What a second worker gives a catalogue: the same films by one worker and by two, in turn, by the clock.

    python benchmarks/catalogue.py [--films 6] [--rounds 1] [--film FILE] [--ray]

Prints seconds, and the efficiency: the time of one worker over twice that of two. It is given once with what it takes
until the first film is begun, such as loading models, and once without. The exit code is 1 if the latter is below its
bound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from calvin.core.package import bundled_film
from calvin.core.progress import Progress
from calvin.studio.catalogue.catalogue_run import catalogue
from calvin.studio.catalogue.film_journal import JOURNAL
from calvin.studio.catalogue.film_work import CatalogueWish

MIN_EFFICIENCY = 0.85


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of a catalogue, and of these the ones until a film was begun."""

    whole_s: float
    start_s: float

    @property
    def work_s(self) -> float:
        return self.whole_s - self.start_s


def films_of(film: Path, folder: Path, count: int) -> Path:
    """So many films that look like one: bytes behind its end, which no player reads, make each another."""
    folder.mkdir()
    content = film.read_bytes()
    for number in range(count):
        (folder / f"film-{number}{film.suffix}").write_bytes(content + bytes([number]))
    return folder


def timed(films: Path, out: Path, workers: int, ray: bool) -> Run:
    """One catalogue, from nothing."""
    began, started = time.monotonic(), list[float]()

    def listen(_: Progress) -> None:
        journal = out / JOURNAL
        if not started and journal.is_file() and b'"begun"' in journal.read_bytes():
            started.append(time.monotonic() - began)

    report = catalogue(films, out, CatalogueWish(), workers=workers, ray=ray, captioners=0 if ray else None,
                       listener=listen)  # fmt: skip
    assert report.counts("described") == len(report.rows), report.summary
    return Run(time.monotonic() - began, started[0])


def efficiency(one: float, two: float) -> float:
    return one / (2 * two)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=6, help="how many; an even number, or one worker idles at the end")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--film", type=Path, default=bundled_film(), help="which film (the bundled one)")
    parser.add_argument("--ray", action="store_true", help="workers are Ray's")
    asked = parser.parse_args()
    runs: dict[int, list[Run]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        films = films_of(asked.film, place / "films", asked.films)
        for turn in range(asked.rounds):
            for workers, found in runs.items():
                found.append(timed(films, place / f"out-{turn}-{workers}", workers, asked.ray))
                print(f"{workers} worker(s): {found[-1].whole_s:.1f} s, {found[-1].start_s:.1f} s of them to begin")
    whole = efficiency(*(median(run.whole_s for run in runs[workers]) for workers in (1, 2)))
    work = efficiency(*(median(run.work_s for run in runs[workers]) for workers in (1, 2)))
    print(f"efficiency of two workers: {work:.2f} ({whole:.2f} with what it takes to begin)")
    return 0 if work >= MIN_EFFICIENCY else 1


if __name__ == "__main__":
    sys.exit(main())
