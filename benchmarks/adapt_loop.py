"""The loop of a describer on the bundled film: describe, pick, correct from the truth, adapt, describe again.

    python benchmarks/adapt_loop.py [--count 5] [--iterations 100] [--model FOLDER] [--keep FOLDER]

Prints, of the scenes that nobody corrected, in how many the names are right before and after, and how many name
somebody who is not there; and whether the approved cues are what the describer wrote. The exit code is 1 if names are
not right in more scenes than before, or an approved cue has changed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from calvin import adapt, describe
from calvin.captioners.calvin import Calvin
from calvin.core.package import bundled_film
from calvin.core.time import Span
from calvin.core.types import Cue, Status
from calvin.puppets.lexicon import NAMES
from calvin.puppets.truth import SceneTruth, names_in
from calvin.studio.adapt.scene_picks import pick_scenes
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import Correction
from calvin.training.fewshot import adapt_config

Told = tuple[str, SceneTruth]
"""A scene of the film: how a describer says it, and what happens in it."""


def read_truth(film: Path) -> list[Told]:
    rows = json.loads(film.with_suffix(".truth.json").read_text(encoding="utf-8"))["scenes"]
    return [(row.pop("caption"), SceneTruth.from_json(row)) for row in rows]


def scene_of(span: Span, truth: Sequence[Told]) -> Told:
    return max(truth, key=lambda told: told[1].span.overlap_ms(span))


def cues_of(project: Path) -> list[Cue]:
    with ProjectStore(project, read_only=True) as store:
        return store.cues


def names_of(cues: Sequence[Cue], truth: Sequence[Told], left_out: Sequence[Span]) -> tuple[int, int, int]:
    """Cues with the right names, cues that name somebody who is not there, and all cues, without those `left_out`."""
    asked = [cue for cue in cues if cue.visual not in left_out]
    named = [(set(names_in(cue.text, NAMES)), set(scene_of(cue.visual, truth)[1].present)) for cue in asked]
    return sum(said == there for said, there in named), sum(not said <= there for said, there in named), len(asked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=5, help="scenes to correct")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--model", help="the CALVIN to adapt; by default the bundled one")
    parser.add_argument("--keep", type=Path, help="where to keep project and adapter")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return loop(arguments.keep or Path(temporary), arguments.model, arguments.count, arguments.iterations)


def loop(folder: Path, model: str | None, count: int, iterations: int) -> int:
    film, subtitles = bundled_film()
    truth, project, adapter = read_truth(film), folder / "puppets.calvin", folder / "adapted"
    describe(film, subtitles, model=Calvin.from_pretrained(model), out_dir=project)
    with ProjectStore(project, read_only=True) as store:
        picks = pick_scenes(store, count)
        drafts = store.cues
    spans = [pick.span for pick in picks]
    corrections = [Correction(span, scene_of(span, truth)[0]) for span in spans]
    base = Calvin.from_pretrained(model)
    config = adapt_config(base.model.config)
    config = config.changed(loop=config.loop.changed(steps=iterations))
    made = adapt(base, project, corrections, adapter, config, check=False)
    approved = {cue.id: cue for cue in cues_of(project) if cue.status is Status.APPROVED}
    describe(project, model=Calvin.from_pretrained(model), adapter=adapter)
    cues = cues_of(project)
    for note in made.notes:
        print(f"note: {note}")
    for cue in cues:
        mark = "approved" if cue.id in approved else "        "
        print(f"{cue.span.start_ms / 1000:6.1f} s  {mark}  {cue.text}")
    left_out = [cue.visual for cue in approved.values()]
    (right, wrong, total), (now_right, now_wrong, now) = (
        names_of(some, truth, left_out) for some in (drafts, cues)
    )  # fmt: skip
    words = sorted(cue.text for cue in approved.values()) == sorted(each.text for each in corrections)
    kept = words and all({cue.id: cue for cue in cues}.get(name) == cue for name, cue in approved.items())
    print(f"names right in {right} of {total} scenes before, {now_right} of {now} after, without the {count} corrected")
    print(f"somebody named who is not there: {wrong} before, {now_wrong} after")
    print(f"approved cues {'unchanged' if kept else 'CHANGED'}")
    return 0 if kept and now_right > right else 1


if __name__ == "__main__":
    raise SystemExit(main())
