"""How much of a description is heard, and when: `python benchmarks/coverage.py [--films 25] [PROJECT ...]`.

Held-out puppet films of seeds that nothing else draws are described around their subtitles, by the bundled model with
its own captions as context, voiced, and looked at as the plain track has them. Or the projects named are looked at,
which have to be voiced.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from calvin.captioners import open_captioner
from calvin.core.text_tables import markdown_table
from calvin.lab.coverage import NOTHING, Coverage, project_coverage, puppet_coverage
from calvin.media.voice.registry import open_voice

SEED = 9_100_000
"""No other film is drawn from seeds like these."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", type=Path)
    parser.add_argument("--films", type=int, default=25)
    parser.add_argument("--first", type=int, default=0, help="the first film, from 0")
    parser.add_argument("--out", type=Path, default=Path("runs/coverage"))
    parser.add_argument("--model")
    options = parser.parse_args()
    found: list[Coverage] = [project_coverage(project) for project in options.projects]
    if not found:
        captioner = open_captioner(options.model)
        with closing(open_voice()) as voice:
            for seed in range(SEED + options.first, SEED + options.first + options.films):
                found += puppet_coverage(captioner, [seed], options.out, voice)
                print(f"film {seed}: {found[-1].said} of {found[-1].places}", flush=True)
    total = sum(found, NOTHING)
    name = f"{len(found)} films" if len(found) > 1 else str((options.projects or ["1 film"])[0])
    print(markdown_table(("", name), total.rows()))


if __name__ == "__main__":
    main()
