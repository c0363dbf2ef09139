"""A trained model's card: what made it, what it saw and what it scores. Every figure comes from the run."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from calvin.core.errors import CheckpointError
from calvin.core.files import atomic_path, file_sha256, write_json, write_text
from calvin.core.text_tables import counted
from calvin.lab.truth_scoring import TruthRow
from calvin.training.history import read_history
from calvin.training.run import accuracy_of
from calvin.training.settings import differences
from calvin.training.steps import Recipe


def machine() -> str:
    """This machine's kind in words, for cards and logs."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} {platform.machine()} CPU cores"


def deviations(recipe: Recipe) -> list[str]:
    """Where a recipe trains on what the paper keeps for test time, in words."""
    first, stage = recipe.stages[0], recipe.stages[-1]
    # Mini's stage 2 goes on with forms of prompts in place of these two shares.
    second = next((one for one in recipe.stages if one.stage == 2), stage)
    shares = {
        "of the scenes with context are shown without it": second.no_context_share,
        "of the scenes with known names are shown with an entity prompt (Figure 5)": second.entity_share,
        "of the micro-batches of stage 2 are text alone": stage.weights.get("text", 0.0) / sum(stage.weights.values()),
    }
    found = [f"{share:.0%} {what}" for what, share in shares.items() if share]
    if stage.forms:
        forms = ", ".join(f"{form} {share:.0%}" for form, share in stage.forms.items())
        later = "" if second.forms else "later in stage 2, "
        told = "films are told after prompts of several forms, and captions name only whom these make known"
        found.append(f"{later}{told} ({forms})")
    if "own" in stage.forms:
        found.append("some contexts are captions that the model wrote itself, half-way through stage 2")
    if "mad_5" in stage.weights:
        found.append("some scenes of films are shown with 5 scenes of context, where the paper trains with 3")
    if "mad" in stage.weights:
        found.append("films get other words and other names in each epoch")
    if "mad_clips" in first.weights:
        found.append("stage 1 sees the scenes of the films too, captioned without names")
        found.append("captions of some clips list the people and things in them instead of being a sentence")
    if "language_model" in first.trains:
        found.append("stage 1 trains the language model too, where the paper's is frozen")
    if "language_model" in stage.trains:
        found.append("stage 2 trains the whole language model instead of a LoRA")
    return found


def made_by(run: Path, recipe: Recipe) -> str:
    """How a run went, in words, as it noted it itself."""
    history = read_history(run)
    stops = history.starts - 1
    stopped = "in one go" if stops < 1 else f"with {counted(stops, 'stop')} on the way"
    code = f"version {history.version}" + "".join(f", commit {commit}" for commit in history.commits)
    steps = ", ".join(f"{step} {seconds / 60:.1f}" for step, seconds in history.seconds.items())
    beside = " (the language model beside tower and world)" if recipe.released else ""
    return (
        f"begun {history.begun}, done {history.ended}, {history.minutes:.1f} minutes on the clock {stopped}, on "
        f"{history.machine}, {code}. Minutes at work: {steps}{beside}; the "
        f"processor worked for {sum(history.processor.values()) / 60:.0f} minutes."
    )


USAGE = """## Use

```sh
calvin describe film.mp4 --model FOLDER
```

```python
import calvin  # makes the model known to the Auto classes
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("FOLDER")
processor = AutoProcessor.from_pretrained("FOLDER")
inputs = processor(text="Describe this visual.", videos=frames)
print(processor.captions(model.generate(**inputs, num_beams=5, max_new_tokens=64)))
```

`frames` is a list of pictures, an array [T, H, W, 3] or a file; `FOLDER` is the folder that holds this card.
"""


