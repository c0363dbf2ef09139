"""Describing beside busy programs: processor time and wall time against the same when nothing else runs.

    python benchmarks/neighbours.py [--busy 2] [--rounds 2]

Each way of waiting describes the bundled film in turn, quiet and then beside one and more programs that do nothing but
count. `sleeping` is what calvin sets; `awake` is what PyTorch does by itself; `one thread` is the floor. The exit code
is 1 if sleeping takes more than 1.2 times its own quiet processor time, or more than 1.2 times as long as awake while
nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from calvin.core.package import bundled_film

WAYS = {
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
    "awake": {},
    "one thread": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
}
DESCRIBE = "from calvin.cli.main import command_line; import sys; command_line(sys.argv[1:])()"
COUNT = "while True: pass"


def described(way: str) -> tuple[float, float]:
    """Seconds of processor time and of the clock for one description."""
    film, subtitles = bundled_film()
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "MKL_"))}
    own |= WAYS[way]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        words = ["describe", str(film), "--subtitles", str(subtitles), "--model", "calvin-mini"]
        command = [sys.executable, "-c", DESCRIBE, *words, "-o", str(Path(folder) / "film.calvin")]
        subprocess.run(command, check=True, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return taken, time.perf_counter() - begun


def beside(busy: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Medians over rounds, each way in turn, beside so many busy programs."""
    counting = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(busy)]
    try:
        runs = [{way: described(way) for way in WAYS} for _ in range(rounds)]
    finally:
        for one in counting:
            one.kill()
            one.wait()
    return {
        way: (statistics.median(run[way][0] for run in runs), statistics.median(run[way][1] for run in runs))
        for way in WAYS
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=2, help="busy programs at most")
    parser.add_argument("--rounds", type=int, default=2, help="descriptions of each kind")
    given = parser.parse_args()
    described("sleeping")  # films and files are in memory from here on
    tables = []
    for busy in range(given.busy + 1):
        print(f"Beside {busy} busy programs ...", file=sys.stderr)
        tables.append(beside(busy, given.rounds))
    floor = tables[0]["one thread"][0]
    print(f"{os.cpu_count()} cores. One thread, quiet: {floor:.1f} s of processor time.")
    print("| beside | " + " | ".join(f"{way}: processor, of the floor; clock" for way in WAYS) + " |")
    print("|---" * (len(WAYS) + 1) + "|")
    for busy, table in enumerate(tables):
        cells = " | ".join(f"{table[way][0]:.1f} s, {table[way][0] / floor:.2f}; {table[way][1]:.1f} s" for way in WAYS)
        print(f"| {busy} busy | {cells} |")
    worst = max(table["sleeping"][0] for table in tables) / tables[0]["sleeping"][0]
    slower = tables[0]["sleeping"][1] / tables[0]["awake"][1]
    print(f"Sleeping beside others, of its quiet processor time: {worst:.2f} (at most 1.2). ", end="")
    print(f"Quiet, sleeping against awake, by the clock: {slower:.2f} (at most 1.2).")
    return int(worst > 1.2 or slower > 1.2)


if __name__ == "__main__":
    sys.exit(main())
