"""Processor time of the commands that look at a project, from start to end, next to a Python that does nothing.

    python benchmarks/startup.py [--runs 7]

The bundled film is described first; then each command runs on that project in a process of its own. Processor time is
user and system time of the process, the median of the runs. The exit code is 1 if a command takes more than 0.5 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from calvin.core.package import bundled_film
from calvin.core.text_tables import markdown_table

MAX_S = 0.5
COMMANDS = ("--help", "status PROJECT", "lint PROJECT", "export PROJECT", "pick PROJECT -n 5")


def processor_time(command: Sequence[str]) -> float:
    """Seconds of processor time, user and system, that a command takes in a process of its own."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # lint ends with 1 where it finds errors
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}.")
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "film.calvin"
        film, subtitles = map(str, bundled_film())
        describe = [python, "-m", "calvin", "describe", film, "-s", subtitles, "-o", str(project)]
        subprocess.run(describe, check=True, capture_output=True)
        commands = {"python -c pass": [python, "-c", "pass"]}
        for words in COMMANDS:
            arguments = words.replace("PROJECT", str(project)).split(" ")
            commands[f"calvin {words}"] = [python, "-m", "calvin", *arguments]
        for command in commands.values():
            processor_time(command)  # the first run may compile what it imports
        # In turn, so that what else the machine does falls on all of them alike.
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                taken[name].append(processor_time(command))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    nothing = medians["python -c pass"]
    cells = [[f"`{name}`", f"{taken:.2f} s", f"{taken - nothing:.2f} s"] for name, taken in medians.items()]
    print(markdown_table(["command", "processor time", "more than `python -c pass`"], cells))
    return int(max(medians.values()) > MAX_S)


if __name__ == "__main__":
    sys.exit(main())