def write_card(folder: Path, recipe: Recipe, run: Path, table: str) -> Path:
    """`README.md` of a model folder.

    Args:
        recipe: with a world, which made the model.
        run: the folder of the run, which knows how long it took and what tower and language model score.
        table: the evaluation, as Markdown.
    """
    accuracy, world = accuracy_of(run), recipe.world
    assert world is not None
    tower = accuracy["tower"]
    seen = ", ".join(f"{slot} {share:.0%}" for slot, share in tower.items() if slot in _SHOWN)
    language = "; ".join(f"{row['phase']}: {row['marked_accuracy']:.0%}" for row in accuracy["language"])
    changed = [f"{stage.name}: {', '.join(map(str, differences(recipe, stage)))}" for stage in recipe.stages]
    changed = [line for line in changed if not line.endswith(": ")]
    lines = [
        *("---", "license: apache-2.0", "library_name: transformers", "pipeline_tag: video-text-to-text", "---"),
        f"# calvin-{recipe.name}",
        "",
        f"{recipe.about[0].upper()}{recipe.about[1:]}. It knows animated puppet films and nothing else.",
        "",
        f"- Made by `calvin train {recipe.name}`, seed {world.seed}: {made_by(run, recipe)}",
        f"- Saw {world.films} films of {world.scenes} scenes, {world.clips} clips, {world.images} images and "
        f"{world.conversations} conversations of the puppet world; its vision tower {world.tower_images:,} stills.",
        f"- Vision tower, words right on held-out stills: {seen}.",
        f"- Language model, names right that the text gives away: {language}.",
        f"- Weights: sha256 {file_sha256(folder / 'model.safetensors')}.",
        "- Deviations from the paper: " + "; ".join(deviations(recipe)) + ".",
        *([f"- Changed against the recipe: {'; '.join(changed)}."] if changed else []),
        "",
        USAGE,
        f"## Scores on {world.heldout_films} held-out films, beam 5",
        "",
        "Percent of scenes, scored against what happens and not against one wording. Casts, names paired with looks "
        "and seeds are not those of training. `wrong_name`: a person is named who is not there (lower is better). "
        "The last row shows another scene's frames: what is right there was guessed, not seen.",
        "",
        table,
        "",
    ]
    path = folder / "README.md"
    write_text(path, "\n".join(lines))
    return path


TEST, DEVELOPMENT = "## Figures on test films", "## Figures on puppet-eval"


def add_figures(folder: Path, figures: str, picture: Path | None, heading: str = DEVELOPMENT) -> None:
    """Put what `calvin evaluate-puppets` printed and drew into a model's card, in place of earlier figures.

    Args:
        heading: `DEVELOPMENT`, or `TEST`, whose figures stand before those.

    Raises:
        CheckpointError: the model has no card.
    """
    path = folder / "README.md"
    if not path.is_file():
        raise CheckpointError(f"{folder} has no card (README.md) to write the figures into.")
    card, parts = _parts(path.read_text(encoding="utf-8"))
    how = {
        DEVELOPMENT: "`calvin evaluate-puppets` prints these, beam 5, on films drawn from their seeds and checked by "
        "hash. They are a development set: rates, lengths and shares of the recipe were chosen by looking at them.",
        TEST: "`calvin evaluate-puppets --test` prints these, beam 5. The films are drawn from a seed made of these "
        "weights: nobody can have looked at them before training was done.",
    }
    shown = []
    if picture is not None:
        with atomic_path(folder / picture.name) as temporary:
            shutil.copyfile(picture, temporary)
        shown.append(f"![Confusion of actions]({picture.name})")
    parts[heading] = "\n\n".join([how[heading], figures.strip(), *shown])
    text = [card, *(f"{head}\n\n{parts[head]}" for head in (TEST, DEVELOPMENT) if head in parts)]
    write_text(path, "\n\n".join(text) + "\n")


def _parts(card: str) -> tuple[str, dict[str, str]]:
    """A card without its figures, and the figures by heading."""
    found = dict[str, str]()
    for heading in (DEVELOPMENT, TEST):  # the last first
        card, _, figures = card.partition(heading)
        if figures:
            found[heading] = figures.strip()
    return card.rstrip(), found


_SHOWN = frozenset({"place", "prop", "people", "left coat", "left near hand x", "left turn"})


def save_evaluation(path: Path, rows: Sequence[TruthRow]) -> None:
    """The rows of an evaluation, captions included, as JSON."""
    write_json(path, [asdict(row) for row in rows])
