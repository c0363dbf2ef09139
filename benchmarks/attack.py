"""Damaged inputs by the thousand: what calvin makes of them, counted.

    python benchmarks/attack.py films --count 1000
    python benchmarks/attack.py texts --count 1000
    python benchmarks/attack.py stores --count 1000
    python benchmarks/attack.py kills --count 100
    unshare -rm python benchmarks/attack.py disks --count 100

Each part (in `attacks`) damages whole inputs in ways that its seed repeats and gives one outcome per try. A try that
ends in a traceback, takes a process down, hangs, loses something without a word or leaves something behind is a fault,
and is printed so that it can be made again (`--only N`). The exit code is 1 where there was one.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

HANG_S = 60
SLOW = {"kills": 900, "disks": 900, "stores": 300}
"""Parts whose tries may take longer, in seconds."""
FAULTS = ("traceback", "died", "hung", "silent loss", "other result", "left behind", "not one sentence")
PARTS = {"films": "try_film", "texts": "try_text", "stores": "try_store", "kills": "try_kill", "disks": "try_disk"}
"""The module of each part in `attacks`, with what tries number N in a folder: it gives the outcome and a line on it."""


def work(part: str, start: int, stop: int) -> None:
    """The child: tries start to stop, a line of JSON for each."""
    attempt: Callable[[int, Path], tuple[str, str]] = getattr(import_module(f"attacks.{part}"), PARTS[part])
    with tempfile.TemporaryDirectory(prefix="calvin-attack-") as folder:
        for number in range(start, stop):
            began = time.monotonic()
            try:
                outcome, about = attempt(number, Path(folder))
            except Exception:
                outcome, about = "traceback", traceback.format_exc()
            print(json.dumps([number, outcome, about, time.monotonic() - began]), flush=True)


def outcomes(part: str, start: int, stop: int) -> Iterator[tuple[int, str, str, float]]:
    """Each try's number, outcome, a line about it and its seconds; a process that dies or hangs is begun anew."""
    number = start
    while number < stop:
        command = [sys.executable, __file__, part, "--work", f"{number}:{stop}"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stderr is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pour, args=(child.stdout, lines), daemon=True).start()
        threading.Thread(target=child.stderr.read, daemon=True).start()
        while number < stop:
            try:
                line = lines.get(timeout=SLOW.get(part, HANG_S))
            except queue.Empty:
                child.kill()
                yield number, "hung", f"over {SLOW.get(part, HANG_S)} s", SLOW.get(part, HANG_S)
                number += 1
                break
            if not line:
                yield number, "died", f"exit code {child.wait()}", 0.0
                number += 1
                break
            yield tuple(json.loads(line))
            number += 1
        child.wait()


def _pour(stream: Iterator[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number to begin with: each damages in its own way")
    parser.add_argument("--only", type=int, help="one number again, with all that it says")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.part, *map(int, asked.work.split(":")))
        return
    if asked.only is not None:
        work(asked.part, asked.only, asked.only + 1)
        return
    counts: Counter[str] = Counter()
    longest = 0.0
    for number, outcome, about, seconds in outcomes(asked.part, asked.first, asked.first + asked.count):
        counts[outcome] += 1
        longest = max(longest, seconds)
        if outcome in FAULTS:
            print(f"{number}: {outcome}: {about}", flush=True)
    for outcome, count in counts.most_common():
        print(f"{outcome:24} {count:6}")
    print(f"{'longest try':24} {longest:6.1f} s")
    sys.exit(any(counts[fault] for fault in FAULTS))


if __name__ == "__main__":
    main()
